package collectors

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"capmon/collectors/kernel"
)

func newProcSource(c Config, idle *idleCores) procSource {
	if c.Portable {
		return new(portableProcs)
	}
	return &linuxProcs{config: c, idle: idle, later: later{after: c.KernelAfter}}
}

// linuxProcs takes the kernel's iterator over threads where it may, else /proc.
type linuxProcs struct {
	procSource            // nil before the first reading
	next       procSource // takes over with the next reading; nil = none
	tried      bool       // to load the iterator
	later      later      // when to
	config     Config
	idle       *idleCores
	said       string // why not the kernel's iterator, not yet told
}

// loadTasks is a variable so that a test can refuse it.
var loadTasks = func() (taskReader, error) { return kernel.NewTasks() }

func (s *linuxProcs) read(ctx context.Context, now time.Time, t *procTable, wants func(procKey, float64) bool) (bool, error) {
	if s.procSource == nil {
		s.begin()
	}
	if s.next != nil {
		s.procSource.close()
		s.procSource, s.next = s.next, nil
	}
	if !s.tried && s.later.due(now) {
		s.tried = true
		s.load(ctx, now)
	}
	return s.procSource.read(ctx, now, t, wants)
}

// begin takes /proc, if its numbers are ours.
func (s *linuxProcs) begin() {
	// The kernel is asked by the numbers that are found below /proc: they must be
	// those by which it knows processes here.
	self, err := os.Readlink(filepath.Join(s.config.Proc, "self"))
	if err == nil && self != strconv.Itoa(os.Getpid()) {
		s.tried = true
		s.procSource = noProcs{fmt.Sprintf("%s is that of another PID namespace (this process is %d, not %.32q): threads are not read; mount one of this namespace",
			s.config.Proc, os.Getpid(), self)}
		return
	}
	s.procSource = newClockSource(s.config, s.idle)
	// Without a self this is no procfs of a kernel that could be asked.
	s.tried = s.tried || err != nil
}

// load puts the iterator in the place of /proc: at once before the first
// reading, else for the next, with a reading to compare that one with.
func (s *linuxProcs) load(ctx context.Context, now time.Time) {
	tasks, err := loadTasks()
	if err != nil {
		s.said = fmt.Sprintf("%v; until then threads are read from /proc, those of busy processes only", err)
		return
	}
	next := newTaskSource(tasks, s.config, s.idle)
	if s.later.first.Equal(now) {
		s.procSource.close()
		s.procSource = next
		return
	}
	_, err = next.read(ctx, now, new(procTable), func(procKey, float64) bool { return false })
	if err != nil {
		next.close()
		return
	}
	s.next = next
}

// noProcs is the source of a process that can't tell others apart.
type noProcs struct{ why string }

func (noProcs) read(context.Context, time.Time, *procTable, func(procKey, float64) bool) (bool, error) {
	return false, nil
}
func (noProcs) members(context.Context) []kin   { return nil }
func (noProcs) describe(*procUse) (string, int) { return "", 0 }
func (n noProcs) note() string                  { return n.why }
func (noProcs) close()                          {}

func (noProcs) clocks(context.Context, time.Time, []int, map[int]uint64)            {}
func (noProcs) threadClocks(context.Context, []int, func(pid, tid int, run uint64)) {}
func (noProcs) threadClock(int, int) (uint64, bool)                                 { return 0, false }

func (s *linuxProcs) note() string {
	if s.procSource == nil {
		return ""
	}
	said := s.said
	s.said = ""
	if more := s.procSource.note(); said == "" {
		said = more
	} else if more != "" {
		said += "; " + more
	}
	return said
}

func (s *linuxProcs) close() {
	for _, v := range []procSource{s.procSource, s.next} {
		if v != nil {
			v.close()
		}
	}
}
