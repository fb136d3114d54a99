package record

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"capmon/sample"
)

// Errors of Open.
var (
	ErrNone  = errors.New("not a capmon recording")
	ErrNewer = errors.New("made by a newer capmon")
)

// Reader is a recording that is read. It may be used from one goroutine at a
// time. It keeps 48 bytes for each block of the file, and two blocks.
type Reader struct {
	About About
	From  time.Time // when the first event arrived
	To    time.Time // the last; where the recording was closed, when that was
	// Torn says in words why the file ends before its end; empty when nothing is
	// missing. What lies before the tear can be read.
	Torn string
	Size int64

	file       io.ReaderAt
	close      func() error
	slow, fast index
}

// index is where the blocks of one kind lie.
type index struct {
	blocks []block
	most   []int64 // the latest arrival up to each
}

func (x *index) add(b block) {
	most := b.last
	if n := len(x.most); n > 0 {
		most = max(most, x.most[n-1])
	}
	x.blocks, x.most = append(x.blocks, b), append(x.most, most)
}

// from is the blocks from the first on that has anything which arrived at a
// moment or later.
func (x *index) from(at time.Time) []block {
	i, _ := slices.BinarySearch(x.most, at.UnixNano())
	return x.blocks[i:]
}

// Open reads where everything is and checks every block. The error wraps
// ErrNone or ErrNewer, or is that of the file.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, reason(path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: it is no file", path, ErrNone)
	}
	var r *Reader
	if err == nil {
		r, err = newReader(f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, reason(path, err)
	}
	r.close = f.Close
	return r, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.close() }

func newReader(f io.ReaderAt, size int64) (*Reader, error) {
	head := make([]byte, fileHead)
	if n, err := f.ReadAt(head, 0); n < fileHead {
		if err != nil && err != io.EOF {
			return nil, err
		}
		return nil, ErrNone
	}
	if string(head[:len(magic)]) != magic {
		return nil, ErrNone
	}
	if v := binary.LittleEndian.Uint32(head[len(magic):]); v != version {
		return nil, fmt.Errorf("%w (format %d, this one reads %d): update capmon", ErrNewer, v, version)
	}
	r := &Reader{file: f, Size: size}
	return r, r.index()
}

// index walks over the blocks up to the end or the tear.
func (r *Reader) index() error {
	var (
		head   [blockHead]byte
		stored []byte
		z      = newDecoder()
		at     = int64(fileHead)
		last   time.Time
		ended  bool
	)
	defer z.Close()
	tear := func(what string) {
		r.Torn = what
		if !last.IsZero() {
			r.Torn += ", after " + last.UTC().Format("2006-01-02 15:04:05Z")
		}
		r.Torn += fmt.Sprintf(": %s of its %s bytes can't be played", thousands(r.Size-at), thousands(r.Size))
	}
	for at < r.Size && r.Torn == "" {
		if n, err := r.file.ReadAt(head[:], at); n < blockHead {
			if err != nil && err != io.EOF {
				return err
			}
			tear("it ends within a block")
			break
		}
		b, err := parseHead(head[:])
		if err != nil {
			tear("it is damaged")
			break
		}
		b.at = at + blockHead
		if b.at+int64(b.stored) > r.Size {
			tear("it ends within a block")
			break
		}
		stored = slices.Grow(stored[:0], int(b.stored))[:b.stored]
		if _, err := r.file.ReadAt(stored, b.at); err != nil && err != io.EOF {
			return err
		}
		if !b.whole(stored) {
			tear("it is damaged")
			break
		}
		if b.kind == aboutBlock && len(r.slow.blocks)+len(r.fast.blocks) == 0 {
			r.about(b, stored, z)
			if last.IsZero() {
				last = moment(b.last)
			}
		}
		if ended = b.kind == endBlock; !ended {
			r.note(b)
			if t := moment(b.last); t.After(last) {
				last = t
			}
		} else if t := moment(b.last); t.After(r.To) { // nothing happened until then
			r.To = t
		}
		at = b.at + int64(b.stored)
	}
	if r.Torn == "" && !ended {
		r.Torn = "it was not closed: its recorder was killed, or still runs"
	}
	if r.From.IsZero() {
		r.From, r.To = r.About.Made, r.About.Made
	}
	return nil
}

