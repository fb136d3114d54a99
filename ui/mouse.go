package ui

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// hitTime is a time axis: its left edge is a span before the moment shown.
const hitTime ownHit = 1

// wheelRows is how many rows a turn of the wheel moves.
const wheelRows = 3

// twiceWithin is how soon another click makes a double one.
const twiceWithin = 400 * time.Millisecond

// clicked is the host of a click that another would make a double one.
type clicked struct {
	host string
	n    int // which click it was
}

type clickedMsg int // the time for another is over

// on takes a click and tells whether it is the second; over is to be called when
// there was no other.
func (c *clicked) on(host string) (twice bool) {
	if twice = c.host == host; twice {
		host = ""
	}
	c.host = host
	c.n++
	return twice
}

func (c *clicked) over(n int) {
	if c.n == n {
		c.host = ""
	}
}

// mouse does what a click, a drag or the wheel means where it is.
func (m *model) mouse(e tea.MouseMsg) tea.Cmd {
	v := &m.view
	if v.Prompt.For != NoPrompt {
		return nil
	}
	switch {
	case e.Button == tea.MouseButtonWheelUp || e.Button == tea.MouseButtonWheelDown:
		m.wheel(e.Button == tea.MouseButtonWheelDown)
		return nil
	case e.Button != tea.MouseButtonLeft || e.Action == tea.MouseActionRelease:
		m.scrubs = false
		return nil
	}
	z, ok := m.zoneAt(e.X, e.Y)
	if e.Action == tea.MouseActionMotion {
		switch {
		case m.scrubs && ok && z.hit.own == hitTime:
			m.scrub(z, e.X)
		case !m.scrubs && !m.told:
			m.told = true
			v.Note = "M lets the terminal select text"
		}
		return nil
	}
	v.Note = ""
	switch {
	case !ok:
	case z.hit.own == hitTime:
		m.scrubs = true
		m.scrub(z, e.X)
	case z.hit.own != 0:
		if own := pages[v.Screen].click; own != nil {
			own(m, z.hit)
		}
	case z.hit.by:
		if v.Sort == z.hit.sort {
			v.Reverse = !v.Reverse
		} else {
			v.Sort, v.Reverse = z.hit.sort, false
		}
		m.resort(true)
	case z.hit.host != "":
		v.Host, m.moved = z.hit.host, true
		if m.clicked.on(z.hit.host) {
			m.open()
			return nil
		}
		n := m.clicked.n
		return tea.Tick(twiceWithin, func(time.Time) tea.Msg { return clickedMsg(n) })
	case z.hit.do != actNone:
		return m.do(z.hit.do)
	}
	return nil
}

// wheel moves the list of the overview under its cursor, which stays on screen;
// a list that is all there, and any other screen, moves as with the keys.
func (m *model) wheel(down bool) {
	v := &m.view
	by, do := -wheelRows, actUp
	if down {
		by, do = wheelRows, actDown
	}
	p := planOf(&m.frame, v, m.w, m.h)
	if v.Screen != Overview || p.list < 1 || p.list >= len(p.rows) {
		for range wheelRows {
			m.act(do)
		}
		return
	}
	v.Top = min(max(p.top+by, 0), len(p.rows)-p.list)
	at := min(max(cursorRow(&m.frame, v, p.rows), v.Top), v.Top+p.list-1)
	v.Host = m.frame.Hosts[p.rows[at]].Name
}

// zoneAt is the zone on top at a cell of the picture on screen.
func (m *model) zoneAt(x, y int) (zone, bool) {
	if m.shown == nil {
		return zone{}, false
	}
	for i := len(m.shown.zones) - 1; i >= 0; i-- {
		z := m.shown.zones[i]
		if a := z.area; x >= a.x && x < a.x+a.w && y >= a.y && y < a.y+a.h {
			return z, true
		}
	}
	return zone{}, false
}

// scrub goes to the moment under a cell of a time axis. The axis stays what it
// was when the button went down, or it would run away under the pointer.
func (m *model) scrub(z zone, x int) {
	if !m.known || z.area.w < 2 {
		return
	}
	if !m.view.Paused || m.axis.IsZero() {
		m.axis = m.frame.At
	}
	share := float64(z.area.x+z.area.w-1-x) / float64(z.area.w-1)
	m.goTo(m.axis.Add(-time.Duration(share * float64(m.view.Span))))
}

// capture turns the mouse on and off, so that the terminal can select text.
func (m *model) capture() tea.Cmd {
	m.view.MouseOff = !m.view.MouseOff
	if m.view.MouseOff {
		m.view.Note = "mouse off: the terminal selects text; M: on"
		return tea.DisableMouse
	}
	m.view.Note = "mouse on: click selects, double click opens, wheel scrolls; M: off"
	return tea.EnableMouseCellMotion
}
