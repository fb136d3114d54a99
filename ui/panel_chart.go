package ui

import (
	"math"
	"time"

	"capmon/capacity"
)

// history is one line of totals over the span.
type history struct {
	name   string
	values []float64
	now    string
	format func(capacity.Num, int) string
	top    float64 // what it is relative to, NaN when not known
	topIs  string  // "cap", "of"
	target float64 // NaN: none
	zero   bool    // its axis begins at 0: a count of few things
}

// spanOf is what the chart covers: what it says itself, else what was asked.
func spanOf(f *Frame, v *View) time.Duration {
	if n := len(f.Chart.Connections); n > 0 && f.Chart.Step > 0 {
		return (time.Duration(n) * f.Chart.Step).Round(time.Second)
	}
	if v.Span > 0 {
		return v.Span
	}
	return defaultSpan
}

// histories are what can be charted, the most telling first: what a limit is
// known for, then requests, cpu, connections.
func histories(f *Frame) []history {
	nan, target := math.NaN(), 0.0
	if !tiers(f) { // several pools may have one each
		target = targetOf(f, worst(f))
	}
	users := history{name: "users", values: f.Chart.Connections, now: whole(f.Totals.Users, 9), format: whole, top: nan, target: nan}
	limited := false
	_, top, ok := limitNamed(f, "conns")
	switch {
	case tiers(f): // the history adds pools up, which says nothing of users
		users.name, users.now = "connections of all pools", whole(f.Totals.Connections, 9)
	case ok && byConnections(&f.Totals):
		limited, users.top, users.topIs = true, top, "cap"
		if target > 0 {
			users.target = top * target
		}
	case !byConnections(&f.Totals):
		users.name, users.now = "connections", whole(f.Totals.Connections, 9)
	}
	rps := history{name: "rps", values: f.Chart.RPS, now: count(f.Totals.RPS, 9), format: count, top: nan, target: nan}
	cpu := history{
		name: "cpu", values: f.Chart.CoresUsed, now: coreCount(f.Totals.CoresUsed) + " cores", top: nan, target: nan, topIs: "of",
		format: func(n capacity.Num, _ int) string { return coreCount(n) },
	}
	if f.Totals.Cores.OK {
		cpu.top = f.Totals.Cores.V
		if target > 0 {
			cpu.target = cpu.top * target
		}
	}
	order := []history{rps, cpu, users}
	switch {
	case tiers(f): // a request that passes two pools would count twice
		cpu.name = "cpu of all pools"
		order = []history{cpu, users}
	case limited:
		order = []history{users, rps, cpu}
	}
	var known []history
	for _, h := range order {
		if top := highest(h.values); top > 0 || h.topIs == "of" && top == 0 {
			known = append(known, h)
		}
	}
	return known
}

// chartsMain are the histories of the main column: as many as have eight
// lines each, and those that the column beside has no room for.
func chartsMain(f *Frame, p *plan) []history {
	known := histories(f)
	n := min(max(p.chart/8, 1), len(known))
	if p.beside > 0 && len(known) > 1 {
		share := (len(known)*p.chart + (p.chart+p.beside)/2) / (p.chart + p.beside)
		n = max(1, min(n, max(share, p.chart/30), len(known)-1))
	}
	return known[:n]
}

// chartsBeside are those that follow.
func chartsBeside(f *Frame, p *plan) []history {
	known := histories(f)
	rest := known[len(chartsMain(f, p)):]
	return rest[:min(len(rest), max(p.beside/8, 1))]
}

// stackCharts draws histories one under another.
func stackCharts(a area, known []history, f *Frame, v *View) {
	if len(known) == 0 {
		if a.h > 1 {
			drawTitle(a, "history, last "+lasting(spanOf(f, v)))
			a.text(1, 1, unknown, "? no history yet")
		}
		return
	}
	y := 0
	for i := range known {
		h := (a.h - y) / (len(known) - i)
		drawChart(a.rows(y, h), known[i], f, v)
		y += h
	}
}

// drawTitle is a rule with a name in it.
func drawTitle(a area, names ...string) {
	if a.h == 0 {
		return
	}
	a.fill(0, 0, a.w, '─', rule)
	if len(names) > 0 {
		x := a.text(2, 0, normal, " ")
		for i, s := range names {
			st := title
			if i > 0 {
				st = dim
			}
			if s == "" {
				continue
			}
			if x+cells(s)+3 > a.w {
				break
			}
			if i > 0 {
				x = a.text(x, 0, normal, "  ")
			}
			x = a.text(x, 0, st, s)
		}
		a.text(x, 0, normal, " ")
	}
}

const axis = 6 // cells for the numbers of the vertical axis and its line

