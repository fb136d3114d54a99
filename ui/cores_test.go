package ui

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"capmon/fleet"
)

// TestCellsOfCores: what a cell is, by how many cores there are and whether
// colours can tell two apart.
func TestCellsOfCores(t *testing.T) {
	dark, mono := theme(t, "dark", 24, false), theme(t, "mono", 0, false)
	for _, c := range []struct {
		cores, sockets int
		by             Grouping
		th             Theme
		group, wide    int
		half           bool
	}{
		{2, 0, NoGroups, dark, 1, 3, false},
		{32, 0, NoGroups, dark, 1, 1, false},
		{52, 0, NoGroups, dark, 1, 1, false}, // as many as cells
		{64, 0, NoGroups, dark, 1, 1, true},
		{64, 0, NoGroups, mono, 2, 1, false},
		{64, 0, NoGroups, theme(t, "dark", 4, false), 2, 1, false},
		{64, 0, NoGroups, theme(t, "dark", 24, true), 2, 1, false},
		{104, 0, NoGroups, dark, 1, 1, true},
		{128, 0, NoGroups, dark, 2, 1, true},
		{128, 0, NoGroups, mono, 3, 1, false},
		{52, 2, BySocket, mono, 2, 1, false}, // the gap between the sockets is one too many
		{128, 8, ByNode, dark, 2, 1, true},
		{4096, 0, NoGroups, dark, 40, 1, true},
	} {
		f := fixture{hosts: 1, cores: c.cores, sockets: c.sockets, level: fleet.OK}.frame()
		p := planCores(&f, &View{Grouped: c.by}, 78, 24, c.th)
		if p.cells != 52 {
			t.Fatalf("%d cells", p.cells)
		}
		if p.group != c.group || p.wide != c.wide || p.half != c.half {
			t.Errorf("%d cores on %d sockets, %s: a cell is %d wide, of %d cores, half %v; want %d, %d, %v",
				c.cores, c.sockets, c.th.Name(), p.wide, p.group, p.half, c.wide, c.group, c.half)
		}
		if p.widest > p.cells {
			t.Errorf("%d cores take %d of %d cells", c.cores, p.widest, p.cells)
		}
	}
}

// TestHalvesAreTheCores: each core is in the half where the ruler says, and what
// is not known is ?.
func TestHalvesAreTheCores(t *testing.T) {
	f := fixture{hosts: 2, cores: 65, level: fleet.OK, down: 1}.frame()
	h := &f.Hosts[0]
	for i := range h.Cores {
		h.Cores[i] = 0.02
	}
	h.Cores[3], h.Cores[64], h.Cores[20] = 1, 1, math.NaN()
	c := newCanvas(80, 24, false)
	draw(c, &f, &View{Screen: CoresScreen, Host: "ws-2"}, theme(t, "dark", 24, false))
	y := slices.IndexFunc(c.rowsOf(), func(s string) bool { return strings.HasPrefix(s, " ws-1") })
	row := c.cells[y*c.w+6:]
	for i, want := range map[int]cell{
		0:  {'▀', pairStyle(0.02, 0.02)},
		1:  {'▄', pairStyle(1, 0.02)}, // the lower is the busier
		10: {'?', unknown},
		32: {'▀', busyStyle(1)}, // nothing is below the last
	} {
		if row[i] != want {
			t.Errorf("cell %d is %c in style %d, want %c in %d", i, row[i].char, row[i].style, want.char, want.style)
		}
	}
	if row[33].char != 0 {
		t.Errorf("%c after the last core", row[33].char)
	}
	if text := c.lineText(y + 1); !strings.Contains(text, strings.Repeat("?", 33)) {
		t.Errorf("a host that is down: %q", text)
	}
	d := drive(t, 80, 24, f).press("2")
	if strings.Contains(d.m.screenText(), "▀") || !strings.Contains(d.text(), "▀") {
		t.Errorf("what only colours tell is copied as text:\n%s", d.m.screenText())
	}
}

// rowsOf is the canvas as lines of text.
func (c *canvas) rowsOf() []string {
	lines := make([]string, c.h)
	for y := range lines {
		lines[y] = c.lineText(y)
	}
	return lines
}

