// Package background keeps the terminal from being asked for its colours when
// the program starts.
//
// Bubble Tea asks through lipgloss while packages are being initialised, waits
// up to five seconds for an answer, and does so for every command of the
// binary, whether or not it draws. Answering first turns that off. Go
// initialises packages that are ready in the order of their paths, and this
// one needs only lipgloss, so it comes before Bubble Tea; a test in package ui
// holds that nothing is asked.
package background

import "github.com/charmbracelet/lipgloss"

func init() { lipgloss.SetHasDarkBackground(true) }
