package main

import (
	"context"
	"sync"
	"time"

	"capmon/agents"
	"capmon/fleet"
	"capmon/record"
	"capmon/sample"
)

// feed joins agents to a fleet, and the fleet to whoever looks at it. It gives
// every arriving thing its receive time.
type feed struct {
	fleet *fleet.Fleet
	tape  tape

	mu     sync.Mutex
	ask    fleet.Ask
	joined bool // any host has
	hosts  map[string]*answer

	changed chan struct{} // cap 1: something arrived
	asked   chan struct{} // cap 1: another moment, span or host is wanted
}

var _ agents.RawSink = (*feed)(nil)

func newFeed(c fleet.Config) *feed {
	return &feed{
		fleet:   fleet.New(c),
		hosts:   map[string]*answer{},
		changed: make(chan struct{}, 1),
		asked:   make(chan struct{}, 1),
	}
}

// newScreenFeed keeps what arrives whole besides, for the moments that a screen
// goes back to.
func newScreenFeed(c fleet.Config) *feed {
	m := new(record.Memory)
	c.Whole = wholly(m)
	f := newFeed(c)
	f.tape.whole = m
	return f
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (f *feed) Join(host, addr, pool string) {
	f.mu.Lock()
	f.joined, f.of(host).pending = true, true
	f.mu.Unlock()
	f.tape.take(record.Event{What: record.Join, Host: host, Addr: addr, Pool: pool}, func(now time.Time) {
		f.fleet.Join(host, addr, now)
		f.fleet.Assign(host, pool)
	})
	wake(f.changed)
}

func (f *feed) Leave(host string) {
	f.mu.Lock()
	delete(f.hosts, host)
	f.mu.Unlock()
	f.tape.take(record.Event{What: record.Leave, Host: host}, func(now time.Time) { f.fleet.Leave(host, now) })
	if m := f.tape.whole; m != nil {
		m.Forget(host)
	}
	wake(f.changed)
}

func (f *feed) Machine(host string, m *sample.Machine) {
	f.tape.take(record.Event{What: record.Machine, Host: host, Machine: m}, func(now time.Time) { f.fleet.Machine(host, m, now) })
}

func (f *feed) Samples(host string, epoch uint64, s []*sample.Sample) {
	f.tape.take(record.Event{What: record.Samples, Host: host, Epoch: epoch, Samples: s}, func(now time.Time) {
		f.fleet.Samples(host, epoch, s, now)
	})
	if len(s) > 0 {
		f.mu.Lock()
		f.arrived(host, epoch, s[len(s)-1])
		f.mu.Unlock()
	}
	wake(f.changed)
}

// Raw keeps samples as they were sent.
func (f *feed) Raw(host string, epoch uint64, encoded [][]byte) {
	if m := f.tape.whole; m != nil {
		m.Add(host, epoch, encoded)
	}
}

// answer is how far a host has answered.
type answer struct {
	pending  bool // it has neither answered nor failed
	answered bool // with a sample
	newest   lack // what its newest sample is without
}

// of is the answer of a host. f.mu is held.
func (f *feed) of(host string) *answer {
	a := f.hosts[host]
	if a == nil {
		a = new(answer)
		f.hosts[host] = a
	}
	return a
}

// lack is what a sample is without although its agent will know it soon.
type lack struct {
	epoch, seq uint64
	findings   bool // a process is watched that may be found full
	rates      bool // a service has a source of requests and no rate yet
}

// arrived notes the last sample of a batch.
func (f *feed) arrived(host string, epoch uint64, s *sample.Sample) {
	a := f.of(host)
	// The first sample of an agent has no rates yet: a reading needs two.
	if s.GetSeq() > 1 {
		a.pending, a.answered = false, true
	}
	if last := a.newest; last.epoch == epoch && last.seq > s.GetSeq() {
		return // of the minutes before
	}
	l := lack{epoch: epoch, seq: s.GetSeq(), findings: s.GetFindingsPending()}
	for _, v := range s.GetServices() {
		l.rates = l.rates || v.GetRpsSource() != sample.RpsSource_RPS_SOURCE_UNSPECIFIED && v.Rps == nil
	}
	a.newest = l
}

// without says whether the newest sample of any host lacks something.
func (f *feed) without(what func(lack) bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.hosts {
		if what(a.newest) {
			return true
		}
	}
	return false
}

func (f *feed) Points(host string, epoch uint64, p []*sample.Point) {
	f.tape.take(record.Event{What: record.Points, Host: host, Epoch: epoch, Points: p}, func(now time.Time) {
		f.fleet.Points(host, epoch, p, now)
	})
	wake(f.changed)
}

func (f *feed) Detail(host string, s *sample.Sample) {
	f.tape.take(record.Event{What: record.Detail, Host: host, Samples: []*sample.Sample{s}}, func(now time.Time) {
		f.fleet.Detail(host, s, now)
	})
	wake(f.changed)
}

func (f *feed) Dropped(host string, n uint64) {
	f.tape.take(record.Event{What: record.Dropped, Host: host, N: n}, func(time.Time) { f.fleet.Dropped(host, n) })
}

func (f *feed) Link(host string, l agents.Link) {
	if !l.Up && !l.Pending {
		f.mu.Lock()
		a := f.of(host)
		a.pending, a.newest = false, lack{}
		f.mu.Unlock()
	}
	f.tape.take(record.Event{What: record.Link, Host: host, Up: l.Up, Refused: l.Refused, Reason: l.Reason, Do: l.Do}, func(now time.Time) {
		f.fleet.Link(host, l.Up, l.Refused, l.Reason, l.Do, now)
	})
	wake(f.changed)
}

// Ask sets what snapshots are to show from now on. It does not block.
func (f *feed) Ask(a fleet.Ask) {
	f.mu.Lock()
	f.ask = a
	f.mu.Unlock()
	wake(f.asked)
}

// setPolicy judges by another policy from now on. It does not block for long.
func (f *feed) setPolicy(p fleet.Policy) {
	f.fleet.SetPolicy(p)
	wake(f.changed)
}

func (f *feed) asking() fleet.Ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ask
}

