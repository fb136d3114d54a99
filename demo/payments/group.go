package payments

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"capmon/demo/child"
)

// gone is how long a server that died is still watched, so that whoever looks
// sees that it did.
const gone = 15 * time.Second

// drainTime is how long a server that is to go may take for what is in it.
const drainTime = 5 * time.Second

// group is the servers. It belongs to one goroutine; what they say comes in
// others.
type group struct {
	config *Config
	begin  time.Time // of the story
	order  func(proxyOrder)
	tell   func(bad bool, format string, args ...any)
	list   []*server
	going  sync.WaitGroup // servers that end

	mu sync.Mutex // of what servers say
}

// server is one of the group.
type server struct {
	name    string
	child   *child.Process
	warmUp  time.Duration
	started time.Time
	open    bool      // takes requests
	addr    string    // once it does
	ended   time.Time // takes none any more: it died, or was told to go; zero: neither
	died    bool
	left    bool // nobody watches it any more

	// Behind the group's mu:
	says serverSays // last
	up   time.Time  // when it first said something
}

// start begins a server; it takes no requests yet.
func (g *group) start(warmUp time.Duration) error {
	number := len(g.list)
	c := g.config
	v := &server{name: fmt.Sprintf("pay-%d", number+1), warmUp: warmUp}
	var err error
	v.child, err = child.Begin(roleServer, serverConfig{
		Name: v.name, IP: fmt.Sprintf("127.0.2.%d", number%200+1), Slot: time.Duration(float64(time.Second) / c.PerServer), Loops: c.loops(),
		Queue: c.Queue, Cores: c.cores(), Version: c.Version,
	}, func(line []byte) {
		var say serverSays
		if json.Unmarshal(line, &say) == nil {
			g.mu.Lock()
			if v.says = say; v.up.IsZero() {
				v.up = time.Now()
			}
			g.mu.Unlock()
		}
	})
	if err != nil {
		return fmt.Errorf("%w: this machine takes no more processes or files: try fewer servers at most (--max) or more open files (ulimit -n)", err)
	}
	v.started = time.Now()
	g.list = append(g.list, v)
	return nil
}

// said is what a server said last.
func (g *group) said(v *server) serverSays {
	g.mu.Lock()
	defer g.mu.Unlock()
	return v.says
}

// firstTime is how long the first servers, the proxy and the people have to come
// up.
const firstTime = 20 * time.Second

// first starts the servers that are there from the beginning, and waits for them.
func (g *group) first(ctx context.Context) error {
	for range g.config.Min {
		if err := g.start(0); err != nil {
			return err
		}
	}
	for limit := time.Now().Add(firstTime); g.opened() < g.config.Min; {
		if err := g.attend(time.Now()); err != nil {
			return err
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(limit):
			return fmt.Errorf("%d of %d payment servers were up after %v", g.opened(), g.config.Min, firstTime)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// attend opens the servers that are warm and sees which have died. A server that
// ends before it was open is an error.
func (g *group) attend(now time.Time) error {
	for i, v := range g.list {
		if v.child.Ended() {
			switch {
			case !v.ended.IsZero():
			case !v.open:
				return fmt.Errorf("payment server %s ended as it started: %w", v.name, v.child.Unasked())
			default:
				v.ended, v.died = now, true
				g.order(proxyOrder{Remove: v.addr})
				g.tell(true, "%s has died: %s left", v.name, left(g.opened()))
			}
			if v.died && now.Sub(v.ended) > gone {
				g.leave(v)
			}
			continue
		}
		if at := g.said(v); !v.open && v.ended.IsZero() && at.Addr != "" && now.Sub(v.started) >= v.warmUp {
			v.open, v.addr = true, at.Addr
			g.order(proxyOrder{Add: v.addr})
			g.config.Watch.Follow(v.name, at.Agent)
			if v.warmUp > 0 || i >= g.config.Min {
				g.tell(false, "%s is warm: %s open", v.name, left(g.opened()))
			}
		}
	}
	return nil
}

// leave ends that a server is watched.
func (g *group) leave(v *server) {
	if v.open && !v.left {
		v.left = true
		g.config.Watch.Leave(v.name)
	}
}

// opened and running are how many servers take requests, and how many there are
// with those that warm up.
func (g *group) opened() (n int) {
	for _, v := range g.list {
		if v.open && v.ended.IsZero() {
			n++
		}
	}
	return n
}

func (g *group) running() (n int) {
	for _, v := range g.list {
		if v.ended.IsZero() {
			n++
		}
	}
	return n
}

// become starts what is lacking to so many servers, or lets the newest go when
// fewer are enough than whoever says so has seen: they get no more requests, and
// end when they have answered those they have. A server that warms up, or has only
// just opened, was not seen: that fewer are enough is no word against it.
func (g *group) become(n, seen int, now time.Time) error {
	if lacks := n - g.running(); lacks > 0 {
		g.tell(false, "%s asked for, beside %d", left(lacks), g.running())
	}
	for g.running() < n {
		if err := g.start(g.config.WarmUp); err != nil {
			return err
		}
	}
	if n >= seen || seen < g.opened() {
		return nil
	}
	for i := len(g.list) - 1; i >= 0 && g.running() > n; i-- {
		if v := g.list[i]; v.ended.IsZero() {
			v.ended = now
			g.tell(false, "%s goes: %s enough", v.name, left(n))
			if v.open {
				g.order(proxyOrder{Remove: v.addr})
			}
			g.leave(v)
			g.going.Go(func() {
				for limit := time.Now().Add(drainTime); g.said(v).Inside > 0 && time.Now().Before(limit); {
					time.Sleep(sayEvery)
				}
				v.child.Stop()
			})
		}
	}
	return nil
}

// left is so many servers, in words.
func left(n int) string {
	if n == 1 {
		return "1 server is"
	}
	return fmt.Sprintf("%d servers are", n)
}

// warm changes the warm-up of those that are not warm yet.
func (g *group) warm(d time.Duration) {
	for _, v := range g.list {
		if !v.open {
			v.warmUp = d
		}
	}
}

// kill ends the open server with the most requests in it as a crash would; its
// name, empty where there is none.
func (g *group) kill() string {
	var most *server
	for _, v := range g.list {
		if v.open && v.ended.IsZero() && (most == nil || g.said(v).Inside > g.said(most).Inside) {
			most = v
		}
	}
	if most == nil {
		return ""
	}
	most.child.Kill()
	return most.name
}

// stop ends all.
func (g *group) stop() {
	for _, v := range g.list {
		g.leave(v)
		g.going.Go(v.child.Stop)
	}
	g.going.Wait()
}

// stays are when each server was to take requests: from its start its warm-up
// and, where that is shorter, the time it took to come up.
func (g *group) stays() (list []stay) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, v := range g.list {
		from := v.started.Add(v.warmUp)
		if v.up.After(from) {
			from = v.up
		}
		s := stay{from.Sub(g.begin), never}
		if !v.ended.IsZero() {
			s.until = v.ended.Sub(g.begin)
		}
		if s.from < s.until {
			list = append(list, s)
		}
	}
	return list
}
