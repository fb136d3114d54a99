package collectors

import "time"

// newScopeThreads reads the processes and threads of a scope from /proc, never
// those of the whole machine by the kernel's iterator.
func newScopeThreads(c Config, found *listeners, idle *idleCores, members *scopeMembers) *threads {
	source := newClockSource(c, idle)
	source.noted = true
	source.scope = members
	return &threads{source: source, found: found, rule: newRule(), work: newServiceWork()}
}

// listScope takes the processes of the scope.
func (s *clockSource) listScope(now time.Time) {
	pids, turn, _ := s.scope.get(now) // why there are none is said by who reads their use
	if turn == s.scopeTurn && s.order != nil {
		return
	}
	s.scopeTurn, s.listed = turn, now
	s.relist(func(visit func(pid int)) {
		for _, pid := range pids {
			visit(pid)
		}
	})
}
