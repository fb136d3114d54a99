package waits

import (
	"testing"
	"time"
)

func TestWaits(t *testing.T) {
	var a, b Waits
	if a.Quantile(0.5) != nil || a.Waited() != (Waited{}) {
		t.Error("nobody waited")
	}
	for i := range 100 {
		a.Add(time.Duration(i+1) * time.Millisecond)
	}
	b.Add(0)
	b.Add(24 * time.Hour)
	b.Join(&a)
	check := func(w *Waits, share, want float64) {
		t.Helper()
		if got := *w.Quantile(share); got < want*(1-1e-9) || got > 1.06*want {
			t.Errorf("%v: %v s, want %v and at most 6%% more", share, got, want)
		}
	}
	for i := 1; i <= 100; i++ {
		check(&a, float64(i)/100, float64(i)/1000)
	}
	check(&b, 0.005, 1e-4)
	if got := *b.Quantile(1); got < 60 || b.Count() != 102 {
		t.Errorf("the longest of %d: %v s", b.Count(), got)
	}
}

// Since leaves what was there before.
func TestSince(t *testing.T) {
	var w Waits
	for range 5 {
		w.Add(time.Second)
	}
	before := w
	w.Add(time.Millisecond)
	w.Add(10 * time.Millisecond)
	if got := w.Since(&before); got.Count() != 2 || *got.Quantile(1) > 0.0106 || w.Count() != 7 {
		t.Errorf("%d since, the longest %v s; %d in all", got.Count(), *got.Quantile(1), w.Count())
	}
}
