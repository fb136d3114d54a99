package fleet

import (
	"fmt"
	"math"
	"slices"
	"time"

	"capmon/capacity"
)

// size works out what a pool needs, from its hosts as they are at a moment and
// from what they did before it. now is the viewer's clock.
func (g *group) size(hosts []viewed, t Totals, at, now time.Time) Pool {
	p := Pool{
		Name: g.name, Hosts: len(hosts), Counted: t.Counted, Up: t.Up, Policy: g.policy, WarmUp: g.policy.warmUp(),
		RPS: t.RPS, Users: t.Users, UsersFrom: t.UsersFrom, UsersNote: t.UsersNote, Spare: max(g.policy.Spare, 0),
	}
	p.rooms(hosts)
	loads := g.loads(at, now)
	limits, conns, steps := poolLimits(hosts, g.policy, loads)
	rule := g.policy.rule()
	rule.Zones = zones(hosts, g.policy.Zone)
	steps = append(steps, p.promise(hosts, &limits, g.policy)...)
	if len(limits) == 0 {
		p.Verdict = verdict(p, g.policy, t, hosts)
		return p
	}
	live := capacity.Live{
		Have: len(hosts), Missing: len(hosts) - t.Counted, Before: g.history(limits, rule, loads, at),
		Spike: at.Sub(g.spiked) < capacity.DefaultSteadiness.Down, Steadiness: capacity.DefaultSteadiness, Now: at,
		Up: g.policy.Up, Down: g.policy.Down, Came: g.came, Went: g.went,
	}
	sizing, err := capacity.SizeLive(limits, rule, live)
	if err != nil {
		p.Steps = append(steps, "not sized: "+err.Error())
		p.Verdict = verdict(p, g.policy, t, hosts)
		return p
	}
	g.remember(sizing.Asked, at)
	p.sized(limits, conns, sizing)
	p.Sized = limits
	p.Steps = slices.Concat(steps, p.Steps)
	if t.Counted < t.Hosts {
		p.Steps = append(p.Steps, fmt.Sprintf("stands on %d of %d hosts", t.Counted, t.Hosts))
	}
	_, p.TargetFrom = g.policy.targetOf(p.Bound, queueOf(hosts))
	p.LoseZone = loseZone(hosts, g.policy.Zone, p.Bound)
	p.trends(g, limits, at, now)
	p.reserve(g, limits, rule, at, now)
	p.Rows = capacity.Rows(limits, rule, sizing, len(hosts), p.growth(), price(g.policy.Price))
	plain, err := capacity.Size(limits, rule)
	if err == nil {
		p.NeedNow = capacity.Known(float64(plain.Need))
	}
	p.Verdict = verdict(p, g.policy, t, hosts)
	return p
}

// rooms adds up what the hosts that count can take more, and at all.
func (p *Pool) rooms(hosts []viewed) {
	var users, rps, most, low, high sum
	trust := capacity.Learned
	for i := range hosts {
		h := &hosts[i]
		if !h.Counted {
			continue
		}
		users.count(h.RoomUsers)
		rps.count(h.RoomRPS)
		if !h.RPS.OK || !h.RoomRPS.OK || !(h.RPS.V > 0) {
			continue
		}
		all := h.RPS.V + h.RoomRPS.V
		most.add(all)
		switch l := h.rpsBy; {
		case l == nil:
			trust = capacity.AtLeast
		case l.Full.Of.OK:
			low.add(l.Full.Of.Low)
			high.add(l.Full.Of.High)
		default:
			low.add(all)
			high.add(all)
		}
	}
	p.RoomUsers, p.RoomRPS = capacity.Known(users.value()), capacity.Known(rps.value())
	v := capacity.Known(most.value())
	switch {
	case !v.OK:
	case trust == capacity.Learned:
		p.RPSCapacity = capacity.Estimate{Trust: trust, Capacity: v, Of: capacity.Interval{Low: low.value(), High: high.value(), OK: true}}
	default:
		p.RPSCapacity = capacity.Estimate{Trust: trust, Capacity: v, Says: "not learned on every host"}
	}
}

// sized takes over a sizing and what follows from the limits.
// Connections, which are a count and no rate, are shown as they are now.
func (p *Pool) sized(limits []capacity.PoolLimit, conns float64, s capacity.Sizing) {
	p.Raw, p.Need = capacity.Known(float64(s.Raw)), capacity.Known(float64(s.Need))
	p.Run, p.Short = capacity.Known(float64(s.Run)), capacity.Known(float64(s.Short))
	p.Formula, p.Steps, p.Spare, p.Waits, p.NeedBy, p.Paced = s.Formula, s.Steps, s.Spare, s.Waits, s.Limit, s.Paced
	near := limits[0]
	for i, l := range limits {
		switch l.Name {
		case "slo":
			continue // a target of another limit
		case "conns":
			l.Used = conns
		}
		if i == 0 {
			near = l
		}
		p.Limits = append(p.Limits, l.Limit)
		if l.Ratio() > near.Ratio() {
			near = l
		}
	}
	capacity.Nearest(p.Limits)
	p.Bound, p.Target = near.Name, near.Target
	if r, err := capacity.HeadroomAfterSpare(near, near.Target, s.Spare); err == nil {
		p.Headroom = capacity.Known(r.V)
		p.Steps = append(p.Steps, r.Formula)
	}
	if r, err := capacity.LoseOne(near); err == nil {
		p.LoseOne = capacity.Known(r.V)
		p.Steps = append(p.Steps, r.Formula)
	}
}

