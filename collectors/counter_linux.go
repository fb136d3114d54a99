package collectors

import (
	"time"

	"capmon/collectors/kernel"
)

const (
	// compareEvery is how often the running counter is held against the
	// kernel's table, and dearestCompare the share of one core that it may cost
	// in the mean: with 90,000 connections, both ends here, that is once in six
	// minutes.
	compareEvery   = time.Minute
	dearestCompare = 0.0005

	// compareSoon is the same after a comparison that left something open.
	compareSoon = 2 * time.Second

	// allPorts is where counts of all ports together are found.
	allPorts = 0
)

// connCounts is what the kernel's program has counted; *kernel.Conns.
type connCounts interface {
	Read(port uint16) kernel.ConnCount
	Edges(dst []kernel.Edge) (all []kernel.Edge, complete bool, err error)
	Close() error
}

// connCounter keeps the number of established connections by port: those that were
// there before the kernel's program began to count, plus what it counted. The
// first are taken from one look at the kernel's table; every other look checks
// them.
//
// Connections are made and ended while the table is read, and may or may not be
// in it. So a look gives bounds and not a number; those of several looks are
// narrowed down to one.
type connCounter struct {
	counts connCounts
	begun  bool

	// before are the sockets established before counting, at every local port,
	// by the first look. Once there is a base for a port, that is better.
	before [1 << 16]int32
	bases  map[uint16]*base

	accepted, last map[uint16]uint32 // by port, at the last two fillings
	filled         time.Time
	next           time.Time // when to look again
	drift          *int32

	looks []tableLook
}

// dumper calls each for every established socket there is.
type dumper func(each func(*diagSocket)) error

// base is what is known of the sockets that were established at a port before
// counting began, whichever side opened them.
type base struct {
	least, most int32
	// clients are those of them that did not come through the port: it does not
	// listen at their address.
	clients int32
}

func (b base) value() int32 { return b.least + (b.most-b.least)/2 }

// narrow takes the bounds of another look. Where they contradict, the new ones
// are right, and drift is by how much the old value was too large.
func (b *base) narrow(n base) (drift int32) {
	b.clients = n.clients
	if n.least <= b.most && b.least <= n.most {
		b.least, b.most = max(b.least, n.least), min(b.most, n.most)
		return 0
	}
	drift = b.value() - min(max(b.value(), n.least), n.most)
	b.least, b.most = n.least, n.most
	return drift
}

// tableLook is what was seen at one port while the table was read.
type tableLook struct {
	port             uint16
	sockets, clients int32
	before, after    kernel.ConnCount
}

// bounds are those that the look puts to the sockets before counting. At its
// beginning there were as many as were seen, less at most those that came
// meanwhile, plus at most those that went.
func (l tableLook) bounds() base {
	net := l.before.Server() + l.before.Client()
	came := int32(l.after.Accepted() + l.after.Opened - l.before.Accepted() - l.before.Opened)
	went := int32(l.after.LeftAccepted + l.after.LeftOpened - l.before.LeftAccepted - l.before.LeftOpened)
	return base{
		least:   max(0, l.sockets-came-net),
		most:    max(0, l.sockets+went-net),
		clients: max(0, l.clients-l.before.Client()),
	}
}

// due tells whether it is time to look.
func (c *connCounter) due(now time.Time) bool { return !now.Before(c.next) }

// check looks at the kernel's table with dump and corrects the bases. It is
// called on a locked thread. What is contradicted by one look alone may be the
// fault of that look.
func (c *connCounter) check(now time.Time, t *portTable, dump dumper) error {
	began := threadTime()
	err := c.lookAgain(t, dump)
	if err == nil && c.begun && c.contradicted() {
		err = c.lookAgain(t, dump)
	}
	if err == nil {
		c.narrow()
		t.endPeers()
	}
	took := threadTime() - began
	switch {
	case err != nil:
		c.next = now.Add(max(compareSoon, atMost(dearest, took)))
	case c.open():
		c.next = now.Add(max(compareSoon, atMost(dearestCompare, took)))
	default:
		c.next = now.Add(max(compareEvery, atMost(dearestCompare, took)))
	}
	return err
}

// lookAgain looks once more where the first answer was not whole.
func (c *connCounter) lookAgain(t *portTable, dump dumper) error {
	err := c.look(t, dump)
	if incomplete(err) {
		err = c.look(t, dump)
	}
	return err
}

