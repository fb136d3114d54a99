package ui

import (
	"slices"

	tea "github.com/charmbracelet/bubbletea"
)

// A Prompt is a line of text that is being typed, in the place of the footer.
// The zero Prompt is none.
type Prompt struct {
	For   PromptKind
	Text  string
	Caret int // where, in runes
}

// PromptKind is what a text is asked for.
type PromptKind uint8

// The kinds of prompts.
const (
	NoPrompt PromptKind = iota
	FilterPrompt
	GotoPrompt
	RecordPrompt
	CommandPrompt
	FieldPrompt
	ColumnsPrompt
	NotePrompt
	SnoozePrompt
	VotesPrompt
	promptKinds
)

// promptLimit is how many characters are taken.
const promptLimit = 200

// prompt is how a kind of text is asked for and what becomes of it.
type prompt struct {
	sign string // before the text: "/"
	// hint stands at the right: what the text would do, and the keys.
	hint func(f *Frame, v *View, width int) string
	// typed is called after each key with the text so far; may be nil.
	typed func(m *model, text string)
	// done or do is called on enter, left on esc; each may be nil.
	done func(m *model, text string)
	do   func(m *model, text string) tea.Cmd
	left func(m *model)
	// complete is the text on tab; may be nil.
	complete func(m *model, text string) string
}

// prompts is filled beside what each text is for.
var prompts [promptKinds]prompt

func init() {
	prompts[FilterPrompt] = prompt{
		sign: "/",
		hint: filterHint,
		done: func(m *model, text string) { // what can't be read is mended or left
			if filterWrong(m.view.beneath(), text) != "" {
				m.begin(FilterPrompt, text)
			}
		},
		typed:    func(m *model, text string) { *m.view.filterOf() = text },
		left:     func(m *model) { *m.view.filterOf() = "" },
		complete: func(m *model, text string) string { return completeFilter(&m.frame, m.view.beneath(), text) },
	}
}

// begin asks for a text, with something written there already.
func (m *model) begin(kind PromptKind, text string) {
	m.view.Prompt = Prompt{kind, text, len([]rune(text))}
}

// edit takes a key while a text is typed: every letter is text.
func (m *model) edit(k tea.KeyMsg) tea.Cmd {
	p := &m.view.Prompt
	what := &prompts[p.For]
	text := []rune(p.Text)
	p.Caret = min(max(p.Caret, 0), len(text))
	switch k.Type {
	case tea.KeyRunes, tea.KeySpace:
		typed := slices.DeleteFunc(slices.Clone(k.Runes), func(r rune) bool { return r < ' ' || r == 0x7f })
		typed = typed[:min(len(typed), promptLimit-min(len(text), promptLimit))]
		text = slices.Insert(text, p.Caret, typed...)
		p.Caret += len(typed)
	case tea.KeyBackspace:
		if p.Caret > 0 {
			text = slices.Delete(text, p.Caret-1, p.Caret)
			p.Caret--
		}
	case tea.KeyDelete:
		if p.Caret < len(text) {
			text = slices.Delete(text, p.Caret, p.Caret+1)
		}
	case tea.KeyCtrlU:
		text, p.Caret = nil, 0
	case tea.KeyLeft:
		p.Caret = max(p.Caret-1, 0)
	case tea.KeyRight:
		p.Caret = min(p.Caret+1, len(text))
	case tea.KeyHome, tea.KeyCtrlA:
		p.Caret = 0
	case tea.KeyEnd, tea.KeyCtrlE:
		p.Caret = len(text)
	case tea.KeyTab:
		if what.complete != nil {
			text = []rune(what.complete(m, string(text)))
			p.Caret = len(text)
		}
	case tea.KeyEnter:
		m.view.Prompt = Prompt{}
		if what.done != nil {
			what.done(m, string(text))
		}
		if what.do != nil {
			return what.do(m, string(text))
		}
		return nil
	case tea.KeyEsc, tea.KeyCtrlC:
		m.view.Prompt = Prompt{}
		if what.left != nil {
			what.left(m)
		}
		return nil
	}
	p.Text = string(text)
	if what.typed != nil {
		what.typed(m, p.Text)
	}
	return nil
}

// drawPrompt draws the line that is typed, its caret and its hint.
func drawPrompt(a area, f *Frame, v *View, pad int) {
	what := &prompts[min(v.Prompt.For, promptKinds-1)]
	hint := ""
	if what.hint != nil {
		hint = what.hint(f, v, a.w)
	}
	x := a.text(pad, 0, roleKey.style(), what.sign)
	text := []rune(v.Prompt.Text)
	caret := min(max(v.Prompt.Caret, 0), len(text))
	hint = cut(hint, max(a.w-x-min(len(text), 20)-3, 0))
	room := max(a.w-x-cells(hint)-4, 8)
	before := string(text[:caret])
	for cells(before) > room && len(before) > 0 { // the caret stays in sight
		r := []rune(before)
		before = string(r[1:])
	}
	x = a.text(x, 0, normal, before)
	under, after := " ", ""
	if caret < len(text) {
		under, after = string(text[caret]), string(text[caret+1:])
	}
	x = a.text(x, 0, roleNotice.style(), under)
	a.text(x, 0, normal, cut(after, room))
	a.right(a.w-pad, 0, dim, hint)
}
