package fleet

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"capmon/capacity"
)

// Measured is what a plan takes from a pool of a snapshot, live or read back
// from a file. What was not known there is unknown.
type Measured struct {
	Time        string // RFC 3339
	Pool        string // empty when there is no other
	Hosts, All  int    // that are up, that there are
	Users, RPS  capacity.Num
	Cores       capacity.Num // of one host, the mean of those that know
	Least, Most capacity.Num // of the smallest and the largest
	CoresUsed   capacity.Num // of all
	PerServer   capacity.Num // connections one host holds, the mean; unknown where users are not connections
	Conns       capacity.Num // of that limit, used by all
	Bound       string       // the nearest limit; empty when unknown
	Spare       int
	WarmUp      capacity.Num // seconds
	Target      capacity.Num // of the nearest limit
	// Cost is the CPU seconds of a request and Background the cores that a host
	// uses besides, where all hosts have learned them: the means, by cores.
	Cost, Background capacity.Num
	Sized            []capacity.PoolLimit // that NEED was made from, each with its target; nil: not told
}

// MeasuredHost is what a plan takes from one host that is up.
type MeasuredHost struct {
	Cores, PerServer, Conns, Cost, Background capacity.Num
}

// Hosted takes what the hosts that are up know.
func (m *Measured) Hosted(hosts []MeasuredHost) {
	var cores, conns, cost, background []float64
	used := 0.0
	for _, h := range hosts {
		if h.Cores.OK {
			cores = append(cores, h.Cores.V)
		}
		if h.PerServer.OK {
			conns = append(conns, h.PerServer.V)
			used += h.Conns.Or(0)
			m.Conns = capacity.Known(used)
		}
		if h.Cost.OK && h.Cores.OK {
			cost, background = append(cost, h.Cost.V*h.Cores.V), append(background, h.Background.Or(0)*h.Cores.V)
		}
	}
	m.Cores, m.PerServer = meanAbove0(cores), meanAbove0(conns)
	if !m.Cores.OK || slices.Min(cores) <= 0 {
		return
	}
	m.Least, m.Most = capacity.Known(slices.Min(cores)), capacity.Known(slices.Max(cores))
	if len(cost) < len(hosts) {
		return
	}
	if c := meanAbove0(cost); c.OK {
		m.Cost = capacity.Known(c.V / m.Cores.V)
		m.Background = capacity.Known(meanAbove0(background).Or(0) / m.Cores.V)
	}
}

// meanAbove0 is unknown for none, and for what is nothing at all.
func meanAbove0(v []float64) capacity.Num {
	sum := 0.0
	for _, x := range v {
		sum += x / float64(len(v))
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return capacity.Num{}
	}
	return capacity.Known(sum)
}

// Measured is what a plan takes from one of the snapshot's pools.
func (s *Snapshot) Measured(p *Pool) Measured {
	m := Measured{
		Time: s.At.UTC().Format(time.RFC3339Nano), Hosts: p.Up, All: p.Hosts, Users: p.Users, RPS: p.RPS,
		Bound: p.Bound, Spare: p.Spare, Sized: p.Sized,
	}
	if p.WarmUp > 0 {
		m.WarmUp = capacity.Known(p.WarmUp.Seconds())
	}
	if p.Target > 0 && p.Target <= 1 {
		m.Target = capacity.Known(p.Target)
	}
	if len(s.Pools) > 1 {
		m.Pool = p.Name
	}
	used, hosts := 0.0, []MeasuredHost(nil)
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if len(s.Pools) > 1 && h.Pool != p.Name {
			continue
		}
		if h.Counted && h.CoresUsed.OK {
			used += h.CoresUsed.V
			m.CoresUsed = capacity.Known(used)
		}
		if h.State == Up {
			hosts = append(hosts, h.measured())
		}
	}
	m.Hosted(hosts)
	if p.UsersFrom == "little" {
		m.PerServer = capacity.Num{}
	}
	return m
}

