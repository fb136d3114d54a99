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
	list := make([]capacity.Limit, 0, 4)
	add := func(l capacity.Limit, least float64) {
		if l.Capacity > 0 && l.Used >= 0 && l.Ratio() >= least {
			list = append(list, l)
		}
	}
	if v.Available.OK && v.CoresUsed.OK {
		add(capacity.Limit{
			Name: "cpu", Unit: "cores", Used: v.CoresUsed.V, Capacity: v.Available.V,
			From: v.words.availableFrom(v.Newest.GetCpu().GetAvailableFrom(), v.Available.V),
		}, 0)
	}
	add(v.threadLimit(), 0)
	add(v.connectionLimit(p), 0)
	if most := p.RPSPerServer; most > 0 && v.RPS.OK {
		add(capacity.Limit{Name: "rps", Unit: "requests a second", Used: v.RPS.V, Capacity: most, From: v.words.requestsFrom(most)}, 0)
	}
	add(v.nearestOf("files", "files", func(s *Service) (used, limit capacity.Num) { return s.FilesUsed, s.Files },
		func(s *Service) string { return "RLIMIT_NOFILE of " + s.who() }), 0)
	add(v.memoryLimit(), 0)
	add(v.nearestOf("queue", "connections", func(s *Service) (used, limit capacity.Num) { return s.Queue, s.QueueLimit },
		func(s *Service) string { return "listen queue of " + s.who() }), nearAt)
	if v.PortsUsed.OK && v.PortsLimit.OK {
		add(capacity.Limit{Name: "ports", Unit: "ports", Used: v.PortsUsed.V, Capacity: v.PortsLimit.V, From: "ephemeral ports to one remote address"}, nearAt)
	}
	capacity.Nearest(list)
	return list
}

// threadLimit is the fullest finding, else the busiest thread of the services
// whose processes leave their work to one.
func (v *viewed) threadLimit() capacity.Limit {
	if len(v.Findings) > 0 {
		return v.Findings[0].limit()
	}
	var near capacity.Limit
	for i := range v.Services {
		s := &v.Services[i]
		if l := s.threadLimit(); l.Ratio() > near.Ratio() {
			near = l
		}
	}
	return near
}

// threadLimit is the busiest thread of a service that leaves the work of each
// process to one; without capacity where it does not, or that is not known.
func (s *Service) threadLimit() capacity.Limit {
	if !s.OneThread || !s.Top.OK {
		return capacity.Limit{}
	}
	return capacity.Limit{Name: "thread", Unit: "core", Used: min(s.Top.V, 1), Capacity: 1, From: "busiest thread of " + s.who()}
}

// memoryLimit is the memory where connections were seen to take it: what is
// used of what there is.
func (v *viewed) memoryLimit() capacity.Limit {
	if v.learnedOf("memory", 0) == nil || !v.MemoryUsed.OK || !v.MemoryTotal.OK {
		return capacity.Limit{}
	}
	return capacity.Limit{Name: "memory", Unit: "bytes", Used: v.MemoryUsed.V, Capacity: v.MemoryTotal.V, From: "memory that grows with connections, learned"}
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
			From: v.words.policyFrom(most),
		}
	}
	return v.nearestOf("conns", "connections", func(s *Service) (used, limit capacity.Num) { return s.Connections, s.ConnectionsLimit },
		func(s *Service) string { return s.who() + ": " + s.ConnectionsFrom })
}

// nearestOf is the limit of one kind that a service uses the largest share of;
// without capacity when none knows it.
func (v *viewed) nearestOf(name, unit string, of func(*Service) (used, limit capacity.Num), from func(*Service) string) capacity.Limit {
	near, at := capacity.Limit{Name: name, Unit: unit}, -1
	for i := range v.Services {
		used, limit := of(&v.Services[i])
		if !used.OK || !limit.OK || !(limit.V > 0) || near.Capacity > 0 && used.V/limit.V <= near.Ratio() {
			continue
		}
		near.Used, near.Capacity, at = used.V, limit.V, i
	}
	if at >= 0 {
		near.From = from(&v.Services[at])
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
// needs most servers, over the hosts that run it. A host tells how much of a
// thread is used where it is thread-bound or leaves its work to one thread a
// process; the others count as using none: the load is at least this, and the
// need by it never too high. A process that serves nothing bounds its own
// machine and not the pool: more servers would not carry it. Nor is one that is
// pinned a matter of servers.
func threads(hosts []viewed) (capacity.PoolLimit, string, bool) {
	type key struct {
		port int
		name string
	}
	told := map[key][]capacity.Limit{}
	var order []key
	bound, runs := map[key]int{}, map[key]int{}
	for i := range hosts {
		if !hosts[i].Counted {
			continue
		}
		for j := range hosts[i].Services {
			s := &hosts[i].Services[j]
			k := key{s.Port, s.Name}
			runs[k]++
			l := s.threadLimit()
			if s.Finding != nil && s.Finding.Verdict != Pinned {
				l = s.Finding.limit()
				bound[k]++
			}
			if !(l.Capacity > 0) {
				continue
			}
			if told[k] == nil {
				order = append(order, k)
			}
			told[k] = append(told[k], l)
		}
	}
	var most capacity.PoolLimit
	var step string
	for _, k := range order {
		list := alike(told[k])
		sum, err := capacity.Sum(list)
		if err != nil || sum.Used/sum.Typical() <= most.Used/max(most.Typical(), 1e-9) {
			continue
		}
		at := len(list)
		for len(list) < runs[k] {
			list = append(list, capacity.Limit{Name: "thread", Unit: "cores", Capacity: sum.Typical(), From: list[0].From})
		}
		if all, err := capacity.Sum(list); err == nil {
			most, step = all, fmt.Sprintf("thread load: %s of %s, %s", threadLoad(all, at < runs[k] || bound[k] > 0), serviceName(k.port, k.name), threadHosts(at, bound[k], runs[k]))
		}
	}
	return most, step, step != ""
}

// alike makes limits of unlike numbers of threads shares of one, since a host
// whose workers are all full tells of all of them and one that is not of its
// busiest.
func alike(list []capacity.Limit) []capacity.Limit {
	for _, l := range list {
		if l.Capacity == list[0].Capacity {
			continue
		}
		shares := make([]capacity.Limit, len(list))
		for i, l := range list {
			l.Used, l.Capacity, l.Unit = l.Ratio(), 1, "core"
			shares[i] = l
		}
		return shares
	}
	return list
}

func threadLoad(l capacity.PoolLimit, part bool) string {
	s := capacity.Amount(l.Used) + " cores"
	if part {
		return "at least " + s
	}
	return s
}

// threadHosts says on how many of the hosts that run a service its threads were
// seen, and why.
func threadHosts(told, bound, runs int) string {
	if bound > 0 {
		return fmt.Sprintf("thread-bound on %d of the %d hosts that run it", bound, runs)
	}
	return fmt.Sprintf("the busiest thread on %d of the %d hosts that run it", told, runs)
}

func serviceName(port int, name string) string {
	s := Service{Port: port, Name: name}
	return s.who()
}
