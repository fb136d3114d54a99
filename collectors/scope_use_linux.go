package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"capmon/sample"
)

// tick is the unit of the times in /proc/PID/stat.
const tick = time.Second / userHz

// scopeUse is what a scope uses: CPU time and memory. Both are read at once,
// for two collectors. Safe for concurrent use.
//
// A control group has both by itself, that of processes which have ended too.
// Of a process and its descendants they are added up: the CPU clock of each,
// and what each has taken over from children that ended (cutime and cstime),
// less what had been counted of those children while they ran.
type scopeUse struct {
	c       Config
	members *scopeMembers

	mu    sync.Mutex
	asked time.Time // the interval that is answered
	at    time.Time // when the clocks were read; zero = not
	procs map[int]*scopeProc
	owed  time.Duration // counted of children that ended, and not yet taken over

	cores      float64 // used over the interval
	coresKnown bool
	resident   uint64 // bytes
	err        error

	limits   time.Time // when what follows was read
	quota    quotaMeter
	set      map[int]bool // cores it may use; empty = all
	total    uint64       // bytes it may have
	limitErr error
	group    procMemory // of a control group
	usage    kept       // its CPU time
	cpu      func(pid int) (uint64, error)
}

// scopeProc is one process as last read.
type scopeProc struct {
	stat     kept
	clock    time.Duration // its own CPU time
	children time.Duration // that of children it has waited for
	turn     time.Time     // of the reading
}

var _ memorySource = (*scopeUse)(nil)

func newScopeUse(c Config, members *scopeMembers) *scopeUse {
	return &scopeUse{c: c, members: members, procs: make(map[int]*scopeProc), cpu: processClock}
}

func (u *scopeUse) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.procs {
		p.stat.close()
	}
	u.quota.follow(cpuQuota{})
	u.usage.close()
	u.group.close()
	u.members.close()
}

// load is the machine's, and says nothing of the scope.
func (u *scopeUse) load(context.Context) (*loadAvg, error) { return nil, nil }

func (u *scopeUse) memory(_ context.Context, now time.Time) (*memoryUse, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.read(now)
	if u.err != nil || u.total == 0 {
		return nil, errors.Join(u.err, u.limitErr)
	}
	return &memoryUse{total: u.total, used: min(u.resident, u.total)}, u.limitErr
}

// coresUsed is the room and the use of the scope over the interval that ends at
// now, on a machine with so many cores online.
func (u *scopeUse) coresUsed(now time.Time, online []coreUse) (coreRoom, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.read(now)
	r := u.room(online)
	r.used, r.usedKnown = u.cores, u.coresKnown
	share, ok, err := u.quota.throttled()
	r.throttled, r.hasQuota = share, ok
	return r, errors.Join(u.err, err)
}

// read reads the scope once for each interval.
func (u *scopeUse) read(now time.Time) {
	if now.Equal(u.asked) {
		return
	}
	u.asked = now
	if u.limits.IsZero() || now.Sub(u.limits) >= limitsEvery {
		u.limits = now
		u.readLimits()
	}
	pids, _, err := u.members.get(now)
	u.err = err
	if u.c.Scope.pid != 0 {
		u.addUp(pids)
		return
	}
	at := time.Now()
	used, err := u.groupClock()
	u.settle(at, used, err == nil)
	if err == nil {
		u.resident, err = u.group.groupUse()
	}
	if u.err == nil {
		u.err = err
	}
}

// room is how many cores the scope may use: as many as it is said to have, else
// the smallest of what is online, its cpuset and its quota.
func (u *scopeUse) room(online []coreUse) coreRoom {
	r := coreRoom{available: float64(len(online)), from: sample.Bound_BOUND_ONLINE}
	n := 0
	for _, c := range online {
		if u.set[c.id] {
			n++
		}
	}
	if n > 0 && n < len(online) {
		r.available, r.from = float64(n), sample.Bound_BOUND_CPUSET
	}
	if q := u.quota.quota.cores; q > 0 && q < r.available {
		r.available, r.from = q, sample.Bound_BOUND_QUOTA
	}
	if u.c.Scope.cores > 0 {
		r.available, r.from = u.c.Scope.cores, sample.Bound_BOUND_UNSPECIFIED
	}
	return r
}

// addUp reads every process.
func (u *scopeUse) addUp(pids []int) {
	at := time.Now()
	begun := !u.at.IsZero()
	var used, taken time.Duration
	u.resident = 0
	for _, pid := range pids {
		p := u.procs[pid]
		fresh := p == nil
		if fresh {
			p = &scopeProc{stat: kept{path: filepath.Join(u.c.Proc, strconv.Itoa(pid), "stat")}}
		}
		b, err := p.stat.read(512) // of the same process, or an error: the descriptor is its own
		f, ok := parseScopeStat(b)
		clock, err2 := u.cpu(pid)
		if err != nil || err2 != nil || !ok {
			p.stat.close()
			continue // it has ended: below
		}
		u.procs[pid] = p
		was := *p
		p.clock, p.children, p.turn = time.Duration(clock), f.children, at
		u.resident += f.resident
		// One that was not there before began since, or is from the first reading.
		used += max(0, p.clock-was.clock)
		taken += max(0, p.children-was.children)
	}
	var ended time.Duration
	for pid, p := range u.procs {
		if p.turn.Equal(at) {
			continue
		}
		p.stat.close()
		delete(u.procs, pid)
		ended += p.clock + p.children
	}
	// A parent that was read just before its child ended takes it over in the next
	// interval, and in whole ticks; of children that nobody waits for it never comes.
	extra := taken - u.owed - ended
	u.owed = min(max(0, -extra), ended+tick)
	used += max(0, extra)
	if !begun {
		used = 0
	}
	u.difference(at, used, begun && len(u.procs) > 0)
}

