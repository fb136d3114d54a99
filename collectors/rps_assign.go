package collectors

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"capmon/sample"
)

// placing gives each port one source for its requests, or the reason why it has
// none. Who comes first has the port.
type placing struct {
	ports   []servicePort
	answers []rpsAnswer
	with    []*meter // the meter of each port
	taken   []bool   // it is counted, here or with another port
}

// assign places the sources in their order: what is named, the kernel, what was
// found. A meter whose service does not listen here is an error; no service is
// made up for it.
func (r *rpsCollector) assign(ports []servicePort, now time.Time) ([]rpsAnswer, []error) {
	p := &placing{ports: ports, answers: make([]rpsAnswer, len(ports)), with: make([]*meter, len(ports)), taken: make([]bool, len(ports))}
	for i := range ports {
		p.answers[i].port = ports[i].port
	}
	var errs []error
	for _, m := range r.named {
		if err := r.place(p, m, now); err != nil && m.err == nil {
			errs = append(errs, fmt.Errorf("%v: %w", m.source, err))
		}
	}
	r.placeKernel(p)
	for _, a := range r.auto {
		if a.meter != nil {
			_ = r.place(p, a.meter, now) // it has no place where the kernel counts
		}
	}
	for i := range ports {
		if !p.taken[i] {
			p.answers[i].note = r.why(ports[i])
		}
	}
	return p.answers, errs
}

// place finds the ports of a meter and gives them to it.
func (r *rpsCollector) place(p *placing, m *meter, now time.Time) error {
	if m.source.Kind == RPSHAProxy && m.source.Service == "" && p.frontends(m, r.frontendPorts(m, p.ports, now)) {
		return nil
	}
	i, err := r.target(p, m)
	if err != nil {
		return err
	}
	if !p.give(i, m, m.whole) {
		if m.root != 0 || p.with[i] != nil && p.with[i].source.form() == m.source.form() {
			return nil
		}
		by := "another source"
		if p.with[i] != nil {
			by = p.with[i].source.String()
		}
		return fmt.Errorf("port %d has its requests from %s already; give this one another NAME=", p.ports[i].port, by)
	}
	if m.source.wholeServer() {
		p.cover(i)
	}
	return nil
}

// give takes a port for an account of a meter, if nobody has it.
func (p *placing) give(i int, m *meter, a *account) bool {
	if p.taken[i] {
		return false
	}
	p.with[i], p.taken[i] = m, true
	x := &p.answers[i]
	x.source, x.by, x.metered = m.source.Kind.source(), a, a.metered
	return true
}

// cover says of the other ports of a server that they are counted with one.
func (p *placing) cover(i int) {
	for j := range p.ports {
		if !p.taken[j] && p.ports[j].sameServer(p.ports[i]) {
			p.countedWith(j, i)
		}
	}
}

func (p *placing) countedWith(j, i int) {
	p.taken[j] = true
	p.answers[j].note = fmt.Sprintf("counted with :%d", p.ports[i].port)
}

// index of a port, −1 = it is no service.
func (p *placing) index(port uint16) int {
	return slices.IndexFunc(p.ports, func(q servicePort) bool { return q.port == port })
}

// placeKernel takes the count of the kernel where it has one.
func (r *rpsCollector) placeKernel(p *placing) {
	if r.kernel == nil {
		return
	}
	for i := range p.ports {
		w, account := r.kernel.of(p.ports[i].port)
		if account == nil {
			continue
		}
		p.answers[i].latency = w.latency
		if p.taken[i] || !r.rules.wantsKernel(p.ports[i]) || w.state != kernelCounts && w.state != kernelSilent {
			continue
		}
		p.taken[i] = true
		x := &p.answers[i]
		x.source, x.by, x.metered = sample.RpsSource_RPS_SOURCE_EBPF, account, w.metered
	}
}

