package load

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// NiceProcess gives this process the priority class that comes nearest: 10 and
// more is the lowest, 1 to 9 below normal.
func NiceProcess(n int) error {
	class := uint32(windows.NORMAL_PRIORITY_CLASS)
	switch {
	case n >= 10:
		class = windows.IDLE_PRIORITY_CLASS
	case n > 0:
		class = windows.BELOW_NORMAL_PRIORITY_CLASS
	}
	if err := windows.SetPriorityClass(windows.CurrentProcess(), class); err != nil {
		return fmt.Errorf("nice %d: set the priority of this process: %w", n, err)
	}
	return nil
}
