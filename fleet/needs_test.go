package fleet

import (
	"math"
	"testing"
	"time"

	"capmon/capacity"
)

// Needs are kept by ten seconds, the highest of each, a day and not for ever;
// a clock that goes back adds nothing.
func TestNeedsAreBounded(t *testing.T) {
	g := &group{}
	t0 := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	note := func(at time.Time, need float64) {
		g.note(&Pool{Need: capacity.Known(need), NeedNow: capacity.Known(need - 1), Up: 3}, at)
	}
	note(t0, 4)
	note(t0.Add(3*time.Second), 9)
	note(t0.Add(9*time.Second), 5)
	if len(g.needs) != 1 || g.needs[0].need != 9 || g.needs[0].raw != 8 {
		t.Errorf("three looks in ten seconds: %+v", g.needs)
	}
	g.note(&Pool{Up: 2}, t0.Add(9*time.Second))
	if g.needs[0].need != 9 || g.needs[0].have != 2 {
		t.Errorf("what is not known: %+v", g.needs)
	}
	note(t0.Add(10*time.Second), 4)
	note(t0.Add(-time.Hour), 7)
	if len(g.needs) != 2 {
		t.Errorf("a clock that went back: %+v", g.needs)
	}
	g.note(&Pool{Up: 2}, t0.Add(20*time.Second))
	if n := len(g.needs); n != 3 || !math.IsNaN(float64(g.needs[2].need)) {
		t.Errorf("not known: %+v", g.needs)
	}
	const days = 3
	for s := 30; s < days*24*3600; s += 10 {
		note(t0.Add(time.Duration(s)*time.Second), 4)
	}
	if n := len(g.needs); n > 2*needsKept || n < needsKept || cap(g.needs) > 4*needsKept {
		t.Errorf("%d are kept, room for %d", n, cap(g.needs))
	}
	end := t0.Add(days * 24 * time.Hour)
	if w := g.needsOver(gridOf(end, 24*time.Hour, 100)); len(w.Need) != 100 || w.Need[0] != 4 || w.Need[99] != 4 {
		t.Errorf("a day of them: %v", w.Need)
	}
}
