package chess

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"capmon/agents"
	"capmon/demo/child"
	"capmon/demo/stories"
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

// gameServer takes players.
type gameServer struct {
	most    int64
	playing atomic.Int64
	accepts atomic.Uint64
	seen    uint64 // accepts at the last look
}

func runServer(line []byte, in io.Reader, out io.Writer) error {
	var c serverConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("chess server: %w", err)
	}
	game, err := stories.Listen(c.IP)
	if err != nil {
		return err
	}
	g := &gameServer{most: int64(c.PerServer)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 3)
	says := serverSays{Game: game.Addr().String()}
	if c.Own != nil {
		says.Agent, err = stories.Agent(ctx, c.IP, agents.Config{
			Source:   stories.NewProcess("chess", game.Addr().(*net.TCPAddr).Port, c.Own.Cores, g.look),
			Hostname: c.Name, Version: c.Own.Version, Labels: map[string]string{"role": "chess"},
		}, failed)
		if err != nil {
			return err
		}
	}
	go func() { failed <- g.serve(game) }()
	_, end := child.Orders(in)
	err = child.TellChanges(out, 200*time.Millisecond, end, failed, func() serverSays {
		says.Playing = int(g.playing.Load())
		return says
	})
	if err != nil {
		return fmt.Errorf("chess server %s: %w", c.Name, err)
	}
	return nil
}

// look is what the server's own agent sees of it.
func (g *gameServer) look(web *sample.Service, _ time.Time, took float64) (connections int64) {
	accepts := g.accepts.Load()
	if took > 0 {
		web.Accepts = new(float32(float64(accepts-g.seen) / took))
	}
	g.seen = accepts
	return g.playing.Load()
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
