package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Real servers under a bounded load on loopback: what capmon counts against
// what the load generator counted itself.

const (
	loadSeconds     = 20 // its middle is after the ten seconds that RPS is the mean of
	loadConnections = 24
)

// freePorts returns n ports of 127.0.0.1 that nobody listens on. None is given
// twice: another test may be about to listen on it, or have a server on it in
// another namespace, which the kernel's counters don't tell apart.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var out []int
	for len(out) < n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		if _, twice := givenPorts.LoadOrStore(port, true); !twice {
			out = append(out, port)
		}
	}
	return out
}

var givenPorts sync.Map

// listens waits until something listens on a port of loopback.
func listens(t *testing.T, port int) {
	t.Helper()
	until(t, fmt.Sprintf("port %d to listen", port), 10*time.Second, func() bool {
		c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// nginx starts a real one that serves on port and tells its status on the other.
func nginx(t *testing.T, port, status int) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(dir, port, status, "worker_processes 2;")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	start(t, alone(t, "nginx", "-p", dir, "-c", conf))
	listens(t, status)
}

// nginxConf serves on port with an empty handler, and tells its status on the
// other; workers is the line that says how many there are.
func nginxConf(dir string, port, status int, workers string) string {
	return fmt.Sprintf(`daemon off; %[4]s pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 512; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
  server { listen 127.0.0.1:%[2]d; location / { return 200 "ok"; } }
  server { listen 127.0.0.1:%[3]d; location = /nginx_status { stub_status; } }
}
`, dir, port, status, workers)
}

// nodeServer is a Node program with a counter in Prometheus text.
const nodeServer = `
let n = 0;
require('http').createServer((q, r) => {
  if (q.url === '/metrics') {
    r.end('# TYPE http_requests_total counter\nhttp_requests_total{code="200"} ' + n + '\n# TYPE other_total counter\nother_total 7\n');
    return;
  }
  n++;
  r.end('ok');
}).listen(+process.argv[1], '127.0.0.1');
`

func TestRequestsAndConnectionsOfRealServers(t *testing.T) {
	need(t, "nginx", "node", "wrk")
	p := freePorts(t, 4)
	web, status, node, agentPort := p[0], p[1], p[2], p[3]
	nginx(t, web, status)
	start(t, alone(t, "node", "-e", nodeServer, strconv.Itoa(node)))
	listens(t, node)
	agentAddr := fmt.Sprintf("127.0.0.1:%d", agentPort)
	agent := start(t, alone(t, "capmon", "agent", "--listen", agentAddr,
		"--rps", fmt.Sprintf("nginx:http://127.0.0.1:%d/nginx_status", status),
		"--rps", fmt.Sprintf("%d=prom:http://127.0.0.1:%d/metrics", node, node)))
	agent.waitFor("listen=")

	for name, port := range map[string]int{"nginx": web, "node": node} {
		t.Run(name, func(t *testing.T) {
			before := service(t, agentAddr, port)
			if before.Name != name {
				t.Errorf("port %d is called %q, want %q", port, before.Name, name)
			}
			load := start(t, alone(t, "wrk", "-t", "1", "-c", strconv.Itoa(loadConnections), "-d", fmt.Sprintf("%ds", loadSeconds), fmt.Sprintf("http://127.0.0.1:%d/", port)))
			time.Sleep(loadSeconds / 2 * time.Second)
			during := service(t, agentAddr, port)
			if during.Connections != loadConnections {
				t.Errorf("%v connections under load, want %d", during.Connections, loadConnections)
			}
			<-load.done
			counted := load.requests()
			var after serviceReading
			until(t, "the counter to come to rest", 10*time.Second, func() bool {
				last := after
				after = service(t, agentAddr, port)
				return last.Responses == after.Responses && after.Connections == 0
			})
			got := after.Responses - before.Responses
			if off := got/counted - 1; off < -0.02 || off > 0.02 {
				t.Errorf("%.0f requests by capmon, %.0f by wrk: %+.2f%%", got, counted, 100*off)
			}
			if rate := counted / loadSeconds; during.RPS < 0.5*rate || during.RPS > 1.5*rate {
				t.Errorf("%.0f requests a second in the middle of a load of %.0f", during.RPS, rate)
			}
			t.Logf("capmon %.0f, wrk %.0f requests; %.0f connections", got, counted, during.Connections)
		})
	}
}

// requests is how many requests wrk says it made.
func (p *program) requests() float64 {
	p.t.Helper()
	m := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(p.out.String())
	if m == nil {
		p.t.Fatalf("%s printed no count: %s", p.name, p.out)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

type serviceReading struct {
	Name                        string
	Responses, Connections, RPS float64
}

// service reads one port from a snapshot of the agent.
func service(t *testing.T, agentAddr string, port int) serviceReading {
	t.Helper()
	var got serviceReading
	var last snapshotHost
	defer func() {
		if t.Failed() {
			t.Logf("at last: %+v", last)
		}
	}()
	// A snapshot of a busy agent may wait eleven seconds for what it is about to say.
	until(t, fmt.Sprintf("port %d with its requests", port), time.Minute, func() bool {
		s, said, code := snapshot(t, alone(t, "capmon", "snapshot", "--agents", agentAddr))
		if code != exitOK {
			t.Fatalf("snapshot: exit %d, %s", code, said)
		}
		last = s.Hosts[0]
		for _, v := range last.Services {
			if v.Port == port && v.ResponsesTotal != nil && v.Connections != nil && v.RPS != nil {
				got = serviceReading{Name: v.Name, Responses: *v.ResponsesTotal, Connections: *v.Connections, RPS: *v.RPS}
				return true
			}
		}
		return false
	})
	return got
}

// A snapshot without --agents reads the agent of this machine where one
// answers, else the machine itself, and says which.
func TestSnapshotOfThisMachine(t *testing.T) {
	t.Parallel()
	need(t)
	l := newLAN(t, 1)
	// In a namespace of its own 127.0.0.1:7077 is nobody else's.
	s, said, code := snapshot(t, l.command(1, "capmon", "snapshot"))
	if code != exitOK || s.Totals.HostsUp != 1 || s.Totals.CoresUsed == nil || !strings.Contains(said, "in this process") {
		t.Errorf("without an agent: exit %d, %+v, said %q", code, s, said)
	}
	p := start(t, l.command(1, "capmon", "agent"))
	p.waitFor("listen=")
	// An agent that does not answer within 0.3 s is taken for none.
	until(t, "the agent's first reading", 20*time.Second, func() bool {
		s, said, code = snapshot(t, l.command(1, "capmon", "snapshot"))
		return code == exitOK && s.Totals.HostsUp == 1 && s.Totals.CoresUsed != nil && strings.Contains(said, "agent on 127.0.0.1:7077")
	})
}

// A token that only root may read does not keep a user from this machine's own
// numbers; it does keep them from the fleet's.
func TestATokenOnlyRootMayRead(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	// The token is root's, in a folder that everybody may enter.
	for p := l.config; p != filepath.Dir(filepath.Dir(p)) && strings.HasPrefix(p, os.TempDir()+"/"); p = filepath.Dir(p) {
		_ = os.Chmod(p, 0o755)
	}
	_ = os.Chmod(filepath.Join(l.config, "capmon"), 0o755)
	asNobody := func(args ...string) *exec.Cmd {
		return l.command(1, append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "capmon"}, args...)...)
	}
	s, said, code := snapshot(t, asNobody("snapshot"))
	if code != exitOK || s.Totals.HostsUp != 1 || !strings.Contains(said, "in this process") {
		t.Errorf("this machine without the token: exit %d, %+v, said %q", code, s, said)
	}
	_, said, code = snapshot(t, asNobody("snapshot", "--agents", "10.77.0.3"))
	if code != exitUsage || !strings.Contains(said, "permission denied") {
		t.Errorf("the fleet without the token: exit %d, said %q", code, said)
	}
}
