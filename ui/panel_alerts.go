package ui

import (
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"capmon/alerts"
	"capmon/fleet"
)

// What the columns of the list show.
const (
	acState = iota
	acSince
	acFor
	acWhat
	acWhere
	acNow
	acClears
	acSeen
	acNext
)

// alertColumns are those that fit; what is left of the width goes to what the
// list has to say, then to a column that is read alone.
func alertColumns(f *Frame, list []alerts.Alert, width int) []tableColumn {
	cols := fitColumns([]tableColumn{
		{head: "STATE", width: 11, left: true, id: acState},
		{head: "SINCE", width: 8, left: true, id: acSince, drop: 3},
		{head: "FOR", width: 6, id: acFor, drop: 2},
		{head: "WHAT", width: 24, left: true, id: acWhat},
		{head: "WHERE", width: 10, left: true, id: acWhere, drop: 1},
		{head: "CLEARS", width: 9, left: true, id: acClears, drop: 5},
		{head: "SEEN", width: 4, left: true, id: acSeen, drop: 6},
		{head: "NEXT STEP", width: 18, left: true, id: acNext, drop: 4},
	}, width)
	want := func(c tableColumn) int {
		most := 0
		for i := range list {
			s, _ := alertCell(&list[i], tableColumn{id: c.id, width: 24}, f) // names are cut to so much
			most = max(most, cells(s))
		}
		return most
	}
	for i := range cols { // what they don't need is for the next step
		if cols[i].id == acWhat {
			cols[i].width = max(min(want(cols[i]), cols[i].width), 12)
		}
	}
	left := width - tableWidth(cols)
	for _, give := range []struct{ id, most int }{{acWhere, 24}, {acWhat, 40}, {acNext, 60}, {acWhat, 80}, {acNext, 80}} {
		for i := range cols {
			if cols[i].id == give.id && left > 0 {
				n := min(max(min(give.most, want(cols[i]))-cols[i].width, 0), left)
				cols[i].width += n
				left -= n
			}
		}
	}
	return cols
}

func drawAlertList(a area, f *Frame, v *View) {
	if a.h == 0 {
		return
	}
	list := alertsListed(f, v)
	cols := alertColumns(f, list, a.w)
	drawColumnHeads(a.row(0), cols)
	if len(list) == 0 {
		text := "nothing fires"
		switch {
		case !f.Watched:
			text = "? not watched yet"
		case len(f.Alerts) > 0:
			text = "no alert matches " + strconv.Quote(v.AlertFilter) + "   esc clears the filter"
			if v.AlertFilter == "" {
				text = "nothing fires; H shows what is over"
			}
		}
		a.text(1, 1, dim, text)
		return
	}
	at := alertPlace(list, v)
	top := scrolled(0, at, a.h-1, len(list))
	for y := range min(a.h-1, len(list)-top) {
		x := &list[top+y]
		row := a.row(1 + y)
		row.zone(hit{own: hitAlert, item: top + y})
		drawTableRow(row, cols, func(c tableColumn) (string, style) { return alertCell(x, c, f) })
		if top+y == at {
			row.text(0, 0, roleCursor.style(), "▶")
			row.paint(0, func(s style) style { return s | selected })
		}
	}
}

func alertStyle(a *alerts.Alert) style {
	switch {
	case a.Phase == alerts.Resolved || a.Phase == alerts.Pending:
		return dim
	case a.Phase == alerts.Acked:
		return normal
	case a.Level == fleet.Act:
		return roleAct.style()
	}
	return roleSoon.style()
}

// ackedAhead holds for an alert that was acked before it fires.
func ackedAhead(x *alerts.Alert) bool { return x.Phase == alerts.Pending && !x.AckedAt.IsZero() }

