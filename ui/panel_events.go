package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/alerts"
	"capmon/fleet"
)

// drawTimeline is the span of the charts with what happened in it: a mark a
// column.
func drawTimeline(a area, f *Frame, v *View) {
	const name = 9
	n := a.w - name - 1
	if n < 10 || f.At.IsZero() {
		return
	}
	span := spanOf(f, v)
	begin := f.At.Add(-span)
	drawTitle(a.row(0), "timeline", begin.UTC().Format("15:04")+" → "+f.At.UTC().Format("15:04Z"), "[ ] moves all screens, n N to an event", timelineMarks(a.c.ascii))
	axis := a.sub(name, 1, n, a.h-1)
	axis.zone(hit{own: hitTime})
	rows := []string{"alerts", "users", "changes", "agents"}
	if tiers(f) || !byConnections(&f.Totals) { // what is kept of minutes ago
		rows[1] = "conns"
	}
	for y, s := range rows[:min(len(rows), a.h-1)] {
		a.text(1, 1+y, dim, s)
		if y != 1 {
			axis.fill(0, y, n, '·', rule)
		}
	}
	for _, e := range f.Events {
		if e.Time.Before(begin) || e.Time.After(f.At) {
			continue
		}
		x := min(int(float64(e.Time.Sub(begin))/float64(span)*float64(n)), n-1)
		switch {
		case e.Kind == "alert" && e.Phase == alerts.Firing.String():
			st := roleSoon.style()
			if e.Level == fleet.Act.Sign() {
				st = roleAct.style()
			}
			axis.text(x, 0, st, "!")
		case e.Kind == "ack":
			axis.text(x, 0, strong, "a")
		case e.Kind == "deploy" || e.Kind == "plan" || e.Kind == "trend":
			axis.text(x, 2, strong, changeMark(a.c.ascii))
		case e.Kind == "agent" && strings.HasSuffix(e.Text, " no data"):
			axis.text(x, 3, unknown, "?")
		case e.Kind == "agent": // it came, came back, began anew
			axis.text(x, 3, strong, "+")
		}
	}
	switch {
	case axis.h < 2:
	case math.IsNaN(highest(f.Chart.Connections)):
		axis.text(0, 1, unknown, "? no history yet")
	default:
		axis.spark(0, 1, n, resample(f.Chart.Connections, n), highest(f.Chart.Connections), roleChart.style())
	}
}

func changeMark(ascii bool) string {
	if ascii {
		return "^"
	}
	return "▲"
}

// timelineMarks is what the marks of the timeline mean.
func timelineMarks(ascii bool) string {
	return "! fires  a ack  " + changeMark(ascii) + " change  ? no data  + came"
}

// drawEvents is everything that happened until the moment shown, the newest
// first, and where it is kept.
func drawEvents(a area, f *Frame, v *View) {
	drawTitle(a.row(0), "event log", "everything, newest first")
	y := 1
	if f.Log.Trouble != "" {
		for _, line := range wrapped("! not kept: "+f.Log.Trouble, a.w-2, min(2, a.h-1)) {
			a.text(1, y, roleSoon.style(), line)
			y++
		}
	}
	top := y
	for _, e := range slices.Backward(f.Events) {
		if y >= a.h {
			return
		}
		if paused(f, v) && e.Time.After(f.At.Add(time.Second)) {
			continue
		}
		at := e.Time.UTC().Format("15:04:05")
		if f.Time.Sub(e.Time) > 24*time.Hour {
			at = e.Time.UTC().Format("Mon 15:04")
		}
		x := a.text(1, y, dim, at)
		a.text(x+2, y, dim, e.Kind)
		a.text(21, y, normal, cut(e.Text, a.w-22))
		y++
	}
	if y == top && y < a.h {
		a.text(1, y, dim, "nothing has happened yet")
		y++
	}
	if f.Log.Path != "" && f.Log.Trouble == "" && y < a.h-1 {
		days := strconv.Itoa(int(alerts.KeepFor.Hours() / 24))
		where := "kept: " + days + " days or " + strconv.Itoa(alerts.MaxBytes>>20) + " MB in " + f.Log.Path
		a.text(1, a.h-1, dim, first(a.w-2, where+"   elsewhere: capmon events --follow", where, ""))
	}
}

// drawRules is what is watched, when it fires and when it clears.
func drawRules(a area, f *Frame) {
	drawTitle(a.row(0), "rules", "in force; capmon alerts tells how to change them")
	for i := range min(len(f.Rules), a.h-1) {
		r := &f.Rules[i]
		a.text(1, 1+i, normal, r.Name)
		text, st := r.Text(), normal
		if r.Off {
			text, st = "off: "+r.What(), dim
		} else {
			a.text(10, 1+i, normal, r.Level.Sign())
		}
		x := a.text(14, 1+i, st, cut(text, a.w-15))
		if r.From != "" && x+3+cells(r.From) < a.w {
			a.text(x+3, 1+i, dim, r.From)
		}
	}
}

// wrapped is a text in lines of a width, the last of them cut where there are
// more.
func wrapped(text string, width, most int) []string {
	lines := strings.Split(ansi.Wrap(text, max(width, 1), ""), "\n")
	if len(lines) > most {
		lines = lines[:max(most, 0)]
		if most > 0 {
			lines[most-1] = cut(lines[most-1]+"…", width)
		}
	}
	return lines
}
