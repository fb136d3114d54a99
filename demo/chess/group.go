package chess

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"capmon/demo/child"
)

// gone is how long a server that died is still of the group, so that whoever looks
// sees that it did: capmon counts it as one that is missing. Then it is given up,
// and what is needed is worked out without it.
const gone = 3 * time.Second

// group is the servers and their agents. It belongs to one goroutine; what they
// say comes in others.
type group struct {
	config *Config
	lobby  *lobby
	tell   func(bad bool, format string, args ...any)
	list   []*server
	warmUp time.Duration
	begun  bool // the first are open: those that open later are told of

	agents *child.Process // nil: each server has its own within

	mu    sync.Mutex
	agent map[string]string // where that of each server listens, of those in agents
	cost  agentsSay         // of all of them, when last told
}

// server is one of the group.
type server struct {
	name    string
	child   *child.Process
	started time.Time
	open    bool       // takes players, or did until it drained
	drains  bool       // takes no more
	died    time.Time  // zero: it runs
	killed  bool       // by this story
	left    bool       // nobody watches it any more
	says    serverSays // last; behind the group's mu
}

// begin starts the servers that are there from the beginning, and where they can
// the process of all agents, and waits until they are open.
func (g *group) begin(ctx context.Context) (err error) {
	if scopes() {
		if g.agents, err = child.Begin(roleAgents, agentsConfig{Cores: g.config.Cores, Version: g.config.Version}, g.hearAgents); err != nil {
			return err
		}
	}
	for range g.config.Min {
		if err := g.start(); err != nil {
			return err
		}
	}
	for limit := time.Now().Add(firstTime); g.opened() < g.config.Min; time.Sleep(20 * time.Millisecond) {
		if err := g.attend(time.Now()); err != nil {
			return err
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(limit):
			return fmt.Errorf("%d of %d game servers were up after %v", g.opened(), g.config.Min, firstTime)
		}
	}
	g.warmUp, g.begun = g.config.WarmUp, true
	return nil
}

// firstTime is how long the first servers have to come up.
const firstTime = 20 * time.Second

func (g *group) hearAgents(line []byte) {
	var say agentsSay
	if json.Unmarshal(line, &say) != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if say.Now != nil {
		g.cost = say
	} else {
		g.agent[say.Name] = say.Agent
	}
}

// start begins a server; it takes no players yet.
func (g *group) start() error {
	number := len(g.list)
	v := &server{name: fmt.Sprintf("chess-%d", number+1)}
	at := serverConfig{Name: v.name, IP: fmt.Sprintf("127.0.1.%d", number%250+1), PerServer: g.config.PerServer}
	if g.agents == nil {
		at.Own = &ownAgent{Cores: g.config.Cores, Version: g.config.Version}
	}
	var err error
	v.child, err = child.Begin(roleServer, at, func(line []byte) {
		var say serverSays
		if json.Unmarshal(line, &say) == nil {
			g.mu.Lock()
			v.says = say
			g.mu.Unlock()
		}
	})
	if err != nil {
		return fmt.Errorf("%w: this machine takes no more processes or files: try fewer servers at most (--max) or more open files (ulimit -n)", err)
	}
	if g.agents != nil {
		if err := g.agents.Order(agentOrder{Name: v.name, IP: at.IP, PID: v.child.PID()}); err != nil {
			v.child.Kill()
			return err
		}
	}
	v.started = time.Now()
	g.list = append(g.list, v)
	return nil
}

// said is what a server, and its agent, said last.
func (g *group) said(v *server) serverSays {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := v.says
	if g.agents != nil {
		at.Agent = g.agent[v.name]
	}
	return at
}

// playing is how many play on a server, as it says.
func (g *group) playing(v *server) int { return g.said(v).Playing }

// attend opens the servers that are warm and sees which have died. A server
// that ends before it was open is an error.
func (g *group) attend(now time.Time) error {
	if g.agents != nil && g.agents.Ended() {
		return fmt.Errorf("the agents of the game servers ended: %w", g.agents.Unasked())
	}
	for _, v := range g.list {
		if v.child.Ended() {
			switch {
			case v.died.IsZero() && !v.open:
				return fmt.Errorf("game server %s ended as it started: %w", v.name, v.child.Unasked())
			case v.died.IsZero():
				v.died = now
				g.lobby.remove(v.name)
				if !v.killed {
					g.tell(true, "%s has ended; players it had: %d", v.name, g.playing(v))
				}
			case !v.left && now.Sub(v.died) > gone:
				g.leave(v)
				g.tell(false, "%s is given up", v.name)
			}
			continue
		}
		if at := g.said(v); !v.open && !v.drains && at.Game != "" && at.Agent != "" && now.Sub(v.started) >= g.warmUp {
			v.open = true
			g.lobby.add(seat{Server: v.name, Addr: at.Game})
			if g.begun {
				g.tell(false, "%s takes players, %v after it was started", v.name, now.Sub(v.started).Round(100*time.Millisecond))
			}
			g.config.Watch.Follow(v.name, at.Agent)
		}
	}
	return nil
}

