package collectors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// fixtureFiles are the files of a test.
type fixtureFiles struct{ fs.FS }

func (f fixtureFiles) read(name string) ([]byte, error) { return fs.ReadFile(f, name[1:]) }

func (f fixtureFiles) list(name string) ([]string, error) {
	entries, err := fs.ReadDir(f, strings.TrimPrefix("."+name, "./"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

func filesOf(text ...string) fixtureFiles {
	m := make(fstest.MapFS)
	for i := 0; i+1 < len(text); i += 2 {
		m[strings.TrimPrefix(text[i], "/")] = &fstest.MapFile{Data: []byte(text[i+1])}
	}
	return fixtureFiles{m}
}

func debian() fixtureFiles { return fixtureFiles{os.DirFS("testdata/debian")} }

func TestNginxConfiguration(t *testing.T) {
	const main = "/etc/nginx/nginx.conf"
	for name, c := range map[string]struct {
		files   fixtureFiles
		globals string
		workers int
		want    string
	}{
		"as Debian has it":               {debian(), "daemon on; master_process on;", 4, "3072: worker_connections 768 x 4"},
		"as Debian has it, none running": {debian(), "", 0, ""},
		"nothing said":                   {filesOf(main, "events {}"), "", 0, "512: worker_connections 512 x 1"},
		"number of workers": {
			filesOf(main, "worker_processes 3; events { worker_connections 100; }"), "", 0, "300: worker_connections 100 x 3",
		},
		"those that run": {
			filesOf(main, "worker_processes 3; events { worker_connections 100; }"), "", 2, "200: worker_connections 100 x 2",
		},
		"by the command line": {
			filesOf(main, "events { worker_connections 100; }"), "worker_processes 4;", 0, "400: worker_connections 100 x 4",
		},
		"fewer files than connections": {
			filesOf(main, "worker_rlimit_nofile 64; events { worker_connections 100; }"), "", 2, "128: worker_rlimit_nofile 64 x 2",
		},
		"passed on": {
			filesOf(main, `events { worker_connections 100; } http { server { location ~ "\.php$" { fastcgi_pass unix:/run/php.sock; } } }`), "", 3,
			"150: worker_connections 100 x 3, two for each proxied client",
		},
		"comments, quotes, braces": {
			filesOf(main, "# worker_processes 9; {\nevents { worker_connections 100; # } proxy_pass x;\n }\nhttp { log_format a '{\"proxy_pass x;\": \"it\\'s\"}' \"}\"; "+
				"if ($a ~ a\\{2\\}) { set $b ${c}d; } map $x $y { proxy_pass b; include nowhere; } }"), "", 2,
			"200: worker_connections 100 x 2",
		},
		"a program in Lua": {
			filesOf(main, "events { worker_connections 100; } http { content_by_lua_block { -- it's }\n local a = {\"}\"} proxy_pass() } server {} }"), "", 1,
			"100: worker_connections 100 x 1",
		},
		"includes": {
			filesOf(
				main, "events { include conf.d/events; } http { include /sites/*/on.conf; include conf.d/*.none; include sub/[!b].conf; }",
				"/etc/nginx/conf.d/events", "worker_connections 10;",
				"/sites/a/on.conf", "server { include more; }", "/sites/b/off.conf", "grpc_pass x;", "/sites/.c/on.conf", "grpc_pass x;",
				"/etc/nginx/more", "listen 80;", "/etc/nginx/sub/b.conf", "uwsgi_pass x;",
			), "", 1, "10: worker_connections 10 x 1",
		},
		"passed on in what is included": {
			filesOf(main, "events {} http { include sites/*; }", "/etc/nginx/sites/a", "server { proxy_pass http://b; }"), "", 1,
			"256: worker_connections 512 x 1, two for each proxied client",
		},
		"elsewhere it is something else": {filesOf(main, "http { worker_connections 7; worker_processes 8; } events {}"), "", 0, "512: worker_connections 512 x 1"},
		"no file":                        {filesOf(), "", 1, ""},
		"an include that is not there":   {filesOf(main, "events {} include nowhere;"), "", 1, ""},
		"a loop":                         {filesOf(main, "events {} include nginx.conf;"), "", 1, ""},
		"a loop by a pattern":            {filesOf(main, "events {} include *;"), "", 1, ""},
		"as many files as never end":     {filesOf(main, "events {} include a;", "/etc/nginx/a", strings.Repeat("include a;", 100)), "", 1, ""},
		"a path without end":             {filesOf(main, "events {} include "+strings.Repeat("a/", 1<<20)+"*;"), "", 1, ""},
		"a pattern that is none":         {filesOf(main, "events {} include a[*;"), "", 1, ""},
		"an open block":                  {filesOf(main, "events { worker_connections 7;"), "", 1, ""},
		"one brace too many":             {filesOf(main, "events { } }"), "", 1, ""},
		"an open quote":                  {filesOf(main, "events { } error_log \"a;"), "", 1, ""},
		"half a directive":               {filesOf(main, "events { } user www"), "", 1, ""},
		"no number":                      {filesOf(main, "events { worker_connections many; }"), "", 1, ""},
		"none":                           {filesOf(main, "events { worker_connections 0; }"), "", 1, ""},
		"a number that is none":          {filesOf(main, "worker_processes 18446744073709551615; events {}"), "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if facts, err := readNginx(c.files, main, c.globals); err == nil {
				if l := facts.limit(c.workers); l.from != "" {
					got = fmt.Sprintf("%d: %s", l.most, l.from)
				}
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestNginxCommand(t *testing.T) {
	for _, c := range []struct {
		cmdline, exe string
		want         nginxCommand
		config       string
	}{
		{
			"nginx: master process /usr/sbin/nginx -g daemon on; master_process on;", "/usr/sbin/nginx",
			nginxCommand{globals: "daemon on; master_process on;"},
			"/etc/nginx/nginx.conf",
		},
		{"nginx: master process nginx -p /srv/my web -c sites/a b.conf -q\x00\x00", "/usr/sbin/nginx", nginxCommand{file: "sites/a b.conf", prefix: "/srv/my web"}, "/srv/my web/sites/a b.conf"},
		{"nginx: master process nginx -qc/a//b.conf", "/usr/sbin/nginx", nginxCommand{file: "/a//b.conf"}, "/a/b.conf"},
		{"nginx\x00-c\x00/a b -q.conf\x00-g\x00daemon off;\x00", "/usr/sbin/nginx", nginxCommand{file: "/a b -q.conf", globals: "daemon off;"}, "/a b -q.conf"},
		{"nginx: master process nginx", "/usr/local/nginx/sbin/nginx", nginxCommand{}, "/usr/local/nginx/conf/nginx.conf"},
		{"nginx: master process nginx -p /srv/b/", "/opt/nginx/sbin/nginx (deleted)", nginxCommand{prefix: "/srv/b/"}, "/srv/b/conf/nginx.conf"},
		{"nginx: master process nginx -c n.conf", "/usr/sbin/nginx", nginxCommand{file: "n.conf"}, ""},
		{"nginx: master process nginx -p here -c n.conf", "/usr/sbin/nginx", nginxCommand{file: "n.conf", prefix: "here"}, ""},
		{"nginx: master process nginx -c", "", nginxCommand{}, "/etc/nginx/nginx.conf"},
		{"", "", nginxCommand{}, "/etc/nginx/nginx.conf"},
	} {
		got := parseNginxCommand([]byte(c.cmdline))
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(nginxCommand{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.cmdline, diff)
		}
		if file := got.config(c.exe); file != c.config {
			t.Errorf("%q of %s: %q, want %q", c.cmdline, c.exe, file, c.config)
		}
	}
}

func FuzzNginxConfiguration(f *testing.F) {
	b, err := debian().read("/etc/nginx/nginx.conf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, []byte("server { proxy_pass x; }"), uint16(2))
	f.Add([]byte("include /i; events{worker_connections 18446744073709551615;}"), []byte("include /i;"), uint16(0))
	f.Add([]byte("content_by_lua_block { '"), []byte("a \\"), uint16(1))
	f.Fuzz(func(t *testing.T, main, included []byte, workers uint16) {
		files := filesOf("/etc/nginx/nginx.conf", string(main), "/i", string(included), "/etc/nginx/i", string(included))
		facts, err := readNginx(files, "/etc/nginx/nginx.conf", "")
		if err != nil {
			return
		}
		l := facts.limit(int(workers))
		if l.from == "" && l.most != 0 || l.from != "" && (l.most == 0 && !facts.proxied || l.most > maxNginxEach*maxNginxWorkers) {
			t.Errorf("%d from %q", l.most, l.from)
		}
	})
}

func FuzzNginxCommand(f *testing.F) {
	f.Add([]byte("nginx: master process /usr/sbin/nginx -g daemon on; -c /a b"), "/usr/sbin/nginx")
	f.Add([]byte("nginx\x00-c\x00a\x00-p"), "")
	f.Fuzz(func(t *testing.T, cmdline []byte, exe string) {
		file := parseNginxCommand(cmdline).config(exe)
		if file != "" && file[0] != '/' {
			t.Errorf("%q is no absolute path", file)
		}
	})
}
