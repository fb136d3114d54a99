package main

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/demo/chess"
	"capmon/demo/stories"
	"capmon/fleet"
	"capmon/ui"
)

func TestChessStage(t *testing.T) {
	in := newFeed(fleet.Config{})
	c := chess.Config{Users: 100, PerServer: 10, Max: 4}
	s := newChessStage(&c, in, fleet.Policy{Target: 0.8, Spare: 1, WarmUp: 10 * time.Second}, "fewer than asked for")
	if s.story() != nil {
		t.Error("it tells a story that has not begun")
	}
	c.Say(chess.Progress{Servers: 2})
	c.Say(chess.Progress{
		After: time.Second, Servers: 4, Starting: 1, Draining: 1, Held: 30, Counts: chess.Counts{Asked: 40, Served: 30, Refused: 9, Left: 1, Playing: 30},
		Verdict: stories.Verdict{OK: true, Need: 6, Run: 4, Short: 2, Connections: 29}, Agents: &chess.Cost{Cores: 0.025},
	})
	c.Tell(stories.Event{After: time.Second, Text: "something", Bad: true})
	var said []string
	for _, a := range []ui.StoryAct{
		{Setting: "target", By: 1},
		{Setting: "spare", By: -1},
		{Setting: "spare", By: -1},
		{Setting: "warm-up", By: -1},
		{Setting: "arrivals", By: 1},
		{Setting: "arrivals", By: 1},
		{Setting: "players stay", By: -1},
		{Setting: "players stay", By: 1},
		{Setting: "?"},
		{Do: ui.StoryKill},
		{Do: ui.StorySwitch},
	} {
		said = append(said, s.act(a))
	}
	want := []string{
		"target 85%", "spare 0", "spare 0: there is no step beyond", "warm-up 5s", "arrivals ×2", "arrivals ×4", "players stay 10m", "players stay to the end",
		"nothing in this story", "the fullest server is killed", "nothing in this story",
	}
	if !slices.Equal(said, want) {
		t.Errorf("said %q\nwant %q", said, want)
	}
	if p := in.fleet.Config().Policy; p.Target != 0.85 || p.Spare != 0 || p.WarmUp != 5*time.Second {
		t.Errorf("judged by %+v", p)
	}
	var got chess.Order
	for range 6 {
		switch o := <-c.Orders; {
		case o.WarmUp != nil:
			got.WarmUp = o.WarmUp
		case o.Pace != nil:
			got.Pace = o.Pace
		case o.Stay != nil:
			got.Stay = o.Stay
		case o.Kill:
			got.Kill = true
		}
	}
	if *got.WarmUp != 5*time.Second || *got.Pace != 4 || *got.Stay != 0 || !got.Kill || len(s.orders) != 0 {
		t.Errorf("ordered %+v", got)
	}
	story := s.story()
	for _, part := range []string{"4 servers take players, each has 10 seats", "1 in warm-up", "1 drain", "2 more are needed than the 4 there may be", "fewer than asked for"} {
		if !strings.Contains(story.Now, part) {
			t.Errorf("%q does not say %q", story.Now, part)
		}
	}
	numbers := map[string]string{}
	for _, n := range story.Numbers {
		numbers[n.Name] = n.Text
	}
	if numbers["playing now"] != "30" || numbers["asked"] != "40" || numbers["refused"] != "9" || numbers["agents count"] != "29" || numbers["agents' CPU"] != "2.5%" {
		t.Errorf("numbers %v", numbers)
	}
	if need := story.Charts[1].Lines[2]; need.Now != "6" || len(need.Values) != 2 || !math.IsNaN(need.Values[0]) || need.Values[1] != 6 {
		t.Errorf("need %+v", need)
	}
	if e := story.Events; len(e) != 8 || e[0].Text != "something" || !e[0].Mark || e[7].Text != "players stay to the end, by key" {
		t.Errorf("events %+v", e)
	}
}

// A story that can't go on says so on its screen, and takes no orders.
func TestChessStageIsOver(t *testing.T) {
	c := chess.Config{}
	s := newChessStage(&c, newFeed(fleet.Config{}), fleet.Policy{}, "")
	s.ended(errors.New("no more files"))
	const want = "the story is over: no more files"
	if story := s.story(); story == nil || story.Now != want || len(story.Events) != 1 || !story.Events[0].Mark {
		t.Errorf("%+v", story)
	}
	if said := s.act(ui.StoryAct{Do: ui.StoryKill}); said != want || len(s.orders) != 0 {
		t.Errorf("said %q", said)
	}
}

func TestStageOrdersNeverWait(t *testing.T) {
	c := chess.Config{}
	s := newChessStage(&c, newFeed(fleet.Config{}), fleet.Policy{}, "")
	last := ""
	for range 100 {
		last = s.act(ui.StoryAct{Do: ui.StoryKill})
	}
	if !strings.Contains(last, "again in a moment") {
		t.Errorf("said %q though nobody takes the orders", last)
	}
	if s.act(ui.StoryAct{Setting: "arrivals", By: 1}); s.pace != 1 {
		t.Errorf("it shows ×%v, which the story was not told", s.pace)
	}
}

func TestSteps(t *testing.T) {
	list := []float64{1, 2, 4}
	for _, c := range []struct {
		now  float64
		by   int
		want float64
	}{{1, 1, 2}, {1, -1, 1}, {3, 1, 4}, {3, -1, 2}, {4, 1, 4}, {9, 1, 4}, {0, -1, 1}} {
		if got := steps(list, c.now, c.by); got != c.want {
			t.Errorf("from %v by %d: %v, want %v", c.now, c.by, got, c.want)
		}
	}
}

// A course keeps a story of any length in few numbers, each the mean of its time.
func TestCourse(t *testing.T) {
	var c course
	if c.line(0) != nil {
		t.Error("something before the beginning")
	}
	const seconds = 5000
	for i := range seconds {
		c.add(float64(i), 7)
	}
	n := len(c.line(0))
	if n > courseMost || time.Duration(n)*c.step > seconds*time.Second || time.Duration(n+1)*c.step < seconds*time.Second {
		t.Errorf("%d steps of %v", n, c.step)
	}
	for i, v := range c.line(0) {
		if mid := (float64(i)+0.5)*c.step.Seconds() - 0.5; v != mid || c.line(1)[i] != 7 {
			t.Fatalf("step %d: %v, want %v", i, v, mid)
		}
	}
}
