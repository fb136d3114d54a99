package ui

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"capmon/alerts"
	"capmon/fleet"
)

// alarming is a frame with alerts in every phase and the events of the night.
func alarming(f Frame) Frame {
	rules := alerts.Rules()
	text := func(name string) string {
		for i := range rules {
			if rules[i].Name == name {
				return rules[i].Text()
			}
		}
		return ""
	}
	ago := func(d time.Duration) time.Time { return f.Time.Add(-d) }
	f.Watched, f.Rules = true, rules
	f.Alerts = []alerts.Alert{
		{
			ID: "limit/conns", Rule: alerts.Limit, Level: fleet.Act, Phase: alerts.Firing, Since: ago(146 * time.Second), Fired: ago(86 * time.Second), What: "conns 98% of limit", Where: "9 hosts",
			Places: []string{"ws-5", "ws-2", "ws-1", "ws-6", "ws-8", "ws-7", "ws-3", "ws-9", "ws-4"}, Host: true, Now: "98%", ClearsAt: "<90%", Seen: 3, Next: "add hosts, or raise the limit of connections",
			RuleText: text(alerts.Limit), Means: "what comes beyond the limit is refused or waits",
		},
		{
			ID: "thread/single-thread-bound", Rule: alerts.Thread, Level: fleet.Soon, Phase: alerts.Firing, Since: ago(477 * time.Second), Fired: ago(417 * time.Second), What: "one thread full, node 0.99 core", Where: "ws-4",
			Places: []string{"ws-4"}, Host: true, Now: "node 0.99 core", ClearsAt: "<90%", Seen: 1, Next: "more workers", RuleText: text(alerts.Thread), Means: "the service is full while cores are idle",
		},
		{
			ID: "clock/clock", Rule: alerts.Clock, Level: fleet.Soon, Phase: alerts.Acked, Since: ago(32 * time.Minute), Fired: ago(31 * time.Minute), What: "clock differs by 1.9s", Where: "ws-2", Places: []string{"ws-2"}, Host: true,
			Now: "1.9s", ClearsAt: "<0.5s", Seen: 1, Next: "look at its time service (ntp)", Note: "ntp ticket", RuleText: text(alerts.Clock), Means: "its times can't be compared",
		},
		{
			ID: "lose-one/room", Rule: alerts.LoseOne, Level: fleet.Soon, Phase: alerts.Pending, Since: ago(17 * time.Second), What: "room for losing one host < 0 (111%)", Where: "all", Places: []string{"all"},
			Now: "111%", ClearsAt: "<97%", Next: "add a server (screen 4)", RuleText: text(alerts.LoseOne), Means: "when a host fails the others are over their limit",
		},
		{
			ID: "down/no data", Rule: alerts.Silent, Level: fleet.Soon, Phase: alerts.Resolved, Since: ago(305 * time.Second), Fired: ago(300 * time.Second), Ended: ago(299 * time.Second), What: "no data, stale 6s", Where: "ws-7",
			Places: []string{"ws-7"}, Host: true, Seen: 2, Flaps: 2, RuleText: text(alerts.Silent), Means: "nothing is known of the host",
		},
	}
	f.Events = []alerts.Event{
		{Time: ago(32 * time.Minute), Kind: "alert", Phase: "firing", Level: "!", Where: "ws-2", Text: "firing: clock differs by 1.9s on ws-2"},
		{Time: ago(14 * time.Minute), Kind: "agent", Where: "ws-9", Text: "ws-9 restarted, 0.9.1 → 0.9.2"},
		{Time: ago(11 * time.Minute), Kind: "trend", Where: "all", Text: "room falls: full in 15m"},
		{Time: ago(305 * time.Second), Kind: "agent", Where: "ws-7", Text: "ws-7 no data"},
		{Time: ago(151 * time.Second), Kind: "plan", Where: "all", Text: "need 12 → 13 (conns)"},
		{Time: ago(86 * time.Second), Kind: "alert", Phase: "firing", Level: "!!", Where: "ws-5", Text: "firing: conns 98% of limit on ws-5"},
	}
	return f
}

var alarmed = alarming(nine())

