// Package load keeps cores busy with a known piece of work, and counts it: in
// threads of this process or in processes of their own, for the whole of the
// time or a part of it, side by side or behind one lock.
package load

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"capmon/demo/child"
)

// The most that one run takes.
const (
	MaxThreads   = 1024 // over all processes
	MaxProcesses = 256
)

// Spec is what to run.
type Spec struct {
	Processes int           // of their own; 0: threads of this process
	Threads   int           // in each process, 1 or more; each is one of the system's
	Duty      float64       // percent of the time that a thread is busy, 0 to 100
	Lock      bool          // the threads of a process share one lock
	For       time.Duration // from the moment that all of them run
	Nice      int           // 0 to 19; on Windows a class: below normal, from 15 idle
	Pin       bool          // thread i stays on the i-th core that this process may use
	// Live, where given, gets what was done so far, once a second.
	Live func(Result) `json:"-"`
}

// Result is the work done.
type Result struct {
	Seconds   float64   `json:"seconds"`
	Loops     uint64    `json:"loops"` // pieces of work
	Processes []Process `json:"processes"`
}

// PerSecond is the work done in a second; 0 before any time has passed.
func (r Result) PerSecond() float64 { return rate(r.Loops, r.Seconds) }

// Process is the work of one process.
type Process struct {
	PID     int      `json:"pid"`
	Threads []uint64 `json:"threads"` // pieces of work of each
}

// Loops is the work of all its threads.
func (p Process) Loops() uint64 {
	var n uint64
	for _, t := range p.Threads {
		n += t
	}
	return n
}

func rate(loops uint64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(loops) / seconds
}

// FreeCores is how many threads leave one core free, at least 1. A container's
// quota and the cores this process may use count.
func FreeCores() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// Check says what is wrong with s.
func (s Spec) Check() error {
	switch {
	case s.Threads < 1 || s.Threads > MaxThreads:
		return fmt.Errorf("threads %d: want 1 to %d", s.Threads, MaxThreads)
	case s.Processes < 0 || s.Processes > MaxProcesses:
		return fmt.Errorf("processes %d: want 1 to %d", s.Processes, MaxProcesses)
	case s.Processes*s.Threads > MaxThreads:
		return fmt.Errorf("%d processes with %d threads each: want at most %d threads in all", s.Processes, s.Threads, MaxThreads)
	case !(s.Duty >= 0 && s.Duty <= 100):
		return fmt.Errorf("duty %v: want 0 to 100 percent", s.Duty)
	case s.Lock && s.Threads < 2:
		return fmt.Errorf("a lock needs threads that share it: want 2 threads or more")
	case s.For <= 0:
		return fmt.Errorf("for %v: want more than 0s", s.For)
	case s.Nice < 0 || s.Nice > 19:
		return fmt.Errorf("nice %d: want 0 to 19", s.Nice)
	case s.Pin && !canPin:
		return fmt.Errorf("pin: threads can't be held to a core on %s", runtime.GOOS)
	}
	return nil
}

// Run works until s.For is over or ctx ends, which is no error; nothing of it
// runs afterwards. It fails when a process can't start or ends too early.
func Run(ctx context.Context, s Spec) (Result, error) {
	if err := s.Check(); err != nil {
		return Result{}, err
	}
	if s.Processes == 0 {
		return runHere(ctx, s, time.Second)
	}
	return runChildren(ctx, s)
}

// count is one thread's, alone on its line of the cache.
type count struct {
	atomic.Uint64
	_ [120]byte
}

