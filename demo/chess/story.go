package chess

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"capmon/demo/child"
	"capmon/demo/waits"
)

// gone is how long a server that died is still of the group, so that whoever looks
// sees that it did: capmon counts it as one that is missing. Then it is given up,
// and what is needed is worked out without it.
const gone = 3 * time.Second

// story is one telling. The group's part runs in Run's goroutine.
type story struct {
	config Config
	begin  time.Time
	lobby  *lobby

	servers []*server
	number  int // of the last that was started
	result  Result
	verdict Verdict
	warmUp  time.Duration
	refused int       // when it was last looked
	full    bool      // somebody was refused in the last second
	killed  time.Time // when a server last was; zero: what came of it was told
	before  Counts    // as they were then

	agents *child.Process // nil: each server has its own within

	mu     sync.Mutex
	agent  map[string]string // where that of each server listens, of those in agents
	cost   agentsSay         // of all of them, when last told
	crowds []Counts
	ended  int          // crowds that count no more
	waits  waits.Waits  // of those
	at     []serverSays // by number
}

// server is one of the group.
type server struct {
	name    string
	number  int
	child   *child.Process
	started time.Time
	open    bool      // takes players, or did until it drained
	drains  bool      // takes no more
	died    time.Time // zero: it runs
	killed  bool
	left    bool // nobody watches it any more
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
	s := &story{config: c, begin: time.Now(), warmUp: c.WarmUp, lobby: &lobby{per: c.PerServer}, agent: map[string]string{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Result{}, fmt.Errorf("the lobby of the chess story: %w", err)
	}
	web := &http.Server{Handler: s.lobby, ReadHeaderTimeout: handshakeTime}
	go func() { _ = web.Serve(l) }() // ends with Close
	defer web.Close()
	defer s.stopServers()
	if scopes() {
		if s.agents, err = s.beginAgents(); err != nil {
			return s.result, err
		}
		defer s.agents.Stop()
	}
	for range c.Min {
		if err := s.start(); err != nil {
			return s.result, err
		}
	}
	if err := s.firstOpen(ctx); err != nil {
		return s.result, err
	}
	s.begin = time.Now()
	s.happened(false, "%d servers take players", s.opened())
	s.note(&s.result.Servers, s.opened())
	crowds, err := s.crowd(l.Addr().String())
	if err == nil {
		err = s.tell(ctx, crowds)
	}
	s.settle(ctx, crowds)
	now := s.progress(time.Now())
	s.result.Counts, s.result.Held = now.Counts, now.Held
	s.mu.Lock()
	s.result.Agents = s.cost.All
	s.result.Waited = s.waits.Waited()
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range crowds {
		all.Go(p.Stop)
	}
	all.Wait()
	for i, p := range crowds {
		if p.Err != nil && err == nil && ctx.Err() == nil { // what ends this may have ended it too
			err = fmt.Errorf("players %d: %w", i, p.Err)
		}
	}
	return s.result, err
}

// settleTime is how long the last counts may take to come in, which on a busy
// machine is long, and brokenOff when the story was.
const settleTime, brokenOff = 20 * time.Second, time.Second

// settle stops the players' count, and waits until the servers, who tell theirs
// five times a second, have had the time to see the same.
func (s *story) settle(ctx context.Context, crowds []*child.Process) {
	most := settleTime
	if ctx.Err() != nil {
		most = brokenOff
	}
	for _, p := range crowds {
		p.StopCounting() // one that has ended shows when it is waited for
	}
	for limit := time.Now().Add(most); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		done := s.ended == len(crowds)
		s.mu.Unlock()
		if !slices.ContainsFunc(crowds, runs) {
			return
		}
		if p := s.progress(time.Now()); done && p.Held == p.Counts.Playing {
			return
		}
	}
}

func runs(p *child.Process) bool {
	select {
	case <-p.Done:
		return false
	default:
		return true
	}
}

