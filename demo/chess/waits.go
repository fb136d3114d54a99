package chess

import (
	"math"
	"time"
)

// Waits counts how long players waited for their game, from when they asked the
// lobby until the server had let them in, by buckets whose bounds are ten of a
// factor of ten apart.
type Waits [60]int

const (
	waitLeast   = 100 * time.Microsecond // bound of the first bucket
	waitBuckets = 10                     // for each factor of ten
)

func (w *Waits) add(d time.Duration) {
	i := 0
	if d > waitLeast {
		i = int(math.Ceil(waitBuckets * math.Log10(float64(d)/float64(waitLeast))))
	}
	w[min(i, len(w)-1)]++
}

func (w *Waits) join(o *Waits) {
	for i, n := range o {
		w[i] += n
	}
}

// Quantile is what a share of the players did not wait longer than, within a
// quarter more; 0 when nobody waited.
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
			return waitBound(i)
		}
	}
	return waitBound(len(w) - 1)
}

func waitBound(i int) time.Duration {
	return time.Duration(float64(waitLeast) * math.Pow(10, float64(i)/waitBuckets))
}
