package ui

import (
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"capmon/fleet"
)

func toldHosts() Frame {
	return fixture{hosts: 3, cores: 8, level: fleet.Soon, limited: true, told: true}.frame()
}

// TestPanes: tab and a click show one pane at a time, esc all of them, then the
// screen before.
func TestPanes(t *testing.T) {
	d := drive(t, 80, 24, toldHosts()).press("enter")
	only := map[Pane]string{CoresPane: "── cores", ProcessesPane: "── processes", ServicesPane: "── services", LimitsPane: "── limits"}
	for p := CoresPane; p < panes; p++ {
		d.press("tab")
		text := d.text()
		for other, title := range only {
			if got := strings.Contains(text, title); got != (other == p) {
				t.Errorf("pane %v: %q is there: %v\n%s", p, title, got, text)
			}
		}
		if !strings.Contains(text, "▸"+p.String()) {
			t.Errorf("the bar does not say %v:\n%s", p, text)
		}
	}
	if d.press("tab"); d.m.view.Pane != AllPanes {
		t.Errorf("after the last pane comes %v", d.m.view.Pane)
	}
	if d.press("shift+tab"); d.m.view.Pane != LimitsPane {
		t.Errorf("shift-tab shows %v", d.m.view.Pane)
	}
	if d.click(" processes "); d.m.view.Pane != ProcessesPane {
		t.Errorf("a click on processes shows %v", d.m.view.Pane)
	}
	if d.press("esc").click("── services"); d.m.view.Pane != ServicesPane {
		t.Errorf("a click on the head of the services shows %v", d.m.view.Pane)
	}
	if d.press("esc"); d.m.view.Pane != AllPanes || d.m.view.Screen != HostScreen {
		t.Errorf("esc shows %v of screen %v", d.m.view.Pane, d.m.view.Screen)
	}
	if d.press("esc"); d.m.view.Screen != Overview {
		t.Errorf("esc shows screen %v", d.m.view.Screen)
	}
}

// TestProcessCursor: j and k go from process to process as long as they are on
// screen, and scroll where there is none; the cursor stays on its process.
func TestProcessCursor(t *testing.T) {
	d := drive(t, 80, 24, toldHosts()).press("enter")
	at := func() int { return d.m.view.PID }
	if d.press("j"); at() != 1801 || d.m.view.Scroll != 0 {
		t.Errorf("j is on process %d at line %d", at(), d.m.view.Scroll)
	}
	d.press("j")
	if at() != 4_190_334 {
		t.Errorf("j j is on process %d", at())
	}
	if d.press("j", "j"); at() != 4_190_334 || d.m.view.Scroll != 2 {
		t.Errorf("after the last process j is on %d at line %d", at(), d.m.view.Scroll)
	}
	if d.press("k"); at() != 1801 {
		t.Errorf("k is on process %d", at())
	}
	// Another second has them in another order, and one of them no more.
	f := later(toldHosts(), time.Second)
	list := f.Hosts[0].Processes
	list[0], list[1] = list[1], list[0]
	if d.send(frameMsg(f)); at() != 1801 || !strings.Contains(d.text(), "▶  1801") {
		t.Errorf("the cursor is on %d:\n%s", at(), d.text())
	}
	f = later(f, time.Second)
	f.Hosts[0].Processes = list[1:]
	if d.send(frameMsg(f)); !strings.Contains(d.text(), "▶  2211") {
		t.Errorf("the process under the cursor is gone, and the cursor too:\n%s", d.text())
	}
	for range 60 {
		d.press("j")
	}
	if !strings.Contains(d.text(), "── agent") {
		t.Errorf("j does not reach the end:\n%s", d.text())
	}
	for range 60 {
		d.press("k")
	}
	if d.m.view.Scroll != 0 || !strings.Contains(d.text(), "▶  2211") {
		t.Errorf("k does not reach the beginning: line %d\n%s", d.m.view.Scroll, d.text())
	}
}

