package load

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"testing"
	"time"
)

// envSpec has this test program run a load as a command would.
const envSpec = "CAPMON_LOAD_TEST_SPEC"

func TestMain(m *testing.M) {
	if Main() {
		return
	}
	if text := os.Getenv(envSpec); text != "" {
		var s Spec
		_ = json.Unmarshal([]byte(text), &s) // Check refuses what is left of it
		out := json.NewEncoder(os.Stdout)
		s.Live = func(r Result) { _ = out.Encode(r) }
		ctx, end := signal.NotifyContext(context.Background(), os.Interrupt)
		defer end()
		if _, err := Run(ctx, s); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func run(t *testing.T, ctx context.Context, s Spec) Result {
	t.Helper()
	r, err := Run(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryThreadWorks(t *testing.T) {
	for name, s := range map[string]Spec{
		"threads":   {Threads: 3, Duty: 100, For: 500 * time.Millisecond},
		"processes": {Threads: 2, Processes: 2, Duty: 100, For: 800 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, t.Context(), s)
			var sum uint64
			for _, p := range r.Processes {
				for i, n := range p.Threads {
					if n == 0 {
						t.Errorf("process %d thread %d did nothing", p.PID, i)
					}
					sum += n
				}
				if len(p.Threads) != s.Threads {
					t.Errorf("%d threads, want %d", len(p.Threads), s.Threads)
				}
			}
			if len(r.Processes) != max(1, s.Processes) || sum != r.Loops || r.PerSecond() <= 0 {
				t.Errorf("%+v: the sum is %d", r, sum)
			}
		})
	}
}

func TestNoDutyIsNoWork(t *testing.T) {
	if r := run(t, t.Context(), Spec{Threads: 1, For: 50 * time.Millisecond}); r.Loops != 0 {
		t.Errorf("%d loops with duty 0", r.Loops)
	}
}

func TestACancelledContextEndsIt(t *testing.T) {
	for _, processes := range []int{0, 2} {
		ctx, cancel := context.WithCancel(t.Context())
		s := Spec{Threads: 1, Processes: processes, Duty: 100, For: time.Hour, Live: func(Result) { cancel() }}
		if r := run(t, ctx, s); r.Loops == 0 {
			t.Errorf("%d processes: no work before the end", processes)
		}
	}
}

// The lock itself, whatever else this machine does.
func TestALockIsHeldByOne(t *testing.T) {
	var s spin
	if !s.take(t.Context()) {
		t.Fatal("a free lock was not taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if s.take(ended) {
		t.Fatal("two hold the lock")
	}
	s.free()
	if !s.take(t.Context()) {
		t.Fatal("a lock given back was not taken")
	}
}

func TestCheck(t *testing.T) {
	good := Spec{Threads: 1, Duty: 100, For: time.Second}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Spec){
		"no threads":         func(s *Spec) { s.Threads = 0 },
		"many threads":       func(s *Spec) { s.Threads = MaxThreads + 1 },
		"negative processes": func(s *Spec) { s.Processes = -1 },
		"many processes":     func(s *Spec) { s.Processes = MaxProcesses + 1 },
		"many in all":        func(s *Spec) { s.Processes, s.Threads = 200, 6 },
		"duty 101":           func(s *Spec) { s.Duty = 101 },
		"duty -1":            func(s *Spec) { s.Duty = -1 },
		"a lock for one":     func(s *Spec) { s.Lock = true },
		"no time":            func(s *Spec) { s.For = 0 },
		"nice -1":            func(s *Spec) { s.Nice = -1 },
		"nice 20":            func(s *Spec) { s.Nice = 20 },
	} {
		s := good
		spoil(&s)
		if s.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// line is the next that a load says.
func line(t *testing.T, in *bufio.Scanner) Result {
	t.Helper()
	var r Result
	if !in.Scan() {
		t.Fatal("it said nothing", in.Err())
	}
	if err := json.Unmarshal(in.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}
