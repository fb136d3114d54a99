package chess

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"capmon/demo/child"
)

// gone is how long a server that died is still watched, so that whoever looks
// sees that it did.
const gone = 15 * time.Second

// story is one telling. The group's part runs in Run's goroutine.
type story struct {
	config Config
	begin  time.Time
	lobby  *lobby

	servers []*server
	number  int // of the last that was started
	result  Result
	verdict Verdict

	mu     sync.Mutex
	crowds []Counts
	ended  int          // crowds that count no more
	waits  Waits        // of those
	at     []serverSays // by number
}

// server is one of the group.
type server struct {
	name    string
	number  int
	child   *child.Process
	started time.Time
	open    bool      // takes players
	died    time.Time // zero: it runs
	left    bool      // nobody watches it any more
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
	s := &story{config: c, begin: time.Now(), lobby: &lobby{per: c.PerServer}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Result{}, fmt.Errorf("the lobby of the chess story: %w", err)
	}
	web := &http.Server{Handler: s.lobby, ReadHeaderTimeout: handshakeTime}
	go func() { _ = web.Serve(l) }() // ends with Close
	defer web.Close()
	defer s.stopServers()
	for range c.Min {
		if err := s.start(); err != nil {
			return s.result, err
		}
	}
	if err := s.firstOpen(ctx); err != nil {
		return s.result, err
	}
	s.begin = time.Now()
	s.note(&s.result.Servers, s.opened())
	crowds, err := s.crowd(l.Addr().String())
	if err == nil {
		err = s.tell(ctx, crowds)
	}
	s.settle(crowds)
	now := s.progress(time.Now())
	s.result.Counts, s.result.Held = now.Counts, now.Held
	s.mu.Lock()
	s.result.Waited = Waited{s.waits.Quantile(0.5).Seconds(), s.waits.Quantile(0.99).Seconds()}
	s.mu.Unlock()
	for i, p := range crowds {
		p.Stop()
		if p.Err != nil && err == nil {
			err = fmt.Errorf("players %d: %w", i, p.Err)
		}
	}
	return s.result, err
}

// settleTime is how long the last counts may take to come in.
const settleTime = 5 * time.Second

// settle stops the players' count, and waits until the servers, who tell theirs
// five times a second, have had the time to see the same.
func (s *story) settle(crowds []*child.Process) {
	for _, p := range crowds {
		p.StopCounting() // one that has ended shows when it is waited for
	}
	for limit := time.Now().Add(settleTime); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		done := s.ended == len(crowds)
		s.mu.Unlock()
		if p := s.progress(time.Now()); done && p.Held == p.Counts.Playing {
			return
		}
	}
}

// crowd starts the players, spread over processes.
func (s *story) crowd(lobby string) ([]*child.Process, error) {
	c := &s.config
	n := playerProcesses(c.Users, RoomHere().Files)
	s.crowds = make([]Counts, n)
	var list []*child.Process
	for i := range n {
		p, err := child.Begin(rolePlayers, playersConfig{
			Lobby: lobby, Users: c.Users, Index: i, Of: n, Seed: c.Seed, Begin: s.begin, Ramp: c.Ramp, Think: c.Think,
		}, func(line []byte) {
			var say playersSay
			if json.Unmarshal(line, &say) == nil {
				s.mu.Lock()
				s.crowds[i] = say.Counts
				if say.End && say.Waits != nil {
					s.ended++
					s.waits.join(say.Waits)
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
	begun, err := child.Begin(roleServer, serverConfig{
		Name: name, IP: fmt.Sprintf("127.0.1.%d", number%250+1), PerServer: s.config.PerServer, Cores: s.config.Cores, Version: s.config.Version,
	}, func(line []byte) {
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
	for _, v := range s.servers {
		select {
		case <-v.child.Done:
			switch {
			case v.died.IsZero() && !v.open:
				return fmt.Errorf("game server %s ended as it started: %w", v.name, v.child.Err)
			case v.died.IsZero():
				v.died = now
				s.lobby.remove(v.name)
			case !v.left && now.Sub(v.died) > gone:
				v.left = true
				s.config.Watch.Leave(v.name)
			}
			continue
		default:
		}
		s.mu.Lock()
		at := s.at[v.number]
		s.mu.Unlock()
		if !v.open && at.Game != "" && now.Sub(v.started) >= warmUp {
			v.open = true
			s.lobby.add(seat{Server: v.name, Addr: at.Game})
			s.config.Watch.Follow(v.name, at.Agent)
		}
	}
	return nil
}

// opened and running are how many servers take players, and how many there are
// with those that warm up.
func (s *story) opened() int {
	n := 0
	for _, v := range s.servers {
		if v.open && v.died.IsZero() {
			n++
		}
	}
	return n
}

func (s *story) running() int {
	n := 0
	for _, v := range s.servers {
		if v.died.IsZero() {
			n++
		}
	}
	return n
}

// tell lets the time go by: the group is what capmon recommends, each second
// anew. It only grows: fewer are recommended after 15 calm minutes, and players
// stay.
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
		case <-tick.C:
		}
		now := time.Now()
		for i, p := range crowds {
			select {
			case <-p.Done:
				return fmt.Errorf("players %d ended: %w", i, p.Err)
			default:
			}
		}
		if err := s.attend(now, c.WarmUp); err != nil {
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

// follow starts what is lacking to the recommendation.
func (s *story) follow(now time.Time) error {
	v := s.config.Watch.Verdict(now)
	s.verdict = v
	if !v.OK {
		return nil
	}
	s.note(&s.result.Need, v.Need)
	want := min(max(v.Run, s.config.Min), s.config.Max)
	for s.running() < want {
		if err := s.start(); err != nil {
			return err
		}
	}
	return nil
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
		most.child.Kill()
		s.result.Killed, s.result.Lost = most.name, held
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
	p := Progress{After: now.Sub(s.begin), Servers: s.opened(), Starting: s.running() - s.opened(), Verdict: s.verdict}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.crowds {
		p.Counts.add(c)
	}
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
