package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func init() { programs["capmon-http"] = httpMain }

// httpMain is `capmon-http PORT STATSD`: a Go server with a counter in
// Prometheus text, which also sends StatsD counters.
func httpMain() {
	statsd, err := net.Dial("udp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "capmon-http:", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	counted := map[int]int{}
	answers := map[string]int{"/": 200, "/moved": 302, "/broken": 503}
	err = http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(w, "# TYPE http_requests_total counter")
			for code, n := range counted {
				fmt.Fprintf(w, "http_requests_total{code=\"%d\"} %d\n", code, n)
			}
			return
		}
		code := answers[r.URL.Path]
		if code == 0 {
			code = http.StatusNotFound
		}
		mu.Lock()
		counted[code]++
		mu.Unlock()
		fmt.Fprintf(statsd, "go.requests:1|c|#status:%d", code)
		w.Header().Set("Location", "/")
		w.WriteHeader(code)
		fmt.Fprintln(w, "ok")
	}))
	fmt.Fprintln(os.Stderr, "capmon-http:", err)
	os.Exit(1)
}

// rpsServer is a real server that answers / with 200, /moved with 302, /missing
// with 404 and /broken with 503.
type rpsServer struct {
	name  string
	needs []string
	// start runs it on port p[0]; the others are for whatever it wants.
	start func(t *testing.T, dir string, p []int)
	// sources are the --rps of its own counts, from the ports and its folder.
	sources func(dir string, p []int) []string
	load    loader
	many    int // requests for /
}

// loader makes a client that sends n requests over c connections.
type loader func(t *testing.T, n, c int, url string) *exec.Cmd

func ab(t *testing.T, n, c int, url string) *exec.Cmd {
	return alone(t, "ab", "-q", "-k", "-n", strconv.Itoa(n), "-c", strconv.Itoa(c), url)
}

func abClose(t *testing.T, n, c int, url string) *exec.Cmd {
	return alone(t, "ab", "-q", "-n", strconv.Itoa(n), "-c", strconv.Itoa(c), url)
}

func hey(t *testing.T, n, c int, url string) *exec.Cmd {
	return alone(t, "hey", "-disable-redirects", "-n", strconv.Itoa(n), "-c", strconv.Itoa(c), url)
}

var rpsServers = []rpsServer{
	{
		name: "nginx", needs: []string{"nginx", "ab"}, start: statusNginx, load: ab, many: 20_000,
		sources: func(dir string, p []int) []string {
			return []string{
				fmt.Sprintf("nginx:http://127.0.0.1:%d/nginx_status", p[1]),
				fmt.Sprintf("%d=log:%s/combined.log", p[0], dir),
				fmt.Sprintf("%d=log:%s/json.log:json", p[0], dir),
			}
		},
	},
	{
		name: "HAProxy before nginx", needs: []string{"haproxy", "nginx", "ab"}, start: statusHAProxy, load: ab, many: 20_000,
		sources: func(dir string, p []int) []string {
			return []string{"haproxy:" + dir + "/s", fmt.Sprintf("haproxy:http://127.0.0.1:%d/;csv", p[1])}
		},
	},
	{
		name: "Apache", needs: []string{"apache2", "hey"}, start: statusApache, load: hey, many: 10_000,
		sources: func(dir string, p []int) []string {
			return []string{
				fmt.Sprintf("apache:http://127.0.0.1:%d/server-status?auto", p[0]),
				fmt.Sprintf("%d=log:%s/access.log:combined", p[0], dir),
			}
		},
	},
	{
		name: "Caddy", needs: []string{"caddy", "hey"}, start: statusCaddy, load: hey, many: 10_000,
		sources: func(dir string, p []int) []string {
			return []string{fmt.Sprintf("caddy:http://127.0.0.1:%d/metrics", p[1]), fmt.Sprintf("%d=log:%s/access.log", p[0], dir)}
		},
	},
	{
		name: "Node", needs: []string{"node", "hey"}, load: hey, many: 10_000,
		start: func(t *testing.T, _ string, p []int) {
			start(t, alone(t, "node", "-e", statusNode, strconv.Itoa(p[0]), "0"))
		},
		sources: func(_ string, p []int) []string {
			return []string{fmt.Sprintf("prom:http://127.0.0.1:%d/metrics", p[0])}
		},
	},
	{
		name: "Node cluster of 2", needs: []string{"node", "hey"}, load: hey, many: 10_000,
		start: func(t *testing.T, _ string, p []int) {
			start(t, alone(t, "node", "-e", statusNode, strconv.Itoa(p[0]), "2"))
			workersAnswer(t, p[0], 2)
		},
		sources: func(_ string, p []int) []string {
			return []string{fmt.Sprintf("prom:http://127.0.0.1:%d/metrics", p[0])}
		},
	},
	{
		name: "Go, one core", needs: []string{"ab"}, load: abClose, many: 5_000,
		start: func(t *testing.T, _ string, p []int) {
			cmd := alone(t, "capmon-http", strconv.Itoa(p[0]), strconv.Itoa(p[2]))
			cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
			start(t, cmd)
		},
		sources: func(_ string, p []int) []string {
			return []string{
				fmt.Sprintf("prom:http://127.0.0.1:%d/metrics#http_requests_total", p[0]),
				fmt.Sprintf("%d=statsd:%d", p[0], p[2]),
			}
		},
	},
	{
		name: "gunicorn, 2 workers", needs: []string{"gunicorn", "ab"}, start: statusGunicorn, load: abClose, many: 2_000,
		sources: func(dir string, p []int) []string {
			return []string{fmt.Sprintf("%d=statsd:%d", p[0], p[2]), fmt.Sprintf("%d=log:%s/access.log", p[0], dir)}
		},
	},
}

