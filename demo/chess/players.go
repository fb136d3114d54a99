package chess

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"capmon/demo/child"
	"capmon/demo/stories"
	"capmon/demo/waits"
)

// playersConfig is what a process of players is told at its beginning.
type playersConfig struct {
	Lobby     string // host:port
	Users     int    // of all processes
	Index, Of int    // this process has the players Index, Index+Of, …
	Seed      uint64
	Begin     time.Time // of the story
	Ramp      time.Duration
	Think     time.Duration
	Stay      time.Duration
}

// playersOrder changes what players do; nil changes nothing. An empty line in
// its place is to stop counting.
type playersOrder struct {
	At   time.Time // of the pace
	Pace *float64
	Stay *time.Duration
}

// playersSay is a line of such a process.
type playersSay struct {
	Counts
	Waits *waits.Waits // with End
	End   bool         // it has stopped: nothing of this changes any more
}

// crowd is the players of one process.
type crowd struct {
	config playersConfig
	http   *http.Client
	dials  chan struct{} // handshakes under way
	tempo  *tempo
	stay   atomic.Int64 // nanoseconds that a player plays in the mean

	mu     sync.Mutex
	counts Counts
	waits  waits.Waits
	over   bool
}

// At once, of one process; more only wait for each other.
const mostDials = 64

// mostLines are the connections of all processes to the lobby, whose process
// has no more files than they.
const mostLines = 64

func runPlayers(line []byte, in io.Reader, out io.Writer) error {
	var c playersConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("chess players: %w", err)
	}
	lines := max(mostLines/c.Of, 1)
	p := &crowd{
		config: c, dials: make(chan struct{}, mostDials), tempo: newTempo(c.Begin),
		http: &http.Client{Timeout: handshakeTime, Transport: &http.Transport{MaxConnsPerHost: lines, MaxIdleConnsPerHost: lines}},
	}
	p.stay.Store(int64(c.Stay))
	orders := child.Lines(in)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go p.come(ctx)
	say := child.NewTeller(out)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for stopped := false; ; {
		select {
		case line, more := <-orders:
			switch {
			case !more:
				// With the process the connections end, all at once.
				return nil
			case len(line) == 0:
				stopped = true
				say.Tell(p.stop())
			default:
				if err := p.obey(line); err != nil {
					return err
				}
			}
		case <-tick.C:
			if !stopped {
				say.Tell(playersSay{Counts: p.now()})
			}
		}
	}
}

func (p *crowd) obey(line []byte) error {
	var o playersOrder
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("chess players: %w", err)
	}
	if o.Pace != nil {
		p.tempo.set(o.At, *o.Pace)
	}
	if o.Stay != nil {
		p.stay.Store(int64(*o.Stay))
	}
	return nil
}

// come lets the players of this process in, each at its time.
func (p *crowd) come(ctx context.Context) {
	c := &p.config
	for i := c.Index; i < c.Users; i += c.Of {
		if !p.tempo.reach(ctx, arrival(c.Seed, i, c.Users, c.Ramp)) {
			return
		}
		go p.player(i)
	}
}

// count changes the counts; false once they are told for good.
func (p *crowd) count(do func(*Counts)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		do(&p.counts)
	}
	return !p.over
}

func (p *crowd) now() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// stop ends the count: who still waits for an answer has left.
func (p *crowd) stop() playersSay {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.over = true
		c := &p.counts
		c.Left = c.Asked - c.Served - c.Refused
	}
	return playersSay{Counts: p.counts, Waits: &p.waits, End: true}
}

// mostMisses is how often in a row a player has no answer before giving up: the
// lobby names a server that has just died until it knows.
const mostMisses = 3

// player asks for a game and plays it; whose server is lost, or who has no
// answer, asks again.
func (p *crowd) player(i int) {
	misses := 0
	for again := uint64(0); ; again++ {
		if !p.count(func(c *Counts) { c.Asked++ }) {
			return
		}
		asked := time.Now()
		f, server, err := p.join()
		switch {
		case errors.Is(err, errFull):
			p.count(func(c *Counts) { c.Refused++ })
			return
		case err != nil:
			p.count(func(c *Counts) { c.Left++ })
			if misses++; misses == mostMisses {
				return
			}
			p.again(i, again)
			continue
		}
		misses = 0
		if !p.count(func(c *Counts) { c.Served++; c.Playing++; p.waits.Add(time.Since(asked)) }) {
			f.Close() // too late: it was counted as one that left
			return
		}
		home := p.play(f, i, stories.Chance(p.config.Seed+again, uint64(i)))
		f.Close()
		p.count(func(c *Counts) {
			if c.Playing--; home {
				c.Home++
			}
		})
		p.leave(server)
		if home {
			return
		}
		p.again(i, again)
	}
}

// again waits as a person does who sees the game stop: two seconds at most.
func (p *crowd) again(i int, nth uint64) {
	time.Sleep(time.Duration(stories.Chance(p.config.Seed+nth+1, uint64(i)) * float64(2*time.Second)))
}

// join asks the lobby for a seat, and takes it.
func (p *crowd) join() (*frames, string, error) {
	p.dials <- struct{}{}
	defer func() { <-p.dials }()
	var s seat
	r, err := p.http.Post("http://"+p.config.Lobby+seatPath, "", nil)
	if err != nil {
		return nil, "", err
	}
	err = json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(&s)
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<10)) // so that the connection is used again
	r.Body.Close()
	switch {
	case r.StatusCode == http.StatusServiceUnavailable:
		return nil, "", errFull
	case r.StatusCode != http.StatusOK || err != nil:
		return nil, "", fmt.Errorf("the lobby answered %s", r.Status)
	}
	c, err := net.DialTimeout("tcp", s.Addr, handshakeTime)
	if err == nil {
		var f *frames
		if f, err = open(c, s.Addr); err == nil {
			return f, s.Server, nil
		}
	}
	p.leave(s.Server)
	return nil, "", err
}

func (p *crowd) leave(server string) {
	r, err := p.http.Post("http://"+p.config.Lobby+leavePath+"?server="+url.QueryEscape(server), "", nil)
	if err != nil {
		return // the lobby is gone, and the seat with it
	}
	r.Body.Close()
}

// play makes a move each Think, and waits for its answer, until the connection
// ends or the player has played enough. phase spreads the players' moves over the
// time between them.
func (p *crowd) play(f *frames, player int, phase float64) (home bool) {
	moves := 0
	next := time.Now().Add(time.Duration(phase * float64(p.config.Think)))
	waits := false // for an answer
	for {
		limit := next
		if waits {
			limit = time.Now().Add(handshakeTime)
		}
		if f.SetReadDeadline(limit) != nil {
			return false
		}
		op, _, err := f.next()
		var timeout net.Error
		switch {
		case err == nil && op == opText:
			waits = false
			next = time.Now().Add(p.config.Think)
		case err == nil:
		case !waits && errors.As(err, &timeout) && timeout.Timeout():
			if moves++; !stays(p.config.Seed, player, moves, p.config.Think, time.Duration(p.stay.Load())) {
				p.goodbye(f)
				return true
			}
			if f.send(opText, []byte("e2e4")) != nil {
				return false
			}
			waits = true
		default:
			return false
		}
	}
}

// goodbye ends a game as WebSocket does, and waits until the server has seen it.
func (p *crowd) goodbye(f *frames) {
	if f.send(opClose, nil) != nil || f.SetReadDeadline(time.Now().Add(handshakeTime)) != nil {
		return
	}
	for {
		if op, _, err := f.next(); err != nil || op == opClose {
			return
		}
	}
}
