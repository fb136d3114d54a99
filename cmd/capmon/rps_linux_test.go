package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
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
	var viewers []*watcher
	for _, source := range sources {
		addr := fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1)[0])
		start(t, alone(t, "capmon", "agent", "--listen", addr, "--rps", "off", "--rps", source)).waitFor("listen=")
		viewers = append(viewers, watch(t, alone(t, "capmon-watch", addr)))
	}
	before := make([]watchedService, len(viewers))
	for i, v := range viewers {
		before[i] = v.settled(t, sources[i], port)
	}
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
	for i, v := range viewers {
		after := v.settled(t, sources[i], port)
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

// settled waits until a port's count stands still over three samples and returns
// it: a log that was renamed is left one reading after its end. A count that is
// refused stands still too.
func (w *watcher) settled(t *testing.T, source string, port int) watchedService {
	t.Helper()
	var last watchedService
	var seq, still uint64
	defer func() {
		if t.Failed() {
			t.Logf("port %d at last: %+v", port, last)
		}
	}()
	until(t, fmt.Sprintf("%s to come to rest on port %d", source, port), 20*time.Second, func() bool {
		for name := range w.hosts() {
			h := w.host(name)
			if h.Seq == seq {
				continue
			}
			seq = h.Seq
			for _, v := range h.Services {
				if int(v.Port) != port {
					continue
				}
				same := cmp.Equal(v.Responses, last.Responses) && (v.RPS != nil && *v.RPS == 0 || v.RPS == nil && v.Note != "" && !strings.HasPrefix(v.Note, "waiting"))
				if last = v; !same {
					still = 0
				}
				still++
			}
		}
		return still >= 3
	})
	return last
}
