// Package storytest is what the tests of the stories have in common.
package storytest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"capmon/demo/stories"
)

// Plan is a watcher that wants so many servers, and notes whom it was to follow.
type Plan struct {
	Wants  func(after time.Duration) int // since it was first asked; 0: nothing is known
	Beside int                           // processes that it follows and that are no servers
	Out    io.Writer                     // gets the address of each agent, a line; nil: nobody

	mu     sync.Mutex
	began  time.Time
	follow []string
	left   []string
}

var _ stories.Watcher = (*Plan)(nil)

// Always wants the same number.
func Always(n int) func(time.Duration) int { return func(time.Duration) int { return n } }

// Follow notes it.
func (p *Plan) Follow(name, agent string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow = append(p.follow, name)
	if p.Out != nil {
		fmt.Fprintln(p.Out, agent)
	}
}

// Leave notes it.
func (p *Plan) Leave(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = append(p.left, name)
}

// Verdict wants what is planned.
func (p *Plan) Verdict(now time.Time) stories.Verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		p.began = now
	}
	n := p.Wants(now.Sub(p.began))
	return stories.Verdict{OK: n > 0, Need: n, Run: n, Up: len(p.follow) - len(p.left) - p.Beside}
}

// Followed are those it was to follow, by name; it is an error when it was not to
// leave the same in the end, or when they are fewer than so many.
func (p *Plan) Followed(t *testing.T, least int) []string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.follow)
	slices.Sort(p.left)
	if !slices.Equal(p.follow, p.left) || len(p.follow) < least {
		t.Errorf("followed %v, left %v, want the same and %d at least", p.follow, p.left, least)
	}
	return p.follow
}

// NothingOutlives starts the test binary once more with env=1, which is to tell a
// story whose Plan has os.Stdout as its Out, kills it when so many agents are
// there, and holds that they go.
func NothingOutlives(t *testing.T, env string, agents int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addrs := make([]string, agents)
	for i := range addrs {
		if _, err := fmt.Fscanln(out, &addrs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if there := listening(addrs); there != agents {
		t.Fatalf("%d of %v are there before", there, addrs)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for limit := time.Now().Add(20 * time.Second); listening(addrs) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d of %v still listen", listening(addrs), addrs)
		}
	}
}

func listening(addrs []string) (n int) {
	for _, addr := range addrs {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			n++
		}
	}
	return n
}
