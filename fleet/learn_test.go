package fleet_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// traffic is a host whose requests cost so many core seconds each beside a
// background, one thread of which does all of a service's work.
type traffic struct {
	cost, background float64
	cores            float64
	steal            float64
	rng              *rand.Rand
}

// points are n ten-second points that end at t0, at loads that wander between a
// fifth and three fifths of what the cores can do.
func (v *traffic) points(n int) []*sample.Point {
	list := make([]*sample.Point, 0, n)
	first := t0.Unix()/10*10 - int64(n)*10
	for i := range n {
		rps := (0.4 + 0.2*math.Sin(float64(i)/7)) * v.cores / v.cost
		busy := (v.background + v.cost*rps) * (1 + 0.02*v.rng.NormFloat64())
		list = append(list, &sample.Point{
			Time: first + int64(i)*10, Samples: 10, Cpu: new(float32(busy / v.cores)), Available: new(float32(v.cores)),
			Rps: new(float32(rps)), Served: new(float32(rps)), Memory: new(float32(0.1 + rps/2000)), Steal: new(float32(v.steal)),
			Services: []*sample.ServicePoint{{
				Port: 3000, Rps: new(float32(rps)), Run: new(float32(v.cost * rps)), Top: new(float32(min(v.cost*rps/v.cores*1.1, 1))),
			}},
		})
	}
	return list
}

// learned is one host that has sent points and one second, and its snapshot.
func learned(p fleet.Policy, points ...[]*sample.Point) fleet.Snapshot {
	f := fleet.New(fleet.Config{Policy: p})
	f.Join("web", "", t0)
	f.Machine("web", machine(7), t0)
	s := second(1, t0, 8, 4, 500)
	s.Services = []*sample.Service{{
		Port: 3000, Name: "node", Rps: new(float32(462.5)), Connections: new(uint32(500)), OneThread: new(true), TopUs: new(uint32(550_000)), RunUs: new(uint32(3_700_000)),
	}}
	s.Memory = &sample.Memory{Used: new(uint64(35 << 30)), Total: new(uint64(100 << 30))}
	f.Samples("web", 7, []*sample.Sample{s}, t0)
	for _, list := range points {
		f.Points("web", 7, list, t0)
	}
	return f.Snapshot(fleet.Ask{}, t0)
}

// learnedWith is a host whose service has learned what a request costs, and
// leaves its work to one thread or not.
func learnedWith(p fleet.Policy, one bool) fleet.Snapshot {
	v := traffic{cost: 0.008, background: 0.3, cores: 8, rng: rand.New(rand.NewPCG(1, 2))}
	f := fleet.New(fleet.Config{Policy: p})
	f.Join("web", "", t0)
	f.Machine("web", machine(7), t0)
	s := second(1, t0, 8, 4, 500)
	s.Services = []*sample.Service{{Port: 3000, Name: "node", Rps: new(float32(462.5)), OneThread: new(one), TopUs: new(uint32(300_000))}}
	f.Samples("web", 7, []*sample.Sample{s}, t0)
	f.Points("web", 7, v.points(180), t0)
	return f.Snapshot(fleet.Ask{}, t0)
}

func lesson(t *testing.T, h fleet.Host, limit string, port int) fleet.Learned {
	t.Helper()
	i := slices.IndexFunc(h.Learned, func(l fleet.Learned) bool { return l.Limit == limit && l.Port == port })
	if i < 0 {
		t.Fatalf("nothing of %s :%d in %d lessons", limit, port, len(h.Learned))
	}
	return h.Learned[i]
}

// What a host was seen to do tells what it can take: 8 ms a request on 8 cores
// with 0.3 of them used besides are (8 - 0.3) / 0.008 requests a second.
func TestLearnedFromPoints(t *testing.T) {
	v := traffic{cost: 0.008, background: 0.3, cores: 8, rng: rand.New(rand.NewPCG(1, 2))}
	s := learned(fleet.Policy{Target: 0.8}, v.points(180))
	h := s.Hosts[0]
	near := func(what string, got, want float64) {
		if math.Abs(got/want-1) > 0.03 {
			t.Errorf("%s is %.1f, want %.1f", what, got, want)
		}
	}
	cpu := lesson(t, h, "cpu", 0)
	if cpu.Full.Trust != capacity.Learned {
		t.Fatalf("%v: %s", cpu.Full.Trust, cpu.Full.Why())
	}
	near("cpu at 100%", cpu.Full.Capacity.V, (8-0.3)/0.008)
	near("cpu at target", cpu.AtTarget.Capacity.V, (0.8*8-0.3)/0.008)
	if !(cpu.Full.Of.Low <= cpu.Full.Capacity.V && cpu.Full.Capacity.V <= cpu.Full.Of.High) || cpu.Basis.Points < 30 {
		t.Errorf("%+v of %+v", cpu.Full.Of, cpu.Basis)
	}
	thread := lesson(t, h, "thread", 3000)
	near("thread at 100%", thread.Full.Capacity.V, 8/(0.008*1.1))
	if thread.Service != "node" || thread.Unit != "requests a second" {
		t.Errorf("%+v", thread)
	}
	near("memory", lesson(t, h, "memory", 0).Full.Capacity.V, 1800)
	// The thread fills first, and bounds what the host can take more.
	near("room in requests", h.RoomRPS.V, 8/(0.008*1.1)-462.5)
	if h.Bound != "thread" || h.Learned[0].Limit != "thread" {
		t.Errorf("bound by %s; first learned is %s", h.Bound, h.Learned[0].Limit)
	}
	p := s.Pools[0]
	if p.RPSCapacity.Trust != capacity.Learned || !p.RPSCapacity.Of.OK {
		t.Errorf("pool can take %+v", p.RPSCapacity)
	}
	// What runs besides comes with each server, not with the load.
	if steps := strings.Join(p.Steps, "\n"); !strings.Contains(steps, "is background, learned") {
		t.Errorf("steps:\n%s", steps)
	}
}

