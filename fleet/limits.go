package fleet

import (
	"fmt"
	"strconv"

	"capmon/capacity"
)

// nearAt is the use from which a limit is worth showing that plays no part
// until it is nearly reached: ephemeral ports, the queue of a listener.
const nearAt = 0.80

// limits are what bounds a host, one of each name, the nearest first.
func (v *viewed) limits(p Policy) []capacity.Limit {
	var list []capacity.Limit
	add := func(l capacity.Limit, least float64) {
		if l.Capacity > 0 && l.Used >= 0 && l.Ratio() >= least {
			list = append(list, l)
		}
	}
	if v.Available.OK && v.CoresUsed.OK {
		add(capacity.Limit{
			Name: "cpu", Unit: "cores", Used: v.CoresUsed.V, Capacity: v.Available.V,
			From: availableFrom(v.Newest.GetCpu().GetAvailableFrom(), v.Available.V),
		}, 0)
	}
	if len(v.Findings) > 0 {
		add(v.Findings[0].limit(), 0)
	}
	add(v.connectionLimit(p), 0)
	add(v.nearestOf("files", "files", func(s *Service) (used, limit capacity.Num, from string) {
		return s.FilesUsed, s.Files, "RLIMIT_NOFILE of " + s.who()
	}), 0)
	add(v.nearestOf("queue", "connections", func(s *Service) (used, limit capacity.Num, from string) {
		return s.Queue, s.QueueLimit, "listen queue of " + s.who()
	}), nearAt)
	if v.PortsUsed.OK && v.PortsLimit.OK {
		add(capacity.Limit{Name: "ports", Unit: "ports", Used: v.PortsUsed.V, Capacity: v.PortsLimit.V, From: "ephemeral ports to one remote address"}, nearAt)
	}
	capacity.Nearest(list)
	return list
}

// connectionLimit is what policy allows one server, else the nearest of what
// its services are configured for.
func (v *viewed) connectionLimit(p Policy) capacity.Limit {
	if most := p.perServer(); most > 0 {
		if !v.Connections.OK {
			return capacity.Limit{}
		}
		return capacity.Limit{
			Name: "conns", Unit: "connections", Used: v.Connections.V, Capacity: most,
			From: "policy: " + capacity.Amount(most) + " a server",
		}
	}
	return v.nearestOf("conns", "connections", func(s *Service) (used, limit capacity.Num, from string) {
		return s.Connections, s.ConnectionsLimit, s.who() + ": " + s.ConnectionsFrom
	})
}

// nearestOf is the limit of one kind that a service uses the largest share of;
// without capacity when none knows it.
func (v *viewed) nearestOf(name, unit string, of func(*Service) (used, limit capacity.Num, from string)) capacity.Limit {
	var near capacity.Limit
	for i := range v.Services {
		used, limit, from := of(&v.Services[i])
		if !used.OK || !limit.OK || !(limit.V > 0) || near.Capacity > 0 && used.V/limit.V <= near.Ratio() {
			continue
		}
		near = capacity.Limit{Name: name, Unit: unit, Used: used.V, Capacity: limit.V, From: from}
	}
	return near
}

// who names a service: "nginx :80".
func (s *Service) who() string {
	port := ":" + strconv.Itoa(s.Port)
	if s.Name == "" {
		return port
	}
	return s.Name + " " + port
}

// MoreWorkers is how many times its present load a thread-bound host could take
// with more workers until the next limit, which it names: an estimate, as if
// everything grew with the load. Unknown where there is no such limit.
func (h *Host) MoreWorkers() (times capacity.Num, until string) {
	for _, l := range h.Limits { // nearest first
		if l.Name != "thread" && l.Ratio() > 0 {
			return capacity.Known(1 / l.Ratio()), l.Name
		}
	}
	return capacity.Num{}, ""
}

// threads is the limit of the pool by the threads of a service: of the one that
// needs most servers, over the hosts that run it. Only a host on which it is
// thread-bound tells how much of its threads it uses, the others count as using
// none: the load is at least this, and the need by it never too high. A process
// that serves nothing bounds its own machine and not the pool: more servers
// would not carry it. Nor is one that is pinned a matter of servers.
func threads(hosts []viewed) (capacity.PoolLimit, string, bool) {
	type key struct {
		port int
		name string
	}
	bound := map[key][]capacity.Limit{}
	var order []key
	runs := map[key]int{}
	for i := range hosts {
		if !hosts[i].Counted {
			continue
		}
		for _, s := range hosts[i].Services {
			k := key{s.Port, s.Name}
			runs[k]++
			if s.Finding == nil || s.Finding.Verdict == Pinned {
				continue
			}
			if bound[k] == nil {
				order = append(order, k)
			}
			bound[k] = append(bound[k], s.Finding.limit())
		}
	}
	var most capacity.PoolLimit
	var step string
	for _, k := range order {
		sum, err := capacity.Sum(bound[k])
		if err != nil || sum.Used/sum.Typical() <= most.Used/max(most.Typical(), 1e-9) {
			continue
		}
		at := len(bound[k])
		list := bound[k]
		for len(list) < runs[k] {
			list = append(list, capacity.Limit{Name: "thread", Unit: "cores", Capacity: sum.Typical(), From: list[0].From})
		}
		if all, err := capacity.Sum(list); err == nil {
			s := Service{Port: k.port, Name: k.name}
			most, step = all, fmt.Sprintf("thread load: at least %s cores of %s, thread-bound on %d of the %d hosts that run it", capacity.Amount(all.Used), s.who(), at, runs[k])
		}
	}
	return most, step, step != ""
}
