package collectors

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	// drillRun is what a process must have used, in cores, for its threads to be
	// read: the few busiest, and more of them while a core is full, because one
	// that is starved uses little.
	drillRun     = 0.05
	drillBusiest = 8
	drillStarved = 16

	// drillThreads bounds the threads read in one interval, drillCasual those of
	// processes that the rule does not want. A process that has more alone is not
	// looked into.
	drillThreads = 512
	drillCasual  = 128

	// factsEvery is how often name and parent of a process are read again: they
	// change when it runs another program.
	factsEvery = 10 * time.Second
)

// clockThread is one thread as last read.
type clockThread struct {
	name      string
	run, wait uint64 // nanoseconds
	at        time.Time
}

// drill reads the threads of the processes that are busy.
func (s *clockSource) drill(now time.Time, t *procTable, wants func(procKey, float64) bool) {
	for _, p := range s.order {
		if p.facts.IsZero() && p.run >= shownDemand && !p.gone {
			s.readFacts(p, now, factsEvery)
		}
	}
	room, casual := drillThreads, drillCasual
	for _, p := range s.candidates(wants) {
		s.readFacts(p, now, factsEvery)
		left := &casual
		if wants(p.key, p.demand()) {
			left = &room
		}
		if p.gone || p.kernel || p.threads > *left {
			p.tasks = nil
			continue
		}
		*left -= p.threads
		last := p.drilled
		uses := s.readThreads(p, now)
		if last.IsZero() || uses == nil {
			continue
		}
		p.wait = 0
		for _, u := range uses {
			p.wait += u.wait
			if u.demand() >= shownDemand {
				t.threads = append(t.threads, busyThread{p.key.pid, u})
			}
		}
		if !wants(p.key, p.demand()) {
			continue
		}
		h := heavyProc{key: p.key, took: now.Sub(last).Seconds(), run: p.run, wait: p.wait, threads: uses, runnable: -1}
		if d := p.demand(); d >= oneCoreLeast && d <= oneCoreMost {
			h.runnable = s.runnable(p)
		}
		h.room = s.rooms.of(now, h.key, topThread(uses))
		t.heavy = append(t.heavy, h)
	}
	for _, p := range s.order {
		if p.drilled != now {
			p.tasks, p.drilled = nil, time.Time{}
		}
	}
}

// candidates are the processes to look into, those that the rule wants first.
// Where no core is idle it can say nothing, and only the busiest are shown.
func (s *clockSource) candidates(wants func(procKey, float64) bool) []*clockProc {
	most := drillBusiest
	cores := s.idle.get()
	free := anyFree(cores)
	for _, c := range cores {
		if free && c.known && c.idle < fullCores {
			most = drillStarved
		}
	}
	var out []*clockProc
	wanted := 0
	for _, p := range s.order {
		if !p.gone && (p.run >= drillRun || wants(p.key, p.demand())) {
			out = append(out, p)
			if free && wants(p.key, p.demand()) {
				wanted++
			}
		}
	}
	slices.SortFunc(out, func(a, b *clockProc) int {
		wa, wb := wants(a.key, a.demand()), wants(b.key, b.demand())
		if wa != wb {
			if wa {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.run, a.run), cmp.Compare(a.key.pid, b.key.pid))
	})
	return out[:min(len(out), max(most, wanted))]
}

// readThreads compares the threads of a process with those last read; nil when
// it is gone. Threads without times before began since.
func (s *clockSource) readThreads(p *clockProc, now time.Time) []threadUse {
	took := now.Sub(p.drilled).Seconds()
	begun := !p.drilled.IsZero() && took > 0
	if p.tasks == nil {
		p.tasks = make(map[int]*clockThread)
	}
	uses := make([]threadUse, 0, p.threads)
	s.eachThread(p, func(folder string, tid int) {
		b, err := s.small(folder + "/schedstat")
		run, wait, ok := parseSchedstat(b)
		if err != nil || !ok {
			return // ended since it was listed
		}
		th := p.tasks[tid]
		if th == nil {
			th = &clockThread{name: s.comm(folder)}
			p.tasks[tid] = th
		}
		if begun {
			uses = append(uses, threadUse{
				tid: tid, name: th.name,
				run: float64(since(th.run, run)) / 1e9 / took, wait: float64(since(th.wait, wait)) / 1e9 / took,
			})
		}
		th.run, th.wait, th.at = run, wait, now
	})
	for tid, th := range p.tasks {
		if th.at != now {
			delete(p.tasks, tid)
		}
	}
	if len(p.tasks) == 0 {
		return nil
	}
	p.drilled = now
	return uses
}

