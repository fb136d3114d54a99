package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"capmon/capacity"
	"capmon/sample"
)

const (
	maxTaught   = 6 // services of a host that are learned about
	leastPoint  = 8 // samples of a point: fewer are of a host that came or went
	clockBackBy = 2 * time.Minute
)

// taught is what a host's ten-second points taught. They come in the order of
// their time, from a run's first to its newest, so each goes straight into a
// learner; a clock that was set back begins it anew.
type taught struct {
	last     time.Time // of the newest point
	points   int       // of this run of the agent
	cpu      capacity.Learner
	memory   capacity.Learner
	services []*lesson // by port
}

// lesson is what is learned of one service.
type lesson struct {
	port   int
	at     time.Time // of its newest point
	thread capacity.Learner
	run    capacity.Learner
}

// learn takes one point of the host. Its label is the host's own clock.
func (h *host) learn(p *sample.Point, v point) {
	at := time.Unix(p.GetTime(), 0)
	t := h.taught
	if t == nil || at.Before(t.last.Add(-clockBackBy)) {
		t = &taught{memory: capacity.Learner{Unit: "bytes"}}
		h.taught = t
	}
	if !at.After(t.last) {
		return
	}
	t.last = at
	t.points++
	h.learned = nil
	q := capacity.Point{
		Load: float64(v.rps), Busy: float64(v.cpu) * float64(v.available), Limit: float64(v.available),
		Steal: float64(p.GetSteal()), Throttled: float64(p.GetThrottled()),
		// The first of a run stands on the beginning of it.
		Unsettled: t.points == 1 || int(v.samples)*int(h.every()/time.Second) < leastPoint,
	}
	t.add(&t.cpu, q, at)
	if total := h.newest.GetMemory().GetTotal(); p.Memory != nil && total > 0 && v.served >= 0 {
		q := q
		q.Load, q.Busy, q.Limit = float64(v.served), float64(p.GetMemory())*float64(total), float64(total)
		t.add(&t.memory, q, at)
	}
	for _, s := range p.GetServices() {
		l := t.lesson(int(s.GetPort()), at)
		q := q
		q.Load = float64(s.GetRps())
		if s.Top != nil && s.Rps != nil {
			q.Busy, q.Limit = float64(s.GetTop()), 1
			t.add(&l.thread, q, at)
		}
		if s.Run != nil && s.Rps != nil {
			q.Busy, q.Limit = float64(s.GetRun()), float64(v.available)
			t.add(&l.run, q, at)
		}
	}
}

// add leaves out what can't be learned from: a number that is not known is NaN
// here, which a learner refuses.
func (t *taught) add(l *capacity.Learner, p capacity.Point, at time.Time) {
	if err := l.Add(p, at); err != nil && !errors.Is(err, capacity.ErrSkipped) && !errors.Is(err, capacity.ErrInput) {
		panic(err) // Add returns no other
	}
}

// lesson is that of a port; the one that was longest without a point makes room.
func (t *taught) lesson(port int, at time.Time) *lesson {
	i, found := slices.BinarySearchFunc(t.services, port, func(l *lesson, port int) int { return cmp.Compare(l.port, port) })
	if found {
		t.services[i].at = at
		return t.services[i]
	}
	l := &lesson{port: port, at: at, thread: capacity.Learner{Unit: "threads"}}
	t.services = slices.Insert(t.services, i, l)
	if len(t.services) > maxTaught {
		old := slices.MinFunc(t.services, func(a, b *lesson) int { return a.at.Compare(b.at) })
		t.services = slices.DeleteFunc(t.services, func(l *lesson) bool { return l == old })
	}
	return l
}

// restart tells that the agent began anew: its next point stands on a part.
func (t *taught) restart() {
	if t != nil {
		t.points = 0
	}
}

// lessons are what is known now, kept until the next point: for the whole
// machine, and of each service its busiest thread where that is what fills up,
// and its cores where several share the machine.
func (h *host) lessons(v *Host, p Policy) []Learned {
	t := h.taught
	if t == nil {
		return nil
	}
	if h.learned == nil || h.learnedFor != p {
		h.learned, h.learnedFor = t.tell(v, p), p
	}
	list := slices.Clone(h.learned)
	for i := range list {
		l := &list[i]
		switch s := v.service(l.Port); {
		case l.Limit == "memory":
			l.Load = v.Connections
		case l.Port == 0:
			l.Load = v.RPS
		case s != nil:
			l.Load, l.Service = s.RPS, s.Name
		}
	}
	slices.SortStableFunc(list, func(a, b Learned) int { return cmp.Compare(b.use(), a.use()) })
	return list
}

