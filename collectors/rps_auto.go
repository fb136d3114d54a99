package collectors

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	nginxName = "nginx"

	// probeWait bounds the whole search of one server.
	probeWait = 400 * time.Millisecond
)

// nginxPaths are the places a stub_status page is looked for. Nothing else is
// ever asked of a server that nobody named.
var nginxPaths = []string{"/nginx_status", "/stub_status", "/basic_status"}

// autoProbe is the search for the status page of one nginx: one process with
// all its ports. It is done once, and again when one of its ports is new.
type autoProbe struct {
	keys  map[uint16]uint64 // of its ports, as they were asked
	addrs []netip.AddrPort  // on loopback, lowest port first
	meter *meter            // nil = no page found
}

// newProbes lists the servers to look at now and forgets those that are gone.
func (r *rpsCollector) newProbes(ports []servicePort) []*autoProbe {
	now := make(map[int]*autoProbe)
	for _, p := range ports {
		addr, ok := loopbackOf(p.addrs)
		if !ok || p.owner.name != nginxName || p.owner.root == 0 || !r.rules.wants(p) || r.namedFor(p, ports) {
			continue
		}
		a := now[p.owner.root]
		if a == nil {
			a = &autoProbe{keys: make(map[uint16]uint64)}
			now[p.owner.root] = a
		}
		a.keys[p.port] = p.key
		a.addrs = append(a.addrs, netip.AddrPortFrom(addr, p.port))
	}
	for root, old := range r.auto {
		if now[root] == nil {
			if old.meter != nil {
				old.meter.page.close()
			}
			delete(r.auto, root)
		}
	}
	var fresh []*autoProbe
	for root, a := range now {
		old := r.auto[root]
		if old != nil && old.keeps(a.keys) {
			old.keys, old.addrs = a.keys, a.addrs
			continue
		}
		if old != nil && old.meter != nil {
			old.meter.page.close()
		}
		r.auto[root] = a
		fresh = append(fresh, a)
	}
	return fresh
}

// keeps tells whether the answer of the search stands for the ports in keys: a
// page stays while its own port does, and without one every port must have been
// asked.
func (a *autoProbe) keeps(keys map[uint16]uint64) bool {
	if a.meter != nil {
		key, ok := keys[a.meter.page.port()]
		return ok && key == a.keys[a.meter.page.port()]
	}
	for port, key := range keys {
		if a.keys[port] != key {
			return false
		}
	}
	return true
}

// namedFor tells whether a page is named for this server, which then is not
// searched.
func (r *rpsCollector) namedFor(p servicePort, ports []servicePort) bool {
	for _, m := range r.named {
		i, err := target(m, ports)
		if err == nil && (ports[i].port == p.port || m.source.Kind == RPSNginx && ports[i].sameServer(p)) {
			return true
		}
	}
	return false
}

// run looks for the page. The first reading is the one that shows what it is.
func (a *autoProbe) run(ctx context.Context, own *ownConns) {
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	for _, addr := range a.addrs {
		for _, path := range nginxPaths {
			if ctx.Err() != nil {
				return
			}
			host := net.JoinHostPort(addr.Addr().String(), strconv.Itoa(int(addr.Port())))
			m, err := newMeter(RPSSource{Kind: RPSNginx, URL: "http://" + host + path}, own)
			if err != nil {
				continue
			}
			if m.poll(ctx); m.result.err == nil {
				a.meter = m
				return
			}
			m.page.close()
		}
	}
}