// beginAgents starts the process of all agents.
func (s *story) beginAgents() (*child.Process, error) {
	return child.Begin(roleAgents, agentsConfig{Cores: s.config.Cores, Version: s.config.Version}, func(line []byte) {
		var say agentsSay
		if json.Unmarshal(line, &say) != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if say.Now != nil {
			s.cost = say
		} else {
			s.agent[say.Name] = say.Agent
		}
	})
}

// crowd starts the players, spread over processes.
func (s *story) crowd(lobby string) ([]*child.Process, error) {
	c := &s.config
	n := playerProcesses(c.Users, RoomHere().Files)
	s.crowds = make([]Counts, n)
	var list []*child.Process
	for i := range n {
		p, err := child.Begin(rolePlayers, playersConfig{
			Lobby: lobby, Users: c.Users, Index: i, Of: n, Seed: c.Seed, Begin: s.begin, Ramp: c.Ramp, Think: c.Think, Stay: c.Stay,
		}, func(line []byte) {
			var say playersSay
			if json.Unmarshal(line, &say) == nil {
				s.mu.Lock()
				s.crowds[i] = say.Counts
				if say.End && say.Waits != nil {
					s.ended++
					s.waits.Join(say.Waits)
				}
				s.mu.Unlock()
			}
		})
		if err != nil {
			return list, err
		}
		list = append(list, p)
	}
	return list, nil
}

// start begins a server; it takes no players yet.
func (s *story) start() error {
	number := s.number
	s.number++
	s.mu.Lock()
	s.at = append(s.at, serverSays{})
	s.mu.Unlock()
	name := fmt.Sprintf("chess-%d", number+1)
	at := serverConfig{Name: name, IP: fmt.Sprintf("127.0.1.%d", number%250+1), PerServer: s.config.PerServer}
	if s.agents == nil {
		at.Own = &ownAgent{Cores: s.config.Cores, Version: s.config.Version}
	}
	begun, err := child.Begin(roleServer, at, func(line []byte) {
		var say serverSays
		if json.Unmarshal(line, &say) == nil {
			s.mu.Lock()
			s.at[number] = say
			s.mu.Unlock()
		}
	})
	if err != nil {
		return fmt.Errorf("%w: this machine takes no more processes or files: try fewer servers at most (--max) or more open files (ulimit -n)", err)
	}
	if s.agents != nil {
		if err := s.agents.Order(agentOrder{Name: name, IP: at.IP, PID: begun.PID()}); err != nil {
			begun.Kill()
			return err
		}
	}
	s.servers = append(s.servers, &server{name: name, number: number, child: begun, started: time.Now()})
	return nil
}

// firstTime is how long the first servers have to come up.
const firstTime = 20 * time.Second

