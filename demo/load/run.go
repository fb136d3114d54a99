package load

import (
	"context"
	"runtime"
	"time"
)

// team is the threads of one process: this one or a child.
type team interface {
	run()           // lets them work
	read() []Worker // with all but Process
	stop()          // asks them to end, and returns at once
	wait()          // until nothing of them runs
}

// Run is a load that is running, or has ended.
type Run struct {
	spec   Spec
	teams  []team
	lost   chan error // a process that ended unasked
	cancel context.CancelFunc
	over   chan struct{} // closed when nothing of it runs any more
	err    error         // set before over is closed
}

// Start begins a load. It returns when every thread is there and as s wants it;
// where one can't be, it says why and leaves nothing behind. The load ends after
// s.For, with ctx, at Stop, and when one of its processes ends too soon.
//
// A program that asks for child processes calls Main first of all.
func Start(ctx context.Context, s Spec) (*Run, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := room(s); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.For)
	r := &Run{spec: s, lost: make(chan error, s.Processes), cancel: cancel, over: make(chan struct{})}
	begun := make(chan error)
	go r.supervise(ctx, begun)
	if err := <-begun; err != nil {
		<-r.over
		return nil, err
	}
	return r, nil
}

// supervise owns everything that runs. It keeps its thread: the kernel ends
// children with the thread that started them.
func (r *Run) supervise(ctx context.Context, begun chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.over)
	defer r.cancel()
	err := r.assemble(ctx)
	if err == nil {
		for _, t := range r.teams {
			t.run()
		}
	}
	begun <- err
	if err == nil {
		select {
		case <-ctx.Done():
		case r.err = <-r.lost:
		}
	}
	for _, t := range r.teams {
		t.stop()
	}
	for _, t := range r.teams {
		t.wait()
	}
}

// assemble makes the teams, each ready to run.
func (r *Run) assemble(ctx context.Context) error {
	if r.spec.Processes == 0 {
		t, err := newThreads(r.spec, 0)
		if err == nil {
			r.teams = append(r.teams, t)
		}
		return err
	}
	var children []*process
	for i := range r.spec.Processes {
		c, err := startProcess(r.spec, i, r.lost)
		if err != nil {
			return err
		}
		children = append(children, c)
		r.teams = append(r.teams, c)
	}
	// Where it is to end before they have begun, they begin first, so that it
	// ends as every other does; one that does not begin is not waited for long.
	soon, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(patience, func() { end(context.Cause(ctx)) }) })()
	for _, c := range children {
		if err := c.await(soon); err != nil {
			return err
		}
	}
	return nil
}

// Read is how far the load has come: what this process's threads have done by
// now, and what children had done 0.1 s ago at most.
func (r *Run) Read() Reading {
	var out Reading
	for i, t := range r.teams {
		for _, w := range t.read() {
			w.Process = i + 1
			out.Workers = append(out.Workers, w)
		}
	}
	return out
}

// Stop asks the load to end; Wait tells when it has.
func (r *Run) Stop() { r.cancel() }

// Over is closed when nothing of the load runs any more.
func (r *Run) Over() <-chan struct{} { return r.over }

// Wait returns when nothing of the load runs any more: what was done, and an
// error when one of its processes ended too soon.
func (r *Run) Wait() (Reading, error) {
	<-r.over
	return r.Read(), r.err
}