// runnable counts the threads that are on a core or wait for one.
func (s *clockSource) runnable(p *clockProc) int {
	n := 0
	s.eachThread(p, func(folder string, _ int) {
		b, err := s.small(folder + "/stat")
		if f, ok := parseFacts(b); err == nil && ok && f.state == 'R' {
			n++
		}
	})
	return n
}

// eachThread calls visit with the folder of each thread of a process.
func (s *clockSource) eachThread(p *clockProc, visit func(folder string, tid int)) {
	folder := filepath.Join(s.proc, strconv.Itoa(p.key.pid), "task")
	s.walk.eachName(folder, func(_ int, name string) bool {
		if tid, err := strconv.ParseUint(name, 10, 31); err == nil && tid > 0 {
			visit(folder+"/"+name, int(tid))
		}
		return true
	})
}

// comm is the name of a thread; "" when it may not be read.
func (s *clockSource) comm(folder string) string {
	b, err := s.small(folder + "/comm")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSuffix(b, newline))
}

// parseSchedstat reads "run wait slices", nanoseconds.
func parseSchedstat(b []byte) (run, wait uint64, ok bool) {
	run, b, ok1 := cutNumber(b)
	wait, _, ok2 := cutNumber(b)
	return run, wait, ok1 && ok2
}

// readFacts reads name, parent and beginning of a process unless they are
// younger than old.
func (s *clockSource) readFacts(p *clockProc, now time.Time, old time.Duration) {
	if !p.facts.IsZero() && now.Sub(p.facts) < old {
		return
	}
	b, err := s.small(filepath.Join(s.proc, strconv.Itoa(p.key.pid), "stat"))
	f, ok := parseFacts(b)
	if err != nil || !ok {
		p.gone = true
		return
	}
	if p.key.start != 0 && p.key.start != f.start {
		*p = clockProc{procUse: procUse{key: procKey{pid: p.key.pid}}} // the number was used again
	}
	p.facts = now
	p.key.start, p.comm, p.parent, p.threads, p.kernel = f.start, f.comm, f.parent, f.threads, f.kernel
}

// facts are what is needed of /proc/PID/stat.
type facts struct {
	comm    string
	state   byte
	parent  int
	threads int
	kernel  bool
	start   uint64 // ticks since the machine began
}

// parseFacts reads "pid (comm) state ppid ..."; comm may hold anything, brackets
// and line ends too. The fields after it are numbers, some below 0.
func parseFacts(b []byte) (f facts, ok bool) {
	const (
		fieldParent, fieldFlags, fieldThreads, fieldStart = 4, 9, 20, 22
		flagKernelThread                                  = 0x00200000 // PF_KTHREAD
	)
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || len(b) < end+4 {
		return f, false
	}
	f.comm, f.state = string(b[open+1:end]), b[end+2]
	rest := b[end+3:]
	for field := fieldParent; field <= fieldStart; field++ {
		rest = bytes.TrimPrefix(bytes.TrimLeft(rest, " "), []byte("-"))
		var v uint64
		if v, rest, ok = cutNumber(rest); !ok {
			return facts{}, false
		}
		switch field {
		case fieldParent:
			f.parent = int(min(v, math.MaxInt32))
		case fieldFlags:
			f.kernel = v&flagKernelThread != 0
		case fieldThreads:
			f.threads = int(min(v, math.MaxInt32))
		case fieldStart:
			f.start = v
		}
	}
	return f, true
}

// membersEvery is how old name and parent of a process may be for a service.
const membersEvery = time.Minute

func (s *clockSource) members(ctx context.Context) []kin {
	out := make([]kin, 0, len(s.order))
	for _, p := range s.order {
		if s.readFacts(p, s.swept, membersEvery); !p.gone && !p.kernel {
			out = append(out, kin{key: p.key, parent: p.parent, comm: p.comm})
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return out
}

func (s *clockSource) describe(p *procUse) (string, int) {
	e := s.procs[p.key.pid]
	if e == nil {
		return "", 0
	}
	if e.facts.IsZero() {
		s.readFacts(e, s.swept, factsEvery)
	}
	return s.names.of(p.key, p.comm, p.kernel), p.threads
}
