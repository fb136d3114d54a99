package fleet_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// mockup is the data of the drawings: nine servers of 8 cores, 88,420 users.
var mockup = []struct {
	conns uint32
	cpu   float32
}{{9870, 58}, {9912, 61}, {9790, 55}, {9655, 38}, {9980, 66}, {9842, 59}, {9801, 57}, {9835, 60}, {9735, 63}}

// group is hosts ws-1, ws-2, ... that have been steady for a minute, of which
// the last ones fell silent a minute ago, refused or not.
func group(hosts, silent int, p fleet.Policy, load func(i int) (cores int, used float32, conns uint32)) fleet.Snapshot {
	f := fleet.New(fleet.Config{Policy: p})
	for i := range hosts {
		name := fmt.Sprintf("ws-%d", i+1)
		f.Join(name, "", t0)
		f.Machine(name, machine(uint64(i+1)), t0)
		cores, used, conns := load(i)
		for k := range 60 {
			at := after(float64(k - 59))
			if i >= hosts-silent {
				at = at.Add(-time.Minute)
			}
			s := second(k+1, at, cores, used, conns)
			s.Services = []*sample.Service{{Port: 80, Rps: new(float32(conns) / 2)}}
			f.Samples(name, uint64(i+1), []*sample.Sample{s}, at)
		}
	}
	return f.Snapshot(fleet.Ask{}, t0)
}

