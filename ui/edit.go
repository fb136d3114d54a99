package ui

import (
	"slices"

	tea "github.com/charmbracelet/bubbletea"
)

// edit takes a key while the filter is typed: every letter is text.
func (m *model) edit(k tea.KeyMsg) {
	v := &m.view
	text := []rune(v.Filter)
	v.Caret = min(max(v.Caret, 0), len(text))
	switch k.Type {
	case tea.KeyRunes, tea.KeySpace:
		typed := slices.DeleteFunc(slices.Clone(k.Runes), func(r rune) bool { return r < ' ' || r == 0x7f })
		text = slices.Insert(text, v.Caret, typed...)
		v.Caret += len(typed)
	case tea.KeyBackspace:
		if v.Caret > 0 {
			text = slices.Delete(text, v.Caret-1, v.Caret)
			v.Caret--
		}
	case tea.KeyDelete:
		if v.Caret < len(text) {
			text = slices.Delete(text, v.Caret, v.Caret+1)
		}
	case tea.KeyCtrlU:
		text, v.Caret = nil, 0
	case tea.KeyLeft:
		v.Caret = max(v.Caret-1, 0)
	case tea.KeyRight:
		v.Caret = min(v.Caret+1, len(text))
	case tea.KeyHome, tea.KeyCtrlA:
		v.Caret = 0
	case tea.KeyEnd, tea.KeyCtrlE:
		v.Caret = len(text)
	case tea.KeyEnter:
		v.Typing = false
	case tea.KeyEsc, tea.KeyCtrlC:
		v.Typing, text = false, nil
	}
	v.Filter = string(text[:min(len(text), 200)])
	v.Caret = min(v.Caret, 200)
}
