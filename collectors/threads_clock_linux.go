package collectors

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// listEvery is how often the numbers of processes are listed although the
	// kernel says that none began.
	listEvery = 30 * time.Second

	// followRun is what a process used, in cores, that is read every second while
	// the others are too many for that.
	followRun = 0.30
)

// clockSource reads the CPU clock of every process it sees, 2 µs each, and the
// threads of those that are busy from /proc/PID/task. It needs no rights.
type clockSource struct {
	proc  string
	rooms *rooms
	idle  *idleCores
	names *procNames
	cpu   func(pid int) (nanoseconds uint64, err error)

	scope     *scopeMembers // nil = every process there is
	scopeTurn uint64

	pace    threadPace
	newest  kept // /proc/loadavg: its last number is that of the newest process
	walk    walker
	procs   map[int]*clockProc
	order   []*clockProc // the same, as they were listed
	listed  time.Time
	lastNew string
	swept   time.Time // when all of them were last read; zero = never
	noted   bool      // hidden is known
	hidden  string    // why other processes are not seen
	smallFile
}

// clockProc is one process and what was last read of it.
type clockProc struct {
	procUse
	clock   uint64    // nanoseconds
	at      time.Time // of clock; zero = none
	facts   time.Time // when name, parent and beginning were read; zero = never
	gone    bool
	tasks   map[int]*clockThread // nil = not looked into
	drilled time.Time            // when tasks were read
}

func newClockSource(c Config, idle *idleCores) *clockSource {
	return &clockSource{
		proc: c.Proc, rooms: newRooms(c, idle), idle: idle, names: newProcNames(c.Proc), cpu: processClock,
		newest: kept{path: c.Proc + "/loadavg"}, walk: walker{buf: make([]byte, 8<<10)}, procs: make(map[int]*clockProc),
	}
}

// processClock is the CPU time of another process; nobody is refused it.
func processClock(pid int) (uint64, error) {
	const schedClock = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &t); err != nil {
		return 0, err
	}
	return uint64(t.Nano()), nil
}

func (s *clockSource) close() {
	s.rooms.close()
	s.newest.close()
}

// note says that other users' processes are not to be seen.
func (s *clockSource) note() string {
	if !s.noted {
		s.noted = true
		if _, err := readBounded(filepath.Join(s.proc, "1", "stat")); err != nil {
			s.hidden = fmt.Sprintf("processes of other users are hidden here (hidepid; %v): run as root to see them", err)
		}
	}
	return s.hidden
}

func (s *clockSource) read(ctx context.Context, now time.Time, t *procTable, wants func(procKey, float64) bool) (bool, error) {
	s.walk.ctx = ctx
	all := s.pace.due(now)
	if all {
		defer s.pace.begin(now)()
		s.list(now)
	}
	t.begun = !s.swept.IsZero()
	for _, p := range s.order {
		if all || p.run >= followRun || wants(p.key, p.demand()) {
			s.readClock(p, now)
		}
	}
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("read the processes' clocks: %w", err)
	}
	if all {
		s.swept = now
	}
	if t.begun {
		s.drill(now, t, wants)
	}
	s.order = slices.DeleteFunc(s.order, func(p *clockProc) bool {
		if p.gone {
			delete(s.procs, p.key.pid)
		}
		return p.gone
	})
	for _, p := range s.order {
		t.procs = append(t.procs, &p.procUse)
	}
	s.rooms.forget(now)
	return true, nil
}

// list finds out which processes there are, if the kernel says that one began.
func (s *clockSource) list(now time.Time) {
	if s.scope != nil {
		s.listScope(now)
		return
	}
	b, err := s.newest.read(128)
	newest := lastField(b)
	if err == nil && newest == s.lastNew && newest != "" && now.Sub(s.listed) < listEvery {
		return
	}
	s.listed, s.lastNew = now, newest
	s.relist(func(visit func(pid int)) {
		s.walk.eachName(s.proc, func(_ int, name string) bool {
			if pid, err := strconv.ParseUint(name, 10, 31); err == nil && pid > 0 {
				visit(int(pid))
			}
			return true
		})
	})
}

// relist follows the processes that each visits, and no others.
func (s *clockSource) relist(each func(visit func(pid int))) {
	for _, p := range s.order {
		p.gone = true
	}
	s.order = s.order[:0]
	each(func(pid int) {
		p := s.procs[pid]
		if p == nil {
			// It began since the last list, so its clock began at 0 since then.
			p = &clockProc{procUse: procUse{key: procKey{pid: pid}}, at: s.swept}
			s.procs[pid] = p
		}
		p.gone = false
		s.order = append(s.order, p)
	})
	for pid, p := range s.procs {
		if p.gone {
			delete(s.procs, pid)
		}
	}
}

// lastField is the last word of a line.
func lastField(b []byte) string {
	b = bytes.TrimSpace(b)
	return string(b[bytes.LastIndexByte(b, ' ')+1:])
}

// readClock takes the difference of a process's CPU clock.
func (s *clockSource) readClock(p *clockProc, now time.Time) {
	clock, err := s.cpu(p.key.pid)
	if err != nil {
		p.gone = true
		return
	}
	took := now.Sub(p.at).Seconds()
	p.run, p.wait = 0, 0
	if clock < p.clock {
		// Another process with the same number.
		*p = clockProc{procUse: procUse{key: procKey{pid: p.key.pid}}}
	} else if !p.at.IsZero() && took > 0 {
		p.run = float64(clock-p.clock) / 1e9 / took
	}
	p.clock, p.at = clock, now
}
