package collectors

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// ownConns knows the local addresses of the connections capmon itself has made
// to servers on this machine, so that they are not counted as load. The zero
// value is ready.
type ownConns struct {
	mu    sync.Mutex
	addrs []netip.AddrPort
}

// dial connects and remembers the connection until it is closed.
func (o *ownConns) dial(ctx context.Context, d *net.Dialer, address string) (net.Conn, error) {
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	a, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return c, nil
	}
	own := plain(a.AddrPort())
	o.mu.Lock()
	o.addrs = append(o.addrs, own)
	o.mu.Unlock()
	return &ownConn{Conn: c, forget: sync.OnceFunc(func() { o.forget(own) })}, nil
}

func (o *ownConns) forget(a netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.addrs, a); i >= 0 {
		o.addrs = slices.Delete(o.addrs, i, i+1)
	}
}

// snapshot appends the addresses there are now to dst.
func (o *ownConns) snapshot(dst []netip.AddrPort) []netip.AddrPort {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append(dst, o.addrs...)
}

// ownConn is forgotten when it is closed.
type ownConn struct {
	net.Conn
	forget func()
}

// Close implements net.Conn.
func (c *ownConn) Close() error {
	// Forgotten last: the peer may see the end a little later.
	err := c.Conn.Close()
	c.forget()
	return err
}

// plain is a without a zone and with an IPv4 address as such.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
