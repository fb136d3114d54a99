package record

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"capmon/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 11, 23, 3, 0, 0, 500, time.UTC)

func second(n int) time.Time { return began.Add(time.Duration(n) * time.Second) }

func reading(seq uint64, cores int) *sample.Sample {
	busy := bytes.Repeat([]byte{byte(seq % 250)}, cores)
	return &sample.Sample{
		Seq: seq, TimeMs: began.UnixMilli() + int64(seq)*1000, Cpu: &sample.Cpu{Busy: busy, Used: new(float32(seq))},
		Services: []*sample.Service{{Port: 80, Name: "nginx", Rps: new(float32(seq) * 3)}},
	}
}

// story is what a viewer of two hosts may be told in a minute.
func story() []Event {
	m := &sample.Machine{Epoch: 7, Hostname: "web-1", IntervalMs: 1000, Labels: []*sample.Label{{Key: "az", Value: "a"}}}
	list := []Event{
		{At: second(0), What: Join, Host: "web-1", Addr: "web-1:7077", Pool: "web"},
		{At: second(0), What: Join, Host: "数据库", Addr: "10.0.0.2:7077"},
		{At: second(0), What: Link, Host: "数据库", Refused: true, Reason: "connection refused", Do: "run `capmon agent`"},
		{At: second(1), What: Machine, Host: "web-1", Machine: m},
		{At: second(1), What: Samples, Host: "web-1", Epoch: 7, Samples: []*sample.Sample{reading(100, 4)}},
		{At: second(1), What: Link, Host: "web-1", Up: true},
		{At: second(1), What: Points, Host: "web-1", Epoch: 7, Points: []*sample.Point{{Time: 1790000000, Samples: 10, Cpu: proto.Float32(0.5)}}},
		{At: second(1), What: Dropped, Host: "web-1", N: 3},
	}
	for i := range 60 {
		list = append(list, Event{At: second(2 + i), What: Samples, Host: "web-1", Epoch: 7, Samples: []*sample.Sample{reading(uint64(101+i), 4)}})
		if i%10 == 0 {
			d := reading(uint64(101+i), 4)
			d.CoreParts = bytes.Repeat([]byte{1}, 20)
			list = append(list, Event{At: second(2 + i), What: Detail, Host: "web-1", Samples: []*sample.Sample{d}})
		}
	}
	return append(list, Event{At: second(63), What: Leave, Host: "数据库"})
}

// written is a recording of events, flushed every two seconds of them.
func written(t testing.TB, list []Event) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.capmon")
	w, err := Create(path, About{Version: "1", Made: began, Source: "2 agents", Policy: json.RawMessage(`{"Spare":1}`)}, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	flushed := list[0].At
	for _, e := range list {
		if e.At.Sub(flushed) >= 2*time.Second {
			w.Flush(e.At)
			flushed = e.At
		}
		w.Add(e)
	}
	if _, err := w.Close(list[len(list)-1].At); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func opened(b []byte) (*Reader, error) { return newReader(bytes.NewReader(b), int64(len(b))) }

// all are the events of a recording from a moment on.
func all(r *Reader, from time.Time) ([]Event, error) {
	e := r.Events(r.From, from, 0)
	defer e.Close()
	var list []Event
	for {
		got, err := e.Next(second(1 << 30))
		if got == nil {
			return list, err
		}
		got.Number = 0
		list = append(list, *got)
	}
}

// withFirst is list with the copies of a run's first sample that a recording keeps
// besides.
func withFirst(list []Event) []Event {
	var out []Event
	for _, e := range list {
		if e.What == Samples && e.Samples[0].GetSeq() == 100 {
			out = append(out, e)
		}
		out = append(out, e)
	}
	return out
}

func diff(want, got []Event) string {
	return cmp.Diff(want, got, protocmp.Transform(), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }))
}

