package collectors

import (
	"cmp"
	"slices"
	"strings"
)

// The single-thread rule: what is full in a machine that is not. It is pure:
// what happened comes in as an argument, and so does how long it took.
// docs/THREADS.md says it in words and holds it against real programs.
//
// Demand is run time and run-queue wait together, in cores: a thread that could
// have used a whole core has a demand of 1, whether it got one or not.
const (
	hotDemand    = 0.90 // a thread that is full
	secondShare  = 0.60 // of the top thread's demand: less is no second worker
	freeCores    = 0.75 // idle, for more workers to be of use
	fullCores    = 0.25 // less than this idle: the cores it may use are full
	watchDemand  = 0.60 // a process below this is not looked into
	mostlyWaits  = 0.50 // of the demand of a thread
	partlyWaits  = 0.25
	oneCoreLeast = 0.95 // demand of a process that something keeps to one core
	oneCoreMost  = 1.10
	oneCoreWaits = 0.20 // of its demand at most: bursts wait, a lock does not
	spreadShare  = 0.75 // of the work at most is one thread's
	oneCoreSwing = 0.06 // its seconds are no farther than this from their mean

	windowSeconds  = 5.0
	oneCoreSeconds = 10.0 // of looking on before "about one core" is said
	// enterShare of a window must agree before a verdict is said (4 of 5 seconds,
	// with room for a second that took longer), stayShare before it is taken back.
	enterShare = 0.75
	stayShare  = 0.50
)

// procKey is one process; a number used again begins at another time.
type procKey struct {
	pid   int
	start uint64
}

// heavyProc is what one process did over an interval, in cores.
type heavyProc struct {
	key      procKey
	took     float64 // seconds
	run      float64
	wait     float64
	threads  []threadUse
	runnable int // threads on a core or waiting at the end of it; -1 = unknown
	room     procRoom
}

// threadUse is what one thread did over an interval, in cores.
type threadUse struct {
	tid   int
	start uint64
	name  string
	run   float64
	wait  float64
}

func (t threadUse) demand() float64 { return t.run + t.wait }

// procRoom is what a process could have had over an interval.
type procRoom struct {
	known     bool
	cores     int     // of this machine or container, and those it may run on
	idle      float64 // of all of them
	allowed   int     // of those it may run on
	own       float64 // idle of those, and within the quotas of its groups
	topCores  int     // that its busiest thread may run on
	topIdle   float64 // of those
	throttled bool    // a quota held it back
}

// hold is a kind of limit that a second shows.
type hold uint8

const (
	holdSingle hold = 1 << iota
	holdWorkers
	holdOneCore
	holdPinned
)

// second is what the rule keeps of one interval of one process.
type second struct {
	took    float64
	demand  float64
	wait    float64
	top     threadUse
	workers int     // hot threads
	least   float64 // demand of the worker with the least
	room    procRoom
	holds   hold
	one     bool // exactly one thread was runnable at its end
}

// look judges one interval.
func look(p *heavyProc) second {
	threads := slices.SortedFunc(slices.Values(p.threads), func(a, b threadUse) int {
		return cmp.Or(cmp.Compare(b.demand(), a.demand()), cmp.Compare(a.tid, b.tid))
	})
	s := second{took: p.took, demand: p.run + p.wait, wait: p.wait, room: p.room, one: p.runnable == 1}
	if len(threads) == 0 {
		return s
	}
	s.top = threads[0]
	top := s.top.demand()
	free := p.room.own >= freeCores
	switch {
	case !p.room.known || p.room.throttled:
		return s
	case s.pinned():
		s.holds = holdPinned
		return s
	case !free:
		return s
	}
	if top >= hotDemand && (len(threads) == 1 || threads[1].demand() < secondShare*top) {
		s.holds |= holdSingle
	}
	s.workers, s.least = hotWorkers(p.key.pid, threads)
	if s.workers >= 2 {
		s.holds |= holdWorkers
	}
	// A process that is kept to one core is never without a runnable thread and
	// never has two; one that happens to use one core's worth often does.
	if s.demand >= oneCoreLeast && s.demand <= oneCoreMost && s.wait <= oneCoreWaits*s.demand && p.runnable != -1 {
		s.holds |= holdOneCore
	}
	return s
}

// pinned tells whether the process, or its busiest thread, could have run where
// cores were idle and was not let.
func (s *second) pinned() bool {
	top, r := s.top.demand(), s.room
	if r.idle < freeCores {
		return false
	}
	hot := max(top, s.demand) >= hotDemand
	switch {
	case hot && r.allowed < r.cores && r.own < fullCores:
		return true
	case top >= hotDemand && r.topCores < r.cores && r.topIdle < fullCores && s.top.wait >= partlyWaits*top:
		return true
	}
	return top >= hotDemand && s.top.wait >= mostlyWaits*top
}

// hotWorkers counts the threads that work, if all of them are full; 0 where one
// is not. threads are sorted by demand. A thread that is called like a hot one
// and is not hot has room: then the pool is not full. The main thread of a
// process is called like those it made, and may well only wait for them.
func hotWorkers(pid int, threads []threadUse) (n int, least float64) {
	top := threads[0].demand()
	for _, t := range threads {
		if t.demand() < hotDemand {
			break
		}
		n, least = n+1, t.demand()
	}
	for _, t := range threads[n:] {
		if t.demand() >= secondShare*top {
			return 0, 0
		}
		if t.tid != pid && slices.ContainsFunc(threads[:n], func(h threadUse) bool { return alike(h.name, t.name) }) {
			return 0, 0
		}
	}
	return n, least
}

// alike tells whether two threads are of one pool by their names: worker-1 and
// worker-12.
func alike(a, b string) bool {
	const counted = "0123456789#-_:/. "
	return strings.TrimRight(a, counted) == strings.TrimRight(b, counted)
}
