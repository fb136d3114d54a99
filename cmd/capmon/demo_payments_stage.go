package main

import (
	"fmt"
	"strconv"
	"sync"

	"capmon/capacity"
	"capmon/demo/payments"
	"capmon/fleet"
	"capmon/ui"
)

// paymentsStage is the payment story on the dashboard: what it came to so far,
// and what the user can change of it.
type paymentsStage struct {
	config payments.Config // as it began
	in     *feed
	orders chan payments.Order

	mu       sync.Mutex
	policy   fleet.Policy
	ordinary float64 // requests a second
	told     bool    // it has begun
	now      payments.Progress
	requests course // served by servers, refused and left, served by the cache; what the servers take
	servers  course // open, starting, need
	burning  course // how many times faster than allowed
	events   []ui.StoryEvent
	note     string
	over     string // why it ended before its time; empty: it has not
}

var _ stage = (*paymentsStage)(nil)

// newPaymentsStage makes the story tell the stage what happens, and take its
// orders.
func newPaymentsStage(c *payments.Config, in *feed, policy fleet.Policy, note string) *paymentsStage {
	s := &paymentsStage{config: *c, in: in, policy: policy, ordinary: c.RPS, orders: make(chan payments.Order, 64), note: note}
	c.Orders, c.Say, c.Tell = s.orders, s.say, s.tell
	return s
}

func (s *paymentsStage) say(p payments.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told, s.now = true, p
	s.requests.add(float64(p.Last.Served-p.LastHits), float64(p.Last.Refused+p.Last.Left), float64(p.LastHits), float64(p.Servers)*s.config.PerServer)
	s.servers.add(float64(p.Servers), float64(p.Starting), known(p.Verdict.OK, p.Verdict.Need))
	s.burning.add(p.Budget.Burn)
}

func (s *paymentsStage) tell(e payments.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.happened(ui.StoryEvent{After: e.After, Text: e.Text, Mark: e.Bad})
}

func (s *paymentsStage) happened(e ui.StoryEvent) {
	if s.events = append(s.events, e); len(s.events) > chessEvents {
		s.events = append([]ui.StoryEvent(nil), s.events[1:]...)
	}
}

// ended tells that the story is over before its time, and why.
func (s *paymentsStage) ended(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = "the story is over: " + why.Error()
	s.happened(ui.StoryEvent{After: s.now.After, Text: s.over, Mark: true})
	wake(s.in.changed)
}

// festival says whether people ask at the festival's rate.
func (s *paymentsStage) festival() bool { return s.now.Rate > s.ordinary*(1+1e-9) }

func (s *paymentsStage) act(a ui.StoryAct) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, said, ok := s.order(a)
	if !ok {
		return said
	}
	if o != (payments.Order{}) {
		select {
		case s.orders <- o:
		default:
			return "too many keys at once: again in a moment"
		}
	}
	if a.Do == ui.StoryChange {
		s.in.setPolicy(s.policy)
		s.happened(ui.StoryEvent{After: s.now.After, Text: said + ", by key"})
	}
	return said
}

// order is what the story is to do, and what to say of it; not ok where nothing
// changes.
func (s *paymentsStage) order(a ui.StoryAct) (o payments.Order, said string, ok bool) {
	was, rps := s.policy, s.ordinary
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
		s.ordinary = min(max(s.ordinary*(1+0.25*float64(a.By)), 1), s.most())
		o.RPS, said = new(s.ordinary), capacity.Amount(s.ordinary)+" a second on an ordinary day"
	case a.Setting == "target":
		s.policy.Target = steps(chessTargets, s.policy.Target, a.By)
		said = "target " + capacity.Percent(s.policy.Target)
	case a.Setting == "spare":
		s.policy.Spare = min(max(s.policy.Spare+a.By, 0), s.config.Max)
		said = "spare " + strconv.Itoa(s.policy.Spare)
	case a.Setting == "warm-up":
		s.policy.WarmUp = steps(chessWarmUps, s.policy.WarmUp, a.By)
		o.WarmUp, said = new(s.policy.WarmUp), "warm-up "+s.policy.WarmUp.String()
	default:
		return o, "nothing in this story", false
	}
	if was == s.policy && rps == s.ordinary {
		return o, said + ": there is no step beyond", false
	}
	return o, said, true
}

