package collectors

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// live is the programs of one case.
type live struct {
	t    *testing.T
	dir  string
	pids map[int]bool // of the case
	stop []func()
}

// run starts a program; it and what it starts are ended with the case.
func (l *live) run(args ...string) io.Reader {
	l.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves no loop behind
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.pids[cmd.Process.Pid] = true
	l.stop = append(l.stop, func() {
		for _, pid := range childrenOf(cmd.Process.Pid) {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return out
}

// childrenOf lists the children of a process of these tests.
func childrenOf(pid int) []int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var out []int
	for f := range strings.FieldsSeq(string(b)) {
		var child int
		if n, _ := fmt.Sscan(f, &child); n == 1 {
			out = append(out, child)
		}
	}
	return out
}

// port reads the line in which a server tells its port.
func (l *live) port(out io.Reader) int {
	l.t.Helper()
	var port int
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, scanErr := fmt.Sscanf(line, "port %d", &port); err != nil || scanErr != nil {
		l.t.Fatalf("a server said %q: %v", line, errors.Join(err, scanErr))
	}
	return port
}

func (l *live) ask(port int, path string) {
	l.t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	r, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Body.Close()
}

// load keeps n requests under way until the case ends, each with a pause before
// the next. Who pauses comes back by a new connection, so that those who serve
// get the same share of them.
func (l *live) load(port int, path string, n int, pause time.Duration) {
	done := make(chan struct{})
	var all sync.WaitGroup
	tr := &http.Transport{MaxIdleConnsPerHost: n, DisableKeepAlives: pause > 0}
	for range n {
		all.Go(func() {
			c := http.Client{Transport: tr, Timeout: 5 * time.Second}
			for {
				select {
				case <-done:
					return
				default:
				}
				if r, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path)); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
				time.Sleep(pause)
			}
		})
	}
	l.stop = append(l.stop, func() {
		close(done)
		all.Wait()
		tr.CloseIdleConnections()
	})
}

// rust and golang build a program of testdata, once.
func (l *live) rust(source string) string {
	return l.build(source, func(out string) *exec.Cmd { return exec.Command("rustc", "-O", "-o", out, testProgram(source)) })
}

func (l *live) golang(source string) string {
	return l.build(source, func(out string) *exec.Cmd {
		file := filepath.Join(l.dir, "main.go")
		b, err := os.ReadFile(testProgram(source))
		if err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
		if err != nil {
			l.t.Fatal(err)
		}
		return exec.Command("go", "build", "-o", out, file)
	})
}

func (l *live) build(source string, command func(out string) *exec.Cmd) string {
	l.t.Helper()
	out := filepath.Join(l.dir, strings.ReplaceAll(source, ".", "-"))
	if _, err := os.Stat(out); err == nil {
		return out
	}
	if said, err := command(out).CombinedOutput(); err != nil {
		l.t.Fatalf("build %s: %v: %s", source, err, said)
	}
	return out
}
