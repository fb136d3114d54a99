package collectors

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"capmon/sample"
)

const (
	// workTime is how long the threads of a service are watched before it is said
	// again which of them runs most. The next seconds of that one are shown: had
	// it been chosen for those seconds themselves, workers that take turns would
	// look busier than any of them is.
	workTime = 10 * time.Second
	// workFirst is the same while nothing is known of a service, workTries how
	// often it is that short.
	workFirst = 2 * time.Second
	workTries = 5
	// workEnough is what a process must have run meanwhile to tell how its
	// threads share the work.
	workEnough = 50 * time.Millisecond

	// oneThreadShare of what each process ran is its busiest thread's in
	// oneThreadWindows one after the other: the threads leave the work to one of
	// them. Less than severalShare takes that back at once.
	oneThreadShare   = 0.85
	oneThreadWindows = 2
	severalShare     = 0.75

	// workProcesses bounds the processes of all services together whose clocks
	// are read every second, 2 µs each.
	workProcesses = 256
	// workDepth bounds the parents that a process is looked for.
	workDepth = 32
)

// workSource is what serviceWork asks about processes and threads: their CPU
// time since they began, in nanoseconds.
type workSource interface {
	// clocks reads processes into dst, without those that can't be read now.
	clocks(ctx context.Context, now time.Time, pids []int, dst map[int]uint64)
	// threadClocks visits the threads of the first processes, of as many as it may.
	threadClocks(ctx context.Context, pids []int, visit func(pid, tid int, run uint64))
	// threadClock is one of them now.
	threadClock(pid, tid int) (run uint64, ok bool)
}

// serviceWork follows the run time of the processes of each service, and of the
// thread among them that runs most.
type serviceWork struct {
	clock  func() time.Time
	groups []*workGroup
	pids   []int // of all groups, each once

	last, now map[int]uint64 // clocks of the processes
	at        time.Time      // of the newest; zero = none

	// Of the window that is under way.
	began   time.Time      // zero = none is
	procs   map[int]uint64 // clocks at its beginning, or when a process was first seen
	threads map[workThread]uint64
}

type workThread struct{ pid, tid int }

// workGroup is the processes of a service; of several where they listen on more
// than one port.
type workGroup struct {
	roots []int
	ports []uint16
	pids  []int // empty = not all of them are known
	had   []int // pids of the interval before
	one   *bool // nil = not known yet
	alike int   // windows in a row in which the work was one thread's
	tries int   // short windows that did not tell

	top    workThread // zero = none is chosen
	topRun uint64     // its clock
	topHad bool       // topRun is of the interval before
}

func newServiceWork() *serviceWork {
	return &serviceWork{
		clock: time.Now, last: make(map[int]uint64), now: make(map[int]uint64),
		procs: make(map[int]uint64), threads: make(map[workThread]uint64),
	}
}

// assign takes which processes listen and which there are. What is known of a
// service stays while the same ones listen.
func (w *serviceWork) assign(families []servers, all []kin) {
	old := w.groups
	w.groups = nil
	for _, f := range families {
		same := func(g *workGroup) bool { return slices.Equal(g.roots, f.roots) }
		if i := slices.IndexFunc(w.groups, same); i >= 0 {
			w.groups[i].ports = append(w.groups[i].ports, f.port)
			continue
		}
		g := &workGroup{roots: f.roots}
		if i := slices.IndexFunc(old, same); i >= 0 {
			g = old[i]
			g.ports, g.pids = g.ports[:0], g.pids[:0]
		}
		g.ports = append(g.ports, f.port)
		w.groups = append(w.groups, g)
	}
	w.share(all)
	w.pids = w.pids[:0]
	for _, g := range w.groups {
		for _, pid := range g.pids {
			if !slices.Contains(w.pids, pid) {
				w.pids = append(w.pids, pid)
			}
		}
		if len(w.pids) > workProcesses {
			w.pids = w.pids[:len(w.pids)-len(g.pids)]
			g.pids = g.pids[:0]
		}
	}
}

