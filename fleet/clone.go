package fleet

import "slices"

// Clone is another fleet that knows what f knows; what one takes from then on
// the other does not see. What f found out about its pools by being looked at
// again and again is not in it: that is found out anew.
func (f *Fleet) Clone() *Fleet {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := New(Config{Policy: f.policy, Pools: f.named, Whole: f.wholly})
	c.left, c.edge = slices.Clone(f.left), f.edge
	for _, h := range f.hosts {
		h := h.clone()
		c.hosts = append(c.hosts, h)
		c.byName[h.name] = h
	}
	return c
}

// clone copies what is ever changed; messages, and points but for those that
// are still written to, are shared.
func (h *host) clone() *host {
	c := *h
	c.runs, c.heard, c.delays = slices.Clone(h.runs), h.heard.clone(), slices.Clone(h.delays)
	c.rows.buf, c.rows.cores = slices.Clone(h.rows.buf), h.rows.cores.share()
	h.points.shared, c.points.shared = allShared, allShared
	c.taught = h.taught.clone()
	c.learned, c.scalings, c.group = nil, nil, nil
	c.scaled = make([]*scaled, len(h.scaled))
	for i, s := range h.scaled {
		c.scaled[i] = s.clone()
	}
	return &c
}

func (t *taught) clone() *taught {
	if t == nil {
		return nil
	}
	c := *t
	c.cpu, c.memory = t.cpu.Clone(), t.memory.Clone()
	c.services = make([]*lesson, len(t.services))
	for i, l := range t.services {
		c.services[i] = &lesson{port: l.port, at: l.at, thread: l.thread.Clone(), run: l.run.Clone()}
	}
	return &c
}

func (s *scaled) clone() *scaled {
	c := *s
	c.by = slices.Clone(s.by)
	for i := range c.by {
		c.by[i].seconds = slices.Clone(c.by[i].seconds)
	}
	return &c
}

// Hosts is how many hosts there are.
func (f *Fleet) Hosts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.hosts)
}
