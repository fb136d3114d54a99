package ui

import (
	"slices"
	"strconv"
	"strings"

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
