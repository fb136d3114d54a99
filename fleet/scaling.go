package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"capmon/capacity"
	"capmon/sample"
)

// Scaling is how the throughput of a service follows the number of its workers,
// from the seconds in which all of them were full: what the agent finds when
// work is there and cores are idle. A machine without an idle core tells nothing
// of its workers, and is not in it.
type Scaling struct {
	Port    int
	Service string
	Seen    []WorkersSeen     // by workers, rising
	Law     *capacity.Scaling // nil: Lacks says what it lacks
	Lacks   string
	Advice  []string // what to do with the workers of this machine, in order
}

// WorkersSeen is what a number of workers got done when all of them were full.
type WorkersSeen struct {
	Workers int
	RPS     float64 // median, responses a second
	Seconds int     // that it stands on, of the newest
	At      time.Time
}

const (
	scalingSeconds = 60             // newest, of each number of workers
	scalingEnough  = 10             // seconds before a number of workers counts
	scalingCounts  = 16             // numbers of workers that are kept
	scalingFor     = 24 * time.Hour // none older
	oneWorkerShare = 0.85           // of what a service runs is in its one hot thread
)

// scaled is what one service was seen to do with its workers full.
type scaled struct {
	port int
	name string
	by   []atWorkers // by workers, rising

	fresh int // seconds since told
	told  *Scaling
	since time.Time // of told: the change before which nothing counts
}

// atWorkers are the newest seconds with so many full workers.
type atWorkers struct {
	workers int
	seconds []fullSecond // by time, rising
}

// fullSecond is a second in which all workers were full.
type fullSecond struct {
	ms  int64 // its label
	rps float32
}

func (a *atWorkers) newest() int64 { return a.seconds[len(a.seconds)-1].ms }

func (c *scaled) newest() int64 {
	newest := c.by[0].newest()
	for i := range c.by {
		newest = max(newest, c.by[i].newest())
	}
	return newest
}

// full is how many workers of a service are full, which are all it has; 0 where
// that can't be said.
func full(s *sample.Service) int {
	switch f := s.GetFinding(); f.GetVerdict() {
	case sample.Verdict_VERDICT_WORKERS_FULL:
		return int(f.GetWorkers())
	case sample.Verdict_VERDICT_SINGLE_THREAD:
		// Workers beside it that also work would be in the throughput.
		if s.RunUs != nil && s.TopUs != nil && float64(s.GetTopUs()) >= oneWorkerShare*float64(s.GetRunUs()) {
			return 1
		}
	}
	return 0
}

// scales notes what a new second shows of full workers. Seconds come in any
// order: a viewer that begins has the newest first.
func (h *host) scales(s *sample.Sample) {
	for _, v := range s.GetServices() {
		n := full(v)
		if n < 1 || v.Rps == nil || !(v.GetRps() > 0) {
			continue
		}
		i := slices.IndexFunc(h.scaled, func(c *scaled) bool { return c.port == int(v.GetPort()) && c.name == v.GetName() })
		if i < 0 {
			if len(h.scaled) == maxTaught {
				old := slices.MinFunc(h.scaled, func(a, b *scaled) int { return cmp.Compare(a.newest(), b.newest()) })
				h.scaled = slices.DeleteFunc(h.scaled, func(c *scaled) bool { return c == old })
			}
			i = len(h.scaled)
			h.scaled = append(h.scaled, &scaled{port: int(v.GetPort()), name: v.GetName()})
		}
		h.scaled[i].add(n, fullSecond{s.GetTimeMs(), v.GetRps()})
	}
}

func (c *scaled) add(workers int, s fullSecond) {
	c.fresh++
	byWorkers := func(a atWorkers, n int) int { return cmp.Compare(a.workers, n) }
	i, found := slices.BinarySearchFunc(c.by, workers, byWorkers)
	if !found {
		if len(c.by) == scalingCounts {
			old := slices.MinFunc(c.by, func(a, b atWorkers) int { return cmp.Compare(a.newest(), b.newest()) })
			c.by = slices.DeleteFunc(c.by, func(a atWorkers) bool { return a.workers == old.workers })
			i, _ = slices.BinarySearchFunc(c.by, workers, byWorkers)
		}
		c.by = slices.Insert(c.by, i, atWorkers{workers: workers})
	}
	a := &c.by[i]
	k, _ := slices.BinarySearchFunc(a.seconds, s.ms, func(f fullSecond, ms int64) int { return cmp.Compare(f.ms, ms) })
	if a.seconds = slices.Insert(a.seconds, k, s); len(a.seconds) > scalingSeconds {
		a.seconds = slices.Delete(a.seconds, 0, 1)
	}
}

