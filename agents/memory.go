package agents

import (
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"capmon/sample"
)

// What an agent remembers.
const (
	// KeepSamples is how far back the samples go.
	KeepSamples = 15 * time.Minute
	// KeepPoints is how far back the ten-second points go.
	KeepPoints = 24 * time.Hour
	// PointTime is what one point stands for.
	PointTime = 10 * time.Second

	// MaxSampleBytes bounds the encoded samples that are kept, for machines
	// whose samples are so large that 15 minutes of them would not fit: those
	// with more than 4.6 kB a second, some ten times a machine of 64 cores.
	MaxSampleBytes = 4 << 20
	// MaxPointBytes bounds the points. Where no service knows its requests they
	// take less than half of it.
	MaxPointBytes = int(KeepPoints/PointTime) * (pointSize + pointServicesSize)
)

// MemoryBound is how many bytes an agent's memory can take at most; a machine
// with samples of sampleBytes needs less.
func MemoryBound(interval time.Duration, sampleBytes int) int {
	return min(MaxSampleBytes, slotSize(sampleBytes)*ringLen(interval)) + ringLen(interval)*slotHeader + MaxPointBytes
}

// partsField is Sample.core_parts; partsOverhead the most bytes its tag and
// length take.
const (
	partsField    = 12
	partsOverhead = 6
)

// memory is the ring of encoded samples, the points and who waits for more.
// The ring is the queue of every subscriber: they hold a cursor, and nothing
// that is published waits for them.
type memory struct {
	mu     sync.Mutex
	ring   ring
	points pointRing
	tally  tally
	parts  []byte // core_parts of the newest sample, encoded as a field
	newest *sample.Sample
	subs   map[*subscriber]struct{}
}

// subscriber is woken when there is something new. The channel holds one
// wake-up; more are one.
type subscriber struct{ wake chan struct{} }

func newMemory(interval time.Duration) *memory {
	return &memory{
		ring: ring{slots: make([][]byte, ringLen(interval)), most: MaxSampleBytes},
		subs: make(map[*subscriber]struct{}),
	}
}

// ringLen is how many samples are kept: 15 minutes, and a few more for those
// who are reading the oldest while new ones come.
func ringLen(interval time.Duration) int {
	return int((KeepSamples+interval-1)/interval) + maxBehind
}

// add keeps s and its encoding b, which it copies, and wakes the subscribers.
func (m *memory) add(s *sample.Sample, b, parts []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ring.put(s.GetSeq(), b)
	m.parts = m.parts[:0]
	if len(parts) > 0 {
		m.parts = protowire.AppendTag(m.parts, partsField, protowire.BytesType)
		m.parts = protowire.AppendBytes(m.parts, parts)
	}
	m.newest = s
	m.count(s)
	for sub := range m.subs {
		select {
		case sub.wake <- struct{}{}:
		default:
		}
	}
}

// count adds s to the point of its ten seconds, and keeps the point before when
// s begins a new one. A clock that goes back a little waits until it has caught
// up, so that no point is made twice; one that goes back further was wrong, and
// the points it labelled are forgotten.
func (m *memory) count(s *sample.Sample) {
	at := pointTime(s.GetTimeMs())
	switch {
	case m.tally.samples == 0 || at == m.tally.time:
	case at > m.tally.time:
		m.points.put(m.tally.point())
		m.tally.reset()
	case m.tally.time-at <= 2*int64(PointTime/time.Second):
		return
	default:
		m.points.forget(at)
		m.tally.reset()
	}
	if m.tally.samples == 0 && m.points.newest() >= at {
		return
	}
	m.tally.add(at, s)
}

// join adds a subscriber unless there are most of them already.
func (m *memory) join(most int) (*subscriber, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.subs) >= most {
		return nil, false
	}
	sub := &subscriber{wake: make(chan struct{}, 1)}
	m.subs[sub] = struct{}{}
	return sub, true
}

func (m *memory) leave(sub *subscriber) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.subs, sub)
}

// slotHeader is what an empty slot takes.
const slotHeader = 24

// slotSize is the room made for a sample of n bytes: a little more than it
// needs, so that the next one fits as well.
func slotSize(n int) int { return (n + 63) &^ 63 }

// ring keeps the newest encoded samples. The sample seq is in slots[seq % len];
// slots are used again.
type ring struct {
	slots          [][]byte
	oldest, newest uint64 // of those kept; newest is 0 when there is none
	bytes          int    // capacity of all slots
	most           int    // bound of bytes; older samples go for it
}

// put keeps a copy of b as sample seq, which is newest+1.
func (r *ring) put(seq uint64, b []byte) {
	slot := &r.slots[seq%uint64(len(r.slots))]
	if need := slotSize(len(b)); cap(*slot) < need || cap(*slot) > 4*need {
		r.bytes += need - cap(*slot)
		*slot = make([]byte, 0, need)
	}
	*slot = append((*slot)[:0], b...)
	r.newest = seq
	if r.oldest == 0 {
		r.oldest = seq
	}
	if n := uint64(len(r.slots)); seq-r.oldest >= n {
		r.oldest = seq - n + 1
	}
	for r.bytes > r.most && r.oldest < r.newest {
		old := &r.slots[r.oldest%uint64(len(r.slots))]
		r.bytes -= cap(*old)
		*old = nil
		r.oldest++
	}
}

// get is the sample seq, one of oldest..newest; valid until the next put.
func (r *ring) get(seq uint64) []byte { return r.slots[seq%uint64(len(r.slots))] }
