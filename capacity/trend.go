package capacity

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// FullIn is in how many seconds a load that grows by so much a second has taken
// the room that is left: room / growth; 0 when there is none left, unknown when
// it does not grow. Room and growth are in the same unit.
func FullIn(room, growth float64) (Num, error) {
	if !finite(room) || !finite(growth) {
		return Num{}, fmt.Errorf("full in: room %v, growth %v: %w", room, growth, ErrInput)
	}
	switch {
	case room <= 0:
		return Known(0), nil
	case growth <= 0:
		return Num{}, nil
	}
	return Known(room / growth), nil
}

// FullInAt is FullIn at a growth by a share a second: ln(capacity / load) /
// ln(1 + rate). Unknown when nothing grows.
func FullInAt(load, capacity, rate float64) (Num, error) {
	if err := errors.Join(atLeast0("load", load), above0("capacity", capacity)); err != nil || !finite(rate) || rate <= -1 {
		return Num{}, fmt.Errorf("full in: growth by %v a second: %w", rate, errors.Join(err, ErrInput))
	}
	switch {
	case load >= capacity:
		return Known(0), nil
	case load == 0 || rate <= 0:
		return Num{}, nil
	}
	return Known(math.Log(capacity/load) / math.Log1p(rate)), nil
}

// Direction is where room goes.
type Direction uint8

// The words of the JSON contract.
const (
	DirectionUnknown Direction = iota
	Stable                     // no change that can be told from chance
	Falling
)

// String is the word of the JSON contract.
func (d Direction) String() string {
	return [...]string{"unknown", "stable", "falling"}[min(d, Falling)]
}

// Trend is where the room of a pool or host goes.
type Trend struct {
	Direction Direction
	Now       Num           // the fitted room now
	Slope     Num           // a second; below 0 when room shrinks
	Of        Interval      // of Slope, 99%
	Window    time.Duration // what it stands on
	Anew      bool          // begun anew at a change of slope, on ten-second points
	FullIn    Num           // seconds until the room is 0; unknown unless Falling
	FullOf    Interval      // of FullIn
	Step      string
}

const (
	trendLong  = time.Hour
	trendLeast = 30 * time.Minute
	trendAnew  = 5 * time.Minute // the least after a change of slope
	trendGap   = 3 * time.Minute // the newest reading may be so old
	trendSure  = 0.99            // more than 95%: neighbouring minutes are alike, so there are fewer than it seems
	trendApart = 0.999           // for calling a change of slope one
	trendBend  = 0.8             // and what two lines miss, of what one does
)

// TrendOf is the robust line through room, in its own unit, over the last 30 to
// 60 minutes of readings before now, by the minute's median: Falling only when
// the interval of its slope lies below 0 and the room is used up within twice
// the window. When the newest minutes run on another slope it begins anew there,
// on medians of ten seconds, at least five minutes of them. Readings may be in
// any order and have gaps. Errors wrap ErrInput for an infinite reading; too few
// are none, but an unknown direction.
//
// Source: CAPACITY 5.3; Theil and Sen.
func TrendOf(room []Reading, now time.Time) (Trend, error) {
	for _, r := range room {
		if math.IsInf(r.V, 0) {
			return Trend{}, fmt.Errorf("trend: a reading is %v: %w", r.V, ErrInput)
		}
	}
	minutes := medians(room, now, trendLong, time.Minute)
	tens := medians(room, now, trendLong, 10*time.Second)
	if len(tens) == 0 || -tens[len(tens)-1].x > trendGap.Seconds() {
		return Trend{Step: "trend unknown: nothing was read lately"}, nil
	}
	if from, changed := turned(tens); changed {
		if t, ok := fitTrend(after(tens, from)); ok {
			t.Anew = true
			return t.told(), nil
		}
	}
	span := -minutes[0].x
	if span < trendLeast.Seconds()-90 || len(minutes) < 20 {
		return Trend{Step: fmt.Sprintf("trend unknown: %s of readings, it wants 30 min", Span(span))}, nil
	}
	t, ok := fitTrend(minutes)
	if !ok {
		return Trend{Step: "trend unknown: the readings can't be fitted"}, nil
	}
	return t.told(), nil
}

// spot is the median of a while: x in seconds from now, at most 0.
type spot struct{ x, y float64 }

