package collectors

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHAProxyConfiguration(t *testing.T) {
	port := func(p uint16, text string) string {
		facts, err := parseHAProxy([]byte(text))
		if err != nil {
			return err.Error()
		}
		l := facts.limit(p, connLimit{most: facts.most, from: map[bool]string{true: "all"}[facts.most > 0]})
		return strings.Trim(fmt.Sprintf("%d %s", l.most, l.from), "0 ")
	}
	for name, c := range map[string][2]string{
		"nothing said":                {"", "global\nfrontend a\nbind :80"},
		"global":                      {"5000 all", "global\n  maxconn 5000\nfrontend a\nbind :80"},
		"smaller":                     {"200 maxconn 200 of frontend a", "global\n maxconn 5000\nfrontend a\nbind :80\nmaxconn 200"},
		"larger":                      {"5000 all", "global\n maxconn 5000\nlisten a\nbind :80\nmaxconn 9000"},
		"without a global one":        {"9000 maxconn 9000 of listen a", "listen a\nbind :80\nmaxconn 9000"},
		"of a bind line":              {"20 maxconn 20 of frontend a", "frontend a\nmaxconn 70\nbind 10.0.0.1:80 maxconn 20"},
		"two bind lines":              {"50 maxconn 50 of frontend a", "frontend a\nbind 10.0.0.1:80 maxconn 20\nbind 10.0.0.2:80 maxconn 30"},
		"one of them without":         {"70 maxconn 70 of frontend a", "frontend a\nmaxconn 70\nbind 10.0.0.1:80 maxconn 20\nbind 10.0.0.2:80"},
		"defaults":                    {"30 maxconn 30 of frontend a", "defaults\nmaxconn 30\nfrontend a\nbind :80"},
		"defaults that follow":        {"", "defaults\nmaxconn 30\ndefaults\nmode http\nfrontend a\nbind :80"},
		"named defaults":              {"30 maxconn 30 of frontend a", "defaults x\nmaxconn 30\ndefaults y from x\nmode tcp\ndefaults z\nfrontend a from y\nbind :80"},
		"another port":                {"", "frontend a\nbind :81\nmaxconn 30"},
		"a range":                     {"30 maxconn 30 of frontend a", "frontend a\nbind ipv4@127.0.0.1:70-90\nmaxconn 30"},
		"several addresses":           {"30 maxconn 30 of frontend a", "frontend a\nbind *:8080,[::]:80,/tmp/x:80\nmaxconn 30"},
		"two frontends":               {"50 maxconn 50 of frontend a and frontend b", "frontend b\nbind 10.0.0.1:80\nmaxconn 30\nfrontend a\nbind 10.0.0.2:80\nmaxconn 20"},
		"one of them without limit":   {"", "frontend b\nbind 10.0.0.1:80\nfrontend a\nbind 10.0.0.2:80\nmaxconn 20"},
		"backend":                     {"", "backend a\nbind :80\nmaxconn 20\nglobal"},
		"a variable":                  {"", "global\nmaxconn \"${MAX}\"\nfrontend a\nbind :80"},
		"a condition":                 {"700 all", "global\nmaxconn 700\nfrontend a\nbind :80\n.if defined(X)\nmaxconn 20\n.endif"},
		"a global one on condition":   {"", "global\n.if defined(X)\nmaxconn 20\n.else\nmaxconn 30\n.endif\nfrontend a\nbind :80"},
		"comments, quotes, escapes":   {"20 maxconn 20 of frontend a", "frontend 'a' # b\n bind \":80\"\nmaxconn\t2\\0 # 30"},
		"control characters":          {"20 maxconn 20 of frontend [31ma", "frontend \x1b[31ma\nbind :80\nmaxconn 20"},
		"an open quote":               {errConfigText.Error(), "frontend 'a\nbind :80"},
		"carriage returns":            {"20 maxconn 20 of frontend a", "frontend a\r\nbind :80\r\nmaxconn 20\r\n"},
		"a number of another machine": {"", "frontend a\nbind :80\nmaxconn 99999999999"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := port(80, c[1]); got != c[0] {
				t.Errorf("%q, want %q", got, c[0])
			}
		})
	}
}