// load is what one kind of limit is used for over the last minutes.
type load struct {
	of       capacity.Load
	known    bool
	readings []capacity.Reading
}

// loads are those of the group by the name of the limit.
func (g *group) loads(at, now time.Time) map[string]load {
	w := gridOf(now, secondsKept, int(secondsKept/time.Second))
	list := g.seconds.over(w, g.hosts)
	readings := map[string][]capacity.Reading{}
	add := func(name string, at time.Time, s sum) {
		if v := s.value(); !math.IsNaN(v) {
			readings[name] = append(readings[name], capacity.Reading{At: at, V: v})
		}
	}
	for i := range list {
		// A second that is not over yet counts from its beginning.
		t := time.Unix(0, (w.first+int64(i))*w.step)
		add("conns", t, list[i].conns)
		add("cpu", t, list[i].used)
		if g.policy.RPSPerServer > 0 {
			add("rps", t, list[i].rps)
		}
	}
	out := map[string]load{}
	for name, r := range readings {
		l, err := capacity.LoadOf(r, at)
		out[name] = load{of: l, known: err == nil, readings: r}
		if err == nil && l.Spike {
			g.spiked = at
		}
	}
	return out
}

// poolLimits adds up the limits that more servers help against, each over the
// hosts that count and know it: connections, cpu, and the threads of a service.
// The others (files, ports, memory, a queue) are a matter of one machine's
// settings: they bound its room and flag it. Used is the load that servers are
// counted for; the steps say which that is. connsNow are the connections as they
// are now.
func poolLimits(hosts []viewed, p Policy, loads map[string]load) (limits []capacity.PoolLimit, connsNow float64, steps []string) {
	conns, cpu := make([]capacity.Limit, 0, len(hosts)), make([]capacity.Limit, 0, len(hosts))
	var rps []capacity.Limit
	var background mean
	for i := range hosts {
		h := &hosts[i]
		if !h.Counted {
			continue
		}
		for _, l := range h.Limits {
			switch l.Name {
			case "conns":
				conns = append(conns, l)
			case "rps":
				rps = append(rps, l)
			case "cpu":
				cpu = append(cpu, l)
				background.add(h.background(), 1)
			}
		}
	}
	if l, err := capacity.Sum(conns); err == nil {
		l.Target, _ = p.targetOf("conns", 0)
		connsNow = l.Used
		if c := loads["conns"]; c.known && last(c.readings) > 0 {
			l.Used = math.Max(connsNow, connsNow*c.of.V/last(c.readings))
			if l.Used > connsNow*(1+1e-9) {
				steps = append(steps, "conns "+c.of.Step)
			}
		}
		limits = append(limits, l)
	}
	if l, err := capacity.Sum(cpu); err == nil {
		var from string
		l.Target, from = p.targetOf("cpu", queueOf(hosts))
		if c := loads["cpu"]; c.known {
			l.Used = c.of.V
			steps = append(steps, "cpu "+c.of.Step+", in cores")
		}
		if b := background.value(); b > 0 && b < l.Typical()*l.Target {
			l.Background = b
		}
		if !p.chosen() {
			steps = append(steps, fmt.Sprintf("cpu target %s: %s", capacity.Percent(l.Target), from))
		}
		limits = append(limits, l)
	}
	if l, err := capacity.Sum(rps); err == nil {
		l.Target, _ = p.targetOf("rps", 0)
		if c := loads["rps"]; c.known {
			l.Used = c.of.V
			steps = append(steps, "rps "+c.of.Step)
		}
		limits = append(limits, l)
	}
	if l, step, ok := threads(hosts); ok {
		var from string
		l.Target, from = p.targetOf("thread", 1)
		limits, steps = append(limits, l), append(steps, step)
		if !p.chosen() {
			steps = append(steps, fmt.Sprintf("thread target %s: %s", capacity.Percent(l.Target), from))
		}
	}
	return limits, connsNow, steps
}

// queueOf is how many workers take from one queue on the hosts that count: on
// those where it is fewest, 0 where none serves.
func queueOf(hosts []viewed) int {
	least := 0
	for i := range hosts {
		if q := hosts[i].queue(); hosts[i].Counted && q > 0 && (least == 0 || q < least) {
			least = q
		}
	}
	return least
}

// last is the newest reading; 0 when there is none.
func last(list []capacity.Reading) float64 {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1].V
}

