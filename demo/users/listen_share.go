//go:build linux || freebsd

package users

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// portsAreShared tells whether processes can share a port here.
const portsAreShared = true

// listen takes addr; with share others that ask the same way may have it too.
func listen(addr string, share bool) (net.Listener, error) {
	var config net.ListenConfig
	if share {
		config.Control = func(_, _ string, c syscall.RawConn) (err error) {
			if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, sharePort, 1) }); e != nil {
				return e
			}
			return err
		}
	}
	return config.Listen(context.Background(), "tcp", addr)
}
