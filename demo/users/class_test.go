package users

import (
	"context"
	"strings"
	"testing"
	"time"

	"capmon/demo/lessons"
)

// A class runs one kind after the other; what was measured stands there
// afterwards, and what a run has begun ends with it.
func TestClass(t *testing.T) {
	l := Lesson(Config{Users: 20, Think: 100 * time.Millisecond, Work: 300 * time.Microsecond, Version: "test"}, func(r *Result) any { return *r })
	if l.Picture != Picture || len(l.Steps) != 4 {
		t.Fatalf("%+v", l)
	}
	s := lessons.Setting{Cores: 2, Workers: 2, Lasts: time.Minute}
	if r := l.Data().(Result); len(r.Servers) != 0 {
		t.Errorf("before anything was run there is %+v", r)
	}
	for i, step := range l.Steps[:2] {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := step.Begin(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		processes, _ := step.Shape(s)
		var now lessons.Reading
		for limit := time.After(time.Minute); ; {
			now = r.Read()
			if v := now.Data.(Result).Servers[i]; v.ServedPerSecond != nil && len(now.PIDs) == processes {
				break
			}
			select {
			case <-r.Over():
				t.Fatalf("%s is over: %v", step.Key, r.Err())
			case <-limit:
				t.Fatalf("%s is never measured: %+v", step.Key, now)
			case <-time.After(50 * time.Millisecond):
			}
		}
		if seen := step.Seen(lessons.Measured{}); !strings.Contains(seen, "/s served of ") || !strings.Contains(seen, "capmon ") {
			t.Errorf("%s: seen %q", step.Key, seen)
		}
		if step.Outcome(lessons.Measured{}) == "" {
			t.Errorf("%s: no answer is right", step.Key)
		}
		if len(now.CPU) != processes || !(now.CPU[0] > 0) || now.Time <= 0 {
			t.Errorf("%s: its clocks say %v after %v", step.Key, now.CPU, now.Time)
		}
		cancel()
		<-r.Over()
		if r.Err() != nil || len(r.Read().PIDs) != 0 {
			t.Errorf("%s: after its end %v, processes %v", step.Key, r.Err(), r.Read().PIDs)
		}
	}
	r := l.Data().(Result)
	if len(r.Servers) != 3 || r.Servers[0].Served == 0 || r.Servers[1].Served == 0 || r.Servers[2].Asked != 0 {
		t.Errorf("in the end there is %+v", r.Servers)
	}
}

// What can't begin says why.
func TestClassRefusal(t *testing.T) {
	l := Lesson(Config{Users: -1}, func(*Result) any { return nil })
	if _, err := l.Steps[0].Begin(t.Context(), lessons.Setting{Workers: 2, Lasts: time.Minute}); err == nil || !strings.Contains(err.Error(), "-1 users") {
		t.Errorf("%v", err)
	}
}

// The words follow what was measured.
func TestClassWords(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	server := func(k Kind, rps, cores float64, word string) Server {
		processes, threads := k.shape(2)
		return Server{
			Kind: k, Processes: processes, Threads: threads, Done: true, Counts: Counts{Asked: 10}, AskedPerSecond: f(400), ServedPerSecond: f(rps),
			CoresUsed: f(cores), P50: f(0.1), P99: f(0.2), UsersCores: f(0.04), Verdict: &Verdict{Word: word},
		}
	}
	c := &class{picture: func(r *Result) any { return r }}
	for k := range Kinds {
		if c.outcome(k) != "" || c.seen(k) != "" || c.point(k) != "" || c.look(k) != "" {
			t.Errorf("%v: words for nothing", k)
		}
	}
	r := Result{Cores: 2, Usable: 2, Workers: 2, Users: 440, Loops: 99, Target: 0.8, Wanted: 440, Servers: []Server{
		server(OneThread, 195, 0.98, "THREAD-BOUND"), server(Cluster, 380, 1.92, "CPU-BOUND, even"), server(Threads, 385, 1.94, "CPU-BOUND, even"),
	}}
	c.board.Take(r)
	for k, want := range [Kinds][4]string{
		{"s", "195/s served of 400 asked, 0.98 cores used; capmon says THREAD-BOUND", "CPU 49% looks healthy. One thread is full", "half of the answers within 100ms"},
		{"f", "380/s served of 400 asked, 1.92 cores used, ×1.95 of A; capmon says CPU-BOUND, even", "Now the machine is full, and evenly.", "half of"},
		{"=", "385/s served", "One queue for all threads", "half of"},
	} {
		k := Kind(k)
		for i, got := range [4]string{c.outcome(k), c.seen(k), c.point(k), c.look(k)} {
			if !strings.HasPrefix(got, want[i]) {
				t.Errorf("%v: %q, want %q", k, got, want[i])
			}
		}
	}
	if p := c.point(Cluster); !strings.Contains(p, "2 → 4 give at most 760/s") {
		t.Errorf("cluster: %q", p)
	}
	r.Servers[Cluster] = server(Cluster, 150, 0.8, "ROOM, cpu 40%")
	r.Servers[Threads] = r.Servers[Cluster]
	r.Servers[Threads].Kind, r.Servers[Threads].Disturbed = Threads, "others had them"
	c.board.Take(r)
	if got := c.point(Cluster); !strings.HasPrefix(got, "It was not full") {
		t.Errorf("a cluster with room: %q", got)
	}
	if got := c.point(Threads) + c.look(Threads); !strings.HasPrefix(got, "Other programs had the cores") || !strings.HasSuffix(got, "others had them.") {
		t.Errorf("where others had the cores: %q", got)
	}
}
