package alerts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/alerts"
	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

var night = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// at is a snapshot so many seconds into the night, all well, that do changes.
func at(seconds int, do func(*fleet.Snapshot)) *fleet.Snapshot {
	n := capacity.Known
	s := &fleet.Snapshot{Time: night.Add(time.Duration(seconds) * time.Second), Live: true}
	for i := range 3 {
		s.Hosts = append(s.Hosts, fleet.Host{
			Name: fmt.Sprintf("ws-%d", i+1), State: fleet.Up, Counted: true, Skew: n(0.003),
			Limits:  []capacity.Limit{{Name: "conns", Used: 50, Capacity: 100}, {Name: "cpu", Used: 2, Capacity: 8}},
			Machine: &sample.Machine{Version: "0.9.1"},
		})
	}
	s.Pools = []fleet.Pool{{Name: "all", Need: n(3), Run: n(3), Short: n(0), LoseOne: n(0.6), Trend: capacity.Trend{Direction: capacity.Stable}, WarmUp: 3 * time.Minute, NeedBy: "conns"}}
	if do != nil {
		do(s)
	}
	return s
}

func conns(host int, share float64) func(*fleet.Snapshot) {
	return func(s *fleet.Snapshot) { s.Hosts[host].Limits[0].Used = 100 * share }
}

// run takes a snapshot a second from..to and returns what was told, with when.
func run(w *alerts.Watch, from, to int, do func(*fleet.Snapshot)) []string {
	var out []string
	for k := from; k < to; k++ {
		for _, e := range w.Take(at(k, do)) {
			out = append(out, fmt.Sprintf("%d %s %s", k, e.Kind, e.Text))
		}
	}
	return out
}

func list(w *alerts.Watch) []string {
	var out []string
	for _, a := range w.Alerts() {
		out = append(out, fmt.Sprintf("%s %s %s: %s", a.Phase, a.Level.Sign(), a.Where, a.What))
	}
	return out
}