// promise turns a promise about time into a limit beside the one whose queue it
// is about, where what a request costs was learned.
func (p *Pool) promise(hosts []viewed, limits *[]capacity.PoolLimit, policy Policy) []string {
	if policy.SLO == nil {
		return nil
	}
	var cost mean
	queue, name := 0, "cpu"
	for i := range hosts {
		h := &hosts[i]
		l := h.learnedOf("cpu", 0)
		if h.Counted && l != nil && l.Full.Trust == capacity.Learned {
			cost.add(l.Full.Cost.Request, 1)
			queue = h.queue()
		}
	}
	if queue == 1 {
		name = "thread"
	}
	at := slices.IndexFunc(*limits, func(l capacity.PoolLimit) bool { return l.Name == name })
	if at < 0 {
		at = slices.IndexFunc(*limits, func(l capacity.PoolLimit) bool { return l.Name == "cpu" })
	}
	if !(cost.value() > 0) || at < 0 {
		return []string{"slo " + policy.SLO.String() + ": not sized by it yet: what a request costs is not learned"}
	}
	r, err := capacity.MaxUtilisation(capacity.Workers{Count: max(queue, 1), Service: cost.value()}, *policy.SLO)
	if err != nil {
		return []string{"slo: " + err.Error()}
	}
	slo := (*limits)[at]
	slo.Name, slo.From, slo.Target = "slo", policy.SLO.String(), r.V
	if slo.Background >= slo.Typical()*slo.Target {
		slo.Background = 0
	}
	*limits = append(*limits, slo)
	return []string{"slo: " + r.Formula}
}

// history is what was asked for in the window, from what the loads were then
// and what the servers can take now: two viewers that saw the same agree.
func (g *group) history(limits []capacity.PoolLimit, rule capacity.Rule, loads map[string]load, at time.Time) []capacity.Recommended {
	if !g.rebuild {
		return g.asked
	}
	g.rebuild, g.asked, g.spiked = false, nil, time.Time{}
	const every = 30 * time.Second
	for age := secondsKept - every; age >= every; age -= every {
		then := at.Add(-age)
		most, seen := 0, false
		for _, l := range limits {
			past, ok := loads[l.Name]
			if !ok || l.Name == "slo" {
				continue
			}
			was, err := capacity.LoadOf(past.readings, then)
			if err != nil {
				continue
			}
			if was.Spike {
				g.spiked = then
			}
			if l.Name == "conns" {
				was.V *= l.Used / math.Max(loads["conns"].of.V, 1)
			}
			l.Used = was.V
			s, err := capacity.Size([]capacity.PoolLimit{l}, rule)
			if err == nil {
				most, seen = max(most, s.Asked), true
			}
		}
		if seen {
			g.remember(most, then)
		}
	}
	return g.asked
}

// remember keeps the highest of each ten seconds.
func (g *group) remember(servers int, at time.Time) {
	const step = 10 * time.Second
	if n := len(g.asked); n > 0 && at.Sub(g.asked[n-1].At) < step && !at.Before(g.asked[n-1].At) {
		g.asked[n-1].Servers = max(g.asked[n-1].Servers, servers)
		return
	}
	old := slices.IndexFunc(g.asked, func(r capacity.Recommended) bool {
		return at.Sub(r.At) < capacity.DefaultSteadiness.Down+time.Minute
	})
	if old < 0 {
		old = len(g.asked)
	}
	g.asked = append(slices.Clone(g.asked[old:]), capacity.Recommended{At: at, Servers: servers})
}

// zones are how many of them the hosts lie in, by a label; 0 where none is
// asked or they all lie in one.
func zones(hosts []viewed, label string) int {
	var seen []string
	for i := range hosts {
		if z := hosts[i].zone(label); z != "" && !slices.Contains(seen, z) {
			seen = append(seen, z)
		}
	}
	if len(seen) < 2 {
		return 0
	}
	return len(seen)
}

func (v *Host) zone(label string) string {
	if label == "" {
		return ""
	}
	for _, l := range v.Machine.GetLabels() {
		if l.GetKey() == label {
			return l.GetValue()
		}
	}
	return ""
}

// loseZone is the utilisation of a limit when the zone that has most of it is
// gone and its load is not.
func loseZone(hosts []viewed, label, name string) capacity.Num {
	if label == "" {
		return capacity.Num{}
	}
	used, all := 0.0, 0.0
	of := map[string]float64{}
	for i := range hosts {
		for _, l := range hosts[i].Limits {
			if hosts[i].Counted && l.Name == name {
				used, all = used+l.Used, all+l.Capacity
				of[hosts[i].zone(label)] += l.Capacity
			}
		}
	}
	largest := 0.0
	for z, c := range of {
		if z != "" {
			largest = max(largest, c)
		}
	}
	if len(of) < 2 || !(all > largest) {
		return capacity.Num{}
	}
	return capacity.Known(used / (all - largest))
}

// price is money for a server hour; unknown where it was not asked.
func price(v float64) capacity.Num {
	if !(v > 0) {
		return capacity.Num{}
	}
	return capacity.Known(v)
}
