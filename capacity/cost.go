package capacity

import (
	"errors"
	"fmt"
	"math"
	"slices"
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
	// Wake is what a request costs more that finds the server asleep, in unit
	// seconds; at the limit none does. 0: none that could be told.
	Wake float64

	line      part // through all points
	low, high part // through the quieter and the busier half, where it bends
	split     float64
	seen      float64 // load up to which there are points, but for a few
	limit     float64 // at which nothing sleeps; 0: wake-ups were not looked for, or none can matter
	ends      [2]end  // without a wake-up, and with the most it can cost
	likely    end     // with what it likely costs
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
		Bend: 1, line: partOf(l), split: l.MidX, seen: quantile(slices.Clone(load), 0.95),
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
	x, y := halves(load, busy, c.split)
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
// half is drawn on; where a wake-up may cost something, the interval holds all
// that it may cost, and always that what was never seen is dearer or cheaper by
// something. There is no interval where that of the slope holds 0 or
// less, and no number where the slope itself does.
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
	v, of := p.load(busy, c.Wake, c.limit)
	if of.OK {
		of = c.unseen(c.widen(of, busy))
	}
	return v, of
}

// What a request may cost at loads that were never seen, as a share of what the
// line says: servers are not quite straight, and towards the limit most get
// cheaper (docs/ACCURACY.md).
const (
	unseenDearer  = 1.10
	unseenCheaper = 0.85
)

// unseen widens an interval of a load by what the part of it that was never
// seen may cost.
func (c Cost) unseen(of Interval) Interval {
	if c.seen > 0 && of.Low > c.seen {
		of.Low = c.seen + (of.Low-c.seen)/unseenDearer
	}
	if c.seen > 0 && of.High > c.seen {
		of.High = c.seen + (of.High-c.seen)/unseenCheaper
	}
	return of
}

