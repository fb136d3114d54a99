package collectors

import (
	"math"

	"capmon/sample"
)

// rule watches the processes that are busy and says what is full.
type rule struct {
	watched map[procKey]*watch
}

func newRule() *rule { return &rule{watched: make(map[procKey]*watch)} }

// watch is what is known of one process: its newest seconds, oldest first.
type watch struct {
	seconds []second
	said    sample.Verdict
	fresh   bool // the newest second is of the interval just judged
}

// wants tells whether a process is to be looked into: it is busy, or was within
// the last five seconds.
func (r *rule) wants(key procKey, demand float64) bool {
	return demand >= watchDemand || r.watched[key] != nil
}

// judge takes one interval of every process that was looked into. It returns
// the findings by process; pending is true while a process is near one and has
// not been watched for long enough. A process that is not in procs is forgotten.
func (r *rule) judge(procs []heavyProc) (found map[procKey]*sample.Finding, pending bool) {
	for i := range procs {
		p := &procs[i]
		w := r.watched[p.key]
		if w == nil {
			w = new(watch)
			r.watched[p.key] = w
		}
		w.add(p)
	}
	for key, w := range r.watched {
		if !w.fresh || w.idle() {
			delete(r.watched, key)
			continue
		}
		w.fresh = false
		var waits bool
		w.said, waits = w.verdict()
		pending = pending || waits
		if w.said != sample.Verdict_VERDICT_UNSPECIFIED {
			if found == nil {
				found = make(map[procKey]*sample.Finding)
			}
			found[key] = w.finding(key.pid)
		}
	}
	return found, pending
}

// add keeps one second more, and no more of the old ones than are needed.
func (w *watch) add(p *heavyProc) {
	w.seconds = append(w.seconds, look(p))
	for len(w.seconds) > 1 && lasting(w.seconds[1:]) >= nearly*oneCoreSeconds {
		w.seconds = w.seconds[1:]
	}
	w.fresh = true
}

// idle tells whether nothing in the window is worth watching.
func (w *watch) idle() bool {
	for _, s := range w.window(windowSeconds) {
		if s.demand >= watchDemand {
			return false
		}
	}
	return true
}

// lasting is how long seconds are together.
func lasting(seconds []second) (sum float64) {
	for _, s := range seconds {
		sum += s.took
	}
	return sum
}

// nearly is how much of a window must be there: seconds that took a little less
// than one do not cost one more.
const nearly = 0.95

// window is the newest seconds, together about as long as asked where there are
// that many.
func (w *watch) window(seconds float64) []second {
	first := len(w.seconds)
	for first > 0 && lasting(w.seconds[first:]) < nearly*seconds {
		first--
	}
	return w.seconds[first:]
}

// longEnough tells whether a window has the length that was asked.
func longEnough(win []second, seconds float64) bool {
	return lasting(win) >= nearly*seconds
}

// verdict says what holds the process; pending means that it may be something
// when it has been watched for longer.
func (w *watch) verdict() (v sample.Verdict, pending bool) {
	win, long := w.window(windowSeconds), w.window(oneCoreSeconds)
	single, moved := singleShare(win)
	one := oneCoreShare(long)
	shares := []struct {
		verdict sample.Verdict
		share   float64
		enter   bool // beside the share
		whole   bool
	}{
		{sample.Verdict_VERDICT_PINNED, share(win, holdPinned), true, longEnough(win, windowSeconds)},
		{sample.Verdict_VERDICT_WORKERS_FULL, share(win, holdWorkers), true, longEnough(win, windowSeconds)},
		{sample.Verdict_VERDICT_ABOUT_ONE_CORE, one, spread(long), longEnough(long, oneCoreSeconds)},
		{sample.Verdict_VERDICT_SINGLE_THREAD, single, !moved, longEnough(win, windowSeconds)},
	}
	// The first that may begin takes over, but work that was seen to wander from
	// thread to thread does so even while it rests on one.
	for _, s := range shares {
		if s.share < enterShare || !s.enter {
			continue
		}
		if s.verdict == sample.Verdict_VERDICT_SINGLE_THREAD && w.said == sample.Verdict_VERDICT_ABOUT_ONE_CORE && one >= stayShare {
			break
		}
		if s.whole {
			return s.verdict, false
		}
		pending = true
	}
	for _, s := range shares {
		if s.verdict == w.said && s.share >= stayShare {
			return w.said, false
		}
	}
	return sample.Verdict_VERDICT_UNSPECIFIED, pending
}

