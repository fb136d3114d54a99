package agents

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"capmon/agents/rpc"
	"capmon/sample"
)

// Limits of what one stream may bring; far above what an agent sends.
const (
	maxSamples     = 1024 // in one update; 15 minutes of seconds are 900
	maxPoints      = 1024 // in one update
	maxPointBytes  = 128  // an agent's have up to 49, and 21 more for each service
	maxMachine     = 64 << 10
	burstUpdates   = 4096
	updatesASecond = 64
	burstBytes     = 16 << 20
	bytesASecond   = 1 << 20
)

// guardCodec is gRPC's codec for protobuf that counts what is in an update
// before it makes anything of it: two bytes on the wire can be a hundred in
// memory. It serves one stream.
type guardCodec struct{ err error }

var _ encoding.CodecV2 = (*guardCodec)(nil)

func (*guardCodec) Name() string { return grpcproto.Name }

func (*guardCodec) Marshal(v any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2(grpcproto.Name).Marshal(v)
}

func (g *guardCodec) Unmarshal(data mem.BufferSlice, v any) error {
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("agents: %T is no message", v)
	}
	if err := guard(buf.ReadOnlyData()); err != nil {
		g.err = err
		return err
	}
	if err := proto.Unmarshal(buf.ReadOnlyData(), m); err != nil {
		g.err = &violation{"a message that is no update: " + sanitize(err.Error())}
		return g.err
	}
	return nil
}

// guard refuses an encoded update with more in it than an agent sends. Fields
// it does not know are of a later version, and pass.
func guard(b []byte) error {
	const fieldMachine, fieldSamples, fieldPoints = 1, 2, 3
	var machines, samples, points, fields int
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return &violation{"a message that is no update"}
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return &violation{"a message that is no update"}
		}
		value := b[n : n+size]
		b = b[n+size:]
		fields++
		switch number {
		case fieldMachine:
			machines++
			if machines > 1 || size > maxMachine {
				return &violation{"what it says of itself is too long"}
			}
		case fieldSamples:
			samples++
		case fieldPoints:
			points++
			if size > maxPointBytes {
				return &violation{fmt.Sprintf("a point of %d bytes", size)}
			}
			if kind == protowire.BytesType {
				if err := guardPoint(value); err != nil {
					return err
				}
			}
		}
		if samples > maxSamples || points > maxPoints || fields > maxSamples+maxPoints+64 {
			return &violation{fmt.Sprintf("an update with more than %d samples or points", maxSamples)}
		}
	}
	return nil
}

// guardPoint refuses an encoded point, with its length before it, that has more
// services than an agent sends: an empty one is two bytes on the wire.
func guardPoint(b []byte) error {
	const fieldServices = 11
	b, _ = protowire.ConsumeBytes(b)
	services := 0
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return &violation{"a point that is none"}
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return &violation{"a point that is none"}
		}
		b = b[n+size:]
		if number == fieldServices {
			services++
		}
	}
	if services > sample.MaxPointServices {
		return &violation{fmt.Sprintf("a point with %d services, at most %d", services, sample.MaxPointServices)}
	}
	return nil
}

// intake is what a viewer has of one host: where to go on after a lost link,
// and which samples it had already. Samples that come twice stop here.
type intake struct {
	epoch   uint64
	through uint64 // all samples up to it have come
	point   int64  // all points up to it have come
	newest  uint64 // highest seq that came
	had     [windowSeqs / 64]uint64
}

// windowSeqs is how far behind the newest a sample may come: more than an agent
// remembers.
const windowSeqs = 1024

// first tells whether the sample seq has not come before, and notes it.
func (in *intake) first(seq uint64) bool {
	switch {
	case seq > in.newest:
		if seq-in.newest >= windowSeqs {
			clear(in.had[:])
		} else {
			for s := in.newest + 1; s < seq; s++ {
				in.had[s/64%uint64(len(in.had))] &^= 1 << (s % 64)
			}
		}
		in.newest = seq
	case in.newest-seq >= windowSeqs:
		return false
	case in.had[seq/64%uint64(len(in.had))]&(1<<(seq%64)) != 0:
		return false
	}
	in.had[seq/64%uint64(len(in.had))] |= 1 << (seq % 64)
	return true
}

// request asks for what is missing.
func (in *intake) request() *rpc.SubscribeRequest {
	return &rpc.SubscribeRequest{Epoch: in.epoch, AfterSeq: in.through, AfterPoint: in.point}
}

// arrived is what one update brought, checked and without duplicates.
type arrived struct {
	machine *sample.Machine // in the first of a stream
	samples []*sample.Sample
	points  []*sample.Point
	dropped uint64
}

// stream checks the updates of one subscription. Nothing in them is trusted;
// every error is a violation.
type stream struct {
	in      *intake
	detail  bool
	began   bool
	asked   uint64 // after_seq of its request
	highest uint64 // seq that this stream brought
	through uint64
	updates bucket
	bytes   bucket
}

