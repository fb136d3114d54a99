package fleet

import (
	"math"
	"time"

	"capmon/capacity"
)

// grid is buckets of equal width on the viewer's clock. Bucket k is the time
// from k steps after 1970 up to, but not with, k+1 steps. Since the grid stands
// still, a bucket keeps its value while later ones are added.
type grid struct {
	step  int64 // nanoseconds
	first int64 // k of the first bucket
	n     int
	until int64 // Unix nanoseconds: nothing after this moment
}

const (
	defaultSpan = 15 * time.Minute
	maxSpan     = 24 * time.Hour
	maxBuckets  = 1000
)

// gridOf is n buckets over span, the last of which holds at.
func gridOf(at time.Time, span time.Duration, n int) grid {
	if span <= 0 {
		span = defaultSpan
	}
	span = min(span, maxSpan)
	g := grid{step: max(int64(span)/int64(n), int64(time.Millisecond)), n: n, until: nanos(at.UnixMilli()) + int64(at.Nanosecond())%int64(time.Millisecond)}
	g.first = floorDiv(g.until-1, g.step) - int64(n) + 1
	return g
}

func (g grid) start() time.Time { return time.Unix(0, g.first*g.step) }

// only is the grid without the buckets before k.
func (g grid) only(k int64) grid {
	skip := min(max(k-g.first, 0), int64(g.n))
	g.first, g.n = g.first+skip, g.n-int(skip)
	return g
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// bucket is one host's means over a bucket.
type bucket struct{ cpu, rps, conns, used, cores mean }

func (b *bucket) empty() bool { return b.cores.weight == 0 && b.conns.weight == 0 && b.rps.weight == 0 }

// stretch is what one row or point says of a stretch of time.
type stretch struct {
	begin, end                   int64 // Unix nanoseconds, the viewer's
	cpu, rps, conns, used, cores float64
}

// fill adds a stretch to the buckets it covers.
func (g grid) fill(list []bucket, s stretch) {
	s.begin, s.end = max(s.begin, g.first*g.step), min(s.end, g.until, (g.first+int64(g.n))*g.step)
	for at := s.begin; at < s.end; {
		k := floorDiv(at, g.step)
		next := min((k+1)*g.step, s.end)
		weight, b := float64(next-at), &list[k-g.first]
		b.cpu.add(s.cpu, weight)
		b.rps.add(s.rps, weight)
		b.conns.add(s.conns, weight)
		b.used.add(s.used, weight)
		b.cores.add(s.cores, weight)
		at = next
	}
}

// means fills list, one for each bucket of g, from the seconds where they are
// kept, and from the points before and between them. The newest second speaks
// for the two intervals that follow it as well, so that the last bucket does
// not stand on half of the hosts.
func (h *host) means(g grid, list []bucket) {
	clear(list)
	low := g.first * g.step
	later := g.until // where what is known after this row begins
	for i := h.rows.n - 1; i >= 0; i-- {
		r := h.rows.at(i)
		if end := nanos(r.ms - h.shift()); end <= low && later-end < pointStep*int64(time.Second) && i < h.rows.n-1 && h.rows.sorted() {
			return // it and those before it are earlier, and there is no gap to fill
		}
		s := h.stretch(r)
		if i == h.rows.n-1 {
			s.end += (staleAfter - 1) * int64(h.every())
		}
		if h.rows.sorted() && later-s.end >= pointStep*int64(time.Second) {
			h.pointMeans(g, list, s.end, later)
		}
		later = min(later, s.begin)
		if s.end <= low && h.rows.sorted() {
			return
		}
		g.fill(list, s)
	}
	h.pointMeans(g, list, low, later)
}

// stretch is what a row says of its interval.
func (h *host) stretch(r *row) stretch {
	end := nanos(r.ms - h.shift())
	s := stretch{
		begin: end - int64(h.cover(r))*int64(time.Millisecond), end: end,
		rps: float64(r.rps), used: float64(r.used), cores: float64(r.available), conns: math.NaN(),
		cpu: float64(r.used) / float64(r.available),
	}
	if r.hasConns {
		s.conns = float64(r.conns)
	}
	return s
}

// nanos turns milliseconds into nanoseconds. Moments beyond the year 2096 are
// taken for 2096: the sum of any two stays a number.
func nanos(ms int64) int64 {
	const most = 4e12
	return min(max(ms, -most), most) * int64(time.Millisecond)
}

// pointMeans takes the points that lie wholly between two moments.
func (h *host) pointMeans(g grid, list []bucket, from, to int64) {
	if h.points.low == 0 {
		return
	}
	const second, width = int64(time.Second), pointStep * int64(time.Second)
	shift := nanos(h.shift() / 1000 * 1000)
	from = max(from, g.first*g.step-width, nanos(h.points.low*1000-h.shift()))
	// The labels of points are multiples of ten seconds by the host's clock.
	for at := -floorDiv(-(from+shift), width) * width; at-shift+width <= min(to, g.until); at += width {
		if p := h.points.get(at / second); p != nil {
			g.fill(list, stretch{
				begin: at - shift, end: at - shift + width, cpu: float64(p.cpu), rps: float64(p.rps), conns: float64(p.served),
				cores: float64(p.available), used: float64(p.cpu) * float64(p.available),
			})
		}
	}
}

// pointAt is the host at a moment that only a point tells of, or none.
func (h *host) pointAt(into *Host, ms int64, p Policy) viewed {
	at := floorDiv(ms, pointStep*1000) * pointStep
	v := h.frame(into, standing{})
	q := h.points.get(at)
	switch {
	case q != nil:
		v = h.frame(into, standing{state: Up, counted: true, age: capacity.Known(0)})
		r := row{
			ms: ms, available: q.available, used: q.cpu * q.available, rps: q.rps,
			hasConns: !math.IsNaN(float64(q.served)), conns: uint32(max(q.served, 0)), steal: unknown16, throttled: unknown16,
		}
		v.Newest = r.sample(nil, nil)
		v.Available, v.CoresUsed, v.CPU, v.RPS = known(r.available), known(r.used), known(q.cpu), known(q.rps)
		if r.hasConns {
			v.Connections = known(q.served)
		}
		v.judge(p)
	case h.points.low != 0 && at > h.points.low:
		v = h.frame(into, standing{state: Down})
		v.Reason = "no sample of this moment"
	}
	v.flag(p)
	return v
}

// past is the last minutes of one host.
func (h *host) past(a Ask, at time.Time, live bool) Past {
	n := min(a.Buckets, maxBuckets)
	if n <= 0 {
		n = int(defaultSpan / time.Second)
	}
	g := gridOf(at, a.Span, n)
	list := make([]bucket, g.n)
	h.means(g, list)
	p := Past{Step: time.Duration(g.step), CPU: make([]float64, g.n), RPS: make([]float64, g.n), Connections: make([]float64, g.n)}
	for i := range list {
		p.CPU[i], p.RPS[i], p.Connections[i] = list[i].cpu.value(), list[i].rps.value(), list[i].conns.value()
	}
	p.Cores = h.coresPast(at)
	if d := h.detail; d != nil && live && at.Sub(h.detailAt) < staleAfter*h.every() {
		p.Parts, p.Users = d.parts, d.users
		if d.threads != nil && d.threads.PID == a.PID {
			p.Threads = d.threads
		}
	}
	return p
}

// coresPast is each core of the last trendSeconds before a moment; nil when its
// second is not kept. The second that a row covers is that of its label.
func (h *host) coresPast(at time.Time) [][]float64 {
	i := h.rowAt(at.UnixMilli() + h.shift())
	if i < 0 || h.rows.at(i).cores == 0 {
		return nil
	}
	n := int(h.rows.at(i).cores)
	all := make([]float64, n*trendSeconds)
	for k := range all {
		all[k] = math.NaN()
	}
	end := at.UnixMilli() + h.shift()
	for ; i >= 0; i-- {
		r := h.rows.at(i)
		age := end - r.ms
		if age >= trendSeconds*1000 && h.rows.sorted() {
			break
		}
		if age < 0 || age >= trendSeconds*1000 || int(r.cores) != n {
			continue
		}
		newest := trendSeconds - 1 - int((age+500)/1000)
		for k := newest; k > newest-int(max(h.cover(r)/1000, 1)) && k >= 0; k-- {
			for core, b := range h.rows.busy(r) {
				all[core*trendSeconds+k] = decode(b)
			}
		}
	}
	list := make([][]float64, n)
	for core := range list {
		list[core] = all[core*trendSeconds : (core+1)*trendSeconds]
	}
	return list
}
