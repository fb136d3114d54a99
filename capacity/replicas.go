package capacity

import (
	"errors"
	"fmt"
	"math"
)

// Member is one server of a pool as its metric shows it.
type Member struct {
	Used     Num     // of the metric; unknown: the server is missing
	Capacity float64 // of the metric at 100%
	Apart    bool    // warming up or draining: counted as nothing when servers are added, not at all else
}

// Tolerance is how far from the target a pool may be before its size changes,
// as shares: 0.1 is a tenth.
type Tolerance struct{ Down, Up float64 }

// DefaultTolerance is a tenth both ways.
var DefaultTolerance = Tolerance{Down: 0.1, Up: 0.1}

// Holds says whether a ratio of what is wanted to what there is lies within the
// tolerance, its edges included.
func (t Tolerance) Holds(ratio float64) bool {
	return ratio >= 1-t.Down-epsilon && ratio <= 1+t.Up+epsilon
}

func (t Tolerance) check() error {
	return errors.Join(atLeast0("tolerance", t.Down), atLeast0("tolerance", t.Up))
}

// Tracking is how a pool follows a target.
type Tracking struct {
	Target    float64 // utilisation, above 0; above 1 where the metric may pass 100%
	Tolerance Tolerance
	// WholePercents cuts the utilisation to whole percents before it is compared,
	// as Kubernetes does. It is there to compare with it.
	WholePercents bool
}

// Tracked is the number of servers that follows from Tracking, and why.
type Tracked struct {
	Servers     int
	Utilisation float64 // of the members that are known
	Steps       []string
}

// Follow is the number of servers that brings the members to the target:
// ceil(utilisation / target × members), with what is missing counted on the
// cautious side: as full (or at the target, when that is higher) when servers
// would go, as idle when servers would come, and when that turns the direction
// or falls into the tolerance, nothing changes. current is how many there are.
// Errors wrap ErrInput; that no member is known is one.
//
// Source: Kubernetes horizontal pod autoscaler v1.33, replica_calculator.go.
func Follow(current int, members []Member, how Tracking) (Tracked, error) {
	if err := errors.Join(atLeast0("servers", float64(current)), above0("target", how.Target), how.Tolerance.check()); err != nil {
		return Tracked{}, fmt.Errorf("follow the target: %w", err)
	}
	var known, missing, apart sums
	for _, m := range members {
		if err := errors.Join(above0("capacity", m.Capacity), atLeast0("used", m.Used.Or(0))); err != nil {
			return Tracked{}, fmt.Errorf("follow the target: %w", err)
		}
		switch {
		case !m.Used.OK:
			missing.add(0, m.Capacity)
		case m.Apart:
			apart.add(m.Used.V, m.Capacity)
		default:
			known.add(m.Used.V, m.Capacity)
		}
	}
	if known.n == 0 {
		return Tracked{}, fmt.Errorf("follow the target: no server is known: %w", ErrInput)
	}
	ratio := how.ratio(known)
	t := Tracked{Servers: current, Utilisation: known.used / known.capacity}
	t.say("%s used of %s on %d servers = %s, target %s", Amount(known.used), Amount(known.capacity), known.n, Percent(t.Utilisation), Percent(how.Target))
	first := ratio
	aside := apart.n > 0 && ratio > 1
	if missing.n > 0 {
		switch {
		case ratio < 1:
			full := max(1, how.Target)
			t.say("%d missing: counted as %s used, servers would go", missing.n, Percent(full))
			known.add(missing.capacity*full, missing.capacity)
			known.n += missing.n - 1
		case ratio > 1:
			t.say("%d missing: counted as idle, servers would come", missing.n)
			known.add(0, missing.capacity)
			known.n += missing.n - 1
		}
	}
	if aside {
		t.say("%d warming up: counted as idle, servers would come", apart.n)
		known.add(0, apart.capacity)
		known.n += apart.n - 1
	}
	if aside || missing.n > 0 {
		ratio = how.ratio(known)
	}
	n, err := countOf(ratio * float64(known.n))
	switch {
	case err != nil:
		return Tracked{}, fmt.Errorf("follow the target: %w", err)
	case how.Tolerance.Holds(ratio):
		t.say("ratio %s is within the tolerance: keep %d", Decimal(ratio, 3), current)
	case (first < 1 && ratio > 1) || (first > 1 && ratio < 1),
		(missing.n > 0 || aside) && ((ratio < 1 && n > current) || (ratio > 1 && n < current)):
		t.say("what is missing could turn the direction: keep %d", current)
	default:
		t.Servers = n
		t.say("ceil(%s × %d) = %d", Decimal(ratio, 3), known.n, n)
	}
	return t, nil
}

func (t *Tracked) say(format string, args ...any) {
	t.Steps = append(t.Steps, fmt.Sprintf(format, args...))
}

// sums are servers and their use.
type sums struct {
	n              int
	used, capacity float64
}

func (s *sums) add(used, capacity float64) {
	s.n++
	s.used += used
	s.capacity += capacity
}

func (h Tracking) ratio(s sums) float64 {
	if h.WholePercents {
		return math.Floor(s.used/s.capacity*100+epsilon) / math.Round(h.Target*100)
	}
	return s.used / s.capacity / h.Target
}

// countOf rounds a number of servers up.
func countOf(v float64) (int, error) {
	n := ceil(v)
	if !(n >= 0 && n <= MaxServers) {
		return 0, fmt.Errorf("%v is no number of servers up to %s: %w", v, Count(MaxServers), ErrInput)
	}
	return int(n), nil
}

// Scale is ceil(current × ratio), current itself within the tolerance. With
// none running the ratio itself is rounded up.
func Scale(current int, ratio float64, t Tolerance) (int, error) {
	if err := errors.Join(atLeast0("servers", float64(current)), atLeast0("ratio", ratio), t.check()); err != nil {
		return 0, fmt.Errorf("scale: %w", err)
	}
	switch {
	case current == 0:
		return countOf(ratio)
	case t.Holds(ratio):
		return current, nil
	}
	return countOf(float64(current) * ratio)
}

// Agree is the number of servers of several limits: the largest. A limit that
// can't be read (not OK) lets servers come and keeps them from going; none that
// can be read changes nothing.
func Agree(current int, proposals []Num) int {
	most, unread := -1, false
	for _, p := range proposals {
		if !p.OK || p.V < 0 || p.V > MaxServers {
			unread = true
			continue
		}
		most = max(most, int(math.Ceil(p.V)))
	}
	if most < 0 || (unread && most < current) {
		return current
	}
	return most
}

// Bound is a number of servers within min and max (0: none), and what bound it:
// "min", "max" or nothing.
func (r Rule) Bound(servers int) (int, string) {
	switch {
	case r.Max > 0 && servers > r.Max:
		return r.Max, "max"
	case servers < r.Min:
		return r.Min, "min"
	}
	return servers, ""
}
