package collectors

// socketQueue is the queue of one socket that listens.
type socketQueue struct {
	id         uint64 // inode
	port       uint16
	now, limit uint32
	drops      uint32 // since the socket was made
	dropsKnown bool
}

// turnedAway adds up by port what was turned away since capmon began: what a
// socket had turned away before, and what went with a socket that is closed,
// must neither count nor be lost.
type turnedAway struct {
	begun   bool
	sockets map[uint64]uint32 // drops of each socket, at the last time
	ports   map[uint16]uint64
}

// fill writes the queues of the sockets into the ports of the table.
func (a *turnedAway) fill(t *portTable, queues []socketQueue) {
	last := a.sockets
	a.sockets = make(map[uint64]uint32, len(queues))
	ports := make(map[uint16]uint64, len(t.ports))
	for i := range t.ports {
		p := &t.ports[i]
		p.queue = nil
		ports[p.port] = a.ports[p.port]
	}
	for _, q := range queues {
		at := t.index[q.port]
		if at == 0 {
			continue
		}
		p := &t.ports[at-1]
		if p.queue == nil {
			p.queue = new(listenQueue)
		}
		p.queue.now += q.now
		p.queue.limit += q.limit
		if !q.dropsKnown {
			continue
		}
		// One that fell is another socket's, which has the same number.
		if before, ok := last[q.id]; (ok || a.begun) && q.drops >= before {
			ports[q.port] += uint64(q.drops - before)
		}
		a.sockets[q.id] = q.drops
		p.queue.drops = new(ports[q.port])
	}
	a.begun, a.ports = true, ports
}