func TestCoresBySocket(t *testing.T) {
	f := fixture{hosts: 3, cores: 16, sockets: 2, level: fleet.OK}.frame()
	f.Hosts[2].Machine.Topology = nil // an agent that does not tell
	d := drive(t, 120, 40, f).press("2")
	var seen []string
	for range 7 {
		d.press("ctrl+g")
		seen = append(seen, d.m.view.Grouped.String())
	}
	// A machine with one cache has nothing to be grouped by it.
	if diff := cmp.Diff([]string{"pool", "role", "zone", "socket", "node", "off", "pool"}, seen); diff != "" {
		t.Errorf("ctrl-g: %s", diff)
	}
	d.press("ctrl+g", "ctrl+g", "ctrl+g")
	text := d.text()
	for _, want := range []string{"HOST socket 0                 socket 1", "ctrl-g group: socket"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q:\n%s", want, text)
		}
	}
	// The second threads, 8 to 15, stand with the first, which are 0 to 7.
	var order []int
	for range 16 {
		d.press("l")
		p := planCores(&d.m.frame, &d.m.view, d.m.w, d.m.h, d.m.theme)
		place, ok := coreUnder(&d.m.frame.Hosts[0], &d.m.view, &p)
		if !ok {
			t.Fatalf("no core under mark %d", d.m.view.Core)
		}
		order = append(order, place)
	}
	if want := []int{0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15}; !slices.Equal(order, want) {
		t.Errorf("cores stand as %v, want %v", order, want)
	}
	if text := d.text(); !strings.Contains(text, "core 15  ") || !strings.Contains(text, "socket 1, node 1, twin of 7") {
		t.Errorf("the status does not say where core 15 sits:\n%s", text)
	}
	if d.press("l", "l"); d.m.view.Core != 16 {
		t.Errorf("the cursor is on mark %d of 16", d.m.view.Core)
	}
	if d.press("j", "j"); !strings.Contains(d.text(), "socket ?") {
		t.Errorf("a host that does not tell its sockets:\n%s", d.text())
	}
}

// TestCoresPlanIsKept: another filter, order, size, grouping or frame is another
// plan, and a cursor that moves is not.
func TestCoresPlanIsKept(t *testing.T) {
	d := drive(t, 120, 40, nine()).press("2")
	kept := func() *coresPlan { d.text(); return d.m.view.cores.plan }
	was := kept()
	if d.press("j", "l", "o"); kept() != was {
		t.Error("a cursor makes another plan")
	}
	for name, change := range map[string]func(){
		"filter":   func() { d.press("/").typed("ws").press("enter") },
		"grouping": func() { d.press("ctrl+g") },
		"size":     func() { d.send(sizeMsg{100, 30}) },
		"order":    func() { d.press("s") },
		"frame":    func() { d.send(frameMsg(later(nine(), 2e9))) },
	} {
		was = kept()
		if change(); kept() == was {
			t.Errorf("another %s shows the plan that was", name)
		}
	}
}

// TestSocketsOfAHost: cores stand under the heads of their sockets as long as
// there is room for them, each core once.
func TestSocketsOfAHost(t *testing.T) {
	for _, c := range []struct{ cores, sockets int }{{2, 2}, {16, 2}, {64, 2}, {128, 2}, {128, 4}, {256, 8}} {
		for _, size := range [][2]int{{40, 10}, {80, 24}, {120, 40}, {200, 50}, {400, 120}} {
			for _, pane := range []Pane{AllPanes, CoresPane} {
				f := fixture{hosts: 1, cores: c.cores, sockets: c.sockets, level: fleet.OK}.frame()
				g := layGrid(&f.Hosts[0], size[0], size[1]/2)
				if len(g.blocks) != 1 && len(g.blocks) != c.sockets || g.height > max(size[1]/2, 4) {
					t.Errorf("%v at %v: %d blocks in %d lines", c, size, len(g.blocks), g.height)
				}
				v := View{Screen: HostScreen, Host: "ws-1", Pane: pane}
				text := strings.Join(fits(t, Render(f, v, size[0], size[1], theme(t, "mono", 0, false)), size[0], size[1]), "\n")
				if n := strings.Count(text, "socket 1 / node 1"); len(g.blocks) > 1 && n != 1 {
					t.Errorf("%v at %v: socket 1 has %d heads:\n%s", c, size, n, text)
				}
			}
		}
	}
	all := map[int]bool{}
	f := fixture{hosts: 1, cores: 64, sockets: 4, level: fleet.OK}.frame()
	for _, b := range blocksOf(&f.Hosts[0]) {
		for _, place := range b.places {
			if all[place] {
				t.Errorf("core %d stands twice", place)
			}
			all[place] = true
		}
	}
	if len(all) != 64 {
		t.Errorf("%d of 64 cores stand anywhere", len(all))
	}
}
