//go:build unix && !linux

package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// nameThread does nothing here: it takes a C library.
func nameThread(string) {}

// onMainThread is of no matter here: threads have no names.
func onMainThread() bool { return false }

// NameProcess gives this process the name that top and capmon show: at most 15
// bytes, and only where the system has such names (Linux).
func NameProcess(string) {}

// dieWithParent does nothing here: the pipe from the parent does it.
func dieWithParent() {}

// NiceNow is how nice this process is.
func NiceNow() int {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return n
}

// threadCPU is the time the calling thread has been on a core.
func threadCPU() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // both systems have it
	return time.Duration(t.Nano())
}

func pinThread(int) error { return nil }

// CanPin says why threads can't be kept on a core here; "" = they can.
func CanPin() string { return "this system keeps no thread on a core" }
