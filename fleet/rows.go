package fleet

import (
	"cmp"
	"math"

	"capmon/sample"
)

// maxRows is how many seconds of a host are kept: 15 minutes at one a second.
const maxRows = 900

// unknown16 marks a share that is not known.
const unknown16 = math.MaxUint16

// row is what is kept of one sample; how busy its cores were lies in the ring's
// cores. There are a million of them with a thousand hosts, so it has no pointer
// that the garbage collector would follow.
type row struct {
	seq               uint64
	ms                int64 // the host's own label
	memUsed, memTotal uint64
	available, used   float32 // cores; NaN = unknown
	rps               float32 // of all services that know; NaN = unknown
	conns             uint32
	interval          uint32 // milliseconds
	run               uint32 // which run of the agent, in the order seen
	steal, throttled  uint16 // 1/10000; unknown16
	slot, cores       uint16 // where its cores lie, and how many there are
	from              uint8  // sample.Bound
	hasConns          bool
	hasMemory         bool
}

// rows is a ring of at most maxRows rows, ordered by run and seq, that grows as
// it fills.
type rows struct {
	buf      []row
	head, n  int
	disorder int // rows to come until the times are known to be in order again
	cores    slots
}

// busy is how busy each core of a row was, as Cpu.busy: valid until the next
// row comes.
func (r *rows) busy(v *row) []byte { return r.cores.get(int(v.slot), int(v.cores)) }

// at is the i-th row, oldest first.
func (r *rows) at(i int) *row {
	i += r.head
	if i >= len(r.buf) {
		i -= len(r.buf)
	}
	return &r.buf[i]
}

// sorted says whether the labels rise from row to row, as they do unless the
// clock of the host was set back.
func (r *rows) sorted() bool { return r.disorder == 0 }

// find is where the row of (run, seq) is or would be.
func (r *rows) find(run uint32, seq uint64) (int, bool) {
	low, high := 0, r.n
	if high > 0 { // most are about the newest, or newer
		if v := r.at(high - 1); v.run < run || v.run == run && v.seq < seq {
			return high, false
		} else if v.run == run && v.seq == seq {
			return high - 1, true
		}
	}
	for low < high {
		mid := (low + high) / 2
		v := r.at(mid)
		if c := cmp.Or(cmp.Compare(v.run, run), cmp.Compare(v.seq, seq)); c == 0 {
			return mid, true
		} else if c < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, false
}

// add puts v in its place, with a copy of how busy its cores were, of as many as
// there can be. It reports whether it was new, and the row it pushed out. A row
// older than all of a full ring is no news.
func (r *rows) add(v row, busy []byte) (evicted row, pushed, added bool) {
	i, found := r.find(v.run, v.seq)
	if found || (i == 0 && r.n == maxRows) {
		return row{}, false, false
	}
	v.slot = uint16(r.n)
	if r.n == maxRows {
		evicted, pushed = *r.at(0), true
		v.slot = evicted.slot
		r.head = (r.head + 1) % len(r.buf)
		r.n--
		i--
	}
	if len(busy) <= sample.MaxCores {
		v.cores = uint16(len(busy))
		r.cores.put(int(v.slot), busy)
	}
	r.grow()
	r.n++
	for j := r.n - 1; j > i; j-- {
		*r.at(j) = *r.at(j - 1)
	}
	*r.at(i) = v
	r.order(i)
	return evicted, pushed, true
}

// grow makes place for one more row.
func (r *rows) grow() {
	if r.n < len(r.buf) {
		return
	}
	buf := make([]row, min(maxRows, max(16, 2*len(r.buf))))
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}

// order watches whether the labels still rise around the new row i.
func (r *rows) order(i int) {
	ms := r.at(i).ms
	switch {
	case (i > 0 && r.at(i-1).ms > ms) || (i+1 < r.n && r.at(i+1).ms < ms):
		r.disorder = maxRows
	case r.disorder > 0:
		r.disorder--
	}
}

// newRow takes from s what is kept. Numbers that can't be are unknown.
func newRow(s *sample.Sample, run uint32) row {
	cpu, mem := s.GetCpu(), s.GetMemory()
	v := row{
		seq: s.GetSeq(), ms: s.GetTimeMs(), run: run, interval: s.GetIntervalMs(),
		available: number(cpu.GetAvailable(), cpu != nil && cpu.Available != nil && *cpu.Available > 0),
		used:      number(cpu.GetUsed(), cpu != nil && cpu.Used != nil),
		rps:       rps(s.GetServices()), steal: unknown16, throttled: unknown16, from: uint8(cpu.GetAvailableFrom()),
	}
	if cpu != nil && cpu.Steal != nil {
		v.steal = uint16(min(*cpu.Steal, unknown16-1))
	}
	if cpu != nil && cpu.Throttled != nil {
		v.throttled = uint16(min(*cpu.Throttled, unknown16-1))
	}
	if c := s.GetConnections(); c != nil && c.Served != nil {
		v.conns, v.hasConns = *c.Served, true
	}
	if mem != nil && mem.Used != nil && mem.Total != nil {
		v.memUsed, v.memTotal, v.hasMemory = *mem.Used, *mem.Total, true
	}
	return v
}

// rps is what the services together answer a second, NaN when none knows.
func rps(services []*sample.Service) float32 {
	sum, known := sample.Requests(services)
	return number(float32(sum), known)
}

// number is v where it is known and can be, else NaN.
func number(v float32, known bool) float32 {
	if !known || !(v >= 0) || v > math.MaxFloat32 {
		return float32(math.NaN())
	}
	return v
}
