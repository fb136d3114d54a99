package payments

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"capmon/demo/child"
	"capmon/demo/waits"
)

// peopleConfig is what the people are told at their beginning.
type peopleConfig struct {
	Proxy    string // host:port
	Rates    rates
	For      time.Duration
	Patience time.Duration
	Lines    int // connections to the proxy
	Seed     uint64
	Begin    time.Time // of the story
}

// peopleOrder is what they are told after that, a line each.
type peopleOrder struct {
	Rates rates // come at these from now on
	Stop  bool  // ask no more
}

// peopleSay is a line of theirs.
type peopleSay struct {
	After  time.Duration // the beginning
	Counts Counts
	Waits  *waits.Waits // with End
	End    bool         // they have stopped, and all have their answer or left
}

// crowd is the people.
type crowd struct {
	config peopleConfig
	http   *http.Client
	turned chan struct{} // cap 1: the rates are others

	mu     sync.Mutex
	rates  rates
	counts Counts
	waits  waits.Waits
}

func newCrowd(c peopleConfig) *crowd {
	return &crowd{
		config: c, rates: c.Rates, turned: make(chan struct{}, 1),
		http: &http.Client{Timeout: c.Patience, Transport: &http.Transport{MaxConnsPerHost: c.Lines, MaxIdleConnsPerHost: c.Lines, DisableCompression: true}},
	}
}

func runPeople(line []byte, in io.Reader, out io.Writer) error {
	var c peopleConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("payment people: %w", err)
	}
	p := newCrowd(c)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	end := make(chan struct{})
	go func() {
		defer close(end)
		orders(in, func(o peopleOrder) {
			if o.Stop {
				stop()
			}
			if o.Rates != nil {
				p.turn(o.Rates)
			}
		})
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.come(ctx)
	}()
	say := child.NewTeller(out)
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-done:
			s := p.say()
			s.End, s.Waits = true, &p.waits
			say.Tell(s)
			<-end
			return nil
		case <-tick.C:
			say.Tell(p.say())
		}
	}
}

// turn lets people come at other rates from now on.
func (p *crowd) turn(r rates) {
	p.mu.Lock()
	p.rates = r
	p.mu.Unlock()
	select {
	case p.turned <- struct{}{}:
	default:
	}
}

// come lets people ask, each at the time the seed gives, until the story is over
// or ctx is, and waits until all have their answer or left. Who should have come
// by now comes at once.
func (p *crowd) come(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	last := time.Duration(0)
	clock := time.NewTimer(0)
	defer clock.Stop()
	for i := uint64(0); ; i++ {
		next := gap(p.config.Seed, i)
		for {
			p.mu.Lock()
			at := p.rates.after(last, next)
			p.mu.Unlock()
			if at > p.config.For {
				at = p.config.For
			}
			if ctx.Err() != nil {
				return
			}
			wait := time.Until(p.config.Begin.Add(at))
			if wait <= 0 {
				last = at
				break
			}
			clock.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-p.turned:
			case <-clock.C:
			}
		}
		if last >= p.config.For {
			return
		}
		all.Go(func() { p.person(ctx, i) })
	}
}

// person asks once.
func (p *crowd) person(ctx context.Context, i uint64) {
	p.count(func(c *Counts) { c.Asked++; c.Waiting++ })
	asked := time.Now()
	// Who has asked waits for the answer, even when no more people come.
	status, err := ask(context.WithoutCancel(ctx), p.http, "http://"+p.config.Proxy, questionOf(p.config.Seed, i))
	took := time.Since(asked)
	p.count(func(c *Counts) {
		c.Waiting--
		switch {
		case err != nil || took > p.config.Patience: // on a busy machine an answer may come before the end of the patience is seen
			c.Left++
		case status == http.StatusOK:
			c.Served++
			p.waits.Add(took)
		default:
			c.Refused++
		}
	})
}

// ask makes a request and reads its answer whole.
func ask(ctx context.Context, c *http.Client, base string, q question) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, q.method, base+q.path, nil)
	if err != nil {
		return 0, err
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0, err
	}
	return answer.StatusCode, nil
}

func (p *crowd) count(do func(*Counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do(&p.counts)
}

func (p *crowd) say() peopleSay {
	p.mu.Lock()
	defer p.mu.Unlock()
	return peopleSay{After: time.Since(p.config.Begin), Counts: p.counts}
}
