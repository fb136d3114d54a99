// Package child starts this program again as a child process with a role, and
// sees to it that no child outlives its parent: a child ends with its standard
// input, which the parent holds and the system closes however the parent ends.
package child

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// envRole marks a child, and says what it is.
const envRole = "CAPMON_CHILD_ROLE"

// Role is a child's whole life: the line it was started with, the orders that
// follow on its standard input, and where it tells what it has to.
type Role func(config []byte, in io.Reader, out io.Writer) error

// Main is the child's whole life when this process is one of these roles; it
// then says so.
func Main(roles map[string]Role) bool {
	run := roles[os.Getenv(envRole)]
	if run == nil {
		return false
	}
	// A terminal's Ctrl-C and its end go to all; the parent ends its children itself.
	signal.Ignore(os.Interrupt, syscall.SIGHUP)
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = run(line, in, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// Orders tells what a child's standard input says: a byte is to stop counting,
// its end, which comes when the parent's does too, to end.
func Orders(in io.Reader) (stop, end <-chan struct{}) {
	s, e := make(chan struct{}), make(chan struct{})
	go func() {
		b := make([]byte, 1)
		if _, err := io.ReadFull(in, b); err == nil {
			close(s)
			_, _ = io.Copy(io.Discard, in)
		}
		close(e)
	}()
	return s, e
}

// Lines are what a child's standard input says, a line at a time and without its
// end; closed when that ends, which it does when the parent does.
func Lines(in io.Reader) <-chan []byte {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- bytes.Clone(s.Bytes())
		}
	}()
	return lines
}

// NewTeller writes to out.
func NewTeller(out io.Writer) *Teller { return &Teller{out: json.NewEncoder(out)} }

// Teller writes a JSON object a line; any goroutine may.
type Teller struct {
	mu  sync.Mutex
	out *json.Encoder
}

// Tell writes one object; when nobody reads any more it ends this process.
func (t *Teller) Tell(v any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out.Encode(v) != nil {
		os.Exit(1) // nobody reads any more: the parent is gone
	}
}

// TellChanges tells what now is, and again, every so often, when it has changed:
// until end, or with the error of what failed.
func TellChanges[T comparable](out io.Writer, every time.Duration, end <-chan struct{}, failed <-chan error, now func() T) error {
	say := NewTeller(out)
	said := now()
	say.Tell(said)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return nil
		case err := <-failed:
			return err
		case <-tick.C:
			if n := now(); n != said {
				said = n
				say.Tell(said)
			}
		}
	}
}

// Process is a process that this one started.
type Process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	Done chan struct{} // closed when it has ended and all it said was heard
	Err  error         // why it ended, after Done; nil: it was well
}

// Begin starts a child; hear gets each line that it says, one after the other.
func Begin(role string, config any, hear func(line []byte)) (*Process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	line, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envRole+"="+role)
	said := &tail{}
	cmd.Stderr = said
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	c := &Process{cmd: cmd, in: in, Done: make(chan struct{})}
	go func() {
		defer close(c.Done)
		for s := bufio.NewScanner(out); s.Scan(); {
			hear(s.Bytes())
		}
		c.Err = cmd.Wait()
		if c.Err != nil && said.String() != "" {
			c.Err = fmt.Errorf("%s: %s", role, said)
		}
	}()
	if _, err := in.Write(append(line, '\n')); err != nil {
		c.Kill()
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return c, nil
}

// Ended says whether it has.
func (c *Process) Ended() bool {
	select {
	case <-c.Done:
		return true
	default:
		return false
	}
}

// Unasked is why it ended, after Done, where nobody asked it to; never nil.
func (c *Process) Unasked() error {
	if c.Err == nil {
		return errors.New("nobody asked it to")
	}
	return c.Err
}

// PID is its process id.
func (c *Process) PID() int { return c.cmd.Process.Pid }

// StopCounting gives the first order; one that has ended hears nothing.
func (c *Process) StopCounting() { _, _ = c.in.Write([]byte{'\n'}) }

// Order gives an order as a JSON object on a line; one that has ended hears
// nothing.
func (c *Process) Order(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, _ = c.in.Write(append(line, '\n'))
	return nil
}

// stopTime is how long a child has to end.
const stopTime = 5 * time.Second

// Stop ends the child and waits for it.
func (c *Process) Stop() {
	c.in.Close()
	select {
	case <-c.Done:
	case <-time.After(stopTime):
		c.Kill()
	}
}

// Kill ends it as a crash would, and waits.
func (c *Process) Kill() {
	_ = c.cmd.Process.Kill() // it may have ended already
	<-c.Done
	c.in.Close()
}

// tail keeps the last words of a child.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if most := 2 << 10; len(t.b) > most {
		t.b = t.b[len(t.b)-most:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
