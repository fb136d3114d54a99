package ui

import (
	"fmt"
	"io"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

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
	second(b, fixture{hosts: 50, cores: 64, level: fleet.OK, limited: true}.frame(), 200, 50)
}

// BenchmarkSecondOfEngine is the same with everything the engine says: in one
// pool, in several, and where the selected host tells it.
func BenchmarkSecondOfEngine(b *testing.B) {
	one := withEngine(fixture{hosts: 50, cores: 64, level: fleet.OK, limited: true}.frame())
	b.Run("one pool 200x50", func(b *testing.B) { second(b, one, 200, 50) })
	b.Run("one pool 120x40", func(b *testing.B) { second(b, one, 120, 40) })
	b.Run("8 pools 200x50", func(b *testing.B) { second(b, tiered(50, 8, "web"), 200, 50) })
}

// BenchmarkManyRows is a key on a list of ten thousand hosts, in an order of its
// own and filtered: it should stay under ten milliseconds.
func BenchmarkManyRows(b *testing.B) {
	d := &driver{m: newModel(Options{}, 24, Theme{}, nil)}
	d.send(sizeMsg{120, 40})
	d.send(frameMsg(fixture{hosts: 10_000, cores: 4, level: fleet.OK}.frame()))
	d.press("s", "s")
	d.m.view.Filter = "ws-* cpu>40|is:1t !az=c"
	b.ReportAllocs()
	for b.Loop() {
		d.press("j")
		d.m.View()
	}
}

func second(b *testing.B, f Frame, w, h int) {
	m := newModel(Options{}, 24, theme(b, "dark", 24, false), nil)
	m.Update(sizeMsg{w, h})
	b.ReportAllocs()
	for b.Loop() {
		m.Update(frameMsg(f))
		m.View()
	}
}

// BenchmarkKey is a key that moves the cursor through a large fleet and the
// picture it makes: ten a second are drawn while it is held.
func BenchmarkKey(b *testing.B) {
	for _, hosts := range []int{50, 1000} {
		b.Run(fmt.Sprintf("%d hosts of 64 cores", hosts), func(b *testing.B) {
			m := newModel(Options{}, 24, theme(b, "dark", 24, false), &painter{out: io.Discard, active: true})
			m.Update(sizeMsg{120, 40})
			m.Update(frameMsg(fixture{hosts: hosts, cores: 64, level: fleet.OK, limited: true}.frame()))
			down := tea.KeyMsg{Type: tea.KeyDown}
			b.ReportAllocs()
			for b.Loop() {
				m.Update(down)
				m.View()
			}
		})
	}
}

// BenchmarkCoresScreen is the screen of all cores: a second with a new frame, a
// key that moves to the next host, and one picture of what did not change.
func BenchmarkCoresScreen(b *testing.B) {
	for _, c := range []struct{ hosts, cores, sockets int }{{1, 2, 0}, {50, 64, 0}, {1000, 64, 0}, {1000, 128, 2}} {
		f := fixture{hosts: c.hosts, cores: c.cores, sockets: c.sockets, level: fleet.OK, limited: true}.frame()
		name := fmt.Sprintf("%d hosts of %d cores", c.hosts, c.cores)
		at := func(group Grouping) *model {
			m := newModel(Options{}, 24, theme(b, "dark", 24, false), &painter{out: io.Discard, active: true})
			m.view.Screen, m.view.Grouped = CoresScreen, group
			m.Update(sizeMsg{120, 40})
			m.Update(frameMsg(f))
			return m
		}
		second := func(b *testing.B, group Grouping) {
			m, frames := at(group), [2]Frame{f, f}
			frames[1].Hosts = append([]fleet.Host(nil), f.Hosts...) // other values, as each second
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Update(frameMsg(frames[i%2]))
				m.View()
			}
		}
		b.Run(name+"/second", func(b *testing.B) { second(b, NoGroups) })
		if c.sockets > 0 {
			b.Run(name+"/second by socket", func(b *testing.B) { second(b, BySocket) })
		}
		b.Run(name+"/key", func(b *testing.B) {
			m := at(NoGroups)
			down, up := tea.KeyMsg{Type: tea.KeyDown}, tea.KeyMsg{Type: tea.KeyUp}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i/500%2 == 0 {
					m.Update(down)
				} else {
					m.Update(up)
				}
				m.View()
			}
		})
	}
}

// BenchmarkHostScreen is a second of the screen of one host.
func BenchmarkHostScreen(b *testing.B) {
	for _, cores := range []int{2, 128} {
		b.Run(fmt.Sprintf("%d cores", cores), func(b *testing.B) {
			f := fixture{hosts: 1, cores: cores, level: fleet.OK, told: true}.frame()
			m := newModel(Options{}, 24, theme(b, "dark", 24, false), nil)
			m.Update(sizeMsg{200, 50})
			m.Update(frameMsg(f))
			m.view.Screen = HostScreen
			b.ReportAllocs()
			for b.Loop() {
				m.Update(frameMsg(f))
				m.View()
			}
		})
	}
}
