package collectors

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"capmon/sample"
)

// TestBehindARealProxy has HAProxy in front of nginx, and visitors.
func TestBehindARealProxy(t *testing.T) {
	for _, program := range []string{"haproxy", "nginx", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CAPMON_REQUIRE_REAL") != "" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed: `make packages` as root on Debian installs it", program)
		}
	}
	inNamespace(t, "behind")
}

func childBehind(t *testing.T) {
	loopbackUp(t)
	var w wrongs
	defer w.tell()
	const edge, backend = 8001, 8002
	startConfigured(t, backend, "nginx", "nginx.conf", `daemon off; worker_processes 2; pid nginx.pid; error_log stderr crit;
events {}
http { access_log off; server { listen 8002; location / { return 200 ok; } } }
`, "-e", "stderr", "-p", ".", "-c")
	startConfigured(t, edge, "haproxy", "haproxy.cfg", `defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:8001
  default_backend b
backend b
  server s 127.0.0.1:8002
`, "-W", "-q", "-f")
	// From one of these to the other is from elsewhere.
	if b, err := exec.Command("ip", "addr", "add", "198.18.0.1/31", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("ip: %v: %s", err, b)
	}
	roads := bothRoads(true)
	expect := func(what string, after time.Duration, behind uint32, roads ...*road) {
		for _, r := range roads {
			w.until(what, r, after, func(s *sample.Sample) bool {
				e, b := service(s, edge), service(s, backend)
				served := e.GetConnections()
				if behind == 0 {
					served += b.GetConnections()
				}
				return e.GetBehind() == 0 && b.GetBehind() == behind && s.GetConnections().GetServed() == served &&
					e.GetName() == "haproxy" && b.GetName() == "nginx" && b.GetPid() != 0
			})
		}
	}
	visit := func(port int, from ...net.Addr) net.Conn {
		var d net.Dialer
		host := "127.0.0.1"
		if len(from) > 0 {
			d.LocalAddr, host = from[0], "198.18.0.0"
		}
		c, err := d.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	expect("nobody came", 6*time.Second, 0, roads...)
	var visitors []net.Conn
	for range 5 {
		visitors = append(visitors, visit(edge))
	}
	expect("through the proxy", 6*time.Second, edge, roads...)
	for _, c := range visitors {
		c.Close()
	}
	expect("idle for long", 10*time.Minute, edge, roads...)
	direct := visit(backend)
	expect("past the proxy", time.Minute, 0, roads...)
	direct.Close()
	expect("a little later", 10*time.Second, 0, roads...)
	defer visit(edge).Close()
	expect("long after", 10*time.Minute, edge, roads...)
	// Gone before anybody looks: only the kernel's program has seen them.
	visit(backend).Close()
	expect("past the proxy and gone", 10*time.Second, 0, roads[0])
	expect("long after that", 10*time.Minute, edge, roads[0])
	visit(backend, &net.TCPAddr{IP: net.IPv4(198, 18, 0, 1)}).Close()
	expect("from elsewhere and gone", 10*time.Second, 0, roads[0])
	for _, r := range roads {
		r.Close()
	}
}

// startConfigured starts a real server with a configuration of its own and waits
// until it answers. It ends with this process.
func startConfigured(t *testing.T, port int, program, name, config string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if args[len(args)-1] == "-c" || args[len(args)-1] == "-f" {
		args = append(args, filepath.Join(dir, name))
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(5 * time.Second)
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return // it listens there
		}
		l.Close()
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on %d", program, port)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
