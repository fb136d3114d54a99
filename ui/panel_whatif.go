package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
)

// planSheet is what scrolls of the plan screen while it is drawn.
type planSheet struct {
	a area
	y int
}

// say folds text into the lines from x on.
func (s *planSheet) say(x int, st style, text string) {
	for line := range strings.SplitSeq(ansi.Wrap(text, max(s.a.w-x-1, 1), ""), "\n") {
		s.a.text(x, s.y, st, line)
		s.y++
	}
}

func (s *planSheet) title(names ...string) {
	drawTitle(s.a.row(s.y), names...)
	s.y++
}

// planBeside is how wide the column at the right is: what needs attention, and
// what NEED was. 0: there is none.
func planBeside(w int) int {
	if w < 180 {
		return 0
	}
	return 78 + (w-200)/3
}

// planBody is how the number is made, what other numbers of servers would come
// to, what to do, and how far that can be relied on.
func planBody(f *Frame, v *View, w, h int, ascii bool) *canvas {
	q, p := planQuestion(f, v, false)
	plan, err := capacity.NewPlan(q)
	var trust []string
	if p != nil {
		trust = f.Trust(p)
	}
	words := 0
	for _, list := range [][]string{plan.Steps, plan.Advice, trust} {
		for _, text := range list {
			words += 2 + cells(text)/max(w-planBeside(w)-6, 1)
		}
	}
	top, foot := planFrame(f, v, w, h)
	c := newCanvas(w, max(words+50, h-top-foot), ascii)
	s := planSheet{a: c.all().sub(0, 0, w-planBeside(w), c.h)}
	defer func() {
		if b := planBeside(w); b > 0 {
			drawPlanBeside(c.all().sub(w-b, 0, b, h-top-foot), f, v, p)
		}
	}()
	if p == nil || err != nil {
		for _, t := range trust {
			s.say(1, normal, t)
		}
		return c
	}
	if v.Compare {
		s.compare(f, v, p, &plan)
	}
	if w >= 60 && h >= 12 {
		s.title("how the number is made")
		steps := plan.Sizing.Steps
		if h >= 36 {
			steps = plan.Steps
		}
		for i := 0; i < len(steps); i++ {
			t, st := steps[i], normal
			if isPromise(t) { // below
				continue
			}
			if i+1 < len(steps) && strings.HasPrefix(steps[i+1], "limit ") && cells(t)+cells(steps[i+1])+5 < s.a.w {
				t += "    " + steps[i+1] // what is run, beside what is needed
				i++
			}
			if strings.HasPrefix(t, "need = ") || strings.HasSuffix(t, "(binds)") {
				st = strong
			}
			s.say(1, st, t)
		}
	}
	s.title("servers", planServersTitle(&plan))
	var live *capacity.Plan
	if v.Compare && v.whatIf(p) != (WhatIf{}) {
		was, _ := planQuestion(f, v, true)
		if p, err := capacity.NewPlan(was); err == nil {
			live = &p
		}
	}
	s.y += drawPlanTable(s.a.rows(s.y, c.h-s.y), &plan, live)
	s.advice(f, p, &plan)
	s.promises(v, p, &plan, q.Rule.Zones)
	s.title("how far to trust it")
	for _, t := range trust {
		s.say(1, dim, t)
	}
	if v.WhatIf[FieldCost].OK && v.whatIf(p)[FieldCost].OK {
		s.say(1, dim, "cpu: as typed; threads that were measured are left out")
	}
	rest := h - top - foot - s.y
	if w >= 100 && rest >= leastChart+2 && grows(&plan) {
		n := min(rest, 13)
		drawAhead(s.a.rows(s.y, n), &plan, f.At)
		s.y, rest = s.y+n, rest-n
	}
	if rest >= leastChart+2 && w >= 100 {
		if known := histories(f); len(known) > 0 {
			stackCharts(s.a.rows(s.y, min(rest, 16)), known[:1], f, v)
		}
	}
	return c
}

// isPromise says whether a step is about a spike or an SLA, which change no number.
func isPromise(step string) bool {
	return strings.HasPrefix(step, "spike ×") || strings.HasPrefix(step, "SLA ")
}

