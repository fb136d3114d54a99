package lessons

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// fake is a run that does what a test says.
type fake struct {
	ctx  context.Context
	pids []int
	rate float64 // loops a second; NaN: it doesn't count
	at   *time.Duration
	over chan struct{}
	err  error
	cpu  []float64 // cores that each process uses by its own clock
}

func (f *fake) Read() Reading {
	var cpu []float64
	for _, v := range f.cpu {
		cpu = append(cpu, v*f.at.Seconds())
	}
	return Reading{CPU: cpu, PIDs: f.pids, Time: *f.at, Work: capacity.Known(f.rate * f.at.Seconds()), Said: []string{"said"}}
}
func (f *fake) Over() <-chan struct{} { return f.over }
func (f *fake) Err() error            { return f.err }

// room is a class whose runs are fakes on a machine of so many cores.
type room struct {
	t     *testing.T
	class *Class
	cores float64
	at    time.Duration // that the run has taken
	seq   uint64
	rates map[string]float64 // work of each step
	uses  map[string][]float64
	last  *fake
	host  float64 // cores that others use
}

func newRoom(t *testing.T, cores float64, workers int) *room {
	r := &room{t: t, cores: cores, rates: map[string]float64{}, uses: map[string][]float64{}}
	list := Three()
	for i := range list {
		for j := range list[i].Steps {
			s := &list[i].Steps[j]
			key := s.Key
			s.Begin = func(ctx context.Context, _ Setting) (Run, error) {
				f := &fake{ctx: ctx, rate: r.rates[key], at: &r.at, over: make(chan struct{})}
				for n := range r.uses[key] {
					f.pids = append(f.pids, 100+n)
				}
				r.last = f
				go func() { <-ctx.Done(); close(f.over) }()
				return f, nil
			}
		}
	}
	r.class = New(Config{Lessons: list, Cores: cores, Workers: workers, Lasts: time.Hour})
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- r.class.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

// do tells the class, and waits until what it starts works.
func (r *room) do(a Act) *State {
	r.t.Helper()
	r.class.Do(a)
	for {
		s := r.class.State()
		if s.Starting == "" {
			return s
		}
		time.Sleep(time.Millisecond)
	}
}

// see lets seconds pass, with a snapshot at the end of each.
func (r *room) see(seconds int) *State {
	key := r.class.State().Key
	for range seconds {
		r.at += time.Second
		r.seq++
		h := fleet.Host{Newest: &sample.Sample{Seq: r.seq}, Available: capacity.Known(r.cores), Processes: []fleet.Process{{PID: 7, CoresUsed: 9}}}
		sum := r.host
		for n, use := range r.uses[key] {
			sum += use
			h.Processes = append(h.Processes, fleet.Process{PID: 100 + n, CoresUsed: use, Demands: []float64{use, 0.01}})
		}
		h.CoresUsed = capacity.Known(sum)
		r.class.mu.Lock() // a second is not waited for
		if r.class.now != nil {
			r.class.now.began = time.Now().Add(-r.at)
		}
		r.class.mu.Unlock()
		r.class.Take(&fleet.Snapshot{Hosts: []fleet.Host{h}})
	}
	return r.class.State()
}

func (r *room) wants(s *State, stage Stage, key string) {
	r.t.Helper()
	if s.Stage != stage || s.Key != key {
		r.t.Fatalf("at stage %d of %s, want %d of %s: %+v", s.Stage, s.Key, stage, key, s)
	}
}

// run runs a step from its beginning until it was measured.
func (r *room) run(key string, rate float64, uses ...float64) *State {
	r.t.Helper()
	r.rates[key], r.uses[key], r.at = rate, uses, 0
	r.wants(r.do(Act{Do: Begin, Key: key}), Running, key)
	s := r.see(5)
	r.wants(s, Seen, key)
	return s
}

// A class goes from question to question with enter alone, and its table fills.
func TestAClassFromItsFirstQuestionToItsLast(t *testing.T) {
	r := newRoom(t, 2, 2)
	r.rates = map[string]float64{"a": 200, "b": 390, "c": 400, "d": 90}
	r.uses = map[string][]float64{"a": {0.98}, "b": {0.98, 0.97}, "c": {1.98}, "d": {1.99}}
	s := r.class.State()
	r.wants(s, Predict, "a")
	if s.Seen != "" || s.Rows[0].OK || s.Number != 1 || s.Of != 3 || len(s.Rows) != 4 {
		t.Fatalf("it begins with %+v", s)
	}
	said := []string{
		"the process shows 98%, 0.98 cores used of 2: 49% of the machine",
		"2 × 98%, 1.95 cores used of 2; work ×1.9 of A: more",
		"one process shows 198%, 1.98 cores used of 2; work ×1.0 of B: the same",
		"one process shows 199%, 1.99 cores used of 2; work ×0.45 of A: less",
	}
	for i, key := range []string{"a", "b", "c", "d"} {
		r.at = 0
		if s = r.do(Act{Do: Next}); !s.Running {
			t.Fatalf("enter does not run %s: %+v", key, s)
		}
		r.wants(s, Running, key)
		r.wants(r.do(Act{Do: Next}), Running, key) // nothing was measured yet
		s = r.see(5)
		r.wants(s, Seen, key)
		if s.Seen != said[i] {
			t.Errorf("%s: seen %q, want %q", key, s.Seen, said[i])
		}
		if s.Point != "" {
			t.Errorf("%s: the point is made before its time", key)
		}
		s = r.do(Act{Do: Next})
		r.wants(s, Point, key)
		if s.Point == "" {
			t.Errorf("%s has no point", key)
		}
		if next := map[string]string{"a": "b", "b": "c", "c": "d"}[key]; s.Next != next {
			t.Errorf("after %s comes %q, want %q", key, s.Next, next)
		}
	}
	for i, speed := range []float64{1, 1.95, 2, 0.45} {
		if got := s.Rows[i]; !got.OK || math.Abs(got.Speed.V-speed) > 1e-6 || got.Samples != 4 {
			t.Errorf("row %s: %+v, want speed %v", got.Key, got, speed)
		}
	}
	r.wants(r.do(Act{Do: Next}), Point, "d") // after the last nothing begins
}

// Who predicted what happened was right, and only who predicted.
func TestPredictions(t *testing.T) {
	for _, c := range []struct {
		votes string
		right string
	}{{"f 3 s 14 = 1", "true"}, {"f 14 s 3", "false"}, {"f 5 s 5", "nobody"}, {"", "nobody"}, {"I don't know", "nobody"}, {"s 1", "true"}} {
		r := newRoom(t, 2, 2)
		r.run("a", 200, 0.99)
		r.run("c", 400, 1.98)
		r.wants(r.do(Act{Do: Next}), Point, "c")
		s := r.do(Act{Do: Say, Text: c.votes}) // on the lock, whose question stands there
		if c.votes == "I don't know" && s.Votes.Text != c.votes {
			t.Errorf("%q is not kept as it was said: %+v", c.votes, s.Votes)
		}
		s = r.run("d", 80, 1.99)
		got := "nobody"
		if s.Right != nil {
			got = fmt.Sprint(*s.Right)
		}
		if got != c.right {
			t.Errorf("%q was right: %s, want %s", c.votes, got, c.right)
		}
	}
	r := newRoom(t, 2, 2)
	r.host = 0.6
	r.do(Act{Do: Say, Text: "f 9"})
	if s := r.run("a", 200, 0.99); s.Right != nil {
		t.Error("while others have the cores somebody is told to be wrong")
	}
	r = newRoom(t, 2, 2)
	for _, k := range []string{"s", "s", "f", "="} {
		r.do(Act{Do: Vote, Key: k})
	}
	if v := r.class.State().Votes; v != (Votes{F: 1, S: 2, Same: 1}) {
		t.Errorf("votes: %+v", v)
	}
}

// What was not run is not known, and what is compared with it neither.
func TestNothingIsKnownBeforeItRan(t *testing.T) {
	r := newRoom(t, 2, 2)
	s := r.run("d", 80, 1.99)
	if s.Rows[3].Speed.OK || !strings.Contains(s.Seen, "run A to compare") {
		t.Errorf("without A it says %q, %+v", s.Seen, s.Rows[3])
	}
	s = r.run("c", math.NaN(), 1.98)
	if s.Rows[2].Work.OK || !strings.Contains(s.Seen, "work ?") {
		t.Errorf("a program that doesn't count: %q, %+v", s.Seen, s.Rows[2])
	}
	// A process that the agent does not name: nothing is measured.
	r.uses["b"] = []float64{1, 1}
	r.do(Act{Do: Begin, Key: "b"})
	r.last.pids = append(r.last.pids, 999)
	if s := r.see(6); s.Stage != Running || s.Rows[1].OK || !s.Missed {
		t.Errorf("measured without one of its processes: %+v", s.Rows[1])
	}
	// Its own clock tells where the agent doesn't.
	r.at = 0
	r.do(Act{Do: Begin, Key: "b"})
	r.last.pids, r.last.cpu = append(r.last.pids, 999), []float64{0, 0, 0.25}
	if s := r.see(6); s.Stage != Seen || math.Abs(s.Rows[1].Cores.V-2.25) > 1e-9 || math.Abs(s.Rows[1].Least.V-0.25) > 1e-9 {
		t.Errorf("by its own clock it used %+v", s.Rows[1])
	}
}

// The same sample twice is one, and the second in which a run began is none.
func TestSamplesAreCountedOnce(t *testing.T) {
	r := newRoom(t, 2, 2)
	r.uses["a"], r.rates["a"] = []float64{0.5}, 1
	r.do(Act{Do: Begin, Key: "a"})
	r.see(1)
	if s := r.see(1); s.Stage != Running {
		t.Error("measured by one sample")
	}
	for range 5 {
		r.seq--
		r.see(1)
	}
	if s := r.class.State(); s.Stage != Running {
		t.Error("the same sample was counted twice")
	}
	if s := r.see(1); s.Stage != Seen || s.Rows[0].Samples != 2 {
		t.Errorf("stage %d after %d samples", s.Stage, s.Rows[0].Samples)
	}
}

func TestOthersAreSaid(t *testing.T) {
	r := newRoom(t, 2, 2)
	if s := r.run("a", 200, 0.99); s.Others != "" {
		t.Errorf("alone: %q", s.Others)
	}
	r.host = 0.7
	if s := r.run("a", 200, 0.99); !strings.Contains(s.Others, "0.70 cores") {
		t.Errorf("beside others: %q", s.Others)
	}
}

// Where there are too few cores the lesson says what can't be shown.
func TestSmallMachines(t *testing.T) {
	point := func(r *room) string { return r.do(Act{Do: Next}).Point }
	one := newRoom(t, 1, 2)
	one.run("a", 200, 0.99)
	if p := point(one); !strings.Contains(p, "one core") || !strings.Contains(p, "can't be shown here") {
		t.Errorf("A on one core: %q", p)
	}
	one.run("b", 200, 0.5, 0.5)
	if p := point(one); !strings.Contains(p, "take turns") || !strings.Contains(p, "can't be shown") {
		t.Errorf("B on one core: %q", p)
	}
	one.run("c", 200, 1)
	if p := point(one); !strings.Contains(p, "more than 100% can't be shown here") {
		t.Errorf("C on one core: %q", p)
	}
	one.run("d", 190, 1)
	if p := point(one); !strings.Contains(p, "can't be shown") {
		t.Errorf("D on one core: %q", p)
	}
	half := newRoom(t, 0.5, 2)
	half.class.setting.Quota = true
	half.run("a", 100, 0.5)
	if p := point(half); !strings.Contains(p, "0.5 of a core") {
		t.Errorf("A in half a core: %q", p)
	}
	two := newRoom(t, 2, 2)
	two.run("c", 400, 2)
	if p := point(two); !strings.Contains(p, "2 here are 200%") {
		t.Errorf("C on two cores: %q", p)
	}
	for cores, want := range map[float64]int{0.5: 2, 1: 2, 2: 2, 3: 2, 4: 3, 5: 4, 8: 4, 128: 4} {
		if got := Workers(cores); got != want {
			t.Errorf("%v cores: %d workers, want %d", cores, got, want)
		}
	}
}

// Another number of workers is another run: what was measured does not compare.
func TestWorkers(t *testing.T) {
	r := newRoom(t, 4, 3)
	r.run("a", 200, 1)
	r.run("b", 590, 1, 1, 1)
	r.at = 0
	s := r.do(Act{Do: More})
	if !s.Rows[0].OK || s.Rows[1].OK || s.Rows[1].Processes != 4 || s.Stage != Running {
		t.Errorf("with a worker more: %+v", s.Rows)
	}
	for range 20 {
		r.do(Act{Do: Less})
	}
	if s = r.class.State(); s.Setting.Workers != 1 || s.Rows[3].Threads != 2 {
		t.Errorf("the fewest: %d workers, the lock has %d", s.Setting.Workers, s.Rows[3].Threads)
	}
	for range 20 {
		r.do(Act{Do: More})
	}
	if s = r.class.State(); s.Setting.Workers != MaxWorkers {
		t.Errorf("the most: %d workers", s.Setting.Workers)
	}
}

func TestStopAndBack(t *testing.T) {
	r := newRoom(t, 2, 2)
	r.run("a", 200, 1)
	run := r.last
	s := r.do(Act{Do: Stop})
	r.wants(s, Seen, "a")
	if s.Running || s.Ended != "stopped" || !s.Rows[0].OK {
		t.Errorf("stopped: %+v", s)
	}
	<-run.over
	r.do(Act{Do: Begin, Key: "b"})
	r.wants(r.do(Act{Do: Stop}), Predict, "b") // before it was measured
	r.wants(r.do(Act{Do: Back}), Predict, "a")
	r.wants(r.do(Act{Do: Back}), Predict, "a")
	// The run that is replaced has ended before the next begins.
	r.run("c", 400, 2)
	run = r.last
	r.do(Act{Do: Begin, Key: "d"})
	select {
	case <-run.over:
	default:
		t.Error("two runs at a time")
	}
}

func TestARunThatFails(t *testing.T) {
	list := Three()
	fails := make(chan error, 1)
	list[0].Steps[0].Begin = func(context.Context, Setting) (Run, error) {
		return nil, errors.New("no room for it")
	}
	list[1].Steps[0].Begin = func(ctx context.Context, _ Setting) (Run, error) {
		var at time.Duration
		f := &fake{at: &at, over: make(chan struct{}), err: errors.New("process 7 was killed")}
		go func() { <-fails; close(f.over) }()
		return f, nil
	}
	told := make(chan struct{}, 100)
	c := New(Config{Lessons: list, Cores: 2, Changed: func() { told <- struct{}{} }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() { cancel(); <-done }()
	says := func(want string) {
		t.Helper()
		for s := c.State(); !strings.Contains(s.Error, want); s = c.State() {
			<-told
		}
	}
	c.Do(Act{Do: Next})
	says("A did not begin: no room for it")
	c.Do(Act{Do: Begin, Key: "b"})
	for c.State().Starting != "" {
		<-told
	}
	fails <- nil
	says("B ended too soon: process 7 was killed")
	if s := c.State(); s.Stage != Predict || s.Running {
		t.Errorf("afterwards: %+v", s)
	}
}

// A lesson more is one in the list: its keys are its own, and its rows too.
func TestLessonsCanBeAdded(t *testing.T) {
	more := Lesson{Title: "users", Picture: "servers", Steps: []Step{stepA}}
	more.Steps[0].Begin = func(ctx context.Context, _ Setting) (Run, error) {
		var at time.Duration
		f := &fake{at: &at, over: make(chan struct{})}
		go func() { <-ctx.Done(); close(f.over) }()
		return f, nil
	}
	r := newRoom(t, 2, 2)
	r.class.lessons = append(r.class.lessons, more)
	r.class.places = append(r.class.places, place{3, 0})
	r.run("d", 80, 2)
	r.wants(r.do(Act{Do: Next}), Point, "d")
	s := r.do(Act{Do: Next})
	if s.Number != 4 || s.Of != 4 || s.Picture != "servers" || len(s.Rows) != 1 || s.Title != "users" {
		t.Errorf("after lesson 3: %+v", s)
	}
	if s = r.do(Act{Do: Begin, Key: "b"}); s.Number != 2 {
		t.Errorf("b of lesson 2 begins lesson %d", s.Number)
	}
}

// A run that measures itself is seen when it says so, and lasts as long as its
// step says; the next question can be gone to without it.
func TestARunThatMeasuresItself(t *testing.T) {
	own := false
	step := Step{
		Key: "a", Lasts: 3 * time.Minute, Name: func(Setting) string { return "story" }, Shape: func(Setting) (int, int) { return 1, 1 },
		Question: func(Setting) Question { return Question{Options: []Option{{Key: "f"}, {Key: "s"}}} },
		Outcome:  func(Measured) string { return "f" }, Seen: func(Measured) string { return "seen it" }, Point: func(Measured) string { return "so" },
		Command: func(Setting) string { return "" }, Code: func(Setting) []string { return nil },
		Begin: func(ctx context.Context, s Setting) (Run, error) {
			if s.Lasts != 3*time.Minute {
				t.Errorf("the run is to last %v", s.Lasts)
			}
			over := make(chan struct{})
			go func() { <-ctx.Done(); close(over) }()
			return ownRun{over, &own}, nil
		},
	}
	last := step
	last.Key = "b"
	k := New(Config{Lessons: []Lesson{{Steps: []Step{step, last}}}, Cores: 1})
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- k.Run(ctx) }()
	defer func() { cancel(); <-done }()
	k.Do(Act{Do: Vote, Key: "f"})
	k.Do(Act{Do: Next})
	for !k.State().Running {
		time.Sleep(time.Millisecond)
	}
	look := func(seq uint64) *State {
		k.Take(&fleet.Snapshot{Hosts: []fleet.Host{{Newest: &sample.Sample{Seq: seq}}}})
		return k.State()
	}
	for seq := range uint64(2 * missedMuch) {
		if s := look(seq + 1); s.Stage != Running || s.Seen != "" || s.Missed {
			t.Errorf("before it has seen enough: stage %d, %q, missed %v", s.Stage, s.Seen, s.Missed)
		}
	}
	own = true
	s := look(100)
	if s.Stage != Seen || s.Seen != "seen it" || s.Right == nil || !*s.Right || s.Rows[0].Cores.OK {
		t.Errorf("then: %+v", s)
	}
	k.Do(Act{Do: Skip})
	if s := k.State(); s.Key != "b" || s.Stage != Predict || s.Running {
		t.Errorf("at the next question: %+v", s)
	}
	k.Do(Act{Do: Skip})
	if s := k.State(); s.Key != "b" {
		t.Errorf("behind the last: %+v", s)
	}
}

// ownRun is a run that measures itself.
type ownRun struct {
	over chan struct{}
	own  *bool
}

func (r ownRun) Read() Reading         { return Reading{Own: true, Ready: *r.own} }
func (r ownRun) Over() <-chan struct{} { return r.over }
func (r ownRun) Err() error            { return nil }
