package collectors

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseShowStat(t *testing.T) {
	page := string(readTestdata(t, "haproxy-stat.csv"))
	got, err := parseShowStat([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	want := readout{
		tally: tally{count: 1214, class: [3]float64{5, 20, 3}, classes: true},
		parts: map[string]tally{
			"web":   {count: 1200, class: [3]float64{5, 20, 3}, classes: true},
			"stats": {count: 14, classes: true},
			"tcp":   {classes: true},
		},
		binds: map[string][]uint16{"web": {8080, 8081}, "stats": {8404}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(readout{}, tally{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "not the statistics of a HAProxy"},
		"a web page":      {"<html>\n", "not the statistics of a HAProxy"},
		"an old one":      {"# pxname,svname,type\n", "without"},
		"no frontend":     {page[:strings.IndexByte(page, '\n')+1], "a HAProxy without a frontend"},
		"negative":        {strings.Replace(page, ",1200,", ",-5,", 1), `frontend "web": its count "-5" is no count`},
		"more than ever":  {strings.Replace(page, ",1200,", ",9223372036854775808,", 1), "is no count"},
		"no number":       {strings.Replace(page, ",1200,", ",NaN,", 1), "is no count"},
		"a command error": {"Unknown command: 'show stat'\n", "not the statistics of a HAProxy"},
	} {
		if got, err := parseShowStat([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, error %v, want %q", name, got.tally, err, c.want)
		}
	}
}

func FuzzParseShowStat(f *testing.F) {
	f.Add(readTestdata(f, "haproxy-stat.csv"))
	f.Add([]byte("# pxname,svname,req_tot,type,hrsp_3xx,hrsp_4xx,hrsp_5xx,addr\na,FRONTEND,1,0,,,,\na,s,,3,,,,:80\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseShowStat(b)
		if err == nil && (got.count < 0 || len(got.parts) == 0 || len(got.parts) > maxFrontends) {
			t.Errorf("%+v", got)
		}
	})
}

func TestHAProxyConfig(t *testing.T) {
	facts, err := parseHAProxy([]byte(`
global
    stats socket ipv4@127.0.0.1:9999 level admin
    stats socket /run/haproxy/admin.sock mode 660 # the one
    stats socket /run/second.sock
defaults
    mode http
frontend web
    bind *:80,[::]:443 ssl crt /x   # two
    bind :8000-8002
    bind /run/web.sock
    bind "${ADDR}:90"
listen stats
    bind 127.0.0.1:8404
    stats socket /not/in/global
backend b
    bind :1
frontend
    bind :99999
    bind :5-2
    bind :1-60000
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]uint16{"web": {80, 443, 8000, 8001, 8002, 90}, "stats": {8404}}
	if diff := cmp.Diff(want, facts.places()); diff != "" || facts.socket != "/run/haproxy/admin.sock" {
		t.Errorf("socket %s (-want +got):\n%s", facts.socket, diff)
	}
}

// answering is a stats socket that gives every caller the same answer; with
// nothing to say it never ends.
func answering(t *testing.T, answer string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("HAProxy does not run on Windows")
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 10)
			_, _ = io.ReadFull(c, b)
			if answer == "" {
				_, _ = c.Read(b)
			}
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return path
}

func TestHAProxySocket(t *testing.T) {
	h := &haproxySocket{path: answering(t, string(readTestdata(t, "haproxy-stat.csv")))}
	for range 2 {
		if got, err := h.count(t.Context()); got.count != 1214 || err != nil {
			t.Errorf("%v, %v", got.tally, err)
		}
	}
	slow := &haproxySocket{path: answering(t, "")}
	if _, err := slow.count(t.Context()); err == nil || !strings.Contains(err.Error(), "no answer within 200ms") {
		t.Errorf("slow: %v", err)
	}
	gone := &haproxySocket{path: filepath.Join(t.TempDir(), "none")}
	if _, err := gone.count(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("gone: %v", err)
	}
	dir := &haproxySocket{path: t.TempDir()}
	if _, err := dir.count(t.Context()); err == nil || !strings.Contains(err.Error(), "not a socket: name the one of the `stats socket` line") {
		t.Errorf("a folder: %v", err)
	}
}

// TestFrontendsHavePortsOfTheirOwn: each frontend counts for the lowest of its
// ports; where one can't be placed, the proxy counts as a whole.
func TestFrontendsHavePortsOfTheirOwn(t *testing.T) {
	ports := []servicePort{listening(8080, "haproxy", 7), listening(8081, "haproxy", 7), listening(8404, "haproxy", 7)}
	stat := string(readTestdata(t, "haproxy-stat.csv"))
	for name, c := range map[string]struct {
		stat string
		want []string
	}{
		"told by the statistics": {stat, []string{
			"8080 HAPROXY 0: waiting for the second reading", "8081 UNSPECIFIED: counted with :8080", "8404 HAPROXY 0: waiting for the second reading",
		}},
		"not told": {strings.ReplaceAll(stat, "127.0.0.1:", "/run/"), []string{
			"8080 HAPROXY 0: waiting for the second reading", "8081 UNSPECIFIED: counted with :8080", "8404 UNSPECIFIED: counted with :8080",
		}},
	} {
		r := newTestRPS(t, ports, "haproxy:"+answering(t, c.stat))
		got, err := rpsOf(t, r)
		want(t, name, got, c.want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPageOfAProxyCountsItself: the frontend that shows the CSV page has served
// nobody but capmon.
func TestPageOfAProxyCountsItself(t *testing.T) {
	polls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		polls++
		port := r.Host[strings.LastIndexByte(r.Host, ':'):]
		fmt.Fprintf(w, "# pxname,svname,type,hrsp_3xx,hrsp_4xx,hrsp_5xx,req_tot,addr,\nstats,FRONTEND,0,0,0,0,%d,,\nstats,sock-1,3,,,,,%s,\nweb,FRONTEND,0,0,0,0,%d,,\nweb,sock-1,3,,,,,:7,\n",
			polls, port, 100*polls)
	}))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	r := newTestRPS(t, []servicePort{listening(7, "haproxy", 9), listening(uint16(n), "haproxy", 9)}, "haproxy:"+s.URL)
	for range 3 {
		_, err = rpsOf(t, r)
	}
	got, err2 := rpsOf(t, r)
	want(t, "services", got, []string{"7 HAPROXY known 300", fmt.Sprint(n, " HAPROXY known 0")})
	if err != nil || err2 != nil {
		t.Errorf("%v, %v", err, err2)
	}
}

// TestReloadOfAProxy: its counters begin at 0 again, ours do not go back.
func TestReloadOfAProxy(t *testing.T) {
	m := &meter{whole: new(account), parts: make(map[string]*account)}
	at := time.Now()
	for i, c := range []struct {
		count float64
		known bool
		total uint64
	}{{1000, false, 0}, {1500, true, 500}, {20, false, 500}, {60, true, 540}} {
		m.take(readout{tally: tally{count: c.count, class: [3]float64{0, 0, c.count / 10}, classes: true}}, at.Add(time.Duration(i)*time.Second))
		if a := m.whole; a.known != c.known || a.responses != c.total || m.err != nil {
			t.Errorf("step %d: %+v, %v", i, a.metered, m.err)
		}
	}
	if got := m.whole.class[2]; got != 54 || !m.whole.classes {
		t.Errorf("%d of 5xx, want 54", got)
	}
}
