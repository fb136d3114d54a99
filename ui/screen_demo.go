package ui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

func init() {
	pages[DemoScreen] = page{
		name: "demo", draw: drawDemo,
		body: func(_ *Frame, _ *View, w, h int, th Theme) (*canvas, int) {
			top, foot := stepsFrame(h)
			return demoBody(w, th.ascii), h - top - foot
		},
	}
}

// demoHelp is what can be started beside this screen, and what it shows. The
// dashboard starts nothing by itself.
var demoHelp = []struct{ command, shows string }{
	{"capmon load --threads 1", "one busy loop: one core full, the machine at one of its cores"},
	{"capmon load --processes 4", "four processes: 100% each"},
	{"capmon load --threads 4", "one process with four threads: 400%"},
	{"capmon load --threads 4 --lock", "the same behind one lock: as busy, and no more done than by one"},
	{"capmon demo chess", "88,420 real connections, and servers that come as capmon recommends"},
	{"capmon demo payments", "a spike of requests, a proxy with a cache, a budget that burns"},
	{"capmon demo fleet", "nine simulated servers on these screens; SIMULATED stands in the header"},
}

// drawDemo says what the demo is and how to start it.
func drawDemo(a area, f *Frame, v *View, _ Theme) {
	top, foot := stepsFrame(a.h)
	if a.h < 6 {
		drawVerdictOf(a.row(0), f, v, worst(f))
	} else {
		drawHeader(a.row(0), f, v, segment{"6 demo", normal, 5, false})
		drawVerdict(a.rows(1, top-1), f, v)
	}
	body := a.rows(top, a.h-top-foot)
	scroll(body, demoBody(body.w, a.c.ascii), v.Scroll)
	if foot > 1 {
		drawTitle(a.row(a.h - 2))
	}
	if foot > 0 {
		drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
	}
}

// demoBody is the text, as tall as it is.
func demoBody(w int, ascii bool) *canvas {
	c := newCanvas(w, max(12*len(demoHelp), 60), ascii)
	a := c.all().sub(1, 0, max(w-2, 0), c.h)
	y := 0
	say := func(st style, s string) {
		for line := range strings.SplitSeq(ansi.Wrap(s, max(a.w, 1), ""), "\n") {
			a.text(0, y, st, line)
			y++
		}
	}
	say(strong, "What one thread, many processes and many threads do to the cores")
	say(dim, "Nothing is started from here. Type one of these in another terminal and watch 2 (cores) and 3 (host):")
	y++
	wide := 0
	for _, d := range demoHelp {
		wide = max(wide, cells(d.command))
	}
	for _, d := range demoHelp {
		a.text(0, y, roleKey.style(), cut(d.command, a.w))
		if a.w >= wide+60 {
			a.text(wide+3, y, normal, cut(d.shows, a.w-wide-3))
			y++
			continue
		}
		y++
		for line := range strings.SplitSeq(ansi.Wrap(d.shows, max(a.w-2, 1), ""), "\n") {
			a.text(2, y, normal, line)
			y++
		}
	}
	y++
	say(dim, "100% under CPU% is the whole machine; 1.00 under CORES is one core. A load counts its work (loops/s), ends by itself after a minute, on ctrl-c, and with its terminal.")
	return c
}
