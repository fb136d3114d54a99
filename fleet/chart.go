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
}

// sum adds up what is known; it is NaN when nothing is.
type sum struct {
	v     float64
	known bool
}

func (s *sum) add(v float64) {
	if !math.IsNaN(v) {
		s.v += v
		s.known = true
	}
}

func (s *sum) value() float64 {
	if !s.known {
		return math.NaN()
	}
	return s.v
}

// touch notes that the history changed from a moment on.
func (c *cache) touch(from int64) { c.dirty = min(c.dirty, from) }

// draw is the chart that a asks for, ending at a moment.
func (f *Fleet) draw(a Ask, at time.Time, live bool) Chart {
	n := min(a.Buckets, maxBuckets)
	if n <= 0 {
		return Chart{}
	}
	g := gridOf(at, a.Span, n)
	if !live {
		return chartOf(g, f.totals(g, make([]total, g.n)))
	}
	c := &f.chart
	skip := g.first - c.grid.first
	if !c.filled || c.grid.step != g.step || c.grid.n != g.n || skip < 0 || skip >= int64(g.n) {
		c.totals = f.totals(g, make([]total, g.n))
	} else {
		// Make anew what changed, and what was the last bucket last time.
		last := c.grid.first + int64(c.grid.n) - 1
		from := min(last, floorDiv(max(c.dirty, math.MinInt64/int64(time.Millisecond))*int64(time.Millisecond), c.grid.step))
		totals := make([]total, g.n)
		copy(totals, c.totals[skip:])
		part := g.only(from)
		f.totals(part, totals[g.n-part.n:])
		c.totals = totals
	}
	c.grid, c.dirty, c.filled = g, math.MaxInt64/int64(time.Millisecond), true
	return chartOf(g, c.totals)
}

// totals adds the hosts up over the buckets of g, in the order of the list, so
// that the same history gives the same sums to the last bit.
func (f *Fleet) totals(g grid, into []total) []total {
	clear(into)
	list := make([]bucket, g.n)
	for _, h := range f.hosts {
		h.means(g, list)
		for i := range list {
			b := &list[i]
			if b.empty() {
				continue
			}
			into[i].hosts++
			into[i].conns.add(b.conns.value())
			into[i].rps.add(b.rps.value())
			into[i].used.add(b.used.value())
			into[i].cores.add(b.cores.value())
		}
	}
	return into
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
