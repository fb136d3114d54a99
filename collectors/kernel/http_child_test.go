//go:build linux

package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// Some things need a counter in a process of its own: this test binary again,
// with a line on stdin for each thing to do and a line on stdout for its answer.
const childEnv = "CAPMON_TEST_HTTP_CHILD"

func TestHTTPChild(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		return // this is no child
	}
	var h *HTTP
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var word, arg string
		_, _ = fmt.Sscan(lines.Text(), &word, &arg)
		var port uint16
		_, _ = fmt.Sscan(arg, &port)
		answer := "ok"
		switch word {
		case "open":
			var err error
			if h, err = OpenHTTP(HTTPOptions{Mode: Mode(arg)}); err != nil {
				answer = strings.ReplaceAll(err.Error(), "\n", "; ")
			}
		case "listen": // and answer every connection
			l, err := net.Listen("tcp", arg)
			if err != nil {
				t.Fatal(err)
			}
			go answerAll(l)
			answer = fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
		case "watch":
			if err := h.Watch(port); err != nil {
				answer = err.Error()
			}
		case "read":
			c, _ := h.Read(port)
			answer = fmt.Sprint(c.Final())
		case "programs":
			answer = fmt.Sprint(programsOf(t, h))
		}
		fmt.Println("child: " + answer)
	}
	os.Exit(0) // its listeners end with it
}

func answerAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			one := make([]byte, len(aRequest))
			for {
				if _, err := io.ReadFull(c, one); err != nil {
					return
				}
				_, _ = io.WriteString(c, response("200 OK", 5))
			}
		}()
	}
}

// programsOf lists the ids of the programs that h has loaded.
func programsOf(t *testing.T, h *HTTP) (ids []ebpf.ProgramID) {
	for _, c := range h.open {
		if p, ok := c.(*ebpf.Program); ok {
			info, err := p.Info()
			if err != nil {
				t.Fatal(err)
			}
			id, _ := info.ID()
			ids = append(ids, id)
		}
	}
	return ids
}

// needHTTP skips the test where what it needs is not there.
func needHTTP(t *testing.T, programs ...string) {
	t.Helper()
	lack := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("CAPMON_REQUIRE_REAL") != "" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lack("%s is not installed", p)
		}
	}
	if os.Geteuid() != 0 {
		lack("needs root: it makes network namespaces, loads programs, and drops rights")
	}
}

// child is the other process.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	lines *bufio.Scanner
}

// newChild starts one, behind the words of prefix ("ip netns exec x").
func newChild(t *testing.T, prefix ...string) *child {
	t.Helper()
	words := append(prefix, os.Args[0], "-test.run=^TestHTTPChild$")
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &child{t: t, cmd: cmd, in: in, lines: bufio.NewScanner(out)}
}

// do has the child do something and returns its answer.
func (c *child) do(format string, args ...any) string {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.t.Fatal(err)
	}
	for c.lines.Scan() {
		if answer, ok := strings.CutPrefix(c.lines.Text(), "child: "); ok {
			return answer
		}
	}
	c.t.Fatalf("%s: the child ended", fmt.Sprintf(format, args...))
	return ""
}

// must has the child do what can't fail.
func (c *child) must(format string, args ...any) {
	c.t.Helper()
	if answer := c.do(format, args...); answer != "ok" {
		c.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), answer)
	}
}

// newNamespace makes a network namespace with an address of its own that is
// reached from here.
func newNamespace(t *testing.T) (name, address string) {
	t.Helper()
	needHTTP(t, "ip")
	n := os.Getpid() % 10000
	name = fmt.Sprintf("capmon-http%d", n)
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	ip("netns", "add", name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	link := fmt.Sprintf("chttp%d", n)
	here, there := fmt.Sprintf("10.78.%d.1", n%250), fmt.Sprintf("10.78.%d.2", n%250)
	ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
	ip("addr", "add", here+"/24", "dev", link)
	ip("link", "set", link, "up")
	ip("-n", name, "addr", "add", there+"/24", "dev", "eth0")
	ip("-n", name, "link", "set", "eth0", "up")
	ip("-n", name, "link", "set", "lo", "up")
	return name, there
}

// requests sends n of them on one connection and waits for the answers.
func requests(t *testing.T, address string, n int) {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	for range n {
		if _, err := io.WriteString(c, aRequest); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c, int64(len(response("200 OK", 5)))); err != nil {
			t.Fatal(err)
		}
	}
}

