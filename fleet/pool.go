package fleet

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"capmon/capacity"
)

// group is the hosts of a pool over time: what their verdict needs beside the
// present. The fleet's lock guards it.
type group struct {
	name   string
	policy Policy
	edge   bool
	hosts  []*host // of the last look, to know when the group is another one
	since  time.Time
	came   []capacity.Changed // servers, since it was first looked at
	went   []capacity.Changed

	seconds, tens, minutes *cache // 15 minutes, an hour, a day of totals up to now
	chart                  *cache // what a screen asked for

	needs   []needed               // of the last day, in order of time
	asked   []capacity.Recommended // what was asked for in the last window, oldest first
	rebuild bool                   // the past has changed: ask it anew
	spiked  time.Time              // when a spike was last seen
	trend   capacity.Trend
	trendOf string // the limit that it is of
	trended int64  // the ten seconds in which it was worked out
	climb   capacity.Num
	climbed time.Time
}

// The windows of a group.
const (
	secondsKept = 15 * time.Minute
	tensKept    = time.Hour
	minutesKept = 24 * time.Hour
)

// names of the pool of hosts that belong to none that was named: the only one
// there is, or beside others.
const (
	poolAll    = "all"
	poolOthers = "others"
	poolLabel  = "pool"
)

// poolOf is the pool that a host belongs to, empty for none: as it was assigned,
// else by its label.
func (h *host) poolOf() string {
	if h.assigned != "" {
		return h.assigned
	}
	return h.label(poolLabel)
}

// label is what the host's agent was given with --label, empty when nothing.
func (h *host) label(key string) string {
	for _, l := range h.machine.GetLabels() {
		if l.GetKey() == key {
			return l.GetValue()
		}
	}
	return ""
}

// groups are the pools that have hosts or were named, each with its hosts as
// they were last seen: in the order they were named, then by their names, then
// that of all others.
func (f *Fleet) groups(now time.Time) []*group {
	members := map[string][]*host{}
	for _, h := range f.hosts {
		p := h.poolOf()
		members[p] = append(members[p], h)
	}
	var order []string
	for _, p := range f.named {
		order = append(order, p.Name)
	}
	var labels []string
	for name := range members {
		if name != "" && !slices.Contains(order, name) {
			labels = append(labels, name)
		}
	}
	slices.SortFunc(labels, naturally)
	order = append(order, labels...)
	rest := poolAll
	if len(order) > 0 {
		rest = poolOthers
	}
	list := make([]*group, 0, len(order)+1)
	for _, name := range order {
		list = append(list, f.group(name, members[name], now))
	}
	if len(members[""]) > 0 || len(list) == 0 {
		list = append(list, f.group(rest, members[""], now))
	}
	return list
}

// naturally orders names with numbers in them as people do: web-2 before web-10.
func naturally(a, b string) int {
	i, j := len(a), len(b)
	for i > 0 && a[i-1] >= '0' && a[i-1] <= '9' {
		i--
	}
	for j > 0 && b[j-1] >= '0' && b[j-1] <= '9' {
		j--
	}
	m, errA := strconv.Atoi(a[i:])
	n, errB := strconv.Atoi(b[j:])
	if a[:i] == b[:j] && errA == nil && errB == nil {
		return cmp.Or(cmp.Compare(m, n), cmp.Compare(a, b))
	}
	return cmp.Compare(a, b)
}

// group is that of a name, made when it is new, with its hosts of now.
func (f *Fleet) group(name string, hosts []*host, now time.Time) *group {
	g := f.byPool[name]
	if g == nil {
		g = &group{name: name, policy: f.policy, since: now, seconds: &cache{}, tens: &cache{}, minutes: &cache{}, chart: &cache{}}
		for _, p := range f.named {
			if p.Name == name {
				g.policy, g.edge = p.Policy, p.Edge
			}
		}
		f.byPool[name] = g
	}
	if !slices.Equal(g.hosts, hosts) {
		g.count(len(hosts)-len(g.hosts), now)
		g.hosts = slices.Clone(hosts)
		g.seconds, g.tens, g.minutes, g.chart = &cache{}, &cache{}, &cache{}, &cache{}
		g.rebuild, g.trended = true, 0
	}
	return g
}

// count notes how many servers came or went, for a pace. Those that are there
// when a viewer begins came before.
func (g *group) count(more int, now time.Time) {
	const beginning, kept = time.Minute, time.Hour
	if now.Sub(g.since) < beginning || more == 0 {
		return
	}
	list, n := &g.came, more
	if more < 0 {
		list, n = &g.went, -more
	}
	*list = append(slices.DeleteFunc(slices.Clone(*list), func(c capacity.Changed) bool { return now.Sub(c.At) > kept }), capacity.Changed{At: now, Servers: n})
}

// touch notes that the history of a host changed from a moment on (viewer's
// milliseconds), before which sums stay as they are.
func (f *Fleet) touch(h *host, from int64, now time.Time) {
	f.chart.touch(from)
	g := f.byPool[cmp.Or(h.poolOf(), poolAll)]
	if g == nil {
		g = f.byPool[poolOthers]
	}
	if g == nil {
		return
	}
	for _, c := range []*cache{g.seconds, g.tens, g.minutes, g.chart} {
		c.touch(from)
	}
	const late = 30 * time.Second
	if from < now.Add(-late).UnixMilli() {
		g.rebuild = true
	}
	if from < now.Add(-time.Minute).UnixMilli() {
		g.trended, g.climbed = 0, time.Time{}
	}
}

// rule is the policy as the maths takes it; nonsense counts as not set.
func (p Policy) rule() capacity.Rule {
	r := capacity.Rule{Target: p.target(), Spare: max(p.Spare, 0), Min: max(p.Min, 0), Max: max(p.Max, 0)}
	if r.Max > 0 && r.Max < r.Min {
		r.Max = r.Min
	}
	if p.SLA > 0 && p.SLA < 1 && p.Availability > 0 && p.Availability <= 1 {
		r.SLA, r.Availability = p.SLA, p.Availability
	}
	return r
}

// target is the utilisation in force for what has no better one.
func (p Policy) target() float64 {
	if p.chosen() {
		return p.Target
	}
	return DefaultTarget
}

func (p Policy) chosen() bool { return p.Target > 0 && p.Target <= 1 }

// targetOf is the utilisation that a limit is to be used to, and where that
// comes from. Without a chosen one cores and threads go by how many workers
// take from one queue: the fewer they are, the longer a request waits at the
// same utilisation.
func (p Policy) targetOf(limit string, workers int) (target float64, from string) {
	switch {
	case p.chosen():
		return p.Target, "chosen"
	case limit == "thread" || limit == "slo":
		workers = 1
	case limit != "cpu":
		workers = 0
	}
	if workers == 0 {
		return DefaultTarget, "default"
	}
	of := strconv.Itoa(workers) + " workers"
	if workers == 1 {
		of = "1 worker"
	}
	return capacity.DefaultTarget(workers), "default for " + of + " behind one queue"
}

// warmUp is how long a new server takes.
func (p Policy) warmUp() time.Duration {
	if p.WarmUp > 0 {
		return p.WarmUp
	}
	return DefaultWarmUp
}