// share gives each process to the services it works for: those whose root it
// is, or comes from and is called like.
func (w *serviceWork) share(all []kin) {
	byPID := make(map[int]*kin, len(all))
	for i := range all {
		byPID[all[i].key.pid] = &all[i]
	}
	rooted := make(map[int][]*workGroup)
	called := make(map[string]bool)
	for _, g := range w.groups {
		known := !slices.ContainsFunc(g.roots, func(pid int) bool { return byPID[pid] == nil })
		for _, pid := range g.roots {
			if known {
				rooted[pid] = append(rooted[pid], g)
				called[byPID[pid].comm] = true
			}
		}
	}
	for i := range all {
		m := &all[i]
		if !called[m.comm] {
			continue
		}
		at := m
		for range workDepth {
			for _, g := range rooted[at.key.pid] {
				if at.comm == m.comm && !slices.Contains(g.pids, m.key.pid) {
					g.pids = append(g.pids, m.key.pid)
				}
			}
			if at = byPID[at.parent]; at == nil {
				break
			}
		}
	}
}

// read takes one interval. fresh tells that the source has just been read.
func (w *serviceWork) read(ctx context.Context, source workSource, now time.Time, fresh bool) []portWork {
	if len(w.groups) == 0 {
		w.forget()
		return nil
	}
	w.last, w.now = w.now, w.last
	clear(w.now)
	source.clocks(ctx, now, w.pids, w.now)
	at := w.clock()
	took := at.Sub(w.at)
	begun := !w.at.IsZero() && took > 0
	w.at = at
	var out []portWork
	for _, g := range w.groups {
		run, ran := growth(g.pids, w.last, w.now)
		ran = ran && !slices.ContainsFunc(g.had, func(pid int) bool { return !slices.Contains(g.pids, pid) })
		g.had = append(g.had[:0], g.pids...)
		top, known := g.topGrowth(source)
		if !begun {
			continue
		}
		p := portWork{one: g.one}
		if ran {
			p.run = new(perSecond(run, took, sample.MaxRun))
		}
		if known {
			most := uint32(sample.MaxTop)
			if ran {
				most = min(most, *p.run) // a thread's clock is a little behind
			}
			p.top = new(perSecond(top, took, most))
		}
		for _, p.port = range g.ports {
			out = append(out, p)
		}
	}
	for pid, ns := range w.now {
		if _, ok := w.procs[pid]; !ok {
			w.procs[pid] = ns
		}
	}
	if fresh && begun {
		w.turn(ctx, source)
	}
	return out
}

// forget drops what the next interval would be compared with.
func (w *serviceWork) forget() {
	w.at, w.began = time.Time{}, time.Time{}
	clear(w.now)
	clear(w.procs)
}

// growth is what these processes ran between two readings; ok is false where
// one of them began, ended or could not be read: what it ran is not known.
func growth(pids []int, last, now map[int]uint64) (ns uint64, ok bool) {
	for _, pid := range pids {
		before, had := last[pid]
		after, has := now[pid]
		if !had || !has || after < before {
			return 0, false
		}
		ns += after - before
	}
	return ns, len(pids) > 0
}

// since is the growth of a counter; one that went back did not grow.
func since(last, now uint64) uint64 {
	if now < last {
		return 0
	}
	return now - last
}

// perSecond is run time in microseconds a second.
func perSecond(ns uint64, took time.Duration, most uint32) uint32 {
	return uint32(min(float64(ns)/1e3/took.Seconds()+0.5, float64(most)))
}

// topGrowth is what the chosen thread ran since the reading before.
func (g *workGroup) topGrowth(source workSource) (ns uint64, ok bool) {
	if g.top == (workThread{}) {
		return 0, false
	}
	run, has := source.threadClock(g.top.pid, g.top.tid)
	if !has || g.topHad && run < g.topRun {
		g.top, g.topHad, g.tries = workThread{}, false, 0
		return 0, false
	}
	ns, ok = run-g.topRun, g.topHad
	g.topRun, g.topHad = run, true
	return ns, ok
}

