package ui

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// FieldID names what can be changed on the plan screen.
type FieldID uint8

// The fields, in their order.
const (
	FieldUsers FieldID = iota
	FieldRPS
	FieldGrowth
	FieldAhead
	FieldPerServer
	FieldCost
	FieldTarget
	FieldSpare
	FieldWarmUp
	FieldMin
	FieldMax
	FieldPrice
	FieldSLA
	FieldUp
	FieldSLO
	FieldSpike
	fieldIDs
)

// WhatIf is what was changed on the plan screen, by field; not OK: it is as it
// is live.
type WhatIf [fieldIDs]capacity.Num

// planField is a field as it is drawn and changed.
type planField struct {
	id    FieldID
	name  string
	wants string
	value capacity.Num // in the unit of the question
	live  capacity.Num
	write func(capacity.Num) string
	read  func(string) (float64, error)
	step  func(v float64, up bool) float64
}

// planQuestion is the question of the pool on screen, with what was changed in
// place of what is live.
func planQuestion(f *Frame, v *View, live bool) (q capacity.Question, p *fleet.Pool) {
	if len(f.Pools) == 0 {
		return q, nil
	}
	p = &f.Pools[poolAt(f, v)]
	m := f.Measured(p)
	if m.Hosts == 0 { // what was is no load of now
		return capacity.Question{Rule: capacity.Rule{Target: p.Target}, WarmUp: p.WarmUp}, p
	}
	policy := p.Policy
	now := fleet.Given{Spare: capacity.Known(float64(max(policy.Spare, 0)))}
	if policy.Target > 0 && policy.Target <= 1 {
		now.Target = capacity.Known(policy.Target)
	}
	g := now
	is := v.whatIf(p)
	if live {
		is = WhatIf{}
	}
	or := func(id FieldID, n capacity.Num) capacity.Num {
		if is[id].OK {
			return is[id]
		}
		return n
	}
	g.Users, g.RPS, g.PerServer, g.Cost = is[FieldUsers], is[FieldRPS], is[FieldPerServer], is[FieldCost]
	g.Target, g.Spare, g.WarmUp = or(FieldTarget, g.Target), or(FieldSpare, g.Spare), is[FieldWarmUp]
	q = m.Question(g)
	q.Growth = planGrowth(p, m.Question(now), is)
	q.Rule.Min, q.Rule.Max = int(or(FieldMin, whole64(policy.Min)).V), int(or(FieldMax, whole64(policy.Max)).V)
	if q.Rule.Zones = f.Zones(p); policy.SLA > 0 && policy.Availability > 0 {
		q.Rule.SLA, q.Rule.Availability = or(FieldSLA, num(policy.SLA)).V, or(FieldUp, num(policy.Availability)).V
	}
	q.Spike = or(FieldSpike, num(usualSpike)).V
	if q.Price = is[FieldPrice]; !q.Price.OK && policy.Price > 0 {
		q.Price = num(policy.Price)
	}
	if policy.SLO != nil && q.Cost.OK {
		slo := *policy.SLO
		slo.Within = or(FieldSLO, num(slo.Within)).V
		q.SLO = &slo
	}
	return q, p
}

// usualSpike is the spike whose price is shown where none was typed; it is never
// in NEED.
const usualSpike = 1.5

// whatIf is what was changed of a pool and is to be looked at.
func (v *View) whatIf(p *fleet.Pool) WhatIf {
	if v.AsIs || p == nil || v.WhatIfOf != "" && v.WhatIfOf != p.Name {
		return WhatIf{}
	}
	return v.WhatIf
}

func whole64(n int) capacity.Num { return capacity.Known(float64(max(n, 0))) }

// planGrowth is that of the leading load, from that of the nearest limit.
func planGrowth(p *fleet.Pool, now capacity.Question, is WhatIf) capacity.Growth {
	g := capacity.Growth{For: 10 * time.Minute}
	if n := is[FieldAhead]; n.OK {
		g.For = time.Duration(n.V * float64(time.Second))
	}
	if n := is[FieldGrowth]; n.OK {
		g.PerSecond = n.V / 60
	} else if n := growsNow(p, now); n.OK {
		g.PerSecond = n.V
	}
	return g
}

// growsNow is how much more of the leading load comes in a second.
func growsNow(p *fleet.Pool, now capacity.Question) capacity.Num {
	for _, load := range []capacity.Num{now.Users, now.RPS, now.CoresUsed} {
		if grows := p.Grows(); load.OK && grows.OK {
			return num(load.V * grows.V)
		}
	}
	return capacity.Num{}
}

