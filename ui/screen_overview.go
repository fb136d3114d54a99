package ui

import (
	"strconv"

	"capmon/capacity"
	"capmon/fleet"
)

func init() {
	pages[Overview] = page{name: "overview", draw: drawOverview}
}

func drawOverview(a area, f *Frame, v *View, th Theme) {
	p := planOf(f, v, a.w, a.h)
	switch p.shape {
	case tiny:
		drawTiny(a, f, v, &p)
	case small:
		drawSmall(a, f, v, &p)
	default:
		drawFull(a, f, v, &p, th)
	}
}

// where is the overview's piece of the header.
func where(v *View, p *plan) []segment {
	s := []segment{{"1 overview", normal, 5, false}}
	if p.list < len(p.rows) && p.list > 0 && p.shape == full {
		s = append(s, segment{rangeText(p), dim, 4, false})
	}
	return s
}

// drawTiny is what is left on a few cells: the verdict alone, then why, then
// where, then the worst hosts.
func drawTiny(a area, f *Frame, v *View, p *plan) {
	level, do, why := verdict(f, v, worst(f))
	st := [...]style{fleet.Unknown: unknown, fleet.OK: strong, fleet.Soon: roleSoon.style(), fleet.Act: roleActLine.style()}[level]
	text := first(a.w, do...)
	if paused(f, v) && a.h < 3 { // never hide that this is not now
		text = first(a.w, "PAUSED "+text, text)
	}
	a.text(0, 0, st, text)
	a.text(0, 1, normal, cut(first(a.w, why...), a.w))
	if a.h > 2 {
		drawHeader(a.row(2), f, v)
	}
	drawRows(a.rows(3, a.h-4), f, v, p, func(row area, i int) { drawShort(row, &f.Hosts[i]) })
	if a.h > 3 {
		drawFooter(a.row(a.h-1), f, v, len(p.rows))
	}
}

// drawShort is a host in one short line: name, cpu, connections, sign.
func drawShort(a area, h *fleet.Host) {
	mark := signOf(h)
	tail := "  " + mark.text
	if mark.text != "!!" {
		tail = "  " + flagText(mark)
	}
	numbers := percent(h.CPU) + "% " + count(h.Connections, 6)
	if h.State != fleet.Up {
		numbers = or(trouble(h), mark.word)
		tail = "  " + mark.text
	}
	if mark.text == "" {
		tail = ""
	}
	room := a.w - 2 - cells(tail)
	name := cutMiddle(h.Name, min(max(room-cells(numbers)-1, 6), 20))
	x := a.text(1, 0, normal, name) + 1
	x = a.text(x, 0, normal, cut(numbers, max(a.w-x-cells(tail), 0)))
	a.text(min(x, max(0, a.w-cells(tail))), 0, mark.role.style(), tail)
}

// drawSmall is a phone or a split pane.
func drawSmall(a area, f *Frame, v *View, p *plan) {
	drawHeader(a.row(0), f, v, where(v, p)...)
	drawVerdict(a.rows(1, 2), f, v)
	y := 3
	if a.h >= 9 {
		if a.w >= 60 {
			drawGauges(a.rows(y, 2), f, v)
		} else {
			drawNumbers(a.rows(y, 2), f)
		}
		y += 2
	}
	if a.w >= 60 {
		cols := columnsOf(f, v, a.w, p.rows)
		drawHead(a.row(y), cols, v, effective(v.Sort, a.w))
		y++
		drawRows(a.rows(y, p.list), f, v, p, func(row area, i int) { drawCells(row, cols, v, &f.Hosts[i]) })
	} else {
		drawRows(a.rows(y, p.list), f, v, p, func(row area, i int) { drawShort(row, &f.Hosts[i]) })
	}
	if len(p.rows) == 0 {
		a.text(1, y, unknown, cut(nobody(f, v), a.w-1))
	}
	if rest := len(p.rows) - p.list; rest > 0 {
		s := strconv.Itoa(rest) + " more: j"
		if effective(v.Sort, a.w) == SortWorst {
			s = first(a.w-2, "worst first; "+s, s)
		}
		a.text(1, a.h-2, dim, s)
	}
	drawFooter(a.row(a.h-1), f, v, len(p.rows))
}

