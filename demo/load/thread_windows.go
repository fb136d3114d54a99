package load

import (
	"fmt"

	"golang.org/x/sys/windows"
)

const canPin = false

func pin(int) error { return nil } // Check has refused it

// setNice lowers this process's class: above 0 below normal, from 15 idle.
func setNice(n int) error {
	if n == 0 {
		return nil
	}
	class := uint32(windows.BELOW_NORMAL_PRIORITY_CLASS)
	if n >= 15 {
		class = windows.IDLE_PRIORITY_CLASS
	}
	if err := windows.SetPriorityClass(windows.CurrentProcess(), class); err != nil {
		return fmt.Errorf("nice %d: %w", n, err)
	}
	return nil
}
