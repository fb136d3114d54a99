package collectors

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// errGroupGone is what reading a removed control group gives.
const errGroupGone = syscall.ENODEV

// cpuQuota is the smallest quota of the control groups above a process.
type cpuQuota struct {
	cores float64 // 0 = none
	usage string  // the file that has the group's use; "" = not to be had
	stat  string  // the file that has how often it was held back
}

// quotaMeter reads what the group with a quota used and how often it was held
// back, each over the time since it was last asked.
type quotaMeter struct {
	quota cpuQuota

	usage     kept
	lastUsage uint64
	lastTime  time.Time // of lastUsage; zero = none

	stat          kept
	periods, held uint64
	begun         bool // periods and held are known
}

// follow makes m read the group of q; the zero value closes its files.
func (m *quotaMeter) follow(q cpuQuota) {
	if m.usage.path != q.usage {
		m.usage.close()
		m.usage, m.lastTime = kept{path: q.usage}, time.Time{}
	}
	if m.stat.path != q.stat {
		m.stat.close()
		m.stat, m.begun = kept{path: q.stat}, false
	}
	m.quota = q
}

// used is how many cores the group used, of those that are online.
func (m *quotaMeter) used(at time.Time, online int) (float64, bool, error) {
	if m.quota.usage == "" {
		return 0, false, nil
	}
	b, err := m.usage.read(4 << 10)
	if err != nil {
		m.lastTime = time.Time{}
		return 0, false, fmt.Errorf("use of the container: %w", err)
	}
	now, perSecond, ok := parseUsage(b)
	if !ok {
		m.lastTime = time.Time{}
		return 0, false, fmt.Errorf("use of the container: no use in %s", m.usage.path)
	}
	last, lastTime := m.lastUsage, m.lastTime
	m.lastUsage, m.lastTime = now, at
	elapsed := at.Sub(lastTime).Seconds()
	if lastTime.IsZero() || elapsed <= 0 || now < last {
		return 0, false, nil
	}
	used := float64(now-last) / perSecond / elapsed
	// The kernel may count a tick of each core late.
	return used, used <= 1.1*float64(online)+0.1, nil
}

// parseUsage reads cpuacct.usage (one number of nanoseconds) or cpu.stat of
// version 2 (usage_usec).
func parseUsage(b []byte) (v uint64, perSecond float64, ok bool) {
	if v, ok := statValue(b, "usage_usec"); ok {
		return v, 1e6, true
	}
	v, rest, ok := cutNumber(b)
	return v, 1e9, ok && len(bytes.TrimSpace(rest)) == 0
}

// throttled is the share of the quota's periods in which the group was held
// back, 0..1. A group that did nothing has no periods and was not held back. ok
// is false without a quota, at first, where the kernel does not count, and when
// the numbers went back.
func (m *quotaMeter) throttled() (share float64, ok bool, err error) {
	if m.quota.stat == "" {
		return 0, false, nil
	}
	b, err := m.stat.read(4 << 10)
	if err != nil {
		m.begun = false
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errGroupGone) {
			return 0, false, nil
		}
		return 0, false, fmt.Errorf("throttling of the container: %w", err)
	}
	periods, held, ok := parseThrottling(b)
	was := *m
	m.periods, m.held, m.begun = periods, held, ok
	if !ok || !was.begun || periods < was.periods || held < was.held {
		return 0, false, nil
	}
	if periods == was.periods {
		return 0, true, nil
	}
	return min(1, float64(held-was.held)/float64(periods-was.periods)), true, nil
}

// parseThrottling reads cpu.stat, which both versions have with these lines.
func parseThrottling(b []byte) (periods, held uint64, ok bool) {
	periods, ok1 := statValue(b, "nr_periods")
	held, ok2 := statValue(b, "nr_throttled")
	return periods, held, ok1 && ok2
}
