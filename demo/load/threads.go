package load

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// period is how often a thread with a duty below 1 begins anew.
	period = 10 * time.Millisecond
	// batch is how many loops lie between two looks at the clock: about 0.1 ms;
	// smallBatch that of a thread which has to stop on time.
	batch      = 640
	smallBatch = 80
)

// counter is what one thread has done; it has lines of the cache for itself.
type counter struct {
	loops atomic.Uint64
	cpu   atomic.Int64 // ns on a core since it began
	_     [48]byte
}

// threads are the busy threads of this process.
type threads struct {
	spec     Spec
	first    int // number of its first thread among all of the run
	shared   *shared
	counters []counter
	stopping atomic.Bool
	begin    chan struct{} // closed when they shall work
	done     sync.WaitGroup

	began time.Time
	took  atomic.Int64 // ns, when they have ended; 0 = not yet
}

// newThreads starts threads of the operating system that wait for run. It
// fails, with none left, when one can't be had as s wants it.
func newThreads(s Spec, first int) (*threads, error) {
	t := &threads{spec: s, first: first, shared: newShared(s.Lock), counters: make([]counter, s.Threads), begin: make(chan struct{})}
	// Go runs at most so many threads at a time; two more look after them. It is
	// not lowered again: another load may need it.
	if want := s.Threads + 2; want > runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(want)
	}
	ready := make(chan error)
	for i := range t.counters {
		t.done.Go(func() { onOwnThread(func() { t.thread(i, ready) }) })
	}
	var err error
	for range t.counters {
		if e := <-ready; e != nil && err == nil {
			err = e
		}
	}
	if err != nil {
		t.stopping.Store(true)
		close(t.begin)
		t.wait()
		return nil, err
	}
	return t, nil
}

// run lets them work.
func (t *threads) run() {
	t.began = time.Now()
	close(t.begin)
}

// wait returns when they have ended, after stopping was set.
func (t *threads) wait() {
	t.done.Wait()
	if !t.began.IsZero() {
		t.took.Store(int64(time.Since(t.began)))
	}
}

// time is how long they have worked.
func (t *threads) time() time.Duration {
	if took := t.took.Load(); took != 0 {
		return time.Duration(took)
	}
	return time.Since(t.began)
}

func (t *threads) thread(i int, ready chan<- error) {
	err := t.settle(i)
	ready <- err
	<-t.begin
	if t.stopping.Load() {
		return
	}
	if t.spec.Duty >= 1 {
		t.busy(&t.counters[i])
	} else {
		t.paced(&t.counters[i])
	}
}

// settle makes the thread it runs on one of the load's.
func (t *threads) settle(i int) error {
	nameThread(fmt.Sprintf("loop %d", i+1))
	if err := niceThread(t.spec.Nice); err != nil {
		return err
	}
	if t.spec.Pin {
		return pinThread(t.first + i)
	}
	return nil
}

// work does n loops from x on.
func (t *threads) work(x uint64, n int) uint64 {
	if t.shared != nil {
		for range n {
			t.shared.loop()
		}
		return x
	}
	for range n {
		x = loop(x)
	}
	return x
}

func (t *threads) busy(c *counter) {
	at := threadCPU()
	var x uint64
	for !t.stopping.Load() {
		x = t.work(x, batch)
		c.loops.Add(batch)
		c.cpu.Store(int64(threadCPU() - at))
	}
	result.Store(x)
}

// result takes what the work came to, so that no compiler leaves it out.
var result atomic.Uint64

// paced is busy for its share of each period, by the clock of the thread where
// that is fine enough: a machine that has no time for it delays the share, it
// does not shorten it. What it ran too long it rests in the next period; what it
// could not run in a period is not made up for.
func (t *threads) paced(c *counter) {
	start, at, next := threadCPU(), paceClock(), time.Now()
	share := time.Duration(t.spec.Duty * float64(period))
	var owed time.Duration
	spend := func() {
		now := paceClock()
		owed -= now - at
		at = now
		c.cpu.Store(int64(threadCPU() - start))
	}
	var x uint64
	for !t.stopping.Load() {
		next = next.Add(period)
		owed = min(owed+share, share)
		for owed > 0 && !t.stopping.Load() && time.Until(next) > 0 {
			x = t.work(x, smallBatch)
			c.loops.Add(smallBatch)
			spend()
		}
		if rest := time.Until(next); rest > 0 {
			sleepThread(rest)
		} else {
			next = time.Now()
		}
		at = paceClock()
	}
	result.Store(x)
}

func (t *threads) stop() { t.stopping.Store(true) }

func (t *threads) read() []Worker {
	out := make([]Worker, len(t.counters))
	for i := range t.counters {
		c := &t.counters[i]
		out[i] = Worker{PID: os.Getpid(), Thread: i + 1, Loops: c.loops.Load(), CPU: time.Duration(c.cpu.Load()), Time: t.time()}
	}
	return out
}
