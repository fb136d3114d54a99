package waits

import (
	"testing"
	"time"
)

func TestWaits(t *testing.T) {
	var a, b Waits
	if a.Quantile(0.5) != 0 {
		t.Error("nobody waited")
	}
	for i := range 100 {
		a.Add(time.Duration(i+1) * time.Millisecond)
	}
	b.Add(0)
	b.Add(24 * time.Hour)
	b.Join(&a)
	for share, want := range map[float64]time.Duration{0.005: 100 * time.Microsecond, 0.5: 50 * time.Millisecond, 0.98: 98 * time.Millisecond} {
		if got := b.Quantile(share); got < want || float64(got) > 1.26*float64(want) {
			t.Errorf("%v: %v, want %v and at most a quarter more", share, got, want)
		}
	}
	if got := b.Quantile(1); got < time.Minute {
		t.Errorf("the longest: %v", got)
	}
}