func newStream(in *intake, now time.Time) *stream {
	return &stream{
		in: in, asked: in.through,
		updates: bucket{level: burstUpdates, burst: burstUpdates, rate: updatesASecond, last: now},
		bytes:   bucket{level: burstBytes, burst: burstBytes, rate: bytesASecond, last: now},
	}
}

// bucket lets pass a burst, and rate a second after it.
type bucket struct {
	level, burst, rate float64
	last               time.Time
}

func (b *bucket) take(n float64, now time.Time) bool {
	b.level = min(b.burst, b.level+b.rate*max(0, now.Sub(b.last).Seconds())) - n
	b.last = now
	return b.level >= 0
}

// take checks an update that arrived at now. What it returns does not share
// memory with u, but for the points.
func (s *stream) take(u *rpc.Update, now time.Time) (arrived, error) {
	size := 0
	for _, b := range u.GetSamples() {
		size += len(b)
	}
	if !s.updates.take(1, now) || !s.bytes.take(float64(size+maxPointBytes*len(u.GetPoints())), now) {
		return arrived{}, &violation{"more than a machine has to say"}
	}
	out := arrived{dropped: u.GetDropped()}
	if err := s.begin(u, &out); err != nil {
		return arrived{}, err
	}
	if len(u.GetSamples()) > maxSamples || len(u.GetPoints()) > maxPoints {
		return arrived{}, &violation{fmt.Sprintf("an update with more than %d samples or points", maxSamples)}
	}
	if err := s.takeSamples(u, &out); err != nil {
		return arrived{}, err
	}
	if s.detail {
		return out, nil
	}
	if err := s.takePoints(u, &out); err != nil {
		return arrived{}, err
	}
	return out, s.settle(u)
}

// begin takes the machine, which comes first and only once.
func (s *stream) begin(u *rpc.Update, out *arrived) error {
	if s.began {
		if u.GetMachine() != nil {
			return &violation{"it says twice what it is"}
		}
		return nil
	}
	if u.GetMachine() == nil {
		return &violation{"it does not say first what it is"}
	}
	m := proto.CloneOf(u.GetMachine())
	if err := m.Check(); err != nil {
		return &violation{sanitize(err.Error())}
	}
	m.Clean()
	s.began = true
	out.machine = m
	if s.detail {
		if m.GetEpoch() != s.in.epoch {
			return &violation{"its detail is of another run"}
		}
		return nil
	}
	if m.GetEpoch() != s.in.epoch {
		*s.in = intake{epoch: m.GetEpoch()}
		s.asked = 0
	}
	return nil
}

func (s *stream) takeSamples(u *rpc.Update, out *arrived) error {
	last := uint64(0)
	for _, b := range u.GetSamples() {
		got, err := sample.Receive(b)
		if err != nil {
			return &violation{sanitize(err.Error())}
		}
		seq := got.GetSeq()
		if seq <= last {
			return &violation{fmt.Sprintf("sample %d after %d", seq, last)}
		}
		last = seq
		if s.detail {
			if seq <= s.highest {
				return &violation{fmt.Sprintf("sample %d after %d", seq, s.highest)}
			}
			out.samples = append(out.samples, got)
		} else if s.in.first(seq) {
			got.CoreParts, got.Detail = nil, nil // not asked for
			out.samples = append(out.samples, got)
		}
		s.highest = max(s.highest, seq)
	}
	return nil
}

func (s *stream) takePoints(u *rpc.Update, out *arrived) error {
	through := u.GetThroughPoint()
	if through != 0 && through < s.in.point {
		s.in.point = 0 // the agent's clock was set back and it labels anew
	}
	last := int64(-1)
	for _, p := range u.GetPoints() {
		if err := p.Check(); err != nil {
			return &violation{sanitize(err.Error())}
		}
		if p.GetTime() <= last {
			return &violation{fmt.Sprintf("point %d after %d", p.GetTime(), last)}
		}
		last = p.GetTime()
		if last > s.in.point {
			out.points = append(out.points, p)
		}
	}
	if last > through {
		return &violation{fmt.Sprintf("point %d, but all up to %d only", last, through)}
	}
	if len(u.GetPoints()) > 0 {
		s.in.point = through
	}
	return nil
}

// settle notes how far everything has come.
func (s *stream) settle(u *rpc.Update) error {
	through := u.GetThroughSeq()
	if through < s.through || through > max(s.highest, s.asked) {
		return &violation{fmt.Sprintf("all up to sample %d after %d, with %d the highest", through, s.through, s.highest)}
	}
	s.through = through
	s.in.through = max(s.in.through, through)
	return nil
}

// maxLine bounds what a peer may add to a line, in bytes.
const maxLine = 200

// sanitize makes one short printable line of what a peer had a say in.
func sanitize(s string) string {
	s = sample.Printable(strings.ReplaceAll(strings.TrimSpace(s), "\n", " "))
	if len(s) > maxLine {
		s = sample.Printable(s[:maxLine]) + "…"
	}
	return s
}
