package ui

import (
	"math"
	"strconv"

	"capmon/capacity"
)

// drawHosts is the table: heads, the rows on screen, and the fleet's total
// under them.
func drawHosts(a area, f *Frame, v *View, p *plan, ruled bool) {
	y := 0
	if ruled {
		drawTitle(a.row(0), hostsTitle(f, v, p)...)
		y++
	}
	cols := columnsOf(f, v, a.w, p.rows)
	drawHead(a.row(y), cols, v, effective(v.Sort, a.w))
	y++
	drawRows(a.rows(y, p.list), f, v, p, func(row area, i int) {
		drawCells(row, cols, v, &f.Hosts[i])
	})
	if len(p.rows) == 0 {
		a.text(1, y, unknown, nobody(f, v))
	}
	if p.fleet {
		drawFleetRow(a.row(y+min(p.list, len(p.rows))), cols, f, v)
	}
}

// hostsTitle says what is not on screen; nothing when all is.
func hostsTitle(f *Frame, v *View, p *plan) []string {
	var parts []string
	if p.list < len(p.rows) {
		parts = append(parts, rangeText(p))
	}
	if v.Filter != "" {
		parts = append(parts, "filter "+strconv.Quote(v.Filter), strconv.Itoa(len(p.rows))+" of "+plural(len(f.Hosts), "host"))
	}
	return parts
}

func rangeText(p *plan) string {
	return strconv.Itoa(p.top+1) + "-" + strconv.Itoa(p.top+p.list) + " of " + strconv.Itoa(len(p.rows))
}

// nobody says why a list is empty.
func nobody(f *Frame, v *View) string {
	if len(f.Hosts) > 0 {
		return "? no host matches " + strconv.Quote(v.Filter) + "   esc clears the filter"
	}
	return "? no host yet"
}

// drawRows draws the rows on screen with the cursor on one of them.
func drawRows(a area, f *Frame, v *View, p *plan, one func(row area, host int)) {
	at := cursorRow(f, v, p.rows)
	for y := range min(p.list, len(p.rows)-p.top) {
		row := a.row(y)
		one(row, p.rows[p.top+y])
		if p.top+y == at {
			row.text(0, 0, roleCursor.style(), "▶")
			row.paint(0, func(s style) style { return s | selected })
		}
	}
}

// drawFleetRow sums up the table.
func drawFleetRow(a area, cols []column, f *Frame, v *View) {
	t := &f.Totals
	x := 1
	for _, c := range cols {
		x += c.space
		cell := a.sub(x, 0, a.w-x, 1)
		put := func(s string) { cell.right(c.width, 0, strong, s) }
		switch c.id {
		case colHost:
			cell.text(0, 0, strong, cut("FLEET", c.width))
		case colCPU:
			if v.Cores {
				put(coreCount(t.CoresUsed))
			} else {
				put(percent(t.CPU))
			}
		case colCores:
			cell.text(0, 0, dim, first(c.width, "of "+coreTotal(t.Cores)+" cores", "of "+coreTotal(t.Cores), ""))
		case colHot:
			hot := capacity.Num{V: t.HottestCore.Busy, OK: t.HottestCore.Known}
			if v.Cores {
				put(coreCount(hot))
			} else {
				put(percent(hot))
			}
		case colRPS:
			put(count(t.RPS, c.width))
		case colPerCore:
			put(count(perCore(t.RPS, t.Cores), c.width))
		case colConns:
			put(count(t.Connections, c.width))
		case colRoom:
			put(count(fleetRoom(f), c.width))
		case colBound:
			if p := worst(f); p != nil {
				cell.text(0, 0, normal, cutMiddle(p.Bound, c.width))
			}
		case colTrend:
			counted := strconv.Itoa(t.Counted) + " of " + plural(t.Hosts, "host")
			cell.text(0, 0, dim, first(c.width, counted, ""))
		}
		x += c.width
	}
}

// fleetRoom is the sum of the pools' room; unknown when one is.
func fleetRoom(f *Frame) capacity.Num {
	users, rps := 0.0, 0.0
	for i := range f.Pools {
		users += known(f.Pools[i].RoomUsers)
		rps += known(f.Pools[i].RoomRPS)
	}
	if len(f.Pools) == 0 {
		return capacity.Num{}
	}
	if !math.IsNaN(users) {
		return capacity.Known(users)
	}
	return capacity.Known(rps)
}

// known is the number, or NaN.
func known(n capacity.Num) float64 { return n.Or(math.NaN()) }
