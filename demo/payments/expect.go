package payments

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"capmon/capacity"
	"capmon/demo/stories"
)

// Expected is how many requests should have been refused, from who came when and
// when servers were asked for: not from what was refused.
type Expected struct {
	Refused float64 `json:"refused"`
	// Detected are the seconds from the beginning of the first spike until need
	// rose; nil: it did not.
	Detected *float64       `json:"detected_s"`
	During   []stories.Step `json:"during"` // from when until when, seconds after the beginning
	Steps    []string       `json:"steps"`
}

// stay is from when until when a server takes requests, after the beginning.
type stay struct{ from, until time.Duration }

// told is what happened, for expect.
type told struct {
	rates     rates
	over      time.Duration // the end of the story
	perServer float64
	queue     int
	servers   []stay
	need      []stories.Step
	warmUp    time.Duration
	hits      []int // what the cache answered, by the second
}

// expect is the excess of the load over what the servers take, summed over the
// time that it lasts: from the beginning of a spike until capmon has seen it
// and the servers that it asks for are warm,
//
//	refused = Σ (load - servers × capacity of one) × time, less what waits
//
// for each stretch of time with the same load and servers. What waits is one
// queue a server, once. Load is what comes past the cache.
//
// Source: CAPACITY 4.3: a step leaves a group over its capacity for the time
// until it is seen and the warm-up.
func expect(t told) Expected {
	e := Expected{Detected: detected(t.rates, t.need)}
	if e.Detected != nil {
		warm := "as soon as it is up"
		if t.warmUp >= time.Millisecond {
			warm = capacity.Span(t.warmUp.Seconds()) + " after it is asked for"
		}
		e.Steps = append(e.Steps, fmt.Sprintf("need rose %s s after the spike; a server takes requests %s", capacity.Decimal(*e.Detected, 1), warm))
	}
	waits := 0.0
	for _, s := range t.stretches() {
		n := 0
		for _, v := range t.servers {
			if v.from <= s.from && s.until <= v.until {
				n++
			}
		}
		takes := (s.until - s.from).Seconds()
		load := math.Max(t.rates.of(s.from)-t.answered(s)/takes, 0)
		most := float64(n) * t.perServer
		room := float64(n*t.queue) - waits
		excess := (load - most) * takes
		waits = math.Min(math.Max(waits+excess, 0), float64(n*t.queue))
		if refused := excess - room; refused > 0 {
			e.Refused += refused
			from, until := s.from.Seconds(), s.until.Seconds()
			if n := len(e.During); n > 0 && e.During[n-1][1] == from {
				e.During[n-1][1] = until
			} else {
				e.During = append(e.During, stories.Step{from, until})
			}
			text := fmt.Sprintf("%.1f to %.1f s: (%s - %s × %s)/s × %s s = %s", s.from.Seconds(), s.until.Seconds(), capacity.Amount(load), capacity.Count(float64(n)), capacity.Amount(t.perServer), capacity.Decimal(takes, 1), capacity.Amount(excess))
			if room >= 1 {
				text += ", less " + capacity.Count(math.Floor(room)) + " that wait"
			}
			e.Steps = append(e.Steps, text)
		}
	}
	e.Steps = append(e.Steps, "refused "+capacity.Count(math.Round(e.Refused)))
	return e
}

// stretches are the times between which neither the rate nor the servers change,
// nor whether the cache answers.
func (t *told) stretches() (list []stay) {
	cuts := []time.Duration{0, t.over}
	for _, p := range t.rates {
		cuts = append(cuts, p.At)
	}
	for _, v := range t.servers {
		cuts = append(cuts, v.from, v.until)
	}
	for i, n := range t.hits {
		if i > 0 && (n > 0) != (t.hits[i-1] > 0) {
			cuts = append(cuts, time.Duration(i)*time.Second)
		}
	}
	slices.SortFunc(cuts, cmp.Compare[time.Duration])
	last := time.Duration(0)
	for _, c := range cuts {
		if c > last && c <= t.over {
			list = append(list, stay{last, c})
			last = c
		}
	}
	return list
}

// answered is what the cache did in a stretch.
func (t *told) answered(s stay) float64 {
	all := 0.0
	for i, n := range t.hits {
		from, until := time.Duration(i)*time.Second, time.Duration(i+1)*time.Second
		if both := min(until, s.until) - max(from, s.from); both > 0 {
			all += float64(n) * both.Seconds()
		}
	}
	return all
}

// detected is the time from where the load first grows until need does, seconds.
func detected(r rates, need []stories.Step) *float64 {
	for i := range r {
		if i == 0 || r[i].RPS <= r[i-1].RPS {
			continue
		}
		before, at := 0.0, r[i].At.Seconds()
		for _, s := range need {
			switch {
			case s[0] < at:
				before = s[1]
			case s[1] > before:
				return new(s[0] - at)
			}
		}
		return nil
	}
	return nil
}
