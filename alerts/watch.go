package alerts

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

const (
	keepResolved = 30 * time.Minute // in the list
	flapWithin   = 20 * time.Minute // alerts of one thing are one line
	maxStates    = 20_000
	maxEvents    = 2_000 // in memory
	leastGap     = 30 * time.Second
	needFor      = 10 * time.Second // that a need has to last to be told: while history comes in it jumps about
)

type key struct{ rule, what, where string }

// state is one thing at one place.
type state struct {
	sight
	phase   Phase
	since   time.Time // the condition began
	fired   time.Time
	mild    time.Time // since when it would clear; zero: it would not
	ended   time.Time
	touched bool
	unseen  bool // what it says is of earlier: now it is not known
}

// Watch follows one fleet. The zero Watch is not ready: use NewWatch.
type Watch struct {
	rules     map[string]*Rule
	states    map[key]*state
	said      map[string]*said // by ID
	fired     map[string][]time.Time
	events    []Event            // oldest first
	elsewhere map[told]time.Time // what other viewers told, and when
	at        time.Time

	hosts map[string]hostMemory
	pools map[string]poolMemory
}

// NewWatch watches by rules, with events of the past: acks that still hold, and
// how often things fired.
func NewWatch(rules []Rule, past []Event) *Watch {
	w := &Watch{
		rules: map[string]*Rule{}, states: map[key]*state{}, said: map[string]*said{}, fired: map[string][]time.Time{},
		elsewhere: map[told]time.Time{}, hosts: map[string]hostMemory{}, pools: map[string]poolMemory{},
	}
	for i := range rules {
		if r := rules[i]; !r.Off {
			w.rules[r.Name] = &r
		}
	}
	w.Learn(past)
	return w
}

// Take looks at the next snapshot and returns what happened. One that is not
// live, or of the same moment as the last or a little before, tells nothing. Time
// in which nobody looked, by which the clock went back, or in which a thing was
// not known does not count towards its firing.
func (w *Watch) Take(s *fleet.Snapshot) []Event {
	if !s.Live || s.Time.IsZero() || s.Time.Equal(w.at) || s.Time.Before(w.at) && w.at.Sub(s.Time) <= leastGap {
		return nil
	}
	first := w.at.IsZero()
	gap := s.Time.Sub(w.at)
	w.at = s.Time
	if !first && (gap < 0 || gap > leastGap) {
		w.stoodStill()
	}
	var out []Event
	tell := func(e Event) {
		if e.Time = w.at; !w.remember(e) {
			return
		}
		out = append(out, e)
		if e.Phase == Firing.String() {
			w.fired[e.ID] = append(w.fired[e.ID], w.at)
		}
	}
	for _, x := range w.states {
		x.touched = false
	}
	unknown := map[[2]string]bool{}
	sights(s, w.rules, func(v sight) {
		if !v.known {
			unknown[[2]string{v.rule, v.where}] = true
			return
		}
		w.see(v, tell)
	})
	for k, x := range w.states {
		if x.touched || x.phase == Resolved {
			continue
		}
		if x.unseen = unknown[[2]string{k.rule, k.where}]; x.unseen {
			x.mild = time.Time{}
			if x.phase == Pending && gap > 0 && gap <= leastGap {
				x.since = x.since.Add(gap)
			}
			continue
		}
		w.milder(x, tell)
	}
	for k, x := range w.states {
		if x.phase == Resolved && w.at.Sub(x.ended) > keepResolved {
			delete(w.states, k)
		}
	}
	w.happenings(s, first, tell)
	slices.SortStableFunc(out, func(a, b Event) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text)) })
	return out
}

// stoodStill says that what held until now is not known.
func (w *Watch) stoodStill() {
	for _, x := range w.states {
		if x.phase == Pending {
			x.since = w.at
		}
		x.mild = time.Time{}
		for _, t := range []*time.Time{&x.since, &x.fired, &x.ended} {
			if t.After(w.at) { // the clock went back
				*t = w.at
			}
		}
	}
}

// see takes a thing that is there: it waits, fires, or holds on.
func (w *Watch) see(v sight, tell func(Event)) {
	k := key{v.rule, v.what, v.where}
	x := w.states[k]
	if x == nil || x.phase == Resolved {
		if !v.fires || len(w.states) >= maxStates && x == nil {
			return
		}
		x = &state{phase: Pending, since: w.at}
		w.states[k] = x
	}
	x.sight, x.touched, x.unseen = v, true, false
	rule := w.rules[v.rule]
	switch {
	case x.phase == Pending && !v.fires:
		delete(w.states, k)
	case x.phase == Pending && w.at.Sub(x.since) >= rule.For:
		x.phase, x.fired = Firing, w.at
		id := idOf(v.rule, v.what)
		if !w.others(id, x) {
			tell(Event{Kind: "alert", ID: id, Phase: Firing.String(), Level: rule.Level.Sign(), Where: v.where, Text: "firing: " + w.words(x) + " on " + v.where})
		}
	}
	x.mild = time.Time{}
}

// milder takes a thing that is not there now: it clears when that lasts.
func (w *Watch) milder(x *state, tell func(Event)) {
	rule := w.rules[x.rule]
	if x.phase == Pending {
		delete(w.states, key{x.rule, x.what, x.where})
		return
	}
	if x.mild.IsZero() {
		x.mild = w.at
	}
	if w.at.Sub(x.mild) < rule.ClearFor {
		return
	}
	x.phase, x.ended = Resolved, w.at
	id := idOf(x.rule, x.what)
	if !w.others(id, x) {
		w.over(id, w.at)
		tell(Event{Kind: "alert", ID: id, Phase: Resolved.String(), Level: rule.Level.Sign(), Where: x.where, Text: "resolved: " + w.words(x) + " on " + x.where + " after " + capacity.Span(w.at.Sub(x.fired).Seconds())})
	}
}

// others says whether the same thing fires at another place too.
func (w *Watch) others(id string, not *state) bool {
	for _, x := range w.states {
		if x != not && x.phase == Firing && idOf(x.rule, x.what) == id {
			return true
		}
	}
	return false
}

func idOf(rule, what string) string { return rule + "/" + what }

// words are what is wrong, with its number.
func (w *Watch) words(x *state) string {
	switch x.rule {
	case Limit:
		return x.what + " " + x.now + " of limit"
	case Thread:
		return threadWords(x.what) + ", " + x.now
	case Clock:
		return "clock differs by " + x.now
	case Silent:
		return "no data, " + x.now
	case Short:
		return "need " + strings.Replace(x.now, ">", " > max ", 1)
	case LoseOne:
		return x.what + " (" + x.now + ")"
	}
	return x.now
}

func threadWords(verdict string) string {
	switch verdict {
	case fleet.SingleThread:
		return "one thread full"
	case fleet.WorkersFull:
		return "all workers full"
	case fleet.AboutOneCore:
		return "about one core (a lock, likely)"
	}
	return verdict
}
