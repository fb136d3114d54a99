package collectors

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/sample"
)

// Real servers: what is read of their limits against what they were told.

// nextLook is late enough for a server to be looked at again, however long the
// last look took.
const nextLook = 100 * familyEvery

// needProgram skips a test whose server is not installed, and says so; where a
// skipped test is a failure, it is one.
func needProgram(t testing.TB, name string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real " + name + ": run without -short")
	}
	_, err := exec.LookPath(name)
	if err == nil {
		return
	}
	why := name + " is not installed: `make packages` as root on Debian installs it"
	if os.Getenv("CAPMON_REQUIRE_REAL") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// limitsReader runs the two collectors as the agent does, at a time of its own.
type limitsReader struct {
	t      *testing.T
	conns  *connections
	limits *limitsCollector
	now    time.Time
}

func newLimitsReader(t *testing.T) *limitsReader {
	c := Config{countOwn: true}.withDefaults()
	found := newListeners()
	r := &limitsReader{t: t, conns: newConnections(c, new(ownConns), found), limits: newLimits(c, found), now: time.Now()}
	t.Cleanup(func() { r.conns.Close(); r.limits.Close() })
	return r
}

// read takes one sample, step after the last.
func (r *limitsReader) read(step time.Duration) *sample.Sample {
	r.t.Helper()
	r.now = r.now.Add(step)
	s := &sample.Sample{Seq: 1}
	for _, c := range []Collector{r.conns, r.limits} {
		reading, err := c.Collect(r.t.Context(), r.now)
		if err != nil {
			r.t.Fatal(err)
		}
		reading(s)
	}
	if err := s.Check(); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// of reads the limits of one port; the sample is one in which all are said.
func (r *limitsReader) of(port int, step time.Duration) *sample.ServiceLimits {
	r.t.Helper()
	for range 5 {
		r.limits.rhythm = limitsRhythm{}
		for _, v := range r.read(step).GetServices() {
			if v.GetPort() == uint32(port) && v.GetName() != "" {
				return v.GetLimits()
			}
		}
		// A process may have begun or ended while the owners were looked for;
		// they are looked for again.
		step = 10 * time.Second
	}
	r.t.Fatalf("nobody is known to listen on port %d", port)
	return nil
}

// connsOf is what a service says of its connections.
func connsOf(l *sample.ServiceLimits) string {
	if l == nil || l.Connections == nil {
		return "not known"
	}
	return fmt.Sprintf("%d: %s", l.GetConnections(), l.GetConnectionsFrom())
}

// startServer runs a server until the test ends, and waits until it answers.
func startServer(t testing.TB, ports []int, name string, args ...string) *exec.Cmd {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("%s said: %s", name, said.String())
		}
	})
	for _, port := range ports {
		eventually(t, fmt.Sprintf("%s to answer on port %d", name, port), func() bool {
			select {
			case <-ended:
				t.Fatalf("%s ended", name)
			default:
			}
			// That it listens is not enough: a master does so before there are workers.
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				return false
			}
			defer c.Close()
			fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
			_, err = c.Read(make([]byte, 1))
			return err == nil
		})
	}
	return cmd
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("waited ten seconds for %s", what)
}

func unusedPorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// openNow counts the open files of a process by their names.
func openNow(t *testing.T, pid int) uint32 {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return uint32(len(names))
}

const nginxConf = `daemon off; worker_processes 2; worker_rlimit_nofile %[3]d; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 300; }
http {
  access_log off;
  client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
  include sites/*.conf;
  server { listen 127.0.0.1:%[2]d; location / { return 200 "ok"; } }
}
`

