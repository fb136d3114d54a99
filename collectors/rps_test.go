package collectors

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/sample"
)

// fakeNginx is a server with a stub_status page at path. It counts what it is
// asked, as nginx does.
type fakeNginx struct {
	*httptest.Server
	mu       sync.Mutex
	path     string
	requests int
	asked    []string
}

func newFakeNginx(t testing.TB, path string) *fakeNginx {
	f := &fakeNginx{path: path}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeNginx) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	f.asked = append(f.asked, r.Method+" "+r.RequestURI)
	if r.RequestURI != f.path {
		http.NotFound(w, r)
		return
	}
	fmt.Fprintf(w, "Active connections: 1 \nserver accepts handled requests\n 1 1 %d \nReading: 0 Writing: 1 Waiting: 0 \n", f.requests)
}

// serve counts n requests.
func (f *fakeNginx) serve(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests += n
}

func (f *fakeNginx) port() uint16 {
	u, _ := url.Parse(f.URL)
	n, _ := strconv.Atoi(u.Port())
	return uint16(n)
}

// listening is a port on loopback.
func listening(port uint16, name string, root int) servicePort {
	return servicePort{
		port: port, owner: owner{name: name, root: root}, addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, key: uint64(port),
	}
}

// rpsOf collects once and shows each service as "port rps responses note".
func rpsOf(t *testing.T, r *rpsCollector) ([]string, error) {
	t.Helper()
	reading, err := r.Collect(t.Context(), time.Now())
	ports, _ := r.found.get()
	s := new(sample.Sample)
	for _, p := range ports {
		s.Services = append(s.Services, &sample.Service{Port: uint32(p.port)})
	}
	reading(s)
	var all []string
	for _, v := range s.GetServices() {
		text := fmt.Sprint(v.GetPort(), " ", strings.TrimPrefix(v.GetRpsSource().String(), "RPS_SOURCE_"))
		if v.Rps != nil {
			text += " known"
		}
		if v.Responses != nil {
			text += fmt.Sprint(" ", v.GetResponses())
		}
		if v.GetRpsNote() != "" {
			text += ": " + v.GetRpsNote()
		}
		all = append(all, text)
	}
	return all, err
}

func newTestRPS(t *testing.T, ports []servicePort, sources ...string) *rpsCollector {
	t.Helper()
	var c Config
	for _, text := range sources {
		s, err := ParseRPS(text)
		if err != nil {
			t.Fatal(err)
		}
		c.RPS = append(c.RPS, s)
	}
	found := newListeners()
	found.publish(ports)
	r := newRPS(c, new(ownConns), found)
	r.rules.root = false
	r.kernel = nil // what it does is in rps_kernel_test.go
	found.notify(nil)
	t.Cleanup(func() { r.Close() })
	return r
}

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestStatusPageIsFoundByItself follows an nginx from its start: three paths
// asked once, then one poll a second, which does not count; after a restart the
// search begins anew.
func TestStatusPageIsFoundByItself(t *testing.T) {
	f := newFakeNginx(t, "/basic_status")
	site := listening(1, "nginx", 100) // nobody answers there
	ports := []servicePort{site, listening(f.port(), "nginx", 100), listening(65535, "nginx", 900)}
	r := newTestRPS(t, ports)
	status := fmt.Sprint(f.port(), " UNSPECIFIED: counted with :1")
	none := "65535 UNSPECIFIED: no status page found: add `stub_status` or name one with --rps"
	got, err := rpsOf(t, r)
	want(t, "first", got, []string{"1 NGINX 0: waiting for the second reading", status, none})
	f.serve(40)
	got, err2 := rpsOf(t, r)
	want(t, "second", got, []string{"1 NGINX known 40", status, none})
	got, err3 := rpsOf(t, r)
	want(t, "third", got, []string{"1 NGINX known 40", status, none})
	if err != nil || err2 != nil || err3 != nil {
		t.Errorf("errors %v, %v, %v", err, err2, err3)
	}
	want(t, "asked", f.asked, []string{"GET /nginx_status", "GET /stub_status", "GET /basic_status", "GET /basic_status", "GET /basic_status"})

	again := listening(f.port(), "nginx", 101)
	again.key++
	r.found.publish([]servicePort{site, again})
	got, _ = rpsOf(t, r)
	want(t, "restarted", got, []string{
		// The port of the site has no server that answers for it any more.
		"1 UNSPECIFIED 40: no status page found: add `stub_status` or name one with --rps",
		fmt.Sprint(f.port(), " NGINX 0: waiting for the second reading"),
	})
	if len(f.asked) != 8 {
		t.Errorf("asked %d times, want three more", len(f.asked))
	}
	f.serve(5)
	rpsOf(t, r)
	again.owner.root++
	r.found.publish([]servicePort{again})
	got, _ = rpsOf(t, r)
	want(t, "another process, the count goes on", got, []string{fmt.Sprint(f.port(), " NGINX 5: waiting for the second reading")})
	r.found.publish(nil)
	if _, err := rpsOf(t, r); err != nil || len(r.auto) != 0 || len(r.own.snapshot(nil)) != 0 {
		t.Errorf("gone: error %v, %d probes, own connections %v", err, len(r.auto), r.own.snapshot(nil))
	}
}

