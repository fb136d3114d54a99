package users

import (
	"math"
	"time"
)

// Times counts how long answers took, by buckets whose bounds are forty of a
// factor of ten apart: what it says is at most 6% too high.
type Times [240]uint64

const (
	timesLeast   = 100 * time.Microsecond // bound of the first bucket
	timesBuckets = 40                     // for each factor of ten
)

func (t *Times) add(d time.Duration) {
	i := 0
	if d > timesLeast {
		i = int(math.Ceil(timesBuckets * math.Log10(float64(d)/float64(timesLeast))))
	}
	t[min(i, len(t)-1)]++
}

func (t *Times) join(o *Times) {
	for i, n := range o {
		t[i] += n
	}
}

// since is what was added after an earlier state of the same.
func (t Times) since(before *Times) Times {
	for i, n := range before {
		t[i] -= min(n, t[i])
	}
	return t
}

// Quantile is what a share of the answers took at most, in seconds; NaN without
// any.
func (t *Times) Quantile(share float64) float64 {
	var all uint64
	for _, n := range t {
		all += n
	}
	if all == 0 {
		return math.NaN()
	}
	var seen uint64
	for i, n := range t {
		if seen += n; float64(seen) >= share*float64(all) {
			return timesBound(i)
		}
	}
	return timesBound(len(t) - 1)
}

func timesBound(i int) float64 {
	return timesLeast.Seconds() * math.Pow(10, float64(i)/timesBuckets)
}
