package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"capmon/alerts"
	"capmon/capacity"
	"capmon/fleet"
	"capmon/ui"
)

// full is a fleet of one host at its limit, at a moment.
func full(at time.Time) fleet.Snapshot {
	return fleet.Snapshot{Time: at, At: at, Live: true, Hosts: []fleet.Host{{
		Name: "ws-1", State: fleet.Up, Limits: []capacity.Limit{{Name: "conns", Used: 99, Capacity: 100}},
	}}}
}

// alarmOn watches a full fleet for some seconds. Its file is kept in rounds, as
// the tests call for them.
func alarmOn(t *testing.T, path string, from time.Time, seconds int) *alarm {
	t.Helper()
	a := newAlarm(alerts.Rules(), "web", path)
	a.round(from)
	for k := range seconds {
		a.take(full(from.Add(time.Duration(k) * time.Second)))
	}
	a.round(from.Add(time.Duration(seconds) * time.Second))
	return a
}

func (a *alarm) round(now time.Time) {
	if a.file != nil {
		a.file.round(now)
	}
}

// What one dashboard saw and was told, the next one knows.
func TestAnAlarmIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "events.jsonl")
	now := time.Now()
	a := alarmOn(t, path, now.Add(-90*time.Second), 80)
	n, note := a.act(alerts.Act{ID: "limit/conns", Do: "ack"})
	if len(n.Alerts) != 1 || n.Alerts[0].Phase != alerts.Acked || len(n.Events) == 0 || note != "acked: limit/conns" {
		t.Fatalf("%+v, %q", n, note)
	}
	if _, note := a.act(alerts.Act{ID: "none", Do: "ack"}); !strings.Contains(note, "no open alert") {
		t.Errorf("%q", note)
	}
	a.round(now)
	b := alarmOn(t, path, now, 70)
	if f := b.take(full(now.Add(70 * time.Second))); len(f.Alerts) != 1 || f.Alerts[0].Phase != alerts.Acked || f.Alerts[0].Seen != 2 || len(f.Events) < 3 || len(f.Notes) != 0 || f.Log.Path == "" {
		t.Errorf("%+v", f.News)
	}
	other := newAlarm(alerts.Rules(), "db", path)
	other.round(now)
	for k := range 70 {
		f := other.take(full(now.Add(time.Duration(k) * time.Second)))
		if k == 69 && (len(f.Alerts) != 1 || f.Alerts[0].Phase != alerts.Firing) {
			t.Errorf("an ack of another fleet's alert silences this one's: %+v", f.Alerts)
		}
	}
	out := &strings.Builder{}
	cmd := newEvents()
	cmd.SetOut(out)
	cmd.SetContext(t.Context())
	if err := printEvents(cmd, path, now.Add(-time.Hour), false, true); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(out.String()) {
		var e alerts.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); !strings.HasPrefix(got, "alert ack") {
		t.Errorf("printed: %s", got)
	}
}

// told is what an alarm has handed over between frames; nil: nothing.
func (a *alarm) told() *ui.News {
	select {
	case n := <-a.news:
		return &n
	default:
		return nil
	}
}

// What another viewer of the same fleet says is told at the next look at the
// file, whether frames come or not; what one of another fleet says is not.
func TestAnAlarmHearsOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	now := time.Now()
	a, b := alarmOn(t, path, now.Add(-70*time.Second), 70), alarmOn(t, path, now.Add(-70*time.Second), 70)
	a.round(now)
	a.told()
	if n, _ := b.act(alerts.Act{ID: "limit/conns", Do: "note", Note: "raised max"}); n.Alerts[0].Note == "" {
		t.Fatalf("%+v", n)
	}
	b.act(alerts.Act{ID: "limit/conns", Do: "ack"})
	b.round(now)
	if n := a.told(); n != nil {
		t.Fatalf("nobody looked: %+v", n)
	}
	a.round(now)
	if n := a.told(); n == nil || n.Alerts[0].Phase != alerts.Acked || n.Alerts[0].Note != "raised max" {
		t.Errorf("%+v", n)
	}
	a.round(now)
	b.round(now)
	if x, y := a.told(), b.told(); x != nil || y != nil {
		t.Errorf("told again, or of what it said itself: %+v %+v", x, y)
	}
	other := newAlarm(alerts.Rules(), "db", path)
	other.round(now)
	if n := other.told(); n != nil {
		t.Errorf("told of another fleet: %+v", n)
	}
	// While another moment is on screen, what changes is told and nothing else.
	b.behind(full(now))
	if b.told() == nil {
		t.Error("the first is not told")
	}
	b.behind(full(now.Add(time.Second)))
	if n := b.told(); n != nil {
		t.Errorf("nothing changed: %+v", n)
	}
	s := full(now.Add(2 * time.Second))
	s.Hosts[0].Limits = append(s.Hosts[0].Limits, capacity.Limit{Name: "cpu", Used: 8, Capacity: 8})
	b.behind(s)
	if n := b.told(); n == nil || len(n.Alerts) != 2 {
		t.Errorf("an alert that waits is not told: %+v", n)
	}
}

// script is an event log that does as it is told.
type script struct {
	mu    sync.Mutex
	took  []string
	fail  error         // of the next appends
	after int           // how many are taken before that
	block chan struct{} // an append waits for it; nil: it does not
	began chan struct{} // closed when one does
}

