package ui

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/alerts"
	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// Beside the name of a host its name is not said again, and what is not known
// of an earlier moment is not called a lack of reasons.
func TestReasonsBesideAName(t *testing.T) {
	for _, c := range []struct {
		reason, do string
		state      fleet.State
		want       string
	}{
		{"ws-1:7077 speaks TLS", "copy the token", fleet.Down, "speaks TLS → copy the token"},
		{"ws-10:7077 speaks TLS", "", fleet.Down, "ws-10:7077 speaks TLS"},
		{"no answer from ws-1:7077", "", fleet.Unseen, "no answer from ws-1:7077"},
		{"", "start it", fleet.Down, "→ start it"},
		{"", "", fleet.Unseen, "no data of this moment"},
		{"", "", fleet.Stale, "no reason given"},
	} {
		h := fleet.Host{Name: "ws-1", State: c.state, Reason: c.reason, Do: c.do}
		if got := reasonOf(&h); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.reason, c.do, got, c.want)
		}
	}
}

// A footer offers no key that does nothing as things are.
func TestFooterLeavesIdleKeysOut(t *testing.T) {
	foot := func(f Frame, v View) string {
		text := strings.TrimRight(textOf(f, v, 200, 50), "\n")
		return text[strings.LastIndex(text, "\n")+1:]
	}
	f := nine()
	f.Hosts[0].Processes = nil
	host := View{Screen: HostScreen, Host: f.Hosts[0].Name}
	if got := foot(f, host); strings.Contains(got, "threads") {
		t.Errorf("threads of no process: %q", got)
	}
	f.Hosts[0].Processes = []fleet.Process{{PID: 7, Name: "node"}}
	if got := foot(f, host); !strings.Contains(got, "enter threads") {
		t.Errorf("a process has threads: %q", got)
	}
	f.Alerts, f.Events = nil, nil
	if got := foot(f, View{Screen: AlertsScreen}); strings.Contains(got, " a ack") || strings.Contains(got, "snooze") || strings.Contains(got, "event") || strings.Contains(got, "open") {
		t.Errorf("keys of alerts where there are none: %q", got)
	}
	if got := foot(alarmed, View{Screen: AlertsScreen}); !strings.Contains(got, "a ack") || !strings.Contains(got, "z snooze") || !strings.Contains(got, "n event") || !strings.Contains(got, "enter open") {
		t.Errorf("keys of alerts: %q", got)
	}
}

// Of a host that was never seen nothing is counted, and of a part of a machine
// what is known is said.
func TestUnknownIsNotNone(t *testing.T) {
	f := nine()
	h := &f.Hosts[0]
	*h = fleet.Host{Name: h.Name, State: fleet.Unseen}
	if text := textOf(f, View{Screen: HostScreen, Host: h.Name}, 120, 40); strings.Contains(text, "0 listening") || !strings.Contains(text, "? no data") {
		t.Errorf("services of a host that was never seen:\n%s", text)
	}
	*h = fleet.Host{Name: h.Name, State: fleet.Up, CPU: capacity.Known(0.42), Machine: &sample.Machine{Labels: []*sample.Label{{Key: "scope", Value: "pid:7"}}}, Newest: &sample.Sample{Cpu: &sample.Cpu{}}}
	facts := factsOf(h)
	if facts[0].text != "42% busy   ? usr sys irq" || !strings.Contains(facts[1].text, "not of a part of it") {
		t.Errorf("a part of a machine: %+v", facts[:2])
	}
}

// Where silent hosts want unlike things, an alert over them tells each.
func TestSilentHostsEachTheirOwnStep(t *testing.T) {
	f := nine()
	for i, do := range []string{"copy the token", "start it", "start it"} {
		f.Hosts[i].State, f.Hosts[i].Reason, f.Hosts[i].Do = fleet.Down, "gone", do
	}
	x := alerts.Alert{ID: "down", Rule: alerts.Silent, RuleText: strings.Repeat("a rule ", 12), What: "no data, down", Where: "2 hosts", Next: "start it", Phase: alerts.Firing}
	f.Alerts, f.Watched = []alerts.Alert{x}, true
	show := func(places ...int) string {
		f.Alerts[0].Places = nil
		for _, i := range places {
			f.Alerts[0].Places = append(f.Alerts[0].Places, f.Hosts[i].Name)
		}
		return textOf(f, View{Screen: AlertsScreen}, 100, 40)
	}
	text := show(0, 1)
	for _, want := range []string{"each its own: below", f.Hosts[0].Name + ": gone → copy the token", f.Hosts[1].Name + ": gone → start it", "\n         (--alert down=…)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := show(1, 2); strings.Contains(text, "each its own") || !strings.Contains(text, "do      start it") {
		t.Errorf("one step for all:\n%s", text)
	}
}

// A thread has one core: waits that were booked late don't make it more.
func TestAThreadHasOneCore(t *testing.T) {
	f := nine()
	f.Totals.HottestThread = fleet.HotThread{Known: true, Host: "ws-1", Name: "node", PID: 7, Demand: 2.94}
	if line := lineOf(t, textOf(f, View{}, 120, 40), "thread"); !strings.Contains(line, "1.00 core") || !strings.Contains(line, "100%, the busiest: ws-1 node/7") {
		t.Errorf("%q", line)
	}
	f.Hosts[0].Processes = []fleet.Process{{PID: 7, Name: "node", Demands: []float64{2.94, 0.1}}}
	if text := textOf(f, View{Screen: HostScreen, Host: f.Hosts[0].Name}, 120, 40); strings.Contains(text, "2.94") || !strings.Contains(text, "1.00") {
		t.Errorf("TOP-THR:\n%s", text)
	}
}

