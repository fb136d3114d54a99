package load

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const canPin = true

// setNice lowers the calling thread: on Linux each has its own.
func setNice(n int) error {
	if n == 0 {
		return nil
	}
	if now, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && 20-now >= n {
		return nil // it runs behind others already, and may not come forward
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, n); err != nil {
		return fmt.Errorf("nice %d: %w", n, err)
	}
	return nil
}

// pin holds the calling thread to the i-th core that it may use, beginning
// anew after the last.
func pin(i int) error {
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return fmt.Errorf("pin: the cores this process may use: %w", err)
	}
	i %= max(1, may.Count())
	for cpu := range len(may) * 64 {
		if !may.IsSet(cpu) {
			continue
		}
		if i == 0 {
			one.Set(cpu)
			break
		}
		i--
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	return nil
}
