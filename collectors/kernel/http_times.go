//go:build linux

package kernel

import (
	"math/bits"
	"time"
)

// Times are response times. A value; the zero value holds none.
//
// They lie in buckets: 16 to each doubling, so a bucket is at most 6.25% wide,
// from 1 µs to 68 s. Shorter times lie in buckets of 64 ns, longer ones in the
// last bucket.
type Times struct {
	sum     uint64 // ns, exact
	buckets [timeBuckets]uint64
}

const (
	timeUnit    = 6  // a time is counted in 1<<6 ns
	timeSteps   = 4  // each doubling has 1<<4 buckets
	timeBits    = 30 // the longest time is below 1<<30 units
	timeBuckets = (timeBits - timeSteps + 1) << timeSteps
)

// bucketOf is the bucket of a time in ns. The program in the kernel computes the
// same.
func bucketOf(ns uint64) int {
	v := min(ns>>timeUnit, 1<<timeBits-1)
	if v < 1<<timeSteps {
		return int(v)
	}
	e := bits.Len64(v) - 1 - timeSteps
	return e<<timeSteps + int(v>>e)
}

// bucketFrom is the shortest time of a bucket in ns.
func bucketFrom(b int) uint64 {
	if b < 1<<timeSteps {
		return uint64(b) << timeUnit
	}
	e := b>>timeSteps - 1
	return uint64(b-e<<timeSteps) << e << timeUnit
}

// Count is the number of times.
func (t Times) Count() uint64 {
	var n uint64
	for _, c := range t.buckets {
		n += c
	}
	return n
}

// Since are the times that came after earlier was read. Where the counts went
// back, because the port was watched anew in between, that is all of t.
func (t Times) Since(earlier Times) Times {
	d := Times{sum: t.sum - earlier.sum}
	for i := range t.buckets {
		if t.buckets[i] < earlier.buckets[i] {
			return t
		}
		d.buckets[i] = t.buckets[i] - earlier.buckets[i]
	}
	if t.sum < earlier.sum {
		return t
	}
	return d
}

// Mean is the mean time; 0 where there is none.
func (t Times) Mean() time.Duration {
	n := t.Count()
	if n == 0 {
		return 0
	}
	return time.Duration(t.sum / n)
}

// Quantile is the time that a share q (0 to 1) of all times do not exceed,
// within the width of a bucket; 0 where there is none.
func (t Times) Quantile(q float64) time.Duration {
	n := t.Count()
	if n == 0 || q != q {
		return 0
	}
	rank := min(max(q, 0), 1) * float64(n)
	for b, c := range t.buckets {
		if c == 0 {
			continue
		}
		if rank <= float64(c) {
			from, to := bucketFrom(b), bucketFrom(b+1)
			return time.Duration(float64(from) + float64(to-from)*max(rank, 0)/float64(c))
		}
		rank -= float64(c)
	}
	return time.Duration(bucketFrom(timeBuckets)) // rounding of rank
}
