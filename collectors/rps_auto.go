package collectors

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// probeWait bounds the whole search of one server.
const probeWait = 400 * time.Millisecond

// probe says where the page of a program is looked for. Nothing else is ever
// asked of a server that nobody named.
type probe struct {
	kind    RPSKind
	port    uint16 // the only one that is asked; 0 = every one of the server
	paths   []string
	page    string // in words
	nothing string // what is said when there is none
}

// probes are the programs whose pages are looked for, by the name of the
// process. HAProxy is asked on the socket that its configuration names.
var probes = map[string]*probe{
	"nginx": {
		kind: RPSNginx, paths: []string{"/nginx_status", "/stub_status", "/basic_status"},
		page: "its stub_status page", nothing: "no status page found: add `stub_status` or name one with --rps",
	},
	"apache2": apacheProbe,
	"httpd":   apacheProbe,
	"caddy": {
		kind: RPSCaddy, port: 2019, paths: []string{"/metrics"},
		page: "the metrics of its admin endpoint", nothing: "no metrics on :2019: turn them on in its Caddyfile or name a source with --rps",
	},
	"haproxy": {
		kind: RPSHAProxy,
		page: "its stats socket", nothing: "no stats socket found that this user may ask: add `stats socket` or name one with --rps",
	},
	"prometheus": metricsOn(9090),
	"traefik":    metricsOn(8080),
	"grafana":    metricsOn(3000),
}

var apacheProbe = &probe{
	kind: RPSApache, paths: []string{"/server-status?auto"},
	page: "its server-status page", nothing: "no status page found: allow `server-status` or name one with --rps",
}

// metricsOn is the page of a program that shows its metrics on one well-known
// port.
func metricsOn(port uint16) *probe {
	return &probe{
		kind: RPSPrometheus, port: port, paths: []string{"/metrics"},
		page: "its metrics", nothing: "no metrics with its requests found: name a source with --rps",
	}
}

// probedBy is how the server of a port is asked; nil = it is not.
func probedBy(p servicePort) *probe { return probes[p.owner.name] }

// autoProbe is the search for the status page of one server: one process with
// all its ports. It is done once, and again when one of its ports is new.
type autoProbe struct {
	*probe
	root  int
	keys  map[uint16]uint64 // of its ports, as they were asked
	addrs []netip.AddrPort  // on loopback, lowest port first
	meter *meter            // nil = no page found
}

// newProbes lists the servers to look at now and forgets those that are gone.
func (r *rpsCollector) newProbes(ports []servicePort) []*autoProbe {
	now := make(map[int]*autoProbe)
	for _, p := range ports {
		addr, loopback := loopbackOf(p.addrs)
		how := probedBy(p)
		if how == nil || p.owner.root == 0 || !r.rules.wants(p) || r.namedFor(p, ports) || r.kernelSuffices(p, ports) {
			continue
		}
		// A socket is asked wherever the proxy listens.
		if asked := how.port == 0 || how.port == p.port; how.kind != RPSHAProxy && (!loopback || !asked) {
			continue
		}
		a := now[p.owner.root]
		if a == nil {
			a = &autoProbe{probe: how, root: p.owner.root, keys: make(map[uint16]uint64)}
			now[p.owner.root] = a
		}
		a.keys[p.port] = p.key
		a.addrs = append(a.addrs, netip.AddrPortFrom(addr, p.port))
	}
	for root, old := range r.auto {
		if now[root] == nil {
			old.close()
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
		if old != nil {
			old.close()
		}
		r.auto[root] = a
		fresh = append(fresh, a)
	}
	return fresh
}

// kernelSuffices tells whether the server of p need not be asked: the kernel
// counts, and either has seen responses of it or no traffic that it can't read.
// A page that is asked is load of its own.
func (r *rpsCollector) kernelSuffices(p servicePort, ports []servicePort) bool {
	if r.kernel.awaited() {
		return true // what it can't read is asked then
	}
	if !r.kernel.running() {
		return false
	}
	suffices := true
	for _, q := range ports {
		if q.port != p.port && !q.sameServer(p) {
			continue
		}
		switch w, _ := r.kernel.of(q.port); w.state {
		case kernelCounts:
			return true
		case kernelOpaque, kernelNothing:
			suffices = false
		}
	}
	return suffices
}

func (a *autoProbe) close() {
	if a.meter != nil {
		a.meter.counter.close()
	}
}

// keeps tells whether the answer of the search stands for the ports in keys: a
// page stays while its own port does, and without one every port must have been
// asked.
func (a *autoProbe) keeps(keys map[uint16]uint64) bool {
	if a.meter != nil {
		if a.meter.page == nil {
			return true
		}
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

// namedFor tells whether a source is named for this server, which then is not
// searched.
func (r *rpsCollector) namedFor(p servicePort, ports []servicePort) bool {
	all := &placing{ports: ports, taken: make([]bool, len(ports))}
	for _, m := range r.named {
		i, err := r.target(all, m)
		if err == nil && (ports[i].port == p.port || m.source.wholeServer() && ports[i].sameServer(p)) {
			return true
		}
	}
	return false
}

// run looks for the page. The first reading is the one that shows what it is.
func (a *autoProbe) run(ctx context.Context, proc string, own *ownConns) {
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	if a.kind == RPSHAProxy {
		if path := readHAProxyConfig(proc, a.root).socket; path != "" {
			a.try(ctx, RPSSource{Kind: a.kind, Path: path}, own)
		}
		return
	}
	for _, addr := range a.addrs {
		for _, path := range a.paths {
			if ctx.Err() != nil {
				return
			}
			host := net.JoinHostPort(addr.Addr().String(), strconv.Itoa(int(addr.Port())))
			if a.try(ctx, RPSSource{Kind: a.kind, URL: "http://" + host + path}, own) {
				return
			}
		}
	}
}

// try reads a source once and keeps it if it answers.
func (a *autoProbe) try(ctx context.Context, s RPSSource, own *ownConns) bool {
	m, err := newMeter(s, own, probeBounds)
	if err != nil {
		return false
	}
	m.root = a.root
	if m.poll(ctx); m.err != nil {
		m.counter.close()
		return false
	}
	a.meter = m
	return true
}
