package collectors

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func TestParseStatsd(t *testing.T) {
	for line, want := range map[string]string{
		"api.requests:1|c":             "api.requests 1 0 true",
		"api.requests:3|c|@0.1":        "api.requests 30 0 true",
		"r:1|c|#method:GET,status:404": "r 1 404 true",
		"r:1|c|@0.5|#status_code:5xx":  "r 2 500 true",
		"r:1:2:3|c":                    "r 6 0 true",
		"g:5|g":                        "g 0 0 true",
		"t:320|ms|@0.1":                "t 0 0 true",
		"":                             "no",
		"x":                            "no",
		":1|c":                         "no",
		"a b:1|c":                      "no",
		"a:|c":                         "no",
		"a:1":                          "no",
		"a:1|":                         "no",
		"a:1|x":                        "no",
		"a:-1|c":                       "no",
		"a:NaN|c":                      "no",
		"a:Inf|c":                      "no",
		"a:9223372036854775808|c":      "no",
		"a:1|c|@0":                     "no",
		"a:1|c|@NaN":                   "no",
		"a:1|c|@1e-300":                "no",
		"\x00\xff:1|c":                 "no",
		strings.Repeat("a", statsdLength+1) + ":1|c": "no",
		"GET / HTTP/1.1": "no",
	} {
		name, n, status, ok := parseStatsd([]byte(line))
		got := "no"
		if ok {
			got = fmt.Sprintf("%s %v %d %v", name, n, status, ok)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}

func FuzzParseStatsd(f *testing.F) {
	f.Add([]byte("a.b:1:2|c|@0.1|#status:200,x"))
	f.Fuzz(func(t *testing.T, line []byte) {
		name, n, status, ok := parseStatsd(line)
		if ok && (!(n >= 0 && n <= statsdMost) || len(name) == 0 || status < 0 || status > 599) {
			t.Errorf("%q: %q %v %d", line, name, n, status)
		}
	})
}

// TestWhichCounterCountsRequests: the one that is named, else the one whose
// name says so, else the only one; never a sum of several.
func TestWhichCounterCountsRequests(t *testing.T) {
	for name, c := range map[string]struct{ source, packet, want string }{
		"the only one":       {"api=statsd:1", "hits:5|c", "5"},
		"it says requests":   {"api=statsd:1", "logins:5|c\napi.http.requests:7|c\nt:5|ms", "7"},
		"as gunicorn does":   {"api=statsd:1", "g.requests:7|c\ng.request.status.404:1|c\ng.request.duration:5|ms", "7"},
		"a total":            {"api=statsd:1", "x:5|c\nhttp_requests_total:7|c", "7"},
		"of this service":    {"api=statsd:1", "web.requests:5|c\napi.requests:7|c", "7"},
		"named":              {"api=statsd:1#logins", "logins:5|c\napi.requests:7|c", "5"},
		"several":            {"api=statsd:1", "b.requests:5|c\na.requests:7|c", "several counters come (a.requests, b.requests): name the one of the requests as statsd:127.0.0.1:1#NAME"},
		"several others":     {"api=statsd:1", "b:5|c\na:7|c", "several counters come (a, b)"},
		"nothing":            {"api=statsd:1", "t:5|ms", "no counter has come yet"},
		"nothing but junk":   {"api=statsd:1", "GET / HTTP/1.1", "no counter has come yet; 1 packets were not StatsD"},
		"another than named": {"api=statsd:1#x", "y:1|c", "no counter x has come yet"},
		"part of a packet":   {"api=statsd:1", "junk\nr:1|c\n\nr:2|c\n", "3"},
	} {
		source, err := ParseRPS(c.source)
		if err != nil {
			t.Fatal(err)
		}
		s := newStatsdCounter(source)
		s.packet([]byte(c.packet))
		got := ""
		if chosen, err := s.choose(); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(s.names[chosen].count)
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	s := newStatsdCounter(RPSSource{Metric: "wanted"})
	for i := range statsdNames + 10 {
		s.packet(fmt.Appendf(nil, "n%d:1|c", i))
	}
	if _, err := s.choose(); len(s.names) != statsdNames || err == nil || !strings.Contains(err.Error(), "more than 256 names came") {
		t.Errorf("%d names, %v", len(s.names), err)
	}
}

// TestStatsdOverUDP sends real packets and waits until they are counted.
func TestStatsdOverUDP(t *testing.T) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	r := newTestRPS(t, []servicePort{listening(3000, "node", 300)}, "node=statsd:"+address)
	got, err := rpsOf(t, r)
	want(t, "before the first", got, []string{"3000 STATSD: no counter has come yet"})
	if err != nil {
		t.Error(err)
	}
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 100 {
		fmt.Fprint(c, "node.requests:1|c|#status:200\nnode.requests:1|c|#status:500\n")
	}
	m := r.named[0]
	for end := time.Now().Add(5 * time.Second); m.whole.responses < 200 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		m.poll(t.Context())
	}
	if a := m.whole; a.responses != 200 || a.class != [3]uint64{0, 0, 100} || !a.classes {
		t.Errorf("%+v", a.metered)
	}
	// Somebody has the port already.
	taken := newStatsdCounter(m.source)
	if _, err := taken.count(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	taken.close()
}
