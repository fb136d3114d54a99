package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"capmon/capacity"
	"capmon/demo/chess"
	"capmon/demo/child"
	"capmon/demo/lessons"
	"capmon/demo/payments"
	"capmon/fleet"
	"capmon/ui"
)

// What the stories of a class are told with: over in a few minutes, on a laptop.
const (
	classLasts  = 4 * time.Minute
	classWarmUp = 10 * time.Second
	classEnough = 30 * time.Second // before what was seen is said

	classPlayers, classSeats = 20_000, 4_000
	classRamp                = 2 * time.Minute

	classRPS, classPerServer, classFestival = 60.0, 100.0, 8.0
	classFestivalAt, classFestivalFor       = 15 * time.Second, 90 * time.Second
)

// classPolicy is that of both groups.
var classPolicy = fleet.Policy{Target: 0.80, Spare: 1, Min: 2, Max: 10, WarmUp: classWarmUp}

// classStories is lesson 5: a group that follows the load, in two stories. As a
// stage it is the one that was told last.
type classStories struct {
	mu   sync.Mutex
	last *telling
	of   map[string]*telling // by the key of its step
}

var _ stage = (*classStories)(nil)

// telling is a story as it is told once.
type telling struct {
	stage accountable
	began time.Time
	over  chan struct{} // closed when it is, after err was set
	err   error
}

// accountable is a stage that can say in numbers how its story stands.
type accountable interface {
	stage
	account() account
}

var _ lessons.Run = (*telling)(nil)

// lesson is the class's lesson of them.
func (c *classStories) lesson() lessons.Lesson {
	return lessons.Lesson{
		Title: "the auto-scaling group", Picture: ui.StoryPicture,
		Data: func() any { return c.story() },
		Steps: []lessons.Step{
			c.step("a", "players who stay: a game opens", beginChess, chessQuestion(), chessPoint, "capmon demo chess", []string{
				"6 shows the story's own screen: h l choose a setting, + - change it, x kills the fullest server. 6 again comes back.",
				"Ask what a longer warm-up does, then set it to 1m and tell the story again with four times the arrivals.",
			}),
			c.step("b", "requests: a festival of payments", beginPayments, paymentsQuestion, paymentsPoint, "capmon demo payments", []string{
				"6 shows the story's own screen: c turns the cache on, and it helps at once; a server helps after its warm-up.",
				"99.9% allows one request of a thousand to fail: watch how long the festival takes to burn what a day allows.",
			}),
		},
	}
}

func (c *classStories) step(key, name string, begin func(context.Context, *telling) (func() error, error), question lessons.Question, point func(*account) string, command string, notes []string) lessons.Step {
	accountOf := func() account {
		c.mu.Lock()
		t := c.of[key]
		c.mu.Unlock()
		if t == nil {
			return account{}
		}
		return t.stage.account()
	}
	return lessons.Step{
		Key: key, Lasts: classLasts, Notes: notes,
		Name:     func(lessons.Setting) string { return name },
		Shape:    func(lessons.Setting) (int, int) { return classPolicy.Max, 1 },
		Question: func(lessons.Setting) lessons.Question { return question },
		Begin: func(ctx context.Context, _ lessons.Setting) (lessons.Run, error) {
			return c.tell(ctx, key, begin)
		},
		Outcome: func(lessons.Measured) string { h := accountOf(); return h.outcome() },
		Seen:    func(lessons.Measured) string { h := accountOf(); return h.seen() },
		Point:   func(lessons.Measured) string { h := accountOf(); return point(&h) },
		Command: func(lessons.Setting) string { return command },
		Code:    func(lessons.Setting) []string { return nil },
	}
}

// tell begins a story that ends with ctx, and returns when something happens in
// it.
func (c *classStories) tell(ctx context.Context, key string, begin func(context.Context, *telling) (func() error, error)) (lessons.Run, error) {
	t := &telling{began: time.Now(), over: make(chan struct{})}
	run, err := begin(ctx, t)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.of == nil {
		c.of = map[string]*telling{}
	}
	c.last, c.of[key] = t, t
	c.mu.Unlock()
	go func() {
		defer close(t.over)
		t.err = run()
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-t.over:
			return nil, t.ended(ctx)
		case <-tick.C:
			if t.stage.story() != nil {
				return t, nil
			}
		}
	}
}

// ended is why it is over before anything happened.
func (t *telling) ended(ctx context.Context) error {
	if t.err != nil {
		return t.err
	}
	return context.Cause(ctx)
}

func (t *telling) Read() lessons.Reading {
	return lessons.Reading{Time: time.Since(t.began), Data: t.picture(), Own: true, Ready: t.stage.account().after >= classEnough}
}

// picture is the story with the verdict on its own servers: that above it is on
// this machine.
func (t *telling) picture() *ui.Story {
	s := t.stage.story()
	if s != nil {
		v := t.stage.account().verdict
		s.Verdict = "capmon on these servers: " + v.Text()
		s.Of = classLasts
	}
	return s
}

func (t *telling) Over() <-chan struct{} { return t.over }

func (t *telling) Err() error {
	select {
	case <-t.over:
		return t.err
	default:
		return nil
	}
}

func (c *classStories) latest() *telling {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *classStories) story() *ui.Story {
	t := c.latest()
	if t == nil {
		return nil
	}
	return t.picture()
}

