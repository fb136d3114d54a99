package collectors

import (
	"slices"

	"capmon/sample"
)

// kin is one process as a service knows it.
type kin struct {
	key    procKey
	parent int
	comm   string
}

// servers is the processes that answer on one port.
type servers struct {
	port  uint16
	roots []int // processes that listen, of which the others are children
}

// judgeServices says of each service what its processes together are held by,
// and takes from found what is not true of the service: one full worker beside
// one that has room is no limit. The answer is by port. found may be changed.
func judgeServices(families []servers, all []kin, found map[procKey]*sample.Finding) map[uint16]*sample.Finding {
	if len(found) == 0 || len(families) == 0 {
		return nil
	}
	byPID := make(map[int]kin, len(all))
	children := make(map[int][]kin)
	for _, m := range all {
		byPID[m.key.pid] = m
		children[m.parent] = append(children[m.parent], m)
	}
	families = byProgram(families, byPID)
	out := make(map[uint16]*sample.Finding)
	lone := make(map[procKey]bool) // full, beside others of their service that are not
	for _, f := range families {
		workers := f.workers(byPID, children, found)
		if v := ofAll(workers, found); v != nil {
			if out[f.port] == nil {
				out[f.port] = v
			}
			continue
		}
		for _, m := range workers {
			lone[m.key] = true
		}
	}
	// A process may be of two services; what is true of one of them stands.
	for _, f := range families {
		v := out[f.port]
		if v == nil {
			continue
		}
		for _, m := range f.workers(byPID, children, found) {
			delete(lone, m.key)
			if v.GetVerdict() == sample.Verdict_VERDICT_WORKERS_FULL && found[m.key] != nil {
				found[m.key] = workersFull(found[m.key], v)
			}
		}
	}
	for key := range lone {
		if v := found[key]; v != nil && v.Verdict != sample.Verdict_VERDICT_PINNED {
			delete(found, key)
		}
	}
	return out
}

// byProgram parts the processes that listen on one port, each on an address of
// its own, by the program they run: those of another do other work.
func byProgram(families []servers, byPID map[int]kin) []servers {
	var out []servers
	for _, f := range families {
		first := len(out)
		for _, pid := range f.roots {
			comm := byPID[pid].comm
			i := first
			for i < len(out) && byPID[out[i].roots[0]].comm != comm {
				i++
			}
			if i == len(out) {
				out = append(out, servers{port: f.port})
			}
			out[i].roots = append(out[i].roots, pid)
		}
	}
	return out
}

// workers are the processes that do the work of a service: below each root the
// children that are called as it is, if any of them has a finding; else the
// root itself.
func (f servers) workers(byPID map[int]kin, children map[int][]kin, found map[procKey]*sample.Finding) []kin {
	var out []kin
	for _, pid := range f.roots {
		root, ok := byPID[pid]
		if !ok {
			continue
		}
		var below []kin
		queue := []kin{root}
		seen := map[int]bool{pid: true}
		for len(queue) > 0 {
			m := queue[0]
			queue = queue[1:]
			for _, c := range children[m.key.pid] {
				if seen[c.key.pid] {
					continue
				}
				seen[c.key.pid] = true
				queue = append(queue, c)
				if c.comm == root.comm {
					below = append(below, c)
				}
			}
		}
		hot := slices.ContainsFunc(below, func(m kin) bool { return found[m.key] != nil })
		switch {
		case !hot:
			out = append(out, root)
		case found[root.key] != nil:
			out = append(append(out, root), below...)
		default:
			out = append(out, below...)
		}
	}
	return out
}

// ofAll is the finding of a service whose workers these are; nil = it has
// room, or nothing is known to hold it.
func ofAll(workers []kin, found map[procKey]*sample.Finding) *sample.Finding {
	var hottest *sample.Finding
	var least, hot uint32
	for _, m := range workers {
		if v := found[m.key]; v != nil && v.Verdict == sample.Verdict_VERDICT_PINNED {
			return v
		}
	}
	for _, m := range workers {
		v := found[m.key]
		if v == nil {
			return nil
		}
		if hottest == nil || v.Demand > hottest.Demand {
			hottest = v
		}
		if hot == 0 || v.Demand < least {
			least = v.Demand
		}
		hot += threadsOf(v)
	}
	if len(workers) < 2 {
		return hottest
	}
	all := cloneFinding(hottest)
	all.Verdict, all.Demand, all.Workers = sample.Verdict_VERDICT_WORKERS_FULL, least, hot
	return all
}

// threadsOf is how many hot threads a finding stands for.
func threadsOf(v *sample.Finding) uint32 {
	if v.Verdict == sample.Verdict_VERDICT_WORKERS_FULL {
		return v.Workers
	}
	return 1
}

// workersFull is the finding of one worker of a service that is full: its own
// evidence, the verdict of them all.
func workersFull(own, service *sample.Finding) *sample.Finding {
	v := cloneFinding(own)
	v.Verdict, v.Workers = service.GetVerdict(), service.GetWorkers()
	return v
}

// cloneFinding copies a finding field by field: a message may not be copied as
// a value.
func cloneFinding(v *sample.Finding) *sample.Finding {
	return &sample.Finding{
		Verdict: v.Verdict, Pid: v.Pid, Tid: v.Tid, Name: v.Name, Demand: v.Demand,
		Wait: v.Wait, Idle: v.Idle, Allowed: v.Allowed, Workers: v.Workers,
	}
}
