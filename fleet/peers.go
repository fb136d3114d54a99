package fleet

import (
	"net/netip"

	"capmon/sample"
)

// peerMemory is who held most connections of each service of a host, as its
// samples last said: most don't repeat it, and what is known of a service that
// has nothing to do may be old. It holds no more services than a sample can.
type peerMemory map[serviceKey]saidPeers

// serviceKey tells services of a host apart.
type serviceKey struct {
	port uint32
	name string
}

// saidPeers is what one sample said.
type saidPeers struct {
	seq   uint64
	peers []Peer // never changed again; not nil
}

// remember takes what s says, unless a later sample has said it before. newest
// is the newest sample of the run.
func (m *peerMemory) remember(s, newest *sample.Sample) {
	for _, v := range s.GetServices() {
		if len(v.GetPeers()) == 0 {
			continue
		}
		key := serviceKey{v.GetPort(), v.GetName()}
		if (*m)[key].seq > s.GetSeq() {
			continue
		}
		if *m == nil {
			*m = make(peerMemory)
		}
		(*m)[key] = saidPeers{s.GetSeq(), peersOf(v)}
	}
	if len(*m) > sample.MaxServices {
		m.forget(newest)
	}
}

// forget drops the services that are not there any more.
func (m *peerMemory) forget(newest *sample.Sample) {
	kept := make(peerMemory)
	for _, v := range newest.GetServices() {
		key := serviceKey{v.GetPort(), v.GetName()}
		if said, ok := (*m)[key]; ok {
			kept[key] = said
		}
	}
	*m = kept
}

// of is who holds most connections of a service; nil when it was never said,
// empty when nobody holds many.
func (m peerMemory) of(v *sample.Service) []Peer {
	return m[serviceKey{v.GetPort(), v.GetName()}].peers
}

// peersOf reads a message. An entry without an address says that nobody holds
// many; what is no address is left out.
func peersOf(v *sample.Service) []Peer {
	list := make([]Peer, 0, len(v.GetPeers()))
	for _, p := range v.GetPeers() {
		if a, err := netip.ParseAddr(p.GetAddress()); err == nil {
			list = append(list, Peer{plain(a).String(), int(p.GetConnections())})
		}
	}
	return list
}

// plain is an address as it is compared: IPv4 as such, and without a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
