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
// to: each line is one write.
type Log struct {
	path string
	max  int64
	f    *os.File
}

// tailBytes is how much of the past a viewer reads when it begins: some thousand
// events, in a few milliseconds.
const tailBytes = 1 << 20

// tail are the last events of a log since a moment.
func tail(path string, since time.Time) ([]Event, error) {
	all, _, err := ReadOn(path, max(End(path)-tailBytes, 0))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e Event) bool { return e.Time.Before(since) })
	slices.SortStableFunc(all, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return once(all), nil
}

// Open opens the log for adding, makes its folder, and reads the last of what is
// kept.
func Open(path string, now time.Time) (*Log, []Event, error) {
	return open(path, now, MaxBytes)
}

func open(path string, now time.Time, most int64) (*Log, []Event, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("keep events: %w", err)
	}
	past, err := tail(path, now.Add(-KeepFor))
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("keep events: %w", err)
	}
	l := &Log{path: path, max: most, f: f}
	// One that died in the middle of a line must not spoil the next.
	if size, err := f.Seek(0, io.SeekEnd); err == nil && size > 0 {
		last := make([]byte, 1)
		if r, err := os.Open(path); err == nil {
			if _, err := r.ReadAt(last, size-1); err == nil && last[0] != '\n' {
				_, _ = f.WriteString("\n")
			}
			_ = r.Close()
		}
	}
	return l, past, nil
}

// Append adds events, and puts the file away when it is half of the bound.
func (l *Log) Append(events ...Event) error {
	for _, e := range events {
		line, err := json.Marshal(e)
		if err == nil {
			_, err = l.f.Write(append(line, '\n'))
		}
		if err != nil {
			return fmt.Errorf("keep events: %w", err)
		}
	}
	info, err := l.f.Stat()
	if err != nil || info.Size() < l.max/2 {
		return nil
	}
	// Another viewer may have put it away already.
	if at, err := os.Stat(l.path); err == nil && os.SameFile(at, info) {
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return fmt.Errorf("keep events: %w", err)
		}
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keep events: %w", err)
	}
	_ = l.f.Close()
	l.f = f
	return nil
}

// Close closes the file.
func (l *Log) Close() error { return l.f.Close() }

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

// End is the size of a log as it is now; 0 where there is none.
func End(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// ReadOn are the whole lines that were added to a log since it was from bytes
// long, and how long it is after them. One that is shorter now is another file,
// which is read from its beginning.
func ReadOn(path string, from int64) ([]Event, int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, from, fmt.Errorf("read events: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		if info.Size() == from {
			return nil, from, nil
		}
		if info.Size() < from {
			from = 0
		}
	}
	b, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, from, MaxBytes), MaxBytes))
	if err != nil {
		return nil, from, fmt.Errorf("read events: %w", err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	var all []Event
	Read(bytes.NewReader(b), func(e Event) { all = append(all, e) })
	return all, from + int64(len(b)), nil
}

// once leaves out what another viewer told as well.
func once(all []Event) []Event {
	type what struct{ kind, id, phase, act, where, text string }
	last := map[what]time.Time{}
	return slices.DeleteFunc(all, func(e Event) bool {
		k := what{e.Kind, e.ID, e.Phase, e.Act, e.Where, ""}
		if e.Kind != "alert" {
			k.text = e.Text
		}
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
		var e Event
		if whole && len(bytes.TrimSpace(line)) > 0 && json.Unmarshal(line, &e) == nil && !e.Time.IsZero() && e.Kind != "" {
			visit(clean(e))
		}
		if err != nil {
			return
		}
	}
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
