package ui

import (
	"fmt"
	"testing"

	"capmon/fleet"
)

// BenchmarkRender is one frame as text; at 200x50 with 50 hosts of 64 cores it
// should stay under a millisecond.
func BenchmarkRender(b *testing.B) {
	for _, c := range []struct{ hosts, cores, w, h int }{{1, 2, 200, 50}, {3, 8, 120, 40}, {50, 64, 200, 50}, {200, 64, 400, 120}} {
		f := fixture{hosts: c.hosts, cores: c.cores, level: fleet.OK, limited: true}.frame()
		th := theme(b, "dark", 24, false)
		b.Run(fmt.Sprintf("%d hosts %d cores %dx%d", c.hosts, c.cores, c.w, c.h), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Render(f, View{}, c.w, c.h, th)
			}
		})
	}
}

// BenchmarkSecond is what a model does once a second: take a frame, settle,
// draw, compare.
func BenchmarkSecond(b *testing.B) {
	f := fixture{hosts: 50, cores: 64, level: fleet.OK, limited: true}.frame()
	m := newModel(Options{}, 24, theme(b, "dark", 24, false), nil)
	m.Update(sizeMsg{200, 50})
	b.ReportAllocs()
	for b.Loop() {
		m.Update(frameMsg(f))
		m.View()
	}
}
