package chess

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
	"time"
)

// envRole marks a child, and says what it is.
const envRole = "CAPMON_CHESS_ROLE"

const (
	roleServer  = "server"
	rolePlayers = "players"
)

// Main is the child's whole life when this process is one; it then says so.
func Main() bool {
	role := os.Getenv(envRole)
	if role == "" {
		return false
	}
	// A terminal's Ctrl-C goes to all; the parent ends its children itself.
	signal.Ignore(os.Interrupt)
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err == nil {
		switch role {
		case roleServer:
			err = runServer(line, in, os.Stdout)
		case rolePlayers:
			err = runPlayers(line, in, os.Stdout)
		default:
			err = fmt.Errorf("%s=%q is no role", envRole, role)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// orders tells what a child's standard input says: a byte is to stop counting,
// its end, which comes when the parent's does too, to end.
func orders(in io.Reader) (stop, end <-chan struct{}) {
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

// teller writes a JSON object a line.
type teller struct {
	mu  sync.Mutex
	out *json.Encoder
}

func (t *teller) tell(v any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out.Encode(v) != nil {
		os.Exit(1) // nobody reads any more: the parent is gone
	}
}

// child is a process that this one started.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{} // closed when it has ended and all it said was heard
	err  error         // why it ended, after done
}

// begin starts a child; hear gets each line that it says, one after the other.
func begin(role string, config any, hear func(line []byte)) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("chess %s: %w", role, err)
	}
	line, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("chess %s: %w", role, err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envRole+"="+role)
	said := &tail{}
	cmd.Stderr = said
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, fmt.Errorf("chess %s: %w", role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("chess %s: %w", role, err)
	}
	c := &child{cmd: cmd, in: in, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for s := bufio.NewScanner(out); s.Scan(); {
			hear(s.Bytes())
		}
		c.err = cmd.Wait()
		if c.err != nil && said.String() != "" {
			c.err = fmt.Errorf("chess %s: %s", role, said)
		}
	}()
	if _, err := in.Write(append(line, '\n')); err != nil {
		c.kill()
		return nil, fmt.Errorf("chess %s: %w", role, err)
	}
	return c, nil
}

// stopTime is how long a child has to end.
const stopTime = 5 * time.Second

// stop ends the child and waits for it.
func (c *child) stop() {
	c.in.Close()
	select {
	case <-c.done:
	case <-time.After(stopTime):
		c.kill()
	}
}

// kill ends it as a crash would, and waits.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended already
	<-c.done
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
