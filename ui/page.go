package ui

import (
	tea "github.com/charmbracelet/bubbletea"

	"capmon/fleet"
)

// A page is what one screen has of its own. What it leaves out is done as
// everywhere else.
type page struct {
	name string // in help: "over: overview"
	draw func(a area, f *Frame, v *View, th Theme)

	// body is the part that scrolls and how many lines of it show; nil where
	// nothing does, or there is nothing to see.
	body func(f *Frame, v *View, w, h int, th Theme) (*canvas, int)
	// act does what a key means on this screen; false: it means here what it
	// means everywhere.
	act func(m *model, do action) bool
	// do is the same where an answer comes later; nil where none does.
	do func(m *model, do action) (cmd tea.Cmd, done bool)
	// click does what a hit of its own means; nil where it has none.
	click func(m *model, h hit)
	// settle brings what the screen keeps into line after any message.
	settle func(m *model)
	// ask adds to the snapshot that is wanted.
	ask func(m *model, ask *fleet.Ask)
}

// pages is filled by the file of each screen.
var pages [screens]page

// beneath is the screen that help and the steps lie on.
func (v *View) beneath() Screen {
	s := v.Screen
	if s == HelpScreen {
		s = v.Behind
	}
	if s == StepsScreen {
		s = v.Under
	}
	return s
}

// turnTo shows another screen from its top.
func (m *model) turnTo(s Screen) {
	m.view.Screen, m.view.Scroll = s, 0
}
