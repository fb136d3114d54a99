package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// planRow is a line of the plan: a name, and a cell for each number of servers.
type planRow struct {
	name string
	cell func(*capacity.Row) (string, style)
}

// planTable are the lines of the plan of a pool that say anything.
func planTable(f *Frame, p *fleet.Pool) []planRow {
	some := func(of func(*capacity.Row) capacity.Num) bool {
		return slices.ContainsFunc(p.Rows, func(r capacity.Row) bool { return of(&r).OK })
	}
	target := targetOf(f, p)
	used := func(of func(*capacity.Row) capacity.Num) func(*capacity.Row) (string, style) {
		return func(r *capacity.Row) (string, style) { return usedText(of(r), target) }
	}
	lost := func(r *capacity.Row) capacity.Num { return r.Lost }
	rows := []planRow{
		{"servers", func(r *capacity.Row) (string, style) { return strconv.Itoa(r.Servers) + "  ", strong }},
		{or(p.Bound, "used"), used(func(r *capacity.Row) capacity.Num { return r.Now })},
		{"-1 host", func(r *capacity.Row) (string, style) {
			if r.Servers == 1 { // nothing is left
				return "-  ", dim
			}
			return used(lost)(r)
		}},
	}
	if some(func(r *capacity.Row) capacity.Num { return r.FullIn }) {
		rows = append(rows, planRow{"full in", func(r *capacity.Row) (string, style) {
			if !r.FullIn.OK { // nothing grows into it, which is an answer
				return "-  ", dim
			}
			return spanText(r.FullIn) + "  ", normal
		}})
	}
	if some(func(r *capacity.Row) capacity.Num { return r.PerDay }) {
		rows = append(rows, planRow{"a day", func(r *capacity.Row) (string, style) {
			if !r.PerDay.OK {
				return unknownText + "  ", unknown
			}
			return moneyText(r.PerDay.V, 7) + "  ", normal
		}})
	}
	marks := 0
	for i := range p.Rows {
		marks = max(marks, len(p.Rows[i].Marks))
	}
	for i := range marks {
		rows = append(rows, planRow{"", func(r *capacity.Row) (string, style) {
			if i >= len(r.Marks) {
				return "", normal
			}
			return r.Marks[i] + "  ", strong
		}})
	}
	return rows
}

// usedText is a share of the nearest limit with the sign it deserves, the
// numbers of all one under another.
func usedText(n capacity.Num, target float64) (string, style) {
	if !n.OK {
		return unknownText + "  ", unknown
	}
	text, mark := capacity.PercentBeside(n.V, target), fullSign(n.V)
	if n.V >= 9.995 { // a column holds no more
		text = ">999%"
	}
	switch {
	case mark.text != "":
		return text + mark.text, mark.role.style()
	case target > 0 && n.V > target*(1+1e-9):
		return text + "! ", roleSoon.style()
	}
	return text + "  ", normal
}

// moneyText is an amount of money in at most width cells.
func moneyText(v float64, width int) string {
	if s := capacity.Decimal(v, 2); len(s) <= width {
		return s
	}
	return count(num(math.Round(v)), width)
}

// planHeight is how many lines the plan of a pool fills; none without one.
func planHeight(p *fleet.Pool) int {
	if p == nil || len(p.Rows) == 0 {
		return 0
	}
	grows, costs, marks := 0, 0, 0
	for i := range p.Rows {
		r := &p.Rows[i]
		marks = max(marks, len(r.Marks))
		if r.FullIn.OK {
			grows = 1
		}
		if r.PerDay.OK {
			costs = 1
		}
	}
	return 4 + grows + costs + marks // title, servers, used, one lost
}

// drawPlan is what other numbers of servers would come to. Columns that have no
// room are left out, those with a mark last.
func drawPlan(a area, f *Frame, p *fleet.Pool) {
	what := "what other numbers of servers would come to"
	if tiers(f) {
		what = "of " + p.Name + ": " + what
	}
	drawTitle(a.row(0), "plan", what)
	const name, most = 9, 10
	rows := slices.Clone(p.Rows)
	for len(rows) > 1 && len(rows)*8 > a.w-name {
		rows = slices.Delete(rows, leastOf(rows), leastOf(rows)+1)
	}
	width := min((a.w-name)/max(len(rows), 1), most)
	for y, line := range planTable(f, p) {
		a.text(1, 1+y, dim, cutMiddle(line.name, name-1))
		for i := range rows {
			text, st := line.cell(&rows[i])
			if strings.TrimSpace(text) == unknownText {
				st = unknown
			}
			a.right(name+(i+1)*width, 1+y, st, text)
		}
	}
}

// leastOf is the row that can best be done without: the last that has no mark.
func leastOf(rows []capacity.Row) int {
	for i, r := range slices.Backward(rows) {
		if len(r.Marks) == 0 {
			return i
		}
	}
	return len(rows) - 1
}