// openDir is a folder that servers may enter which give up root.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "capmon-rps")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func writeFile(t *testing.T, text string, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// by makes the command that runs a server: as this user, or as another.
type by func(args ...string) *exec.Cmd

func asMe(t *testing.T) by { return func(args ...string) *exec.Cmd { return alone(t, args...) } }

func statusNginx(t *testing.T, dir string, p []int)   { runNginx(t, dir, p, asMe(t)) }
func statusHAProxy(t *testing.T, dir string, p []int) { runHAProxy(t, dir, p, asMe(t)) }
func statusApache(t *testing.T, dir string, p []int)  { runApache(t, dir, p, asMe(t)) }

// runNginx tells its status on p[1].
func runNginx(t *testing.T, dir string, p []int, run by) {
	conf := writeFile(t, fmt.Sprintf(`daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 512; }
http {
  log_format json escape=json '{"time":"$time_iso8601","request":"$request","status":$status}';
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
  server { listen 127.0.0.1:%[2]d; access_log %[1]s/combined.log; access_log %[1]s/json.log json;
    location = / { return 200 "ok"; } location = /moved { return 302 /; } location = /broken { return 503; } location / { return 404; } }
  server { listen 127.0.0.1:%[3]d; location = /nginx_status { stub_status; } }
}
`, dir, p[0], p[1]), dir, "nginx.conf")
	start(t, run("nginx", "-p", dir, "-c", conf))
}

// runHAProxy has an nginx behind it on p[2]; its page is on p[1].
func runHAProxy(t *testing.T, dir string, p []int, run by) {
	runNginx(t, dir, []int{p[2], p[3]}, run)
	listens(t, p[2])
	conf := writeFile(t, fmt.Sprintf(`global
  stats socket %s/s mode 600
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend web
  bind 127.0.0.1:%d
  default_backend nginx
listen stats
  bind 127.0.0.1:%d
  stats enable
  stats uri /
backend nginx
  server one 127.0.0.1:%d
`, dir, p[0], p[1], p[2]), dir, "haproxy.cfg")
	start(t, run("haproxy", "-db", "-f", conf))
}

