package collectors

import (
	"sort"
	"strings"
)

// RPSKind is a way to learn the number of requests.
type RPSKind int

// The ways there are.
const (
	RPSAuto       RPSKind = iota // the best one that works by itself
	RPSOff                       // none
	RPSNginx                     // a stub_status page
	RPSPrometheus                // a counter in Prometheus' text format
	RPSEBPF                      // HTTP/1 responses, counted in the kernel
	RPSHAProxy                   // its stats socket or CSV page
	RPSApache                    // a server-status?auto page
	RPSCaddy                     // the metrics of its admin endpoint
	RPSLog                       // lines of an access log
	RPSStatsD                    // counters sent to a UDP port
)

// RPSSource is one value of --rps.
type RPSSource struct {
	// Service is the name of the process that serves, or its port as a decimal
	// number; empty = found from the source (with Auto, Off and EBPF: every
	// service).
	Service string
	Kind    RPSKind
	URL     string // of the page; http or https
	// Path is HAProxy's stats socket or an access log; absolute.
	Path string
	// Format of an access log: "combined" or "json"; empty = each line says.
	Format string
	// Address is where StatsD counters arrive: host:port, loopback where only a
	// port was given.
	Address string
	// Program is the one to count with in the kernel: "send" or "egress"; empty
	// = the better one that the kernel allows.
	Program string
	// Metric is the counter to read from a Prometheus page or from StatsD; empty
	// = a well-known one that is there.
	Metric string
	// Labels must all be on a line of Metric for it to count; Prometheus alone.
	Labels map[string]string
}

// String is the form ParseRPS takes, with a password in the URL as xxxxx.
func (s RPSSource) String() string {
	text := s.form()
	if s.Service != "" {
		text = s.Service + "=" + text
	}
	return text
}

func (s RPSSource) form() string {
	switch s.Kind {
	case RPSOff:
		return "off"
	case RPSEBPF:
		return with("ebpf", ":", s.Program)
	case RPSNginx:
		return "nginx:" + redact(s.URL)
	case RPSPrometheus:
		return with("prom:"+redact(s.URL), "#", s.selector())
	case RPSHAProxy:
		return "haproxy:" + s.Path + redact(s.URL)
	case RPSApache:
		return "apache:" + redact(s.URL)
	case RPSCaddy:
		return "caddy:" + redact(s.URL)
	case RPSLog:
		return with("log:"+s.Path, ":", s.Format)
	case RPSStatsD:
		return with("statsd:"+s.Address, "#", s.Metric)
	}
	return "auto"
}

// with adds an optional part.
func with(text, mark, part string) string {
	if part == "" {
		return text
	}
	return text + mark + part
}

// selector writes Metric and Labels as Prometheus does.
func (s RPSSource) selector() string {
	if len(s.Labels) == 0 {
		return s.Metric
	}
	pairs := make([]string, 0, len(s.Labels))
	for k, v := range s.Labels {
		pairs = append(pairs, k+"="+`"`+escapeLabel.Replace(v)+`"`)
	}
	sort.Strings(pairs)
	return s.Metric + "{" + strings.Join(pairs, ",") + "}"
}

// wholeServer tells whether a source counts for all ports of a server together.
func (s RPSSource) wholeServer() bool {
	switch s.Kind {
	case RPSNginx, RPSHAProxy, RPSApache, RPSCaddy, RPSLog:
		return true
	}
	return false
}

// redact hides a password inside a URL that may not even parse.
func redact(text string) string {
	head, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return text
	}
	user, _, secret := strings.Cut(rest[:at], ":")
	if !secret {
		return text
	}
	return head + "://" + user + ":xxxxx" + rest[at:]
}
