package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"capmon/capacity"
	"capmon/demo/chess"
	"capmon/fleet"
	"capmon/ui"
)

// chessStage is the chess story on the dashboard: what it came to so far, and
// what the user can change of it.
type chessStage struct {
	frame[chess.Order]
	config chess.Config // as it began

	// Behind the frame's mu:
	pace    float64
	stay    time.Duration
	now     chess.Progress
	rate    float64 // players that come, a second
	players course  // playing
}

var _ stage = (*chessStage)(nil)

// What the keys go through.
var (
	chessPaces = []float64{0, 0.25, 0.5, 1, 2, 4, 8}
	chessStays = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, toTheEnd}
)

// toTheEnd stands for a player who stays.
const toTheEnd = time.Duration(1<<63 - 1)

// newChessStage makes the story tell the stage what happens, and take its orders.
func newChessStage(c *chess.Config, in *feed, policy fleet.Policy, note string) *chessStage {
	s := &chessStage{
		frame:  frame[chess.Order]{in: in, policy: policy, note: note, most: c.Max, orders: newOrders[chess.Order]()},
		config: *c, pace: 1, stay: c.Stay,
	}
	c.Orders, c.Say, c.Tell = s.orders, s.say, s.tell
	return s
}

func (s *chessStage) say(p chess.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if took := (p.After - s.now.After).Seconds(); s.told && took > 0 {
		s.rate += (float64(p.Counts.Asked-s.now.Counts.Asked)/took - s.rate) / 3
	}
	s.now = p
	s.players.add(float64(p.Counts.Playing))
	n := &p.Counts
	s.goes(account{p.After, n.Asked, n.Served, n.Refused, n.Left, p.Servers, p.Verdict}, p.Starting)
}

func (s *chessStage) act(a ui.StoryAct) string { return s.give(a, s.choose) }

// choose is what the story is to do.
func (s *chessStage) choose(a ui.StoryAct) (o chess.Order, said string, changed bool) {
	switch {
	case a.Do == ui.StoryKill:
		return chess.Order{Kill: true}, "the fullest server is killed", true
	case a.Setting == "arrivals":
		was := s.pace
		s.pace = steps(chessPaces, was, a.By)
		return chess.Order{Pace: new(s.pace)}, "arrivals " + paceText(s.pace), s.pace != was
	case a.Setting == "players stay":
		was := s.stay
		if s.stay = steps(chessStays, cmp.Or(was, toTheEnd), a.By); s.stay == toTheEnd {
			s.stay = 0
		}
		return chess.Order{Stay: new(s.stay)}, "players stay " + stayText(s.stay), s.stay != was
	}
	o.WarmUp, said, changed = s.set(a)
	return o, said, changed
}

func paceText(pace float64) string {
	if pace == 0 {
		return "none"
	}
	return "×" + strconv.FormatFloat(pace, 'g', 3, 64)
}

func stayText(d time.Duration) string {
	if d == 0 {
		return "to the end"
	}
	return capacity.Span(d.Seconds())
}

// story is how it stands.
func (s *chessStage) story() *ui.Story {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun() {
		return nil
	}
	n := &s.now.Counts
	agents := ui.StoryNumber{Name: "agents' CPU", Text: "?", Note: "of one core"}
	if a := s.now.Agents; a != nil {
		agents.Text, agents.Note = capacity.Decimal(a.Cores*100, 1)+"%", fmt.Sprintf("of one core, %d MB", a.RSS>>20)
	}
	seen := ui.StoryNumber{Name: "agents count", Text: "?", Note: "of " + count(s.now.Held) + " held"}
	if v := &s.now.Verdict; v.OK {
		seen.Text = count(v.Connections)
	}
	return &ui.Story{
		Title: "chess: real players on real servers, as many as capmon recommends", Now: s.line(), After: s.now.After,
		Numbers: []ui.StoryNumber{
			{Name: "playing now", Text: count(n.Playing), Note: "of " + count(s.config.Users) + " who come"},
			{Name: "asked", Text: count(n.Asked)},
			{Name: "served", Text: count(n.Served)},
			{Name: "refused", Text: count(n.Refused), Note: "all servers were full", Mark: n.Refused > 0},
			{Name: "left", Text: count(n.Left), Note: "without an answer", Mark: n.Left > 0},
			{Name: "went home", Text: count(n.Home)},
			seen, agents,
		},
		Charts: []ui.StoryChart{
			{Name: "players", Step: s.players.step, Lines: []ui.StoryLine{{Name: "playing", Now: count(n.Playing), Values: s.players.line(0)}}},
			s.group(),
		},
		Events: slices.Clone(s.events),
		Settings: append(s.settings("player"),
			ui.StorySetting{Name: "arrivals", Value: paceText(s.pace), Why: fmt.Sprintf("how fast players come; now %s a second", count(int(s.rate+0.5)))},
			ui.StorySetting{Name: "players stay", Value: stayText(s.stay), Why: "then they go home; servers follow in 15m"},
		),
		Keys: []ui.StoryKey{{Do: ui.StoryKill, Does: "kill the fullest server: its players ask again"}},
	}
}

// line says what goes on.
func (s *chessStage) line() string {
	drain, come := "", "all players have come"
	if n := s.now.Draining; n > 0 {
		drain = fmt.Sprintf("%d drain", n)
	}
	if s.now.Counts.Asked < s.config.Users {
		come = "players come"
	}
	take := fmt.Sprintf("%s take players, each has %s seats", plural(s.now.Servers, "server"), count(s.config.PerServer))
	return s.happening(take, drain, cmp.Or(s.short(), come))
}
