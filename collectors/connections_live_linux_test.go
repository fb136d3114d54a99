package collectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"capmon/sample"
)

// inNamespace runs a child of the test binary in a network namespace that holds
// nothing else, once with the kernel's program and once without, and reports
// what it finds wrong.
func inNamespace(t *testing.T, what string) {
	t.Helper()
	needRoot(t, "network namespaces are made by root")
	_, in, out := startChild(t, what, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL})
	in.Close()
	var got struct{ Wrong []string }
	if err := json.Unmarshal(lastLine(t, out), &got); err != nil {
		t.Fatal(err)
	}
	for _, w := range got.Wrong {
		t.Error(w)
	}
}

// road is one way to count in a child, with a clock of its own.
type road struct {
	*connections
	name string
	now  time.Time
	own  *ownConns
}

func bothRoads(countOwn bool) []*road {
	var roads []*road
	for _, walk := range []bool{false, true} {
		own := new(ownConns)
		r := &road{name: "ebpf", now: time.Now(), own: own}
		if walk {
			r.name = "sock_diag"
		}
		r.connections = newConnections(Config{countOwn: countOwn, walkConns: walk}.withDefaults(), own, newListeners())
		roads = append(roads, r)
	}
	return roads
}

func (r *road) diag() *diagSource { return r.source.(*diagSource) }

// collect lets time go by, enough for the sockets to be walked again, and
// reads.
func (r *road) collect(after time.Duration) (*sample.Sample, error) {
	r.now = r.now.Add(after)
	reading, err := r.Collect(context.Background(), r.now)
	s := new(sample.Sample)
	if reading != nil {
		reading(s)
	}
	if want := map[string]sample.ConnectionSource{
		"ebpf":      sample.ConnectionSource_CONNECTION_SOURCE_EBPF,
		"sock_diag": sample.ConnectionSource_CONNECTION_SOURCE_SOCK_DIAG,
		"portable":  sample.ConnectionSource_CONNECTION_SOURCE_PORTABLE,
	}[r.name]; s.GetConnections().GetSource() != want && err == nil {
		err = fmt.Errorf("counted by %v", s.GetConnections().GetSource())
	}
	return s, err
}

// service is what is told of a port.
func service(s *sample.Sample, port uint16) *sample.Service {
	for _, v := range s.GetServices() {
		if v.GetPort() == uint32(port) {
			return v
		}
	}
	return nil
}

// wrongs collects what a child finds wrong and tells its parent.
type wrongs []string

