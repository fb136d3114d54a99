package collectors

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v3/net"
	"golang.org/x/sys/unix"

	"capmon/sample"
)

// The connections of BenchmarkManyConnections: 90,000 on three ports, from six
// processes to six others, because one may not open more than 20,000 files. Half
// of those of a port come from two addresses, as of proxies, and half from many,
// as of people.
const (
	manyPairs   = 6
	manyEach    = 15_000
	manyPorts   = 3
	manySeconds = 20
	// manyFirst is how long the beginning lasts, from the first reading that
	// knows the connections: what is done once is over then.
	manyFirst = 6
	// manyPatience bounds one reading: other programs may be at work here.
	manyPatience = 2 * time.Second
)

// manyResult is what a process that counts found, and what it took.
type manyResult struct {
	Ports       map[uint16]uint32
	Established uint32
	First       float64 // CPU time of the beginning, milliseconds
	PerSecond   float64 // CPU time of the whole process after that, milliseconds a second
	Table       float64 // CPU time of one walk over the kernel's table, the least of ten, milliseconds
	RSS         uint64  // bytes, at the end
}

// manyCosts is what all of them took.
type manyCosts struct {
	EBPF, Walk manyResult
	SS, Peer   float64 // milliseconds of CPU time, once
	Wrong      []string
}

// BenchmarkManyConnections makes 90,000 connections in a network namespace of
// their own and counts them with the kernel's program and without, once a
// second, and once with ss and with gopsutil.
func BenchmarkManyConnections(b *testing.B) {
	needRoot(b, "network namespaces are made by root")
	for b.Loop() {
		_, in, out := startChild(b, "many", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL})
		in.Close()
		var got manyCosts
		if err := json.Unmarshal(lastLine(b, out), &got); err != nil {
			b.Fatal(err)
		}
		for _, w := range got.Wrong {
			b.Error(w)
		}
		b.ReportMetric(got.EBPF.PerSecond, "ebpf-ms/s")
		b.ReportMetric(got.EBPF.First, "ebpf-first-ms")
		b.ReportMetric(float64(got.EBPF.RSS)/(1<<20), "ebpf-MiB")
		b.ReportMetric(got.Walk.PerSecond, "sock_diag-ms/s")
		b.ReportMetric(got.Walk.First, "sock_diag-first-ms")
		b.ReportMetric(got.Walk.Table, "sock_diag-walk-ms")
		b.ReportMetric(float64(got.Walk.RSS)/(1<<20), "sock_diag-MiB")
		b.ReportMetric(got.SS, "ss-ms")
		b.ReportMetric(got.Peer, "gopsutil-ms")
	}
}

func childMany(t *testing.T) {
	loopbackUp(t)
	// A whole prefix on lo: each of its addresses is this machine's.
	if out, err := exec.Command("ip", "addr", "add", "10.78.0.1/16", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("an address of this namespace: %v: %s", err, out)
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	want := make(map[uint16]uint32)
	var ready []*bufio.Scanner
	for i := range manyPairs {
		port := uint16(7001 + i%manyPorts)
		want[port] += manyEach
		at := fmt.Sprintf("10.78.0.%d %d\n", 10+i, port)
		_, in, out := startChild(t, "many servers", attr)
		fmt.Fprint(in, at)
		lastLine(t, out)
		ready = append(ready, out)
		_, in, out = startChild(t, "many clients", attr)
		fmt.Fprint(in, at)
		ready = append(ready, out)
	}
	for _, out := range ready {
		lastLine(t, out)
	}
	var got manyCosts
	defer func() { json.NewEncoder(os.Stdout).Encode(got) }()
	for _, c := range []struct {
		what string
		to   *manyResult
	}{{"many by ebpf", &got.EBPF}, {"many by walking", &got.Walk}} {
		_, _, out := startChild(t, c.what, attr)
		if err := json.Unmarshal(lastLine(t, out), c.to); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c.to.Ports); diff != "" || c.to.Established != 2*manyPairs*manyEach {
			got.Wrong = append(got.Wrong, fmt.Sprintf("%s: %d established; by port (-want +got):\n%s", c.what, c.to.Established, diff))
		}
	}
	ss := exec.Command("sh", "-c", "ss -Htn state established | wc -l")
	if err := ss.Run(); err != nil {
		t.Fatal(err)
	}
	got.SS = millisecondsOf(ss)
	peer, in, out := startChild(t, "many by peer", attr)
	in.Close()
	lastLine(t, out)
	_ = peer.Wait()
	got.Peer = millisecondsOf(peer)
}