// planFields are the fields that mean something for the pool on screen.
func planFields(f *Frame, v *View) []planField {
	now, p := planQuestion(f, v, true)
	q, _ := planQuestion(f, v, false)
	if p == nil {
		return nil
	}
	changed := v.whatIf(p)
	was, is := planValues(p, &now, WhatIf{}), planValues(p, &q, changed)
	count := func(n capacity.Num) string {
		if !n.OK {
			return unknownText
		}
		return grouped(n.V)
	}
	none := func(n capacity.Num) string {
		if n.V == 0 {
			return "none"
		}
		return count(n)
	}
	tenth := func(v float64, up bool) float64 {
		by := math.Max(nice(v/20), 1)
		if !up {
			by = -by
		}
		return math.Max(math.Round((v+by)/math.Abs(by))*math.Abs(by), 0)
	}
	one := func(v float64, up bool) float64 {
		if up {
			return v + 1
		}
		return math.Max(v-1, 0)
	}
	spans := func(v float64, up bool) float64 {
		steps := []float64{0, 10, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400}
		at, exact := slices.BinarySearch(steps, v)
		switch {
		case up && exact:
			at++
		case !up:
			at--
		}
		return steps[min(max(at, 0), len(steps)-1)]
	}
	span := func(n capacity.Num) string {
		return lasting(time.Duration(n.V * float64(time.Second)).Round(time.Second))
	}
	number := func(least float64) func(string) (float64, error) {
		return func(s string) (float64, error) { return readAmount(s, least, 1e12) }
	}
	fields := []planField{
		{FieldUsers, "users", "how many, as 88,420 or 90k", is[FieldUsers], was[FieldUsers], count, number(0), tenth},
		{FieldRPS, "rps", "requests a second", is[FieldRPS], was[FieldRPS], count, number(0), tenth},
		{FieldGrowth, "growth", "a minute, as +1,200 or -300", is[FieldGrowth], was[FieldGrowth], func(n capacity.Num) string {
			if !n.OK {
				return unknownText
			}
			s := grouped(n.V)
			if n.V > 0 {
				s = "+" + s
			}
			return s + "/min"
		}, func(s string) (float64, error) {
			return readGrowth(s)
		}, func(v float64, up bool) float64 {
			if up {
				return v + 100
			}
			return v - 100
		}},
		{FieldAhead, "for", "how far ahead, as 10m or 1h", is[FieldAhead], was[FieldAhead], span, readSpan(time.Second), spans},
		{FieldPerServer, "per server", "connections one server may hold", is[FieldPerServer], was[FieldPerServer], func(n capacity.Num) string { return count(n) + " conns" }, number(1), tenth},
		{FieldCost, "a request", "CPU time of a request, as 8ms", is[FieldCost], was[FieldCost], func(n capacity.Num) string {
			if !n.OK {
				return unknownText
			}
			return capacity.Span(n.V)
		}, readSpan(time.Nanosecond), func(v float64, up bool) float64 {
			if up {
				return v * 1.1
			}
			return v / 1.1
		}},
		{FieldTarget, "target", "percent of the limit to run at", is[FieldTarget], was[FieldTarget], func(n capacity.Num) string { return percent(n) + "%" }, func(s string) (float64, error) {
			v, err := readAmount(strings.TrimSuffix(s, "%"), 0, 100)
			if err == nil && v == 0 {
				err = errors.New("want more than 0 percent")
			}
			return v / 100, err
		}, func(v float64, up bool) float64 {
			by := 0.05
			if !up {
				by = -by
			}
			return math.Min(math.Max(math.Round((v+by)*20)/20, 0.05), 1)
		}},
		{FieldSpare, "spare", "servers that may be lost", is[FieldSpare], was[FieldSpare], count, readWhole, one},
		{FieldWarmUp, "warm-up", "until a new server takes load, as 3m", is[FieldWarmUp], was[FieldWarmUp], span, readSpan(0), spans},
		{FieldMin, "min", "servers at least, 0: no bound", is[FieldMin], was[FieldMin], none, readWhole, one},
		{FieldMax, "max", "servers at most, 0: no bound", is[FieldMax], was[FieldMax], none, readWhole, one},
		{FieldPrice, "cost", "money for a server hour", is[FieldPrice], was[FieldPrice], func(n capacity.Num) string {
			if !n.OK {
				return "none"
			}
			return capacity.Decimal(n.V, 2) + "/h"
		}, func(s string) (float64, error) { return readAmount(strings.TrimSuffix(s, "/h"), 0, 1e9) }, func(v float64, up bool) float64 {
			if up {
				return v + 0.01
			}
			return math.Max(v-0.01, 0)
		}},
	}
	percents := func(n capacity.Num) string { return strconv.FormatFloat(math.Round(n.V*1e8)/1e6, 'f', -1, 64) + "%" }
	nines := func(s string) (float64, error) {
		v, err := readAmount(strings.TrimSuffix(s, "%"), 0, 100)
		if err == nil && (v <= 0 || v >= 100) {
			err = errors.New("want more than 0 and less than 100 percent, as 99.95")
		}
		return v / 100, err
	}
	nine := func(v float64, up bool) float64 { // 99 → 99.5 → 99.9: the time that is lost halves or doubles
		if up {
			return 1 - (1-v)/2
		}
		return math.Max(1-(1-v)*2, 0.5)
	}
	fields = append(fields,
		planField{FieldSLA, "SLA", "percent of the time that enough servers are up", is[FieldSLA], was[FieldSLA], percents, nines, nine},
		planField{FieldUp, "one is up", "percent of the time that one server is up", is[FieldUp], was[FieldUp], percents, nines, nine})
	if slo := p.Policy.SLO; slo != nil {
		name, _, _ := strings.Cut(slo.String(), " ")
		fields = append(fields, planField{FieldSLO, name, "within how long, as 50ms", is[FieldSLO], was[FieldSLO], func(n capacity.Num) string {
			if !n.OK {
				return unknownText
			}
			return capacity.Span(n.V)
		}, readSpan(time.Microsecond), func(v float64, up bool) float64 {
			if up {
				return v * 1.25
			}
			return v / 1.25
		}})
	}
	fields = append(fields, planField{FieldSpike, "spike", "so many times the load at once, as 1.5; 0: not asked", is[FieldSpike], was[FieldSpike], func(n capacity.Num) string {
		if n.V == 0 {
			return "none"
		}
		return "×" + strconv.FormatFloat(n.V, 'f', -1, 64)
	}, func(s string) (float64, error) {
		v, err := readAmount(strings.TrimLeft(s, "×x"), 0, 1e6)
		if err == nil && v > 0 && v < 1 {
			err = errors.New("want 1 or more, as 1.5, or 0")
		}
		return v, err
	}, func(v float64, up bool) float64 {
		switch {
		case up:
			return math.Max(v+0.5, 1.5)
		case v <= 1.5:
			return 0
		}
		return math.Max(v-0.5, 1.5)
	}})
	return slices.DeleteFunc(fields, func(x planField) bool {
		switch x.id {
		case FieldUsers:
			return !x.value.OK && !p.Users.OK
		case FieldRPS:
			return !x.value.OK
		case FieldCost:
			return !q.RPS.OK
		case FieldSLA, FieldUp, FieldSLO:
			return !x.value.OK
		}
		return false
	})
}

