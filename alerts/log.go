package alerts

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// How much is kept: events of a week, in two files of at most half of the bound.
const (
	KeepFor   = 7 * 24 * time.Hour
	MaxBytes  = 64 << 20
	maxLine   = 64 << 10
	sameEvent = 30 * time.Second // two viewers of one fleet tell of the same thing
)

// DefaultPath is where events are kept: capmon/events.jsonl in the folder of the
// user's state.
func DefaultPath() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "capmon", "events.jsonl"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a place for events: %w: say --events FILE", err)
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "capmon", "events.jsonl"), nil
	case "windows":
		if dir := os.Getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, "capmon", "events.jsonl"), nil
		}
	}
	return filepath.Join(home, ".local", "state", "capmon", "events.jsonl"), nil
}

// Log is a file of events, a JSON object a line, that several viewers may add
// to: each line is one write. It is for one goroutine.
type Log struct {
	path string
	max  int64
	f    *os.File // nil: to be opened anew
	torn bool     // the last line was written in part
	tail Tail     // what others add
}

// tailBytes is how much of the past a viewer reads when it begins: some thousand
// events, in a few milliseconds.
const tailBytes = 1 << 20

// Open opens the log for adding, makes its folder, and reads the last of what is
// kept.
func Open(path string, now time.Time) (*Log, []Event, error) {
	return open(path, now, MaxBytes)
}

func open(path string, now time.Time, most int64) (*Log, []Event, error) {
	l := &Log{path: path, max: most, tail: Tail{path: path}}
	if err := l.reopen(); err != nil {
		return nil, nil, err
	}
	l.tail.back(tailBytes)
	past, err := l.tail.Next()
	if err != nil {
		_ = l.f.Close()
		return nil, nil, err
	}
	since := now.Add(-KeepFor)
	past = slices.DeleteFunc(past, func(e Event) bool { return e.Time.Before(since) })
	slices.SortStableFunc(past, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return l, once(past), nil
}

// reopen opens the file for adding, where it is not open.
func (l *Log) reopen() error {
	if l.f != nil {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(l.path), 0o700)
	if err == nil {
		l.f, err = os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	}
	if err != nil {
		l.f = nil
		return fmt.Errorf("keep events: %w", err)
	}
	// One that died in the middle of a line must not spoil the next.
	l.torn = false
	if size, err := l.f.Seek(0, io.SeekEnd); err == nil && size > 0 {
		last := make([]byte, 1)
		if r, err := os.Open(l.path); err == nil {
			if _, err := r.ReadAt(last, size-1); err == nil {
				l.torn = last[0] != '\n'
			}
			_ = r.Close()
		}
	}
	return nil
}

// Append adds events, and puts the file away when it is half of the bound. It
// returns how many were added before the error, if there is one; after that it
// may be called again with the rest, and opens the file anew.
func (l *Log) Append(events ...Event) (int, error) {
	if err := l.current(); err != nil {
		return 0, err
	}
	for i, e := range events {
		line, err := json.Marshal(e)
		if err != nil { // no other viewer could read it either
			continue
		}
		if line = append(line, '\n'); l.torn {
			line = append([]byte{'\n'}, line...)
		}
		if _, err := l.f.Write(line); err != nil {
			_ = l.f.Close()
			l.f = nil
			return i, fmt.Errorf("keep events: %w", err)
		}
		l.torn = false
	}
	if info, err := l.f.Stat(); err == nil && info.Size() >= l.max/2 {
		return len(events), l.putAway(info)
	}
	return len(events), nil
}

// current makes sure that what is written goes where the path leads: another
// viewer may have put the file away, or somebody removed it.
func (l *Log) current() error {
	if l.f != nil {
		is, err := l.f.Stat()
		at, atErr := os.Stat(l.path)
		if err == nil && atErr == nil && os.SameFile(is, at) {
			return nil
		}
		_ = l.f.Close()
		l.f = nil
	}
	return l.reopen()
}

func (l *Log) putAway(full fs.FileInfo) error {
	_ = l.f.Close() // some systems do not rename what is open
	l.f = nil
	// Another viewer may have put it away already.
	if at, err := os.Stat(l.path); err == nil && os.SameFile(at, full) {
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return fmt.Errorf("keep events: %w", err)
		}
	}
	return l.reopen()
}

// News are the whole lines that were added since the last call, those of this
// viewer too. Where nothing was, that costs one look at the file.
func (l *Log) News() ([]Event, error) { return l.tail.Next() }

