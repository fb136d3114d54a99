package payments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"capmon/demo/child"
	"capmon/demo/stories"
	"capmon/demo/waits"
)

// story is one telling. What is not behind mu belongs to Run's goroutine.
type story struct {
	config  Config
	begin   time.Time
	group   group
	proxy   *child.Process
	people  *child.Process
	rates   rates
	rate    float64 // of now
	result  Result
	verdict stories.Verdict

	mu     sync.Mutex
	at     proxySays
	counts Counts
	waits  *waits.Waits // once the people have stopped
	each   []Counts     // by the second
	hits   []int        // of the cache, likewise
}

// leadTime is from when the people are started until the first may come.
const leadTime = 300 * time.Millisecond

// Run tells the story: until ctx is done or it is over; the result says what
// happened up to then. Errors are of what the machine refuses.
func Run(ctx context.Context, c Config) (Result, error) {
	if c.Queue == 0 || !(c.Speed.Requests > 0) {
		return Result{}, errors.New("the payment story was not fitted to this machine")
	}
	if err := c.Check(); err != nil {
		return Result{}, err
	}
	s := &story{config: c, rates: c.rates(), result: Result{RPS: c.RPS, PerServer: c.PerServer}}
	s.group.config, s.group.tell = &s.config, s.happened
	s.group.order = func(o proxyOrder) { _ = s.proxy.Order(o) } // it can always be written
	defer s.stop()
	err := s.open(ctx)
	if err != nil {
		return s.result, err
	}
	err = s.tell(ctx)
	s.finish()
	return s.result, err
}

// open starts proxy, servers and people.
func (s *story) open(ctx context.Context) (err error) {
	c := &s.config
	s.begin = time.Now()
	s.proxy, err = child.Begin(roleProxy, proxyConfig{
		IP: "127.0.2.250", Lines: c.lines(), Cores: float64(c.Speed.Cores), Cache: c.Cache, Version: c.Version,
	}, s.hearProxy)
	if err != nil {
		return err
	}
	if err := s.group.first(ctx); err != nil {
		return err
	}
	for limit := time.Now().Add(firstTime); s.proxyAt().Addr == ""; time.Sleep(20 * time.Millisecond) {
		switch {
		case s.proxy.Ended():
			return fmt.Errorf("the payment proxy ended as it started: %w", s.proxy.Unasked())
		case time.Now().After(limit):
			return fmt.Errorf("the payment proxy was not up after %v", firstTime)
		}
	}
	c.Watch.Follow("proxy", s.proxyAt().Agent)
	s.mu.Lock()
	s.begin = time.Now().Add(leadTime)
	s.group.begin = s.begin
	s.mu.Unlock()
	s.people, err = child.Begin(rolePeople, peopleConfig{
		Proxy: s.proxyAt().Addr, Rates: s.rates, For: c.For, Patience: c.Patience, Lines: c.Max * c.lines(), Seed: c.Seed, Begin: s.begin,
	}, s.hearPeople)
	if err != nil {
		return err
	}
	s.result.Servers = append(s.result.Servers, stories.Step{0, float64(s.group.opened())})
	return nil
}

func (s *story) proxyAt() proxySays {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *story) hearProxy(line []byte) {
	var say proxySays
	if json.Unmarshal(line, &say) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := max(int(time.Since(s.begin)/time.Second), 0)
	for len(s.hits) <= i {
		s.hits = append(s.hits, 0)
	}
	s.hits[i] += say.Cache.Hits - s.at.Cache.Hits
	s.at = say
}

func (s *story) hearPeople(line []byte) {
	var say peopleSay
	if json.Unmarshal(line, &say) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := max(int(say.After/time.Second), 0)
	for len(s.each) <= i {
		s.each = append(s.each, Counts{})
	}
	s.each[i] = s.each[i].plus(say.Counts.minus(s.counts))
	s.counts = say.Counts
	if say.End {
		s.waits = say.Waits
	}
}

// pace is how often the group is looked after.
const pace = 100 * time.Millisecond