// use is the load as a share of what the limit can take; 0 when not known.
func (l *Learned) use() float64 {
	if !l.Load.OK || !l.Full.Capacity.OK || !(l.Full.Capacity.V > 0) {
		return 0
	}
	return l.Load.V / l.Full.Capacity.V
}

func (t *taught) tell(v *Host, p Policy) []Learned {
	list := []Learned{}
	add := func(l *capacity.Learner, limit, unit string, port int, target float64) {
		b := l.Basis()
		if b.Points == 0 {
			return
		}
		at, errT := l.Estimate(target)
		full, errF := l.Estimate(1)
		if errT != nil || errF != nil {
			return
		}
		list = append(list, Learned{Learning: &Learning{Limit: limit, Port: port, Unit: unit, Target: target, AtTarget: at, Full: full, Basis: b}})
	}
	const requests = "requests a second"
	target, _ := p.targetOf("cpu", v.queue())
	add(&t.cpu, "cpu", requests, 0, target)
	// Memory counts only where it is told from chance that connections take it.
	if e, err := t.memory.Estimate(target); err == nil && e.Trust == capacity.Learned {
		add(&t.memory, "memory", "connections", 0, target)
	}
	for _, l := range t.services {
		s := v.service(l.port)
		if s == nil {
			continue
		}
		if s.OneThread {
			one, _ := p.targetOf("thread", 1)
			add(&l.thread, "thread", requests, l.port, one)
		}
		if len(t.services) > 1 {
			add(&l.run, "cpu", requests, l.port, target)
		}
	}
	return list
}

// service is the one that listens on a port; nil when there is none.
func (h *Host) service(port int) *Service {
	for i := range h.Services {
		if h.Services[i].Port == port {
			return &h.Services[i]
		}
	}
	return nil
}

// queue is how many workers of the host's busiest edge service take from one
// queue: 1 where each process has one thread that works, else one a core; 0
// where nothing here is known to serve requests.
func (h *Host) queue() int {
	var busiest *Service
	for i := range h.Services {
		s := &h.Services[i]
		if s.Counted && s.RPS.OK && (busiest == nil || s.RPS.V > busiest.RPS.V) {
			busiest = s
		}
	}
	switch {
	case busiest == nil || !busiest.ThreadsKnown:
		return 0
	case busiest.OneThread:
		return 1
	}
	return max(int(h.Available.V), 1)
}

// learnedOf is what was learned of a limit of the whole host, or of a service.
func (h *Host) learnedOf(limit string, port int) *Learned {
	for i := range h.Learned {
		if l := &h.Learned[i]; l.Limit == limit && l.Port == port {
			return l
		}
	}
	return nil
}

// background is what the machine uses without requests, in cores, where that
// was learned; 0 else.
func (h *Host) background() float64 {
	l := h.learnedOf("cpu", 0)
	if l == nil || l.Full.Trust != capacity.Learned || !(l.Full.Cost.Background > 0) {
		return 0
	}
	return l.Full.Cost.Background
}

// changes are the changes of what a request costs that were seen lately.
func (h *Host) changes(now time.Time) []Learned {
	const told = 2 * time.Hour
	var list []Learned
	for i := range h.Learned { // not copied first: there are hardly ever any
		c := &h.Learned[i].Basis.Change
		if !c.At.IsZero() && now.Sub(c.At) <= told && math.Abs(c.Factor-1) >= 0.05 {
			list = append(list, h.Learned[i])
		}
	}
	return list
}

// changed says in words what of that a user should know.
func (h *Host) changed(now time.Time) []string {
	var notes []string
	for _, l := range h.changes(now) {
		who := h.Name
		if s := h.service(l.Port); s != nil {
			who += " " + s.who()
		}
		notes = append(notes, fmt.Sprintf("%s: a request costs about ×%s of %s since %s: what was learned before is forgotten",
			who, capacity.Decimal(l.Basis.Change.Factor, 2), l.Limit, l.Basis.Change.At.UTC().Format("15:04")))
	}
	return notes
}