func TestMockup(t *testing.T) {
	s := group(9, 0, fleet.Policy{Target: 0.8, Spare: 1, PerServer: 10_000, Min: 2, Max: 10}, func(i int) (int, float32, uint32) {
		return 8, mockup[i].cpu * 8 / 100, mockup[i].conns
	})
	p := s.Pools[0]
	type answer struct {
		Users, RoomUsers, Raw, Need, Run, Short, LoseOne float64
		Bound                                            string
		Level                                            fleet.Level
		Formula                                          string
		Do                                               []string
	}
	got := answer{
		s.Totals.Users.V, p.RoomUsers.V, p.Raw.V, p.Need.V, p.Run.V, p.Short.V, float64(int(p.LoseOne.V*1000)) / 1000,
		p.Bound, p.Verdict.Level, p.Formula, p.Verdict.Do,
	}
	want := answer{
		88_420, 1_580, 12, 13, 10, 3, 1.105, "conns", fleet.Act, "NEED 13 = ceil(88,420 / (10,000 × 0.80)) + 1 spare",
		[]string{
			"ADD 1 NOW → 10 (max)    NEED 13 (12 for 80% +1 spare)    SHORT 3 of max 10",
			"ADD 1 NOW → 10 (max)   NEED 13   SHORT 3",
			"ADD 1 → 10 (max)  NEED 13",
			"NEED 13/10 98%",
			"NEED 13/10",
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if p.Verdict.Need != 13 || p.Verdict.Of != 10 {
		t.Errorf("the verdict is about %d of %d servers", p.Verdict.Need, p.Verdict.Of)
	}
	if why := p.Verdict.Why[1]; why != "why: 1,580 places left, conns 98% of 90,000; lose 1 host: 111% OVER" {
		t.Errorf("why %q", why)
	}
	if cores := capacity.Decimal(s.Totals.CoresUsed.V, 1); cores != "41.4" || s.Totals.Cores.V != 72 || capacity.Percent(s.Totals.CPU.V) != "57%" {
		t.Errorf("%s of %v cores, %v", cores, s.Totals.Cores.V, s.Totals.CPU.V)
	}
	steps := []string{
		"cpu load 41.4: mean of the last minute, in cores",
		"conns: ceil(88,420 / (10,000 × 0.80)) = ceil(11.05) = 12 (binds)",
		"cpu: ceil(41.4 / (8 × 0.80)) = ceil(6.46) = 7",
		"up at once: 8 → 12",
		"need = max(12, 7) + 1 spare = 13",
		"limit max 10 → run 10, SHORT 3",
		"headroom -38% = 1 - 88,420 / (10,000 × (9 - 1 spare) × 0.80)",
		"lose one 111% = 88,420 / (90,000 - 10,000)",
		"trend of the room to conns: unknown: 1m02s of readings, it wants 30 min",
	}
	if d := cmp.Diff(steps, p.Steps); d != "" {
		t.Errorf("steps: want -, got +\n%s", d)
	}
	rooms := map[string]float64{"ws-1": 130, "ws-2": 88, "ws-3": 210, "ws-5": 20, "ws-6": 158, "ws-7": 199, "ws-8": 165, "ws-9": 265}
	for name, room := range rooms {
		if h := host(t, s, name); h.RoomUsers.V != room || h.Bound != "conns" || h.Flags[0] != "full" {
			t.Errorf("%s: room %v, bound %s, flags %v", name, h.RoomUsers.V, h.Bound, h.Flags)
		}
	}
}

func TestVerdicts(t *testing.T) {
	policy := func(spare, low, high int) fleet.Policy {
		return fleet.Policy{Target: 0.8, Spare: spare, PerServer: 10_000, Min: low, Max: high}
	}
	for _, c := range []struct {
		name          string
		hosts, silent int
		policy        fleet.Policy
		used          float32 // of 8 cores, each
		conns         uint32  // each
		level         fleet.Level
		do, why       string // the longest, and the longest without the formula
	}{
		{
			"calm", 9, 0, policy(1, 2, 12), 3, 7_100, fleet.OK,
			"OK  run 9 (need 9: 8 +1 spare)   room 26,100 users   nearest limit: conns 71%",
			"why: 26,100 places left, conns 71% of 90,000; lose 1 host: 80%",
		},
		{
			"one host alone", 1, 0,
			fleet.Policy{},
			2, 50, fleet.OK,
			"OK  1 host is enough (need 1 for 80%)   room at least 150 users   nearest limit: cpu 25%",
			"why: at least 150 places left, cpu 25% of 8 cores",
		},
		{
			"one host alone, full", 1, 0,
			fleet.Policy{},
			7.9, 50, fleet.Act,
			"ADD 1 NOW → 2    NEED 2 for 80%",
			"why: cpu 99% of 8 cores",
		},
		{
			"the spare is missing", 8, 0, policy(1, 0, 0), 3, 7_900, fleet.Soon,
			"ADD 1 → 9    NEED 9 (8 for 80% +1 spare)",
			"why: 16,800 places left, conns 79% of 80,000; lose 1 host: 90%",
		},
		{
			"max is reached", 10, 0, policy(1, 0, 10), 3, 8_842, fleet.Act,
			"RAISE MAX TO 13    NEED 13 (12 for 80% +1 spare)    SHORT 3 of max 10",
			"why: 11,580 places left, conns 88% of 100,000; lose 1 host: 98%",
		},
		{
			"full, though not far over the target", 2, 0,
			fleet.Policy{Target: 0.9, PerServer: 10_000},
			3, 9_600, fleet.Act,
			"ADD 1 NOW → 3    NEED 3 for 90%",
			"why: 800 places left, conns 96% of 20,000; lose 1 host: 192% OVER",
		},
		{
			"min binds", 1, 0, policy(0, 3, 9), 1, 100, fleet.Soon,
			"ADD 2 → 3 (min)    NEED 1 for 80%",
			"why: at least 700 places left, cpu 12% of 8 cores",
		},
		{
			"a missing host lowers nothing in silence", 3, 1, policy(1, 0, 0), 3, 7_000, fleet.Soon,
			"ADD 1 → 3    NEED 3 (2 for 80% +1 spare)",
			"why: 1 of 3 hosts missing; 6,000 places left, conns 70% of 20,000; lose 1 host: 140% OVER",
		},
		{
			"partial but enough", 9, 2, policy(0, 0, 0), 3, 7_000, fleet.OK,
			"OK  run 7 (need 7, 9 with the missing full)   room 21,000 users   nearest limit: conns 70%",
			"why: 2 of 9 hosts missing; 21,000 places left, conns 70% of 70,000; lose 1 host: 82%",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := group(c.hosts, c.silent, c.policy, func(int) (int, float32, uint32) { return 8, c.used, c.conns })
			v := s.Pools[0].Verdict
			if v.Level != c.level || v.Do[0] != c.do || v.Why[1] != c.why {
				t.Errorf("level %v\n got %q\nwant %q\n got %q\nwant %q", v.Level, v.Do[0], c.do, v.Why[1], c.why)
			}
			widths(t, v)
			if p := s.Pools[0]; p.Bound != p.Limits[0].Name || !strings.Contains(v.Do[0]+v.Why[1], p.Bound) {
				t.Errorf("bound %s, limits %v", p.Bound, p.Limits)
			}
			if c.silent > 0 {
				for _, w := range v.Why {
					if !strings.Contains(w, "missing") && !strings.Contains(w, "gone") {
						t.Errorf("%q does not tell that hosts are missing", w)
					}
				}
			}
		})
	}
}

// widths holds that each text is shorter than the one before, and that there is
// one for every screen.
func widths(t *testing.T, v fleet.Verdict) {
	t.Helper()
	for name, list := range map[string][]string{"do": v.Do, "why": v.Why} {
		last := 1 << 20
		for _, text := range list {
			w := ansi.StringWidth(text)
			if w > last {
				t.Errorf("%s: %q of %d cells follows one of %d", name, text, w, last)
			}
			last = w
		}
		if last > 20 {
			t.Errorf("%s: the shortest has %d cells, want at most 20: %q", name, last, list)
		}
	}
}

func TestUnknownVerdicts(t *testing.T) {
	joined := func(names ...string) *fleet.Fleet {
		f := fleet.New(fleet.Config{})
		for _, n := range names {
			f.Join(n, "", t0)
		}
		return f
	}
	refused := joined("web-1", "web-2")
	refused.Link("web-1", false, true, "connection refused", "run `capmon agent` on web-1", t0)
	early := joined("web-1")
	early.Samples("web-1", 1, []*sample.Sample{{Seq: 1, TimeMs: t0.UnixMilli()}}, t0)
	quiet := one(3, fleet.Policy{})
	for _, c := range []struct {
		name    string
		fleet   *fleet.Fleet
		at      time.Time
		do, why string
	}{
		{"no hosts", joined(), t0, "? no hosts: name them with --agents host1,host2", "why: the list of hosts is empty"},
		{"nobody yet", joined("a", "b", "c"), t0, "? waiting for the first answer of 3 hosts", "why: none has answered yet"},
		{"refused", refused, t0, "? no host answers: run `capmon agent` on web-1", "why: 0 of 2 hosts up: web-1: connection refused"},
		{"first reading", early, t0, "? capacity not known yet: CPU needs two readings, connections need --per-server", "why: 1 of 1 host up, none tells its cores or has a limit"},
		{"fell silent", quiet, after(7), "? no host answers: is `capmon agent` running on them?", "why: 0 of 1 host up: web: no sample for 7s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.fleet.Snapshot(fleet.Ask{}, c.at).Pools[0]
			v := p.Verdict
			if v.Level != fleet.Unknown || v.Do[0] != c.do || v.Why[0] != c.why {
				t.Errorf("level %v\n got %q\nwant %q\n got %q\nwant %q", v.Level, v.Do, c.do, v.Why, c.why)
			}
			widths(t, v)
		})
	}
}