func TestLimitsOfARealNginx(t *testing.T) {
	needProgram(t, "nginx")
	dir, port := t.TempDir(), unusedPorts(t, 1)[0]
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir+"/my nginx.conf", fmt.Sprintf(nginxConf, dir, port, 2048))
	cmd := startServer(t, []int{port}, "nginx", "-p", dir, "-c", "my nginx.conf", "-g", "worker_priority 1;")
	r := newLimitsReader(t)
	var workers []int
	eventually(t, "two workers", func() bool {
		workers = readChildren("/proc", cmd.Process.Pid)
		return len(workers) == 2 && isNginxWorker("/proc", workers[0]) && isNginxWorker("/proc", workers[1])
	})

	var held []net.Conn
	for range 40 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	most := max(openNow(t, workers[0]), openNow(t, workers[1]))
	want := &sample.ServiceLimits{FilesUsed: new(most), Files: new(uint64(2048)), Connections: new(uint64(600)), ConnectionsFrom: "worker_connections 300 x 2"}
	got := r.of(port, 0)
	want.Queue = got.Queue // of another collector
	if !sameLimits(want, got) {
		t.Errorf("beside %d connections: %v, want %v", len(held), got, want)
	}
	if most < 20+8 {
		t.Errorf("%d files of the fuller worker, it has at least 20 clients", most)
	}

	// What is passed on costs two; the master is told to read again.
	writeFile(t, dir+"/sites/a.conf", fmt.Sprintf("server { listen 127.0.0.1:%d; server_name b; location / { proxy_pass http://127.0.0.1:9; } }", port))
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for _, c := range held {
		c.Close()
	}
	eventually(t, "two other workers", func() bool {
		now := readChildren("/proc", cmd.Process.Pid)
		return len(now) == 2 && now[0] != workers[0] && now[0] != workers[1] && isNginxWorker("/proc", now[1])
	})
	if got := connsOf(r.of(port, time.Second)); got != "600: worker_connections 300 x 2" {
		t.Errorf("a second later, too early to look: %s", got)
	}
	if got := connsOf(r.of(port, nextLook)); got != "300: worker_connections 300 x 2, two for each proxied client" {
		t.Errorf("when something is passed on: %s", got)
	}
}

func sameLimits(a, b *sample.ServiceLimits) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.GetConnectionsFrom() == b.GetConnectionsFrom() && sameNumber(a.Connections, b.Connections) &&
		sameNumber(a.Files, b.Files) && sameNumber(a.FilesUsed, b.FilesUsed) && sameNumber(a.Queue, b.Queue)
}

const haproxyConf = `global
  maxconn 1234
%s
defaults
  mode http
  timeout client 10s
  timeout connect 1s
  timeout server 1s
frontend web
  bind 127.0.0.1:%d
  maxconn 100 # less than all
frontend "other"
  bind 127.0.0.1:%d
`

