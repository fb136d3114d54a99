package collectors

import (
	"bufio"
	"fmt"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"capmon/sample"
)

func TestParseUsers(t *testing.T) {
	for text, want := range map[string]string{
		"prom:http://127.0.0.1:9000#players":                        "prom:http://127.0.0.1:9000/metrics#players",
		`prom:https://u:secret@game/m#players{zone="a",state="on"}`: `prom:https://u:xxxxx@game/m#players{state="on",zone="a"}`,
		"statsd:8125#players.online":                                "statsd:127.0.0.1:8125#players.online",
		" statsd:127.0.0.2:8125#players ":                           "statsd:127.0.0.2:8125#players",
	} {
		s, err := ParseUsers(text)
		if err != nil || s.String() != want {
			t.Errorf("%s: %v (%v), want %s", text, s, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                                   "there are prom:URL#metric",
		"500":                                "there are prom:URL#metric",
		"nginx:http://127.0.0.1":             "there are prom:URL#metric",
		"prom:http://127.0.0.1":              "it names no gauge",
		"prom:ftp://127.0.0.1#players":       "not an http or https URL",
		"prom:http://127.0.0.1#players{":     "is not a metric",
		"statsd:8125":                        "it names no gauge",
		"statsd:99999#players":               "not an address",
		"prom:http://u:secret@[bad#players":  "xxxxx",
		"prom:http://127.0.0.1#players more": "is not a metric",
	} {
		_, err := ParseUsers(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if (UsersSource{}).String() != "" {
		t.Error("nowhere has a name")
	}
}

// readUsers is one interval of a collector.
func readUsers(t *testing.T, u *users) (*sample.Sample, error) {
	t.Helper()
	s := &sample.Sample{Seq: 1}
	r, err := u.Collect(t.Context(), time.Now())
	if r != nil {
		r(s)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	return s, err
}

func TestUsersOfAPage(t *testing.T) {
	for name, c := range map[string]struct {
		text, selector string
		want           float64
		err            string
	}{
		"a gauge":             {"# TYPE players gauge\nplayers 120\nother 4\n", "players", 120, ""},
		"without a type":      {"players_waiting 9\nplayers 1.5e3 1700000000000\n", "players", 1500, ""},
		"none there":          {"players 0\n", "players", 0, ""},
		"one line of two":     {"players{zone=\"a\"} 7\nplayers{zone=\"b\"} 8\n", `players{zone="b"}`, 8, ""},
		"two lines":           {"players{zone=\"a\"} 7\nplayers{zone=\"b\"} 8\n", "players", 0, "2 lines of players match: name labels that leave one"},
		"no such label":       {"players{zone=\"a\"} 7\n", `players{zone="c"}`, 0, "no line of players has these labels"},
		"no such metric":      {"player 7\n", "players", 0, "no players on the page"},
		"a counter":           {"# TYPE players counter\nplayers 120\n", "players", 0, "players is a counter and not a gauge"},
		"not a number":        {"players many\n", "players", 0, "is no number"},
		"NaN":                 {"players NaN\n", "players", 0, "no number of people"},
		"below zero":          {"players -1\n", "players", 0, "no number of people"},
		"more than there are": {"players 1e13\n", "players", 0, "no number of people"},
	} {
		t.Run(name, func(t *testing.T) {
			var text atomic.Pointer[string]
			text.Store(&c.text)
			source, err := ParseUsers("prom:" + promServer(t, &text) + "#" + c.selector)
			if err != nil {
				t.Fatal(err)
			}
			u := newUsers(source, new(ownConns))
			defer u.Close()
			s, err := readUsers(t, u)
			switch {
			case c.err == "" && (err != nil || s.Users == nil || s.GetUsers() != c.want):
				t.Errorf("%v users (%v), want %v", s.Users, err, c.want)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "--users prom:http") || s.Users != nil):
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestUsersOfAPageThatIsGone(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis.Close()
	source, err := ParseUsers(fmt.Sprintf("prom:http://%v#players", lis.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	u := newUsers(source, new(ownConns))
	defer u.Close()
	if s, err := readUsers(t, u); err == nil || s.Users != nil {
		t.Errorf("%v users (%v) of nobody", s.Users, err)
	}
}

func TestUsersOfStatsD(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := conn.LocalAddr().String()
	source, err := ParseUsers("statsd:" + address + "#players")
	if err != nil {
		t.Fatal(err)
	}
	u := newUsers(source, new(ownConns))
	defer u.Close()
	if _, err := readUsers(t, u); err == nil || !strings.Contains(err.Error(), "is another program") {
		t.Errorf("on a port that is taken: %v", err)
	}
	conn.Close()
	if _, err := readUsers(t, u); err == nil || !strings.Contains(err.Error(), "has come yet") {
		t.Errorf("before the first packet: %v", err)
	}
	out, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.Write([]byte("other:3|g\nplayers:120|g|#zone:a\nplayers:7|c\nplayers:-20|g\n")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s, err := readUsers(t, u)
		if err == nil && s.GetUsers() == 100 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%v users: %v", s.Users, err)
		}
	}
	g := u.gauge.(*statsdGauge)
	g.mu.Lock()
	g.packet([]byte("players:-500|g"))
	g.at = g.at.Add(-2 * gaugeKept)
	g.mu.Unlock()
	if s, err := readUsers(t, u); err == nil || s.Users != nil || !strings.Contains(err.Error(), "was last sent") {
		t.Errorf("%v users of an old packet: %v", s.Users, err)
	}
}

// TestUsersAreReadWhereTheyAreNamed: the collector is in the list then only.
func TestUsersAreReadWhereTheyAreNamed(t *testing.T) {
	source, err := ParseUsers("statsd:1#players")
	if err != nil {
		t.Fatal(err)
	}
	named := List(Config{Users: source})
	if n := len(List(Config{})); len(named) != n+1 || named[n].Name() != "users" {
		t.Errorf("%d collectors, %d without users", len(named), n)
	}
	for _, c := range append(named, List(Config{})...) {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzUsersPage(f *testing.F) {
	f.Add("# TYPE players gauge\nplayers{a=\"b\"} 12\n")
	f.Add("players 1\nplayers{ 2\nplayers}")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := oneSeries(bufio.NewReaderSize(strings.NewReader(text), 4096), "players", map[string]string{"a": "b"})
		if err == nil && p.lines > p.named {
			t.Errorf("%+v", p)
		}
	})
}

func FuzzUsersGauge(f *testing.F) {
	f.Add("players:12|g\nplayers:+3|g")
	f.Add("players:-1|g|@0.1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		g := newStatsdGauge(RPSSource{Metric: "players"})
		g.packet([]byte(text))
		if g.known && (checkUsers(g.value) != nil || math.IsNaN(g.value)) {
			t.Errorf("%v users", g.value)
		}
	})
}

func FuzzParseUsers(f *testing.F) {
	f.Add(`prom:http://a:b@c/d#e{f="g"}`)
	f.Add("statsd:8125#players")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseUsers(text)
		if err != nil {
			return
		}
		again, err := ParseUsers(s.String())
		if err != nil && !strings.Contains(s.String(), "xxxxx") || err == nil && again.String() != s.String() {
			t.Errorf("%q became %q (%v)", text, s, err)
		}
	})
}