// settle takes the whole CPU time of a group.
func (u *scopeUse) settle(at time.Time, clock time.Duration, ok bool) {
	p := u.procs[0]
	if !ok {
		delete(u.procs, 0)
		u.at, u.coresKnown = time.Time{}, false
		return
	}
	if p == nil {
		p = &scopeProc{clock: clock}
		u.procs[0] = p
	}
	used := clock - p.clock
	p.clock = clock
	u.difference(at, used, !u.at.IsZero() && used >= 0)
}

func (u *scopeUse) difference(at time.Time, used time.Duration, ok bool) {
	elapsed := at.Sub(u.at).Seconds()
	u.coresKnown = ok && elapsed > 0
	if u.coresKnown {
		u.cores = used.Seconds() / elapsed
	}
	u.at = at
}

// groupClock is the CPU time of the control group.
func (u *scopeUse) groupClock() (time.Duration, error) {
	if u.usage.path == "" {
		return 0, fmt.Errorf("control group %s counts no CPU time here", u.c.Scope.group)
	}
	b, err := u.usage.read(4 << 10)
	if err != nil {
		return 0, err
	}
	v, perSecond, ok := parseUsage(b)
	if !ok {
		return 0, fmt.Errorf("read %s: %w", u.usage.path, errNoScopeUse)
	}
	return time.Duration(float64(v) / perSecond * 1e9), nil
}

// readLimits reads what seldom changes.
func (u *scopeUse) readLimits() {
	g, err := u.groupsOf()
	quota, err2 := smallestQuota(g)
	set, err3 := groupSet(g)
	u.quota.follow(quota)
	u.set = set
	if u.c.Scope.pid != 0 {
		if own, err := affinityOf(u.c.Scope.pid); err == nil {
			u.set = intersect(set, own)
		}
	} else {
		u.followGroup(g)
	}
	memory, err4 := smallestMemory(g)
	b, err5 := readBounded(filepath.Join(u.c.Proc, "meminfo"))
	if m, err := parseMeminfo(b); err == nil {
		u.total = m.total
	}
	if memory.bytes > 0 {
		u.total = min(u.total, memory.bytes)
	}
	u.limitErr = nil
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		u.limitErr = fmt.Errorf("limits of the scope: %w", err)
	}
}

// groupsOf are the control groups that limit the scope.
func (u *scopeUse) groupsOf() (cgroups, error) {
	if u.c.Scope.pid == 0 {
		return u.c.Scope.groups(u.c)
	}
	member, err := readBounded(filepath.Join(u.c.Proc, strconv.Itoa(u.c.Scope.pid), "cgroup"))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = nil // it has ended, which is said elsewhere, or there are none here
		}
		return cgroups{}, err
	}
	mounts, err := readBounded(filepath.Join(u.c.Proc, "self/mountinfo"))
	return joinCgroups(parseMembership(member), parseCgroupMounts(mounts), u.c.Sys), err
}

// followGroup reads the files of the group as it is now; one that came back is
// another, of the same name.
func (u *scopeUse) followGroup(g cgroups) {
	usage, memory, stat, v2 := "", "", "", false
	if dirs := g.v1["cpuacct"]; len(dirs) > 0 {
		usage = filepath.Join(dirs[0], "cpuacct.usage")
	} else if len(g.v2) > 0 {
		usage = filepath.Join(g.v2[0], "cpu.stat")
	}
	if dirs := g.v1["memory"]; len(dirs) > 0 {
		memory, stat = filepath.Join(dirs[0], "memory.usage_in_bytes"), filepath.Join(dirs[0], "memory.stat")
	} else if len(g.v2) > 0 {
		memory, stat, v2 = filepath.Join(g.v2[0], "memory.current"), filepath.Join(g.v2[0], "memory.stat"), true
	}
	u.usage.close()
	u.usage = kept{path: usage}
	u.group.close()
	u.group = procMemory{usage: kept{path: memory}, stat: kept{path: stat}, limit: memoryLimit{v2: v2}}
}

// scopeStat is what is needed of /proc/PID/stat.
type scopeStat struct {
	children time.Duration // CPU time of children it has waited for
	resident uint64        // bytes
}

// parseScopeStat reads it; the name may hold blanks and brackets.
func parseScopeStat(b []byte) (f scopeStat, ok bool) {
	const (
		cutime = 13 // fields behind the name, the state being 0
		cstime = 14
		rss    = 21
	)
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) <= rss {
		return f, false
	}
	var v [3]uint64
	for i, at := range [...]int{cutime, cstime, rss} {
		n, rest, good := cutNumber(fields[at])
		if !good || len(rest) > 0 || n > 1<<48 {
			return f, false
		}
		v[i] = n
	}
	return scopeStat{children: time.Duration(v[0]+v[1]) * tick, resident: v[2] * uint64(os.Getpagesize())}, true
}
