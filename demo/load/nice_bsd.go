//go:build unix && !linux

package load

// NiceProcess makes this process n nice at least.
func NiceProcess(n int) error { return niceThread(max(n, NiceNow())) }
