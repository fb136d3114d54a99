package collectors

import (
	"fmt"
	"time"

	"golang.org/x/sys/windows"
)

// processTime is user and kernel time of this process.
func processTime() (time.Duration, error) {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user); err != nil {
		return 0, fmt.Errorf("GetProcessTimes: %w", err)
	}
	return span(kernel) + span(user), nil
}

// span reads a Filetime that is a length of time: units of 100 ns.
func span(f windows.Filetime) time.Duration {
	return time.Duration(uint64(f.HighDateTime)<<32|uint64(f.LowDateTime)) * 100
}