func (c *classStories) act(a ui.StoryAct) string {
	t := c.latest()
	if t == nil {
		return "no story is told yet"
	}
	select {
	case <-t.over:
		return "the story is over: 6 goes back to the class, which can have it told again"
	default:
		return t.stage.act(a)
	}
}

// classChess is the story of players as far as this machine has room for it, and
// what was taken from it. It stays what it was first: a question names its numbers.
var classChess = sync.OnceValues(func() (chess.Config, string) {
	s := chess.Config{
		Users: classPlayers, PerServer: classSeats, Min: classPolicy.Min, Max: classPolicy.Max, For: 24 * time.Hour, Ramp: classRamp,
		WarmUp: classPolicy.WarmUp, Think: 30 * time.Second, Seed: 1, Version: version(),
	}
	note := s.Fit(chess.RoomHere())
	return s, note
})

// beginChess makes the story of players who stay.
func beginChess(ctx context.Context, t *telling) (func() error, error) {
	s, note := classChess()
	policy := classPolicy
	policy.PerServer = float64(s.PerServer)
	w := newStoryWatch("")
	w.in, s.Watch = newFeed(fleet.Config{Policy: policy}), w
	t.stage = newChessStage(&s, w.in, policy, note)
	return func() error {
		w.begin(ctx, nil)
		defer w.end()
		_, err := chess.Run(ctx, s)
		return err
	}, s.Check()
}

// beginPayments makes the story of requests, for what this machine can do.
func beginPayments(ctx context.Context, t *telling) (func() error, error) {
	policy := classPolicy
	policy.RPSPerServer = classPerServer
	s := payments.Config{
		RPS: classRPS, Spike: classFestival, SpikeAt: classFestivalAt, SpikeFor: classFestivalFor, PerServer: classPerServer, Work: 0.8,
		Min: policy.Min, Max: policy.Max, For: 24 * time.Hour, WarmUp: policy.WarmUp, Patience: time.Second, SLA: defaultSLA, Seed: 1, Version: version(),
	}
	w := newStoryWatch(payments.PoolServers)
	s.Watch = w
	if err := s.Check(); err != nil {
		return nil, err
	}
	var err error
	if s.Speed, err = payments.Measure(ctx); err != nil {
		return nil, err
	}
	note := s.Fit(child.FilesHere())
	policy.RPSPerServer = s.PerServer
	w.in = newFeed(paymentsFleet(policy))
	t.stage = newPaymentsStage(&s, w.in, policy, note)
	return func() error {
		w.begin(ctx, nil)
		defer w.end()
		_, err := payments.Run(ctx, s)
		return err
	}, nil
}

func chessQuestion() lessons.Question {
	s, _ := classChess()
	return lessons.Question{
		Text: fmt.Sprintf("A: %s players come in %v and stay. A server seats %s and needs %v to warm up; capmon keeps %s full and %d spare. Who is refused?",
			count(s.Users), classRamp, count(s.PerServer), classWarmUp, capacity.Percent(classPolicy.Target), classPolicy.Spare),
		Options: []lessons.Option{{Key: "f", Text: "nobody"}, {Key: "s", Text: "some"}, {Key: "=", Text: "most"}},
	}
}

var paymentsQuestion = lessons.Question{
	Text: fmt.Sprintf("B: %.0f requests a second, or what this machine can do of them, and at the festival %.0f times as many, from one second to the next. The same group. Who is refused?",
		classRPS, classFestival),
	Options: []lessons.Option{{Key: "f", Text: "nobody"}, {Key: "s", Text: "some, until servers are up"}, {Key: "=", Text: "most, to its end"}},
}

// outcome is the answer that was seen; "" before anything was.
func (h *account) outcome() string {
	switch bad := h.refused + h.left; {
	case h.asked == 0:
		return ""
	case bad == 0:
		return "f"
	case 2*bad > h.asked:
		return "="
	}
	return "s"
}

func (h *account) seen() string {
	return fmt.Sprintf("after %s: %s asked, %s served, %s refused, %s left; %s; %s", capacity.Span(h.after.Truncate(time.Second).Seconds()),
		count(h.asked), count(h.served), count(h.refused), count(h.left), plural(h.servers, "server"), h.verdict.Text())
}

// chessPoint is the arithmetic of a warm-up for what stays.
func chessPoint(h *account) string {
	s, _ := classChess()
	rate := float64(s.Users) / classRamp.Seconds()
	free := (1 - classPolicy.Target) * float64(s.PerServer)
	text := fmt.Sprintf("While a server warms up %s × %.0f = %s players come. They must fit into what is free: %s on each server and %s on the spare one. ",
		capacity.Amount(rate), classWarmUp.Seconds(), capacity.Amount(rate*classWarmUp.Seconds()), capacity.Amount(free), count(s.PerServer))
	if h.refused > 0 {
		return text + "Here they did not. Who is refused is lost: players don't come back because a server does."
	}
	return text + "They did. A longer warm-up, faster arrivals or no spare, and they do not: 6, and try."
}

// paymentsPoint is the same for what comes and goes.
func paymentsPoint(h *account) string {
	text := "capmon sees a festival within seconds; servers help a warm-up later. In between, what comes beyond what the group can do is refused: no target and no spare of one foresees eight times. "
	if h.refused+h.left > 0 {
		text += fmt.Sprintf("%s of %s here: 99.9%% allow %s. ", count(h.refused+h.left), count(h.asked), capacity.Amount(float64(h.asked)*(1-defaultSLA)))
	}
	return text + "Either servers wait for it (spare, or a schedule), or the load is taken off: a cache helps at once."
}
