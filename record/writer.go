package record

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

// About is what a recording says of itself.
type About struct {
	Version string    // of the capmon that made it
	Made    time.Time // when it began
	Source  string    // what was watched: "3 agents"
	Warning string    // what every screen had to say: "INSECURE"
	// Policy is the viewer's, in its own form, at most 64 KiB; it is not read here.
	Policy json.RawMessage
}

const mostAbout = 128 << 10

// DefaultMax is how large a recording grows that was given no bound.
const DefaultMax = 1 << 30

// leastMax is the least bound that makes sense.
const leastMax = 64 << 10

// queueMost is how much may wait for a slow disk, in bytes.
const queueMost = 32 << 20

// Summary is what a recording came to.
type Summary struct {
	Path     string
	Hosts    int
	Samples  uint64
	Lost     uint64    // samples that were not recorded: the disk was too slow
	From, To time.Time // of what arrived; zero: nothing did
	Bytes    int64     // of the file
	Full     bool      // it ended because it had reached its bound
}

// file is what a Writer needs of one.
type file interface {
	io.WriteCloser
	Truncate(size int64) error
	Sync() error
}

var _ file = (*os.File)(nil)

// Writer makes one recording. Its methods may be called from any goroutine. Add
// never waits for the disk: blocks wait for it in a bounded queue, and beyond it
// samples are lost and counted.
type Writer struct {
	path  string
	max   int64
	ended chan struct{} // closed when nothing more is recorded
	wake  chan struct{}
	done  chan struct{} // closed when the goroutine that writes has ended

	mu      sync.Mutex
	z       *zstd.Encoder
	slow    part
	fast    part
	number  uint64
	scratch []byte
	fresh   map[string]bool // hosts of whose run no sample was recorded yet
	hosts   map[string]bool
	queue   [][]byte
	queued  int64 // bytes in it
	lost    uint64
	closed  bool // no event is taken any more
	finish  bool // the goroutine is to end when its queue is empty
	err     error
	summary Summary
}

// part is a block that is being filled.
type part struct {
	kind        kind
	b           []byte
	samples     uint64
	first, last int64
}

// Create begins a recording of at most max bytes, DefaultMax where that is 0,
// in a file that only its owner can read. A file that is there is only
// overwritten with force; else the error is fs.ErrExist.
func Create(path string, about About, max int64, force bool) (*Writer, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, reason(path, err)
	}
	w, err := newWriter(path, f, about, max)
	if err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// reason is an error of a file without the system's name for what was tried.