func TestAlertsScreen(t *testing.T) {
	text := textOf(alarmed, View{Screen: AlertsScreen, Span: 15 * time.Minute}, 120, 40)
	for _, want := range []string{
		"5 alerts  2 open  1 acked  1 pending", "FIRING  !!", "conns 98% of limit", "9 hosts", "2m26s", "<90%", "×3", "add hosts, or raise",
		"acked   !", "(ntp ticket)", "pending", "resolved", "×2 in 20m",
		"selected: conns 98% of limit", "limit ≥ 95% for 1m; clears < 90% for 2m", "worst ws-5, ws-2", "and 3 more", "means", "timeline", "event log", "need 12 → 13 (conns)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if i, j := strings.Index(text, "firing: conns 98%"), strings.Index(text, "ws-9 restarted"); i < 0 || j < i {
		t.Error("the newest event is not first")
	}
	for name, c := range map[string]struct {
		f    Frame
		want string
	}{"not watched": {nine(), "? not watched yet"}, "all well": {func() Frame { f := nine(); f.Watched = true; return f }(), "nothing fires"}} {
		if text := textOf(c.f, View{Screen: AlertsScreen}, 80, 24); !strings.Contains(text, c.want) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	p := alarming(atMoment(nine(), night.Add(-10*time.Minute)))
	p.Live = false
	if text := textOf(p, View{Screen: AlertsScreen, Paused: true}, 120, 40); !strings.Contains(text, "alerts are of now") || strings.Contains(text, "need 12 → 13") {
		t.Errorf("ten minutes ago:\n%s", text)
	}
}

// The overview lists what fires with what to do about it.
func TestAlertsOnTheOverview(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}} {
		text := textOf(alarmed, View{}, size[0], size[1])
		if !strings.Contains(text, "9 hosts 2m26s  conns 98% of limit") || strings.Contains(text, "clock differs") {
			t.Errorf("%v:\n%s", size, text)
		}
	}
}

func TestAlertKeys(t *testing.T) {
	var said []alerts.Act
	d := drive(t, 120, 40, alarmed)
	d.m.opts.Alert = func(a alerts.Act) (News, string) {
		said = append(said, a)
		n := alarmed.News
		n.Alerts = append([]alerts.Alert{}, n.Alerts...)
		n.Alerts[0].Phase = alerts.Acked
		return n, "told"
	}
	answer := func() { d.send(d.cmd()) }
	d.press("5", "a")
	answer()
	if len(said) != 1 || said[0].ID != "limit/conns" || said[0].Do != "ack" || d.m.view.Note != "told" || !strings.Contains(d.text(), "1 open  2 acked") {
		t.Errorf("ack: %+v\n%s", said, d.text())
	}
	d.press("a")
	answer()
	d.press("c").typed("raised max to 13").press("enter")
	answer()
	d.press("z", "ctrl+u").typed("1h").press("enter")
	answer()
	d.press("z", "ctrl+u").typed("08:00").press("enter")
	answer()
	want := []alerts.Act{
		{ID: "limit/conns", Do: "ack"},
		{ID: "limit/conns", Do: "unack"},
		{ID: "limit/conns", Do: "note", Note: "raised max to 13"},
		{ID: "limit/conns", Do: "snooze", Until: night.Add(time.Hour)},
		{ID: "limit/conns", Do: "snooze", Until: time.Date(night.Year(), night.Month(), night.Day(), 8, 0, 0, 0, time.UTC)},
	}
	for i := range want {
		if i >= len(said) || said[i] != want[i] {
			t.Errorf("said %d: %+v, want %+v", i, said, want[i])
		}
	}
	d.press("z", "ctrl+u").typed("never").press("enter")
	if !strings.Contains(d.m.view.Note, "want 15m, 1h or a time") {
		t.Errorf("%q", d.m.view.Note)
	}
	d.press("G")
	d.press("a")
	if d.cmd != nil || d.m.view.Note != "it is over already" {
		t.Errorf("what is over can be acked: %q", d.m.view.Note)
	}
	d.press("g", "enter")
	if d.m.view.Screen != HostScreen || d.m.view.Host != "ws-5" {
		t.Errorf("enter goes to %d %s", d.m.view.Screen, d.m.view.Host)
	}
	if d.press("esc"); d.m.view.Screen != AlertsScreen {
		t.Error("esc does not come back")
	}
	d.press("j", "j", "j", "enter")
	if d.m.view.Screen != PlanScreen {
		t.Errorf("enter on a pool's alert goes to %d", d.m.view.Screen)
	}
	d.press("5", "H")
	if strings.Contains(d.text(), "resolved ") {
		t.Errorf("H hides nothing:\n%s", d.text())
	}
	d.press("/").typed("thread").press("enter")
	if text := d.text(); strings.Contains(text, "9 hosts") || !strings.Contains(text, "one thread full") {
		t.Errorf("the filter:\n%s", text)
	}
	if d.click("one thread full"); d.m.view.Alert != "thread/single-thread-bound" {
		t.Errorf("a click selects %q", d.m.view.Alert)
	}
}

