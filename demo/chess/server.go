package chess

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"capmon/agents"
	"capmon/collectors"
	"capmon/demo/child"
	"capmon/sample"
)

// serverConfig is what a server is told at its beginning.
type serverConfig struct {
	Name      string
	IP        string // of its own; one that is not of this machine gives way to 127.0.0.1
	PerServer int
	Own       *ownAgent // its agent, where no other process can be one
}

// ownAgent is what the agent of a server within it is told.
type ownAgent struct {
	Cores   float64 // that it stands for
	Version string
}

// serverSays is a line of a server: where it is, and its agent where that is
// within, then how many play.
type serverSays struct {
	Game, Agent string
	Playing     int
}

// agentPort is where a server's agent listens when nobody else does.
const agentPort = "7077"

// gameServer takes players.
type gameServer struct {
	most    int64
	playing atomic.Int64
	accepts atomic.Uint64
}

func runServer(line []byte, in io.Reader, out io.Writer) error {
	var c serverConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("chess server: %w", err)
	}
	game, err := listen(c.IP, "0")
	if err != nil {
		return err
	}
	g := &gameServer{most: int64(c.PerServer)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 3)
	says := serverSays{Game: game.Addr().String()}
	if c.Own != nil {
		if says.Agent, err = g.watch(ctx, &c, game.Addr().(*net.TCPAddr).Port, failed); err != nil {
			return err
		}
	}
	go func() { failed <- g.serve(game) }()
	say := child.NewTeller(out)
	say.Tell(says)
	_, end := child.Orders(in)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return nil
		case err := <-failed:
			return fmt.Errorf("chess server %s: %w", c.Name, err)
		case <-tick.C:
			if n := int(g.playing.Load()); n != says.Playing {
				says.Playing = n
				say.Tell(says)
			}
		}
	}
}

// watch runs the server's own agent, and says where it listens.
func (g *gameServer) watch(ctx context.Context, c *serverConfig, port int, failed chan<- error) (addr string, err error) {
	l, err := listen(c.IP, agentPort, "0")
	if err != nil {
		return "", err
	}
	a, err := agents.New(agents.Config{
		Source: &source{server: g, port: port, cores: c.Own.Cores, meter: collectors.NewSelfMeter()}, Hostname: c.Name, Version: c.Own.Version,
		Labels: map[string]string{"role": "chess"},
	})
	if err != nil {
		return "", err
	}
	go func() { failed <- a.Run(ctx) }()
	go func() { failed <- agents.Serve(ctx, l, a, agents.Plain(), nil) }()
	return l.Addr().String(), nil
}

// listen takes the first port that is free, on an address of its own where the
// system has them (all of 127.0.0.0/8 on Linux).
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

func (g *gameServer) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		g.accepts.Add(1)
		go g.play(c)
	}
}

// play answers the moves of one player until the connection ends.
func (g *gameServer) play(c net.Conn) {
	defer c.Close()
	in := false
	f, err := accept(c, func() bool {
		in = g.playing.Add(1) <= g.most
		if !in {
			g.playing.Add(-1)
		}
		return !in
	})
	leave := func() {
		if in {
			in = false
			g.playing.Add(-1)
		}
	}
	defer leave()
	if err != nil {
		return
	}
	for {
		op, payload, err := f.next()
		switch {
		case err != nil:
			return
		case op == opText:
			err = f.send(opText, payload)
		case op == opPing:
			err = f.send(opPong, payload)
		case op == opClose:
			leave() // before the player is told, who gives the seat to another
			_ = f.send(opClose, nil)
			return
		}
		if err != nil {
			return
		}
	}
}

// source is what the agent within a server reads: this process alone, as if it
// were a machine.
type source struct {
	server *gameServer
	port   int
	cores  float64
	meter  *collectors.SelfMeter

	at      time.Time
	cpu     time.Duration
	accepts uint64
}

var _ agents.Source = (*source)(nil)

func (s *source) Names() []string { return []string{"process"} }
func (s *source) Close() error    { return s.meter.Close() }

func (s *source) Sample(ctx context.Context, now time.Time) *sample.Sample {
	began := time.Now()
	v := &sample.Sample{Cpu: &sample.Cpu{Available: new(float32(s.cores))}}
	playing, accepts := uint32(max(s.server.playing.Load(), 0)), s.server.accepts.Load()
	v.Connections = &sample.Connections{Established: &playing, Served: &playing}
	game := &sample.Service{Port: uint32(s.port), Name: "chess", Connections: &playing, Pid: uint32(os.Getpid())}
	v.Services = []*sample.Service{game}
	took := now.Sub(s.at).Seconds()
	known := !s.at.IsZero() && took > 0
	if cpu, _, err := s.meter.Read(ctx, now); err != nil {
		v.Errors = []*sample.CollectorError{{Text: sample.Printable(err.Error())}}
	} else {
		if known {
			used := max((cpu-s.cpu).Seconds()/took, 0)
			v.Cpu.Used, game.RunUs = new(float32(used)), new(uint32(used*1e6))
		}
		s.cpu = cpu
	}
	if known {
		game.Accepts = new(float32(float64(accepts-s.accepts) / took))
	}
	s.at, s.accepts = now, accepts
	v.CollectorUs = []uint32{uint32(time.Since(began).Microseconds())}
	return v
}