func wants(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// A limit fires after its minute, holds on between its two thresholds, and
// clears after two minutes below the lower one.
func TestALimitFiresAndClears(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	wants(t, "all well", run(w, 0, 10, nil))
	wants(t, "nothing is listed", list(w))
	wants(t, "not yet", run(w, 10, 70, conns(0, 0.98)))
	wants(t, "it waits", list(w), "pending !! ws-1: conns 98% of limit")
	wants(t, "a minute is over", run(w, 70, 80, conns(0, 0.98)), "70 alert firing: conns 98% of limit on ws-1")
	wants(t, "it fires", list(w), "firing !! ws-1: conns 98% of limit")
	wants(t, "in between it holds on", run(w, 80, 400, conns(0, 0.92)))
	wants(t, "and is listed", list(w), "firing !! ws-1: conns 92% of limit")
	wants(t, "mild for less than two minutes", run(w, 400, 500, conns(0, 0.5)))
	wants(t, "back before it cleared", run(w, 500, 510, conns(0, 0.96)))
	wants(t, "two minutes", run(w, 510, 640, conns(0, 0.5)), "630 alert resolved: conns 96% of limit on ws-1 after 9m20s")
	wants(t, "it is listed a while", list(w), "resolved !! ws-1: conns 96% of limit")
	wants(t, "then no more", run(w, 640, 640+31*60, nil))
	wants(t, "the list", list(w))
}

// What is over for a moment is nothing, and what is not known neither fires nor
// clears.
func TestUnknownDecidesNothing(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	run(w, 0, 50, conns(1, 0.99))
	wants(t, "a moment's calm begins anew", run(w, 50, 51, nil))
	wants(t, "so this is too short", run(w, 51, 105, conns(1, 0.99)))
	run(w, 105, 120, conns(1, 0.99))
	gone := func(s *fleet.Snapshot) {
		s.Hosts[1] = fleet.Host{Name: "ws-2", State: fleet.Down, Age: capacity.Known(42)}
	}
	got := run(w, 120, 600, gone)
	wants(t, "silence", got, "120 agent ws-2 no data", "130 alert firing: no data, down 42s on ws-2")
	wants(t, "both are listed, and what is old is not told for now", list(w), "firing !! ws-2: ? conns 99% of limit when last seen", "firing ! ws-2: no data, down 42s")
	// A viewer that slept knows nothing of the time between.
	if w.Take(at(9000, nil)); len(list(w)) != 2 {
		t.Errorf("after a gap: %q", list(w))
	}
	wants(t, "a moment before tells nothing", run(w, 8980, 8999, nil))
	run(w, 9001, 9002, conns(1, 0.97))
	if got := list(w)[0]; got != "firing !! ws-2: conns 97% of limit" {
		t.Errorf("seen again: %q", got)
	}
	old := at(9999, nil)
	old.Live = false
	if w.Take(old) != nil {
		t.Error("a moment of the past is taken for now")
	}
}

// Many hosts are one line and one event.
func TestFolds(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	all := func(s *fleet.Snapshot) {
		for i := range s.Hosts {
			conns(i, 0.96+float64(i)/100)(s)
		}
	}
	got := run(w, 0, 90, all)
	if len(got) != 1 || !strings.HasPrefix(got[0], "60 alert firing: conns") {
		t.Errorf("%q", got)
	}
	a := w.Alerts()
	if len(a) != 1 || a[0].Where != "3 hosts" || a[0].What != "conns 98% of limit" || strings.Join(a[0].Places, " ") != "ws-3 ws-2 ws-1" {
		t.Errorf("%+v", a)
	}
	// Two of them clear: one line still, and nothing is told until the last.
	wants(t, "one is left", run(w, 90, 300, conns(2, 0.98)))
	wants(t, "it", list(w), "firing !! ws-3: conns 98% of limit")
}

func TestRulesOfAPool(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	bad := func(s *fleet.Snapshot) {
		p := &s.Pools[0]
		p.Need, p.Run, p.Short, p.LoseOne = capacity.Known(13), capacity.Known(10), capacity.Known(3), capacity.Known(1.11)
		p.Trend = capacity.Trend{Direction: capacity.Falling, FullIn: capacity.Known(67), Step: "full in 1m07s"}
		p.Late = capacity.Known(113)
		s.Hosts[0].Findings = []fleet.Finding{{Verdict: fleet.SingleThread, Owner: "node", Demand: 0.99, Workers: 1}}
		s.Hosts[1].Skew = capacity.Known(-1.9)
	}
	run(w, 0, 5, nil)
	got := run(w, 5, 80, bad)
	for _, want := range []string{
		"15 plan need 3 → 13 (conns)", "5 trend room falls: full in 1m07s", "15 alert firing: full in 1m07s, late 1m53s on all", "15 alert firing: need 13 > max 10 on all",
		"65 alert firing: room for losing one host < 0 (111%) on all", "65 alert firing: one thread full, node 0.99 core on ws-1", "65 alert firing: clock differs by 1.9s on ws-2",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("lacks %q: %q", want, got)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d events: %q", len(got), got)
	}
	for _, a := range w.Alerts() {
		if a.Means == "" || a.Next == "" || a.RuleText == "" || a.ClearsAt == "" {
			t.Errorf("not all is said: %+v", a)
		}
	}
	run(w, 80, 200, nil)
	for _, a := range w.Alerts() {
		if a.Phase != alerts.Resolved {
			t.Errorf("%s is %s", a.What, a.Phase)
		}
	}
}

// A need that jumps about, as while history comes in, is told when it has settled.
func TestANeedIsToldWhenItStays(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	need := func(n float64) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) { s.Pools[0].Need, s.Pools[0].Run = capacity.Known(n), capacity.Known(n) }
	}
	for k := range 20 {
		wants(t, "it jumps", run(w, k, k+1, need(3+float64(k%2))))
	}
	wants(t, "it stays", run(w, 20, 40, need(5)), "30 plan need 3 → 5 (conns)")
	wants(t, "and is told once", run(w, 40, 80, need(5)))
	wants(t, "there and back", append(run(w, 80, 85, need(6)), run(w, 85, 120, need(5))...))
}

