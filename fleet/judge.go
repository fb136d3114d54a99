package fleet

import (
	"math"
	"slices"

	"capmon/capacity"
	"capmon/sample"
)

// noRoom is where the nearest limit shows as 100%: then there is no room, known
// without a user or a request to measure it by.
const noRoom = 0.995

// judge works out the limits of a host and what room they leave.
func (v *viewed) judge(p Policy) {
	v.Limits = v.limits(p)
	if len(v.Limits) == 0 {
		return
	}
	near := v.Limits[0]
	v.Bound = near.Name
	target, _ := p.targetOf(near.Name, v.queue())
	var left capacity.Num
	left, v.Headroom = near.Left(target)
	switch {
	case near.Name == "conns":
		v.RoomUsers = whole(left)
	case near.Name == "queue" || near.Ratio() >= noRoom: // nobody more is served
		v.RoomUsers, v.RoomRPS = capacity.Known(0), capacity.Known(0)
		return
	}
	times, by := v.grows()
	if !times.OK {
		return
	}
	if v.RPS.OK && v.RPS.V > 0 {
		v.RoomRPS, v.rpsBy = capacity.Known(v.RPS.V*times.V-v.RPS.V), by
	}
	if near.Name != "conns" && v.Connections.OK && v.Connections.V > 0 {
		v.RoomUsers = whole(capacity.Known(v.Connections.V*times.V - v.Connections.V))
	}
}

// grows is how many times its load a host can take until the first limit is
// full: where what a request takes of a limit was learned, by that; else as if
// everything that is used were the load's, which is the least it can be. by is
// what was learned of the limit that fills first, nil where nothing was.
func (v *viewed) grows() (times capacity.Num, by *Learned) {
	for _, l := range v.Limits {
		if !(l.Ratio() > 0) {
			continue
		}
		n, from := 1/l.Ratio(), v.taught(l.Name)
		if from != nil {
			n = from.Full.Capacity.V / from.Load.V
		}
		if !times.OK || n < times.V {
			times, by = capacity.Known(n), from
		}
	}
	return times, by
}

// taught is what was learned of a limit by its name, well enough to go by; of
// threads that of the service whose thread is nearest to full.
func (v *viewed) taught(limit string) *Learned {
	if limit == "thread" && len(v.Findings) > 0 {
		return nil // it is full, and what it takes is known from that
	}
	for i := range v.Learned { // the one that fills first is first
		l := &v.Learned[i]
		ours := limit == "cpu" && l.Port == 0 || limit == "thread"
		if l.Limit == limit && ours && l.Full.Trust == capacity.Learned && l.Load.OK && l.Load.V > 0 {
			return l
		}
	}
	return nil
}

// flag adds the words that stand for what is wrong with a host. One whose
// thread is full has the word of its finding, and is not full itself.
func (v *viewed) flag(p Policy) {
	if slices.ContainsFunc(v.Limits, func(l capacity.Limit) bool { return l.Name != "thread" && l.Ratio() >= fullAt }) {
		v.Flags = append([]string{"full"}, v.Flags...)
	}
	if v.State == Stale {
		v.Flags = append(v.Flags, "stale")
	}
	if math.Abs(v.Skew.Or(0)) > clockSkewAt {
		v.Flags = append(v.Flags, "clock-skew")
	}
}

// perServer is the connections one server may hold; 0: not set.
func (p Policy) perServer() float64 {
	if p.PerServer > 0 && !math.IsInf(p.PerServer, 0) {
		return p.PerServer
	}
	return 0
}

// wording keeps the words of a host's limits that stay the same from second to
// second.
type wording struct {
	bound            sample.Bound
	cores, perServer float64
	requests         float64
	available, conns string
	rps              string
}

// availableFrom is the function of that name.
func (w *wording) availableFrom(b sample.Bound, cores float64) string {
	if w.available == "" || w.bound != b || w.cores != cores {
		w.bound, w.cores, w.available = b, cores, availableFrom(b, cores)
	}
	return w.available
}

// policyFrom names the connections that policy allows one server.
func (w *wording) policyFrom(perServer float64) string {
	if w.conns == "" || w.perServer != perServer {
		w.perServer, w.conns = perServer, "policy: "+capacity.Amount(perServer)+" a server"
	}
	return w.conns
}

// requestsFrom names the requests that policy allows one server.
func (w *wording) requestsFrom(perServer float64) string {
	if w.rps == "" || w.requests != perServer {
		w.requests, w.rps = perServer, "policy: "+capacity.Amount(perServer)+" a second a server"
	}
	return w.rps
}

// availableFrom says in words what sets the number of cores.
func availableFrom(b sample.Bound, cores float64) string {
	n := capacity.Amount(cores)
	word := n + " cores"
	if cores == 1 {
		word = "1 core"
	}
	switch b {
	case sample.Bound_BOUND_ONLINE:
		return word + " online"
	case sample.Bound_BOUND_CPUSET:
		return "cpuset of " + word
	case sample.Bound_BOUND_QUOTA:
		return "quota of " + word
	}
	return word
}

// whole rounds down: half a user is none.
func whole(n capacity.Num) capacity.Num {
	if !n.OK {
		return n
	}
	return capacity.Known(math.Floor(n.V + 1e-9))
}
