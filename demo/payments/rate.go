package payments

import (
	"math"
	"time"

	"capmon/demo/stories"
)

// phase is a rate of requests from a moment on, until the next begins.
type phase struct {
	At  time.Duration // after the beginning
	RPS float64
}

// rates are phases in order of time; before the first nobody asks.
type rates []phase

// of is the rate at a moment.
func (r rates) of(at time.Duration) float64 {
	rps := 0.0
	for _, p := range r {
		if p.At <= at {
			rps = p.RPS
		}
	}
	return rps
}

// never is after the end of every story.
const never = time.Duration(math.MaxInt64)

// after is when so many requests more have come, if one came at from.
func (r rates) after(from time.Duration, requests float64) time.Duration {
	for i, p := range r {
		begin, end := max(p.At, from), never
		if i+1 < len(r) {
			end = r[i+1].At
		}
		if end <= begin {
			continue
		}
		if takes := requests / p.RPS * float64(time.Second); takes < float64(end-begin) {
			return begin + time.Duration(takes)
		}
		requests -= p.RPS * (end - begin).Seconds()
	}
	return never
}

// until is r before a moment.
func (r rates) until(at time.Duration) (out rates) {
	for _, p := range r {
		if p.At < at {
			out = append(out, p)
		}
	}
	return out
}

// spike is r with another rate from at until its end, in place of every other
// change in that time, and after it that of an ordinary day.
func (r rates) spike(at, end time.Duration, rps, ordinary float64) rates {
	out := append(r.until(at), phase{at, rps}, phase{end, ordinary})
	for _, p := range r {
		if p.At > end {
			out = append(out, p)
		}
	}
	return out
}

// times is r from a moment on so many times as high.
func (r rates) times(at time.Duration, by float64) rates {
	out := append(r.until(at), phase{at, r.of(at) * by})
	for _, p := range r {
		if p.At > at {
			out = append(out, phase{p.At, p.RPS * by})
		}
	}
	return out
}

// gap is what lies between two requests where one comes a unit of time: as
// people who do not know of each other come. The seed gives each its own.
func gap(seed, request uint64) float64 { return -math.Log(1 - stories.Chance(seed, request)) }
