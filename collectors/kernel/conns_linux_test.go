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
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// openConns counts for real, or says why it can't; where a skipped test is a
// failure, it is one.
func openConns(t testing.TB) *Conns {
	t.Helper()
	c, err := OpenConns()
	if err != nil {
		if os.Geteuid() == 0 || os.Getenv("CAPMON_REQUIRE_REAL") != "" {
			t.Fatal(err)
		}
		t.Skipf("counting in the kernel is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pair is both ends of a connection.
type pair struct{ client, server *net.TCPConn }

// listenAt listens and tells its port.
func listenAt(t testing.TB, network, addr string) (*net.TCPListener, uint16) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener), uint16(l.Addr().(*net.TCPAddr).Port)
}

func connectTo(t testing.TB, l *net.TCPListener, addr string) pair {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	p := pair{c.(*net.TCPConn), s}
	t.Cleanup(func() {
		p.client.Close()
		p.server.Close()
	})
	return p
}

// gone reads until the other end has ended the connection, in whatever way.
func gone(c *net.TCPConn) {
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.Copy(io.Discard, c)
}

// await waits until a port has the counts want: the kernel ends connections in
// its own time.
func await(t *testing.T, c *Conns, port uint16, want ConnCount) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for c.Read(port) != want {
		if time.Now().After(deadline) {
			t.Fatalf("port %d (-want +got):\n%s", port, cmp.Diff(want, c.Read(port)))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestConnsCountEveryWayAConnectionEnds(t *testing.T) {
	c := openConns(t)
	for _, family := range []struct{ name, network, listen, host string }{
		{"IPv4", "tcp4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 to another address", "tcp4", "0.0.0.0:0", "127.9.8.7"},
		{"IPv6", "tcp6", "[::1]:0", "::1"},
		{"IPv4 to a socket of both", "tcp", "[::]:0", "127.0.0.1"},
		{"IPv4 to another address of a socket of both", "tcp", "[::]:0", "127.9.8.7"},
	} {
		for _, end := range []struct {
			name string
			do   func(p pair)
		}{
			{"closed by the client", func(p pair) { p.client.Close(); gone(p.server); p.server.Close() }},
			{"closed by the server", func(p pair) { p.server.Close(); gone(p.client); p.client.Close() }},
			{"reset by the client", func(p pair) { p.client.SetLinger(0); p.client.Close(); gone(p.server) }},
			{"reset by the server", func(p pair) { p.server.SetLinger(0); p.server.Close(); gone(p.client) }},
			{"half closed by the client", func(p pair) { p.client.CloseWrite(); gone(p.server) }},
			{"half closed by the server", func(p pair) { p.server.CloseWrite(); gone(p.client) }},
		} {
			t.Run(family.name+" "+end.name, func(t *testing.T) {
				l, port := listenAt(t, family.network, family.listen)
				before := c.Read(port)
				want := before
				var pairs []pair
				for range 3 {
					pairs = append(pairs, connectTo(t, l, net.JoinHostPort(family.host, fmt.Sprint(port))))
					want.Near++
					await(t, c, port, want)
				}
				own := uint16(pairs[0].client.LocalAddr().(*net.TCPAddr).Port)
				if n := c.Read(own).Client(); n != 1 {
					t.Errorf("%d connections from port %d, want 1", n, own)
				}
				for _, p := range pairs[:2] {
					end.do(p)
					want.LeftAccepted++
					await(t, c, port, want)
				}
				if n := c.Read(own).Client(); n != 0 {
					t.Errorf("%d connections left from port %d", n, own)
				}
				if n := c.Read(port).Server() - before.Server(); n != 1 {
					t.Errorf("%d established, want 1", n)
				}
			})
		}
	}
}

func TestConnsCountEveryShortConnection(t *testing.T) {
	c := openConns(t)
	l, port := listenAt(t, "tcp", "127.0.0.1:0")
	const clients, each = 8, 250
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			s, err := l.Accept()
			if err != nil {
				return
			}
			s.Close()
		}
	}()
	before := c.Read(port)
	var storm sync.WaitGroup
	for i := range clients {
		storm.Go(func() {
			for range each {
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					conn.(*net.TCPConn).SetLinger(0)
				}
				conn.Close()
			}
		})
	}
	storm.Wait()
	l.Close()
	<-served
	want := before
	want.Near += clients * each
	want.LeftAccepted += clients * each
	await(t, c, port, want)
}

