package collectors

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"capmon/sample"
)

// listenSocket is one TCP socket that listens. Several may share a port:
// addresses of their own, or SO_REUSEPORT.
type listenSocket struct {
	local netip.AddrPort // plain; the unspecified address takes every one
	// id tells sockets apart: the inode on Linux, else the process.
	id uint64
}

// owner is who listens.
type owner struct {
	name string // of the process; empty = may not be seen
	root int    // process that the others who share the socket come from; 0 = unknown
	own  bool   // capmon itself
}

// servicePort is a port that listens and what is connected to it.
type servicePort struct {
	port    uint16
	owner   owner
	roots   []int        // of every one of its sockets, where they are known
	addrs   []netip.Addr // what it listens on
	any     bool         // one of them takes every address of both families
	key     uint64       // changes when a socket is made anew
	clients uint32       // established, server side
	counted bool         // clients is known
	accepts *float32     // connections accepted a second; nil = unknown
	queue   *listenQueue // nil = unknown
	behind  uint16       // the port of the service here that all clients are; 0 = an edge
	peers   []peer       // who held most when last listed, never changed again; nil = not known

	// Of a scope, where others of the machine may listen on the port too.
	scoped bool
	not    []netip.Addr // addresses where others do
	shared bool         // others do
	mixed  bool         // at an address that is the scope's too: whose a connection is can't be told
}

// among notes who else listens on the port of a scope.
func (p *servicePort) among(others []listenSocket) {
	p.scoped = true
	for _, o := range others {
		if o.local.Port() != p.port {
			continue
		}
		a := o.local.Addr()
		p.shared = true
		switch {
		case slices.Contains(p.addrs, a):
			p.mixed = true
		case !a.IsUnspecified():
			p.not = append(p.not, a)
		}
	}
}

// only is the one IPv4 address at which the port of a scope listens; not valid
// where there are several, or any.
func (p *servicePort) only() netip.Addr {
	if !p.scoped || p.any || len(p.addrs) == 0 || !p.addrs[0].Is4() || p.addrs[0].IsUnspecified() {
		return netip.Addr{}
	}
	for _, a := range p.addrs {
		if a != p.addrs[0] {
			return netip.Addr{}
		}
	}
	return p.addrs[0]
}

// listenQueue is the queue of connections that wait to be accepted at a port.
type listenQueue struct {
	now, limit uint32
	drops      *uint64 // turned away since capmon began; nil = unknown
}

// takes tells whether a connection to addr came through this port.
func (p *servicePort) takes(addr netip.Addr) bool {
	if slices.Contains(p.not, addr) {
		return false
	}
	if p.any {
		return true
	}
	for _, a := range p.addrs {
		if a == addr || a.IsUnspecified() && (a.Is6() || addr.Is4()) {
			return true
		}
	}
	return false
}

// portTable counts connections by the port that listens for them.
type portTable struct {
	sockets []listenSocket // sorted
	ports   []servicePort  // sorted by port, own ones included
	index   [1 << 16]uint16
	heavy   []*heavyPeers // of the walk that is on, by place in ports; nil = no connection yet

	established uint32
	known       bool // established is known
	own         []connEnds
	network     networkState
}

// networkState is what is known of all connections together, beside their
// number. What is nil is unknown.
type networkState struct {
	source                sample.ConnectionSource
	drift                 *int32
	timeWait              *uint32
	portsUsed, portsLimit *uint32
}

// loopbackOf is the address at which a port can be reached over loopback; ok
// is false where it listens on none.
func loopbackOf(addrs []netip.Addr) (a netip.Addr, ok bool) {
	for _, a := range addrs {
		switch {
		case a == netip.IPv4Unspecified(), a == netip.IPv6Unspecified():
			if a.Is4() {
				return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
			}
			return netip.IPv6Loopback(), true
		case a.IsLoopback():
			return a, true
		}
	}
	return netip.Addr{}, false
}

// sortSockets puts sockets in the order listen wants.
func sortSockets(s []listenSocket) {
	slices.SortFunc(s, func(a, b listenSocket) int {
		return cmp.Or(cmp.Compare(a.local.Port(), b.local.Port()), a.local.Addr().Compare(b.local.Addr()), cmp.Compare(a.id, b.id))
	})
}

