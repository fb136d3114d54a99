package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Three agents in three network namespaces, one snapshot; then everything that
// can happen to a host, seen by one viewer that stays.
func TestThreeHosts(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 3)
	var agents []*program
	var names []string
	for i := 1; i <= 3; i++ {
		agents = append(agents, l.agent(i))
		names = append(names, l.addr(i))
	}
	list := strings.Join(names, ",")

	s, said, code := snapshot(t, l.command(0, "capmon", "snapshot", "--agents", list))
	if code != exitOK || s.Schema != "capmon.snapshot/1" || s.Totals.HostsUp != 3 || len(s.Hosts) != 3 {
		t.Fatalf("three hosts: exit %d, %+v, said %s", code, s, said)
	}

	if line := l.in(0, "capmon", "line", "--agents", list, "--width", "40"); !regexp.MustCompile(`^(!!? )?NEED \d+/3 [0-9.]+%( full .*)?\n$`).MatchString(line) {
		t.Errorf("the line of three hosts: %q", line)
	}

	screen := openTerminal(t, 120, 40, l.command(0, "capmon", "--agents", list))
	screen.shows("3/3 up")
	for _, name := range names {
		screen.shows(name)
	}
	screen.press("q")
	<-screen.done
	screen.usable()

	w := watch(t, l.command(0, "capmon-watch", list))
	for _, name := range names {
		w.sees(name, "up", 10*time.Second)
	}

	t.Run("killed", func(t *testing.T) {
		agents[0].signal(syscall.SIGKILL)
		w.sees(names[0], "down", 10*time.Second)
		if h := w.host(names[0]); !strings.Contains(h.Reason, "nothing listens") || !strings.Contains(h.Do, "capmon agent") {
			t.Errorf("a killed agent: reason %q, do %q", h.Reason, h.Do)
		}
		s, said, code := snapshot(t, l.command(0, "capmon", "snapshot", "--agents", list))
		if code != exitOK || s.Totals.HostsUp != 2 || s.Hosts[0].State != "down" || s.Hosts[0].CPU != nil {
			t.Errorf("one of three killed: exit %d, %+v", code, s)
		}
		if line := l.in(0, "capmon", "line", "--agents", list); !strings.Contains(line, " 1x") {
			t.Errorf("the line of three hosts, one killed: %q", line)
		}
		if !strings.Contains(said, names[0]+" is down") {
			t.Errorf("stderr does not name the host that is down: %q", said)
		}
		l.agent(1)
		w.sees(names[0], "up", 20*time.Second)
		if h := w.host(names[0]); h.Epochs != 2 {
			t.Errorf("a restarted agent: %d runs seen, want 2", h.Epochs)
		}
	})

	t.Run("stopped", func(t *testing.T) {
		agents[2].signal(syscall.SIGSTOP)
		w.sees(names[2], "stale", 15*time.Second)
		agents[2].signal(syscall.SIGCONT)
		w.sees(names[2], "up", 15*time.Second)
	})

	t.Run("link down for 40 s", func(t *testing.T) {
		before := w.host(names[1])
		l.in(0, "ip", "link", "set", "port2", "down")
		w.sees(names[1], "stale", 15*time.Second)
		time.Sleep(40 * time.Second)
		w.sees(names[1], "down", 15*time.Second)
		l.in(0, "ip", "link", "set", "port2", "up")
		w.sees(names[1], "up", 30*time.Second)
		until(t, "the lost seconds", 20*time.Second, func() bool {
			h := w.host(names[1])
			return h.Missing == 0 && h.Samples >= before.Samples+40
		})
		if h := w.host(names[1]); h.Twice != 0 || h.Epochs != 1 {
			t.Errorf("after 40 s without a link: %d samples twice, %d runs", h.Twice, h.Epochs)
		}
	})
	for _, name := range names {
		if h := w.host(name); h.Twice != 0 || h.Missing != 0 {
			t.Errorf("%s: %d samples delivered twice, %d missing", name, h.Twice, h.Missing)
		}
	}
}

// Hosts that do not answer say why, each in its own words.
func TestHostsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 2)
	l.agent(1)
	// What arrives at host 2 is answered into a hole, as behind a firewall
	// that drops.
	l.in(2, "ip", "route", "add", "blackhole", l.addr(0))
	drops, refuses := l.addr(2), l.addr(1)+":7078"
	s, said, code := snapshot(t, l.command(0, "capmon", "snapshot", "--agents",
		strings.Join([]string{l.addr(1), refuses, drops, "no-such-host.invalid"}, ",")))
	if code != exitOK || s.Totals.HostsUp != 1 || s.Totals.Hosts != 4 {
		t.Fatalf("exit %d, %+v, said %s", code, s, said)
	}
	for i, want := range []struct{ state, reason string }{
		{"up", ""}, {"down", "nothing listens"}, {"unseen", "no answer"}, {"unseen", "no-such-host.invalid"},
	} {
		if h := s.Hosts[i]; h.State != want.state || !strings.Contains(h.Reason, want.reason) {
			t.Errorf("%s: %s because %q, want %s because %q", h.Name, h.State, h.Reason, want.state, want.reason)
		}
	}
	if _, _, code := snapshot(t, l.command(0, "capmon", "snapshot", "--agents", refuses)); code != exitFailed {
		t.Errorf("no host answered: exit %d, want %d", code, exitFailed)
	}
}

