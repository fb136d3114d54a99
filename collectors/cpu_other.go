//go:build !linux

package collectors

import (
	"runtime"
	"time"

	"capmon/sample"
)

func newCoreSource(Config) coreSource { return timesSource{} }

// cpuLimits are the cores of the machine: there is no container here.
type cpuLimits struct{}

func newCPULimits(Config) *cpuLimits { return new(cpuLimits) }

func (*cpuLimits) close() {}

func (*cpuLimits) mine(int) bool { return true }

func (*cpuLimits) room(_ time.Time, use []coreUse) (coreRoom, error) {
	r := coreRoom{available: float64(len(use)), from: sample.Bound_BOUND_ONLINE}
	if len(use) == 0 {
		r.available = float64(runtime.NumCPU())
	}
	r.used, r.usedKnown = sumBusy(use, func(int) bool { return true })
	return r, nil
}
