package alerts

import (
	"slices"
	"time"
)

// Event is something that happened.
type Event struct {
	Time  time.Time `json:"time"`
	Fleet string    `json:"fleet,omitempty"` // which list of hosts the viewer looked at
	Kind  string    `json:"kind"`            // alert, agent, plan, trend, deploy, ack
	Text  string    `json:"text"`
	Where string    `json:"where,omitempty"`
	// Of an alert and an ack:
	ID    string    `json:"id,omitempty"`
	Phase string    `json:"phase,omitempty"`
	Level string    `json:"level,omitempty"` // "!", "!!"
	Act   string    `json:"act,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Note  string    `json:"note,omitempty"`
	// Places is at how many places it fired when that was said.
	Places int `json:"places,omitempty"`
}

// Events are those that are remembered, oldest first. The caller must not change
// them.
func (w *Watch) Events() []Event { return slices.Clip(w.events) }

// Learn takes events that are kept: of the past, and of other viewers of this
// fleet, whose acks, snoozes and notes hold here as well. Those that are known
// are left out, also where this viewer saw the same itself; it returns whether
// any was not. That a thing is over is for this viewer to see, as long as it
// fires here.
func (w *Watch) Learn(kept []Event) bool {
	last := map[told][]time.Time{}
	for _, e := range w.events {
		last[toldBy(e)] = append(last[toldBy(e)], e.Time)
	}
	kept = slices.Clone(kept)
	slices.SortStableFunc(kept, func(a, b Event) int { return a.Time.Compare(b.Time) })
	events := slices.Clip(w.events) // what was handed out stays as it is
	for _, e := range kept {
		k := toldBy(e)
		if slices.ContainsFunc(last[k], func(at time.Time) bool { return e.Time.Sub(at).Abs() < sameEvent }) {
			continue
		}
		if e.Kind == "alert" && e.Phase == Firing.String() && w.others(e.ID, nil) {
			continue // a viewer that began while it fires
		}
		last[k] = append(last[k], e.Time)
		events = append(events, e)
		switch {
		case e.Kind == "ack":
			w.say(Act{ID: e.ID, Do: e.Act, Until: e.Until, Note: e.Note, places: e.Places}, e.Time)
			continue
		case e.Kind == "alert" && e.Phase == Firing.String():
			w.fired[e.ID] = append(w.fired[e.ID], e.Time)
		case e.Kind == "alert" && e.Phase == Resolved.String() && !w.others(e.ID, nil):
			w.over(e.ID, e.Time)
		}
		if len(w.elsewhere) > maxEvents {
			clear(w.elsewhere)
		}
		w.elsewhere[k] = e.Time
	}
	if len(events) == len(w.events) {
		return false
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	w.events = events[max(len(events)-maxEvents, 0):]
	return true
}

// remember keeps an event, unless another viewer told it already.
func (w *Watch) remember(e Event) bool {
	if at, told := w.elsewhere[toldBy(e)]; told && e.Time.Sub(at).Abs() < sameEvent {
		return false
	}
	w.events = append(w.events, e)
	if over := len(w.events) - maxEvents; over > maxEvents/4 { // not at every one
		w.events = slices.Clone(w.events[over:])
	}
	return true
}
