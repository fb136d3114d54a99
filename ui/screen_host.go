package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

func init() {
	pages[HostScreen] = page{
		name: "host", draw: drawHost, body: hostScrolls, act: hostAct, click: hostClick,
		ask: func(m *model, ask *fleet.Ask) {
			ask.Host, ask.PID = m.view.Host, m.view.Threads
			ask.Users = m.view.Threads == 0
		},
	}
}

// drawHost is everything about one machine. Its body is drawn as tall as it
// needs to be and shown from v.Scroll on.
func drawHost(a area, f *Frame, v *View, th Theme) {
	h := hostNamed(f, v.Host)
	top := 1
	if a.h >= 6 {
		drawHeader(a.row(0), f, v, hostSegments(h, v)...)
		top = drawHostSummary(a.rows(1, 3), h, v) + 1
	} else {
		drawHostVerdict(a.row(0), h, v)
	}
	foot := 0
	if a.h >= 3 {
		foot = 1
	}
	if a.h >= 20 {
		foot = 2
		drawPaneBar(a.row(a.h-2), h, v)
	}
	body := a.rows(top, a.h-top-foot)
	if h != nil {
		b := layHost(f, h, v, th, body.w, body.h)
		key := "j"
		if b.processes >= 0 {
			key = "ctrl-d"
		}
		scrollBy(body, b.canvas, v.Scroll, key)
	}
	if foot > 0 {
		drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
	}
}

// hostScrolls is the body of the screen and how many lines of it show.
func hostScrolls(f *Frame, v *View, w, h int, th Theme) (*canvas, int) {
	host := hostNamed(f, v.Host)
	if host == nil {
		return nil, 0
	}
	top, foot := 1, 0
	if h >= 6 {
		top += drawHostSummary(newCanvas(w, 3, th.ascii).all(), host, v)
	}
	switch {
	case h >= 20:
		foot = 2
	case h >= 3:
		foot = 1
	}
	visible := h - top - foot
	return layHost(f, host, v, th, w, visible).canvas, visible
}

func hostSegments(h *fleet.Host, v *View) []segment {
	if h == nil {
		return []segment{{text: "> " + cutMiddle(v.Host, 32), drop: 4}}
	}
	return []segment{{text: "> " + cutMiddle(h.Name, 32), style: strong}, {text: "host", drop: 8}}
}

// drawHostVerdict is all there is to say where there is one line: the sign, who
// and the nearest limit.
func drawHostVerdict(a area, h *fleet.Host, v *View) {
	if h == nil {
		a.text(0, 0, unknown, cut("? "+or(v.Host, "no host yet"), a.w))
		return
	}
	mark, says := signOf(h), h.State.String()
	switch {
	case h.State != fleet.Up:
	case len(h.Limits) > 0 && h.Limits[0].Capacity > 0:
		says = h.Limits[0].Name + " " + percent(capacity.Known(h.Limits[0].Ratio())) + "%"
	case h.CPU.OK:
		says = cpuText(h, v)
	default:
		mark, says = sign{text: "?", role: roleUnknown}, "?"
	}
	x := 0
	if mark.text != "" {
		x = a.text(0, 0, mark.role.style(), mark.text) + 1
	}
	x = a.text(x, 0, strong, cutMiddle(h.Name, max(a.w-x-cells(says)-1, 3))) + 1
	a.text(x, 0, normal, cut(says, a.w-x))
}

