package fleet

import (
	"math"
	"slices"
	"time"

	"capmon/capacity"
	"capmon/sample"
)

// lastLabel is the latest label taken, in Unix milliseconds, as in sample.Check.
const lastLabel = 1 << 43

// Bounds of what is kept of one host beside its history.
const (
	maxRuns   = 8  // epochs told apart
	maxRecent = 10 // samples that services are judged by: the last ten seconds at most
	maxDelays = 10 // live samples that the clock is judged by
)

// host is one entry of the list over time. The fleet's lock guards it.
type host struct {
	name, addr string
	joined     time.Time
	assigned   string // pool; empty: none
	group      *group // as of the last snapshot
	place      int    // in the list, as of the last snapshot
	machine    *sample.Machine
	interval   time.Duration // as the machine says; 0 before

	refused    bool
	reason, do string
	dropped    uint64
	restarts   int

	runs    []run // the latest is last; it is the present one
	started uint32
	newest  *sample.Sample // of the present run; nil before its first
	seen    time.Time      // when a newest sample last arrived; zero: never
	heard   heard
	delays  []time.Duration // receive time - label of live samples, newest last
	ahead   capacity.Num    // seconds that its clock is ahead of the viewer's, by the delays

	rows   rows
	points points
	fading gathering

	words      wording
	taught     *taught
	learned    []Learned // of the newest point, for learnedFor; nil: to be told anew
	learnedFor Policy
	scaled     []*scaled
	scalings   []Scaling // of them, as last told

	detail   *detail // nil: none has come
	detailAt time.Time
}

// run is one life of an agent.
type run struct {
	epoch  uint64
	number uint32 // 1 for the first
}

// run finds the number of an epoch, and whether it is the present one. An epoch
// that was never seen becomes the present one; an older one only when the
// machine announced it.
func (h *host) run(epoch uint64, announced bool) (number uint32, present bool) {
	last := len(h.runs) - 1
	if last >= 0 && h.runs[last].epoch == epoch {
		return h.runs[last].number, true
	}
	i := slices.IndexFunc(h.runs, func(r run) bool { return r.epoch == epoch })
	if i >= 0 && !announced {
		return h.runs[i].number, false
	}
	var r run
	if i >= 0 {
		r = h.runs[i]
		h.runs = slices.Delete(h.runs, i, i+1)
	} else {
		h.started++
		r = run{epoch, h.started}
		h.restarts = int(h.started) - 1
	}
	if len(h.runs) >= maxRuns {
		h.runs = slices.Delete(h.runs, 0, 1)
	}
	h.runs = append(h.runs, r)
	h.newest, h.heard, h.delays, h.ahead, h.detail = nil, heard{}, nil, capacity.Num{}, nil
	h.taught.restart()
	return r.number, true
}

// samples takes a batch, and tells from when on (viewer's milliseconds) the
// history changed.
func (h *host) samples(epoch uint64, batch []*sample.Sample, now time.Time) (from int64, changed bool) {
	number, present := h.run(epoch, false)
	before, shift := h.newest.GetSeq(), h.shift()
	from = math.MaxInt64
	for _, s := range batch {
		if s.GetSeq() == 0 || s.GetTimeMs() < 0 || s.GetTimeMs() > lastLabel {
			continue
		}
		v := newRow(s, number)
		evicted, pushed, added := h.rows.add(v, s.GetCpu().GetBusy())
		if pushed {
			h.fade(evicted)
		}
		if added {
			from, changed = min(from, v.ms-int64(h.cover(&v))), true
		}
		if added {
			h.scales(s)
		}
		if present {
			h.remember(s)
		}
	}
	if present && h.newest.GetSeq() > before {
		h.fresh(now)
	}
	if h.shift() != shift {
		return math.MinInt64, true
	}
	return from - h.shift(), changed
}

// remember takes what only the last samples of a run tell.
func (h *host) remember(s *sample.Sample) {
	if s.GetSeq() > h.newest.GetSeq() {
		h.newest = s
	}
	h.heard.remember(s, h.newest)
}

// fresh notes that the newest sample has just arrived.
func (h *host) fresh(now time.Time) {
	h.seen = now
	h.refused, h.reason, h.do = false, "", ""
	h.delays = append(h.delays, now.Sub(time.UnixMilli(h.newest.GetTimeMs())))
	if len(h.delays) > maxDelays {
		h.delays = slices.Delete(h.delays, 0, 1)
	}
	h.ahead = h.skew()
}

// skew is how far the clock of the host is ahead of the viewer's, in seconds:
// the smallest of the recent delays, since a delay only adds. One sample alone
// may be as old as the interval before it was sent, and tells nothing unless it
// is from the future or older than that.
func (h *host) skew() capacity.Num {
	if len(h.delays) == 0 {
		return capacity.Num{}
	}
	least := slices.Min(h.delays)
	if len(h.delays) == 1 && least >= 0 && least <= h.every()+2*time.Second {
		return capacity.Num{}
	}
	return capacity.Known(0 - least.Seconds()) // not -0
}

// shift is what is taken off the labels of the host to have viewer's time, in
// milliseconds: whole seconds, and nothing while the clocks agree within one.
func (h *host) shift() int64 {
	s := h.ahead.Or(0)
	if math.Abs(s) <= 1 {
		return 0
	}
	return int64(math.Round(s)) * 1000
}

// every is the sampling interval.
func (h *host) every() time.Duration {
	if h.interval == 0 {
		return time.Second
	}
	return min(max(h.interval, time.Second), time.Minute)
}

// cover is how many milliseconds before its label a row speaks for.
func (h *host) cover(v *row) uint32 { return h.covered(v.interval) }

// covered bounds an interval a sample claims, in milliseconds; 0 claims none.
func (h *host) covered(interval uint32) uint32 {
	every := uint32(h.every() / time.Millisecond)
	if interval == 0 {
		return every
	}
	return min(interval, 10*every)
}

// decode is a core's share, NaN when unknown.
func decode(b byte) float64 {
	share, ok := sample.DecodeBusy(b)
	if !ok {
		return math.NaN()
	}
	return share
}
