package users

import (
	"math"
	"slices"
	"sync"
	"time"

	"capmon/demo/waits"
)

// hearing is what the processes have said.
type hearing struct {
	up   chan struct{} // closed when the server says where it is
	once sync.Once

	mu       sync.Mutex
	says     serverSays
	crowds   []crowdSays
	warm     *moment // when things were warm; nil: not yet
	previous *moment // at the last look
}

// moment is what they had said by then.
type moment struct {
	processes []usage
	crowds    []crowdSays
}

func (h *hearing) server(v serverSays) {
	h.mu.Lock()
	h.says = v
	h.mu.Unlock()
	h.once.Do(func() { close(h.up) })
}

func (h *hearing) crowd(i int, v crowdSays) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.crowds[i] = v
}

func (h *hearing) addrs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.says.Addrs
}

// uses takes down which processes there are, and what each has used.
func (h *hearing) uses(s *Server) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.PIDs, s.CPU = nil, nil
	for _, p := range h.says.Processes {
		s.PIDs, s.CPU, s.At = append(s.PIDs, p.PID), append(s.CPU, p.CPU.Seconds()), p.At
	}
}

func (h *hearing) counts() (c Counts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.crowds {
		c.add(h.crowds[i].Counts)
	}
	return c
}

// settle waits until the users say that none of them waits any more.
func (h *hearing) settle() {
	for limit := time.Now().Add(patience + time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		h.mu.Lock()
		done := true
		for i := range h.crowds {
			done = done && h.crowds[i].Ended
		}
		h.mu.Unlock()
		if done {
			return
		}
	}
}

// look brings a server up to what was heard; once it is warm, what is seen
// counts.
func (h *hearing) look(s *Server, warm bool) {
	h.mu.Lock()
	now := &moment{processes: slices.Clone(h.says.Processes), crowds: slices.Clone(h.crowds)}
	h.mu.Unlock()
	s.Counts = Counts{}
	for i := range now.crowds {
		if now.crowds[i].Used.At.IsZero() {
			return // not there yet
		}
		s.Counts.add(now.crowds[i].Counts)
	}
	if h.previous != nil {
		last := Second{Cores: now.cores(h.previous, nil), RPS: now.rate(h.previous, served)}
		if s.Last = append(s.Last, last); len(s.Last) > 60 {
			s.Last = slices.Delete(s.Last, 0, len(s.Last)-60)
		}
	}
	h.previous = now
	switch {
	case h.warm != nil:
		h.judge(s, now)
	case warm:
		h.warm = now
	}
}

// judge takes down what was seen since it was warm.
func (h *hearing) judge(s *Server, now *moment) {
	s.AskedPerSecond = now.rate(h.warm, func(c Counts) int { return c.Asked })
	s.ServedPerSecond = now.rate(h.warm, served)
	s.ProcessCores = nil
	s.CoresUsed = now.cores(h.warm, &s.ProcessCores)
	users := 0.0
	var took waits.Waits
	for i := range now.crowds {
		users += coresBetween(h.warm.crowds[i].Used, now.crowds[i].Used)
		part := now.crowds[i].Waits.Since(&h.warm.crowds[i].Waits)
		took.Join(&part)
	}
	s.UsersCores = finite(users)
	s.P50, s.P99 = took.Quantile(0.50), took.Quantile(0.99)
}

func served(c Counts) int { return c.Served }

// rate is how many of the users' requests there were a second since before; nil
// where no time has passed.
func (m *moment) rate(before *moment, of func(Counts) int) *float64 {
	sum := 0.0
	for i := range m.crowds {
		a, b := &before.crowds[i], &m.crowds[i]
		sum += float64(of(b.Counts)-of(a.Counts)) / b.Used.At.Sub(a.Used.At).Seconds()
	}
	return finite(sum)
}

// cores are those that the server's processes used since before, and each of
// them where asked for.
func (m *moment) cores(before *moment, each *[]float64) *float64 {
	if len(m.processes) != len(before.processes) {
		return nil
	}
	sum := 0.0
	for i := range m.processes {
		used := coresBetween(before.processes[i], m.processes[i])
		sum += used
		if each != nil && finite(used) != nil {
			*each = append(*each, used)
		}
	}
	return finite(sum)
}

// coresBetween is NaN where no time has passed.
func coresBetween(a, b usage) float64 {
	took := b.At.Sub(a.At)
	if a.PID != b.PID || took <= 0 {
		return math.NaN()
	}
	return float64(b.CPU-a.CPU) / float64(took)
}

// finite is v where it is a number; nil: not known.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
