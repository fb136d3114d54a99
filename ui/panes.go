package ui

import (
	"slices"
	"strconv"

	"capmon/fleet"
)

// Pane is a part of the host screen that can fill it.
type Pane uint8

// The panes, as tab goes through them.
const (
	AllPanes Pane = iota
	CoresPane
	ProcessesPane
	ServicesPane
	LimitsPane
	panes
)

// String is the name in the bar of panes.
func (p Pane) String() string {
	return [...]string{"all", "cores", "processes", "services", "limits"}[min(p, LimitsPane)]
}

// has says whether a pane shows while p is chosen.
func (p Pane) has(one Pane) bool { return p == AllPanes || p == one }

// Hits of the host screen.
const (
	hitPane    ownHit = 2 + iota // its item is a Pane
	hitProcess                   // its item is a process
)

// drawPaneBar names the panes, to be clicked, in the rule above the footer.
func drawPaneBar(a area, h *fleet.Host, v *View) {
	drawTitle(a)
	if h == nil || v.Threads != 0 || a.w < 60 {
		return
	}
	x := 2
	for p := range panes {
		st := dim
		if p == v.Pane {
			st = roleTitle.style()
		}
		from := x
		x = a.text(x, 0, normal, " ")
		name := p.String()
		if p == v.Pane {
			name = "▸" + name
		}
		x = a.text(a.text(x, 0, st, name), 0, normal, " ")
		a.sub(from, 0, x-from, 1).zone(hit{own: hitPane, item: int(p)})
	}
}

// hostAct is what keys do on the host screen.
func hostAct(m *model, do action) bool {
	v := &m.view
	h := hostNamed(&m.frame, v.Host)
	switch do {
	case actNextPane:
		m.turnPane((v.Pane + 1) % panes)
	case actLastPane:
		m.turnPane((v.Pane + panes - 1) % panes)
	case actThreads:
		m.openThreads(h)
	case actBack:
		switch {
		case v.Threads != 0:
			v.Threads, v.Scroll = 0, 0
		case v.Pane != AllPanes:
			m.turnPane(AllPanes)
		default:
			return false
		}
	case actDown, actUp:
		by := 1
		if do == actUp {
			by = -1
		}
		return m.moveProcess(h, by)
	default:
		return false
	}
	return true
}

// hostClick is what a click does there.
func hostClick(m *model, at hit) {
	v := &m.view
	switch at.own {
	case hitPane:
		m.turnPane(Pane(at.item))
	case hitProcess:
		if v.PID == at.item { // again
			m.openThreads(hostNamed(&m.frame, v.Host))
			return
		}
		v.PID = at.item
	}
}

func (m *model) turnPane(p Pane) {
	m.view.Pane, m.view.Threads, m.view.Scroll = p, 0, 0
}

// processAt is the place of the process under the cursor: the first where it is
// not there any more.
func processAt(h *fleet.Host, v *View) int {
	return max(slices.IndexFunc(h.Processes, func(p fleet.Process) bool { return p.PID == v.PID }), 0)
}

// openThreads shows the threads of the process under the cursor.
func (m *model) openThreads(h *fleet.Host) {
	v := &m.view
	switch {
	case v.Threads != 0:
	case h == nil || len(h.Processes) == 0:
		v.Note = "no process is known here"
	case !v.Pane.has(ProcessesPane):
		v.Note = "enter opens a process: tab goes to them"
	default:
		p := &h.Processes[processAt(h, v)]
		v.PID, v.Threads, v.ThreadsOf, v.Scroll = p.PID, p.PID, p.Name, 0
	}
}

// moveProcess moves the cursor of the processes while they are on screen, and
// the screen where there is nothing to move to; false: it scrolls as any other.
func (m *model) moveProcess(h *fleet.Host, by int) bool {
	v := &m.view
	if h == nil || v.Threads != 0 {
		return false
	}
	all, visible := hostScrolled(m)
	if all.processes < 0 {
		return false
	}
	at := processAt(h, v)
	line := all.processes + at
	shown := max(visible-1, 1) // the last line may count those that follow
	to := at + by
	switch {
	case line < v.Scroll && by > 0, line >= v.Scroll+shown && by < 0: // past it already
		return false
	case line < v.Scroll && by < 0, line >= v.Scroll+shown && by > 0: // towards it
		return false
	case to < 0 || to >= len(h.Processes):
		return false
	}
	v.PID = h.Processes[to].PID
	line += by
	v.Scroll = max(min(v.Scroll, line), line-shown+1)
	return true
}

