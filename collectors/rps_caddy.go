package collectors

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// caddyCounter reads the metrics of a Caddy's admin endpoint. Each handler of a
// chain counts a request, and one that occurs twice counts it twice; what
// answers counts it once. So the handlers that answer are added up, those that
// pass on are left out.
type caddyCounter struct {
	page   *page
	bounds bounds
	lines  *bufio.Reader
	errors float64 // of the handlers that were counted last
}

func newCaddyCounter(p *page, b bounds) *caddyCounter {
	return &caddyCounter{page: p, bounds: b, lines: bufio.NewReaderSize(nil, promLine)}
}

// caddyAnswers are the handlers of Caddy that end a request.
var caddyAnswers = []string{"subroute", "reverse_proxy", "file_server", "static_response", "acme_server", "error"}

// caddyPasses are its handlers that hand a request on, and the page of metrics
// itself.
var caddyPasses = []string{
	"authentication", "copy_response_headers", "encode", "headers", "intercept", "invoke", "log_append", "map", "metrics", "push",
	"request_body", "rewrite", "templates", "tracing", "vars",
}

// caddyHandler is what one handler of one server has counted.
type caddyHandler struct {
	server, handler string
	requests        float64 // begun
	flying          float64 // not answered yet
	errors          float64 // ended with an error, which Caddy answers elsewhere
	coded           tally   // with a status
}

// maxHandlers bounds the handlers of all servers of a page.
const maxHandlers = 1024

// count implements counter.
func (c *caddyCounter) count(ctx context.Context) (readout, error) {
	var all []*caddyHandler
	err := c.page.get(ctx, c.bounds.wait, c.bounds.most, func(r io.Reader) (err error) {
		c.lines.Reset(r)
		all, err = caddyHandlers(c.lines)
		return err
	})
	if err != nil {
		return readout{}, err
	}
	chosen, err := caddyChoice(all, c.page.url)
	if err != nil {
		return readout{}, err
	}
	var t tally
	var failed, flying, coded float64
	for _, h := range chosen {
		t.count += h.requests
		flying += h.flying
		failed += h.errors
		coded += h.coded.count
		for i := range t.class {
			t.class[i] += h.coded.class[i]
		}
	}
	// Up to version 2.6 an error has no status in the metrics. While none comes
	// the classes are complete.
	t.classes = failed == c.errors || t.count-flying-coded < failed/2
	c.errors = failed
	return readout{tally: t}, nil
}

func (c *caddyCounter) close() { c.page.close() }

// caddyHandlers reads what every handler has counted.
func caddyHandlers(lines *bufio.Reader) ([]*caddyHandler, error) {
	type key struct{ server, handler string }
	all := make(map[key]*caddyHandler)
	caddy := false
	err := eachLine(lines, func(line []byte) error {
		name := string(line[:metricLength(line)])
		caddy = caddy || strings.HasPrefix(name, "caddy_")
		switch name {
		case "caddy_http_requests_total", "caddy_http_requests_in_flight", "caddy_http_request_errors_total", "caddy_http_request_duration_seconds_count":
		default:
			return nil
		}
		value, labels, err := seriesCount(line)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		k := key{server: labelOf(labels, "server"), handler: labelOf(labels, "handler")}
		h := all[k]
		if h == nil {
			if len(all) == maxHandlers {
				return fmt.Errorf("more than %d handlers", maxHandlers)
			}
			h = &caddyHandler{server: k.server, handler: k.handler}
			all[k] = h
		}
		switch name {
		case "caddy_http_requests_total":
			h.requests += value
		case "caddy_http_requests_in_flight":
			h.flying += value
		case "caddy_http_request_errors_total":
			h.errors += value
		default:
			h.coded.add(statusOf([]byte(labelOf(labels, "code"))), value)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !caddy:
		return nil, errors.New("not the metrics of a Caddy")
	}
	list := make([]*caddyHandler, 0, len(all))
	for _, h := range all {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b *caddyHandler) int {
		return cmp.Or(cmp.Compare(a.server, b.server), cmp.Compare(a.handler, b.handler))
	})
	if len(list) == 0 {
		return nil, quietError("no request in its metrics yet: if there were some, add `servers { metrics }` to the options of its Caddyfile")
	}
	return list, nil
}

// caddyChoice picks the handlers that together count each request once, server
// by server.
func caddyChoice(all []*caddyHandler, url string) ([]*caddyHandler, error) {
	var chosen []*caddyHandler
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(h *caddyHandler) bool { return h.server != all[0].server })
		if n < 0 {
			n = len(all)
		}
		var answer, other []*caddyHandler
		for _, h := range all[:n] {
			switch {
			case h.requests == 0 || slices.Contains(caddyPasses, h.handler):
			case slices.Contains(caddyAnswers, h.handler):
				answer = append(answer, h)
			default:
				other = append(other, h)
			}
		}
		all = all[n:]
		if len(answer) == 0 {
			answer = other
		}
		if err := caddyAmbiguous(answer, url); err != nil {
			return nil, err
		}
		chosen = append(chosen, answer...)
	}
	return chosen, nil
}

// caddyAmbiguous refuses handlers of one server that may have counted the same
// request: a subroute may hand on to what follows it, and of a handler that is
// not Caddy's own nobody knows.
func caddyAmbiguous(list []*caddyHandler, url string) error {
	if len(list) < 2 {
		return nil
	}
	doubt := slices.ContainsFunc(list, func(h *caddyHandler) bool {
		return h.handler == "subroute" || !slices.Contains(caddyAnswers, h.handler)
	})
	if !doubt {
		return nil
	}
	var names []string
	for _, h := range list {
		names = append(names, h.handler)
	}
	return fmt.Errorf("the handlers %s of server %s may have counted the same requests: name one as prom:%s#caddy_http_requests_total{server=%q,handler=%q}",
		cut(strings.Join(names, ", "), 100), list[0].server, url, list[0].server, list[0].handler)
}

func labelOf(labels []seriesLabel, name string) string {
	for _, l := range labels {
		if string(l.name) == name {
			return string(l.value)
		}
	}
	return ""
}