// TestConnsTellTheSidesOfOnePort: a connection made from the port that another
// socket listens on.
func TestConnsTellTheSidesOfOnePort(t *testing.T) {
	c := openConns(t)
	far, _ := listenAt(t, "tcp4", "127.0.0.1:0")
	reuse := func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}
	config := net.ListenConfig{Control: reuse}
	nl, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := nl.(*net.TCPListener)
	defer l.Close()
	at := l.Addr().(*net.TCPAddr)
	before := c.Read(uint16(at.Port))
	d := net.Dialer{LocalAddr: at, Control: reuse}
	out, err := d.DialContext(t.Context(), "tcp4", far.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in := connectTo(t, l, at.String())
	want := before
	want.Near++
	want.Opened++
	await(t, c, uint16(at.Port), want)
	out.Close()
	want.LeftOpened++
	await(t, c, uint16(at.Port), want)
	in.server.Close()
	want.LeftAccepted++
	await(t, c, uint16(at.Port), want)
}

func TestConnsEdges(t *testing.T) {
	c := openConns(t)
	l, port := listenAt(t, "tcp", "[::]:0")
	me := Edge{PID: uint32(os.Getpid()), Port: port}
	if _, complete, err := c.Edges(nil); err != nil || !complete {
		t.Fatalf("complete %v, error %v", complete, err)
	}
	for _, host := range []string{"127.0.0.1", "::1", "127.3.2.1"} {
		for range 3 {
			connectTo(t, l, net.JoinHostPort(host, fmt.Sprint(port)))
		}
		edges, complete, err := c.Edges(nil)
		if n := len(slices.DeleteFunc(edges, func(e Edge) bool { return e != me })); n != 1 || !complete || err != nil {
			t.Errorf("to %s: this process %d times, want once; complete %v, error %v", host, n, complete, err)
		}
	}
	// Nobody connected since.
	if edges, _, _ := c.Edges(nil); slices.Contains(edges, me) {
		t.Errorf("%v is told twice", me)
	}
}

// TestConnsOfOneNamespace counts in two network namespaces, the same port in
// both, and from one to the other.
func TestConnsOfOneNamespace(t *testing.T) {
	c := openConns(t)
	if _, err := exec.LookPath("ip"); err != nil {
		const why = "two namespaces are joined by the program ip, which is not installed: `make packages` as root on Debian installs it"
		if os.Getenv("CAPMON_REQUIRE_REAL") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	l, port := listenAt(t, "tcp4", "127.0.0.1:0")
	child, in, out := connsChild(t, os.Args[0], "namespace", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET})
	expect(t, out, "ready")
	pid := child.Process.Pid
	link := fmt.Sprintf("cm%d", pid)
	for _, args := range [][]string{
		{"link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(pid)},
		{"addr", "add", "198.18.77.1/30", "dev", link},
		{"link", "set", link, "up"},
	} {
		if b, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, b)
		}
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "add", "198.18.77.2/30", "dev", "eth0"},
		{"link", "set", "eth0", "up"},
	} {
		args = append([]string{"-t", fmt.Sprint(pid), "-n", "ip"}, args...)
		if b, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
			t.Fatalf("nsenter %v: %v: %s", args, err, b)
		}
	}
	before := c.Read(port)
	fmt.Fprintln(in, port)
	expect(t, out, "listening")
	for range 2 {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("198.18.77.2:%d", port), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if n := c.Read(uint16(conn.LocalAddr().(*net.TCPAddr).Port)).Client(); n != 1 {
			t.Errorf("%d connections out of this namespace, want 1", n)
		}
	}
	connectTo(t, l, l.Addr().String())
	want := before
	want.Near++
	await(t, c, port, want)
	fmt.Fprintln(in, "count")
	// One from itself, two from here; none of ours.
	expect(t, out, fmt.Sprint(ConnCount{Near: 1, Far: 2}))
}

