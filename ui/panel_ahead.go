package ui

import (
	"math"
	"slices"
	"time"

	"capmon/capacity"
)

// scenario is a number of servers that a plan may come to.
type scenario struct {
	servers int
	what    string  // "keep 9"
	holds   float64 // the load at its limit
	from    float64 // seconds until it is there
	full    capacity.Num
}

// grows says whether the load of a plan grows, so that there is something ahead.
func grows(p *capacity.Plan) bool { return p.Later.OK && p.Load.OK && p.Later.V > p.Load.V }

// scenarios are to keep what there is, what may run, and what is needed; new
// servers are there when they are warm.
func scenarios(p *capacity.Plan) []scenario {
	var out []scenario
	for _, s := range []scenario{
		{servers: p.Have, what: "keep "}, {servers: p.Sizing.Run, what: "run "}, {servers: p.Sizing.Need, what: "need "},
	} {
		holds := p.Carries(s.servers)
		if !holds.OK || slices.ContainsFunc(out, func(o scenario) bool { return o.servers == s.servers }) {
			continue
		}
		s.what += grouped(float64(s.servers))
		s.holds, s.full = holds.V, p.At(s.servers).FullIn
		if s.servers > p.Have {
			s.from = p.WarmUp.Seconds()
		}
		out = append(out, s)
	}
	return out
}

// aheadSpan is how far the chart looks: an hour, or as far as was asked where
// that is more.
func aheadSpan(p *capacity.Plan) time.Duration { return max(time.Hour, p.Growth.Horizon()) }

// drawAhead is the load as it grows, against what some numbers of servers can
// take.
func drawAhead(a area, p *capacity.Plan, now time.Time) {
	span, list := aheadSpan(p), scenarios(p)
	names := []string{p.Unit + " ahead, next " + lasting(span)}
	for i, s := range list {
		text := string(rune('a'+i)) + " " + s.what + ": "
		switch {
		case !s.full.OK:
			text += "never full"
		case s.full.V <= 0:
			text += "full now"
		case s.full.V <= s.from:
			text += "full before it is warm"
		default:
			text += "full in " + spanText(s.full)
		}
		names = append(names, text)
	}
	drawTitle(a.row(0), names...)
	plot := a.rows(1, a.h-1)
	if plot.h < 3 || plot.w <= axis+10 {
		return
	}
	plot = plot.rows(0, plot.h-1)
	body := plot.sub(axis, 0, plot.w-axis, plot.h)
	load := make([]float64, body.w)
	for x := range load {
		load[x] = p.Growth.At(p.Load.V, span.Seconds()*float64(x)/float64(max(body.w-1, 1)))
	}
	lo, hi := p.Load.V, max(load[body.w-1], p.Load.V)
	for _, s := range list {
		lo, hi = min(lo, s.holds), max(hi, s.holds)
	}
	step := nice((hi - lo) / 4)
	lo, hi = max(0, math.Floor(lo/step-1)*step), math.Ceil(hi/step+0.01)*step
	for y := range plot.h {
		plot.put(axis-1, y, 1, '│', rule)
	}
	plot.right(axis-1, 0, dim, count(num(hi), axis-1))
	plot.right(axis-1, plot.h-1, dim, count(num(lo), axis-1))
	drawColumns(body, load, lo, hi)
	ends := make([]int, body.h) // where the names in a row begin
	column := func(seconds float64) int { return min(int(seconds/span.Seconds()*float64(body.w)), body.w-1) }
	for i, s := range slices.Backward(list) { // what there is lies on top
		y := lineAt(s.holds, lo, hi, body.h)
		if y < 0 {
			continue
		}
		if ends[y] == 0 {
			ends[y] = body.w
		}
		from, name := column(s.from), " "+string(rune('a'+i))+" "+count(num(s.holds), 9)+" "
		body.fill(from, y, ends[y]-from, '┄', roleLimit.style())
		if at := ends[y] - cells(name) - 1; at > from {
			body.text(at, y, strong, name)
			ends[y] = at
		}
	}
	for _, s := range list { // where the load is more than it takes
		if y := lineAt(s.holds, lo, hi, body.h); y >= 0 && s.full.OK && s.full.V < span.Seconds() {
			mark := "×"
			if a.c.ascii {
				mark = "x"
			}
			body.text(column(s.full.V), y, roleAct.style(), mark)
		}
	}
	drawAheadTimes(a.row(a.h-1), now, span)
}

// drawAheadTimes writes the moments under the chart, from now on.
func drawAheadTimes(a area, now time.Time, span time.Duration) {
	const parts = 6
	width := a.w - axis
	for i := range parts + 1 {
		s, x := now.Add(span*time.Duration(i)/parts).UTC().Format("15:04"), axis+width*i/parts
		switch i {
		case 0:
			s += " now"
		case parts:
			x = a.w - len(s)
		default:
			x -= len(s) / 2
		}
		a.text(x, 0, dim, s)
	}
}