// medians are those of each step of the window that was read, oldest first.
func medians(room []Reading, now time.Time, window, step time.Duration) []spot {
	n := int(window / step)
	lists, ages := make([][]float64, n), make([]float64, n)
	for _, r := range room {
		if age := now.Sub(r.At); age >= 0 && age < window && !math.IsNaN(r.V) {
			i := n - 1 - int(age/step)
			lists[i] = append(lists[i], r.V)
			ages[i] += age.Seconds()
		}
	}
	var out []spot
	for i, l := range lists {
		if len(l) > 0 {
			out = append(out, spot{x: 0 - ages[i]/float64(len(l)), y: median(l)})
		}
	}
	return out
}

// turned finds the change of slope that explains most, among those 5 to 30
// minutes ago. It is one when the slopes before and after exclude each other,
// the bend stands out of the noise, and two lines miss the readings by clearly
// less than one does: noise that lasts bends short lines too.
func turned(tens []spot) (from float64, changed bool) {
	one, err := spotLine(thin(tens), trendSure)
	if err != nil {
		return 0, false
	}
	best := trendBend * misses(tens, one)
	for _, ago := range []float64{300, 420, 600, 900, 1200, 1800} {
		old, young := before(tens, -ago), after(tens, -ago)
		if len(old) < 12 || len(young) < 24 {
			continue
		}
		a, errA := spotLine(thin(old), trendApart)
		b, errB := spotLine(thin(young), trendApart)
		if errA != nil || errB != nil || !a.Of.OK || !b.Of.OK {
			continue
		}
		apart := a.Of.High < b.Of.Low || b.Of.High < a.Of.Low
		bend := math.Abs(a.Slope-b.Slope)*ago > 4*(a.Scatter+b.Scatter)
		if rest := misses(old, a) + misses(young, b); apart && bend && rest < best {
			best, from, changed = rest, -ago, true
		}
	}
	return from, changed
}

func before(s []spot, x float64) []spot {
	return slices.DeleteFunc(slices.Clone(s), func(p spot) bool { return p.x >= x })
}

func after(s []spot, x float64) []spot {
	return slices.DeleteFunc(slices.Clone(s), func(p spot) bool { return p.x < x })
}

// thin leaves at most 60 spots, evenly: a look for a change need not be exact.
func thin(s []spot) []spot {
	every := (len(s) + 59) / 60
	out := make([]spot, 0, 60)
	for i := len(s) - 1; i >= 0; i -= every {
		out = append(out, s[i])
	}
	return out
}

func misses(s []spot, l Line) float64 {
	sum := 0.0
	for _, p := range s {
		sum += math.Abs(p.y - l.At(p.x))
	}
	return sum
}

func spotLine(s []spot, confidence float64) (Line, error) {
	x, y := make([]float64, len(s)), make([]float64, len(s))
	for i, p := range s {
		x[i], y[i] = p.x, p.y
	}
	return TheilSen(x, y, confidence)
}

func fitTrend(s []spot) (Trend, bool) {
	l, err := spotLine(s, trendSure)
	if err != nil {
		return Trend{}, false
	}
	return Trend{
		Direction: Stable, Now: Known(l.Intercept), Slope: Known(l.Slope), Of: l.Of,
		Window: time.Duration(-s[0].x * float64(time.Second)).Round(time.Minute),
	}, true
}

// told adds when the room is used up, and the words.
func (t Trend) told() Trend {
	window := Span(t.Window.Seconds())
	if t.Anew {
		window += " since a change of slope"
	}
	t.Step = "stable over " + window
	if !t.Of.OK || !(t.Of.High < 0) {
		return t
	}
	full, err := FullIn(t.Now.V, -t.Slope.V)
	if err != nil || !full.OK || full.V >= 2*t.Window.Seconds() {
		return t
	}
	t.Direction, t.FullIn = Falling, full
	soon, _ := FullIn(t.Now.V, -t.Of.Low)
	late, _ := FullIn(t.Now.V, -t.Of.High)
	t.FullOf = Interval{Low: soon.V, High: late.V, OK: soon.OK && late.OK}
	t.Step = fmt.Sprintf("full in %s (%s..%s) = %s / %s a second, over %s",
		Span(full.V), Span(t.FullOf.Low), Span(t.FullOf.High), Amount(t.Now.V), small(-t.Slope.V), window)
	return t
}
