package collectors

import (
	"context"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// portableDearest is the share of one core that the portable road may cost; it
// asks the system many things about each process.
const portableDearest = 0.01

// portableEvery is how often processes are read at most.
const portableEvery = 5 * time.Second

// portableProcs reads processes through gopsutil. It has the CPU time of each
// process and nothing of its threads but their number.
type portableProcs struct {
	earliest time.Time
	last     time.Time
	procs    map[procKey]*portableProc
	byPID    map[int]*portableProc
	clocksAt time.Time // the earliest time for the clocks of single processes
}

// portableProc is one process as last read.
type portableProc struct {
	procUse
	p    *process.Process
	used float64 // seconds
	at   time.Time

	named bool // comm and parent were read
}

func (s *portableProcs) close() {}

func (s *portableProcs) note() string {
	return "run-queue waits and threads are not to be had on this road: a full thread is not recognised"
}

func (s *portableProcs) read(ctx context.Context, now time.Time, t *procTable, _ func(procKey, float64) bool) (bool, error) {
	if now.Before(s.earliest) {
		return false, nil
	}
	began := time.Now()
	list, err := process.ProcessesWithContext(ctx)
	if err != nil {
		return false, fmt.Errorf("list the processes: %w", err)
	}
	t.begun, t.blind = !s.last.IsZero(), true
	procs, byPID := make(map[procKey]*portableProc, len(list)), make(map[int]*portableProc, len(list))
	for _, p := range list {
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("read the processes: %w", err)
		}
		if e := s.one(ctx, p, now); e != nil {
			procs[e.key], byPID[e.key.pid] = e, e
			t.procs = append(t.procs, &e.procUse)
		}
	}
	s.procs, s.byPID, s.last = procs, byPID, now
	s.earliest = now.Add(max(portableEvery, time.Duration(float64(time.Since(began))/portableDearest)) - time.Second/2)
	return true, nil
}

// one reads one process; nil when it is gone or may not be read.
func (s *portableProcs) one(ctx context.Context, p *process.Process, now time.Time) *portableProc {
	times, err := p.TimesWithContext(ctx)
	if err != nil {
		return nil
	}
	began, err := p.CreateTimeWithContext(ctx)
	if err != nil || began < 0 {
		return nil
	}
	e := &portableProc{procUse: procUse{key: procKey{int(p.Pid), uint64(began)}}, p: p, used: times.User + times.System, at: now}
	last := s.procs[e.key]
	if last == nil {
		return e
	}
	e.p, e.named, e.comm, e.parent = last.p, last.named, last.comm, last.parent
	if took := now.Sub(last.at).Seconds(); took > 0 && e.used >= last.used {
		e.run = (e.used - last.used) / took
	}
	return e
}

// portableNames is how long names and parents of processes are read at a time;
// each is read once.
const portableNames = 50 * time.Millisecond

// members are nil until the name and the parent of every process are known.
func (s *portableProcs) members(ctx context.Context) []kin {
	out := make([]kin, 0, len(s.procs))
	began := time.Now()
	for _, e := range s.procs {
		if !e.named {
			if time.Since(began) > portableNames {
				return nil
			}
			name, err := e.p.NameWithContext(ctx)
			parent, err2 := e.p.PpidWithContext(ctx)
			if err != nil || err2 != nil {
				continue // gone, or not for us
			}
			e.named, e.comm, e.parent = true, name, int(parent)
		}
		out = append(out, kin{key: e.key, parent: e.parent, comm: e.comm})
	}
	return out
}

// clocks reads none for a while when it was dear.
func (s *portableProcs) clocks(ctx context.Context, now time.Time, pids []int, dst map[int]uint64) {
	if now.Before(s.clocksAt) {
		return
	}
	began := time.Now()
	for _, pid := range pids {
		if e := s.byPID[pid]; e != nil {
			if t, err := e.p.TimesWithContext(ctx); err == nil {
				dst[pid] = uint64((t.User + t.System) * 1e9)
			}
		}
	}
	s.clocksAt = now.Add(time.Duration(float64(time.Since(began))/portableDearest) - time.Second/2)
}

func (s *portableProcs) threadClocks(context.Context, []int, func(pid, tid int, run uint64)) {}

func (s *portableProcs) threadClock(int, int) (uint64, bool) { return 0, false }

func (s *portableProcs) describe(p *procUse) (string, int) {
	e := s.procs[p.key]
	if e == nil {
		return "", 0
	}
	n, err := e.p.NumThreads()
	if err != nil {
		n = 0
	}
	name, err := e.p.Name()
	if err != nil {
		name = ""
	}
	return programName(name, ""), int(max(0, n))
}
