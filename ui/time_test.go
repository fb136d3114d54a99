package ui

import (
	"strings"
	"testing"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 12, 7, 0, time.UTC) // a Tuesday
	for text, want := range map[string]string{
		"03:04": "2026-11-24 03:04:00", "03:04:10": "2026-11-24 03:04:10", "03:04:10Z": "2026-11-24 03:04:10",
		"03:13": "2026-11-23 03:13:00", // the last there was
		"-10m":  "2026-11-24 03:02:07", "-1h30m": "2026-11-24 01:42:07", " -90s ": "2026-11-24 03:10:37",
		"sun 21:00": "2026-11-22 21:00:00", "Sunday 21:00": "2026-11-22 21:00:00", "tue 03:00": "2026-11-24 03:00:00",
		"tue 03:30": "2026-11-17 03:30:00", "2026-11-23 03:04": "2026-11-23 03:04:00", "2026-11-23": "2026-11-23 00:00:00",
	} {
		at, err := ParseMoment(text, now)
		if err != nil || at.Format(time.DateTime) != want {
			t.Errorf("%q: %v, %v, want %s", text, at, err, want)
		}
	}
	for _, text := range []string{"", "x", "25:00", "-", "--5m", "-5", "fri", "fri 9", "03:04 sun", "1e9:00"} {
		if at, err := ParseMoment(text, now); err == nil {
			t.Errorf("%q is %v", text, at)
		}
	}
}

func FuzzParseMoment(f *testing.F) {
	for _, s := range []string{"03:04", "-10m", "sun 21:00", "2026-11-23 03:04", "-99999h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := ParseMoment(s, night); err == nil && strings.HasPrefix(strings.TrimSpace(s), "-") && at.After(night) {
			t.Errorf("%q lies ahead: %v", s, at)
		}
	})
}

func TestGoTo(t *testing.T) {
	d := drive(t, 120, 40, nine()).press("b").typed("-10m")
	if text := d.text(); !strings.Contains(text, "go to -10m") || !strings.Contains(text, night.Add(-10*time.Minute).Format("15:04:05Z")) {
		t.Errorf("it does not say where that is:\n%s", text)
	}
	d.press("enter")
	if !d.m.view.Paused || !d.last().At.Equal(night.Add(-10*time.Minute)) {
		t.Errorf("paused %v, asked for %v", d.m.view.Paused, d.last().At)
	}
	d.press("b").typed("nonsense").press("enter")
	if !strings.Contains(d.m.view.Note, `"nonsense": want a time`) || !d.last().At.Equal(night.Add(-10*time.Minute)) {
		t.Errorf("%q, %v", d.m.view.Note, d.last().At)
	}
	d.press("b").typed("-99h").press("enter")
	if !strings.Contains(d.m.view.Note, "nothing is kept before this") || !d.last().At.Equal(night.Add(-oldest)) {
		t.Errorf("%q, %v", d.m.view.Note, d.last().At)
	}
	if d.press("b", "esc"); d.m.view.Prompt.For != NoPrompt || !d.m.view.Paused {
		t.Error("esc leaves more than the prompt")
	}
}

// With a mark the numbers are changes; without, they are as they were.
func TestMark(t *testing.T) {
	f := nine()
	d := drive(t, 120, 40, f).press("m")
	next := later(nine(), 2*time.Minute)
	next.Hosts[0].Connections = capacity.Known(f.Hosts[0].Connections.V - 2500)
	next.Hosts[0].CPU = capacity.Known(f.Hosts[0].CPU.V + 0.07)
	next.Hosts[1].RPS = capacity.Num{}
	next.Totals.Users = capacity.Known(f.Totals.Users.V - 2500)
	next.Hosts = append(next.Hosts, fleet.Host{Name: "ws-10", State: fleet.Up, CPU: capacity.Known(0.5), Connections: capacity.Known(100)})
	d.send(frameMsg(next))
	text := d.text()
	for _, want := range []string{"SINCE 03:12:07Z +2m", "points)"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if row := lineOf(t, text, "ws-1 "); !strings.Contains(row, "+7") || !strings.Contains(row, "-2,500") {
		t.Errorf("%q", row)
	}
	if row := lineOf(t, text, "ws-2 "); !strings.Contains(row, " ? ") {
		t.Errorf("%q", row)
	}
	if row := lineOf(t, text, "ws-10"); !strings.Contains(row, "new") {
		t.Errorf("%q", row)
	}
	d.press("enter")
	d.send(sizeMsg{200, 50})
	if text := d.text(); !strings.Contains(text, "(+7 points)") || !strings.Contains(text, "(-2,500)") {
		t.Errorf("the host screen:\n%s", text)
	}
	d.press("esc", "m")
	if text := d.text(); d.m.view.Mark != nil || strings.Contains(text, "SINCE") || strings.Contains(lineOf(t, text, "ws-1 "), "-2,500") {
		t.Errorf("the mark stays:\n%s", text)
	}
}
