package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// tailMark is how many bytes before the place of reading must still be the
	// same; if not, the file was written anew.
	tailMark = 512
	// tailIdle is after how many polls without growth a renamed log is closed:
	// its writers go on with it until each has opened the new one.
	tailIdle = 10
	// tailOld bounds the renamed logs that are still read.
	tailOld = 4
	// tailCopies bounds the files that are looked at for what was cut away.
	tailCopies = 8
	// tailDone is how many files that were let go are remembered.
	tailDone = 64
)

// tail reads the lines that are added to a log, over its rotation: one that is
// renamed is read to its end until nobody writes to it any more, one that is
// copied and cut is read on in the copy and then from its beginning. (What is
// lost: lines written between the copy and the cut, which are in neither, and a
// file that was empty when last read, is filled and cut before it is read again.)
type tail struct {
	path string
	file *logFile   // the newest; nil = none yet
	old  []*logFile // renamed, oldest first
	seen bool       // the path was looked at before
	at   time.Time  // when the newest was last found at the path

	done []fs.FileInfo // copies and renamed logs that are not read any more, newest last
	buf  []byte
}

// logFile is one open file.
type logFile struct {
	f     *os.File
	at    int64  // read up to here
	mark  []byte // the bytes before at
	part  []byte // the beginning of a line that has no end yet
	skip  bool   // the rest of a line that is cut off
	quiet int    // polls without growth
}

// read gives every whole line since the last call to visit, at most about budget
// bytes. behind is how many bytes are left for later.
func (t *tail) read(ctx context.Context, budget int64, visit func([]byte)) (behind int64, err error) {
	if err := t.look(); err != nil {
		if !errors.Is(err, fs.ErrNotExist) || t.file == nil {
			return 0, err
		}
		// Between two files: the last one may still be written to.
	}
	for i := 0; i < len(t.old); i++ {
		o := t.old[i]
		left, err := t.advance(ctx, o, &budget, visit)
		behind += left
		if err != nil || left == 0 && o.quiet >= tailIdle {
			t.finish(o, visit)
			t.old = slices.Delete(t.old, i, i+1)
			i--
		}
	}
	if t.file == nil {
		return behind, nil
	}
	if err := t.checkCut(ctx, &budget, visit); err != nil {
		return behind, err
	}
	left, err := t.advance(ctx, t.file, &budget, visit)
	return behind + left, err
}

// look opens what the path is now, if that is another file than before.
func (t *tail) look() error {
	first, last, now := !t.seen, t.at, time.Now()
	info, err := os.Stat(t.path)
	if err != nil {
		// One that comes later is read from its beginning, one that may not be
		// read yet is not.
		t.seen = t.seen || errors.Is(err, fs.ErrNotExist)
		return logError(t.path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is %s and not a file: name the log itself", kindOf(info.Mode()))
	}
	if t.file != nil {
		if mine, err := t.file.f.Stat(); err == nil && os.SameFile(mine, info) {
			t.at = now
			return nil
		}
	}
	// Without waiting: it may have become a pipe in the meantime.
	f, err := os.OpenFile(t.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return logError(t.path, err)
	}
	if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return errors.Join(errors.New("it was a file a moment ago"), err)
	}
	t.seen = true
	fresh := &logFile{f: f}
	if first {
		if err := fresh.toEnd(info.Size()); err != nil {
			_ = f.Close()
			return err
		}
	}
	if t.file != nil {
		t.file.quiet = 0
		t.old = append(append(t.old, t.file), t.missed(info, last)...)
		for len(t.old) > tailOld {
			t.letGo(t.old[0])
			t.old = t.old[1:]
		}
	}
	t.file, t.at = fresh, now
	return nil
}

// missed opens the logs that came and were renamed since the last look, oldest
// first: beside the log, with a number or a date behind its name, written to
// since then and not known.
func (t *tail) missed(now fs.FileInfo, last time.Time) []*logFile {
	known := []fs.FileInfo{now}
	for _, o := range append(t.old, t.file) {
		if info, err := o.f.Stat(); err == nil {
			known = append(known, info)
		}
	}
	var files []*logFile
	for _, c := range t.beside() {
		// The clock of files is a little behind.
		if c.info.ModTime().Before(last.Add(-20*time.Millisecond)) || len(files) == tailOld-1 {
			break
		}
		if strings.Trim(strings.TrimPrefix(c.path, t.path), ".-0123456789") != "" ||
			slices.ContainsFunc(known, func(k fs.FileInfo) bool { return os.SameFile(k, c.info) }) || t.isDone(c.info) {
			continue
		}
		if f, err := os.OpenFile(c.path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
			files = append(files, &logFile{f: f})
		}
	}
	slices.Reverse(files)
	return files
}

// isDone tells whether a file was read and let go. A number of a file
// may be given again, so its time counts too.
func (t *tail) isDone(info fs.FileInfo) bool {
	return slices.ContainsFunc(t.done, func(d fs.FileInfo) bool {
		return os.SameFile(d, info) && d.ModTime().Equal(info.ModTime())
	})
}

// finish counts the last line of a file that is not read any more.
func (t *tail) finish(l *logFile, visit func([]byte)) {
	if len(l.part) > 0 {
		visit(l.part)
	}
	t.letGo(l)
}

