package ui

import (
	"os"
	"strings"

	"github.com/aymanbagabas/go-osc52/v2"
	tea "github.com/charmbracelet/bubbletea"
)

// copyMost is how much text is given to the terminal at once: what xterm and
// tmux take of a clipboard, in bytes before it is encoded.
const copyMost = 74_000

// screenText is what is on screen, without colours or blanks at the ends; what
// only colours tell is drawn without them.
func (m *model) screenText() string {
	c := newCanvas(m.w, m.h, m.theme.ascii)
	th := m.theme
	th.pairs = false
	draw(c, &m.frame, &m.view, th)
	lines := make([]string, m.h)
	for y := range lines {
		lines[y] = c.lineText(y)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// lineText is line y without its colours.
func (c *canvas) lineText(y int) string {
	var b strings.Builder
	for _, cell := range c.cells[y*c.w : y*c.w+c.lineEnd(y)] {
		switch {
		case cell.char == follows:
		case cell.char == 0:
			b.WriteByte(' ')
		case cell.char < 0:
			b.WriteString(c.clusters[-1-cell.char])
		default:
			b.WriteRune(cell.char)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// clipboard puts the screen as text into the clipboard of the terminal the user
// sits at, also over ssh (OSC 52). A terminal does not say whether it took it.
func (m *model) clipboard() {
	v := &m.view
	text := m.screenText()
	if len(text) > copyMost {
		v.Note = "too much for a clipboard: e writes it to a file"
		return
	}
	seq := osc52.New(text)
	note := "copied " + plural(strings.Count(text, "\n"), "line")
	switch {
	case os.Getenv("TMUX") != "":
		// Both ways: the first where tmux takes it for itself, the other where it
		// may be handed through.
		m.raw(seq.String())
		seq = seq.Tmux()
		note += "; nothing there? tmux: set -g set-clipboard on"
	case strings.HasPrefix(os.Getenv("TERM"), "screen"):
		// GNU screen hands it through in pieces; over ssh it may as well be a tmux,
		// which takes only the plain one.
		m.raw(seq.String())
		seq = seq.Screen()
		note += "; nothing there? e writes a file"
	default:
		note += "; nothing there? the terminal does not allow it: e writes a file"
	}
	m.raw(seq.String())
	v.Note = note
}

// raw sends what changes nothing on screen.
func (m *model) raw(seq string) {
	if m.screen != nil {
		m.screen.ask(seq)
	}
}

// noteMsg is what something that took its time has to say.
type noteMsg string

// export writes the screen and what it stands on to files, beside the drawing.
func (m *model) export(format, path string) tea.Cmd {
	v := &m.view
	if m.opts.Export == nil || !m.known {
		v.Note = "nothing to export yet"
		return nil
	}
	e := Export{
		Screen: pages[v.beneath()].name, Text: m.screenText(), Frame: m.frame,
		Filter: v.Filter, Sort: effective(v.Sort, m.w).String(), Reversed: v.Reverse, Format: format, Path: path,
	}
	for _, i := range rowsOf(&m.frame, v, m.w) {
		e.Hosts = append(e.Hosts, m.frame.Hosts[i].Name)
	}
	write := m.opts.Export
	return func() tea.Msg { return noteMsg(write(e)) }
}
