package agents

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"capmon/agents/rpc"
	"capmon/sample"
)

const (
	// chunkBytes bounds the samples of one update: more is sent in several, so
	// that a new sample never waits behind a long message.
	chunkBytes = 64 << 10
	// maxBehind is how many samples a viewer that is up to date may fall behind
	// before it loses the oldest of them.
	maxBehind = 64
	// A day of points goes out in chunks with pauses between them: 50 kB/s for
	// nine seconds, 110 where each has three services, which leaves a slow link
	// free for samples.
	pointChunk = 50
	pointPause = 50 * time.Millisecond
)

// Subscribe gives what r asks for to send, until ctx is done, the agent stops
// or send fails: first what the agent is and its newest sample, then the older
// samples the viewer lacks, then every new one, with the ten-second points in
// between. It is the one road of samples, for viewers on the network and in
// this process. An update is valid until send returns. A send that blocks slows
// nobody else; what it misses is counted in Update.dropped. Errors are gRPC
// statuses, or what send returned.
func (a *Agent) Subscribe(ctx context.Context, r *rpc.SubscribeRequest, send func(*rpc.Update) error) error {
	sub, ok := a.memory.join(a.most)
	if !ok {
		return status.Errorf(codes.ResourceExhausted, "this agent has %d streams already, as many as it gives", a.most)
	}
	defer a.memory.leave(sub)
	var next func() *rpc.Update
	c := &cursor{memory: a.memory}
	if r.GetDetail() {
		next = func() *rpc.Update { return c.detail(ctx) }
		c.users, c.pid = r.GetUsers(), int(r.GetPid())
		if a.look != nil && (c.users || c.pid != 0) {
			select {
			case a.looks <- struct{}{}:
				defer func() { <-a.looks }()
				c.look = a.look()
			default:
				c.look = busyLook{}
			}
		}
	} else {
		after, point := r.GetAfterSeq(), r.GetAfterPoint()
		if r.GetEpoch() != a.machine.GetEpoch() {
			after, point = 0, 0
		}
		a.memory.begin(c, after, point)
		next = c.next
	}
	c.update.Machine = a.machine
	pause := time.NewTimer(pointPause)
	defer pause.Stop()
	for {
		u := next()
		if u == nil && c.update.Machine != nil { // nothing to say yet, but who it is
			u = &c.update
		}
		if u != nil {
			if err := send(u); err != nil {
				return err
			}
			u.Machine = nil
			if len(u.GetPoints()) == 0 {
				if err := ctx.Err(); err != nil {
					return status.FromContextError(err).Err()
				}
				continue
			}
			pause.Reset(pointPause)
		}
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-a.done:
			return status.Error(codes.Unavailable, stopping)
		case <-sub.wake:
		case <-pause.C:
			c.points = true
		}
	}
}

// maxLooks is how many viewers may have more read for them than is read anyhow.
const maxLooks = 4

// busyLook is for those who come after maxLooks.
type busyLook struct{}

func (busyLook) Read(_ context.Context, _ *sample.Sample, _ bool, pid int) *sample.Detail {
	if pid == 0 {
		return nil
	}
	return &sample.Detail{Process: &sample.ProcessThreads{Pid: uint32(pid), Error: fmt.Sprintf("%d viewers look into this machine already, as many as it allows", maxLooks)}}
}

// stopping is what a viewer is told when the agent ends.
const stopping = "the agent stops"

// cursor is how far one subscriber is. The newest sample goes first and the
// older ones follow, so two ranges have been sent: all up to low, and
// from..head. When low reaches from the two are one, and low is head.
type cursor struct {
	memory  *memory
	low     uint64
	from    uint64
	head    uint64
	dropped uint64 // not told yet
	place   uint64 // of the next point
	through int64  // time of the last point sent
	points  bool   // the pause after the last points is over
	look    Look   // of a detail stream; nil: none
	users   bool   // of the cores are wanted from it
	pid     int    // whose threads are; 0: of none

	// What is used again for each update.
	update rpc.Update
	buf    []byte
	msgs   []pointMessage
}

// begin sets c to what a viewer lacks that has everything up to after and
// point.
func (m *memory) begin(c *cursor, after uint64, point int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &m.ring
	c.points = true
	c.low = min(after, r.newest)
	if r.newest > 0 {
		given := uint64(len(r.slots) - maxBehind)
		c.low = max(c.low, r.oldest-1, r.newest-min(r.newest, given))
	}
	c.from = max(r.newest, c.low+1)
	c.head = c.from - 1
	c.place = m.points.first
	if point > 0 && point <= m.points.newest() {
		c.place, c.through = m.points.after(point), point
	}
}