// TestNobodyElseIsAsked: only loopback, only nginx, not where it is turned off.
func TestNobodyElseIsAsked(t *testing.T) {
	f := newFakeNginx(t, "/nginx_status")
	far := listening(f.port(), "nginx", 100)
	far.addrs = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	for name, c := range map[string]struct {
		port    servicePort
		sources []string
		note    string
	}{
		"node":            {listening(f.port(), "node", 100), nil, "no source of requests for node: name one with --rps"},
		"hidden":          {listening(f.port(), "", 0), nil, "owner hidden: run as root or name an endpoint with --rps"},
		"not on loopback": {far, nil, "not on loopback, so not asked: name its stub_status page with --rps"},
		"off":             {listening(f.port(), "nginx", 100), []string{"off"}, "turned off with --rps off"},
		"this one off":    {listening(f.port(), "nginx", 100), []string{"nginx=off"}, "turned off with --rps off"},
		"that port off":   {listening(f.port(), "nginx", 100), []string{fmt.Sprint(f.port(), "=off")}, "turned off with --rps off"},
		"auto for others": {listening(f.port(), "nginx", 100), []string{"81=auto"}, "no source of requests for nginx: name one with --rps"},
	} {
		r := newTestRPS(t, []servicePort{c.port}, c.sources...)
		got, err := rpsOf(t, r)
		want(t, name, got, []string{fmt.Sprint(f.port(), " UNSPECIFIED: ", c.note)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("asked %v", f.asked)
	}
	r := newTestRPS(t, []servicePort{listening(f.port(), "nginx", 100)}, "off", "auto")
	if got, _ := rpsOf(t, r); !strings.Contains(got[0], "NGINX") {
		t.Errorf("auto after off: %v", got)
	}
}

// TestEveryProgramIsAskedInItsOwnWay: the paths and ports of DESIGN, nothing
// else, once.
func TestEveryProgramIsAskedInItsOwnWay(t *testing.T) {
	pages := map[string]string{
		"/server-status?auto": string(readTestdata(t, "apache-status")),
		"/metrics":            string(readTestdata(t, "metrics-caddy")) + "prometheus_http_requests_total 5\n",
	}
	var mu sync.Mutex
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.RequestURI)
		if pages[r.RequestURI] == "" {
			http.NotFound(w, r)
		}
		fmt.Fprint(w, pages[r.RequestURI])
	}))
	defer s.Close()
	u, _ := url.Parse(s.URL)
	n, _ := strconv.Atoi(u.Port())
	here := uint16(n)
	// Well-known ports are moved to that of the test.
	moved := *probes["caddy"]
	defer func(old *probe) { probes["caddy"] = old }(probes["caddy"])
	moved.port = here
	probes["caddy"] = &moved

	for name, c := range map[string]struct {
		program string
		asked   []string
		want    string
	}{
		"apache":            {"apache2", []string{"GET /server-status?auto"}, "APACHE 0: " + waiting},
		"apache by another": {"httpd", []string{"GET /server-status?auto"}, "APACHE 0: " + waiting},
		"caddy":             {"caddy", []string{"GET /metrics"}, "CADDY 0: " + waiting},
		"prometheus on a port that is not its own": {"prometheus", nil, "UNSPECIFIED: no metrics with its requests found: name a source with --rps"},
		"traefik elsewhere":                        {"traefik", nil, "UNSPECIFIED: no metrics with its requests found: name a source with --rps"},
		"haproxy has a socket":                     {"haproxy", nil, "UNSPECIFIED: no stats socket found that this user may ask: add `stats socket` or name one with --rps"},
		"nobody knows it":                          {"lighttpd", nil, "UNSPECIFIED: no source of requests for lighttpd: name one with --rps"},
	} {
		asked = nil
		r := newTestRPS(t, []servicePort{listening(here, c.program, 1<<22)})
		got, err := rpsOf(t, r)
		want(t, name, got, []string{fmt.Sprint(here, " ", c.want)})
		want(t, name, asked, c.asked)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNamedPages(t *testing.T) {
	f := newFakeNginx(t, "/s")
	page := "nginx:" + f.URL + "/s"
	node, proxy := listening(3000, "node", 300), listening(1, "nginx", 100)
	status := listening(f.port(), "nginx", 100)
	waiting := " NGINX 0: waiting for the second reading"
	noSource := "3000 UNSPECIFIED: no source of requests for node: name one with --rps"
	for name, c := range map[string]struct {
		ports   []servicePort
		sources []string
		want    []string
		err     string
	}{
		"an nginx: its lowest other port": {
			[]servicePort{proxy, node, status},
			[]string{page},
			[]string{"1" + waiting, noSource, fmt.Sprint(f.port(), " UNSPECIFIED: counted with :1")},
			"",
		},
		"an nginx with one port": {[]servicePort{status}, []string{page}, []string{fmt.Sprint(f.port(), waiting)}, ""},
		"for a process":          {[]servicePort{node}, []string{"node=" + page}, []string{"3000" + waiting}, ""},
		"for a port":             {[]servicePort{proxy, node}, []string{"3000=" + page}, []string{"1 UNSPECIFIED: no status page found: add `stub_status` or name one with --rps", "3000" + waiting}, ""},
		"for nobody here": {
			[]servicePort{node},
			[]string{"web=" + page},
			[]string{noSource},
			"nothing called web listens here",
		},
		"its port is not ours": {[]servicePort{node}, []string{page}, []string{noSource}, fmt.Sprintf("its port %d is no service of this machine; write NAME= before it", f.port())},
		"two for one": {
			[]servicePort{node},
			[]string{"node=" + page, "3000=nginx:" + f.URL + "/nope"},
			[]string{"3000" + waiting},
			"/nope: no page: it answers 404; is stub_status on at this path?",
		},
		"both answer for one": {
			[]servicePort{node},
			[]string{"node=" + page, "3000=nginx:" + strings.Replace(f.URL, "127.0.0.1", "localhost", 1) + "/s"},
			[]string{"3000" + waiting},
			"port 3000 has its requests from node=nginx:",
		},
		"it fails": {
			[]servicePort{node},
			[]string{"node=nginx:http://127.0.0.1:1/s"},
			[]string{"3000 NGINX: dial tcp 127.0.0.1:1: connect: connection refused"},
			"node=nginx:http://127.0.0.1:1/s: dial tcp 127.0.0.1:1: connect: connection refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rpsOf(t, newTestRPS(t, c.ports, c.sources...))
			want(t, "services", got, c.want)
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestPagesAreAskedAtTheSameTime(t *testing.T) {
	// Neither answers before both have been asked.
	var both sync.WaitGroup
	both.Add(2)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		both.Done()
		both.Wait()
		fmt.Fprint(w, "Active connections: 1 \nserver accepts handled requests\n 1 1 1 \n")
	}))
	defer s.Close()
	r := newTestRPS(t, []servicePort{listening(1, "a", 1), listening(2, "b", 2)}, "a=nginx:"+s.URL, "b=nginx:"+s.URL+"/2")
	got, err := rpsOf(t, r)
	want(t, "services", got, []string{"1 NGINX 0: waiting for the second reading", "2 NGINX 0: waiting for the second reading"})
	if err != nil {
		t.Error(err)
	}
}

// TestFirstSampleWaitsForThePorts: the connections collector may be overtaken
// in its first, long reading.
func TestFirstSampleWaitsForThePorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := newListeners()
		r := newRPS(Config{}, new(ownConns), found)
		r.kernel = nil
		defer r.Close()
		go func() {
			time.Sleep(50 * time.Millisecond)
			found.publish([]servicePort{listening(3000, "node", 300)})
		}()
		got, err := rpsOf(t, r)
		want(t, "services", got, []string{"3000 UNSPECIFIED: no source of requests for node: name one with --rps"})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestRequestsBeforeAnyPortIsKnown(t *testing.T) {
	r := newRPS(Config{}, new(ownConns), newListeners())
	r.kernel = nil
	defer r.Close()
	reading, err := r.Collect(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &sample.Sample{Services: []*sample.Service{{Port: 80}}}
	reading(s)
	if s.GetServices()[0].GetRpsNote() != "" {
		t.Errorf("a note about a port nobody told of: %v", s)
	}
}

func BenchmarkPoll(b *testing.B) {
	f := newFakeNginx(b, "/s")
	m, err := newMeter(RPSSource{Kind: RPSNginx, URL: f.URL + "/s"}, new(ownConns), probeBounds)
	if err != nil {
		b.Fatal(err)
	}
	defer m.counter.close()
	b.ReportAllocs()
	for b.Loop() {
		if m.poll(b.Context()); m.err != nil {
			b.Fatal(m.err)
		}
	}
}