// hostScrolled is the body of the screen and how many lines of it show.
func hostScrolled(m *model) (hostBody, int) {
	host := hostNamed(&m.frame, m.view.Host)
	_, visible := hostScrolls(&m.frame, &m.view, m.w, m.h, m.theme)
	return layHost(&m.frame, host, &m.view, m.theme, m.w, visible), visible
}

// stateWord is the letter of a thread's state, and what it means.
func stateWord(state byte) string {
	words := map[byte]string{'R': "runs", 'S': "sleeps", 'D': "disk", 'T': "stopped", 't': "traced", 'Z': "ended", 'X': "ended", 'I': "idle"}
	switch {
	case state == 0:
		return unknownText
	case words[state] == "":
		return string(rune(state))
	}
	return string(rune(state)) + " " + words[state]
}

// drawThreads are the threads of one process, and returns the lines used.
func drawThreads(a area, f *Frame, h *fleet.Host, v *View) int {
	t := h.Past.Threads
	many := "threads"
	if t != nil && len(t.List) > 0 {
		many = plural(len(t.List)+t.More, "thread")
	}
	drawTitle(a.row(0), many+" of "+cutMiddle(or(v.ThreadsOf, unknownText), 24)+" "+strconv.Itoa(v.Threads), "CORES: 1.00 = one whole core", "esc: back")
	switch {
	case t == nil && f.Replay != nil:
		a.text(1, 1, unknown, cut("? its threads are not in this recording: they are where somebody looked at them", a.w-2))
		return 2
	case t == nil && v.Paused:
		a.text(1, 1, unknown, cut("? threads are read while time runs: space", a.w-2))
		return 2
	case t == nil && h.Machine.GetSimulated():
		a.text(1, 1, unknown, cut("? a simulated machine has no threads to be read", a.w-2))
		return 2
	case t == nil:
		a.text(1, 1, unknown, cut(first(a.w-2, "? none yet: an agent on Linux that is as new as this viewer tells them within two seconds", "? none yet: within 2 s, from an agent on Linux as new as this", "? none yet"), a.w-2))
		return 2
	case t.Reason != "":
		a.text(1, 1, unknown, cut("? process "+strconv.Itoa(t.PID)+": "+t.Reason, a.w-2))
		return 2
	}
	at := threadPlaces(a.w)
	a.right(9, 1, head, "TID")
	a.text(11, 1, head, "NAME")
	a.text(at.state, 1, head, "STATE")
	a.right(at.run, 1, head, "CORES")
	a.right(at.wait, 1, head, "WAITS")
	a.right(at.core, 1, head, "CORE")
	a.right(at.free, 1, head, "YIELD/s")
	a.right(at.forced, 1, head, "FORCED/s")
	y := 2
	for i := range t.List {
		drawThread(a.row(y), &t.List[i], at)
		y++
	}
	if t.More > 0 {
		a.text(11, y, dim, plural(t.More, "more thread")+" that use less")
		y++
	}
	for _, s := range []string{
		"WAITS: cores it wanted and did not get.  CORE: that it was last on.",
		"YIELD: it let its core go, to wait for something.  FORCED: others wanted it.",
	} {
		a.text(1, y, dim, cut(s, a.w-2))
		y++
	}
	return y
}

// threadColumns are the right ends of numbers and the left ends of what follows.
type threadColumns struct{ name, state, run, wait, core, free, forced, bar, barWidth int }

func threadPlaces(width int) threadColumns {
	c := threadColumns{name: min(max(width-66, 8), 24)}
	c.state = 11 + c.name + 1
	c.run = c.state + 9 + 6
	c.wait, c.core = c.run+7, c.run+13
	c.free, c.forced = c.core+9, c.core+19
	c.bar = c.forced + 2
	if c.barWidth = min(width-c.bar-1, 40); c.barWidth < 10 {
		c.barWidth = 0
	}
	return c
}

func drawThread(a area, t *fleet.Thread, at threadColumns) {
	a.right(9, 0, normal, strconv.Itoa(t.TID))
	a.text(11, 0, normal, cutMiddle(or(t.Name, unknownText), at.name))
	st := normal
	if t.State == 0 {
		st = unknown
	}
	a.text(at.state, 0, st, stateWord(t.State))
	a.right(at.run, 0, st, coreCount(t.Run))
	a.right(at.wait, 0, st, coreCount(t.Wait))
	drawNum(a, at.core, 0, t.Core, 5)
	drawNum(a, at.free, 0, t.Voluntary, 7)
	drawNum(a, at.forced, 0, t.Involuntary, 7)
	if at.barWidth > 0 && t.Run.OK {
		a.gauge(at.bar, 0, at.barWidth, min(t.Run.V, 1), busyStyle(t.Run.V))
	}
}
