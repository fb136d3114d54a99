package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"capmon/alerts"
	"capmon/capacity"
	"capmon/fleet"
)

// full is a fleet of one host at its limit, at a moment.
func full(at time.Time) fleet.Snapshot {
	return fleet.Snapshot{Time: at, At: at, Live: true, Hosts: []fleet.Host{{
		Name: "ws-1", State: fleet.Up, Limits: []capacity.Limit{{Name: "conns", Used: 99, Capacity: 100}},
	}}}
}

func alarmOn(t *testing.T, path string, from time.Time, seconds int) *alarm {
	t.Helper()
	a := newAlarm(alerts.Rules(), "web", path, from)
	t.Cleanup(a.close)
	for k := range seconds {
		s := full(from.Add(time.Duration(k) * time.Second))
		a.take(&s)
	}
	return a
}

// What one dashboard saw and was told, the next one knows.
func TestAnAlarmIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "events.jsonl")
	now := time.Now()
	a := alarmOn(t, path, now.Add(-90*time.Second), 80)
	list, events, note := a.act(alerts.Act{ID: "limit/conns", Do: "ack"})
	if len(list) != 1 || list[0].Phase != alerts.Acked || len(events) == 0 || note != "acked: limit/conns" {
		t.Fatalf("%+v, %q", list, note)
	}
	if _, _, note := a.act(alerts.Act{ID: "none", Do: "ack"}); !strings.Contains(note, "no open alert") {
		t.Errorf("%q", note)
	}
	b := alarmOn(t, path, now, 70)
	s := full(now.Add(70 * time.Second))
	if list, events := b.take(&s); len(list) != 1 || list[0].Phase != alerts.Acked || list[0].Seen != 2 || len(events) < 3 || len(s.Notes) != 0 {
		t.Errorf("%+v\n%+v\n%q", list, events, s.Notes)
	}
	other := newAlarm(alerts.Rules(), "db", path, now)
	defer other.close()
	for k := range 70 {
		s := full(now.Add(time.Duration(k) * time.Second))
		if list, _ := other.take(&s); k == 69 && (len(list) != 1 || list[0].Phase != alerts.Firing) {
			t.Errorf("an ack of another fleet's alert silences this one's: %+v", list)
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

// --follow prints what comes, once, and ends when it is told to.
func TestEventsAreFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	log, _, err := alerts.Open(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	add := func(text string) {
		if err := log.Append(alerts.Event{Time: time.Now(), Kind: "plan", Text: text}); err != nil {
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
	a := alarmOn(t, filepath.Join(file, "events.jsonl"), time.Now(), 61)
	s := full(time.Now().Add(62 * time.Second))
	list, _ := a.take(&s)
	if len(list) != 1 || len(s.Notes) != 1 || !strings.HasPrefix(s.Notes[0], "events are not kept: ") {
		t.Errorf("%+v, %q", list, s.Notes)
	}
	off := alarmOn(t, "off", time.Now(), 1)
	if s := full(time.Now().Add(time.Second)); off.log != nil || off.trouble != "" {
		t.Errorf("off keeps something: %+v", s)
	}
}
