package collectors

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"capmon/sample"
)

// DefaultDeadline is how long one collector may take in one interval.
const DefaultDeadline = 500 * time.Millisecond

// overtake is how long the others wait for a collector that is slow but not yet
// late before they go on beside it. Below it all of them run on one goroutine,
// one after the other: that costs one wake-up a second instead of five.
const overtake = 20 * time.Millisecond

// RunnerOptions are what a Runner may be told.
type RunnerOptions struct {
	// Deadline of each collector in one interval; 0 means DefaultDeadline.
	Deadline time.Duration
}

// A Runner takes one sample after the other. A collector that fails, panics or
// hangs is reported in the sample by name and leaves the others alone; while it
// hangs it is not called again, and what it brings late is thrown away.
type Runner struct {
	deadline time.Duration

	mu     sync.Mutex // held by Sample and Close
	slots  []*slot
	closed bool
}

// slot is one collector and whether it is still at work.
type slot struct {
	name string

	mu      sync.Mutex
	c       Collector
	running bool
	began   time.Time          // of the running call
	cancel  context.CancelFunc // of the running call
	free    chan struct{}      // closed at the end of the running call
}

// NewRunner makes a Runner of collectors, which it closes. At most
// sample.MaxCollectors are taken; more are a mistake of the caller and panic.
func NewRunner(list []Collector, o RunnerOptions) *Runner {
	if len(list) > sample.MaxCollectors {
		panic(fmt.Sprintf("collectors: %d of them, at most %d", len(list), sample.MaxCollectors))
	}
	r := &Runner{deadline: o.Deadline}
	if r.deadline <= 0 {
		r.deadline = DefaultDeadline
	}
	for _, c := range list {
		r.slots = append(r.slots, &slot{name: c.Name(), c: c})
	}
	return r
}

// Names are the names of the collectors, in the order of Sample.collector_us.
func (r *Runner) Names() []string {
	names := make([]string, len(r.slots))
	for i, s := range r.slots {
		names[i] = s.name
	}
	return names
}

// Sample runs every collector that is not still at work and returns what they
// read, without Seq, TimeMs and IntervalMs. It returns within the deadline and
// 20 ms for each collector that is slow, and soon after ctx is done; then what
// was not read is reported so. One call runs at a time; others wait for it. It
// never returns nil.
func (r *Runner) Sample(ctx context.Context, now time.Time) *sample.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &round{r: r, ctx: ctx, now: now, outs: make([]outcome, len(r.slots)), open: len(r.slots), done: make(chan struct{}, 1)}
	if r.closed {
		for i := range b.outs {
			b.settle(i, outcome{err: errors.New("the runner is closed")})
		}
	} else if b.open > 0 {
		b.run()
	}
	return b.sample()
}

