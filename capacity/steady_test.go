package capacity_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
)

func recommended(ago time.Duration, servers int) capacity.Recommended {
	return capacity.Recommended{At: refNow.Add(-ago), Servers: servers}
}

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name      string
		raw, have int
		history   []capacity.Recommended
		spike     bool
		want      capacity.Settled
	}{
		{"within the tolerance", 11, 10, nil, false, capacity.Settled{Servers: 10, Steps: []string{"raw 11 of 10 is within the tolerance: keep 10"}}},
		{"up at once", 12, 10, []capacity.Recommended{recommended(time.Minute, 10)}, false, capacity.Settled{Servers: 12, Steps: []string{"up at once: 10 → 12"}}},
		{"from nothing", 1, 0, nil, false, capacity.Settled{Servers: 1, Steps: []string{"up at once: 0 → 1"}}},
		{
			"down waits", 6, 10,
			[]capacity.Recommended{recommended(5*time.Minute, 9), recommended(20*time.Minute, 30)},
			false,
			capacity.Settled{Servers: 9, Waits: 10 * time.Minute, Steps: []string{"down: all of 15m agree on at most 9"}},
		},
		{
			"down waits for all", 6, 10,
			[]capacity.Recommended{recommended(14*time.Minute, 12)},
			false,
			capacity.Settled{Servers: 10, Waits: time.Minute, Steps: []string{"down to 6 only when 15m agree: keep 10"}},
		},
		{
			"down waits for a history", 6, 10,
			[]capacity.Recommended{recommended(5*time.Minute, 6)},
			false,
			capacity.Settled{Servers: 10, Waits: 10 * time.Minute, Steps: []string{"down to 6 only when 15m were seen to agree: keep 10"}},
		},
		{"down", 6, 10, []capacity.Recommended{recommended(14*time.Minute, 5)}, false, capacity.Settled{Servers: 6, Steps: []string{"down: all of 15m agree on at most 6"}}},
		{"a spike keeps", 6, 10, nil, true, capacity.Settled{Servers: 10, Steps: []string{"a spike within 15m: keep 10"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := capacity.DefaultSteadiness.Settle(c.raw, c.have, c.history, c.spike, refNow)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
	if _, err := capacity.DefaultSteadiness.Settle(-1, 1, nil, false, refNow); !errors.Is(err, capacity.ErrInput) {
		t.Errorf("negative servers: %v", err)
	}
}

// A day of CAPACITY 4.3: a wave with noise. The number of servers never turns
// back within a quarter of an hour, and the load is never over the servers.
func TestSettledDay(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 9))
		have, last, lastAt := 10, 0, -time.Hour
		var history []capacity.Recommended
		var seen []capacity.Reading
		changes := 0
		for i := range 24 * 360 { // every ten seconds
			now := refNow.Add(time.Duration(i) * 10 * time.Second)
			load := (700 - 500*math.Cos(2*math.Pi*float64(i)/8640)) * (1 + 0.05*rng.NormFloat64())
			seen = append(seen, capacity.Reading{At: now, V: load})
			if len(seen) > 30 {
				seen = seen[1:]
			}
			l, err := capacity.LoadOf(seen, now)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := capacity.Servers(l.V, 100, 0.7)
			if err != nil {
				t.Fatal(err)
			}
			s, err := capacity.DefaultSteadiness.Settle(raw, have, history, l.Spike, now)
			if err != nil {
				t.Fatal(err)
			}
			history = append(history, capacity.Recommended{At: now, Servers: raw})
			if len(history) > 90 {
				history = history[1:]
			}
			if d := s.Servers - have; d != 0 {
				changes++
				at := time.Duration(i) * 10 * time.Second
				if last*d < 0 && at-lastAt < 15*time.Minute {
					t.Errorf("seed %d: at %v by %d, %v after %d", seed, at, d, at-lastAt, last)
				}
				last, lastAt, have = d, at, s.Servers
			}
			if load > float64(have)*100 {
				t.Errorf("seed %d: %.0f on %d servers", seed, load, have)
			}
		}
		if changes > 60 {
			t.Errorf("seed %d: %d changes in a day", seed, changes)
		}
	}
}

