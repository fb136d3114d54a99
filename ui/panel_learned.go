package ui

import (
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
)

// learnedRow is one line of the table of what was learned.
type learnedRow struct {
	left   [2]string // what stands in the two columns at the left
	at     *fleet.Learned
	target float64 // that its limit is to run at; 0: not known
}

// common is the target that all rows have, 0 where they differ.
func common(rows []learnedRow) float64 {
	for i := range rows {
		if rows[i].target != rows[0].target {
			return 0
		}
	}
	if len(rows) == 0 {
		return 0
	}
	return rows[0].target
}

// What the columns of that table show.
const (
	lrFirst = iota
	lrSecond
	lrLoad
	lrTarget
	lrInterval
	lrFull
	lrCost
	lrBesides
	lrPoints
	lrSince
)

// learnedColumns are those that width cells have room for; heads name the two
// at the left, first is the width of the first of them.
func learnedColumns(heads [2]string, first, second, width int, target float64, load bool) []tableColumn {
	cols := []tableColumn{
		{head: heads[0], width: first, left: true, id: lrFirst},
		{head: heads[1], width: second, left: true, id: lrSecond, drop: 2},
		{head: "LOAD", width: 8, drop: 3, id: lrLoad},
		{head: strings.ToUpper(atTarget(target)), width: 16, id: lrTarget},
		{head: "INTERVAL", width: 14, drop: 6, id: lrInterval},
		{head: "AT 100%", width: 16, drop: 8, id: lrFull},
		{head: "COST", width: 6, drop: 1, id: lrCost},
		{head: "BESIDES", width: 9, drop: 7, id: lrBesides},
		{head: "POINTS", width: 6, drop: 4, id: lrPoints},
		{head: "SINCE", width: 9, drop: 5, id: lrSince},
	}
	if !load {
		cols = append(cols[:2:2], cols[3:]...)
		cols[len(cols)-1].width = 5
	}
	return fitColumns(cols, width)
}

// estimateText is a number with how far it may be trusted, where it is a bound.
func estimateText(l *fleet.Learned, e *capacity.Estimate) string {
	switch {
	case e.Trust == capacity.NotKnown || !e.Capacity.OK:
		return unknownText
	case e.Trust == capacity.AtLeast:
		return "at least " + rateText(l, e.Capacity, 5)
	}
	return rateText(l, e.Capacity, 6)
}

// rateText is a load in so many cells, and /s where it is one.
func rateText(l *fleet.Learned, n capacity.Num, width int) string {
	if !n.OK || !perSecond(l) {
		return whole(n, width)
	}
	return count(n, width) + "/s"
}

func (r *learnedRow) cell(c tableColumn, now time.Time) (string, style) {
	l := r.at
	switch c.id {
	case lrFirst:
		return cutMiddle(r.left[0], c.width), normal
	case lrSecond:
		return cutMiddle(r.left[1], c.width), normal
	case lrLoad:
		return rateText(l, l.Load, 6), normal
	case lrTarget:
		if l.AtTarget.Trust == capacity.Learned {
			return estimateText(l, &l.AtTarget), strong
		}
		return estimateText(l, &l.AtTarget), normal
	case lrInterval:
		return intervalText(l.AtTarget.Of), dim
	case lrFull:
		return estimateText(l, &l.Full), normal
	case lrCost:
		brief, _ := costText(l)
		return or(brief, unknownText), normal
	case lrBesides:
		return besidesText(l), normal
	case lrPoints:
		return count(capacity.Known(float64(l.Basis.Points)), 6), normal
	case lrSince:
		s := moment(l.Basis.Since, now)
		if cells(s) > c.width {
			s = l.Basis.Since.UTC().Format("Mon")
		}
		return s, normal
	}
	return "", normal
}

// noteLines is how many notes a row has: all, or those of changes.
func noteLines(l *fleet.Learned, all bool) int {
	n := 0
	if all && l.AtTarget.Trust != capacity.Learned && l.AtTarget.Why() != "" {
		n++
	}
	if c := l.Basis.Change; !c.At.IsZero() && num(c.Factor).OK {
		n++
	}
	return n
}

// notes are the lines under a row: why it is not learned, where all is asked
// for, and a change of what a request costs.
func (r *learnedRow) notes(all bool, now time.Time) []string {
	var out []string
	if all && r.at.AtTarget.Trust != capacity.Learned && r.at.AtTarget.Why() != "" {
		out = append(out, r.at.AtTarget.Why())
	}
	if s := changeText(r.at, now); s != "" {
		out = append(out, s)
	}
	return out
}

// drawLearnedRows draws the heads and the rows with their notes, all or those of
// changes, and returns the lines used.
func drawLearnedRows(a area, cols []tableColumn, rows []learnedRow, all bool, now time.Time) int {
	drawColumnHeads(a.row(0), cols)
	y := 1
	for i := range rows {
		r := &rows[i]
		drawTableRow(a.row(y), cols, func(c tableColumn) (string, style) { return r.cell(c, now) })
		y++
		for _, s := range r.notes(all, now) {
			a.text(3, y, dim, cut(s, a.w-4))
			y++
		}
	}
	return y
}

