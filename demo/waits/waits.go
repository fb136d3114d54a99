// Package waits counts how long people waited, in two kilobytes however many there
// were.
package waits

import (
	"math"
	"time"
)

// Waits counts waits by buckets whose bounds are forty of a factor of ten apart:
// what it says is at most 6% too high, from 0.1 ms to a minute and a half.
type Waits [240]uint64

const (
	least   = 100 * time.Microsecond // bound of the first bucket
	buckets = 40                     // for each factor of ten
)

// Add counts one.
func (w *Waits) Add(d time.Duration) {
	i := 0
	if d > least {
		i = int(math.Ceil(buckets * math.Log10(float64(d)/float64(least))))
	}
	w[min(i, len(w)-1)]++
}

// Join adds those of o.
func (w *Waits) Join(o *Waits) {
	for i, n := range o {
		w[i] += n
	}
}

// Since is what was added after an earlier state of the same.
func (w Waits) Since(before *Waits) Waits {
	for i, n := range before {
		w[i] -= min(n, w[i])
	}
	return w
}

// Count is how many there are.
func (w *Waits) Count() (all uint64) {
	for _, n := range w {
		all += n
	}
	return all
}

// Quantile is what a share of them, 0..1, were not longer than, in seconds; nil
// of none.
func (w *Waits) Quantile(share float64) *float64 {
	all := w.Count()
	if all == 0 {
		return nil
	}
	want := share * float64(all) * (1 - 1e-12) // 7 of 100 are 0.07 of them
	var seen uint64
	for i, n := range w {
		if seen += n; float64(seen) >= want {
			return new(bound(i))
		}
	}
	return new(bound(len(w) - 1))
}

func bound(i int) float64 {
	return least.Seconds() * math.Pow(10, float64(i)/buckets)
}

// Waited is how long those who were served waited for it: seconds, half of them
// and 99 of 100 not longer; null: nobody was.
type Waited struct {
	P50 *float64 `json:"p50"`
	P99 *float64 `json:"p99"`
}

// Waited is the short form of them.
func (w *Waits) Waited() Waited { return Waited{w.Quantile(0.50), w.Quantile(0.99)} }
