package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Every source of requests against real servers: each is named to an agent of
// its own, and what it counted is held against what the client sent. With
// CAPMON_RPS_TABLE set the table of docs/RPS.md is printed.

// failing is how many requests go to each of /moved, /missing and /broken.
const failing = 300

// needKernel skips where this user may not count in the kernel.
func needKernel(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if requireReal {
		t.Fatal("counting in the kernel needs root")
	}
	t.Skip("counting in the kernel needs root")
}

// ownNetwork gives the rest of this test, and every program it starts, a network
// namespace of its own where this user may make one: an agent of somebody else
// on this machine would ask our servers for their status.
func ownNetwork(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	need(t, "ip")
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestEverySourceOfRequests(t *testing.T) {
	need(t)
	for _, s := range rpsServers {
		t.Run(s.name, func(t *testing.T) {
			need(t, s.needs...)
			ownNetwork(t)
			dir, p := openDir(t), freePorts(t, 4)
			s.start(t, dir, p)
			listens(t, p[0])
			// A page on the port of the site is load there: apart from those that
			// must be exact.
			var quiet, loud []string
			if os.Geteuid() == 0 {
				quiet = append(quiet, fmt.Sprintf("%d=ebpf:send", p[0]), fmt.Sprintf("%d=ebpf:egress", p[0]))
			}
			for _, source := range s.sources(dir, p) {
				if strings.Contains(source, fmt.Sprintf(":%d/", p[0])) {
					loud = append(loud, source)
				} else {
					quiet = append(quiet, source)
				}
			}
			s.check(t, p[0], quiet)
			s.check(t, p[0], loud)
		})
	}
	if os.Getenv("CAPMON_RPS_TABLE") != "" {
		fmt.Println("| server | source | counted / sent | 3xx / 4xx / 5xx |\n|---|---|---|---|")
		fmt.Println(strings.Join(rpsTable.lines, "\n"))
	}
}

// check loads the server while an agent for each source counts. What the server
// tells of itself may be off by 1%; a log and the kernel are exact.
func (s *rpsServer) check(t *testing.T, port int, sources []string) {
	t.Helper()
	if len(sources) == 0 {
		return
	}
	var agents []*program
	ports := freePorts(t, len(sources))
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	for i, source := range sources {
		agents = append(agents, start(t, alone(t, "capmon", "agent", "--listen", at(i), "--rps", "off", "--rps", source)))
	}
	var viewers []*watcher
	for i, a := range agents {
		a.waitFor("listen=")
		viewers = append(viewers, watch(t, alone(t, "capmon-watch", at(i))))
	}
	for _, source := range sources {
		if _, at, ok := strings.Cut(source, "=statsd:"); ok {
			hears(t, at)
		}
	}
	before := settled(t, viewers, sources, port)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	for path, n := range map[string]int{"/": s.many, "/moved": failing, "/missing": failing, "/broken": failing} {
		client := start(t, s.load(t, n, 25, base+path))
		select {
		case <-client.done:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s has not ended: %s", client.name, client.errs)
		}
	}
	sent := uint64(s.many + 3*failing)
	for i, after := range settled(t, viewers, sources, port) {
		if after.Responses == nil {
			noteRPS(s.name, sources[i], 0, sent, nil, "refused: "+after.Note)
			if !strings.Contains(after.Note, "several processes answer in turn") || !strings.Contains(s.name, "cluster") {
				t.Errorf("%s: no count: %+v", sources[i], after)
			}
			continue
		}
		got := *after.Responses
		if before[i].Responses != nil {
			got -= *before[i].Responses
		}
		status := after.Status
		if len(status) == 3 {
			status = slices.Clone(status)
			for k := range before[i].Status {
				status[k] -= before[i].Status[k]
			}
		}
		noteRPS(s.name, sources[i], got, sent, status, "")
		tolerance := 0.0
		if strings.Contains(sources[i], "http://") || strings.Contains(sources[i], "statsd") {
			tolerance = 0.01
		}
		if off := float64(got)/float64(sent) - 1; off < -tolerance || off > tolerance {
			t.Errorf("%s: %d responses, %d were sent", sources[i], got, sent)
		}
		if len(status) > 0 && !cmp.Equal(status, []uint64{failing, failing, failing}) {
			t.Errorf("%s: status classes %v, want %d each", sources[i], status, failing)
		}
		t.Logf("%s: %d of %d, status %v", sources[i], got, sent, status)
	}
}

// hears waits until somebody takes packets on a UDP port: who sends too early is
// not counted.
func hears(t *testing.T, port string) {
	t.Helper()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "UDP port "+port+" to be open", 20*time.Second, func() bool {
		text, err := os.ReadFile("/proc/thread-self/net/udp")
		return err == nil && strings.Contains(string(text), fmt.Sprintf(":%04X 00000000:0000", n))
	})
}

// settled waits until a port's count stands still and returns it.
func (w *watcher) settled(t *testing.T, source string, port int) watchedService {
	t.Helper()
	return settled(t, []*watcher{w}, []string{source}, port)[0]
}

// settled waits until the count of a port stands still with each of the viewers,
// all at the same time, and returns them.
func settled(t *testing.T, viewers []*watcher, sources []string, port int) []watchedService {
	t.Helper()
	counts := make([]standing, len(viewers))
	defer func() {
		for i := range counts {
			if t.Failed() {
				t.Logf("%s, port %d at last: %+v", sources[i], port, counts[i].last)
			}
		}
	}()
	until(t, fmt.Sprintf("%s to come to rest on port %d", strings.Join(sources, ", "), port), 20*time.Second, func() bool {
		all := true
		for i, w := range viewers {
			all = counts[i].still(w, port) && all
		}
		return all
	})
	var out []watchedService
	for _, c := range counts {
		out = append(out, c.last)
	}
	return out
}

// standing follows one count.
type standing struct {
	last  watchedService
	seq   uint64
	alike int // samples in a row
}

// still tells whether it stood still over three samples: a log that was renamed is
// left one reading after its end. A count that is refused stands still too.
func (c *standing) still(w *watcher, port int) bool {
	for _, h := range w.hosts() {
		if h.Seq == c.seq {
			continue
		}
		c.seq = h.Seq
		for _, v := range h.Services {
			if int(v.Port) != port {
				continue
			}
			same := cmp.Equal(v.Responses, c.last.Responses) && (v.RPS != nil && *v.RPS == 0 || v.RPS == nil && v.Note != "" && !strings.HasPrefix(v.Note, "waiting"))
			if c.last = v; !same {
				c.alike = 0
			}
			c.alike++
		}
	}
	return c.alike >= 3
}