// scaling is what is known of how the host's services scale. A law is fitted
// anew after as many seconds as make a number of workers count: fitting costs
// more than all else a host needs in a second.
func (h *host) scaling(v *Host) []Scaling {
	again := len(h.scalings) != len(h.scaled)
	for _, c := range h.scaled {
		if since := h.taught.changed(c.port); c.told == nil || c.fresh >= scalingEnough || !since.Equal(c.since) {
			told := c.tell(v, since)
			c.told, c.since, c.fresh, again = &told, since, 0, true
		}
	}
	if again {
		h.scalings = make([]Scaling, 0, len(h.scaled))
		for _, c := range h.scaled {
			h.scalings = append(h.scalings, *c.told)
		}
	}
	return h.scalings
}

// changed is when a request to a service last began to cost other CPU time;
// zero: never seen. Of the busiest thread nothing is asked: with a second worker
// beside it a request costs it half, and that is no other request.
func (t *taught) changed(port int) time.Time {
	if t == nil {
		return time.Time{}
	}
	for _, l := range t.services {
		if l.port == port {
			return l.run.Basis().Change.At
		}
	}
	return time.Time{}
}

// tell fits the law to what was seen since the last change of what a request
// costs, and within a day of the newest.
func (c *scaled) tell(v *Host, since time.Time) Scaling {
	s := Scaling{Port: c.port, Service: c.name}
	from := c.newest() - scalingFor.Milliseconds()
	if !since.IsZero() {
		from = max(from, since.UnixMilli())
	}
	var workers, throughput []float64
	var rps []float32
	for i := range c.by {
		a := &c.by[i]
		rps = rps[:0]
		for _, f := range a.seconds {
			if f.ms >= from {
				rps = append(rps, f.rps)
			}
		}
		if len(rps) < scalingEnough {
			continue
		}
		slices.Sort(rps)
		mid := float64(rps[(len(rps)-1)/2])
		s.Seen = append(s.Seen, WorkersSeen{Workers: a.workers, RPS: mid, Seconds: len(rps), At: time.UnixMilli(a.newest()).UTC()})
		workers, throughput = append(workers, float64(a.workers)), append(throughput, mid)
	}
	if len(workers) < 3 {
		s.Lacks = "no number of workers was seen full for " + capacity.Span(scalingEnough)
		if len(workers) > 0 {
			s.Lacks = "seen full with " + strings.Join(counts(s.Seen), " and ") + ": the law of scaling wants three numbers of workers"
		}
		return s
	}
	law, err := capacity.FitScalability(workers, throughput)
	if err != nil {
		s.Lacks = err.Error()
		return s
	}
	s.Law = &law
	at := slices.MaxFunc(s.Seen, func(a, b WorkersSeen) int { return a.At.Compare(b.At) })
	s.Advice = law.Advise(float64(at.Workers), v.Available)
	return s
}

func counts(seen []WorkersSeen) []string {
	var out []string
	for _, s := range seen {
		if s.Workers == 1 {
			out = append(out, "1 worker")
			continue
		}
		out = append(out, fmt.Sprintf("%d workers", s.Workers))
	}
	return out
}

// Say is the scaling in a few words: what was seen, then the law with its two
// costs and the best number of workers, or what it lacks.
func (s *Scaling) Say() string {
	var seen []string
	for _, w := range s.Seen {
		seen = append(seen, fmt.Sprintf("%d: %s/s", w.Workers, capacity.Amount(w.RPS)))
	}
	who := (&Service{Port: s.Port, Name: s.Service}).who()
	if s.Law == nil {
		return who + " workers: " + s.Lacks
	}
	text := fmt.Sprintf("%s by full workers %s; contention %s%%, coherency %s%%", who, strings.Join(seen, ", "),
		capacity.Decimal(100*s.Law.Alpha, 1), capacity.Decimal(100*s.Law.Beta, 2))
	if best := s.Law.Best(); best > 0 {
		text += fmt.Sprintf(", best %d workers", best)
	}
	if s.Law.Few != "" {
		text += " (" + s.Law.Few + ")"
	}
	return text
}
