package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// logFile is where a command that owns the screen logs to. A disk that is full
// costs lines of the log, which are counted, and nothing else.
type logFile struct {
	mu   sync.Mutex
	path string
	file *os.File
	lost int
	err  error // the first one
}

// openLog opens path for appending; with an empty path the log goes nowhere.
// close says on w what was lost, if anything.
func openLog(path string, w io.Writer) (log *slog.Logger, closeLog func(), err error) {
	if path == "" {
		return slog.New(slog.DiscardHandler), func() {}, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, usagef("--log: %w", err)
	}
	l := &logFile{path: path, file: file}
	return slog.New(slog.NewTextHandler(l, nil)), func() { l.close(w) }, nil
}

// Write never fails: a log must not stop what it tells about.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(b); err != nil {
		l.lost++
		if l.err == nil {
			l.err = err
		}
	}
	return len(b), nil
}

func (l *logFile) close(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Close(); err != nil && l.err == nil {
		l.err = err
	}
	if l.err != nil {
		fmt.Fprintf(w, "capmon: log: %d lines lost: %v\n", l.lost, l.err)
	}
}
