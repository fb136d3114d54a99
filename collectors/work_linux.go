package collectors

import (
	"context"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// smallFile reads files of procfs of at most a kilobyte by the bare system
// calls.
type smallFile struct{ buf [1024]byte }

// small is good until the next one.
func (s *smallFile) small(file string) ([]byte, error) {
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, s.buf[:])
	return s.buf[:max(0, n)], err
}

// runOf is the run time of one thread.
func (s *smallFile) runOf(proc string, pid, tid int) (run uint64, ok bool) {
	b, err := s.small(filepath.Join(proc, strconv.Itoa(pid), "task", strconv.Itoa(tid), "schedstat"))
	run, _, ok = parseSchedstat(b)
	return run, ok && err == nil
}

// clocksOf reads the CPU clock of each process.
func clocksOf(pids []int, cpu func(pid int) (uint64, error), dst map[int]uint64) {
	for _, pid := range pids {
		if v, err := cpu(pid); err == nil {
			dst[pid] = v
		}
	}
}

func (s *clockSource) clocks(_ context.Context, _ time.Time, pids []int, dst map[int]uint64) {
	clocksOf(pids, s.cpu, dst)
}

// threadClocks reads a file for each thread, so it looks into few processes.
func (s *clockSource) threadClocks(ctx context.Context, pids []int, visit func(pid, tid int, run uint64)) {
	left := drillThreads
	for _, pid := range pids[:min(len(pids), drillBusiest)] {
		p := s.procs[pid]
		if p == nil || p.threads > left || ctx.Err() != nil {
			continue
		}
		left -= p.threads
		s.eachThread(p, func(folder string, tid int) {
			b, err := s.small(folder + "/schedstat")
			if run, _, ok := parseSchedstat(b); ok && err == nil {
				visit(pid, tid, run)
			}
		})
	}
}

func (s *clockSource) threadClock(pid, tid int) (uint64, bool) { return s.runOf(s.proc, pid, tid) }

func (s *taskSource) clocks(_ context.Context, _ time.Time, pids []int, dst map[int]uint64) {
	clocksOf(pids, s.cpu, dst)
}

// threadClocks are those of the last reading, which has them all.
func (s *taskSource) threadClocks(_ context.Context, pids []int, visit func(pid, tid int, run uint64)) {
	wanted := make(map[int32]bool, len(pids))
	for _, pid := range pids {
		wanted[int32(pid)] = true
	}
	for i := range s.last {
		if k := &s.last[i]; wanted[k.PID] {
			visit(int(k.PID), int(k.TID), k.Run)
		}
	}
}

func (s *taskSource) threadClock(pid, tid int) (uint64, bool) { return s.runOf(s.names.proc, pid, tid) }