// On a line too short for its numbers the name of a host stays whole.
func TestCoresOfNarrowTerminals(t *testing.T) {
	f := nine()
	f.Hosts[0].State = fleet.Down
	for w := 16; w < 40; w++ {
		for _, i := range []int{0, 1} {
			name := f.Hosts[i].Name
			if line := lineOf(t, textOf(f, View{Screen: CoresScreen}, w, 8), name); !strings.Contains(line, name+" ") {
				t.Errorf("%d wide: %q", w, line)
			}
		}
	}
}

// What was acked before it fires says so, and a second ack takes it back.
func TestAckedAhead(t *testing.T) {
	f := alarmed
	f.Alerts = append([]alerts.Alert(nil), f.Alerts...)
	for i := range f.Alerts {
		if a := &f.Alerts[i]; a.Phase == alerts.Pending {
			a.AckedAt = night
			if got, _ := alertCell(a, tableColumn{id: acState, width: 11}, &f); got != "acked ahead" {
				t.Errorf("acked before it fires: %q", got)
			}
			return
		}
	}
	t.Fatal("nothing waits")
}

// Losing the one server of a pool leaves none, which is no unknown; and zones
// have a column where there are any.
func TestLossesByPool(t *testing.T) {
	f := tiered(9, 3, "web")
	f.Pools[0].Up, f.Pools[0].LoseOne = 1, capacity.Num{}
	for i := range f.Pools {
		f.Pools[i].LoseZone, f.Pools[i].Policy.Zone = capacity.Num{}, ""
	}
	show := func() []string {
		c := newCanvas(70, 6, false)
		drawByPool(c.all(), &f)
		return strings.Split(ansi.Strip(c.String(Theme{})), "\n")
	}
	if lines := show(); !strings.Contains(lines[2], "  - ") || strings.Contains(lines[1], "ZONE") {
		t.Errorf("one server, no zones:\n%s", strings.Join(lines, "\n"))
	}
	f.Pools[1].Policy.Zone = "az"
	if lines := show(); !strings.Contains(lines[1], "-1 ZONE") {
		t.Errorf("zones:\n%s", strings.Join(lines, "\n"))
	}
}

// The axis of few things ends in whole ones.
func TestAxisOfFewThings(t *testing.T) {
	c := newCanvas(60, 10, false)
	drawStoryChart(c.all(), &StoryChart{Name: "servers", Step: time.Second, Lines: []StoryLine{{Name: "open", Now: "2", Values: []float64{1, 2, 2}}}})
	if line := strings.Split(ansi.Strip(c.String(Theme{})), "\n")[1]; !strings.HasPrefix(strings.TrimSpace(line), "3│") {
		t.Errorf("two servers stand below %q", line)
	}
	if _, hi := scale(history{values: []float64{1, 2, 2}, zero: true, top: math.NaN(), target: math.NaN()}, 2); hi != 3 {
		t.Errorf("two servers stand below %v", hi)
	}
}

// Hundreds of ports don't push limits and machine off the host screen.
func TestManyPorts(t *testing.T) {
	f := nine()
	h := &f.Hosts[0]
	h.Services = nil
	for i := range 256 {
		h.Services = append(h.Services, fleet.Service{Port: 20000 + i, Name: "many", RPS: capacity.Known(float64(i)), Connections: capacity.Known(1)})
	}
	text := textOf(f, View{Screen: HostScreen, Host: h.Name}, 120, 40)
	for _, want := range []string{"256 listening ports", "20255", " more ports, none busier: tab", "limits, nearest first"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := textOf(f, View{Screen: HostScreen, Host: h.Name, Pane: ServicesPane}, 120, 40); strings.Contains(text, "none busier") || !strings.Contains(text, "20000") {
		t.Errorf("its own pane has all:\n%s", text)
	}
}

// A screen that is paused keeps why a host is down; an earlier moment has not
// known it.
func TestPausedKeepsWhyHostsAreAway(t *testing.T) {
	f := nine()
	f.Time, f.At = night, night
	h := &f.Hosts[0]
	h.State, h.Reason, h.Do = fleet.Down, "gone fishing", "wait"
	d := drive(t, 120, 40, f)
	past := func(at time.Time) Frame {
		p := atMoment(nine(), at)
		p.Hosts = append([]fleet.Host(nil), p.Hosts...)
		p.Hosts[0] = fleet.Host{Name: h.Name}
		p.Totals.Unseen = 1
		return p
	}
	d.press(" ")
	d.send(frameMsg(past(night)))
	if text := d.text(); !strings.Contains(text, "x down") || !strings.Contains(text, "gone fishing → wait") || strings.Contains(text, "1?") {
		t.Errorf("paused:\n%s", text)
	}
	d.press("[")
	d.send(frameMsg(past(d.m.at)))
	if text := d.text(); strings.Contains(text, "gone fishing") || !strings.Contains(text, "no data of this moment") {
		t.Errorf("earlier:\n%s", text)
	}
}

// The other way round the lowest come first, and what is unknown stays last.
func TestReversedUnknownLast(t *testing.T) {
	hosts := []fleet.Host{{Name: "?"}, {Name: "low", CPU: capacity.Known(0.1), RPS: capacity.Known(1)}, {Name: "high", CPU: capacity.Known(0.9), RPS: capacity.Known(9)}}
	for _, by := range []Sort{SortCPU, SortRPS} {
		for reverse, want := range map[bool]string{false: "high low ?", true: "low high ?"} {
			rows := []int{0, 1, 2}
			sortRows(hosts, rows, by, reverse)
			var got []string
			for _, i := range rows {
				got = append(got, hosts[i].Name)
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("by %s, reversed %v: %s, want %s", by, reverse, s, want)
			}
		}
	}
}
