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

// sideBySide is the width from which facts stand beside the cores.
const sideBySide = 100

// detailHeight is how many lines the selected host fills below its title, at
// most so many of them with its cores. Of a host whose facts stand elsewhere
// it is the cores alone.
func detailHeight(h *fleet.Host, width, most int, coresOnly bool) int {
	services := 0
	if n := len(h.Services); n > 0 {
		services = n + 1
	}
	cores := width
	if width >= sideBySide && !coresOnly {
		cores = besideFacts(width)
	}
	rows := layGrid(h, cores, most).height
	switch {
	case coresOnly:
		return rows
	case width >= sideBySide:
		return max(rows+titled(services), len(factsOf(h))+titled(len(h.Limits)))
	}
	return rows + factLines(h, width) + services
}

// besideFacts is the width of the cores when facts stand beside them.
func besideFacts(width int) int { return width*3/5 - 1 }

// drawDetail is the selected host: its cores, where their time goes, memory,
// limits and services.
func drawDetail(a area, f *Frame, v *View, p *plan, th Theme) {
	h := &f.Hosts[p.rows[cursorRow(f, v, p.rows)]]
	parted := len(h.Past.Parts) > 0
	if p.alone(f) {
		drawCoresTitle(a.row(0), parted, th, "cores of "+cutMiddle(h.Name, 24), machineLine(h))
	} else {
		drawCoresTitle(a.row(0), parted, th, "selected: "+cutMiddle(h.Name, 24), "enter opens it")
	}
	body := a.rows(1, a.h-1)
	if p.right == 0 {
		body = drawEngineLines(body, f, h)
	}
	if p.alone(f) && p.right > 0 {
		drawCores(body, h, v, th)
		return
	}
	if body.w >= sideBySide {
		left := body.sub(0, 0, besideFacts(body.w), body.h)
		right := body.sub(left.w+2, 0, body.w, body.h)
		n := drawCores(left, h, v, th)
		drawServices(left.rows(n, left.h-n), h, true)
		y := drawFacts(right, h)
		drawLimits(right.rows(y, right.h-y), h, true)
		return
	}
	facts := min(factLines(h, body.w), max(body.h-2, 0))
	n := drawCores(body.rows(0, max(body.h-facts, 1)), h, v, th)
	n += drawFactLines(body.rows(n, facts), h)
	drawServices(body.rows(n, body.h-n), h, false)
}

// fact is one line about a machine.
type fact struct {
	name, text string
	short      string // for where text doesn't fit; "": cut
	st         style
}

// factsOf are where a machine's time goes, its load and memory.
func factsOf(h *fleet.Host) []fact {
	c := h.Newest.GetCpu()
	facts := []fact{{name: "cpu", text: partsText(h, tenths), short: partsText(h, percent)}}
	load := unknownText
	if label(h, "scope") != "" {
		load = "? of a machine, not of a part of it"
	}
	if facts[0].text == unknownText && h.CPU.OK { // busy is known, its parts are not
		facts[0] = fact{name: "cpu", text: percent(h.CPU) + "% busy   ? usr sys irq", short: percent(h.CPU) + "% busy"}
	}
	if c != nil && c.Load1 != nil {
		load = oneDecimal(c.Load1) + " " + oneDecimal(c.Load5) + " " + oneDecimal(c.Load15) + "  (1, 5, 15 min) of " + coreTotal(h.Available)
	}
	facts = append(facts, fact{name: "load", text: load}, fact{name: "memory", text: memoryText(h)})
	if c != nil && c.GetAvailableFrom() > 1 {
		facts = append(facts, fact{name: "cores", text: coreTotal(h.Available) + " allowed by " + strings.ToLower(strings.TrimPrefix(c.GetAvailableFrom().String(), "BOUND_"))})
	}
	if h.Throttled.OK {
		facts = append(facts, fact{name: "quota", text: "held back in " + tenths(h.Throttled) + "% of its periods"})
	}
	facts = append(facts, fact{name: "rps", text: rpsText(h)})
	if s := connectionsText(h); s != "" {
		facts = append(facts, fact{name: "conns", text: s})
	}
	if h.Thread.Known {
		facts = append(facts, fact{name: "thread", text: h.Thread.Name + "/" + strconv.Itoa(h.Thread.PID) + "  " + coreCount(num(ofOneCore(h.Thread.Demand))) + " core"})
	}
	for i := range facts {
		if strings.HasPrefix(facts[i].text, unknownText) {
			facts[i].st = unknown
		}
	}
	return facts
}

func oneDecimal(v *float32) string {
	if v == nil {
		return unknownText
	}
	return strconv.FormatFloat(float64(*v), 'f', 1, 64)
}

// partsText is where the machine's time went: the parts of busy, then those
// that are not.
func partsText(h *fleet.Host, write func(capacity.Num) string) string {
	c := h.Newest.GetCpu()
	if c == nil || c.User == nil || c.System == nil {
		return unknownText
	}
	part := func(name string, v *uint32) string {
		if v == nil {
			return name + " " + unknownText
		}
		return name + " " + write(num(float64(*v)/1e4))
	}
	return part("usr", c.User) + " " + part("sys", c.System) + " " + part("irq", c.Irq) + " | " + part("wait", c.Iowait) + " " + part("steal", c.Steal)
}

