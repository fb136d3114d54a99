package load

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// NiceProcess makes this process n nice at least: all its threads, and those
// that they start.
func NiceProcess(n int) error {
	n = max(n, NiceNow())
	// Threads that were started meanwhile by one not yet done come in a second look.
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("nice %d: %w", n, err)
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, n); err != nil && err != unix.ESRCH {
				return fmt.Errorf("nice %d: thread %d: %w", n, tid, err)
			}
		}
	}
	return nil
}
