package capacity

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Point is ten seconds of one limit: the mean load and the mean use over the
// same interval.
type Point struct {
	Load      float64 // requests completed a second, not those that arrived
	Busy      float64 // units of the limit in use
	Limit     float64 // units there are, at 100%
	Steal     float64 // share of the time that a hypervisor took, 0..1
	Throttled float64 // share of the periods in which a quota held it back, 0..1
	Unsettled bool    // warming up, draining, stale, clock off, or the first after a restart
}

// ErrSkipped is what Add returns, wrapped, for a point that is sound but must
// not enter: it says why.
var ErrSkipped = errors.New("does not enter what is learned")

const (
	saturatedAt = 0.95 // beyond, queues hide the demand
	stealAt     = 0.05

	binWidth  = 1.1              // loads within a tenth share a bin
	perBin    = 12               // the newest of a bin
	keepFor   = 24 * time.Hour   // none older
	maxKept   = 720              // bounds the memory: 16 B each
	maxFitted = 120              // bounds the work of a fit
	pointTime = 10 * time.Second // what one point stands for

	driftBlock  = 30   // points in a look for a change of level: five minutes
	driftErrors = 4    // standard errors off the line
	driftShare  = 0.05 // and this share of the use
)

// Learner learns what a limit of one service on one host can take. The zero
// value is ready. It has no clock: Add is given the time of each point, in
// order. Who gets points from the past builds a new Learner from all of them,
// so that any two who saw the same points learned the same.
//
// It keeps points stratified: bins of load a tenth wide, the newest 12 of each,
// none older than a day. When two blocks of five minutes running sit off the
// line, on one side, by more than 4 standard errors and 5% of the use, what is
// older is forgotten (CAPACITY 1.4).
type Learner struct {
	// Unit of the limit, for the steps; "cores" when empty. Only "cores" and
	// "threads" have wake-ups (FitCPU).
	Unit string

	limit  float64
	kept   []seen // in order of time
	block  []seen // since the last look for a change
	last   time.Time
	cost   Cost
	fitted bool
	fresh  int  // points since the last fit
	base   Cost // the line before the present block
	based  bool
	off    drift
	change Change
	// What was taken and skipped since the beginning.
	taken, skipped int
}

// seen is a Point as it is kept: small, because there are many.
type seen struct {
	at         uint32 // seconds since 1970
	load, busy float32
	bin        int16 // of its load: floor(ln load / ln binWidth)
}

// drift is how the last block sat off the line.
type drift struct {
	side  float64 // -1, 1; 0: it did not
	since time.Time
}

// Change is a change of what a request costs, a deploy say. The zero value is
// none.
type Change struct {
	At     time.Time // when the first block that showed it began
	Factor float64   // about how many times as much a request costs since
}

// Clone is another learner that knows the same.
func (l *Learner) Clone() Learner {
	c := *l
	c.kept, c.block = slices.Clone(l.kept), slices.Clone(l.block)
	return c
}

// Add takes one point. Errors wrap ErrInput for nonsense and for a time that
// is not after the one before, ErrSkipped for a point that lies about demand.
func (l *Learner) Add(p Point, at time.Time) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("learn: %w", err)
	}
	if sec := at.Unix(); sec < 0 || sec > math.MaxUint32 || (!l.last.IsZero() && !at.After(l.last)) {
		return fmt.Errorf("learn: a point of %v after one of %v: %w", at, l.last, ErrInput)
	}
	l.last = at
	if l.limit > 0 && math.Abs(p.Limit-l.limit) > 0.01*l.limit {
		// Another machine size: what was learned of the cost may still hold,
		// but a limit that changed comes with a restart as a rule.
		l.Forget(at)
	}
	l.limit = p.Limit
	if why := p.lies(); why != "" {
		l.skipped++
		return fmt.Errorf("%s: %w", why, ErrSkipped)
	}
	l.taken++
	s := seen{
		at: uint32(at.Unix()), load: float32(p.Load), busy: float32(p.Busy),
		bin: int16(math.Floor(math.Log(p.Load) / math.Log(binWidth))),
	}
	l.keep(s)
	l.fresh++
	l.watch(s)
	// While little is known every tenth counts; later a block is soon enough.
	if l.off.side == 0 && len(l.kept) < 2*driftBlock && l.fresh*10 >= len(l.kept) {
		l.fit()
	}
	return nil
}

func (p Point) check() error {
	return errors.Join(atLeast0("load", p.Load), atLeast0("busy", p.Busy), above0("limit", p.Limit),
		share("steal", p.Steal), share("throttled", p.Throttled))
}

func share(what string, v float64) error {
	if !(v >= 0 && v <= 1) {
		return fmt.Errorf("%s is %v, it must be 0 to 1: %w", what, v, ErrInput)
	}
	return nil
}

// lies says why a point can't be learned from.
func (p Point) lies() string {
	switch {
	case p.Unsettled:
		return "the host is warming up, draining or late"
	case !(p.Load > math.SmallestNonzeroFloat32) || p.Load > math.MaxFloat32 || p.Busy > math.MaxFloat32:
		return "no requests"
	case p.Busy >= saturatedAt*p.Limit:
		return "saturated: what waits is not in the use"
	case p.Steal > stealAt:
		return "the hypervisor took time"
	case p.Throttled > 0:
		return "throttled by a quota"
	}
	return ""
}

