package main

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"capmon/capacity"
	"capmon/demo/chess"
	"capmon/fleet"
	"capmon/ui"
)

// chessStage is the chess story on the dashboard: what it came to so far, and
// what the user can change of it.
type chessStage struct {
	config chess.Config // as it began
	in     *feed
	orders chan chess.Order

	mu      sync.Mutex
	policy  fleet.Policy
	pace    float64
	stay    time.Duration
	told    bool // it has begun
	now     chess.Progress
	rate    float64 // players that come, a second
	players course  // playing, refused so far
	servers course  // open, starting, need
	events  []ui.StoryEvent
	note    string
	over    string // why there is no more of it; "": it goes on
}

var _ stage = (*chessStage)(nil)

// What the keys go through.
var (
	chessTargets = []float64{0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1}
	chessWarmUps = []time.Duration{0, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute}
	chessPaces   = []float64{0, 0.25, 0.5, 1, 2, 4, 8}
	chessStays   = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, toTheEnd}
)

// toTheEnd stands for a player who stays.
const toTheEnd = time.Duration(1<<63 - 1)

// chessEvents is how many events are kept.
const chessEvents = 60

// newChessStage makes the story tell the stage what happens, and take its orders.
func newChessStage(c *chess.Config, in *feed, policy fleet.Policy, note string) *chessStage {
	s := &chessStage{config: *c, in: in, policy: policy, pace: 1, stay: c.Stay, orders: make(chan chess.Order, 64), note: note}
	c.Orders, c.Say, c.Tell = s.orders, s.say, s.tell
	return s
}

func (s *chessStage) say(p chess.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if took := (p.After - s.now.After).Seconds(); s.told && took > 0 {
		s.rate += (float64(p.Counts.Asked-s.now.Counts.Asked)/took - s.rate) / 3
	}
	s.told, s.now = true, p
	s.players.add(float64(p.Counts.Playing))
	s.servers.add(float64(p.Servers), float64(p.Starting), known(p.Verdict.OK, p.Verdict.Need))
}

func (s *chessStage) tell(e chess.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.happened(ui.StoryEvent{After: e.After, Text: e.Text, Mark: e.Bad})
}

// ended tells that the story is over before its time, and why.
func (s *chessStage) ended(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = "the story is over: " + why.Error()
	s.happened(ui.StoryEvent{After: s.now.After, Text: s.over, Mark: true})
	wake(s.in.changed)
}

func (s *chessStage) happened(e ui.StoryEvent) {
	if s.events = append(s.events, e); len(s.events) > chessEvents {
		s.events = append([]ui.StoryEvent(nil), s.events[1:]...)
	}
}

func (s *chessStage) act(a ui.StoryAct) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != "" {
		return s.over
	}
	var o chess.Order
	said := ""
	was := [...]any{s.policy, s.pace, s.stay}
	switch {
	case a.Do == ui.StoryKill:
		o.Kill, said = true, "the fullest server is killed"
	case a.Setting == "target":
		s.policy.Target = steps(chessTargets, s.policy.Target, a.By)
		said = "target " + capacity.Percent(s.policy.Target)
	case a.Setting == "spare":
		s.policy.Spare = min(max(s.policy.Spare+a.By, 0), s.config.Max)
		said = "spare " + strconv.Itoa(s.policy.Spare)
	case a.Setting == "warm-up":
		s.policy.WarmUp = steps(chessWarmUps, s.policy.WarmUp, a.By)
		o.WarmUp, said = new(s.policy.WarmUp), "warm-up "+s.policy.WarmUp.String()
	case a.Setting == "arrivals":
		s.pace = steps(chessPaces, s.pace, a.By)
		o.Pace, said = new(s.pace), "arrivals "+paceText(s.pace)
	case a.Setting == "players stay":
		now := s.stay
		if now == 0 {
			now = toTheEnd
		}
		if s.stay = steps(chessStays, now, a.By); s.stay == toTheEnd {
			s.stay = 0
		}
		o.Stay, said = new(s.stay), "players stay "+stayText(s.stay)
	default:
		return "nothing in this story"
	}
	if a.Do == ui.StoryChange && was == [...]any{s.policy, s.pace, s.stay} {
		return said + ": there is no step beyond"
	}
	if o != (chess.Order{}) {
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
	if !s.told && s.over == "" {
		return nil
	}
	n, v := &s.now.Counts, &s.now.Verdict
	need := "?"
	if v.OK {
		need = strconv.Itoa(v.Need)
	}
	agents := ui.StoryNumber{Name: "agents' CPU", Text: "?", Note: "of one core"}
	if a := s.now.Agents; a != nil {
		agents.Text, agents.Note = capacity.Decimal(a.Cores*100, 1)+"%", fmt.Sprintf("of one core, %d MB", a.RSS>>20)
	}
	seen := ui.StoryNumber{Name: "agents count", Text: "?", Note: "of " + count(s.now.Held) + " held"}
	if v.OK {
		seen.Text = count(v.Seen)
	}
	return &ui.Story{
		Title: "chess: real players on real servers, as many as capmon recommends", Now: s.happening(), After: s.now.After,
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
			{Name: "servers", Step: s.servers.step, Top: float64(s.config.Max), TopIs: "max", Lines: []ui.StoryLine{
				{Name: "open", Now: strconv.Itoa(s.now.Servers), Values: s.servers.line(0)},
				{Name: "starting", Now: strconv.Itoa(s.now.Starting), Values: s.servers.line(1)},
				{Name: "need", Now: need, Values: s.servers.line(2), Over: true},
			}},
		},
		Events: append([]ui.StoryEvent(nil), s.events...),
		Settings: []ui.StorySetting{
			{Name: "target", Value: capacity.Percent(s.policy.Target), Why: "how full a server is to be; changes NEED"},
			{Name: "spare", Value: strconv.Itoa(s.policy.Spare), Why: "servers that may be lost; changes NEED"},
			{Name: "warm-up", Value: s.policy.WarmUp.String(), Why: "from a server's start to its first player"},
			{Name: "arrivals", Value: paceText(s.pace), Why: fmt.Sprintf("how fast players come; now %s a second", count(int(s.rate+0.5)))},
			{Name: "players stay", Value: stayText(s.stay), Why: "then they go home; servers follow in 15m"},
		},
		Keys: []ui.StoryKey{{Do: ui.StoryKill, Does: "kill the fullest server: its players ask again"}},
	}
}

// happening says in a line what goes on.
func (s *chessStage) happening() string {
	if s.over != "" {
		return s.over
	}
	p := &s.now
	said := fmt.Sprintf("%s take players, each has %s seats", plural(p.Servers, "server"), count(s.config.PerServer))
	if p.Starting > 0 {
		said += fmt.Sprintf("; %d in warm-up", p.Starting)
	}
	if p.Draining > 0 {
		said += fmt.Sprintf("; %d drain", p.Draining)
	}
	switch {
	case p.Verdict.OK && p.Verdict.Short > 0:
		said += fmt.Sprintf("; %d more are needed than the %d there may be", p.Verdict.Short, s.config.Max)
	case p.Counts.Asked < s.config.Users:
		said += "; players come"
	default:
		said += "; all players have come"
	}
	if s.note != "" {
		said += "; " + s.note
	}
	return said
}
