package agents

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// beatTime is how often the connections of many hosts are read.
	beatTime = 250 * time.Millisecond
	// restBeats is how many beats a connection is left alone after it has been
	// read: an agent sends once a second at most, so that its next sample has come
	// when the fourth beat does, and is read no later than it would be with fewer.
	restBeats = 4
	// manyHosts is from how many connections on they are read at beats.
	manyHosts = 30
	// promptTime is how long a connection is read at once after it was made and
	// after something was asked on it.
	promptTime = connectTime
)

// hurrier is a connection whose reading can be hurried, and calmed when what was
// asked has been answered.
type hurrier interface {
	hurry()
	calm()
}

// beats lets a viewer of many hosts look at its connections together. Each
// arrival by itself wakes the process, a thread and a goroutine, which costs
// several times what it takes to read the sample.
type beats struct {
	open atomic.Int64 // connections

	mu      sync.Mutex
	now     int
	waiting [restBeats + 1]chan struct{} // closed at the beat of that number
	beating bool
}

func (b *beats) many() bool { return b.open.Load() >= manyHosts }

// after is closed at the n-th beat from now, 1 <= n <= restBeats.
func (b *beats) after(n int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := &b.waiting[(b.now+n)%len(b.waiting)]
	if *at == nil {
		*at = make(chan struct{})
	}
	b.goOn()
	return *at
}

// goOn sees to the next beat while somebody waits. b.mu is held.
func (b *beats) goOn() {
	for _, w := range b.waiting {
		if w != nil && !b.beating {
			b.beating = true
			time.AfterFunc(beatTime, b.beat)
		}
	}
}

func (b *beats) beat() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now++
	at := &b.waiting[b.now%len(b.waiting)]
	if *at != nil {
		close(*at)
		*at = nil
	}
	b.beating = false
	b.goOn()
}
