package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"capmon/capacity"
)

// Snapshot is the fleet as a asks for it: now, or at an earlier moment as far
// as it is remembered. now is the viewer's clock.
//
// At an earlier moment each host has the numbers of the second that was its
// newest then, or of the ten seconds around it where only those are kept, which
// tell nothing of services and threads. A gap is a gap: Newest is nil and the
// numbers are unknown.
func (f *Fleet) Snapshot(a Ask, now time.Time) Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Snapshot{Time: now, At: now, Live: a.At.IsZero() || !a.At.Before(now), Policy: f.policy, Interval: time.Second}
	if !s.Live {
		s.At = a.At
	}
	groups := f.groups(now)
	for _, g := range groups {
		for _, h := range g.hosts {
			h.group = g
		}
	}
	hosts := make([]viewed, len(f.hosts))
	s.Hosts = make([]Host, len(f.hosts))
	for i, h := range f.hosts {
		h.place = i
		if s.Live {
			hosts[i] = h.view(&s.Hosts[i], now, h.group.policy)
		} else {
			hosts[i] = h.viewAt(&s.Hosts[i], s.At, h.group.policy, f.wholly)
		}
		if h.name == a.Host {
			hosts[i].Past = h.past(a, s.At, s.Live)
		}
		s.Simulated = s.Simulated || h.machine.GetSimulated()
		s.Interval = max(s.Interval, h.every())
	}
	kept := &f.chart
	if !s.Live { // what was kept is of now
		kept, groups = &cache{}, past(groups)
	}
	s.pools(groups, hosts)
	for i, g := range groups {
		if s.Live {
			g.note(&s.Pools[i], now)
		}
		if n := min(a.Buckets, maxBuckets); n > 0 {
			s.Pools[i].Needs = g.needsOver(gridOf(s.At, a.Span, n))
		}
	}
	f.headline(&s, groups)
	s.Chart = draw(a, s.At, kept, f.hosts, groups, s.Totals.Edge)
	s.Kept = f.kept(now)
	s.Notes = f.notes(now)
	for i := range hosts {
		s.Notes = append(s.Notes, hosts[i].changed(s.At)...)
	}
	return s
}

// pools sizes every pool, and makes the totals of all of them.
func (s *Snapshot) pools(groups []*group, hosts []viewed) {
	for _, g := range groups {
		members := hosts // of the only pool, in the order of its hosts
		if len(groups) > 1 {
			members = make([]viewed, len(g.hosts))
		}
		for k, h := range g.hosts {
			v := &hosts[h.place]
			v.Pool = g.name
			if len(groups) > 1 {
				members[k] = *v
			}
		}
		t := add(members)
		if len(groups) == 1 {
			s.Totals = t
		}
		t.people(members, g.policy)
		s.Pools = append(s.Pools, g.size(members, t, s.At, s.Time))
	}
	if len(groups) > 1 {
		s.Totals = add(hosts)
	}
}

// headline takes users and requests from the pool that people reach first: a
// sum over tiers would count everybody twice.
func (f *Fleet) headline(s *Snapshot, groups []*group) {
	t := &s.Totals
	if len(groups) == 1 {
		p := &s.Pools[0]
		t.Users, t.UsersFrom, t.UsersNote = p.Users, p.UsersFrom, p.UsersNote
		return
	}
	t.Users, t.RPS, t.UsersFrom = capacity.Num{}, capacity.Num{}, ""
	for _, g := range groups {
		if g.edge {
			t.Edge, t.EdgeFrom = g.name, "named"
		}
	}
	if t.Edge == "" {
		t.Edge, t.EdgeFrom = f.found(s)
	}
	if t.Edge == "" {
		t.UsersNote = "which pool people reach first is not known: name it with --edge"
		return
	}
	for i := range s.Pools {
		if p := &s.Pools[i]; p.Name == t.Edge {
			t.Users, t.UsersFrom, t.UsersNote, t.RPS = p.Users, p.UsersFrom, p.UsersNote, p.RPS
		}
	}
}