// The same port in two network namespaces: each counter counts its own.
func TestHTTPNamespaces(t *testing.T) {
	name, address := newNamespace(t)
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			there := newChild(t, "ip", "netns", "exec", name)
			there.must("open %s", mode)
			port := there.do("listen %s:0", address)
			there.must("watch %s", port)

			here := newChild(t)
			here.must("open %s", mode)
			here.must("watch %s", port)
			if got := here.do("listen 127.0.0.1:%s", port); got != port {
				t.Fatalf("listen here on %s: %s", port, got)
			}
			requests(t, net.JoinHostPort(address, port), 300)
			requests(t, net.JoinHostPort("127.0.0.1", port), 20)
			if got := there.do("read %s", port); got != "300" {
				t.Errorf("in the namespace of the server: %s, want 300", got)
			}
			if got := here.do("read %s", port); got != "20" {
				t.Errorf("on the same port of another namespace: %s, want 20", got)
			}
		})
	}
}

// A process that is killed leaves nothing in the kernel, and what it watched
// still answers.
func TestHTTPKilled(t *testing.T) {
	needHTTP(t)
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			server, counter := newChild(t), newChild(t)
			port := server.do("listen 127.0.0.1:0")
			counter.must("open %s", mode)
			counter.must("watch %s", port)
			requests(t, "127.0.0.1:"+port, 10)
			if got := counter.do("read %s", port); got != "10" {
				t.Fatalf("counted %s, want 10", got)
			}
			var id ebpf.ProgramID
			if _, err := fmt.Sscanf(counter.do("programs"), "[%d", &id); err != nil {
				t.Fatal(err)
			}
			p, err := ebpf.NewProgramFromID(id)
			if err != nil {
				t.Fatalf("program %d, while it counts: %v", id, err)
			}
			p.Close()
			if err := counter.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = counter.cmd.Wait()
			requests(t, "127.0.0.1:"+port, 10)
			gone := func() bool {
				p, err := ebpf.NewProgramFromID(id)
				if err == nil {
					p.Close()
				}
				return errors.Is(err, os.ErrNotExist)
			}
			// The kernel lets go of it when no CPU can be inside it any more.
			for end := time.Now().Add(10 * time.Second); !gone(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("program %d is still there", id)
				}
			}
			requests(t, "127.0.0.1:"+port, 10)
		})
	}
}

// Without rights, the error says which.
func TestHTTPNoRights(t *testing.T) {
	needHTTP(t, "setpriv")
	c := newChild(t, "setpriv", "--bounding-set=-all", "--inh-caps=-all")
	for mode, want := range map[Mode][]string{
		Send:   {"CAP_BPF and CAP_PERFMON missing"},
		Egress: {"CAP_BPF and CAP_NET_ADMIN missing"},
		Auto:   {"send: ", "CAP_PERFMON", "egress: ", "CAP_NET_ADMIN"},
	} {
		got := c.do("open %s", mode)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%q: %s\nwant %q in it", mode, got, w)
			}
		}
	}
}

// What hides the cgroups is looked through.
func TestCgroupRoot(t *testing.T) {
	proc := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("self/mounts", "cgroup2 "+proc+"/hidden cgroup2 rw 0 0\n")
	if _, err := cgroupRoot(proc); err == nil {
		t.Error("found what is not there")
	}
	write("1/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
	write("1/root/sys/fs/cgroup/cgroup.controllers", "")
	if got, err := cgroupRoot(proc); err != nil || got != proc+"/1/root/sys/fs/cgroup" {
		t.Errorf("%s, %v", got, err)
	}
	write("hidden/cgroup.controllers", "")
	if got, err := cgroupRoot(proc); err != nil || got != proc+"/hidden" {
		t.Errorf("%s, %v", got, err)
	}
}
