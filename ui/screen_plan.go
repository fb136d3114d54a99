package ui

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

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
			m.view.setField(x.id, n)
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
func planQuestion(f *Frame, v *View, live bool) (q capacity.Question, p *fleet.Pool, lacks []string) {
	if len(f.Pools) == 0 {
		return q, nil, []string{"no host has been read yet"}
	}
	p = &f.Pools[poolAt(f, v)]
	q, lacks = f.Question(p)
	if live {
		return q, p, lacks
	}
	is := func(id FieldID) bool { return v.WhatIf[id].OK }
	n := func(id FieldID) float64 { return v.WhatIf[id].V }
	scale := 1.0
	if is(FieldRPS) {
		if q.RPS.OK && q.RPS.V > 0 {
			scale = n(FieldRPS) / q.RPS.V
		}
		q.RPS = capacity.Known(n(FieldRPS))
	}
	if is(FieldUsers) {
		if q.Users.OK && q.Users.V > 0 && !is(FieldRPS) {
			scale = n(FieldUsers) / q.Users.V
			if q.RPS.OK { // as many requests each as now
				q.RPS = capacity.Known(q.RPS.V * scale)
			}
		}
		q.Users = capacity.Known(n(FieldUsers))
	}
	if q.CoresUsed.OK {
		q.CoresUsed = capacity.Known(q.CoresUsed.V * scale)
	}
	if is(FieldGrowth) {
		q.Growth.PerSecond = n(FieldGrowth) / 60
	}
	if is(FieldAhead) {
		q.Growth.For = time.Duration(n(FieldAhead) * float64(time.Second))
	}
	if is(FieldPerServer) {
		q.PerServer = capacity.Known(n(FieldPerServer))
		if !q.Users.OK && p.Users.OK {
			q.Users = p.Users
		}
	}
	if is(FieldCost) {
		q.Cost, q.CoresUsed = capacity.Known(n(FieldCost)), capacity.Num{}
	}
	if is(FieldTarget) {
		q.Rule.Target = n(FieldTarget)
	}
	if is(FieldSpare) {
		q.Rule.Spare = int(n(FieldSpare))
	}
	if is(FieldWarmUp) {
		q.WarmUp = time.Duration(n(FieldWarmUp) * float64(time.Second))
	}
	if is(FieldMin) {
		q.Rule.Min = int(n(FieldMin))
	}
	if is(FieldMax) {
		q.Rule.Max = int(n(FieldMax))
	}
	if is(FieldPrice) {
		q.Price = capacity.Known(n(FieldPrice))
	}
	return q, p, lacks
}

