package capacity_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"capmon/capacity"
)

// sleepy is a simulated server of one core with wake-ups.
type sleepy struct {
	request, wake, background float64
}

func (s sleepy) use(x float64) float64 {
	return (s.background + (s.request+s.wake)*x) / (1 + s.wake*x)
}

func (s sleepy) most() float64 { return (1 - s.background) / s.request }

// Requests that get cheaper as the server sleeps less: what is said holds, and a
// background that bends the cost in the same way is not taken for wake-ups.
func TestWakeUps(t *testing.T) {
	const either = capacity.Trust(255)
	for _, c := range []struct {
		name      string
		server    sleepy
		seen      float64 // of the maximum, at most
		low, high float64 // of the estimate against the truth, in all
		trust     capacity.Trust
	}{
		{"short requests, half seen", sleepy{100e-6, 40e-6, 0.01}, 0.5, 0.85, 1.05, either},
		{"short requests, a fifth seen", sleepy{100e-6, 40e-6, 0.01}, 0.2, 0.65, 1.05, capacity.AtLeast},
		{"short requests that wake nothing", sleepy{100e-6, 0, 0.03}, 0.5, 0.93, 1.10, capacity.AtLeast},
		{"long requests", sleepy{400e-6, 40e-6, 0.01}, 0.5, 0.92, 1.06, capacity.Learned},
		{"wake-ups that can't matter", sleepy{0.010, 40e-6, 0.01}, 0.5, 0.97, 1.03, capacity.Learned},
	} {
		t.Run(c.name, func(t *testing.T) {
			truth := c.server.most()
			var got []float64
			held, trusted := 0, 0
			for seed := range uint64(40) {
				s := newServer(seed)
				l := capacity.Learner{Unit: "threads"}
				for i := range 120 {
					x := s.wave(i, 120, 0.06*truth, c.seen*truth)
					add(t, &l, capacity.Point{Load: x, Busy: c.server.use(x) * (1 + 0.01*s.rng.NormFloat64()), Limit: 1}, tick(i))
				}
				e := estimate(t, &l, 1)
				got = append(got, e.Capacity.V/truth)
				if e.Trust == c.trust || c.trust == either {
					trusted++
				}
				if e.Trust == capacity.Learned && e.Of.Low <= 1.005*truth && 0.995*truth <= e.Of.High || e.Trust == capacity.AtLeast && e.Capacity.V <= 1.02*truth {
					held++
				}
			}
			slices.Sort(got)
			t.Logf("%.3f to %.3f of the truth, median %.3f; %d of 40 %v, %d held", got[0], got[39], got[20], trusted, c.trust, held)
			if got[0] < c.low || got[39] > c.high || trusted < 32 || held < 32 {
				t.Errorf("want %v..%v of the truth, 32 of 40 %v and held", c.low, c.high, c.trust)
			}
		})
	}
}

// Below the limit some requests still wake the server: capacity at a target is
// less than that share of the capacity at 100%.
func TestWakeUpsAtTarget(t *testing.T) {
	server := sleepy{100e-6, 45e-6, 0}
	var load, busy []float64
	for x := 500.0; x <= 9500; x += 150 {
		load, busy = append(load, x), append(busy, server.use(x))
	}
	c, err := capacity.FitCPU(load, busy, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !(c.Wake > 0 && c.Wake <= 45e-6) {
		t.Fatalf("a wake-up costs %v, it is 45 µs", c.Wake)
	}
	for _, target := range []float64{0.5, 0.8, 1} {
		v, of := c.Load(target)
		truth := target / (server.request + server.wake*(1-target))
		if math.Abs(v.V/truth-1) > 0.05 || !of.OK || of.Low > truth*1.001 || of.High < truth*0.999 {
			t.Errorf("%v used at %.0f/s (%.0f..%.0f), the truth is %.0f", target, v.V, of.Low, of.High, truth)
		}
	}
}

func TestWakeUpsOfNonsense(t *testing.T) {
	load, busy := []float64{1, 2, 3}, []float64{0.1, 0.2, 0.3}
	for _, limit := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := capacity.FitCPU(load, busy, limit); !errors.Is(err, capacity.ErrInput) {
			t.Errorf("a limit of %v: %v, want one that wraps ErrInput", limit, err)
		}
	}
	if _, err := capacity.FitCPU(load[:1], busy, 1); !errors.Is(err, capacity.ErrInput) {
		t.Errorf("a load for three uses: %v", err)
	}
	// Memory does not sleep.
	l := capacity.Learner{Unit: "bytes"}
	server := sleepy{100e-6, 45e-6, 0}
	for i := range 60 {
		x := 500 + 100*float64(i)
		add(t, &l, capacity.Point{Load: x, Busy: server.use(x), Limit: 1}, tick(i))
	}
	if e := estimate(t, &l, 1); e.Cost.Wake != 0 {
		t.Errorf("bytes that wake up: %+v", e)
	}
}
