package collectors

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"

	"capmon/sample"
)

// rpsForms names what --rps takes.
const rpsForms = `auto, off, ebpf, ebpf:send, ebpf:egress, prom:URL[#metric{label="value"}], nginx:URL, haproxy:/path.sock or haproxy:URL, ` +
	`apache:URL, caddy:URL, log:/path[:json|:combined] or statsd:ADDRESS[#name], each with an optional NAME= before it`

// ParseRPS reads one value of --rps:
//
//	[NAME=]auto | off | ebpf | ebpf:send | ebpf:egress
//	       | prom:URL[#metric{label="value",..}] | nginx:URL
//	       | haproxy:/path.sock | haproxy:URL (of the CSV page)
//	       | apache:URL | caddy:URL
//	       | log:/path[:json|:combined] | statsd:ADDRESS[#name]
//
// The error is one line that names the forms there are.
func ParseRPS(text string) (RPSSource, error) {
	var s RPSSource
	rest := strings.TrimSpace(text)
	// An equals sign of a URL or a selector comes after a colon or a slash.
	if name, after, ok := strings.Cut(rest, "="); ok && !strings.ContainsAny(name, ":/{#") {
		s.Service, rest = strings.TrimSpace(name), strings.TrimSpace(after)
		if err := checkServiceName(s.Service); err != nil {
			return RPSSource{}, fmt.Errorf("--rps %q: %w", text, err)
		}
	}
	if err := s.parse(rest); err != nil {
		return RPSSource{}, fmt.Errorf("--rps %q: %w", redact(text), err)
	}
	return s, nil
}

// parse reads what follows the name.
func (s *RPSSource) parse(text string) (err error) {
	switch text {
	case "auto":
		s.Kind = RPSAuto
		return nil
	case "off":
		s.Kind = RPSOff
		return nil
	case "ebpf":
		s.Kind = RPSEBPF
		return nil
	case "ebpf:send", "ebpf:egress":
		s.Kind, s.Program = RPSEBPF, text[len("ebpf:"):]
		return nil
	}
	kind, target, ok := strings.Cut(text, ":")
	if !ok {
		kind = ""
	}
	switch kind {
	case "nginx":
		s.Kind = RPSNginx
		s.URL, err = checkURL(target, "/")
	case "prom":
		s.Kind = RPSPrometheus
		err = s.prometheus(target)
	case "haproxy":
		s.Kind = RPSHAProxy
		if strings.HasPrefix(target, "/") {
			s.Path, err = checkPath(target)
			return err
		}
		s.URL, err = checkURL(target, "/;csv")
	case "apache":
		s.Kind = RPSApache
		if s.URL, err = checkURL(target, "/server-status"); err == nil {
			s.URL, err = withQuery(s.URL, "auto")
		}
	case "caddy":
		s.Kind = RPSCaddy
		s.URL, err = checkURL(target, "/metrics")
	case "log":
		s.Kind = RPSLog
		err = s.log(target)
	case "statsd":
		s.Kind = RPSStatsD
		err = s.statsd(target)
	default:
		err = fmt.Errorf("not a source of requests; there are %s", rpsForms)
	}
	return err
}

func (s *RPSSource) prometheus(target string) error {
	page, selector, picked := strings.Cut(target, "#")
	u, err := checkURL(page, "/metrics")
	if err != nil {
		return err
	}
	s.URL = u
	if !picked {
		return nil
	}
	metric, labels, rest, err := parseSeries([]byte(selector))
	if err != nil || len(rest) != 0 {
		return fmt.Errorf("%q is not a metric; write it as metric or metric{label=\"value\"}", selector)
	}
	s.Metric = string(metric)
	if len(labels) > 0 {
		s.Labels = make(map[string]string, len(labels))
		for _, l := range labels {
			s.Labels[string(l.name)] = string(l.value)
		}
	}
	return nil
}

func (s *RPSSource) log(target string) (err error) {
	for _, format := range []string{"json", "combined"} {
		if before, ok := strings.CutSuffix(target, ":"+format); ok {
			target, s.Format = before, format
			break
		}
	}
	s.Path, err = checkPath(target)
	return err
}

// statsd takes host:port, :port or port.
func (s *RPSSource) statsd(target string) error {
	if s.Service == "" {
		return errors.New("nothing says whose requests these are; write NAME= before it, a process name or a port")
	}
	address, metric, picked := strings.Cut(target, "#")
	if picked && (!statsdName([]byte(metric))) {
		return fmt.Errorf("%q is not the name of a counter", metric)
	}
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not an address to listen on; write it as 8125 or 127.0.0.1:8125", target)
	}
	switch a, err := netip.ParseAddr(host); {
	case host == "" || host == "localhost":
		host = "127.0.0.1"
	case err != nil || a.Zone() != "":
		return fmt.Errorf("%q is not an IP address to listen on; write it as 8125 or 127.0.0.1:8125", host)
	}
	s.Address, s.Metric = net.JoinHostPort(host, port), metric
	return nil
}

func checkServiceName(name string) error {
	if name == "" {
		return errors.New("no name before the =; write a process name or a port, or leave the = out")
	}
	if len(name) > sample.MaxName || sample.Printable(name) != name {
		return errors.New("the name before the = is too long or not printable")
	}
	if strings.Trim(name, "0123456789") == "" {
		if n, err := strconv.Atoi(name); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("port %s is not 1..65535", name)
		}
	}
	return nil
}

// checkPath takes an absolute path of a file.
func checkPath(text string) (string, error) {
	if !path.IsAbs(text) || strings.HasSuffix(text, "/") || len(text) > 4095 || strings.ContainsRune(text, 0) {
		return "", fmt.Errorf("%q is not the path of a file; write it from the root, like /var/log/nginx/access.log", text)
	}
	return text, nil
}

// checkURL takes an absolute http or https URL; path stands in for none.
func checkURL(text, path string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("%q is not a URL; write it like http://127.0.0.1:8080/path", redact(text))
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.ContainsAny(u.Hostname(), "[]") {
		return "", fmt.Errorf("%q is not an http or https URL; write it like http://127.0.0.1:8080/path", redact(text))
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return "", fmt.Errorf("port %q of %q is not 1..65535", p, redact(text))
		}
	}
	if u.Path == "" {
		u.Path = path
	}
	return u.String(), nil
}

// withQuery gives a URL a query if it has none: Apache's page without ?auto is
// one for people.
func withQuery(text, query string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	if u.RawQuery == "" {
		u.RawQuery, u.ForceQuery = query, false
	}
	return u.String(), nil
}
