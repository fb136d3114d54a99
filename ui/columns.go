package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	colNew
	colRoom
	colBound
	colTrend
	colAge
	colFlag
	columnIDs
)

// columnNames are how columns are called where they are chosen.
var columnNames = [columnIDs]string{
	colHost: "host", colRole: "role", colPool: "pool", colCPU: "cpu", colCores: "cores", colHot: "hot", colSteal: "steal",
	colRPS: "rps", colPerCore: "rps/core", colConns: "conns", colNew: "new", colRoom: "room", colBound: "bound",
	colTrend: "last", colAge: "age", colFlag: "flag",
}

// column is one column of the table as laid out.
type column struct {
	id    columnID
	head  string
	width int
	space int  // blank cells before it
	left  bool // text stands at its left edge
	sort  Sort
}

// columnsOf are the columns that a table of width cells has, in order: those
// chosen, else those for its width.
func columnsOf(f *Frame, v *View, width int, rows []int) []column {
	facts := survey(f, rows)
	var cols []column
	if len(v.Columns) > 0 {
		cols = chosenColumns(v, width-2, facts)
	} else {
		cols = usualColumns(v, width, facts)
	}
	stretch(cols, width-2, facts)
	if len(v.Columns) == 0 && !shownTrend(cols) {
		cols = slices.DeleteFunc(cols, func(c column) bool { return c.id == colTrend })
		stretch(cols, width-2, facts)
	}
	return cols
}

// shownTrend says whether there is room for a head over the last minute: without
// one nobody knows what it is.
func shownTrend(cols []column) bool {
	return !slices.ContainsFunc(cols, func(c column) bool { return c.id == colTrend && c.head == "" })
}

// newColumn is a column at its least width.
func newColumn(id columnID, v *View, about facts) column {
	c := column{id: id, space: 2}
	switch id {
	case colHost:
		c = column{id: id, head: "HOST", left: true, sort: SortName, width: min(about.name, 9)}
	case colRole:
		c.head, c.left, c.width = "ROLE", true, min(max(about.role, 4), 8)
	case colPool:
		c.head, c.left, c.width = "POOL", true, 4
	case colCPU:
		c.head, c.width, c.sort = "CPU%", 4, SortCPU
		if v.Cores { // -12.3 beside a mark
			c.head, c.width = "USED", 5
		}
	case colCores:
		c.head, c.left, c.width = "CORES", true, 8
	case colHot:
		c.head, c.width, c.sort = "HOT%", 4, SortHot
		if v.Cores {
			c.head, c.width = "HOT", 5
		}
	case colSteal:
		c.head, c.width, c.sort = "STEAL", 5, SortSteal
	case colRPS:
		c.head, c.width, c.sort = "RPS", 6, SortRPS
	case colPerCore:
		c.head, c.width, c.sort = "RPS/CORE", 8, SortPerCore
	case colConns:
		c.head, c.width, c.sort = "CONNS", 6, SortConns
	case colNew:
		c.head, c.width, c.sort = "NEW/s", 5, SortNew
	case colRoom:
		c.head, c.space, c.width, c.sort = "ROOM", 1, 6, SortRoom
		if about.roomIsRPS {
			c.head = "ROOM/s"
		}
	case colBound:
		c.head, c.left, c.width = "BOUND", true, 6
	case colTrend:
		c.space, c.left = 1, true
	case colAge:
		c.head, c.space, c.width, c.sort = "AGE", 1, 4, SortAge
	case colFlag:
		c.head, c.space, c.left, c.width = "FLAG", 1, true, 8
	}
	return c
}

// usualColumns are those for a width. What goes first with less width is what
// can be done without: see the numbers.
func usualColumns(v *View, width int, about facts) []column {
	cols := make([]column, 0, columnIDs)
	add := func(from int, id columnID) {
		if width >= from {
			cols = append(cols, newColumn(id, v, about))
		}
	}
	add(0, colHost)
	pooled := about.pool > 0
	if pooled {
		add(80, colPool)
	} else if about.role > 0 {
		add(120, colRole)
	}
	add(0, colCPU)
	add(80, colCores)
	add(0, colHot)
	if about.steal {
		add(120, colSteal)
	}
	add(80, colRPS)
	add(100, colPerCore)
	add(0, colConns)
	if about.accepts {
		add(120, colNew)
	}
	add(0, colRoom)
	add(80, colBound)
	if !pooled || width >= 100 { // else the pool has its place
		add(80, colTrend)
	}
	add(100, colAge)
	add(0, colFlag)
	return cols
}

