package chess

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"capmon/agents"
	"capmon/collectors"
	"capmon/demo/child"
	"capmon/demo/stories"
)

// agentsConfig is what the process of the agents is told at its beginning.
type agentsConfig struct {
	Cores   float64 // that a server stands for
	Version string
}

// agentOrder begins an agent for a server, on an address of its own.
type agentOrder struct {
	Name, IP string
	PID      int
}

// agentsSay is a line of that process: where an agent listens, or what all of
// them cost.
type agentsSay struct {
	Name, Agent string
	Now, All    *Cost // over the last seconds, and since the beginning
}

// scopes says whether an agent can read one process of this system as a machine.
func scopes() bool {
	s, err := collectors.ParseScope(fmt.Sprintf("pid:%d", os.Getpid()))
	return err == nil && s.Find(collectors.Config{}) == nil
}

// runAgents is the process of all agents of a story: each reads one server's
// process from outside, as `capmon agent --scope pid:N` does, and ends with it.
func runAgents(line []byte, in io.Reader, out io.Writer) error {
	var c agentsConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("chess agents: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel() // before it waits
	say := child.NewTeller(out)
	orders := child.Lines(in)
	failed := make(chan error, 1)
	cost := newMeter(ctx)
	defer cost.self.Close()
	tick := time.NewTicker(costEvery)
	defer tick.Stop()
	for {
		select {
		case line, more := <-orders:
			if !more {
				return nil
			}
			var o agentOrder
			if err := json.Unmarshal(line, &o); err != nil {
				return fmt.Errorf("chess agents: %w", err)
			}
			a, listener, scope, err := c.agent(o)
			if err != nil {
				return fmt.Errorf("the agent of %s: %w", o.Name, err)
			}
			say.Tell(agentsSay{Name: o.Name, Agent: listener.Addr().String()})
			all.Go(func() {
				if err := serveScope(ctx, a, listener, scope); err != nil {
					select {
					case failed <- fmt.Errorf("the agent of %s: %w", o.Name, err):
					default:
					}
				}
			})
		case err := <-failed:
			return err
		case now := <-tick.C:
			if now, all, err := cost.read(ctx, now); err == nil {
				say.Tell(agentsSay{Now: &now, All: &all})
			}
		}
	}
}

// agent is one that reads a server's process.
func (c *agentsConfig) agent(o agentOrder) (*agents.Agent, net.Listener, collectors.Scope, error) {
	scope, err := collectors.ParseScope(fmt.Sprintf("pid:%d", o.PID))
	if err == nil {
		scope, err = scope.WithCores(c.Cores)
	}
	if err != nil {
		return nil, nil, scope, err
	}
	// A move is no HTTP response: nothing is to be counted in the kernel for it.
	off, err := collectors.ParseRPS("off")
	if err != nil {
		return nil, nil, scope, err
	}
	list := collectors.List(collectors.Config{Scope: scope, RPS: []collectors.RPSSource{off}})
	a, err := agents.New(agents.Config{
		Source: collectors.NewRunner(list, collectors.RunnerOptions{}), Hostname: o.Name, Scope: scope.String(), Version: c.Version,
		Labels: map[string]string{"role": "chess"},
	})
	if err != nil {
		return nil, nil, scope, err
	}
	l, err := stories.ListenForAgent(o.IP)
	return a, l, scope, err
}

// serveScope runs an agent until its server has ended, or ctx has.
func serveScope(ctx context.Context, a *agents.Agent, l net.Listener, scope collectors.Scope) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	errs := make(chan error, 2)
	gone := make(chan struct{})
	all.Go(func() { errs <- a.Run(ctx) })
	all.Go(func() { errs <- agents.Serve(ctx, l, a, agents.Plain(), nil) })
	all.Go(func() {
		defer close(gone)
		_ = scope.Gone(ctx) // that it has is what an agent of it ends with
	})
	var err error
	select {
	case err = <-errs:
	case <-gone:
	}
	cancel()
	return err
}

// costEvery is how often the agents' cost is told.
const costEvery = 2 * time.Second

// meter is what this process uses.
type meter struct {
	self      *collectors.SelfMeter
	begin, at time.Time
	was       time.Duration
}

func newMeter(ctx context.Context) *meter {
	m := &meter{self: collectors.NewSelfMeter(), begin: time.Now()}
	m.at = m.begin
	m.was, _, _ = m.self.Read(ctx, m.at) // where it can't be read now, it can't be later
	return m
}

// read is the use since it was last read, and since the beginning.
func (m *meter) read(ctx context.Context, now time.Time) (last, all Cost, err error) {
	cpu, rss, err := m.self.Read(ctx, now)
	if err != nil {
		return last, all, err
	}
	last = Cost{max((cpu-m.was).Seconds(), 0) / max(now.Sub(m.at).Seconds(), 1e-3), rss}
	all = Cost{cpu.Seconds() / max(now.Sub(m.begin).Seconds(), 1e-3), rss}
	m.at, m.was = now, cpu
	return last, all, nil
}
