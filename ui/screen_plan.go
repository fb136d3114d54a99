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

func init() {
	pages[PlanScreen] = page{
		name: "plan", draw: drawPlanScreen, act: planAct, settle: planSettle,
		body: func(f *Frame, v *View, w, h int, th Theme) (*canvas, int) {
			top, foot := planFrame(f, v, w, h)
			return planBody(f, v, w, h, th.ascii), h - top - foot
		},
		click: func(m *model, h hit) {
			if m.view.Field == h.item {
				m.editField()
			}
			m.view.Field = h.item
		},
	}
	prompts[FieldPrompt] = prompt{
		sign: "= ",
		hint: func(f *Frame, v *View, _ int) string {
			fields := planFields(f, v)
			if v.Field >= len(fields) {
				return ""
			}
			return fields[v.Field].name + ": " + fields[v.Field].wants + "   enter take  esc leave"
		},
		done: func(m *model, text string) {
			fields := planFields(&m.frame, &m.view)
			if m.view.Field >= len(fields) || strings.TrimSpace(text) == "" {
				return
			}
			x := fields[m.view.Field]
			n, err := x.read(strings.ToLower(strings.TrimSpace(text)))
			if err != nil {
				m.view.Note = x.name + " " + strconv.Quote(text) + ": " + err.Error()
				return
			}
			m.setField(x.id, n)
		},
	}
}

// hitField is a field of the plan screen.
const hitField ownHit = 2

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

// setField changes a field of the pool on screen; what was changed of another
// one goes.
func (m *model) setField(id FieldID, n float64) {
	v, name := &m.view, m.frame.Pools[poolAt(&m.frame, &m.view)].Name
	if v.WhatIfOf != name {
		v.WhatIf, v.WhatIfOf = WhatIf{}, name
	}
	v.WhatIf[id] = capacity.Known(n)
	v.AsIs = false
}

func (m *model) editField() {
	fields := planFields(&m.frame, &m.view)
	if m.view.Field < len(fields) {
		m.begin(FieldPrompt, "")
	}
}

func planSettle(m *model) {
	if p := worst(&m.frame); m.view.Pool == "" && p != nil {
		m.view.Pool = p.Name // stays, whichever becomes the most urgent
	}
	m.view.Field = min(m.view.Field, max(len(planFields(&m.frame, &m.view))-1, 0))
}

func planAct(m *model, do action) bool {
	v := &m.view
	fields := planFields(&m.frame, v)
	n := len(fields)
	if n == 0 {
		return false
	}
	switch do {
	case actNextField, actRight:
		v.Field = (v.Field + 1) % n
	case actLastField, actLeft:
		v.Field = (v.Field + n - 1) % n
	case actDown, actUp:
		if top, _ := planFrame(&m.frame, v, m.w, m.h); top <= 2 { // no field is in sight
			return false
		}
		v.moveField(planFieldLines(planShown(&m.frame, v, m.h), m.w), do == actDown)
	case actCompare:
		v.Compare = !v.Compare
	case actMore, actLess:
		x := fields[v.Field]
		if !x.value.OK {
			v.Note = x.name + " is not known: enter gives it a value"
			return true
		}
		m.setField(x.id, x.step(x.value.V, do == actMore))
	case actEdit:
		m.editField()
	case actReset:
		v.WhatIf, v.WhatIfOf, v.AsIs, v.Note = WhatIf{}, "", false, "back to what is live"
	case actAsIs:
		if v.WhatIf == (WhatIf{}) {
			v.Note = "nothing was changed: + and - do, enter types"
			return true
		}
		v.AsIs = !v.AsIs
		v.Note = "what if again"
		if v.AsIs {
			v.Note = "as it is live; p: what if"
		}
	case actPageDown:
		v.Scroll += max(m.h/2, 1)
	case actPageUp:
		v.Scroll = max(v.Scroll-max(m.h/2, 1), 0)
	default:
		return false
	}
	return true
}

// moveField goes to the row below or above, as near as can be, and beyond the
// last row through what scrolls.
func (v *View) moveField(lines [][]int, down bool) {
	at := slices.IndexFunc(lines, func(l []int) bool { return slices.Contains(l, v.Field) })
	if at < 0 {
		return
	}
	place := slices.Index(lines[at], v.Field)
	switch {
	case !down && v.Scroll > 0:
		v.Scroll--
		return
	case down && at == len(lines)-1:
		v.Scroll++
		return
	case down:
		at++
	case at > 0:
		at--
	}
	v.Field = lines[at][min(place, len(lines[at])-1)]
}

// planFrame is how many lines stand above and below what scrolls.
func planFrame(f *Frame, v *View, w, h int) (top, foot int) {
	switch {
	case h < 3:
		return min(h, 1), 0
	case h < 6:
		return 1, 1
	case h < 14:
		return 2, 1
	}
	top = 2 + len(planFieldLines(planShown(f, v, h), w))
	if h >= 20 {
		foot = 1
	}
	return min(top, h/2), foot + 1
}

// planShown are the fields on a screen of h lines: one that changes no number
// takes no line of a short one, unless it was typed or is under the cursor.
func planShown(f *Frame, v *View, h int) []planField {
	fields := planFields(f, v)
	last := len(fields) - 1
	if h < 30 && last >= 0 && v.Field != last && fields[last].id == FieldSpike && fields[last].value == fields[last].live {
		return fields[:last]
	}
	return fields
}

