package fleet

import (
	"fmt"
	"slices"

	"capmon/capacity"
)

// size works out what a pool of hosts needs. The load of cpu is the larger of
// the means of the last minute and of the last ten seconds, so that a busy
// second does not change the number of servers; connections are as they are
// now. Hosts that are missing leave their load to the others, so the need
// stands on those counted, and the steps and the verdict say how many they are.
func size(name string, hosts []viewed, p Policy, t Totals) Pool {
	pool := Pool{Name: name, Hosts: len(hosts)}
	limits, steps := poolLimits(hosts)
	var users, rps sum
	for i := range hosts {
		h := &hosts[i]
		if h.Counted {
			pool.Counted++
			users.count(h.RoomUsers)
			rps.count(h.RoomRPS)
		}
	}
	pool.RoomUsers, pool.RoomRPS = capacity.Known(users.value()), capacity.Known(rps.value())
	rule := p.rule()
	sizing, err := capacity.Size(limits, rule)
	if err == nil {
		pool.sized(limits, sizing, rule)
		pool.Steps = slices.Concat(steps, pool.Steps)
		if t.Counted < t.Hosts {
			pool.Steps = append(pool.Steps, fmt.Sprintf("stands on %d of %d hosts", t.Counted, t.Hosts))
		}
	}
	pool.Verdict = verdict(pool, p, t, hosts)
	return pool
}

// sized takes over a sizing and what follows from the limits.
func (p *Pool) sized(limits []capacity.PoolLimit, s capacity.Sizing, rule capacity.Rule) {
	p.Raw, p.Need = capacity.Known(float64(s.Raw)), capacity.Known(float64(s.Need))
	p.Run, p.Short = capacity.Known(float64(s.Run)), capacity.Known(float64(s.Short))
	p.Formula, p.Steps = s.Formula, s.Steps
	near := limits[0]
	for _, l := range limits {
		p.Limits = append(p.Limits, l.Limit)
		if l.Ratio() > near.Ratio() {
			near = l
		}
	}
	capacity.Nearest(p.Limits)
	p.Bound = near.Name
	if r, err := capacity.HeadroomAfterSpare(near, rule.Target, rule.Spare); err == nil {
		p.Headroom = capacity.Known(r.V)
		p.Steps = append(p.Steps, r.Formula)
	}
	if r, err := capacity.LoseOne(near); err == nil {
		p.LoseOne = capacity.Known(r.V)
		p.Steps = append(p.Steps, r.Formula)
	}
}

// poolLimits adds up the limits that more servers help against, each over the
// hosts that count and know it: connections, cpu, and the threads of a service.
// The others (files, ports, a queue) are a matter of one machine's settings:
// they bound its room and flag it. The steps say which loads were taken.
func poolLimits(hosts []viewed) (limits []capacity.PoolLimit, steps []string) {
	lists := map[string][]capacity.Limit{}
	var long, burst []capacity.Limit
	for i := range hosts {
		h := &hosts[i]
		if !h.Counted {
			continue
		}
		for _, l := range h.Limits {
			if l.Name != "cpu" {
				lists[l.Name] = append(lists[l.Name], l)
				continue
			}
			a, b := l, l
			a.Used, b.Used = h.long.Or(l.Used), h.burst.Or(l.Used)
			long, burst = append(long, a), append(burst, b)
		}
	}
	if l, err := capacity.Sum(lists["conns"]); err == nil {
		limits = append(limits, l)
	}
	if cpu, err := capacity.Sum(long); err == nil {
		which := "mean of the last minute"
		if b, err := capacity.Sum(burst); err == nil && b.Used > cpu.Used {
			cpu, which = b, "mean of the last 10 s, which is above that of the last minute"
		}
		limits = append(limits, cpu)
		steps = append(steps, fmt.Sprintf("cpu load: %s cores, %s", capacity.Amount(cpu.Used), which))
	}
	if l, step, ok := threads(hosts); ok {
		limits, steps = append(limits, l), append(steps, step)
	}
	return limits, steps
}

// rule is the policy as the maths takes it; nonsense counts as not set.
func (p Policy) rule() capacity.Rule {
	r := capacity.Rule{Target: p.target(), Spare: max(p.Spare, 0), Min: max(p.Min, 0), Max: max(p.Max, 0)}
	if r.Max > 0 && r.Max < r.Min {
		r.Max = r.Min
	}
	return r
}