func (w *wrongs) add(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

func (w *wrongs) tell() {
	json.NewEncoder(os.Stdout).Encode(struct{ Wrong []string }{*w})
}

// until repeats a reading until it is as wanted: the kernel ends connections in
// its own time.
func (w *wrongs) until(what string, r *road, after time.Duration, ok func(*sample.Sample) bool) {
	var s *sample.Sample
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		var err error
		if s, err = r.collect(after); err != nil {
			w.add("%s, %s: %v", r.name, what, err)
			return
		}
		if ok(s) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.add("%s, %s: %v, services %v", r.name, what, s.GetConnections(), s.GetServices())
}

// TestConnectionsComeAndGo takes connections through all their ends, and ports
// through closing and listening again, on both roads.
func TestConnectionsComeAndGo(t *testing.T) { inNamespace(t, "come and go") }

func childComeAndGo(t *testing.T) {
	loopbackUp(t)
	var w wrongs
	defer w.tell()
	const port = 7001
	listen := func(addr string) net.Listener {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := listen("0.0.0.0:7001")
	var clients, servers []net.Conn
	dial := func(n int) {
		for range n {
			c, err := net.Dial("tcp", "127.0.0.1:7001")
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			clients, servers = append(clients, c), append(servers, s)
		}
	}
	roads := bothRoads(true)
	expect := func(what string, listed bool, connections, established uint32) {
		for _, r := range roads {
			w.until(what, r, 6*time.Second, func(s *sample.Sample) bool {
				v := service(s, port)
				return (v != nil) == listed && v.GetConnections() == connections && s.GetConnections().GetEstablished() == established &&
					s.GetConnections().GetServed() == connections && (!listed || v.GetPid() == uint32(os.Getpid()))
			})
		}
	}
	take := func() (c, s net.Conn) {
		c, s = clients[0], servers[0]
		clients, servers = clients[1:], servers[1:]
		return c, s
	}
	dial(5)
	expect("before counting began", true, 5, 10)
	dial(4)
	expect("four more", true, 9, 18)
	c, s := take()
	c.Close()
	s.Close()
	expect("closed", true, 8, 16)
	c, _ = take()
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	expect("reset", true, 7, 14)
	c, _ = take()
	c.(*net.TCPConn).CloseWrite()
	expect("half closed by the client: neither end is established", true, 6, 12)
	_, s = take()
	s.(*net.TCPConn).CloseWrite()
	expect("half closed by the server", true, 5, 10)
	l.Close()
	expect("the port closed, its connections live on", false, 0, 10)
	c, s = take()
	c.Close()
	s.Close()
	expect("one of them ends", false, 0, 8)
	l = listen("127.0.0.1:7001")
	expect("it listens again", true, 4, 8)
	dial(1)
	expect("and takes another", true, 5, 10)
	for _, r := range roads {
		r.Close()
	}
}

// TestConnectionsBegunAmidTraffic begins to count while connections come and go
// at the port.
func TestConnectionsBegunAmidTraffic(t *testing.T) { inNamespace(t, "amid traffic") }

func childAmidTraffic(t *testing.T) {
	loopbackUp(t)
	var w wrongs
	defer w.tell()
	const port, stay = 7001, 40
	greetAll(t, "127.0.0.1:7001")
	for range stay {
		c, err := net.Dial("tcp", "127.0.0.1:7001")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 6 {
		stop := make(chan struct{})
		var storm sync.WaitGroup
		begun := make(chan struct{}, 4)
		for range 4 {
			storm.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					c, err := net.Dial("tcp", "127.0.0.1:7001")
					if err != nil {
						continue
					}
					c.(*net.TCPConn).SetLinger(0)
					c.Close()
					if n == 10 {
						begun <- struct{}{}
					}
				}
			})
		}
		for range 4 {
			<-begun
		}
		r := bothRoads(true)[0]
		_, err := r.collect(0)
		for range 2 { // amid the traffic too
			_, err2 := r.collect(compareEvery)
			err = errors.Join(err, err2)
		}
		if err != nil {
			w.add("round %d: %v", round, err)
		}
		close(stop)
		storm.Wait()
		w.until(fmt.Sprint("round ", round), r, compareEvery, func(s *sample.Sample) bool {
			return service(s, port).GetConnections() == stay && s.GetConnections().GetEstablished() == 2*stay
		})
		if c := r.diag().counter; c != nil && c.open() {
			w.add("round %d: not known exactly: %+v, %+v", round, *c.bases[allPorts], *c.bases[port])
		}
		r.Close()
	}
}

// greetAll writes one byte to whoever comes and lets go of it when it ends.
func greetAll(t *testing.T, addr string) {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				c.Write([]byte{'.'})
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
}

// TestConnectionsDriftIsCorrected makes the running counter wrong.
func TestConnectionsDriftIsCorrected(t *testing.T) { inNamespace(t, "drift") }

func childDrift(t *testing.T) {
	loopbackUp(t)
	var w wrongs
	defer w.tell()
	serve(t, "tcp4", "127.0.0.1:7001")
	r := bothRoads(true)[0]
	defer r.Close()
	if _, err := r.collect(0); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", "127.0.0.1:7001")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := r.diag().counter.bases[7001]
	b.least, b.most = b.least+7, b.most+7
	expect := func(what string, after time.Duration, connections uint32, drift *int32) {
		s, err := r.collect(after)
		if err != nil {
			t.Fatal(err)
		}
		if n := service(s, 7001).GetConnections(); n != connections {
			w.add("%s: %d connections, want %d", what, n, connections)
		}
		if diff := cmp.Diff(drift, s.GetConnections().Drift); diff != "" {
			w.add("%s: drift (-want +got):\n%s", what, diff)
		}
	}
	expect("wrong by seven", time.Second, 8, nil)
	expect("compared", compareEvery, 1, new(int32(7)))
	expect("compared again", compareEvery, 1, new(int32(0)))
}

// TestConnectionsAccepted counts every short connection, and capmon's own not.
func TestConnectionsAccepted(t *testing.T) { inNamespace(t, "accepted") }