func alertCell(x *alerts.Alert, c tableColumn, f *Frame) (string, style) {
	st := normal
	if x.Phase == alerts.Resolved {
		st = dim
	}
	switch c.id {
	case acState:
		word := x.Phase.String()
		switch {
		case x.Phase == alerts.Firing:
			word = "FIRING"
		case !x.Snoozed.IsZero():
			word = "snoozed"
		case ackedAhead(x):
			word = "acked ahead"
		}
		s := word
		if x.Phase != alerts.Resolved && x.Phase != alerts.Pending {
			s += strings.Repeat(" ", max(8-len(word), 1)) + x.Level.Sign()
		}
		return s, alertStyle(x)
	case acSince:
		return x.Since.UTC().Format("15:04:05"), st
	case acFor:
		return spanText(num(alertLasted(x, f.Time).Seconds())), st
	case acWhat:
		s := x.What
		switch {
		case x.Note != "":
			s += " (" + x.Note + ")"
		case x.Flaps > 1:
			s += " ×" + strconv.Itoa(x.Flaps) + " in 20m"
		}
		if x.Unseen {
			st = unknown
		}
		return s, st
	case acWhere:
		return cutMiddle(x.Where, c.width), st
	case acClears:
		if x.Phase == alerts.Resolved {
			return "", st
		}
		return x.ClearsAt, st
	case acSeen:
		if x.Seen == 0 {
			return "", st
		}
		return "×" + strconv.Itoa(x.Seen), st
	case acNext:
		if x.Phase == alerts.Resolved {
			return "", st
		}
		if silentSteps(f, x) != nil {
			return "each its own: below", st
		}
		return x.Next, st
	}
	return "", st
}

// alertDetail is what there is to say of the alert under the cursor: a name and
// a text in each line.
func alertDetail(f *Frame, v *View, width int) [][2]string {
	x := alertAt(f, v)
	if x == nil {
		return nil
	}
	var out [][2]string
	add := func(name, text string) {
		for i, line := range strings.Split(ansi.Wrap(text, max(width-12, 1), ""), "\n") {
			if i > 0 {
				name = ""
			}
			out = append(out, [2]string{name, line})
		}
	}
	from := "(" + or(x.RuleFrom, "--alert "+x.Rule+"=…") + ")"
	if text := x.RuleText + "   " + from; cells(text) <= width-12 {
		add("rule", text)
	} else { // on a line of its own, not cut in the middle
		add("rule", x.RuleText)
		add("", from)
	}
	now := x.What
	if len(x.Places) > 1 {
		now += "   worst " + strings.Join(x.Places[:min(len(x.Places), 6)], ", ")
		if n := len(x.Places) - 6; n > 0 {
			now += " and " + strconv.Itoa(n) + " more"
		}
	}
	add("now", now)
	if x.Seen > 0 {
		since := ""
		if len(f.Events) > 0 {
			since = " since " + moment(f.Events[0].Time, f.Time)
		}
		add("seen", plural(x.Seen, "time")+" in the events that are kept"+since)
	}
	add("means", x.Means)
	if each := silentSteps(f, x); each != nil {
		for i, step := range each {
			add([...]string{"do", ""}[min(i, 1)], step)
		}
	} else {
		add("do", x.Next)
	}
	if x.Note != "" {
		add("note", x.Note)
	}
	if !x.Snoozed.IsZero() {
		add("snooze", "until "+x.Snoozed.UTC().Format("Mon 15:04Z"))
	}
	return out
}

// mostSteps is how many hosts of one alert are told one by one.
const mostSteps = 4

// silentSteps is what to do about each silent host of an alert, where that is not
// the same for all; nil where it is.
func silentSteps(f *Frame, x *alerts.Alert) []string {
	if x.Rule != alerts.Silent || len(x.Places) < 2 {
		return nil
	}
	var steps []string
	same, first := true, ""
	for i, name := range x.Places {
		h := hostNamed(f, name)
		if h == nil {
			continue
		}
		if i == 0 {
			first = h.Do
		}
		same = same && h.Do == first
		if len(steps) < mostSteps {
			steps = append(steps, h.Name+": "+reasonOf(h))
		}
	}
	if same {
		return nil
	}
	if more := len(x.Places) - len(steps); more > 0 {
		steps = append(steps, "and "+plural(more, "more host"))
	}
	return steps
}

func drawAlertDetail(a area, f *Frame, v *View) {
	x := alertAt(f, v)
	if x == nil {
		return
	}
	drawTitle(a.row(0), "selected: "+cut(x.What, max(a.w-20, 1)))
	for y, line := range alertDetail(f, v, a.w) {
		a.text(1, 1+y, dim, line[0])
		a.text(9, 1+y, normal, cut(line[1], a.w-10))
	}
}
