package users

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"capmon/collectors"
	"capmon/demo/child"
	"capmon/demo/load"
)

const (
	serverNice = 10 // of the servers: whoever sits at this machine comes first
	sayEvery   = 200 * time.Millisecond
	headerTime = 20 * time.Second
)

// serverConfig is what one process of a server is told at its beginning.
type serverConfig struct {
	Name    string
	Addr    string // host:port; port 0 is any
	Share   bool   // with other processes
	Threads int    // that work, and that this process may use at a time
	Loops   int    // of each request
	Queue   int    // requests that may wait; the next is refused
}

// usage is the CPU time that a process has used by a moment.
type usage struct {
	PID int
	CPU time.Duration
	At  time.Time
}

// serverSays is a line of a server: where it listens and what it has used.
type serverSays struct {
	Addrs     []string
	Processes []usage
}

// server answers requests with the work of its threads, which take them from
// one queue.
type server struct {
	queue chan *job
	loops int
	alone bool // one thread does all
}

// job is one request.
type job struct {
	gone <-chan struct{} // nobody waits for the answer any more
	done chan struct{}
}

// atATime is how many threads of a process run at a time: one thread does all
// where there is one, as in an event loop; beside several that work one more
// takes what comes in, so that they need not stop for it.
func (c *serverConfig) atATime() int {
	if c.Threads == 1 {
		return 1
	}
	return c.Threads + 1
}

func newServer(c serverConfig) *server {
	s := &server{queue: make(chan *job, c.Queue), loops: c.Loops, alone: c.Threads == 1}
	for i := range c.Threads {
		go load.OnThread("worker "+strconv.Itoa(i+1), s.work)
	}
	return s
}

// work is the life of one thread: it stays the same thread of the system, as an
// event loop does.
func (s *server) work() {
	for j := range s.queue {
		select {
		case <-j.gone:
		default:
			load.Do(s.loops)
		}
		close(j.done)
		if s.alone {
			runtime.Gosched() // the answer goes out before the next request is begun
		}
	}
}

// ServeHTTP answers when a thread has done the work, and refuses at once when
// too many wait.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j := &job{gone: r.Context().Done(), done: make(chan struct{})}
	select {
	case s.queue <- j:
	default:
		http.Error(w, "full", http.StatusServiceUnavailable)
		return
	}
	<-j.done
	_, _ = io.WriteString(w, "done\n") // whoever has left misses it
}

// runServer is the life of one process.
func runServer(line []byte, in io.Reader, out io.Writer) error {
	var c serverConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	load.NameProcess(c.Name)
	if err := load.NiceProcess(serverNice); err != nil {
		return err
	}
	runtime.GOMAXPROCS(c.atATime())
	l, err := listen(c.Addr, c.Share)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: newServer(c), ReadHeaderTimeout: headerTime}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	return tell(in, out, failed, func(now usage) any {
		return serverSays{Addrs: []string{l.Addr().String()}, Processes: []usage{now}}
	}, nil)
}

// tell says what line makes of this process's use, again and again, until the
// parent ends it or is no more; stop is called when it is to count no more.
func tell(in io.Reader, out io.Writer, failed <-chan error, line func(usage) any, stop func()) error {
	meter := collectors.NewSelfMeter()
	defer meter.Close()
	say := child.NewTeller(out)
	stopped, end := child.Orders(in)
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for {
		now := usage{PID: os.Getpid(), At: time.Now()}
		cpu, _, err := meter.Read(context.Background(), now.At)
		if err != nil {
			return fmt.Errorf("its own CPU time: %w", err)
		}
		now.CPU = cpu
		say.Tell(line(now))
		select {
		case <-end:
			return nil
		case err := <-failed:
			return err
		case <-stopped:
			stopped = nil
			if stop != nil {
				stop()
			}
		case <-tick.C:
		}
	}
}

// runCluster is the life of a cluster's parent, which starts its workers and
// does no more.
func runCluster(line []byte, in io.Reader, out io.Writer) error {
	var c clusterConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	load.NameProcess(c.Name)
	say := child.NewTeller(out)
	_, end := child.Orders(in)
	heard, quit := make(chan workerSays), make(chan struct{})
	failed := make(chan error, c.Workers)
	var workers []*child.Process
	defer func() {
		close(quit)
		for _, w := range workers {
			w.Kill() // they keep nothing
		}
	}()
	all := serverSays{Processes: make([]usage, c.Workers)}
	addr, up := c.Addr, 0
	for up < c.Workers {
		if len(workers) == up {
			w, err := startWorker(up, addr, c, func(h workerSays) {
				select {
				case heard <- h:
				case <-quit:
				}
			}, failed)
			if err != nil {
				return fmt.Errorf("worker %d of %d: %w", up+1, c.Workers, err)
			}
			workers = append(workers, w)
		}
		select {
		case <-end:
			return nil
		case err := <-failed:
			return err
		case h := <-heard:
			all.Processes[h.index] = h.Processes[0]
			if h.index != up {
				continue
			}
			up++
			if up == 1 || !c.Share {
				all.Addrs = append(all.Addrs, h.Addrs...)
			}
			if c.Share {
				addr = all.Addrs[0] // the others join the first
			}
		}
	}
	say.Tell(all)
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return nil
		case err := <-failed:
			return err
		case h := <-heard:
			all.Processes[h.index] = h.Processes[0]
		case <-tick.C:
			say.Tell(all)
		}
	}
}

// clusterConfig is what the parent of a cluster is told.
type clusterConfig struct {
	serverConfig // of each worker
	Workers      int
}

// workerSays is a line of one worker.
type workerSays struct {
	serverSays
	index int
}

func startWorker(i int, addr string, c clusterConfig, hear func(workerSays), failed chan<- error) (*child.Process, error) {
	own := c.serverConfig
	own.Addr = addr
	w, err := child.Begin(roleServer, own, func(line []byte) {
		h := workerSays{index: i}
		if json.Unmarshal(line, &h.serverSays) == nil && len(h.Processes) == 1 {
			hear(h)
		}
	})
	if err != nil {
		return nil, err
	}
	go func() {
		<-w.Done
		failed <- fmt.Errorf("worker %d ended: %w", i+1, w.Unasked())
	}()
	return w, nil
}

// portFree says why addr can't be had by a server of one's own.
func portFree(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}
