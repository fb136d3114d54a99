package capacity

import (
	"errors"
	"fmt"
	"slices"
)

// Limit is what one resource of a host or pool can give.
type Limit struct {
	Name     string // "cpu", "conns"
	Used     float64
	Capacity float64 // at 100%, > 0
	Unit     string  // "cores", "connections"
	From     string  // where Capacity comes from: "2 cores online", "--per-server 10000"
}

// Ratio is Used / Capacity, 0 for a capacity that is not above 0. It may pass
// 1: a policy can be overrun.
func (l Limit) Ratio() float64 {
	if !(l.Capacity > 0) {
		return 0
	}
	return l.Used / l.Capacity
}

// Nearest puts the limit with the highest ratio first; equal ones keep their
// order.
func Nearest(limits []Limit) {
	slices.SortStableFunc(limits, func(a, b Limit) int { return descending(a.Ratio(), b.Ratio()) })
}

func descending(a, b float64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// check refuses a limit that nothing can be computed from.
func (l Limit) check() error {
	if l.Capacity > 0 && l.Used >= 0 && finite(l.Capacity) && finite(l.Used) { // without making the words of an error
		return nil
	}
	if err := above0(l.Name+" capacity", l.Capacity); err != nil {
		return err
	}
	return atLeast0(l.Name+" used", l.Used)
}

// PoolLimit is one limit added up over the servers of a pool.
type PoolLimit struct {
	Limit               // Used and Capacity are sums over Servers
	Servers     int     // how many servers the sums stand on, at least 1
	Least, Most float64 // the smallest and the largest capacity of one server
	Target      float64 // a target of this limit alone, for a promise about time; 0: the rule's
	// Background is what one server uses of the limit without any load, where
	// that was learned: it comes and goes with the servers and not with the load.
	// 0 and up, below the capacity of a typical server at target.
	Background float64
}

// need is how many servers the limit asks for, each used to target: those whose
// capacity at target, less the background of each, is the load: Used without
// the background of the servers it was measured on. Not negative.
func (p PoolLimit) need(target float64) (int, error) {
	b := p.Background
	if !(b >= 0 && b < p.Typical()*target) {
		return 0, fmt.Errorf("a background of %s on a server that is to use %s: %w", figure(b), figure(p.Typical()*target), ErrInput)
	}
	if b == 0 {
		return Servers(p.Used, p.Typical(), target)
	}
	if err := checkTarget(target); err != nil {
		return 0, err
	}
	return Servers(p.load(), p.Typical()*target-b, 1)
}

// parts is need before it is rounded.
func (p PoolLimit) parts(rule Rule) float64 {
	return p.load() / (p.Typical()*p.target(rule) - p.Background)
}

// load is what is used without the background.
func (p PoolLimit) load() float64 { return max(p.Used-float64(p.Servers)*p.Background, 0) }

// target is the utilisation to run this limit at.
func (p PoolLimit) target(rule Rule) float64 {
	if p.Target != 0 {
		return p.Target
	}
	return rule.Target
}

// Sum adds one limit up over servers. The name, the unit and the source are
// those of the first; the source of unlike servers says so. Errors wrap
// ErrInput; no servers is one.
func Sum(servers []Limit) (PoolLimit, error) {
	if len(servers) == 0 {
		return PoolLimit{}, fmt.Errorf("sum of no servers: %w", ErrInput)
	}
	p := PoolLimit{Limit: servers[0], Servers: len(servers), Least: servers[0].Capacity, Most: servers[0].Capacity}
	p.Used, p.Capacity = 0, 0
	for _, l := range servers {
		if err := l.check(); err != nil {
			return PoolLimit{}, err
		}
		p.Used += l.Used
		p.Capacity += l.Capacity
		p.Least, p.Most = min(p.Least, l.Capacity), max(p.Most, l.Capacity)
	}
	if len(servers) > 1 {
		p.From = fmt.Sprintf("%s servers × %s", Count(float64(p.Servers)), Amount(p.Typical()))
		if p.Unlike() {
			p.From = fmt.Sprintf("%s servers of %s to %s", Count(float64(p.Servers)), Amount(p.Least), Amount(p.Most))
		}
	}
	if err := p.check(); err != nil {
		return PoolLimit{}, err
	}
	return p, nil
}

// Typical is the capacity of a mean server of the pool.
func (p PoolLimit) Typical() float64 { return p.Capacity / float64(p.Servers) }

// Unlike says whether the servers differ in capacity by more than a thousandth.
func (p PoolLimit) Unlike() bool { return p.Most-p.Least > p.Most/1000 }

// WithMissing is the limit with servers that do not answer counted on the
// cautious side: as full when servers would go, though never as a reason for
// more than have, which is all of them; as idle when servers would come, because
// their load has gone to the others. The step is empty when none is missing.
func (p PoolLimit) WithMissing(missing, have int, target float64) (PoolLimit, string, error) {
	if err := errors.Join(atLeast0("missing servers", float64(missing)), atLeast0("servers", float64(have)), above0("servers", float64(p.Servers))); err != nil {
		return PoolLimit{}, "", fmt.Errorf("missing servers: %w", err)
	}
	raw, err := p.need(target)
	switch {
	case err != nil:
		return PoolLimit{}, "", err
	case missing == 0:
		return p, "", nil
	case raw > have:
		return p, fmt.Sprintf("%s: %s missing: counted as idle, servers would come", p.Name, whole(missing)), nil
	case raw == have:
		return p, fmt.Sprintf("%s: %s missing: nothing would change", p.Name, whole(missing)), nil
	}
	// Servers of (have × typical × target) is have, by the rounding of ceil.
	typical, all := p.Typical(), p.Servers+missing
	p.Used = min(p.Used+float64(missing)*typical, float64(have)*typical*target+float64(all-have)*p.Background)
	p.Servers, p.Capacity = all, float64(all)*typical
	return p, fmt.Sprintf("%s: %s missing: counted as full, servers would go", p.Name, whole(missing)), nil
}