// letGo closes a file and remembers that it was read.
func (t *tail) letGo(l *logFile) {
	if info, err := l.f.Stat(); err == nil {
		t.done = append(t.done, info)
		t.done = t.done[max(0, len(t.done)-tailDone):]
	}
	_ = l.f.Close()
}

// logError says what to do about a log that can't be read.
func logError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run as root, or let this user read it", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no %s (yet): %w", path, fs.ErrNotExist)
	}
	return err
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe (FIFO)"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// toEnd begins at the end of a file; a line that is half written there is
// counted when it is complete.
func (l *logFile) toEnd(size int64) error {
	l.at = size
	back := min(size, logLine)
	b := make([]byte, back)
	n, err := l.f.ReadAt(b, size-back)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	b = b[:n]
	l.at = size - back + int64(n)
	l.remember(b)
	i := bytes.LastIndexByte(b, '\n')
	if i < 0 && int64(n) < size {
		l.skip = true // a line longer than is kept
		return nil
	}
	l.part = append(l.part, b[i+1:]...)
	return nil
}

// advance reads on in one file; left is what remains of it.
func (t *tail) advance(ctx context.Context, l *logFile, budget *int64, visit func([]byte)) (left int64, err error) {
	if t.buf == nil {
		t.buf = make([]byte, 64<<10)
	}
	l.quiet++
	for *budget > 0 && ctx.Err() == nil {
		n, err := l.f.ReadAt(t.buf, l.at)
		if n > 0 {
			l.quiet = 0
			l.at += int64(n)
			*budget -= int64(n)
			l.remember(t.buf[:n])
			l.feed(t.buf[:n], visit)
		}
		if errors.Is(err, io.EOF) || err == nil && n == 0 {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
	info, err := l.f.Stat()
	if err != nil {
		return 0, err
	}
	return max(0, info.Size()-l.at), nil
}

// remember keeps the last bytes that were read.
func (l *logFile) remember(b []byte) {
	if len(b) >= tailMark {
		l.mark = append(l.mark[:0], b[len(b)-tailMark:]...)
		return
	}
	l.mark = append(l.mark, b...)
	if over := len(l.mark) - tailMark; over > 0 {
		l.mark = append(l.mark[:0], l.mark[over:]...)
	}
}

// feed cuts lines.
func (l *logFile) feed(b []byte, visit func([]byte)) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		line := b
		if i >= 0 {
			line = b[:i]
		}
		switch {
		case l.skip:
		case i >= 0 && len(l.part) == 0:
			visit(bytes.TrimSuffix(line, []byte{'\r'}))
		default:
			l.part = append(l.part, line[:min(len(line), logLine-len(l.part))]...)
			if i >= 0 {
				visit(bytes.TrimSuffix(l.part, []byte{'\r'}))
			}
		}
		if i < 0 {
			return
		}
		l.part, l.skip = l.part[:0], false
		b = b[i+1:]
	}
}

// checkCut notices that the file was cut or written anew. What was cut away
// before it was read is looked for in a copy.
func (t *tail) checkCut(ctx context.Context, budget *int64, visit func([]byte)) error {
	l := t.file
	if l.marked(l.f) {
		return nil
	}
	if c := t.findCopy(l); c != nil {
		// Read within this poll: nobody adds to a copy.
		c.part, c.skip = append(c.part, l.part...), l.skip
		_, err := t.advance(ctx, c, budget, visit)
		t.finish(c, visit)
		if err != nil {
			return err
		}
	}
	*l = logFile{f: l.f, mark: l.mark[:0], part: l.part[:0]}
	return nil
}

// marked tells whether a file still has what was read before l.at.
func (l *logFile) marked(f *os.File) bool {
	if l.at == 0 {
		return true
	}
	b := make([]byte, len(l.mark))
	_, err := f.ReadAt(b, l.at-int64(len(l.mark)))
	return err == nil && bytes.Equal(b, l.mark)
}

// findCopy looks beside the log for the newest file that goes on where reading
// stopped: log.1, log-20261124.
func (t *tail) findCopy(l *logFile) *logFile {
	tried := 0
	for _, c := range t.beside() {
		if c.info.Size() < l.at {
			continue
		}
		if tried++; tried > tailCopies {
			break
		}
		f, err := os.OpenFile(c.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if l.marked(f) {
			return &logFile{f: f, at: l.at}
		}
		_ = f.Close()
	}
	return nil
}

// neighbour is a file whose name begins with that of the log.
type neighbour struct {
	path string
	info fs.FileInfo
}

// beside lists the neighbours of the log, the one written to last first.
func (t *tail) beside() []neighbour {
	dir, base := filepath.Split(t.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var list []neighbour
	for _, e := range entries {
		if e.Name() == base || !strings.HasPrefix(e.Name(), base) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil {
			list = append(list, neighbour{t.path + strings.TrimPrefix(e.Name(), base), info})
		}
	}
	slices.SortFunc(list, func(a, b neighbour) int { return b.info.ModTime().Compare(a.info.ModTime()) })
	return list
}

func (t *tail) close() {
	for _, o := range t.old {
		_ = o.f.Close()
	}
	if t.file != nil {
		_ = t.file.f.Close()
	}
	t.old, t.file = nil, nil
}
