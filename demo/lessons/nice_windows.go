package lessons

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// niceProcess makes this process, and what it starts, stand back for others.
func niceProcess(n int) error {
	if err := windows.SetPriorityClass(windows.CurrentProcess(), windows.BELOW_NORMAL_PRIORITY_CLASS); err != nil {
		return fmt.Errorf("nice %d: %w", n, err)
	}
	return nil
}