func (s *script) Append(events ...alerts.Event) (int, error) {
	if s.block != nil {
		close(s.began)
		<-s.block
		s.block = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range events {
		if s.fail != nil && i >= s.after {
			return i, s.fail
		}
		s.took = append(s.took, e.Text)
	}
	return len(events), nil
}
func (s *script) News() ([]alerts.Event, error) { return nil, nil }
func (s *script) Close() error                  { return nil }

func (a *alarm) on(s *script) {
	a.file.open = func(string, time.Time) (eventLog, []alerts.Event, error) { return s, nil, nil }
}

// A disk that takes its time holds up nobody who looks at the screen or speaks.
func TestASlowDiskHoldsUpNothing(t *testing.T) {
	s := &script{block: make(chan struct{}), began: make(chan struct{})}
	a := newAlarm(alerts.Rules(), "web", "x")
	a.on(s)
	a.run()
	now := time.Now()
	for k := range 62 {
		a.take(full(now.Add(time.Duration(k) * time.Second)))
	}
	<-s.began // the disk hangs
	for k := range 10 {
		a.take(full(now.Add(time.Duration(62+k) * time.Second)))
	}
	if n, note := a.act(alerts.Act{ID: "limit/conns", Do: "ack"}); note != "acked: limit/conns" || n.Alerts[0].Phase != alerts.Acked {
		t.Errorf("%q, %+v", note, n.Alerts)
	}
	a.behind(full(now.Add(80 * time.Second)))
	close(s.block)
	a.close()
	if !slices.Equal(s.took, []string{"firing: conns 99% of limit on ws-1", "acked: limit/conns"}) {
		t.Errorf("written: %q", s.took)
	}
}

// Who leaves while the disk hangs is let go.
func TestAHungDiskLetsGo(t *testing.T) {
	t.Parallel()
	s := &script{block: make(chan struct{}), began: make(chan struct{})}
	a := newAlarm(alerts.Rules(), "web", "x")
	a.on(s)
	a.run()
	a.keep(alerts.Event{Time: time.Now(), Kind: "plan", Text: "need 3"})
	<-s.began
	a.close() // comes back
	close(s.block)
	<-a.file.done
}

// After an error the rest waits, it is said, and it is tried again.
func TestAnErrorIsTriedAgain(t *testing.T) {
	s := &script{fail: errors.New("keep events: no space left"), after: 1}
	a := newAlarm(alerts.Rules(), "web", "x")
	a.on(s)
	now := time.Now()
	say := func(from, to int) {
		for i := from; i < to; i++ {
			a.keep(alerts.Event{Time: now, Kind: "plan", Text: fmt.Sprint(i)})
		}
	}
	say(0, 3)
	a.round(now)
	if f := a.take(full(now)); f.Log.Trouble != "no space left: tried again every 5s, 2 wait" || !slices.Contains(f.Notes, "events are not kept: "+f.Log.Trouble) {
		t.Errorf("%+v, %q", f.Log, f.Notes)
	}
	say(3, 4)
	s.fail = nil
	a.round(now.Add(time.Second))
	if len(s.took) != 1 {
		t.Errorf("it is tried too soon: %q", s.took)
	}
	a.round(now.Add(retryEvery))
	if f := a.take(full(now.Add(time.Second))); f.Log.Trouble != "" || !slices.Equal(s.took, []string{"0", "1", "2", "3"}) {
		t.Errorf("%+v, %q", f.Log, s.took)
	}
	// There is an end to waiting, which is told.
	s.fail, s.after = errors.New("keep events: no space left"), 0
	say(0, maxWaiting+5)
	a.round(now.Add(2 * retryEvery))
	if k := a.file.state(); !strings.HasSuffix(k.Trouble, "10000 wait; 5 events are lost") {
		t.Errorf("%q", k.Trouble)
	}
}

// --follow prints what comes, once, and ends when it is told to.
func TestEventsAreFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	log, _, err := alerts.Open(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	add := func(text string) {
		if _, err := log.Append(alerts.Event{Time: time.Now(), Kind: "plan", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	add("one")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := newEvents()
	cmd.SetOut(w)
	cmd.SetContext(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- printEvents(cmd, path, time.Now().Add(-time.Hour), true, false)
		w.Close()
	}()
	read := func(want string) {
		t.Helper()
		b := make([]byte, 200)
		n, err := r.Read(b)
		if line := string(b[:n]); err != nil || !strings.HasSuffix(line, "plan      "+want+"\n") || strings.Count(line, "\n") != 1 {
			t.Errorf("%q, %v, want %s", line, err, want)
		}
	}
	read("one")
	add("two")
	read("two")
	if err := os.Rename(path, path+".1"); err != nil { // put away by a dashboard
		t.Fatal(err)
	}
	add("three")
	read("three")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A place that can't be written to is said on the screen, which goes on.
func TestAnAlarmThatCantBeKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	a := alarmOn(t, filepath.Join(file, "events.jsonl"), now, 61)
	f := a.take(full(now.Add(62 * time.Second)))
	if len(f.Alerts) != 1 || len(f.Notes) != 1 || !strings.HasPrefix(f.Notes[0], "events are not kept: ") || !strings.Contains(f.Notes[0], "1 wait") {
		t.Errorf("%+v, %q", f.Alerts, f.Notes)
	}
	// The place is made, and nothing is lost.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	a.round(now.Add(80 * time.Second))
	if all, err := alerts.ReadFiles(filepath.Join(file, "events.jsonl"), now); err != nil || len(all) != 1 || all[0].Fleet != "web" {
		t.Errorf("%+v, %v", all, err)
	}
	if f := a.take(full(now.Add(81 * time.Second))); len(f.Notes) != 0 {
		t.Errorf("still: %q", f.Notes)
	}
	off := alarmOn(t, "off", now, 1)
	off.run()
	defer off.close()
	if f := off.take(full(now.Add(time.Second))); f.Log != (ui.EventLog{}) || len(f.Notes) != 0 {
		t.Errorf("off keeps something: %+v, %q", f.Log, f.Notes)
	}
}
