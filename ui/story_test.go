package ui

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/capacity"
)

// storied has a story on the screen of a fleet.
func storied(f Frame) Frame {
	var open, starting, need, playing []float64
	for i := range 130 {
		x := float64(i) / 130
		n := 2 + math.Floor(8*x)
		open, starting = append(open, n), append(starting, math.Floor(math.Mod(x*16, 2)))
		need = append(need, 3+math.Floor(10*x*x*(3-2*x)))
		playing = append(playing, 88_420*x*x*(3-2*x))
	}
	need[0], playing[0] = math.NaN(), 0
	f.Story = &Story{
		Title: "a game that opens in the evening", Now: "players come, 612 a second; two servers warm up", After: 130500 * time.Millisecond, Of: 10 * time.Minute,
		Numbers: []StoryNumber{
			{Name: "playing now", Text: "86,402", Note: "of 88,420 that come"},
			{Name: "asked", Text: "88,420"},
			{Name: "served", Text: "86,402"},
			{Name: "refused", Text: "2,018", Note: "all servers were full", Mark: true},
			{Name: "left", Text: "0"},
			{Name: "waited", Text: "?", Note: "99 of 100 not longer"},
			{Name: "agents' CPU", Text: "0.9%", Note: "of one core, ten agents"},
		},
		Charts: []StoryChart{
			{Name: "players", Step: time.Second, Lines: []StoryLine{{Name: "playing", Now: "86,402", Values: playing}}},
			{Name: "servers", Step: time.Second, Top: 10, TopIs: "max", Lines: []StoryLine{
				{Name: "open", Now: "9", Values: open}, {Name: "starting", Now: "1", Values: starting}, {Name: "need", Now: "13", Values: need, Over: true},
			}},
		},
		Events: []StoryEvent{
			{After: 0, Text: "ws-1 and ws-2 take players"},
			{After: 42 * time.Second, Text: "ws-3 starts: NEED 3"},
			{After: 52 * time.Second, Text: "ws-3 takes players"},
			{After: 100 * time.Second, Text: "2,018 refused: all servers are full", Mark: true},
			{After: 129 * time.Second, Text: "ws-9 takes players"},
		},
		Settings: []StorySetting{
			{"target", "80%", "share of a server that is to be used; NEED follows at once"},
			{"spare", "1", "servers that may be lost"},
			{"warm-up", "10s", "from the start of a server to its first player"},
			{"arrivals", "×1", "how fast players come"},
			{"games last", "to the end", "then the player leaves"},
		},
		Keys: []StoryKey{{StoryKill, "kill the fullest server"}},
	}
	return f
}

func TestStoryKeys(t *testing.T) {
	d := drive(t, 120, 40, storied(nine()))
	if d.m.view.Screen != StoryScreen {
		t.Fatalf("it begins on screen %d", d.m.view.Screen)
	}
	d.press("l", "l", "+", "h", "-", "h", "h", "=", "x", "c")
	want := []StoryAct{{Setting: "warm-up", By: 1}, {Setting: "spare", By: -1}, {Setting: "games last", By: 1}, {Do: StoryKill}}
	if !slices.Equal(d.told, want) {
		t.Errorf("asked %+v\nwant  %+v", d.told, want)
	}
	if d.m.view.Note != "nothing in this story" {
		t.Errorf("a key that the story has not: %q", d.m.view.Note)
	}
	if foot := strings.Split(d.press("x").text(), "\n")[39]; !strings.Contains(foot, "x kill") || strings.Contains(foot, "c switch") || !strings.Contains(foot, "done") {
		t.Errorf("footer %q", foot)
	}
	d.press("1", "6")
	if d.m.view.Screen != StoryScreen || !strings.Contains(d.text(), "a game that opens") {
		t.Error("6 does not show the story")
	}
	if d.press("tab"); d.m.view.Screen != Overview {
		t.Errorf("tab goes to screen %d", d.m.view.Screen)
	}
	if d.press("shift+tab"); d.m.view.Screen != StoryScreen {
		t.Errorf("shift-tab goes to screen %d", d.m.view.Screen)
	}
	if d.press("6", "esc"); d.m.view.Screen != Overview {
		t.Errorf("esc goes to screen %d", d.m.view.Screen)
	}
}

