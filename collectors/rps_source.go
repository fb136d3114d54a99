package collectors

import (
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"capmon/sample"
)

// RPSKind is a way to learn the number of requests.
type RPSKind int

// The ways there are.
const (
	RPSAuto       RPSKind = iota // look for status pages on loopback
	RPSOff                       // don't look
	RPSNginx                     // a stub_status page
	RPSPrometheus                // a counter in Prometheus' text format
)

// rpsForms names what --rps takes.
const rpsForms = `auto, off, nginx:URL or prom:URL[#metric{label="value"}], each with an optional NAME= before it`

// RPSSource is one value of --rps.
type RPSSource struct {
	// Service is the name of the process that serves, or its port as a decimal
	// number; empty = found from the URL (with Auto and Off: every service).
	Service string
	Kind    RPSKind
	URL     string // of the page; http or https
	// Metric is the counter to read from a Prometheus page; empty = the first
	// well-known one that is there.
	Metric string
	// Labels must all be on a line of Metric for it to count.
	Labels map[string]string
}

// ParseRPS reads one value of --rps:
//
//	[NAME=]auto | off | nginx:URL | prom:URL[#metric{label="value",..}]
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
	kind, target, _ := strings.Cut(rest, ":")
	var err error
	switch {
	case rest == "auto":
		s.Kind = RPSAuto
	case rest == "off":
		s.Kind = RPSOff
	case kind == "nginx" && rest != kind:
		s.Kind = RPSNginx
		s.URL, err = checkURL(target, "/")
	case kind == "prom" && rest != kind:
		s.Kind = RPSPrometheus
		err = s.prometheus(target)
	default:
		err = fmt.Errorf("not a source of requests; there are %s", rpsForms)
	}
	if err != nil {
		return RPSSource{}, fmt.Errorf("--rps %q: %w", redact(text), err)
	}
	return s, nil
}

// String is the form ParseRPS takes, with a password in the URL as xxxxx.
func (s RPSSource) String() string {
	var b strings.Builder
	if s.Service != "" {
		b.WriteString(s.Service + "=")
	}
	switch s.Kind {
	case RPSAuto:
		b.WriteString("auto")
	case RPSOff:
		b.WriteString("off")
	case RPSNginx:
		b.WriteString("nginx:" + redact(s.URL))
	case RPSPrometheus:
		b.WriteString("prom:" + redact(s.URL))
		if s.Metric != "" {
			b.WriteString("#" + s.selector())
		}
	}
	return b.String()
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

func checkServiceName(name string) error {
	if name == "" {
		return fmt.Errorf("no name before the =; write a process name or a port, or leave the = out")
	}
	if len(name) > sample.MaxName || sample.Printable(name) != name {
		return fmt.Errorf("the name before the = is too long or not printable")
	}
	if strings.Trim(name, "0123456789") == "" {
		if n, err := strconv.Atoi(name); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("port %s is not 1..65535", name)
		}
	}
	return nil
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
