//go:build !linux

package collectors

func newProcSource(Config, *idleCores) procSource { return new(portableProcs) }