// promises are what a spike, the loss of a zone and the SLA would mean.
func (s *planSheet) promises(v *View, p *fleet.Pool, plan *capacity.Plan, zones int) {
	begun := false
	begin := func() {
		if !begun {
			s.title("spikes and promises", "not in NEED")
		}
		begun = true
	}
	for _, t := range plan.Steps {
		if isPromise(t) {
			begin()
			s.say(1, normal, t)
		}
	}
	if p.LoseZone.OK && v.whatIf(p) == (WhatIf{}) {
		begin()
		text, st := usedText(p.LoseZone, plan.Target)
		x := s.a.text(1, s.y, normal, "one zone of "+strconv.Itoa(zones)+" lost, with the servers of now: ")
		s.a.text(x, s.y, st, strings.TrimSpace(text)+" of "+p.Bound)
		s.y++
	}
}

func planServersTitle(p *capacity.Plan) string {
	for _, l := range p.Limits {
		if l.Unlike() {
			return "of their mean: they are unlike"
		}
	}
	return "what each number would come to"
}

// advice is what to do, in order: servers, then the threads that no server
// helps.
func (s *planSheet) advice(f *Frame, p *fleet.Pool, plan *capacity.Plan) {
	all := slices.Clone(plan.Advice)
	const most = 3
	bound := 0
	for i := range f.Hosts {
		h := &f.Hosts[i]
		if len(h.Findings) == 0 || tiers(f) && h.Pool != p.Name {
			continue
		}
		if bound++; bound <= most {
			all = append(all, h.Name+": "+h.Findings[0].Brief()+arrow+helpText(h, s.a.w))
		}
	}
	if bound > most {
		all = append(all, plural(bound-most, "more host")+" with a full thread: screen 2 shows them")
	}
	if len(all) == 0 {
		return
	}
	s.title("what to do, in order")
	for i, t := range all {
		s.a.text(1, s.y, strong, strconv.Itoa(i+1))
		s.say(4, normal, t)
	}
}

// compare sets what is asked beside what is live.
func (s *planSheet) compare(f *Frame, v *View, p *fleet.Pool, plan *capacity.Plan) {
	s.title("compared with live")
	was, _ := planQuestion(f, v, true)
	live, err := capacity.NewPlan(was)
	heads := []string{"NEED", "run", "SHORT"}
	for _, l := range plan.Limits {
		heads = append(heads, l.Name)
	}
	heads = append(heads, "load", "full in", "a day")
	line := func(name string, p *capacity.Plan, st style) {
		s.a.text(1, s.y, dim, name)
		values := []string{whole(num(float64(p.Sizing.Need)), 7), whole(num(float64(p.Sizing.Run)), 7), whole(num(float64(p.Sizing.Short)), 7)}
		for _, l := range plan.Limits {
			n := capacity.Num{}
			if at := slices.IndexFunc(p.Limits, func(o capacity.PoolLimit) bool { return o.Name == l.Name }); at >= 0 {
				n = num(float64(p.Sizing.Each[at]))
			}
			values = append(values, whole(n, 7))
		}
		full, money := "-", "-"
		if p.FullIn.OK {
			full = spanText(p.FullIn)
		}
		if p.Price.OK {
			money = moneyText(p.Price.V*24*float64(p.Sizing.Run), 8)
		}
		for i, t := range append(values, whole(p.Load, 9), full, money) {
			if x := 10 + (i+1)*9; x <= s.a.w {
				s.a.right(x, s.y, st, t)
			}
		}
		s.y++
	}
	for i, t := range heads {
		if x := 10 + (i+1)*9; x <= s.a.w {
			s.a.right(x, s.y, head, cutMiddle(t, 8))
		}
	}
	s.y++
	line("what-if", plan, strong)
	if err != nil {
		s.say(1, unknown, "live ? "+oneLine(err))
		return
	}
	line("live", &live, normal)
	steady := "? it is not sized"
	if p.Need.OK {
		steady = count(p.Need, 7)
	}
	s.say(1, dim, "line 2 of the overview: NEED "+steady+", which is steadied and counts the larger of a minute's mean and five minutes' p95")
}

