package ui

import (
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
)

func init() {
	pages[StepsScreen] = page{
		name: "steps", draw: func(a area, f *Frame, v *View, _ Theme) { drawSteps(a, f, v) },
		body: func(f *Frame, v *View, w, h int, th Theme) (*canvas, int) {
			top, foot := stepsFrame(h)
			return stepsBody(f, v, w, th.ascii), h - top - foot
		},
	}
}

// poolAt is the pool whose steps are shown: the one named, else that of the
// verdict; 0 where there is none.
func poolAt(f *Frame, v *View) int {
	for i := range f.Pools {
		if v.Pool == f.Pools[i].Name {
			return i
		}
	}
	for i := range f.Pools {
		if &f.Pools[i] == worst(f) {
			return i
		}
	}
	return 0
}

// stepsFrame is how many lines stand above and below the steps.
func stepsFrame(h int) (top, foot int) {
	switch {
	case h < 3:
		return min(h, 1), 0
	case h < 6:
		return 1, 1
	case h < 12: // the number matters more than why
		return 2, 1
	case h < 20:
		return 3, 1
	}
	return 3, 2
}

// drawSteps is how the number of servers of one pool is made.
func drawSteps(a area, f *Frame, v *View) {
	top, foot := stepsFrame(a.h)
	if a.h < 6 {
		drawVerdictOf(a.row(0), f, v, stepsPool(f, v))
	} else {
		drawHeader(a.row(0), f, v, stepsSegments(f, v)...)
		drawVerdictOf(a.rows(1, top-1), f, v, stepsPool(f, v))
	}
	body := a.rows(top, a.h-top-foot)
	scroll(body, stepsBody(f, v, body.w, a.c.ascii), v.Scroll)
	if foot > 1 {
		drawTitle(a.row(a.h - 2))
	}
	if foot > 0 {
		drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
	}
}

func stepsPool(f *Frame, v *View) *fleet.Pool {
	if len(f.Pools) == 0 {
		return nil
	}
	return &f.Pools[poolAt(f, v)]
}

func stepsSegments(f *Frame, v *View) []segment {
	s := []segment{{text: "how NEED is made", drop: 5}}
	if tiers(f) {
		at := poolAt(f, v)
		s = append(s, segment{text: "> " + cutMiddle(f.Pools[at].Name, 24), style: strong, drop: 3},
			segment{text: strconv.Itoa(at+1) + " of " + strconv.Itoa(len(f.Pools)), style: dim, drop: 6})
	}
	return s
}

// stepLine is one thing to say: a name, or the number of a step, and text that
// is folded to the width. One with neither is a title.
type stepLine struct {
	name, text string
	st         style
	title      bool
}

// stepsBody is everything that made the number, as tall as it needs to be.
func stepsBody(f *Frame, v *View, w int, ascii bool) *canvas {
	lines := stepsOf(f, stepsPool(f, v))
	wide := 10  // for the names
	if w < 40 { // which stand before the text then
		wide = 1
		for i := range lines {
			if l := &lines[i]; !l.title && l.name != "" {
				l.text, l.name = l.name+": "+l.text, ""
			}
		}
	}
	height := 0
	for i := range lines {
		height += len(lines[i].folded(w, wide)) + 1
	}
	c := newCanvas(w, height, ascii)
	a := c.all()
	y := 0
	for i := range lines {
		l := &lines[i]
		if l.title {
			drawTitle(a.row(y), l.name)
			y++
			continue
		}
		a.text(1, y, dim, l.name)
		for _, s := range l.folded(w, wide) {
			a.text(wide, y, l.st, s)
			y++
		}
	}
	return c
}

// folded is the text in lines that fit beside the name. What is no text is
// replaced before, or it would not count as the cells it takes.
func (l *stepLine) folded(w, wide int) []string {
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return '?'
		}
		return r
	}, l.text)
	return strings.Split(ansi.Wrap(text, max(w-wide-1, 1), ""), "\n")
}

// stepsOf are the number, its steps in their order, and what stands beside it.
func stepsOf(f *Frame, p *fleet.Pool) []stepLine {
	if p == nil {
		return []stepLine{{text: "? nothing is known yet", st: unknown}}
	}
	lines := []stepLine{
		{name: "number", text: or(p.Formula, "? no limit is known that a number could be made from"), st: strong},
		{name: "servers", text: serversText(p)},
		{name: "target", text: targetText(f, p)},
		{name: "users", text: poolUsersText(p)},
		{name: "can take", text: canTakeText(p)},
	}
	if tiers(f) {
		lines = append(lines, stepLine{name: "edge", text: edgeText(f)})
	}
	lines = append(lines, stepLine{name: "steps, in their order", title: true})
	for i, s := range p.Steps {
		lines = append(lines, stepLine{name: strconv.Itoa(i + 1), text: s})
	}
	if len(p.Steps) == 0 {
		lines = append(lines, stepLine{text: "? none yet", st: unknown})
	}
	lines = append(lines,
		stepLine{name: "beside the number", title: true},
		stepLine{name: "window", text: windowText(p)},
		stepLine{name: "climb", text: climbText(p)},
		stepLine{name: "trend", text: trendTexts(p, false)[0]},
	)
	for i := range lines {
		if lines[i].st == normal && strings.HasPrefix(lines[i].text, unknownText) {
			lines[i].st = unknown
		}
	}
	return lines
}

