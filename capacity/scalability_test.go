package capacity_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"capmon/capacity"
)

// Curves that are known are found again, to 0.2%, without noise.
func TestFitScalability(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		want := capacity.Scalability{
			Alpha: rng.Float64() * 0.3, Beta: math.Exp(-4 - 8*rng.Float64()), Gamma: math.Exp(10 * rng.Float64()),
		}
		switch rng.IntN(4) {
		case 0:
			want.Alpha = 0
		case 1:
			want.Beta = 0
		}
		var n, x []float64
		for _, v := range []float64{1, 2, 3, 5, 8, 12, 20, 32, 48, 64} {
			n, x = append(n, v), append(x, want.At(v))
		}
		got, err := capacity.FitScalability(n, x)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range n {
			if math.Abs(got.At(v)/x[i]-1) > 0.002 {
				t.Fatalf("%+v: fitted %+v, X(%v) = %v, want %v", want, got, v, got.At(v), x[i])
			}
		}
		if got.Few != "" || (want.Beta > 0) != got.Peak().OK {
			t.Errorf("%+v: fitted %+v, peak %v", want, got, got.Peak())
		}
	}
}

// Throughput that grows faster than the workers is no negative contention.
func TestFitScalabilityStaysWithinBounds(t *testing.T) {
	for _, x := range [][]float64{{100, 230, 500, 1100, 2300, 4800}, {100, 150, 180, 250, 420, 900}, {100, 90, 70, 40, 10, 1}} {
		s, err := capacity.FitScalability([]float64{1, 2, 4, 8, 16, 32}, x)
		if err != nil || s.Alpha < 0 || s.Beta < 0 || !(s.Gamma > 0) {
			t.Errorf("%v: %+v, %v", x, s, err)
		}
	}
}

func TestScalabilityRefusals(t *testing.T) {
	fit := func(n, x []float64) error {
		_, err := capacity.FitScalability(n, x)
		return err
	}
	at := func(r float64, s capacity.Scalability) error {
		_, err := s.WorkersAtLatency(r)
		return err
	}
	linear := capacity.Scalability{Gamma: 1}
	for name, err := range map[string]error{
		"none":                      fit(nil, nil),
		"unlike lists":              fit([]float64{1, 2, 3}, []float64{1}),
		"two numbers of workers":    fit([]float64{1, 2, 2}, []float64{1, 2, 2}),
		"no throughput":             fit([]float64{1, 2, 3}, []float64{1, 0, 2}),
		"half a worker":             fit([]float64{0.5, 2, 3}, []float64{1, 1, 2}),
		"NaN":                       fit([]float64{1, 2, 3}, []float64{1, math.NaN(), 2}),
		"a latency under that of 1": at(0.5, capacity.Scalability{Alpha: 0.1, Beta: 0.1, Gamma: 1}),
		"any number has it":         at(1, linear),
		"negative contention":       at(1, capacity.Scalability{Alpha: -1, Gamma: 1}),
	} {
		if !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: error %v, want one that wraps ErrInput", name, err)
		}
	}
	if linear.Peak().OK || linear.Ceiling().OK || linear.Knee().OK || linear.Best() != 0 || !math.IsNaN(linear.At(-1)) {
		t.Errorf("a line has a peak %v, a ceiling %v, a knee %v, a best %d", linear.Peak(), linear.Ceiling(), linear.Knee(), linear.Best())
	}
}

// FuzzScalability holds that any measurements give a curve whose numbers are
// some, or an error.
func FuzzScalability(f *testing.F) {
	f.Add(uint64(1), 1.0, 100.0)
	f.Add(uint64(2), 1e-300, 1e300)
	f.Add(uint64(3), 1e9, 1e-9)
	f.Fuzz(func(t *testing.T, seed uint64, workers, throughput float64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var n, x []float64
		for range 1 + rng.IntN(10) {
			n, x = append(n, 1+workers*rng.Float64()), append(x, throughput*rng.Float64())
		}
		s, err := capacity.FitScalability(n, x)
		if err != nil {
			if !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		if !(s.Alpha >= 0 && s.Beta >= 0 && s.Gamma > 0) || math.IsInf(s.Alpha+s.Beta+s.Gamma, 0) {
			t.Fatalf("%+v", s)
		}
		for _, v := range n {
			if !(s.At(v) >= 0) {
				t.Fatalf("%+v at %v is %v", s, v, s.At(v))
			}
		}
		s.Advise(n[0], capacity.Known(workers))
	})
}

// FuzzLine holds that the line does not follow a few points, and turns with the
// units.
func FuzzLine(f *testing.F) {
	f.Add(uint64(1), 2.0, 5.0, 0.1)
	f.Add(uint64(2), 1e300, -1e300, 0.0)
	f.Fuzz(func(t *testing.T, seed uint64, slope, intercept, sd float64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 2 + rng.IntN(60)
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = float64(rng.IntN(20))
			y[i] = intercept + slope*x[i] + sd*rng.NormFloat64()
		}
		l, err := capacity.TheilSen(x, y, 0.95)
		if err != nil {
			if !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		if l.Of.OK && (l.Of.Low > l.Slope || l.Of.High < l.Slope) || l.Scatter < 0 || l.Tau < -1-1e-9 || l.Tau > 1+1e-9 {
			t.Fatalf("%+v", l)
		}
		for i := range y {
			y[i] *= 4
		}
		if m, err := capacity.TheilSen(x, y, 0.95); err == nil && math.Abs(m.Slope-4*l.Slope) > 1e-9*math.Abs(m.Slope) {
			t.Fatalf("four times as much has the slope %v, once %v", m.Slope, l.Slope)
		}
		slices.Reverse(x)
		slices.Reverse(y)
		if m, err := capacity.TheilSen(x, y, 0.95); err == nil && math.Abs(m.Slope-4*l.Slope) > 1e-9*math.Abs(m.Slope) {
			t.Fatalf("in another order the slope is %v, not %v", m.Slope, 4*l.Slope)
		}
	})
}

// FuzzAvailability holds that more servers are never less available, and that
// the fewest that are enough are.
func FuzzAvailability(f *testing.F) {
	f.Add(10, 0.99, 0.999)
	f.Add(1, 0.99, 0.9999)
	f.Add(0, 1.0, 0.5)
	f.Add(5000, 0.5, 0.99999)
	f.Fuzz(func(t *testing.T, k int, a, sla float64) {
		if k > 5000 {
			k %= 5000
		}
		n, err := capacity.ServersForSLA(k, a, sla)
		if err != nil {
			if !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		at := func(n int) float64 {
			p, err := capacity.AtLeastUp(k, n, a)
			if err != nil || !(p >= 0 && p <= 1) {
				t.Fatalf("at least %d of %d at %v: %v, %v", k, n, a, p, err)
			}
			return p
		}
		if n < k || at(n) < sla-1e-9 || (n > k && at(n-1) >= sla) || at(n+1) < at(n)-1e-9 {
			t.Fatalf("%d of %v for %d at %v: %v, one fewer %v, one more %v", n, a, k, sla, at(n), at(n-1), at(n+1))
		}
		if most, err := capacity.MostUp(n, a, sla); err != nil || most < k {
			t.Fatalf("%d servers keep %d up, %v; want %d", n, most, err, k)
		}
	})
}
