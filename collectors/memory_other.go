//go:build !linux

package collectors

func newMemorySource(Config) memorySource { return portableMemory{} }
