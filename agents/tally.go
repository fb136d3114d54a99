package agents

import (
	"cmp"
	"slices"
	"time"

	"capmon/sample"
)

// tally is a point in the making, a pure function of its samples.
type tally struct {
	time     int64
	samples  int
	sums     [pointValues]float64
	counts   [pointValues]int
	services []serviceTally // by port
}

// serviceTally is the same of one service. Requests and work that are compared
// must be of the same seconds: a mean of each over those that know it would
// make a pair that never was.
type serviceTally struct {
	port  uint16
	rps   mean
	pair  [2]mean // rps and run, of the samples that know both
	three [3]mean // rps, run and top, of those that know all three
}

type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) {
	m.sum += v
	m.n++
}

func (m *mean) value() float64 { return m.sum / float64(m.n) }

// add takes s, whose ten seconds begin at the time at.
func (t *tally) add(at int64, s *sample.Sample) {
	t.time = at
	t.samples++
	mean := func(i int, v float64) {
		t.sums[i] += v
		t.counts[i]++
	}
	c := s.GetCpu()
	if c.GetAvailable() > 0 {
		mean(pointAvailable, float64(c.GetAvailable()))
		if c.Used != nil {
			mean(pointCPU, float64(c.GetUsed())/float64(c.GetAvailable()))
		}
	}
	const whole = 10_000 // of the shares of a sample
	if c != nil && c.Steal != nil {
		mean(pointSteal, float64(c.GetSteal())/whole)
	}
	if c != nil && c.Throttled != nil {
		mean(pointThrottled, float64(c.GetThrottled())/whole)
	}
	for _, b := range c.GetBusy() {
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
	for _, v := range s.GetServices() {
		if v.Rps != nil {
			t.service(uint16(v.GetPort())).add(v)
		}
	}
}

// service is the tally of a port.
func (t *tally) service(port uint16) *serviceTally {
	i, ok := slices.BinarySearchFunc(t.services, port, func(v serviceTally, port uint16) int { return cmp.Compare(v.port, port) })
	if !ok {
		t.services = slices.Insert(t.services, i, serviceTally{port: port})
	}
	return &t.services[i]
}

// add takes one sample of a service that knows its requests.
func (t *serviceTally) add(v *sample.Service) {
	const core = 1e6 // microseconds a second
	rps, run, top := float64(v.GetRps()), float64(v.GetRunUs())/core, float64(v.GetTopUs())/core
	t.rps.add(rps)
	if v.RunUs == nil {
		return
	}
	t.pair[0].add(rps)
	t.pair[1].add(run)
	if v.TopUs != nil && v.GetOneThread() {
		t.three[0].add(rps)
		t.three[1].add(run)
		t.three[2].add(top)
	}
}

// means are those of the point. Where fewer than half of the samples with work
// know the thread, it is left out.
func (t *serviceTally) means() (rps float64, run, top short) {
	switch {
	case t.three[0].n > 0 && 2*t.three[0].n >= t.pair[0].n:
		return t.three[0].value(), shorten(t.three[1].value()), shorten(t.three[2].value())
	case t.pair[0].n > 0:
		return t.pair[0].value(), shorten(t.pair[1].value()), noShort
	}
	return t.rps.value(), noShort, noShort
}

// point ends the ten seconds.
func (t *tally) point() (p point, of pointServices) {
	p = point{tens: uint32(t.time / int64(PointTime/time.Second)), samples: uint16(min(t.samples, 1000))}
	for i, n := range t.counts {
		if n == 0 {
			continue
		}
		p.known |= 1 << i
		switch v := t.sums[i] / float64(n); i {
		case pointRPS:
			p.rps = float32(v)
		case pointServed:
			p.served = float32(v)
		default:
			p.shorts[i] = shorten(v)
		}
	}
	return p, t.busiest()
}

// busiest are the services with most requests, by port.
func (t *tally) busiest() (of pointServices) {
	list := t.services
	if len(list) > len(of.ports) {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b serviceTally) int { return cmp.Compare(b.rps.value(), a.rps.value()) })
		list = list[:len(of.ports)]
		slices.SortFunc(list, func(a, b serviceTally) int { return cmp.Compare(a.port, b.port) })
	}
	for i := range list {
		rps, run, top := list[i].means()
		of.ports[i], of.rps[i], of.run[i], of.top[i] = list[i].port, float32(rps), run, top
	}
	return of
}

// reset begins anew.
func (t *tally) reset() { *t = tally{services: t.services[:0]} }