// note keeps where a block lies.
func (r *Reader) note(b block) {
	switch b.kind {
	case slowBlock:
		r.slow.add(b)
	case fastBlock:
		r.fast.add(b)
	default:
		return
	}
	if t := moment(b.first); r.From.IsZero() || t.Before(r.From) {
		r.From = t
	}
	if t := moment(b.last); t.After(r.To) {
		r.To = t
	}
}

// about reads what the recording says of itself; what makes no sense is left
// out.
func (r *Reader) about(b block, stored []byte, z *zstd.Decoder) {
	text, err := b.unpack(stored, nil, z)
	if err != nil || len(text) > mostAbout || json.Unmarshal(text, &r.About) != nil {
		r.About = About{Made: moment(b.first)}
	}
	for _, s := range []*string{&r.About.Version, &r.About.Source, &r.About.Warning} {
		*s = sample.Printable((*s)[:min(len(*s), mostName)])
	}
}

// Bytes is how much has to be read of the fast blocks that arrived between two
// moments, unpacked.
func (r *Reader) Bytes(from, to time.Time) int64 {
	n := int64(0)
	for _, b := range r.fast.from(from) {
		if b.first > to.UnixNano() {
			break
		}
		n += int64(b.length)
	}
	return n
}

// Events are those of the recording in their order, without those up to a
// number: samples and details from the block on that holds the moment fast, all
// others from the one that holds slow.
func (r *Reader) Events(slow, fast time.Time, after uint64) *Events {
	const about = time.Second // events may lie in the file a little out of their order
	e := &Events{z: newDecoder(), after: after}
	e.slow = stream{r: r, blocks: r.slow.from(slow.Add(-about))}
	e.fast = stream{r: r, blocks: r.fast.from(fast.Add(-about))}
	return e
}

// Events walks through a recording. Close lets go of its memory.
type Events struct {
	z          *zstd.Decoder
	after      uint64
	slow, fast stream
	err        error
}

// stream walks through the blocks of one kind.
type stream struct {
	r           *Reader
	blocks      []block
	first       int64
	stored, buf []byte
	rest        cut
	head        raw
	ready, over bool
}

// Close lets go of memory.
func (e *Events) Close() { e.z.Close() }

// Next is the next event that arrived until a moment; nil when there is none,
// which is for good where More is false. An error says why the recording can't
// be read on; it stays.
func (e *Events) Next(until time.Time) (*Event, error) {
	for e.err == nil {
		s, err := e.ahead()
		if err != nil {
			e.err = err
			break
		}
		if s == nil || s.head.at > until.UnixNano() {
			return nil, nil
		}
		s.ready = false
		if w := s.head.what; s.head.number <= e.after || w < Join || w > Lost { // or of a later version
			continue
		}
		got, err := s.head.event()
		if err != nil {
			e.err = err
			break
		}
		return got, nil
	}
	return nil, e.err
}

// ahead is the stream whose event comes next; nil when both are over.
func (e *Events) ahead() (*stream, error) {
	for _, s := range []*stream{&e.slow, &e.fast} {
		if err := s.fill(e.z); err != nil {
			return nil, err
		}
	}
	switch {
	case !e.slow.ready && !e.fast.ready:
		return nil, nil
	case !e.fast.ready, e.slow.ready && e.slow.head.number < e.fast.head.number:
		return &e.slow, nil
	}
	return &e.fast, nil
}

// fill reads the beginning of the next event, if it is not there already.
func (s *stream) fill(z *zstd.Decoder) error {
	for !s.ready && !s.over {
		if len(s.rest.b) > 0 {
			head, err := s.rest.next(s.first)
			if err != nil {
				return err
			}
			s.head, s.ready = head, true
			return nil
		}
		if len(s.blocks) == 0 {
			s.over, s.stored, s.buf = true, nil, nil
			return nil
		}
		b := s.blocks[0]
		s.blocks = s.blocks[1:]
		s.stored = slices.Grow(s.stored[:0], int(b.stored))[:b.stored]
		if _, err := s.r.file.ReadAt(s.stored, b.at); err != nil && err != io.EOF {
			return fmt.Errorf("read the recording: %w", err)
		}
		buf, err := b.unpack(s.stored, s.buf, z)
		if err != nil {
			return err
		}
		s.buf, s.rest, s.first = buf, cut{b: buf}, b.first
	}
	return nil
}

// thousands writes a number with commas.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