// drawHostSummary is the host's numbers in a line, its state and what to do,
// and returns how many lines that took.
func drawHostSummary(a area, h *fleet.Host, v *View) int {
	if h == nil {
		a.text(1, 0, unknown, cut("? "+v.Host+" is no longer watched; esc goes back", a.w-2))
		return 1
	}
	mark := signOf(h)
	if h.State == fleet.Down || h.State == fleet.Unseen {
		a.text(1, 0, mark.role.style(), cut(strings.TrimSpace(mark.text+" "+mark.word+" "+ageKnown(h))+"   "+trouble(h), a.w-2))
		if h.Do == "" {
			return 1
		}
		a.text(1, 1, normal, cut("→ "+h.Do, a.w-2))
		return 2
	}
	x := 1
	for _, p := range [][2]string{
		{"CPU", cpuText(h, v) + hostChange(v, h, func(h *fleet.Host) capacity.Num { return h.CPU }, percent, " points")},
		{"HOT", hotText(h) + hostChange(v, h, hotOf, percent, " points")},
		{"RPS", rpsShort(h, a.w) + hostChange(v, h, func(h *fleet.Host) capacity.Num { return h.RPS }, shortCount, "")},
		{"CONNS", connsText(h) + hostChange(v, h, func(h *fleet.Host) capacity.Num { return h.Connections }, shortCount, "")},
		{"USERS", usersText(h)},
		{"ROOM", roomText(h) + hostChange(v, h, roomOf, shortCount, "")},
		{"BOUND", or(h.Bound, unknownText)},
		{"age", ageText(known(h.Age))},
		{"skew", skewText(math.Abs(known(h.Skew)))},
	} {
		if x+cells(p[0])+1+cells(p[1]) > a.w-1 && v.Mark != nil {
			p[1], _, _ = strings.Cut(p[1], " (") // the number is worth more than its change
		}
		if p[1] == "" || x+cells(p[0])+1+cells(p[1]) > a.w-1 {
			continue
		}
		x = a.text(x, 0, dim, p[0]+" ")
		st := strong
		if p[1] == unknownText {
			st = unknown
		}
		x = a.text(x, 0, st, p[1]) + 3
	}
	line := 1
	say := func(s string) {
		a.text(4, line, normal, cut(s, a.w-5))
		line++
	}
	a.text(1, line, mark.role.style(), mark.text)
	if s := flagsText(h); h.State == fleet.Stale {
		say("stale for " + ageText(known(h.Age)) + "   " + reasonOf(h))
	} else if s != "" {
		say(s)
	}
	if len(h.Findings) > 0 {
		f := &h.Findings[0]
		say(first(a.w-5, f.Evidence(), f.Brief()+", "+oneDigit(f.Idle)+" cores idle", f.Brief()))
		if line < a.h {
			say(helpText(h, a.w-5))
		}
	}
	return line
}