// turn ends the window when it is time, says what it showed and begins the next.
func (w *serviceWork) turn(ctx context.Context, source workSource) {
	age := w.at.Sub(w.began)
	short := false
	switch {
	case w.began.IsZero():
		maps.Copy(w.procs, w.last) // those that ran since
	case age >= workTime:
	case age >= workFirst && slices.ContainsFunc(w.groups, w.wanting):
		short = true
	default:
		return
	}
	threads := make(map[workThread]uint64)
	tops := make(map[int]topThreadOf)
	source.threadClocks(ctx, w.busiest(), func(pid, tid int, run uint64) {
		t := workThread{pid, tid}
		threads[t] = run
		if _, looked := w.threads[workThread{pid, pid}]; looked {
			tops[pid] = tops[pid].with(t, since(w.threads[t], run)) // one that began since ran from 0
		}
	})
	if !w.began.IsZero() {
		for _, g := range w.groups {
			wanted := short && w.wanting(g)
			w.judge(g, tops, source)
			if wanted && !g.known() {
				g.tries++
			}
		}
	}
	w.began, w.threads = w.at, threads
	clear(w.procs)
	maps.Copy(w.procs, w.now)
}

// wanting tells whether a service of which nothing is known has worked enough in
// this window to tell.
func (w *serviceWork) wanting(g *workGroup) bool {
	ns, ok := growth(g.pids, w.procs, w.now)
	return ok && !g.known() && g.tries < workTries && ns >= uint64(workEnough)
}

func (g *workGroup) known() bool { return g.one != nil && g.top != workThread{} }

// busiest are the processes that ran in this window, the one that ran most
// first.
func (w *serviceWork) busiest() []int {
	ran := func(pid int) uint64 {
		ns, _ := growth([]int{pid}, w.procs, w.now)
		return ns
	}
	list := slices.DeleteFunc(slices.Clone(w.pids), func(pid int) bool { return ran(pid) < uint64(time.Millisecond) })
	slices.SortFunc(list, func(a, b int) int { return cmp.Or(cmp.Compare(ran(b), ran(a)), cmp.Compare(a, b)) })
	return list
}

// topThreadOf is what a window showed of the threads of one process.
type topThreadOf struct {
	top  workThread
	most uint64
	sum  uint64
}

func (t topThreadOf) with(of workThread, ran uint64) topThreadOf {
	if ran > t.most {
		t.top, t.most = of, ran
	}
	t.sum += ran
	return t
}

// judge says of a service whether its threads leave the work to one, and which
// of them runs most.
func (w *serviceWork) judge(g *workGroup, tops map[int]topThreadOf, source workSource) {
	least, worked := 1.0, false
	var best topThreadOf
	for _, pid := range g.pids {
		t, ok := tops[pid]
		ran, known := growth([]int{pid}, w.procs, w.now)
		if !ok || !known {
			continue
		}
		if t.most > best.most {
			best = t
		}
		// Threads that ended meanwhile are in the clock of the process alone.
		if all := max(t.sum, ran); all >= uint64(workEnough) {
			worked, least = true, min(least, float64(t.most)/float64(all))
		}
	}
	switch {
	case !worked:
		return
	case least < oneThreadShare:
		g.alike = 0
		if least < severalShare || g.one == nil {
			g.one = new(false)
		}
	default:
		if g.alike++; g.alike >= oneThreadWindows {
			g.one = new(true)
		}
	}
	if best.top != g.top {
		run, ok := source.threadClock(best.top.pid, best.top.tid)
		if !ok {
			best.top = workThread{}
		}
		g.top, g.topRun, g.topHad = best.top, run, ok
	}
}

// portWork is what is said of one port; nil = not known.
type portWork struct {
	port     uint16
	run, top *uint32
	one      *bool
}

// apply writes it into a sample.
func (p *portWork) apply(v *sample.Service) {
	if p.run != nil {
		v.RunUs = new(*p.run)
	}
	if p.top != nil {
		v.TopUs = new(*p.top)
	}
	if p.one != nil {
		v.OneThread = new(*p.one)
	}
}