// What goes in comes out, in the same order, with the same times.
func TestRecording(t *testing.T) {
	list := story()
	r, err := opened(written(t, list))
	if err != nil {
		t.Fatal(err)
	}
	if r.Torn != "" || !r.From.Equal(began) || !r.To.Equal(second(63)) || r.About.Source != "2 agents" || string(r.About.Policy) != `{"Spare":1}` || !r.About.Made.Equal(began) {
		t.Errorf("it says of itself: %+v, torn %q, %v to %v", r.About, r.Torn, r.From, r.To)
	}
	got, err := all(r, r.From)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(withFirst(list), got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	// From the middle: all that is slow, and no sample of long before.
	late, err := all(r, second(40))
	if err != nil {
		t.Fatal(err)
	}
	var want []Event
	for _, e := range withFirst(list) {
		if e.What != Samples && e.What != Detail || !e.At.Before(second(40)) {
			want = append(want, e)
		}
	}
	var kept []Event
	for _, e := range late {
		if e.What == Samples && e.Samples[0].GetSeq() == 100 || e.At.Before(second(40)) && e.At.After(second(35)) {
			continue // the first of the run; the rest of its block
		}
		kept = append(kept, e)
	}
	if d := diff(want, kept); d != "" {
		t.Errorf("from the middle: -want +got\n%s", d)
	}
	if all, part := r.Bytes(r.From, r.To), r.Bytes(second(40), r.To); part <= 0 || part > all/2 {
		t.Errorf("%d of %d bytes are after the middle", part, all)
	}
}

// A file that was cut off anywhere plays up to there, and says so.
func TestTorn(t *testing.T) {
	list := story()
	b := written(t, list)
	want := withFirst(list)
	last := 0
	for n := 0; n < len(b); n += 1 + n%5 {
		r, err := opened(b[:n])
		if n < fileHead {
			if !errors.Is(err, ErrNone) {
				t.Fatalf("%d bytes: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if r.Torn == "" {
			t.Fatalf("cut to %d of %d bytes, and nothing is said", n, len(b))
		}
		got, err := all(r, r.From)
		if err != nil || len(got) < last || len(got) > len(want) {
			t.Fatalf("%d bytes: %d events after %d, %v", n, len(got), last, err)
		}
		if len(got) != last || n%7 == 0 {
			if missing := prefix(want, got); missing != "" {
				t.Fatalf("%d bytes: %s", n, missing)
			}
		}
		last = len(got)
	}
	if last != len(want) {
		t.Errorf("all but the end holds %d of %d events", last, len(want))
	}
}

// same is quick: tests compare thousands.
func same(a, b Event) bool {
	flat := func(e Event) string {
		return fmt.Sprint(e.At.UnixNano(), e.What, e.Host, e.Addr, e.Pool, e.Epoch, e.N, e.Up, e.Refused, e.Reason, e.Do, len(e.Samples), len(e.Points))
	}
	if flat(a) != flat(b) || !proto.Equal(a.Machine, b.Machine) {
		return false
	}
	for i := range a.Samples {
		if !proto.Equal(a.Samples[i], b.Samples[i]) {
			return false
		}
	}
	for i := range a.Points {
		if !proto.Equal(a.Points[i], b.Points[i]) {
			return false
		}
	}
	return true
}

// prefix says how got is not what was there up to some moment: slow events and
// samples of the same two seconds may be cut apart.
func prefix(want, got []Event) string {
	i := 0
	for _, w := range want {
		if i < len(got) && same(w, got[i]) {
			i++
		} else if i == len(got) {
			return ""
		} else if w.At.Before(got[len(got)-1].At.Add(-3 * time.Second)) {
			return fmt.Sprintf("the event of %v is missing", w.At)
		}
	}
	if i != len(got) {
		return fmt.Sprintf("event %d is in another place", i)
	}
	return ""
}

// One wrong byte anywhere ends it there: nothing false is played.
func TestDamaged(t *testing.T) {
	list := story()
	b := written(t, list)
	want := withFirst(list)
	for n := fileHead; n < len(b); n += 7 {
		bad := bytes.Clone(b)
		bad[n] ^= 0x10
		r, err := opened(bad)
		if err != nil {
			t.Fatalf("byte %d: %v", n, err)
		}
		got, err := all(r, r.From)
		if r.Torn == "" || err != nil {
			t.Fatalf("byte %d is wrong: torn %q, %v", n, r.Torn, err)
		}
		if missing := prefix(want, got); missing != "" {
			t.Fatalf("byte %d is wrong: %s", n, missing)
		}
	}
	r, _ := opened(append(bytes.Clone(b), "and more"...))
	if !strings.Contains(r.Torn, "after 2026-11-23 03:01:03Z: 8 of its") {
		t.Errorf("what follows the end: %q", r.Torn)
	}
}

func TestRefused(t *testing.T) {
	b := written(t, story())
	newer := bytes.Clone(b)
	binary.LittleEndian.PutUint32(newer[len(magic):], version+1)
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing": {nil, ErrNone}, "text": {[]byte("root:x:0:0:root:/root:/bin/bash\n"), ErrNone}, "newer": {newer, ErrNewer},
	} {
		if _, err := opened(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNone) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestOverwrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capmon")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, About{Made: began}, 0, false); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("it did not refuse: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Fatalf("the file is %q", b)
	}
	w, err := Create(path, About{Made: began}, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(began); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil || r.Torn != "" || !r.From.Equal(began) || !r.To.Equal(began) {
		t.Fatalf("%v, %+v", err, r)
	}
	r.Close()
}

// disk is a file on a disk with room for some bytes, which may be stuck.
type disk struct {
	mu    sync.Mutex
	b     []byte
	room  int
	stuck chan struct{} // nil: it is not
	keeps bool          // it can't be cut
}

func (d *disk) Write(b []byte) (int, error) {
	if d.stuck != nil && len(d.b) > 0 {
		<-d.stuck
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(b), d.room-len(d.b))
	d.b = append(d.b, b[:n]...)
	if n < len(b) {
		return n, &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return n, nil
}

func (d *disk) Truncate(n int64) error {
	if d.keeps {
		return errors.ErrUnsupported
	}
	d.b = d.b[:n]
	return nil
}
func (d *disk) Sync() error  { return nil }
func (d *disk) Close() error { return nil }

// A full disk ends the recording, and what is there plays.
func TestFullDisk(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		d := &disk{room: 2500, keeps: keeps}
		w, err := newWriter("x.capmon", d, About{Made: began}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range story() {
			if w.Add(e); i%3 == 0 {
				w.Flush(e.At)
			}
		}
		w.Flush(second(70))
		<-w.Ended()
		s, err := w.Close(second(70))
		if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "x.capmon: no space left") {
			t.Errorf("it says %v", err)
		}
		r, err := opened(d.b)
		if err != nil || r.Torn == "" {
			t.Fatalf("%v, torn %q", err, r.Torn)
		}
		got, err := all(r, r.From)
		if missing := prefix(withFirst(story()), got); err != nil || len(got) < 10 || missing != "" {
			t.Errorf("%d events play, %v %s", len(got), err, missing)
		}
		if !keeps && (s.Bytes != int64(len(d.b)) || strings.Contains(r.Torn, "within")) {
			t.Errorf("%d bytes are said, %d there; torn: %s", s.Bytes, len(d.b), r.Torn)
		}
	}
}

// The bound ends it, before it is passed, and the file is whole.
func TestBound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capmon")
	const most = leastMax
	if _, err := Create(path, About{Made: began}, most-1, true); err == nil {
		t.Error("a bound of nothing")
	}
	w, err := Create(path, About{Made: began}, most, true)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for open := true; open && n < 1e6; n++ {
		e := Event{At: second(n), What: Samples, Host: "a", Epoch: 1, Samples: []*sample.Sample{reading(uint64(n+1), 64)}}
		w.Add(e)
		w.Flush(e.At)
		select {
		case <-w.Ended():
			open = false
		default:
		}
	}
	s, err := w.Close(second(n))
	if err != nil || !s.Full {
		t.Fatalf("%v, full %v", err, s.Full)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size > most || r.Size < most*9/10 || r.Torn != "" || r.Size != s.Bytes {
		t.Errorf("%d bytes of at most %d, said %d; torn: %q", r.Size, most, s.Bytes, r.Torn)
	}
	if got, err := all(r, r.From); err != nil || len(got) < 100 || len(got) > n {
		t.Errorf("%d events of %d play, %v", len(got), n, err)
	}
}

// A disk that is stuck holds nobody up: what can't wait is lost, and counted in
// the file.
func TestStuckDisk(t *testing.T) {
	d := &disk{room: 1 << 40, stuck: make(chan struct{})}
	w, err := newWriter("x", d, About{Made: began}, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	const n, cores = 2500, 4000
	x := uint64(1)
	for i := range n {
		s := reading(uint64(i+1), cores)
		s.CoreParts = make([]byte, sample.Parts*cores)
		for k := range s.CoreParts {
			x = x*6364136223846793005 + 1442695040888963407
			s.CoreParts[k] = byte(x >> 56)
		}
		w.Add(Event{At: second(i), What: Samples, Host: "a", Epoch: 1, Samples: []*sample.Sample{s}})
	}
	w.Flush(second(n))
	lost := w.Summary().Lost
	if lost < n/8 || lost > n-1000 {
		t.Errorf("%d of %d samples are lost, want what is above 32 MiB", lost, n)
	}
	close(d.stuck)
	w.Flush(second(n + 1))
	if _, err := w.Close(second(n + 2)); err != nil {
		t.Fatal(err)
	}
	r, err := opened(d.b)
	if err != nil {
		t.Fatal(err)
	}
	kept, told := uint64(0), uint64(0)
	e := r.Events(r.From, r.From, 0)
	defer e.Close()
	for {
		got, err := e.Next(second(1 << 20))
		if err != nil {
			t.Fatal(err)
		}
		if got == nil {
			break
		}
		kept += uint64(len(got.Samples))
		if got.What == Lost {
			told += got.N
		}
	}
	if kept+told != n || told != lost {
		t.Errorf("%d are kept and %d told to be lost, of %d", kept, told, n)
	}
}

// The minutes that an agent remembers come at once, more than an event holds.
func TestLargeBatch(t *testing.T) {
	var list []*sample.Sample
	for i := range 1024 {
		s := reading(uint64(i+1), 4000)
		list = append(list, s)
	}
	var points []*sample.Point
	for i := range 8640 {
		points = append(points, &sample.Point{Time: int64(1790000000 + 10*i), Samples: 10})
	}
	b := written(t, []Event{
		{At: began, What: Samples, Host: "a", Epoch: 1, Samples: list},
		{At: began, What: Points, Host: "a", Epoch: 1, Points: points},
	})
	r, err := opened(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := all(r, r.From)
	if err != nil {
		t.Fatal(err)
	}
	n, p := uint64(0), 0
	for _, e := range got {
		for _, s := range e.Samples {
			if n++; s.GetSeq() != n || !proto.Equal(s, list[n-1]) {
				t.Fatalf("sample %d in place %d", s.GetSeq(), n)
			}
		}
		p += len(e.Points)
	}
	if n != 1024 || p != 8640 {
		t.Errorf("%d samples and %d points come out", n, p)
	}
}

// Whatever a file holds, reading it ends, in little memory.
func FuzzReader(f *testing.F) {
	b := written(f, story()[:12])
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte(magic))
	bomb := block{kind: fastBlock, first: 1, last: 2}.append(append([]byte(nil), b[:fileHead]...), make([]byte, mostBlock), newEncoder(blockWindow))
	f.Add(bomb)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := opened(b)
		if err != nil {
			return
		}
		_, _ = all(r, r.From)
		_, _ = all(r, r.To)
		r.Bytes(r.From, r.To)
	})
}

// FuzzEvents reads a block whose checksums hold, as only a hostile writer makes
// it.
func FuzzEvents(f *testing.F) {
	b := written(f, story())
	r, err := opened(b)
	if err != nil {
		f.Fatal(err)
	}
	z := newDecoder()
	defer z.Close()
	for _, v := range append(r.slow.blocks[:2:2], r.fast.blocks[:3]...) {
		payload, err := v.unpack(b[v.at:v.at+int64(v.stored)], nil, z)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	enc := newEncoder(blockWindow)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > mostBlock {
			return
		}
		file := binary.LittleEndian.AppendUint32([]byte(magic), version)
		for _, k := range []kind{slowBlock, fastBlock} {
			file = block{kind: k, first: began.UnixNano(), last: second(9).UnixNano()}.append(file, payload, enc)
		}
		r, err := opened(file)
		if err != nil {
			t.Fatal(err)
		}
		list, _ := all(r, r.From)
		for _, e := range list {
			for _, s := range []string{e.Host, e.Addr, e.Pool, e.Reason, e.Do, e.Machine.GetHostname()} {
				if s != sample.Printable(s) {
					t.Errorf("%q came through", s)
				}
			}
			for _, s := range e.Samples {
				if err := s.Check(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	w, err := newWriter("x", &disk{room: 1 << 40}, About{Made: began}, 1<<50)
	if err != nil {
		b.Fatal(err)
	}
	s := []*sample.Sample{reading(1, 64)}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		w.Add(Event{At: second(i), What: Samples, Host: "a", Epoch: 1, Samples: s})
	}
	_, _ = w.Close(second(i))
}
