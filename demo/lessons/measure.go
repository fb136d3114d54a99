package lessons

import (
	"fmt"
	"slices"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

const (
	// settle is how long a run works before it is measured: the second of a
	// sample in which it began says less than it did.
	settle = 1100 * time.Millisecond
	// enough is how many samples tell what a run does.
	enough = 2
	// missedMuch is how many samples in a row without it are no accident.
	missedMuch = 4
	// busyThread is the demand, in cores, from which a thread counts as busy.
	busyThread = 0.1
)

// running is a step that runs, and what was measured of it.
type running struct {
	step    *Step
	at      place
	setting Setting
	run     Run // nil until it works
	began   time.Time

	base    *Reading // where work is counted from
	before  *Reading // at the sample before
	own     bool     // the run measures itself
	missed  int      // samples that said nothing of one of its processes
	work    capacity.Num
	seq     uint64
	samples int
	cores   map[int]string // see State.Where
	sum     float64        // cores, over the samples
	one     float64
	least   float64
	others  float64
	busy    int
	seen    int
	share   float64
	shared  int // samples in which the use of the host was known too

	on           map[int]int // the core that a thread was last seen on
	moved, looks int
}

func (n *running) processes() int { p, _ := n.step.Shape(n.setting); return p }
func (n *running) threads() int   { _, t := n.step.Shape(n.setting); return t }

// take adds a sample of the host, and reports whether there is more to say than
// before.
func (n *running) take(h *fleet.Host, r Reading, after time.Duration) bool {
	if h.Newest == nil || h.Newest.GetSeq() == n.seq {
		return false
	}
	n.seq = h.Newest.GetSeq()
	if n.own = r.Own; n.own {
		if r.Ready {
			n.samples = enough
		}
		return r.Ready
	}
	n.look(r.PIDs)
	if n.base == nil || !n.base.Work.OK { // a program may not have said anything yet
		n.base = &r
	}
	if after < settle {
		return false
	}
	before := n.before
	n.before = &r
	uses := n.uses(h, &r, before)
	if uses == nil {
		n.missed++
		return false
	}
	var sum float64
	for _, use := range uses {
		sum += use
	}
	one, least, seen := slices.Max(uses), slices.Min(uses), len(uses)
	n.samples++
	n.sum, n.one, n.least, n.seen = n.sum+sum, n.one+one, n.least+least, max(n.seen, seen)
	if h.CoresUsed.OK && h.Available.OK && h.Available.V > 0 {
		n.others += max(0, h.CoresUsed.V-sum)
		n.share += sum / h.Available.V
		n.shared++
	}
	if d := (r.Time - n.base.Time).Seconds(); r.Work.OK && n.base.Work.OK && d > 0 {
		n.work = capacity.Known((r.Work.V - n.base.Work.V) / d)
	}
	return true
}

// uses are the cores that each process of the run used in the last sample, as the
// agent says; by their own clocks where it doesn't name one of them, as it names
// only those that want most. Nil where neither tells.
func (n *running) uses(h *fleet.Host, now, before *Reading) []float64 {
	uses := make([]float64, len(now.PIDs))
	for i, pid := range now.PIDs {
		at := slices.IndexFunc(h.Processes, func(p fleet.Process) bool { return p.PID == pid })
		switch {
		case at >= 0:
			uses[i] = h.Processes[at].CoresUsed
			n.busy = max(n.busy, busyThreads(&h.Processes[at]))
		case before == nil || len(now.CPU) <= i || len(before.CPU) <= i || now.Time <= before.Time:
			return nil
		default:
			uses[i] = (now.CPU[i] - before.CPU[i]) / (now.Time - before.Time).Seconds()
		}
	}
	if len(uses) == 0 {
		return nil
	}
	return uses
}

// busyThreads is how many threads of a process did a good part of a core's work.
func busyThreads(p *fleet.Process) (n int) {
	for _, d := range p.Demands {
		if d >= busyThread {
			n++
		}
	}
	return n
}

// look notes on which cores the threads of the run are.
func (n *running) look(pids []int) {
	found := where(pids)
	if len(found) == 0 {
		return
	}
	if n.on == nil {
		n.on = map[int]int{}
	}
	clear(n.cores)
	n.looks++
	for _, t := range found {
		if was, ok := n.on[t.tid]; ok && was != t.core {
			n.moved++
		}
		n.on[t.tid] = t.core
		n.cores[t.core] = fmt.Sprintf("thread %d of process %d", t.number, t.pid)
	}
}

// mean is that of the samples in which the use of the host was known.
func (n *running) mean(sum float64) capacity.Num {
	if n.shared == 0 {
		return capacity.Num{}
	}
	return capacity.Known(sum / float64(n.shared))
}

// row is the line of the table.
func (n *running) row() Row {
	if n.own {
		return Row{Key: n.step.Key, Name: n.step.Name(n.setting), OK: true}
	}
	count := float64(n.samples)
	r := Row{
		Key: n.step.Key, Name: n.step.Name(n.setting), OK: true, Samples: n.samples, Busy: n.busy, Seen: n.seen,
		Cores: capacity.Known(n.sum / count), One: capacity.Known(n.one / count), Least: capacity.Known(n.least / count),
		Work: n.work, Share: n.mean(n.share),
	}
	r.Processes, r.Threads = n.step.Shape(n.setting)
	return r
}

// ratio is a / b, unknown where either is, or b is nothing.
func ratio(a, b capacity.Num) capacity.Num {
	if !a.OK || !b.OK || b.V <= 0 {
		return capacity.Num{}
	}
	return capacity.Known(a.V / b.V)
}