func TestLoadOf(t *testing.T) {
	series := func(f func(ago int) float64) []capacity.Reading {
		var out []capacity.Reading
		for ago := range 400 {
			out = append(out, capacity.Reading{At: refNow.Add(-time.Duration(ago) * time.Second), V: f(ago)})
		}
		return out
	}
	for _, c := range []struct {
		name  string
		r     []capacity.Reading
		want  float64
		spike bool
	}{
		{"even", series(func(int) float64 { return 100 }), 100, false},
		{"rising: the last minute", series(func(ago int) float64 { return map[bool]float64{true: 300, false: 200}[ago < 60] }), 300, false},
		{"a busy minute before: p95 of five", series(func(ago int) float64 { return map[bool]float64{true: 190, false: 100}[ago > 100 && ago < 140] }), 190, false},
		{"a spike ×5 is the load at once", series(func(ago int) float64 { return map[bool]float64{true: 500, false: 100}[ago < 6] }), 500, true},
		{"a second of it is none", series(func(ago int) float64 { return map[bool]float64{true: 500, false: 100}[ago < 1] }), 100 + 400.0/60, false},
		{"gaps do not count", series(func(ago int) float64 { return map[bool]float64{true: math.NaN(), false: 100}[ago%2 == 0] }), 100, false},
		{"what is to come does not count", []capacity.Reading{{At: refNow, V: 5}, {At: refNow.Add(time.Second), V: 50}}, 5, false},
	} {
		l, err := capacity.LoadOf(c.r, refNow)
		if err != nil || math.Abs(l.V-c.want) > 1e-9 || l.Spike != c.spike || l.Step == "" {
			t.Errorf("%s: %+v, %v; want %v, spike %v", c.name, l, err, c.want, c.spike)
		}
	}
	for name, r := range map[string][]capacity.Reading{
		"none": nil, "old": {{At: refNow.Add(-time.Hour), V: 1}}, "negative": {{At: refNow, V: -1}}, "infinite": {{At: refNow, V: math.Inf(1)}},
	} {
		if _, err := capacity.LoadOf(r, refNow); !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClimb(t *testing.T) {
	var r []capacity.Reading
	for i := range 120 { // minutes; ×2.5 within two of them
		v := 100.0
		switch {
		case i == 60:
			v = 150
		case i > 60:
			v = 250
		}
		r = append(r, capacity.Reading{At: refNow.Add(time.Duration(i) * time.Minute), V: v})
	}
	if g, err := capacity.Climb(r, 3*time.Minute); err != nil || g.V != 2.5 {
		t.Errorf("climb %v, %v; want 2.5", g.V, err)
	}
	if g, err := capacity.Climb(r, time.Minute); err != nil || math.Abs(g.V-250.0/150) > 1e-12 {
		t.Errorf("climb within a minute %v, %v; want 1.67", g.V, err)
	}
	r[30].V, r[31].V = 0, math.NaN()
	if g, err := capacity.Climb(r, 3*time.Minute); err != nil || g.V != 2.5 {
		t.Errorf("with a zero and a gap %v, %v; want 2.5", g.V, err)
	}
	dip := []capacity.Reading{{At: refNow, V: 100}, {At: refNow.Add(time.Minute), V: 50}, {At: refNow.Add(2 * time.Minute), V: 120}}
	if g, err := capacity.Climb(dip, 3*time.Minute); err != nil || g.V != 2.4 {
		t.Errorf("from a dip %v, %v; want 2.4", g.V, err)
	}
	for name, bad := range map[string][]capacity.Reading{"none": nil, "back in time": {r[5], r[4]}, "negative": {{At: refNow, V: -1}, r[119]}} {
		if _, err := capacity.Climb(bad, time.Minute); !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Hosts that do not answer are counted on the cautious side, both ways.
func TestWithMissing(t *testing.T) {
	seven := pool(t, "conns", 7, 0, 100)
	for _, c := range []struct {
		name          string
		used          float64
		missing, have int
		want          int // servers
	}{
		{"none missing", 300, 0, 7, 4},
		{"servers would come: idle", 700, 2, 9, 9},
		{"servers would come, more than there are", 800, 2, 9, 10},
		{"servers would go: full, though no reason for more", 560, 2, 9, 9},
		{"servers would go: full", 300, 2, 9, 7},
		{"nothing would change", 720, 2, 9, 9},
	} {
		seven.Used = c.used
		got, step, err := seven.WithMissing(c.missing, c.have, 0.8)
		if err != nil || (step == "") != (c.missing == 0) {
			t.Fatalf("%s: %q, %v", c.name, step, err)
		}
		if n, err := capacity.Servers(got.Used, got.Typical(), 0.8); err != nil || n != c.want {
			t.Errorf("%s: %d servers, %v; want %d (%s)", c.name, n, err, c.want, step)
		}
	}
	if _, _, err := seven.WithMissing(-1, 3, 0.8); !errors.Is(err, capacity.ErrInput) {
		t.Errorf("fewer than none missing: %v", err)
	}
}

// People make requests, and requests people, by the same law.
func TestUsers(t *testing.T) {
	users, err := capacity.Users(700, 3, 1)
	if err != nil || users.V != 2800 || users.Formula != "users 2,800 = 700 rps × (3s think + 1s response)" {
		t.Errorf("%+v, %v", users, err)
	}
	if back, err := capacity.RequestsOf(users.V, 3, 1); err != nil || back.V != 700 {
		t.Errorf("%+v, %v", back, err)
	}
	for name, err := range map[string]error{
		"negative think time": func() error { _, err := capacity.Users(1, -1, 1); return err }(),
		"no time at all":      func() error { _, err := capacity.RequestsOf(1, 0, 0); return err }(),
		"NaN in flight":       func() error { _, err := capacity.Inflight(math.NaN(), 1); return err }(),
		"requests in no time": func() error { _, err := capacity.Demand{Users: 1, Requests: 1}.RPS(); return err }(),
	} {
		if !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: error %v, want one that wraps ErrInput", name, err)
		}
	}
}

// FuzzMissing holds that with hosts missing the need never falls when demand
// rises, and never falls below that of what is known.
func FuzzMissing(f *testing.F) {
	f.Add(560.0, 100.0, 0.8, uint8(2), uint8(9), 10.0)
	f.Add(0.0, 1.0, 1.0, uint8(200), uint8(1), 0.1)
	f.Fuzz(func(t *testing.T, load, per, target float64, missing, have uint8, more float64) {
		need := func(used float64) (int, bool) {
			p := capacity.PoolLimit{Limit: capacity.Limit{Name: "cpu", Used: used, Capacity: 7 * per}, Servers: 7}
			q, _, err := p.WithMissing(int(missing), int(have), target)
			if err != nil {
				if !errors.Is(err, capacity.ErrInput) {
					t.Fatal(err)
				}
				return 0, false
			}
			n, err := capacity.Servers(q.Used, q.Typical(), target)
			if err != nil {
				return 0, false
			}
			known, err := capacity.Servers(used, p.Typical(), target)
			if err != nil || n < known {
				t.Fatalf("%d with those missing, %d without, %v", n, known, err)
			}
			if n > known && n > int(have) {
				t.Fatalf("those missing ask for %d of %d", n, have)
			}
			return n, true
		}
		a, ok := need(load)
		if b, ok2 := need(load + more); ok && ok2 && more >= 0 && b < a {
			t.Fatalf("%v needs %d, %v needs %d", load, a, load+more, b)
		}
	})
}