// target finds the port a meter counts for: the one it names, else the one its
// source leads to.
func (r *rpsCollector) target(p *placing, m *meter) (int, error) {
	if name := m.source.Service; name != "" {
		i := slices.IndexFunc(p.ports, func(q servicePort) bool { return q.is(name) })
		if i < 0 {
			return 0, fmt.Errorf("nothing called %s listens here; write the process name or the port of a service that does", name)
		}
		return i, nil
	}
	if m.root != 0 {
		if i := p.lowest(m.root, m.own()); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("its process %d listens no more", m.root)
	}
	if m.page == nil {
		return r.ofPath(p, m)
	}
	port := m.page.port()
	i := p.index(port)
	if i < 0 || !m.page.local {
		return 0, fmt.Errorf("its port %d is no service of this machine; write NAME= before it, the process name or the port it counts for", port)
	}
	if root := p.ports[i].owner.root; m.source.wholeServer() && root != 0 {
		if j := p.lowest(root, m.own()); j >= 0 {
			return j, nil
		}
	}
	return i, nil
}

// own is the port that is there for the source itself and not for clients; 0 =
// there is none. Apache shows its status on a port like any other.
func (m *meter) own() uint16 {
	if m.page == nil || m.source.Kind == RPSApache || !m.source.wholeServer() {
		return 0
	}
	return m.page.port()
}

// lowest is the port of a server that stands for all of them: the lowest one
// that nobody has, but the source's own only if it is the last. −1 = none.
func (p *placing) lowest(root int, own uint16) int {
	last := -1
	for i, q := range p.ports {
		switch {
		case q.owner.root != root || root == 0 || p.taken[i]:
		case q.port != own:
			return i
		default:
			last = i
		}
	}
	return last
}

// ofPath finds the service of a socket or a log.
func (r *rpsCollector) ofPath(p *placing, m *meter) (int, error) {
	root := 0
	if m.source.Kind == RPSHAProxy {
		root = r.proxyOf(m, p.ports)
	} else {
		for _, q := range p.ports {
			// /var/log/nginx/access.log is nginx's.
			if q.owner.root == 0 || q.owner.name == "" || !strings.Contains(m.source.Path, q.owner.name) || q.owner.root == root {
				continue
			}
			if root != 0 {
				root = 0
				break
			}
			root = q.owner.root
		}
	}
	if i := p.lowest(root, 0); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("nothing says whose requests these are; write NAME= before it, the process name or the port they belong to")
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
func (r *rpsCollector) why(p servicePort) string {
	w, _ := r.kernel.of(p.port)
	refused := r.kernel.why()
	if w.err != nil {
		refused = w.err
	}
	switch {
	case r.rules.turnedOff(p), r.rules.offSaid && !r.rules.wantsKernel(p) && !r.rules.wants(p):
		return "turned off with --rps off"
	case w.state == kernelOpaque && p.clients > 0:
		return "connections but no plaintext HTTP/1: name an endpoint with --rps"
	case w.state == kernelOpaque:
		return "traffic but no plaintext HTTP/1: name an endpoint with --rps"
	case r.kernel.awaited() && r.rules.wantsKernel(p):
		return "waiting for the counter in the kernel"
	case r.rules.forcedFor(p) && refused != nil:
		return "no eBPF: " + refused.Error()
	}
	text := r.whyNoPage(p)
	if refused != nil && r.rules.wantsKernel(p) {
		text += "; eBPF: " + refused.Error()
	}
	return text
}

// whyNoPage says why nothing but the kernel could count a port.
func (r *rpsCollector) whyNoPage(p servicePort) string {
	name := p.owner.name
	switch {
	case name == "" && r.rules.root:
		return "owner hidden, in another container or the kernel: name an endpoint with --rps"
	case name == "":
		return "owner hidden: run as root or name an endpoint with --rps"
	case probedBy(p) != nil && r.rules.wants(p):
		hint := probedBy(p)
		if _, ok := loopbackOf(p.addrs); !ok {
			return "not on loopback, so not asked: name " + hint.page + " with --rps"
		}
		return hint.nothing
	}
	return "no source of requests for " + name + ": name one with --rps"
}
