package collectors

import "sync"

// idleCore is what one core had left over an interval, as a share of it. What
// waited for a disk counts as idle, what the hypervisor took does not.
type idleCore struct {
	id    int
	idle  float64
	known bool
	mine  bool // this machine or container may use it
}

// idleCores carries what the cpu collector read to the one that looks for full
// threads.
type idleCores struct {
	mu   sync.Mutex
	list []idleCore
}

// publish replaces the list; mine tells which cores may be used at all.
func (s *idleCores) publish(use []coreUse, mine func(id int) bool) {
	const partSteal = 4
	list := make([]idleCore, len(use))
	for i, u := range use {
		list[i] = idleCore{id: u.id, idle: max(0, 1-u.busy-u.parts[partSteal]), known: u.known, mine: mine(u.id)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = list
}

// get returns the last list, which nobody changes.
func (s *idleCores) get() []idleCore {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list
}

// anyFree tells whether enough is idle for more workers to be of use to anybody.
func anyFree(cores []idleCore) bool {
	_, idle, ok := idleOf(cores, func(idleCore) bool { return true })
	return !ok || idle >= freeCores
}

// idleOf adds up the cores that in takes; ok is false while one of them is
// unknown or there is none.
func idleOf(cores []idleCore, in func(c idleCore) bool) (n int, idle float64, ok bool) {
	for _, c := range cores {
		if !in(c) {
			continue
		}
		if !c.known {
			return 0, 0, false
		}
		n, idle = n+1, idle+c.idle
	}
	return n, idle, n > 0
}
