package alerts

import (
	"fmt"
	"slices"
	"time"
)

// Act is what a user does to an alert; it changes nothing on any host.
type Act struct {
	ID    string
	Do    string    // "ack", "unack", "snooze", "note"
	Until time.Time // of a snooze
	Note  string

	places int // where it fires then
}

// said is what users said of one thing, wherever it is.
type said struct {
	acked   time.Time
	snoozed time.Time
	places  int // at most so many were meant; more is news. 0: not said
	note    string

	// When the last was said of it, a note apart, and when it was last over: what
	// is older comes too late.
	acted, noted, over time.Time
}

// Do takes what a user says of an alert, and returns the event of it. The error
// says that there is no such alert.
func (w *Watch) Do(a Act, now time.Time) (Event, error) {
	list := w.Alerts()
	i := slices.IndexFunc(list, func(x Alert) bool { return x.ID == a.ID && x.Phase != Resolved })
	if i < 0 {
		return Event{}, fmt.Errorf("no open alert %q", a.ID)
	}
	a.places = len(list[i].Places)
	// What is said now is the newest, whatever the clock of another viewer said.
	if x := w.said[a.ID]; x != nil {
		for _, at := range []time.Time{x.acted, x.noted, x.over.Add(1)} {
			if at.After(now) {
				now = at
			}
		}
	}
	w.say(a, now)
	e := Event{Time: now, Kind: "ack", ID: a.ID, Act: a.Do, Until: a.Until, Note: a.Note, Places: a.places, Text: actWords(a)}
	w.remember(e)
	return e, nil
}

func actWords(a Act) string {
	switch a.Do {
	case "snooze":
		return "snoozed until " + a.Until.UTC().Format("15:04") + ": " + a.ID
	case "note":
		return "note on " + a.ID + ": " + a.Note
	case "unack":
		return "no longer acked: " + a.ID
	}
	return "acked: " + a.ID
}

// say takes what was said at a time, unless newer is known.
func (w *Watch) say(a Act, at time.Time) {
	x := w.said[a.ID]
	if x == nil {
		if len(w.said) >= maxStates {
			return
		}
		x = &said{}
		w.said[a.ID] = x
	}
	last := &x.acted
	if a.Do == "note" {
		last = &x.noted
	}
	if at.Before(*last) || !x.over.IsZero() && !at.After(x.over) {
		return
	}
	*last = at
	switch a.Do {
	case "ack":
		x.acked, x.places = at, a.places
	case "unack":
		x.acked, x.snoozed = time.Time{}, time.Time{}
	case "snooze":
		x.snoozed, x.places = a.Until, a.places
	case "note":
		x.note = a.Note
	}
}

// over forgets what was said of a thing until it was over.
func (w *Watch) over(id string, at time.Time) {
	x := w.said[id]
	switch {
	case x == nil && len(w.said) < maxStates:
		x = &said{}
		w.said[id] = x
	case x == nil || at.Before(x.over):
		return
	}
	y := said{over: at}
	if x.acted.After(at) { // said since
		y.acked, y.snoozed, y.places, y.acted = x.acked, x.snoozed, x.places, x.acted
	}
	if x.noted.After(at) {
		y.note, y.noted = x.note, x.noted
	}
	*x = y
}
