package ui

import (
	"slices"
	"strings"
	"testing"

	"capmon/capacity"
	"capmon/fleet"
)

func heads(d *driver) []string {
	d.t.Helper()
	_, y := d.at(" HOST")
	return strings.Fields(d.m.shown.lineText(y))
}

func TestColumnsAreChosen(t *testing.T) {
	d := drive(t, 120, 40, nine())
	usual := heads(d)
	if d.press("v").press("ctrl+u").typed("conns cpu room"); !slices.Equal(heads(d), []string{"HOST", "CONNS", "CPU%", "ROOM", "FLAG"}) {
		t.Errorf("while it is typed: %q", heads(d))
	}
	if d.press("esc"); !slices.Equal(heads(d), usual) || d.m.view.Columns != nil {
		t.Errorf("esc leaves %q", heads(d))
	}
	d.press("v").press("ctrl+u").typed("conns, steal rps/c").press("tab", "enter", "j", "2", "1")
	if want := []string{"HOST", "CONNS", "STEAL", "RPS/CORE", "FLAG"}; !slices.Equal(heads(d), want) {
		t.Errorf("kept: %q, want %q", heads(d), want)
	}
	if d.press("v"); d.m.view.Prompt.Text != "conns steal rps/core " {
		t.Errorf("begins with %q", d.m.view.Prompt.Text)
	}
	if text := d.text(); !strings.Contains(text, "also: role pool cpu") {
		t.Errorf("nothing says what else there is:\n%s", text)
	}
	d.typed("shoe").press("enter")
	if text := d.text(); d.m.view.Prompt.For != ColumnsPrompt || !strings.Contains(text, `no column "shoe"; there are`) && !strings.Contains(text, `no column "shoe": there are`) {
		t.Errorf("nonsense was taken:\n%s", text)
	}
	if d.press("ctrl+u", "enter"); !slices.Equal(heads(d), usual) {
		t.Errorf("none is not as many as fit: %q", heads(d))
	}
}

// The last of the columns chosen go first where there is no room; the name and
// the flag never do.
func TestChosenColumnsFit(t *testing.T) {
	f := nine()
	all := choosable()
	for _, w := range []int{60, 80, 100, 120, 200} {
		v := View{Columns: all}
		cols := columnsOf(&f, &v, w, planOf(&f, &v, w, 40).rows)
		used := 1
		for i, c := range cols {
			used += c.space + c.width
			if i > 0 && i < len(cols)-1 && columnNames[c.id] != all[i-1] {
				t.Errorf("at %d cells column %d is %s, want %s", w, i, columnNames[c.id], all[i-1])
			}
		}
		if used > w || cols[0].id != colHost || cols[len(cols)-1].id != colFlag {
			t.Errorf("%d columns take %d of %d cells", len(cols), used, w)
		}
	}
}

func TestParseColumns(t *testing.T) {
	for text, want := range map[string]string{"": "", "auto": "", "CPU,hot": "cpu hot", " host cpu , flag": "cpu", "cpu cpu": "!", "x": "!"} {
		got, err := ParseColumns(text)
		if (err != nil) != (want == "!") || err == nil && strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// Connections accepted a second are those of what faces the outside, and unknown
// where a service does not say.
func TestNewConnections(t *testing.T) {
	n := capacity.Known
	for name, c := range map[string]struct {
		services []fleet.Service
		want     capacity.Num
	}{
		"none":   {nil, capacity.Num{}},
		"two":    {[]fleet.Service{{Port: 80, Accepts: n(3)}, {Port: 81, Accepts: n(4)}}, n(7)},
		"behind": {[]fleet.Service{{Port: 80, Accepts: n(3)}, {Port: 81, Accepts: n(4), Behind: 80}}, n(3)},
		"one":    {[]fleet.Service{{Port: 80, Accepts: n(3)}, {Port: 81, Connections: n(4)}}, capacity.Num{}},
		"idle":   {[]fleet.Service{{Port: 80, Accepts: n(3)}, {Port: 81, Connections: n(0)}}, n(3)},
	} {
		if got := newConnections(&fleet.Host{Services: c.services}); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// s goes through the columns that are on screen, and no others.
func TestSortGoesThroughWhatIsShown(t *testing.T) {
	d := drive(t, 80, 24, nine())
	for range sorts {
		if d.press("s"); d.m.view.Sort >= SortPerCore {
			t.Errorf("sorted by %v, which is not on screen", d.m.view.Sort)
		}
	}
	seen := map[Sort]bool{}
	d = drive(t, 120, 40, nine())
	for range sorts {
		seen[d.press("s").m.view.Sort] = true
	}
	if !seen[SortPerCore] || !seen[SortSteal] || seen[SortNew] {
		t.Errorf("120 cells: %v", seen)
	}
	if d.click("RPS/CORE"); d.m.view.Sort != SortPerCore {
		t.Errorf("a click sorts by %v", d.m.view.Sort)
	}
}
