package payments

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"capmon/demo/child"
)

// serverConfig is what a server is told at its beginning.
type serverConfig struct {
	Name    string
	IP      string        // of its own; one that is not of this machine gives way to 127.0.0.1
	Slot    time.Duration // that a request holds the worker
	Loops   uint64        // that it computes in it
	Queue   int           // requests that may wait for the worker
	Cores   float64       // that it stands for
	Version string
}

// serverSays is a line of a server: where it is, and how many requests are in it.
type serverSays struct {
	Addr, Agent string
	Inside      int
}

// sayEvery is how often a child tells what changed.
const sayEvery = 100 * time.Millisecond

// payServer answers requests, one after the other.
type payServer struct {
	slot  time.Duration
	loops uint64
	queue chan *request
	meter traffic
}

// request is one that waits for the worker.
type request struct {
	ctx  context.Context
	seed uint64
	sum  uint64 // what the work came to
	done chan struct{}
}

func newPayServer(c serverConfig) *payServer {
	return &payServer{slot: c.Slot, loops: c.Loops, queue: make(chan *request, c.Queue)}
}

// run is the worker. A request holds it for its slot: it computes, then waits
// for the bank. So the server takes one a slot, whatever the computing took
// within it; one that is late makes up for it while others wait.
func (s *payServer) run(ctx context.Context) {
	bank := time.NewTimer(0)
	defer bank.Stop()
	free := time.Now() // since when the worker is, or from when on
	for {
		var r *request
		select {
		case r = <-s.queue:
		default:
			select {
			case <-ctx.Done():
				return
			case r = <-s.queue:
			}
			// The worker was waiting: the slot begins now, unless the last one
			// is not over.
			if now := time.Now(); now.After(free) {
				free = now
			}
		}
		if r.ctx.Err() != nil {
			continue // nobody waits for it any more
		}
		free = free.Add(s.slot)
		r.sum = work(r.seed, s.loops)
		if wait := time.Until(free); wait > 0 {
			bank.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-bank.C:
			}
		}
		close(r.done)
	}
}

func (s *payServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.meter.enter()()
	var pay uint64
	switch {
	case r.Method == http.MethodPost && r.URL.Path == payPath, r.Method == http.MethodGet && r.URL.Path == balancePath, r.Method == http.MethodGet && r.URL.Path == cataloguePath:
		// The seed of the work is the question: the same gives the same.
		for _, b := range []byte(r.URL.RequestURI()) {
			pay = pay*31 + uint64(b)
		}
	default:
		s.meter.answered(http.StatusNotFound)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	q := &request{ctx: r.Context(), seed: pay, done: make(chan struct{})}
	select {
	case s.queue <- q:
	default:
		s.meter.answered(http.StatusServiceUnavailable)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	select {
	case <-q.done:
		s.meter.answered(http.StatusOK)
		fmt.Fprintf(w, "%s %x\n", r.URL.Path, q.sum)
	case <-r.Context().Done():
	}
}

func runServer(line []byte, in io.Reader, out io.Writer) error {
	var c serverConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("payment server: %w", err)
	}
	s := newPayServer(c)
	return serve(c.Name, c.IP, PoolServers, c.Cores, c.Version, s, &s.meter, func(ctx context.Context, at places, failed <-chan error) error {
		go s.run(ctx)
		_, end := child.Orders(in)
		return child.TellChanges(out, sayEvery, end, failed, func() serverSays { return serverSays{at.web, at.agent, int(s.meter.inside.Load())} })
	})
}