func TestHappenings(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	run(w, 0, 5, nil)
	got := run(w, 5, 6, func(s *fleet.Snapshot) {
		s.Hosts[0].Restarts = 1
		s.Hosts[0].Machine = &sample.Machine{Version: "0.9.2"}
		s.Hosts[1].State = fleet.Stale
		s.Hosts = append(s.Hosts, fleet.Host{Name: "ws-4", State: fleet.Up})
		s.Hosts[2].Learned = []fleet.Learned{{Learning: &fleet.Learning{Basis: capacity.Basis{Change: capacity.Change{At: night, Factor: 1.3}}}}}
	})
	wants(t, "what happened", got, "5 agent ws-1 restarted, 0.9.1 → 0.9.2", "5 agent ws-2 no data", "5 agent ws-4 is new", "5 deploy ws-3: a request costs about ×1.30 since 03:00")
	again := alerts.NewWatch(alerts.Rules(), []alerts.Event{{Time: night.Add(-time.Hour), Kind: "agent", Where: "ws-4", Text: "ws-4 is new"}})
	run(again, 0, 5, nil)
	wants(t, "a viewer that begins later", run(again, 5, 6, func(s *fleet.Snapshot) {
		s.Hosts = append(s.Hosts, fleet.Host{Name: "ws-4", State: fleet.Up}, fleet.Host{Name: "ws-5", State: fleet.Up})
	}), "5 agent ws-5 is new")
	wants(t, "and back", run(w, 6, 7, func(s *fleet.Snapshot) { s.Hosts[0].Restarts = 1 }), "6 agent ws-2 is back")
}

func TestWhatAUserSays(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	run(w, 0, 70, conns(0, 0.98))
	id := w.Alerts()[0].ID
	now := night.Add(70 * time.Second)
	if _, err := w.Do(alerts.Act{ID: "none", Do: "ack"}, now); err == nil {
		t.Error("what is not there can be acked")
	}
	said := []alerts.Event{}
	for _, a := range []alerts.Act{{ID: id, Do: "ack"}, {ID: id, Do: "note", Note: "raised max to 13"}} {
		e, err := w.Do(a, now)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, e)
	}
	wants(t, "acked", list(w), "acked !! ws-1: conns 98% of limit")
	if a := w.Alerts()[0]; a.Note != "raised max to 13" {
		t.Errorf("%+v", a)
	}
	// Another viewer, or this one begun anew, knows it.
	v := alerts.NewWatch(alerts.Rules(), append([]alerts.Event{{Time: night, Kind: "alert", ID: id, Phase: "firing"}}, said...))
	run(v, 71, 140, conns(0, 0.98))
	if a := v.Alerts()[0]; a.Phase != alerts.Acked || a.Note != "raised max to 13" || a.Seen != 2 {
		t.Errorf("%+v", a)
	}
	// It ends with the alert.
	run(w, 71, 300, nil)
	run(w, 300, 400, conns(0, 0.98))
	if a := w.Alerts()[0]; a.Phase != alerts.Firing || a.Note != "" || a.Flaps != 2 {
		t.Errorf("%+v", a)
	}
	if _, err := w.Do(alerts.Act{ID: id, Do: "snooze", Until: night.Add(500 * time.Second)}, now); err != nil {
		t.Fatal(err)
	}
	run(w, 400, 450, conns(0, 0.98))
	wants(t, "snoozed", list(w), "acked !! ws-1: conns 98% of limit")
	run(w, 450, 510, conns(0, 0.98))
	wants(t, "and loud again", list(w), "firing !! ws-1: conns 98% of limit")
}

// An ack is of the places that were there: when more come, it is news again.
func TestAnAckIsOfWhatWasThere(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	run(w, 0, 70, conns(0, 0.98))
	e, err := w.Do(alerts.Act{ID: w.Alerts()[0].ID, Do: "ack"}, night)
	if err != nil || e.Places != 1 {
		t.Fatal(e, err)
	}
	run(w, 70, 100, conns(0, 0.98))
	wants(t, "acked", list(w), "acked !! ws-1: conns 98% of limit")
	both := func(s *fleet.Snapshot) { conns(0, 0.98)(s); conns(1, 0.99)(s) }
	run(w, 100, 170, both)
	wants(t, "another host", list(w), "firing !! 2 hosts: conns 99% of limit")
	if _, err := w.Do(alerts.Act{ID: w.Alerts()[0].ID, Do: "ack"}, night); err != nil {
		t.Fatal(err)
	}
	wants(t, "both", list(w), "acked !! 2 hosts: conns 99% of limit")
	run(w, 170, 320, conns(1, 0.99))
	wants(t, "one is over", list(w), "acked !! ws-2: conns 99% of limit")
}

