package users

import (
	"slices"
	"sync"
)

// Board puts together what several runs have measured, each perhaps of one kind
// of server, as a class has them. Its methods may be called from any goroutine.
// The zero value is empty.
type Board struct {
	mu  sync.Mutex
	all Result
}

// Same is c with the requests and the users of the runs before, so that what is
// measured compares. Another number of workers begins anew.
func (b *Board) Same(c Config) Config {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all.Loops > 0 && (c.Workers == 0 || c.Workers == b.all.Workers) {
		c.Workers, c.Loops, c.Users, c.Think = b.all.Workers, b.all.Loops, b.all.Users, seconds(b.all.Think)
	}
	return c
}

// Take adds how far a run has come; what it measures anew takes the place of
// what was there.
func (b *Board) Take(r Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := &b.all
	if all.Loops != r.Loops || all.Workers != r.Workers || all.Users != r.Users {
		*all = Result{Steps: []Server{}}
		for k := range Kinds {
			processes, threads := k.shape(r.Workers)
			all.Servers = append(all.Servers, Server{Kind: k, Processes: processes, Threads: threads})
		}
	}
	servers, steps := all.Servers, all.Steps
	*all = r.clone()
	all.Servers, all.Steps = slices.Clone(servers), slices.Clone(steps)
	for _, s := range r.Servers {
		if i := slices.IndexFunc(all.Servers, func(o Server) bool { return o.Kind == s.Kind }); i >= 0 && s.Asked > 0 {
			all.Servers[i] = s
		}
	}
	for _, s := range r.Steps {
		if s.Asked == 0 {
			continue
		}
		i := slices.IndexFunc(all.Steps, func(o Server) bool { return o.Threads == s.Threads })
		if i < 0 {
			i, all.Steps = len(all.Steps), append(all.Steps, Server{})
		}
		all.Steps[i] = s
	}
	all.conclude()
}

// Result is all that was measured up to now; Servers has every kind once
// anything was.
func (b *Board) Result() Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.clone()
}