// A busy second does not change the number of servers; ten busy seconds do.
func TestNeedIsSteady(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("web", "", t0)
	need := func(i int) float64 { return f.Snapshot(fleet.Ask{}, after(float64(i))).Pools[0].Need.V }
	for i := range 80 {
		used := float32(5)
		if i == 40 || i > 65 {
			used = 8
		}
		f.Samples("web", 1, []*sample.Sample{second(i+1, after(float64(i)), 8, used, 1)}, after(float64(i)))
		switch {
		case i == 40 && need(i) != 1:
			t.Errorf("one full second: need %v", need(i))
		case i == 79 && need(i) != 2:
			t.Errorf("after ten full seconds: need %v", need(i))
		}
	}
}

func TestUnlikePool(t *testing.T) {
	s := group(3, 0, fleet.Policy{Target: 0.5}, func(i int) (int, float32, uint32) {
		return []int{2, 4, 18}[i], []float32{1, 2, 9}[i], 10
	})
	p := s.Pools[0]
	if p.Need.V != 3 || !strings.Contains(strings.Join(p.Steps, "\n"), "8 is the mean of 3 servers of 2 to 18") {
		t.Errorf("need %v by %q", p.Need.V, p.Steps)
	}
	if math.Abs(p.LoseOne.V-2) > 1e-9 {
		t.Errorf("losing the largest: %v, want 12 / (24 - 18)", p.LoseOne.V)
	}
}

