package capacity

import (
	"fmt"
	"math"
	"time"
)

// Reading is a number at a time; NaN is a gap.
type Reading struct {
	At time.Time
	V  float64
}

// The rule for the load that servers are counted for.
const (
	loadMean   = time.Minute
	loadPeak   = 5 * time.Minute
	loadSpike  = 6 * time.Second
	spikeTimes = 2
)

// Load is what servers are counted for.
type Load struct {
	V     float64
	Spike bool // the last seconds run at twice the usual or more, and count alone
	Step  string
}

// LoadOf is the larger of the mean of the last minute and the p95 of the last
// five; when the mean of the last 6 s is twice that or more, it is the load.
// Readings are of about a second each, in any order; those after now and gaps
// do not count. Errors wrap ErrInput; no reading within five minutes is one.
//
// Source: CAPACITY 4.3 and Knative's panic window.
func LoadOf(readings []Reading, now time.Time) (Load, error) {
	var minute, five, last []float64
	for _, r := range readings {
		age := now.Sub(r.At)
		switch {
		case age < 0 || age >= loadPeak || math.IsNaN(r.V):
			continue
		case r.V < 0 || math.IsInf(r.V, 0):
			return Load{}, fmt.Errorf("load: %w", atLeast0("a reading", r.V))
		}
		five = append(five, r.V)
		if age < loadMean {
			minute = append(minute, r.V)
		}
		if age < loadSpike {
			last = append(last, r.V)
		}
	}
	if len(five) == 0 {
		return Load{}, fmt.Errorf("load: nothing was read for %s: %w", Span(loadPeak.Seconds()), ErrInput)
	}
	p95 := quantile(five, 0.95)
	l := Load{V: p95, Step: fmt.Sprintf("load %s: p95 of the last 5 min, above the mean of the last minute", Amount(p95))}
	if m := mean(minute); m >= p95*(1-epsilon) {
		l = Load{V: m, Step: fmt.Sprintf("load %s: mean of the last minute", Amount(m))}
	}
	if m := mean(last); m >= spikeTimes*l.V && m > 0 {
		l = Load{V: m, Spike: true, Step: fmt.Sprintf("load %s: mean of the last 6 s, a spike over %s", Amount(m), Amount(l.V))}
	}
	if !finite(l.V) {
		return Load{}, fmt.Errorf("load: the readings are too large: %w", ErrInput)
	}
	return l, nil
}

// mean is NaN of none.
func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x / float64(len(v))
	}
	if len(v) == 0 {
		return math.NaN()
	}
	return sum
}

// Climb is how many times the load has grown at most within the time that new
// servers take, over readings in order of time: 1 when it never grew. Only
// standing reserve covers such a step. Readings of 0, gaps and what is below a
// tenth of the middle of all do not count as a beginning: from nothing
// everything is a climb. Errors wrap ErrInput; fewer than two readings is one.
//
// Source: CAPACITY 5.4.
func Climb(readings []Reading, warmUp time.Duration) (Result, error) {
	if warmUp <= 0 {
		return Result{}, fmt.Errorf("climb: %w", above0("warm-up", warmUp.Seconds()))
	}
	var all []float64
	for i, r := range readings {
		if i > 0 && r.At.Before(readings[i-1].At) {
			return Result{}, fmt.Errorf("climb: readings are not in order of time: %w", ErrInput)
		}
		if !math.IsNaN(r.V) {
			if err := atLeast0("a reading", r.V); err != nil {
				return Result{}, fmt.Errorf("climb: %w", err)
			}
			all = append(all, r.V)
		}
	}
	if len(all) < 2 {
		return Result{}, fmt.Errorf("climb: fewer than two readings: %w", ErrInput)
	}
	floor := median(all) / 10
	g := 1.0
	var low []Reading // candidates for a beginning: rising towards the newest
	for _, r := range readings {
		if math.IsNaN(r.V) {
			continue
		}
		for len(low) > 0 && r.At.Sub(low[0].At) > warmUp {
			low = low[1:]
		}
		if len(low) > 0 {
			g = max(g, r.V/low[0].V)
		}
		if r.V <= floor {
			continue
		}
		for len(low) > 0 && low[len(low)-1].V >= r.V {
			low = low[:len(low)-1]
		}
		low = append(low, r)
	}
	return result(g, func(v float64) string {
		return fmt.Sprintf("the load grew ×%s at most within %s", Decimal(v, 2), Span(warmUp.Seconds()))
	})
}