// Close gives back what the collectors hold. A collector that is still at work
// is told to stop; if it doesn't within the deadline it is named in the error,
// and closed when it returns.
func (r *Runner) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	limit, cancel := context.WithTimeout(context.Background(), r.deadline)
	defer cancel()
	var errs []error
	for _, s := range r.slots {
		if err := s.close(limit.Done()); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

func (s *slot) close(limit <-chan struct{}) error {
	s.mu.Lock()
	if s.running {
		s.cancel()
		free := s.free
		s.mu.Unlock()
		select {
		case <-free:
		case <-limit:
			go func() {
				<-free
				_ = s.c.Close()
			}()
			return errors.New("still reading, left behind")
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	return s.c.Close()
}

// outcome is what became of one collector in one interval.
type outcome struct {
	settled bool
	reading Reading
	err     error
	took    time.Duration
}

// round is one call of Sample. What comes late finds its outcome settled and is
// dropped.
type round struct {
	r    *Runner
	ctx  context.Context
	now  time.Time
	done chan struct{} // told when nothing is open any more

	mu   sync.Mutex
	outs []outcome
	next int // the next slot to take
	open int // outcomes still awaited
}

// run starts one worker and waits for the outcomes. A slow collector is
// overtaken by another worker; a late one is given up.
func (b *round) run() {
	go b.work()
	tick := time.NewTimer(overtake)
	defer tick.Stop()
	for {
		select {
		case <-b.done:
			return
		case <-tick.C:
			if b.giveUp() {
				go b.work()
			}
			tick.Reset(overtake)
		case <-b.ctx.Done():
			b.stop()
			return
		}
	}
}

// take hands out the next slot; ok is false when there is none or nobody waits
// for it any more.
func (b *round) take() (i int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == len(b.outs) || b.open == 0 {
		return 0, false
	}
	b.next++
	return b.next - 1, true
}

// settle says what became of slot i, unless that has been said.
func (b *round) settle(i int, o outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.outs[i].settled {
		return
	}
	o.settled = true
	b.outs[i] = o
	b.open--
	if b.open == 0 {
		b.done <- struct{}{}
	}
}

// giveUp settles every collector that ran into its deadline, and tells whether
// there are others that nobody has taken yet.
func (b *round) giveUp() (more bool) {
	b.mu.Lock()
	taken := b.next
	b.mu.Unlock()
	for i, s := range b.r.slots[:taken] {
		if took, running := s.since(); running && took >= b.r.deadline {
			b.settle(i, outcome{err: fmt.Errorf("no answer within %v; its reading is left out until it returns", b.r.deadline), took: took})
		}
	}
	return taken < len(b.outs)
}

// stop settles everything that is open when the caller wants to go.
func (b *round) stop() {
	for i, s := range b.r.slots {
		took, _ := s.since()
		b.settle(i, outcome{err: fmt.Errorf("not read: %w", context.Cause(b.ctx)), took: took})
	}
}

// work takes one collector after the other until none is left.
func (b *round) work() {
	for {
		i, ok := b.take()
		if !ok {
			return
		}
		b.settle(i, b.r.slots[i].collect(b.ctx, b.now, b.r.deadline))
	}
}

// since tells for how long the running call has been at work.
func (s *slot) since() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		return 0, false
	}
	return time.Since(s.began), true
}

// collect calls the collector once, behind a panic barrier, unless an earlier
// call is still at work.
func (s *slot) collect(ctx context.Context, now time.Time, deadline time.Duration) (o outcome) {
	s.mu.Lock()
	began := time.Now()
	if s.running {
		o.took = began.Sub(s.began)
		s.mu.Unlock()
		o.err = fmt.Errorf("still reading since %v", o.took.Round(time.Second))
		return o
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	s.running, s.began, s.cancel, s.free = true, began, cancel, make(chan struct{})
	s.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			o.reading, o.err = nil, panicked(v)
		}
		o.took = time.Since(began)
		cancel()
		s.mu.Lock()
		s.running = false
		close(s.free)
		s.mu.Unlock()
	}()
	o.reading, o.err = s.c.Collect(ctx, now)
	return o
}

// panicked is the error of a collector that panicked, with the place.
func panicked(v any) error {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.HasPrefix(f.Function, "runtime.") {
			file := f.File[strings.LastIndexByte(f.File, '/')+1:]
			return fmt.Errorf("a defect in capmon: panic: %v (%s:%d)", v, file, f.Line)
		}
		if !more {
			return fmt.Errorf("a defect in capmon: panic: %v", v)
		}
	}
}

// sample applies the readings that came in time, in the order of the list. All
// outcomes are settled by then, and what is settled never changes.
func (b *round) sample() *sample.Sample {
	s := &sample.Sample{CollectorUs: make([]uint32, len(b.outs))}
	for i, o := range b.outs {
		s.CollectorUs[i] = uint32(max(0, min(o.took.Microseconds(), 1<<31)))
		if o.reading != nil {
			if err := apply(o.reading, s); err != nil {
				o.err = errors.Join(o.err, err)
			}
		}
		if o.err != nil {
			s.Errors = append(s.Errors, &sample.CollectorError{Collector: uint32(i), Text: oneLine(o.err.Error())})
		}
	}
	return s
}

func apply(r Reading, s *sample.Sample) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	r(s)
	return nil
}

// oneLine makes an error fit for a sample: one printable line of at most
// sample.MaxText bytes.
func oneLine(text string) string {
	text = sample.Printable(strings.ReplaceAll(text, "\n", "; "))
	return cut(text, sample.MaxText)
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
