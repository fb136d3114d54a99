//go:build unix

package lessons

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// canShare says why several processes can't share a port here; "" = they can.
const canShare = ""

func listen(o portOrder) (net.Listener, error) {
	var c net.ListenConfig
	if o.Share {
		c.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); e != nil {
				return e
			}
			return err
		}
	}
	return c.Listen(context.Background(), "tcp", o.Addr)
}
