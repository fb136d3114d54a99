package capacity_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"capmon/capacity"
)

var trendNow = time.Date(2026, 3, 1, 3, 12, 0, 0, time.UTC)

// readings are one a second over so long, of a function of the seconds before
// now.
func readings(span time.Duration, f func(ago float64) float64) []capacity.Reading {
	var out []capacity.Reading
	for ago := span.Seconds(); ago >= 0; ago-- {
		out = append(out, capacity.Reading{At: trendNow.Add(-time.Duration(ago) * time.Second), V: f(ago)})
	}
	return out
}

func trend(t *testing.T, r []capacity.Reading) capacity.Trend {
	t.Helper()
	v, err := capacity.TrendOf(r, trendNow)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// noise is what neighbouring seconds have in common and what they have not.
type noise struct {
	rng  *rand.Rand
	slow float64
}

func (n *noise) next(sd float64) float64 {
	n.slow = 0.98*n.slow + 0.2*sd*n.rng.NormFloat64()
	return n.slow + sd*n.rng.NormFloat64()
}

// A ramp that is full in an hour is told within a tenth of it in half the runs,
// with bursts too.
func TestTrendOfARamp(t *testing.T) {
	for _, bursts := range []float64{0, 0.08} {
		var got []float64
		falling := 0
		for seed := range uint64(60) {
			n := &noise{rng: rand.New(rand.NewPCG(seed, 3))}
			v := trend(t, readings(45*time.Minute, func(ago float64) float64 {
				x := 3600 + ago + n.next(60) // one a second
				if n.rng.Float64() < bursts {
					x -= 1500
				}
				return x
			}))
			if v.Direction == capacity.Falling {
				falling++
				got = append(got, v.FullIn.V/60)
				if !v.FullOf.OK || v.FullOf.Low > v.FullIn.V || v.FullOf.High < v.FullIn.V {
					t.Errorf("seed %d: %+v", seed, v)
				}
			}
		}
		if falling < 55 {
			t.Fatalf("bursts %v: falling in %d of 60", bursts, falling)
		}
		slices.Sort(got)
		low, mid, high := got[len(got)/4], got[len(got)/2], got[len(got)*3/4]
		t.Logf("bursts %v: true 60 min, median %.1f, quartiles %.1f..%.1f, falling in %d of 60", bursts, mid, low, high, falling)
		if low < 54 || high > 66 {
			t.Errorf("bursts %v: quartiles %.1f..%.1f, want 54..66", bursts, low, high)
		}
	}
}

// Flat load with noise and bursts is no trend.
func TestNoTrendInFlatLoad(t *testing.T) {
	wrong, anew := 0, 0
	for seed := range uint64(100) {
		n := &noise{rng: rand.New(rand.NewPCG(seed, 4))}
		// Half of them have so little room that any slope would use it up soon.
		level := 3000 - 2950*float64(seed%2)
		v := trend(t, readings(time.Hour, func(float64) float64 {
			x := level + n.next(120)
			if n.rng.Float64() < 0.08 {
				x -= 1000
			}
			return x
		}))
		if v.Direction != capacity.Stable {
			wrong++
		}
		if v.Anew {
			anew++
		}
	}
	t.Logf("%d of 100 flat hours are called a trend, %d a change of slope", wrong, anew)
	if wrong > 2 || anew > 2 { // by 99% intervals one of 200 is chance; minutes are alike
		t.Errorf("%d false alarms, %d false changes of slope", wrong, anew)
	}
}

// A climb that begins ten minutes ago is not averaged with the flat hour before.
func TestTrendBeginsAnew(t *testing.T) {
	found := 0
	var got []float64
	for seed := range uint64(40) {
		n := &noise{rng: rand.New(rand.NewPCG(seed, 5))}
		v := trend(t, readings(time.Hour, func(ago float64) float64 {
			x := 13_332 + n.next(50)
			if ago < 600 {
				x -= 20 * (600 - ago)
			}
			return x
		}))
		if v.Anew && v.Direction == capacity.Falling {
			found++
			got = append(got, v.FullIn.V)
			if v.Window < 5*time.Minute || v.Window > 15*time.Minute {
				t.Errorf("seed %d: window %v", seed, v.Window)
			}
		}
	}
	if found < 36 {
		t.Fatalf("found in %d of 40", found)
	}
	slices.Sort(got)
	if mid := got[len(got)/2]; math.Abs(mid-66.6) > 7 {
		t.Errorf("full in %.0f s, want 66.6", mid)
	}
}

func TestTrendNeedsReadings(t *testing.T) {
	flat := func(float64) float64 { return 10 }
	for name, c := range map[string]struct {
		r    []capacity.Reading
		want capacity.Direction
	}{
		"none":          {nil, capacity.DirectionUnknown},
		"ten minutes":   {readings(10*time.Minute, flat), capacity.DirectionUnknown},
		"half an hour":  {readings(31*time.Minute, flat), capacity.Stable},
		"gaps":          {readings(time.Hour, func(ago float64) float64 { return map[bool]float64{true: math.NaN(), false: 10}[int(ago)%7 < 5] }), capacity.Stable},
		"ended an hour": {readings(2*time.Hour, func(ago float64) float64 { return map[bool]float64{true: math.NaN(), false: 10}[ago < 3500] }), capacity.DirectionUnknown},
	} {
		if v := trend(t, c.r); v.Direction != c.want || v.Step == "" || v.FullIn.OK {
			t.Errorf("%s: %+v, want %v", name, v, c.want)
		}
	}
	if _, err := capacity.TrendOf([]capacity.Reading{{At: trendNow, V: math.Inf(1)}}, trendNow); !errors.Is(err, capacity.ErrInput) {
		t.Errorf("an infinite reading: %v", err)
	}
}

// The times of the mock-ups, SCREENS 13.8: the room of nine hosts is 1,332, one
// more is 10,000 more, growth is 1,200 a minute.
func TestFullIn(t *testing.T) {
	for i, want := range []string{"1m07s", "9m27s", "18m", "26m", "34m", "43m", "51m", "59m"} {
		n, err := capacity.FullIn(1332+10_000*float64(i), 1200.0/60)
		if err != nil || capacity.Span(n.V) != want {
			t.Errorf("%d servers: %v, %v, want %s", 9+i, capacity.Span(n.V), err, want)
		}
	}
	if n, _ := capacity.FullIn(1332, 20); math.Round(n.V) != 67 {
		t.Errorf("full in %v s, want 67", n.V)
	}
	for name, c := range map[string]struct {
		room, growth float64
		want         capacity.Num
	}{
		"no growth": {5, 0, capacity.Num{}}, "shrinking": {5, -1, capacity.Num{}}, "no room": {0, 1, capacity.Known(0)}, "overrun": {-5, 0, capacity.Known(0)},
	} {
		if n, err := capacity.FullIn(c.room, c.growth); err != nil || n != c.want {
			t.Errorf("%s: %v, %v", name, n, err)
		}
	}
	if _, err := capacity.FullIn(math.NaN(), 1); !errors.Is(err, capacity.ErrInput) {
		t.Errorf("NaN: %v", err)
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0s", 0.008: "8ms", 42: "42s", 59.6: "1m00s", 66.6: "1m07s", 599: "9m59s", 600: "10m", 5940: "99m", 6000: "1h40m",
		11_100: "3h05m", 86_400: "24h00m", 12 * 86_400: "12d", -67: "-1m07s", math.Inf(1): "?",
	} {
		if got := capacity.Span(seconds); got != want {
			t.Errorf("Span(%v) = %q, want %q", seconds, got, want)
		}
	}
}

func FuzzTrend(f *testing.F) {
	f.Add(uint64(1), 1000.0, -1.0, 10.0)
	f.Add(uint64(2), 1e300, 1e300, 1e300)
	f.Add(uint64(3), math.NaN(), 0.0, math.Inf(1))
	f.Fuzz(func(t *testing.T, seed uint64, level, slope, sd float64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var r []capacity.Reading
		for ago := 3600; ago > 0; ago -= 5 {
			r = append(r, capacity.Reading{At: trendNow.Add(-time.Duration(ago) * time.Second), V: level + slope*float64(ago) + sd*rng.NormFloat64()})
		}
		v, err := capacity.TrendOf(r, trendNow)
		if err != nil {
			if !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		if v.FullIn.OK != (v.Direction == capacity.Falling) || v.FullIn.V < 0 || math.IsInf(v.FullIn.V, 0) || math.IsNaN(v.FullIn.V) {
			t.Fatalf("%+v", v)
		}
	})
}

// BenchmarkTrend is the trend of one pool, from an hour of seconds and of
// ten-second points.
func BenchmarkTrend(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	seconds := readings(time.Hour, func(ago float64) float64 { return 3000 + ago + 50*rng.NormFloat64() })
	var tens []capacity.Reading
	for i := 0; i < len(seconds); i += 10 {
		tens = append(tens, seconds[i])
	}
	for name, r := range map[string][]capacity.Reading{"seconds": seconds, "points": tens} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := capacity.TrendOf(r, trendNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
