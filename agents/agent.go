package agents

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

// Source makes samples: a collectors.Runner, or a simulated machine.
type Source interface {
	// Sample reads the machine once and returns soon after ctx is done. Seq,
	// TimeMs and IntervalMs are filled in by the agent, which owns the sample
	// from then on.
	Sample(ctx context.Context, now time.Time) *sample.Sample
	// Names are those of the collectors, in the order of Sample.collector_us.
	Names() []string
	Close() error
}

// Look reads what is only read while somebody looks at a machine: a
// collectors.Look. One goroutine uses it at a time.
type Look interface {
	// Read returns soon after ctx is done. s is the newest sample, of which nothing
	// may be changed; users says that those of the cores are wanted, pid is the
	// process whose threads are, 0: of none.
	Read(ctx context.Context, s *sample.Sample, users bool, pid int) *sample.Detail
}

// Bounds and default of Config.Interval.
const (
	MinInterval     = time.Second
	MaxInterval     = 10 * time.Second
	DefaultInterval = time.Second
)

// DefaultSubscribers is how many streams an agent gives at once when Config
// does not say. A viewer takes one, and a second one while it shows the cores
// of the host.
const DefaultSubscribers = 64

// Config is what an agent is made of.
type Config struct {
	Source        Source            // closed by Run
	Interval      time.Duration     // MinInterval..MaxInterval; 0 means DefaultInterval
	Labels        map[string]string // at most sample.MaxLabels
	Hostname      string            // empty: the name of this machine
	Scope         string            // a part of a machine that is read as one; its label "scope"
	Version       string            // of capmon
	Simulated     bool              // not a machine
	Topology      *sample.Topology  // where its cores sit; nil: not known
	Look          func() Look       // makes one for each stream that wants more than the parts of the cores; nil: there is no more
	Log           *slog.Logger      // nil: no log
	SubscriberCap int               // 0 means DefaultSubscribers
}

// Agent is the loop that takes samples, and its memory. Its methods may be
// called from any goroutine.
type Agent struct {
	source   Source
	interval time.Duration
	log      *slog.Logger
	machine  *sample.Machine
	memory   *memory
	most     int // subscribers
	look     func() Look
	looks    chan struct{} // holds one for each Look that is in use

	started atomic.Bool
	done    chan struct{} // closed when Run has ended

	// Of the goroutine that takes samples.
	seq     uint64
	encoded []byte
	faults  *fold
}

// New makes an agent that does nothing until Run. The error says which part of
// the config is wrong; the source is then still the caller's.
func New(c Config) (*Agent, error) {
	if c.Source == nil {
		return nil, errors.New("an agent needs a source of samples")
	}
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	if c.Interval < MinInterval || c.Interval > MaxInterval {
		return nil, fmt.Errorf("interval %v: give one from %v to %v", c.Interval, MinInterval, MaxInterval)
	}
	if c.SubscriberCap < 0 {
		return nil, fmt.Errorf("%d subscribers: give 1 or more", c.SubscriberCap)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	machine, err := newMachine(c)
	if err != nil {
		return nil, err
	}
	return &Agent{
		source:   c.Source,
		interval: c.Interval,
		log:      c.Log,
		machine:  machine,
		memory:   newMemory(c.Interval),
		most:     cmp.Or(c.SubscriberCap, DefaultSubscribers),
		look:     c.Look,
		looks:    make(chan struct{}, maxLooks),
		done:     make(chan struct{}),
		faults:   newFold(c.Log, "a sample could not be sent whole", "samples are sent whole again", 0),
	}, nil
}

func newMachine(c Config) (*sample.Machine, error) {
	m := &sample.Machine{
		Epoch:      newEpoch(),
		Hostname:   c.Hostname,
		Os:         runtime.GOOS,
		Arch:       runtime.GOARCH,
		Version:    c.Version,
		IntervalMs: uint32(c.Interval.Milliseconds()),
		Collectors: c.Source.Names(),
		StartedMs:  time.Now().UnixMilli(),
		Simulated:  c.Simulated,
		Topology:   c.Topology,
	}
	if !c.Simulated {
		m.Kernel = kernel()
	}
	// Several scopes of one machine have its addresses: none is told by them.
	if !c.Simulated && c.Scope == "" {
		var err error
		if m.Addresses, err = ownAddresses(); err != nil {
			// Only who balances for whom stays unknown.
			c.Log.Warn("the addresses of this machine are not known", "err", err)
		}
	}
	if m.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("name of this machine: %w", err)
		}
		m.Hostname = name
	}
	labels := maps.Clone(c.Labels)
	if c.Scope != "" {
		if labels == nil {
			labels = make(map[string]string)
		}
		labels["scope"] = c.Scope
	}
	for k, v := range labels {
		if k == "" || k != sample.Printable(k) || v != sample.Printable(v) {
			return nil, fmt.Errorf("label %q=%q: a key and printable text are needed", k, v)
		}
		m.Labels = append(m.Labels, &sample.Label{Key: k, Value: v})
	}
	slices.SortFunc(m.Labels, func(a, b *sample.Label) int { return cmp.Compare(a.Key, b.Key) })
	m.Clean()
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("what this agent says of itself: %w", err)
	}
	return m, nil
}

