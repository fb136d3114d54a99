package ui

import (
	"math"
	"strings"
	"testing"
	"time"

	"capmon/alerts"
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
	p.Trend = capacity.Trend{Direction: capacity.Falling, Slope: capacity.Known(-20), Step: "full in 1m07s (58s..1m19s) = 1,332 / 20 a second, over 5m00s since a change of slope"}
	p.Sized = []capacity.PoolLimit{
		{Limit: capacity.Limit{Name: "conns", Used: 88_420, Capacity: 90_000, Unit: "connections"}, Servers: 9, Least: 10_000, Most: 10_000, Target: 0.8},
		{Limit: capacity.Limit{Name: "cpu", Used: 41.4, Capacity: 72, Unit: "cores"}, Servers: 9, Least: 8, Most: 8, Target: 0.8},
	}
	p.Bound, p.TargetFrom, p.Need, p.Hosts = "conns", "chosen", capacity.Known(13), 9
	for i := range f.Hosts {
		h := &f.Hosts[i]
		h.Counted, h.Available, h.CoresUsed = true, capacity.Known(8), capacity.Known(4.6)
		h.Limits = []capacity.Limit{{Name: "conns", Used: 9824, Capacity: 10_000, Unit: "connections", From: "--per-server 10000"}, {Name: "cpu", Used: 4.6, Capacity: 8, Unit: "cores"}}
	}
	return f
}