func TestSet(t *testing.T) {
	for text, wrong := range map[string]string{
		"limit=80%,clears=70%,for=10s,clear-for=1m": "", "limit=0.8,clears=0.7": "", "clock=2s": "", "thread=off": "", "thread=on,for=2m": "", "down=on,for=1m": "",
		"limit": "want limit=off", "speed=3": `no rule "speed": there are limit, full-in`, "limit=x": "want a share", "limit=80%": "", "limit=80%,clears=90%": "it clears below 90%, above where it fires: 80%", "thread=level=act": "", "limit=clears=80%,level=soon": "", "limit=level=bad": "want act (!!) or soon (!)", "clock=0.25s": "", "limit=0": "want a share",
		"limit=99%,for=-1s": "want a time", "limit=99%,for=x": "want a time", "thread=90%": "no threshold", "limit=99%,by=3": "want a value", "clock=5": "want a time", "limit=": "want a share",
	} {
		rules := alerts.Rules()
		err := alerts.Set(rules, text, "here")
		if wrong == "" && err != nil || wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)) {
			t.Errorf("%q: %v, want %q", text, err, wrong)
		}
	}
	rules := alerts.Rules()
	for _, c := range []struct{ text, want string }{
		{"limit=80%", "limit ≥ 80% for 1m; clears < 75% for 2m"},
		{"limit=92.5%,for=1h", "limit ≥ 92.5% for 1h; clears < 87.5% for 2m"},
		{"limit=4%", "limit ≥ 4% for 1h; clears < 3.8% for 2m"},
		{"limit=95%,clears=90%,for=1m", "limit ≥ 95% for 1m; clears < 90% for 2m"},
		{"limit=for=0s", "limit ≥ 95% at once; clears < 90% for 2m"},
	} {
		if err := alerts.Set(rules, c.text, "here"); err != nil || rules[0].Text() != c.want || rules[0].From != "here" {
			t.Errorf("%s: %v, %q, want %q", c.text, err, rules[0].Text(), c.want)
		}
	}
	if err := alerts.Set(rules, "limit=80%,clears=70%,for=0s", "here"); err != nil {
		t.Fatal(err)
	}
	w := alerts.NewWatch(rules, nil)
	wants(t, "by another threshold", run(w, 0, 1, conns(0, 0.81)), "0 alert firing: conns 81% of limit on ws-1")
	if err := alerts.Set(rules, "limit=off", "here"); err != nil {
		t.Fatal(err)
	}
	wants(t, "off", run(alerts.NewWatch(rules, nil), 0, 100, conns(0, 1)))
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "events.jsonl")
	now := night.Add(time.Hour)
	l, past, err := alerts.Open(path, now)
	if err != nil || len(past) != 0 {
		t.Fatal(past, err)
	}
	events := []alerts.Event{
		{Time: night.Add(-8 * 24 * time.Hour), Kind: "agent", Text: "long ago"},
		{Time: night, Kind: "alert", ID: "limit/conns", Phase: "firing", Text: "firing: conns 98%", Where: "ws-1"},
		{Time: night.Add(time.Second), Kind: "agent", Text: "ws-7 no data", Where: "ws-7"},
	}
	if _, err := l.Append(events...); err != nil {
		t.Fatal(err)
	}
	// Another viewer tells the same two seconds later.
	m, _, err := alerts.Open(path, now)
	if err != nil {
		t.Fatal(err)
	}
	again := events[1]
	again.Time, again.Text = night.Add(2*time.Second), "firing: conns 97%"
	if _, err := m.Append(again); err != nil {
		t.Fatal(err)
	}
	// One that was killed leaves half a line, another nonsense.
	f, _ := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	fmt.Fprintf(f, "nonsense\n{\"time\":1}\n%s\n{\"time\":\"2026-11-23T03:00:05Z\",\"kind\":\"agent\",\"text\":\"a\\u001b[31mb\"}\n{\"time\":\"2026", strings.Repeat("x", 200_000))
	f.Close()
	_ = l.Close()
	_ = m.Close()
	o, past, err := alerts.Open(path, now)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var got []string
	for _, e := range past {
		got = append(got, e.Text)
	}
	wants(t, "read back", got, "firing: conns 98%", "ws-7 no data", "a[31mb")
	if _, err := o.Append(alerts.Event{Time: now, Kind: "plan", Text: "need 3 → 4"}); err != nil {
		t.Fatal(err)
	}
	if all, _ := alerts.ReadFiles(path, night); len(all) != 4 || all[3].Text != "need 3 → 4" {
		t.Errorf("after half a line: %+v", all)
	}
}

func TestLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l, err := alerts.OpenSmall(path, night, 4000)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 500 {
		if _, err := l.Append(alerts.Event{Time: night.Add(time.Duration(i) * time.Minute), Kind: "plan", Text: fmt.Sprint("need ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	size := int64(0)
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	all, err := alerts.ReadFiles(path, night)
	if size > 4200 || err != nil || len(all) < 20 || all[len(all)-1].Text != "need 499" {
		t.Errorf("%d bytes, %d events, %v", size, len(all), err)
	}
}

func TestLogThatCantBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := alerts.Open(filepath.Join(file, "events.jsonl"), night); err == nil || !strings.Contains(err.Error(), "keep events: ") {
		t.Error(err)
	}
	if all, err := alerts.ReadFiles(filepath.Join(t.TempDir(), "none"), night); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}

// pair are two viewers of one fleet with one log.
type pair struct {
	t    *testing.T
	path string
	w    [2]*alerts.Watch
	l    [2]*alerts.Log
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, path: filepath.Join(t.TempDir(), "events.jsonl")}
	for i := range p.w {
		p.begin(i)
	}
	return p
}

func (p *pair) begin(i int) {
	l, past, err := alerts.Open(p.path, night)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = l.Close() })
	p.w[i], p.l[i] = alerts.NewWatch(alerts.Rules(), past), l
}

// run lets both look at the same seconds, the second a moment later, keep what
// they tell and hear of each other every other second.
func (p *pair) run(from, to int, do func(*fleet.Snapshot)) {
	p.t.Helper()
	for k := from; k < to; k++ {
		for i := range p.w {
			s := at(k, do)
			s.Time = s.Time.Add(time.Duration(i) * 300 * time.Millisecond)
			if _, err := p.l[i].Append(p.w[i].Take(s)...); err != nil {
				p.t.Fatal(err)
			}
			if k%2 == 0 {
				p.hear(i)
			}
		}
	}
}

func (p *pair) hear(i int) bool {
	p.t.Helper()
	news, err := p.l[i].News()
	if err != nil {
		p.t.Fatal(err)
	}
	return p.w[i].Learn(news)
}

