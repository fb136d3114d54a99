package fleet

import (
	"math"
	"time"
)

// cache keeps the chart last asked for, so that a new second costs only the
// bucket it falls into.
type cache struct {
	grid   grid
	totals []total
	dirty  int64 // viewer's milliseconds from which on it must be made anew
	filled bool
}

// total is one bucket of the fleet.
type total struct {
	conns, rps, used, cores sum
	hosts                   int
	connHosts, cpuHosts     int // that know theirs
	rpsHosts                int
	gaps                    int // hosts that are there now and were then, of which nothing is known
}

// sum adds up what is known; it is NaN when nothing is.
type sum struct {
	v     float64
	known bool
}

// add adds a number, and tells how many it added: one that is NaN is none.
func (s *sum) add(v float64) int {
	if math.IsNaN(v) {
		return 0
	}
	s.v += v
	s.known = true
	return 1
}

func (s *sum) value() float64 {
	if !s.known {
		return math.NaN()
	}
	return s.v
}

// touch notes that the history changed from a moment on.
func (c *cache) touch(from int64) { c.dirty = min(c.dirty, from) }

// draw is the chart that a asks for, ending at a moment: cores of all hosts,
// users and requests of the edge. With several pools of which none is known to
// be the edge those are gaps: a sum over tiers counts everybody twice.
func draw(a Ask, at time.Time, kept *cache, hosts []*host, pools []*group, edge string) Chart {
	n := min(a.Buckets, maxBuckets)
	if n <= 0 {
		return Chart{}
	}
	g := gridOf(at, a.Span, n)
	c := chartOf(g, kept.over(g, hosts))
	if len(pools) < 2 {
		return c
	}
	unknown := make([]float64, g.n)
	for i := range unknown {
		unknown[i] = math.NaN()
	}
	c.Connections, c.RPS = unknown, unknown
	for _, p := range pools {
		if p.name == edge {
			e := chartOf(g, p.chart.over(g, p.hosts))
			c.Connections, c.RPS = e.Connections, e.RPS
		}
	}
	return c
}

// past are groups as they are to be asked about an earlier moment: what they keep
// of the last minutes holds that too, what they found out of now does not.
func past(groups []*group) []*group {
	list := make([]*group, len(groups))
	for i, g := range groups {
		c := *g
		c.rebuild, c.trended, c.climbed = true, 0, time.Time{}
		c.chart = &cache{}
		list[i] = &c
	}
	return list
}

// over is the totals of hosts over g, of which only what changed since the last
// time is made anew.
func (c *cache) over(g grid, hosts []*host) []total {
	skip := g.first - c.grid.first
	if !c.filled || c.grid.step != g.step || c.grid.n != g.n || skip < 0 || skip >= int64(g.n) {
		c.totals = totals(hosts, g, make([]total, g.n))
	} else {
		// Make anew what changed, and what was the last bucket last time.
		last := c.grid.first + int64(c.grid.n) - 1
		from := min(last, floorDiv(max(c.dirty, math.MinInt64/int64(time.Millisecond))*int64(time.Millisecond), c.grid.step))
		copy(c.totals, c.totals[skip:])
		part := g.only(from)
		totals(hosts, part, c.totals[g.n-part.n:])
	}
	c.grid, c.dirty, c.filled = g, math.MaxInt64/int64(time.Millisecond), true
	return c.totals
}

// totals adds hosts up over the buckets of g, in the order of the list, so that
// the same history gives the same sums to the last bit.
func totals(hosts []*host, g grid, into []total) []total {
	clear(into)
	list := make([]bucket, g.n)
	for _, h := range hosts {
		h.means(g, list)
		began := h.there(g.until)
		for i := range list {
			b := &list[i]
			if b.empty() {
				if (g.first+int64(i))*g.step >= began {
					into[i].gaps++
				}
				continue
			}
			into[i].hosts++
			into[i].connHosts += into[i].conns.add(b.conns.value())
			into[i].rpsHosts += into[i].rps.add(b.rps.value())
			into[i].cpuHosts += into[i].used.add(b.used.value())
			into[i].cores.add(b.cores.value())
		}
	}
	return into
}

// there is since when a host that is there at a moment has had an agent, in Unix
// nanoseconds of the viewer; the end of time for one that is silent.
func (h *host) there(until int64) int64 {
	if h.newest == nil || until-h.seen.UnixNano() > int64(uncountAfter*h.every()) {
		return math.MaxInt64
	}
	return nanos(h.machine.GetStartedMs() - h.shift())
}

func chartOf(g grid, totals []total) Chart {
	values := make([]float64, 4*g.n)
	c := Chart{
		Start: g.start(), Step: time.Duration(g.step),
		Connections: values[:g.n:g.n], RPS: values[g.n : 2*g.n : 2*g.n],
		CoresUsed: values[2*g.n : 3*g.n : 3*g.n], Cores: values[3*g.n:],
		Hosts: make([]int, g.n),
	}
	for i := range totals {
		t := &totals[i]
		c.Connections[i], c.RPS[i] = t.conns.value(), t.rps.value()
		c.CoresUsed[i], c.Cores[i] = t.used.value(), t.cores.value()
		c.Hosts[i] = t.hosts
	}
	return c
}
