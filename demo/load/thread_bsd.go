//go:build darwin || freebsd

package load

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const canPin = false

func pin(int) error { return nil } // Check has refused it

// setNice lowers this process: its threads share one here.
func setNice(n int) error {
	if n == 0 {
		return nil
	}
	if now, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && now >= n {
		return nil // it runs behind others already, and may not come forward
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, n); err != nil {
		return fmt.Errorf("nice %d: %w", n, err)
	}
	return nil
}
