package fleet_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// What is not given grows with what is, and what is given stands in the place
// of what was measured.
func TestMeasuredQuestion(t *testing.T) {
	thread := capacity.PoolLimit{Limit: capacity.Limit{Name: "thread", Used: 2, Capacity: 4}, Servers: 4, Least: 1, Most: 1, Target: 0.5}
	m := fleet.Measured{
		Hosts: 4, All: 4, Users: num(1000), RPS: num(200), Cores: num(8), CoresUsed: num(6), PerServer: num(500), Spare: 1, Target: num(0.8),
		Cost: num(0.02), Background: num(0.5), WarmUp: num(60), Sized: []capacity.PoolLimit{thread},
	}
	for name, c := range map[string]struct {
		given  fleet.Given
		users  float64 // -1: unknown
		rps    float64
		thread float64 // -1: not in it
		target float64
	}{
		"nothing":             {fleet.Given{}, 1000, 200, 2, 0.8},
		"users":               {fleet.Given{Users: num(3000)}, 3000, 600, 6, 0.8},
		"requests":            {fleet.Given{RPS: num(100)}, 500, 100, 1, 0.8},
		"both":                {fleet.Given{RPS: num(100), Users: num(9)}, 9, 100, 1, 0.8},
		"a cost":              {fleet.Given{Cost: num(0.01)}, 1000, 200, -1, 0.8},
		"cores":               {fleet.Given{Cores: num(2)}, 1000, 200, -1, 0.8},
		"workers":             {fleet.Given{Workers: 3}, 1000, 200, -1, 0},
		"each its own queue":  {fleet.Given{OwnQueue: true}, 1000, 200, -1, 0},
		"a target":            {fleet.Given{Target: num(0.6)}, 1000, 200, 2, 0.6},
		"people with demands": {fleet.Given{Users: num(2000), Demand: &capacity.Demand{Requests: 1, Per: time.Second, Peak: 1}}, 2000, -1, -1, 0.8},
	} {
		q := m.Question(c.given)
		of := -1.0
		for _, l := range q.Others {
			of = l.Used
			if own := l.Target; (own == 0) != c.given.Target.OK {
				t.Errorf("%s: a thread's target is %v", name, own)
			}
		}
		if q.Users.Or(-1) != c.users || q.RPS.Or(-1) != c.rps || of != c.thread || q.Rule.Target != c.target {
			t.Errorf("%s: users %v, rps %v, thread %v, target %v; want %+v", name, q.Users, q.RPS, of, q.Rule.Target, c)
		}
		if q.CoresUsed.OK {
			t.Errorf("%s: what a request costs is known, and the cores used stand beside it", name)
		}
	}
	// Requests that a server may have by policy count too, unless they are typed.
	m.Sized = []capacity.PoolLimit{{Limit: capacity.Limit{Name: "rps", Used: 200, Capacity: 1200}, Servers: 4, Least: 300, Most: 300, Target: 0.8}}
	if q := m.Question(fleet.Given{RPS: num(400), Cost: num(0.01)}); len(q.Others) != 1 || q.Others[0].Used != 400 {
		t.Errorf("a policy of requests: %+v", q.Others)
	}
	m.Users, m.PerServer = capacity.Num{}, capacity.Num{}
	if q := m.Question(fleet.Given{PerServer: num(50)}); len(q.Others) != 0 || q.PerServer.V != 50 {
		t.Errorf("one that is typed: %+v", q.Others)
	}
	// What was nothing tells nothing of more.
	m.Users, m.RPS = num(0), capacity.Num{}
	if q := m.Question(fleet.Given{Users: num(10)}); q.RPS.OK || q.CoresUsed.OK || len(q.Others) > 0 || q.Users.V != 10 {
		t.Errorf("made up from nothing: %+v", q)
	}
}

