package chess

import (
	"context"
	"math"
	"testing"
	"time"
)

func TestTempo(t *testing.T) {
	begin := time.Unix(1000, 0)
	after := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	p := newTempo(begin)
	check := func(at, now, want float64, reached bool) {
		t.Helper()
		wait, ok, _ := p.until(time.Duration(at*float64(time.Second)), after(now))
		if ok != reached || math.Abs(wait.Seconds()-want) > 1e-6 {
			t.Errorf("%v s at %v s: wait %v, %v; want %v s, %v", at, now, wait, ok, want, reached)
		}
	}
	check(10, 4, 6, true)
	check(10, 12, 0, true)
	_, _, changed := p.until(time.Second, begin)
	p.set(after(4), 2)
	select {
	case <-changed:
	default:
		t.Error("nobody is told that it changed")
	}
	check(10, 4, 3, true)
	check(10, 6, 1, true)
	p.set(after(6), 0)
	check(8, 100, 0, true)
	check(8.5, 100, 0, false)
	p.set(after(106), 0.5)
	check(9, 106, 2, true)
	ctx, cancel := context.WithCancel(t.Context())
	if !p.reach(ctx, -time.Hour) {
		t.Error("what has been is not reached")
	}
	p.set(time.Now(), 0)
	cancel()
	if p.reach(ctx, 1<<62) {
		t.Error("reached although nobody waits any more")
	}
}

func TestStays(t *testing.T) {
	if !stays(1, 2, 3, time.Second, 0) {
		t.Error("who stays to the end goes")
	}
	moves, gone := 0, 0
	for player := range 2000 {
		for m := 1; ; m++ {
			moves++
			if !stays(7, player, m, 30*time.Second, 5*time.Minute) {
				gone++
				break
			}
		}
	}
	// A move each half minute: between nine and ten of them to stay five minutes.
	if mean := float64(moves) / float64(gone); mean < 9.5 || mean > 11.5 {
		t.Errorf("they make %v moves", mean)
	}
}

func TestArrivals(t *testing.T) {
	const users = 2000
	half, last := 0, time.Duration(0)
	for i := range users {
		at := arrival(1, i, users, time.Minute)
		if at != arrival(1, i, users, time.Minute) || at < last || at > time.Minute {
			t.Fatalf("player %d at %v after %v", i, at, last)
		}
		if last = at; at < 15*time.Second {
			half++
		}
	}
	// 3x² - 2x³ at a quarter.
	if share := float64(half) / users; math.Abs(share-0.15625) > 0.002 {
		t.Errorf("%v have come after a quarter", share)
	}
	if arrival(1, 5, users, time.Minute) == arrival(2, 5, users, time.Minute) {
		t.Error("the seed changes nothing")
	}
}
