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
	v.Headroom = value(capacity.Headroom(near, p.target()))
	switch {
	case near.Name == "conns":
		v.RoomUsers = whole(value(capacity.Room(near)))
	case near.Name == "queue" || near.Ratio() >= noRoom: // nobody more is served
		v.RoomUsers, v.RoomRPS = capacity.Known(0), capacity.Known(0)
		return
	case v.Connections.OK && v.Connections.V > 0:
		v.RoomUsers = whole(value(capacity.RoomOf(v.Connections.V, near.Ratio())))
	}
	if v.RPS.OK && v.RPS.V > 0 {
		v.RoomRPS = value(capacity.RoomOf(v.RPS.V, near.Ratio()))
	}
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

// value is the number of a result, unknown where there is none.
func value(r capacity.Result, err error) capacity.Num {
	if err != nil {
		return capacity.Num{}
	}
	return capacity.Known(r.V)
}

// whole rounds down: half a user is none.
func whole(n capacity.Num) capacity.Num {
	if !n.OK {
		return n
	}
	return capacity.Known(math.Floor(n.V + 1e-9))
}