func (h *Host) measured() MeasuredHost {
	out := MeasuredHost{Cores: h.Available}
	for _, l := range h.Limits {
		if l.Name == "conns" {
			out.PerServer, out.Conns = capacity.Known(l.Capacity), capacity.Known(l.Used)
		}
	}
	if l := h.costs(); l != nil {
		c := l.AtTarget.Cost
		out.Cost, out.Background = capacity.Known(c.Request), capacity.Known(max(c.Background, 0))
	}
	return out
}

// costs is what was learned of the CPU that a request takes: of the whole host,
// else of its only service; nil where neither is.
func (h *Host) costs() *Learned {
	var one *Learned
	services := 0
	for i := range h.Learned {
		l := &h.Learned[i]
		if l.Limit != "cpu" || l.AtTarget.Trust != capacity.Learned || !(l.AtTarget.Cost.Request > 0) || l.AtTarget.Cost.Points <= 0 {
			continue
		}
		if l.Port == 0 {
			return l
		}
		one = l
		services++
	}
	if services != 1 {
		return nil
	}
	return one
}

// Given stands in the place of what is measured. What is unknown, 0 or nil is
// not given.
type Given struct {
	Users, RPS             capacity.Num
	Demand                 *capacity.Demand // the users are then people, and make the requests
	PerServer, Cost, Cores capacity.Num
	Workers                int
	OwnQueue               bool
	Scaling                *capacity.Scaling
	Target, Spare, WarmUp  capacity.Num // WarmUp in seconds
}

// paper says whether what a server does is given, so that its threads are not
// those that were measured.
func (g *Given) paper() bool {
	return g.Cost.OK || g.Cores.OK || g.Workers > 0 || g.OwnQueue || g.Scaling != nil || g.Demand != nil
}

// Question joins what is measured and what is given; what is given wins, and
// what was measured and not given grows with what was given. The command and
// the screen ask the same.
func (m *Measured) Question(g Given) capacity.Question {
	by := capacity.Known(1)
	switch {
	case g.RPS.OK:
		by = ratioOf(g.RPS, m.RPS)
	case g.Users.OK:
		by = ratioOf(g.Users, m.Users)
	}
	q := capacity.Question{
		Users: firstKnown(g.Users, times(m.Users, by)), RPS: firstKnown(g.RPS, times(m.RPS, by)), Demand: g.Demand,
		PerServer: m.PerServer, Cores: firstKnown(g.Cores, m.Cores), Least: m.Least, Most: m.Most, CoresUsed: times(m.CoresUsed, by),
		Cost: g.Cost, Workers: g.Workers, OwnQueue: g.OwnQueue, Scaling: g.Scaling, Have: m.Hosts,
		WarmUp: time.Duration(firstKnown(g.WarmUp, m.WarmUp).Or(0) * float64(time.Second)),
		Rule:   capacity.Rule{Target: g.Target.Or(0), Spare: int(g.Spare.Or(float64(m.Spare)))},
	}
	if g.Demand != nil {
		q.RPS = capacity.Num{}
	}
	if !q.Users.OK || !m.connected() {
		q.PerServer = capacity.Num{} // connections of a server are none of requests
	}
	q.PerServer = firstKnown(g.PerServer, q.PerServer)
	if g.Cores.OK {
		q.Least, q.Most = capacity.Num{}, capacity.Num{}
	}
	if !g.Target.OK && g.Workers == 0 && !g.OwnQueue {
		q.Rule.Target = m.Target.Or(0)
		q.Targets = m.targets()
	}
	if requests := q.RPS.OK || q.Demand != nil; !g.Cost.OK && m.Cost.OK && requests && q.Cores.OK && g.Scaling == nil {
		q.Cost, q.Besides = m.Cost, m.Background
	}
	if by.OK {
		q.Others = m.others(by.V, &g, &q)
	}
	if q.Cost.OK {
		q.CoresUsed = capacity.Num{} // what a request costs stands for it
	}
	return q
}

