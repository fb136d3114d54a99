package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

// What an event is.
type What uint8

// The events. They are what an agents.Sink is told.
const (
	Join    What = 1 // Addr, Pool
	Leave   What = 2
	Machine What = 3 // Machine
	Samples What = 4 // Epoch, Samples
	Points  What = 5 // Epoch, Points
	Detail  What = 6 // Samples, one, with core_parts
	Dropped What = 7 // N samples: the viewer was too slow for them
	Link    What = 8 // Up, Refused, Reason, Do
	Lost    What = 9 // N samples were not recorded: the disk was too slow for them
)

// Event is one thing that arrived at a viewer.
type Event struct {
	At     time.Time
	Number uint64 // place in the file, from 1; not written by Add
	What   What
	Host   string // empty for Lost

	Addr, Pool  string
	Machine     *sample.Machine
	Epoch       uint64
	Samples     []*sample.Sample
	Points      []*sample.Point
	N           uint64
	Up, Refused bool
	Reason, Do  string
}

// slow says whether an event is wanted of all the time before a moment.
func (w What) slow() bool { return w != Samples && w != Detail }

// Bounds of the texts of an event, in bytes.
const (
	mostName = 512 // of a host, an address, a pool
	mostText = 2048
)

func appendText(b []byte, s string, most int) []byte {
	s = s[:min(len(s), most)]
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendMessage writes a message with its length before it.
func appendMessage(b []byte, m proto.Message) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(proto.Size(m)))
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
}

func appendMessages[M proto.Message](b []byte, list []M) (_ []byte, err error) {
	for _, m := range list {
		if b, err = appendMessage(b, m); err != nil {
			break
		}
	}
	return b, err
}

// appendBody writes what is of the event's own kind.
func (e *Event) appendBody(b []byte) (_ []byte, err error) {
	switch e.What {
	case Join:
		b = appendText(appendText(b, e.Addr, mostName), e.Pool, mostName)
	case Machine:
		b, err = appendMessage(b, e.Machine)
	case Samples, Detail:
		b, err = appendMessages(binary.LittleEndian.AppendUint64(b, e.Epoch), e.Samples)
	case Points:
		b, err = appendMessages(binary.LittleEndian.AppendUint64(b, e.Epoch), e.Points)
	case Dropped, Lost:
		b = binary.AppendUvarint(b, e.N)
	case Link:
		flags := byte(0)
		if e.Up {
			flags |= 1
		}
		if e.Refused {
			flags |= 2
		}
		b = appendText(appendText(append(b, flags), e.Reason, mostText), e.Do, mostText)
	}
	return b, err
}

var errEvent = errors.New("an event that is none")

// cut takes parts off an encoded event.
type cut struct {
	b   []byte
	bad bool
}

func (c *cut) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cut) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// take is the next n bytes.
func (c *cut) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

// bytes is what follows its own length.
func (c *cut) bytes() []byte { return c.take(c.uvarint()) }

// text is a text without control characters.
func (c *cut) text(most int) string {
	b := c.bytes()
	if len(b) > most {
		c.bad, c.b = true, nil
		return ""
	}
	return sample.Printable(string(b))
}

func (c *cut) epoch() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// raw is an event of which only the beginning was read.
type raw struct {
	what   What
	number uint64
	at     int64
	host   string
	body   []byte
}

// next takes one event off a payload.
func (c *cut) next(first int64) (raw, error) {
	e := cut{b: c.bytes()}
	var r raw
	if b := e.take(1); b != nil {
		r.what = What(b[0])
	}
	r.number = e.uvarint()
	r.at = first + e.varint()
	r.host = e.text(mostName)
	if c.bad || e.bad {
		return raw{}, errEvent
	}
	r.body = e.b
	return r, nil
}

// event reads the rest. Nothing in it is trusted.
func (r raw) event() (*Event, error) {
	e := &Event{At: moment(r.at), Number: r.number, What: r.what, Host: r.host}
	c := cut{b: r.body}
	var err error
	switch r.what {
	case Join:
		e.Addr, e.Pool = c.text(mostName), c.text(mostName)
	case Machine:
		e.Machine = new(sample.Machine)
		if err = unmarshal(c.bytes(), e.Machine); err == nil {
			err = e.Machine.Check()
		}
		e.Machine.Clean()
	case Samples, Detail:
		e.Epoch = c.epoch()
		for len(c.b) > 0 && err == nil {
			var s *sample.Sample
			if s, err = sample.Receive(c.bytes()); err == nil {
				e.Samples = append(e.Samples, s)
			}
		}
	case Points:
		e.Epoch = c.epoch()
		for len(c.b) > 0 && err == nil {
			p := new(sample.Point)
			if err = unmarshal(c.bytes(), p); err == nil {
				err = p.Check()
			}
			e.Points = append(e.Points, p)
		}
	case Dropped, Lost:
		e.N = c.uvarint()
	case Link:
		if b := c.take(1); b != nil {
			e.Up, e.Refused = b[0]&1 != 0, b[0]&2 != 0
		}
		e.Reason, e.Do = c.text(mostText), c.text(mostText)
	}
	if err == nil && c.bad {
		err = errEvent
	}
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", r.number, err)
	}
	return e, nil
}

func unmarshal(b []byte, m proto.Message) error {
	if len(b) > sample.MaxBytes {
		return fmt.Errorf("%w: a message of %d bytes", sample.ErrLimit, len(b))
	}
	return proto.Unmarshal(b, m)
}