func memoryText(h *fleet.Host) string {
	if !h.MemoryUsed.OK || !h.MemoryTotal.OK || h.MemoryTotal.V <= 0 {
		return unknownText
	}
	return percent(num(h.MemoryUsed.V/h.MemoryTotal.V)) + "%  " + size(h.MemoryUsed) + " of " + size(h.MemoryTotal)
}

func rpsText(h *fleet.Host) string {
	if !h.RPS.OK {
		return strings.TrimSpace(unknownText + " " + h.RPSNote)
	}
	if h.RPSSource == "" { // an earlier moment: what was counted is kept, not by whom
		return count(h.RPS, 9)
	}
	return count(h.RPS, 9) + " from " + h.RPSSource
}

// connectionsText is how connections are counted, and those that are over.
func connectionsText(h *fleet.Host) string {
	var parts []string
	if h.ConnectionsFrom != "" {
		s := "from " + h.ConnectionsFrom
		if h.ConnectionsDrift.OK {
			s += ", drift " + grouped(h.ConnectionsDrift.V)
		}
		parts = append(parts, s)
	}
	if h.TimeWait.OK {
		parts = append(parts, grouped(h.TimeWait.V)+" in time-wait")
	}
	if h.PortsUsed.OK && h.PortsLimit.OK {
		parts = append(parts, "ports "+grouped(h.PortsUsed.V)+" of "+grouped(h.PortsLimit.V))
	}
	return strings.Join(parts, "   ")
}

// factLines is how many lines the facts take one after another.
func factLines(h *fleet.Host, width int) int {
	x, lines := 1, 1
	for _, f := range factsOf(h) {
		n := cells(f.name) + 1 + cells(f.text)
		if x > 1 && x+n > width-1 {
			x, lines = 1, lines+1
		}
		x += n + 3
	}
	return lines
}

// drawFactLines writes the facts one after another, and returns the lines.
func drawFactLines(a area, h *fleet.Host) int {
	x, y := 1, 0
	for _, f := range factsOf(h) {
		n := cells(f.name) + 1 + cells(f.text)
		if x > 1 && x+n > a.w-1 {
			x, y = 1, y+1
		}
		if y >= a.h {
			return a.h
		}
		x = a.text(x, y, dim, f.name+" ")
		x = a.text(x, y, f.st, cut(f.text, a.w-x)) + 3
	}
	return y + 1
}

// drawFacts writes them one under another, memory with a bar, and returns the
// lines used.
func drawFacts(a area, h *fleet.Host) int {
	for y, f := range factsOf(h) {
		a.text(0, y, dim, f.name)
		x := 8
		if f.name == "memory" && h.MemoryTotal.V > 0 && a.w > 50 {
			bar := min(20, a.w-40)
			share := h.MemoryUsed.V / h.MemoryTotal.V
			a.gauge(x, y, bar, share, busyStyle(share))
			x += bar + 2
		}
		a.text(x, y, f.st, cut(first(a.w-x, f.text, or(f.short, f.text)), a.w-x))
	}
	return min(len(factsOf(h)), a.h)
}

// drawLimits are what bounds the host, nearest first.
func drawLimits(a area, h *fleet.Host, titled bool) {
	if a.h == 0 || titled && a.h < 2 {
		return
	}
	y := 0
	if titled {
		a.text(0, 0, title, "limits, nearest first")
		y++
	}
	if len(h.Limits) == 0 {
		a.text(1, y, unknown, "? none known")
	}
	bar := limitBar(h.Limits, a.w)
	for _, l := range h.Limits {
		s := share(l)
		st := sign{}
		switch {
		case s >= 0.95 && l.Name == "thread": // its machine is not full
			st = signOfFlag(fleet.SingleThread, h)
		case s >= 0.95:
			st = fullSign(s)
		}
		a.text(0, y, st.role.style(), st.text)
		x := max(a.text(3, y, normal, cutMiddle(l.Name, 10)), 12)
		if bar > 0 {
			a.gauge(x, y, bar, s, busyStyle(s))
			x += bar + 1
		}
		a.right(x+4, y, normal, percent(num(s))+"%")
		amount := amountText(l) + " " + limitUnit(&l)
		if x+6+cells(amount)+2+cells(l.From) > a.w && !strings.HasPrefix(l.Unit, "core") { // its name says as much
			amount = amountText(l)
		}
		x = a.text(x+6, y, normal, first(a.w-x-6, amount, amountText(l)))
		if room := a.w - x - 2; room >= 12 || cells(l.From) <= room {
			a.text(x+2, y, dim, cut(l.From, room))
		}
		y++
	}
}

// limitBar is how wide the bars are: what is left beside where the limits come
// from, or nothing.
func limitBar(limits []limit, width int) int {
	most := 0
	for _, l := range limits {
		most = max(most, 12+6+cells(amountText(l)+" "+limitUnit(&l))+2+cells(l.From))
	}
	if bar := min(20, width-most-1); bar >= 6 {
		return bar
	}
	return 0
}

