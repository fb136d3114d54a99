package agents

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"capmon/agents/rpc"
	"capmon/sample"
)

// BenchmarkSecond is what a second costs the agent beside reading the machine:
// encode, remember, wake.
func BenchmarkSecond(b *testing.B) {
	a := newAgent(b, Config{}, 1000)
	s := typical(1)
	b.ReportAllocs()
	for b.Loop() {
		a.publish(s)
	}
	b.ReportMetric(float64(len(a.encoded)), "wire-B/sample")
}

// BenchmarkResume is a viewer that asks for all of the 15 minutes, up to the
// checked samples.
func BenchmarkResume(b *testing.B) {
	a := newAgent(b, Config{}, 1000)
	b.ReportAllocs()
	var bytes, updates int
	for b.Loop() {
		var in intake
		bytes, updates = 0, 0
		s := newStream(&in, time.Now())
		n := 0
		_ = a.Subscribe(b.Context(), in.request(), func(u *rpc.Update) error {
			updates++
			got, err := s.take(u, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			for _, one := range u.GetSamples() {
				bytes += len(one)
			}
			if n += len(got.samples); n == 900 {
				return errCut
			}
			return nil
		})
	}
	b.ReportMetric(float64(bytes), "wire-B")
	b.ReportMetric(float64(updates), "updates")
}

func BenchmarkDayOfPoints(b *testing.B) {
	var r pointRing
	for i := range dayOfPoints {
		r.put(fullPoint(uint32(179_000_000 + i)))
	}
	c := &cursor{memory: newMemory(DefaultInterval)}
	c.memory.points = r
	b.ReportAllocs()
	for b.Loop() {
		c.place = r.first
		for {
			c.update.Points = c.update.Points[:0]
			if !c.fillPoints() {
				break
			}
		}
	}
}

// counted is a listener that counts what its connections write.
type counted struct {
	net.Listener
	bytes *atomic.Int64
}

type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{conn, c.bytes}, nil
}

func (c countedConn) Write(b []byte) (int, error) {
	c.bytes.Add(int64(len(b)))
	return c.Conn.Write(b)
}

// BenchmarkLive is one sample from the loop of an agent to a viewer over gRPC,
// both in this process, with the CPU time of the process and the bytes on the
// wire, TLS and HTTP/2 included.
func BenchmarkLive(b *testing.B) {
	for name, sec := range map[string]Security{"plain": Plain(), "token": withToken(b, newTokenFile(b, "token"))} {
		b.Run(name, func(b *testing.B) {
			var bytes atomic.Int64
			lis := counted{listen(b), &bytes}
			a := newAgent(b, Config{}, 1)
			ctx, cancel := context.WithCancel(b.Context())
			served := make(chan error, 2)
			go func() { served <- Serve(ctx, lis, a, sec, nil) }()
			at := &attempt{target: target(b, lis.Addr().String()), sec: sec}
			conn, err := at.connect()
			if err != nil {
				b.Fatal(err)
			}
			got := make(chan struct{}, 1)
			go func() {
				served <- subscribe(ctx, conn, &rpc.SubscribeRequest{}, func(u *rpc.Update) error {
					for _, one := range u.GetSamples() {
						if _, err := sample.Receive(one); err != nil {
							return err
						}
						got <- struct{}{}
					}
					return nil
				})
			}()
			<-got
			s := typical(1)
			before, began := cpuTime(b), bytes.Load()
			b.ReportAllocs()
			for b.Loop() {
				a.publish(s)
				<-got
			}
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/sample")
			b.ReportMetric(float64(bytes.Load()-began)/float64(b.N), "wire-B/sample")
			cancel()
			conn.Close()
			<-served
			<-served
		})
	}
}