// TestThreads: enter asks for the threads of the process under the cursor, and
// esc for none.
func TestThreads(t *testing.T) {
	d := drive(t, 100, 30, toldHosts()).press("enter")
	if d.last().PID != 0 {
		t.Errorf("the threads of %d are asked for before anybody wants them", d.last().PID)
	}
	d.press("enter")
	if ask := d.last(); ask.Host != "ws-1" || ask.PID != 2211 {
		t.Errorf("asked for %+v", ask)
	}
	text := d.text()
	for _, want := range []string{"11 threads of node 2211", "R runs     0.58   0.01     4", "S sleeps", "D disk", "1,031", "7 more threads"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q:\n%s", want, text)
		}
	}
	if d.press("esc"); d.last().PID != 0 || !strings.Contains(d.text(), "── processes") {
		t.Errorf("esc asks for %+v", d.last())
	}
	d.click("redis-server")
	if d.m.view.PID != 4_190_334 || d.m.view.Threads != 0 {
		t.Errorf("a click is on %d and opens %d", d.m.view.PID, d.m.view.Threads)
	}
	if d.click("redis-server"); d.last().PID != 4_190_334 {
		t.Errorf("another click asks for %d", d.last().PID)
	}
	for name, c := range map[string]struct {
		change func(*fleet.Host)
		keys   []string
		want   string
	}{
		"not yet":   {func(h *fleet.Host) { h.Past.Threads = nil }, nil, "? none yet"},
		"paused":    {func(h *fleet.Host) { h.Past.Threads = nil }, []string{" "}, "? threads are read while time runs"},
		"simulated": {func(h *fleet.Host) { h.Past.Threads = nil; h.Machine.Simulated = true }, nil, "? a simulated machine"},
		"refused":   {func(h *fleet.Host) { h.Past.Threads = &fleet.Threads{PID: 2211, Reason: "it has ended"} }, nil, "? process 2211: it has ended"},
		"none":      {func(h *fleet.Host) { h.Processes = nil }, nil, "no process is known here"},
	} {
		f := toldHosts()
		c.change(&f.Hosts[0])
		if text := drive(t, 120, 40, f).press("enter", "enter").press(c.keys...).text(); !strings.Contains(text, c.want) {
			t.Errorf("%s: no %q:\n%s", name, c.want, text)
		}
	}
}

// TestThreadsOfARecording: there are none where nobody looked.
func TestThreadsOfARecording(t *testing.T) {
	f := replayed(toldHosts())
	f.Hosts[0].Past.Threads = nil
	if text := drive(t, 120, 40, f).press("enter", "enter").text(); !strings.Contains(text, "not in this recording") {
		t.Errorf("it says\n%s", text)
	}
}

// TestPanesFit: the views of a host and of the cores that a key leads to, in
// every scene.
func TestPanesFit(t *testing.T) {
	views := []View{
		{Screen: HostScreen, Pane: CoresPane},
		{Screen: HostScreen, Pane: ProcessesPane},
		{Screen: HostScreen, Pane: ServicesPane},
		{Screen: HostScreen, Pane: LimitsPane},
		{Screen: HostScreen, Threads: 2211, ThreadsOf: "数据库\x1b[2J"},
		{Screen: HostScreen, Pane: Pane(200), PID: -1, Scroll: 9},
		{Screen: CoresScreen, Grouped: BySocket, Core: 3},
		{Screen: CoresScreen, Grouped: ByCache, HotFirst: true, Core: 999},
	}
	for name, f := range scenes() {
		for _, size := range sizes {
			for _, th := range []Theme{theme(t, "dark", 24, false), theme(t, "light", 8, false), theme(t, "mono", 0, true)} {
				for _, v := range views {
					if len(f.Hosts) > 0 {
						v.Host = f.Hosts[0].Name
					}
					fits(t, Render(f, v, size[0], size[1], th), size[0], size[1])
					if t.Failed() {
						t.Fatalf("%s at %v: %+v", name, size, v)
					}
				}
			}
		}
	}
}

// TestWheelOnThePanes: the wheel scrolls and leaves what can be clicked where it
// is drawn.
func TestWheelOnThePanes(t *testing.T) {
	d := drive(t, 80, 24, toldHosts()).press("enter")
	for range 3 {
		d.mouse(5, 12, tea.MouseButtonWheelDown, tea.MouseActionPress)
	}
	if d.m.view.Scroll == 0 {
		t.Fatal("the wheel does not scroll")
	}
	if d.click("redis-server"); d.m.view.PID != 4_190_334 {
		t.Errorf("a click on redis-server is on %d", d.m.view.PID)
	}
}