// use is the fitted use at a load, in units, and how far it may be off.
func (c Cost) use(load float64) (v, unsure float64) {
	p := c.part(load)
	v = p.base + p.slope*load
	if c.Wake > 0 {
		v = (v + c.Wake*load) / (1 + c.Wake*load/c.limit)
	}
	if !p.of.OK {
		return v, math.Inf(1)
	}
	turn := max(math.Abs(p.of.High-p.slope), math.Abs(p.slope-p.of.Low))
	return v, p.err + turn*math.Abs(load-p.pivot)
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

// Estimate is the load a limit can take at target, learned from traffic. It is
// a value that can be compared; its words are made when they are asked for,
// because a fleet makes many estimates and reads few.
type Estimate struct {
	Trust    Trust
	Capacity Num      // requests a second at target; unknown with NotKnown
	Of       Interval // 95%, with Learned
	Cost     Cost     // of one request; zero where none could be fitted
	Says     string   // why it is not Learned, where that is said and not worked out

	made made
}

// made is what the words of an estimate are made from.
type made struct {
	doubt         doubt
	fitted        bool
	unit          string
	limit, target float64
	of            Interval // also where it is too wide
	full          float64  // what the line alone says
	floor         seen     // the bound to fall back on; zero: none
	floored       bool     // the floor is the number, or more than the least that the line says
}

// doubt is why an estimate is not Learned.
type doubt uint8

const (
	noDoubt doubt = iota
	noSpread
	notFromZero
	allBackground
	tooWide
	mayGetCheaper
	getsCheaper
)

// Why is why it is not Learned; "" where it is.
func (e *Estimate) Why() string {
	m := &e.made
	switch {
	case e.Says != "":
		return e.Says
	case m.doubt == noSpread:
		return "too little spread of load to learn from"
	case m.doubt == notFromZero:
		return "the cost of a request can't be told from 0: too little spread of load, or requests explain little of the use"
	case m.doubt == allBackground:
		return "the background alone fills the limit to its target"
	case m.doubt == tooWide:
		return fmt.Sprintf("the interval %s..%s is wider than %s of %s: too little spread of load", Amount(m.of.Low), Amount(m.of.High), Percent(MaxWidth), Amount(m.full))
	case m.doubt == mayGetCheaper:
		return "requests may get cheaper as the load rises: " + e.Cost.wakeRange()
	case m.doubt == getsCheaper:
		return "requests get cheaper as the load rises"
	}
	return ""
}

// Steps are how it came about, in order.
func (e *Estimate) Steps() []string {
	m := &e.made
	var steps []string
	if m.fitted {
		steps = e.Cost.steps(m.unit)
	}
	why := e.Why()
	drawn := func() string { return e.Cost.capacityStep(m.full, m.of, m.limit, m.target) }
	floor := func() string {
		r, err := Floor(float64(m.floor.load), float64(m.floor.busy), m.limit, m.target)
		if err != nil {
			return err.Error()
		}
		return r.Formula
	}
	switch {
	case m.doubt == mayGetCheaper || m.doubt == getsCheaper:
		least, _ := e.Cost.Load(m.target * m.limit)
		if m.doubt == mayGetCheaper {
			least = e.Cost.least(m.target * m.limit)
		}
		steps = append(steps, drawn(), fmt.Sprintf("at least %s/s: %s", Amount(least.V), why))
		if m.floored {
			steps = append(steps, floor())
		}
	case why == "" && e.Trust == Learned && m.fitted:
		steps = append(steps, drawn())
	case why != "":
		steps = append(steps, "not learned: "+why)
		if m.floored {
			steps = append(steps, floor())
		}
	}
	return steps
}

// estimate turns a cost into what a limit can take at target, or says why it
// can't; floor is the point that gives the bound to fall back on, zero where
// there is none.
func estimate(cost Cost, fitted bool, floor seen, unit string, limit, target float64) Estimate {
	e := Estimate{Cost: cost}
	v, of := cost.Load(target * limit)
	e.made = made{fitted: fitted, unit: unit, limit: limit, target: target, of: of, full: v.V, floor: floor}
	m := &e.made
	var least Num // of requests that may get cheaper
	switch {
	case !fitted:
		m.doubt = noSpread
	case !of.OK || !v.OK:
		m.doubt = notFromZero
	case !(v.V > 0) || !(of.Low > 0):
		m.doubt = allBackground
	case (of.High-of.Low)/v.V > MaxWidth:
		m.doubt = tooWide
		if least = cost.least(target * limit); least.OK {
			m.doubt = mayGetCheaper
		}
	case cost.Bend < 1:
		// It may get cheaper still: what is drawn on is the least it can take.
		least, m.doubt = v, getsCheaper
	}
	bound := target * limit * float64(floor.load) / float64(floor.busy)
	known := floor.busy > 0 && finite(bound)
	switch {
	case m.doubt == noDoubt:
		e.Trust, e.Capacity, e.Of = Learned, v, of
	case least.OK:
		e.Trust = AtLeast
		if m.floored = known && bound > least.V; m.floored {
			least = Known(bound)
		}
		e.Capacity = least
	case known:
		m.floored = true
		e.Trust, e.Capacity = AtLeast, Known(bound)
	}
	return e
}

// steps say what a request costs.
func (c Cost) steps(unit string) []string {
	steps := []string{fmt.Sprintf("use = %s + %s × requests/s, in %s: median slope of %d points",
		Amount(c.Background), small(c.Request), unit, c.Points)}
	if c.Bend != 1 {
		steps = append(steps, fmt.Sprintf("a request costs ×%s at the busier half of the loads: its line is drawn on, %s + %s × requests/s",
			Decimal(c.Bend, 2), Amount(c.high.base), small(c.high.slope)))
	}
	if c.limit > 0 {
		steps = append(steps, c.wakeRange())
	}
	return steps
}

func (c Cost) capacityStep(v float64, of Interval, limit, target float64) string {
	p, more := c.part(math.Inf(1)), ""
	if c.Wake > 0 && target < 1 {
		more = fmt.Sprintf(" + %s × (1 - %s)", small(c.Wake), ratio(target))
	}
	slope := small(p.slope)
	if more != "" {
		slope = "(" + slope + more + ")"
	}
	return fmt.Sprintf("capacity %s/s (%s..%s) = (%s × %s - %s) / %s",
		Amount(v), Amount(of.Low), Amount(of.High), ratio(target), Amount(limit), Amount(p.base), slope)
}