func (p *pair) say(i int, a alerts.Act, now time.Time) {
	p.t.Helper()
	e, err := p.w[i].Do(a, now)
	if err == nil {
		_, err = p.l[i].Append(e)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// What one viewer says the other shows at once, without beginning anew.
func TestTwoViewersOfOneLog(t *testing.T) {
	p := newPair(t)
	p.run(0, 70, conns(0, 0.98))
	id := p.w[0].Alerts()[0].ID
	for i, w := range p.w {
		if a := w.Alerts()[0]; a.Phase != alerts.Firing || a.Seen != 1 {
			t.Errorf("viewer %d: %+v", i, a)
		}
		if n := len(w.Events()); n != 1 {
			t.Errorf("viewer %d was told twice: %+v", i, w.Events())
		}
	}
	now := func(s int) time.Time { return night.Add(time.Duration(s) * time.Second) }
	p.say(0, alerts.Act{ID: id, Do: "ack"}, now(70))
	p.say(0, alerts.Act{ID: id, Do: "note", Note: "raised max"}, now(71))
	if !p.hear(1) || p.hear(1) || p.hear(0) {
		t.Error("news are new once, and not to whom they are from")
	}
	wants(t, "acked there", list(p.w[1]), "acked !! ws-1: conns 98% of limit")
	if a := p.w[1].Alerts()[0]; a.Note != "raised max" {
		t.Errorf("%+v", a)
	}
	// Back and forth, faster than events of rules may repeat.
	p.say(1, alerts.Act{ID: id, Do: "unack"}, now(72))
	p.say(1, alerts.Act{ID: id, Do: "ack"}, now(73))
	p.say(1, alerts.Act{ID: id, Do: "unack"}, now(74))
	p.hear(0)
	wants(t, "and no longer", list(p.w[0]), "firing !! ws-1: conns 98% of limit")
	// Both speak before they have heard each other: the later word counts, also of
	// a viewer whose clock is behind.
	p.say(0, alerts.Act{ID: id, Do: "ack"}, now(80))
	p.say(1, alerts.Act{ID: id, Do: "snooze", Until: now(500)}, now(81))
	p.hear(0)
	p.hear(1)
	for i, w := range p.w {
		if a := w.Alerts()[0]; a.Phase != alerts.Acked || !a.Snoozed.Equal(now(500)) {
			t.Errorf("viewer %d: %+v", i, a)
		}
	}
	p.say(0, alerts.Act{ID: id, Do: "unack"}, now(60))
	p.hear(1)
	wants(t, "the last word", list(p.w[1]), "firing !! ws-1: conns 98% of limit")
	// One that begins now knows the same.
	p.begin(1)
	p.run(71, 150, conns(0, 0.98))
	for i, w := range p.w {
		if a := w.Alerts()[0]; a.Phase != alerts.Firing || a.Note != "raised max" || a.Seen != 1+i { // it fires anew for the one that was not there, and for it alone
			t.Errorf("viewer %d: %+v", i, a)
		}
	}
}

// What is over for another viewer, which may see less, is not over here; and an
// ack from before it was over does not come back.
func TestOverIsSeenByEach(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	run(w, 0, 70, conns(0, 0.98))
	id := w.Alerts()[0].ID
	if _, err := w.Do(alerts.Act{ID: id, Do: "ack"}, night.Add(70*time.Second)); err != nil {
		t.Fatal(err)
	}
	w.Learn([]alerts.Event{{Time: night.Add(71 * time.Second), Kind: "alert", ID: id, Phase: "resolved", Text: "resolved"}})
	wants(t, "still acked", list(w), "acked !! ws-1: conns 98% of limit")
	run(w, 72, 300, nil)
	wants(t, "over", list(w), "resolved !! ws-1: conns 98% of limit")
	w.Learn([]alerts.Event{{Time: night.Add(75 * time.Second), Kind: "ack", ID: id, Act: "ack"}})
	run(w, 300, 400, conns(0, 0.98))
	wants(t, "anew", list(w), "firing !! ws-1: conns 98% of limit")
}

// A list of events that was handed out stays as it is.
func TestLearnLeavesWhatWasHandedOut(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	run(w, 0, 70, conns(0, 0.98))
	was := w.Events()
	texts := func() string {
		var s strings.Builder
		for _, e := range was {
			s.WriteString(e.Text + ";")
		}
		return s.String()
	}
	before := texts()
	for i := range 50 {
		w.Learn([]alerts.Event{{Time: night.Add(-time.Duration(i) * time.Hour), Kind: "plan", Text: fmt.Sprint("need ", i)}})
	}
	if texts() != before || len(w.Events()) != 51 || w.Events()[0].Text != "need 49" {
		t.Errorf("%q, was %q; %d events", texts(), before, len(w.Events()))
	}
}

// A log is followed while it is put away, removed, and cut short.
func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	tail := alerts.EndOf(path)
	next := func(what string, want ...string) {
		t.Helper()
		all, err := tail.Next()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range all {
			got = append(got, e.Text)
		}
		wants(t, what, got, want...)
	}
	add := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprint(f, text)
	}
	line := func(text string) string {
		return fmt.Sprintf("{\"time\":\"2026-11-23T03:00:05Z\",\"kind\":\"plan\",\"text\":%q}\n", text)
	}
	next("there is none")
	add(line("one"))
	next("it is there", "one")
	next("nothing new")
	add(line("two")[:20])
	next("half a line")
	add(line("two")[20:])
	next("and the rest", "two")
	add(line("three"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	add(line("four"))
	next("put away", "three", "four")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	next("put away, and nothing since")
	add(line("five"))
	next("begun anew", "five")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	add(line("6"))
	next("cut short", "6")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	next("removed")
	add(line("seven"))
	next("there again", "seven")
}

// A write that failed in the middle of a line costs that line once: it is written
// again, and what another viewer added behind it is read.
func TestTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l, _, err := alerts.Open(path, night)
	if err != nil {
		t.Fatal(err)
	}
	e := func(text string) alerts.Event { return alerts.Event{Time: night, Kind: "plan", Text: text} }
	if _, err := l.Append(e("one")); err != nil {
		t.Fatal(err)
	}
	f, _ := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	fmt.Fprint(f, `{"time":"2026-11-23T03:00:00Z","kind":"pl`)
	m, _, err := alerts.Open(path, night) // begins a line
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Append(e("two")); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"time":"2026-11-23T03:00:00Z","kind":"pl`)
	if _, err := l.Append(e("three")); err != nil { // does not know
		t.Fatal(err)
	}
	// Somebody removes the file: what comes is in a new one.
	all, err := alerts.ReadFiles(path, night)
	if err != nil || len(all) != 3 || all[2].Text != "three" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(e("four")); err != nil {
		t.Fatal(err)
	}
	if all, err := alerts.ReadFiles(path, night); err != nil || len(all) != 1 || all[0].Text != "four" {
		t.Errorf("after it was removed: %+v, %v", all, err)
	}
	_, _, _ = l.Close(), m.Close(), f.Close()
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"time\":\"2026-11-23T03:00:05Z\",\"kind\":\"alert\",\"id\":\"limit/conns\",\"phase\":\"firing\"}\n"))
	f.Add([]byte("{\"time\":\"2026-11-23T03:00:05Z\",\"kind\":\"ack\",\"id\":\"limit/conns\",\"act\":\"note\",\"note\":\"\\u0007\"}\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var past []alerts.Event
		alerts.Read(strings.NewReader(string(b)), func(e alerts.Event) {
			if strings.ContainsFunc(e.Text+e.Note+e.Where, func(r rune) bool { return r < ' ' }) {
				t.Errorf("a control character: %+v", e)
			}
			past = append(past, e)
		})
		w := alerts.NewWatch(alerts.Rules(), past)
		w.Take(at(0, conns(0, 1)))
		w.Take(at(100, conns(0, 1)))
		w.Alerts()
	})
}

