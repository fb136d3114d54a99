package ui

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"capmon/alerts"
	"capmon/fleet"
	"capmon/sample"
)

// shift is a night of nine hosts, as agents would send it, a second after the
// other, with the dashboard and its alerts on it.
type shift struct {
	t     *testing.T
	fleet *fleet.Fleet
	watch *alerts.Watch
	hosts int
	now   time.Time
	seq   map[string]uint64
	ask   fleet.Ask
	d     *driver
	acts  []alerts.Act
}

// paged0312 is when the engineer looks.
var paged0312 = time.Date(2026, 11, 23, 3, 12, 7, 0, time.UTC)

// players are those of a moment: +300 a minute, from 03:01 on +1,200.
func players(at time.Time) float64 {
	turn := time.Date(2026, 11, 23, 3, 1, 0, 0, time.UTC)
	min := at.Sub(turn).Minutes()
	atTurn := 88_420 - 1200*paged0312.Sub(turn).Minutes()
	if min < 0 {
		return atTurn + 300*min
	}
	return atTurn + 1200*min
}

func newShift(t *testing.T) *shift {
	s := &shift{t: t, hosts: 9, seq: map[string]uint64{}, now: paged0312.Add(-11 * time.Minute)}
	s.fleet = fleet.New(fleet.Config{Policy: fleet.Policy{Target: 0.8, Spare: 1, PerServer: 10_000, Min: 2, Max: 10, WarmUp: 3 * time.Minute, Price: 0.17}})
	s.watch = alerts.NewWatch(alerts.Rules(), nil)
	for i := range s.hosts {
		s.join(i, s.now.Add(-24*time.Hour))
		var points []*sample.Point
		for at := s.now.Add(-time.Hour).Truncate(10 * time.Second); at.Before(s.now); at = at.Add(10 * time.Second) {
			points = append(points, &sample.Point{
				Time: at.Unix(), Samples: 10, Cpu: new(float32(0.5)), Available: new(float32(8)), Served: new(float32(players(at) / 9)),
			})
		}
		s.fleet.Points(name(i), uint64(i+1), points, s.now)
	}
	return s
}

func name(i int) string { return fmt.Sprintf("ws-%d", i+1) }

func (s *shift) join(i int, began time.Time) {
	s.fleet.Join(name(i), "", s.now)
	s.fleet.Machine(name(i), &sample.Machine{Epoch: uint64(i + 1), Hostname: name(i), IntervalMs: 1000, StartedMs: began.UnixMilli()}, s.now)
}

// run lets time pass, and shows the dashboard each second if there is one.
func (s *shift) run(until time.Time) {
	for s.now.Before(until) {
		s.now = s.now.Add(time.Second)
		for i := range s.hosts {
			s.seq[name(i)]++
			mean := players(s.now) / float64(s.hosts) // of which ws-4 has a little less
			conns := uint32(mean + 0.043*mean/float64(s.hosts-1))
			if i == 3 {
				conns = uint32(0.957 * mean)
			}
			busy := make([]byte, 8)
			for k := range busy {
				busy[k] = sample.EncodeBusy(0.57)
			}
			x := &sample.Sample{
				Seq: s.seq[name(i)], TimeMs: s.now.UnixMilli(),
				Cpu:         &sample.Cpu{Busy: busy, Available: new(float32(8)), AvailableFrom: sample.Bound_BOUND_ONLINE, Used: new(float32(4.6))},
				Connections: &sample.Connections{Served: &conns, Established: &conns},
			}
			node := &sample.Service{Port: 8080, Name: "node", Pid: 2211, Connections: &conns, RunUs: new(uint32(600_000)), TopUs: new(uint32(550_000)), OneThread: new(true)}
			if i == 3 {
				node.RunUs, node.TopUs = new(uint32(1_040_000)), new(uint32(990_000))
				node.Finding = &sample.Finding{Verdict: sample.Verdict_VERDICT_SINGLE_THREAD, Pid: 2211, Tid: 2211, Name: "main", Demand: 990, Idle: 3400, Allowed: 8, Workers: 1}
			}
			x.Services = []*sample.Service{node}
			s.fleet.Samples(name(i), uint64(i+1), []*sample.Sample{x}, s.now)
		}
		snap := s.fleet.Snapshot(s.ask, s.now)
		live := snap
		if !snap.Live {
			live = s.fleet.Snapshot(fleet.Ask{}, s.now)
		}
		s.watch.Take(&live)
		if s.d != nil {
			s.d.send(frameMsg(s.frame(snap)))
		}
	}
}

func (s *shift) frame(snap fleet.Snapshot) Frame {
	return Frame{Snapshot: snap, News: s.news()}
}

func (s *shift) news() News {
	return News{Watched: true, Alerts: s.watch.Alerts(), Events: s.watch.Events()}
}

