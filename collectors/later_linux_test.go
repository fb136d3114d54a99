package collectors

import (
	"context"
	"strings"
	"testing"
	"time"

	"capmon/collectors/kernel"
	"capmon/sample"
)

// halfACore is an iterator over one thread that uses half a core.
type halfACore struct {
	reads  int
	closed bool
}

func (p *halfACore) Read(dst []kernel.Task) ([]kernel.Task, error) {
	p.reads++
	return append(dst, kernel.Task{PID: 7, TID: 7, Start: 1, Run: uint64(p.reads) * 5e8}), nil
}

func (p *halfACore) Close() error {
	p.closed = true
	return nil
}

// TestTheIteratorTakesOverLater: until it is time /proc is read, and the reading
// after that has processes again, without one in between that knows none.
func TestTheIteratorTakesOverLater(t *testing.T) {
	tasks := new(halfACore)
	load, loads := loadTasks, 0
	t.Cleanup(func() { loadTasks = load })
	loadTasks = func() (taskReader, error) {
		loads++
		return tasks, nil
	}
	s := newProcSource(Config{KernelAfter: 2 * time.Second}.withDefaults(), new(idleCores)).(*linuxProcs)
	now := time.Now()
	for second := range 5 {
		var table procTable
		if _, err := s.read(context.Background(), now.Add(time.Duration(second)*time.Second), &table, func(procKey, float64) bool { return false }); err != nil {
			t.Fatal(err)
		}
		_, byKernel := s.procSource.(*taskSource)
		if byKernel != (second > 2) || loads != min(second/2, 1) {
			t.Errorf("second %d: by the iterator %v, loaded %d times", second, byKernel, loads)
		}
		if second > 0 && !table.begun {
			t.Errorf("second %d: nothing to compare with", second)
		}
	}
	if s.close(); !tasks.closed {
		t.Error("the iterator is still open")
	}
}

// TestTheKernelCountsLater: before that a service says what it waits for, and no
// page is asked; from then on it says what it can't tell apart.
func TestTheKernelCountsLater(t *testing.T) {
	f := newFakeKernel()
	f.caveat = "namespaces are not told apart"
	r := newRPS(Config{RPS: []RPSSource{{Kind: RPSOff}}}.withDefaults(), new(ownConns), newListeners())
	r.rules = newRules(nil, true)
	k := newKernelPorts(r.own, func() (httpCounter, error) { return f, nil })
	k.later.after = 2 * time.Second
	r.useKernel(k)
	defer r.Close()
	r.found.publish([]servicePort{listening(80, "nginx", 1)})
	now := time.Now()
	for second := range 4 {
		reading, err := r.Collect(t.Context(), now.Add(time.Duration(second)*time.Second))
		if said := err != nil && strings.Contains(err.Error(), f.caveat); said != (second >= 2) {
			t.Errorf("second %d: said %v", second, err)
		}
		s := &sample.Sample{Services: []*sample.Service{{Port: 80}}}
		reading(s)
		v := s.Services[0]
		if waits := v.RpsNote == "waiting for the counter in the kernel"; waits != (second < 2) || len(r.auto) != 0 {
			t.Errorf("second %d: %v, %d pages looked for", second, v, len(r.auto))
		}
	}
}
