package capacity

import (
	"fmt"
	"math"
	"slices"
)

// A request that finds the server asleep costs a wake-up more than one that
// finds it at work: the switch to its thread, caches that have gone cold, a turn
// of its event loop for one request alone. Arrivals at random find it asleep for
// the share of the time in which it is (Poisson arrivals see time averages), so
//
//	busy = background + D × load + wake × load × (1 - busy / limit)
//
// and a line drawn through quiet hours is too steep: at the limit nothing
// sleeps, and a request costs D. A background bends the cost of a request down
// in the same way while little has been seen, so the wake-up is a range as a
// rule, from none to the most it can be.
const (
	wakeMost   = 50e-6 // CPU seconds; beyond, something else makes the cost fall
	wakeLeast  = 0.02  // of D; less is not looked for
	wakeSeen   = 0.35  // of the limit: used at the busiest point before one number is said
	wakePoints = 12    // and so many points
	wakeRaise  = 1.05  // what it may add to the capacity, so that a wrong one does no harm
	wakeFitted = 40    // points it is looked for in: the work grows with their square
	wakeSteps  = 6     // halvings: to a 64th of the most
)

// end is a line at one end of what a wake-up may cost.
type end struct {
	part part
	wake float64
}

// FitCPU is FitCost for a limit that is time of cores or of a thread: with what
// a wake-up costs. limit is at what use nothing sleeps any more, above 0.
//
// Source: PASTA (Wolff 1982) with the utilisation law.
func FitCPU(load, busy []float64, limit float64) (Cost, error) {
	c, err := FitCost(load, busy)
	if err != nil {
		return Cost{}, err
	}
	if err := above0("limit", limit); err != nil {
		return Cost{}, fmt.Errorf("cost of a request: %w", err)
	}
	x, u := thinned(load, wakeFitted), thinned(busy, wakeFitted)
	most := mostWake(x, u, limit)
	if !(c.Request > 0 && most > wakeLeast*c.Request) {
		return c, nil
	}
	wakeful, err := FitCost(x, asleep(x, u, most, limit))
	if err != nil {
		return c, nil // its numbers are too large or too close
	}
	none := end{part: c.part(math.Inf(1))}
	out, likely := c, none
	w := likelyWake(x, u, limit, most)
	// A bend that stays, or that wants the most there can be, is something else.
	if woken, ok := withWake(x, u, w, limit); ok && (c.Bend == 1 || woken.Bend == 1 && w < most) {
		out, likely = woken, end{part: woken.part(math.Inf(1)), wake: w}
		if less, ok := withWake(x, u, w*raised(none, likely, limit), limit); ok {
			out = less
		}
	}
	out.limit, out.likely = limit, likely
	out.ends = [2]end{none, {part: wakeful.part(math.Inf(1)), wake: most}}
	return out, nil
}

// withWake is the cost when a wake-up costs so much; not where that is nothing.
func withWake(load, busy []float64, wake, limit float64) (Cost, bool) {
	if !(wake > 0) {
		return Cost{}, false
	}
	c, err := FitCost(load, asleep(load, busy, wake, limit))
	c.Wake = wake
	return c, err == nil
}

// asleep is the use without the wake-ups, were each to cost wake; never below 0.
func asleep(load, busy []float64, wake, limit float64) []float64 {
	out := make([]float64, len(busy))
	for i, u := range busy {
		out[i] = max(u-wake*load[i]*max(1-u/limit, 0), 0)
	}
	return out
}

// thinned is every so many of v, so that at most n are left.
func thinned(v []float64, n int) []float64 {
	each := (len(v) + n - 1) / n
	if each <= 1 {
		return v
	}
	var out []float64
	for i := 0; i < len(v); i += each {
		out = append(out, v[i])
	}
	return out
}

// mostWake is how much a wake-up may cost at most: how fast the cost of a
// request falls as the use rises, were nothing else to make it fall.
func mostWake(load, busy []float64, limit float64) float64 {
	var used, cost []float64
	for i, u := range busy {
		if c := u / load[i]; load[i] > 0 && finite(c) {
			used, cost = append(used, u/limit), append(cost, c)
		}
	}
	l, err := TheilSen(used, cost, 0.95)
	switch {
	case err != nil:
		return 0
	case !l.Of.OK:
		return wakeMost
	}
	return min(max(-l.Of.Low, 0), wakeMost)
}

