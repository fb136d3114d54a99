package collectors

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"capmon/sample"
)

// limitsEvery is how often the limits of the container are read again: they
// change when somebody changes them, not by themselves.
const limitsEvery = 10 * time.Second

// cpuLimits knows how many of the online cores this process may use.
type cpuLimits struct {
	proc, sys string
	affinity  func() ([]int, error)

	read  time.Time // of the limits below
	err   error     // of that reading
	set   map[int]bool
	quota cpuQuota

	meter quotaMeter // of the group with the quota
}

func newCPULimits(c Config) *cpuLimits {
	return &cpuLimits{proc: c.Proc, sys: c.Sys, affinity: ownAffinity}
}

func (l *cpuLimits) close() {
	l.meter.follow(cpuQuota{})
}

// mine tells whether the limits let this machine or container use a core.
func (l *cpuLimits) mine(id int) bool { return len(l.set) == 0 || l.set[id] }

// room compares the limits with the online cores. What binds is the smallest;
// of equal ones the cores come before the cpuset and that before the quota,
// because the use of cores is known with fewer questions.
func (l *cpuLimits) room(at time.Time, use []coreUse) (coreRoom, error) {
	if l.read.IsZero() || at.Sub(l.read) >= limitsEvery {
		l.refresh()
		l.read = at
	}
	online := func(int) bool { return true }
	in := online
	r := coreRoom{available: float64(len(use)), from: sample.Bound_BOUND_ONLINE}
	if n := l.allowed(use); n > 0 && n < len(use) {
		in = func(id int) bool { return l.set[id] }
		r.available, r.from = float64(n), sample.Bound_BOUND_CPUSET
	}
	l.meter.follow(l.quota)
	var heldErr error
	r.throttled, r.hasQuota, heldErr = l.meter.throttled()
	if q := l.quota.cores; q > 0 && q < r.available {
		r.available, r.from = q, sample.Bound_BOUND_QUOTA
		var err error
		r.used, r.usedKnown, err = l.meter.used(at, len(use))
		return r, errors.Join(l.err, err, heldErr)
	}
	r.used, r.usedKnown = sumBusy(use, in)
	return r, errors.Join(l.err, heldErr)
}

// allowed counts the online cores in the set; 0 = there is no set, or it names
// none that is online.
func (l *cpuLimits) allowed(use []coreUse) int {
	n := 0
	for _, u := range use {
		if l.set[u.id] {
			n++
		}
	}
	return n
}

// refresh reads the limits again. What can't be read sets no limit and is an
// error.
func (l *cpuLimits) refresh() {
	g, err := findCgroups(l.proc, l.sys)
	errs := []error{err}
	l.quota, err = smallestQuota(g)
	errs = append(errs, err)
	set, err := groupSet(g)
	errs = append(errs, err)
	own, err := l.affinity()
	errs = append(errs, err)
	l.set = intersect(set, own)
	if err := errors.Join(errs...); err != nil {
		l.err = fmt.Errorf("limits of the container: %w", err)
	} else {
		l.err = nil
	}
}

// smallestQuota looks at every group above, in both versions.
func smallestQuota(g cgroups) (cpuQuota, error) {
	var best cpuQuota
	var errs []error
	take := func(dir string, cores float64, ok bool, err error, usage string) {
		if err != nil {
			errs = append(errs, err)
		}
		if ok && cores > 0 && (best.cores == 0 || cores < best.cores) {
			best = cpuQuota{cores: cores, usage: usage, stat: filepath.Join(dir, "cpu.stat")}
		}
	}
	for i, dir := range g.v1["cpu"] {
		cores, ok, err := quotaV1(dir)
		take(dir, cores, ok, err, usageV1(g, i))
	}
	for _, dir := range g.v2 {
		cores, ok, err := quotaV2(dir)
		take(dir, cores, ok, err, filepath.Join(dir, "cpu.stat"))
	}
	return best, errors.Join(errs...)
}

// usageV1 is the cpuacct file of the i-th group of the cpu hierarchy. Where the
// two controllers are mounted apart and this process is in another group of
// cpuacct, nobody counts the use of the group with the quota.
func usageV1(g cgroups, i int) string {
	quota, acct := g.v1["cpu"], g.v1["cpuacct"]
	if len(quota) != len(acct) {
		return ""
	}
	top := len(quota) - 1
	for j := i; j < top; j++ {
		if path.Base(quota[j]) != path.Base(acct[j]) {
			return ""
		}
	}
	return filepath.Join(acct[i], "cpuacct.usage")
}