// What another viewer says is shown at once, also while time stands still, and
// changes nothing else.
func TestNewsOfAnotherViewer(t *testing.T) {
	for _, paused := range []bool{false, true} {
		d := drive(t, 120, 40, alarmed).press("5")
		if paused {
			d.press(" ")
		}
		d.m.view.Note = "something"
		n := alarmed.News
		n.Alerts = append([]alerts.Alert{}, n.Alerts...)
		n.Alerts[0].Phase, n.Alerts[0].Note = alerts.Acked, "raised max"
		d.send(newsMsg(n))
		if text := d.text(); !strings.Contains(text, "1 open  2 acked") || !strings.Contains(text, "raised max") || d.m.view.Note != "something" || strings.Contains(text, "PAUSED") != paused {
			t.Errorf("paused %v:\n%s", paused, text)
		}
		if paused { // and once time goes on
			d.send(frameMsg(later(alarmed, time.Second)))
			d.send(newsMsg(n))
			if d.press(" "); !strings.Contains(d.text(), "1 open  2 acked") {
				t.Errorf("forgotten:\n%s", d.text())
			}
		}
	}
}

// Where events are kept is said below them; what keeps them from it at their top,
// and where there is no room for them in the header.
func TestWhereEventsAreKept(t *testing.T) {
	f := alarmed
	f.Log.Path = "~/.local/state/capmon/events.jsonl"
	if text := textOf(f, View{Screen: AlertsScreen}, 120, 40); !strings.Contains(text, "kept: 7 days or 64 MB in ~/.local/state/capmon/events.jsonl   elsewhere: capmon events --follow") {
		t.Error(text)
	}
	f.Log.Trouble = "write /var/full/events.jsonl: no space left on device: tried again every 5s, 3 wait"
	text := textOf(f, View{Screen: AlertsScreen}, 120, 40)
	if !strings.Contains(text, "! not kept: write /var/full/events.jsonl: no space left on device: tried again every 5s, 3 wait") || strings.Contains(text, "7 days") {
		t.Error(text)
	}
	for _, size := range [][2]int{{80, 24}, {80, 16}, {120, 40}} {
		if text := textOf(f, View{Screen: AlertsScreen}, size[0], size[1]); !strings.Contains(text, "! events not kept") {
			t.Errorf("%v:\n%s", size, text)
		}
	}
}

