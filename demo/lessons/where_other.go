//go:build !linux

package lessons

// where tells nothing: this system doesn't say on which core a thread is.
func where([]int) []seenThread { return nil }
