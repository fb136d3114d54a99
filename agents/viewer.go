package agents

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/agents/rpc"
	"capmon/sample"
)

// Sink takes what arrives from the hosts. Calls for one host come one after the
// other, those for different hosts at the same time; a slow one delays only its
// host. What is passed belongs to the Sink. Nothing comes for a host before
// Join or after Leave.
type Sink interface {
	// Join names the pool that the host is listed for, "" for none; addr is empty
	// for this process.
	Join(host, addr, pool string)
	Leave(host string)
	// Machine comes at the beginning of each stream; another epoch is another
	// run of the agent.
	Machine(host string, m *sample.Machine)
	// Samples come each once, in any order.
	Samples(host string, epoch uint64, s []*sample.Sample)
	Points(host string, epoch uint64, p []*sample.Point)
	// Detail is a sample with core_parts, which also comes through Samples
	// without them.
	Detail(host string, s *sample.Sample)
	// Dropped is how many samples were lost because this viewer was too slow.
	Dropped(host string, n uint64)
	Link(host string, l Link) // when it changes
}

// RawSink is a Sink that also wants the samples as they were sent: each batch
// after Samples had it, with those in it that had come before. They are only
// valid during the call.
type RawSink interface {
	Sink
	Raw(host string, epoch uint64, encoded [][]byte)
}

// ViewerOptions are what a viewer is made of.
type ViewerOptions struct {
	Security Security
	Sink     Sink
	Log      *slog.Logger // nil: no log
	// Interval is what a host is thought to sample at until it says; 0 means
	// DefaultInterval.
	Interval time.Duration
	// Resolver looks up dns:/// targets; nil means that of the system.
	Resolver Resolver
}

// maxDials is how many connections are under way at once.
const maxDials = 64

// The minutes that hosts remember come in updates of hundreds of samples. Of
// those so many are taken in at once that every core has work: a thousand at
// once would take a gigabyte of memory for it.
var maxPast = runtime.GOMAXPROCS(0)

// manySamples make an update one of the minutes before.
const manySamples = 16

// Viewer follows hosts. Its methods may be called from any goroutine.
type Viewer struct {
	options ViewerOptions
	log     *slog.Logger
	faults  *fold
	dials   chan struct{}
	past    chan struct{} // a place each for those who take in many samples at once
	beats   beats

	mu       sync.Mutex
	hosts    map[string]*member
	detail   string // whose detail is wanted
	detailOf DetailOf
}

// member is a host that is followed, by one or more entries of LIST.
type member struct {
	host   *host
	pool   string // of the first entry
	uses   int
	cancel context.CancelFunc
	ended  chan struct{}
}

// NewViewer makes a viewer that does nothing until Run or Local.
func NewViewer(o ViewerOptions) *Viewer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	o.Interval = min(max(cmp.Or(o.Interval, DefaultInterval), MinInterval), MaxInterval)
	return &Viewer{
		options: o,
		log:     o.Log,
		faults:  newFold(o.Log, "no samples", "samples come again", 0),
		dials:   make(chan struct{}, maxDials),
		past:    make(chan struct{}, maxPast),
		hosts:   make(map[string]*member),
	}
}

// Run follows the targets until ctx is done, whatever becomes of them, and
// returns nil when every goroutine is gone. Each target is joined at once, in
// order; those of DNS when their addresses are known.
func (v *Viewer) Run(ctx context.Context, targets []Target) error {
	if len(targets) == 0 {
		return errors.New("no host to follow")
	}
	var wg sync.WaitGroup
	for _, t := range targets {
		if t.DNS {
			f := &follower{viewer: v, target: t}
			wg.Go(func() { f.run(ctx) })
			continue
		}
		name, _, _ := net.SplitHostPort(t.Addr)
		v.join(ctx, t, name)
	}
	<-ctx.Done()
	wg.Wait()
	for _, t := range targets {
		if !t.DNS {
			v.leave(t.Name, false)
		}
	}
	return nil
}

// join follows a target; certHost is the name its certificate must be for. A
// host that is followed already is followed by one more.
func (v *Viewer) join(ctx context.Context, t Target, certHost string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if m := v.hosts[t.Name]; m != nil {
		m.uses++
		if m.pool != t.Pool {
			v.log.Warn("a host is listed for two pools: it stays in the first", "host", t.Name, "pool", m.pool, "other", t.Pool)
		}
		return
	}
	h := v.newHost(t.Name)
	ctx, cancel := context.WithCancel(ctx)
	m := &member{host: h, pool: t.Pool, uses: 1, cancel: cancel, ended: make(chan struct{})}
	v.hosts[t.Name] = m
	v.options.Sink.Join(t.Name, t.Addr, t.Pool)
	go func() {
		defer close(m.ended)
		h.follow(ctx, t, certHost)
	}()
}

// leave ends one use of a host, and waits for its end when it was the last.
// The sink is told when tell is set: not when everything ends.
func (v *Viewer) leave(name string, tell bool) {
	v.mu.Lock()
	m := v.hosts[name]
	if m == nil {
		v.mu.Unlock()
		return
	}
	if m.uses--; m.uses > 0 {
		v.mu.Unlock()
		return
	}
	delete(v.hosts, name)
	v.mu.Unlock()
	m.cancel()
	<-m.ended
	v.faults.forget(name)
	if tell {
		v.options.Sink.Leave(name)
	}
}

// Local follows an agent in this process until ctx is done or the agent ends,
// and returns nil then: the same road as that of a remote one, without gRPC.
func (v *Viewer) Local(ctx context.Context, name string, a *Agent) error {
	h := v.newHost(name)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v.mu.Lock()
	if v.hosts[name] != nil {
		v.mu.Unlock()
		return fmt.Errorf("host %q is followed already", name)
	}
	v.hosts[name] = &member{host: h, uses: 1, cancel: cancel}
	v.options.Sink.Join(name, "", "")
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.hosts, name)
	}()
	return h.local(ctx, a)
}

// DetailOf is what a detail stream is to have besides the parts of the cores: an
// agent reads it only for who asks.
type DetailOf struct {
	Users bool // which thread has each core
	PID   int  // the threads of this process; 0: of none
}

// Detail asks for a second stream, of samples with core_parts and what else is
// wanted, from this host and from no other; "" for none. It never blocks.
func (v *Viewer) Detail(host string, of DetailOf) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.detail == host && v.detailOf == of {
		return
	}
	if m := v.hosts[v.detail]; m != nil && v.detail != host {
		m.host.setDetail(wish{})
	}
	if m := v.hosts[host]; m != nil {
		m.host.setDetail(wish{true, of})
	}
	v.detail, v.detailOf = host, of
}

func (v *Viewer) newHost(name string) *host {
	return &host{
		viewer: v, sink: v.options.Sink, name: name,
		interval: v.options.Interval, detailWanted: make(chan wish, 1),
	}
}

// cloneUpdate is an update that may be kept: an agent in this process uses its
// own again.
func cloneUpdate(u *rpc.Update) *rpc.Update {
	c := &rpc.Update{
		Machine: u.GetMachine(), Samples: u.GetSamples(), Dropped: u.GetDropped(),
		ThroughSeq: u.GetThroughSeq(), ThroughPoint: u.GetThroughPoint(),
	}
	if n := len(u.GetPoints()); n > 0 {
		c.Points = make([]*sample.Point, n)
		for i, p := range u.GetPoints() {
			c.Points[i] = proto.CloneOf(p)
		}
	}
	return c
}
