package fleet

import (
	"fmt"
	"slices"
	"strings"

	"capmon/capacity"
)

// Question is what a pool comes to on paper: its load, what one of its servers
// holds, and its policy, as they are in this snapshot. Where something is not
// known it is left out, and lacks says so in words. NewPlan of it knows neither
// tolerance nor window: it may ask for a server more or less than NEED.
func (s *Snapshot) Question(p *Pool) (q capacity.Question, lacks []string) {
	rule := p.Policy
	q = capacity.Question{
		Users: p.Users, RPS: p.RPS, WarmUp: p.WarmUp, Have: p.Up,
		Rule: capacity.Rule{Target: p.Target, Spare: rule.Spare, Min: rule.Min, Max: rule.Max, SLA: rule.SLA, Availability: rule.Availability},
	}
	if rule.Price > 0 {
		q.Price = capacity.Known(rule.Price)
	}
	if p.Growth.OK {
		q.Growth.PerSecond = p.Growth.V / 60
	}
	var cores, conns, cost, background []float64
	var seen []string
	used, known := 0.0, 0
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.Pool != p.Name && len(s.Pools) > 1 || !h.Counted {
			continue
		}
		known++
		if z := h.zone(rule.Zone); z != "" && !slices.Contains(seen, z) {
			seen = append(seen, z)
		}
		for _, l := range h.Limits {
			if l.Name == "conns" {
				conns = append(conns, l.Capacity)
			}
		}
		if !h.Available.OK || !(h.Available.V > 0) || !h.CoresUsed.OK {
			continue
		}
		cores = append(cores, h.Available.V)
		used += h.CoresUsed.V
		if l := h.learnedOf("cpu", 0); l != nil && l.Full.Trust == capacity.Learned {
			cost, background = append(cost, l.Full.Cost.Request*h.Available.V), append(background, max(l.Full.Cost.Background, 0)*h.Available.V)
		}
	}
	if len(seen) > 1 {
		q.Rule.Zones = len(seen)
	}
	byConns := p.UsersFrom == "connections" || p.UsersFrom == ""
	if len(conns) == known && known > 0 && byConns {
		q.PerServer = capacity.Known(meanOf(conns))
	} else {
		q.Users = capacity.Num{} // nothing says how many of them a server holds
		lacks = append(lacks, "users: no limit of connections is known on every host: --per-server says it")
	}
	if len(cores) == 0 {
		return q, append(lacks, "cpu: no host tells its cores")
	}
	q.Cores = capacity.Known(meanOf(cores))
	q.Least, q.Most = capacity.Known(slices.Min(cores)), capacity.Known(slices.Max(cores))
	q.CoresUsed = capacity.Known(used)
	if len(cost) == known && q.RPS.OK {
		q.Cost, q.Besides = capacity.Known(meanOf(cost)/q.Cores.V), capacity.Known(meanOf(background)/q.Cores.V)
		q.CoresUsed = capacity.Num{}
	} else {
		lacks = append(lacks, fmt.Sprintf("cpu: what a request costs was learned on %d of %d hosts: the cores used stand for it", len(cost), known))
	}
	if rule.SLO != nil {
		if q.Cost.OK {
			q.SLO = rule.SLO
		} else {
			lacks = append(lacks, "slo: it needs what a request costs")
		}
	}
	if strings.HasPrefix(p.Bound, "thread") {
		lacks = append(lacks, "a thread is the nearest limit, which is not on paper: more workers free it, see the host")
	}
	return q, lacks
}

func meanOf(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}