// planFields are the fields that mean something for the pool on screen.
func planFields(f *Frame, v *View) []planField {
	now, p, _ := planQuestion(f, v, true)
	q, _, _ := planQuestion(f, v, v.AsIs)
	if p == nil {
		return nil
	}
	whole := func(n float64) capacity.Num { return capacity.Known(n) }
	values := func(q capacity.Question) [fieldIDs]capacity.Num {
		perSecond := func(v float64) capacity.Num { return capacity.Known(v * 60) }
		return [fieldIDs]capacity.Num{
			FieldUsers: q.Users, FieldRPS: q.RPS, FieldGrowth: perSecond(q.Growth.PerSecond), FieldAhead: whole(q.Growth.Horizon().Seconds()),
			FieldPerServer: q.PerServer, FieldCost: q.Cost, FieldTarget: whole(q.Rule.Target), FieldSpare: whole(float64(q.Rule.Spare)),
			FieldWarmUp: whole(q.WarmUp.Seconds()), FieldMin: whole(float64(q.Rule.Min)), FieldMax: whole(float64(q.Rule.Max)), FieldPrice: q.Price,
		}
	}
	was, is := values(now), values(q)
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
			s := grouped(n.V)
			if n.V > 0 {
				s = "+" + s
			}
			return s + "/min"
		}, func(s string) (float64, error) {
			return readAmount(strings.TrimSuffix(strings.TrimPrefix(s, "+"), "/min"), -1e9, 1e9)
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
	people := now.Users.OK || v.WhatIf[FieldUsers].OK
	return slices.DeleteFunc(fields, func(x planField) bool {
		switch x.id {
		case FieldUsers:
			return !people && !p.Users.OK
		case FieldRPS:
			return !x.value.OK
		case FieldCost:
			return !q.RPS.OK
		}
		return false
	})
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

// setField changes a field, or takes the change back where it is live again.
func (v *View) setField(id FieldID, n float64) {
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
	case actNextField, actDown, actRight:
		v.Field = (v.Field + 1) % n
	case actLastField, actUp, actLeft:
		v.Field = (v.Field + n - 1) % n
	case actMore, actLess:
		x := fields[v.Field]
		if !x.value.OK {
			v.Note = x.name + " is not known: enter gives it a value"
			return true
		}
		v.setField(x.id, x.step(x.value.V, do == actMore))
	case actEdit:
		m.editField()
	case actReset:
		v.WhatIf, v.AsIs, v.Note = WhatIf{}, false, "back to what is live"
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
	top = 2 + len(planFieldLines(planFields(f, v), w))
	if h >= 20 {
		foot = 1
	}
	return min(top, h/2), foot + 1
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
	q, p, lacks := planQuestion(f, v, v.AsIs)
	plan, err := capacity.NewPlan(q)
	if a.h < 6 {
		drawPlanVerdict(a.row(0), f, v, p, &plan, err, lacks)
	} else {
		drawHeader(a.row(0), f, v, planWhere(f, v, p)...)
		drawPlanVerdict(a.row(1), f, v, p, &plan, err, lacks)
	}
	if top > 2 {
		drawPlanFields(a.rows(2, top-2), planFields(f, v), v)
	}
	scroll(a.rows(top, a.h-top-foot), planBody(f, v, a.w, a.h, th.ascii), v.Scroll)
	if foot > 1 {
		drawTitle(a.row(a.h - 2))
	}
	if foot > 0 {
		drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
	}
}

func planWhere(f *Frame, v *View, p *fleet.Pool) []segment {
	s := []segment{{"4 plan", normal, 5, false}}
	if p != nil && tiers(f) {
		s = append(s, segment{"pool " + cutMiddle(p.Name, 16), strong, 3, false})
	}
	state := "live values"
	if v.WhatIf != (WhatIf{}) && !v.AsIs {
		state = "WHAT IF"
		return append(s, segment{state, roleNotice.style(), 1, false}, segment{"nothing is changed on any host", dim, 7, false})
	}
	return append(s, segment{state, dim, 6, false})
}

// drawPlanVerdict is the number, or why there is none.
func drawPlanVerdict(a area, f *Frame, v *View, p *fleet.Pool, plan *capacity.Plan, err error, lacks []string) {
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
		texts := []string{"NEED " + need + " (" + grouped(float64(s.Raw)) + " for " + percent(capacity.Known(plan.Target)) + "% +" + strconv.Itoa(s.Spare) + " spare)   run " + run, "NEED " + need + "   run " + run, "NEED " + need + "/" + run}
		if s.Short > 0 {
			short := "   SHORT " + grouped(float64(s.Short)) + " of max " + strconv.Itoa(plan.Rule.Max)
			texts = append([]string{texts[0] + short, texts[1] + short}, texts[1:]...)
		}
		if v.WhatIf != (WhatIf{}) && !v.AsIs {
			if live, _, _ := planQuestion(f, v, true); true {
				if was, err := capacity.NewPlan(live); err == nil {
					texts = append([]string{texts[0] + "   (live: NEED " + grouped(float64(was.Sizing.Need)) + ")"}, texts...)
				}
			}
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
			if f.value != f.live && v.WhatIf[f.id].OK && !v.AsIs {
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

// planBody is how the number is made, what other numbers of servers would come
// to, and what to do.
func planBody(f *Frame, v *View, w, h int, ascii bool) *canvas {
	q, p, lacks := planQuestion(f, v, v.AsIs)
	plan, err := capacity.NewPlan(q)
	c := newCanvas(w, len(plan.Steps)*3+len(plan.Advice)*2+len(lacks)*3+40, ascii)
	a := c.all()
	y := 0
	say := func(x int, st style, s string) {
		for line := range strings.SplitSeq(ansi.Wrap(s, max(w-x-1, 1), ""), "\n") {
			a.text(x, y, st, line)
			y++
		}
	}
	if p == nil || err != nil {
		for _, s := range lacks {
			say(1, normal, s)
		}
		return c
	}
	if w >= 60 && h >= 12 {
		drawTitle(a.row(y), "how the number is made")
		y++
		steps := plan.Sizing.Steps
		if h >= 36 {
			steps = plan.Steps
		}
		for _, s := range steps {
			st := normal
			if strings.HasPrefix(s, "need = ") || strings.HasSuffix(s, "(binds)") {
				st = strong
			}
			say(1, st, s)
		}
	}
	drawTitle(a.row(y), "servers", "what each number would come to")
	y++
	y += drawPlanTable(a.rows(y, c.h-y), &plan)
	if len(plan.Advice) > 0 {
		drawTitle(a.row(y), "what to do, in order")
		y++
		for i, s := range plan.Advice {
			a.text(1, y, strong, strconv.Itoa(i+1))
			say(4, normal, s)
		}
	}
	if len(lacks) > 0 || !p.Growth.OK {
		drawTitle(a.row(y), "how far to trust it")
		y++
		for _, s := range lacks {
			say(1, dim, s)
		}
		if p.Trend.Step != "" {
			say(1, dim, "growth: "+strings.TrimPrefix(p.Trend.Step, "trend "))
		}
		if p.TargetFrom != "" && !v.WhatIf[FieldTarget].OK {
			say(1, dim, "target: "+p.TargetFrom)
		}
	}
	top, foot := planFrame(f, v, w, h)
	if rest := h - top - foot - y; rest >= leastChart+2 && w >= 100 {
		if known := histories(f); len(known) > 0 {
			stackCharts(a.rows(y, min(rest, 16)), known[:1], f, v)
		}
	}
	return c
}

// drawPlanTable is servers × what they mean; it returns the lines used.
func drawPlanTable(a area, p *capacity.Plan) int {
	rows := slices.Clone(p.Rows)
	later, name := "", 10
	if p.Later.OK {
		later = "in " + capacity.Span(p.Growth.Horizon().Seconds()) + " (" + count(p.Later, 9) + ")"
		name = max(name, cells(later)+2)
	}
	const width = 8
	for len(rows) > 1 && len(rows)*width > a.w-name-1 {
		rows = slices.Delete(rows, leastOf(rows), leastOf(rows)+1)
	}
	type line struct {
		name string
		cell func(*capacity.Row) (string, style)
		on   bool
	}
	used := func(of func(*capacity.Row) capacity.Num) func(*capacity.Row) (string, style) {
		return func(r *capacity.Row) (string, style) { return usedText(of(r), p.Target) }
	}
	y := 0
	for _, l := range []line{
		{"servers", func(r *capacity.Row) (string, style) { return grouped(float64(r.Servers)) + "  ", strong }, true},
		{"now", used(func(r *capacity.Row) capacity.Num { return r.Now }), true},
		{"one lost", used(func(r *capacity.Row) capacity.Num { return r.Lost }), true},
		{later, used(func(r *capacity.Row) capacity.Num { return r.Later }), later != ""},
		{"full in", func(r *capacity.Row) (string, style) {
			if !r.FullIn.OK {
				return "-  ", dim
			}
			return spanText(r.FullIn) + "  ", normal
		}, later != ""},
		{"a day", func(r *capacity.Row) (string, style) { return moneyText(r.PerDay.V, 7) + "  ", normal }, p.Price.OK},
		{"", func(r *capacity.Row) (string, style) {
			return first(width-1, strings.Join(r.Marks, ","), last(r.Marks)) + "  ", strong
		}, true},
	} {
		if !l.on {
			continue
		}
		a.text(1, y, dim, l.name)
		for i := range rows {
			text, st := l.cell(&rows[i])
			a.right(name+(i+1)*width, y, st, text)
		}
		y++
	}
	return y
}

func last(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}
