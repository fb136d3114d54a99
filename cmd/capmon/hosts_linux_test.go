package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Hosts of these tests are network namespaces with addresses of their own on
// one bridge; each runs the real binary. Nothing leaves them.

// requireReal is set where a missing server or right is a failure and not a
// reason to skip.
var requireReal = os.Getenv("CAPMON_REQUIRE_REAL") != ""

// need skips the test where a program or the right to make namespaces is
// missing; the line says what is skipped and why.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes its time with real programs: run without -short")
	}
	lack := func(format string, args ...any) {
		t.Helper()
		if requireReal {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lack("%s is not installed: `make packages` as root on Debian installs it", p)
		}
	}
	for _, p := range programs {
		if p == "ip" && os.Geteuid() != 0 {
			lack("network namespaces need root")
		}
	}
}

// lan is a bridge with a viewer's namespace on it and one namespace for each
// host.
type lan struct {
	t      *testing.T
	prefix string
	config string // XDG_CONFIG_HOME of every program on it
}

var (
	lans   atomic.Int32 // made so far
	making sync.Mutex   // held while one is
)

func newLAN(t *testing.T, hosts int) *lan {
	t.Helper()
	need(t, "ip")
	l := &lan{t: t, prefix: fmt.Sprintf("capmon%d-%d", os.Getpid()%10000, lans.Add(1)), config: t.TempDir()}
	t.Cleanup(func() {
		for i := range hosts + 1 {
			_ = exec.Command("ip", "netns", "del", l.ns(i)).Run()
		}
	})
	// The first of a machine also mounts what the namespaces are kept in.
	making.Lock()
	defer making.Unlock()
	l.ip("netns", "add", l.ns(0))
	l.in(0, "ip", "link", "set", "lo", "up")
	l.in(0, "ip", "link", "add", "br0", "type", "bridge")
	l.in(0, "ip", "addr", "add", l.addr(0)+"/24", "dev", "br0")
	l.in(0, "ip", "link", "set", "br0", "up")
	for i := 1; i <= hosts; i++ {
		port := fmt.Sprintf("port%d", i)
		l.ip("netns", "add", l.ns(i))
		l.in(0, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", l.ns(i))
		l.in(0, "ip", "link", "set", port, "master", "br0", "up")
		l.in(i, "ip", "link", "set", "lo", "up")
		l.in(i, "ip", "addr", "add", l.addr(i)+"/24", "dev", "eth0")
		l.in(i, "ip", "link", "set", "eth0", "up")
	}
	l.in(0, "capmon", "token", "new")
	return l
}

// ns names the namespace of host i; 0 is the viewer's.
func (l *lan) ns(i int) string { return fmt.Sprintf("%s-%d", l.prefix, i) }

func (l *lan) addr(i int) string { return fmt.Sprintf("10.77.0.%d", i+1) }

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (l *lan) command(i int, args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.ns(i)}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+l.config, "XDG_STATE_HOME="+l.config)
	return cmd
}

// in runs a program to its end in namespace i and returns its stdout.
func (l *lan) in(i int, args ...string) string {
	l.t.Helper()
	var out, errs bytes.Buffer
	cmd := l.command(i, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		l.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// program is something that runs until the test ends it.
type program struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  *lockedBuffer
	errs *lockedBuffer
	done chan struct{}
}

func start(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, name: strings.Join(cmd.Args, " "), cmd: cmd, out: &lockedBuffer{}, errs: &lockedBuffer{}, done: make(chan struct{})}
	cmd.Stderr = p.errs
	if cmd.Stdout == nil {
		cmd.Stdout = p.out
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			p.signal(syscall.SIGKILL)
			<-p.done
			t.Errorf("%s did not end on SIGTERM", p.name)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.errs)
		}
	})
	return p
}

func (p *program) signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(s)
	}
}

// agent starts an agent in namespace i (ip execs, so that the process is the
// agent itself) and returns when it listens.
func (l *lan) agent(i int, args ...string) *program {
	l.t.Helper()
	p := start(l.t, l.command(i, append([]string{"capmon", "agent", "--listen", ":7077"}, args...)...))
	p.waitFor("listen=")
	return p
}

// waitFor returns when the program has said text on stderr.
func (p *program) waitFor(text string) {
	p.t.Helper()
	until(p.t, p.name+" to say "+text, 10*time.Second, func() bool { return strings.Contains(p.errs.String(), text) })
}

// until polls, with the test's patience for a slow machine as its only limit.
func until(t *testing.T, what string, patience time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// watcher is a running capmon-watch; now is its newest line.
type watcher struct {
	*program
	mu   sync.Mutex
	last watched
}

func watch(t *testing.T, cmd *exec.Cmd) *watcher {
	t.Helper()
	out, in := io.Pipe()
	cmd.Stdout = in
	w := &watcher{program: start(t, cmd)}
	go func() {
		<-w.done
		in.Close()
	}()
	go func() {
		d := json.NewDecoder(out)
		for {
			var line watched
			if d.Decode(&line) != nil {
				return
			}
			w.mu.Lock()
			w.last = line
			w.mu.Unlock()
		}
	}()
	return w
}

func (w *watcher) host(name string) watchedHost {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last.Hosts[name]
}

// hosts are all of the newest line.
func (w *watcher) hosts() map[string]watchedHost {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last.Hosts
}

// sees waits until the host is in the state.
func (w *watcher) sees(name, state string, patience time.Duration) {
	w.t.Helper()
	until(w.t, fmt.Sprintf("%s to be %s", name, state), patience, func() bool { return w.host(name).State == state })
}

// snapshotJSON is the part of the contract that these tests look at.
type snapshotJSON struct {
	Schema string
	Totals struct {
		Hosts       int
		HostsUp     int `json:"hosts_up"`
		RPS         *float64
		Connections *float64
		Cores       *float64
		CoresUsed   *float64 `json:"cores_used"`
		Users       *float64
		Edge        *string
		EdgeFrom    *string `json:"edge_from"`
	}
	Pools []struct {
		Name        string
		Hosts       int
		Users, Need *float64
	}
	Hosts []snapshotHost
}

type snapshotHost struct {
	Name, State, Reason string
	Pool                string
	Labels              map[string]string
	Cores               []float64
	CPU                 *float64
	RPS                 *float64
	Connections         *float64
	Services            []struct {
		Port           int
		Name           string
		RPS            *float64
		RPSSource      *string  `json:"rps_source"`
		ResponsesTotal *float64 `json:"responses_total"`
		Connections    *float64
		Peers          []snapshotPeer
	}
}

type snapshotPeer struct {
	Address     string
	Connections int
}

// peersAt are those of the service at a port; nil where they are not known.
func (h *snapshotHost) peersAt(port int) []snapshotPeer {
	for _, v := range h.Services {
		if v.Port == port {
			return v.Peers
		}
	}
	return nil
}

// snapshot runs `capmon snapshot --format json` and returns what it printed,
// what it said, and its exit code.
func snapshot(t *testing.T, cmd *exec.Cmd) (s snapshotJSON, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Args = append(cmd.Args, "--format", "json")
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &s); err != nil {
			t.Fatalf("%v in %s", err, out.String())
		}
	}
	return s, errs.String(), cmd.ProcessState.ExitCode()
}

// lockedBuffer is written by a process and read by a test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// alone is a command on this machine with a config and events of its own.
func alone(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "XDG_STATE_HOME="+filepath.Join(dir, "state"))
	return cmd
}
