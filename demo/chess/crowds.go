package chess

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"capmon/demo/child"
	"capmon/demo/waits"
)

// crowds are the processes of the players. They belong to one goroutine; what
// they say comes in others.
type crowds struct {
	list []*child.Process

	mu     sync.Mutex
	counts []Counts    // of each
	ended  int         // that count no more
	waits  waits.Waits // of those
}

// begin starts the players, spread over so many processes.
func (c *crowds) begin(processes int, config playersConfig) error {
	c.counts = make([]Counts, processes)
	config.Of = processes
	for i := range processes {
		config.Index = i
		p, err := child.Begin(rolePlayers, config, func(line []byte) {
			var say playersSay
			if json.Unmarshal(line, &say) == nil {
				c.hear(i, say)
			}
		})
		if err != nil {
			return err
		}
		c.list = append(c.list, p)
	}
	return nil
}

func (c *crowds) hear(i int, say playersSay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[i] = say.Counts
	if say.End && say.Waits != nil {
		c.ended++
		c.waits.Join(say.Waits)
	}
}

// order tells all of them what is to change.
func (c *crowds) order(o playersOrder) error {
	for _, p := range c.list {
		if err := p.Order(o); err != nil {
			return err
		}
	}
	return nil
}

// stopCounting lets all tell their last counts; one that has ended shows when it
// is waited for.
func (c *crowds) stopCounting() {
	for _, p := range c.list {
		p.StopCounting()
	}
}

// counted says whether all have told their last.
func (c *crowds) counted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended == len(c.list)
}

// sum is what all of them count.
func (c *crowds) sum() (all Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.counts {
		all.add(n)
	}
	return all
}

// waited is how long players waited who were let in, by those who told their last.
func (c *crowds) waited() waits.Waited {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waits.Waited()
}

// run says whether any of them does, and check that all do.
func (c *crowds) run() bool {
	return slices.ContainsFunc(c.list, func(p *child.Process) bool { return !p.Ended() })
}

func (c *crowds) check() error {
	if i := slices.IndexFunc(c.list, (*child.Process).Ended); i >= 0 {
		return fmt.Errorf("players %d ended: %w", i, c.list[i].Unasked())
	}
	return nil
}

// stop ends all; the error is of one that did not end well.
func (c *crowds) stop() error {
	var all sync.WaitGroup
	for _, p := range c.list {
		all.Go(p.Stop)
	}
	all.Wait()
	for i, p := range c.list {
		if p.Err != nil {
			return fmt.Errorf("players %d: %w", i, p.Err)
		}
	}
	return nil
}
