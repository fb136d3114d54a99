package collectors

import (
	"slices"
	"time"
)

// proxyPorts is what the configuration of a running HAProxy says.
type proxyPorts struct {
	config haproxyConfig
	read   time.Time
}

// configStands is how long a configuration that was read is taken to be the one
// in force.
const configStands = 30 * time.Second

// proxy reads the configuration of the HAProxy that is process root.
func (r *rpsCollector) proxy(root int, now time.Time) haproxyConfig {
	p := r.proxies[root]
	if p == nil || now.Sub(p.read) > configStands {
		if len(r.proxies) > 64 {
			clear(r.proxies)
		}
		p = &proxyPorts{config: readHAProxyConfig(r.proc, root), read: now}
		r.proxies[root] = p
	}
	return p.config
}

// proxyOf is the process of a HAProxy that was named: the only one there is, or
// the one whose configuration names the socket. 0 = it can't be told.
func (r *rpsCollector) proxyOf(m *meter, ports []servicePort) int {
	var roots []int
	for _, p := range ports {
		if p.owner.root != 0 && p.is("haproxy") && !slices.Contains(roots, p.owner.root) {
			roots = append(roots, p.owner.root)
		}
	}
	if len(roots) == 1 {
		return roots[0]
	}
	for _, root := range roots {
		if m.source.Path != "" && r.proxy(root, time.Now()).socket == m.source.Path {
			return root
		}
	}
	return 0
}

// frontendPorts says where the frontends of a HAProxy listen: by its statistics
// or its configuration. Empty = it can't be told.
func (r *rpsCollector) frontendPorts(m *meter, ports []servicePort, now time.Time) map[string][]uint16 {
	if len(m.binds) > 0 {
		return m.binds
	}
	root := m.root
	if root == 0 && m.page == nil {
		root = r.proxyOf(m, ports)
	}
	if root == 0 && m.page != nil && m.page.local {
		for _, p := range ports {
			if p.port == m.page.port() {
				root = p.owner.root
			}
		}
	}
	if root == 0 {
		return nil
	}
	return r.proxy(root, now).ports
}

// frontends gives each frontend of a proxy its lowest port; the others of the
// frontend are counted with that. False where not all of them can be placed:
// then the proxy is counted as a whole.
func (p *placing) frontends(m *meter, binds map[string][]uint16) bool {
	if len(m.parts) == 0 {
		return false
	}
	at := make(map[string][]int, len(m.parts))
	for name, a := range m.parts {
		if m.page != nil && slices.Contains(binds[name], m.page.port()) {
			m.asked = name
		}
		for _, port := range binds[name] {
			if i := p.index(port); i >= 0 && !slices.Contains(at[name], i) {
				at[name] = append(at[name], i)
			}
		}
		if len(at[name]) == 0 && a.last.count > 0 {
			return false
		}
	}
	for name, places := range at {
		slices.Sort(places)
		first := -1
		for _, i := range places {
			switch {
			case first < 0 && p.give(i, m, m.parts[name]):
				first = i
			case first >= 0 && !p.taken[i]:
				p.countedWith(i, first)
			}
		}
	}
	return true
}
