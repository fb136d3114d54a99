package stories

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"capmon/agents"
	"capmon/collectors"
	"capmon/sample"
)

// Listen takes a port that is free, on an address of its own where the system has
// them (all of 127.0.0.0/8 on Linux), else on 127.0.0.1.
func Listen(ip string) (net.Listener, error) { return listen(ip, "0") }

// ListenForAgent takes the port of agents, or one that is free.
func ListenForAgent(ip string) (net.Listener, error) { return listen(ip, "7077", "0") }

func listen(ip string, ports ...string) (net.Listener, error) {
	var errs []error
	for _, ip := range []string{ip, "127.0.0.1"} {
		for _, port := range ports {
			l, err := net.Listen("tcp", net.JoinHostPort(ip, port))
			if err == nil {
				return l, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}

// Agent runs an agent until ctx is done and says where it listens, host:port.
// What its two parts end with goes to ended, which must have room for it.
func Agent(ctx context.Context, ip string, c agents.Config, ended chan<- error) (addr string, err error) {
	a, err := agents.New(c)
	if err == nil {
		var l net.Listener
		if l, err = ListenForAgent(ip); err == nil {
			go func() { ended <- a.Run(ctx) }()
			go func() { ended <- agents.Serve(ctx, l, a, agents.Plain(), nil) }()
			return l.Addr().String(), nil
		}
	}
	return "", fmt.Errorf("the agent of %s: %w", c.Hostname, err)
}

// Process is what such an agent reads: this process alone, as if it were a
// machine with one service.
type Process struct {
	name  string
	port  int
	cores float64
	look  Look
	meter *collectors.SelfMeter

	at  time.Time
	cpu time.Duration
}

// Look puts what a service did into web, and says how many connections it has.
// Took are the seconds since it was last asked; 0: it never was, and no rate is
// known.
type Look func(web *sample.Service, now time.Time, took float64) (connections int64)

var _ agents.Source = (*Process)(nil)

// NewProcess reads this process as a machine with so many cores, whose service is
// at that port.
func NewProcess(name string, port int, cores float64, look Look) *Process {
	return &Process{name: name, port: port, cores: cores, look: look, meter: collectors.NewSelfMeter()}
}

// Names are those of its collectors.
func (p *Process) Names() []string { return []string{"process"} }

// Close lets go of what it holds.
func (p *Process) Close() error { return p.meter.Close() }

// Sample reads it.
func (p *Process) Sample(ctx context.Context, now time.Time) *sample.Sample {
	began := time.Now()
	took := 0.0
	if !p.at.IsZero() {
		took = max(now.Sub(p.at).Seconds(), 0)
	}
	p.at = now
	v := &sample.Sample{Cpu: &sample.Cpu{Available: new(float32(p.cores))}}
	web := &sample.Service{Port: uint32(p.port), Name: p.name, Pid: uint32(os.Getpid())}
	v.Services = []*sample.Service{web}
	lines := uint32(max(p.look(web, now, took), 0))
	web.Connections, v.Connections = &lines, &sample.Connections{Established: &lines, Served: &lines}
	if cpu, _, err := p.meter.Read(ctx, now); err != nil {
		v.Errors = []*sample.CollectorError{{Text: sample.Printable(err.Error())}}
	} else {
		if took > 0 {
			used := max((cpu-p.cpu).Seconds()/took, 0)
			v.Cpu.Used, web.RunUs = new(float32(used)), new(uint32(used*1e6))
		}
		p.cpu = cpu
	}
	v.CollectorUs = []uint32{uint32(time.Since(began).Microseconds())}
	return v
}
