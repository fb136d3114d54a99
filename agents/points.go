package agents

import (
	"math"
	"sort"
	"time"

	"capmon/sample"
)

// point is a sample.Point as it is kept: without pointers, and small.
type point struct {
	tens    uint32 // time / 10 s
	rps     float32
	served  float32
	shorts  [pointShorts]short
	samples uint16
	known   uint16 // bit i: value i is known
}

// The values of a point: first those that are kept short, in the order of
// sample.Point.
const (
	pointCPU = iota
	pointAvailable
	pointHottest
	pointMemory
	pointSteal
	pointThrottled
	pointShorts
	pointRPS = iota - 1
	pointServed
	pointValues
)

// pointServices is what a point knows of services, kept beside it: most
// machines that count requests have one or two, and many have none.
type pointServices struct {
	rps   [sample.MaxPointServices]float32
	ports [sample.MaxPointServices]uint16 // 0 = no service
	run   [sample.MaxPointServices]short
	top   [sample.MaxPointServices]short
}

// The sizes of a point and of its services, in bytes.
const (
	pointSize         = 28
	pointServicesSize = 32
)

// short is a number from 0 to 1e19, within a thousandth of it: a float32 without
// its sign and the end of its fraction. What is smaller than 2e-19 is 0.
type short uint16

// noShort is not known.
const noShort short = math.MaxUint16

const (
	shortLeast = 64 << 23 // the bits of the smallest
	shortDrops = 14       // bits of the fraction
)

func shorten(v float64) short {
	bits := math.Float32bits(float32(v))
	if !(v > 0) || bits < shortLeast {
		return 0
	}
	return short(min((bits-shortLeast+1<<(shortDrops-1))>>shortDrops, uint32(noShort)-1))
}

func (s short) value() float32 {
	if s == 0 {
		return 0
	}
	return math.Float32frombits(uint32(s)<<shortDrops + shortLeast)
}

// pointTime is the beginning of the ten seconds that a sample of timeMs falls
// into, in Unix seconds.
func pointTime(timeMs int64) int64 {
	const ms = int64(PointTime / time.Millisecond)
	return timeMs / ms * (ms / 1000)
}

// time is in Unix seconds.
func (p *point) time() int64 { return int64(p.tens) * int64(PointTime/time.Second) }

// pointMessage is a sample.Point with all that hangs on it, to be used again.
type pointMessage struct {
	sample.Point
	values   [pointValues]float32
	services [sample.MaxPointServices]serviceMessage
	list     [sample.MaxPointServices]*sample.ServicePoint
}

type serviceMessage struct {
	sample.ServicePoint
	rps, run, top float32
}

// set makes m the message of p and its services.
func (m *pointMessage) set(p *point, of *pointServices) {
	m.Time, m.Samples = p.time(), uint32(p.samples)
	for i, s := range p.shorts {
		m.values[i] = s.value()
	}
	m.values[pointRPS], m.values[pointServed] = p.rps, p.served
	for i, to := range [pointValues]**float32{
		pointCPU: &m.Cpu, pointAvailable: &m.Available, pointHottest: &m.Hottest, pointMemory: &m.Memory,
		pointSteal: &m.Steal, pointThrottled: &m.Throttled, pointRPS: &m.Rps, pointServed: &m.Served,
	} {
		*to = nil
		if p.known&(1<<i) != 0 {
			*to = &m.values[i]
		}
	}
	m.Services = m.list[:0]
	for i, port := range of.ports {
		if port == 0 {
			break
		}
		v := &m.services[i]
		v.Port, v.rps, v.Rps, v.Run, v.Top = uint32(port), of.rps[i], &v.rps, nil, nil
		if s := of.run[i]; s != noShort {
			v.run, v.Run = s.value(), &v.run
		}
		if s := of.top[i]; s != noShort {
			v.top, v.Top = s.value(), &v.top
		}
		m.Services = append(m.Services, &v.ServicePoint)
	}
}

// pointRing keeps the points of a day. A point has a place, counted from 0 as
// long as the agent runs; first..next-1 are kept, in order of time.
type pointRing struct {
	list        []point         // grows up to a day, then is used again
	services    []pointServices // of the same places; empty until a point has one
	first, next uint64
}

const dayOfPoints = int(KeepPoints / PointTime)

func (r *pointRing) put(p point, of pointServices) {
	i := int(r.next % uint64(dayOfPoints))
	r.list = place(r.list, i, p)
	if of != (pointServices{}) || i < len(r.services) {
		for len(r.services) < i {
			r.services = place(r.services, len(r.services), pointServices{})
		}
		r.services = place(r.services, i, of)
	}
	r.next++
	r.first = max(r.first, r.next-min(r.next, uint64(dayOfPoints)))
}

// place sets entry i of a list that has it or ends before it. The list grows to
// a day of points and no further, which append alone could do.
func place[T any](list []T, i int, v T) []T {
	if i < len(list) {
		list[i] = v
		return list
	}
	if len(list) == cap(list) {
		grown := make([]T, len(list), min(max(360, 2*len(list)), dayOfPoints))
		copy(grown, list)
		list = grown
	}
	return append(list, v)
}

func (r *pointRing) at(place uint64) *point { return &r.list[place%uint64(dayOfPoints)] }

// servicesAt is good until the next put.
func (r *pointRing) servicesAt(place uint64) *pointServices {
	if i := place % uint64(dayOfPoints); i < uint64(len(r.services)) {
		return &r.services[i]
	}
	return new(pointServices)
}

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