// planFieldLines shares the fields out over lines.
func planFieldLines(fields []planField, w int) [][]int {
	var lines [][]int
	x := w
	for i := range fields {
		need := planFieldWidth(&fields[i])
		if x+need > w-1 {
			lines = append(lines, nil)
			x = 5
		}
		last := len(lines) - 1
		lines[last] = append(lines[last], i)
		x += need
	}
	return lines
}

func planFieldWidth(x *planField) int { return cells(x.name) + cells(x.write(x.value)) + 8 }

// drawPlanScreen is a pool on paper, with what the user changes of it.
func drawPlanScreen(a area, f *Frame, v *View, th Theme) {
	top, foot := planFrame(f, v, a.w, a.h)
	q, p := planQuestion(f, v, false)
	plan, err := capacity.NewPlan(q)
	if a.h < 6 {
		drawPlanVerdict(a.row(0), f, v, p, &plan, err)
	} else {
		drawHeader(a.row(0), f, v, planWhere(f, v, p, a.w)...)
		drawPlanVerdict(a.row(1), f, v, p, &plan, err)
	}
	if top > 2 {
		drawPlanFields(a.rows(2, top-2), planShown(f, v, a.h), v)
	}
	scroll(a.rows(top, a.h-top-foot), planBody(f, v, a.w, a.h, th.ascii), v.Scroll)
	if foot > 1 {
		drawTitle(a.row(a.h - 2))
	}
	if foot > 0 {
		drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
	}
}

func planWhere(f *Frame, v *View, p *fleet.Pool, w int) []segment {
	s := []segment{{"4 plan", normal, 2, false}}
	if p != nil && tiers(f) {
		s = append(s, segment{"pool " + cutMiddle(p.Name, 16), strong, 3, false})
	}
	if v.whatIf(p) != (WhatIf{}) {
		text := "what-if: nothing is changed on any host"
		if w < 80 || w < 110 && (f.Simulated || v.Warning != "") { // which must stand there too
			text = "what-if"
		}
		return append(s, segment{text, roleNotice.style(), 0, false})
	}
	return append(s, segment{"live values", dim, 6, false}, segment{"nothing is changed on any host", dim, 7, false})
}

// drawPlanVerdict is the number, or why there is none.
func drawPlanVerdict(a area, f *Frame, v *View, p *fleet.Pool, plan *capacity.Plan, err error) {
	pad := 1
	if a.w < 60 {
		pad = 0
	}
	switch {
	case p == nil:
		drawVerdictOf(a, f, v, nil)
	case err != nil:
		why := strings.TrimSuffix(strings.TrimPrefix(oneLine(err), "plan: "), ": "+capacity.ErrInput.Error())
		a.text(pad, 0, unknown, cut(first(a.w-2*pad, "? no plan: "+why, "? no plan"), a.w-2*pad))
	default:
		s := &plan.Sizing
		need, run := grouped(float64(s.Need)), grouped(float64(s.Run))
		made := " (" + grouped(float64(s.Raw)) + " for " + percent(capacity.Known(plan.TargetOf(s.Limit))) + "%"
		if s.Spare > 0 {
			made += " +" + strconv.Itoa(s.Spare) + " spare"
		}
		texts := []string{"NEED " + need + made + ")   run " + run, "NEED " + need + "   run " + run, "NEED " + need + "/" + run}
		if s.Short > 0 {
			short := "   SHORT " + grouped(float64(s.Short)) + " of max " + strconv.Itoa(plan.Rule.Max)
			texts = append([]string{texts[0] + short, texts[1] + short}, texts[1:]...)
		}
		if beside := planLive(f, v, p, s.Need); beside != "" {
			texts = append([]string{texts[0] + beside, texts[1] + beside}, texts...)
		}
		st := strong
		if s.Short > 0 {
			st = roleAct.style()
		}
		x := a.text(pad, 0, st, first(a.w-2*pad, texts...))
		if binds := "   binds: " + s.Limit; x+cells(binds) < a.w {
			a.text(x, 0, normal, binds)
		}
	}
}

// planLive is the number that is live, beside another one.
func planLive(f *Frame, v *View, p *fleet.Pool, need int) string {
	if v.whatIf(p) != (WhatIf{}) {
		q, _ := planQuestion(f, v, true)
		was, err := capacity.NewPlan(q)
		if err != nil {
			return "   (live: ?)"
		}
		return "   (live: NEED " + grouped(float64(was.Sizing.Need)) + ")"
	}
	if !p.Need.OK || p.Need.V == float64(need) {
		return ""
	}
	why := ", steadied over 15m)"
	if p.Counted < p.Hosts {
		why = " with the missing full)"
	}
	return "   (overview: " + count(p.Need, 9) + why
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func drawPlanFields(a area, fields []planField, v *View) {
	for y, line := range planFieldLines(fields, a.w) {
		if y == 0 {
			a.text(1, 0, title, "IF")
		}
		x := 5
		for _, i := range line {
			f := &fields[i]
			from := x
			x = a.text(x, y, dim, f.name) + 1
			st, left, right := normal, "[ ", " ]"
			if f.value != f.live && v.WhatIf[f.id].OK {
				st, left = strong, "[*"
			}
			if !f.value.OK {
				st = unknown
			}
			text := left + f.write(f.value) + right
			if i == v.Field {
				st = roleNotice.style()
			}
			x = a.text(x, y, st, text)
			a.sub(from, y, x-from, 1).zone(hit{own: hitField, item: i})
			x += 3
		}
	}
}
