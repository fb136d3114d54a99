package collectors

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// caddyOf makes a counter of a page with text.
func caddyOf(t testing.TB, text string) (*caddyCounter, *atomic.Pointer[string]) {
	t.Helper()
	var now atomic.Pointer[string]
	now.Store(&text)
	p, err := newPage(promServer(t, &now)+"/metrics", "text/plain", new(ownConns))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return newCaddyCounter(p, pageBounds), &now
}

// TestCaddyCountsARequestOnce: the page is that of a Caddy 2.6 which was asked
// 6, 2 and 5 times; its chains of handlers have counted 33.
func TestCaddyCountsARequestOnce(t *testing.T) {
	page := string(readTestdata(t, "metrics-caddy"))
	c, now := caddyOf(t, page)
	got, err := c.count(t.Context())
	if err != nil || got.count != 13 || got.class != [3]float64{1, 0, 1} {
		t.Fatalf("%+v, %v; want 13 requests, a 302 and a 500", got.tally, err)
	}
	// Then two answers more, and after that an error of which nobody knows the
	// status.
	more := strings.NewReplacer(`srv1"} 2`, `srv1"} 4`).Replace(page)
	now.Store(&more)
	if got, err = c.count(t.Context()); err != nil || got.count != 15 || !got.classes {
		t.Errorf("more: %+v, %v", got.tally, err)
	}
	failed := strings.NewReplacer(`handler="file_server",server="srv2"} 5`, `handler="file_server",server="srv2"} 6`,
		`errors_total{handler="file_server",server="srv2"} 1`, `errors_total{handler="file_server",server="srv2"} 2`).Replace(more)
	now.Store(&failed)
	if got, err = c.count(t.Context()); err != nil || got.count != 16 || got.classes {
		t.Errorf("an error: %+v, %v", got.tally, err)
	}
}

// TestCaddyBeforeItsFirstRequest: the metrics come with it, and it counts.
func TestCaddyBeforeItsFirstRequest(t *testing.T) {
	c, now := caddyOf(t, "caddy_config_last_reload_successful 1\n")
	m := &meter{page: c.page, counter: c, whole: new(account), parts: make(map[string]*account)}
	m.poll(t.Context())
	if a := m.whole; m.err != nil || a.answered || !strings.HasPrefix(a.note, "no request in its metrics yet") {
		t.Errorf("%v, %+v", m.err, a.metered)
	}
	page := string(readTestdata(t, "metrics-caddy"))
	now.Store(&page)
	if m.poll(t.Context()); m.err != nil || m.whole.responses != 13 || m.whole.class != [3]uint64{1, 0, 1} {
		t.Errorf("%v, %+v", m.err, m.whole.metered)
	}
}

func TestCaddyRefuses(t *testing.T) {
	one := func(handler string, n string) string {
		return "caddy_http_requests_total{handler=\"" + handler + "\",server=\"srv0\"} " + n + "\n"
	}
	for name, c := range map[string]struct {
		text  string
		count float64
		err   string
	}{
		"a plugin alone":       {one("cache", "5") + one("encode", "5"), 5, ""},
		"a plugin that passes": {one("cache", "5") + one("reverse_proxy", "3"), 3, ""},
		"two that answer":      {one("static_response", "5") + one("reverse_proxy", "3"), 8, ""},
		"its own metrics":      {one("metrics", "5") + one("reverse_proxy", "3"), 3, ""},
		"nothing answered yet": {one("file_server", "0") + one("subroute", "7"), 7, ""},
		"a subroute goes on":   {one("subroute", "9") + one("file_server", "4"), 0, `name one as prom:http://127.0.0.1`},
		"two plugins":          {one("a", "5") + one("b", "3"), 0, `the handlers a, b of server srv0 may have counted the same requests`},
		"metrics are off":      {"caddy_config_last_reload_successful 1\n", 0, "add `servers { metrics }`"},
		"of somebody else":     {"http_requests_total 5\n", 0, "not the metrics of a Caddy"},
		"a web page":           {"<html>\n", 0, "not the metrics of a Caddy"},
		"not a number":         {one("file_server", "NaN"), 0, "is no count"},
		"negative":             {one("file_server", "-1"), 0, "is no count"},
		"infinite":             {one("file_server", "+Inf"), 0, "is no count"},
		"more than ever":       {one("file_server", "9223372036854775808"), 0, "is no count"},
		"broken":               {"caddy_http_requests_total{handler=\"x\n", 0, "not a metric"},
		"a thousand and more":  {manyHandlers(maxHandlers + 1), 0, "more than 1024 handlers"},
	} {
		t.Run(name, func(t *testing.T) {
			counter, _ := caddyOf(t, c.text)
			got, err := counter.count(t.Context())
			if c.err == "" && (err != nil || got.count != c.count) {
				t.Errorf("%v, %v, want %v", got.count, err, c.count)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, error %v, want %q", got.count, err, c.err)
			}
		})
	}
}

func manyHandlers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "caddy_http_requests_total{handler=\"h%d\",server=\"s\"} 1\n", i)
	}
	return b.String()
}

func FuzzCaddy(f *testing.F) {
	f.Add(readTestdata(f, "metrics-caddy"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := caddyHandlers(bufio.NewReaderSize(bytes.NewReader(b), promLine))
		if err != nil {
			return
		}
		chosen, err := caddyChoice(all, "http://h/metrics")
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of two lines: %q", err)
			}
			return
		}
		for _, h := range chosen {
			if !(h.requests > 0) {
				t.Errorf("%+v", h)
			}
		}
	})
}
