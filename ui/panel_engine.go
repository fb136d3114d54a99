package ui

import (
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// drawEngineLines writes what the engine knows across the pane, as long as that
// leaves half of it, and returns what is left.
func drawEngineLines(a area, f *Frame, h *fleet.Host) area {
	lines := engineLines(f, h, a.w)
	lines = lines[:min(len(lines), max(a.h/2, min(a.h, 1)))]
	for y, l := range lines {
		a.text(1, y, dim, l.name)
		a.text(9, y, l.st, cut(l.text, a.w-10))
	}
	return a.rows(len(lines), a.h-len(lines))
}

// engineLines are what the engine knows of the selected host and its pool, each
// in width cells: what it can take, what changed, where the pool's room goes.
func engineLines(f *Frame, h *fleet.Host, width int) []fact {
	var lines []fact
	add := func(name string, texts ...string) {
		lines = append(lines, fact{name: name, text: first(width-10, texts...)})
	}
	p := poolOf(f, h)
	if len(h.Learned) > 0 {
		l := &h.Learned[0]
		add("learned", learnedTexts(l, l.Target, f.At)...)
		if s := changeText(l, f.At); s != "" {
			add("changed", s+"; what was learned before is forgotten", s)
		}
	}
	if p != nil && (p.Trend.Step != "" || p.Trend.Direction != capacity.DirectionUnknown) {
		add("trend", trendTexts(p, len(f.Pools) > 1)...)
	}
	for i := range lines {
		if strings.HasPrefix(lines[i].text, unknownText) {
			lines[i].st = unknown
		}
	}
	return lines
}

// trendTexts say where the room of a pool goes, from long to short.
func trendTexts(p *fleet.Pool, named bool) []string {
	of := ""
	if named {
		of = p.Name + ": "
	}
	t := &p.Trend
	switch {
	case t.Direction == capacity.Falling && t.FullIn.OK:
		brief := "full in " + spanText(t.FullIn)
		grows, late := "", ""
		if p.Growth.OK {
			grows = ", +" + count(p.Growth, 9) + "/min"
		}
		if p.WarmUp > 0 {
			late = "; a new server takes " + lasting(p.WarmUp)
		}
		if p.Late.OK {
			late += ": late by " + spanText(p.Late)
		}
		return []string{of + or(t.Step, brief) + grows + late, of + brief + grows + late, of + brief + grows, brief}
	case t.Direction == capacity.Stable:
		return []string{of + or(t.Step, "stable"), "stable"}
	}
	return []string{"? " + of + strings.TrimPrefix(or(t.Step, "trend unknown"), "trend unknown: "), "? trend unknown"}
}

// spanText is seconds as people say them, ? when unknown.
func spanText(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	return capacity.Span(n.V)
}