func FuzzSet(f *testing.F) {
	for _, s := range []string{"limit=95%,for=60s", "clock=1s,clears=0.5s", "thread=off", "limit=1e400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rules := alerts.Rules()
		if alerts.Set(rules, s, s) == nil {
			w := alerts.NewWatch(rules, nil)
			w.Take(at(0, conns(0, 1)))
		}
	})
}

// BenchmarkTake is what the watching of 10,000 hosts costs a second, a tenth of
// which are near a limit.
func BenchmarkTake(b *testing.B) {
	s := at(0, nil)
	for len(s.Hosts) < 10_000 {
		h := s.Hosts[0]
		h.Name = fmt.Sprint("h", len(s.Hosts))
		h.Limits = slices.Clone(h.Limits)
		if len(s.Hosts)%10 == 0 {
			h.Limits[0].Used = 97
		}
		s.Hosts = append(s.Hosts, h)
	}
	w := alerts.NewWatch(alerts.Rules(), nil)
	for b.Loop() {
		s.Time = s.Time.Add(time.Second)
		w.Take(s)
		w.Alerts()
	}
}

// A clock that is set back stops nothing: what holds from then on fires.
func TestTimeGoesBack(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	run(w, 3600, 3610, conns(0, 0.5))
	run(w, 0, 50, conns(0, 0.99))
	if got := list(w); len(got) != 1 || !strings.HasPrefix(got[0], "pending") {
		t.Errorf("50 s after the clock went back: %q", got)
	}
	run(w, 50, 70, conns(0, 0.99))
	if got := list(w); len(got) != 1 || !strings.HasPrefix(got[0], "firing") {
		t.Errorf("70 s after the clock went back: %q", got)
	}
}

// The time in which a thing was not known does not count towards its firing.
func TestUnknownIsNoTime(t *testing.T) {
	w := alerts.NewWatch(alerts.Rules(), nil)
	run(w, 0, 5, conns(0, 0.99))
	run(w, 5, 105, func(s *fleet.Snapshot) { s.Hosts[0] = fleet.Host{Name: "ws-1", State: fleet.Down} })
	limit := func() string {
		for _, l := range list(w) {
			if strings.Contains(l, "conns") {
				return l
			}
		}
		return ""
	}
	run(w, 105, 150, conns(0, 0.99))
	if got := limit(); !strings.HasPrefix(got, "pending") {
		t.Errorf("50 s of it are known: %q", got)
	}
	run(w, 150, 170, conns(0, 0.99))
	if got := limit(); !strings.HasPrefix(got, "firing") {
		t.Errorf("70 s of it are known: %q", got)
	}
}
