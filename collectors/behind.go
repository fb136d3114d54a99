package collectors

import "time"

// othersStand is how long a service counts as an edge after somebody was seen
// there who is no service of this machine: one visitor in a while must not
// make its connections appear in the totals and go again.
const othersStand = 5 * time.Minute

// behind remembers which services only other services of this machine talk to,
// as a proxy does to the servers behind it. The zero value is ready.
//
// An answer stays until it is contradicted: a backend whose proxy has nothing
// to do is still a backend.
type behind struct {
	of map[uint16]*clientele
}

// clientele is who was seen at a port.
type clientele struct {
	front  uint16    // a service of this machine that was seen there; 0 = none
	others time.Time // when somebody else was last seen; zero = never
}

func (b *behind) at(port uint16) *clientele {
	c := b.of[port]
	if c == nil {
		if b.of == nil {
			b.of = make(map[uint16]*clientele)
		}
		c = new(clientele)
		b.of[port] = c
	}
	return c
}

// saw notes that the service at front talks to port. Where several do, the
// first one stands for all of them.
func (b *behind) saw(port, front uint16) {
	if c := b.at(port); c.front == 0 {
		c.front = front
	}
}

// sawOther notes that port was talked to by who is no service here.
func (b *behind) sawOther(port uint16, now time.Time) { b.at(port).others = now }

// settled tells whether somebody else was seen at port so short a time ago that
// seeing another changes nothing.
func (b *behind) settled(port uint16, now time.Time) bool {
	c := b.of[port]
	return c != nil && !c.others.IsZero() && now.Sub(c.others) < othersStand/5
}

// apply writes the answers into ports and forgets those that are gone.
func (b *behind) apply(ports []servicePort, now time.Time) {
	if len(b.of) == 0 {
		return
	}
	front := make(map[uint16]uint16, len(b.of))
	listens := make(map[uint16]bool, len(ports))
	for _, p := range ports {
		listens[p.port] = true
	}
	for port, c := range b.of {
		if !listens[port] {
			delete(b.of, port)
			continue
		}
		if !listens[c.front] {
			c.front = 0
		}
		if c.front != 0 && (c.others.IsZero() || now.Sub(c.others) >= othersStand) {
			front[port] = c.front
		}
	}
	for i := range ports {
		p := &ports[i]
		p.behind = front[p.port]
		if inCircle(front, p.port) {
			p.behind = 0
		}
	}
}

// inCircle tells whether the way from port to what is in front of it, and so
// on, comes back to port. Then nothing is the edge of it.
func inCircle(front map[uint16]uint16, port uint16) bool {
	at := front[port]
	for range front {
		if at == port || at == 0 {
			break
		}
		at = front[at]
	}
	return at == port
}