func reason(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

func newWriter(path string, f file, about About, max int64) (*Writer, error) {
	if max == 0 {
		max = DefaultMax
	}
	if max < leastMax {
		return nil, fmt.Errorf("%s: a recording of at most %d bytes holds nothing: allow %d", path, max, leastMax)
	}
	text, err := json.Marshal(about)
	if err != nil || len(text) > mostAbout {
		return nil, fmt.Errorf("%s: what the recording says of itself is too long (%d bytes): %w", path, len(text), err)
	}
	w := &Writer{
		path: path, max: max, z: newEncoder(blockWindow),
		ended: make(chan struct{}), wake: make(chan struct{}, 1), done: make(chan struct{}),
		slow: part{kind: slowBlock}, fast: part{kind: fastBlock},
		fresh: map[string]bool{}, hosts: map[string]bool{}, summary: Summary{Path: path},
	}
	head := binary.LittleEndian.AppendUint32([]byte(magic), version)
	made := about.Made.UnixNano()
	head = block{kind: aboutBlock, first: made, last: made}.append(head, text, w.z)
	n, err := f.Write(head)
	if err != nil {
		return nil, reason(path, err)
	}
	w.summary.Bytes = int64(n)
	go w.write(f, w.wake)
	return w, nil
}

// Ended is closed when nothing more is recorded: after Close, when the bound was
// reached, or when the file could not be written.
func (w *Writer) Ended() <-chan struct{} { return w.ended }

// Summary is what there is so far; Bytes are those that were written.
func (w *Writer) Summary() Summary {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sum()
}

func (w *Writer) sum() Summary {
	s := w.summary
	s.Hosts, s.Lost = len(w.hosts), w.lost
	return s
}

// Add records an event. Once the recording has ended it does nothing.
func (w *Writer) Add(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	switch e.What {
	case Join:
		w.hosts[e.Host] = true
	case Machine:
		w.fresh[e.Host] = true
	case Samples:
		if n := len(e.Samples); n > 0 && w.fresh[e.Host] {
			// What the first learns from must not be missing where the fast blocks
			// are not read.
			delete(w.fresh, e.Host)
			one := e
			one.Samples = e.Samples[n-1:]
			w.add(&w.slow, &one)
		}
		w.summary.Samples += uint64(len(e.Samples))
	}
	to := &w.slow
	if !e.What.slow() {
		to = &w.fast
	}
	for rest := &e; rest != nil; {
		rest = w.add(to, rest)
	}
	at := e.At.Round(0)
	if w.summary.From.IsZero() || at.Before(w.summary.From) {
		w.summary.From = at
	}
	if at.After(w.summary.To) {
		w.summary.To = at
	}
}

// add writes an event, and returns what of it has no place in one.
func (w *Writer) add(to *part, e *Event) (rest *Event) {
	e, rest = e.split()
	at := e.At.UnixNano()
	if len(to.b) == 0 {
		to.first, to.last = at, at
	}
	w.number++
	b := append(w.scratch[:0], byte(e.What))
	b = binary.AppendUvarint(b, w.number)
	b = binary.AppendVarint(b, at-to.first)
	b = appendText(b, e.Host, mostName)
	b, err := e.appendBody(b)
	w.scratch = b
	if err != nil || len(b) > mostEvent { // no agent sends what can't be encoded
		w.lost += uint64(len(e.Samples))
		return rest
	}
	to.b = binary.AppendUvarint(to.b, uint64(len(b)))
	to.b = append(to.b, b...)
	to.samples += uint64(len(e.Samples))
	to.last = max(to.last, at)
	if len(to.b) >= sealAt {
		w.seal()
	}
	return rest
}

// split parts an event with more messages than one may have.
func (e *Event) split() (part, rest *Event) {
	size := 0
	for i, s := range e.Samples {
		if size += proto.Size(s) + 4; size > mostEvent-2*sample.MaxBytes && i > 0 {
			a, b := *e, *e
			a.Samples, b.Samples = e.Samples[:i], e.Samples[i:]
			return &a, &b
		}
	}
	const most = 2048 // points; an agent sends half as many
	if len(e.Points) > most {
		a, b := *e, *e
		a.Points, b.Points = e.Points[:most], e.Points[most:]
		return &a, &b
	}
	return e, nil
}

// seal puts what there is into the queue.
func (w *Writer) seal() {
	for _, p := range []*part{&w.slow, &w.fast} {
		if len(p.b) == 0 || w.closed {
			continue
		}
		if p.kind == fastBlock && w.queued > queueMost {
			w.lost += p.samples
		} else {
			b := block{kind: p.kind, first: p.first, last: p.last}
			w.push(b.append(nil, p.b, w.z))
		}
		p.b, p.samples = p.b[:0], 0
		if cap(p.b) > sealAt/4 { // the minutes before are over: seconds need little
			p.b, w.scratch = nil, nil
		}
	}
}

// push queues a block, unless it would pass the bound: then the recording ends.
func (w *Writer) push(b []byte) {
	const end = 256 // for the end block
	if w.summary.Bytes+w.queued+int64(len(b))+end > w.max {
		w.summary.Full = true
		w.end()
		return
	}
	w.queue, w.queued = append(w.queue, b), w.queued+int64(len(b))
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// end takes no more events.
func (w *Writer) end() {
	if !w.closed {
		w.closed = true
		close(w.ended)
	}
}

// Flush writes what was added so far, at now. Call it every second or two: what
// was not flushed is lost when the process is killed.
func (w *Writer) Flush(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost > w.summary.Lost && !w.closed {
		w.add(&w.slow, &Event{At: now, What: Lost, N: w.lost - w.summary.Lost})
		w.summary.Lost = w.lost
	}
	w.seal()
}

// Close ends the recording and tells what it came to, and why it ended early.
func (w *Writer) Close(now time.Time) (Summary, error) {
	w.Flush(now)
	w.mu.Lock()
	if !w.finish {
		w.finish = true
		w.end()
		if w.err == nil {
			at := now.UnixNano()
			w.queue = append(w.queue, block{kind: endBlock, first: at, last: at}.append(nil, nil, w.z))
		}
		close(w.wake)
		w.wake = nil
	}
	w.mu.Unlock()
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sum(), w.err
}

// write is the goroutine that owns the file.
func (w *Writer) write(f file, wake <-chan struct{}) {
	defer close(w.done)
	for {
		_, more := <-wake
		for w.writeOne(f) {
		}
		if !more {
			break
		}
	}
	err := f.Sync()
	if e := f.Close(); err == nil {
		err = e
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.err == nil && !errors.Is(err, errors.ErrUnsupported) {
		w.err = reason(w.path, err)
	}
}

// writeOne writes the first block that waits; false when none does.
func (w *Writer) writeOne(f file) bool {
	w.mu.Lock()
	if len(w.queue) == 0 || w.err != nil {
		w.queue, w.queued = nil, 0
		w.mu.Unlock()
		return false
	}
	b, at := w.queue[0], w.summary.Bytes
	w.queue = w.queue[1:]
	w.mu.Unlock()

	n, err := f.Write(b)
	if err != nil {
		// What is whole stays. Where it can't be cut, a reader sees a tear.
		if f.Truncate(at) == nil {
			n = 0
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.summary.Bytes += int64(n)
	w.queued = max(w.queued-int64(len(b)), 0)
	if err != nil {
		w.err = reason(w.path, err)
		w.end()
	}
	return true
}
