package main

import (
	"fmt"
	"slices"

	"capmon/capacity"
	"capmon/demo/payments"
	"capmon/fleet"
	"capmon/ui"
)

// paymentsStage is the payment story on the dashboard: what it came to so far,
// and what the user can change of it.
type paymentsStage struct {
	frame[payments.Order]
	config payments.Config // as it began

	// Behind the frame's mu:
	ordinary float64 // requests a second
	now      payments.Progress
	requests course // served by servers, refused and left, served by the cache; what the servers take
	burning  course // how many times faster than allowed
}

var _ stage = (*paymentsStage)(nil)

// newPaymentsStage makes the story tell the stage what happens, and take its
// orders.
func newPaymentsStage(c *payments.Config, in *feed, policy fleet.Policy, note string) *paymentsStage {
	s := &paymentsStage{
		frame:  frame[payments.Order]{in: in, policy: policy, note: note, most: c.Max, orders: newOrders[payments.Order]()},
		config: *c, ordinary: c.RPS,
	}
	c.Orders, c.Say, c.Tell = s.orders, s.say, s.tell
	return s
}

func (s *paymentsStage) say(p payments.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = p
	s.requests.add(float64(p.Last.Served-p.LastHits), float64(p.Last.Refused+p.Last.Left), float64(p.LastHits), float64(p.Servers)*s.config.PerServer)
	s.burning.add(p.Budget.Burn)
	n := &p.Counts
	s.goes(account{p.After, n.Asked, n.Served, n.Refused, n.Left, p.Servers, p.Verdict}, p.Starting)
}

// festival says whether people ask at the festival's rate.
func (s *paymentsStage) festival() bool { return s.now.Rate > s.ordinary*(1+1e-9) }

func (s *paymentsStage) act(a ui.StoryAct) string { return s.give(a, s.choose) }

// choose is what the story is to do.
func (s *paymentsStage) choose(a ui.StoryAct) (o payments.Order, said string, changed bool) {
	switch {
	case a.Do == ui.StoryKill:
		return payments.Order{Kill: true}, "the busiest server is killed", true
	case a.Do == ui.StorySwitch:
		on := !s.now.Cache.On
		return payments.Order{Cache: &on}, "the cache is turned " + map[bool]string{true: "on", false: "off"}[on], true
	case a.Setting == "festival":
		begins := a.By > 0
		return payments.Order{Spike: &begins}, map[bool]string{true: "the festival begins", false: "the festival is over"}[begins], true
	case a.Setting == "ordinary day":
		was := s.ordinary
		s.ordinary = min(max(was*(1+0.25*float64(a.By)), 1), s.mostRPS())
		return payments.Order{RPS: new(s.ordinary)}, capacity.Amount(s.ordinary) + " a second on an ordinary day", s.ordinary != was
	}
	o.WarmUp, said, changed = s.set(a)
	return o, said, changed
}

// mostRPS is the highest rate of an ordinary day whose festival this machine was
// measured to hold.
func (s *paymentsStage) mostRPS() float64 { return max(s.config.MostRPS(), s.config.RPS) }

// story is how it stands.
func (s *paymentsStage) story() *ui.Story {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun() {
		return nil
	}
	p := &s.now
	n, b := &p.Counts, &p.Budget
	festival := "off"
	if s.festival() {
		festival = "on"
	}
	bad := p.Last.Refused + p.Last.Left
	return &ui.Story{
		Title: "payments: real requests on real servers, as many as capmon recommends", Now: s.line(), After: p.After,
		Numbers: []ui.StoryNumber{
			{Name: "asked", Text: count(p.Last.Asked) + "/s", Note: count(n.Asked) + " so far"},
			{Name: "served", Text: count(n.Served)},
			{Name: "refused", Text: count(n.Refused), Note: "queues were full", Mark: p.Last.Refused > 0},
			{Name: "left", Text: count(n.Left), Note: "no answer in " + capacity.Span(s.config.Patience.Seconds()), Mark: p.Last.Left > 0},
			{Name: "budget burnt", Text: timesOrPercent(b.Burnt), Note: fmt.Sprintf("%s: %s bad", percentOf(s.config.SLA), capacity.Amount(b.Allowed)), Mark: b.Burnt >= 1},
			{Name: "burns now", Text: "×" + capacity.Decimal(b.Burn, 1), Note: "×1 is allowed", Mark: b.Burn > 1},
			{Name: "of a month's", Text: capacity.Decimal(100*b.Month, 2) + "%", Note: "at " + capacity.Amount(s.ordinary) + "/s"},
			{Name: "cache", Text: s.cache(), Note: "answers"},
		},
		Charts: []ui.StoryChart{
			{Name: "requests a second", Step: s.requests.step, Lines: []ui.StoryLine{
				{Name: "served", Now: count(p.Last.Served - p.LastHits), Values: s.requests.line(0)},
				{Name: "refused", Now: count(bad), Values: s.requests.line(1)},
				{Name: "cache", Now: count(p.LastHits), Values: s.requests.line(2)},
				{Name: "room", Now: capacity.Amount(float64(p.Servers) * s.config.PerServer), Values: s.requests.line(3), Over: true},
			}},
			s.group(),
			{Name: "budget", Step: s.burning.step, Top: 1, TopIs: "allowed", Lines: []ui.StoryLine{{Name: "budget burns ×", Now: capacity.Decimal(b.Burn, 1), Values: s.burning.line(0)}}},
		},
		Events: slices.Clone(s.events),
		Settings: append([]ui.StorySetting{
			{Name: "festival", Value: festival, Why: fmt.Sprintf("+ begins it now, ×%s for %s; - ends it", capacity.Amount(s.config.Spike), capacity.Span(s.config.SpikeFor.Seconds()))},
			{Name: "ordinary day", Value: capacity.Amount(s.ordinary) + "/s", Why: "requests a second"},
		}, s.settings("request")...),
		Keys: []ui.StoryKey{
			{Do: ui.StoryKill, Does: "kill the busiest server: what is in it is refused"},
			{Do: ui.StorySwitch, Does: "the cache: what was asked within 2 s is answered again, payments never"},
		},
	}
}

// timesOrPercent writes a share, and from 1,000% on how many times it is.
func timesOrPercent(v float64) string {
	if v >= 10 {
		return "×" + capacity.Decimal(v, 0)
	}
	return capacity.Percent(v)
}

// cache says whether it is on and what it did.
func (s *paymentsStage) cache() string {
	c := s.now.Cache
	switch {
	case !c.On:
		return "off"
	case s.now.Last.Served == 0:
		return "on"
	}
	return "on, " + capacity.Percent(float64(s.now.LastHits)/float64(s.now.Last.Served))
}

// line says what goes on.
func (s *paymentsStage) line() string {
	take := fmt.Sprintf("%s a second; %s take %s", capacity.Amount(s.now.Rate), plural(s.now.Servers, "server"), capacity.Amount(float64(s.now.Servers)*s.config.PerServer))
	if s.festival() {
		take = "the festival: " + take
	}
	return s.happening(take, s.short())
}
