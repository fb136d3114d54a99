package collectors

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRPS(t *testing.T) {
	tests := map[string]RPSSource{
		"auto":      {Kind: RPSAuto},
		" off ":     {Kind: RPSOff},
		"node=off":  {Kind: RPSOff, Service: "node"},
		"8080=auto": {Kind: RPSAuto, Service: "8080"},
		"nginx:http://127.0.0.1:8080/nginx_status":   {Kind: RPSNginx, URL: "http://127.0.0.1:8080/nginx_status"},
		"web=nginx:https://[::1]/s?a=b":              {Kind: RPSNginx, Service: "web", URL: "https://[::1]/s?a=b"},
		"prom:http://localhost:9100":                 {Kind: RPSPrometheus, URL: "http://localhost:9100/metrics"},
		"443=prom:http://h/m#http_requests_total":    {Kind: RPSPrometheus, Service: "443", URL: "http://h/m", Metric: "http_requests_total"},
		`prom:http://h/m?x=y#a{b="c=,}",d="\"\\\n"}`: {Kind: RPSPrometheus, URL: "http://h/m?x=y", Metric: "a", Labels: map[string]string{"b": "c=,}", "d": "\"\\\n"}},
		"my server=prom:http://me:geheim@h/m#a{}":    {Kind: RPSPrometheus, Service: "my server", URL: "http://me:geheim@h/m", Metric: "a"},
		"ebpf":                                   {Kind: RPSEBPF},
		"node=ebpf:send":                         {Kind: RPSEBPF, Service: "node", Program: "send"},
		"ebpf:egress":                            {Kind: RPSEBPF, Program: "egress"},
		"haproxy:/run/h:1":                       {Kind: RPSHAProxy, Path: "/run/h:1"},
		"haproxy:http://u:geheim@127.0.0.1:8404": {Kind: RPSHAProxy, URL: "http://u:geheim@127.0.0.1:8404/;csv"},
		"80=haproxy:http://h/stats;csv":          {Kind: RPSHAProxy, Service: "80", URL: "http://h/stats;csv"},
		"apache:http://127.0.0.1":                {Kind: RPSApache, URL: "http://127.0.0.1/server-status?auto"},
		"apache:http://127.0.0.1/s?auto":         {Kind: RPSApache, URL: "http://127.0.0.1/s?auto"},
		"caddy:http://localhost:2019":            {Kind: RPSCaddy, URL: "http://localhost:2019/metrics"},
		"log:/var/log/nginx/access.log":          {Kind: RPSLog, Path: "/var/log/nginx/access.log"},
		"web=log:/a:b.log:json":                  {Kind: RPSLog, Service: "web", Path: "/a:b.log", Format: "json"},
		"8080=log:/a b:combined":                 {Kind: RPSLog, Service: "8080", Path: "/a b", Format: "combined"},
		"api=statsd:8125":                        {Kind: RPSStatsD, Service: "api", Address: "127.0.0.1:8125"},
		"api=statsd::8125#a.b-c":                 {Kind: RPSStatsD, Service: "api", Address: "127.0.0.1:8125", Metric: "a.b-c"},
		"api=statsd:[::]:8125":                   {Kind: RPSStatsD, Service: "api", Address: "[::]:8125"},
		"数据库=nginx:http://127.0.0.1/stub_status": {Kind: RPSNginx, Service: "数据库", URL: "http://127.0.0.1/stub_status"},
	}
	for text, want := range tests {
		got, err := ParseRPS(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", text, err, diff)
		}
		if strings.Contains(got.String(), "geheim") {
			t.Errorf("%s: a password in %s", text, got)
		}
		if !strings.Contains(text, "geheim") {
			if again, err := ParseRPS(got.String()); err != nil || !cmp.Equal(again, want) {
				t.Errorf("%s written as %s is %+v, %v", text, got, again, err)
			}
		}
	}
}

func TestParseRPSRefuses(t *testing.T) {
	forms := "there are auto, off, ebpf, ebpf:send, ebpf:egress, prom:URL"
	for text, want := range map[string]string{
		"":                                forms,
		"x":                               forms,
		"nginx":                           forms,
		"prom":                            forms,
		"ebpf:":                           forms,
		"ebpf:ingress":                    forms,
		"haproxy":                         forms,
		"haproxy:run/haproxy.sock":        "not an http or https URL",
		"haproxy:/run/":                   "is not the path of a file",
		"apache:/server-status":           "not an http or https URL",
		"caddy:2019":                      "not an http or https URL",
		"log:":                            "is not the path of a file",
		"log:access.log":                  "write it from the root",
		"log:/var/log/:json":              "is not the path of a file",
		"statsd:127.0.0.1:8125":           "write NAME= before it",
		"a=statsd:":                       "is not an address to listen on",
		"a=statsd:host:8125":              "is not an IP address to listen on",
		"a=statsd:127.0.0.1:0":            "is not an address to listen on",
		"a=statsd:8125#":                  "is not the name of a counter",
		"a=statsd:8125#a:b":               "is not the name of a counter",
		"auto:":                           forms,
		"=auto":                           "no name before the =",
		"0=auto":                          "port 0 is not 1..65535",
		"70000=off":                       "port 70000 is not 1..65535",
		"99999999999999999999=off":        "is not 1..65535",
		"a\x1b=auto":                      "not printable",
		strings.Repeat("x", 200) + "=off": "too long",
		"nginx:":                          "not an http or https URL",
		"nginx:127.0.0.1/nginx_status":    "not an http or https URL",
		"nginx:ftp://h/x":                 "not an http or https URL",
		"nginx:http:///x":                 "not an http or https URL",
		"nginx:http://h:70000/":           `port "70000"`,
		"nginx:http://h:/":                `port ""`,
		"nginx:http://h:0/":               `port "0"`,
		"nginx:http://[::1/":              "is not a URL",
		"prom:http://h/m#":                "is not a metric",
		"prom:http://h/m#a{b=c}":          "is not a metric",
		`prom:http://h/m#a{b="c"`:         "is not a metric",
		`prom:http://h/m#a{b="c"}x`:       "is not a metric",
		"prom:http://h/m#1a":              "is not a metric",
	} {
		got, err := ParseRPS(text)
		if err == nil {
			t.Errorf("%q gave %+v", text, got)
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--rps ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %q, want %q in one line", text, err, want)
		}
	}
	if _, err := ParseRPS("nginx:http://me:geheim@h:70000/"); strings.Contains(err.Error(), "geheim") {
		t.Errorf("a password in %q", err)
	}
}

func FuzzParseRPS(f *testing.F) {
	f.Add("auto")
	f.Add(`web=prom:http://u:p@127.0.0.1:9100/metrics#http_requests_total{code="200",x="\""}`)
	f.Add("nginx:http://[::1]:80/s")
	f.Add("web=log:/var/log/a.log:json")
	f.Add("api=statsd:[::1]:8125#a.requests")
	f.Add("haproxy:/run/haproxy.sock")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseRPS(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: an error of two lines: %q", text, err)
			}
			return
		}
		again, err := ParseRPS(s.String())
		if strings.Contains(s.URL, "@") {
			return // the password is hidden
		}
		if err != nil || !cmp.Equal(s, again) {
			t.Errorf("%q: %+v is written as %s and read as %+v, %v", text, s, s, again, err)
		}
		if s.URL != "" {
			if m, err := newMeter(s, new(ownConns), pageBounds); err != nil || m.page.port() == 0 {
				t.Errorf("%q: no page of %s: %v", text, s.URL, err)
			}
		}
	})
}