// share is the part of a window's time that shows h.
func share(win []second, h hold) float64 {
	var sum float64
	for _, s := range win {
		if s.holds&h != 0 {
			sum += s.took
		}
	}
	return sum / max(lasting(win), math.SmallestNonzeroFloat64)
}

// singleShare is the largest part of a window's time in which one and the same
// thread was full alone; moved tells whether it was another at times.
func singleShare(win []second) (most float64, moved bool) {
	by := make(map[int]float64)
	for _, s := range win {
		if s.holds&holdSingle != 0 {
			by[s.top.tid] += s.took
			most = max(most, by[s.top.tid])
		}
	}
	return most / max(lasting(win), math.SmallestNonzeroFloat64), len(by) > 1
}

// spread tells whether the work of a process is on no thread of its own: none
// of them, in the seconds it was the busiest, did most of the work of the window.
func spread(win []second) bool {
	by := make(map[int]float64)
	var most, all float64
	for _, s := range win {
		by[s.top.tid] += s.top.demand() * s.took
		most = max(most, by[s.top.tid])
		all += s.demand * s.took
	}
	return most <= spreadShare*all
}

// oneCoreShare is the part of a window's time in which a process had the demand
// of one core, near the mean of the window, and one runnable thread.
func oneCoreShare(win []second) float64 {
	total := lasting(win)
	if total == 0 {
		return 0
	}
	var mean, sum float64
	n := 0.0
	for _, s := range win {
		if s.holds&holdOneCore != 0 {
			mean, n = mean+s.demand*s.took, n+s.took
		}
	}
	mean /= max(n, math.SmallestNonzeroFloat64)
	for _, s := range win {
		if s.holds&holdOneCore != 0 && s.one && math.Abs(s.demand-mean) <= oneCoreSwing {
			sum += s.took
		}
	}
	return sum / total
}

// finding is the evidence for what was said: means of the last five seconds.
func (w *watch) finding(pid int) *sample.Finding {
	win := w.window(windowSeconds)
	total := lasting(win)
	mean := func(of func(*second) float64) uint32 {
		var sum float64
		for i := range win {
			sum += of(&win[i]) * win[i].took
		}
		return thousandths(sum / total)
	}
	last := newest(win, holdOf[w.said])
	f := &sample.Finding{
		Verdict: w.said, Pid: uint32(pid), Tid: uint32(last.top.tid), Name: last.top.name,
		Idle:    mean(func(s *second) float64 { return s.room.own }),
		Allowed: uint32(last.room.allowed),
		Demand:  mean(func(s *second) float64 { return s.top.demand() }),
		Wait:    mean(func(s *second) float64 { return s.top.wait }),
	}
	switch w.said {
	case sample.Verdict_VERDICT_ABOUT_ONE_CORE:
		f.Demand = mean(func(s *second) float64 { return s.demand })
		f.Wait = mean(func(s *second) float64 { return s.wait })
	case sample.Verdict_VERDICT_WORKERS_FULL:
		f.Demand = mean(func(s *second) float64 { return s.least })
		f.Workers = uint32(last.workers)
	case sample.Verdict_VERDICT_PINNED:
		f.Idle = mean(func(s *second) float64 { return s.room.idle })
		if last.room.topCores < last.room.allowed {
			f.Allowed = uint32(last.room.topCores)
		}
	}
	return f
}

// holdOf is what a second shows that speaks for a verdict.
var holdOf = map[sample.Verdict]hold{
	sample.Verdict_VERDICT_SINGLE_THREAD:  holdSingle,
	sample.Verdict_VERDICT_WORKERS_FULL:   holdWorkers,
	sample.Verdict_VERDICT_ABOUT_ONE_CORE: holdOneCore,
	sample.Verdict_VERDICT_PINNED:         holdPinned,
}

// newest is the last second of a window that shows h, else the last.
func newest(win []second, h hold) *second {
	for i := len(win) - 1; i >= 0; i-- {
		if win[i].holds&h != 0 {
			return &win[i]
		}
	}
	return &win[len(win)-1]
}

// thousandths turns cores into the unit of the messages.
func thousandths(cores float64) uint32 {
	if !(cores > 0) {
		return 0
	}
	return uint32(min(cores*1000+0.5, 1000*sample.MaxCoresUsed))
}
