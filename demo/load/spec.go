package load

import (
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// MaxThreads bounds the busy threads of one run, over all its processes.
	MaxThreads = 1024
	// MaxProcesses bounds its child processes.
	MaxProcesses = 256
	// MaxTime bounds how long it lasts.
	MaxTime = 24 * time.Hour
)

// Spec says what a load is made of.
type Spec struct {
	Processes int           // child processes; 0 = the threads are this process's own
	Threads   int           // busy threads of each process
	Duty      float64       // share of the time that each thread is busy, 0..1
	Lock      Lock          // what the threads of one process share
	For       time.Duration // it stops by itself after that
	Nice      int           // of every thread (see nice(2)), -20..19
	Pin       bool          // each thread on a core of its own, in turn
}

// Check tells what is wrong with s.
func (s Spec) Check() error {
	switch {
	case s.Processes < 0 || s.Processes > MaxProcesses:
		return fmt.Errorf("%d processes: want 1 to %d", s.Processes, MaxProcesses)
	case s.Threads < 1 || s.Threads > MaxThreads:
		return fmt.Errorf("%d threads: want 1 to %d", s.Threads, MaxThreads)
	case s.Workers() > MaxThreads:
		return fmt.Errorf("%d processes of %d threads are %d threads: want %d at most", s.Processes, s.Threads, s.Workers(), MaxThreads)
	case !(s.Duty >= 0 && s.Duty <= 1):
		return fmt.Errorf("a duty of %v%%: want 0 to 100", s.Duty*100)
	case s.For <= 0 || s.For > MaxTime:
		return fmt.Errorf("for %v: want more than 0 and at most %v", s.For, MaxTime)
	case s.Nice < -20 || s.Nice > 19:
		return fmt.Errorf("nice %d: want -20 to 19, 19 being the nicest", s.Nice)
	case s.Lock != NoLock && s.Threads < 2:
		return errors.New("a lock is shared by the threads of one process: want two threads or more")
	}
	return nil
}

// Workers is how many busy threads s has.
func (s Spec) Workers() int { return max(1, s.Processes) * s.Threads }

// LeavesOne is how many busy threads leave one of cores free, and at least one.
// cores may be a fraction: the quota of a container.
func LeavesOne(cores float64) int {
	if !(cores >= 2) {
		return 1
	}
	return int(math.Min(cores, MaxThreads+1)) - 1
}