// chosenColumns are those of the view that stand in width cells: the last go
// first. The name is always there, before them, and the flag behind.
func chosenColumns(v *View, width int, about facts) []column {
	cols := []column{newColumn(colHost, v, about)}
	end := newColumn(colFlag, v, about)
	left := width - cols[0].width - end.space - end.width
	for _, name := range v.Columns {
		id, ok := columnNamed(name)
		if !ok || id == colHost || id == colFlag {
			continue
		}
		c := newColumn(id, v, about)
		if id == colTrend {
			c.width = 6
		}
		if left -= c.space + c.width; left < 0 {
			break
		}
		cols = append(cols, c)
	}
	return append(cols, end)
}

func columnNamed(name string) (columnID, bool) {
	i := slices.Index(columnNames[:], name)
	return columnID(max(i, 0)), i >= 0
}

// ParseColumns reads names of columns with blanks or commas between them, for
// View.Columns: in this order; none or "auto": as many as the width has room for.
// The name of a host and its flag stand in any case, first and last.
func ParseColumns(text string) ([]string, error) {
	var names []string
	for _, name := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ',' || r == ' ' }) {
		switch id, ok := columnNamed(name); {
		case name == "auto":
		case !ok:
			return nil, fmt.Errorf("no column %q: there are %s", name, strings.Join(choosable(), " "))
		case id == colHost || id == colFlag:
		case slices.Contains(names, name):
			return nil, fmt.Errorf("column %s is named twice", name)
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

// choosable are the columns there is a choice about.
func choosable() []string {
	return slices.DeleteFunc(slices.Clone(columnNames[:]), func(s string) bool { return s == columnNames[colHost] || s == columnNames[colFlag] })
}

// shownColumns are the columns of the overview now, as they are chosen.
func shownColumns(f *Frame, v *View, width, height int) []string {
	p := planOf(f, v, width, height)
	var names []string
	for _, c := range columnsOf(f, v, p.left, p.rows) {
		if c.id != colHost && c.id != colFlag {
			names = append(names, columnNames[c.id])
		}
	}
	return names
}

func init() {
	prompts[ColumnsPrompt] = prompt{
		sign: "columns ",
		hint: func(_ *Frame, v *View, width int) string {
			chosen, err := ParseColumns(v.Prompt.Text)
			word := v.Prompt.Text[strings.LastIndexAny(v.Prompt.Text, " ,")+1:]
			offers := columnOffers(v.Prompt.Text)
			switch room := width - cells(v.Prompt.Text) - 20; {
			case err != nil && len(offers) > 0:
				return first(room, "tab: "+strings.Join(offers, " "), "tab completes")
			case err != nil:
				return err.Error()
			case len(chosen) == 0:
				return "as many as fit   enter keep  esc back"
			case word == "" && len(offers) > 0:
				return first(room, "also: "+strings.Join(offers, " "), "also: "+strings.Join(offers[:min(len(offers), 3)], " ")+" …", "enter keep  esc back")
			default:
				return first(room, "enter keep  esc back  ctrl-u none: as many as fit", "enter keep  esc back")
			}
		},
		typed: func(m *model, text string) {
			if chosen, err := ParseColumns(text); err == nil {
				m.view.Columns = chosen
			}
		},
		done: func(m *model, text string) {
			if _, err := ParseColumns(text); err != nil { // to be mended or left
				m.begin(ColumnsPrompt, text)
			}
		},
		left: func(m *model) { m.view.Columns = m.columns },
		complete: func(_ *model, text string) string {
			at := strings.LastIndexAny(text, " ,") + 1
			return text[:at] + completed(text[at:], columnOffers(text))
		},
	}
}

// columnOffers are the columns that the last word of text may become and that
// are not in it.
func columnOffers(text string) []string {
	at := strings.LastIndexAny(text, " ,") + 1
	before := strings.FieldsFunc(text[:at], func(r rune) bool { return r == ',' || r == ' ' })
	return slices.DeleteFunc(choosable(), func(s string) bool {
		return slices.Contains(before, s) || !strings.HasPrefix(s, text[at:])
	})
}

// chooseColumns asks which columns there are to be.
func (m *model) chooseColumns() {
	m.columns = m.view.Columns
	m.begin(ColumnsPrompt, strings.Join(shownColumns(&m.frame, &m.view, m.w, m.h), " ")+" ")
}

// facts are what the hosts listed have in common.
type facts struct {
	name, role int // widest, in cells
	pool       int // the same of the pools; 0 where there is one
	cores      int // most
	steal      bool
	accepts    bool
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
		out.accepts = out.accepts || newConnections(h).OK
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
		if c.sort != SortList {
			a.sub(x-c.space, 0, c.width+c.space, 1).zone(hit{by: true, sort: c.sort})
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

// reasonOf is why a host is not up, and what to do.
func reasonOf(h *fleet.Host) string {
	why := trouble(h)
	switch {
	case why == "" && h.Do == "" && h.State == fleet.Unseen: // what is told of a link is not kept
		return "no data of this moment"
	case why == "" && h.Do == "":
		return "no reason given"
	case h.Do == "":
		return why
	case why == "":
		return "→ " + h.Do
	}
	return why + arrow + h.Do
}

// trouble is what is wrong with a host, to stand beside its name: the name and
// the port are not said twice.
func trouble(h *fleet.Host) string {
	if address, why, ok := strings.Cut(h.Reason, " "); ok && strings.HasPrefix(address, h.Name+":") {
		return strings.TrimSpace(why)
	}
	return h.Reason
}

func drawCell(a area, c column, v *View, h *fleet.Host, st style, mark sign) {
	number := func(s string) {
		if s == unknownText {
			a.right(c.width, 0, unknown, s)
			return
		}
		a.right(c.width, 0, st, s)
	}
	short := func(n capacity.Num) string {
		if v.Mark != nil {
			return count(n, c.width-1) // beside its sign
		}
		return count(n, c.width)
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
			number(sinceMark(v, h, func(h *fleet.Host) capacity.Num { return h.CoresUsed }, coreCount))
		} else {
			number(sinceMark(v, h, func(h *fleet.Host) capacity.Num { return h.CPU }, percent))
		}
	case colCores:
		drawStripCell(a, c.width, h, st)
	case colHot:
		if v.Cores {
			number(sinceMark(v, h, hotOf, coreCount))
		} else {
			number(sinceMark(v, h, hotOf, percent))
		}
		if mark.word == "1T" {
			a.text(c.width, 0, mark.role.style(), "!")
		}
	case colSteal:
		number(sinceMark(v, h, stealOf, tenths))
	case colRPS:
		number(sinceMark(v, h, func(h *fleet.Host) capacity.Num { return h.RPS }, short))
	case colPerCore:
		number(sinceMark(v, h, func(h *fleet.Host) capacity.Num { return perCore(h.RPS, h.Available) }, short))
	case colConns:
		number(sinceMark(v, h, func(h *fleet.Host) capacity.Num { return h.Connections }, short))
	case colNew:
		number(sinceMark(v, h, newConnections, short))
	case colRoom:
		number(sinceMark(v, h, roomOf, short))
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

// newConnections are those accepted a second, of the services that are not
// behind another one of the same machine; unknown where one with connections
// does not say.
func newConnections(h *fleet.Host) capacity.Num {
	var sum capacity.Num
	for i := range h.Services {
		s := &h.Services[i]
		switch {
		case s.Behind != 0:
		case s.Accepts.OK:
			sum = capacity.Known(sum.V + s.Accepts.V)
		case s.Connections.V > 0:
			return capacity.Num{}
		}
	}
	return sum
}