func runApache(t *testing.T, dir string, p []int, run by) {
	writeFile(t, "ok", dir, "index.html")
	var modules strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "status", "dir", "alias"} {
		fmt.Fprintf(&modules, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	conf := writeFile(t, fmt.Sprintf(`ServerRoot %[1]s
%[2]sServerName localhost
Listen 127.0.0.1:%[3]d
User nobody
Group nogroup
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
ErrorLog %[1]s/error.log
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%O \"%%{Referer}i\" \"%%{User-Agent}i\"" combined
CustomLog %[1]s/access.log combined
ExtendedStatus On
MaxKeepAliveRequests 0
DocumentRoot %[1]s
DirectoryIndex index.html
RedirectMatch 302 ^/moved$ /
RedirectMatch 503 ^/broken$
<Location /server-status>
  SetHandler server-status
</Location>
`, dir, modules.String(), p[0]), dir, "apache.conf")
	start(t, run("apache2", "-DFOREGROUND", "-f", conf))
}

// statusCaddy tells its metrics on p[1].
func statusCaddy(t *testing.T, dir string, p []int) {
	conf := writeFile(t, fmt.Sprintf(`{
  admin 127.0.0.1:%d
  servers {
    metrics
  }
}
http://127.0.0.1:%d {
  log {
    output file %s/access.log
    format json
  }
  redir /moved / 302
  respond /missing 404
  respond /broken 503
  respond "ok"
}
`, p[1], p[0], dir), dir, "Caddyfile")
	cmd := alone(t, "caddy", "run", "--adapter", "caddyfile", "--config", conf)
	cmd.Env = append(cmd.Env, "XDG_DATA_HOME="+dir, "HOME="+dir)
	start(t, cmd)
}

// workersAnswer waits until so many processes behind a port have told when they
// began: one that comes later is not there when an agent looks who answers.
func workersAnswer(t *testing.T, port, workers int) {
	t.Helper()
	began := map[string]bool{}
	until(t, fmt.Sprintf("%d workers to answer on port %d", workers, port), 20*time.Second, func() bool {
		c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprint(c, "GET /metrics HTTP/1.0\r\n\r\n")
		page, _ := io.ReadAll(c)
		if _, start, ok := strings.Cut(string(page), "process_start_time_seconds "); ok {
			began[strings.TrimSpace(start)] = true
		}
		return len(began) == workers
	})
}

// statusNode has a counter in each of its processes.
const statusNode = `
const cluster = require('cluster'), http = require('http');
const [port, workers] = process.argv.slice(1).map(Number);
if (workers && cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork();
  process.on('SIGTERM', () => process.exit(0));
} else {
  const n = {}, answers = {'/': 200, '/moved': 302, '/broken': 503};
  const began = Date.now() / 1000 + (workers && cluster.worker.id); // two may begin in one millisecond
  http.createServer((q, r) => {
    if (q.url === '/metrics') {
      let text = '# TYPE http_requests_total counter\n';
      for (const c in n) text += 'http_requests_total{status="' + c + '"} ' + n[c] + '\n';
      r.end(text + 'process_start_time_seconds ' + began + '\n');
      return;
    }
    const code = answers[q.url] || 404;
    n[code] = (n[code] || 0) + 1;
    r.writeHead(code, {Location: '/'});
    r.end('ok');
  }).listen(port, '127.0.0.1');
}
`

func statusGunicorn(t *testing.T, dir string, p []int) {
	writeFile(t, `
answers = {'/': '200 OK', '/moved': '302 Found', '/broken': '503 Service Unavailable'}
def app(environ, start):
    start(answers.get(environ['PATH_INFO'], '404 Not Found'), [('Content-Length', '2'), ('Location', '/')])
    return [b'ok']
`, dir, "site_of_test.py")
	start(t, alone(t, "gunicorn", "-w", "2", "-b", fmt.Sprintf("127.0.0.1:%d", p[0]), "--chdir", dir, "--worker-tmp-dir", dir,
		"--access-logfile", dir+"/access.log", "--statsd-host", fmt.Sprintf("127.0.0.1:%d", p[2]), "--log-level", "warning", "site_of_test:app"))
}

// rpsTable collects what a run counted, for docs/RPS.md.
var rpsTable struct {
	sync.Mutex
	lines []string
}

func noteRPS(server, source string, counted, expected uint64, status []uint64, note string) {
	rpsTable.Lock()
	defer rpsTable.Unlock()
	kind, _, _ := strings.Cut(source[strings.Index(source, "=")+1:], ":")
	if strings.Contains(source, "ebpf:") {
		kind = source[strings.Index(source, "ebpf:"):]
	}
	if strings.HasSuffix(source, ";csv") {
		kind = "haproxy, CSV"
	}
	if strings.HasSuffix(source, ":json") {
		kind = "log, JSON"
	}
	classes := "–"
	if len(status) == 3 {
		classes = fmt.Sprintf("%d / %d / %d", status[0], status[1], status[2])
	}
	share := note
	if note == "" {
		share = fmt.Sprintf("%d / %d", counted, expected)
	}
	rpsTable.lines = append(rpsTable.lines, fmt.Sprintf("| %s | %s | %s | %s |", server, kind, share, classes))
}
