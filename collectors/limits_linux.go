package collectors

import (
	"context"
	"slices"
	"time"
)

// lookPrice is the share of a core that looking at the processes of one server
// may cost: one with hundreds of children is looked at less often.
const lookPrice = 0.0001

// serverLimits looks at the processes of the servers that listen. Their open
// files are counted each second, the rest is looked at every ten.
type serverLimits struct {
	proc    string
	servers map[int]*server // by the process that listens
	files   fileCounter
	members []*member // of all servers
}

// server is one process that listens, with all its ports.
type server struct {
	family *family // nil = gone or hidden
	next   time.Time
	own    ownLimits            // nil = of a kind that has none
	conns  map[uint16]connLimit // what own said since the last look
}

func newLimitsSource(c Config) limitsSource {
	if c.Portable {
		return noLimitsSource{}
	}
	return &serverLimits{proc: c.Proc, servers: make(map[int]*server), files: fileCounter{proc: c.Proc}}
}

func (s *serverLimits) close() {}

// read implements limitsSource.
func (s *serverLimits) read(ctx context.Context, now time.Time, ports []servicePort) []portLimits {
	if s.follow(ctx, now, ports) {
		s.members = s.members[:0]
		for _, v := range s.servers {
			if v.family != nil {
				s.members = append(s.members, v.family.members...)
			}
		}
	}
	s.files.count(ctx, now, s.members)
	known := make([]portLimits, 0, len(ports))
	for _, p := range ports {
		v := s.servers[p.owner.root]
		if v == nil || v.family == nil {
			continue
		}
		known = append(known, portLimits{port: p.port, files: fewest(v.family.members), conns: v.conn(p.port)})
	}
	return known
}

// follow keeps one server for each process that listens, looks at those for
// which it is time, and tells whether any may have other processes now.
func (s *serverLimits) follow(ctx context.Context, now time.Time, ports []servicePort) (changed bool) {
	for root := range s.servers {
		if !slices.ContainsFunc(ports, func(p servicePort) bool { return p.owner.root == root }) {
			delete(s.servers, root)
			changed = true
		}
	}
	for _, p := range ports {
		root := p.owner.root
		if root == 0 {
			continue
		}
		v := s.servers[root]
		if v == nil {
			v = new(server)
			s.servers[root] = v
		}
		if now.Before(v.next) {
			continue
		}
		v.refresh(ctx, now, s.proc, p.owner)
		changed = true
	}
	return changed
}

// conn is how many connections the port can hold.
func (v *server) conn(port uint16) connLimit {
	if v.own == nil {
		return connLimit{}
	}
	l, ok := v.conns[port]
	if !ok {
		l = v.own.of(port)
		v.conns[port] = l
	}
	return l
}

// refresh looks at the server again, and decides when to do so the next time.
func (v *server) refresh(ctx context.Context, now time.Time, proc string, o owner) {
	last := v.family
	took := onThisThread(func() { v.family = readFamily(ctx, proc, o.root, last) })
	v.next = now.Add(max(familyEvery, time.Duration(float64(took)/lookPrice)))
	if v.family == nil {
		v.own = nil
		return
	}
	if last == nil || last.start != v.family.start {
		v.own = newOwnLimits(o.name)
	}
	if v.own != nil {
		v.own.refresh(ctx, proc, v.family)
		v.conns = make(map[uint16]connLimit)
	}
}
