package capacity

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Recommended is how many servers were recommended at a time.
type Recommended struct {
	At      time.Time
	Servers int
}

// Steadiness is what keeps the number of servers from swinging.
type Steadiness struct {
	Tolerance Tolerance
	Down      time.Duration // servers go when all recommendations of so long agree
	Up        time.Duration // servers come when all recommendations of so long agree; 0: at once
}

// DefaultSteadiness is a tolerance of a tenth, 15 minutes down, up at once.
// CAPACITY 4.3: no reversal on a plain day, 4% more server hours.
var DefaultSteadiness = Steadiness{Tolerance: DefaultTolerance, Down: 15 * time.Minute}

// Settled is a number of servers that does not swing.
type Settled struct {
	Servers int
	Waits   time.Duration // until the window lets servers go, if nothing else happens; 0: it does not wait
	Steps   []string
}

// Settle turns the raw number of servers (without spare) into one that stands
// still: have, the servers that run less the spare, stays within the tolerance;
// more come at once or when the window Up agrees; fewer when the whole window
// Down does, which takes a history that reaches back so long (to a minute), and
// never while a spike is in it. history are the raw numbers before now, in any
// order. Errors wrap ErrInput.
//
// Source: Kubernetes horizontal pod autoscaler, stabilisation windows.
func (s Steadiness) Settle(raw, have int, history []Recommended, spike bool, now time.Time) (Settled, error) {
	if err := errors.Join(s.Tolerance.check(), atLeast0("servers", float64(raw)), atLeast0("servers", float64(have)),
		atLeast0("window", float64(s.Down)), atLeast0("window", float64(s.Up))); err != nil {
		return Settled{}, fmt.Errorf("settle: %w", err)
	}
	if have > 0 && s.Tolerance.Holds(float64(raw)/float64(have)) {
		return Settled{Servers: have, Steps: []string{fmt.Sprintf("raw %s of %s is within the tolerance: keep %s", whole(raw), whole(have), whole(have))}}, nil
	}
	n := s.Stabilise(raw, have, history, now)
	out := Settled{Servers: n}
	switch {
	case raw > have && n == raw:
		out.Steps = append(out.Steps, fmt.Sprintf("up at once: %s → %s", whole(have), whole(raw)))
	case raw > have:
		out.Steps = append(out.Steps, fmt.Sprintf("up to what all of %s agree on: %s", Span(s.Up.Seconds()), whole(n)))
	case raw < have && spike:
		out.Servers = have
		out.Steps = append(out.Steps, fmt.Sprintf("a spike within %s: keep %s", Span(s.Down.Seconds()), whole(have)))
	case n < have && s.unseen(history, now) > time.Minute:
		out.Servers, out.Waits = have, s.unseen(history, now)
		out.Steps = append(out.Steps, fmt.Sprintf("down to %s only when %s were seen to agree: keep %s", whole(n), Span(s.Down.Seconds()), whole(have)))
	case n < have:
		out.Steps = append(out.Steps, fmt.Sprintf("down: all of %s agree on at most %s", Span(s.Down.Seconds()), whole(n)))
	case raw < have:
		out.Steps = append(out.Steps, fmt.Sprintf("down to %s only when %s agree: keep %s", whole(raw), Span(s.Down.Seconds()), whole(have)))
	}
	if out.Servers > raw {
		for _, r := range history {
			if left := s.Down - now.Sub(r.At); r.Servers > raw && !r.At.After(now) && left > out.Waits {
				out.Waits = left
			}
		}
	}
	return out, nil
}

// unseen is how much of the window Down lies before the history.
func (s Steadiness) unseen(history []Recommended, now time.Time) time.Duration {
	left := s.Down
	for _, r := range history {
		left = min(left, s.Down-now.Sub(r.At))
	}
	return max(left, 0)
}

// Stabilise is raw within what the windows agree on: not above the least of the
// window Up, not below the most of the window Down, else have.
func (s Steadiness) Stabilise(raw, have int, history []Recommended, now time.Time) int {
	up, down := raw, raw
	for _, r := range history {
		age := now.Sub(r.At)
		if age < s.Up {
			up = min(up, r.Servers)
		}
		if age < s.Down {
			down = max(down, r.Servers)
		}
	}
	return min(max(have, up), down)
}

// Highest is the largest of raw and the recommendations of a window.
func Highest(raw int, history []Recommended, window time.Duration, now time.Time) int {
	for _, r := range history {
		if now.Sub(r.At) < window {
			raw = max(raw, r.Servers)
		}
	}
	return raw
}

// Pace is how fast servers may come or go.
type Pace struct {
	Policies []PacePolicy // none: as fast as is wanted, unless Off
	Least    bool         // the policy that changes least counts, not the one that changes most
	Off      bool         // no change at all in this direction
}

// PacePolicy allows a change in a period: so many servers, or a share of those
// there were when the period began.
type PacePolicy struct {
	Servers int
	Share   float64 // 1 is 100%; used when Servers is 0
	Period  time.Duration
}

// Changed is a change of the number of servers, Servers above 0 in both
// directions.
type Changed struct {
	At      time.Time
	Servers int
}

// Limit is how far a pool of current servers may go up or down now, given what
// came and went lately; never on the other side of current. Errors wrap
// ErrInput.
//
// Source: Kubernetes horizontal pod autoscaler, scaling policies (KEP-853).
func (p Pace) Limit(current int, up bool, came, went []Changed, now time.Time) (int, error) {
	if err := atLeast0("servers", float64(current)); err != nil {
		return 0, fmt.Errorf("pace: %w", err)
	}
	if p.Off {
		return current, nil
	}
	// With several policies the one that changes most counts, or least.
	wantHigh := up != p.Least
	limit, set := 0, false
	for _, policy := range p.Policies {
		if err := errors.Join(atLeast0("servers of a policy", float64(policy.Servers)), atLeast0("share of a policy", policy.Share),
			atLeast0("period", float64(policy.Period))); err != nil {
			return 0, fmt.Errorf("pace: %w", err)
		}
		start := current - within(came, policy.Period, now) + within(went, policy.Period, now)
		n := policy.from(start, up)
		if !set || (wantHigh && n > limit) || (!wantHigh && n < limit) {
			limit, set = n, true
		}
	}
	switch {
	case !set && up:
		return MaxServers, nil
	case !set:
		return 0, nil
	case up:
		return min(max(limit, current), MaxServers), nil
	}
	return max(min(limit, current), 0), nil
}

func (p PacePolicy) from(start int, up bool) int {
	switch {
	case p.Servers > 0 && up:
		return start + p.Servers
	case p.Servers > 0:
		return start - p.Servers
	case up:
		return int(min(math.Ceil(float64(start)*(1+p.Share)-epsilon), 2*MaxServers))
	}
	return int(math.Floor(float64(start)*(1-p.Share) + epsilon))
}

func within(list []Changed, period time.Duration, now time.Time) int {
	n := 0
	for _, c := range list {
		if now.Sub(c.At) < period {
			n += c.Servers
		}
	}
	return n
}

// Warming is how many servers a pool counts on when a policy adds some while
// others still warm up: the same load is not answered twice.
//
// Source: AWS step scaling, instance warm-up.
func Warming(current, add, warming int) (int, error) {
	if err := errors.Join(atLeast0("servers", float64(current)), atLeast0("servers to add", float64(add)), atLeast0("servers that warm up", float64(warming))); err != nil {
		return 0, fmt.Errorf("warm-up: %w", err)
	}
	return current + max(add-warming, 0), nil
}