// targets are those of the limits that NEED was made from.
func (m *Measured) targets() map[string]float64 {
	out := map[string]float64{}
	for _, l := range m.Sized {
		if l.Target > 0 && l.Name != "slo" {
			out[l.Name] = l.Target
		}
	}
	return out
}

// connected says whether the users are the connections that the limit of them is
// about: not by Little's law, nor where other services hold some.
func (m *Measured) connected() bool {
	return !m.has("conns") || !m.Users.OK || m.Conns.OK && math.Abs(m.Conns.V-m.Users.V) <= max(m.Users.V/100, 1)
}

// others are the limits that a plan does not make itself, with a load so many
// times as high: the threads of a service, the requests that a server may have
// by policy, and connections that are not the users.
func (m *Measured) others(by float64, g *Given, q *capacity.Question) []capacity.PoolLimit {
	made := map[string]bool{
		"thread": g.paper(), "rps": g.PerServer.OK && !q.Users.OK, "conns": q.PerServer.OK,
	}
	var out []capacity.PoolLimit
	for _, l := range m.Sized {
		if there, other := made[l.Name]; there || !other {
			continue
		}
		l.Used *= by
		if g.Target.OK {
			l.Target = 0
		}
		out = append(out, l)
	}
	return out
}

func firstKnown(list ...capacity.Num) capacity.Num {
	for _, n := range list {
		if n.OK {
			return n
		}
	}
	return capacity.Num{}
}

// ratioOf is how many times what was measured is given; unknown where that was
// nothing.
func ratioOf(given, measured capacity.Num) capacity.Num {
	if !measured.OK || !(measured.V > 0) {
		return capacity.Num{}
	}
	return capacity.Known(given.V / measured.V)
}

// times is unknown when the factor is: what does not follow from a measurement
// is not made up.
func times(n, by capacity.Num) capacity.Num {
	if !n.OK || !by.OK {
		return capacity.Num{}
	}
	return capacity.Known(n.V * by.V)
}

// String is what was measured, in a line.
func (m *Measured) String() string {
	at := m.Time
	if _, err := time.Parse(time.RFC3339, at); err != nil {
		at = "an unknown time"
	}
	what := []string{}
	for _, v := range []struct {
		n    capacity.Num
		name string
	}{{m.Users, "users"}, {m.RPS, "rps"}, {m.CoresUsed, "cores used"}} {
		if v.n.OK {
			what = append(what, capacity.Amount(v.n.V)+" "+v.name)
		} else {
			what = append(what, "? "+v.name)
		}
	}
	of := ""
	if m.Pool != "" {
		of = " of pool " + strconv.Quote(m.Pool)
	}
	s := fmt.Sprintf("measured on %d of %d hosts%s at %s: %s", m.Hosts, m.All, of, at, strings.Join(what, ", "))
	if m.Cost.OK {
		s += fmt.Sprintf("; learned: %s CPU a request, and %s cores on each host besides", capacity.Span(m.Cost.V), capacity.Amount(m.Background.Or(0)))
	}
	if m.Bound == "thread" && !m.has("thread") {
		s += "; a thread is its nearest limit, which is not counted here: say --workers"
	}
	if m.Hosts < m.All {
		s += "; the load of those that do not answer is not in it"
	}
	return s
}

func (m *Measured) has(limit string) bool {
	return slices.ContainsFunc(m.Sized, func(l capacity.PoolLimit) bool { return l.Name == limit })
}

// Grows is by what share of itself the load of the pool grows in a second: that
// of its nearest limit, without what its servers do besides. 0 where no growth
// can be told from chance; unknown where the trend is.
func (p *Pool) Grows() capacity.Num {
	switch p.Trend.Direction {
	case capacity.Stable:
		return capacity.Known(0)
	case capacity.Falling:
		for _, l := range p.Sized {
			if load := l.Used - float64(l.Servers)*l.Background; l.Name == p.Bound && load > 0 {
				return capacity.Known(max(0-p.Trend.Slope.V, 0) / load)
			}
		}
	}
	return capacity.Num{}
}

