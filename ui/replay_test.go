package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"capmon/fleet"
)

// replayed is a frame of a recording of an hour, in its middle, at four times
// its speed.
func replayed(f Frame) Frame {
	f.Replay = &Replay{Name: "night.capmon", Speed: 4, From: night.Add(-30 * time.Minute), To: night.Add(30 * time.Minute)}
	f.Kept = fleet.Kept{Seconds: night.Add(-45 * time.Minute), Points: night.Add(-2 * time.Hour)}
	return f
}

func TestReplayScreen(t *testing.T) {
	f := replayed(nine())
	d := drive(t, 120, 40, f)
	head := func() string { h, _, _ := strings.Cut(d.text(), "\n"); return h }
	if h := head(); !strings.Contains(h, "REPLAY night.capmon ×4") || strings.Contains(h, "LIVE") || strings.Contains(h, "PAUSED") || !strings.Contains(h, "03:12:07Z") {
		t.Errorf("it does not say so: %s", h)
	}
	d.press("}") // forward, in what is still to come
	if !d.last().At.Equal(night.Add(150*time.Second)) || !strings.Contains(head(), "PAUSED") {
		t.Errorf("} went to %v", d.last().At)
	}
	d.press("b").typed("03:40").press("enter")
	if want := time.Date(2026, 11, 23, 3, 40, 0, 0, time.UTC); !d.last().At.Equal(want) {
		t.Errorf("03:40 went to %v", d.last().At)
	}
	d.press("b").typed("2026-11-23 04:00").press("enter")
	if s := d.text(); !strings.Contains(s, "the recording ends here") || !d.last().At.Equal(f.Replay.To) {
		t.Errorf("beyond its end: %s, %v", strings.Split(s, "\n")[39], d.last().At)
	}
	d.press("b").typed("-10h").press("enter")
	if s := d.text(); !strings.Contains(s, "nothing is kept before this: it begins 02:42:07Z, with history from 01:12:07Z") || !d.last().At.Equal(f.Kept.Points) {
		t.Errorf("before it: %s, %v", strings.Split(s, "\n")[39], d.last().At)
	}
	d.press("w")
	if !strings.Contains(d.text(), "this is a recording already") {
		t.Error("it records a recording")
	}
	if d.press(" "); !d.last().At.IsZero() || d.m.view.Paused {
		t.Error("space does not go on")
	}
	end := f
	r := *f.Replay
	r.Ended, r.Torn = true, "it ends within a block"
	end.Replay, end.At, end.Time = &r, r.To, r.To
	d.send(frameMsg(end))
	if s := d.text(); !d.m.view.Paused || !strings.Contains(s, "×4") && !strings.Contains(s, "END") || !strings.Contains(s, "the recording ends here: it ends within a block") {
		t.Errorf("the end:\n%s", s)
	}
	if d.press(">", ">"); len(d.speeds) != 2 || d.speeds[0] != 8 || d.speeds[1] != 16 {
		t.Errorf("> > gives %v", d.speeds)
	}
	live := drive(t, 120, 40, nine())
	if live.press(">"); len(live.speeds) > 0 || !strings.Contains(live.text(), "only a replay has a speed") {
		t.Error("now goes faster")
	}
	// One from before it began stands still.
	early := replayed(atMoment(nine(), night.Add(-40*time.Minute)))
	if d := drive(t, 120, 40, early); !d.m.view.Paused || !d.last().At.Equal(early.At) {
		t.Errorf("a moment before its beginning runs on, and asks for %v", d.last().At)
	}
}

func TestRecordKey(t *testing.T) {
	d := drive(t, 120, 40, nine())
	d.press("w")
	if p := d.m.view.Prompt; p.For != RecordPrompt || p.Text != "capmon-20261123-031207.capmon" {
		t.Fatalf("it asks %+v", p)
	}
	d.press("esc")
	if len(d.records) > 0 {
		t.Fatal("esc recorded")
	}
	d.press("w", "enter")
	if fmt.Sprint(d.records) != "[capmon-20261123-031207.capmon]" {
		t.Fatalf("it records to %q", d.records)
	}
	f := later(nine(), time.Second)
	f.Recording = &Recording{Path: "x.capmon", Bytes: 812}
	d.send(frameMsg(f))
	if h, _, _ := strings.Cut(d.text(), "\n"); !strings.Contains(h, "REC") {
		t.Errorf("the header does not say REC: %s", h)
	}
	d.press(" ")
	g := later(f, time.Second)
	g.Recording = &Recording{Path: "x.capmon", Bytes: 900, Ended: "x.capmon: no space left on device"}
	d.send(frameMsg(g)) // live, while time stands still
	if s := d.text(); strings.Contains(s, "REC") || !strings.Contains(s, "no space left on device") {
		t.Errorf("paused, it does not say that the recording ended:\n%s", s)
	}
	d.press("j")
	d.send(frameMsg(later(g, time.Second)))
	if strings.Contains(d.text(), "no space") {
		t.Error("it is said again and again")
	}
	d.press(" ")
	d.send(frameMsg(f))
	if d.press("w"); d.records[len(d.records)-1] != "" || d.m.view.Prompt.For != NoPrompt {
		t.Errorf("w does not end it: %q", d.records)
	}
}

// A replayed frame fits like any other, and never hides what it is.
func TestReplayFits(t *testing.T) {
	for name, f := range scenes() {
		for _, size := range sizes {
			for _, ascii := range []bool{false, true} {
				for _, screen := range everywhere {
					v := View{Screen: screen, Host: "ws-1", Paused: ascii}
					text := strings.Join(fits(t, Render(replayed(f), v, size[0], size[1], theme(t, "", 0, ascii)), size[0], size[1]), "\n")
					if size[0] >= 40 && size[1] >= 6 && !strings.Contains(text, "REPLAY") {
						t.Errorf("%s, screen %d, %v: REPLAY is nowhere in\n%s", name, screen, size, text)
					}
				}
			}
		}
	}
}

// What is kept is said where less is than was asked for.
func TestGoToSaysWhatIsKept(t *testing.T) {
	f := nine()
	f.Kept = fleet.Kept{Seconds: night.Add(-14*time.Minute - 3*time.Second), Points: night.Add(-20 * time.Hour)}
	d := drive(t, 120, 40, f)
	d.press("b").typed("2026-11-20").press("enter")
	if want := "nothing is kept before this: by 10s from 2026-11-22 07:12:07Z, by 1s from 02:58:04Z"; d.m.view.Note != want || !d.last().At.Equal(f.Kept.Points) {
		t.Errorf("it says %q, at %v", d.m.view.Note, d.last().At)
	}
	f.Kept.Points = time.Time{}
	d.send(frameMsg(atMoment(f, night.Add(-time.Hour))))
	d.press("{")
	if want := "nothing is kept before this: from 02:58:04Z"; d.m.view.Note != want || !d.last().At.Equal(f.Kept.Seconds) {
		t.Errorf("it says %q, at %v", d.m.view.Note, d.last().At)
	}
	if at, err := ParseMoment("2026-11-23T05:04:05+02:00", night); err != nil || !at.Equal(time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("a date with its zone is %v, %v", at, err)
	}
}
