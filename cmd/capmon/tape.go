package main

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"

	"capmon/fleet"
	"capmon/record"
	"capmon/sample"
)

// tape passes what arrives on to a recording, while there is one, with the
// receive time that the fleet gets. It remembers who is there, so that one can
// begin at any time. The zero tape records nothing.
type tape struct {
	gate sync.RWMutex // held for writing where a recording begins or ends
	to   *record.Writer
	base time.Time // of the recording: later times are counted from it

	whole *record.Memory // what arrived, whole; nil: not kept
	// replayed says that what is kept whole is recorded as it came, second by
	// second, and not as what was known when the recording began: one that is begun
	// at the end of a lesson plays from its beginning. Only for hosts that have this
	// machine's clock.
	replayed bool

	mu    sync.Mutex
	order []string
	hosts map[string]*heard
}

// heard is what a host last said of itself.
type heard struct{ join, machine, link record.Event }

// take calls do with the time at which an event came, and records it.
func (t *tape) take(e record.Event, do func(now time.Time)) {
	t.gate.RLock()
	defer t.gate.RUnlock()
	e.At = time.Now()
	do(e.At)
	t.remember(e)
	t.add(e)
}

// add records an event. Its time goes on evenly when the clock is set.
func (t *tape) add(e record.Event) {
	if t.to != nil {
		e.At = t.base.Add(e.At.Sub(t.base))
		t.to.Add(e)
	}
}

func (t *tape) remember(e record.Event) {
	if e.What == record.Samples || e.What == record.Points || e.What == record.Detail {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hosts[e.Host]
	switch {
	case e.What == record.Join && h == nil:
		if t.hosts == nil {
			t.hosts = map[string]*heard{}
		}
		t.hosts[e.Host] = &heard{join: e}
		t.order = append(t.order, e.Host)
	case h == nil:
	case e.What == record.Machine:
		h.machine = e
	case e.What == record.Link:
		h.link = e
	case e.What == record.Leave:
		delete(t.hosts, e.Host)
		t.order = slices.DeleteFunc(t.order, func(name string) bool { return name == e.Host })
	}
}

// begin records from now on, and first what is remembered: who is there and the
// minutes before.
func (t *tape) begin(w *record.Writer, from *fleet.Fleet) {
	t.gate.Lock()
	defer t.gate.Unlock()
	now := time.Now()
	t.to, t.base = w, now
	for _, name := range t.order {
		h := t.hosts[name]
		past := from.Remembered(name)
		var whole []fleet.Remembered
		if t.whole != nil {
			whole = wholly(t.whole)(name, 0, math.MaxInt64)
		}
		at := now
		if t.replayed {
			at = firstOf(whole, now)
		}
		add := func(e record.Event) {
			e.At, e.Host = at, name
			t.add(e)
		}
		add(h.join)
		if t.replayed {
			if h.machine.Machine != nil {
				add(h.machine)
			}
			if h.link.What != 0 {
				add(h.link)
			}
			for _, run := range whole {
				for _, s := range run.Samples {
					at = when(s, now)
					add(record.Event{What: record.Samples, Epoch: run.Epoch, Samples: []*sample.Sample{s}})
				}
			}
			continue
		}
		for i, run := range past {
			for _, w := range whole {
				if w.Epoch == run.Epoch {
					run.Samples = joined(run.Samples, w.Samples)
				}
			}
			if i == len(past)-1 && h.machine.Machine != nil { // runs before it came before
				add(h.machine)
			}
			if len(run.Samples) > 0 {
				add(record.Event{What: record.Samples, Epoch: run.Epoch, Samples: run.Samples})
			}
			if len(run.Points) > 0 {
				add(record.Event{What: record.Points, Epoch: run.Epoch, Points: run.Points})
			}
		}
		if h.link.What != 0 {
			add(h.link)
		}
	}
}

// when is the time of a sample by the clock of this machine, at most now.
func when(s *sample.Sample, now time.Time) time.Time {
	at := time.UnixMilli(s.GetTimeMs())
	if at.After(now) {
		return now
	}
	return at
}

// firstOf is when the first of these samples came; now where there is none.
func firstOf(whole []fleet.Remembered, now time.Time) time.Time {
	first := now
	for _, run := range whole {
		if len(run.Samples) > 0 {
			if at := when(run.Samples[0], now); at.Before(first) {
				first = at
			}
		}
	}
	return first
}

// end stops recording and tells what it came to. Without a recording it does
// nothing.
func (t *tape) end() (record.Summary, error) {
	t.gate.Lock()
	w, base := t.to, t.base
	t.to = nil
	t.gate.Unlock()
	if w == nil {
		return record.Summary{}, nil
	}
	return w.Close(base.Add(time.Since(base)))
}

// wholly is what a memory holds, as a fleet asks for it.
func wholly(m *record.Memory) func(host string, from, to int64) []fleet.Remembered {
	return func(host string, from, to int64) []fleet.Remembered {
		var list []fleet.Remembered
		for _, r := range m.Between(host, from, to) {
			list = append(list, fleet.Remembered{Epoch: r.Epoch, Samples: r.Samples})
		}
		return list
	}
}

// joined are the whole samples, and before them the rows of what is not kept
// whole. Both are in the order of their numbers.
func joined(rows, whole []*sample.Sample) []*sample.Sample {
	if len(whole) == 0 {
		return rows
	}
	n, _ := slices.BinarySearchFunc(rows, whole[0].GetSeq(), func(s *sample.Sample, seq uint64) int { return cmp.Compare(s.GetSeq(), seq) })
	return slices.Concat(rows[:n], whole)
}

// about is what a recording of this fleet says of itself.
func about(c fleet.Config, what, warning string) (record.About, error) {
	policy, err := json.Marshal(c)
	return record.About{Version: version(), Made: time.Now(), Source: what, Warning: warning, Policy: policy}, err
}
