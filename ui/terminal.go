package ui

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/charmbracelet/x/term"
)

const (
	askBackground = "\x1b]11;?\x07"
	answerPrefix  = "\x1b]11;"
	longestAnswer = 64 // bytes; a terminal says about 30
)

// keyboard reads what is typed. It tells when the terminal is gone, which
// Bubble Tea does not for an end of file, and takes the terminal's answer
// about its background out of the keys, however late it comes.
type keyboard struct {
	in     io.Reader
	gone   func()
	answer func(light bool)

	left   atomic.Bool // the terminal is gone
	closed atomic.Bool // the answer is no longer wanted
	held   []byte      // the beginning of an answer
}

// typedFile is a keyboard whose terminal Bubble Tea may make raw.
type typedFile struct {
	*keyboard
	term.File
	name string
}

func (f typedFile) Read(b []byte) (int, error) { return f.keyboard.Read(b) }

// Name makes it a file that a waiting read can be called back from.
func (f typedFile) Name() string { return f.name }

// Read may return 0, nil while an answer is coming in.
func (k *keyboard) Read(b []byte) (int, error) {
	room := len(b) - len(k.held)
	if room <= 0 {
		n := copy(b, k.held)
		k.held = append(k.held[:0], k.held[n:]...)
		return n, nil
	}
	n, err := k.in.Read(b[len(k.held):])
	if err != nil {
		k.left.Store(true)
		k.gone()
		return 0, err
	}
	copy(b[copy(b, k.held):], b[len(k.held):len(k.held)+n])
	return k.sift(b[:len(k.held)+n]), nil
}

// sift takes answers out of b and returns how many bytes are left in it. One
// that is not complete is held back.
func (k *keyboard) sift(b []byte) int {
	k.held = k.held[:0]
	n := len(b)
	for {
		at := bytes.Index(b[:n], []byte(answerPrefix))
		if at < 0 {
			return n - k.hold(b[:n])
		}
		said := b[at+len(answerPrefix) : n]
		end, skip := bytes.IndexByte(said, '\a'), 1
		if st := bytes.Index(said, []byte("\x1b\\")); st >= 0 && (end < 0 || st < end) {
			end, skip = st, 2
		}
		switch {
		case end < 0 && len(said) > longestAnswer: // not an answer
			return n
		case end < 0:
			k.held = append(k.held, b[at:n]...)
			return at
		}
		if light, ok := lightBackground(string(said[:end])); ok && !k.closed.Swap(true) {
			k.answer(light)
		}
		n = at + copy(b[at:], said[end+skip:])
	}
}

// hold keeps the beginning of an answer that ends b, and returns its length.
// An escape alone is a key and is not kept.
func (k *keyboard) hold(b []byte) int {
	for n := min(len(answerPrefix)-1, len(b)); n >= 2; n-- {
		if bytes.HasSuffix(b, []byte(answerPrefix[:n])) {
			k.held = append(k.held, b[len(b)-n:]...)
			return n
		}
	}
	return 0
}

// lightBackground reads rgb:RRRR/GGGG/BBBB, of one to four digits each.
func lightBackground(s string) (light, ok bool) {
	rest, ok := strings.CutPrefix(s, "rgb:")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return false, false
	}
	sum := 0.0
	for i, weight := range [...]float64{0.3, 0.59, 0.11} {
		v, err := strconv.ParseUint(parts[i], 16, 16)
		if err != nil || len(parts[i]) > 4 {
			return false, false
		}
		sum += weight * float64(v) / float64(uint64(1)<<(4*len(parts[i]))-1)
	}
	return sum > 0.5, true
}