func TestLimitsOfARealHAProxy(t *testing.T) {
	needProgram(t, "haproxy")
	for name, c := range map[string]struct {
		args   []string
		global string
		mode   os.FileMode
		want   string
	}{
		"master and worker":            {[]string{"-W"}, "  stats socket DIR/sock mode 600 level admin", 0o644, "1234: maxconn 1234 (show info)"},
		"alone":                        {[]string{"-db"}, "  stats socket DIR/sock mode 600", 0o600, "1234: maxconn 1234 (show info)"},
		"a file that anyone may write": {[]string{"-db"}, "  stats socket DIR/sock mode 600", 0o666, "1234: maxconn 1234"},
		"without a socket":             {[]string{"-W"}, "", 0o644, "1234: maxconn 1234"},
		"limit of the command line":    {[]string{"-W", "-n", "999"}, "", 0o644, "999: haproxy -n 999"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, ports := t.TempDir(), unusedPorts(t, 2)
			writeFile(t, dir+"/a.cfg", fmt.Sprintf(haproxyConf, strings.ReplaceAll(c.global, "DIR", dir), ports[0], ports[1]))
			if err := os.Chmod(dir+"/a.cfg", c.mode); err != nil {
				t.Fatal(err)
			}
			startServer(t, ports, "haproxy", append(c.args, "-f", dir)...)
			r := newLimitsReader(t)
			got := []string{connsOf(r.of(ports[0], 0)), connsOf(r.of(ports[1], 0))}
			if diff := cmp.Diff([]string{"100: maxconn 100 of frontend web", c.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if l := r.of(ports[0], 0); l.GetFilesUsed() < 5 || l.GetFiles() < 1000 {
				t.Errorf("open files %v", l)
			}
		})
	}
}

// TestHAProxyInItsJail: a worker that has locked itself into a folder, and whose
// limit is changed while it runs.
func TestHAProxyInItsJail(t *testing.T) {
	needProgram(t, "haproxy")
	needRoot(t, "chroot is root's")
	for name, arg := range map[string]string{"with a master": "-W", "alone": "-db"} {
		t.Run(name, func(t *testing.T) {
			dir, ports := t.TempDir(), unusedPorts(t, 2)
			file := dir + "/a.cfg"
			global := fmt.Sprintf("  chroot %[1]s/jail/deeper/than/the/test/is/in/its/tree\n  uid 65534\n  gid 65534\n  stats socket %[1]s/sock mode 600 level admin", dir)
			writeFile(t, dir+"/a.cfg", fmt.Sprintf(haproxyConf, global, ports[0], ports[1]))
			if err := os.MkdirAll(dir+"/jail/deeper/than/the/test/is/in/its/tree", 0o755); err != nil {
				t.Fatal(err)
			}
			if here, err := os.Getwd(); arg == "-W" && err == nil {
				// Where that begins, only the master still knows.
				if file, err = filepath.Rel(here, file); err != nil {
					t.Fatal(err)
				}
			}
			startServer(t, ports, "haproxy", arg, "-f", file)
			r := newLimitsReader(t)
			if got := connsOf(r.of(ports[1], 0)); got != "1234: maxconn 1234 (show info)" {
				t.Errorf("at first: %s", got)
			}
			c, err := net.Dial("unix", dir+"/sock")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintln(c, "set maxconn global 50")
			if _, err := c.Read(make([]byte, 64)); err != nil {
				t.Fatal(err)
			}
			if got := connsOf(r.of(ports[0], nextLook)); got != "50: maxconn 50 (show info)" {
				t.Errorf("when all may be 50, the frontend 100: %s", got)
			}
		})
	}
}

// TestFilesOfThisProcess compares both ways to count, on a real process that
// has no workers.
func TestFilesOfThisProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var used [2]uint32
	for i, byName := range []bool{false, true} {
		r := newLimitsReader(t)
		source := r.limits.source.(*serverLimits)
		if byName {
			source.files.asked = true // and the answer was no
		}
		r.conns.source.(*diagSource).owners.self = 0 // this process is a server here
		got := r.of(port, 0)
		if got.GetFiles() != limit.Cur {
			t.Errorf("by name %v: limit %d, want %d", byName, got.GetFiles(), limit.Cur)
		}
		used[i] = got.GetFilesUsed()
	}
	here := openNow(t, os.Getpid())
	for i, n := range used {
		// The collectors and this reading hold a few themselves.
		if n+8 < here || n > here+8 {
			t.Errorf("count %d: %d open files of about %d (by size, by name: %v)", i, n, here, used)
		}
	}
}

// TestNginxThatHasOtherFiles: in a container the same path is another file.
func TestNginxThatHasOtherFiles(t *testing.T) {
	needProgram(t, "nginx")
	needRoot(t, "file systems are mounted by root")
	dir, port := t.TempDir(), unusedPorts(t, 1)[0]
	conf := fmt.Sprintf(nginxConf, dir, port, 2048)
	writeFile(t, dir+"/nginx.conf", strings.Replace(conf, "300", "77", 1))
	writeFile(t, dir+"/theirs", conf)
	startServer(t, []int{port}, "unshare", "--mount", "sh", "-c", `mount --bind "$1/theirs" "$1/nginx.conf" && exec nginx -c "$1/nginx.conf"`, "sh", dir)
	if got := connsOf(newLimitsReader(t).of(port, 0)); got != "600: worker_connections 300 x 2" {
		t.Errorf("%s, it is told 300 and we see 77", got)
	}
}
