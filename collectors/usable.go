package collectors

import (
	"runtime"

	"capmon/sample"
)

// Usable is how many cores this process may use, and what says so: those that
// are online, its cpuset or affinity, or its container's quota, which may be a
// fraction of one.
func Usable(c Config) (cores float64, from sample.Bound) {
	return usable(c.withDefaults(), runtime.NumCPU())
}
