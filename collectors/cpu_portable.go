package collectors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v3/cpu"
)

// timesSource reads the cores' times through gopsutil, which has them in
// seconds; they are kept as microseconds.
type timesSource struct{}

func (timesSource) close() {}

func (timesSource) read(ctx context.Context, into *coreTimes) error {
	into.hz = 1e6
	into.cores = into.cores[:0]
	if noCoreTimes != "" {
		return errors.New(noCoreTimes)
	}
	all, err := cpu.TimesWithContext(ctx, true)
	if err != nil {
		return fmt.Errorf("read the cores' times: %w", err)
	}
	into.cores, err = fromTimes(into.cores, all)
	return err
}

// fromTimes converts gopsutil's cores, which are named cpu0, cpu1, ...
func fromTimes(dst []coreTime, all []cpu.TimesStat) ([]coreTime, error) {
	for _, s := range all {
		id, err := strconv.ParseUint(strings.TrimPrefix(s.CPU, "cpu"), 10, 31)
		if err != nil {
			return dst[:0], fmt.Errorf("a core named %q", s.CPU)
		}
		if n := len(dst); n > 0 && dst[n-1].id >= int(id) {
			return dst[:0], fmt.Errorf("core %d after core %d", id, dst[n-1].id)
		}
		dst = append(dst, coreTime{id: int(id), t: [timeFields]uint64{
			tUser: micros(s.User), tNice: micros(s.Nice), tSystem: micros(s.System), tIdle: micros(s.Idle),
			tIowait: micros(s.Iowait), tIrq: micros(s.Irq), tSoftirq: micros(s.Softirq), tSteal: micros(s.Steal),
		}})
	}
	if len(dst) == 0 {
		return dst, errors.New("read the cores' times: the system names no cores")
	}
	return dst, nil
}

// micros turns seconds into microseconds; what is no time is 0 and makes the
// next difference impossible, so the core is unknown then.
func micros(seconds float64) uint64 {
	if !(seconds > 0 && seconds < math.MaxInt64/1e6) {
		return 0
	}
	return uint64(seconds*1e6 + 0.5)
}
