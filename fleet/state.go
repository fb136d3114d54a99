package fleet

import (
	"fmt"
	"time"

	"capmon/capacity"
)

// How many sampling intervals without a sample make a host what.
const (
	staleAfter   = 3
	uncountAfter = 10
	downAfter    = 30
)

// standing is the state of a host at one moment.
type standing struct {
	state   State
	age     capacity.Num // seconds since its newest sample arrived
	counted bool
}

// standing judges a host by when its newest sample arrived.
func (h *host) standing(now time.Time) standing {
	if h.seen.IsZero() {
		if h.refused {
			return standing{state: Down}
		}
		return standing{state: Unseen}
	}
	age := max(now.Sub(h.seen), 0)
	s := standing{age: capacity.Known(age.Seconds())}
	switch every := h.every(); {
	case h.refused || age >= downAfter*every:
		s.state = Down
	case age >= staleAfter*every:
		s.state, s.counted = Stale, age < uncountAfter*every
	default:
		s.state, s.counted = Up, true
	}
	return s
}

// next is when the standing, or the age that is shown of it, next changes by
// itself; zero: never. Only a stale host's age is shown by the second.
func (h *host) next(now time.Time) time.Time {
	switch s := h.standing(now); s.state {
	case Up:
		return h.seen.Add(staleAfter * h.every())
	case Stale:
		// The thresholds are whole seconds or lie between two: take the nearer.
		age := now.Sub(h.seen)
		at := h.seen.Add(age.Truncate(time.Second) + time.Second)
		for _, n := range []time.Duration{uncountAfter, downAfter} {
			if t := h.seen.Add(n * h.every()); t.After(now) && t.Before(at) {
				at = t
			}
		}
		return at
	}
	return time.Time{}
}

// why says in one line why a host is not up.
func (h *host) why(s standing) string {
	switch {
	case s.state == Up:
		return ""
	case h.reason != "":
		return h.reason
	case s.state == Unseen:
		return "has not answered yet"
	}
	return fmt.Sprintf("no sample for %s", seconds(s.age.V))
}

// seconds writes an age: 42s, 3m07s, 2h05m.
func seconds(v float64) string {
	d := time.Duration(v) * time.Second
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}