func TestNotLearned(t *testing.T) {
	one := traffic{cost: 0.008, background: 0.3, cores: 8, rng: rand.New(rand.NewPCG(1, 2))}
	flat := one.points(180)
	for _, p := range flat {
		p.Rps, p.Cpu = flat[0].Rps, flat[0].Cpu
	}
	stolen := one
	stolen.steal = 0.2
	silent := one.points(100)
	for _, p := range silent {
		p.Rps = nil
	}
	for name, c := range map[string]struct {
		points []*sample.Point
		trust  capacity.Trust // of cpu; NotKnown: no lesson at all
	}{
		"no spread":         {flat, capacity.AtLeast},
		"stolen":            {stolen.points(180), capacity.NotKnown},
		"requests unknown":  {silent, capacity.NotKnown},
		"nothing":           {nil, capacity.NotKnown},
		"the first of all":  {one.points(1), capacity.NotKnown},
		"too few":           {one.points(4), capacity.AtLeast},
		"points of a blink": {short(one.points(180)), capacity.NotKnown},
	} {
		h := learned(fleet.Policy{}, c.points).Hosts[0]
		i := slices.IndexFunc(h.Learned, func(l fleet.Learned) bool { return l.Limit == "cpu" && l.Port == 0 })
		switch {
		case i < 0 && c.trust != capacity.NotKnown:
			t.Errorf("%s: no lesson", name)
		case i >= 0 && (h.Learned[i].Full.Trust != c.trust || h.Learned[i].Full.Why() == ""):
			t.Errorf("%s: %v (%s), want %v", name, h.Learned[i].Full.Trust, h.Learned[i].Full.Why(), c.trust)
		}
		if h.RoomRPS.V < 0 || math.IsNaN(h.RoomRPS.V) {
			t.Errorf("%s: room %v", name, h.RoomRPS)
		}
	}
}

func short(points []*sample.Point) []*sample.Point {
	for _, p := range points {
		p.Samples = 2
	}
	return points
}

// A deploy is told with its factor; a clock that is set back begins anew.
func TestLearnedAnew(t *testing.T) {
	v := traffic{cost: 0.004, background: 0.3, cores: 8, rng: rand.New(rand.NewPCG(3, 4))}
	list := v.points(400)
	for _, p := range list[200:] { // a request costs twice as much
		busy := 0.3 + 0.008*float64(p.GetRps())
		p.Cpu = new(float32(min(busy/8, 1)))
		if busy > 7 {
			p.Rps = new(p.GetRps() / 2)
			p.Cpu = new(float32((0.3 + 0.008*float64(p.GetRps())) / 8))
		}
	}
	s := learned(fleet.Policy{}, list)
	if got := lesson(t, s.Hosts[0], "cpu", 0); math.Abs(got.Full.Capacity.V/((8-0.3)/0.008)-1) > 0.06 || got.Basis.Change.At.IsZero() {
		t.Errorf("%.0f/s, change %+v", got.Full.Capacity.V, got.Basis.Change)
	}
	want := "web: a request costs about ×"
	if i := slices.IndexFunc(s.Notes, func(n string) bool { return strings.HasPrefix(n, want) && strings.Contains(n, "since") }); i < 0 {
		t.Errorf("notes %q", s.Notes)
	}
	back := v.points(200)
	for _, p := range back {
		p.Time -= 3600
	}
	s = learned(fleet.Policy{}, v.points(30), back)
	if got := lesson(t, s.Hosts[0], "cpu", 0); got.Basis.Since.After(t0.Add(-time.Hour)) || got.Basis.Taken < 190 {
		t.Errorf("after the clock was set back: %+v", got.Basis)
	}
}

// Services come and go; only a few are kept in mind.
func TestManyServices(t *testing.T) {
	v := traffic{cost: 0.008, background: 0.3, cores: 8, rng: rand.New(rand.NewPCG(5, 6))}
	list := v.points(8000)
	for i, p := range list {
		p.Services[0].Port = uint32(1000 + i)
	}
	f := one(1, fleet.Policy{})
	before := heap()
	f.Points("web", 7, list, t0)
	if got := heap() - before; got > 400<<10 {
		t.Errorf("%d kB are kept", got>>10)
	}
	runtime.KeepAlive(list)
	runtime.KeepAlive(f)
}
