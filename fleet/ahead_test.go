package fleet_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// story is a pool whose hosts share a load over time; seconds run up to t0.
type story struct {
	hosts   int
	seconds int // of seconds before t0
	minutes int // of ten-second points before those
	cores   int
	conns   func(ago float64) float64 // all hosts together
	used    func(ago float64) float64
	change  func(host int, s *sample.Sample)
}

func constant(v float64) func(float64) float64 { return func(float64) float64 { return v } }

func (st story) fleet(c fleet.Config) *fleet.Fleet {
	f := fleet.New(c)
	for i := range st.hosts {
		name := fmt.Sprintf("ws-%d", i+1)
		f.Join(name, "", t0)
		m := machine(uint64(i + 1))
		m.StartedMs = t0.Add(-24 * time.Hour).UnixMilli()
		f.Machine(name, m, t0)
		each := float64(st.hosts)
		var past []*sample.Sample
		for k := range st.seconds {
			ago := float64(st.seconds - 1 - k)
			s := second(k+1, after(-ago), st.cores, float32(st.used(ago)/each), uint32(st.conns(ago)/each))
			if st.change != nil {
				st.change(i, s)
			}
			past = append(past, s)
		}
		f.Samples(name, uint64(i+1), past, t0)
		var points []*sample.Point
		for k := range st.minutes * 6 {
			at := t0.Unix()/10*10 - int64(st.minutes*60) - int64(st.seconds) + int64(k)*10
			ago := float64(t0.Unix() - at - 5)
			points = append(points, &sample.Point{
				Time: at, Samples: 10, Cpu: new(float32(st.used(ago) / each / float64(st.cores))), Available: new(float32(st.cores)),
				Served: new(float32(st.conns(ago) / each)),
			})
		}
		f.Points(name, uint64(i+1), points, t0)
	}
	return f
}

// The drawings' night: 1,200 more a minute for five minutes, after 300.
func TestFullIn(t *testing.T) {
	st := story{hosts: 9, seconds: 900, minutes: 40, cores: 8, used: constant(41.4), conns: func(ago float64) float64 {
		if ago < 600 {
			return 88_668 - 20*ago
		}
		return 88_668 - 20*600 - 5*(ago-600)
	}}
	p := fleet.Policy{Target: 0.8, Spare: 1, PerServer: 10_000, Max: 10, WarmUp: 3 * time.Minute, Price: 0.5}
	f := st.fleet(fleet.Config{Policy: p})
	pool := f.Snapshot(fleet.Ask{}, t0).Pools[0]
	if pool.Trend.Direction != capacity.Falling || !pool.Trend.Anew {
		t.Fatalf("trend %v: %s", pool.Trend.Direction, pool.Trend.Step)
	}
	if math.Abs(pool.Trend.FullIn.V-66.6) > 8 || math.Abs(pool.Growth.V-1200) > 30 || math.Abs(pool.Late.V-(180-pool.Trend.FullIn.V)) > 1e-9 {
		t.Errorf("full in %v at %v a minute, late %v", pool.Trend.FullIn, pool.Growth, pool.Late)
	}
	why := pool.Verdict.Why
	if i := slices.IndexFunc(why, func(s string) bool {
		return len(s) <= 80 && strings.HasPrefix(s, "why: 1,332 places left, +1,200/min, full in 1m0") && strings.Contains(s, "; warm-up 3m: late 1m5")
	}); i < 0 {
		t.Errorf("no line of 80 cells says it: %q", why)
	}
	widths(t, pool.Verdict)
	if i := slices.IndexFunc(pool.Rows, func(r capacity.Row) bool { return r.Servers == 10 }); i < 0 || math.Abs(pool.Rows[i].FullIn.V-566) > 25 || pool.Rows[i].PerDay.V != 120 {
		t.Errorf("ten servers: %+v", pool.Rows)
	}
	// 1,200 a minute for three minutes, of 85,000 to 88,000: not worth a reserve.
	if !pool.Climb.OK || pool.Climb.V > 1.1 || pool.ClimbServers.OK {
		t.Errorf("climb %v, %v servers", pool.Climb, pool.ClimbServers)
	}
	// At an earlier moment what came later is not known.
	then := f.Snapshot(fleet.Ask{At: after(-700)}, t0).Pools[0]
	if then.Trend.FullIn.OK && then.Trend.FullIn.V < 1200 || then.Limits[0].Used > 77_000 {
		t.Errorf("700 s ago: %+v, %+v", then.Trend, then.Limits)
	}
	flat := story{hosts: 3, seconds: 900, minutes: 40, cores: 8, used: constant(6), conns: constant(3000)}
	if p := flat.fleet(fleet.Config{}).Snapshot(fleet.Ask{}, t0).Pools[0]; p.Trend.Direction != capacity.Stable || p.Trend.FullIn.OK || p.Growth.V != 0 {
		t.Errorf("flat: %+v", p.Trend)
	}
	young := story{hosts: 1, seconds: 200, cores: 8, used: constant(6), conns: constant(3000)}
	if p := young.fleet(fleet.Config{}).Snapshot(fleet.Ask{}, t0).Pools[0]; p.Trend.Direction != capacity.DirectionUnknown || !strings.Contains(p.Trend.Step, "wants 30 min") {
		t.Errorf("young: %+v", p.Trend)
	}
}

