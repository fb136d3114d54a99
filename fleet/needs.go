package fleet

import (
	"math"
	"time"

	"capmon/capacity"
)

// Needs is what NEED was, as far as this viewer has watched it: in the buckets
// of the chart, the highest of each; NaN where nobody looked.
type Needs struct {
	Need []float64 // as it was shown: steadied
	Raw  []float64 // for the load of the moment, spare included
	Have []float64 // servers that were up
}

// needed is what a pool needed in ten seconds.
type needed struct {
	slot            int64
	need, raw, have float32
}

// needsKept is a day of them, and up to two are kept: 400 kB a pool at most.
const needsKept = 24 * 3600 / pointStep

// note keeps the highest of each ten seconds.
func (g *group) note(p *Pool, at time.Time) {
	v := needed{at.Unix() / pointStep, known32(p.Need), known32(p.NeedNow), float32(p.Up)}
	n := len(g.needs)
	switch {
	case n > 0 && v.slot < g.needs[n-1].slot: // the clock went back
		return
	case n > 0 && v.slot == g.needs[n-1].slot:
		was := &g.needs[n-1]
		was.need, was.raw, was.have = larger32(was.need, v.need), larger32(was.raw, v.raw), v.have
		return
	case n >= 2*needsKept:
		g.needs = append(g.needs[:0], g.needs[n-needsKept:]...)
	}
	g.needs = append(g.needs, v)
}

func known32(n capacity.Num) float32 {
	if !n.OK {
		return float32(math.NaN())
	}
	return float32(n.V)
}

// larger32 is the one that is a number, else the larger.
func larger32(a, b float32) float32 {
	if a >= b || b != b {
		return a
	}
	return b
}

// needsOver are those of a grid.
func (g *group) needsOver(w grid) Needs {
	if len(g.needs) == 0 || w.n == 0 {
		return Needs{}
	}
	out := Needs{Need: gaps(w.n), Raw: gaps(w.n), Have: gaps(w.n)}
	put := func(to []float64, i int64, v float32) {
		if x := float64(v); i >= 0 && i < int64(len(to)) && !(to[i] >= x) {
			to[i] = x
		}
	}
	step := int64(pointStep) * int64(time.Second)
	for _, v := range g.needs {
		from, to := floorDiv(v.slot*step, w.step)-w.first, floorDiv(min((v.slot+1)*step, w.until)-1, w.step)-w.first
		for i := max(from, 0); i <= min(to, int64(w.n)-1); i++ {
			put(out.Need, i, v.need)
			put(out.Raw, i, v.raw)
			put(out.Have, i, v.have)
		}
	}
	return out
}

func gaps(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}
