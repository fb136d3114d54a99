package ui

import (
	"cmp"
	"math"
	"slices"
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
			}
		},
	}
}

// Grouping is what the rows of the cores screen stand together by.
type Grouping uint8

// The groupings, as ctrl-g goes through them.
const (
	NoGroups Grouping = iota
	ByPool
	ByRole
	ByZone
	groupings
)

// String is the name in the second line.
func (g Grouping) String() string { return [...]string{"off", "pool", "role", "zone"}[min(g, ByZone)] }

// of is the group a host is in, "" where it has none.
func (g Grouping) of(h *fleet.Host) string {
	switch g {
	case ByPool:
		return h.Pool
	case ByRole:
		return label(h, "role")
	case ByZone:
		return label(h, "zone")
	}
	return ""
}

// coresLine is one line of the screen: a host, or the head of a group.
type coresLine struct {
	host int // index; -1: a head
	head string
}

// coresPlan is where everything of the cores screen goes.
type coresPlan struct {
	lines  []coresLine
	top    int // the first of them on screen
	at     int // the line with the cursor
	list   int // how many are on screen
	name   int // cells of the names
	cells  int // cells that a host's cores may fill
	group  int // cores a cell, 1 and up; the busiest of them is shown
	wide   int // cells a core, 1..3, where there are few
	most   int // cores of the largest host
	ruler  bool
	scale  bool
	status bool
	bottom int
}

// coresTop is the lines above the ruler: header, verdict, summary.
func coresTop(h int) int { return min(3, max(h-2, 1)) }

const coresRight = 19 // MEAN HOT FLAG

func planCores(f *Frame, v *View, w, h int) coresPlan {
	p := coresPlan{ruler: h >= 10, scale: h >= 20, status: h >= 12}
	rows := rowsOf(f, v, w)
	if v.Grouped != NoGroups {
		slices.SortStableFunc(rows, func(a, b int) int {
			return cmp.Compare(v.Grouped.of(&f.Hosts[a]), v.Grouped.of(&f.Hosts[b]))
		})
	}
	last := "\x00"
	for _, i := range rows {
		host := &f.Hosts[i]
		if g := v.Grouped.of(host); v.Grouped != NoGroups && g != last {
			last = g
			p.lines = append(p.lines, coresLine{-1, v.Grouped.String() + " " + or(g, "without")})
		}
		if host.Name == v.Host {
			p.at = len(p.lines)
		}
		p.lines = append(p.lines, coresLine{host: i})
		p.name = max(p.name, cells(host.Name))
		p.most = max(p.most, len(host.Cores))
	}
	if p.at == 0 && len(p.lines) > 0 && p.lines[0].host < 0 {
		p.at = 1
	}
	p.name = min(max(p.name, 4), max(w/6, 6), 24)
	p.cells = max(w-2-p.name-1-coresRight, 1)
	p.group = max((p.most+p.cells-1)/p.cells, 1)
	p.wide = 1
	if p.most > 0 && p.group == 1 {
		p.wide = min(max(p.cells/p.most, 1), 3)
	}
	used := coresTop(h)
	for _, on := range []bool{p.ruler, p.scale, p.status} {
		if on {
			used++
		}
	}
	if p.bottom = min(max(h-2, 0), 1); h >= 20 {
		p.bottom = 2
	}
	p.list = max(h-used-p.bottom, 0)
	p.top = scrolled(v.Top, p.at, p.list, len(p.lines))
	return p
}

