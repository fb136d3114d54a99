package main

import (
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/fleet"
	"capmon/record"
)

// player is the fleet of a recording at one moment of it. It is used from one
// goroutine.
type player struct {
	file   *record.Reader
	config fleet.Config
	ready  time.Time // when what the agents remembered had arrived: the first moment that is played

	fleet  *fleet.Fleet
	events *record.Events
	at     time.Time
	number uint64    // of the last event that the fleet knows
	since  time.Time // from when on it knows all samples; zero: from the beginning
	end    time.Time // of what can be read
	broken error     // why that is before the file's end

	marks  []mark         // rising, the first at ready
	apart  time.Duration  // how far they are from each other
	most   int64          // see readThrough
	memory *record.Memory // of the minutes before the first moment; nil: not made yet
}

// mark is a fleet as it was, to begin from: what the ten-second points of a day
// taught is slow to learn again.
type mark struct {
	at     time.Time
	number uint64
	since  time.Time
	fleet  *fleet.Fleet // never changed
}

const (
	// lookBack is what is read before a moment that is jumped to: the seconds
	// that a fleet keeps, and some.
	lookBack = 16 * time.Minute
	// readThrough is how much is rather read in whole, in bytes unpacked: then a
	// jump knows all that was seen before it.
	readThrough = 24 << 20
	// arriveTime is how long agents may take to send what they remember.
	arriveTime = 3 * time.Second
	// impatient is after what a jump gives way to another.
	impatient = 500 * time.Millisecond
	// markHosts is how many hosts all marks may have together: one takes 100 kB
	// and a kilobyte a core.
	markHosts = 400
	leastMark = 2 * time.Minute
)

// newPlayer plays a recording with the policy that it was made with, where
// config has none.
func newPlayer(file *record.Reader, config fleet.Config) *player {
	p := &player{file: file, config: config, end: file.To, most: readThrough, apart: leastMark}
	p.config.Whole = func(host string, from, to int64) []fleet.Remembered {
		if p.memory == nil {
			return nil
		}
		return wholly(p.memory)(host, from, to)
	}
	p.ready = file.From.Add(min(arriveTime, file.To.Sub(file.From)))
	return p
}

// recordedConfig is the policy that a recording was made with.
func recordedConfig(file *record.Reader) (fleet.Config, error) {
	var c fleet.Config
	if len(file.About.Policy) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(file.About.Policy, &c); err != nil {
		return fleet.Config{}, fmt.Errorf("the policy in the recording: %w", err)
	}
	const most = 1000
	c.Pools = c.Pools[:min(len(c.Pools), most)]
	return c, nil
}

// to brings the fleet to a moment of the recording, the nearest there is. It is
// left on the way when interrupted says so.
func (p *player) to(at time.Time, interrupted func() bool) {
	at = later(earlier(at, p.end), p.ready)
	if len(p.marks) == 0 {
		p.fleet, p.at = fleet.New(p.config), p.file.From
		p.open(p.file.From)
		if !p.feed(p.ready, interrupted) {
			p.fleet = nil
			return
		}
		p.mark()
	}
	p.begin(at)
	p.feed(at, interrupted)
}

// begin goes on from where it is, or from the mark that is nearest before a
// moment.
func (p *player) begin(at time.Time) {
	near := 0
	for i := range p.marks {
		if !p.marks[i].at.After(at) {
			near = i
		}
	}
	m := p.marks[near]
	switch {
	case p.fleet == nil || at.Before(p.at) || m.at.After(p.at) && p.far(m.at):
		p.fleet, p.at, p.number, p.since = m.fleet.Clone(), m.at, m.number, m.since
	case !p.far(at):
		return
	}
	from := p.at
	if p.far(at) {
		from = at.Add(-lookBack)
		p.since = from
	}
	p.open(from)
}

// open has the events that the fleet does not know, samples from a moment on.
func (p *player) open(fast time.Time) {
	p.close()
	p.events = p.file.Events(p.at, fast, p.number)
}

