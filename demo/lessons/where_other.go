//go:build !linux

package lessons

// where tells nothing: this system doesn't say on which core a thread is.
func where([]int) []seenThread { return nil }

// cpuOf tells nothing: the agent does.
func cpuOf(int) (float64, bool) { return 0, false }
