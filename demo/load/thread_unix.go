//go:build unix

package load

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// niceThread makes the calling thread so nice; elsewhere than on Linux it is
// the whole process.
func niceThread(n int) error {
	if n == NiceNow() {
		return nil
	}
	err := unix.Setpriority(unix.PRIO_PROCESS, 0, n)
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("nice %d: this user may only go up from %d: choose %d to 19, or run it as root", n, NiceNow(), NiceNow())
	case err != nil:
		return fmt.Errorf("nice %d: %w", n, err)
	}
	return nil
}

// paceClock is what a share of a period is measured with.
func paceClock() time.Duration { return threadCPU() }

// sleepThread keeps the calling thread, and not its goroutine only, off the
// cores for d.
func sleepThread(d time.Duration) {
	t := unix.NsecToTimeval(int64(d))
	_, _ = unix.Select(0, nil, nil, nil, &t) // a signal may end it early: the caller looks at the clock
}
