package capacity

import (
	"errors"
	"fmt"
	"math"
)

// Cost is what a request takes of one limit: busy = Background + Request × load,
// the utilisation law with work that is there without requests. Busy is in
// units of the limit (cores), the load in requests a second, so Request is in
// unit seconds a request: CPU seconds where the unit is cores.
type Cost struct {
	Request    float64
	Background float64
	Of         Interval // of Request, 95%
	Points     int
	Scatter    float64 // spread of busy about the line, in units, as a standard deviation
	Tau        float64 // Kendall's tau-b: near 1, requests explain the use; near 0 they do not
	// Bend is what a request costs at the busier half of the loads against the
	// quieter: below 1 it gets cheaper as the load rises (work comes in batches),
	// above 1 dearer (caches, threads that share a core). 1: no difference that
	// can be told from chance.
	Bend float64

	line      part // through all points
	low, high part // through the quieter and the busier half, where it bends
	split     float64
}

// part is a line as a capacity needs it.
type part struct {
	slope, base    float64
	of             Interval
	pivot, at, err float64 // the median load, the fitted use there and how far that may be off
}

func partOf(l Line) part {
	return part{
		slope: l.Slope, base: l.Intercept, of: l.Of, pivot: l.MidX, at: l.At(l.MidX),
		// 1.2533 is what a median's standard error is above a mean's.
		err: 1.96 * 1.2533 * l.Scatter / math.Sqrt(float64(l.N)),
	}
}

// FitCost learns the cost of a request from what was seen at several loads.
// Errors wrap ErrInput; no two points with different loads are one.
//
// Source: utilisation law (Denning and Buzen 1978), regression of utilisation
// on throughput (Zhang, Cherkasova, Smirni 2007; Pacifici et al. 2008), the
// line by Theil and Sen.
func FitCost(load, busy []float64) (Cost, error) {
	for i := range min(len(load), len(busy)) {
		if err := errors.Join(atLeast0("load", load[i]), atLeast0("busy", busy[i])); err != nil {
			return Cost{}, fmt.Errorf("cost of a request: %w", err)
		}
	}
	l, err := TheilSen(load, busy, 0.95)
	if err != nil {
		return Cost{}, fmt.Errorf("cost of a request: %w", err)
	}
	c := Cost{
		Request: l.Slope, Background: l.Intercept, Of: l.Of, Points: l.N, Scatter: l.Scatter, Tau: l.Tau,
		Bend: 1, line: partOf(l), split: l.MidX,
	}
	c.bend(load, busy)
	return c, nil
}

// What a bend must be to be one: so many points in each half, and so much.
const (
	bendPoints = 20
	bendLeast  = 0.1
)

// bend looks whether the quieter and the busier half of the loads lie on lines
// of unlike slope, so that each excludes the other.
func (c *Cost) bend(load, busy []float64) {
	var x, y [2][]float64
	for i := range load {
		half := 0
		if load[i] > c.split {
			half = 1
		}
		x[half], y[half] = append(x[half], load[i]), append(y[half], busy[i])
	}
	if min(len(x[0]), len(x[1])) < bendPoints {
		return
	}
	low, errL := TheilSen(x[0], y[0], 0.95)
	high, errH := TheilSen(x[1], y[1], 0.95)
	if errL != nil || errH != nil || !low.Of.OK || !high.Of.OK || !(low.Of.Low > 0) || !(high.Of.Low > 0) {
		return
	}
	ratio := high.Slope / low.Slope
	if apart := low.Of.High < high.Of.Low || high.Of.High < low.Of.Low; apart && math.Abs(ratio-1) > bendLeast {
		c.Bend, c.low, c.high = ratio, partOf(low), partOf(high)
	}
}

// part is the part of the line that holds at a load.
func (c Cost) part(load float64) part {
	switch {
	case c.Bend == 1 || c.Bend == 0:
		return c.line
	case load > c.split:
		return c.high
	}
	return c.low
}

// Load is at how many requests a second the limit is used to busy units, with
// its interval: the line turns about its middle, the fitted use at the median
// load, by the interval of the slope. Where the line bends, that of the busier
// half is drawn on. There is no interval where that of the
// slope holds 0 or less, and no number where the slope itself does.
//
// Source: CAPACITY 1.3; over 1,500 random situations the interval held the
// truth in 96 to 100%.
func (c Cost) Load(busy float64) (Num, Interval) {
	p := c.part(math.Inf(1))
	if p == (part{}) {
		p.slope, p.base = c.Request, c.Background // made by hand, not fitted
	}
	if !(p.slope > 0) || !finite(busy) {
		return Num{}, Interval{}
	}
	v := Known((busy - p.base) / p.slope)
	if !v.OK || !p.of.OK || !(p.of.Low > 0) {
		return v, Interval{}
	}
	i := Interval{Low: math.Inf(1), High: math.Inf(-1), OK: true}
	for _, d := range []float64{p.of.Low, p.of.High} {
		for _, e := range []float64{-p.err, p.err} {
			x := p.pivot + (busy-p.at+e)/d
			i.Low, i.High = min(i.Low, x), max(i.High, x)
		}
	}
	if !finite(i.Low) || !finite(i.High) {
		return v, Interval{}
	}
	return v, i
}

