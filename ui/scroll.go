package ui

import (
	"time"

	"capmon/fleet"
)

// scroll shows the lines of tall from the given one on, with what can be clicked
// in them, and says in its last line how many follow.
func scroll(a area, tall *canvas, from int) { scrollBy(a, tall, from, "j") }

// scrollBy also says which key shows them.
func scrollBy(a area, tall *canvas, from int, key string) {
	used := tall.h
	for used > 0 && tall.lineEnd(used-1) == 0 {
		used--
	}
	from = min(max(from, 0), max(used-a.h, 0))
	for y := range min(a.h, tall.h-from) {
		copyRow(a, y, tall, from+y)
	}
	for _, z := range tall.zones {
		if y := z.area.y - from; y >= 0 && y < a.h {
			a.sub(z.area.x, y, z.area.w, min(z.area.h, a.h-y)).zone(z.hit)
		}
	}
	if rest := used - from - a.h; rest > 0 && a.h > 1 {
		a.fill(0, a.h-1, a.w, ' ', normal)
		a.text(1, a.h-1, dim, plural(rest+1, "more line")+": "+key)
	}
}

func copyRow(a area, y int, from *canvas, line int) {
	row := from.cells[line*from.w : (line+1)*from.w]
	for x := 0; x < min(a.w, from.w); x++ {
		c := row[x]
		if c.char < 0 {
			a.c.clusters = append(a.c.clusters, from.clusters[-1-c.char])
			c.char = rune(-len(a.c.clusters))
		}
		a.c.cells[(a.y+y)*a.c.w+a.x+x] = c
	}
}

// scrollMax is how far the screen can scroll at this size.
func scrollMax(f *Frame, v *View, w, h int, th Theme) int {
	if w == 0 || h == 0 || v.Screen >= screens || pages[v.Screen].body == nil {
		return 0
	}
	body, visible := pages[v.Screen].body(f, v, w, h, th)
	if body == nil {
		return 0
	}
	used := body.h
	for used > 0 && body.lineEnd(used-1) == 0 {
		used--
	}
	return max(0, used-visible)
}

func timeOf(n int) time.Duration { return time.Duration(n) }

func intervalOf(h *fleet.Host) time.Duration {
	return time.Duration(h.Machine.GetIntervalMs()) * time.Millisecond
}
