//go:build unix

package ui

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"capmon/fleet"
)

// terminal is a pseudo-terminal with the dashboard in it.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	frames chan Frame
	ended  chan error
	asked  atomic.Pointer[fleet.Ask]

	mu   sync.Mutex
	said bytes.Buffer
	more chan struct{} // something was said
}

func open(ctx context.Context, t *testing.T, o Options) *terminal {
	t.Helper()
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("TMUX", "")
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, master: master, slave: slave, frames: make(chan Frame), ended: make(chan error, 1), more: make(chan struct{}, 1)}
	o.Input, o.Output, o.Snapshots = slave, slave, x.frames
	o.Ask = func(a fleet.Ask) { x.asked.Store(&a) }
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 1<<16)
		for {
			n, err := master.Read(buf)
			x.mu.Lock()
			x.said.Write(buf[:n])
			x.mu.Unlock()
			select {
			case x.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	ctx, stop := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() {
		defer close(left)
		x.ended <- Run(ctx, o)
	}()
	t.Cleanup(func() {
		stop()
		<-left
		_ = slave.Close()
		_ = master.Close()
		<-read
	})
	return x
}

func (x *terminal) output() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said.String()
}

// shows waits for text on the screen of w x h cells.
func (x *terminal) shows(text string, w, h int) {
	x.t.Helper()
	x.until(text, func(said string) bool {
		for !utf8.ValidString(said) && said != "" { // the last character is still coming
			said = said[:len(said)-1]
		}
		if from := strings.LastIndex(said, "\x1b[2J"); from > 0 { // another size before
			said = said[from:]
		}
		s := newScreenOf(w, h)
		s.lenient = true
		s.play(x.t, said)
		return strings.Contains(s.text(), text)
	})
}

// until waits for the output to satisfy ok.
func (x *terminal) until(what string, ok func(said string) bool) {
	x.t.Helper()
	late := time.After(20 * time.Second)
	for !ok(x.output()) {
		select {
		case <-x.more:
		case err := <-x.ended:
			x.t.Fatalf("it ended (%v) before %s: %q", err, what, x.output())
		case <-late:
			x.t.Fatalf("%s did not come: %q", what, x.output())
		}
	}
}

func (x *terminal) keys(s string) {
	x.t.Helper()
	if _, err := io.WriteString(x.master, s); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) end() error {
	x.t.Helper()
	select {
	case err := <-x.ended:
		return err
	case <-time.After(20 * time.Second):
		x.t.Fatal("it does not end")
		return nil
	}
}

func TestQuitLeavesTheTerminalAsItWas(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	x := open(t.Context(), t, Options{Theme: "dark", Colours: 8, Source: "3 agents"})
	x.frames <- nine()
	x.shows("ws-9", 80, 24)
	x.keys("?")
	x.shows("capmon  help", 80, 24)
	x.keys("q")
	if err := x.end(); err != nil {
		t.Error(err)
	}
	x.until("the end", func(s string) bool {
		return strings.Contains(s, "\x1b[?1049l") && strings.LastIndex(s, "\x1b[?25h") > strings.Index(s, "\x1b[?25l")
	})
}

// TestQuietOnTheWire: while frames say the same, not one byte is sent; and at
// the start the terminal is asked nothing when a theme was chosen.
func TestQuietOnTheWire(t *testing.T) {
	x := open(t.Context(), t, Options{Theme: "dark", Colours: 24})
	x.frames <- nine()
	x.shows("ws-9", 80, 24)
	settled := x.settle()
	if strings.Contains(settled, "\x1b]") || strings.Contains(settled, "[6n") {
		t.Errorf("the terminal was asked something: %q", settled)
	}
	for range 60 { // a minute's
		x.frames <- nine()
	}
	if now := x.settle(); now != settled {
		t.Errorf("sixty equal frames sent %d bytes: %q", len(now)-len(settled), now[len(settled):])
	}
	x.frames <- later(nine(), time.Second)
	x.shows("03:12:08Z", 80, 24)
	if sent := len(x.output()) - len(settled); sent > 400 {
		t.Errorf("the clock's second sent %d bytes: %q", sent, x.output()[len(settled):])
	}
}

// settle waits until a round of drawing passes without output.
func (x *terminal) settle() string {
	for {
		was := x.output()
		select {
		case <-x.more:
		case <-time.After(300 * time.Millisecond): // three of the renderer's rounds
			if now := x.output(); now == was {
				return now
			}
		}
	}
}

func TestTheTerminalGoes(t *testing.T) {
	x := open(t.Context(), t, Options{Theme: "dark", Colours: 0})
	x.frames <- nine()
	x.shows("ws-9", 80, 24)
	if err := x.master.Close(); err != nil {
		t.Fatal(err)
	}
	select { // its reader lets go of it with the next output
	case x.frames <- later(nine(), time.Second):
	case <-time.After(10 * time.Second):
	}
	if err := x.end(); err != nil {
		t.Error(err)
	}
}

func TestEndOfInput(t *testing.T) {
	in, typed := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), Options{Theme: "mono", Input: in, Output: io.Discard}) }()
	_ = typed.Close()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on without anyone to talk to")
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	x := open(ctx, t, Options{Theme: "dark", Colours: 0})
	x.until("the screen", func(s string) bool { return strings.Contains(s, "waiting") })
	cancel()
	if err := x.end(); err != nil {
		t.Error(err)
	}
	x.until("the end", func(s string) bool { return strings.Contains(s, "\x1b[?1049l") })
}

func TestBackgroundIsAskedOnce(t *testing.T) {
	x := open(t.Context(), t, Options{Colours: 24})
	x.until("the question", func(s string) bool { return strings.Contains(s, askBackground) })
	x.keys("\x1b]11;rgb:ffff/ffff/ffff\x1b\\")
	x.frames <- nine()
	x.shows("ws-9", 80, 24)
	if n := strings.Count(x.output(), "\x1b]11"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	x.keys("q")
	if err := x.end(); err != nil {
		t.Error(err)
	}
}

func TestResize(t *testing.T) {
	x := open(t.Context(), t, Options{Theme: "dark", Colours: 8})
	x.frames <- nine()
	x.shows("ws-9", 80, 24)
	if err := pty.Setsize(x.slave, &pty.Winsize{Rows: 10, Cols: 40}); err != nil {
		t.Fatal(err)
	}
	// A resize is told by a signal to the processes of the terminal; this one is
	// not among them, so it is sent by hand.
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	x.shows("more: j", 40, 10)
	x.keys("q")
	if err := x.end(); err != nil {
		t.Error(err)
	}
}

func TestUnknownThemeIsRefused(t *testing.T) {
	if err := Run(t.Context(), Options{Theme: "pink", Output: io.Discard, Input: strings.NewReader("")}); err == nil || !strings.Contains(err.Error(), "projector") {
		t.Errorf("%v", err)
	}
}

// TestNothingIsAskedAtStart runs this very binary in a terminal that never
// answers: package background must have come before Bubble Tea.
func TestNothingIsAskedAtStart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "TMUX=", "COLORFGBG=")
	master, err := pty.Start(cmd)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	said, _ := io.ReadAll(master) // ends with an error when the other side closes
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %q", err, said)
	}
	if bytes.Contains(said, []byte("\x1b")) {
		t.Errorf("it asked %q", said)
	}
	if !bytes.Contains(said, []byte("PASS")) {
		t.Errorf("it said only %q", said)
	}
}
