package collectors

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// ownConns knows the connections capmon itself has made to servers on this
// machine, so that they are not counted as load. The zero value is ready.
type ownConns struct {
	mu     sync.Mutex
	open   []connEnds
	dialed map[uint16]uint32 // connections made so far, by port
	// polls are the responses servers of this machine gave capmon, by port and
	// first digit of the status.
	polls map[uint16][6]uint64
}

// connEnds are the addresses of a connection, both plain.
type connEnds struct{ local, remote netip.AddrPort }

// near tells whether the peer of a connection is on this machine: on loopback,
// or at the address of this end.
func (c connEnds) near() bool {
	return c.remote.Addr().IsLoopback() || c.remote.Addr() == c.local.Addr()
}

// answer notes a response to capmon's own request.
func (o *ownConns) answer(port uint16, status int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.polls == nil {
		o.polls = make(map[uint16][6]uint64)
	}
	n := o.polls[port]
	if class := status / 100; class >= 0 && class < len(n) {
		n[class]++
	}
	o.polls[port] = n
}

// answers are the responses of a port to capmon so far.
func (o *ownConns) answers(port uint16) [6]uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.polls[port]
}

// dial connects and remembers the connection until it is closed.
func (o *ownConns) dial(ctx context.Context, d *net.Dialer, address string) (net.Conn, error) {
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	local, ok := c.LocalAddr().(*net.TCPAddr)
	remote, ok2 := c.RemoteAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return c, nil
	}
	own := connEnds{local: plain(local.AddrPort()), remote: plain(remote.AddrPort())}
	o.mu.Lock()
	o.open = append(o.open, own)
	if o.dialed == nil {
		o.dialed = make(map[uint16]uint32)
	}
	o.dialed[own.remote.Port()]++
	o.mu.Unlock()
	return &ownConn{Conn: c, forget: sync.OnceFunc(func() { o.forget(own) })}, nil
}

func (o *ownConns) forget(c connEnds) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.open, c); i >= 0 {
		o.open = slices.Delete(o.open, i, i+1)
	}
}

// snapshot appends the connections there are now to dst.
func (o *ownConns) snapshot(dst []connEnds) []connEnds {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append(dst, o.open...)
}

// made is how many connections capmon has made to a port so far.
func (o *ownConns) made(port uint16) uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dialed[port]
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