// firstOpen waits for the servers that are there from the beginning.
func (s *story) firstOpen(ctx context.Context) error {
	for limit := time.Now().Add(firstTime); s.opened() < s.config.Min; {
		if err := s.attend(time.Now(), 0); err != nil {
			return err
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(limit):
			return fmt.Errorf("%d of %d game servers were up after %v", s.opened(), s.config.Min, firstTime)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// attend opens the servers that are warm and sees which have died. A server
// that ends before it was open is an error.
func (s *story) attend(now time.Time, warmUp time.Duration) error {
	if s.agents != nil {
		select {
		case <-s.agents.Done:
			return fmt.Errorf("the agents of the game servers ended: %w", s.agents.Err)
		default:
		}
	}
	for _, v := range s.servers {
		select {
		case <-v.child.Done:
			switch {
			case v.died.IsZero() && !v.open:
				return fmt.Errorf("game server %s ended as it started: %w", v.name, v.child.Err)
			case v.died.IsZero():
				v.died = now
				s.lobby.remove(v.name)
				if !v.killed {
					s.happened(true, "%s has ended, with %d players", v.name, s.playing(v))
				}
			case !v.left && now.Sub(v.died) > gone:
				v.left = true
				s.config.Watch.Leave(v.name)
				s.happened(false, "%s is given up", v.name)
			}
			continue
		default:
		}
		s.mu.Lock()
		at := s.at[v.number]
		if s.agents != nil {
			at.Agent = s.agent[v.name]
		}
		s.mu.Unlock()
		if !v.open && !v.drains && at.Game != "" && at.Agent != "" && now.Sub(v.started) >= warmUp {
			v.open = true
			s.lobby.add(seat{Server: v.name, Addr: at.Game})
			if len(s.result.Servers) > 0 { // after the first of all
				s.happened(false, "%s takes players, %v after it was started", v.name, now.Sub(v.started).Round(100*time.Millisecond))
			}
			s.config.Watch.Follow(v.name, at.Agent)
		}
	}
	return nil
}

// opened is how many servers take players, and running how many do or will, with
// those that warm up.
func (s *story) opened() int {
	return s.count(func(v *server) bool { return v.open && !v.drains })
}
func (s *story) running() int { return s.count(func(v *server) bool { return !v.drains }) }

// missing is how many have died and are not given up yet.
func (s *story) missing() (n int) {
	for _, v := range s.servers {
		if !v.died.IsZero() && !v.left {
			n++
		}
	}
	return n
}

// count counts servers that run.
func (s *story) count(is func(*server) bool) (n int) {
	for _, v := range s.servers {
		if v.died.IsZero() && is(v) {
			n++
		}
	}
	return n
}

// tell lets the time go by: the group is what capmon recommends, each second
// anew.
func (s *story) tell(ctx context.Context, crowds []*child.Process) error {
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
			if err := s.obey(o, crowds); err != nil {
				return err
			}
		case <-tick.C:
		}
		now := time.Now()
		for i, p := range crowds {
			select {
			case <-p.Done:
				if ended(ctx) {
					return nil
				}
				return fmt.Errorf("players %d ended: %w", i, p.Err)
			default:
			}
		}
		if err := s.attend(now, s.warmUp); err != nil {
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
		s.note(&s.result.Servers, s.opened())
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
func (s *story) obey(o Order, crowds []*child.Process) error {
	if o.Kill {
		s.kill()
	}
	if o.WarmUp != nil {
		s.warmUp = *o.WarmUp
	}
	if o.Pace == nil && o.Stay == nil {
		return nil
	}
	for _, p := range crowds {
		if err := p.Order(playersOrder{At: time.Now(), Pace: o.Pace, Stay: o.Stay}); err != nil {
			return err
		}
	}
	return nil
}

// follow starts what is lacking to the recommendation, and lets go of what is
// more: nobody who plays is sent away.
func (s *story) follow(now time.Time) error {
	v := s.config.Watch.Verdict(now)
	s.verdict = v
	s.turnedAway()
	s.othersHold(now)
	defer s.empty()
	if !v.OK {
		return nil
	}
	s.note(&s.result.Need, v.Need)
	want := min(max(v.Run, s.config.Min), s.config.Max)
	for s.running()+s.missing() < want {
		if s.again() {
			continue
		}
		if s.count(func(*server) bool { return true }) >= s.config.Max {
			break // one that drains has its place still
		}
		if err := s.start(); err != nil {
			return err
		}
		s.happened(false, "%s starts: %s", s.servers[len(s.servers)-1].name, v.Formula)
	}
	for s.running() > want {
		s.drain()
	}
	return nil
}

// again lets a server that drains take players again, the fullest of them.
func (s *story) again() bool {
	var best *server
	most := -1
	for _, v := range s.servers {
		if n := s.playing(v); v.drains && v.died.IsZero() && n > most {
			best, most = v, n
		}
	}
	if best == nil {
		return false
	}
	best.drains = false
	s.lobby.shut(best.name, false)
	s.happened(false, "%s takes players again", best.name)
	return true
}

// drain lets a server take no more players: the newest that is not open yet, else
// the emptiest.
func (s *story) drain() {
	var least *server
	few := 0
	for _, v := range s.servers {
		n := -1
		if v.open {
			n = s.playing(v)
		}
		if !v.drains && v.died.IsZero() && (least == nil || n <= few) {
			least, few = v, n
		}
	}
	least.drains = true
	s.lobby.shut(least.name, true)
	s.happened(false, "%s takes no more players: %d servers are enough; it ends when its %d have gone", least.name, s.running(), max(few, 0))
}

// empty ends the servers that drain and have nobody left.
func (s *story) empty() {
	for _, v := range s.servers {
		if !v.drains || !v.died.IsZero() || v.open && (s.lobby.shut(v.name, true) > 0 || s.playing(v) > 0) {
			continue
		}
		v.child.Stop()
		v.died = time.Now()
		s.lobby.remove(v.name)
		if v.open {
			s.config.Watch.Leave(v.name)
		}
		v.left = true
		s.happened(false, "%s was empty, and has ended", v.name)
	}
}

// playing is how many play on a server, as it says.
func (s *story) playing(v *server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[v.number].Playing
}

// turnedAway tells when players begin to be refused, and when that is over.
func (s *story) turnedAway() {
	now := s.progress(time.Now()).Counts.Refused
	more := now - s.refused
	switch {
	case more > 0 && !s.full:
		s.happened(true, "the first of those who come now are refused: all servers are full")
	case more == 0 && s.full:
		s.happened(true, "nobody is refused any more; %d were up to now", now)
	}
	s.refused, s.full = now, more > 0
}

// held is how long after a kill it shows what the others hold: its players ask
// again within two seconds.
const held = 4 * time.Second

// othersHold tells what came of a kill.
func (s *story) othersHold(now time.Time) {
	if s.killed.IsZero() || now.Sub(s.killed) < held {
		return
	}
	s.killed = time.Time{}
	c := s.progress(now).Counts
	if refused := c.Refused - s.before.Refused; refused > 0 {
		s.happened(true, "the others do not hold it: %d were refused since the kill; %d play, before it %d", refused, c.Playing, s.before.Playing)
		return
	}
	s.happened(false, "the others hold it: %d play, before the kill %d; nobody was refused since", c.Playing, s.before.Playing)
}

// happened tells of something.
func (s *story) happened(bad bool, format string, args ...any) {
	if s.config.Tell != nil {
		s.config.Tell(Event{After: max(time.Since(s.begin), 0), Text: fmt.Sprintf(format, args...), Bad: bad})
	}
}

// kill ends the open server with the most players as a crash would.
func (s *story) kill() {
	var most *server
	held := -1
	s.mu.Lock()
	for _, v := range s.servers {
		if n := s.at[v.number].Playing; v.open && v.died.IsZero() && n > held {
			most, held = v, n
		}
	}
	s.mu.Unlock()
	if most != nil {
		most.killed = true
		s.killed, s.before = time.Now(), s.progress(time.Now()).Counts
		s.lobby.remove(most.name) // which sees it at once, as its players do
		most.child.Kill()
		s.result.Killed, s.result.Lost = most.name, held
		s.happened(true, "%s is killed, with %d players", most.name, held)
	}
}

// note adds a step where the number is another one.
func (s *story) note(list *[]Step, n int) {
	if k := len(*list); k > 0 && (*list)[k-1][1] == float64(n) {
		return
	}
	*list = append(*list, Step{float64(time.Since(s.begin).Milliseconds()) / 1000, float64(n)})
}

func (s *story) progress(now time.Time) Progress {
	p := Progress{After: now.Sub(s.begin), Servers: s.opened(), Starting: s.running() - s.opened(), Draining: s.count(func(v *server) bool { return v.drains }), Verdict: s.verdict}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.crowds {
		p.Counts.add(c)
	}
	p.Agents = s.cost.Now
	for _, v := range s.servers {
		if v.died.IsZero() {
			p.Held += s.at[v.number].Playing
		}
	}
	return p
}

func (s *story) stopServers() {
	var all sync.WaitGroup
	for _, v := range s.servers {
		all.Go(v.child.Stop)
		if v.open && !v.left {
			s.config.Watch.Leave(v.name)
		}
	}
	all.Wait()
}