// pagedFor is the same with what NEED was in so many buckets, and an alert.
func pagedFor(buckets int) Frame {
	f := paged()
	n := &f.Pools[0].Needs
	for i := range buckets {
		x := float64(i) / float64(buckets)
		n.Need, n.Raw, n.Have = append(n.Need, math.Ceil(9+4*x)), append(n.Raw, math.Round(8+5*x+math.Sin(float64(i)/4))), append(n.Have, 9)
		if x < 0.2 || x > 0.6 && x < 0.65 {
			n.Need[i], n.Raw[i], n.Have[i] = math.NaN(), math.NaN(), math.NaN()
		}
	}
	f.Alerts = []alerts.Alert{{Rule: alerts.Short, Level: fleet.Act, Phase: alerts.Firing, Where: "all", What: "needs 13, max is 10", Next: "raise max to 13", Since: f.Time.Add(-2 * time.Minute)}}
	f.Watched = true
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
	q, p := planQuestion(&f, &View{}, true)
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
		{FieldRPS, "80k", "NEED 23 (22 for 80%"}, // users and cores go with it, as with the command
	} {
		d := drive(t, 120, 40, paged()).press("4")
		fields := planFields(&d.m.frame, &d.m.view)
		for fields[d.m.view.Field].id != c.field {
			d.press("tab")
		}
		d.press("enter").typed(c.text).press("enter")
		if text := d.text(); !strings.Contains(text, c.want) || !strings.Contains(text, "what-if: nothing") || !strings.Contains(text, "[*") {
			t.Errorf("%s %s: want %q (%q):\n%s", fields[d.m.view.Field].name, c.text, c.want, d.m.view.Note, text)
		}
		if d.press("p"); strings.Contains(d.text(), "what-if: nothing") || !strings.Contains(d.text(), "NEED 13 (12") {
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
	f.Pools[0].Sized = f.Pools[0].Sized[1:]
	if text := textOf(f, View{Screen: PlanScreen}, 120, 40); !strings.Contains(text, "what a server holds is known on 0 of 9 hosts") || !strings.Contains(text, "binds: cpu") {
		t.Errorf("without a limit:\n%s", text)
	}
}

// A pool whose nearest limit is a thread is not said to need fewer servers than
// its threads ask for.
func TestPlanCountsThreads(t *testing.T) {
	f := paged()
	p := &f.Pools[0]
	p.Sized = append(p.Sized, capacity.PoolLimit{Limit: capacity.Limit{Name: "thread", Used: 8.8, Capacity: 9, Unit: "core"}, Servers: 9, Least: 1, Most: 1, Target: 0.5})
	p.Bound, p.Policy.Target, p.Target = "thread", 0, 0.5
	if text := textOf(f, View{Screen: PlanScreen}, 120, 40); !strings.Contains(text, "NEED 19") || !strings.Contains(text, "binds: thread") || !strings.Contains(text, "conns: ceil(88,420 / (10,000 × 0.80))") {
		t.Errorf("each limit with its own target:\n%s", text)
	}
	typed := WhatIf{FieldCost: capacity.Known(0.001)}
	if text := textOf(f, View{Screen: PlanScreen, WhatIf: typed}, 120, 50); !strings.Contains(text, "threads that were measured are left out") {
		t.Errorf("nothing says that threads are left out:\n%s", text)
	}
}

// A limit of connections is held against those that it limits, not against users
// that are at another service or counted by their requests; a tie is bound by
// what is fuller.
func TestPlanOfOtherConnections(t *testing.T) {
	for name, from := range map[string]string{"another service": "connections", "by requests": "little"} {
		f := paged()
		p := &f.Pools[0]
		p.UsersFrom, p.UsersNote, p.Policy.Max = from, "10s of thinking", 0
		p.Sized[0].Used = 4500
		for i := range f.Hosts {
			f.Hosts[i].Limits[0].Used = 500
		}
		text := textOf(f, View{Screen: PlanScreen}, 120, 40)
		for _, want := range []string{"NEED 8 (7 for 80% +1 spare)", "binds: cpu", "conns: ceil(4,500 / (10,000 × 0.80))", "per server [ 10,000 conns ]", "users [ 88,420 ]"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: lacks %q:\n%s", name, want, text)
			}
		}
		text = textOf(f, View{Screen: PlanScreen, WhatIf: WhatIf{FieldUsers: capacity.Known(884_200)}}, 120, 40)
		if !strings.Contains(text, "conns: ceil(45,000 / (10,000 × 0.80))") {
			t.Errorf("%s: connections do not grow with the users:\n%s", name, text)
		}
	}
	f := paged()
	f.Pools[0].Policy.Spare = 0
	if text := textOf(f, View{Screen: PlanScreen, WhatIf: WhatIf{FieldUsers: capacity.Known(1000), FieldCost: capacity.Known(0.003)}}, 120, 40); !strings.Contains(text, "NEED 1 (1 for 80%)") || !strings.Contains(text, "binds: cpu") {
		t.Errorf("a tie:\n%s", text)
	}
	f.Pools[0].Up, f.Hosts = 1, f.Hosts[:1]
	text := textOf(f, View{Screen: PlanScreen, WhatIf: WhatIf{FieldUsers: capacity.Known(1000), FieldMin: capacity.Known(1)}}, 120, 40)
	if lost := lineOf(t, text, "one lost"); strings.Fields(lost)[2] != "-" {
		t.Errorf("one lost of one is %q", lost)
	}
	if !strings.Contains(text, "have") || !strings.Contains(text, "NEED  ") || !strings.Contains(text, "min") {
		t.Errorf("a mark is gone:\n%s", text)
	}
}

// Growth is in the unit of the load that leads, whichever limit is nearest.
func TestPlanGrowthIsOfTheLoad(t *testing.T) {
	f := paged()
	p := &f.Pools[0]
	p.Bound, p.Trend.Slope = "cpu", capacity.Known(-0.0414) // a thousandth of the cores used
	if text := textOf(f, View{Screen: PlanScreen}, 120, 40); !strings.Contains(text, "growth [ +5,305/min ]") {
		t.Errorf("88,420 users that grow by a thousandth a second:\n%s", text)
	}
	p.Trend.Direction = capacity.Stable
	if text := textOf(f, View{Screen: PlanScreen}, 120, 40); !strings.Contains(text, "growth [ 0/min ]") || strings.Contains(text, "full in  ") {
		t.Errorf("stable:\n%s", text)
	}
	p.Trend = capacity.Trend{Step: "trend unknown: 12m of readings, it wants 30 min"}
	if text := textOf(f, View{Screen: PlanScreen}, 120, 40); !strings.Contains(text, "growth [ ? ]") || !strings.Contains(text, "growth: 12m of readings") {
		t.Errorf("not known:\n%s", text)
	}
	d := drive(t, 120, 40, f).press("4", "tab", "tab")
	if d.press("+"); d.m.view.WhatIf != (WhatIf{}) || !strings.Contains(d.text(), "growth is not known") {
		t.Errorf("+ on what is not known:\n%s", d.text())
	}
}

