//go:build !linux

package collectors

import "capmon/sample"

func usable(_ Config, allowed int) (float64, sample.Bound) {
	return float64(allowed), sample.Bound_BOUND_ONLINE
}
