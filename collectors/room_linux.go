package collectors

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// rooms knows what processes could have had: the cores they may run on and the
// quotas of their groups. It is asked about the few that are busy.
type rooms struct {
	proc, sys string
	idle      *idleCores

	mounts   []cgroupMount
	mountsAt time.Time
	quotas   map[procKey]*procQuota
	meters   map[string]*groupMeter // by the file that tells how often it was held back
}

// procQuota is the quota above one process, as it was at a time.
type procQuota struct {
	quota cpuQuota
	at    time.Time
}

// groupMeter is one group with a quota and what it did in the interval that
// ended at a time.
type groupMeter struct {
	quotaMeter
	at        time.Time
	left      float64 // cores of its quota that were not used
	leftKnown bool
	throttled bool
}

func newRooms(c Config, idle *idleCores) *rooms {
	return &rooms{proc: c.Proc, sys: c.Sys, idle: idle, quotas: make(map[procKey]*procQuota), meters: make(map[string]*groupMeter)}
}

func (r *rooms) close() {
	for file, m := range r.meters {
		m.follow(cpuQuota{})
		delete(r.meters, file)
	}
}

// of is the room of a process over the interval that ended at now; top is its
// busiest thread, 0 = not known.
func (r *rooms) of(now time.Time, key procKey, top int) procRoom {
	all := r.idle.get()
	if !anyFree(all) {
		return procRoom{} // nobody has room: no need to ask for more
	}
	ids, err := affinityOf(key.pid)
	if err != nil {
		return procRoom{}
	}
	topSet := setOf(ids)
	if top != 0 && top != key.pid {
		if own, err := affinityOf(top); err == nil {
			topSet = setOf(own)
			ids = append(ids, own...)
		}
	}
	set := setOf(ids)
	p := roomAmong(all, set, topSet)
	if g := r.group(now, key, len(all)); g != nil {
		p.throttled = g.throttled
		if g.leftKnown {
			p.own = min(p.own, g.left)
		}
	}
	return p
}

// roomAmong adds up what was idle: of the cores in set, of those in top, and of
// all that this machine or the process may use.
func roomAmong(all []idleCore, set, top map[int]bool) procRoom {
	var p procRoom
	var ok1, ok2, ok3 bool
	p.cores, p.idle, ok1 = idleOf(all, func(c idleCore) bool { return c.mine || set[c.id] })
	p.allowed, p.own, ok2 = idleOf(all, func(c idleCore) bool { return set[c.id] })
	p.topCores, p.topIdle, ok3 = idleOf(all, func(c idleCore) bool { return top[c.id] })
	p.known = ok1 && ok2 && ok3
	return p
}

// group reads the group with the smallest quota above a process; nil = none.
func (r *rooms) group(now time.Time, key procKey, online int) *groupMeter {
	q := r.quotas[key]
	if q == nil || now.Sub(q.at) >= limitsEvery {
		q = &procQuota{quota: r.quotaOf(now, key.pid), at: now}
		r.quotas[key] = q
	}
	if q.quota.cores == 0 {
		return nil
	}
	m := r.meters[q.quota.stat]
	if m == nil {
		m = new(groupMeter)
		r.meters[q.quota.stat] = m
	}
	if !m.at.Equal(now) {
		m.follow(q.quota)
		used, known, err1 := m.used(now, online)
		share, _, err2 := m.quotaMeter.throttled()
		m.left, m.leftKnown = max(0, q.quota.cores-used), known && err1 == nil
		m.throttled = err2 == nil && share > 0
		m.at = now
	}
	return m
}

// quotaOf finds the smallest quota of the groups above a process; what can't be
// read sets none.
func (r *rooms) quotaOf(now time.Time, pid int) cpuQuota {
	if r.mountsAt.IsZero() || now.Sub(r.mountsAt) >= limitsEvery {
		r.mountsAt = now
		b, err := readBounded(filepath.Join(r.proc, "self/mountinfo"))
		if err != nil {
			b = nil
		}
		r.mounts = parseCgroupMounts(b)
	}
	b, err := readBounded(filepath.Join(r.proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return cpuQuota{}
	}
	member := parseMembership(b)
	for c, group := range member {
		if strings.HasPrefix(group, "/..") {
			delete(member, c) // outside of what can be seen from here
		}
	}
	q, err := smallestQuota(joinCgroups(member, r.mounts, r.sys))
	if err != nil {
		return cpuQuota{}
	}
	return q
}

// forget drops what has not been asked for in a while.
func (r *rooms) forget(now time.Time) {
	for key, q := range r.quotas {
		if now.Sub(q.at) >= 2*limitsEvery {
			delete(r.quotas, key)
		}
	}
	for file, m := range r.meters {
		if now.Sub(m.at) >= 2*limitsEvery {
			m.follow(cpuQuota{})
			delete(r.meters, file)
		}
	}
}
