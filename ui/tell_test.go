package ui

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"capmon/fleet"
)

func TestCopy(t *testing.T) {
	for name, env := range map[string][2]string{"tmux": {"/tmp/t,1,0", "tmux-256color"}, "xterm": {"", "xterm-256color"}, "screen": {"", "screen"}} {
		t.Setenv("TMUX", env[0])
		t.Setenv("TERM", env[1])
		var out bytes.Buffer
		d := drive(t, 120, 40, nine())
		d.m.screen = &painter{out: &out}
		d.press("y")
		_, rest, ok := strings.Cut(out.String(), "\x1b]52;c;")
		if !ok {
			t.Fatalf("%s: %q", name, out.String())
		}
		encoded := strings.FieldsFunc(rest, func(r rune) bool { return r < ' ' })[0]
		if name == "screen" && !strings.Contains(out.String(), "\x1bP\x1b]52;c;") { // and in pieces
			t.Error("GNU screen would keep it for itself")
		}
		if name == "tmux" && !strings.Contains(out.String(), "\x1bPtmux;\x1b\x1b]52;c;") {
			t.Error("tmux would not hand it through")
		}
		text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, `\`))
		lines := strings.Split(string(text), "\n")
		if err != nil || len(lines) != 41 || !strings.Contains(lines[0], "capmon  agents  9/9 up") || strings.Contains(string(text), "\x1b") || strings.Contains(string(text), " \n") {
			t.Errorf("%s: %v, %d lines: %q", name, err, len(lines), lines[0])
		}
		if !strings.HasPrefix(d.m.view.Note, "copied 40 lines") {
			t.Errorf("%s: %q", name, d.m.view.Note)
		}
	}
}

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		typed string
		done  func(d *driver) bool
	}{
		{"host ws-4", func(d *driver) bool { return d.m.view.Screen == HostScreen && d.m.view.Host == "ws-4" }},
		{"host none", func(d *driver) bool { return strings.HasPrefix(d.m.view.Note, "no host none") }},
		{"goto -10m", func(d *driver) bool { return d.last().At.Equal(night.Add(-10 * time.Minute)) }},
		{"goto x", func(d *driver) bool { return strings.Contains(d.m.view.Note, "want a time") }},
		{"theme light", func(d *driver) bool { return d.m.theme.Name() == "light" }},
		{"theme pink", func(d *driver) bool { return strings.Contains(d.m.view.Note, "there are dark") }},
		{"sort rps", func(d *driver) bool { return d.m.view.Sort == SortRPS && d.m.view.Order != nil }},
		{"sort shoe", func(d *driver) bool { return strings.Contains(d.m.view.Note, "there are list, worst, cpu") }},
		{"filter ws-3", func(d *driver) bool { return d.m.view.Filter == "ws-3" }},
		{"filter cpu>", func(d *driver) bool { return strings.Contains(d.m.view.Note, "want a number") }},
		{"cores", func(d *driver) bool { return d.m.view.Screen == CoresScreen }},
		{"he", func(d *driver) bool { return d.m.view.Screen == HelpScreen }},
		{"h", func(d *driver) bool { return d.m.view.Note == "h may be help or host" }},
		{"nonsense", func(d *driver) bool {
			return strings.HasPrefix(d.m.view.Note, "no command nonsense: there are alerts columns cores")
		}},
		{"", func(d *driver) bool { return d.m.view.Prompt.For == NoPrompt && d.m.view.Note == "" }},
		{"quit", func(d *driver) bool { return d.cmd != nil && d.cmd() == tea.Quit() }},
		{"q", func(d *driver) bool { return d.cmd != nil && d.cmd() == tea.Quit() }},
		{"columns cpu room", func(d *driver) bool { return slices.Equal(d.m.view.Columns, []string{"cpu", "room"}) }},
		{"columns shoe", func(d *driver) bool { return d.m.view.Columns == nil && strings.Contains(d.m.view.Note, "no column") }},
		{"columns", func(d *driver) bool { return d.m.view.Prompt.For == ColumnsPrompt }},
		{"mouse off", func(d *driver) bool { return d.m.view.MouseOff && d.cmd() == tea.DisableMouse() }},
		{"mouse on", func(d *driver) bool { return !d.m.view.MouseOff && d.cmd == nil }},
		{"mouse", func(d *driver) bool { return !d.m.view.MouseOff && strings.Contains(d.m.view.Note, "on or off") }},
		{"plan", func(d *driver) bool { return d.m.view.Screen == PlanScreen }},
		{"export md /tmp/a b.md", func(d *driver) bool {
			d.send(d.cmd())
			return d.exported[0].Format == "md" && d.exported[0].Path == "/tmp/a b.md"
		}},
		{"export pdf", func(d *driver) bool { return d.cmd == nil && strings.Contains(d.m.view.Note, "want md or json") }},
		{"export", func(d *driver) bool {
			d.send(d.cmd())
			return d.m.view.Note == "written overview: capmon"
		}},
	} {
		if d := drive(t, 120, 40, nine()).press(":").typed(c.typed).press("enter"); !c.done(d) {
			t.Errorf(":%s: %q, %+v", c.typed, d.m.view.Note, d.m.view.Prompt)
		}
	}
	for typed, want := range map[string]string{"th": "theme", "theme l": "theme light", "host w": "host ws-", "x": "x", "filter is:d": "filter is:down", "columns cpu ro": "columns cpu ro", "columns cpu roo": "columns cpu room", "export j": "export json", "host ws-4 ": "host ws-4 ", "live x": "live x"} {
		if d := drive(t, 120, 40, nine()).press(":").typed(typed).press("tab"); d.m.view.Prompt.Text != want {
			t.Errorf(":%s completes to %q, want %q", typed, d.m.view.Prompt.Text, want)
		}
	}
}

// at is where a text stands on screen.
func (d *driver) at(text string) (x, y int) {
	d.t.Helper()
	d.m.View()
	for y := range d.m.h {
		if i := strings.Index(d.m.shown.lineText(y), text); i >= 0 {
			return cells(d.m.shown.lineText(y)[:i]), y
		}
	}
	d.t.Fatalf("no %q on screen", text)
	return 0, 0
}

func (d *driver) mouse(x, y int, button tea.MouseButton, action tea.MouseAction) *driver {
	d.m.View()
	d.send(tea.MouseMsg{X: x, Y: y, Button: button, Action: action})
	return d
}

func (d *driver) click(text string) *driver {
	x, y := d.at(text)
	d.mouse(x, y, tea.MouseButtonLeft, tea.MouseActionPress)
	return d.mouse(x, y, tea.MouseButtonNone, tea.MouseActionRelease)
}

func TestMouse(t *testing.T) {
	d := drive(t, 120, 40, nine()).click("ws-4")
	if d.m.view.Host != "ws-4" || d.m.view.Screen != Overview {
		t.Errorf("a click selects %s on screen %d", d.m.view.Host, d.m.view.Screen)
	}
	d.send(clickedMsg(d.m.clicked.n)) // the time for another is over
	if d.click("ws-4"); d.m.view.Screen != Overview {
		t.Error("a click that comes later opens it")
	}
	if d.click("ws-5"); d.m.view.Screen != Overview || d.m.view.Host != "ws-5" {
		t.Error("a quick click elsewhere opens it")
	}
	late := d.m.clicked.n - 1
	d.send(clickedMsg(late)) // of the click before: this one is still to become two
	if d.click("ws-5"); d.m.view.Screen != HostScreen {
		t.Error("a double click does not open it")
	}
	if d.click("esc back"); d.m.view.Screen != Overview {
		t.Error("a click on a key of the footer does nothing")
	}
	d.click("CONNS")
	if d.m.view.Sort != SortConns || d.m.view.Reverse {
		t.Errorf("a click on a head sorts by %v", d.m.view.Sort)
	}
	if d.click("CONNS"); !d.m.view.Reverse {
		t.Error("another does not turn it round")
	}
	was := d.m.view.Host
	if d.mouse(5, 5, tea.MouseButtonWheelDown, tea.MouseActionPress); d.m.view.Host == was {
		t.Error("the wheel moves nothing")
	}
	if d.click("? help"); d.m.view.Screen != HelpScreen {
		t.Error("help is not reached")
	}
	d.press("esc", "/")
	if d.click("ws-2"); d.m.view.Prompt.For != FilterPrompt || d.m.view.Screen != Overview {
		t.Error("a click while text is typed does something")
	}
}

// Numbers of the screens stand in the header and can be clicked, and so can
// what says that time runs.
func TestHeaderIsClicked(t *testing.T) {
	d := drive(t, 120, 40, nine())
	for _, c := range []struct {
		text string
		to   Screen
	}{{"2 3 4 5 6", CoresScreen}, {"1  2 cores", Overview}} {
		if d.click(c.text); d.m.view.Screen != c.to {
			t.Errorf("a click on %q shows screen %d, want %d", c.text, d.m.view.Screen, c.to)
		}
	}
	if d.click("LIVE"); !d.m.view.Paused {
		t.Error("a click on LIVE does not pause")
	}
	if d.click("PAUSED"); d.m.view.Paused {
		t.Error("a click on PAUSED does not go on")
	}
}

// TestTabGoesRound: tab passes all numbered screens and comes back.
func TestTabGoesRound(t *testing.T) {
	d := drive(t, 120, 40, nine())
	var seen []Screen
	for range 12 {
		d.press("tab")
		seen = append(seen, d.m.view.Screen)
		switch d.m.view.Screen {
		case PlanScreen: // where tab goes through the fields
			d.press("6")
		case HostScreen: // and here through the panes
			d.press("4")
			seen = append(seen, d.m.view.Screen)
			d.press("6")
		}
	}
	for _, s := range []Screen{Overview, CoresScreen, HostScreen, PlanScreen} {
		if !slices.Contains(seen, s) {
			t.Errorf("screen %d was not reached: %v", s, seen)
		}
	}
}

// The wheel scrolls what does not fit and keeps the cursor on screen.
func TestWheel(t *testing.T) {
	d := drive(t, 80, 24, fixture{hosts: 200, cores: 4, level: fleet.OK}.frame())
	d.mouse(5, 12, tea.MouseButtonWheelDown, tea.MouseActionPress)
	if d.m.view.Top != wheelRows || d.m.view.Host != "ws-4" {
		t.Errorf("the list begins at row %d, the cursor is on %s", d.m.view.Top, d.m.view.Host)
	}
	for range 100 {
		d.mouse(5, 12, tea.MouseButtonWheelDown, tea.MouseActionPress)
	}
	if text := d.text(); !strings.Contains(text, "ws-200") || !strings.Contains(text, "▶") {
		t.Errorf("the end of the list:\n%s", text)
	}
	for range 100 {
		d.mouse(5, 12, tea.MouseButtonWheelUp, tea.MouseActionPress)
	}
	if d.m.view.Top != 0 {
		t.Errorf("the top is row %d", d.m.view.Top)
	}
	d.press("?")
	if d.mouse(5, 12, tea.MouseButtonWheelDown, tea.MouseActionPress); d.m.view.Scroll != wheelRows {
		t.Errorf("help scrolls %d lines", d.m.view.Scroll)
	}
}

// After ctrl-z the mouse is what it was: off for the shell, then on again, unless
// M had turned it off.
func TestMouseAfterSuspend(t *testing.T) {
	on := func(d *driver) bool {
		d.send(tea.ResumeMsg{})
		batch, ok := d.cmd().(tea.BatchMsg)
		return ok && slices.ContainsFunc(batch, func(c tea.Cmd) bool { return c() == tea.EnableMouseCellMotion() })
	}
	d := drive(t, 120, 40, nine())
	if !on(d) {
		t.Error("the mouse is off after ctrl-z and fg")
	}
	if d.press("M"); on(d) {
		t.Error("the mouse that M turned off is on after ctrl-z and fg")
	}
}

func TestScrub(t *testing.T) {
	d := drive(t, 120, 40, nine())
	d.m.View()
	var axis area
	for _, z := range d.m.shown.zones {
		if z.hit.own == hitTime {
			axis = z.area
		}
	}
	if axis.w < 50 {
		t.Fatalf("the chart is %d cells wide", axis.w)
	}
	middle := axis.x + axis.w/2
	d.mouse(middle, axis.y, tea.MouseButtonLeft, tea.MouseActionPress)
	half := night.Add(-d.m.view.Span / 2)
	if at := d.last().At; !d.m.view.Paused || at.Sub(half).Abs() > 20*time.Second {
		t.Errorf("the middle is %v, want about %v", at, half)
	}
	d.mouse(axis.x, axis.y, tea.MouseButtonLeft, tea.MouseActionMotion)
	if at := d.last().At; !at.Equal(night.Add(-d.m.view.Span)) {
		t.Errorf("the left edge is %v", at)
	}
	d.mouse(axis.x, axis.y, tea.MouseButtonNone, tea.MouseActionRelease)
	d.mouse(middle, axis.y, tea.MouseButtonLeft, tea.MouseActionMotion)
	if at := d.last().At; !at.Equal(night.Add(-d.m.view.Span)) || !strings.HasPrefix(d.m.view.Note, "M lets") {
		t.Errorf("a drag that began elsewhere scrubs to %v (%q)", at, d.m.view.Note)
	}
}
