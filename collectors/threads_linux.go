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
	return &linuxProcs{config: c, idle: idle}
}

// linuxProcs takes the kernel's iterator over threads where it may, else /proc.
// Which one is decided when it is first read.
type linuxProcs struct {
	procSource // nil before the first reading
	config     Config
	idle       *idleCores
	said       string // why not the kernel's iterator, not yet told
}

// loadTasks is a variable so that a test can refuse it.
var loadTasks = func() (taskReader, error) { return kernel.NewTasks() }

func (s *linuxProcs) read(ctx context.Context, now time.Time, t *procTable, wants func(procKey, float64) bool) (bool, error) {
	if s.procSource == nil {
		s.choose()
	}
	return s.procSource.read(ctx, now, t, wants)
}

func (s *linuxProcs) choose() {
	// The kernel is asked by the numbers that are found below /proc: they must be
	// those by which it knows processes here.
	self, err := os.Readlink(filepath.Join(s.config.Proc, "self"))
	if err == nil && self != strconv.Itoa(os.Getpid()) {
		s.procSource = noProcs{fmt.Sprintf("%s is that of another PID namespace (this process is %d, not %.32q): threads are not read; mount one of this namespace",
			s.config.Proc, os.Getpid(), self)}
		return
	}
	if err == nil {
		tasks, err := loadTasks()
		if err == nil {
			s.procSource = newTaskSource(tasks, s.config, s.idle)
			return
		}
		s.said = fmt.Sprintf("%v; until then threads are read from /proc, those of busy processes only", err)
	}
	s.procSource = newClockSource(s.config, s.idle)
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
	if s.procSource != nil {
		s.procSource.close()
	}
}
