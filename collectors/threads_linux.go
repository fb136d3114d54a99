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
	said       string // the note of the choice, not yet told
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
	err := ownProc(s.config.Proc)
	if err == nil {
		var tasks taskReader
		if tasks, err = loadTasks(); err == nil {
			s.procSource = newTaskSource(tasks, s.config, s.idle)
			return
		}
		s.said = fmt.Sprintf("%v; until then threads are read from /proc, those of busy processes only", err)
	}
	s.procSource = newClockSource(s.config, s.idle)
}

// ownProc tells whether the numbers of processes below proc are those by which
// the kernel knows them here: not so in a fixture, or in a container that shows
// another's /proc.
func ownProc(proc string) error {
	link := filepath.Join(proc, "self")
	target, err := os.Readlink(link)
	if err == nil && target != strconv.Itoa(os.Getpid()) {
		err = fmt.Errorf("%s is process %.32q, not this one", link, target)
	}
	return err
}

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