// far says whether it is quicker to leave out samples than to go on to a moment.
func (p *player) far(at time.Time) bool {
	return at.Sub(p.at) > lookBack && p.file.Bytes(p.at, at) > p.most
}

// feed tells the fleet what arrived until a moment; false: it was interrupted.
func (p *player) feed(at time.Time, interrupted func() bool) bool {
	for work := 0; ; {
		e, err := p.events.Next(at)
		if err != nil && p.broken == nil {
			p.broken, p.end = err, p.at
		}
		if e == nil {
			break
		}
		if len(p.marks) > 0 && e.At.Sub(p.marks[len(p.marks)-1].at) >= p.apart && e.At.Sub(p.since) >= lookBack {
			p.mark()
		}
		p.at = earlier(later(e.At, p.at), at)
		apply(p.fleet, e, p.at)
		p.number = max(p.number, e.Number)
		if work += 1 + len(e.Samples) + len(e.Points); work >= 1000 {
			if work = 0; interrupted() {
				return false
			}
		}
	}
	p.at = earlier(at, p.end)
	return true
}

// mark keeps the fleet as it is. Of too many marks every second one goes.
func (p *player) mark() {
	p.marks = append(p.marks, mark{p.at, p.number, p.since, p.fleet.Clone()})
	hosts := max(p.fleet.Hosts(), 1)
	if len(p.marks) <= min(max(markHosts/hosts, 2), 16) {
		return
	}
	p.apart *= 2
	kept := p.marks[:1]
	for _, m := range p.marks[1:] {
		if m.at.Sub(kept[len(kept)-1].at) >= p.apart {
			kept = append(kept, m)
		}
	}
	clear(p.marks[len(kept):])
	p.marks = kept
}

func (p *player) close() {
	if p.events != nil {
		p.events.Close()
		p.events = nil
	}
}

// snapshot is the fleet as it was at a moment that the player has gone to, or at
// one before the first that the agents remembered when the recording began.
func (p *player) snapshot(a fleet.Ask, at time.Time) fleet.Snapshot {
	if a.At = at; !at.Before(p.ready) {
		a.At = time.Time{}
	} else if p.memory == nil {
		p.memory = p.remember()
	}
	return p.fleet.Snapshot(a, p.at)
}

// remember keeps whole what had arrived by the first moment.
func (p *player) remember() *record.Memory {
	m := new(record.Memory)
	events := p.file.Events(p.file.From, p.file.From, 0)
	defer events.Close()
	for {
		e, err := events.Next(p.ready)
		if e == nil || err != nil {
			return m
		}
		if e.What != record.Samples {
			continue
		}
		for _, s := range e.Samples {
			if b, err := proto.Marshal(s); err == nil {
				m.Add(e.Host, e.Epoch, [][]byte{b})
			}
		}
	}
}

// tear says why the recording ends before its end; empty when it does not.
func (p *player) tear() string {
	if p.broken != nil {
		return fmt.Sprintf("it is damaged after %s: %v", momentText(p.end), p.broken)
	}
	return p.file.Torn
}

// apply tells a fleet what a viewer was told.
func apply(f *fleet.Fleet, e *record.Event, now time.Time) {
	switch e.What {
	case record.Join:
		f.Join(e.Host, e.Addr, now)
		f.Assign(e.Host, e.Pool)
	case record.Leave:
		f.Leave(e.Host, now)
	case record.Machine:
		f.Machine(e.Host, e.Machine, now)
	case record.Samples:
		f.Samples(e.Host, e.Epoch, e.Samples, now)
	case record.Points:
		f.Points(e.Host, e.Epoch, e.Points, now)
	case record.Detail:
		for _, s := range e.Samples {
			f.Detail(e.Host, s, now)
		}
	case record.Dropped:
		f.Dropped(e.Host, e.N)
	case record.Link:
		f.Link(e.Host, e.Up, e.Refused, e.Reason, e.Do, now)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