// drawCoresScreen is every core of the fleet: a row a host, a cell a core.
func drawCoresScreen(a area, f *Frame, v *View, _ Theme) {
	p := planCores(f, v, a.w, a.h)
	if a.h < 6 {
		drawVerdictOf(a.row(0), f, v, worst(f))
	} else {
		drawHeader(a.row(0), f, v, coresWhere(&p)...)
		drawVerdictOf(a.row(1), f, v, worst(f))
	}
	y := coresTop(a.h)
	if y > 2 || a.h >= 6 {
		drawCoresSummary(a.row(y-1), f, v, &p)
	}
	if p.ruler {
		drawCoresRuler(a.row(y), &p)
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
	if p.group > 1 {
		cell = "cell=max of " + strconv.Itoa(p.group)
	}
	s := []segment{{"2 cores", normal, 5, false}, {cell, normal, 6, false}}
	if p.list < len(p.lines) && p.list > 0 {
		s = append(s, segment{strconv.Itoa(p.top+1) + "-" + strconv.Itoa(p.top+p.list) + " of " + strconv.Itoa(len(p.lines)), dim, 4, false})
	}
	return s
}

// drawCoresSummary counts the cores that are listed.
func drawCoresSummary(a area, f *Frame, v *View, p *coresPlan) {
	var sum float64
	known, unknowns, busy, idle, hosts := 0, 0, 0, 0, 0
	hot, hotAt := math.NaN(), ""
	for _, l := range p.lines {
		if l.host < 0 {
			continue
		}
		h := &f.Hosts[l.host]
		if len(h.Cores) == 0 || h.State == fleet.Down {
			hosts++
			continue
		}
		for i, c := range h.Cores {
			switch {
			case math.IsNaN(c):
				unknowns++
				continue
			case c >= 0.90:
				busy++
			case c < 0.05:
				idle++
			}
			known++
			sum += c
			if !(c <= hot) {
				hot, hotAt = c, cutMiddle(h.Name, 16)+"/c"+strconv.Itoa(coreID(h, i))
			}
		}
	}
	order := "core"
	if v.HotFirst {
		order = "hot first"
	}
	parts := [][2]string{
		{"", grouped(float64(known+unknowns)) + " cores"},
		{"mean ", percent(num(sum/float64(known))) + "%"},
		{"≥90%: ", strconv.Itoa(busy)},
		{"idle(<5%): ", strconv.Itoa(idle)},
		{"hottest ", strings.TrimSpace(hotAt + " " + percent(num(hot)) + "%")},
	}
	if known == 0 {
		parts = [][2]string{{"", "? no core is known"}}
	}
	if hosts > 0 {
		parts = append(parts, [2]string{"", plural(hosts, "host") + " with no data"})
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

// drawCoresRuler numbers the cells, every 8 or 16 cores.
func drawCoresRuler(a area, p *coresPlan) {
	a.text(1, 0, head, "HOST")
	at := 2 + p.name
	every := 8
	for every*p.wide/p.group < 6 {
		every *= 2
	}
	for core := 0; core < p.most; core += every {
		if x := at + core/p.group*p.wide; x+cells(strconv.Itoa(core)) <= at+p.cells {
			a.text(x, 0, dim, strconv.Itoa(core))
		}
	}
	right := a.sub(a.w-coresRight, 0, coresRight, 1)
	right.right(5, 0, head, "MEAN")
	right.right(9, 0, head, "HOT")
	right.text(10, 0, head, "FLAG")
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
	values := coreCells(h, v, p)
	if down || len(values) == 0 {
		values = nil
		row.fill(0, 0, min(max((p.most+p.group-1)/p.group*p.wide, 1), p.cells), '?', unknown)
	}
	cursor := -1
	if at == p.at {
		cursor = v.Core - 1
	}
	for i, busy := range values {
		for k := range p.wide {
			row.mark(i*p.wide+k, 0, busy, busyStyle(busy))
		}
		if i == cursor {
			row.sub(i*p.wide, 0, p.wide, 1).paint(0, func(style) style { return rolePaused.style() })
		}
	}
	right := a.sub(a.w-coresRight, 0, coresRight, 1)
	if !down {
		right.right(5, 0, normal, percent(h.CPU))
		right.right(9, 0, normal, percent(hotOf(h)))
	} else {
		right.right(5, 0, unknown, unknownText)
		right.right(9, 0, unknown, unknownText)
	}
	mark := signOf(h)
	flag := flagText(mark)
	if down {
		flag = mark.text + " " + strings.TrimSpace(mark.word+" "+ageKnown(h))
	}
	right.text(10, 0, mark.role.style(), cut(flag, 9))
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

// coreCells are the cells of one host: its cores, hot first where that is
// chosen, the busiest of each group where there are more cores than cells.
func coreCells(h *fleet.Host, v *View, p *coresPlan) []float64 {
	order := coreOrder(h, v)
	values := make([]float64, len(order))
	for i, k := range order {
		values[i] = h.Cores[k]
	}
	if p.group == 1 {
		return values
	}
	out := make([]float64, 0, (len(values)+p.group-1)/p.group)
	for part := range slices.Chunk(values, p.group) {
		out = append(out, highest(part))
	}
	return out
}

// coreOrder are the places of a host's cores as the screen shows them.
func coreOrder(h *fleet.Host, v *View) []int {
	order := make([]int, len(h.Cores))
	for i := range order {
		order[i] = i
	}
	if v.HotFirst {
		slices.SortStableFunc(order, func(a, b int) int {
			return highFirst(num(h.Cores[a]), num(h.Cores[b]))
		})
	}
	return order
}

// coreUnder is the core under the cell cursor: the busiest of its cell. Not ok
// where there is no cell cursor, or no such cell.
func coreUnder(h *fleet.Host, v *View, p *coresPlan) (place int, ok bool) {
	order := coreOrder(h, v)
	from := (v.Core - 1) * p.group
	if v.Core < 1 || from >= len(order) {
		return 0, false
	}
	cell := order[from:min(from+p.group, len(order))]
	return slices.MinFunc(cell, func(a, b int) int { return highFirst(num(h.Cores[a]), num(h.Cores[b])) }), true
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
	x = a.text(x, 0, normal, s) + 2
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

// coreLine is what makes a core of this machine busy, as far as that is known:
// a thread wanders, so it is told of the machine and not of the core.
func coreLine(h *fleet.Host) string {
	switch {
	case len(h.Findings) > 0:
		return h.Findings[0].Brief()
	case h.Thread.Known:
		return "busiest thread: " + h.Thread.Name + " " + oneDigitCore(h.Thread.Demand)
	case len(h.Processes) > 0:
		return "busiest process: " + h.Processes[0].Name + " " + oneDigitCore(h.Processes[0].CoresUsed)
	}
	return ""
}

func oneDigitCore(v float64) string { return coreCount(capacity.Known(v)) + " cores" }

// drawCoresScale explains the heights.
func drawCoresScale(a area, p *coresPlan) {
	x := a.text(1, 0, dim, "scale ")
	// As area.mark rounds.
	steps := [...]string{"<19", "<31", "<44", "<56", "<69", "<81", "<94", "≥94"}
	if a.c.ascii {
		x = a.text(x, 0, dim, "0..9 tenths of a core, # full")
	} else {
		for i := 1; i <= 8; i++ {
			x++
			share := float64(i) / 8
			a.mark(x, 0, share, busyStyle(share))
			x = a.text(x+2, 0, dim, steps[i-1])
		}
	}
	for _, s := range []string{"  ? no data", "  (colour repeats the height, never alone)"} {
		if x+cells(s) < a.w {
			x = a.text(x, 0, dim, s)
		}
	}
	if p.group > 1 {
		if s := "  a cell is the busiest of " + strconv.Itoa(p.group) + " cores"; x+cells(s) < a.w {
			a.text(x, 0, dim, s)
		}
	}
}

// coresSettle keeps the first row on screen and the cell cursor on a cell.
func coresSettle(m *model) {
	p := planCores(&m.frame, &m.view, m.w, m.h)
	m.view.Top = p.top
	if p.at < len(p.lines) && p.lines[p.at].host >= 0 {
		h := &m.frame.Hosts[p.lines[p.at].host]
		m.view.Core = min(m.view.Core, (len(h.Cores)+p.group-1)/p.group)
	}
}

func coresAct(m *model, do action) bool {
	v := &m.view
	p := planCores(&m.frame, v, m.w, m.h)
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
		v.Grouped = (v.Grouped + 1) % groupings
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
