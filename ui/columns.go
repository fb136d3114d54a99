package ui

import (
	"strconv"

	"capmon/capacity"
	"capmon/fleet"
)

// columnID names a column of the hosts table.
type columnID uint8

const (
	colHost columnID = iota
	colRole
	colPool
	colCPU
	colCores
	colHot
	colSteal
	colRPS
	colPerCore
	colConns
	colRoom
	colBound
	colTrend
	colAge
	colFlag
)

// column is one column of the table as laid out.
type column struct {
	id    columnID
	head  string
	width int
	space int  // blank cells before it
	left  bool // text stands at its left edge
	sort  Sort
}

// columnsOf are the columns that a table of width cells has, in order. What
// goes first with less width is what can be done without: see the numbers.
func columnsOf(f *Frame, v *View, width int, rows []int) []column {
	facts := survey(f, rows)
	cpu, hot := "CPU%", "HOT%"
	if v.Cores {
		cpu, hot = "USED", "HOT"
	}
	room := "ROOM"
	if facts.roomIsRPS {
		room = "ROOM/s"
	}
	cols := make([]column, 0, 14)
	add := func(from int, c column) {
		if width >= from {
			cols = append(cols, c)
		}
	}
	add(0, column{id: colHost, head: "HOST", left: true, sort: SortName, width: min(facts.name, 9)})
	pooled := facts.pool > 0
	if pooled {
		add(80, column{id: colPool, head: "POOL", space: 2, left: true, width: 4})
	} else if facts.role > 0 {
		add(120, column{id: colRole, head: "ROLE", space: 2, left: true, width: min(max(facts.role, 4), 8)})
	}
	add(0, column{id: colCPU, head: cpu, space: 2, width: 4, sort: SortCPU})
	add(80, column{id: colCores, head: "CORES", space: 2, left: true, width: 8})
	add(0, column{id: colHot, head: hot, space: 2, width: 4, sort: SortHot})
	if facts.steal {
		add(120, column{id: colSteal, head: "STEAL", space: 2, width: 5})
	}
	add(80, column{id: colRPS, head: "RPS", space: 2, width: 6, sort: SortRPS})
	add(100, column{id: colPerCore, head: "RPS/CORE", space: 2, width: 8})
	add(0, column{id: colConns, head: "CONNS", space: 2, width: 6, sort: SortConns})
	add(0, column{id: colRoom, head: room, space: 1, width: 6, sort: SortRoom})
	add(80, column{id: colBound, head: "BOUND", space: 2, left: true, width: 6})
	if !pooled || width >= 100 { // else the pool has its place
		add(80, column{id: colTrend, head: "", space: 1, left: true})
	}
	add(100, column{id: colAge, head: "AGE", space: 1, width: 4, sort: SortAge})
	add(0, column{id: colFlag, head: "FLAG", space: 1, left: true, width: 8})
	stretch(cols, width-2, facts)
	return cols
}

// facts are what the hosts listed have in common.
type facts struct {
	name, role int // widest, in cells
	pool       int // the same of the pools; 0 where there is one
	cores      int // most
	steal      bool
	roomIsRPS  bool
}

func survey(f *Frame, rows []int) facts {
	out := facts{name: len("FLEET"), roomIsRPS: true}
	anyRoom := false
	for _, i := range rows {
		h := &f.Hosts[i]
		out.name = max(out.name, cells(h.Name))
		out.role = max(out.role, cells(label(h, "role")))
		if tiers(f) {
			out.pool = max(out.pool, cells(h.Pool), 1)
		}
		out.cores = max(out.cores, len(h.Cores))
		out.steal = out.steal || h.Newest.GetCpu() != nil && h.Newest.GetCpu().Steal != nil
		anyRoom = anyRoom || h.RoomRPS.OK
		out.roomIsRPS = out.roomIsRPS && !h.RoomUsers.OK
	}
	out.roomIsRPS = out.roomIsRPS && anyRoom
	return out
}

// stretch gives away the cells that are left: to names and pools first, then to cores
// and the last minute, and takes them back from the last minute before a name
// is cut.
func stretch(cols []column, width int, about facts) {
	left := width
	var name, pool, cores, trend *column
	for i := range cols {
		left -= cols[i].space + cols[i].width
		switch cols[i].id {
		case colHost:
			name = &cols[i]
		case colPool:
			pool = &cols[i]
		case colCores:
			cores = &cols[i]
		case colTrend:
			trend = &cols[i]
		}
	}
	give := func(c *column, most int) {
		if c == nil {
			return
		}
		n := min(max(most-c.width, 0), max(left, 0))
		c.width += n
		left -= n
	}
	give(name, min(about.name, 16))
	give(pool, min(about.pool, 10))
	give(trend, 12)
	give(cores, max(min(about.cores, 16), 9))
	give(trend, 15)
	give(name, min(about.name, 40))
	give(cores, min(about.cores, 64))
	give(trend, 60)
	for i := range cols { // the rest is air
		if i > 0 && cols[i].space == 1 && cols[i].id != colFlag && left > 0 {
			cols[i].space++
			left--
		}
	}
	if cores != nil {
		cores.head = first(cores.width, coresHeads(about.cores, cores.width)...)
	}
	if trend != nil {
		trend.head = first(trend.width, "CPU LAST 60s", "CPU 60s", "60s", "")
	}
}

// coresHeads say what a cell of the strip is.
func coresHeads(most, width int) []string {
	if most <= width {
		return []string{"CORES 0-" + strconv.Itoa(max(most-1, 0)), "CORES"}
	}
	k := strconv.Itoa((most + width - 1) / width)
	return []string{"CORES cell = max of " + k, "CORES max of " + k, "max of " + k, "max/" + k}
}

