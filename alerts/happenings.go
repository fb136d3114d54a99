package alerts

import (
	"fmt"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// hostMemory is what a host was at the last look.
type hostMemory struct {
	restarts int
	silent   bool
	version  string
	change   time.Time
}

// poolMemory is the same of a pool.
type poolMemory struct {
	need  float64 // that was told last
	next  float64 // what it is since; 0: the same
	since time.Time
	falls bool
}

// happenings are what is no alert: agents that come, go and begin anew, needs
// that change, requests that begin to cost something else.
func (w *Watch) happenings(s *fleet.Snapshot, first bool, tell func(Event)) {
	for i := range s.Hosts {
		w.hostHappenings(&s.Hosts[i], first, tell)
	}
	for i := range s.Pools {
		p, of := &s.Pools[i], ""
		if len(s.Pools) > 1 {
			of = p.Name + ": "
		}
		w.poolHappenings(p, of, tell)
	}
}

func (w *Watch) hostHappenings(h *fleet.Host, first bool, tell func(Event)) {
	was, known := w.hosts[h.Name]
	now := hostMemory{restarts: h.Restarts, silent: h.State == fleet.Down || h.State == fleet.Stale, version: was.version, change: was.change}
	if v := h.Machine.GetVersion(); v != "" {
		now.version = v
	}
	for k := range h.Learned {
		if at := h.Learned[k].Basis.Change.At; at.After(now.change) {
			now.change = at
			if known && !first {
				tell(Event{Kind: "deploy", Where: h.Name, Text: h.Name + ": a request costs about ×" + capacity.Decimal(h.Learned[k].Basis.Change.Factor, 2) + " since " + at.UTC().Format("15:04")})
			}
		}
	}
	w.hosts[h.Name] = now
	if !known {
		e := Event{Kind: "agent", Where: h.Name, Text: h.Name + " is new"}
		_, before := w.elsewhere[toldBy(e)] // in the week that is kept: new to this viewer alone
		if !first && !before && h.State == fleet.Up {
			tell(e)
		}
		return
	}
	switch {
	case now.silent && !was.silent:
		tell(Event{Kind: "agent", Where: h.Name, Text: h.Name + " no data"})
	case !now.silent && was.silent && h.State == fleet.Up:
		tell(Event{Kind: "agent", Where: h.Name, Text: h.Name + " is back"})
	}
	if now.restarts > was.restarts {
		text := h.Name + " restarted"
		if was.version != now.version && was.version != "" {
			text += ", " + was.version + " → " + now.version
		}
		tell(Event{Kind: "agent", Where: h.Name, Text: text})
	}
}

// poolHappenings are those of a pool; of begins their words.
func (w *Watch) poolHappenings(p *fleet.Pool, of string, tell func(Event)) {
	was, known := w.pools[p.Name]
	now := was
	if p.Need.OK {
		switch need := p.Need.V; {
		case was.need == 0:
			now.need = need
		case need == was.need:
			now.next = 0
		case need != was.next:
			now.next, now.since = need, w.at
		case w.at.Sub(was.since) >= needFor:
			tell(Event{Kind: "plan", Where: p.Name, Text: fmt.Sprintf("%sneed %s → %s (%s)", of, capacity.Count(was.need), capacity.Count(need), p.NeedBy)})
			now.need, now.next = need, 0
		}
	}
	if p.Trend.Direction != capacity.DirectionUnknown {
		now.falls = p.Trend.Direction == capacity.Falling
		if known && now.falls != was.falls {
			text := of + "room no longer falls"
			if now.falls {
				text = of + "room falls: " + p.Trend.Step
			}
			tell(Event{Kind: "trend", Where: p.Name, Text: text})
		}
	}
	w.pools[p.Name] = now
}