// settled reports whether there are hosts and every one has answered or failed,
// and whether any has answered.
func (f *feed) settled() (all, any bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all = f.joined
	for _, a := range f.hosts {
		all, any = all && !a.pending, any || a.answered
	}
	return all, any
}

// Pace of the screen: with data once an interval, faster for the first moments
// so that the minutes before now appear as they arrive; what keys ask for at
// once, and ten times a second while one is held; less often where a snapshot is
// so large that this would take more than a twelfth of the time.
const (
	paceAsked = 100 * time.Millisecond
	paceLarge = 400 * time.Millisecond
	shareAsk  = 12
	paceLive  = 950 * time.Millisecond
	paceStart = 200 * time.Millisecond
	startTime = 3 * time.Second
)

// publish calls show with a snapshot whenever something arrived, a state or an
// age changed, or another view was asked for, until ctx ends. While an earlier
// moment is shown, what arrives does not disturb it.
//
// Alerts go on meanwhile: behind is called with what is now, once an interval
// while something arrives. It may be nil.
func (f *feed) publish(ctx context.Context, show, behind func(fleet.Snapshot)) {
	began := time.Now()
	var last, watched time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	dirty, asked := true, false
	var cost time.Duration // of the last snapshot
	for {
		changed := f.changed
		if dirty { // and more of the same is no news
			changed = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-f.asked:
			asked = true
		case <-changed:
			dirty = true
		case <-timer.C:
		}
		now := time.Now()
		ask := f.asking()
		live := ask.At.IsZero()
		if !live && behind != nil && dirty && now.Sub(watched) >= paceLive {
			watched, dirty = now, false
			behind(f.fleet.Snapshot(fleet.Ask{}, now))
		}
		var next time.Time
		if live && !dirty { // else nobody needs to know, at each of a thousand samples
			next = f.fleet.Next(last)
		}
		due := asked || live && (dirty || !next.IsZero() && !now.Before(next))
		pace := paceLive
		switch {
		case asked:
			pace = min(max(shareAsk*cost, paceAsked), paceLarge)
		case now.Sub(began) < startTime:
			pace = paceStart
		}
		if due && now.Sub(last) >= pace {
			last, dirty, asked = now, false, false
			shown := f.fleet.Snapshot(ask, now)
			cost = time.Since(now)
			show(shown)
			if next = (time.Time{}); live {
				next = f.fleet.Next(last)
			}
		}
		wait := waitFor(now, last.Add(pace), next, asked || live && dirty)
		if !live && behind != nil && dirty {
			wait = min(wait, max(watched.Add(paceLive).Sub(now), time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// waitFor is how long publish may sleep: until the pace allows what is waiting,
// or until something shown changes by itself.
func waitFor(now, allowed, next time.Time, dirty bool) time.Duration {
	const idle = time.Hour
	switch {
	case dirty:
		return max(allowed.Sub(now), time.Millisecond)
	case next.IsZero():
		return idle
	default:
		return max(next.Sub(now), allowed.Sub(now), time.Millisecond)
	}
}
