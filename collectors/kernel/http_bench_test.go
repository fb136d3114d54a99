//go:build linux

package kernel

import (
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// What a request and its response cost more while they are counted. One thread
// is client and server on loopback; short windows alternate without and with
// the programs, and the differences of its CPU time are reported: median and
// quartiles, in ns a pair. Both ends' sends are in it.
func BenchmarkHTTPPair(b *testing.B) {
	for _, o := range []HTTPOptions{
		{Mode: Send}, {Mode: Send, Latency: true}, {Mode: Egress}, {Mode: Egress, Latency: true},
	} {
		name := string(o.Mode)
		if o.Latency {
			name += "+latency"
		}
		b.Run(name, func(b *testing.B) { benchPair(b, &o, false) })
	}
	b.Run("send other lengths", func(b *testing.B) { benchPair(b, &HTTPOptions{Mode: Send}, true) })
	b.Run("egress other lengths", func(b *testing.B) { benchPair(b, &HTTPOptions{Mode: Egress}, true) })
	b.Run("nothing", func(b *testing.B) { benchPair(b, nil, false) }) // the error of the method
}

// header is what a small server says.
const header = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 15:00:00 GMT\r\n" +
	"Content-Type: text/html\r\nContent-Length: 612\r\nLast-Modified: Tue, 24 Nov 2026 15:00:00 GMT\r\n" +
	"Connection: keep-alive\r\nETag: \"637f7d6d-264\"\r\nAccept-Ranges: bytes\r\n\r\n"

const benchPairs = 250

// benchPair measures one way to count. Where lengths differ, no header is like the
// one before.
func benchPair(b *testing.B, o *HTTPOptions, differ bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	client, server, port := socketPair(b)
	request := []byte(aRequest)
	answers := [2][]byte{append([]byte(header), make([]byte, 612)...), append([]byte(header), make([]byte, 612)...)}
	if differ {
		answers[1] = append([]byte(strings.Replace(header, "612", "613", 1)), make([]byte, 613)...)
	}
	buf := make([]byte, 4096)
	window := func() float64 {
		var from, to unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &from)
		for i := range benchPairs {
			_, _ = unix.Write(client, request)
			drain(server, buf)
			_, _ = unix.Write(server, answers[i%2])
			drain(client, buf)
		}
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &to)
		return float64(to.Nano()-from.Nano()) / benchPairs
	}
	var h *HTTP
	if o != nil {
		h = openReal(b, *o)
		if err := h.Watch(port); err != nil {
			b.Fatal(err)
		}
	}
	var added, base []float64
	for b.Loop() {
		h.detach(b)
		window() // warm after the change
		without := window()
		h.attach(b)
		window()
		added = append(added, window()-without)
		base = append(base, without)
	}
	if h != nil {
		// Every response was counted, so the price is that of counting.
		if c, _ := h.Read(port); c.Final() != uint64(2*benchPairs*len(added)) {
			b.Fatalf("counted %+v, want %d", c, 2*benchPairs*len(added))
		}
	}
	b.ReportMetric(h.runTime(b, window), "programs-ns")
	slices.Sort(added)
	slices.Sort(base)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(base[len(base)/2], "base-ns")
	b.ReportMetric(added[len(added)/2], "added-ns")
	b.ReportMetric(added[len(added)/4], "q1-ns")
	b.ReportMetric(added[len(added)*3/4], "q3-ns")
}

// runTime is how long the programs run for each pair, by the kernel's own
// measure, in the least disturbed of many windows: steadier than the difference,
// but without what calling them costs, and with what measuring costs.
func (h *HTTP) runTime(b *testing.B, window func() float64) float64 {
	if h == nil {
		return 0
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	total := func() (sum time.Duration) {
		for _, c := range h.open {
			if p, ok := c.(*ebpf.Program); ok {
				s, err := p.Stats()
				if err != nil {
					b.Fatal(err)
				}
				sum += s.Runtime
			}
		}
		return sum
	}
	took := make([]time.Duration, 40)
	for i := range took {
		before := total()
		window()
		took[i] = total() - before
	}
	slices.Sort(took)
	return float64(took[0].Nanoseconds()) / benchPairs
}

// detach takes the programs off and leaves them loaded.
func (h *HTTP) detach(b *testing.B) {
	if h == nil {
		return
	}
	h.open = slices.DeleteFunc(h.open, func(c io.Closer) bool {
		l, ok := c.(link.Link)
		if ok {
			l.Close()
		}
		return ok
	})
}

// attach puts them back.
func (h *HTTP) attach(b *testing.B) {
	if h == nil {
		return
	}
	root, err := openCgroups("/proc")
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	for _, c := range slices.Clone(h.open) {
		p, ok := c.(*ebpf.Program)
		if !ok {
			continue
		}
		var l link.Link
		var err error
		if p.Type() == ebpf.Tracing {
			l, err = link.AttachTracing(link.TracingOptions{Program: p})
		} else {
			l, err = attachCgroup(p, root)
		}
		if err != nil {
			b.Fatal(err)
		}
		h.keep(l)
	}
}

// socketPair is a connection over loopback whose reads do not wait.
func socketPair(b *testing.B) (client, server int, port uint16) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	raw := func(c net.Conn) int {
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
		b.Cleanup(func() { f.Close() })
		fd := int(f.Fd())
		if err := unix.SetNonblock(fd, true); err != nil {
			b.Fatal(err)
		}
		return fd
	}
	return raw(c), raw(s), uint16(l.Addr().(*net.TCPAddr).Port)
}

func drain(fd int, buf []byte) {
	for {
		if n, err := unix.Read(fd, buf); n > 0 && err == nil {
			return
		}
	}
}

// Reading every counter there is place for, half of them, once.
func BenchmarkHTTPRead256(b *testing.B) {
	h := openReal(b, HTTPOptions{})
	for port := range uint16(256) {
		if err := h.Watch(20000 + port); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		for port := range uint16(256) {
			if _, ok := h.Read(20000 + port); !ok {
				b.Fatal("not watched")
			}
		}
	}
}

func BenchmarkHTTPOpen(b *testing.B) {
	for _, mode := range modes {
		b.Run(string(mode), func(b *testing.B) {
			for b.Loop() {
				h, err := OpenHTTP(HTTPOptions{Mode: mode, Latency: true})
				if err != nil {
					b.Skip(err)
				}
				h.Close()
			}
		})
	}
}