// childNamespace listens on the port it is told, connects to it once and takes
// two from the parent.
func childNamespace(t *testing.T, in *bufio.Scanner) {
	c := openConns(t)
	fmt.Println("ready")
	in.Scan()
	l, port := listenAt(t, "tcp4", "0.0.0.0:"+in.Text())
	connectTo(t, l, fmt.Sprintf("127.0.0.1:%d", port))
	fmt.Println("listening")
	for range 2 {
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Write([]byte{'.'})
	}
	in.Scan()
	fmt.Println(c.Read(port))
	in.Scan()
}

// TestConnsLeaveNothing kills a process that counts.
func TestConnsLeaveNothing(t *testing.T) {
	openConns(t)
	child, _, out := connsChild(t, os.Args[0], "count", nil)
	if !out.Scan() {
		t.Fatal("the child said nothing")
	}
	id, err := strconv.Atoi(out.Text())
	if err != nil {
		t.Fatal(err)
	}
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		t.Fatalf("while it runs: %v", err)
	}
	p.Close()
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	deadline := time.Now().Add(5 * time.Second)
	for {
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		p.Close()
		if time.Now().After(deadline) {
			t.Fatalf("its program is still there, error %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestConnsRefused lets the kernel refuse each step in turn.
func TestConnsRefused(t *testing.T) {
	openConns(t)
	var steps []string
	defer func(old func(string, func() error) error) { step = old }(step)
	step = func(what string, do func() error) error {
		steps = append(steps, what)
		return do()
	}
	c, err := OpenConns()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if len(steps) != 5 {
		t.Errorf("steps %q", steps)
	}
	for _, refuse := range steps {
		step = func(what string, do func() error) error {
			if what == refuse {
				return unix.EPERM
			}
			return do()
		}
		c, err := OpenConns()
		var r *Refusal
		if c != nil || !errors.As(err, &r) || r.Step != refuse || !errors.Is(err, unix.EPERM) {
			t.Errorf("%q refused: %v, %v", refuse, c, err)
		}
	}
}

// TestConnsWithoutRights runs as nobody.
func TestConnsWithoutRights(t *testing.T) {
	openConns(t)
	// Where the test binary is, only its owner may go.
	copied := filepath.Join(t.TempDir(), "test")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, b, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(copied); strings.Contains(dir, t.Name()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, _, out := connsChild(t, copied, "refused", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
	expect(t, out, "make the counters of connections: CAP_BPF and CAP_PERFMON missing: run as root or give it with setcap")
}

// connsChild runs a test binary again as what names; it ends with the test.
func connsChild(t *testing.T, binary, what string, attr *syscall.SysProcAttr) (*exec.Cmd, io.Writer, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^TestConnsChild$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "CAPMON_CONNS_CHILD="+what)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = attr
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
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return cmd, in, bufio.NewScanner(out)
}

func expect(t *testing.T, out *bufio.Scanner, want string) {
	t.Helper()
	if !out.Scan() || out.Text() != want {
		t.Fatalf("the child says %q, want %q", out.Text(), want)
	}
}

// TestConnsChild is what the other processes of these tests do.
func TestConnsChild(t *testing.T) {
	in := bufio.NewScanner(os.Stdin)
	switch os.Getenv("CAPMON_CONNS_CHILD") {
	case "": // it runs in processes that other tests start
	case "namespace":
		childNamespace(t, in)
	case "count":
		info, err := openConns(t).prog.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		fmt.Println(id)
		in.Scan()
	case "refused":
		_, err := OpenConns()
		fmt.Println(err)
	default:
		t.Fatal("nothing to do")
	}
}

// BenchmarkConnsEvent makes and ends connections, and reports what the program
// takes each time the kernel runs it for both ends together, with what it takes
// to measure that.
func BenchmarkConnsEvent(b *testing.B) {
	c := openConns(b)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	l, _ := listenAt(b, "tcp4", "127.0.0.1:0")
	before, err := c.prog.Stats()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		conn, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		s.Close()
	}
	after, err := c.prog.Stats()
	if err != nil {
		b.Fatal(err)
	}
	runs := float64(after.RunCount - before.RunCount)
	took := float64((after.Runtime - before.Runtime).Nanoseconds())
	b.ReportMetric(took/runs, "ns/event")
	b.ReportMetric(runs/float64(b.N), "events/conn")
	b.ReportMetric(took/float64(b.N), "ns/conn")
}

func BenchmarkConnsRead(b *testing.B) {
	c := openConns(b)
	for b.Loop() {
		c.Read(80)
	}
}
