package ui

import (
	"slices"
	"strings"
	"testing"
)

// withKeys changes keys for one test.
func withKeys(t *testing.T, changes ...Binding) error {
	t.Helper()
	was := table
	t.Cleanup(func() { table = was })
	return SetKeys(changes)
}

func TestKeysAreChanged(t *testing.T) {
	err := withKeys(t,
		Binding{Name: "s", Keys: []string{"o", "f6"}}, Binding{Table: "cores", Name: "o", Keys: []string{"s"}},
		Binding{Name: "space", Keys: []string{"p"}}, Binding{Table: "plan", Name: "p", Keys: []string{"x"}},
		Binding{Name: "t", Keys: nil}, Binding{Name: "q", Keys: []string{"ctrl+q"}})
	if err != nil {
		t.Fatal(err)
	}
	d := drive(t, 200, 50, nine()).press("o")
	if d.m.view.Sort != SortWorst {
		t.Errorf("o sorts by %v", d.m.view.Sort)
	}
	if d.press("s"); d.m.view.Sort != SortWorst {
		t.Error("s still sorts")
	}
	if d.press("t"); d.m.theme.Name() != "dark" {
		t.Error("t was let go of and still changes the theme")
	}
	if d.press("q"); d.cmd != nil {
		t.Error("q still quits")
	}
	if d.press("ctrl+c"); d.cmd == nil {
		t.Error("ctrl-c no longer quits")
	}
	text := d.press("esc").text()
	if !strings.Contains(text, "o sort") || !strings.Contains(text, "p pause") || !strings.Contains(text, "ctrl-q quit") || strings.Contains(text, "theme") {
		t.Errorf("the footer: %q", d.m.shown.lineText(49))
	}
	if d.press("p"); !strings.Contains(d.text(), "p live") || !d.m.view.Paused {
		t.Errorf("p does not pause: %q", d.m.shown.lineText(49))
	}
	if d.click("p live"); d.m.view.Paused {
		t.Error("a click on it does nothing")
	}
	if d.press("2", "s"); !d.m.view.HotFirst {
		t.Error("s on cores is not hot first")
	}
	if d.press("?"); !strings.Contains(d.text(), "o S") {
		t.Errorf("help:\n%s", d.text())
	}
}

func TestWrongKeysChangeNothing(t *testing.T) {
	for want, c := range map[string]Binding{
		"two things on the screen":       {Name: "s", Keys: []string{"f"}},
		"there is nothing of that name":  {Name: "nonsense", Keys: []string{"x"}},
		"nothing of that name to change": {Name: "1", Keys: []string{"x"}},
		`no key "pgdn"`:                  {Name: "s", Keys: []string{"pgdn"}},
		`no key ""`:                      {Name: "s", Keys: []string{""}},
	} {
		was := table
		if err := withKeys(t, Binding{Name: "u", Keys: []string{"U"}}, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", c, err, want)
		}
		if &table[0] != &was[0] {
			t.Errorf("%v was refused and something changed", c)
		}
	}
}

// What is written out names every binding once, and read back changes nothing.
func TestBindingsAreTheTable(t *testing.T) {
	list := Bindings()
	seen := map[[2]string]bool{}
	for _, b := range list {
		at := [2]string{b.Table, b.Name}
		if seen[at] || b.Name == "" || b.Does == "" || !slices.Contains(b.Keys, b.Name) {
			t.Errorf("%+v is there twice, or says too little", b)
		}
		seen[at] = true
	}
	before := Keys()
	if err := withKeys(t, list...); err != nil {
		t.Fatal(err)
	}
	for i, k := range Keys() {
		if k.Label != before[i].Label || k.Foot != before[i].Foot || !slices.Equal(k.Keys, before[i].Keys) {
			t.Errorf("%q became %q", before[i].Label, k.Label)
		}
	}
}