// drawLearnedHost is the pane of the host screen, a line for each limit; it
// returns the lines used, none where nothing is told.
func drawLearnedHost(a area, f *Frame, h *fleet.Host) int {
	if len(h.Learned)+len(h.Scaling) == 0 {
		return 0
	}
	rows := make([]learnedRow, len(h.Learned))
	named := 7
	for i := range h.Learned {
		l := &h.Learned[i]
		rows[i] = learnedRow{left: [2]string{l.Limit, serviceText(l)}, at: l, target: l.Target}
		named = max(named, cells(rows[i].left[1]))
	}
	drawTitle(a.row(0), "learned from traffic", "what a request costs and how many it can take")
	cols := learnedColumns([2]string{"LIMIT", "SERVICE"}, 6, min(named, 14), a.w, common(rows), true)
	y := 1
	if len(rows) > 0 {
		y += drawLearnedRows(a.rows(y, a.h-y), cols, rows, true, f.At)
	}
	return y + drawScaling(a.rows(y, a.h-y), h)
}

// drawScaling says how services follow their workers, and what to do about it;
// it returns the lines used.
func drawScaling(a area, h *fleet.Host) int {
	y := 0
	say := func(x int, st style, s string) {
		for line := range strings.SplitSeq(ansi.Wrap(s, max(a.w-x-1, 1), ""), "\n") {
			a.text(x, y, st, line)
			y++
		}
	}
	for i := range h.Scaling {
		s := &h.Scaling[i]
		st := normal
		if s.Law == nil {
			st = dim
		}
		say(1, st, s.Say())
		for _, do := range s.Advice {
			say(3, dim, "→ "+do)
		}
	}
	return y
}

func serviceText(l *fleet.Learned) string {
	port := ""
	if l.Port > 0 {
		port = ":" + strconv.Itoa(l.Port)
	}
	return or(strings.TrimSpace(l.Service+" "+port), "all of it")
}

// learnedRows are what the listed hosts learned of the limit that fills first,
// in the order of the table; of one machine, of all its limits.
func learnedRows(f *Frame, p *plan) []learnedRow {
	var rows []learnedRow
	if p.alone(f) {
		h := &f.Hosts[p.rows[0]]
		for i := range h.Learned {
			l := &h.Learned[i]
			rows = append(rows, learnedRow{left: [2]string{serviceText(l), l.Limit}, at: l, target: l.Target})
		}
		return rows
	}
	for _, i := range p.rows {
		if h := &f.Hosts[i]; len(h.Learned) > 0 {
			l := &h.Learned[0]
			rows = append(rows, learnedRow{left: [2]string{h.Name, l.Limit}, at: l, target: l.Target})
		}
	}
	return rows
}

// learnedHeight is how many lines the pane beside would fill with all notes,
// with those of changes, and at least.
func learnedHeight(f *Frame, p *plan) (all, changes, least int) {
	rows := 0
	for _, i := range p.rows {
		learned := f.Hosts[i].Learned
		if !p.alone(f) && len(learned) > 1 {
			learned = learned[:1]
		}
		for k := range learned {
			rows++
			all += noteLines(&learned[k], true)
			changes += noteLines(&learned[k], false)
		}
	}
	if rows == 0 {
		return 0, 0, 0
	}
	return 2 + rows + all, 2 + rows + changes, min(2+rows, 6)
}

// drawLearnedFleet is the pane of the wide overview: a line for each host, the
// one under the cursor among them.
func drawLearnedFleet(a area, f *Frame, v *View, p *plan) {
	rows := learnedRows(f, p)
	want, _, _ := learnedHeight(f, p)
	name, at := len("SERVICE"), 0
	for i := range rows {
		name = max(name, cells(rows[i].left[0]))
		if c := cursorRow(f, v, p.rows); c >= 0 && rows[i].left[0] == f.Hosts[p.rows[c]].Name {
			at = i
		}
	}
	heads := [2]string{"HOST", "LIMIT"}
	if p.alone(f) {
		heads[0] = "SERVICE"
	}
	cols := learnedColumns(heads, min(name, 10), 6, a.w, common(rows), false)
	all := want <= a.h
	shown := learnedShown(rows, at, a.h-2, all)
	more := ""
	if len(shown) < len(rows) {
		more = strconv.Itoa(len(shown)) + " of " + strconv.Itoa(len(rows))
	}
	drawTitle(a.row(0), "learned from traffic", more)
	drawLearnedRows(a.rows(1, a.h-1), cols, shown, all, f.At)
}

// learnedShown are as many rows as stand in n lines with their notes, the one
// at the cursor among them.
func learnedShown(rows []learnedRow, at, n int, all bool) []learnedRow {
	for k := min(len(rows), max(n, 0)); k > 0; k-- {
		top := scrolled(0, at, k, len(rows))
		lines := k
		for i := range k {
			lines += noteLines(rows[top+i].at, all)
		}
		if lines <= n {
			return rows[top : top+k]
		}
	}
	return nil
}
