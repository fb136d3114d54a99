package payments

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"capmon/agents"
	"capmon/collectors"
	"capmon/sample"
)

// agentPort is where an agent listens when nobody else does.
const agentPort = "7077"

// places are where a child can be reached, host:port.
type places struct{ web, agent string }

// serve is a child that answers requests and has an agent of its own, until then
// returns or something fails.
func serve(name, ip, pool string, cores float64, version string, h http.Handler, t *traffic, then func(context.Context, places) error) error {
	l, err := listen(ip, "0")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	watch, err := listen(ip, agentPort, "0")
	if err != nil {
		return fmt.Errorf("the agent of %s: %w", name, err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	a, err := agents.New(agents.Config{
		Source:   &source{traffic: t, name: pool, port: port, cores: cores, meter: collectors.NewSelfMeter()},
		Hostname: name, Version: version, Labels: map[string]string{"pool": pool, "role": pool},
	})
	if err != nil {
		return fmt.Errorf("the agent of %s: %w", name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 4)
	web := &http.Server{Handler: h, ConnState: t.state, ReadHeaderTimeout: headerTime}
	go func() { ended <- a.Run(ctx) }()
	go func() { ended <- agents.Serve(ctx, watch, a, agents.Plain(), nil) }()
	go func() { ended <- web.Serve(l) }()
	over := make(chan error, 1)
	go func() { over <- then(ctx, places{l.Addr().String(), watch.Addr().String()}) }()
	select {
	case err := <-over:
		return err
	case err := <-ended:
		return fmt.Errorf("%s: %w", name, err)
	}
}

// source is what such an agent reads: this process alone, as if it were a
// machine.
type source struct {
	traffic *traffic
	name    string
	port    int
	cores   float64
	meter   *collectors.SelfMeter

	at   time.Time
	cpu  time.Duration
	last counted
}

// counted are the responses so far.
type counted struct{ all, other, failed uint64 }

var _ agents.Source = (*source)(nil)

func (s *source) Names() []string { return []string{"process"} }
func (s *source) Close() error    { return s.meter.Close() }

func (s *source) Sample(ctx context.Context, now time.Time) *sample.Sample {
	began := time.Now()
	v := &sample.Sample{Cpu: &sample.Cpu{Available: new(float32(s.cores))}}
	lines := uint32(max(s.traffic.lines.Load(), 0))
	v.Connections = &sample.Connections{Established: &lines, Served: &lines}
	n := counted{other: s.traffic.other.Load(), failed: s.traffic.failed.Load()}
	n.all = s.traffic.ok.Load() + n.other + n.failed
	web := &sample.Service{
		Port: uint32(s.port), Name: s.name, Pid: uint32(os.Getpid()), Connections: &lines,
		Responses: &n.all, Status: []uint64{0, n.other, n.failed},
		Latency: s.traffic.latency(now),
	}
	v.Services = []*sample.Service{web}
	took := now.Sub(s.at).Seconds()
	known := !s.at.IsZero() && took > 0
	if cpu, _, err := s.meter.Read(ctx, now); err != nil {
		v.Errors = []*sample.CollectorError{{Text: sample.Printable(err.Error())}}
	} else {
		if known {
			used := max((cpu-s.cpu).Seconds()/took, 0)
			v.Cpu.Used, web.RunUs = new(float32(used)), new(uint32(used*1e6))
		}
		s.cpu = cpu
	}
	if known {
		web.Rps = new(float32(float64(n.all-s.last.all) / took))
	}
	s.at, s.last = now, n
	v.CollectorUs = []uint32{uint32(time.Since(began).Microseconds())}
	return v
}