// What is watched stands where there is room for it.
func TestRulesInForce(t *testing.T) {
	f := alarmed
	f.Rules = alerts.Rules()
	for i, text := range []string{"limit=80%", "thread=off"} {
		if err := alerts.Set(f.Rules, text, []string{"config.toml:4", "--alert thread=off"}[i]); err != nil {
			t.Fatal(err)
		}
	}
	text := textOf(f, View{Screen: AlertsScreen}, 120, 50)
	for _, want := range []string{
		"rules  in force", " limit    !!  limit ≥ 80% for 1m; clears < 75% for 2m   config.toml:4", " thread       off: one thread",
		" down     !   no data for 10s; clears when", " clock    !   clock off by ≥ 1s", "newest first",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if text := textOf(f, View{Screen: AlertsScreen}, 80, 24); strings.Contains(text, "in force") {
		t.Errorf("they take the place of something:\n%s", text)
	}
}

// The bell rings once for what is new and must be done.
func TestBell(t *testing.T) {
	var out bytes.Buffer
	d := drive(t, 120, 40, nine())
	d.m.screen, d.m.opts.Bell = &painter{out: &out}, true
	rings := func(f Frame) int {
		out.Reset()
		d.send(frameMsg(f))
		return strings.Count(out.String(), "\a")
	}
	soon := alarming(later(nine(), time.Second))
	soon.Alerts = soon.Alerts[1:]
	if n := rings(soon); n != 0 {
		t.Errorf("it rings for what is no !!: %d", n)
	}
	if n := rings(alarming(later(nine(), 2*time.Second))); n != 1 {
		t.Errorf("it rings %d times", n)
	}
	if n := rings(alarming(later(nine(), 3*time.Second))); n != 0 {
		t.Errorf("and again: %d", n)
	}
	d.m.opts.Bell = false
	d.send(frameMsg(later(nine(), 4*time.Second)))
	if n := rings(alarming(later(nine(), 5*time.Second))); n != 0 {
		t.Error("it rings where nobody asked")
	}
}

// What is not known now looks so, and is not the number of before.
func TestAnAlertThatIsNotSeen(t *testing.T) {
	f := alarmed
	f.Alerts = append([]alerts.Alert{}, f.Alerts...)
	f.Alerts[0].Unseen, f.Alerts[0].What = true, "? conns 98% of limit when last seen"
	c := newCanvas(120, 40, false)
	draw(c, &f, &View{Screen: AlertsScreen}, theme(t, "dark", 24, false))
	for y := range c.h {
		if text := c.lineText(y); strings.Contains(text, "FIRING  !!") {
			x := strings.Index(text, "? conns") - strings.Index(text, "F") + 1
			if got := c.cells[y*c.w+x+2].style &^ selected; got != unknown {
				t.Errorf("it looks like what is known: %v in %q", got, text)
			}
			return
		}
	}
	t.Error("no such line")
}

// A long name of what is watched takes the place of nothing that says where one
// is.
func TestALongNameLeavesTheScreensName(t *testing.T) {
	for screen, want := range map[Screen]string{AlertsScreen: "5 alerts", Overview: "1 overview", PlanScreen: "4 plan", CoresScreen: "2 cores"} {
		head, _, _ := strings.Cut(textOf(alarmed, View{Screen: screen, Source: "the agent on web-1.internal.example:7077"}, 80, 24), "\n")
		if !strings.Contains(head, want) || !strings.Contains(head, "9/9 up") || !strings.Contains(head, "LIVE") {
			t.Errorf("no %q in %q", want, head)
		}
	}
}

// No number of the table loses its sign, and no strip stands without its head.
func TestColumnsKeepSignsAndHeads(t *testing.T) {
	was := nine()
	f := later(nine(), 10*time.Second)
	f.Hosts = append([]fleet.Host{}, f.Hosts...)
	for i := range f.Hosts {
		h := &f.Hosts[i]
		h.CoresUsed.V -= 1.25
		h.HottestCore.Busy -= 0.25
	}
	f.Totals.CoresUsed.V -= 11.25
	for _, width := range []int{60, 80, 100, 120, 200} {
		text := textOf(f, View{Mark: &was, Cores: true}, width, 40)
		if row := lineOf(t, text, "ws-3"); !strings.Contains(row, "-1.25") || !strings.Contains(row, "-0.25") {
			t.Errorf("%d: %q", width, row)
		}
	}
	if row := lineOf(t, textOf(f, View{Mark: &was, Cores: true}, 120, 40), "FLEET"); !strings.Contains(row, "-11.2") {
		t.Errorf("%q", row)
	}
	for i := range f.Hosts {
		f.Hosts[i].Name = "web-" + f.Hosts[i].Name + ".internal.example"
	}
	for _, width := range []int{80, 82, 84, 88, 92, 100, 120} {
		head := lineOf(t, textOf(f, View{}, width, 24), "HOST ")
		if cols := columnsOf(&f, &View{}, width, []int{0, 1, 2}); !shownTrend(cols) {
			t.Errorf("%d: a strip without a head: %q", width, head)
		}
	}
}

// One core is not "1 cores", on no screen.
func TestOneCore(t *testing.T) {
	f := fixture{hosts: 1, cores: 1, level: fleet.OK, told: true}.frame()
	for screen := range screens {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 50}} {
			text := textOf(f, View{Screen: screen, Host: "ws-1"}, size[0], size[1])
			if regexp.MustCompile(`\b1 cores`).MatchString(text) {
				t.Errorf("screen %d at %v:\n%s", screen, size, text)
			}
		}
	}
}