func TestPlanCompares(t *testing.T) {
	d := drive(t, 120, 60, paged()).press("4", "enter").typed("120k").press("enter", "c")
	text := d.text()
	for line, want := range map[string]string{
		"what-if ": "what-if 16 10 6 15 9 120,000 0s 40.80", "live ": "live 13 10 3 12 7 88,420 1m19s 40.80",
	} {
		if got := strings.Join(strings.Fields(lineOf(t, text, line)), " "); got != want {
			t.Errorf("%q, want %q in\n%s", got, want, text)
		}
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, " now ") && !strings.HasPrefix(strings.Join(strings.Fields(lines[i+1]), " "), "live 98%!! 88%! 63%") {
			t.Errorf("under %q: %q", l, lines[i+1])
		}
	}
	if d.press("c"); strings.Contains(d.text(), "compared") {
		t.Error("c again does not end it")
	}
}

// What was changed of one pool is not asked of another.
func TestWhatIfIsOfItsPool(t *testing.T) {
	f := tiered(9, 3, "web")
	for i := range f.Pools {
		p := &f.Pools[i]
		p.Policy = fleet.Policy{Target: 0.8, Spare: 1}
		p.Users = capacity.Known(float64(1000 * (i + 1)))
	}
	d := drive(t, 120, 40, f).press("4")
	at := d.m.view.Pool
	d.press("enter").typed("77,000").press("enter")
	if !strings.Contains(d.text(), "[*77,000 ]") || d.m.view.WhatIfOf != at || at == "" {
		t.Fatalf("pool %q:\n%s", at, d.text())
	}
	d.press("n")
	if text := d.text(); strings.Contains(text, "77,000") || strings.Contains(text, "what-if") || d.m.view.Pool == at {
		t.Errorf("pool %q got what was asked of %q:\n%s", d.m.view.Pool, at, text)
	}
	if d.press("N"); !strings.Contains(d.text(), "[*77,000 ]") {
		t.Error("back, and what was asked is gone")
	}
	d.press("i")
	if d.m.view.Screen != StepsScreen || d.m.view.Pool != at {
		t.Errorf("i shows the steps of %q", d.m.view.Pool)
	}
	d.press("esc", "n", "+")
	if d.m.view.WhatIfOf != d.m.view.Pool || d.m.view.WhatIf[FieldUsers].V == 77_000 {
		t.Errorf("%q keeps what was changed of %q", d.m.view.Pool, at)
	}
}

