package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/demo/payments"
	"capmon/demo/stories"
	"capmon/fleet"
	"capmon/ui"
)

func TestPaymentsStage(t *testing.T) {
	in := newFeed(fleet.Config{})
	c := payments.Config{
		RPS: 40, Spike: 8, SpikeFor: time.Minute, PerServer: 50, Max: 4, SLA: 0.999, Patience: time.Second,
		Speed: payments.Speed{Requests: 2500, Loops: 1e9, Cores: 2},
	}
	s := newPaymentsStage(&c, in, fleet.Policy{Target: 0.8, Spare: 1, WarmUp: 10 * time.Second}, "fewer than asked for")
	if s.story() != nil {
		t.Error("it tells a story that has not begun")
	}
	c.Say(payments.Progress{Servers: 2, Rate: 40})
	c.Say(payments.Progress{
		After: time.Second, Servers: 2, Starting: 2, Rate: 320, Counts: payments.Counts{Asked: 400, Served: 300, Refused: 90, Left: 10},
		Last: payments.Counts{Asked: 320, Served: 220, Refused: 95, Left: 5}, LastHits: 110, Cache: payments.Cache{On: true, Hits: 110},
		Budget: payments.Budget{SLA: 0.999, Bad: 100, Allowed: 0.4, Burnt: 250, Burn: 312.5}, Verdict: stories.Verdict{OK: true, Need: 6, Run: 4, Short: 2},
	})
	c.Tell(stories.Event{After: time.Second, Text: "something", Bad: true})
	var said []string
	for _, a := range []ui.StoryAct{
		{Setting: "festival", By: -1},
		{Setting: "festival", By: 1},
		{Setting: "ordinary day", By: 1},
		{Setting: "ordinary day", By: 1},
		{Setting: "ordinary day", By: 1},
		{Setting: "target", By: 1},
		{Setting: "spare", By: -1},
		{Setting: "spare", By: -1},
		{Setting: "warm-up", By: -1},
		{Setting: "?"},
		{Do: ui.StoryKill},
		{Do: ui.StorySwitch},
	} {
		said = append(said, s.act(a))
	}
	want := []string{
		"the festival is over", "the festival begins", "50 a second on an ordinary day", "62.5 a second on an ordinary day", "62.5 a second on an ordinary day: there is no step beyond",
		"target 85%", "spare 0", "spare 0: there is no step beyond", "warm-up 5s", "nothing in this story", "the busiest server is killed", "the cache is turned off",
	}
	if !slices.Equal(said, want) {
		t.Errorf("said %q\nwant %q", said, want)
	}
	if p := in.fleet.Config().Policy; p.Target != 0.85 || p.Spare != 0 || p.WarmUp != 5*time.Second {
		t.Errorf("judged by %+v", p)
	}
	var got payments.Order
	for range 7 {
		o := <-c.Orders
		got.Kill = got.Kill || o.Kill
		for _, v := range []struct{ to, from **bool }{{&got.Cache, &o.Cache}, {&got.Spike, &o.Spike}} {
			if *v.from != nil {
				*v.to = *v.from
			}
		}
		if o.RPS != nil {
			got.RPS = o.RPS
		}
		if o.WarmUp != nil {
			got.WarmUp = o.WarmUp
		}
	}
	if !got.Kill || *got.Cache || !*got.Spike || *got.RPS != 62.5 || *got.WarmUp != 5*time.Second || len(c.Orders) > 0 {
		t.Errorf("ordered %+v, and %d more", got, len(c.Orders))
	}
	story := s.story()
	if story.Now != "the festival: 320 a second; 2 servers take 100; 2 in warm-up; 2 more are needed than the 4 there may be; fewer than asked for" {
		t.Errorf("now %q", story.Now)
	}
	var numbers []string
	for _, n := range story.Numbers {
		numbers = append(numbers, strings.TrimSpace(n.Name+" "+n.Text+" "+map[bool]string{true: "!"}[n.Mark]))
	}
	if want := []string{"asked 320/s", "served 300", "refused 90 !", "left 10 !", "budget burnt ×250 !", "burns now ×312.5 !", "of a month's 0.00%", "cache on, 50%"}; !slices.Equal(numbers, want) {
		t.Errorf("numbers %q\nwant %q", numbers, want)
	}
	s.ended(errors.New("no more processes"))
	if now := s.story().Now; now != "the story is over: no more processes" {
		t.Errorf("now %q", now)
	}
	if said := s.act(ui.StoryAct{Do: ui.StoryKill}); said != "the story is over: no more processes" || len(s.orders) > 0 {
		t.Errorf("said %q", said)
	}
	if e := story.Events; !e[0].Mark || e[0].Text != "something" || e[1].Text != "the festival is over, by key" {
		t.Errorf("events %+v", e)
	}
	if l := story.Charts[0].Lines; l[0].Values[1] != 110 || l[1].Values[1] != 100 || l[2].Values[1] != 110 || l[3].Values[1] != 100 {
		t.Errorf("requests %+v", l)
	}
}