// While an earlier moment is shown the story goes on, as it does.
func TestStoryGoesOnWhilePaused(t *testing.T) {
	d := drive(t, 120, 40, storied(nine()))
	d.press(" ")
	next := storied(later(nine(), time.Second))
	s := *next.Story
	s.Now = "another thing happens"
	next.Story = &s
	d.send(frameMsg(next))
	if text := d.text(); !strings.Contains(text, "another thing happens") || !strings.Contains(text, "PAUSED") {
		t.Errorf("paused it shows\n%s", text)
	}
}

func TestStoryBeforeItBegins(t *testing.T) {
	d := drive(t, 120, 40, storied(nine()))
	d.m.frame = Frame{}
	if text := d.press("x", "+").text(); !strings.Contains(text, "? the story has not begun") || len(d.told) != 0 {
		t.Errorf("asked %v before it began:\n%s", d.told, text)
	}
}

func TestStoryMouse(t *testing.T) {
	d := drive(t, 120, 40, storied(nine()))
	d.text()
	for _, z := range d.m.shown.zones {
		if z.hit.own == hitSetting && z.hit.item == 3 {
			d.m.view.Setting = 0
			pages[StoryScreen].click(d.m, z.hit)
		}
	}
	if d.m.view.Setting != 3 {
		t.Errorf("the click chose setting %d", d.m.view.Setting)
	}
}

// toldClass is a class that has a story told.
func toldClass() Frame {
	f := storied(classFrame(classSeen))
	f.Story.Verdict = "capmon on these servers: NEED 13 = ceil(88,420 / (10,000 × 0.80)) + 1 spare"
	s := *f.Lesson
	s.Number, s.Of, s.Title, s.Picture, s.Data, s.Rows = 5, 5, "the auto-scaling group", StoryPicture, f.Story, nil
	f.Lesson = &s
	return f
}

// In a class the number of the demo turns from the class to the story it has
// told, where its keys are, and back; so does esc.
func TestStoryOfAClass(t *testing.T) {
	f := toldClass()
	d := drive(t, 120, 40, f)
	if text := d.text(); d.m.view.Screen != ClassScreen || !strings.Contains(text, "86,402") || strings.Contains(text, "h l choose") {
		t.Fatalf("the class shows\n%s", text)
	}
	d.m.opts.Story = func(a StoryAct) string { d.told = append(d.told, a); return "" }
	if text := d.press("6", "x").text(); d.m.view.Screen != StoryScreen || len(d.told) != 1 || !strings.Contains(text, f.Story.Verdict) {
		t.Errorf("6 and x asked %v, and show\n%s", d.told, text)
	}
	for _, back := range []string{"6", "esc"} {
		if d.press(back); d.m.view.Screen != ClassScreen {
			t.Errorf("%s leads to screen %d", back, d.m.view.Screen)
		}
		d.press("6")
	}
}

// hostileStory has everything a story should not have.
func hostileStory(f Frame) Frame {
	long := strings.Repeat("very long ", 60) + "\x1b[2J 数据库\n\t👩‍👩‍👧‍👦"
	f.Story = &Story{
		Title: long, Now: long, After: -time.Hour, Of: 300 * time.Hour, Numbers: []StoryNumber{{Name: long, Text: long, Note: long, Mark: true}, {}},
		Charts: []StoryChart{{}, {Name: long, Step: -1, Top: math.Inf(1), Lines: []StoryLine{
			{Name: long, Now: long, Values: []float64{math.Inf(1), math.NaN(), -3}}, {Values: []float64{1}}, {Values: []float64{1e300, 2, 3, 4}, Over: true}, {}, {},
		}}},
		Events:   []StoryEvent{{After: -1, Text: long, Mark: true}, {}},
		Settings: []StorySetting{{}, {long, long, long}}, Keys: []StoryKey{{StoryKill, long}, {99, "?"}},
	}
	return f
}

func TestStackedLines(t *testing.T) {
	nan := math.NaN()
	got := atop([]float64{1, nan, nan, 4}, []float64{2, 3, nan})
	for i, want := range []float64{3, 3, nan, 4} {
		if got[i] != want && !(math.IsNaN(got[i]) && math.IsNaN(want)) {
			t.Errorf("%d: %v, want %v", i, got[i], want)
		}
	}
	if n := capacity.Known(highest(atop(nil, []float64{5}))); n.V != 5 {
		t.Errorf("alone: %v", n)
	}
}