// Close closes the file.
func (l *Log) Close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}

// ReadFiles are the events of a log since a moment, in the order of their time,
// each once. A log that is not there has none.
func ReadFiles(path string, since time.Time) ([]Event, error) {
	var all []Event
	for _, p := range []string{path + ".1", path} {
		f, err := os.Open(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		Read(f, func(e Event) {
			if !e.Time.Before(since) {
				all = append(all, e)
			}
		})
		_ = f.Close()
	}
	slices.SortStableFunc(all, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return once(all), nil
}

// Tail reads what is added to a log, also while it is put away and begun anew.
// It is for one goroutine.
type Tail struct {
	path string
	from int64       // bytes that are read
	at   fs.FileInfo // of which file; nil: there was none
}

// EndOf follows a log from its end as it is now.
func EndOf(path string) *Tail {
	t := &Tail{path: path}
	t.back(0)
	return t
}

// back begins so many bytes before the end.
func (t *Tail) back(bytes int64) {
	if info, err := os.Stat(t.path); err == nil {
		t.at, t.from = info, max(info.Size()-bytes, 0)
	}
}

// Next are the whole lines that were added since the last call.
func (t *Tail) Next() ([]Event, error) {
	info, err := os.Stat(t.path)
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return nil, fmt.Errorf("read events: %w", err)
	}
	var all []Event
	if t.at != nil && (gone || !os.SameFile(t.at, info)) { // put away: what was left of it
		if old, err := os.Stat(t.path + ".1"); err == nil && os.SameFile(old, t.at) {
			if all, _, err = readOn(t.path+".1", t.from); err != nil {
				return nil, err
			}
		}
		t.at, t.from = nil, 0
	}
	if gone {
		return all, nil
	}
	if info.Size() < t.from { // cut short: it is another
		t.from = 0
	}
	if t.at = info; info.Size() == t.from {
		return all, nil
	}
	more, from, err := readOn(t.path, t.from)
	t.from = from
	return append(all, more...), err
}

// readOn are the whole lines behind so many bytes of a file, and where they end.
func readOn(path string, from int64) ([]Event, int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, from, nil
	}
	if err != nil {
		return nil, from, fmt.Errorf("read events: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, from, MaxBytes))
	if err != nil {
		return nil, from, fmt.Errorf("read events: %w", err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	var all []Event
	Read(bytes.NewReader(b), func(e Event) { all = append(all, e) })
	return all, from + int64(len(b)), nil
}

// told is what makes events of two viewers the same.
type told struct{ kind, id, phase, act, where, text string }

func toldBy(e Event) told {
	k := told{kind: e.Kind, id: e.ID, phase: e.Phase, act: e.Act, where: e.Where}
	if e.Kind != "alert" {
		k.text = e.Text
	}
	if e.Kind == "ack" { // what somebody said is not what another said
		k.text = e.Time.UTC().Format(time.RFC3339Nano)
	}
	return k
}

// once leaves out what another viewer told as well.
func once(all []Event) []Event {
	last := map[told]time.Time{}
	return slices.DeleteFunc(all, func(e Event) bool {
		k := toldBy(e)
		at, seen := last[k]
		if seen && e.Time.Sub(at) < sameEvent {
			return true
		}
		last[k] = e.Time
		return false
	})
}

// Read visits the events of a file; lines that are torn, too long or no events
// are left out.
func Read(r io.Reader, visit func(Event)) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		whole := err == nil
		for errors.Is(err, bufio.ErrBufferFull) { // too long: to its end
			_, err = lines.ReadSlice('\n')
		}
		if e, ok := parse(line); whole && ok {
			visit(clean(e))
		}
		if err != nil {
			return
		}
	}
}

// parse reads a line, also behind one that was torn.
func parse(line []byte) (e Event, ok bool) {
	if at := bytes.LastIndex(line, []byte(`{"time":`)); json.Unmarshal(line, &e) != nil && at > 0 {
		e = Event{}
		if json.Unmarshal(line[at:], &e) != nil {
			return e, false
		}
	}
	return e, !e.Time.IsZero() && e.Kind != ""
}

// clean takes control characters out of what is to be shown.
func clean(e Event) Event {
	for _, s := range []*string{&e.Kind, &e.Text, &e.Where, &e.ID, &e.Phase, &e.Level, &e.Act, &e.Note} {
		*s = string(bytes.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				return -1
			}
			return r
		}, []byte(*s)))
	}
	return e
}
