//go:build unix

package lessons

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// niceProcess makes this process, and what it starts, so nice.
func niceProcess(n int) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, n); err != nil {
		return fmt.Errorf("nice %d: %w", n, err)
	}
	return nil
}
