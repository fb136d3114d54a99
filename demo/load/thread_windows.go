package load

import (
	"fmt"
	"math/bits"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	kernel32          = windows.NewLazySystemDLL("kernel32.dll")
	setThreadPriority = kernel32.NewProc("SetThreadPriority")
	setThreadAffinity = kernel32.NewProc("SetThreadAffinityMask")
	getProcAffinity   = kernel32.NewProc("GetProcessAffinityMask")
	getThreadTimes    = kernel32.NewProc("GetThreadTimes")
)

// nameThread does nothing here: names are for debuggers only.
func nameThread(string) {}

// onMainThread is of no matter here: threads have no names.
func onMainThread() bool { return false }

// NameProcess gives this process the name that top and capmon show: at most 15
// bytes, and only where the system has such names (Linux).
func NameProcess(string) {}

// dieWithParent does nothing here: the pipe from the parent does it.
func dieWithParent() {}

// NiceNow is how nice this process is.
func NiceNow() int { return 0 }

// niceThread gives the calling thread the priority that comes nearest: 10 and
// more is the lowest, 1 to 9 below normal.
func niceThread(n int) error {
	var priority int32
	switch {
	case n < 0:
		return fmt.Errorf("nice %d: this system has no such thing for a load: choose 0 to 19", n)
	case n >= 10:
		priority = -2
	case n > 0:
		priority = -1
	}
	if ok, _, err := setThreadPriority.Call(uintptr(windows.CurrentThread()), uintptr(priority)); ok == 0 {
		return fmt.Errorf("nice %d: set the priority of a thread: %w", n, err)
	}
	return nil
}

// threadCPU is the time the calling thread has been on a core. It moves in
// steps of a clock tick, 15.6 ms.
func threadCPU() time.Duration {
	var made, ended, system, user windows.Filetime
	_, _, _ = getThreadTimes.Call(uintptr(windows.CurrentThread()), uintptr(unsafe.Pointer(&made)), uintptr(unsafe.Pointer(&ended)),
		uintptr(unsafe.Pointer(&system)), uintptr(unsafe.Pointer(&user)))
	ticks := func(t windows.Filetime) time.Duration {
		return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
	}
	return ticks(system) + ticks(user)
}

var since = time.Now()

// paceClock is what a share of a period is measured with: the clock on the
// wall, as that of the thread is too coarse.
func paceClock() time.Duration { return time.Since(since) }

// sleepThread keeps the calling thread off the cores for d.
func sleepThread(d time.Duration) { time.Sleep(d) }

// pinThread keeps the calling thread on the i-th core of those it may use,
// beginning anew after the last; of more than 64 cores, on those of its group.
func pinThread(i int) error {
	var may, all uintptr
	if ok, _, err := getProcAffinity.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&may)), uintptr(unsafe.Pointer(&all))); ok == 0 {
		return fmt.Errorf("pin a thread: which cores it may use: %w", err)
	}
	rest := uint64(may)
	for left := i % max(1, bits.OnesCount64(rest)); left > 0; left-- {
		rest &= rest - 1
	}
	if ok, _, err := setThreadAffinity.Call(uintptr(windows.CurrentThread()), uintptr(rest&-rest)); ok == 0 {
		return fmt.Errorf("pin a thread: %w", err)
	}
	return nil
}

// CanPin says why threads can't be kept on a core here; "" = they can.
func CanPin() string { return "" }