// next is the next update, nil when there is none now.
func (c *cursor) next() *rpc.Update {
	m := c.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	c.update.Samples, c.update.Points = c.update.Samples[:0], c.update.Points[:0]
	c.lose()
	switch {
	case c.head < m.ring.newest:
		live := c.low == c.head
		c.head = c.fill(c.head+1, m.ring.newest)
		if live || c.low+1 == c.from {
			c.low = c.head
		}
	case c.low < c.head:
		c.low = c.fill(c.low+1, c.from-1)
		if c.low+1 == c.from {
			c.low = c.head
		}
	case c.points && c.fillPoints():
		c.points = false
	default:
		return nil
	}
	c.update.Dropped, c.dropped = c.dropped, 0
	c.update.ThroughSeq, c.update.ThroughPoint = c.low, c.through
	return &c.update
}

// lose moves c past the samples that this viewer was too slow for: those the
// ring no longer has and, once it was up to date, all but the newest few.
func (c *cursor) lose() {
	r := &c.memory.ring
	if r.newest == 0 {
		return
	}
	keep := r.oldest - 1
	if c.low == c.head {
		keep = max(keep, r.newest-min(r.newest, maxBehind))
		if keep > c.head {
			c.dropped += keep - c.head
			c.head, c.low = keep, keep
		}
		return
	}
	if keep > c.low {
		last := min(keep, c.from-1)
		c.dropped += last - c.low
		c.low = last
	}
	if keep > c.head {
		c.dropped += keep - c.head
		c.head = keep
	}
	if c.low+1 == c.from {
		c.low = c.head
	}
}

// fill puts the samples first..last into the update, as many as fit, and
// returns the last it took; at least one.
func (c *cursor) fill(first, last uint64) uint64 {
	r := &c.memory.ring
	size, end := 0, first
	for seq := first; seq <= last; seq++ {
		n := len(r.get(seq))
		if seq > first && size+n > chunkBytes {
			break
		}
		size, end = size+n, seq
	}
	c.room(size)
	for seq := first; seq <= end; seq++ {
		at := len(c.buf)
		c.buf = append(c.buf, r.get(seq)...)
		c.update.Samples = append(c.update.Samples, c.buf[at:len(c.buf):len(c.buf)])
	}
	return end
}

// room makes an empty buffer of at least n bytes. A large one is not kept: it
// is needed for the backlog only.
func (c *cursor) room(n int) {
	if cap(c.buf) < n || cap(c.buf) > 4*n+4096 {
		c.buf = make([]byte, 0, n+n/4)
	}
	c.buf = c.buf[:0]
}

// fillPoints puts the next points into the update; false when there is none.
func (c *cursor) fillPoints() bool {
	r := &c.memory.points
	c.place = min(max(c.place, r.first), r.next) // a slow viewer, a clock set back
	n := int(min(r.next-c.place, pointChunk))
	if n == 0 {
		return false
	}
	if cap(c.msgs) < n || cap(c.msgs) > 8*n {
		c.msgs = make([]pointMessage, n)
	}
	for i := range n {
		place, m := c.place+uint64(i), &c.msgs[:n][i]
		m.set(r.at(place), r.servicesAt(place))
		c.update.Points = append(c.update.Points, &m.Point)
	}
	c.place += uint64(n)
	c.through = r.at(c.place - 1).time()
	return true
}

// detail is the newest sample with its core_parts and what was read besides, nil
// when it was sent before.
func (c *cursor) detail(ctx context.Context) *rpc.Update {
	s := c.newest()
	if s == nil {
		return nil
	}
	if c.look != nil {
		c.more(ctx, s)
	}
	return &c.update
}

// newest puts the newest sample with its core_parts into the update; nil when
// there is none that was not sent.
func (c *cursor) newest() *sample.Sample {
	m := c.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.head == m.ring.newest {
		return nil
	}
	if c.head > 0 {
		c.update.Dropped = m.ring.newest - c.head - 1
	}
	c.head = m.ring.newest
	b := m.ring.get(c.head)
	c.room(len(b) + len(m.parts))
	c.buf = append(append(c.buf, b...), m.parts...)
	c.update.Samples = append(c.update.Samples[:0], c.buf)
	c.update.ThroughSeq = c.head
	return m.newest
}

// more adds what is read for this stream, unless the sample were too long for a
// viewer then.
func (c *cursor) more(ctx context.Context, s *sample.Sample) {
	d := c.look.Read(ctx, s, c.users, c.pid)
	if d == nil || ctx.Err() != nil {
		return
	}
	b, err := proto.Marshal(&sample.Sample{Detail: d}) // a message is joined to another by its bytes
	if err != nil || len(c.buf)+len(b) > sample.MaxBytes {
		return
	}
	c.buf = append(c.buf, b...)
	c.update.Samples[0] = c.buf
}
