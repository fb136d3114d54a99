package chess

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"capmon/demo/child"
	"capmon/demo/stories"
)

// story is one telling. It belongs to Run's goroutine.
type story struct {
	config  Config
	begin   time.Time
	group   group
	crowds  crowds
	result  Result
	verdict stories.Verdict
	refused int       // when it was last looked
	full    bool      // somebody was refused in the last second
	killed  time.Time // when a server last was; zero: what came of it was told
	before  Counts    // as they were then
}

// Run tells the story: until ctx is done or it is over; the result says what
// happened up to then. Errors are of what the machine refuses.
func Run(ctx context.Context, c Config) (Result, error) {
	if err := c.Check(); err != nil {
		return Result{}, err
	}
	if c.Cores == 0 {
		c.Cores = float64(runtime.NumCPU()) / float64(c.Max)
	}
	s := &story{config: c, begin: time.Now()}
	lobby := &lobby{per: c.PerServer}
	s.group = group{config: &s.config, lobby: lobby, tell: s.happened, agent: map[string]string{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Result{}, fmt.Errorf("the lobby of the chess story: %w", err)
	}
	web := &http.Server{Handler: lobby, ReadHeaderTimeout: handshakeTime}
	go func() { _ = web.Serve(l) }() // ends with Close
	defer web.Close()
	defer s.group.stop()
	if err := s.group.begin(ctx); err != nil {
		return s.result, err
	}
	s.begin = time.Now()
	s.happened(false, "servers that take players: %d", s.group.opened())
	stories.Note(&s.result.Servers, s.begin, s.group.opened())
	err = s.crowds.begin(playerProcesses(c.Users, child.FilesHere()), playersConfig{
		Lobby: l.Addr().String(), Users: c.Users, Seed: c.Seed, Begin: s.begin, Ramp: c.Ramp, Think: c.Think, Stay: c.Stay,
	})
	if err == nil {
		err = s.tell(ctx)
	}
	s.settle(ctx)
	now := s.progress(time.Now())
	s.result.Counts, s.result.Held, s.result.Waited = now.Counts, now.Held, s.crowds.waited()
	_, s.result.Agents = s.group.used()
	if ended := s.crowds.stop(); err == nil && ctx.Err() == nil { // what ends this may have ended them too
		err = ended
	}
	return s.result, err
}

// settleTime is how long the last counts may take to come in, which on a busy
// machine is long, and brokenOff when the story was.
const settleTime, brokenOff = 20 * time.Second, time.Second

// settle stops the players' count, and waits until the servers, who tell theirs
// five times a second, have had the time to see the same.
func (s *story) settle(ctx context.Context) {
	most := settleTime
	if ctx.Err() != nil {
		most = brokenOff
	}
	s.crowds.stopCounting()
	for limit := time.Now().Add(most); s.crowds.run() && time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		counted := s.crowds.counted() // before the servers are looked at
		if p := s.progress(time.Now()); counted && p.Held == p.Counts.Playing {
			return
		}
	}
}

// tell lets the time go by: the group is what capmon recommends, each second
// anew.
func (s *story) tell(ctx context.Context) error {
	c := &s.config
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(time.Until(s.begin.Add(c.For)))
	defer over.Stop()
	var kill <-chan time.Time
	if c.KillAt > 0 {
		kill = time.After(time.Until(s.begin.Add(c.KillAt)))
	}
	for beat := 0; ; beat++ {
		select {
		case <-ctx.Done():
			return nil
		case <-over.C:
			return nil
		case <-kill:
			s.kill()
		case o := <-c.Orders:
			if err := s.obey(o); err != nil {
				return err
			}
		case <-tick.C:
		}
		now := time.Now()
		err := s.crowds.check()
		if err == nil {
			err = s.group.attend(now)
		}
		if err != nil {
			if ended(ctx) {
				return nil
			}
			return err
		}
		if beat%4 == 0 {
			if err := s.follow(now); err != nil {
				return err
			}
			if c.Say != nil {
				c.Say(s.progress(now))
			}
		}
		stories.Note(&s.result.Servers, s.begin, s.group.opened())
	}
}

// ended says whether ctx has, or does now: a signal may reach the children first.
func ended(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(100 * time.Millisecond):
		return false
	}
}

// obey changes what is asked for.
func (s *story) obey(o Order) error {
	if o.Kill {
		s.kill()
	}
	if o.WarmUp != nil {
		s.group.warmUp = *o.WarmUp
	}
	if o.Pace == nil && o.Stay == nil {
		return nil
	}
	return s.crowds.order(playersOrder{At: time.Now(), Pace: o.Pace, Stay: o.Stay})
}

// follow makes the group what is recommended.
func (s *story) follow(now time.Time) error {
	v := s.config.Watch.Verdict(now)
	s.verdict = v
	s.turnedAway()
	s.othersHold(now)
	defer s.group.empty()
	if !v.OK {
		return nil
	}
	stories.Note(&s.result.Need, s.begin, v.Need)
	return s.group.become(min(max(v.Run, s.config.Min), s.config.Max), v.Formula)
}

// turnedAway tells when players begin to be refused, and when that is over.
func (s *story) turnedAway() {
	now := s.crowds.sum().Refused
	more := now - s.refused
	switch {
	case more > 0 && !s.full:
		s.happened(true, "the first of those who come now are refused: all servers are full")
	case more == 0 && s.full:
		s.happened(true, "nobody is refused any more; %d were up to now", now)
	}
	s.refused, s.full = now, more > 0
}

// kill ends the fullest server, and remembers how things stood.
func (s *story) kill() {
	now, before := time.Now(), s.crowds.sum()
	name, held := s.group.kill()
	if name == "" {
		return
	}
	s.killed, s.before = now, before
	s.result.Killed, s.result.Lost = name, held
	s.happened(true, "%s is killed; players it had: %d", name, held)
}

// holdTime is how long after a kill it shows what the others hold: its players ask
// again within two seconds.
const holdTime = 4 * time.Second

// othersHold tells what came of a kill.
func (s *story) othersHold(now time.Time) {
	if s.killed.IsZero() || now.Sub(s.killed) < holdTime {
		return
	}
	s.killed = time.Time{}
	c := s.crowds.sum()
	if refused := c.Refused - s.before.Refused; refused > 0 {
		s.happened(true, "the others do not hold it: %d were refused since the kill; %d play, before it %d", refused, c.Playing, s.before.Playing)
		return
	}
	s.happened(false, "the others hold it: %d play, before the kill %d; nobody was refused since", c.Playing, s.before.Playing)
}

// happened tells of something.
func (s *story) happened(bad bool, format string, args ...any) {
	stories.Happened(s.config.Tell, s.begin, bad, format, args...)
}

// progress is how things stand.
func (s *story) progress(now time.Time) Progress {
	g := &s.group
	p := Progress{
		After: now.Sub(s.begin), Counts: s.crowds.sum(), Held: g.held(), Servers: g.opened(), Starting: g.running() - g.opened(), Draining: g.draining(),
		Verdict: s.verdict,
	}
	p.Agents, _ = g.used()
	return p
}
