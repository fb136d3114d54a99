package ui

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"capmon/alerts"
	"capmon/fleet"
)

// monkey plays what bytes say: keys of the table and letters, clicks, drags and
// the wheel, other sizes, frames of other fleets and moments, answers.
type monkey struct {
	*driver
	in     []byte
	keys   []string
	frames []Frame
	now    time.Time
}

func newMonkey(t *testing.T, in []byte) *monkey {
	m := &monkey{in: in, now: night}
	for _, k := range table {
		for _, b := range k.binds {
			m.keys = append(m.keys, b.keys...)
		}
	}
	slices.Sort(m.keys)
	m.keys = slices.Compact(m.keys)
	m.frames = []Frame{
		alarmed, nine(), tiered(9, 3, "web"), paged(), replayed(nine()),
		{},
		fixture{hosts: 1, cores: 128, level: fleet.OK, told: true}.frame(),
		fixture{hosts: 40, cores: 3, level: fleet.Act, down: 5, stale: 3, names: []string{"数据库", "", "\x1b[1m"}}.frame(),
		alarming(fixture{hosts: 4, cores: 8, level: fleet.Unknown, unknown: true}.frame()),
	}
	m.driver = drive(t, 80, 24, m.frames[0])
	m.m.opts.Export = func(e Export) string { return "written " + e.Screen }
	m.m.opts.Alert = func(a alerts.Act) (News, string) { return m.frames[0].News, a.Do }
	return m
}

func (m *monkey) byte() int {
	if len(m.in) == 0 {
		return 0
	}
	b := m.in[0]
	m.in = m.in[1:]
	return int(b)
}

// step does one thing and says what, for who has to find out.
func (m *monkey) step() string {
	switch what := m.byte(); {
	case what < 150:
		k := m.keys[m.byte()%len(m.keys)]
		m.press(k)
		m.follow()
		return k
	case what < 190:
		k := string(rune(' ' + m.byte()%95))
		m.press(k)
		m.follow()
		return "letter " + k
	case what < 215:
		x, y := m.byte()%max(m.m.w, 1), m.byte()%max(m.m.h, 1)
		button := []tea.MouseButton{tea.MouseButtonLeft, tea.MouseButtonWheelUp, tea.MouseButtonWheelDown, tea.MouseButtonRight}[m.byte()%4]
		m.mouse(x, y, button, []tea.MouseAction{tea.MouseActionPress, tea.MouseActionMotion, tea.MouseActionRelease}[m.byte()%3])
		return "mouse"
	case what < 225:
		sizes := [][2]int{{0, 0}, {1, 1}, {20, 5}, {39, 6}, {40, 10}, {60, 15}, {80, 24}, {100, 30}, {120, 40}, {200, 50}, {400, 120}}
		s := sizes[m.byte()%len(sizes)]
		m.send(sizeMsg{s[0], s[1]})
		return "size"
	default:
		f := m.frames[m.byte()%len(m.frames)]
		m.now = m.now.Add(time.Duration(m.byte()%4) * time.Second)
		if !f.Time.IsZero() {
			f.Time, f.At = m.now, m.now
			if n := len(m.asks); n > 0 && !m.asks[n-1].At.IsZero() && m.byte()%3 > 0 { // the moment that was asked for
				f.At, f.Live = m.asks[n-1].At, false
			}
		}
		m.send(frameMsg(f))
		return "frame"
	}
}

// follow does what a key has set going, as the program would: what was said of an
// alert, what was exported. To leave and to suspend are not for a monkey.
func (m *monkey) follow() {
	if m.cmd == nil {
		return
	}
	switch msg := m.cmd().(type) {
	case saidMsg, noteMsg:
		m.send(msg)
	}
}

// Esc leads away from a host also when it was opened from a host, or from what lay
// on one.
func TestEscLeavesAHostOpenedFromAHost(t *testing.T) {
	for _, keys := range [][]string{{"3", ":"}, {"2", "3", "?", "3"}, {"3", "i", "3"}} {
		d := drive(t, 120, 40, nine()).press(keys...)
		if keys[len(keys)-1] == ":" {
			d.typed("host ws-4").press("enter")
		}
		if d.m.view.Screen != HostScreen {
			t.Fatalf("%q: on screen %d", keys, d.m.view.Screen)
		}
		if d.press("esc"); d.m.view.Screen == HostScreen {
			t.Errorf("%q: esc stays on the host", keys)
		}
	}
}

// FuzzMonkey: whatever is pressed, clicked and shown, in whatever order and size,
// nothing panics, every picture fits, and esc leads back to the overview.
func FuzzMonkey(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 35))
		b := make([]byte, 900)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m := newMonkey(t, in[:min(len(in), 2000)])
		var done []string
		for len(m.in) > 0 && !t.Failed() {
			done = append(done, m.step())
			m.m.View()
			if c := m.m.shown; c != nil && c.w*c.h < 3000 {
				fits(t, c.String(m.m.theme), m.m.w, m.m.h)
			}
		}
		m.send(sizeMsg{80, 24})
		for range 8 {
			m.press("esc")
			m.follow()
		}
		if m.m.view.Paused {
			m.press(" ")
		}
		m.send(frameMsg(later(m.frames[0], m.now.Sub(night)+time.Minute)))
		if v := &m.m.view; v.Screen != Overview || v.Prompt.For != NoPrompt || v.Filter != "" {
			t.Errorf("esc leads to screen %d, prompt %d, filter %q", v.Screen, v.Prompt.For, v.Filter)
		}
		if text := m.text(); !strings.Contains(text, "? help") || !strings.Contains(text, "9/9") {
			t.Errorf("the overview is not there:\n%s", text)
		}
		if t.Failed() {
			t.Logf("after %q", done)
		}
	})
}