// SLA and SLO are fields where the policy has them.
func TestPlanPromises(t *testing.T) {
	f := paged()
	p := &f.Pools[0]
	p.Policy.SLA, p.Policy.Availability, p.Policy.SLO = 0.999, 0.99, &capacity.Promise{Share: 0.99, Within: 0.05}
	text := textOf(f, View{Screen: PlanScreen}, 120, 50)
	for _, want := range []string{"SLA [ 99.9% ]", "one is up [ 99% ]", "SLA 99.9%: allows 43m12s in 30 days", "slo: not in it"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "p99 [ ") {
		t.Error("a promise that nothing is sized by is a field")
	}
	text = textOf(f, View{Screen: PlanScreen, WhatIf: WhatIf{FieldCost: capacity.Known(0.001), FieldSLO: capacity.Known(0.02), FieldSLA: capacity.Known(0.99995)}}, 120, 50)
	for _, want := range []string{"p99 [*20ms ]", "SLA [*99.995% ]", "slo: ceil(", "p99 = 20ms"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	for _, bad := range []string{"100", "0", "101%", "x"} {
		d := drive(t, 120, 40, f).press("4")
		for planFields(&d.m.frame, &d.m.view)[d.m.view.Field].id != FieldSLA {
			d.press("tab")
		}
		if d.press("enter").typed(bad).press("enter"); d.m.view.WhatIf != (WhatIf{}) || !strings.Contains(d.m.view.Note, "want") {
			t.Errorf("SLA %s: %q", bad, d.m.view.Note)
		}
	}
}

// j and k go over the rows of fields, then through what scrolls.
func TestPlanRows(t *testing.T) {
	d := drive(t, 80, 24, paged()).press("4")
	if d.press("j"); d.m.view.Field != 4 || d.m.view.Scroll != 0 {
		t.Errorf("j: field %d, scrolled %d", d.m.view.Field, d.m.view.Scroll)
	}
	d.press("j", "j", "j")
	if d.m.view.Field != 7 || d.m.view.Scroll != 2 {
		t.Errorf("j j j: field %d, scrolled %d", d.m.view.Field, d.m.view.Scroll)
	}
	d.press("k", "k", "k", "k", "k", "k")
	if d.m.view.Field != 0 || d.m.view.Scroll != 0 {
		t.Errorf("k: field %d, scrolled %d", d.m.view.Field, d.m.view.Scroll)
	}
	d = drive(t, 40, 10, paged()).press("4", "j", "j")
	if d.m.view.Field != 0 || d.m.view.Scroll != 2 {
		t.Errorf("without fields in sight j went to field %d, scrolled %d", d.m.view.Field, d.m.view.Scroll)
	}
}

// The header says what-if beside what it must say anyhow.
func TestPlanHeader(t *testing.T) {
	f := paged()
	v := View{Screen: PlanScreen, WhatIf: WhatIf{FieldUsers: capacity.Known(9)}}
	for _, w := range []int{40, 60, 80, 120} {
		if text := textOf(f, v, w, 24); w >= 80 != strings.Contains(text, "what-if: nothing is changed on any host") && w >= 60 || !strings.Contains(text, "what-if") {
			t.Errorf("%d wide:\n%s", w, text)
		}
	}
	f.Simulated, v.Warning = true, "INSECURE"
	for _, w := range []int{80, 120} {
		head, _, _ := strings.Cut(textOf(f, v, w, 24), "\n")
		for _, want := range []string{"what-if", "SIMULATED", "INSECURE", "4 plan"} {
			if !strings.Contains(head, want) {
				t.Errorf("%d wide: lacks %q: %s", w, want, head)
			}
		}
	}
}

// Without a host that is up there is no load of now.
func TestPlanOfSilence(t *testing.T) {
	f := paged()
	for i := range f.Hosts {
		f.Hosts[i].State = fleet.Stale
	}
	f.Pools[0].Up = 0
	if text := textOf(f, View{Screen: PlanScreen}, 120, 40); strings.Contains(text, "NEED 1") || !strings.Contains(text, "? no plan") || !strings.Contains(text, "stands on 0 of 9 hosts") {
		t.Errorf("all are stale:\n%s", text)
	}
	f = paged()
	f.Hosts[8].State, f.Pools[0].Up = fleet.Down, 8
	if text := textOf(f, View{Screen: PlanScreen}, 120, 40); !strings.Contains(text, "stands on 8 of 9 hosts") {
		t.Errorf("one is down:\n%s", text)
	}
}

// At the right of a wide screen: what needs attention, and what NEED was.
func TestPlanBeside(t *testing.T) {
	f := pagedFor(60)
	text := textOf(f, View{Screen: PlanScreen}, 200, 50)
	for _, want := range []string{"NEED, last 15m  now 13", "for the load of the moment, last 15m  now 14", "servers up, last 15m  now 9", "needs 13, max is 10"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

// What lies ahead: the load as it grows, what the servers that there are, that may
// be and that are needed can take, and when it is too much for each.
func TestPlanAhead(t *testing.T) {
	f := paged()
	text := textOf(f, View{Screen: PlanScreen}, 120, 50)
	for _, want := range []string{
		"users ahead, next 1h  a keep 9: full in 1m19s  b run 10: full in 9m39s  c need 13: full in 35m",
		" a 90,000 ", " b 100,000 ", " c 130,000 ", "03:12 now        03:22", "04:12",
		"spikes and promises", "spike ×1.5 at once: 132,630 users: 102% used on 13 servers, 18 needed (5 more", "over the limit for 3m00s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	for line := range strings.SplitSeq(text, "\n") { // 41,580 more at 1,200 a minute: 34m39s of the hour
		if found := strings.Contains(line, " c 130,000"); found {
			at := float64(cells(line[:strings.Index(line, "×")])-axis) / (120 - axis)
			if want := 34.65 / 60; math.Abs(at-want) > 0.01 {
				t.Errorf("c is crossed at %.3f of the hour, want %.3f: %q", at, want, line)
			}
			if before0, _, _ := strings.Cut(line, "┄"); cells(before0)-axis != 3*(120-axis)/60 { // warm after three minutes
				t.Errorf("c is there from %d: %q", cells(before0)-axis, line)
			}
		}
	}
	for name, c := range map[string]struct {
		what WhatIf
		want string
	}{
		"overrun already": {WhatIf{FieldUsers: num(95_000)}, "a keep 9: full now  b run 10: full in 4m10s"},
		"too late":        {WhatIf{FieldWarmUp: num(3600)}, "b run 10: full before it is warm"},
		"further":         {WhatIf{FieldAhead: num(7200)}, "users ahead, next 2h"},
		"half a user":     {WhatIf{FieldUsers: num(88_420.5)}, "room of 9 servers to the limit: 1,579 users"},
	} {
		if text := textOf(f, View{Screen: PlanScreen, WhatIf: c.what}, 120, 60); !strings.Contains(text, c.want) {
			t.Errorf("%s: lacks %q:\n%s", name, c.want, text)
		}
	}
	for _, growth := range []float64{0, -1200} {
		if text := textOf(f, View{Screen: PlanScreen, WhatIf: WhatIf{FieldGrowth: num(growth)}}, 120, 60); strings.Contains(text, "ahead, next") || !strings.Contains(text, "users, last") {
			t.Errorf("growth %v:\n%s", growth, text)
		}
	}
}

// The spike is a field: none, ×1.5, in halves.
func TestSpikeField(t *testing.T) {
	d := drive(t, 120, 40, paged()).press("4")
	for planFields(&d.m.frame, &d.m.view)[d.m.view.Field].id != FieldSpike {
		d.press("tab")
	}
	for _, c := range []struct{ key, want string }{{"+", "[*×2 ]"}, {"+", "[*×2.5 ]"}, {"-", "[*×2 ]"}, {"-", "spike [ ×1.5 ]"}, {"-", "[*none ]"}, {"-", "[*none ]"}, {"+", "spike [ ×1.5 ]"}} {
		if text := d.press(c.key).text(); !strings.Contains(text, c.want) {
			t.Errorf("%s: lacks %q:\n%s", c.key, c.want, text)
		}
	}
	// It takes no line of a short screen before somebody goes to it.
	short := drive(t, 80, 24, paged()).press("4")
	if text := short.text(); strings.Contains(text, "spike [") {
		t.Errorf("a short screen:\n%s", text)
	}
	if text := short.press("shift+tab").text(); !strings.Contains(text, "spike [ ×1.5 ]") {
		t.Errorf("under the cursor:\n%s", text)
	}
	if text := short.press("+", "tab").text(); !strings.Contains(text, "spike [*×2 ]") {
		t.Errorf("typed:\n%s", text)
	}
	d.press("-")
	if text := d.text(); strings.Contains(text, "spike ×") {
		t.Errorf("none is asked:\n%s", text)
	}
	d.press("enter", "ctrl+u").typed("x3").press("enter")
	if text := d.text(); !strings.Contains(text, "[*×3 ]") || !strings.Contains(text, "spike ×3 at once: 265,260 users") {
		t.Errorf("x3:\n%s", text)
	}
	d.press("enter", "ctrl+u").typed("0.5").press("enter")
	if !strings.Contains(d.m.view.Note, "want 1 or more, as 1.5, or 0") {
		t.Errorf("%q", d.m.view.Note)
	}
}
