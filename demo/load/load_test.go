package load

import (
	"bytes"
	"context"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be a load's child process, and a program that
// starts a load and is killed.
func TestMain(m *testing.M) {
	if Main() {
		return
	}
	if os.Getenv("LOAD_TEST_PARENT") != "" {
		parent()
		return
	}
	os.Exit(m.Run())
}

// after is what n steps make of x, in log n multiplications.
func after(x uint64, n uint64) uint64 {
	a, c := uint64(factor), uint64(addend)
	power, sum := uint64(1), uint64(0)
	for ; n > 0; n /= 2 {
		if n%2 == 1 {
			power, sum = power*a, sum*a+c
		}
		a, c = a*a, (a+1)*c
	}
	return power*x + sum
}

func TestALoopIsTheWorkItSays(t *testing.T) {
	for _, x := range []uint64{0, 1, math.MaxUint64} {
		if got, want := loop(x), after(x, Steps); got != want {
			t.Errorf("a loop made %d of %d, want %d", got, x, want)
		}
	}
}

// What threads with a lock have made of their number is what that many loops
// one after the other make of it: no two worked on it at a time.
func TestALockIsHeldForTheWholeLoop(t *testing.T) {
	for _, lock := range []Lock{Spin, Sleep} {
		team, err := newThreads(Spec{Threads: 3, Duty: 1, Lock: lock}, 0)
		if err != nil {
			t.Fatal(err)
		}
		team.run()
		for done := uint64(0); done < 3*batch; {
			done = Reading{team.read()}.Loops()
			time.Sleep(time.Millisecond)
		}
		team.stop()
		team.wait()
		done := Reading{team.read()}.Loops()
		if got, want := team.shared.x, after(0, done*Steps); got != want {
			t.Errorf("%v: after %d loops the number is %d, want %d", lock, done, got, want)
		}
	}
}

func TestSpecsThatCannotBe(t *testing.T) {
	fine := Spec{Threads: 2, Duty: 1, For: time.Second}
	if err := fine.Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Spec){
		"0 threads":               func(s *Spec) { s.Threads = 0 },
		"-3 threads":              func(s *Spec) { s.Threads = -3 },
		"1000000000 threads":      func(s *Spec) { s.Threads = 1e9 },
		"1000000000 processes":    func(s *Spec) { s.Processes = 1e9 },
		"-1 processes":            func(s *Spec) { s.Processes = -1 },
		"are 2048 threads":        func(s *Spec) { s.Processes, s.Threads = 2, 1024 },
		"a duty of 101%":          func(s *Spec) { s.Duty = 1.01 },
		"a duty of NaN%":          func(s *Spec) { s.Duty = math.NaN() },
		"for 0s":                  func(s *Spec) { s.For = 0 },
		"for 25h0m0s":             func(s *Spec) { s.For = 25 * time.Hour },
		"nice 20":                 func(s *Spec) { s.Nice = 20 },
		"two threads or more":     func(s *Spec) { s.Threads, s.Lock = 1, Spin },
		"nice -21: want -20 to 1": func(s *Spec) { s.Nice = -21 },
	} {
		s := fine
		change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
		if _, err := Start(t.Context(), s); err == nil {
			t.Errorf("%+v was started", s)
		}
	}
}

func TestOneCoreIsLeftFree(t *testing.T) {
	for cores, want := range map[float64]int{0: 1, 0.5: 1, 1: 1, 1.9: 1, 2: 1, 2.5: 1, 3: 2, 8: 7, 1e9: MaxThreads, math.NaN(): 1} {
		if got := LeavesOne(cores); got != want {
			t.Errorf("%v cores: %d threads, want %d", cores, got, want)
		}
	}
}

// A thread never gets more than its share, however late it comes to it; the
// batch it ends with may be over.
func TestDutyIsAnUpperBound(t *testing.T) {
	r, err := Start(t.Context(), Spec{Threads: 1, Duty: 0.3, For: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if done.Loops() == 0 {
		t.Error("nothing was done")
	}
	w := done.Workers[0]
	if most := 0.3*(w.Time+period).Seconds() + 0.01; CanPin() == "" && w.CPU.Seconds() > most {
		t.Errorf("a duty of 30%% took %v in %v", w.CPU, w.Time)
	}
}

func TestNoDutyIsNoWork(t *testing.T) {
	r, err := Start(t.Context(), Spec{Threads: 2, Duty: 0, For: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := r.Wait(); err != nil || done.Loops() != 0 || len(done.Workers) != 2 {
		t.Errorf("%+v, %v, want two threads and no loop", done, err)
	}
}

func TestReadingsAddUp(t *testing.T) {
	before := Reading{[]Worker{{Process: 1, Loops: 10, CPU: time.Second, Time: time.Second}, {Process: 2, Loops: 5, Time: time.Second}}}
	now := Reading{[]Worker{{Process: 1, Loops: 40, CPU: 2 * time.Second, Time: 3 * time.Second}, {Process: 2, Loops: 9, CPU: time.Second, Time: 2 * time.Second}}}
	last := now.Since(before)
	if got := last.PerSecond(); got != 15+4 {
		t.Errorf("%v loops/s, want 19", got)
	}
	if got := last.CoresUsed(); got != 0.5+1 {
		t.Errorf("%v cores used, want 1.5", got)
	}
	if now.Time() != 3*time.Second || now.Loops() != 49 || len(now.Processes()) != 2 {
		t.Errorf("%v, %d loops, %d processes", now.Time(), now.Loops(), len(now.Processes()))
	}
	if got := (Reading{[]Worker{{Loops: 1}}}).PerSecond(); got != 0 {
		t.Errorf("%v loops/s in no time, want 0", got)
	}
}

func TestACancelledLoadEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Start(ctx, Spec{Threads: 2, Duty: 1, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Wait(); err != nil {
		t.Error(err)
	}
}

// What a child says from its first word to its last.
func TestWhatAChildSays(t *testing.T) {
	for config, want := range map[string]string{
		"{": "unexpected end", `{"Threads":0}`: "0 threads", `{"Threads":1,"Duty":1,"For":1,"Lock":1}`: "two threads",
	} {
		var out bytes.Buffer
		if err := serve([]byte(config), strings.NewReader(""), &out); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%s: %v, %q", config, err, out.String())
		}
	}
}
