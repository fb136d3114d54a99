package collectors

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"capmon/collectors/kernel"
)

const (
	// guestsKept is how many connections of a port are looked into, to find the
	// process at their other end.
	guestsKept = 4

	// edgesEvery is how often the kernel's program is asked who connected.
	edgesEvery = 5 * time.Second

	// mostProcesses bounds the processes looked into at a time.
	mostProcesses = 64
)

// guests finds out which services are behind others: who is at the other end of
// their connections. While the established sockets are walked it keeps a few of
// each port, drawn at random; the processes at their other ends are found as
// the owners of ports are. Where the kernel's program runs it is asked as well:
// it sees those that are over at once.
type guests struct {
	behind
	next  time.Time // when to keep some again
	tries int
	kept  []guestsAt // by place in the table of ports; nil = none wanted

	asked time.Time         // when the kernel's program was
	edges []kernel.Edge     // what it said
	far   map[uint16]uint32 // connections from elsewhere, by port, at that time
}

// guestsAt are connections to one port.
type guestsAt struct {
	far  bool // one came from another machine: nothing else matters
	near int
	some []connEnds
}

// look has some kept soon, because something has changed.
func (g *guests) look(now time.Time) { g.next, g.tries = now, 0 }

// begin prepares for a walk over the sockets.
func (g *guests) begin(now time.Time, t *portTable) {
	g.kept = nil
	if !now.Before(g.next) {
		g.kept = make([]guestsAt, len(t.ports))
	}
}

// see notes one established socket.
func (g *guests) see(t *portTable, s *diagSocket) {
	at := t.index[s.sport]
	if at == 0 || g.kept == nil {
		return
	}
	k := &g.kept[at-1]
	if k.far {
		return
	}
	ends := connEnds{local: s.local(), remote: s.remote()}
	p := &t.ports[at-1]
	if !p.takes(ends.local.Addr()) || p.owner.own || t.isOwn(ends.local, ends.remote) {
		return
	}
	if !ends.near() {
		k.far = true
		return
	}
	k.near++
	if len(k.some) < guestsKept {
		k.some = append(k.some, ends)
	} else if i := rand.IntN(k.near); i < guestsKept {
		k.some[i] = ends
	}
}

// meet looks for the processes at the other ends of what was kept. That can be
// dear where processes have very many files open, and is then done seldom.
func (d *diagSource) meet(ctx context.Context, now time.Time, t *portTable) {
	g := &d.guests
	kept := g.kept
	g.kept = nil
	if len(kept) != len(t.ports) || len(kept) == 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	defer func() {
		g.next = now.Add(max(askAgain[min(g.tries, 2)], atMost(dearestCompare, threadTime()-began)))
		g.tries++
	}()
	want := make(map[uint64][]int)
	inodes := make(map[connEnds]uint64)
	for i, k := range kept {
		if k.far {
			g.sawOther(t.ports[i].port, now)
			continue
		}
		for _, c := range k.some {
			if inode, err := d.diag.find(c.remote, c.local, ctx.Err); err == nil && inode != 0 {
				inodes[c], want[uint64(inode)] = uint64(inode), nil
			}
		}
	}
	if len(want) == 0 {
		return
	}
	d.owners.walk(ctx, want)
	for i, k := range kept {
		for _, c := range k.some {
			inode := inodes[c]
			if pids := want[inode]; len(pids) > 0 {
				d.judge(t, t.ports[i].port, pids, now, true)
			} else if again, err := d.diag.find(c.remote, c.local, ctx.Err); inode != 0 && err == nil && uint64(again) == inode {
				// Still there, and nobody's that may be seen.
				g.sawOther(t.ports[i].port, now)
			}
		}
	}
}

// judge notes that one of the processes pids talks to port. Only where every
// such process is known (complete) can it be said who is in front.
func (d *diagSource) judge(t *portTable, port uint16, pids []int, now time.Time, complete bool) {
	var most *servicePort
	for _, pid := range pids {
		if pid == d.owners.self {
			return
		}
		ports := d.owners.listensOn(pid, t.sockets)
		if slices.Contains(ports, port) {
			return // a service that talks to itself says nothing
		}
		for _, at := range ports {
			if p := &t.ports[t.index[at]-1]; most == nil || p.clients > most.clients {
				most = p
			}
		}
	}
	if most == nil {
		d.guests.sawOther(port, now)
	} else if complete {
		d.guests.saw(port, most.port)
	}
}

// meetEdges asks the kernel's program who has connected to whom.
func (d *diagSource) meetEdges(now time.Time, t *portTable) error {
	g := &d.guests
	if now.Sub(g.asked) < edgesEvery {
		return nil
	}
	g.asked = now
	edges, complete, err := d.counter.counts.Edges(g.edges[:0])
	g.edges = edges
	far := make(map[uint16]uint32, len(t.ports))
	for _, p := range t.ports {
		n := d.counter.counts.Read(p.port).Far
		far[p.port] = n
		if n != g.far[p.port] {
			g.sawOther(p.port, now)
		}
	}
	g.far = far
	for i, e := range edges {
		if t.index[e.Port] == 0 || g.settled(e.Port, now) {
			continue
		}
		if i >= mostProcesses {
			complete = false
			continue
		}
		d.judge(t, e.Port, []int{int(e.PID)}, now, complete)
	}
	return err
}