// Growth is a share of the load of the nearest limit, without what its servers
// do besides.
func TestGrows(t *testing.T) {
	cpu := capacity.PoolLimit{Limit: capacity.Limit{Name: "cpu", Used: 50, Capacity: 100}, Servers: 10, Background: 1}
	p := fleet.Pool{Bound: "cpu", Sized: []capacity.PoolLimit{cpu}, Trend: capacity.Trend{Direction: capacity.Falling, Slope: num(-4)}}
	if got := p.Grows(); !got.OK || math.Abs(got.V-0.1) > 1e-12 {
		t.Errorf("4 cores a second of 40: %v", got)
	}
	p.Trend.Direction = capacity.Stable
	if got := p.Grows(); got != capacity.Known(0) {
		t.Errorf("stable: %v", got)
	}
	with := func(d capacity.Direction, used float64, bound string) fleet.Pool {
		p, l := p, cpu
		l.Used = used
		p.Trend.Direction, p.Bound, p.Sized = d, bound, []capacity.PoolLimit{l}
		return p
	}
	for name, p := range map[string]fleet.Pool{
		"unknown trend": with(capacity.DirectionUnknown, 50, "cpu"), "no load": with(capacity.Falling, 10, "cpu"), "another limit": with(capacity.Falling, 50, "memory"),
	} {
		if p.Grows().OK {
			t.Errorf("%s: %v", name, p.Grows())
		}
	}
}

// TestNeedsOverTime: what NEED was is kept by ten seconds while somebody looks,
// and is a gap where nobody did.
func TestNeedsOverTime(t *testing.T) {
	f := one(1, fleet.Policy{Target: 0.5})
	look := func(at time.Time, ask fleet.Ask) fleet.Needs {
		ask.Span, ask.Buckets = 5*time.Minute, 30
		return f.Snapshot(ask, at).Pools[0].Needs
	}
	seq := 1
	feed := func(from, to float64, used float32) {
		for s := from; s < to; s++ {
			seq++
			f.Samples("web", 7, []*sample.Sample{second(seq, after(s), 2, used, 10)}, after(s))
			look(after(s), fleet.Ask{})
		}
	}
	feed(1, 60, 0.2)
	feed(60, 120, 1.9)
	seq += 60 // a minute in which nobody looked
	feed(180, 240, 0.2)
	n := look(after(240), fleet.Ask{})
	if len(n.Need) != 30 || len(n.Raw) != 30 || len(n.Have) != 30 {
		t.Fatalf("%d buckets", len(n.Need))
	}
	end := len(n.Need) - 1
	if n.Raw[end-13] != 2 || n.Need[end-13] != 2 || n.Have[end-13] != 1 || n.Raw[end-20] != 1 {
		t.Errorf("raw %v, up %v", n.Raw, n.Have)
	}
	if !math.IsNaN(n.Need[end-9]) || !math.IsNaN(n.Have[end-9]) {
		t.Errorf("no gap where nobody looked: %v", n.Need)
	}
	if slices.ContainsFunc(n.Need[:4], func(v float64) bool { return !math.IsNaN(v) }) {
		t.Errorf("before the first look: %v", n.Need)
	}
	// At an earlier moment nothing is known of what came after it.
	if was := look(after(240), fleet.Ask{At: after(100)}); len(was.Raw) != 30 || was.Have[29] != 1 || was.Raw[29] != 2 {
		t.Errorf("at an earlier moment: %v", was.Raw)
	}
	if f.Snapshot(fleet.Ask{}, after(240)).Pools[0].Needs.Need != nil {
		t.Error("needs, where none were asked for")
	}
}

// What a plan stands on is said, and what is lacking too.
func TestTrust(t *testing.T) {
	f := one(2, fleet.Policy{Target: 0.5, PerServer: 100})
	f.Join("web-2", "", after(0))
	s := f.Snapshot(fleet.Ask{}, t0)
	text := strings.Join(s.Trust(&s.Pools[0]), "\n")
	for _, want := range []string{"stands on 1 of 2 hosts", "conns: policy: 100 a server", "learned on 0 of 1 hosts: the cores used stand for it", "growth: 4s of readings, it wants 30 min", "target: chosen"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}
