package collectors

import (
	"cmp"
	"net/netip"
	"slices"

	"capmon/sample"
)

const (
	// peerCounters bounds the remote addresses of a service that are told apart.
	peerCounters = 16

	// maxPeers is how many of them are told, and leastPeer how many connections
	// of its service, of a hundred, one must hold for that.
	maxPeers  = 4
	leastPeer = 5
)

// peer is a remote address and the connections it holds, at least.
type peer struct {
	addr        netip.Addr
	connections uint32
}

// heavyPeers finds the addresses that come most often among any number of
// others, with peerCounters counters: Misra and Gries, Finding repeated
// elements, 1982. Of n connections it finds every address that holds more than
// n / (peerCounters + 1); what it counts of one is never too much, and too little
// by no more than that. Where no more addresses come than there are counters it
// is exact. The zero value is ready.
type heavyPeers struct {
	all    uint32 // connections, those of nobody in the table included
	used   int
	last   int // the counter of the last one: sockets of a peer often come together
	addrs  [peerCounters]netip.Addr
	counts [peerCounters]uint32
}

// add counts one connection of an address.
func (h *heavyPeers) add(a netip.Addr) {
	h.all++
	if h.last < h.used && h.addrs[h.last] == a {
		h.counts[h.last]++
		return
	}
	for i := range h.used {
		if h.addrs[i] == a {
			h.counts[i]++
			h.last = i
			return
		}
	}
	if h.used < peerCounters {
		h.last = h.used
		h.addrs[h.used], h.counts[h.used] = a, 1
		h.used++
		return
	}
	h.takeOne()
}

// takeOne takes one from every counter: one connection of each address in the
// table goes with the one that found no counter.
func (h *heavyPeers) takeOne() {
	kept := 0
	for i := range h.used {
		if h.counts[i] > 1 {
			h.addrs[kept], h.counts[kept] = h.addrs[i], h.counts[i]-1
			kept++
		}
	}
	h.used = kept
}

// largest are the addresses that hold most, most first; not nil.
func (h *heavyPeers) largest() []peer {
	found := make([]peer, 0, maxPeers)
	for i, n := range h.counts[:h.used] {
		if 100*uint64(n) >= leastPeer*uint64(h.all) {
			found = append(found, peer{h.addrs[i], n})
		}
	}
	slices.SortFunc(found, func(a, b peer) int {
		return cmp.Or(cmp.Compare(b.connections, a.connections), a.addr.Compare(b.addr))
	})
	return slices.Clip(found[:min(len(found), maxPeers)])
}

// beginPeers prepares for a walk over the established sockets.
func (t *portTable) beginPeers() {
	if cap(t.heavy) < len(t.ports) {
		t.heavy = make([]*heavyPeers, len(t.ports))
	}
	t.heavy = t.heavy[:len(t.ports)]
	for _, h := range t.heavy {
		if h != nil {
			*h = heavyPeers{}
		}
	}
}

// sawPeer notes an established connection of the port at place i. Who is on this
// machine counts among all of them and is not named: Service.behind tells of
// those.
func (t *portTable) sawPeer(i int, local, remote netip.Addr) {
	h := t.heavy[i]
	if h == nil {
		h = new(heavyPeers)
		t.heavy[i] = h
	}
	if remote == local || remote.IsLoopback() {
		h.all++
		return
	}
	h.add(remote)
}

// endPeers takes over what a walk saw that came to its end. A port without any
// connection keeps the last: who has nothing to do is still whose server it was.
func (t *portTable) endPeers() {
	for i, h := range t.heavy {
		if h != nil && h.all > 0 {
			t.ports[i].peers = h.largest()
		}
	}
}

// peersRhythm leaves the peers of services in the samples where they are worth
// their bytes: the first two of a service, those where something changed, and
// every eighth, halfway between those with limits. The zero value is ready.
type peersRhythm struct {
	samples uint64
	said    map[uint16]saidPeers // by port
}

// saidPeers is what was last said of one service.
type saidPeers struct {
	peers []peer // never changed again
	times int
}

// settle is called once for each sample and says which services tell their
// peers in it; ports are those of the sample.
func (r *peersRhythm) settle(ports []servicePort) []bool {
	every := r.samples%limitsEighth == limitsEighth/2
	r.samples++
	said := make(map[uint16]saidPeers, len(ports))
	tell := make([]bool, len(ports))
	for i, p := range ports {
		last, before := r.said[p.port]
		// That nobody holds many is news only after somebody did.
		if len(p.peers) == 0 && !before {
			continue
		}
		tell[i] = !before || last.times < 2 || every || peersChanged(last.peers, p.peers)
		if tell[i] {
			last = saidPeers{p.peers, last.times + 1}
		}
		said[p.port] = last
	}
	r.said = said
	return tell
}

// peersChanged tells whether now is news after last: the address that holds most
// was not among them, or nobody is left. Connections come and go; their numbers
// can wait.
func peersChanged(last, now []peer) bool {
	if len(now) == 0 {
		return len(last) > 0
	}
	return !slices.ContainsFunc(last, func(p peer) bool { return p.addr == now[0].addr })
}

// peersMessage is peers as a sample has them. An entry without an address says
// that nobody holds so many: a viewer would go on showing who did.
func peersMessage(peers []peer) []*sample.Peer {
	if len(peers) == 0 {
		return []*sample.Peer{{}}
	}
	list := make([]*sample.Peer, len(peers))
	for i, p := range peers {
		list[i] = &sample.Peer{Address: p.addr.String(), Connections: p.connections}
	}
	return list
}