func quotaV1(dir string) (cores float64, ok bool, err error) {
	quota, ok, err := readLimit(filepath.Join(dir, "cpu.cfs_quota_us"))
	if !ok || err != nil {
		return 0, false, err
	}
	period, ok, err := readLimit(filepath.Join(dir, "cpu.cfs_period_us"))
	if !ok || err != nil || period <= 0 {
		return 0, false, err
	}
	return quota / period, true, nil
}

// quotaV2 reads cpu.max: "max 100000" or "150000 100000".
func quotaV2(dir string) (cores float64, ok bool, err error) {
	file := filepath.Join(dir, "cpu.max")
	b, err := readGroupFile(file)
	if b == nil || err != nil {
		return 0, false, err
	}
	if cores, ok, err = parseQuotaV2(string(b)); err != nil {
		err = fmt.Errorf("read %s: %w", file, err)
	}
	return cores, ok, err
}

func parseQuotaV2(text string) (cores float64, ok bool, err error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return 0, false, fmt.Errorf("%.32q is no quota and period", text)
	}
	quota, ok, err := parseLimit(fields[0])
	if !ok || err != nil {
		return 0, false, err
	}
	period, _, err := parseLimit(fields[1])
	if err != nil || period <= 0 {
		return 0, false, fmt.Errorf("%.32q has no period", text)
	}
	return quota / period, true, nil
}

// groupSet is the cpuset of this process's groups; nil = none. The kernel keeps
// a group within those above it, so the lowest group that has one will do.
func groupSet(g cgroups) (map[int]bool, error) {
	for _, dirs := range []cgroupPath{g.v1["cpuset"], g.v2} {
		for _, dir := range dirs {
			for _, name := range []string{"cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"} {
				file := filepath.Join(dir, name)
				b, err := readGroupFile(file)
				if err != nil {
					return nil, err
				}
				if len(bytes.TrimSpace(b)) == 0 {
					continue
				}
				ids, err := parseCPUList(string(bytes.TrimSpace(b)))
				if err != nil {
					return nil, fmt.Errorf("read %s: %w", file, err)
				}
				return setOf(ids), nil
			}
		}
	}
	return nil, nil
}

// parseCPUList reads a list like 0-3,8,10-11.
func parseCPUList(text string) ([]int, error) {
	var ids []int
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 31)
		b, err2 := strconv.ParseUint(last, 10, 31)
		if err1 != nil || err2 != nil || a > b || b > math.MaxUint16 {
			return nil, fmt.Errorf("%.32q is no list of cores", text)
		}
		if len(ids)+int(b-a) > math.MaxUint16 {
			return nil, fmt.Errorf("%.32q names more cores than there can be", text)
		}
		for id := a; id <= b; id++ {
			ids = append(ids, int(id))
		}
	}
	return ids, nil
}

func setOf(ids []int) map[int]bool {
	if ids == nil {
		return nil
	}
	set := make(map[int]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// intersect keeps the cores of set that own names; a nil set or no own cores
// set no limit.
func intersect(set map[int]bool, own []int) map[int]bool {
	if set == nil || own == nil {
		if set == nil {
			return setOf(own)
		}
		return set
	}
	both := make(map[int]bool, len(own))
	for _, id := range own {
		if set[id] {
			both[id] = true
		}
	}
	return both
}

// ownAffinity lists the cores this process may run on (taskset, and any cpuset
// that can't be seen from here).
func ownAffinity() ([]int, error) { return affinityOf(os.Getpid()) }

// affinityOf lists the cores a thread may run on.
func affinityOf(tid int) ([]int, error) {
	for cores := 1024; cores <= 1<<16; cores *= 2 {
		set := unix.NewCPUSet(cores)
		err := unix.SchedGetaffinityDynamic(tid, set)
		if err == unix.EINVAL {
			continue // the kernel has more cores than set has room
		}
		if err != nil {
			return nil, fmt.Errorf("sched_getaffinity: %w", err)
		}
		var ids []int
		for id, left := 0, set.Count(); left > 0; id++ {
			if set.IsSet(id) {
				ids = append(ids, id)
				left--
			}
		}
		return ids, nil
	}
	return nil, errors.New("sched_getaffinity: more than 65,536 cores")
}