func amountText(l limit) string { return limitText(l.Used) + " of " + limitText(l.Capacity) }

// limitText is a number of a limit whose size may be anything.
func limitText(v float64) string {
	if math.Abs(v) < 100 && v != math.Trunc(v) {
		return coreCount(num(v))
	}
	return count(num(v), 9)
}

// drawServices are the listening ports, the busiest first.
func drawServices(a area, h *fleet.Host, spaced bool) {
	if spaced {
		a = a.rows(1, a.h-1)
	}
	if a.h < 2 || len(h.Services) == 0 {
		return
	}
	name := 16
	if a.w >= 60 {
		name = 24
	}
	drawServiceHead(a, name)
	shown := busiest(h.Services, a.h-1)
	for i := range shown {
		if i == len(shown)-1 && i > 0 && len(shown) < len(h.Services) {
			a.text(8, 1+i, dim, strconv.Itoa(len(h.Services)-len(shown)+1)+" more: enter")
			break
		}
		drawService(a.row(1+i), &shown[i], name)
	}
}

func drawServiceHead(a area, name int) {
	a.right(6, 0, head, "PORT")
	a.text(8, 0, head, "SERVICE")
	a.right(8+name+8, 0, head, "RPS")
	a.right(8+name+17, 0, head, "CONNS")
	a.text(8+name+19, 0, head, "RPS FROM")
}

// drawService is one listening port; name is the width of its name.
func drawService(a area, s *fleet.Service, name int) {
	a.right(6, 0, normal, strconv.Itoa(s.Port))
	if s.Name == "" {
		a.text(8, 0, unknown, "? owner hidden")
	} else {
		a.text(8, 0, normal, cutMiddle(s.Name, name))
	}
	drawNum(a, 8+name+8, 0, s.RPS, 7)
	drawNum(a, 8+name+17, 0, s.Connections, 7)
	from := s.RPSSource
	if !s.RPS.OK {
		from = s.RPSNote
	}
	x := 8 + name + 19
	a.text(x, 0, dim, cut(from, a.w-x-1))
}

func drawNum(a area, x, y int, n capacity.Num, width int) {
	st := normal
	if !n.OK {
		st = unknown
	}
	a.right(x, y, st, count(n, width))
}

// machineLine is a machine in one line: what it is and what watches it.
func machineLine(h *fleet.Host) string {
	m := h.Machine
	if m == nil {
		return ""
	}
	parts := []string{}
	for _, s := range []string{m.GetOs() + "/" + m.GetArch(), m.GetKernel()} {
		if strings.Trim(s, "/") != "" {
			parts = append(parts, s)
		}
	}
	if s := layoutText(h); s != "" {
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

// layoutText is how many sockets, nodes and physical cores a machine has, where
// that is more than one or other than its cores.
func layoutText(h *fleet.Host) string {
	l := fleet.LayoutOf(h.Machine.GetTopology())
	var parts []string
	if l.Sockets > 1 {
		parts = append(parts, plural(l.Sockets, "socket"))
	}
	if l.Nodes > 1 && l.Nodes != l.Sockets {
		parts = append(parts, plural(l.Nodes, "node"))
	}
	if l.Physical > 0 && l.Physical < len(h.Cores) {
		parts = append(parts, grouped(float64(l.Physical))+" physical")
	}
	if len(parts) == 0 {
		return ""
	}
	return grouped(float64(len(h.Cores))) + " cores: " + strings.Join(parts, ", ")
}

// drawCoresTitle is a title with what the parts of a bar are at its right end,
// where bars have parts.
func drawCoresTitle(a area, parts bool, th Theme, names ...string) {
	drawTitle(a)
	if parts {
		a = a.sub(0, 0, drawPartsLegend(a, th), 1)
	}
	drawTitle(a, names...)
}

// drawPartsLegend returns where it begins.
func drawPartsLegend(a area, th Theme) int {
	mark, names := "█", [...]string{"usr", "sys", "irq", "iowait", "steal"}
	width := 2
	for _, s := range names {
		width += cells(s) + 3
	}
	if a.w < width+30 {
		return a.w
	}
	x := a.text(a.w-width-1, 0, normal, " ")
	for i, s := range names {
		if th.letters {
			mark = "usiwt"[i : i+1]
		}
		x = a.text(x, 0, style(roleUser)+style(i), mark)
		x = a.text(x, 0, dim, " "+s+" ")
	}
	return a.w - width - 1
}

// busiest are at most n services: those with most requests, then connections,
// in the order of their ports when all fit.
func busiest(all []fleet.Service, n int) []fleet.Service {
	if len(all) <= n {
		return all
	}
	some := slices.Clone(all)
	slices.SortStableFunc(some, func(a, b fleet.Service) int {
		return cmp.Or(highFirst(a.RPS, b.RPS), highFirst(a.Connections, b.Connections))
	})
	return some[:max(n, 0)]
}