func serversText(p *fleet.Pool) string {
	s := strconv.Itoa(p.Up) + " of " + plural(p.Hosts, "host") + " up"
	if p.Counted < p.Hosts {
		s += ", " + strconv.Itoa(p.Counted) + " counted"
	}
	if p.Need.OK {
		s += "; need " + count(p.Need, 9) + " = " + count(p.Raw, 9) + " for the load"
		if p.Spare > 0 {
			s += " + " + strconv.Itoa(p.Spare) + " spare"
		}
		s += "; run " + count(p.Run, 9)
		if p.Short.OK && p.Short.V > 0 {
			s += ", SHORT " + count(p.Short, 9)
		}
	}
	return s
}

func targetText(f *Frame, p *fleet.Pool) string {
	t := targetOf(f, p)
	if !(t > 0) {
		return "? none is set"
	}
	s := capacity.Percent(t)
	if p.Bound != "" {
		s += " of " + p.Bound
	}
	if p.TargetFrom != "" {
		s += ": " + p.TargetFrom
	}
	return s
}

func poolUsersText(p *fleet.Pool) string {
	if !p.Users.OK {
		return strings.TrimSpace("? " + p.UsersNote)
	}
	s := whole(p.Users, 15)
	if by := map[string]string{"little": "by Little's law", "gauge": "by a gauge"}[p.UsersFrom]; by != "" {
		s += " " + by
	} else if p.UsersFrom != "" {
		s += " = " + p.UsersFrom
	}
	if p.UsersNote != "" {
		s += ": " + p.UsersNote
	}
	return s
}

// edgeText is which pool people reach first, and how that is known.
func edgeText(f *Frame) string {
	if edgePool(f) == nil {
		return "? which pool people reach first is not known: name it"
	}
	s := f.Totals.Edge + " is what people reach first"
	if f.Totals.EdgeFrom != "" {
		s += ": " + f.Totals.EdgeFrom
	}
	return s
}

// canTakeText is what the pool can take at all of its limits.
func canTakeText(p *fleet.Pool) string {
	e := &p.RPSCapacity
	switch {
	case e.Trust == capacity.NotKnown || !e.Capacity.OK:
		return strings.TrimSpace("? requests a second at 100%: " + or(e.Why(), "not learned"))
	case e.Trust == capacity.AtLeast:
		s := "at least " + count(e.Capacity, 15) + " requests a second at 100% of the nearest limits"
		if e.Why() != "" {
			s += ": " + e.Why()
		}
		return s
	}
	s := "about " + count(e.Capacity, 15) + " requests a second at 100% of the nearest limits"
	if e.Of.OK {
		s += " (" + count(num(e.Of.Low), 15) + ".." + count(num(e.Of.High), 15) + ")"
	}
	return s + ", learned"
}

// windowText is whether servers wait for the window before they go.
func windowText(p *fleet.Pool) string {
	if p.Waits <= 0 {
		return "nothing waits: servers come at once, and go only when the window agrees"
	}
	less := "fewer may do"
	if p.NeedNow.OK && p.NeedNow.V < p.Need.V {
		less = "may go to " + count(p.NeedNow, 9)
	}
	return "keeps " + count(p.Need, 9) + "; " + less + " in " + lasting(p.Waits) + ", when the whole window agrees"
}

// climbText is the reserve that a new server comes too late for, and its price.
func climbText(p *fleet.Pool) string {
	if !p.Climb.OK {
		return "? not seen long enough to say how fast the load can grow"
	}
	within := "within the time a new server takes"
	if p.WarmUp > 0 {
		within = "within the " + lasting(p.WarmUp) + " a new server takes"
	}
	s := "the load grew ×" + capacity.Decimal(p.Climb.V, 2) + " at most " + within
	switch {
	case !p.ClimbServers.OK:
	case p.ClimbServers.V <= 0:
		s += ": NEED covers that"
	default:
		s += ": " + plural(int(p.ClimbServers.V), "more server") + " would cover that"
		if p.ClimbPrice.OK {
			s += ", " + capacity.Decimal(p.ClimbPrice.V, 2) + " a day"
		}
		s += "; shown, never applied"
	}
	return s
}

// steps shows how the number of a pool is made: of the pool of the host on
// screen, else of that of the verdict. Again: back.
func (m *model) steps() {
	v := &m.view
	if v.Screen == StepsScreen {
		m.back()
		return
	}
	if v.Screen == PlanScreen { // of its pool
		v.Under, v.Screen, v.Scroll = v.Screen, StepsScreen, 0
		return
	}
	v.Pool = ""
	if h := hostNamed(&m.frame, v.Host); v.Screen == HostScreen && h != nil {
		v.Pool = h.Pool
	} else if p := worst(&m.frame); p != nil {
		v.Pool = p.Name // stays, whichever becomes the most urgent
	}
	v.Under, v.Screen, v.Scroll = v.Screen, StepsScreen, 0
}

// turnPool shows the steps of another pool.
func (m *model) turnPool(by int) {
	n := len(m.frame.Pools)
	if n < 2 {
		m.view.Note = "there is one pool"
		return
	}
	at := poolAt(&m.frame, &m.view)
	m.view.Pool, m.view.Scroll = m.frame.Pools[(at+by+n)%n].Name, 0
}