// likelyWake is the wake-up with which the quieter and the busier half of the
// loads lie on one line; 0 where too little was seen to tell. A background does
// not bend that line, so it is not taken for wake-ups.
func likelyWake(load, busy []float64, limit, most float64) float64 {
	top := 0.0
	for _, u := range busy {
		top = max(top, u)
	}
	if len(load) < wakePoints || top < wakeSeen*limit {
		return 0
	}
	if !(unbent(load, asleep(load, busy, 0, limit)) < 0) {
		return 0
	}
	low, high := 0.0, most
	if unbent(load, asleep(load, busy, most, limit)) < 0 {
		low = most
	}
	for range wakeSteps {
		if mid := (low + high) / 2; unbent(load, asleep(load, busy, mid, limit)) < 0 {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// raised is the share of a likely wake-up with which the capacity grows by no
// more than wakeRaise, 0..1.
func raised(none, likely end, limit float64) float64 {
	a, _ := none.part.load(limit, none.wake, limit)
	b, _ := likely.part.load(limit, likely.wake, limit)
	allowed := (wakeRaise - 1) * a.V
	if !a.OK || !b.OK || !(b.V-a.V > allowed) {
		return 1
	}
	return allowed / (b.V - a.V) // nearly in proportion
}

// unbent is how much steeper the busier half of the loads is than the quieter,
// 0 where that can't be told.
func unbent(load, busy []float64) float64 {
	x, y := halves(load, busy, median(slices.Clone(load)))
	low, _ := allSlopes(x[0], y[0])
	high, _ := allSlopes(x[1], y[1])
	if d := median(high) - median(low); finite(d) {
		return d
	}
	return 0
}

// halves are the points up to a load, and those above it.
func halves(load, busy []float64, split float64) (x, y [2][]float64) {
	for i := range load {
		half := 0
		if load[i] > split {
			half = 1
		}
		x[half], y[half] = append(x[half], load[i]), append(y[half], busy[i])
	}
	return x, y
}

// load is at how many requests a second the limit is used to busy units, when
// waking costs wake, with its interval.
func (p part) load(busy, wake, limit float64) (Num, Interval) {
	// busy = base + slope × x + wake × x × (1 - busy / limit), solved for x.
	var more float64
	if wake > 0 {
		more = wake * max(1-busy/limit, 0)
	}
	v := Known((busy - p.base) / (p.slope + more))
	if !v.OK || !p.of.OK || !(p.of.Low > 0) {
		return v, Interval{}
	}
	i := Interval{Low: math.Inf(1), High: math.Inf(-1), OK: true}
	for _, d := range []float64{p.of.Low, p.of.High} {
		for _, e := range []float64{-p.err, p.err} {
			x := (busy - p.at + e + d*p.pivot) / (d + more)
			i.Low, i.High = min(i.Low, x), max(i.High, x)
		}
	}
	if !finite(i.Low) || !finite(i.High) {
		return v, Interval{}
	}
	return v, i
}

// widen is an interval that holds what both ends of the wake-up's range say.
func (c Cost) widen(of Interval, busy float64) Interval {
	for _, e := range c.ends {
		if c.limit == 0 {
			break
		}
		_, o := e.part.load(busy, e.wake, c.limit)
		if !o.OK {
			return Interval{}
		}
		of.Low, of.High = min(of.Low, o.Low), max(of.High, o.High)
	}
	return of
}

// least is what the limit can take at busy units for certain while requests get
// cheaper: what the line says without wake-ups, or the lower end with the likely
// one, whichever is more. Unknown where the line itself is too uncertain.
func (c Cost) least(busy float64) Num {
	if c.limit == 0 {
		return Num{}
	}
	v, of := c.ends[0].part.load(busy, 0, c.limit)
	if !of.OK || !(v.V > 0) || !(of.Low > 0) || (of.High-of.Low)/v.V > MaxWidth {
		return Num{}
	}
	if _, likely := c.likely.part.load(busy, c.likely.wake, c.limit); likely.OK {
		return Known(max(v.V, likely.Low))
	}
	return v
}

// wakeRange says what a wake-up may cost.
func (c Cost) wakeRange() string {
	micros := func(v float64) string { return Amount(math.Round(1e6*v)) + " µs" }
	likely := ""
	if c.Wake > 0 {
		likely = ", likely " + micros(c.Wake)
	}
	return fmt.Sprintf("a request that finds the server asleep may cost up to %s more%s; at the limit nothing sleeps", micros(c.ends[1].wake), likely)
}
