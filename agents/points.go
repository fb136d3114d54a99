package agents

import (
	"sort"
	"time"

	"capmon/sample"
)

// point is a sample.Point as it is kept: without pointers, and small.
type point struct {
	tens    uint32 // time / 10 s
	samples uint16
	known   uint8 // bit i: value i is known
	values  [pointValues]float32
}

// The values of a point, in the order of sample.Point.
const (
	pointCPU = iota
	pointAvailable
	pointHottest
	pointRPS
	pointServed
	pointMemory
	pointValues
)

// pointSize is the size of a point in bytes.
const pointSize = 32

// pointTime is the beginning of the ten seconds that a sample of timeMs falls
// into, in Unix seconds.
func pointTime(timeMs int64) int64 {
	const ms = int64(PointTime / time.Millisecond)
	return timeMs / ms * (ms / 1000)
}

// time is in Unix seconds.
func (p point) time() int64 { return int64(p.tens) * int64(PointTime/time.Second) }

// message writes p into m, whose optional values are taken from room, which
// has pointValues of them.
func (p point) message(m *sample.Point, room []float32) {
	m.Time, m.Samples = p.time(), uint32(p.samples)
	copy(room, p.values[:])
	for i, to := range []**float32{&m.Cpu, &m.Available, &m.Hottest, &m.Rps, &m.Served, &m.Memory} {
		*to = nil
		if p.known&(1<<i) != 0 {
			*to = &room[i]
		}
	}
}

// tally is a point in the making: a value, so that a point is a pure function
// of its samples.
type tally struct {
	time    int64
	samples int
	sums    [pointValues]float64
	counts  [pointValues]int
}

// add is t with s, whose ten seconds begin at the time at.
func (t tally) add(at int64, s *sample.Sample) tally {
	t.time = at
	t.samples++
	mean := func(i int, v float64) {
		t.sums[i] += v
		t.counts[i]++
	}
	if c := s.GetCpu(); c.GetAvailable() > 0 {
		mean(pointAvailable, float64(c.GetAvailable()))
		if c.Used != nil {
			mean(pointCPU, float64(c.GetUsed())/float64(c.GetAvailable()))
		}
	}
	for _, b := range s.GetCpu().GetBusy() {
		if v, ok := sample.DecodeBusy(b); ok {
			t.counts[pointHottest] = 1 // the largest, not the mean
			t.sums[pointHottest] = max(t.sums[pointHottest], v)
		}
	}
	if rps, ok := sample.Requests(s.GetServices()); ok {
		mean(pointRPS, rps)
	}
	if c := s.GetConnections(); c != nil && c.Served != nil {
		mean(pointServed, float64(c.GetServed()))
	}
	if m := s.GetMemory(); m.GetTotal() > 0 && m.Used != nil {
		mean(pointMemory, float64(m.GetUsed())/float64(m.GetTotal()))
	}
	return t
}

func (t tally) point() point {
	p := point{tens: uint32(t.time / int64(PointTime/time.Second)), samples: uint16(min(t.samples, 1000))}
	for i, n := range t.counts {
		if n > 0 {
			p.known |= 1 << i
			p.values[i] = float32(t.sums[i] / float64(n))
		}
	}
	return p
}

// pointRing keeps the points of a day. A point has a place, counted from 0 as
// long as the agent runs; first..next-1 are kept, in order of time.
type pointRing struct {
	list        []point // grows up to a day, then is used again
	first, next uint64
}

const dayOfPoints = int(KeepPoints / PointTime)

func (r *pointRing) put(p point) {
	i := r.next % uint64(dayOfPoints)
	if i < uint64(len(r.list)) {
		r.list[i] = p
	} else {
		if len(r.list) == cap(r.list) { // append alone could go past the bound
			grown := make([]point, len(r.list), min(max(360, 2*len(r.list)), dayOfPoints))
			copy(grown, r.list)
			r.list = grown
		}
		r.list = append(r.list, p)
	}
	r.next++
	r.first = max(r.first, r.next-min(r.next, uint64(dayOfPoints)))
}

func (r *pointRing) at(place uint64) point { return r.list[place%uint64(dayOfPoints)] }

// newest is the time of the newest point, -1 when there is none.
func (r *pointRing) newest() int64 {
	if r.next == r.first {
		return -1
	}
	return r.at(r.next - 1).time()
}

// after is the place of the first point later than time; next when there is
// none.
func (r *pointRing) after(time int64) uint64 {
	n := int(r.next - r.first)
	return r.first + uint64(sort.Search(n, func(i int) bool { return r.at(r.first+uint64(i)).time() > time }))
}

// forget drops the points from time on.
func (r *pointRing) forget(time int64) { r.next = r.after(time - 1) }