func millisecondsOf(cmd *exec.Cmd) float64 {
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() * 1000
}

// manyAddress reads the address a server or client is told.
func manyAddress(t *testing.T) (*bufio.Reader, *unix.SockaddrInet4) {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	a := &unix.SockaddrInet4{Addr: [4]byte{10, 78, 0, 0}}
	if _, err := fmt.Sscanf(line, "10.78.0.%d %d", &a.Addr[3], &a.Port); err != nil {
		t.Fatal(err)
	}
	return in, a
}

// childManyServer takes its connections with bare system calls: they need no
// goroutine and no memory.
func childManyServer(t *testing.T) {
	in, at := manyAddress(t)
	l := manySocket(t)
	if err := unix.Bind(l, at); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(l, 4096); err != nil {
		t.Fatal(err)
	}
	fmt.Println("{listening}")
	for range manyEach {
		if _, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("{ready}")
	_, _ = io.Copy(io.Discard, in)
}

func childManyClient(t *testing.T) {
	in, at := manyAddress(t)
	from := 2
	if at.Addr[3] >= 10+manyPorts {
		from = 250
	}
	for i := range manyEach {
		s := manySocket(t)
		if err := unix.Bind(s, &unix.SockaddrInet4{Addr: [4]byte{10, 78, at.Addr[3], byte(1 + i%from)}}); err != nil {
			t.Fatal(err)
		}
		if err := unix.Connect(s, at); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("{ready}")
	_, _ = io.Copy(io.Discard, in)
}

func manySocket(t *testing.T) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// childManyCounter is a process that does nothing but read connections once a
// second.
func childManyCounter(walk bool) {
	r := bothRoads(false)[map[bool]int{false: 0, true: 1}[walk]]
	defer r.Close()
	var got manyResult
	began := spentTime()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var start time.Duration
	var s *sample.Sample
	for known, all := 0, 0; known < manyFirst+manySeconds && all < 2*(manyFirst+manySeconds); all++ {
		ctx, cancel := context.WithTimeout(context.Background(), manyPatience)
		reading, err := r.Collect(ctx, time.Now())
		cancel()
		if err != nil {
			fmt.Fprintln(os.Stderr, r.name, err)
		}
		s = new(sample.Sample)
		if reading != nil {
			reading(s)
		}
		if s.GetConnections().Established != nil {
			known++
		}
		if known == manyFirst {
			start = spentTime()
			got.First = (start - began).Seconds() * 1000
		}
		<-tick.C
	}
	got.PerSecond = (spentTime() - start).Seconds() * 1000 / manySeconds
	got.Ports = maps.Collect(func(yield func(uint16, uint32) bool) {
		for _, v := range s.GetServices() {
			if !yield(uint16(v.GetPort()), v.GetConnections()) {
				return
			}
		}
	})
	got.Established = s.GetConnections().GetEstablished()
	got.RSS = residentBytes()
	if walk {
		got.Table = tableWalk(r)
	}
	json.NewEncoder(os.Stdout).Encode(got)
}

// tableWalk is what one walk over the kernel's table takes, in milliseconds of
// CPU time.
func tableWalk(r *road) float64 {
	least := time.Hour
	for range 10 {
		took, err := r.diag().established(context.Background(), time.Now(), r.table)
		if err != nil {
			fmt.Fprintln(os.Stderr, "walk:", err)
		}
		least = min(least, took)
	}
	return least.Seconds() * 1000
}

func spentTime() time.Duration {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func residentBytes() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident uint64
	fmt.Fscan(strings.NewReader(string(b)), &size, &resident)
	return resident * uint64(os.Getpagesize())
}

// childManyPeer counts as a program does that uses gopsutil.
func childManyPeer(t *testing.T) {
	all, err := net.Connections("tcp")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("{%d}\n", len(all))
}