// Peers that are no agents: each is named with what was wrong, and none keeps
// the others from being read.
func TestPeersThatAreNoAgents(t *testing.T) {
	t.Parallel()
	need(t)
	agent := start(t, alone(t, "capmon", "agent", "--listen", "127.0.0.1:17104"))
	agent.waitFor("listen=")
	list := []string{"127.0.0.1:17104"}
	for _, answer := range []func(net.Conn){
		func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.2\r\n") },
		func(c net.Conn) { // a message without an end
			noise := bytes.Repeat([]byte{0, 0, 8, 0, 1, 0xff, 0x1b, '['}, 4096)
			for range 4096 {
				if _, err := c.Write(noise); err != nil {
					return
				}
			}
		},
		func(net.Conn) {}, // hangs up
		func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, // says nothing
	} {
		list = append(list, peer(t, answer))
	}
	s, said, code := snapshot(t, alone(t, "capmon", "snapshot", "--agents", strings.Join(list, ",")))
	if code != exitOK || s.Totals.HostsUp != 1 || len(s.Hosts) != len(list) {
		t.Fatalf("exit %d, %+v, said %s", code, s.Totals, said)
	}
	for _, h := range s.Hosts[1:] {
		if h.State == "up" || h.CPU != nil || !strings.Contains(h.Reason, h.Name) {
			t.Errorf("%s: %s because %q", h.Name, h.State, h.Reason)
		}
	}
}

// peer listens on loopback and answers each connection in its own way, until
// the test ends.
func peer(t *testing.T, answer func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				answer(c)
			})
		}
	})
	return l.Addr().String()
}

// A name that stands for several machines is followed as its addresses change.
func TestNameWithChangingAddresses(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 3)
	for i := 1; i <= 3; i++ {
		l.agent(i)
	}
	dir := filepath.Join("/etc/netns", l.ns(0))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// The file is bound into the namespace, so it is changed in place.
	write := func(hosts ...int) {
		var b strings.Builder
		for _, i := range hosts {
			fmt.Fprintf(&b, "%s web.test\n", l.addr(i))
		}
		if err := os.WriteFile(filepath.Join(dir, "hosts"), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(1, 2)
	w := watch(t, l.command(0, "capmon-watch", "dns:///web.test"))
	w.sees(l.addr(1), "up", 15*time.Second)
	w.sees(l.addr(2), "up", 15*time.Second)
	write(2, 3)
	w.sees(l.addr(3), "up", 40*time.Second)
	until(t, l.addr(1)+" to leave", 60*time.Second, func() bool { return w.host(l.addr(1)).State == "" })
}

// The fleet token: with it everything, without it nothing.
func TestTokenOpensTheFleet(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	agent := l.agent(1)
	if s, said, code := snapshot(t, l.command(0, "capmon", "snapshot", "--agents", l.addr(1))); code != exitOK || s.Totals.HostsUp != 1 {
		t.Fatalf("with the token: exit %d, %+v, said %s", code, s, said)
	}
	for name, config := range map[string]func() string{
		"none": func() string { return t.TempDir() },
		"wrong": func() string {
			dir := t.TempDir()
			cmd := l.command(0, "capmon", "token", "new")
			cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("token new: %v: %s", err, out)
			}
			return dir
		},
	} {
		cmd := l.command(0, "capmon", "snapshot", "--agents", l.addr(1))
		cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+config())
		s, said, code := snapshot(t, cmd)
		if code != exitFailed || s.Totals.HostsUp != 0 || s.Hosts[0].CPU != nil {
			t.Errorf("token %s: exit %d, %+v", name, code, s)
		}
		if !strings.Contains(said, "token") {
			t.Errorf("token %s: the viewer said only %q", name, said)
		}
	}
	agent.waitFor("refused")
	agent.waitFor("token")
}

// Per-core CPU against the kernel's own counters while one core is kept busy.
func TestCoresAgainstTheKernel(t *testing.T) {
	need(t)
	agent := start(t, alone(t, "capmon", "agent", "--listen", "127.0.0.1:17101"))
	agent.waitFor("listen=")
	w := watch(t, alone(t, "capmon-watch", "127.0.0.1:17101"))
	const host = "127.0.0.1:17101"
	w.sees(host, "up", 10*time.Second)
	burn := start(t, alone(t, "capmon-burn", "1", "60"))
	defer burn.signal(syscall.SIGKILL)

	// The kernel's counters are read as a sample arrives, so both cover the
	// same ten intervals to within the watcher's step.
	next := func(after uint64) watchedHost {
		until(t, "the next sample", 10*time.Second, func() bool { return w.host(host).Seq > after })
		return w.host(host)
	}
	first := next(next(0).Seq + 2)
	began := readStat(t)
	sums := make([]float64, len(first.Busy))
	last := first
	const n = 12
	for range n {
		last = next(last.Seq)
		for i, b := range last.Busy {
			if b < 0 {
				t.Fatalf("core %d has no reading", i)
			}
			sums[i] += b
		}
	}
	ended := readStat(t)
	if last.Seq != first.Seq+n {
		t.Fatalf("%d samples were seen of %d", n, last.Seq-first.Seq)
	}
	for i := range sums {
		want := (ended[i].busy - began[i].busy) / (ended[i].all - began[i].all)
		if got := sums[i] / n; got < want-0.01 || got > want+0.01 {
			t.Errorf("core %d: %.1f%% by capmon, %.1f%% by /proc/stat", i, 100*got, 100*want)
		}
	}
	if sums[1]/n < 0.9 {
		t.Errorf("core 1 was kept busy and shows %.0f%%", 100*sums[1]/n)
	}
}

// coreTime is one core's line of /proc/stat, in ticks.
type coreTime struct{ busy, all float64 }

func readStat(t *testing.T) []coreTime {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	var out []coreTime
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") || f[0] == "cpu" {
			continue
		}
		var c coreTime
		for i, v := range f[1:9] {
			var n float64
			fmt.Sscan(v, &n)
			c.all += n
			if !slices.Contains([]int{3, 4, 7}, i) { // idle, iowait, steal
				c.busy += n
			}
		}
		out = append(out, c)
	}
	return out
}