// planValues are what the fields hold, in the units of the fields.
func planValues(p *fleet.Pool, q *capacity.Question, is WhatIf) [fieldIDs]capacity.Num {
	whole := func(n float64) capacity.Num { return capacity.Known(n) }
	growth := whole(q.Growth.PerSecond * 60)
	if !p.Grows().OK && !is[FieldGrowth].OK {
		growth = capacity.Num{}
	}
	out := [fieldIDs]capacity.Num{
		FieldUsers: q.Users, FieldRPS: q.RPS, FieldGrowth: growth, FieldAhead: whole(q.Growth.Horizon().Seconds()),
		FieldPerServer: q.PerServer, FieldCost: q.Cost, FieldTarget: whole(q.Rule.Target), FieldSpare: whole(float64(q.Rule.Spare)),
		FieldWarmUp: whole(q.WarmUp.Seconds()), FieldMin: whole(float64(q.Rule.Min)), FieldMax: whole(float64(q.Rule.Max)), FieldPrice: q.Price,
		FieldSpike: whole(q.Spike),
	}
	for _, l := range q.Others {
		if l.Name == "conns" && !q.PerServer.OK { // of a limit that users are not counted by
			out[FieldPerServer] = whole(l.Typical())
		}
	}
	if q.Rule.SLA > 0 {
		out[FieldSLA], out[FieldUp] = whole(q.Rule.SLA), whole(q.Rule.Availability)
	}
	if p.Policy.SLO != nil && q.SLO != nil {
		out[FieldSLO] = whole(q.SLO.Within)
	}
	return out
}

// readAmount reads 88,420, 90k or 1.5M within bounds.
func readAmount(s string, least, most float64) (float64, error) {
	v, _, ok := filterNumber(strings.ReplaceAll(s, " ", ""), inNumbers)
	switch {
	case !ok || math.IsInf(v, 0):
		return 0, errors.New("want a number, as 88,420 or 90k")
	case v < least || v > most:
		return 0, fmt.Errorf("want %s to %s", capacity.Amount(least), capacity.Amount(most))
	}
	return v, nil
}

// readGrowth reads +1,200, 1.2k/min or -20/s, a minute.
func readGrowth(s string) (float64, error) {
	number, unit, _ := strings.Cut(strings.TrimPrefix(s, "+"), "/")
	times, ok := map[string]float64{"": 1, "min": 1, "m": 1, "s": 60, "h": 1. / 60}[strings.TrimSpace(unit)]
	if !ok {
		return 0, errors.New("want so many in a time, as 1,200/min or -20/s")
	}
	v, err := readAmount(number, -1e9, 1e9)
	return v * times, err
}

func readWhole(s string) (float64, error) {
	v, err := readAmount(s, 0, capacity.MaxServers)
	if err == nil && v != math.Trunc(v) {
		err = errors.New("want a whole number")
	}
	return v, err
}

// readSpan reads a time in seconds, at least so long and at most a year.
func readSpan(least time.Duration) func(string) (float64, error) {
	return func(s string) (float64, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < least || d > 365*24*time.Hour {
			return 0, errors.New("want a time, as 8ms, 10m or 1h30m")
		}
		return d.Seconds(), nil
	}
}