// tell lets the time go by: the group is what capmon recommends, anew each pace.
func (s *story) tell(ctx context.Context) error {
	c := &s.config
	tick := time.NewTicker(pace)
	defer tick.Stop()
	over := time.NewTimer(time.Until(s.begin.Add(c.For)))
	defer over.Stop()
	// What is due after a time of the story; it is done before the story ends.
	due := map[time.Duration]Order{}
	if c.KillAt > 0 {
		due[c.KillAt] = Order{Kill: true}
	}
	if c.CacheAt > 0 {
		o := due[c.CacheAt]
		o.Cache = new(!c.Cache)
		due[c.CacheAt] = o
	}
	for beat, ended := 0, false; !ended; beat++ {
		select {
		case <-ctx.Done():
			return nil
		case <-over.C:
			ended = true
		case o := <-c.Orders:
			s.obey(o)
		case <-tick.C:
		}
		for at, o := range due {
			if time.Since(s.begin) >= at {
				s.obey(o)
				delete(due, at)
			}
		}
		for what, p := range map[string]*child.Process{"proxy": s.proxy, "people": s.people} {
			if p.Ended() {
				return fmt.Errorf("the %s of the payment story ended: %w", what, p.Unasked())
			}
		}
		now := time.Now()
		if rate := s.rates.of(now.Sub(s.begin)); rate != s.rate {
			s.happened(rate > c.RPS, "people ask %s times a second", number(rate))
			s.rate = rate
		}
		if err := s.group.attend(now); err != nil {
			return err
		}
		if err := s.follow(now); err != nil {
			return err
		}
		stories.Note(&s.result.Servers, s.begin, s.group.opened())
		if c.Say != nil && beat%10 == 0 {
			c.Say(s.progress(now))
		}
	}
	return nil
}

// follow makes the group what is recommended.
func (s *story) follow(now time.Time) error {
	v := s.config.Watch.Verdict(now)
	s.verdict = v
	if !v.OK {
		return nil
	}
	stories.Note(&s.result.Need, s.begin, v.Need)
	return s.group.become(min(max(v.Run, s.config.Min), s.config.Max), v.Up, now)
}

// obey does what is ordered.
func (s *story) obey(o Order) {
	c, now := &s.config, max(time.Since(s.begin), 0)
	if o.Kill {
		if name := s.group.kill(); name != "" {
			s.result.Killed = name
		}
	}
	if o.Cache != nil {
		c.Cache = *o.Cache
		_ = s.proxy.Order(proxyOrder{Cache: o.Cache}) // it can always be written
		s.happened(false, "the cache is %s", map[bool]string{true: "on", false: "off"}[c.Cache])
	}
	if o.WarmUp != nil {
		c.WarmUp = *o.WarmUp
		s.group.warm(c.WarmUp)
	}
	was := s.rates
	if o.RPS != nil && *o.RPS > 0 {
		s.rates = s.rates.times(now, *o.RPS/c.RPS)
		c.RPS = *o.RPS
	}
	switch {
	case o.Spike == nil:
	case *o.Spike:
		s.rates = s.rates.spike(now, now+c.SpikeFor, c.RPS*c.Spike, c.RPS)
	default:
		s.rates = append(s.rates.until(now), phase{now, c.RPS})
	}
	if !slices.Equal(was, s.rates) {
		_ = s.people.Order(peopleOrder{Rates: s.rates}) // it can always be written
	}
}

// happened tells an event.
func (s *story) happened(bad bool, format string, args ...any) {
	stories.Happened(s.config.Tell, s.begin, bad, format, args...)
}

func (s *story) progress(now time.Time) Progress {
	c := &s.config
	p := Progress{
		After: max(now.Sub(s.begin), 0), Servers: s.group.opened(), Starting: s.group.running() - s.group.opened(), Verdict: s.verdict,
		Rate: s.rates.of(now.Sub(s.begin)),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Counts, p.Cache = s.counts, s.at.Cache
	p.Budget = budget(c.SLA, s.each, c.RPS)
	if i := len(s.each) - 2; i >= 0 {
		p.Last = s.each[i]
		if i < len(s.hits) {
			p.LastHits = s.hits[i]
		}
	}
	return p
}

// finish lets who has asked have an answer, or leave, and adds up.
func (s *story) finish() {
	over := min(time.Since(s.begin), s.config.For)
	if over < s.config.For { // else they end by themselves, the last a bit late on a busy machine
		_ = s.people.Order(peopleOrder{Stop: true}) // it can always be written
	}
	for limit := time.Now().Add(s.config.Patience + firstTime); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		done := s.waits != nil
		s.mu.Unlock()
		if done || s.people.Ended() {
			break
		}
	}
	time.Sleep(2 * sayEvery) // so that the proxy has said its last
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.result
	r.Counts, r.Cache = s.counts, s.at.Cache
	if s.waits != nil {
		r.Waited = s.waits.Waited()
	}
	for i, e := range s.each {
		if e.Refused > 0 {
			r.RefusedAt = append(r.RefusedAt, stories.Step{float64(i), float64(e.Refused)})
		}
	}
	r.Budget = budget(s.config.SLA, s.each, s.config.RPS)
	r.Expected = expect(told{s.rates, over, s.config.PerServer, s.config.Queue, s.group.stays(), r.Need, s.config.WarmUp, s.hits})
}

func (s *story) stop() {
	for _, p := range []*child.Process{s.people, s.proxy} {
		if p != nil {
			s.group.going.Go(p.Stop)
		}
	}
	s.group.stop()
	if s.proxyAt().Agent != "" {
		s.config.Watch.Leave("proxy")
	}
}
