package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"time"

	"capmon/agents"
)

// sources are what a fleet is fed from: agents over the network, or this
// machine in this process.
type sources struct {
	what    string // in words, for the screen and for stderr
	named   bool   // the user named the agents
	targets []agents.Target
	local   *agents.Agent
	sec     agents.Security
	warning string // what every screen must say
}

// probeTime bounds the look for an agent on this machine.
const probeTime = 300 * time.Millisecond

// sources settles where the numbers come from: the agents named, else the one
// on this machine, else this process. Errors are usage errors.
func (f *viewFlags) sources(ctx context.Context, log *slog.Logger) (*sources, error) {
	targets, err := f.targets()
	if err != nil {
		return nil, err
	}
	named := len(targets) > 0
	sec, err := f.sec.security()
	if errors.Is(err, fs.ErrPermission) && !named && f.sec.token == "" {
		// A token that only root may read keeps nobody from seeing this machine
		// in their own process.
		log.Info("the fleet token can't be read", "reason", err)
		sec, err = agents.Plain(), nil
	}
	if err != nil {
		return nil, err
	}
	s := &sources{sec: sec, targets: targets, named: named}
	if f.sec.insecure {
		s.warning = "INSECURE"
	}
	// The local agent is built first: nonsense in its flags is an error even
	// when it is not needed.
	local, err := newLocalAgent(f.sampling, nil, log)
	if err != nil {
		return nil, err
	}
	if named {
		s.what = fmt.Sprintf("%d agents", len(s.targets))
		if len(s.targets) == 1 {
			s.what = "the agent on " + s.targets[0].Addr
		}
		return s, nil
	}
	probe, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if err := agents.Probe(probe, localAddr, sec); err != nil {
		log.Info("no agent of this machine is used", "addr", localAddr, "reason", err)
		s.local, s.what, s.warning = local, "this machine, in this process", ""
		return s, nil
	}
	s.targets = []agents.Target{{Name: hostname(), Addr: localAddr}}
	s.what = "the agent on " + localAddr
	return s, nil
}

// run feeds sink until ctx ends, and returns when every goroutine is gone. The
// viewer is passed to ready before it starts, to open detail streams with.
func (s *sources) run(ctx context.Context, sink agents.Sink, log *slog.Logger, ready func(*agents.Viewer)) error {
	v := agents.NewViewer(agents.ViewerOptions{Security: s.sec, Sink: sink, Log: log})
	if ready != nil {
		ready(v)
	}
	if s.local == nil {
		return v.Run(ctx, s.targets)
	}
	return runLocal(ctx, v, only(s.local))
}

// only is the one agent of this machine.
func only(a *agents.Agent) iter.Seq2[string, *agents.Agent] {
	return maps.All(map[string]*agents.Agent{hostname(): a})
}

// runLocal runs agents in this process and feeds the viewer from them, from each
// as soon as there is the agent.
func runLocal(ctx context.Context, v *agents.Viewer, list iter.Seq2[string, *agents.Agent]) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []error
	failed := func(err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			mu.Lock()
			all = append(all, err)
			mu.Unlock()
		}
	}
	for name, a := range list {
		wg.Go(func() {
			// A collector that is still reading when ctx has ended goes with the
			// process; what was read before stands.
			if err := a.Run(ctx); ctx.Err() == nil {
				failed(err)
			}
		})
		wg.Go(func() { failed(v.Local(ctx, name, a)) })
	}
	wg.Wait()
	return errors.Join(all...)
}