// drawNumbers are users, cpu and the hottest core in two lines.
func drawNumbers(a area, f *Frame) {
	t := &f.Totals
	users := "users " + whole(headline(f, t.Users), 9)
	if _, top, ok := edgeLimit(f, "conns"); ok && byConnections(t) {
		users += " of " + grouped(top)
	}
	rps := "   rps " + count(headline(f, t.RPS), 9)
	texts := []string{users + rps, users}
	if from := usersFrom(f); !byConnections(t) && t.Users.OK {
		users += " " + from[len(from)-1]
		texts = append([]string{users + rps, users}, texts...)
	}
	a.text(0, 0, normal, cut(first(a.w, texts...), a.w))
	hot := "hot " + unknownText
	if c := t.HottestCore; c.Known {
		hot = "hot " + percent(capacity.Known(c.Busy)) + "% " + cutMiddle(c.Host, 16)
	}
	cpu := "cpu " + percent(t.CPU) + "%"
	a.text(0, 1, normal, cut(first(a.w, cpu+" of "+coreTotal(t.Cores)+" cores  "+hot, cpu+"  "+hot), a.w))
}

// drawFull is everything from 60 x 15 up.
func drawFull(a area, f *Frame, v *View, p *plan, th Theme) {
	drawHeader(a.row(0), f, v, where(v, p)...)
	drawVerdict(a.rows(1, 2), f, v)
	main := a.sub(0, 3, p.left, a.h-3-p.bottom)
	y := p.gap
	drawGauges(main.rows(y, p.gauges), f, v)
	y += p.gauges
	if p.chart > 0 {
		stackCharts(main.rows(y, p.chart), chartsMain(f, p), f, v)
		y += p.chart
	}
	if p.pools > 0 {
		drawPools(main.rows(y, p.pools), f, a.h >= 40)
		y += p.pools
	}
	if p.hosts > 0 {
		drawHosts(main.rows(y, p.hosts), f, v, p, a.h >= 20)
		y += p.hosts
	}
	if p.detail > 0 {
		drawDetail(main.rows(y, p.detail), f, v, p, th)
		y += p.detail
	}
	if len(p.attention) > 0 {
		drawNotices(main.rows(y, len(p.attention)+1), p.attention)
	}
	if p.right > 0 {
		drawBeside(a.sub(p.left, 3, p.right, a.h-3-p.bottom), f, v, p, th)
	}
	y = a.h - p.bottom
	if p.bottom > 1 {
		drawTitle(a.row(y))
	}
	if p.bottom > 2 {
		drawStatus(a.row(y+1), v, len(p.rows), len(f.Hosts))
	}
	drawFooter(a.row(a.h-1), f, v, len(p.rows))
}

// drawBeside is the column of a wide screen: the cores of the fleet, or the
// limits of the one machine; what the engine says; services; then the agents.
func drawBeside(a area, f *Frame, v *View, p *plan, th Theme) {
	for y := range a.h {
		a.put(0, y, 1, '│', rule)
	}
	a = a.sub(1, 0, a.w-1, a.h)
	y := p.heat
	if p.alone(f) {
		drawMachine(a.rows(0, p.heat), &f.Hosts[p.rows[0]])
	} else {
		drawHeat(a.rows(0, p.heat), f, v, p)
	}
	if p.ahead > 0 {
		drawPlan(a.rows(y, p.ahead), f, worst(f))
		y += p.ahead
	}
	if p.byPool > 0 {
		drawByPool(a.rows(y, p.byPool), f)
		y += p.byPool
	}
	if p.learned > 0 {
		drawLearnedFleet(a.rows(y, p.learned), f, v, p)
		y += p.learned
	}
	if p.services > 0 {
		drawFleetServices(a.rows(y, p.services), f, p)
		y += p.services
	}
	if p.beside > 0 {
		stackCharts(a.rows(y, p.beside), chartsBeside(f, p), f, v)
	}
	drawAgents(a.rows(a.h-agentLines+1, agentLines), f, v)
}

// drawMachine is what there is to say about the only machine beside its cores.
func drawMachine(a area, h *fleet.Host) {
	drawTitle(a.row(0), "machine", or(h.Machine.GetHostname(), h.Name), machineLine(h))
	y := 1 + drawFacts(a.sub(1, 1, a.w-2, a.h-1), h)
	drawTitle(a.row(y), "limits, nearest first")
	drawLimits(a.sub(1, y+1, a.w-2, a.h-y-1), h, false)
}