// drawPlanTable is servers × what they mean, with what is live under it where
// that is to be compared; it returns the lines used.
func drawPlanTable(a area, p, live *capacity.Plan) int {
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
		same bool // live is the same
	}
	used := func(of func(*capacity.Row) capacity.Num) func(*capacity.Row) (string, style) {
		return func(r *capacity.Row) (string, style) { return usedText(of(r), p.Target) }
	}
	marks := func(k int) line {
		return line{"", func(r *capacity.Row) (string, style) {
			if k < len(r.Marks) {
				return r.Marks[k] + "  ", strong
			}
			return "", normal
		}, slices.ContainsFunc(rows, func(r capacity.Row) bool { return k < len(r.Marks) }), true}
	}
	y := 0
	show := func(head string, l line, rows []capacity.Row) {
		a.text(1, y, dim, head)
		for i := range rows {
			text, st := l.cell(&rows[i])
			a.right(name+(i+1)*width, y, st, text)
		}
		y++
	}
	for _, l := range []line{
		{"servers", func(r *capacity.Row) (string, style) { return grouped(float64(r.Servers)) + "  ", strong }, true, true},
		{"now", used(func(r *capacity.Row) capacity.Num { return r.Now }), true, false},
		{"one lost", func(r *capacity.Row) (string, style) {
			if r.Servers == 1 { // nothing is left
				return "-  ", dim
			}
			return usedText(r.Lost, p.Target)
		}, true, false},
		{later, used(func(r *capacity.Row) capacity.Num { return r.Later }), later != "", false},
		{"full in", func(r *capacity.Row) (string, style) {
			if !r.FullIn.OK {
				return "-  ", dim
			}
			return spanText(r.FullIn) + "  ", normal
		}, later != "", false},
		{"a day", func(r *capacity.Row) (string, style) { return moneyText(r.PerDay.V, 7) + "  ", normal }, p.Price.OK, true},
		marks(0), marks(1), marks(2),
	} {
		if !l.on {
			continue
		}
		show(l.name, l, rows)
		if live != nil && !l.same {
			was := make([]capacity.Row, len(rows))
			for i := range rows {
				was[i] = live.At(rows[i].Servers)
			}
			show("   live", l, was)
		}
	}
	return y
}

// drawPlanBeside is what needs attention, and what NEED was as far as it is
// kept.
func drawPlanBeside(a area, f *Frame, v *View, p *fleet.Pool) {
	for y := range a.h {
		a.put(0, y, 1, '│', rule)
	}
	a = a.sub(1, 0, a.w-1, a.h)
	all := notices(f, &plan{left: a.w}, a.w, max(a.h/3, 3), true)
	y := 0
	if len(all) > 0 {
		drawNotices(a.rows(0, len(all)+1), all)
		y = len(all) + 2
	}
	if p == nil || a.h-y < 3 {
		return
	}
	n := &p.Needs
	rows := a.rows(y, a.h-y)
	var known []history
	for _, h := range []struct {
		name   string
		values []float64
	}{{"NEED", n.Need}, {"for the load of the moment", n.Raw}, {"servers up", n.Have}} {
		if !(highest(h.values) > 0) {
			continue
		}
		known = append(known, history{name: h.name, values: h.values, now: whole(lastKnown(h.values), 9), format: whole, top: math.NaN(), target: math.NaN(), zero: true})
	}
	if len(known) == 0 {
		drawTitle(rows.row(0), "NEED over time")
		rows.text(1, 1, unknown, "? nothing kept yet: it is noted every ten seconds while this viewer runs")
		return
	}
	for i := range known {
		h := rows.h / len(known)
		drawChart(rows.rows(i*h, h), known[i], f, v)
	}
}

// lastKnown is the newest value that is one.
func lastKnown(values []float64) capacity.Num {
	for _, x := range slices.Backward(values) {
		if n := num(x); n.OK {
			return n
		}
	}
	return capacity.Num{}
}
