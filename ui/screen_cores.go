package ui

import (
	"math"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

func init() {
	pages[CoresScreen] = page{
		name: "cores", draw: drawCoresScreen, act: coresAct, settle: coresSettle,
		ask: func(m *model, ask *fleet.Ask) {
			rows := rowsOf(&m.frame, &m.view, m.w)
			if len(rows) > 0 {
				ask.Host = m.frame.Hosts[rows[cursorRow(&m.frame, &m.view, rows)]].Name
				ask.Users = m.view.Core > 0
			}
		},
	}
}

// drawCoresScreen is every core of the fleet: a row a host, a cell a core.
func drawCoresScreen(a area, f *Frame, v *View, th Theme) {
	p := planCores(f, v, a.w, a.h, th)
	if a.h < 6 {
		drawVerdictOf(a.row(0), f, v, worst(f))
	} else {
		drawHeader(a.row(0), f, v, coresWhere(&p)...)
		drawVerdictOf(a.row(1), f, v, worst(f))
	}
	y := coresTop(a.h)
	if y > 2 || a.h >= 6 {
		drawCoresSummary(a.row(y-1), v, &p)
	}
	if p.ruler {
		drawCoresRuler(a.row(y), f, v, &p)
		y++
	}
	list := a.rows(y, p.list)
	for i := range min(p.list, max(len(p.lines)-p.top, 0)) {
		drawCoresLine(list.row(i), f, v, &p, p.top+i)
	}
	if len(p.lines) == 0 {
		list.text(1, 0, unknown, cut(nobody(f, v), a.w-1))
	}
	y += p.list
	if p.status {
		drawCoresStatus(a.row(y), f, v, &p)
		y++
	}
	if p.scale {
		drawCoresScale(a.row(y), &p)
	}
	if p.bottom > 1 {
		drawTitle(a.row(a.h - 2))
	}
	if p.bottom > 0 {
		drawFooter(a.row(a.h-1), f, v, len(rowsOf(f, v, a.w)))
	}
}

func coresWhere(p *coresPlan) []segment {
	cell := "cell=1 core"
	switch {
	case p.half && p.group > 1:
		cell = "cell=2 × max of " + strconv.Itoa(p.group)
	case p.half:
		cell = "cell=2 cores"
	case p.group > 1:
		cell = "cell=max of " + strconv.Itoa(p.group)
	}
	s := []segment{{"2 cores", normal, 5, false}, {cell, normal, 6, false}}
	if p.list < len(p.lines) && p.list > 0 {
		s = append(s, segment{strconv.Itoa(p.top+1) + "-" + strconv.Itoa(p.top+p.list) + " of " + strconv.Itoa(len(p.lines)), dim, 4, false})
	}
	return s
}

// drawCoresSummary is what the cores that are listed come to.
func drawCoresSummary(a area, v *View, p *coresPlan) {
	sums := &p.sums
	order := "core"
	if v.HotFirst {
		order = "hot first"
	}
	parts := [][2]string{
		{"", coresTotal(num(float64(sums.known + sums.unknowns)))},
		{"mean ", percent(num(sums.sum/float64(sums.known))) + "%"},
		{"≥90%: ", strconv.Itoa(sums.busy)},
		{"idle(<5%): ", strconv.Itoa(sums.idle)},
		{"hottest ", strings.TrimSpace(sums.hotAt + " " + percent(num(sums.hot)) + "%")},
	}
	if sums.known == 0 {
		parts = [][2]string{{"", "? no core is known"}}
	}
	if sums.silent > 0 {
		parts = append(parts, [2]string{"", plural(sums.silent, "host") + " with no data"})
	}
	parts = append(parts, [2]string{"o order: ", order}, [2]string{"s sort: ", v.Sort.String()})
	if v.Grouped != NoGroups {
		parts = append(parts, [2]string{"ctrl-g group: ", v.Grouped.String()})
	}
	x := 1
	if a.w < 60 {
		x = 0
	}
	for _, q := range parts {
		if x+cells(q[0])+cells(q[1]) > a.w {
			break
		}
		x = a.text(x, 0, dim, q[0])
		x = a.text(x, 0, normal, q[1]) + 2
	}
}

// drawCoresRuler numbers the cores, every 8 or 16, or names the sections of the
// host under the cursor.
func drawCoresRuler(a area, f *Frame, v *View, p *coresPlan) {
	a.text(1, 0, head, "HOST")
	at := 2 + p.name
	room := a.sub(at, 0, p.cells, 1)
	switch {
	case v.Grouped.within():
		if p.at < len(p.lines) && p.lines[p.at].host >= 0 {
			drawSectionNames(room, &f.Hosts[p.lines[p.at].host], v, p)
		}
	case v.HotFirst:
		room.text(0, 0, dim, first(room.w, "each host's busiest first", "busiest first", "hot"))
	default:
		each := p.group // cores a cell
		if p.half {
			each *= 2
		}
		every := 8
		for every*p.wide/each < 6 {
			every *= 2
		}
		for core := 0; core < p.most; core += every {
			if x := core / each * p.wide; x+cells(strconv.Itoa(core)) <= p.cells {
				room.text(x, 0, dim, strconv.Itoa(core))
			}
		}
	}
	right := coresEnd(a, p)
	if right.w == coresRight {
		right.right(5, 0, head, "MEAN")
		right.right(9, 0, head, "HOT")
	}
	right.text(right.w-9, 0, head, "FLAG")
}

// coresEnd is the right end of a line: mean, hottest core and flag, or the flag
// alone where the rest would stand on the name.
func coresEnd(a area, p *coresPlan) area {
	n := coresRight
	if a.w-n < 2+p.name {
		n = min(9, a.w)
	}
	return a.sub(a.w-n, 0, n, 1)
}

// drawSectionNames is the ruler where each host has its cells in sections.
func drawSectionNames(a area, h *fleet.Host, v *View, p *coresPlan) {
	x := 0
	for _, s := range sectionsOf(h, v.Grouped) {
		n := p.sectionCells(len(s.places))
		name := or(s.name, v.Grouped.String()+" "+unknownText)
		_, number, _ := strings.Cut(name, " ")
		a.sub(x, 0, n, 1).text(0, 0, dim, first(n, name, name[:1]+number, number, ""))
		x += n + 1
	}
}

func drawCoresLine(a area, f *Frame, v *View, p *coresPlan, at int) {
	l := p.lines[at]
	if l.host < 0 {
		drawTitle(a, l.head)
		return
	}
	h := &f.Hosts[l.host]
	a.zone(hit{host: h.Name})
	a.text(1, 0, normal, cutMiddle(h.Name, p.name))
	row := a.sub(2+p.name, 0, p.cells, 1)
	down := h.State == fleet.Down || h.State == fleet.Unseen
	if down || len(h.Cores) == 0 {
		row.fill(0, 0, p.widest, '?', unknown)
	} else {
		cursor := -1
		if at == p.at {
			cursor = v.Core - 1
		}
		drawMarks(row, h, v, p, cursor)
	}
	right := coresEnd(a, p)
	for i, n := range []capacity.Num{h.CPU, hotOf(h)} {
		if x := 5 + 4*i; right.w == coresRight && down {
			right.right(x, 0, unknown, unknownText)
		} else if right.w == coresRight {
			right.right(x, 0, normal, percent(n))
		}
	}
	mark := signOf(h)
	flag := flagText(mark)
	if down {
		flag = mark.text + " " + strings.TrimSpace(mark.word+" "+ageKnown(h))
	}
	right.text(right.w-9, 0, mark.role.style(), cut(flag, 9))
	if h.State == fleet.Stale {
		a.paint(0, func(style) style { return unknown })
	}
	if at == p.at {
		a.text(0, 0, roleCursor.style(), "▶")
		a.paint(0, func(s style) style {
			if s.role() == rolePaused {
				return s
			}
			return s | selected
		})
	}
}

// drawMarks is one cell a mark, or two marks in a cell, the section after the
// other. cursor is the mark that is pointed out; -1: none.
func drawMarks(a area, h *fleet.Host, v *View, p *coresPlan, cursor int) {
	for _, s := range marksOf(h, v, p) {
		n := len(s.places) * p.wide
		if p.half {
			n = (len(s.places) + 1) / 2
			drawTwos(a.sub(0, 0, n, 1), h, s.places, cursor)
		} else {
			for i, place := range s.places {
				cell := a.sub(i*p.wide, 0, p.wide, 1)
				for k := range p.wide {
					cell.mark(k, 0, h.Cores[place], busyStyle(h.Cores[place]))
				}
				if i == cursor {
					cell.paint(0, func(style) style { return rolePaused.style() })
				}
			}
		}
		cursor -= len(s.places)
		a = a.sub(n+1, 0, a.w, 1) // a gap between two sections
	}
}

// drawTwos is two marks a cell, the one above the other.
func drawTwos(a area, h *fleet.Host, places []int, cursor int) {
	for i := 0; i < len(places); i += 2 {
		upper, x := h.Cores[places[i]], i/2
		switch {
		case cursor == i:
			a.put(x, 0, 1, '▀', roleCursor.style())
		case cursor == i+1 && i+1 < len(places):
			a.put(x, 0, 1, '▄', roleCursor.style())
		case i+1 < len(places):
			a.markTwo(x, 0, upper, h.Cores[places[i+1]])
		case math.IsNaN(upper):
			a.put(x, 0, 1, '?', unknown)
		default: // an odd number of them
			a.put(x, 0, 1, '▀', busyStyle(upper))
		}
	}
}

// drawCoresStatus names what is under the cursor: the core, its last minute, and
// what runs on its machine; else how to get there.
func drawCoresStatus(a area, f *Frame, v *View, p *coresPlan) {
	if p.at >= len(p.lines) || p.lines[p.at].host < 0 {
		return
	}
	h := &f.Hosts[p.lines[p.at].host]
	x := a.text(1, 0, strong, cutMiddle(h.Name, 24)) + 2
	place, ok := coreUnder(h, v, p)
	if !ok {
		for _, s := range []string{coreLine(h), "h l: a core", "enter: the host"} {
			if s != "" && x+cells(s) < a.w {
				x = a.text(x, 0, dim, s) + 3
			}
		}
		return
	}
	s := "core " + strconv.Itoa(coreID(h, place)) + "  " + percent(num(h.Cores[place])) + "%"
	if p.group > 1 {
		s += ", busiest of its cell"
	}
	if where := placeText(h, place); where != "" && a.w-x-cells(s) >= 60+cells(where) {
		s += "  " + where
	}
	x = a.text(x, 0, normal, s) + 2
	if user := userText(h, place); user != "" && x+cells(user)+4 < a.w {
		x = a.text(x, 0, strong, user) + 2
	}
	if past := h.Past.Cores; place < len(past) && a.w-x >= 30 {
		x = a.text(x, 0, dim, "last 60s ")
		n := min(60, a.w-x-20)
		a.spark(x, 0, n, resample(past[place], n), 1, roleChart.style())
		x += n + 2
	}
	if s := coreLine(h); s != "" && x+12 < a.w {
		a.text(x, 0, dim, cut(s, a.w-x-1))
	}
}

// placeText is where a core sits, where its machine has more than one of it, and
// the other threads of its physical core; "" where nothing is to be said.
func placeText(h *fleet.Host, place int) string {
	places := h.Places()
	if place >= len(places) {
		return ""
	}
	layout := fleet.LayoutOf(h.Machine.GetTopology())
	at := places[place]
	var parts []string
	for _, of := range []struct {
		name    string
		n, many int
	}{{"socket", at.Socket, layout.Sockets}, {"node", at.Node, layout.Nodes}} {
		if of.n >= 0 && of.many > 1 {
			parts = append(parts, of.name+" "+strconv.Itoa(of.n))
		}
	}
	for i, other := range places {
		if i != place && at.Physical >= 0 && other.Physical == at.Physical {
			parts = append(parts, "twin of "+strconv.Itoa(coreID(h, i)))
		}
	}
	return strings.Join(parts, ", ")
}

// coreLine is what makes a core of this machine busy, as far as that is known:
// a thread wanders, so it is told of the machine and not of the core.
func coreLine(h *fleet.Host) string {
	switch {
	case len(h.Findings) > 0:
		return h.Findings[0].Brief()
	case h.Thread.Known:
		return "busiest thread: " + h.Thread.Name + " " + oneDigitCore(ofOneCore(h.Thread.Demand))
	case len(h.Processes) > 0:
		return "busiest process: " + h.Processes[0].Name + " " + oneDigitCore(h.Processes[0].CoresUsed)
	}
	return ""
}

func oneDigitCore(v float64) string { return coreCount(capacity.Known(v)) + " cores" }

// drawCoresScale explains the heights.
func drawCoresScale(a area, p *coresPlan) {
	x := a.text(1, 0, dim, "scale ")
	switch {
	case a.c.ascii:
		x = a.text(x, 0, dim, "0..9 tenths of a core, # full")
	case p.half:
		for i, step := range [rampSteps]string{"<17", "<33", "<50", "<67", "<83", "≥83"} { // as rampLevel cuts
			x++
			level := (float64(i) + 0.5) / rampSteps
			a.put(x, 0, 1, '▀', pairStyle(level, level))
			x = a.text(x+2, 0, dim, step)
		}
		x = a.text(x, 0, dim, "  upper half: a core, lower: the next")
	default:
		for i, step := range [...]string{"<19", "<31", "<44", "<56", "<69", "<81", "<94", "≥94"} { // as area.mark rounds
			x++
			share := float64(i+1) / 8
			a.mark(x, 0, share, busyStyle(share))
			x = a.text(x+2, 0, dim, step)
		}
	}
	more := []string{"  ? no data"}
	if !p.half {
		more = append(more, "  (colour repeats the height, never alone)")
	}
	for _, s := range more {
		if x+cells(s) < a.w {
			x = a.text(x, 0, dim, s)
		}
	}
	if p.group > 1 {
		what := "  a cell"
		if p.half {
			what = "  a half"
		}
		if s := what + " is the busiest of " + strconv.Itoa(p.group) + " cores"; x+cells(s) < a.w {
			a.text(x, 0, dim, s)
		}
	}
}

// coresSettle keeps the first row on screen and the cell cursor on a cell.
func coresSettle(m *model) {
	p := planCores(&m.frame, &m.view, m.w, m.h, m.theme)
	m.view.Top = p.top
	if p.at < len(p.lines) && p.lines[p.at].host >= 0 {
		h := &m.frame.Hosts[p.lines[p.at].host]
		m.view.Core = min(m.view.Core, marks(h, &m.view, &p))
	}
}

func coresAct(m *model, do action) bool {
	v := &m.view
	p := planCores(&m.frame, v, m.w, m.h, m.theme)
	move := func(to int) bool {
		step := 1
		if to < p.at {
			step = -1
		}
		to = min(max(to, 0), len(p.lines)-1)
		for to >= 0 && to < len(p.lines) && p.lines[to].host < 0 { // heads are no hosts
			to += step
		}
		if to < 0 { // the head at the very top
			to = p.at
		}
		if to < len(p.lines) {
			v.Host = m.frame.Hosts[p.lines[to].host].Name
		}
		return true
	}
	if len(p.lines) == 0 {
		return false
	}
	page := max(p.list/2, 1)
	switch do {
	case actDown:
		return move(p.at + 1)
	case actUp:
		return move(p.at - 1)
	case actPageDown:
		return move(p.at + page)
	case actPageUp:
		return move(p.at - page)
	case actTop:
		return move(0)
	case actBottom:
		return move(len(p.lines) - 1)
	case actLeft:
		v.Core = max(v.Core-1, 0)
	case actRight:
		v.Core++
	case actHotFirst:
		v.HotFirst = !v.HotFirst
		v.Note = "cores in their order"
		if v.HotFirst {
			v.Note = "hot cores first: a lone mark at the left is one thread"
		}
	case actGroups:
		v.Grouped = nextGrouping(&m.frame, v, m.w)
		v.Note = "group: " + v.Grouped.String()
	case actBack:
		if v.Core > 0 {
			v.Core = 0
			return true
		}
		return false
	default:
		return false
	}
	return true
}
