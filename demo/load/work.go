package load

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

var pid = os.Getpid()

// pieceSteps makes a piece of work about a millisecond on a core of today.
const pieceSteps = 1 << 20

// piece is the work: integers only (xorshift64, Marsaglia 2003), each step
// needs the one before, and nothing is read from memory.
func piece(x uint64) uint64 {
	for range pieceSteps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// period is how long a thread is busy and idle once, in all.
const period = 10 * time.Millisecond

// work does pieces until ctx ends, for a share of the time. What a piece takes
// beyond its part of a period lengthens the pause after it.
func work(ctx context.Context, share float64, lock *spin, done *atomic.Uint64) {
	if share == 0 {
		<-ctx.Done()
		return
	}
	x := uint64(88172645463325252)
	for ctx.Err() == nil {
		began := time.Now()
		for busy := time.Duration(0); ctx.Err() == nil && float64(busy) < share*float64(period); busy = time.Since(began) {
			if lock != nil && !lock.take(ctx) {
				break
			}
			x = piece(x)
			if lock != nil {
				lock.free()
			}
			done.Add(1)
		}
		if share < 1 {
			rest := time.NewTimer(time.Duration(float64(time.Since(began)) * (1 - share) / share))
			select {
			case <-ctx.Done():
			case <-rest.C:
			}
			rest.Stop()
		}
	}
	runtime.KeepAlive(x)
}

// spin is a lock whose waiters stay busy.
type spin struct{ held atomic.Bool }

// take waits for the lock; false: ctx ended first.
func (s *spin) take(ctx context.Context) bool {
	for n := 0; !s.held.CompareAndSwap(false, true); n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return false
		}
	}
	return true
}

func (s *spin) free() { s.held.Store(false) }