// Trust says in words how far the numbers of a plan of the pool can be relied
// on, what they stand on first and what is not known last.
func (s *Snapshot) Trust(p *Pool) []string {
	var told, lacks []string
	m := s.Measured(p)
	if m.Hosts < m.All {
		lacks = append(lacks, fmt.Sprintf("stands on %d of %d hosts: the load of the others is not in it", m.Hosts, m.All))
	}
	hosts, conns, costs, points := 0, 0, 0, math.MaxInt
	wide, since, from := 0.0, time.Time{}, ""
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.State != Up || len(s.Pools) > 1 && h.Pool != p.Name {
			continue
		}
		hosts++
		for _, l := range h.Limits {
			if l.Name == "conns" {
				conns++
				from = cmp.Or(from, l.From)
			}
		}
		if l := h.costs(); l != nil {
			costs++
			points = min(points, l.Basis.Points)
			if l.Basis.Since.After(since) {
				since = l.Basis.Since
			}
			if of := l.AtTarget.Of; of.OK && l.AtTarget.Capacity.V > 0 {
				wide = max(wide, (of.High-of.Low)/2/l.AtTarget.Capacity.V)
			}
		}
	}
	switch {
	case p.UsersFrom == "little":
		told = append(told, "users: by Little's law, "+p.UsersNote)
	case conns > 0 && !m.connected():
		told = append(told, fmt.Sprintf("conns: %s, with %s of the %s users; the others are at other services", cmp.Or(from, "the limit of each host"), capacity.Amount(m.Conns.Or(0)), capacity.Amount(m.Users.V)))
	case conns == hosts && hosts > 0:
		told = append(told, "conns: "+cmp.Or(from, "the limit of each host"))
	case p.Users.OK && hosts > 0:
		lacks = append(lacks, fmt.Sprintf("conns: what a server holds is known on %d of %d hosts: --per-server says it", conns, hosts))
	}
	switch {
	case hosts > 0 && costs == hosts:
		told = append(told, fmt.Sprintf("cpu: learned on %d of %d hosts, %d points at least since %s, ±%s", costs, hosts, points, since.UTC().Format("15:04Z"), capacity.Percent(wide)))
	case m.CoresUsed.OK:
		lacks = append(lacks, fmt.Sprintf("cpu: what a request costs was learned on %d of %d hosts: the cores used stand for it", costs, hosts))
	default:
		lacks = append(lacks, "cpu: no host tells its cores")
	}
	if m.has("thread") {
		told = append(told, "thread: as measured now, and it grows with the load: at least")
	}
	if p.Policy.SLO != nil && !m.Cost.OK {
		lacks = append(lacks, "slo: not in it: what a request costs is not learned on every host")
	}
	switch p.Trend.Direction {
	case capacity.Falling, capacity.Stable:
		told = append(told, "growth: "+strings.TrimPrefix(p.Trend.Step, "trend "))
	default:
		lacks = append(lacks, "growth: "+cmp.Or(strings.TrimPrefix(p.Trend.Step, "trend unknown: "), "not known yet"))
	}
	if p.TargetFrom != "" {
		told = append(told, "target: "+p.TargetFrom)
	}
	return append(told, lacks...)
}

// Zones are in how many of them the hosts of a pool lie, by the label of its
// policy; 0 where none is asked or they all lie in one.
func (s *Snapshot) Zones(p *Pool) int {
	var seen []string
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if len(s.Pools) > 1 && h.Pool != p.Name {
			continue
		}
		if z := h.zone(p.Policy.Zone); z != "" && !slices.Contains(seen, z) {
			seen = append(seen, z)
		}
	}
	if len(seen) < 2 {
		return 0
	}
	return len(seen)
}
