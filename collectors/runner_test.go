package collectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/sample"
)

// fake is a collector that does what the test wants.
type fake struct {
	name    string
	collect func(ctx context.Context) (Reading, error)
	calls   atomic.Int32
	closed  atomic.Int32
}

func (f *fake) Name() string { return f.name }

func (f *fake) Close() error {
	f.closed.Add(1)
	return nil
}

func (f *fake) Collect(ctx context.Context, _ time.Time) (Reading, error) {
	f.calls.Add(1)
	return f.collect(ctx)
}

// says is a collector that adds a service called name, after took.
func says(name string, took time.Duration) *fake {
	return &fake{name: name, collect: func(context.Context) (Reading, error) {
		time.Sleep(took)
		return func(s *sample.Sample) { s.Services = append(s.Services, &sample.Service{Name: name}) }, nil
	}}
}

// told lists what the collectors added and which of them failed.
func told(s *sample.Sample) (names []string, errs map[uint32]string) {
	errs = make(map[uint32]string)
	for _, v := range s.GetServices() {
		names = append(names, v.GetName())
	}
	for _, e := range s.GetErrors() {
		errs[e.GetCollector()] = e.GetText()
	}
	return names, errs
}

func TestRunnerAppliesReadingsInTheOrderOfTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The first is slow enough to be overtaken and still comes first.
		r := NewRunner([]Collector{says("a", 100*time.Millisecond), says("b", 0), says("c", 3*time.Millisecond)}, RunnerOptions{})
		defer r.Close()
		began := time.Now()
		s := r.Sample(t.Context(), time.Now())
		names, errs := told(s)
		if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" || len(errs) != 0 {
			t.Errorf("readings (-want +got):\n%s errors %v", diff, errs)
		}
		if diff := cmp.Diff([]uint32{100_000, 0, 3_000}, s.GetCollectorUs()); diff != "" {
			t.Errorf("microseconds (-want +got):\n%s", diff)
		}
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("took %v: the others waited for the slow one", took)
		}
		if diff := cmp.Diff([]string{"a", "b", "c"}, r.Names()); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	})
}

func TestRunnerReportsAPanicAndGoesOn(t *testing.T) {
	var nobody *sample.Cpu
	list := []Collector{
		&fake{name: "bad", collect: func(context.Context) (Reading, error) {
			nobody.Busy = nil // a nil pointer
			return nil, nil
		}},
		&fake{name: "bad reading", collect: func(context.Context) (Reading, error) {
			return func(*sample.Sample) { panic("no\nwrite") }, nil
		}},
		says("good", 0),
	}
	r := NewRunner(list, RunnerOptions{})
	defer r.Close()
	for range 2 {
		names, errs := told(r.Sample(t.Context(), time.Now()))
		if diff := cmp.Diff([]string{"good"}, names); diff != "" {
			t.Errorf("readings (-want +got):\n%s", diff)
		}
		for i, want := range []string{"nil pointer", "no; write"} {
			if !strings.Contains(errs[uint32(i)], want) || !strings.Contains(errs[uint32(i)], "runner_test.go:") {
				t.Errorf("error %d is %q, want %q and the place", i, errs[uint32(i)], want)
			}
		}
	}
}

func TestRunnerKeepsReadingAndErrorThatComeTogether(t *testing.T) {
	r := NewRunner([]Collector{&fake{name: "half", collect: func(context.Context) (Reading, error) {
		return func(s *sample.Sample) { cpuOf(s) }, errors.New("load: " + strings.Repeat("é", 400))
	}}}, RunnerOptions{})
	defer r.Close()
	s := r.Sample(t.Context(), time.Now())
	_, errs := told(s)
	if s.GetCpu() == nil || !strings.HasPrefix(errs[0], "load: é") || len(errs[0]) != sample.MaxText {
		t.Errorf("cpu %v, error of %d bytes %q", s.GetCpu(), len(errs[0]), errs[0])
	}
}

// TestRunnerLeavesAHangingCollectorBehind follows one collector that hangs for
// 2.2 s: named every second, never called again meanwhile, its late reading
// thrown away, and back as soon as it returns.
func TestRunnerLeavesAHangingCollectorBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := &fake{name: "hung"}
		late := 0
		hung.collect = func(context.Context) (Reading, error) {
			if hung.calls.Load() == 1 {
				time.Sleep(2200 * time.Millisecond)
				return func(*sample.Sample) { late++ }, nil
			}
			return func(s *sample.Sample) { s.Services = append(s.Services, &sample.Service{Name: "back"}) }, nil
		}
		r := NewRunner([]Collector{hung, says("other", 0)}, RunnerOptions{})
		defer r.Close()
		var got []string
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for range 4 {
			began := time.Now()
			names, errs := told(r.Sample(t.Context(), began))
			got = append(got, fmt.Sprint(time.Since(began), " ", names, " ", errs[0]))
			<-tick.C
		}
		want := []string{
			"500ms [other] no answer within 500ms; its reading is left out until it returns",
			"0s [other] still reading since 1s",
			"0s [other] still reading since 2s",
			"0s [back other] ",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
		if hung.calls.Load() != 2 || late != 0 {
			t.Errorf("called %d times and %d late readings applied, want 2 and 0", hung.calls.Load(), late)
		}
	})
}

func TestRunnerGivesEachItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obedient := func(name string) *fake {
			return &fake{name: name, collect: func(ctx context.Context) (Reading, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}}
		}
		r := NewRunner([]Collector{obedient("a"), obedient("b"), obedient("c"), says("d", 0)}, RunnerOptions{Deadline: 200 * time.Millisecond})
		defer r.Close()
		began := time.Now()
		names, errs := told(r.Sample(t.Context(), began))
		// Three that are slow at once cost one deadline and two overtakings.
		if took := time.Since(began); took > 260*time.Millisecond {
			t.Errorf("took %v, want one deadline of 200ms and two times 20ms", took)
		}
		if len(errs) != 3 || len(names) != 1 {
			t.Errorf("errors %v, readings %v, want three and one", errs, names)
		}
	})
}

// TestRunnerDropsAReadingThatIsLateInItsOwnInterval: another collector is still
// awaited when it comes.
func TestRunnerDropsAReadingThatIsLateInItsOwnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRunner([]Collector{says("late", 510*time.Millisecond), says("slow", 495*time.Millisecond)}, RunnerOptions{})
		defer r.Close()
		names, errs := told(r.Sample(t.Context(), time.Now()))
		if diff := cmp.Diff([]string{"slow"}, names); diff != "" || len(errs) != 1 {
			t.Errorf("errors %v, readings (-want +got):\n%s", errs, diff)
		}
	})
}

func TestRunnerStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		deaf := says("deaf", 300*time.Millisecond)
		r := NewRunner([]Collector{deaf, says("never", 0)}, RunnerOptions{})
		go func() {
			time.Sleep(10 * time.Millisecond)
			cancel()
		}()
		began := time.Now()
		names, errs := told(r.Sample(ctx, began))
		if took := time.Since(began); took != 10*time.Millisecond || len(names) != 0 {
			t.Errorf("took %v with readings %v, want 10ms and none", took, names)
		}
		if errs[0] != "not read: context canceled" || errs[1] != errs[0] {
			t.Errorf("errors %v", errs)
		}
		if err := r.Close(); err != nil || deaf.closed.Load() != 1 {
			t.Errorf("close gave %v; closed %d times", err, deaf.closed.Load())
		}
	})
}

func TestRunnerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, stuck2, fine := says("stuck", time.Minute), says("stuck2", time.Minute), says("fine", 0)
		r := NewRunner([]Collector{stuck, stuck2, fine}, RunnerOptions{})
		r.Sample(t.Context(), time.Now())
		began := time.Now()
		err := r.Close()
		if err == nil || !strings.Contains(err.Error(), "close stuck: still reading") || !strings.Contains(err.Error(), "close stuck2:") {
			t.Errorf("close gave %v", err)
		}
		if took := time.Since(began); took != DefaultDeadline {
			t.Errorf("close took %v", took)
		}
		if stuck.closed.Load() != 0 || fine.closed.Load() != 1 {
			t.Errorf("closed %d and %d times, want 0 while it reads and 1", stuck.closed.Load(), fine.closed.Load())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if stuck.closed.Load() != 1 || stuck2.closed.Load() != 1 {
			t.Errorf("closed %d and %d times after they came back", stuck.closed.Load(), stuck2.closed.Load())
		}
		if _, errs := told(r.Sample(t.Context(), time.Now())); len(errs) != 3 || stuck.calls.Load() != 1 {
			t.Errorf("after Close: errors %v, %d calls", errs, stuck.calls.Load())
		}
		if err := r.Close(); err != nil {
			t.Errorf("second close gave %v", err)
		}
	})
}

// TestEverySampleCanBeSent runs the real collectors by both roads: what they
// say must pass the check of whoever receives it.
func TestEverySampleCanBeSent(t *testing.T) {
	for name, c := range map[string]Config{"fast": {countOwn: true}, "portable": {countOwn: true, Portable: true}} {
		t.Run(name, func(t *testing.T) {
			r := NewRunner(List(c), RunnerOptions{Deadline: 5 * time.Second})
			defer r.Close()
			if diff := cmp.Diff([]string{"cpu", "memory", "connections", "limits", "rps", "threads", "self"}, r.Names()); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			for i := range 2 {
				s := r.Sample(t.Context(), time.Now())
				s.Seq = 1
				if err := s.Check(); err != nil {
					t.Errorf("sample %d: %v", i, err)
				}
				_, errs := told(s)
				if name == "portable" {
					delete(errs, uint32(slices.Index(r.Names(), "threads"))) // what this road does not see
				}
				if len(errs) != 0 {
					t.Errorf("sample %d: errors %v", i, errs)
				}
				if len(s.GetCpu().GetBusy()) == 0 || s.Memory == nil || s.Connections == nil || s.GetSelf().GetRss() == 0 || s.GetCpu().Load1 == nil {
					t.Errorf("sample %d lacks something: %v", i, s)
				}
				if known := s.GetSelf().CpuUs != nil; known != (i > 0) {
					t.Errorf("sample %d: own CPU time known is %v", i, known)
				}
			}
		})
	}
}
