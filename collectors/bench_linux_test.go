package collectors

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func BenchmarkListenDump(b *testing.B) {
	var d diag
	defer d.close()
	b.ReportAllocs()
	for b.Loop() {
		if err := d.dump(1<<stateListen, b.Context().Err, func(*diagSocket) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEstablishedDump(b *testing.B) {
	for _, sockets := range []int{0, 1000} {
		b.Run(fmt.Sprint(sockets), func(b *testing.B) {
			connect(b, sockets/2)
			s := newSocketSource(Config{Proc: "/proc", countOwn: true}, new(ownConns)).(*diagSource)
			defer s.close()
			t := new(portTable)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.established(context.Background(), time.Now(), t); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCounters(b *testing.B) {
	s := newSocketSource(Config{Proc: "/proc"}, new(ownConns)).(*diagSource)
	defer s.close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.counters(); err != nil {
			b.Fatal(err)
		}
	}
}

// connect opens n connections over loopback, which are 2n sockets.
func connect(tb testing.TB, n int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	for range n {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { c.Close() })
		s, err := l.Accept()
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.Close() })
	}
}

// BenchmarkLimits is what a real nginx with eight workers costs: each second,
// and every ten, when its processes and its configuration are looked at again.
func BenchmarkLimits(b *testing.B) {
	needProgram(b, "nginx")
	dir, port := b.TempDir(), unusedPorts(b, 1)[0]
	writeFile(b, dir+"/nginx.conf", strings.Replace(fmt.Sprintf(nginxConf, dir, port, 2048), "worker_processes 2", "worker_processes 8", 1))
	root := startServer(b, []int{port}, "nginx", "-p", dir, "-c", "nginx.conf").Process.Pid
	ports := []servicePort{{port: uint16(port), owner: owner{name: "nginx", root: root}}}
	for name, step := range map[string]time.Duration{"second": 0, "ten seconds": familyEvery} {
		b.Run(name, func(b *testing.B) {
			s := newLimitsSource(Config{}.withDefaults())
			defer s.close()
			now := time.Now()
			s.read(b.Context(), now, ports)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(step)
				s.read(b.Context(), now, ports)
			}
		})
	}
}
