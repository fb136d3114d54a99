package collectors

import (
	"fmt"

	"capmon/sample"
)

// rpsRules say what to do about services for which no source is named.
type rpsRules struct {
	auto    bool
	only    map[string]bool // auto for these names and ports alone; nil = all
	off     map[string]bool // these not
	offSaid bool            // off was said for all
	ebpfAll bool            // ebpf was said for all
	ebpf    map[string]bool // ebpf was said for these
	root    bool            // this process may see the owner of every socket
}

func newRules(sources []RPSSource, root bool) rpsRules {
	r := rpsRules{auto: true, off: make(map[string]bool), ebpf: make(map[string]bool), root: root}
	add := func(name string) {
		if r.only == nil {
			r.only = make(map[string]bool)
		}
		r.only[name] = true
	}
	for _, s := range sources {
		switch {
		case s.Kind == RPSOff && s.Service == "":
			r.auto, r.offSaid = false, true
		case s.Kind == RPSOff:
			r.off[s.Service] = true
		case s.Kind == RPSEBPF && s.Service == "":
			r.auto, r.ebpfAll = false, true
		case s.Kind == RPSEBPF:
			r.ebpf[s.Service] = true
			add(s.Service)
		case s.Kind == RPSAuto && s.Service != "":
			add(s.Service)
		}
	}
	for _, s := range sources {
		if s.Kind == RPSAuto && s.Service == "" {
			r.auto, r.only = true, nil
		}
	}
	if r.only != nil {
		r.auto = true
	}
	return r
}

// kernel tells whether any service is to be counted in the kernel.
func (r rpsRules) kernel() bool { return r.auto || r.forced() }

// forced tells whether that was asked for by name.
func (r rpsRules) forced() bool { return r.ebpfAll || len(r.ebpf) > 0 }

// program is the one to count with; one process has one.
func (r rpsRules) program(sources []RPSSource) (string, error) {
	program := ""
	for _, s := range sources {
		switch {
		case s.Kind != RPSEBPF || s.Program == "" || s.Program == program:
		case program == "":
			program = s.Program
		default:
			return program, fmt.Errorf("%v: ebpf:%s is asked for too, and one agent counts with one program: name only one", s, program)
		}
	}
	return program, nil
}

// wants tells whether to look for a status page of this service.
func (r rpsRules) wants(p servicePort) bool {
	return r.auto && !r.turnedOff(p) && (r.only == nil || named(r.only, p)) && !named(r.ebpf, p)
}

// wantsKernel tells whether to take the kernel's count of this service.
func (r rpsRules) wantsKernel(p servicePort) bool {
	return r.forcedFor(p) || r.wants(p)
}

// forcedFor tells whether this service is to have no other source.
func (r rpsRules) forcedFor(p servicePort) bool {
	return !r.turnedOff(p) && (r.ebpfAll && !r.auto || named(r.ebpf, p))
}

// turnedOff tells whether --rps NAME=off names this service.
func (r rpsRules) turnedOff(p servicePort) bool { return named(r.off, p) }

func named(set map[string]bool, p servicePort) bool {
	for name := range set {
		if p.is(name) {
			return true
		}
	}
	return false
}

// source is how a sample names a kind of source.
func (k RPSKind) source() sample.RpsSource {
	switch k {
	case RPSNginx:
		return sample.RpsSource_RPS_SOURCE_NGINX
	case RPSPrometheus:
		return sample.RpsSource_RPS_SOURCE_PROMETHEUS
	case RPSEBPF:
		return sample.RpsSource_RPS_SOURCE_EBPF
	case RPSHAProxy:
		return sample.RpsSource_RPS_SOURCE_HAPROXY
	case RPSApache:
		return sample.RpsSource_RPS_SOURCE_APACHE
	case RPSCaddy:
		return sample.RpsSource_RPS_SOURCE_CADDY
	case RPSLog:
		return sample.RpsSource_RPS_SOURCE_LOG
	case RPSStatsD:
		return sample.RpsSource_RPS_SOURCE_STATSD
	}
	return sample.RpsSource_RPS_SOURCE_UNSPECIFIED
}