// listen takes the sockets that listen now, sorted, and who owns each. Counts
// of ports that stay are kept.
func (t *portTable) listen(sockets []listenSocket, owners []owner) {
	old := t.ports
	for _, p := range old {
		t.index[p.port] = 0
	}
	t.sockets = append(t.sockets[:0], sockets...)
	t.ports = make([]servicePort, 0, len(sockets))
	for i, s := range sockets {
		n := len(t.ports)
		if n == 0 || t.ports[n-1].port != s.local.Port() {
			t.ports = append(t.ports, servicePort{port: s.local.Port(), owner: owners[i]})
			n++
		} else {
			t.ports[n-1].owner = t.ports[n-1].owner.and(owners[i])
		}
		p := &t.ports[n-1]
		if r := owners[i].root; r != 0 && !slices.Contains(p.roots, r) {
			p.roots = append(p.roots, r)
		}
		p.addrs = append(p.addrs, s.local.Addr())
		p.any = p.any || s.local.Addr() == netip.IPv6Unspecified()
		p.key = (p.key ^ s.id) * 0x100000001b3
	}
	for i := range t.ports {
		p := &t.ports[i]
		t.index[p.port] = uint16(i + 1)
		if j, ok := slices.BinarySearchFunc(old, p.port, func(o servicePort, port uint16) int { return cmp.Compare(o.port, port) }); ok {
			p.clients, p.counted, p.accepts, p.behind = old[j].clients, old[j].counted, old[j].accepts, old[j].behind
			if p.key == old[j].key || p.owner.name == old[j].owner.name {
				p.peers = old[j].peers // of the same server, though it began anew
			}
		}
	}
}

// and joins the owners of two sockets on one port. Different programs on
// different addresses of a port are both named.
func (o owner) and(other owner) owner {
	switch {
	case o.name == "":
		o.name = other.name
	case other.name != "" && !slices.Contains(strings.Split(o.name, "+"), other.name):
		o.name = cut(o.name+"+"+other.name, sample.MaxName)
	}
	if other.root != 0 && (o.root == 0 || other.root < o.root) {
		o.root = other.root
	}
	o.own = o.own && other.own
	return o
}

// begin starts a new count; own are capmon's own connections.
func (t *portTable) begin(own *ownConns) {
	t.own = own.snapshot(t.own[:0])
	for i := range t.ports {
		t.ports[i].clients, t.ports[i].counted = 0, true
	}
	t.established, t.known = 0, true
}

// beginWalk starts a count by a walk over all sockets.
func (t *portTable) beginWalk(own *ownConns) {
	t.begin(own)
	t.beginPeers()
}

// forget makes every count unknown.
func (t *portTable) forget() {
	for i := range t.ports {
		t.ports[i].counted, t.ports[i].accepts = false, nil
	}
	t.known = false
}

// isOwn tells whether an end of one of capmon's own connections is local or
// remote.
func (t *portTable) isOwn(local, remote netip.AddrPort) bool {
	for _, o := range t.own {
		if o.local == local || o.local == remote {
			return true
		}
	}
	return false
}

// at is the port that a connection with this local address came through; nil
// when it was made from here.
func (t *portTable) at(local netip.AddrPort) *servicePort {
	if i := t.index[local.Port()]; i != 0 && t.ports[i-1].takes(local.Addr()) {
		return &t.ports[i-1]
	}
	return nil
}

// add counts one established connection.
func (t *portTable) add(local, remote netip.AddrPort) {
	if t.isOwn(local, remote) {
		return
	}
	if p := t.at(local); p != nil {
		if p.owner.own {
			return
		}
		p.clients++
		t.sawPeer(int(t.index[p.port])-1, local.Addr(), remote.Addr())
	}
	t.established++
}

// served is how many connections came through a port that listens, those of
// services behind others left out: they are the edge's once more.
func (t *portTable) served() uint32 {
	var n uint32
	for _, p := range t.ports {
		if !p.owner.own && p.behind == 0 {
			n += p.clients
		}
	}
	return n
}

// made is how many connections were not accepted at a port that listens: those
// that take a local port of their own.
func (t *portTable) made() uint32 {
	n := t.established
	for _, p := range t.ports {
		if !p.owner.own {
			n -= min(n, p.clients)
		}
	}
	return n
}

// listeners carries what the connections collector found to the one that looks
// for requests.
type listeners struct {
	first chan struct{} // closed with the first list

	mu   sync.Mutex
	list []servicePort
	any  bool
	hook func([]servicePort)
}

func newListeners() *listeners { return &listeners{first: make(chan struct{})} }

// publish replaces the list, which is not changed afterwards.
func (l *listeners) publish(list []servicePort) {
	l.mu.Lock()
	if !l.any {
		close(l.first)
	}
	l.list, l.any = list, true
	hook := l.hook
	l.mu.Unlock()
	if hook != nil {
		hook(list)
	}
}

// notify has every new list given to hook as soon as it is there; nil ends
// that.
func (l *listeners) notify(hook func([]servicePort)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hook = hook
}

// get returns the last list; ok is false before the first.
func (l *listeners) get() (list []servicePort, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list, l.any
}

// wait waits for the first list, no longer than limit.
func (l *listeners) wait(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-l.first:
	case <-ctx.Done():
	}
}
