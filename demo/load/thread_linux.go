package load

import (
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nameThread gives the calling thread the name that top and capmon show.
func nameThread(name string) {
	b := append([]byte(name), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0) // a name is no reason to fail
}

// onMainThread says whether this goroutine runs on the first thread of the
// process.
func onMainThread() bool { return unix.Gettid() == unix.Getpid() }

// NameProcess gives this process the name that top and capmon show: at most 15
// bytes, and only where the system has such names (Linux).
func NameProcess(name string) {
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0) // a name is no reason to fail
}

// dieWithParent has the kernel end this process with the thread that started it,
// beside the pipe that tells it so: a process that is stopped reads no pipe.
func dieWithParent() {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) // the pipe is there
}

// NiceNow is how nice this process is.
func NiceNow() int {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return 20 - n // as the system call has it
}

// threadCPU is the time the calling thread has been on a core.
func threadCPU() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // there since Linux 2.6.12
	return time.Duration(t.Nano())
}

// pinThread keeps the calling thread on the i-th core of those it may use,
// beginning anew after the last.
func pinThread(i int) error {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return fmt.Errorf("pin a thread: which cores it may use: %w", err)
	}
	left := i % may.Count()
	for core := 0; ; core++ {
		if !may.IsSet(core) {
			continue
		}
		if left == 0 {
			var one unix.CPUSet
			one.Set(core)
			if err := unix.SchedSetaffinity(0, &one); err != nil {
				return fmt.Errorf("pin a thread to core %d: %w", core, err)
			}
			return nil
		}
		left--
	}
}

// CanPin says why threads can't be kept on a core here; "" = they can.
func CanPin() string { return "" }
