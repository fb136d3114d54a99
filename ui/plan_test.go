package ui

import (
	"strings"
	"testing"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// paged is the night of the mock-ups: 88,420 users on nine servers of 10,000.
func paged() Frame {
	f := nine()
	p := &f.Pools[0]
	p.Users, p.UsersFrom, p.RPS, p.Up, p.Target = capacity.Known(88_420), "connections", capacity.Known(40_223), 9, 0.8
	p.Growth, p.WarmUp = capacity.Known(1200), 3*time.Minute
	p.Policy = fleet.Policy{Target: 0.8, Spare: 1, PerServer: 10_000, Min: 2, Max: 10, WarmUp: 3 * time.Minute, Price: 0.17}
	p.Trend = capacity.Trend{Direction: capacity.Falling, Step: "full in 1m07s"}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		h.Counted, h.Available, h.CoresUsed = true, capacity.Known(8), capacity.Known(4.6)
		h.Limits = []capacity.Limit{{Name: "conns", Used: 9824, Capacity: 10_000, Unit: "connections"}, {Name: "cpu", Used: 4.6, Capacity: 8, Unit: "cores"}}
	}
	return f
}

// The sums of the mock-up (SCREENS §13.8), on the screen.
func TestPlanOfTheMockUp(t *testing.T) {
	f := paged()
	text := textOf(f, View{Screen: PlanScreen}, 120, 40)
	for _, want := range []string{
		"NEED 13 (12 for 80% +1 spare)   run 10   SHORT 3 of max 10", "users [ 88,420 ]", "growth [ +1,200/min ]", "for [ 10m ]",
		"per server [ 10,000 conns ]", "target [ 80% ]", "max [ 10 ]", "cost [ 0.17/h ]",
		"ceil(88,420 / (10,000 × 0.80))", "in 10m (100,420)", "raise max to 13", "live values",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	for line, want := range map[string]string{
		"now  ":     "98%!!  88%!  80.4%! 74%",
		"one lost ": "111%!! 98%!! 88%!",
		"full in ":  "1m19s 9m39s", // of 90,000 places at 88,420 and 1,200 a minute
		"a day ":    "36.72 40.80 44.88",
	} {
		got := strings.Join(strings.Fields(lineOf(t, text, line)), " ")
		if !strings.Contains(got, strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// The screen and the command are the same maths.
func TestPlanIsThePaper(t *testing.T) {
	f := paged()
	q, p, _ := planQuestion(&f, &View{}, true)
	live, err := capacity.NewPlan(q)
	if err != nil {
		t.Fatal(err)
	}
	paper, err := capacity.NewPlan(capacity.Question{
		Users: capacity.Known(88_420), PerServer: capacity.Known(10_000), Growth: capacity.Growth{PerSecond: 20}, Have: 9, WarmUp: 3 * time.Minute,
		Price: capacity.Known(0.17), Rule: capacity.Rule{Target: 0.8, Spare: 1, Min: 2, Max: 10},
	})
	if err != nil || p.Name == "" {
		t.Fatal(err, p.Name)
	}
	if live.Sizing.Need != paper.Sizing.Need || live.Sizing.Run != paper.Sizing.Run || live.Sizing.Short != paper.Sizing.Short || live.FullIn != paper.FullIn {
		t.Errorf("%+v, on paper %+v", live.Sizing, paper.Sizing)
	}
}

func TestWhatIf(t *testing.T) {
	type change struct {
		field FieldID
		text  string
		want  string // in the header of the plan
	}
	for _, c := range []change{
		{FieldUsers, "100k", "NEED 14 (13 for 80%"},
		{FieldTarget, "90%", "NEED 11 (10 for 90%"},
		{FieldTarget, "90", "NEED 11 (10 for 90%"},
		{FieldSpare, "2", "NEED 14 (12 for 80% +2 spare)"},
		{FieldMax, "20", "NEED 13 (12 for 80% +1 spare)   run 13"},
		{FieldMax, "0", "run 13"},
		{FieldPerServer, "9,000", "NEED 14"},
		{FieldGrowth, "+2,400", "(live: NEED 13)"},
		{FieldWarmUp, "10m", "NEED 13"},
		{FieldCost, "1ms", "NEED 13"},
		{FieldPrice, "0.2", "NEED 13"},
		{FieldAhead, "1h", "NEED 13"},
		{FieldRPS, "80k", "NEED 14 (13 for 80%"}, // the cores go with it
	} {
		d := drive(t, 120, 40, paged()).press("4")
		fields := planFields(&d.m.frame, &d.m.view)
		for fields[d.m.view.Field].id != c.field {
			d.press("tab")
		}
		d.press("enter").typed(c.text).press("enter")
		if text := d.text(); !strings.Contains(text, c.want) || !strings.Contains(text, "WHAT IF") || !strings.Contains(text, "[*") {
			t.Errorf("%s %s: want %q (%q):\n%s", fields[d.m.view.Field].name, c.text, c.want, d.m.view.Note, text)
		}
		if d.press("p"); strings.Contains(d.text(), "WHAT IF") || !strings.Contains(d.text(), "NEED 13 (12") {
			t.Errorf("%s: p does not show what is live", fields[d.m.view.Field].name)
		}
		if d.press("p", "r"); d.m.view.WhatIf != (WhatIf{}) {
			t.Error("r does not reset")
		}
	}
	// What is nonsense changes nothing and says why.
	for _, c := range []change{
		{FieldUsers, "-5", "want 0 to"},
		{FieldUsers, "many", "want a number"},
		{FieldTarget, "120%", "want 0 to 100"},
		{FieldTarget, "0", "more than 0"},
		{FieldSpare, "1.5", "a whole number"},
		{FieldWarmUp, "soon", "want a time"},
		{FieldMax, "1e99", "want 0 to"},
		{FieldPerServer, "0", "want 1 to"},
	} {
		d := drive(t, 120, 40, paged()).press("4")
		for fields := planFields(&d.m.frame, &d.m.view); fields[d.m.view.Field].id != c.field; {
			d.press("tab")
		}
		d.press("enter").typed(c.text).press("enter")
		if d.m.view.WhatIf != (WhatIf{}) || !strings.Contains(d.m.view.Note, c.want) {
			t.Errorf("%s: %q, want %q", c.text, d.m.view.Note, c.want)
		}
	}
	// Any number of steps keeps within sense.
	for field := range planFields(&onPaper, &View{}) {
		for _, key := range []string{"+", "-"} {
			d := drive(t, 120, 40, paged()).press("4")
			d.m.view.Field = field
			for range 200 {
				d.press(key)
			}
			if text := d.text(); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
				t.Errorf("field %d %s:\n%s", field, key, text)
			}
		}
	}
	d := drive(t, 120, 40, paged()).press("4").click("spare [")
	if d.click("spare ["); d.m.view.Prompt.For != FieldPrompt || planFields(&d.m.frame, &d.m.view)[d.m.view.Field].id != FieldSpare {
		t.Error("a click does not choose a field, another does not edit it")
	}
}

var onPaper = paged()

// Where nothing is known nothing is made up.
func TestPlanOfNothing(t *testing.T) {
	for name, f := range map[string]Frame{"waiting": {}, "no host": {Snapshot: fleet.Snapshot{Pools: []fleet.Pool{{Name: "all"}}}}} {
		if text := textOf(f, View{Screen: PlanScreen}, 80, 24); !strings.Contains(text, "?") || strings.Contains(text, "NEED 1") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	f := paged()
	for i := range f.Hosts {
		f.Hosts[i].Limits = f.Hosts[i].Limits[1:]
	}
	if text := textOf(f, View{Screen: PlanScreen}, 120, 40); !strings.Contains(text, "no limit of connections is known on every host") || !strings.Contains(text, "binds: cpu") {
		t.Errorf("without a limit:\n%s", text)
	}
}
