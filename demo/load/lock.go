package load

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Lock is what the threads of a process share. With one, every loop works on
// the same number and holds the lock meanwhile: no two threads get further than
// one would.
type Lock int

const (
	// NoLock: each thread works on a number of its own.
	NoLock Lock = iota
	// Spin waits by asking again: every core is busy, whatever gets done.
	Spin
	// Sleep waits in the kernel, as a mutex of most languages does: who waits
	// leaves its core idle.
	Sleep
)

var lockNames = [...]string{NoLock: "none", Spin: "spin", Sleep: "sleep"}

func (l Lock) String() string { return lockNames[l] }

// ParseLock reads the name of a lock.
func ParseLock(name string) (Lock, error) {
	for l, n := range lockNames {
		if n == name {
			return Lock(l), nil
		}
	}
	return NoLock, fmt.Errorf("want spin or sleep")
}

// spinLock is a lock with no queue and no sleep, as short as they come.
type spinLock struct{ taken atomic.Bool }

func (l *spinLock) Lock() {
	for l.taken.Swap(true) {
	}
}

func (l *spinLock) Unlock() { l.taken.Store(false) }

// shared is the number that threads with a lock work on.
type shared struct {
	lock sync.Locker
	_    [56]byte // the lock and the number are not on one line of the cache
	x    uint64
	_    [56]byte
}

func newShared(l Lock) *shared {
	switch l {
	case Spin:
		return &shared{lock: new(spinLock)}
	case Sleep:
		return &shared{lock: new(sync.Mutex)}
	default:
		return nil
	}
}

// loop does one loop on the shared number.
func (s *shared) loop() {
	s.lock.Lock()
	s.x = loop(s.x)
	s.lock.Unlock()
}
