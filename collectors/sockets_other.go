//go:build !linux

package collectors

func newSocketSource(c Config, own *ownConns) socketSource { return newTableSource(c, own) }