// keep files s under its load and lets go of what is too old or too much.
func (l *Learner) keep(s seen) {
	old := int64(s.at) - int64(keepFor/time.Second)
	same, oldest := 0, -1
	for i, k := range l.kept {
		if k.bin == s.bin {
			if same++; oldest < 0 {
				oldest = i
			}
		}
	}
	switch {
	case same >= perBin:
		l.kept = slices.Delete(l.kept, oldest, oldest+1)
	case len(l.kept) >= maxKept:
		l.kept = slices.Delete(l.kept, 0, 1)
	}
	gone := 0
	for gone < len(l.kept) && int64(l.kept[gone].at) < old {
		gone++
	}
	l.kept = append(slices.Delete(l.kept, 0, gone), s)
}

// fit lays the line through the newest of each bin.
func (l *Learner) fit() {
	l.fresh = 0
	bins := map[int16]int{}
	for _, k := range l.kept {
		bins[k.bin]++
	}
	each := max(1, maxFitted/max(len(bins), 1))
	var load, busy []float64
	for _, k := range slices.Backward(l.kept) {
		b := k.bin
		if bins[b] > 0 {
			bins[b] = min(bins[b], each) - 1
			load, busy = append(load, float64(k.load)), append(busy, float64(k.busy))
		}
	}
	var err error
	if l.cpuTime() {
		l.cost, err = FitCPU(load, busy, l.limit)
	} else {
		l.cost, err = FitCost(load, busy)
	}
	l.fitted = err == nil
}

// cpuTime says whether the limit is time of cores or of a thread, which sleep
// and wake.
func (l *Learner) cpuTime() bool { return l.Unit == "" || l.Unit == "cores" || l.Unit == "threads" }

// watch looks, a block at a time, whether points have left the line that was
// there before the block.
func (l *Learner) watch(s seen) {
	l.block = append(l.block, s)
	if len(l.block) < driftBlock {
		return
	}
	began := time.Unix(int64(l.block[0].at), 0).UTC()
	side, factor := l.offLine()
	was := l.off
	l.off = drift{}
	switch {
	case side == 0:
	case side == was.side:
		l.forget(was.since)
		l.change = Change{At: was.since, Factor: factor}
		l.fit()
	default:
		l.off = drift{side: side, since: began}
	}
	l.block = l.block[:0]
	if l.off.side == 0 {
		if l.fresh > 0 {
			l.fit()
		}
		l.base, l.based = l.cost, l.fitted
	}
}

// offLine is on which side of the line before it the block lies, 0 for neither,
// and what its requests cost against that line.
func (l *Learner) offLine() (side, factor float64) {
	if !l.based {
		return 0, 1
	}
	var off, load, busy, cost []float64
	for _, s := range l.block {
		x, u := float64(s.load), float64(s.busy)
		fitted, _ := l.base.use(x)
		off = append(off, u-fitted)
		load, busy = append(load, x), append(busy, u)
		cost = append(cost, (u-l.base.Background)/(fitted-l.base.Background))
	}
	d := median(off)
	_, unsure := l.base.use(median(load))
	far := driftErrors*1.2533*l.base.Scatter/math.Sqrt(driftBlock) + unsure
	if !(math.Abs(d) > far && math.Abs(d) > driftShare*median(busy)) {
		return 0, 1
	}
	return math.Copysign(1, d), median(cost)
}

// Forget lets go of every point before a time, when the caller knows that what
// serves has changed: a process that started, another version.
func (l *Learner) Forget(before time.Time) {
	l.forget(before)
	l.block, l.off, l.based = l.block[:0], drift{}, false
	l.fit()
}

func (l *Learner) forget(before time.Time) {
	l.kept = slices.DeleteFunc(l.kept, func(s seen) bool { return int64(s.at) < before.Unix() })
}

// Estimate is what the limit can take at target, in requests a second. Errors
// wrap ErrInput; that too little was seen is none, but an Estimate that is not
// known and says why.
func (l *Learner) Estimate(target float64) (Estimate, error) {
	if err := checkTarget(target); err != nil {
		return Estimate{}, fmt.Errorf("estimate: %w", err)
	}
	if len(l.kept) == 0 {
		return Estimate{Says: "no traffic seen yet"}, nil
	}
	unit := l.Unit
	if unit == "" {
		unit = "cores"
	}
	return estimate(l.cost, l.fitted, l.floor(target), unit, l.limit, target), nil
}

// floor is the point of the guaranteed bound (Floor), from the busiest bin that
// is within the target; the middle one of its points, so that no single one
// makes it. Zero where nothing was seen within the target.
func (l *Learner) floor(target float64) seen {
	best := int16(math.MinInt16)
	var space [perBin]seen
	within := space[:0]
	for _, k := range l.kept {
		b := k.bin
		if float64(k.busy) > target*l.limit || !(k.busy > 0) || b < best {
			continue
		}
		if b > best {
			best, within = b, within[:0]
		}
		within = append(within, k)
	}
	if len(within) == 0 {
		return seen{}
	}
	slices.SortFunc(within, func(a, b seen) int { return descending(float64(b.load/b.busy), float64(a.load/a.busy)) })
	return within[(len(within)-1)/2]
}

// Basis is what an estimate stands on.
type Basis struct {
	Points  int           // kept, of the ten seconds each stands for
	Seen    time.Duration // the time those points cover
	Since   time.Time     // of the oldest; zero when there is none
	Skipped int           // points that did not enter, since the beginning
	Taken   int           // points that did, since the beginning
	Change  Change        // the last change of level; zero: none seen
}

// Basis is what the learner stands on now.
func (l *Learner) Basis() Basis {
	b := Basis{Points: len(l.kept), Seen: time.Duration(len(l.kept)) * pointTime, Skipped: l.skipped, Taken: l.taken, Change: l.change}
	if len(l.kept) > 0 {
		b.Since = time.Unix(int64(l.kept[0].at), 0).UTC()
	}
	return b
}
