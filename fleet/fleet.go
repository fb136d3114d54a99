// Package fleet keeps every host over time: its newest sample, its state and
// its history, and adds them up into a Snapshot, a value nobody changes.
//
// Nothing here reads a clock: the time is an argument of every call, and is the
// viewer's. Whether a host is fresh is judged by when its newest sample
// arrived, never by the label the host's own clock gave it.
//
// Memory of one host, allocated as it fills: 900 seconds of 96 bytes and one
// byte a core, 8,640 ten-second points of 24 bytes (a day), and its last ten
// samples whole. That is at most 340 kB and 900 bytes a core with samples as
// real machines send them, and never more than ten of the largest samples
// besides, whatever a host sends (TestBudget).
package fleet

import (
	"math"
	"slices"
	"sync"
	"time"

	"capmon/sample"
)

// Config is what a fleet is made with.
type Config struct {
	Policy Policy       // of every pool that has none of its own; zero fields are not set
	Pools  []PoolPolicy // in the order they are shown
	// Whole gives samples of a host whole whose labels lie between two moments,
	// both included, Unix milliseconds of the host's clock; nil: only the newest
	// are known whole. It is called by Snapshot and must not call the fleet.
	Whole func(host string, from, to int64) []Remembered `json:"-"`
}

// DefaultTarget is the utilisation to run at when the policy names none.
const DefaultTarget = 0.80

// Fleet is every host over time. It is safe for concurrent use.
type Fleet struct {
	named  []PoolPolicy
	wholly func(host string, from, to int64) []Remembered

	mu     sync.Mutex
	policy Policy
	hosts  []*host // in the order of Join
	byName map[string]*host
	byPool map[string]*group
	left   []departed // newest last
	chart  cache
	edge   edge
	twins  *string // the note of that name; nil: to be made anew
}

// edge is the pool that people reach first, as it was last found.
type edge struct {
	at        time.Time
	of        []string // among these
	name, how string
}

// departed is an entry that has left the list.
type departed struct {
	name string
	at   time.Time
}

const (
	maxDeparted  = 8
	departedSeen = 5 * time.Minute // how long a departure is worth a note
)

// New returns a fleet without hosts.
func New(c Config) *Fleet {
	return &Fleet{wholly: c.Whole, policy: c.Policy, named: slices.Clone(c.Pools), byName: make(map[string]*host), byPool: make(map[string]*group)}
}

// SetPolicy changes the policy of every pool that has none of its own. What was
// asked for before is worked out anew by it, so that fewer servers need not wait
// for the window to forget the one before.
func (f *Fleet) SetPolicy(p Policy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.policy = p
	for name, g := range f.byPool {
		if !slices.ContainsFunc(f.named, func(n PoolPolicy) bool { return n.Name == name }) {
			g.policy, g.rebuild, g.trended, g.climbed = p, true, 0, time.Time{}
		}
	}
}

// Join adds a host at the end of the list; a host that is there already only
// gets the address. What a host sends before it has joined, or after it has
// left, is ignored.
func (f *Fleet) Join(name, addr string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.byName[name]; h != nil {
		h.addr = addr
		return
	}
	f.twins = nil
	h := &host{name: name, addr: addr, joined: now}
	f.hosts = append(f.hosts, h)
	f.byName[name] = h
	f.left = slices.DeleteFunc(f.left, func(d departed) bool { return d.name == name })
}

// Assign puts a host that has joined into a pool, as the list that names it
// does; one that is not assigned goes by its label "pool", else into the pool
// of all others.
func (f *Fleet) Assign(name, pool string) {
	f.with(name, func(h *host) { h.assigned = pool })
}

// Leave removes a host, as when a name no longer resolves to it. Its history
// goes with it; a note tells of it for a while.
func (f *Fleet) Leave(name string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.byName[name]
	if h == nil {
		return
	}
	f.twins = nil
	delete(f.byName, name)
	f.hosts = slices.DeleteFunc(f.hosts, func(other *host) bool { return other == h })
	f.chart = cache{}
	f.left = append(f.left, departed{name, now})
	if len(f.left) > maxDeparted {
		f.left = slices.Delete(f.left, 0, 1)
	}
}

// Machine is what a host says about itself at the beginning of a stream. Its
// epoch is the host's present run from now on. m is kept, and must not be
// changed any more.
func (f *Fleet) Machine(name string, m *sample.Machine, now time.Time) {
	f.with(name, func(h *host) {
		if m == nil {
			return
		}
		f.twins, h.machine = nil, m
		if every := time.Duration(m.GetIntervalMs()) * time.Millisecond; every != h.interval {
			h.interval = every
			h.ahead = h.skew()
			f.touch(h, math.MinInt64, now)
		}
		h.run(m.GetEpoch(), true)
	})
}

// Samples takes samples of one run of a host, in any order, however late and
// however often. The samples are kept, and must not be changed any more. Only a
// sample newer than all of its run makes a host fresh.
func (f *Fleet) Samples(name string, epoch uint64, samples []*sample.Sample, now time.Time) {
	f.with(name, func(h *host) {
		if len(h.runs) == 0 || h.runs[len(h.runs)-1].epoch != epoch {
			f.twins = nil
		}
		if from, changed := h.samples(epoch, samples, now); changed {
			f.touch(h, from, now)
		}
	})
}

// Points takes ten-second points of one run of a host, in any order. Points
// from before the last day or from the future are ignored.
func (f *Fleet) Points(name string, epoch uint64, points []*sample.Point, now time.Time) {
	f.with(name, func(h *host) {
		if from, changed := h.addPoints(points, now); changed {
			f.touch(h, from, now)
		}
	})
}

// Detail takes a sample of the detail stream of a host: its Sample.core_parts
// fill Past.Parts. It makes no host fresh and adds no history.
func (f *Fleet) Detail(name string, s *sample.Sample, now time.Time) {
	f.with(name, func(h *host) {
		if d := newDetail(s); d != nil {
			h.detail, h.detailAt = d, now
		}
	})
}

// Dropped adds n samples that this viewer was too slow for.
func (f *Fleet) Dropped(name string, n uint64) {
	f.with(name, func(h *host) { h.dropped += n })
}

// Link tells how the connection to a host stands: whether it is up, whether the
// host refused it, why in one line and what a user can do about it.
func (f *Fleet) Link(name string, up, refused bool, reason, do string, _ time.Time) {
	f.with(name, func(h *host) {
		h.refused = refused && !up
		h.reason, h.do = reason, do
		if up {
			h.reason, h.do = "", ""
		}
	})
}

// Next is when a state or a shown age next changes although nothing arrives;
// zero when that is never. It is later than now.
func (f *Fleet) Next(now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	var next time.Time
	for _, h := range f.hosts {
		if at := h.next(now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// with calls do under the lock with the host of that name, if there is one.
func (f *Fleet) with(name string, do func(*host)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.byName[name]; h != nil {
		do(h)
	}
}