func TestHAProxyFiles(t *testing.T) {
	facts, err := readHAProxy(debian(), []string{"/etc/haproxy/haproxy.cfg"})
	if err != nil || facts.most != 0 || facts.socket != "/run/haproxy/admin.sock" {
		t.Errorf("as Debian has it: %+v, %v", facts, err)
	}
	files := filesOf("/c/2.cfg", "maxconn 20", "/c/1.cfg", "global", "/c/3.txt", "maxconn 30", "/c/.4.cfg", "maxconn 40", "/d.cfg", "stats socket unix@/s level user")
	facts, err = readHAProxy(files, []string{"/c", "/d.cfg"})
	if err != nil || facts.most != 20 || facts.socket != "/s" {
		t.Errorf("a folder and a file: %+v, %v", facts, err)
	}
	if _, err := readHAProxy(files, []string{"/c", "/none.cfg"}); err == nil {
		t.Error("a file that is not there is passed over")
	}
}

func TestHAProxyCommand(t *testing.T) {
	for _, c := range []struct {
		args, cwd string
		want      haproxyCommand
		paths     string // empty = not known
	}{
		{"haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid -S /run/haproxy-master.sock", "/", haproxyCommand{files: []string{"/etc/haproxy/haproxy.cfg"}}, "/etc/haproxy/haproxy.cfg"},
		{"haproxy -f a.cfg -f /b -n 90 -sf 12 13 -x /s", "/srv", haproxyCommand{files: []string{"a.cfg", "/b"}, most: 90}, "/srv/a.cfg /b"},
		{"haproxy -C conf -D -- a b", "/srv", haproxyCommand{files: []string{"a", "b"}, folder: "conf"}, "/srv/conf/a /srv/conf/b"},
		{"haproxy -f a.cfg", "", haproxyCommand{files: []string{"a.cfg"}}, ""},
		{"haproxy -f", "/", haproxyCommand{}, ""},
		{"", "/", haproxyCommand{}, ""},
	} {
		got := parseHAProxyCommand([]byte(strings.ReplaceAll(c.args, " ", "\x00") + "\x00"))
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(haproxyCommand{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.args, diff)
		}
		paths, _ := got.paths(c.cwd)
		if text := strings.Join(paths, " "); text != c.paths {
			t.Errorf("%q in %s: %q, want %q", c.args, c.cwd, text, c.paths)
		}
	}
}

func TestShowInfo(t *testing.T) {
	for text, want := range map[string]uint64{
		string(readTestdata(t, "haproxy-show-info")): 1234,
		"Maxconn: 0\n":                    0,
		"Hard_maxconn: 20\n":              0,
		"Maxconn: -1\n":                   0,
		"Maxconn: 99999999999999999999\n": 0,
		"Maxconn:":                        0,
		"<html>":                          0,
		"":                                0,
	} {
		if got, ok := parseShowInfo([]byte(text)); got != want || ok != (want > 0) {
			t.Errorf("%.20q: %d %v, want %d", text, got, ok, want)
		}
	}
}

func FuzzHAProxyConfiguration(f *testing.F) {
	b, err := debian().read("/etc/haproxy/haproxy.cfg")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, uint16(80))
	f.Add([]byte("global\nmaxconn 10\ndefaults x from x\nmaxconn 1\nfrontend a from x\nbind :1-65535,*:80 maxconn 4294967296\n.if\n.endif\n.endif"), uint16(80))
	f.Add([]byte("frontend\nbind\nbind :\nmaxconn\nstats socket"), uint16(0))
	f.Fuzz(func(t *testing.T, text []byte, port uint16) {
		facts, err := parseHAProxy(text)
		if err != nil {
			return
		}
		whole := connLimit{most: facts.most, from: "all"}
		if l := facts.limit(port, whole); l.from == "" || l != whole && l.most >= whole.most && whole.most > 0 {
			t.Errorf("%+v of %+v", l, whole)
		}
		facts.places()
		if facts.socket != "" && facts.socket[0] != '/' {
			t.Errorf("socket %q", facts.socket)
		}
	})
}

func FuzzHAProxyAnswers(f *testing.F) {
	f.Add([]byte("Name: HAProxy\nMaxconn: 1234\n"), []byte("haproxy\x00-f\x00a\x00-C\x00b\x00"), "/")
	f.Add([]byte("Maxconn:"), []byte("\x00--\x00"), "")
	f.Fuzz(func(t *testing.T, info, cmdline []byte, cwd string) {
		if most, ok := parseShowInfo(info); ok != (most > 0) || most >= 1<<31 {
			t.Errorf("maxconn %d, %v", most, ok)
		}
		paths, ok := parseHAProxyCommand(cmdline).paths(cwd)
		for _, p := range paths {
			if p[0] != '/' {
				t.Errorf("%q is no absolute path", p)
			}
		}
		if ok && len(paths) == 0 {
			t.Error("known, and none")
		}
	})
}