func drawChart(a area, h history, f *Frame, v *View) {
	peak := highest(h.values)
	notes := []string{h.name + ", last " + lasting(spanOf(f, v)), "now " + h.now, "peak " + h.format(capacity.Known(peak), 9)}
	if !math.IsNaN(h.top) {
		notes = append(notes, h.topIs+" "+grouped(h.top))
	}
	if !math.IsNaN(h.target) {
		notes = append(notes, "target "+h.format(capacity.Known(h.target), 9)+" ┄")
	}
	drawTitle(a, notes...)
	plot := a.rows(1, a.h-1)
	times := plot.h >= 5
	if times {
		plot = plot.rows(0, plot.h-1)
	}
	if plot.h == 0 || plot.w <= axis {
		return
	}
	lo, hi := scale(h, peak)
	for y := range plot.h {
		plot.put(axis-1, y, 1, '│', rule)
	}
	plot.right(axis-1, 0, dim, h.format(capacity.Known(hi), axis-1))
	if plot.h >= 6 && plot.h%2 == 0 { // a row whose upper edge is the middle
		plot.right(axis-1, plot.h/2, dim, h.format(capacity.Known((hi+lo)/2), axis-1))
	}
	if plot.h > 1 {
		plot.right(axis-1, plot.h-1, dim, h.format(capacity.Known(lo), axis-1))
	}
	body := plot.sub(axis, 0, plot.w-axis, plot.h)
	for _, l := range []float64{h.top, h.target} {
		if y := lineAt(l, lo, hi, body.h); y >= 0 {
			body.fill(0, y, body.w, '┄', roleLimit.style())
		}
	}
	body.zone(hit{own: hitTime})
	drawColumns(body, resample(h.values, body.w), lo, hi)
	if times {
		drawTimes(a.row(a.h-1), f, v)
	}
}

// scale is the vertical axis: from zero, unless everything happens in the
// upper half; up to the limit where that is near.
func scale(h history, peak float64) (lo, hi float64) {
	hi = nice(peak * 1.05)
	if h.topIs == "of" && h.top > 0 { // noise is not to fill it
		hi = max(hi, nice(h.top/4))
	}
	if peak <= h.top && h.top <= max(peak*2.5, hi) {
		hi = h.top
	}
	if low := lowest(h.values); low > hi*0.6 && h.topIs != "of" && !h.zero {
		step := nice((hi - low) / 2)
		lo = math.Max(0, math.Floor((low-(hi-low)/4)/step)*step)
	}
	if h.zero {
		hi = wholeTop(hi)
	}
	if !(hi > lo) {
		hi = lo + 1
	}
	return lo, hi
}

// wholeTop is the upper end of an axis of few things: there is no 2.4th server.
func wholeTop(hi float64) float64 {
	if hi < 10 {
		return math.Ceil(hi)
	}
	return hi
}

// lineAt is the row of a value, -1 when it is not on the chart.
func lineAt(v, lo, hi float64, rows int) int {
	if math.IsNaN(v) || v < lo || v > hi {
		return -1
	}
	return min(int((hi-v)/(hi-lo)*float64(rows)), rows-1)
}

// drawColumns draws one column a value, eight steps a row. What came before
// the first known value stays empty; a gap after it is drawn as one.
func drawColumns(a area, values []float64, lo, hi float64) {
	begun := false
	for x, v := range values {
		if math.IsNaN(v) {
			if begun {
				a.put(x, a.h-1, 1, '?', unknown)
			}
			continue
		}
		begun = true
		steps := int(math.Round((v - lo) / (hi - lo) * float64(a.h*8)))
		steps = min(max(steps, 1), a.h*8)
		for y := a.h - 1; steps > 0 && y >= 0; y-- {
			if a.c.ascii && steps < 4 && y < a.h-1 {
				break
			}
			tone := min(y*3/a.h, 2)
			a.put(x, y, 1, eighths[min(steps, 8)], roleChart.style()+style(tone))
			steps -= 8
		}
	}
}

// drawTimes writes the moments under a chart: its beginning, thirds and end.
func drawTimes(a area, f *Frame, v *View) {
	end := f.At
	if end.IsZero() {
		return
	}
	span := spanOf(f, v)
	layout := "15:04"
	if span < 10*time.Minute {
		layout = "15:04:05"
	}
	parts := 4
	if a.w < 60 {
		parts = 2
	}
	width := a.w - axis
	for i := range parts + 1 {
		at := end.Add(-span + span*time.Duration(i)/time.Duration(parts))
		s := at.UTC().Format(layout)
		x := axis + width*i/parts
		switch i {
		case 0:
		case parts:
			x = a.w - len(s)
		default:
			x -= len(s) / 2
		}
		a.text(x, 0, dim, s)
	}
}