// newEpoch is a random number, never 0.
func newEpoch() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:]) // never fails: it ends the program instead
		if n := binary.LittleEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}

// Machine is what stays the same from sample to sample. It is the caller's to
// keep.
func (a *Agent) Machine() *sample.Machine { return proto.CloneOf(a.machine) }

// Remember fills the memory with a past before Run, oldest first: the samples
// of a simulated machine, whose TimeMs are kept. They get the first sequence
// numbers. It must not be called once Run has begun.
func (a *Agent) Remember(past []*sample.Sample) {
	for _, s := range past {
		a.publish(s)
	}
}

// Run takes one sample an interval until ctx is done, then closes the source.
// The first is taken at once; the others at whole intervals after it by the
// monotonic clock. A sample that takes longer than an interval, or a process
// that was stopped, skips the ones it missed: the next says how long its
// interval really was. Run may be called once.
func (a *Agent) Run(ctx context.Context) error {
	if !a.started.CompareAndSwap(false, true) {
		return errors.New("this agent was started before")
	}
	defer close(a.done)
	defer a.faults.close()
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time
	for n := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return a.source.Close()
		case <-timer.C:
		}
		now := time.Now()
		s := a.source.Sample(ctx, now)
		if ctx.Err() != nil {
			continue // half a sample
		}
		a.publish(stamp(s, now, last, a.interval))
		last = now
		n = max(n, time.Since(start)/a.interval) + 1
		timer.Reset(time.Until(start.Add(n * a.interval)))
	}
}

// stamp labels s with the time of its end and, where it is not nominal, with
// how long it was. The wall clock labels; the monotonic clock measures.
func stamp(s *sample.Sample, now, last time.Time, nominal time.Duration) *sample.Sample {
	if s == nil {
		s = new(sample.Sample)
	}
	s.TimeMs = max(now.UnixMilli(), 0)
	s.IntervalMs = 0
	if last.IsZero() {
		return s
	}
	if took := now.Sub(last); (took - nominal).Abs() > nominal/100 {
		s.IntervalMs = uint32(min(took.Milliseconds(), 1<<31))
	}
	return s
}

// publish gives s the next number, encodes it once, remembers it and wakes the
// subscribers.
func (a *Agent) publish(s *sample.Sample) {
	a.seq++
	s.Seq = a.seq
	parts := s.GetCoreParts()
	b, err := a.encode(s)
	if err != nil {
		a.faults.report("sample", err.Error())
		s = &sample.Sample{Seq: s.GetSeq(), TimeMs: s.GetTimeMs(), IntervalMs: s.GetIntervalMs()}
		parts = nil
		b, _ = a.encode(s) // three numbers in their limits
	} else {
		a.faults.end("sample")
	}
	a.memory.add(s, b, parts)
}

// encode is valid until the next call. What no viewer would accept is an error:
// one viewer's refusal of the whole link would be the price of a name too long.
func (a *Agent) encode(s *sample.Sample) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	parts := s.CoreParts
	s.CoreParts = nil
	b, err := proto.MarshalOptions{}.MarshalAppend(a.encoded[:0], s)
	s.CoreParts = parts
	if err != nil {
		return nil, err
	}
	a.encoded = b
	if n := len(b) + len(parts) + partsOverhead; n > sample.MaxBytes {
		return nil, fmt.Errorf("sample of %d bytes, at most %d", n, sample.MaxBytes)
	}
	return b, nil
}
