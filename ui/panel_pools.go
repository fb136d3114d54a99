package ui

import (
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// tiers holds when there is more than one pool: then loads are never added up,
// because what one pool passes on another counts again.
func tiers(f *Frame) bool { return len(f.Pools) > 1 }

// poolOf is the pool of a host, nil when there is none.
func poolOf(f *Frame, h *fleet.Host) *fleet.Pool {
	for i := range f.Pools {
		if len(f.Pools) == 1 || f.Pools[i].Name == h.Pool {
			return &f.Pools[i]
		}
	}
	return nil
}

// targetOf is the utilisation that a pool is to run at, 0 when nothing says so.
func targetOf(f *Frame, p *fleet.Pool) float64 {
	if p != nil && p.Target > 0 {
		return p.Target
	}
	return f.Policy.Target
}

// atTarget is "at 80%", or that without the number.
func atTarget(target float64) string {
	if target > 0 {
		return "at " + capacity.Percent(target)
	}
	return "at target"
}

// edgePool is the pool that users and requests of the headline are of, nil when
// it is not known.
func edgePool(f *Frame) *fleet.Pool {
	for i := range f.Pools {
		if !tiers(f) || f.Totals.Edge != "" && f.Pools[i].Name == f.Totals.Edge {
			return &f.Pools[i]
		}
	}
	return nil
}

// headline is a total that stands for the edge pool: unknown with several pools
// of which none is known to be that.
func headline(f *Frame, n capacity.Num) capacity.Num {
	if tiers(f) && edgePool(f) == nil {
		return capacity.Num{}
	}
	return n
}

// edgeLimit is a limit of the edge pool; not ok when it is not known.
func edgeLimit(f *Frame, name string) (used, capacity float64, ok bool) {
	p := edgePool(f)
	if p == nil {
		return 0, 0, false
	}
	for _, l := range p.Limits {
		if l.Name == name && l.Capacity > 0 {
			return l.Used, l.Capacity, true
		}
	}
	return 0, 0, false
}

// edgeSum adds up the counted hosts of the edge pool; unknown where none knows.
func edgeSum(f *Frame, of func(*fleet.Host) capacity.Num) capacity.Num {
	total := capacity.Num{}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		if n := of(h); h.Counted && n.OK && f.Totals.Edge != "" && h.Pool == f.Totals.Edge {
			total = capacity.Known(total.V + n.V)
		}
	}
	return total
}

// mostPools is how many pools have a line of their own.
const mostPools = 6

// poolLines is how many lines the pools take above the hosts: none with one.
func poolLines(f *Frame, h int) int {
	if !tiers(f) || h < 24 {
		return 0
	}
	n := 1 + min(len(f.Pools), mostPools)
	if h >= 40 {
		n++ // a rule
	}
	return n
}

// pressing are the pools to list in n lines: all where they fit, else the most
// urgent, in their own order.
func pressing(f *Frame, n int) []*fleet.Pool {
	all := make([]*fleet.Pool, 0, len(f.Pools))
	for i := range f.Pools {
		all = append(all, &f.Pools[i])
	}
	if len(all) <= n {
		return all
	}
	some := slices.Clone(all)
	slices.SortStableFunc(some, func(a, b *fleet.Pool) int { return b.Verdict.Level.Urgency() - a.Verdict.Level.Urgency() })
	some = some[:max(n, 0)]
	return slices.DeleteFunc(all, func(p *fleet.Pool) bool { return !slices.Contains(some, p) })
}

// What the columns of a table of pools show.
const (
	pcName = iota
	pcUp
	pcNeed
	pcUsers
	pcRPS
	pcRoom
	pcBound
	pcFull
	pcSign
	pcDo
	pcTarget
	pcHeadroom
	pcLoseOne
	pcLoseZone
	pcTrend
)

// poolWidth is the cells of the longest name, within reason.
func poolWidth(f *Frame, most int) int {
	n := len("POOL")
	for i := range f.Pools {
		n = max(n, cells(f.Pools[i].Name))
	}
	return min(n, most)
}

// drawPools is a line for each pool, above the hosts.
func drawPools(a area, f *Frame, ruled bool) {
	if ruled {
		drawTitle(a.row(0), "pools", "NEED / what the bounds allow to run", "i: how each number is made")
		a = a.rows(1, a.h-1)
	}
	cols := fitColumns([]tableColumn{
		{head: "POOL", width: poolWidth(f, 12), left: true, id: pcName},
		{head: "UP", width: 5, id: pcUp},
		{head: "NEED/RUN", width: 8, id: pcNeed},
		{head: "USERS", width: 7, drop: 4, id: pcUsers},
		{head: "RPS", width: 7, drop: 2, id: pcRPS},
		{head: "ROOM", width: 8, drop: 1, id: pcRoom},
		{head: "BOUND", width: 6, left: true, drop: 3, id: pcBound},
		{head: "FULL IN", width: 7, id: pcFull},
		{width: 2, left: true, id: pcSign},
		{width: 16, left: true, drop: 9, id: pcDo},
	}, a.w)
	if last := &cols[len(cols)-1]; last.id == pcDo {
		last.width += max(a.w-tableWidth(cols)-1, 0)
	}
	drawColumnHeads(a.row(0), cols)
	drawPoolRows(a.rows(1, a.h-1), cols, f)
}

