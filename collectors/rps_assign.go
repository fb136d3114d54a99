package collectors

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"capmon/sample"
)

// assign gives each port its meter, or the reason why it has none. A meter
// whose service does not listen here is an error; no service is made up for it.
func (r rpsRules) assign(ports []servicePort, meters []*meter) ([]rpsAnswer, []error) {
	answers := make([]rpsAnswer, len(ports))
	with := make([]*meter, len(ports)) // the meter of each port
	for i, p := range ports {
		answers[i].port = p.port
	}
	var errs []error
	for _, m := range meters {
		i, err := target(m, ports)
		switch {
		case err != nil && m.result.err != nil:
			// That the page can't be read is said already.
		case err != nil:
			errs = append(errs, fmt.Errorf("%v: %w", m.source, err))
		case with[i] == nil:
			with[i] = m
			answers[i].meter, answers[i].source, answers[i].metered = m, m.source.Kind.source(), m.result
		case m.source.URL != with[i].source.URL:
			errs = append(errs, fmt.Errorf("%v: port %d has its requests from %v already; give this one another NAME=", m.source, ports[i].port, with[i].source))
		}
	}
	for i, p := range ports {
		if with[i] == nil {
			answers[i].note = r.why(p, ports, with)
		}
	}
	return answers, errs
}

// source is how a sample names a kind of page.
func (k RPSKind) source() sample.RpsSource {
	switch k {
	case RPSNginx:
		return sample.RpsSource_RPS_SOURCE_NGINX
	case RPSPrometheus:
		return sample.RpsSource_RPS_SOURCE_PROMETHEUS
	}
	return sample.RpsSource_RPS_SOURCE_UNSPECIFIED
}

// target finds the port a meter counts for: the one it names; else, when its
// page is on this machine, the port of the page. The page of an nginx counts
// for the whole nginx, whose lowest port other than the page's is taken.
func target(m *meter, ports []servicePort) (int, error) {
	if name := m.source.Service; name != "" {
		i := slices.IndexFunc(ports, func(p servicePort) bool { return p.is(name) })
		if i < 0 {
			return 0, fmt.Errorf("nothing called %s listens here; write the process name or the port of a service that does", name)
		}
		return i, nil
	}
	port := m.page.port()
	i := slices.IndexFunc(ports, func(p servicePort) bool { return p.port == port })
	if i < 0 || !m.page.local {
		return 0, fmt.Errorf("its port %d is no service of this machine; write NAME= before it, the process name or the port it counts for", port)
	}
	if m.source.Kind != RPSNginx {
		return i, nil
	}
	for j, p := range ports {
		if p.port != port && p.sameServer(ports[i]) {
			return j, nil
		}
	}
	return i, nil
}

// is tells whether name, a process name or a port, is this service.
func (p servicePort) is(name string) bool {
	return name == strconv.Itoa(int(p.port)) || slices.Contains(strings.Split(p.owner.name, "+"), name)
}

// sameServer tells whether the same process listens on both ports.
func (p servicePort) sameServer(q servicePort) bool {
	return p.owner.root != 0 && p.owner.root == q.owner.root
}

// why says in words why a port has no requests.
func (r rpsRules) why(p servicePort, ports []servicePort, with []*meter) string {
	for i, m := range with {
		if m != nil && m.source.Kind == RPSNginx && p.sameServer(ports[i]) {
			return fmt.Sprintf("counted with :%d", ports[i].port)
		}
	}
	name := p.owner.name
	switch {
	case r.offSaid && !r.auto || r.turnedOff(p):
		return "turned off with --rps off"
	case name == "" && r.root:
		return "owner hidden, in another container or the kernel: name an endpoint with --rps"
	case name == "":
		return "owner hidden: run as root or name an endpoint with --rps"
	case name == nginxName && r.wants(p):
		if _, ok := loopbackOf(p.addrs); !ok {
			return "not on loopback, so not asked: name its stub_status page with --rps"
		}
		return "no status page found: add `stub_status` or name one with --rps"
	}
	return "no source of requests for " + name + ": name one with --rps"
}

// turnedOff tells whether --rps NAME=off names this service.
func (r rpsRules) turnedOff(p servicePort) bool { return named(r.off, p) }

// wants tells whether to look for a status page of this service.
func (r rpsRules) wants(p servicePort) bool {
	return r.auto && !r.turnedOff(p) && (r.only == nil || named(r.only, p))
}

func named(set map[string]bool, p servicePort) bool {
	for name := range set {
		if p.is(name) {
			return true
		}
	}
	return false
}
