package fleet

import (
	"math"
	"time"

	"capmon/sample"
)

// A day of ten-second points, in chunks of an hour that are made when needed.
const (
	pointStep  = 10 // seconds
	chunkSize  = 360
	chunkCount = 24
	maxPoints  = chunkSize * chunkCount
	allShared  = 1<<chunkCount - 1
)

// point is the mean of ten seconds; NaN = unknown.
type point struct {
	at                          uint32 // beginning, Unix seconds by the host's clock; 0: none
	cpu, available, rps, served float32
	samples                     uint16
	own                         bool // made here, from seconds that left the ring
}

// points holds a day, one slot for each ten seconds.
type points struct {
	chunks [chunkCount]*[chunkSize]point
	shared uint32 // bit of each chunk that another host holds too: to be copied before it is changed
	low    int64  // the earliest point ever kept, Unix seconds
}

// get is the point that begins at the multiple of ten seconds at, or nil.
func (p *points) get(at int64) *point {
	slot := (at / pointStep) % maxPoints
	if at <= 0 || at > math.MaxUint32 {
		return nil
	}
	c := p.chunks[slot/chunkSize]
	if c == nil || c[slot%chunkSize].at != uint32(at) {
		return nil
	}
	return &c[slot%chunkSize]
}

// put keeps v unless something better has its slot: a later day, the agent's
// own point, or one that stands on more samples.
func (p *points) put(v point) bool {
	slot := (int64(v.at) / pointStep) % maxPoints
	c := p.chunks[slot/chunkSize]
	if c == nil {
		c = new([chunkSize]point)
		p.chunks[slot/chunkSize] = c
	} else if bit := uint32(1) << (slot / chunkSize); p.shared&bit != 0 {
		own := *c
		c = &own
		p.chunks[slot/chunkSize] = c
		p.shared &^= bit
	}
	old := &c[slot%chunkSize]
	switch {
	case old.at > v.at,
		old.at == v.at && v.own && !old.own,
		old.at == v.at && v.own == old.own && old.samples >= v.samples:
		return false
	}
	*old = v
	if p.low == 0 || int64(v.at) < p.low {
		p.low = int64(v.at)
	}
	return true
}

// addPoints keeps what is of the last day, and tells from when on the history
// changed.
func (h *host) addPoints(list []*sample.Point, now time.Time) (from int64, changed bool) {
	low, high := now.Add(-24*time.Hour).Unix(), now.Add(time.Minute).Unix()
	shift := h.shift() / 1000
	from = math.MaxInt64
	for _, p := range list {
		at := p.GetTime()
		if p == nil || at%pointStep != 0 || at <= 0 || at > math.MaxUint32 || at-shift < low || at-shift > high {
			continue
		}
		v := point{
			at: uint32(at), samples: uint16(min(p.GetSamples(), math.MaxUint16)),
			cpu: number(p.GetCpu(), p.Cpu != nil), available: number(p.GetAvailable(), p.Available != nil && *p.Available > 0),
			rps: number(p.GetRps(), p.Rps != nil), served: number(p.GetServed(), p.Served != nil),
		}
		h.learn(p, v)
		if h.points.put(v) {
			from, changed = min(from, (at-shift)*1000), true
		}
	}
	return from, changed
}

// gathering makes a point out of seconds that leave the ring, for the hours
// that an agent does not send.
type gathering struct {
	at                          int64
	samples                     uint16
	cpu, available, rps, served mean
}

// fade takes a row that left the ring.
func (h *host) fade(v row) {
	at := v.ms / 1000 / pointStep * pointStep
	if at != h.fading.at {
		h.flush()
		h.fading = gathering{at: at}
	}
	g := &h.fading
	g.samples++
	g.cpu.add(float64(v.used)/float64(v.available), 1)
	g.available.add(float64(v.available), 1)
	g.rps.add(float64(v.rps), 1)
	if v.hasConns {
		g.served.add(float64(v.conns), 1)
	}
}

func (h *host) flush() {
	g := &h.fading
	if g.samples == 0 || g.at <= 0 || g.at > math.MaxUint32 {
		return
	}
	h.points.put(point{
		at: uint32(g.at), samples: g.samples, own: true, cpu: float32(g.cpu.value()), available: float32(g.available.value()),
		rps: float32(g.rps.value()), served: float32(g.served.value()),
	})
}

// mean is a weighted mean; NaN values don't enter.
type mean struct{ sum, weight float64 }

func (m *mean) add(v, weight float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		m.sum += v * weight
		m.weight += weight
	}
}

func (m *mean) value() float64 {
	if m.weight == 0 {
		return math.NaN()
	}
	return m.sum / m.weight
}

// hottest is the busiest core's share and its place; NaN when none is known.
func hottest(busy []byte) (share float64, place int) {
	best := -1
	for i, b := range busy {
		if b <= sample.Full && int(b) > best {
			best, place = int(b), i
		}
	}
	if best < 0 {
		return math.NaN(), 0
	}
	return float64(best) / sample.Full, place
}
