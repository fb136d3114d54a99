package collectors

import "capmon/sample"

// usable takes the smallest of the limits; allowed counts the cores that this
// process may be scheduled on. A limit that can't be read is none.
func usable(c Config, allowed int) (float64, sample.Bound) {
	l := newCPULimits(c)
	l.refresh()
	cores, from := float64(allowed), sample.Bound_BOUND_ONLINE
	if n := len(l.set); n > 0 && n < allowed {
		cores, from = float64(n), sample.Bound_BOUND_CPUSET
	}
	if q := l.quota.cores; q > 0 && q < cores {
		cores, from = q, sample.Bound_BOUND_QUOTA
	}
	return cores, from
}