// What is enough now and full before a new server is warm is said in time.
func TestFullBeforeWarm(t *testing.T) {
	st := story{hosts: 10, seconds: 900, minutes: 40, cores: 8, used: constant(20), conns: func(ago float64) float64 { return 79_000 - 2.0*ago }}
	p := fleet.Policy{Target: 0.95, PerServer: 8_000, WarmUp: 12 * time.Minute}
	pool := st.fleet(fleet.Config{Policy: p}).Snapshot(fleet.Ask{}, t0).Pools[0]
	if v := pool.Verdict; v.Level != fleet.Soon && v.Level != fleet.Act || !strings.Contains(v.Do[0]+v.Why[0], "late") && !strings.HasPrefix(v.Do[0], "FULL IN") {
		t.Errorf("%v: %q, %q (need %v, trend %s)", v.Level, v.Do, v.Why, pool.Need, pool.Trend.Step)
	}
	p.Target, p.PerServer, p.WarmUp = 1, 8_000, 12*time.Minute
	pool = st.fleet(fleet.Config{Policy: p}).Snapshot(fleet.Ask{}, t0).Pools[0]
	if v := pool.Verdict; v.Level != fleet.Soon || !strings.HasPrefix(v.Do[0], "FULL IN 8m") || !strings.Contains(v.Do[0], "a new server takes 12m") {
		t.Errorf("%v: %q", v.Level, v.Do)
	}
	widths(t, pool.Verdict)
}

// A spike is the load within ten seconds, and nothing goes down for a window
// after it; nothing goes before the window was seen at all.
func TestSpikeAndWindow(t *testing.T) {
	calm := story{hosts: 8, seconds: 900, cores: 8, used: constant(10), conns: constant(800)}
	spike := calm
	spike.used = func(ago float64) float64 {
		if ago < 8 {
			return 50
		}
		return 10
	}
	after10 := calm
	after10.used = func(ago float64) float64 {
		if ago > 500 && ago < 560 {
			return 50
		}
		return 10
	}
	young := calm
	young.seconds = 300
	shrinking := calm
	shrinking.used = func(ago float64) float64 {
		if ago > 400 {
			return 32
		}
		return 10
	}
	for name, c := range map[string]struct {
		st   story
		need float64
		step string
	}{
		"calm for a window":         {calm, 2, "down: all of 15m"},
		"a spike now":               {spike, 8, "a spike over"},
		"a spike ten minutes ago":   {after10, 8, "only when 15m agree: keep 8"},
		"seen for five minutes":     {young, 8, "were seen to agree"},
		"a load that has just gone": {shrinking, 5, "agree on at most 5"},
	} {
		p := c.st.fleet(fleet.Config{Policy: fleet.Policy{Target: 0.8}}).Snapshot(fleet.Ask{}, t0).Pools[0]
		steps := strings.Join(p.Steps, "\n")
		if p.Need.V != c.need || !strings.Contains(steps, c.step) {
			t.Errorf("%s: need %v, want %v with %q:\n%s", name, p.Need.V, c.need, c.step, steps)
		}
		widths(t, p.Verdict)
	}
}

// A number of requests a second that policy allows one server is a limit like
// the others.
func TestRequestsByPolicy(t *testing.T) {
	st := story{hosts: 3, seconds: 300, cores: 8, used: constant(3), conns: constant(300), change: func(_ int, s *sample.Sample) {
		s.Services = []*sample.Service{{Port: 80, Name: "nginx", Rps: new(float32(450))}}
	}}
	s := st.fleet(fleet.Config{Policy: fleet.Policy{Target: 0.8, RPSPerServer: 500, Spare: 1}}).Snapshot(fleet.Ask{}, t0)
	p, h := s.Pools[0], s.Hosts[0]
	if p.Bound != "rps" || p.Need.V != 5 || p.Formula != "NEED 5 = ceil(1,350 / (500 × 0.80)) + 1 spare" || h.Bound != "rps" || math.Abs(h.RoomRPS.V-50) > 1e-9 {
		t.Errorf("bound %s, %s; the host by %s, room %v", p.Bound, p.Formula, h.Bound, h.RoomRPS)
	}
	if h.Limits[0].From != "policy: 500 a second a server" {
		t.Errorf("%+v", h.Limits[0])
	}
}