// most is the highest rate of an ordinary day whose festival this machine was
// measured to hold.
func (s *paymentsStage) most() float64 { return max(s.config.MostRPS(), s.config.RPS) }

// story is how it stands.
func (s *paymentsStage) story() *ui.Story {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told {
		return nil
	}
	p := &s.now
	n, v, b := &p.Counts, &p.Verdict, &p.Budget
	need := "?"
	if v.OK {
		need = strconv.Itoa(v.Need)
	}
	festival := "off"
	if s.festival() {
		festival = "on"
	}
	bad := p.Last.Refused + p.Last.Left
	return &ui.Story{
		Title: "payments: real requests on real servers, as many as capmon recommends", Now: s.happening(), After: p.After,
		Numbers: []ui.StoryNumber{
			{Name: "asked", Text: count(p.Last.Asked) + "/s", Note: count(n.Asked) + " so far"},
			{Name: "served", Text: count(n.Served)},
			{Name: "refused", Text: count(n.Refused), Note: "queues were full", Mark: p.Last.Refused > 0},
			{Name: "left", Text: count(n.Left), Note: "no answer in " + capacity.Span(s.config.Patience.Seconds()), Mark: p.Last.Left > 0},
			{Name: "budget burnt", Text: timesOrPercent(b.Burnt), Note: fmt.Sprintf("%s: %s bad", percentOf(b.SLA), capacity.Amount(b.Allowed)), Mark: b.Burnt >= 1},
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
			{Name: "servers", Step: s.servers.step, Top: float64(s.config.Max), TopIs: "max", Lines: []ui.StoryLine{
				{Name: "open", Now: strconv.Itoa(p.Servers), Values: s.servers.line(0)},
				{Name: "starting", Now: strconv.Itoa(p.Starting), Values: s.servers.line(1)},
				{Name: "need", Now: need, Values: s.servers.line(2), Over: true},
			}},
			{Name: "budget", Step: s.burning.step, Top: 1, TopIs: "allowed", Lines: []ui.StoryLine{{Name: "budget burns ×", Now: capacity.Decimal(b.Burn, 1), Values: s.burning.line(0)}}},
		},
		Events: append([]ui.StoryEvent(nil), s.events...),
		Settings: []ui.StorySetting{
			{Name: "festival", Value: festival, Why: fmt.Sprintf("+ begins it now, ×%s for %s; - ends it", capacity.Amount(s.config.Spike), capacity.Span(s.config.SpikeFor.Seconds()))},
			{Name: "ordinary day", Value: capacity.Amount(s.ordinary) + "/s", Why: "requests a second"},
			{Name: "target", Value: capacity.Percent(s.policy.Target), Why: "how full a server is to be; changes NEED"},
			{Name: "spare", Value: strconv.Itoa(s.policy.Spare), Why: "servers that may be lost; changes NEED"},
			{Name: "warm-up", Value: s.policy.WarmUp.String(), Why: "from a server's start to its first request"},
		},
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

// happening says in a line what goes on.
func (s *paymentsStage) happening() string {
	if s.over != "" {
		return s.over
	}
	p := &s.now
	said := fmt.Sprintf("%s a second; %s take %s", capacity.Amount(p.Rate), plural(p.Servers, "server"), capacity.Amount(float64(p.Servers)*s.config.PerServer))
	if s.festival() {
		said = "the festival: " + said
	}
	if p.Starting > 0 {
		said += fmt.Sprintf("; %d in warm-up", p.Starting)
	}
	if p.Verdict.OK && p.Verdict.Short > 0 {
		said += fmt.Sprintf("; %d more are needed than the %d there may be", p.Verdict.Short, s.config.Max)
	}
	if s.note != "" {
		said += "; " + s.note
	}
	return said
}