// found is the edge by who connects to whom, looked for every ten seconds. An
// earlier moment has that of now: whose connections were whose is not kept.
func (f *Fleet) found(s *Snapshot) (edge, how string) {
	names := make([]string, len(s.Pools))
	for i := range s.Pools {
		names[i] = s.Pools[i].Name
	}
	const every = 10 * time.Second
	if e := &f.edge; s.Live && (s.At.Sub(e.at) >= every || s.At.Before(e.at) || !slices.Equal(e.of, names)) {
		e.at, e.of = s.At, names
		e.name, e.how = edgeOf(s.Hosts, names)
	}
	return f.edge.name, f.edge.how
}

// add makes the totals of the hosts that count.
func add(hosts []viewed) Totals {
	t := Totals{Hosts: len(hosts)}
	var rps, conns, cores, used sum
	for i := range hosts {
		h := &hosts[i]
		switch h.State {
		case Up:
			t.Up++
		case Stale:
			t.Stale++
		case Down:
			t.Down++
		case Unseen:
			t.Unseen++
		}
		if !h.Counted {
			continue
		}
		t.Counted++
		t.RPSHosts += rps.count(h.RPS)
		t.ConnHosts += conns.count(h.Connections)
		if h.CoresUsed.OK && h.Available.OK {
			t.CPUHosts++
			cores.count(h.Available)
			used.count(h.CoresUsed)
		}
		if h.HottestCore.Known && (!t.HottestCore.Known || h.HottestCore.Busy > t.HottestCore.Busy) {
			t.HottestCore = h.HottestCore
		}
		if h.Thread.Known && (!t.HottestThread.Known || h.Thread.Demand > t.HottestThread.Demand) {
			t.HottestThread = h.Thread
		}
	}
	t.RPS, t.Connections = capacity.Known(rps.value()), capacity.Known(conns.value())
	t.Cores, t.CoresUsed = capacity.Known(cores.value()), capacity.Known(used.value())
	if t.Cores.V > 0 {
		t.CPU = capacity.Known(t.CoresUsed.V / t.Cores.V)
	}
	return t
}

// count adds a number that may be unknown, and tells how many it added.
func (s *sum) count(n capacity.Num) int {
	if !n.OK {
		return 0
	}
	s.add(n.V)
	return 1
}

// notes are what a user should know about the list as a whole.
func (f *Fleet) notes(now time.Time) []string {
	var notes []string
	if f.twins == nil {
		f.twins = new(f.twinned())
	}
	if *f.twins != "" {
		notes = append(notes, *f.twins)
	}
	var lost uint64
	var slow []string
	for _, h := range f.hosts {
		if h.dropped > 0 {
			lost += h.dropped
			slow = append(slow, h.name)
		}
	}
	if lost > 0 {
		notes = append(notes, fmt.Sprintf("%s samples of %s were dropped: this viewer was too slow for them", capacity.Count(float64(lost)), few(slow)))
	}
	var gone []string
	for _, d := range f.left {
		if age := now.Sub(d.at); age < departedSeen {
			gone = append(gone, d.name)
		}
	}
	if len(gone) > 0 {
		notes = append(notes, few(gone)+" left the list: the name no longer leads there")
	}
	return notes
}

// twinned points out entries that are one machine: they run the same agent.
func (f *Fleet) twinned() string {
	byEpoch := make(map[uint64][]string, len(f.hosts))
	var found []string
	for _, h := range f.hosts {
		if len(h.runs) == 0 || h.machine == nil {
			continue
		}
		epoch := h.runs[len(h.runs)-1].epoch
		byEpoch[epoch] = append(byEpoch[epoch], h.name)
	}
	for _, h := range f.hosts {
		if len(h.runs) == 0 {
			continue
		}
		names := byEpoch[h.runs[len(h.runs)-1].epoch]
		if len(names) < 2 || names[0] != h.name {
			continue
		}
		found = append(found, fmt.Sprintf("%s are one machine (%s): name it once, or it counts more than once", few(names), h.machine.GetHostname()))
	}
	return strings.Join(found, "; ")
}

// few names up to three, and says how many more there are.
func few(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(slices.Clone(names[:last]), ", ") + " and " + names[last]
}
