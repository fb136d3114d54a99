package alerts

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"capmon/fleet"
)

// Phase is how far an alert is.
type Phase uint8

// Phases, in the order they are listed.
const (
	Firing Phase = iota
	Acked
	Pending
	Resolved
)

// String is the word of the list.
func (p Phase) String() string {
	return [...]string{"firing", "acked", "pending", "resolved"}[min(p, Resolved)]
}

// Alert is one line of the list: all places where one thing is wrong.
type Alert struct {
	ID       string // what an Act names
	Rule     string
	Level    fleet.Level
	Phase    Phase
	Since    time.Time // of the first place, when its condition began
	Fired    time.Time // zero while pending
	Ended    time.Time // zero while not resolved
	What     string    // "conns 98% of limit"
	Where    string    // a host, a pool, or "9 hosts"
	Places   []string  // the worst first
	Host     bool      // they are hosts
	Now      string    // of the worst; "?": not known now
	Unseen   bool      // nothing is known of any of them now
	ClearsAt string
	Seen     int    // times it fired, of the events that are kept
	Flaps    int    // times it fired in flapWithin; 0 and 1: it does not flap
	Next     string // what to do
	RuleText string
	RuleFrom string // where the rule was changed; "": as it ships
	Means    string
	Note     string    // the comment
	Snoozed  time.Time // until then; zero: not
	AckedAt  time.Time
}

// Alerts are the list: what fires, what a user has acked, what waits, what ended
// lately; in each the gravest first, then the oldest.
func (w *Watch) Alerts() []Alert {
	groups := map[string][]*state{}
	for _, x := range w.states {
		id := idOf(x.rule, x.what)
		groups[id] = append(groups[id], x)
	}
	list := make([]Alert, 0, len(groups))
	for id, all := range groups {
		list = append(list, w.alert(id, all))
	}
	slices.SortFunc(list, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(b.Level, a.Level), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// alert folds the places of one thing into a line, of those in its foremost
// phase.
func (w *Watch) alert(id string, all []*state) Alert {
	phase := slices.MinFunc(all, func(a, b *state) int { return cmp.Compare(a.phase, b.phase) }).phase
	all = slices.DeleteFunc(all, func(x *state) bool { return x.phase != phase })
	slices.SortFunc(all, func(a, b *state) int {
		if a.unseen != b.unseen { // what is known now is worth more
			if b.unseen {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.where, b.where))
	})
	worst := all[0]
	rule := w.rules[worst.rule]
	a := Alert{
		ID: id, Rule: worst.rule, Level: rule.Level, Phase: phase, What: w.words(worst), Where: worst.where, Host: worst.host,
		Now: worst.now, ClearsAt: worst.clearsAt, Next: worst.do, RuleText: rule.Text(), RuleFrom: rule.From, Means: rule.means,
		Since: worst.since, Fired: worst.fired, Ended: worst.ended,
	}
	if a.Unseen = worst.unseen && phase != Resolved; a.Unseen {
		a.What, a.Now = "? "+a.What+" when last seen", "?"
	}
	if a.Next == "" {
		a.Next = rule.do
	}
	for _, x := range all {
		a.Places = append(a.Places, x.where)
		if x.since.Before(a.Since) {
			a.Since = x.since
		}
		if x.fired.Before(a.Fired) {
			a.Fired = x.fired
		}
		if x.ended.After(a.Ended) {
			a.Ended = x.ended
		}
	}
	if n := len(all); n > 1 {
		a.Where = fmt.Sprintf("%d pools", n)
		if worst.host {
			a.Where = fmt.Sprintf("%d hosts", n)
		}
	}
	fired := w.fired[id]
	a.Seen = len(fired)
	for _, at := range fired {
		if w.at.Sub(at) <= flapWithin {
			a.Flaps++
		}
	}
	if s := w.said[id]; s != nil && phase != Resolved {
		a.Note, a.AckedAt = s.note, s.acked
		if s.snoozed.After(w.at) {
			a.Snoozed = s.snoozed
		}
		more := s.places > 0 && len(all) > s.places // than was known when that was said
		if phase == Firing && !more && (!s.acked.IsZero() || !a.Snoozed.IsZero()) {
			a.Phase = Acked
		}
	}
	return a
}
