package fleet

import (
	"math"
	"slices"
	"time"

	"capmon/sample"
)

// Remembered is what is kept of one run of a host, as its agent sent it, less
// what is not kept.
type Remembered struct {
	Epoch   uint64
	Samples []*sample.Sample // oldest first; all but the last without services, processes and threads
	Points  []*sample.Point  // oldest first, without services
}

// Remembered is the history of a host, its present run last: what another fleet
// needs to begin where this one is. The points of all runs are with the last.
func (f *Fleet) Remembered(name string) []Remembered {
	var list []Remembered
	f.with(name, func(h *host) {
		for _, r := range h.runs {
			one := Remembered{Epoch: r.epoch}
			for i := range h.rows.n {
				if v := h.rows.at(i); v.run == r.number {
					one.Samples = append(one.Samples, v.sample(slices.Clone(h.rows.busy(v)), h.ids(v)))
				}
			}
			list = append(list, one)
		}
		if len(list) == 0 {
			return
		}
		last := &list[len(list)-1]
		if n := len(last.Samples); n > 0 && h.newest != nil && last.Samples[n-1].GetSeq() == h.newest.GetSeq() {
			last.Samples[n-1] = h.newest
		}
		last.Points = h.points.remembered(h.newest.GetTimeMs() / 1000)
	})
	return list
}

// remembered are the points of the day before a moment, Unix seconds.
func (p *points) remembered(until int64) []*sample.Point {
	if p.low == 0 {
		return nil
	}
	var list []*sample.Point
	some := func(v float32) *float32 {
		if math.IsNaN(float64(v)) {
			return nil
		}
		return &v
	}
	from := max(p.low, until/pointStep*pointStep-maxPoints*pointStep)
	for at := from; at <= until; at += pointStep {
		if q := p.get(at); q != nil && q.samples > 0 {
			list = append(list, &sample.Point{
				Time: at, Samples: uint32(min(q.samples, 1000)), Cpu: some(q.cpu), Available: some(q.available), Rps: some(q.rps), Served: some(q.served),
			})
		}
	}
	return list
}

// Kept is since when there is anything to look back at, by the viewer's clock;
// zero: nothing.
type Kept struct {
	Seconds time.Time // by the second
	Points  time.Time // by ten seconds
}

// From is the earliest of both.
func (k Kept) From() time.Time {
	if k.Points.IsZero() || !k.Seconds.IsZero() && k.Seconds.Before(k.Points) {
		return k.Seconds
	}
	return k.Points
}

// kept is the earliest of any host.
func (f *Fleet) kept(now time.Time) Kept {
	var k Kept
	least := func(to *time.Time, ms int64) {
		if at := time.UnixMilli(ms); to.IsZero() || at.Before(*to) {
			*to = at
		}
	}
	day := now.Add(-maxPoints * pointStep * time.Second).UnixMilli()
	for _, h := range f.hosts {
		if h.rows.n > 0 {
			least(&k.Seconds, max(h.rows.at(0).ms-h.shift(), day))
		}
		if h.points.low > 0 {
			least(&k.Points, max(h.points.low*1000-h.shift(), day))
		}
	}
	return k
}

// Config is what a fleet like this is made with.
func (f *Fleet) Config() Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Config{Whole: f.wholly, Policy: f.policy, Pools: slices.Clone(f.named)}
}