// open begins the dashboard.
func (s *shift) open(w, h int) {
	s.d = &driver{t: s.t}
	s.d.m = newModel(Options{
		Source: "9 agents", Ask: func(a fleet.Ask) { s.ask = a; s.d.asks = append(s.d.asks, a) },
		Alert: func(a alerts.Act) (News, string) {
			s.acts = append(s.acts, a)
			e, err := s.watch.Do(a, s.now)
			if err != nil {
				s.t.Error(err)
			}
			return s.news(), e.Text
		},
	}, 24, theme(s.t, "dark", 24, false), nil)
	s.d.send(sizeMsg{w, h})
	s.d.send(frameMsg(s.frame(s.fleet.Snapshot(s.ask, s.now))))
	s.run(s.now.Add(time.Second))
}

func (s *shift) sees(what string, want ...string) {
	s.t.Helper()
	text := s.d.text()
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(text) {
			s.t.Errorf("%s: no %q on\n%s", what, w, text)
		}
	}
}

// answer sends what a key has set going.
func (s *shift) answer() {
	s.t.Helper()
	if s.d.cmd == nil {
		s.t.Fatal("the key asks for nothing")
	}
	s.d.send(s.d.cmd())
}

// TestPagedAt0312 is the first walk of SCREENS 12, key by key, at 80x24.
func TestPagedAt0312(t *testing.T) {
	s := newShift(t)
	s.run(paged0312)
	s.open(80, 24)
	s.sees("line 2: act?", `!! ADD 1 NOW → 10`, `NEED 13`)
	s.sees("line 3: how long?", `full in (5\ds|1m\d\ds)`, `warm-up 3m: late`)
	if row := lineOf(t, s.d.text(), "ws-4"); !strings.Contains(row, "thread") || !strings.Contains(row, "1T") {
		t.Errorf("ws-4 has no flag of its own: %q", row)
	}
	s.sees("what fires", `8 hosts .*conns 99% of limit`, `→ add hosts`)

	s.d.press("4")
	s.sees("the plan", `NEED 13 \(12 for 80% \+1 spare\)   run 10   SHORT 3 of max 10`, `raise max to 13`, `now .*98%!!`, `buys \d+m`, `one lost`)

	s.d.press("m")
	s.sees("marked", `SINCE 03:12:0\dZ`)

	s.d.press("5")
	s.sees("alerts", `FIRING  !!   03:\d\d:\d\d .* conns 99% of limit`, `one thread full`, `need 13 > max 10`)
	for range 10 { // to the alert of the connections
		if a := alertAt(&s.d.m.frame, &s.d.m.view); a != nil && a.ID == "limit/conns" {
			break
		}
		s.d.press("j")
	}
	s.d.press("a")
	s.answer()
	s.d.press("c").typed("raised max to 13").press("enter")
	s.answer()
	s.sees("acked", `acked   !!.*conns 99% of limit`, `note +raised max to 13`)

	// The group is raised elsewhere; four machines come, and take their part.
	s.run(s.now.Add(2 * time.Minute))
	for i := 9; i < 13; i++ {
		s.join(i, s.now)
	}
	s.hosts = 13
	s.run(s.now.Add(2 * time.Minute))
	s.d.press("1")
	s.sees("since the mark", `OK  run 13 \(need 13\)`, `users .*7\d% \(-2[4-9] points\)`, `SINCE 03:12:0\dZ`)
	if row := lineOf(t, s.d.text(), "ws-1 "); !regexp.MustCompile(`-2,\d\d\d`).MatchString(row) {
		t.Errorf("ws-1 has lost no connections: %q", row)
	}
	s.d.press("G")
	if row := lineOf(t, s.d.text(), "ws-10"); !strings.Contains(row, "new") {
		t.Errorf("ws-10 is not new: %q", row)
	}

	for s.d.m.view.Host != "ws-4" {
		s.d.press("k")
	}
	s.d.press("enter")
	s.sees("the host", `> ws-4`, `node/2211|node 2211`, `more workers`)
	var out bytes.Buffer
	s.d.m.screen = &painter{out: &out}
	s.d.press("y")
	if !strings.Contains(out.String(), "\x1b]52;c;") || !strings.HasPrefix(s.d.m.view.Note, "copied 2") {
		t.Errorf("y: %q", s.d.m.view.Note)
	}
	if s.d.press("q"); s.d.cmd == nil || s.d.cmd() != tea.Quit() {
		t.Error("q does not leave")
	}
	// Nothing that was pressed could have hurt a host: what left the screen is
	// what to show, and what was said of an alert.
	if len(s.acts) != 2 || s.acts[0].Do != "ack" || s.acts[1].Note != "raised max to 13" {
		t.Errorf("%+v", s.acts)
	}
}
