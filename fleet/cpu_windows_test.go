package fleet

import (
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// cpuTime is the CPU time this process has taken.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var began, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &began, &ended, &kernel, &user); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user.Nanoseconds() + kernel.Nanoseconds())
}