// look reads the table once into looks, the first entry being the sum.
func (c *connCounter) look(t *portTable, dump dumper) error {
	looks := append(c.looks[:0], tableLook{port: allPorts, before: c.counts.Read(allPorts)})
	for _, p := range t.ports {
		looks = append(looks, tableLook{port: p.port, before: c.counts.Read(p.port)})
	}
	first := !c.begun
	if first {
		clear(c.before[:])
	}
	t.beginPeers()
	err := dump(func(s *diagSocket) {
		looks[0].sockets++
		if first {
			c.before[s.sport]++
		}
		if at := t.index[s.sport]; at != 0 {
			l := &looks[at]
			l.sockets++
			local := s.local()
			if !t.ports[at-1].takes(local.Addr()) {
				l.clients++
			} else if remote := s.remote(); !t.isOwn(local, remote) {
				t.sawPeer(int(at)-1, local.Addr(), remote.Addr())
			}
		}
	})
	for j := range looks {
		looks[j].after = c.counts.Read(looks[j].port)
	}
	c.looks = looks
	if err != nil || !first {
		return err
	}
	for port, n := range c.before {
		if n > 0 {
			counted := c.counts.Read(uint16(port))
			c.before[port] = max(0, n-counted.Server()-counted.Client())
		}
	}
	return nil
}

func (c *connCounter) contradicted() bool {
	for _, l := range c.looks {
		if b := *c.base(l.port); b.narrow(l.bounds()) != 0 {
			return true
		}
	}
	return false
}

// narrow corrects the bases by what was seen, and notes the largest correction.
func (c *connCounter) narrow() {
	if !c.begun {
		c.begun, c.bases = true, make(map[uint16]*base)
		for _, l := range c.looks {
			c.bases[l.port] = new(l.bounds())
		}
		return
	}
	var worst int32
	seen := make(map[uint16]bool, len(c.looks))
	for _, l := range c.looks {
		seen[l.port] = true
		d := c.base(l.port).narrow(l.bounds())
		if max(d, -d) > max(worst, -worst) {
			worst = d
		}
	}
	c.drift = &worst
	// Of ports that don't listen any more a number is enough.
	for port, b := range c.bases {
		if !seen[port] {
			c.before[port] = b.value()
			delete(c.bases, port)
		}
	}
}

// open tells whether a base is not known exactly.
func (c *connCounter) open() bool {
	for _, b := range c.bases {
		if b.least != b.most {
			return true
		}
	}
	return false
}

// base is that of a port, made from the first look where there was none.
func (c *connCounter) base(port uint16) *base {
	b := c.bases[port]
	if b == nil {
		n := c.before[port]
		b = &base{least: n, most: n}
		c.bases[port] = b
	}
	return b
}

// fill brings the numbers of the table up to date. The table's sockets must be
// known; it costs no system call.
func (c *connCounter) fill(now time.Time, t *portTable, own *ownConns) {
	elapsed := now.Sub(c.filled).Seconds()
	c.filled = now
	c.accepted, c.last = c.last, c.accepted
	if c.accepted == nil {
		c.accepted = make(map[uint16]uint32)
	}
	clear(c.accepted)
	t.begin(own)
	n := c.counts.Read(allPorts)
	all := c.base(allPorts).value() + n.Server() + n.Client()
	for i := range t.ports {
		p := &t.ports[i]
		clients, accepted := c.port(p)
		p.clients = uint32(max(0, clients-ownAt(t, p)))
		if p.owner.own {
			all -= clients
		}
		accepted -= own.made(p.port)
		c.accepted[p.port] = accepted
		p.accepts = nil
		if before, ok := c.last[p.port]; ok && elapsed > 0 {
			p.accepts = new(float32(max(0, float64(int32(accepted-before))) / elapsed))
		}
	}
	for _, o := range t.own {
		all--
		if o.near() && !t.toOwn(o) {
			all--
		}
	}
	t.established = uint32(max(0, all))
	t.network.drift = c.drift
}

// port is how many connections came through a port and are established, and how
// many were ever accepted there.
func (c *connCounter) port(p *servicePort) (established int32, accepted uint32) {
	b, n := *c.base(p.port), c.counts.Read(p.port)
	all := b.value() + n.Server() + n.Client()
	if p.queue != nil && p.queue.limit == 0 {
		// With a queue of no length the kernel's program can't tell the sides.
		return max(0, all), n.Accepted() + n.Opened
	}
	return max(0, all-max(0, b.clients+n.Client())), n.Accepted()
}

// ownAt is how many of capmon's own connections go to a port of another
// program.
func ownAt(t *portTable, p *servicePort) (n int32) {
	for _, o := range t.own {
		if o.near() && t.at(o.remote) == p && !p.owner.own {
			n++
		}
	}
	return n
}

// toOwn tells whether one of capmon's connections goes to capmon itself: what
// comes in there is left out of the sum already.
func (t *portTable) toOwn(o connEnds) bool {
	p := t.at(o.remote)
	return p != nil && p.owner.own
}
