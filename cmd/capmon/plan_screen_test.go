package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/fleet/report"
	"capmon/ui"
)

// planned is a night of nine servers; a service on them leaves its work to one
// thread where bound says so.
func planned(bound bool) fleet.Snapshot {
	n := capacity.Known
	at := time.Date(2026, 11, 23, 3, 12, 7, 0, time.UTC)
	p := fleet.Pool{
		Name: "all", Hosts: 9, Up: 9, Counted: 9, Bound: "conns", Target: 0.8, WarmUp: 3 * time.Minute, Spare: 1, Need: n(13),
		Users: n(88_420), UsersFrom: "connections", RPS: n(40_223),
		Policy: fleet.Policy{Target: 0.8, Spare: 1, PerServer: 10_000, Min: 2, Max: 10, WarmUp: 3 * time.Minute, Price: 0.17},
		Trend:  capacity.Trend{Direction: capacity.Falling, Slope: n(-20)},
		Sized: []capacity.PoolLimit{
			{Limit: capacity.Limit{Name: "conns", Used: 88_420, Capacity: 90_000, Unit: "connections", From: "9 servers × 10,000"}, Servers: 9, Least: 10_000, Most: 10_000, Target: 0.8},
			{Limit: capacity.Limit{Name: "cpu", Used: 41.4, Capacity: 72, Unit: "cores", From: "9 servers × 8"}, Servers: 9, Least: 8, Most: 8, Target: 0.8},
		},
		Verdict: fleet.Verdict{Level: fleet.Act, Do: []string{"ADD 1 NOW → 10"}, Why: []string{"why"}},
	}
	if bound {
		p.Sized = append(p.Sized, capacity.PoolLimit{
			Limit: capacity.Limit{Name: "thread", Used: 8.8, Capacity: 9, Unit: "core", From: "9 servers × 1"}, Servers: 9, Least: 1, Most: 1, Target: 0.5,
		})
		p.Bound, p.Target, p.Policy.Target = "thread", 0.5, 0
		p.Trend.Slope = n(-20 * 8.8 / 88_420) // of the thread, whose load grows as the users do
	}
	s := fleet.Snapshot{Time: at, At: at, Live: true, Interval: time.Second, Totals: fleet.Totals{
		Hosts: 9, Up: 9, Counted: 9, Users: p.Users, UsersFrom: "connections", RPS: p.RPS, CoresUsed: n(41.4), Cores: n(72),
	}}
	for name := range strings.FieldsSeq("ws-1 ws-2 ws-3 ws-4 ws-5 ws-6 ws-7 ws-8 ws-9") {
		s.Hosts = append(s.Hosts, fleet.Host{
			Name: name, State: fleet.Up, Counted: true, Pool: "all", Available: n(8), CoresUsed: n(4.6),
			Limits: []capacity.Limit{{Name: "conns", Used: 9824, Capacity: 10_000, Unit: "connections"}, {Name: "cpu", Used: 4.6, Capacity: 8, Unit: "cores"}},
		})
	}
	s.Pools = []fleet.Pool{p}
	return s
}

// said are the numbers of a plan, as the command prints them and the screen
// shows them.
func said(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, what := range []string{"NEED ", "run ", "SHORT ", "binds: ", "spike ×1.5 at once: ", "spike ×2 at once: ", `more, not in NEED\); over the limit for `} {
		if m := regexp.MustCompile(what + `([\w,]+)`).FindStringSubmatch(text); m != nil {
			out[what] = m[1]
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "│")
		line = strings.Join(strings.Fields(line), " ")
		for _, name := range []string{"servers", "now", "one lost", "in 10m", "full in", "cost per day", "a day"} {
			if cells := regexp.MustCompile("^" + name + ` (?:\([\d,.kM]+\) )?([\d-]\S*(?: [\d-]\S*){3,})$`).FindStringSubmatch(line); cells != nil {
				out[strings.Replace(name, "cost per day", "a day", 1)] = cells[1]
			}
		}
	}
	return out
}

// TestScreenAndCommandPlanAlike: the same numbers asked on screen 4 and of
// `capmon plan` come to the same servers, shares, times and money.
func TestScreenAndCommandPlanAlike(t *testing.T) {
	th, err := ui.NewTheme("", 0, false)
	if err != nil {
		t.Fatal(err)
	}
	known := capacity.Known
	for name, c := range map[string]struct {
		bound bool
		args  []string
		what  ui.WhatIf
		need  string
	}{
		"live":               {need: "13"},
		"users":              {args: []string{"--users", "120000"}, what: ui.WhatIf{ui.FieldUsers: known(120_000)}, need: "16"},
		"requests":           {args: []string{"--rps", "80446"}, what: ui.WhatIf{ui.FieldRPS: known(80_446)}, need: "24"},
		"per server":         {args: []string{"--per-server", "20000"}, what: ui.WhatIf{ui.FieldPerServer: known(20_000)}, need: "8"},
		"cost":               {args: []string{"--cost", "3ms"}, what: ui.WhatIf{ui.FieldCost: known(0.003)}, need: "20"},
		"target":             {args: []string{"--target", "60%"}, what: ui.WhatIf{ui.FieldTarget: known(0.6)}, need: "16"},
		"spike":              {args: []string{"--spike", "2"}, what: ui.WhatIf{ui.FieldSpike: known(2)}, need: "13"},
		"spike, as it comes": {args: []string{"--spike", "1.5"}, need: "13"},
		"spare":              {args: []string{"--spare", "3"}, what: ui.WhatIf{ui.FieldSpare: known(3)}, need: "15"},
		"thread":             {bound: true, need: "19"},
		"thread, users": {
			bound: true, args: []string{"--users", "176840"}, what: ui.WhatIf{ui.FieldUsers: known(176_840)}, need: "37",
		},
		"thread, target": {bound: true, args: []string{"--target", "80%"}, what: ui.WhatIf{ui.FieldTarget: known(0.8)}, need: "13"},
		"thread, cost":   {bound: true, args: []string{"--cost", "1ms"}, what: ui.WhatIf{ui.FieldCost: known(0.001)}, need: "13"},
	} {
		t.Run(name, func(t *testing.T) {
			s := planned(c.bound)
			var b, out bytes.Buffer
			if err := report.JSON(&b, s); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "now.json")
			if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			none := filepath.Join(dir, "none.toml")
			if err := os.WriteFile(none, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := newPlan()
			cmd.SetOut(&out)
			cmd.SetArgs(append([]string{"--config", none, "--from", file, "--min", "2", "--max", "10", "--growth", "1200/min", "--price", "0.17"}, c.args...))
			if err := cmd.Execute(); err != nil {
				t.Fatal(err)
			}
			screen := ui.Render(ui.Frame{Snapshot: s}, ui.View{Screen: ui.PlanScreen, WhatIf: c.what}, 200, 60, th)
			screen = ansi.Strip(screen)
			want, got := said(t, out.String()), said(t, screen)
			if want["NEED "] != c.need || len(want) < 9 {
				t.Fatalf("the command says %v, want NEED %s:\n%s", want, c.need, out.String())
			}
			for k := range want {
				if want[k] != got[k] {
					t.Errorf("%s%q on screen, %q by the command", k, got[k], want[k])
				}
			}
			if t.Failed() {
				t.Log(screen + "\n" + out.String())
			}
		})
	}
}
