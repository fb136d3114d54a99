package collectors

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"capmon/sample"
)

// socketsResult is what a child in a network namespace of its own found.
type socketsResult struct {
	// By the kernel's program, by sock_diag, by the portable road.
	Sources             [3]sample.ConnectionSource
	Established, Served [3]uint32
	Services            [3][]portResult
	Counted             []int        // seconds in which sock_diag counted anew
	Own                 []portResult // by the kernel's program where this process is capmon
	OwnEstablished      uint32
}

type portResult struct {
	Port, Connections uint32
	Name              string
}

// TestAllRoadsCountTheSame listens and connects for real in a network
// namespace that holds nothing else: IPv4, IPv6, both on one socket, one
// address among several, several sockets on one port.
func TestAllRoadsCountTheSame(t *testing.T) {
	needRoot(t, "network namespaces are made by root")
	_, in, out := startChild(t, "sockets", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET})
	in.Close()
	var got socketsResult
	if err := json.Unmarshal(lastLine(t, out), &got); err != nil {
		t.Fatal(err)
	}
	name := programName("collectors.test", "/x/collectors.test")
	services := []portResult{
		{7001, 3, name}, // IPv4, every address
		{7002, 2, name}, // IPv6, one address
		{7003, 5, name}, // both: 2 over IPv4, 3 over IPv6
		{7004, 4, name}, // 127.0.0.1 and 127.0.0.2
		{7005, 6, name}, // three sockets
		{7006, 0, name}, // nobody came
	}
	want := socketsResult{
		// 20 connections and as many ends on this side.
		Established: [3]uint32{40, 40, 40}, Served: [3]uint32{20, 20, 20},
		Services: [3][]portResult{services, services, services},
		Sources: [3]sample.ConnectionSource{
			sample.ConnectionSource_CONNECTION_SOURCE_EBPF,
			sample.ConnectionSource_CONNECTION_SOURCE_SOCK_DIAG,
			sample.ConnectionSource_CONNECTION_SOURCE_PORTABLE,
		},
		// At the beginning, after a change, and five seconds after that one.
		Counted: []int{0, 2, 7},
		// Ours: neither a service nor its connections, but the clients' ends.
		OwnEstablished: 20,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func childSockets(t *testing.T) {
	loopbackUp(t)
	for _, l := range []struct {
		network string
		addr    string
		clients []string
		times   int
	}{
		{"tcp4", "0.0.0.0:7001", []string{"127.0.0.1:7001"}, 3},
		{"tcp6", "[::1]:7002", []string{"[::1]:7002"}, 2},
		{"tcp", "[::]:7003", []string{"127.0.0.1:7003", "127.0.0.1:7003", "[::1]:7003", "[::1]:7003", "[::1]:7003"}, 1},
		{"tcp4", "127.0.0.1:7004", []string{"127.0.0.1:7004"}, 1},
		{"tcp4", "127.0.0.2:7004", []string{"127.0.0.2:7004"}, 3},
		{"tcp4", "127.0.0.1:7005", nil, 0},
		{"tcp4", "127.0.0.1:7005", nil, 0},
		{"tcp4", "127.0.0.1:7005", []string{"127.0.0.1:7005"}, 6},
		{"tcp", "[::]:7006", nil, 0},
	} {
		serve(t, l.network, l.addr)
		for range l.times {
			for _, c := range l.clients {
				conn, err := net.Dial("tcp", c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				// One byte back: the other end is established as well.
				if _, err := conn.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var got socketsResult
	for i, c := range []Config{{countOwn: true}, {countOwn: true, walkConns: true}, {countOwn: true, Portable: true}} {
		s := socketsSample(t, c)
		got.Established[i], got.Served[i] = s.GetConnections().GetEstablished(), s.GetConnections().GetServed()
		got.Services[i], got.Sources[i] = portResults(s), s.GetConnections().GetSource()
	}
	s := socketsSample(t, Config{})
	got.Own, got.OwnEstablished = portResults(s), s.GetConnections().GetEstablished()
	got.Counted = secondsCounted(t)
	json.NewEncoder(os.Stdout).Encode(got)
}

// secondsCounted reads the sockets for nine seconds, with one change before the
// third, and tells when the established ones were walked.
func secondsCounted(t *testing.T) (seconds []int) {
	d := newSocketSource(Config{countOwn: true, walkConns: true}.withDefaults(), new(ownConns)).(*diagSource)
	defer d.close()
	table := new(portTable)
	start := time.Now()
	for i := range 9 {
		if i == 2 {
			c, err := net.Dial("tcp", "127.0.0.1:7001")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		now := start.Add(time.Duration(i) * time.Second)
		if _, err := d.read(t.Context(), now, table); err != nil {
			t.Fatal(err)
		}
		if d.pace.last.Equal(now) {
			seconds = append(seconds, i)
		}
	}
	return seconds
}

func portResults(s *sample.Sample) []portResult {
	var all []portResult
	for _, v := range s.GetServices() {
		all = append(all, portResult{v.GetPort(), v.GetConnections(), v.GetName()})
	}
	return all
}

// socketsSample reads the connections once.
func socketsSample(t *testing.T, c Config) *sample.Sample {
	t.Helper()
	collector := newConnections(c.withDefaults(), new(ownConns), newListeners())
	defer collector.Close()
	r, err := collector.Collect(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := new(sample.Sample)
	r(s)
	return s
}

// serve listens, SO_REUSEPORT set, and writes one byte to whoever comes.
func serve(t *testing.T, network, addr string) {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	l, err := config.Listen(context.Background(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range conns {
					c.Close()
				}
				return
			}
			conns = append(conns, c)
			c.Write([]byte{'.'})
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
}

// loopbackUp brings lo up in a new namespace.
func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r); err != nil {
		t.Fatal(err)
	}
}
