package fleet

import (
	"time"

	"capmon/capacity"
)

// persists is how long a connection must last in the mean for connections to be
// people: those that come with a request and go are none.
const persists = 10 * time.Second

// people is how many are active, in this order: a gauge that was named; people
// behind requests by Little's law, where a think time was chosen or connections
// do not persist; connections.
func (t *Totals) people(hosts []viewed, p Policy) {
	var gauge, accepts, rps, response sum
	var slow mean
	for i := range hosts {
		h := &hosts[i]
		if !h.Counted {
			continue
		}
		gauge.count(h.Users)
		for j := range h.Services {
			s := &h.Services[j]
			if !s.Counted {
				continue
			}
			accepts.count(s.Accepts)
			rps.count(s.RPS)
			if s.Latency.Mean.OK && s.RPS.OK {
				slow.add(s.Latency.Mean.V, s.RPS.V)
				response.add(s.Latency.Mean.V)
			}
		}
	}
	if gauge.known {
		t.Users, t.UsersFrom, t.UsersNote = capacity.Known(gauge.v), "gauge", "the gauge that --users names on the agents"
		return
	}
	// Little's law once more: what is there = what comes a second × how long it stays.
	stays := capacity.Num{}
	if accepts.known && accepts.v > 0 && t.Connections.OK {
		stays = capacity.Known(t.Connections.V / accepts.v)
	}
	little := p.Think > 0 || stays.OK && stays.V < persists.Seconds()
	if !little || !t.RPS.OK {
		t.Users, t.UsersFrom = t.Connections, "connections"
		t.UsersNote = "each connection is one person"
		return
	}
	think, chosen := p.Think, "chosen"
	if think <= 0 {
		think, chosen = DefaultThink, "assumed; a connection lasts "+capacity.Span(stays.V)
	}
	wait, note := slow.value(), ""
	if !response.known {
		wait, note = 0, "; response times are not measured and taken as 0"
	}
	r, err := capacity.Users(t.RPS.V, think.Seconds(), wait)
	if err != nil {
		return
	}
	t.Users, t.UsersFrom, t.UsersNote = capacity.Known(r.V), "little", r.Formula+": think time "+chosen+note
}
