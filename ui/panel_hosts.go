package ui

import (
	"math"
	"strconv"

	"capmon/capacity"
	"capmon/fleet"
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
		row.zone(hit{host: f.Hosts[p.rows[p.top+y]].Name})
		one(row, p.rows[p.top+y])
		if p.top+y == at {
			row.text(0, 0, roleCursor.style(), "▶")
			row.paint(0, func(s style) style { return s | selected })
		}
	}
}

// fleetNumbers are the totals under the table. With several pools what people
// ask for is that of the edge pool, which the row names, never a sum over tiers.
type fleetNumbers struct {
	rps, conns, room, perCore capacity.Num
	fresh                     capacity.Num // connections accepted a second
	bound                     string
	of                        string // the pool they are of; "": the whole fleet
}

func fleetNumbersOf(f *Frame) fleetNumbers {
	t := &f.Totals
	if !tiers(f) {
		n := fleetNumbers{rps: t.RPS, conns: t.Connections, room: fleetRoom(f), perCore: perCore(t.RPS, t.Cores)}
		for i := range f.Hosts {
			if h := &f.Hosts[i]; h.Counted {
				if a := newConnections(h); a.OK {
					n.fresh = capacity.Known(n.fresh.V + a.V)
				}
			}
		}
		if p := worst(f); p != nil {
			n.bound = p.Bound
		}
		return n
	}
	p := edgePool(f)
	if p == nil {
		return fleetNumbers{bound: unknownText, of: unknownText}
	}
	return fleetNumbers{
		rps:     t.RPS,
		conns:   edgeSum(f, func(h *fleet.Host) capacity.Num { return h.Connections }),
		fresh:   edgeSum(f, newConnections),
		room:    poolRoom(p),
		perCore: perCore(t.RPS, edgeSum(f, func(h *fleet.Host) capacity.Num { return h.Available })),
		bound:   p.Bound,
		of:      p.Name,
	}
}

// drawFleetRow sums up the table.
func drawFleetRow(a area, cols []column, f *Frame, v *View) {
	t := &f.Totals
	n := fleetNumbersOf(f)
	x := 1
	for _, c := range cols {
		x += c.space
		cell := a.sub(x, 0, a.w-x, 1)
		put := func(s string) { cell.right(c.width, 0, strong, s) }
		short := func(n capacity.Num) string {
			if v.Mark != nil {
				return count(n, c.width-1)
			}
			return count(n, c.width)
		}
		switch c.id {
		case colHost:
			cell.text(0, 0, strong, cut("FLEET", c.width))
		case colPool:
			cell.text(0, 0, dim, cutMiddle(n.of, c.width))
		case colCPU:
			if v.Cores {
				put(sinceTotal(f, v, func(f *Frame) capacity.Num { return f.Totals.CoresUsed }, coreCount))
			} else {
				put(sinceTotal(f, v, func(f *Frame) capacity.Num { return f.Totals.CPU }, percent))
			}
		case colCores:
			cell.text(0, 0, dim, first(c.width, "of "+coresTotal(t.Cores), coresTotal(t.Cores), "of "+coreTotal(t.Cores), ""))
		case colHot:
			hot := func(f *Frame) capacity.Num {
				return capacity.Num{V: f.Totals.HottestCore.Busy, OK: f.Totals.HottestCore.Known}
			}
			if v.Cores {
				put(sinceTotal(f, v, hot, coreCount))
			} else {
				put(sinceTotal(f, v, hot, percent))
			}
		case colRPS:
			put(sinceTotal(f, v, func(f *Frame) capacity.Num { return fleetNumbersOf(f).rps }, short))
		case colPerCore:
			put(sinceTotal(f, v, func(f *Frame) capacity.Num { return fleetNumbersOf(f).perCore }, short))
		case colConns:
			put(sinceTotal(f, v, func(f *Frame) capacity.Num { return fleetNumbersOf(f).conns }, short))
		case colNew:
			put(sinceTotal(f, v, func(f *Frame) capacity.Num { return fleetNumbersOf(f).fresh }, short))
		case colRoom:
			put(sinceTotal(f, v, func(f *Frame) capacity.Num { return fleetNumbersOf(f).room }, short))
		case colBound:
			cell.sub(0, 0, c.width, 1).text(0, 0, normal, cutMiddle(n.bound, c.width))
		case colTrend:
			counted := strconv.Itoa(t.Counted) + " of " + plural(t.Hosts, "host")
			texts := []string{counted, ""}
			switch n.of {
			case "":
			case unknownText:
				texts = []string{"? which pool is the edge", "? no edge", ""}
			default:
				texts = []string{"rps, conns, room: " + n.of, "rps..room: " + n.of, ""}
			}
			cell.text(0, 0, dim, first(c.width, texts...))
		}
		x += c.width
	}
}

// fleetRoom is the room of the only pool.
func fleetRoom(f *Frame) capacity.Num {
	if len(f.Pools) == 0 {
		return capacity.Num{}
	}
	return poolRoom(&f.Pools[0])
}

// poolRoom is what a pool can still take: users, else requests a second.
func poolRoom(p *fleet.Pool) capacity.Num {
	if p.RoomUsers.OK {
		return p.RoomUsers
	}
	return p.RoomRPS
}

// known is the number, or NaN.
func known(n capacity.Num) float64 { return n.Or(math.NaN()) }
