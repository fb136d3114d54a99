package chess

import (
	"context"
	"math"
	"sync"
	"time"

	"capmon/demo/stories"
)

// arrival is when a player comes, after the beginning: few at first, then many,
// then few again (the share that has come is 3x² - 2x³), each at a moment of
// its own that the seed gives.
func arrival(seed uint64, player, users int, ramp time.Duration) time.Duration {
	at := (float64(player) + stories.Chance(seed, uint64(player))) / float64(users)
	return time.Duration(float64(ramp) * (0.5 - math.Sin(math.Asin(1-2*at)/3)))
}

// stays says whether a player who has made so many moves, with so much time
// between them, plays on; in the mean they play so long. The seed decides.
func stays(seed uint64, player, moves int, between, mean time.Duration) bool {
	if mean <= 0 {
		return true
	}
	return stories.Chance(seed^0x7f4a7c15, uint64(player)<<20|uint64(moves&(1<<20-1))) >= 1-math.Exp(-between.Seconds()/mean.Seconds())
}

// tempo is the time of the players who come, which can go faster than the
// clock, and slower. Its methods may be called from any goroutine.
type tempo struct {
	mu      sync.Mutex
	at      time.Time     // when it last changed
	done    time.Duration // how far it was then
	pace    float64
	changed chan struct{} // closed when it changes
}

func newTempo(begin time.Time) *tempo {
	return &tempo{at: begin, pace: 1, changed: make(chan struct{})}
}

// set changes the pace from a moment on.
func (t *tempo) set(at time.Time, pace float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += time.Duration(float64(at.Sub(t.at)) * t.pace)
	t.at, t.pace = at, pace
	close(t.changed)
	t.changed = make(chan struct{})
}

// until is how long the clock has to go until a time is reached, at the pace of
// now; not ok when it never is. changed tells that this is no longer so.
func (t *tempo) until(at time.Duration, now time.Time) (wait time.Duration, ok bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := float64(at-t.done) - float64(now.Sub(t.at))*t.pace
	if left > 0 && t.pace <= 0 {
		return 0, false, t.changed
	}
	if left <= 0 {
		return 0, true, t.changed
	}
	return time.Duration(min(left/t.pace, float64(24*time.Hour))), true, t.changed
}

// reach waits until a time is reached; false: ctx ended first.
func (t *tempo) reach(ctx context.Context, at time.Duration) bool {
	for {
		wait, ok, changed := t.until(at, time.Now())
		if ok && wait <= 0 {
			return ctx.Err() == nil
		}
		var rings <-chan time.Time
		if ok {
			rings = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return false
		case <-rings:
		case <-changed:
		}
	}
}