func childAccepted(t *testing.T) {
	loopbackUp(t)
	var w wrongs
	defer w.tell()
	serve(t, "tcp", "[::]:7001")
	roads := bothRoads(true)
	for _, r := range roads {
		if _, err := r.collect(0); err != nil {
			t.Fatal(err)
		}
	}
	for range 300 {
		c, err := net.Dial("tcp", "127.0.0.1:7001")
		if err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	for _, r := range roads {
		var polls []net.Conn
		for range 5 {
			c, err := r.own.dial(t.Context(), new(net.Dialer), "[::1]:7001")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			polls = append(polls, c)
		}
		s, err := r.collect(6 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		want := new(float32(50))
		if r.name != "ebpf" {
			want = nil
		}
		if diff := cmp.Diff(want, service(s, 7001).Accepts); diff != "" {
			w.add("%s: accepted a second (-want +got):\n%s", r.name, diff)
		}
		if n := s.GetConnections().GetEstablished(); n != 0 {
			w.add("%s: %d established while only capmon is there", r.name, n)
		}
		for _, c := range polls {
			c.Close()
		}
		r.Close()
	}
}

// TestConnectionsQueueAndPorts fills the queue of a port that nobody accepts
// at, and takes more than half of the local ports there are.
func TestConnectionsQueueAndPorts(t *testing.T) { inNamespace(t, "queue and ports") }

func childQueueAndPorts(t *testing.T) {
	loopbackUp(t)
	var w wrongs
	defer w.tell()
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40099"), 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: 7001, Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 2)); err != nil {
		t.Fatal(err)
	}
	serve(t, "tcp4", "127.0.0.1:7002")
	// A queue of no length, in which one may wait all the same.
	none, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(none)
	if err := errors.Join(unix.Bind(none, &unix.SockaddrInet4{Port: 7003, Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(none, 0)); err != nil {
		t.Fatal(err)
	}
	roads := bothRoads(true)
	for _, r := range roads {
		s, err := r.collect(0)
		if err != nil {
			t.Fatal(err)
		}
		if v := service(s, 7001); v.Drops == nil || v.GetDrops() != 0 || v.GetQueue() != 0 || v.GetLimits().GetQueue() != 2 {
			w.add("%s, before: %v", r.name, v)
		}
		if c := s.GetConnections(); c.TimeWait == nil || c.PortsUsed != nil {
			w.add("%s, before: %v", r.name, c)
		}
	}
	if c, err := net.Dial("tcp", "127.0.0.1:7003"); err != nil {
		t.Fatal(err)
	} else {
		defer c.Close()
	}
	for range 8 {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(c)
		if err := unix.Connect(c, &unix.SockaddrInet4{Port: 7001, Addr: [4]byte{127, 0, 0, 1}}); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
	}
	for _, r := range roads {
		w.until("a full queue", r, 6*time.Second, func(s *sample.Sample) bool {
			v := service(s, 7001)
			return v.GetQueue() == 3 && v.GetLimits().GetQueue() == 2 && v.GetDrops() >= 5 && service(s, 7002).GetDrops() == 0 &&
				service(s, 7003).GetConnections() == 1 && service(s, 7003).GetQueue() == 1
		})
	}
	// Twenty that are over but still hold their port, and forty that are not.
	for i := range 60 {
		c, err := net.Dial("tcp", "127.0.0.1:7002")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if i < 20 {
			c.Close()
		}
	}
	for _, r := range roads {
		w.until("ports taken", r, time.Minute, func(s *sample.Sample) bool {
			c := s.GetConnections()
			return c.GetPortsUsed() >= 40 && c.GetPortsUsed() <= 60 && c.GetPortsLimit() == 100
		})
		r.Close()
	}
}

// TestConnectionsFind asks for one socket by its ends.
func TestConnectionsFind(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		rc, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := rc.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); err != nil {
			t.Fatal(err)
		}
		var d diag
		defer d.close()
		local, remote := addrPort(c.LocalAddr().String()), addrPort(c.RemoteAddr().String())
		if inode, err := d.find(local, remote, t.Context().Err); err != nil || uint64(inode) != st.Ino {
			t.Errorf("%s: inode %d, %v; want %d", addr, inode, err, st.Ino)
		}
		c.Close()
		if inode, err := d.find(local, remote, t.Context().Err); err == nil {
			t.Errorf("%s: inode %d after it was closed", addr, inode)
		}
		// The next answer is not taken for this one.
		if err := d.dump(1<<stateListen, t.Context().Err, func(*diagSocket) {}); err != nil {
			t.Errorf("%s: the next dump: %v", addr, err)
		}
	}
}

var childTests = map[string]func(*testing.T){
	"come and go":     childComeAndGo,
	"amid traffic":    childAmidTraffic,
	"drift":           childDrift,
	"accepted":        childAccepted,
	"queue and ports": childQueueAndPorts,
	"many":            childMany,
	"many servers":    childManyServer,
	"many clients":    childManyClient,
	"many by ebpf":    func(*testing.T) { childManyCounter(false) },
	"many by walking": func(*testing.T) { childManyCounter(true) },
	"many by peer":    childManyPeer,
	"behind":          childBehind,
	"peers":           childPeers,
}
