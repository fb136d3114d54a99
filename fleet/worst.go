package fleet

// Worst is the pool whose verdict comes first: the most urgent, of several the
// first. Nil without a pool.
func (s *Snapshot) Worst() *Pool {
	if len(s.Pools) == 0 {
		return nil
	}
	at := 0
	for i := range s.Pools {
		if s.Pools[i].Verdict.Level.Urgency() > s.Pools[at].Verdict.Level.Urgency() {
			at = i
		}
	}
	return &s.Pools[at]
}

// Urgency orders levels: nothing known is worse than all well.
func (l Level) Urgency() int {
	return [...]int{Unknown: 1, OK: 0, Soon: 2, Act: 3}[min(l, Act)]
}
