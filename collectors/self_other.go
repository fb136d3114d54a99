//go:build !linux

package collectors

func newSelfSource(Config) selfSource { return new(portableSelf) }