// use is the fitted use at a load, in units, and how far it may be off.
func (c Cost) use(load float64) (v, unsure float64) {
	p := c.part(load)
	if !p.of.OK {
		return p.base + p.slope*load, math.Inf(1)
	}
	turn := max(math.Abs(p.of.High-p.slope), math.Abs(p.slope-p.of.Low))
	return p.base + p.slope*load, p.err + turn*math.Abs(load-p.pivot)
}

// Floor is a load that a limit can take at target for certain, without any
// spread of loads seen: target × limit × load / busy. It holds while the
// background is not negative and busy is at most target × limit; beyond that
// the same number is the most it can take, and is refused.
//
// Proof: with U = b + D·X and b, T - U >= 0, (T-b)/D - T·X/U has the sign of
// (T-b)(b+DX) - TDX = b(T-U) >= 0.
func Floor(load, busy, limit, target float64) (Result, error) {
	if err := errors.Join(above0("load", load), above0("busy", busy), above0("limit", limit), checkTarget(target)); err != nil {
		return Result{}, fmt.Errorf("at least: %w", err)
	}
	if at := target * limit; busy > at*(1+epsilon) {
		return Result{}, fmt.Errorf("at least: %s busy is over the target of %s: %w", Amount(busy), Amount(at), ErrInput)
	}
	return result(target*limit*load/busy, func(v float64) string {
		return fmt.Sprintf("at least %s/s = %s × %s × %s / %s", Amount(v), ratio(target), Amount(limit), Amount(load), Amount(busy))
	})
}

// Trust is how far an Estimate can be relied on.
type Trust uint8

// Levels of trust, rising.
const (
	NotKnown Trust = iota
	AtLeast        // a bound that certainly can be had
	Learned        // a number with an interval of at most MaxWidth
)

// String is the word for a screen.
func (t Trust) String() string { return [...]string{"unknown", "at least", "learned"}[min(t, Learned)] }

// MaxWidth is how wide the interval of a learned capacity may be, as a share of
// it; a wider one is refused.
const MaxWidth = 0.25

// Estimate is the load a limit can take at target, learned from traffic.
type Estimate struct {
	Trust    Trust
	Capacity Num      // requests a second at target; unknown with NotKnown
	Of       Interval // 95%, with Learned
	Cost     Cost     // of one request; zero where none could be fitted
	Why      string   // why it is not Learned
	Steps    []string // ordered, how it came about
}

// estimate turns a cost into what a limit can take at target, or says why it
// can't; floor is the bound to fall back on, where there is one.
func estimate(cost Cost, fitted bool, floor Result, floored bool, unit string, limit, target float64) Estimate {
	e := Estimate{Cost: cost}
	v, of := cost.Load(target * limit)
	cheaper := fitted && cost.Bend < 1
	switch {
	case !fitted:
		e.Why = "too little spread of load to learn from"
	case !of.OK || !v.OK:
		e.Why = "the cost of a request can't be told from 0: too little spread of load, or requests explain little of the use"
	case !(v.V > 0) || !(of.Low > 0):
		e.Why = "the background alone fills the limit to its target"
	case (of.High-of.Low)/v.V > MaxWidth:
		e.Why = fmt.Sprintf("the interval %s..%s is wider than %s of %s: too little spread of load", Amount(of.Low), Amount(of.High), Percent(MaxWidth), Amount(v.V))
	}
	if fitted {
		e.Steps = append(e.Steps, fmt.Sprintf("use = %s + %s × requests/s, in %s: median slope of %d points",
			Amount(cost.Background), small(cost.Request), unit, cost.Points))
		if cost.Bend != 1 {
			e.Steps = append(e.Steps, fmt.Sprintf("a request costs ×%s at the busier half of the loads: its line is drawn on, %s + %s × requests/s",
				Decimal(cost.Bend, 2), Amount(cost.high.base), small(cost.high.slope)))
		}
	}
	p := cost.part(math.Inf(1))
	switch {
	case e.Why == "":
		e.Trust, e.Capacity, e.Of = Learned, v, of
		e.Steps = append(e.Steps, fmt.Sprintf("capacity %s/s (%s..%s) = (%s × %s - %s) / %s",
			Amount(v.V), Amount(of.Low), Amount(of.High), ratio(target), Amount(limit), Amount(p.base), small(p.slope)))
		if cheaper {
			// It may get cheaper still: what is drawn on is the least it can take.
			e.Trust, e.Of, e.Why = AtLeast, Interval{}, "requests get cheaper as the load rises"
			e.Steps = append(e.Steps, "at least: "+e.Why)
		}
	case floored:
		e.Trust, e.Capacity = AtLeast, Known(floor.V)
		e.Steps = append(e.Steps, "not learned: "+e.Why, floor.Formula)
	default:
		e.Steps = append(e.Steps, "not learned: "+e.Why)
	}
	return e
}
