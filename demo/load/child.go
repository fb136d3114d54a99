package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"capmon/demo/child"
)

const (
	// name is what its processes are called where a system lets them be.
	name = "capmon load"
	role = "load"
	// reportEvery is how often a child says how far it has come.
	reportEvery = 100 * time.Millisecond
	// patience is how long a child may take to end once it was asked to, and to
	// begin once all of it is to end.
	patience = time.Second
	// late is how long a child works on after its time: its parent may be stopped.
	late = 2 * time.Second
)

// order is what a child is told.
type order struct {
	Spec
	First int // number of its first thread among all of the run
}

// report is one line from a child.
type report struct {
	Error string        `json:"error,omitempty"` // why it can't begin
	Time  time.Duration `json:"time"`
	Loops []uint64      `json:"loops"`
	CPU   []int64       `json:"cpu"` // ns
}

// process is a child that works for a run.
type process struct {
	*child.Process
	latest atomic.Pointer[report]
	ready  chan error
	asked  atomic.Bool // to end
}

func startProcess(s Spec, i int, lost chan<- error) (*process, error) {
	p := &process{ready: make(chan error, 1)}
	begun := false
	began, err := child.Begin(role, order{Spec: s, First: i * s.Threads}, func(line []byte) {
		var r report
		if json.Unmarshal(line, &r) != nil {
			return
		}
		if r.Error == "" {
			p.latest.Store(&r)
		}
		if !begun {
			begun = true
			p.ready <- asError(r.Error)
		}
	})
	if err != nil {
		return nil, startError(i, s.Processes, err)
	}
	p.Process = began
	go func() {
		<-p.Done
		if !p.asked.Load() {
			lost <- fmt.Errorf("process %d ended too soon: %w", p.PID(), p.Unasked())
		}
	}()
	return p, nil
}

func asError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// startError says what to do where a process can't be had.
func startError(i, of int, err error) error {
	err = fmt.Errorf("start process %d of %d: %w", i+1, of, err)
	switch {
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%w: each takes four of the open files that this process may have: fewer --processes, or a higher `ulimit -n`", err)
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return fmt.Errorf("%w: this user, container or machine has no room for it: fewer --processes", err)
	}
	return err
}

// await returns when the child works, or why it can't.
func (p *process) await(ctx context.Context) error {
	select {
	case err := <-p.ready:
		return err
	case <-p.Done:
		return fmt.Errorf("process %d ended before it began: %w", p.PID(), p.Unasked())
	case <-ctx.Done():
		return fmt.Errorf("process %d had not begun when the load was to end: %w", p.PID(), context.Cause(ctx))
	}
}

// run has nothing to do: a child works as soon as it is there.
func (p *process) run() {}

func (p *process) stop() {
	p.asked.Store(true)
	p.StopCounting()
}

func (p *process) wait() {
	select {
	case <-p.Done: // after its last report
		p.Stop()
	case <-time.After(patience):
		p.Kill()
	}
}

func (p *process) read() []Worker {
	r := p.latest.Load()
	if r == nil {
		return nil
	}
	out := make([]Worker, min(len(r.Loops), len(r.CPU)))
	for i := range out {
		out[i] = Worker{PID: p.PID(), Thread: i + 1, Loops: r.Loops[i], CPU: time.Duration(r.CPU[i]), Time: r.Time}
	}
	return out
}

// Main does the work of a child process, where this process is one, and reports
// whether it was. A program that starts loads with processes calls it before
// anything else.
func Main() bool { return child.Main(map[string]child.Role{role: serve}) }

// serve is a child's life: threads, their reports, and the end when it is told
// to, when its parent is no more, or well after its time.
func serve(config []byte, in io.Reader, out io.Writer) error {
	var o order
	if err := json.Unmarshal(config, &o); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if err := o.Check(); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	dieWithParent()
	NameProcess(name)
	say := child.NewTeller(out)
	t, err := newThreads(o.Spec, o.First)
	if err != nil {
		say.Tell(report{Error: err.Error()})
		return nil
	}
	stop, end := child.Orders(in)
	go func() { // however long a report may take
		select {
		case <-stop:
			<-end
		case <-end:
		}
		os.Exit(0)
	}()
	time.AfterFunc(o.For+late, func() { os.Exit(1) })
	t.run()
	say.Tell(t.report())
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			t.stop()
			t.wait()
			say.Tell(t.report())
			return nil
		case <-tick.C:
			say.Tell(t.report())
		}
	}
}

func (t *threads) report() report {
	r := report{Time: t.time(), Loops: make([]uint64, len(t.counters)), CPU: make([]int64, len(t.counters))}
	for i := range t.counters {
		r.Loops[i], r.CPU[i] = t.counters[i].loops.Load(), t.counters[i].cpu.Load()
	}
	return r
}
