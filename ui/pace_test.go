package ui

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
)

// tick is the frame of second i: everything in it moves.
func tick(hosts, i int, cost float64) Frame {
	f := fixture{hosts: hosts, cores: 4, level: fleet.OK}.frame()
	f.Time = f.Time.Add(time.Duration(i) * time.Second)
	f.At, f.SelfCPU = f.Time, capacity.Known(cost)
	for k := range f.Hosts {
		h := &f.Hosts[k]
		h.RPS = capacity.Known(float64(1000 + i))
		h.Trend = slices.Concat(h.Trend[i%60:], h.Trend[:i%60])
		h.Cores[0] = float64(i%10) / 10
	}
	f.Chart.CoresUsed = slices.Concat(f.Chart.CoresUsed[i:], f.Chart.CoresUsed[:i])
	return f
}

func newPaced(t *testing.T) *model {
	m := newModel(Options{Theme: "mono", Span: 15 * time.Minute}, 0, theme(t, "mono", 0, false), nil)
	m.Update(sizeMsg{120, 40})
	return m
}

func headOf(m *model, w int) string {
	line, _, _ := strings.Cut(ansi.Strip(Render(m.frame, m.view, w, 40, m.theme)), "\n")
	return line
}

func TestASlowLinkGetsLess(t *testing.T) {
	m := newPaced(t)
	m.Update(frameMsg(tick(3, 0, 0.001)))
	if strings.Contains(headOf(m, 120), "slow link") {
		t.Errorf("slow before anything was: %q", headOf(m, 120))
	}
	m.Update(slowMsg(true))
	var drawn, renewed []int
	for i := 1; i <= 30; i++ {
		f := tick(3, i, 0.001)
		trend := slices.Clone(f.Hosts[0].Trend)
		was := m.frame
		m.Update(frameMsg(f))
		if !slices.EqualFunc(trend, f.Hosts[0].Trend, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
			t.Fatal("a frame that others may hold was changed")
		}
		if m.frame.Time.Equal(was.Time) {
			continue
		}
		drawn = append(drawn, i)
		if got := m.frame.Hosts[0].RPS.V; got != float64(1000+i) {
			t.Errorf("second %d shows the requests of another: %v", i, got)
		}
		new := []bool{m.frame.Hosts[0].Trend[0] != was.Hosts[0].Trend[0], m.frame.Hosts[2].Cores[0] != was.Hosts[2].Cores[0], m.frame.Chart.CoresUsed[99] != was.Chart.CoresUsed[99]}
		if slices.Contains(new, true) {
			renewed = append(renewed, i)
		}
	}
	if want := []int{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30}; !slices.Equal(drawn, want) {
		t.Errorf("drawn at seconds %v, want %v", drawn, want)
	}
	if want := []int{10, 20, 30}; !slices.Equal(renewed, want) {
		t.Errorf("trends and heat renewed at seconds %v, want %v", renewed, want)
	}
	for _, w := range []int{60, 80, 120, 200} {
		if h := headOf(m, w); !strings.Contains(h, "slow link") || !strings.Contains(h, "LIVE") {
			t.Errorf("%d cells: %q", w, h)
		}
	}
	// What was asked for is shown at once, and another span has its own chart.
	m.Update(frameMsg(tick(3, 31, 0.001)))
	m.opts.Ask = func(fleet.Ask) {}
	m.act(actLonger)
	m.settle()
	f := tick(3, 31, 0.001)
	f.Chart.Step *= 2
	m.Update(frameMsg(f))
	if m.frame.Chart.Step != f.Chart.Step {
		t.Error("the answer to a key waits for the slow link")
	}
	m.Update(slowMsg(false))
	m.Update(frameMsg(tick(3, 33, 0.001)))
	if h := headOf(m, 120); m.frame.Hosts[0].RPS.V != 1033 || strings.Contains(h, "slow") {
		t.Errorf("the link is quick again: %q", h)
	}
}

func TestABusyViewerSaysSo(t *testing.T) {
	for _, c := range []struct {
		hosts int
		cost  float64
		busy  bool
	}{{1, 0.0099, false}, {1, 0.013, true}, {50, 0.0124, false}, {50, 0.0126, true}, {1000, 0.059, false}} {
		m := newPaced(t)
		for i := range 12 {
			m.Update(frameMsg(tick(c.hosts, i, c.cost)))
			if i < 6 && m.view.Busy {
				t.Errorf("%d hosts: busy after %d s", c.hosts, i)
			}
		}
		if m.view.Busy != c.busy {
			t.Errorf("%d hosts at %.2f%%: busy is %v", c.hosts, 100*c.cost, m.view.Busy)
		}
	}
	m := newPaced(t)
	renewed := 0
	for i := range 40 {
		was := m.frame
		m.Update(frameMsg(tick(3, i, 0.013)))
		if i >= 10 && i < 40 && m.frame.Hosts[0].Trend[0] != was.Hosts[0].Trend[0] {
			renewed++
		}
		if m.frame.Hosts[0].RPS.V != float64(1000+i) {
			t.Fatalf("second %d was left out: only trends are to be", i)
		}
	}
	for _, w := range []int{80, 120, 200} {
		if h := headOf(m, w); !strings.Contains(h, "self 1.3% !") {
			t.Errorf("%d cells: %q", w, h)
		}
	}
	if renewed != 6 {
		t.Errorf("trends renewed %d times in 30 s, want 6", renewed)
	}
	for i := range 40 { // a little less is not enough, and a moment is not either
		m.Update(frameMsg(tick(3, 40+i, 0.0095)))
	}
	if !m.view.Busy {
		t.Error("calm by what it does not draw")
	}
	for i := range 32 {
		m.Update(frameMsg(tick(3, 80+i, 0.004)))
		if calm := !m.view.Busy; calm != (i >= 30) {
			t.Errorf("calm is %v after %d s", calm, i)
		}
	}
	if h := headOf(m, 120); !strings.Contains(h, "self 0.4%") || strings.Contains(h, "self 0.4% !") {
		t.Errorf("calm again: %q", h)
	}
}

// slowly is a terminal that takes its time.
type slowly struct{ each time.Duration }

func (s *slowly) Write(b []byte) (int, error) {
	time.Sleep(s.each)
	return len(b), nil
}

func TestTheLinkIsJudgedByItsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &slowly{each: 150 * time.Millisecond}
		var told []bool
		p := &painter{out: out, active: true, clock: time.Now, slow: func(is bool) { told = append(told, is) }}
		th := theme(t, "dark", 24, false)
		second := 0
		frames := func(n int) {
			for range n {
				f := tick(3, second%60, 0)
				second++
				c := newCanvas(80, 24, false)
				draw(c, &f, &View{}, th)
				p.show(c, th)
				time.Sleep(time.Second)
			}
		}
		frames(5)
		if len(told) != 0 {
			t.Errorf("150 ms: told %v", told)
		}
		out.each = 250 * time.Millisecond
		frames(3)
		if !slices.Equal(told, []bool{true}) {
			t.Errorf("250 ms: told %v", told)
		}
		out.each = time.Millisecond
		frames(9)
		out.each = 60 * time.Millisecond
		frames(9)
		if len(told) != 1 {
			t.Errorf("not quick for long yet: told %v", told)
		}
		out.each = time.Millisecond
		frames(10)
		if !slices.Equal(told, []bool{true, false}) {
			t.Errorf("quick again: told %v", told)
		}
	})
}
