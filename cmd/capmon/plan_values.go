package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"capmon/capacity"
)

// The values of `capmon plan` as they are written on a command line.

// amount is a number of users or requests: 90000, or 2x for a multiple of what
// is measured.
type amount struct {
	text  string
	v     float64
	times bool
	set   bool
}

func (a *amount) String() string { return a.text }
func (a *amount) Type() string   { return "number" }

func (a *amount) Set(text string) error {
	number, times := strings.CutSuffix(strings.TrimSpace(text), "x")
	v, err := notNegative(number)
	if err != nil || v > 1e15 {
		return errors.New("want a number from 0 to 10^15, or a multiple as 2x")
	}
	*a = amount{text: text, v: v, times: times, set: true}
	return nil
}

// of is the amount, unknown where none was given.
func (a *amount) of(measured capacity.Num, name string) (capacity.Num, error) {
	switch {
	case !a.set:
		return capacity.Num{}, nil
	case a.times && !measured.OK:
		return capacity.Num{}, fmt.Errorf("--%s %s: nothing is measured to be multiplied: want a number, or --from or --agents with %s known", name, a.text, name)
	case a.times:
		return capacity.Known(a.v * measured.V), nil
	}
	return capacity.Known(a.v), nil
}

// notNegative reads a number of 0 and up; commas between thousands may stand in it.
func notNegative(text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(text), ",", ""), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0, errors.New("want a number of 0 or more")
	}
	return v, nil
}

var units = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute,
	"h": time.Hour, "hour": time.Hour, "d": 24 * time.Hour, "day": 24 * time.Hour,
}

// rate is so many in a time: 10/day.
type rate struct {
	text string
	n    float64
	per  time.Duration
}

func (r *rate) String() string { return r.text }
func (r *rate) Type() string   { return "rate" }

func (r *rate) Set(text string) error {
	number, unit, ok := strings.Cut(text, "/")
	v, err := notNegative(number)
	per := units[strings.TrimSpace(unit)]
	if d, err := time.ParseDuration(strings.TrimSpace(unit)); err == nil {
		per = d // 1/4s: one in the time a person thinks and waits
	}
	if !ok || err != nil || per <= 0 {
		return errors.New("want so many in a time, as 10/day, 2/min, 0.1/s or 1/4s")
	}
	*r = rate{text: text, n: v, per: per}
	return nil
}

// growth is a rate that may be a share: 1200/min, +5%/day, -10/s.
type growth struct {
	text             string
	perSecond, share float64
}

func (g *growth) String() string { return g.text }
func (g *growth) Type() string   { return "rate" }

func (g *growth) Set(text string) error {
	bad := errors.New("want so many in a time, as 1200/min, -20/s or 5%/day")
	number, unit, ok := strings.Cut(strings.TrimSpace(text), "/")
	number, percent := strings.CutSuffix(strings.TrimSpace(number), "%")
	sign := 1.0
	if rest, minus := strings.CutPrefix(number, "-"); minus {
		number, sign = rest, -1
	}
	v, err := notNegative(strings.TrimPrefix(number, "+"))
	per := units[strings.TrimSpace(unit)].Seconds()
	v *= sign
	switch {
	case !ok || err != nil || per == 0:
		return bad
	case percent && v <= -100:
		return errors.New("want less than all of it to go")
	case percent:
		*g = growth{text: text, share: math.Expm1(math.Log1p(v/100) / per)}
	default:
		*g = growth{text: text, perSecond: v / per}
	}
	return nil
}

// percent is a share written as it is spoken: 99.95, 99.95% or 0.9995.
type percent float64

func (p *percent) String() string {
	if *p == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*p)*100, 'g', 10, 64)
}
func (p *percent) Type() string { return "percent" }

func (p *percent) Set(text string) error {
	number, sign := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := notNegative(number)
	if sign || v > 1 {
		v /= 100
	}
	if err != nil || v <= 0 || v > 1 {
		return errors.New("want more than 0 and at most 100 percent, as 99.95")
	}
	*p = percent(v)
	return nil
}

// promise is a response time that is promised: p99=50ms.
type promise struct {
	capacity.Promise
	text string
	set  bool
}

func (p *promise) String() string { return p.text }
func (p *promise) Type() string   { return "promise" }

func (p *promise) Set(text string) error {
	bad := errors.New("want a share and a time, as p99=50ms, p99.9=0.2s or mean=20ms")
	what, limit, ok := strings.Cut(strings.TrimSpace(text), "=")
	d, err := time.ParseDuration(limit)
	if !ok || err != nil || d <= 0 {
		return bad
	}
	out := capacity.Promise{Within: d.Seconds()}
	if what != "mean" {
		digits, isShare := strings.CutPrefix(what, "p")
		v, err := notNegative(digits)
		if !isShare || err != nil || v <= 0 || v >= 100 {
			return bad
		}
		out.Share = v / 100
	}
	*p = promise{Promise: out, text: text, set: true}
	return nil
}

// pairs are workers and their throughput: 1:955,2:1878.
type pairs struct {
	text                string
	workers, throughput []float64
}

func (p *pairs) String() string { return p.text }
func (p *pairs) Type() string   { return "pairs" }

// maxPairs bounds what is fitted.
const maxPairs = 1000

func (p *pairs) Set(text string) error {
	out := pairs{text: text}
	for part := range strings.SplitSeq(text, ",") {
		n, x, ok := strings.Cut(part, ":")
		workers, errN := notNegative(n)
		throughput, errX := notNegative(x)
		if !ok || errN != nil || errX != nil || workers <= 0 || throughput <= 0 {
			return fmt.Errorf("%q: want workers:throughput, as 1:955,2:1878,4:3548", part)
		}
		out.workers, out.throughput = append(out.workers, workers), append(out.throughput, throughput)
	}
	if len(out.workers) > maxPairs {
		return fmt.Errorf("want at most %d pairs", maxPairs)
	}
	*p = out
	return nil
}

// pace is how many servers may come or go in a time: 4/15s,100%/1m.
type pace struct {
	text     string
	policies []capacity.PacePolicy
}

func (p *pace) String() string { return p.text }
func (p *pace) Type() string   { return "pace" }

// maxPace bounds how many policies a pace has, and keptPace how long ago they
// ask.
const (
	maxPace  = 10
	keptPace = time.Hour
)

func (p *pace) Set(text string) error {
	out := pace{text: text}
	for part := range strings.SplitSeq(text, ",") {
		number, every, ok := strings.Cut(strings.TrimSpace(part), "/")
		number, isShare := strings.CutSuffix(number, "%")
		v, errN := notNegative(number)
		d, errD := time.ParseDuration(every)
		whole := v == math.Trunc(v) && v <= capacity.MaxServers
		if !ok || errN != nil || errD != nil || !(v > 0) || d < time.Second || d > keptPace || !isShare && !whole || isShare && v > 1e6 {
			return fmt.Errorf("%q: want servers, or a percentage of them, in 1s to 1h, as 4/15s or 100%%/1m", part)
		}
		policy := capacity.PacePolicy{Period: d, Servers: int(v)}
		if isShare {
			policy = capacity.PacePolicy{Period: d, Share: v / 100}
		}
		out.policies = append(out.policies, policy)
	}
	if len(out.policies) > maxPace {
		return fmt.Errorf("want at most %d with commas between", maxPace)
	}
	*p = out
	return nil
}

// pace is what the maths takes; nil: as fast as is wanted.
func (p *pace) pace() *capacity.Pace {
	if len(p.policies) == 0 {
		return nil
	}
	return &capacity.Pace{Policies: p.policies}
}