func oneDigit(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func ageKnown(h *fleet.Host) string {
	if !h.Age.OK {
		return ""
	}
	return ageText(h.Age.V)
}

// flagsText spells a host's flags out, without those of its findings, which
// have lines of their own.
func flagsText(h *fleet.Host) string {
	words := map[string]string{
		"full":       fullText(h),
		"throttled":  "throttled by its quota: raise the quota, or add machines",
		"steal":      "the hypervisor takes time away: move it, or use another size of machine",
		"clock-skew": "its clock differs from ours by " + skewText(math.Abs(known(h.Skew))) + ": look at its time service",
	}
	var out []string
	for _, f := range h.Flags {
		if slices.ContainsFunc(h.Findings, func(x fleet.Finding) bool { return x.Verdict == f }) {
			continue
		}
		out = append(out, or(words[f], f))
	}
	return strings.Join(out, "; ")
}

func cpuText(h *fleet.Host, v *View) string {
	if !h.CPU.OK {
		return unknownText
	}
	return percent(h.CPU) + "% = " + coreCount(h.CoresUsed) + " of " + coresTotal(h.Available)
}

func hotText(h *fleet.Host) string {
	if !h.HottestCore.Known {
		return unknownText
	}
	return percent(hotOf(h)) + "% core " + strconv.Itoa(h.HottestCore.Core)
}

func rpsShort(h *fleet.Host, width int) string {
	if pc := perCore(h.RPS, h.Available); pc.OK && width >= 100 {
		return count(h.RPS, 9) + " (" + count(pc, 7) + "/core)"
	}
	return count(h.RPS, 9)
}

func connsText(h *fleet.Host) string {
	for _, l := range h.Limits {
		if l.Name == "conns" {
			return count(h.Connections, 9) + " of " + limitText(l.Capacity)
		}
	}
	return count(h.Connections, 9)
}

// usersText is what a gauge of the host counts; empty without one.
func usersText(h *fleet.Host) string {
	if !h.Users.OK {
		return ""
	}
	return whole(h.Users, 9) + " by a gauge"
}

func roomText(h *fleet.Host) string {
	switch {
	case h.RoomUsers.OK:
		return count(h.RoomUsers, 9) + " users"
	case h.RoomRPS.OK:
		return count(h.RoomRPS, 9) + " rps"
	}
	return unknownText
}

// hostBody is the part of the screen that scrolls, drawn in whole.
type hostBody struct {
	*canvas
	processes int // the line of the first process; -1: none are listed
}

// layHost draws the panes of a host that are wanted on a canvas of their own, at
// least h lines tall: what is left goes to its history.
func layHost(f *Frame, host *fleet.Host, v *View, th Theme, w, h int) hostBody {
	most := max(h/2, 4) // half of the height
	if v.Pane == CoresPane {
		most = max(h-1, 4)
	}
	lines := most + len(host.Processes) + len(host.Services) + len(host.Limits) + 3*len(host.Learned) + 66
	if t := host.Past.Threads; v.Threads != 0 && t != nil {
		lines = len(t.List) + 8
	}
	c := newCanvas(w, max(lines, h), th.ascii)
	b := hostBody{canvas: c, processes: -1}
	a := c.all()
	y := 0
	if v.Threads != 0 {
		b.crop(drawThreads(a, f, host, v), h)
		return b
	}
	head := func(p Pane) { a.row(y).zone(hit{own: hitPane, item: int(p)}) }
	if v.Pane.has(CoresPane) && len(host.Cores) > 0 {
		head(CoresPane)
		y += drawCoresPane(a, host, v, th, most)
	}
	if v.Pane.has(ProcessesPane) {
		if len(host.Processes) > 0 {
			b.processes = y + processesTop
			head(ProcessesPane)
		}
		y += drawProcesses(a.rows(y, a.h-y), host, v)
		if host.Processes == nil && v.Pane == ProcessesPane {
			a.text(1, y, unknown, "? this agent does not tell its processes")
			y++
		}
	}
	if v.Pane.has(ServicesPane) {
		head(ServicesPane)
		ports := len(host.Services)
		if v.Pane == AllPanes { // they don't push the rest away
			ports = max(h/4, 5)
		}
		y += drawServing(a.rows(y, a.h-y), host, ports)
		y += drawLearnedHost(a.rows(y, a.h-y), f, host)
	}
	if v.Pane.has(LimitsPane) {
		head(LimitsPane)
		y += drawLimitsAndMachine(a.rows(y, a.h-y), host)
	}
	agent := 0
	if v.Pane.has(LimitsPane) {
		agent = drawCollectors(newCanvas(w, 0, th.ascii).all(), host) // its lines alone
	}
	if left := h - y - agent; v.Pane == AllPanes || left >= 4 {
		y += drawPast(a.rows(y, max(left, 4)), host)
	}
	if v.Pane.has(LimitsPane) {
		y += drawCollectors(a.rows(y, a.h-y), host)
	}
	b.crop(y, h)
	return b
}

// crop leaves used lines, and at least so many.
func (b *hostBody) crop(used, least int) {
	b.h = min(max(used, least), b.h)
	b.cells = b.cells[:b.h*b.w]
}

// drawCoresPane is the cores with their title, in at most so many lines below it.
func drawCoresPane(a area, host *fleet.Host, v *View, th Theme, most int) int {
	aside := coresPast(host, a.w, most)
	drawCoresTitle(a.row(0), len(host.Past.Parts) > 0, th, coresHeadOf(host, aside)...)
	if aside {
		return 1 + drawCoresPast(a.rows(1, a.h), host, v, th)
	}
	if n := len(host.Cores) + headsOf(blocksOf(host)); v.Pane == CoresPane && len(host.Past.Users) > 0 && a.w >= userFrom && n <= most {
		return 1 + drawCoresList(a.rows(1, n), host, v, th) // who has a core is worth the lines
	}
	g := layGrid(host, a.w, most)
	return 1 + drawGrid(a.rows(1, g.height), g, host, v, th)
}

// drawLimitsAndMachine are two panes, side by side where there is room.
func drawLimitsAndMachine(a area, host *fleet.Host) int {
	if a.w >= sideBySide {
		half := a.w * 9 / 20 // limits say where they come from
		return max(drawMachinePane(a.sub(0, 0, half-1, a.h), host), drawLimitsPane(a.sub(half, 0, a.w-half, a.h), host))
	}
	y := drawLimitsPane(a, host)
	return y + drawMachinePane(a.rows(y, a.h-y), host)
}

func drawMachinePane(a area, h *fleet.Host) int {
	drawTitle(a.row(0), "machine", or(h.Machine.GetHostname(), h.Name))
	return 1 + drawFacts(a.sub(1, 1, a.w-1, a.h-1), h)
}

func drawLimitsPane(a area, h *fleet.Host) int {
	drawTitle(a.row(0), "limits, nearest first")
	drawLimits(a.sub(1, 1, a.w-1, max(len(h.Limits), 1)), h, false)
	return 1 + max(len(h.Limits), 1)
}

// drawPast is the last minutes of cpu, rps and connections: a line each, or
// charts where there is room.
func drawPast(a area, h *fleet.Host) int {
	p := &h.Past
	n := max(len(p.CPU), len(p.RPS), len(p.Connections))
	if a.h < 2 || n == 0 {
		return 0
	}
	drawTitle(a.row(0), "last "+lasting(p.Step*timeOf(n)), "? = no data")
	peak := highest(p.RPS)
	conns := highest(p.Connections)
	lines := []struct {
		name, of string
		values   []float64
		top      float64
	}{
		{"cpu", "of 100%", p.CPU, 1},
		{"rps", "peak " + count(num(peak), 9), p.RPS, peak},
		{"conns", "peak " + whole(num(conns), 9), p.Connections, conns},
	}
	each := max((a.h-1)/len(lines), 1)
	each = min(each, 8)
	y := 1
	for _, l := range lines {
		a.text(1, y, normal, l.name)
		x := 7
		bar := a.w - x - 16
		if math.IsNaN(highest(l.values)) {
			a.text(x, y, unknown, unknownText)
			y++
			continue
		}
		if each == 1 || bar < 8 {
			values := resample(l.values, min(bar, max(len(l.values), 1)))
			a.spark(x, y, bar, values, l.top, roleChart.style())
		} else {
			high := each
			if each > 2 {
				high-- // a blank line keeps one from standing on the next
			}
			drawColumns(a.sub(x, y, bar, high), resample(l.values, bar), 0, math.Max(l.top, 1e-9))
		}
		a.text(x+bar+1, y, dim, l.of)
		y += each
	}
	return y
}

// drawCollectors is the agent itself: its version, cost, and how each of its
// collectors did.
func drawCollectors(a area, h *fleet.Host) int {
	m := h.Machine
	if m == nil {
		return 0
	}
	drawTitle(a.row(0), "agent", "version "+or(m.GetVersion(), unknownText))
	cost := "costs " + unknownText
	if h.SelfCPU.OK {
		cost = "costs " + tenths(num(h.SelfCPU.V/1000)) + "% of one core, " + size(h.SelfRSS)
	}
	more := []string{cost, "every " + lasting(intervalOf(h)), plural(h.Restarts, "restart"), grouped(float64(h.Dropped)) + " samples dropped"}
	a.text(1, 1, normal, cut(strings.Join(more, "   "), a.w-2))
	y := 2
	x := 1
	took := h.Newest.GetCollectorUs()
	for i, name := range m.GetCollectors() {
		s := name + " " + unknownText
		if i < len(took) {
			s = name + " " + microseconds(took[i])
		}
		if x > 1 && x+cells(s) > a.w-1 {
			x, y = 1, y+1
		}
		x = a.text(x, y, dim, cut(s, a.w-x)) + 3
	}
	if len(m.GetCollectors()) > 0 {
		y++
	}
	for _, why := range h.Unread() {
		a.text(1, y, unknown, "?")
		a.text(3, y, normal, cut(why, a.w-4))
		y++
	}
	return y
}

func microseconds(us uint32) string {
	if us < 1000 {
		return strconv.Itoa(int(us)) + "µs"
	}
	return strconv.FormatFloat(float64(us)/1000, 'f', 1, 64) + "ms"
}