// Two viewers who saw the same, one of them from the beginning and one who has
// just come, ask for the same.
func TestViewersAgree(t *testing.T) {
	st := story{hosts: 4, seconds: 900, cores: 8, conns: constant(400), used: func(ago float64) float64 {
		if ago > 400 {
			return 24
		}
		return 10
	}}
	late := st.fleet(fleet.Config{Policy: fleet.Policy{Target: 0.8}}).Snapshot(fleet.Ask{}, t0)
	f := fleet.New(fleet.Config{Policy: fleet.Policy{Target: 0.8}})
	var early fleet.Snapshot
	for k := range 900 {
		ago := float64(899 - k)
		for i := range 4 {
			name := fmt.Sprintf("ws-%d", i+1)
			if k == 0 {
				f.Join(name, "", after(-ago))
				f.Machine(name, machine(uint64(i+1)), after(-ago))
			}
			f.Samples(name, uint64(i+1), []*sample.Sample{second(k+1, after(-ago), 8, float32(st.used(ago)/4), 100)}, after(-ago))
		}
		early = f.Snapshot(fleet.Ask{}, after(-ago))
	}
	if a, b := early.Pools[0], late.Pools[0]; a.Need.V != b.Need.V || a.Need.V != 4 {
		t.Errorf("from the beginning %v, just come %v\n%q\n%q", a.Need, b.Need, a.Steps, b.Steps)
	}
}

// What a reserve would take is told, and changes nothing.
func TestClimbReserve(t *testing.T) {
	st := story{hosts: 4, seconds: 900, minutes: 120, cores: 8, conns: constant(400), used: func(ago float64) float64 {
		if ago > 3600 && ago < 3780 { // three times as much within three minutes, an hour ago
			return 24
		}
		return 8
	}}
	p := st.fleet(fleet.Config{Policy: fleet.Policy{Target: 0.8, Price: 0.25}}).Snapshot(fleet.Ask{}, t0).Pools[0]
	if math.Abs(p.Climb.V-3) > 0.2 || p.Need.V != 2 || p.ClimbServers.V != 2 || p.ClimbPrice.V != 12 {
		t.Errorf("climb %v, need %v, reserve %v for %v a day", p.Climb, p.Need, p.ClimbServers, p.ClimbPrice)
	}
	if i := slices.IndexFunc(p.Steps, func(s string) bool { return strings.HasPrefix(s, "climb reserve: ") }); i < 0 {
		t.Errorf("steps %q", p.Steps)
	}
}

// A promise about time, one about being up, and zones, each with its step.
func TestPromises(t *testing.T) {
	labelled := story{hosts: 6, seconds: 900, cores: 8, conns: constant(600), used: constant(20)}
	policy := fleet.Policy{Target: 0.8, Zone: "az", SLA: 0.9995, Availability: 0.995}
	f := fleet.New(fleet.Config{Policy: policy})
	for i := range labelled.hosts {
		name := fmt.Sprintf("ws-%d", i+1)
		f.Join(name, "", t0)
		m := machine(uint64(i + 1))
		m.Labels = []*sample.Label{{Key: "az", Value: string(rune('a' + i%3))}}
		f.Machine(name, m, t0)
		var past []*sample.Sample
		for k := range 900 {
			past = append(past, second(k+1, after(float64(k-899)), 8, 20./6, 100))
		}
		f.Samples(name, uint64(i+1), past, t0)
	}
	p := f.Snapshot(fleet.Ask{}, t0).Pools[0]
	steps := strings.Join(p.Steps, "\n")
	if p.Raw.V != 4 || p.Spare != 2 || p.Need.V != 6 || !strings.Contains(steps, "losing one of 3 zones: ceil(4 / 2) = 2 in each, 6 in all") || !strings.Contains(steps, "SLA 99.95%") {
		t.Errorf("raw %v, spare %d, need %v:\n%s", p.Raw, p.Spare, p.Need, steps)
	}
	if d := cmp.Diff(capacity.Known(20./32), p.LoseZone, nearly); d != "" {
		t.Error(d)
	}
	if !strings.Contains(p.Verdict.Why[0], "lose a zone: 62%") {
		t.Errorf("why %q", p.Verdict.Why[0])
	}
	promised := learnedWith(fleet.Policy{Target: 0.8, SLO: &capacity.Promise{Share: 0.99, Within: 0.05}}, false)
	if s := strings.Join(promised.Pools[0].Steps, "\n"); !strings.Contains(s, "slo: p99 = 50ms holds up to") || !strings.Contains(s, "slo: ceil(") {
		t.Errorf("steps:\n%s", s)
	}
	if s := strings.Join(learned(fleet.Policy{SLO: &capacity.Promise{Share: 0.99, Within: 0.05}}).Pools[0].Steps, "\n"); !strings.Contains(s, "is not learned") {
		t.Errorf("steps:\n%s", s)
	}
}

// Without a chosen target it follows the workers behind one queue.
func TestTargetByQueue(t *testing.T) {
	for _, c := range []struct {
		chosen float64
		one    bool
		want   string
	}{
		{0, true, "cpu target 50%: default for 1 worker behind one queue"},
		{0, false, "cpu target 80%: default for 8 workers behind one queue"},
		{0.7, true, "(8 × 0.70"},
	} {
		p := learnedWith(fleet.Policy{Target: c.chosen}, c.one).Pools[0]
		if s := strings.Join(p.Steps, "\n"); !strings.Contains(s, c.want) {
			t.Errorf("chosen %v, one thread %v: want %q in\n%s", c.chosen, c.one, c.want, s)
		}
	}
}