func drawPoolRows(a area, cols []tableColumn, f *Frame) {
	lines := a.h
	if len(f.Pools) > a.h { // one is for how many more there are
		lines--
	}
	shown := pressing(f, lines)
	for y, p := range shown {
		drawTableRow(a.row(y), cols, func(c tableColumn) (string, style) { return poolCell(f, p, c) })
	}
	if rest := len(f.Pools) - len(shown); rest > 0 {
		a.text(1, len(shown), dim, cut(plural(rest, "more pool")+", none more urgent: i", a.w-2))
	}
}

func poolCell(f *Frame, p *fleet.Pool, c tableColumn) (string, style) {
	switch c.id {
	case pcName:
		st := normal
		if edgePool(f) == p {
			st = strong
		}
		return cutMiddle(p.Name, c.width), st
	case pcUp:
		return strconv.Itoa(p.Up) + "/" + strconv.Itoa(p.Hosts), normal
	case pcNeed:
		if !p.Need.OK {
			return unknownText, normal
		}
		return count(p.Need, 4) + "/" + count(p.Run, 4), normal
	case pcUsers:
		return whole(p.Users, c.width), normal
	case pcRPS:
		return count(p.RPS, c.width), normal
	case pcRoom:
		return poolRoomText(p, c.width), normal
	case pcBound:
		return cutMiddle(or(p.Bound, unknownText), c.width), normal
	case pcFull:
		return fullInText(&p.Trend), normal
	case pcSign:
		return p.Verdict.Level.Sign(), levelStyle(p.Verdict.Level)
	case pcDo:
		if len(p.Verdict.Do) == 0 {
			return "", normal
		}
		sign := p.Verdict.Level.Sign()
		return strings.TrimPrefix(first(c.width, p.Verdict.Do...), sign+" "), normal
	case pcTarget:
		if t := targetOf(f, p); t > 0 {
			return capacity.Percent(t), normal
		}
		return unknownText, normal
	case pcHeadroom:
		return shareOf(p.Headroom), normal
	case pcLoseOne:
		if p.Up == 1 { // nothing is left
			return "-", dim
		}
		return lossText(p.LoseOne)
	case pcLoseZone:
		return lossText(p.LoseZone)
	case pcTrend:
		return first(c.width, trendTexts(p, false)...), dim
	}
	return "", normal
}

// levelStyle is how the sign of a level looks.
func levelStyle(l fleet.Level) style {
	return [...]style{fleet.Unknown: unknown, fleet.OK: normal, fleet.Soon: roleSoon.style(), fleet.Act: roleAct.style()}[min(l, fleet.Act)]
}

// shareOf is a share with its sign, ? when unknown.
func shareOf(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	return capacity.Percent(n.V)
}

// lossText is what is used of the nearest limit after a loss.
func lossText(n capacity.Num) (string, style) {
	if !n.OK {
		return unknownText, normal
	}
	if s := fullSign(n.V); s.text != "" {
		return shareOf(n) + s.text, s.role.style()
	}
	return shareOf(n), normal
}

// poolRoomText is users, or requests a second, that a pool can still take.
func poolRoomText(p *fleet.Pool, width int) string {
	switch {
	case p.RoomUsers.OK:
		return count(p.RoomUsers, width)
	case p.RoomRPS.OK:
		return count(p.RoomRPS, width-2) + "/s"
	}
	return unknownText
}

// fullInText is when a pool is full, in seven cells.
func fullInText(t *capacity.Trend) string {
	switch t.Direction {
	case capacity.Falling:
		return spanText(t.FullIn)
	case capacity.Stable:
		return "stable"
	}
	return unknownText
}

// byPoolHeight is how many lines the pane beside would fill.
func byPoolHeight(f *Frame) int {
	if !tiers(f) {
		return 0
	}
	return 2 + min(len(f.Pools), mostPools)
}

// drawByPool is the pane of the wide overview: what each pool could stand.
func drawByPool(a area, f *Frame) {
	drawTitle(a.row(0), "by pool", "use of the nearest limit with one host or zone lost")
	cols := fitColumns([]tableColumn{
		{head: "POOL", width: poolWidth(f, 12), left: true, id: pcName},
		{head: "TARGET", width: 6, id: pcTarget},
		{head: "HEADROOM", width: 8, id: pcHeadroom},
		{head: "-1 HOST", width: 7, id: pcLoseOne},
		{head: "-1 ZONE", width: 7, id: pcLoseZone, drop: 2},
		{head: "TREND", width: 12, left: true, id: pcTrend, drop: 1},
	}, a.w)
	if !slices.ContainsFunc(f.Pools, func(p fleet.Pool) bool { return p.Policy.Zone != "" || p.LoseZone.OK }) { // no zones are named
		cols = slices.DeleteFunc(cols, func(c tableColumn) bool { return c.id == pcLoseZone })
	}
	if last := &cols[len(cols)-1]; last.id == pcTrend {
		last.width += max(a.w-tableWidth(cols)-1, 0)
	}
	drawColumnHeads(a.row(1), cols)
	drawPoolRows(a.rows(2, a.h-2), cols, f)
}