// runHere works in threads of this process and reports every so often.
func runHere(ctx context.Context, s Spec, every time.Duration) (Result, error) {
	// Room for whoever reads orders and the clock, beside the busy ones.
	was := runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), s.Threads+2))
	defer runtime.GOMAXPROCS(was)
	ctx, end := context.WithCancel(ctx)
	defer end()
	counts := make([]count, s.Threads)
	var lock *spin
	if s.Lock {
		lock = new(spin)
	}
	ready := make(chan error, s.Threads)
	var all sync.WaitGroup
	for i := range counts {
		all.Go(func() {
			// Never unlocked: the thread ends with its work, and its nice with it.
			runtime.LockOSThread()
			err := setNice(s.Nice)
			if err == nil && s.Pin {
				err = pin(i)
			}
			ready <- err
			if err == nil {
				work(ctx, s.Duty/100, lock, &counts[i].Uint64)
			}
		})
	}
	for range counts {
		if err := <-ready; err != nil {
			end()
			all.Wait()
			return Result{}, err
		}
	}
	began := time.Now()
	so := func() Result {
		p := Process{PID: pid, Threads: make([]uint64, len(counts))}
		for i := range counts {
			p.Threads[i] = counts[i].Load()
		}
		return Result{Seconds: time.Since(began).Seconds(), Loops: p.Loops(), Processes: []Process{p}}
	}
	wait(ctx, s, every, so, nil)
	end()
	r := so()
	all.Wait()
	return r, nil
}

// wait tells s.Live until the time is over, ctx ends or fail does.
func wait(ctx context.Context, s Spec, every time.Duration, so func() Result, fail <-chan struct{}) {
	over := time.NewTimer(s.For)
	defer over.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-over.C:
			return
		case <-fail:
			return
		case <-tick.C:
			if s.Live != nil {
				s.Live(so())
			}
		}
	}
}

const role = "load"

// Main is the child's whole life when this process is one of a load's; it then
// says so.
func Main() bool { return child.Main(map[string]child.Role{role: runChild}) }

// runChild works until its input ends.
func runChild(config []byte, in io.Reader, out io.Writer) error {
	var s Spec
	if err := json.Unmarshal(config, &s); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	_, over := child.Orders(in)
	go func() {
		<-over
		end()
	}()
	say := child.NewTeller(out)
	s.Live = func(r Result) { say.Tell(r.Processes[0]) }
	r, err := runHere(ctx, s, 200*time.Millisecond)
	if err == nil {
		say.Tell(r.Processes[0])
		<-over
	}
	return err
}

// runChildren works in processes that each work in threads.
func runChildren(ctx context.Context, s Spec) (Result, error) {
	var mu sync.Mutex
	heard := make([]Process, s.Processes)
	list := make([]*child.Process, 0, s.Processes)
	stop := func() {
		var all sync.WaitGroup
		for _, c := range list {
			all.Go(c.Stop)
		}
		all.Wait()
	}
	ended := make(chan struct{})
	var once sync.Once
	for i := range s.Processes {
		if ctx.Err() != nil {
			break
		}
		c, err := child.Begin(role, s, func(line []byte) {
			var p Process
			if json.Unmarshal(line, &p) == nil {
				mu.Lock()
				heard[i] = p
				mu.Unlock()
			}
		})
		if err != nil {
			stop()
			return Result{}, fmt.Errorf("process %d of %d: %w: ask for fewer --processes, or raise `ulimit -n` and `ulimit -u`", i+1, s.Processes, err)
		}
		mu.Lock()
		if heard[i].PID == 0 { // it may have told of its work already
			heard[i] = Process{PID: c.PID(), Threads: make([]uint64, s.Threads)}
		}
		mu.Unlock()
		list = append(list, c)
		go func() {
			<-c.Done
			once.Do(func() { close(ended) })
		}()
	}
	began := time.Now()
	so := func() Result {
		mu.Lock()
		defer mu.Unlock()
		r := Result{Seconds: time.Since(began).Seconds(), Processes: append([]Process(nil), heard...)}
		for _, p := range heard {
			r.Loops += p.Loops()
		}
		return r
	}
	wait(ctx, s, time.Second, so, ended)
	var early error
	for _, c := range list {
		select {
		case <-c.Done:
			early = cmp.Or(early, fmt.Errorf("process %d ended too early: %w", c.PID(), cmp.Or(c.Err, io.ErrUnexpectedEOF)))
		default:
		}
	}
	took := time.Since(began).Seconds()
	stop()
	r := so()
	r.Seconds = took
	return r, early
}
