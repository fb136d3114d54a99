package ui

import (
	"slices"
	"time"

	"capmon/fleet"
)

// away is what a live frame knows of the hosts that are not up and no history
// keeps: their state and why. It holds for the moment that was paused.
type away struct {
	at    time.Time
	hosts map[string]fleet.Host
}

func awayAt(f *Frame) away {
	a := away{at: f.At, hosts: map[string]fleet.Host{}}
	for i := range f.Hosts {
		if h := &f.Hosts[i]; h.State != fleet.Up && (h.Reason != "" || h.Do != "") {
			a.hosts[h.Name] = fleet.Host{State: h.State, Reason: h.Reason, Do: h.Do, Age: h.Age}
		}
	}
	return a
}

// tell puts it into a frame of that moment in which nothing is known of them.
func (a *away) tell(f *Frame) {
	if f.Live || len(a.hosts) == 0 || !f.At.Equal(a.at) {
		return
	}
	f.Hosts = slices.Clone(f.Hosts) // what came is not changed
	for i := range f.Hosts {
		h := &f.Hosts[i]
		was, known := a.hosts[h.Name]
		if !known || h.State != fleet.Unseen || h.Reason != "" {
			continue
		}
		h.State, h.Reason, h.Do, h.Age = was.State, was.Reason, was.Do, was.Age
		switch was.State {
		case fleet.Down:
			f.Totals.Unseen, f.Totals.Down = f.Totals.Unseen-1, f.Totals.Down+1
		case fleet.Stale:
			f.Totals.Unseen, f.Totals.Stale = f.Totals.Unseen-1, f.Totals.Stale+1
		}
	}
}
