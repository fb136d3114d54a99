package collectors

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"capmon/sample"
)

const (
	shownProcesses = 8
	shownThreads   = 5
	shownDemand    = 0.005 // of a core: what uses less is not shown
	shownKernel    = 0.05  // the same for threads of the kernel

	// threadsDearest is the share of one core that reading threads may cost in
	// the mean. A reading that took c is followed by none for c / threadsDearest.
	threadsDearest = 0.005
)

// procUse is what one process did over the last interval it was read, in cores.
type procUse struct {
	key     procKey
	parent  int
	comm    string // may hold any byte
	kernel  bool   // a thread of the kernel
	run     float64
	wait    float64 // as far as it was looked at
	threads int     // 0 = not known
}

func (p *procUse) demand() float64 { return p.run + p.wait }

// busyThread is a thread that may be shown.
type busyThread struct {
	pid int
	threadUse
}

// procTable is what a source found in one interval.
type procTable struct {
	procs   []*procUse
	threads []busyThread // those with the highest demand, at least
	heavy   []heavyProc  // the processes that were looked into
	begun   bool         // there was a reading before this one
	blind   bool         // this road sees no threads: nothing will be found
}

func (t *procTable) reset() {
	*t = procTable{procs: t.procs[:0], threads: t.threads[:0], heavy: t.heavy[:0]}
}

// procSource is one of the roads to the processes.
type procSource interface {
	// read fills t, which is reset; wants tells which processes to look into.
	// fresh is false when it is not time for a reading: the last one stands.
	read(ctx context.Context, now time.Time, t *procTable, wants func(key procKey, demand float64) bool) (fresh bool, err error)
	// members are all processes with their parents, of the last reading.
	members(ctx context.Context) []kin
	// describe completes what is shown of a process: its name, its threads.
	describe(p *procUse) (name string, threads int)
	// note says in words what this road does not see; "" = it sees everything.
	note() string
	close()
	workSource
}

// threads reads what processes and threads do and says which are full.
type threads struct {
	source procSource
	found  *listeners
	rule   *rule
	work   *serviceWork
	table  procTable
	last   threadsReading
}

var _ Collector = (*threads)(nil)

func newThreads(c Config, found *listeners, idle *idleCores) *threads {
	return &threads{source: newProcSource(c, idle), found: found, rule: newRule(), work: newServiceWork()}
}

// Name implements Collector.
func (c *threads) Name() string { return "threads" }

// Close implements Collector.
func (c *threads) Close() error {
	c.source.close()
	return nil
}

// Collect implements Collector.
func (c *threads) Collect(ctx context.Context, now time.Time) (Reading, error) {
	c.table.reset()
	fresh, err := c.source.read(ctx, now, &c.table, c.rule.wants)
	if fresh {
		c.last = c.judged(ctx)
	} else if err != nil {
		c.last = threadsReading{}
		c.work.forget()
	}
	r := c.last
	r.work = c.work.read(ctx, c.source, now, fresh)
	if note := c.source.note(); note != "" {
		err = errors.Join(err, errors.New(note))
	}
	return r.apply, err
}

// judged is what one interval says.
func (c *threads) judged(ctx context.Context) threadsReading {
	if !c.table.begun {
		return threadsReading{pending: !c.table.blind}
	}
	found, pending := c.rule.judge(c.table.heavy)
	r := threadsReading{pending: pending}
	families := c.families()
	var all []kin
	if len(families) > 0 {
		all = c.source.members(ctx)
	}
	c.work.assign(families, all)
	r.services = judgeServices(families, all, found)
	named := make(map[int]string)
	for _, p := range chosen(c.table.procs, found) {
		name, n := c.source.describe(p)
		named[p.key.pid] = p.comm
		f := found[p.key]
		if f != nil && f.Name == p.comm {
			f.Name = name
		}
		r.processes = append(r.processes, shownProcess{
			pid: uint32(p.key.pid), name: name, run: thousandths(p.run), wait: thousandths(p.wait),
			threads: uint32(n), finding: f,
		})
	}
	for _, f := range r.services {
		f.Name = printName(f.Name)
	}
	for _, f := range found {
		f.Name = printName(f.Name)
	}
	slices.SortStableFunc(c.table.threads, func(a, b busyThread) int { return cmp.Compare(b.demand(), a.demand()) })
	for _, t := range c.table.threads[:min(len(c.table.threads), shownThreads)] {
		name := printName(t.name)
		if t.tid == t.pid || named[t.pid] == t.name {
			name = "" // that of its process
		}
		r.threads = append(r.threads, shownThread{
			pid: uint32(t.pid), tid: uint32(t.tid), name: name, run: thousandths(t.run), wait: thousandths(t.wait),
		})
	}
	return r
}

// families are the processes behind the ports that listen.
func (c *threads) families() []servers {
	ports, _ := c.found.get()
	var out []servers
	for _, p := range ports {
		if p.owner.root != 0 {
			out = append(out, servers{port: p.port, roots: p.roots})
		}
	}
	return out
}

// chosen are the processes that are shown, the one with the highest demand
// first: the busiest, and every one with a finding as far as a sample holds them.
func chosen(procs []*procUse, found map[procKey]*sample.Finding) []*procUse {
	var out []*procUse
	for _, p := range procs {
		least := shownDemand
		if p.kernel {
			least = shownKernel
		}
		if p.demand() >= least || found[p.key] != nil {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *procUse) int {
		return cmp.Or(cmp.Compare(b.demand(), a.demand()), cmp.Compare(a.key.pid, b.key.pid))
	})
	n := 0
	for i, p := range out {
		if i < shownProcesses || found[p.key] != nil && n < sample.MaxProcesses {
			out[n] = p
			n++
		}
	}
	return out[:n]
}

// printName makes the name of a thread fit for a sample.
func printName(name string) string { return cut(sample.Printable(name), sample.MaxName) }

// threadsReading is what is written into samples until the next reading. It is
// not changed once it is made.
type threadsReading struct {
	processes []shownProcess
	threads   []shownThread
	services  map[uint16]*sample.Finding
	pending   bool
	work      []portWork // of this interval
}

type shownProcess struct {
	pid, run, wait, threads uint32
	name                    string
	finding                 *sample.Finding
}

type shownThread struct {
	pid, tid, run, wait uint32
	name                string
}

// apply is a Reading.
func (r threadsReading) apply(s *sample.Sample) {
	for _, p := range r.processes {
		s.Processes = append(s.Processes, &sample.Process{
			Pid: p.pid, Name: p.name, Run: p.run, Wait: p.wait, Threads: p.threads, Finding: p.finding,
		})
	}
	for _, t := range r.threads {
		s.Threads = append(s.Threads, &sample.Thread{Pid: t.pid, Tid: t.tid, Name: t.name, Run: t.run, Wait: t.wait})
	}
	for _, v := range s.GetServices() {
		if f := r.services[uint16(v.GetPort())]; f != nil {
			v.Finding = f
		}
		for i := range r.work {
			if uint32(r.work[i].port) == v.GetPort() {
				r.work[i].apply(v)
			}
		}
	}
	s.FindingsPending = r.pending
}
