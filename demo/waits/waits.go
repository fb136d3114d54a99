// Package waits counts how long people waited, in a few bytes however many there
// were.
package waits

import (
	"math"
	"time"
)

// Waits counts waits by buckets whose bounds are ten of a factor of ten apart.
type Waits [60]int

const (
	least   = 100 * time.Microsecond // bound of the first bucket
	buckets = 10                     // for each factor of ten
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

// Quantile is what a share of them were not longer than, within a
// quarter more; 0 of none.
func (w *Waits) Quantile(share float64) time.Duration {
	all := 0
	for _, n := range w {
		all += n
	}
	if all == 0 {
		return 0
	}
	seen := 0
	for i, n := range w {
		if seen += n; float64(seen) >= share*float64(all) {
			return bound(i)
		}
	}
	return bound(len(w) - 1)
}

func bound(i int) time.Duration {
	return time.Duration(float64(least) * math.Pow(10, float64(i)/buckets))
}