// drawHead writes the heads; an arrow marks the column that sorts.
func drawHead(a area, cols []column, v *View, by Sort) {
	x := 1
	for _, c := range cols {
		x += c.space
		name := c.head
		if c.sort != SortList && c.sort == by {
			arrow := "↓"
			if v.Reverse != (by == SortRoom || by == SortName) {
				arrow = "↑"
			}
			if c.left {
				name += arrow
			} else {
				name = arrow + name
			}
		}
		if c.left {
			a.text(x, 0, head, name)
		} else {
			a.right(x+c.width, 0, head, name)
		}
		x += c.width
	}
}

// drawCells writes one host.
func drawCells(a area, cols []column, v *View, h *fleet.Host) {
	mark := signOf(h)
	if h.State == fleet.Down || h.State == fleet.Unseen {
		drawReason(a, cols, h, mark)
		return
	}
	st := normal
	if h.State == fleet.Stale {
		st = unknown
	}
	x := 1
	for _, c := range cols {
		x += c.space
		drawCell(a.sub(x, 0, a.w-x, 1), c, v, h, st, mark)
		x += c.width
	}
}

// drawReason puts why a host is not up, and what to do, in place of numbers.
func drawReason(a area, cols []column, h *fleet.Host, mark sign) {
	x := a.text(1, 0, unknown, cutMiddle(h.Name, cols[0].width))
	x = max(x, 1+cols[0].width) + 2
	x = a.text(x, 0, mark.role.style(), mark.text+" "+mark.word) + 1
	if h.Age.OK {
		x = a.text(x, 0, unknown, age(h.Age)+secondsUnit(h.Age)) + 1
	}
	a.text(x+1, 0, unknown, cut(reasonOf(h), a.w-x-2))
}

// secondsUnit is the unit of an age that is written as bare seconds.
func secondsUnit(n capacity.Num) string {
	if n.V < 99.5 {
		return "s"
	}
	return ""
}

func reasonOf(h *fleet.Host) string {
	switch {
	case h.Reason == "" && h.Do == "":
		return "no reason given"
	case h.Do == "":
		return h.Reason
	case h.Reason == "":
		return "→ " + h.Do
	}
	return h.Reason + arrow + h.Do
}

func drawCell(a area, c column, v *View, h *fleet.Host, st style, mark sign) {
	number := func(s string) {
		if s == unknownText {
			a.right(c.width, 0, unknown, s)
			return
		}
		a.right(c.width, 0, st, s)
	}
	switch c.id {
	case colHost:
		a.text(0, 0, st, cutMiddle(h.Name, c.width))
	case colPool:
		a.text(0, 0, dim, cutMiddle(or(h.Pool, unknownText), c.width))
	case colRole:
		a.text(0, 0, dim, cutMiddle(label(h, "role"), c.width))
	case colCPU:
		if v.Cores {
			number(coreCount(h.CoresUsed))
		} else {
			number(percent(h.CPU))
		}
	case colCores:
		drawStripCell(a, c.width, h, st)
	case colHot:
		hot := hotOf(h)
		if v.Cores {
			number(coreCount(hot))
		} else {
			number(percent(hot))
		}
		if mark.word == "1T" {
			a.text(c.width, 0, mark.role.style(), "!")
		}
	case colSteal:
		number(tenths(stealOf(h)))
	case colRPS:
		number(count(h.RPS, c.width))
	case colPerCore:
		number(count(perCore(h.RPS, h.Available), c.width))
	case colConns:
		number(count(h.Connections, c.width))
	case colRoom:
		number(count(roomOf(h), c.width))
	case colBound:
		if h.Bound == "" {
			a.text(0, 0, unknown, unknownText)
		} else {
			a.text(0, 0, st, cutMiddle(h.Bound, c.width))
		}
	case colTrend:
		line := roleChart.style()
		if st != normal {
			line = st
		}
		a.spark(0, 0, c.width, lastMinute(h.Trend, c.width), 1, line)
	case colAge:
		number(age(h.Age))
	case colFlag:
		a.text(0, 0, mark.role.style(), flagText(mark))
	}
}

// flagText aligns the words behind signs of one and two cells.
func flagText(s sign) string {
	if s.text == "" {
		return ""
	}
	if len(s.text) == 1 {
		return s.text + "  " + s.word
	}
	return s.text + " " + s.word
}

func drawStripCell(a area, width int, h *fleet.Host, st style) {
	if len(h.Cores) == 0 {
		a.text(0, 0, unknown, unknownText)
		return
	}
	a.strip(0, 0, width, h.Cores)
	if st != normal {
		a.sub(0, 0, width, 1).paint(0, func(style) style { return st })
	}
}

// lastMinute fits a trend of one value a second into n cells.
func lastMinute(trend []float64, n int) []float64 {
	if len(trend) <= n {
		return trend
	}
	return resample(trend, n)
}

func perCore(rps, cores capacity.Num) capacity.Num {
	if !rps.OK || !cores.OK || cores.V <= 0 {
		return capacity.Num{}
	}
	return capacity.Known(rps.V / cores.V)
}

// stealOf is the share of its time that a machine's hypervisor took.
func stealOf(h *fleet.Host) capacity.Num {
	c := h.Newest.GetCpu()
	if c == nil || c.Steal == nil {
		return capacity.Num{}
	}
	return capacity.Known(float64(c.GetSteal()) / 1e4)
}