func TestHostLimits(t *testing.T) {
	quota := second(3, t0, 8, 0.75, 30)
	quota.Cpu.Available, quota.Cpu.AvailableFrom, quota.Cpu.Steal = new(float32(1.5)), sample.Bound_BOUND_QUOTA, new(uint32(700))
	f := fleet.New(fleet.Config{Policy: fleet.Policy{PerServer: 100}})
	f.Join("web", "", t0)
	f.Samples("web", 1, []*sample.Sample{quota}, t0)
	h := f.Snapshot(fleet.Ask{}, t0).Hosts[0]
	want := []capacity.Limit{
		{Name: "cpu", Used: 0.75, Capacity: 1.5, Unit: "cores", From: "quota of 1.5 cores"},
		{Name: "conns", Used: 30, Capacity: 100, Unit: "connections", From: "policy: 100 a server"},
	}
	if d := cmp.Diff(want, h.Limits); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if h.Bound != "cpu" || h.RoomUsers.V != 30 || math.Abs(h.Headroom.V-0.375) > 1e-9 || h.RoomRPS.OK {
		t.Errorf("bound %s, room %v, headroom %v, room for requests %v", h.Bound, h.RoomUsers, h.Headroom, h.RoomRPS)
	}
	if d := cmp.Diff([]string{"steal"}, h.Flags); d != "" {
		t.Error(d)
	}
}

// Another policy holds at once, also for what was asked for in the window, and
// not for a pool that has its own.
func TestSetPolicy(t *testing.T) {
	own := fleet.Policy{Target: 0.5, PerServer: 100}
	p := fleet.Policy{Target: 0.5, PerServer: 100}
	f := fleet.New(fleet.Config{Policy: p, Pools: []fleet.PoolPolicy{{Name: "own", Policy: own}}})
	for i := range 8 {
		name := fmt.Sprintf("ws-%d", i)
		f.Join(name, "", t0)
		if i >= 4 {
			f.Assign(name, "own")
		}
		f.Machine(name, machine(uint64(i+1)), t0)
		var all []*sample.Sample
		for k := range 1000 { // all of the window
			all = append(all, second(k+1, after(float64(k-999)), 4, 0.1, 50))
		}
		f.Samples(name, uint64(i+1), all, t0)
	}
	needs := func() (need [2]float64) {
		for _, p := range f.Snapshot(fleet.Ask{}, t0).Pools {
			i := 0
			if p.Name == "own" {
				i = 1
			}
			need[i] = p.Need.V
		}
		return need
	}
	if got := needs(); got != [2]float64{4, 4} {
		t.Fatalf("need %v before", got)
	}
	p.Target, p.Spare = 1, 1
	f.SetPolicy(p)
	if got := needs(); got != [2]float64{3, 4} {
		t.Errorf("need %v: 200 of 100 a server and one spare, and the other pool as before", got)
	}
	if c := f.Config(); c.Policy != p {
		t.Errorf("the policy is %+v", c.Policy)
	}
}
