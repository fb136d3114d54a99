package capacity_test

import (
	"errors"
	"math"
	"testing"

	"capmon/capacity"
)

func TestTheilSen(t *testing.T) {
	// Four values of x, six times each: equal ones narrow the interval.
	var x []float64
	for i := range 24 {
		x = append(x, float64(1+i/6))
	}
	tied := []float64{
		1.15, 3.74, 2.26, 4.85, 3.37, 1.89, 7.48, 6.0, 4.52, 7.11, 5.63, 4.15,
		9.74, 8.26, 10.85, 9.37, 7.89, 10.48, 12.0, 10.52, 13.11, 11.63, 10.15, 12.74,
	}
	for _, c := range []struct {
		name             string
		x, y             []float64
		confidence       float64
		slope, intercept float64
		low, high        float64 // NaN: none
	}{
		{"Sen 1968, as it should have been printed", []float64{1, 2, 3, 4, 10, 12, 18}, []float64{9, 15, 19, 20, 45, 55, 78}, 0.93, 4, 6, 26.0 / 7, 35.0 / 8},
		{"equal x, against the formula in another language", x, tied, 0.95, 3, 0, 2.3833333333333333, 3.555},
		{"too few for an interval", []float64{1, 2, 3}, []float64{1, 2, 4}, 0.95, 1.5, -0.5, math.NaN(), math.NaN()},
	} {
		l, err := capacity.TheilSen(c.x, c.y, c.confidence)
		if err != nil {
			t.Fatal(err)
		}
		near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
		if !near(l.Slope, c.slope) || !near(l.Intercept, c.intercept) || l.Of.OK == math.IsNaN(c.low) || (l.Of.OK && !(near(l.Of.Low, c.low) && near(l.Of.High, c.high))) {
			t.Errorf("%s: %+v", c.name, l)
		}
	}
	for name, err := range map[string]error{
		"one point":       second(capacity.TheilSen([]float64{1}, []float64{1}, 0.95)),
		"unlike lists":    second(capacity.TheilSen([]float64{1, 2}, []float64{1}, 0.95)),
		"NaN":             second(capacity.TheilSen([]float64{1, 2}, []float64{1, math.NaN()}, 0.95)),
		"no spread":       second(capacity.TheilSen([]float64{2, 2}, []float64{1, 2}, 0.95)),
		"too many":        second(capacity.TheilSen(make([]float64, 3000), make([]float64, 3000), 0.95)),
		"certainty":       second(capacity.TheilSen([]float64{1, 2}, []float64{1, 2}, 1)),
		"slopes overflow": second(capacity.TheilSen([]float64{1, math.Nextafter(1, 2)}, []float64{-1e300, 1e300}, 0.95)),
	} {
		if !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: error %v, want one that wraps ErrInput", name, err)
		}
	}
}

func second(_ capacity.Line, err error) error { return err }

// Servers that do not answer and a target above 1: as Kubernetes fills them in.
func TestFollowAboveOne(t *testing.T) {
	how := capacity.Tracking{Target: 1.5, Tolerance: capacity.DefaultTolerance}
	list := []capacity.Member{{Used: capacity.Known(50), Capacity: 100}, {Used: capacity.Known(100), Capacity: 100}, {Capacity: 100}, {Capacity: 100}}
	// (50 + 100 + 150 + 150) / 400 / 1.5 = 0.75 of 4.
	if got, err := capacity.Follow(4, list, how); err != nil || got.Servers != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	list[0].Used, list[1].Used = capacity.Known(10), capacity.Known(10)
	if got, err := capacity.Follow(4, list, how); err != nil || got.Servers != 3 {
		t.Errorf("%+v, %v; want 3, for those missing count as 150%% used", got, err)
	}
	for name, err := range map[string]error{
		"none known":      func() error { _, err := capacity.Follow(1, list[2:], how); return err }(),
		"no target":       func() error { _, err := capacity.Follow(1, list, capacity.Tracking{}); return err }(),
		"no capacity":     func() error { _, err := capacity.Follow(1, []capacity.Member{{}}, how); return err }(),
		"a negative pool": func() error { _, err := capacity.Scale(-1, 1, capacity.DefaultTolerance); return err }(),
	} {
		if !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: error %v, want one that wraps ErrInput", name, err)
		}
	}
}