// leave ends that a server is watched.
func (g *group) leave(v *server) {
	if v.open && !v.left {
		g.config.Watch.Leave(v.name)
	}
	v.left = true
}

// opened is how many servers take players, and running how many do or will, with
// those that warm up.
func (g *group) opened() int {
	return g.count(func(v *server) bool { return v.open && !v.drains })
}

func (g *group) running() int  { return g.count(func(v *server) bool { return !v.drains }) }
func (g *group) draining() int { return g.count(func(v *server) bool { return v.drains }) }

// count counts servers that run.
func (g *group) count(is func(*server) bool) (n int) {
	for _, v := range g.list {
		if v.died.IsZero() && is(v) {
			n++
		}
	}
	return n
}

// missing is how many have died and are not given up yet.
func (g *group) missing() (n int) {
	for _, v := range g.list {
		if !v.died.IsZero() && !v.left {
			n++
		}
	}
	return n
}

// held are the connections that the servers count.
func (g *group) held() (n int) {
	for _, v := range g.list {
		if v.died.IsZero() {
			n += g.playing(v)
		}
	}
	return n
}

// become starts what is lacking to so many servers, for the reason given, or lets
// go of what is more: nobody who plays is sent away.
func (g *group) become(want int, why string) error {
	for g.running()+g.missing() < want {
		if g.again() {
			continue
		}
		if g.running()+g.draining() >= g.config.Max {
			break // one that drains has its place still
		}
		if err := g.start(); err != nil {
			return err
		}
		g.tell(false, "%s starts: %s", g.list[len(g.list)-1].name, why)
	}
	for g.running() > want {
		g.drain()
	}
	return nil
}

// again lets a server that drains take players again, the fullest of them.
func (g *group) again() bool {
	var best *server
	most := -1
	for _, v := range g.list {
		if n := g.playing(v); v.drains && v.died.IsZero() && n > most {
			best, most = v, n
		}
	}
	if best == nil {
		return false
	}
	best.drains = false
	g.lobby.shut(best.name, false)
	g.tell(false, "%s takes players again", best.name)
	return true
}

// drain lets a server take no more players: the newest that is not open yet, else
// the emptiest.
func (g *group) drain() {
	var least *server
	few := 0
	for _, v := range g.list {
		n := -1
		if v.open {
			n = g.playing(v)
		}
		if !v.drains && v.died.IsZero() && (least == nil || n <= few) {
			least, few = v, n
		}
	}
	least.drains = true
	g.lobby.shut(least.name, true)
	g.tell(false, "%s takes no more players: %d servers are enough; it ends when its %d have gone", least.name, g.running(), max(few, 0))
}

// empty ends the servers that drain and have nobody left.
func (g *group) empty() {
	for _, v := range g.list {
		if !v.drains || !v.died.IsZero() || v.open && (g.lobby.shut(v.name, true) > 0 || g.playing(v) > 0) {
			continue
		}
		v.child.Stop()
		v.died = time.Now()
		g.lobby.remove(v.name)
		g.leave(v)
		g.tell(false, "%s was empty, and has ended", v.name)
	}
}

// kill ends the open server with the most players as a crash would; its name, and
// how many it held. Empty: there is none.
func (g *group) kill() (name string, held int) {
	var most *server
	for _, v := range g.list {
		if n := g.playing(v); v.open && v.died.IsZero() && (most == nil || n > held) {
			most, held = v, n
		}
	}
	if most == nil {
		return "", 0
	}
	most.killed = true
	g.lobby.remove(most.name) // which sees it at once, as its players do
	most.child.Kill()
	return most.name, held
}

// used is what the agents have: of the last seconds, and since the beginning; nil:
// not known, or each is within its server.
func (g *group) used() (now, all *Cost) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cost.Now, g.cost.All
}

// stop ends all.
func (g *group) stop() {
	var all sync.WaitGroup
	for _, v := range g.list {
		all.Go(v.child.Stop)
		g.leave(v)
	}
	all.Wait()
	if g.agents != nil {
		g.agents.Stop()
	}
}
