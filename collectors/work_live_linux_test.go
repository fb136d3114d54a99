package collectors

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"capmon/sample"
)

// workCase is one server under a light load and what is to be said of its work.
type workCase struct {
	name  string
	needs []string
	start func(l *live) (port int)
	path  string
	one   bool
	share [2]float64 // of the run time, that of the top thread
	least float64    // cores that it must run, or the case proves nothing
	pause time.Duration
}

var workCases = []workCase{
	{
		name: "Node", needs: []string{"node"}, path: "/", one: true, share: [2]float64{0.85, 1}, least: 0.05, pause: 15 * time.Millisecond,
		start: func(l *live) int { return l.port(l.run("node", testProgram("server.js"))) },
	},
	{
		name: "Node: cluster of two", needs: []string{"node"}, path: "/work", one: true, share: [2]float64{0.35, 0.65}, least: 0.05, pause: 15 * time.Millisecond,
		start: func(l *live) int { return l.port(l.run("node", testProgram("cluster.js"))) },
	},
	{
		name: "Go on two cores", path: "/", one: false, share: [2]float64{0, 0.85}, least: 0.03, pause: 15 * time.Millisecond,
		start: func(l *live) int { return l.port(l.run(l.golang("serve.go.txt"))) },
	},
	{
		name: "nginx with two workers", needs: []string{"nginx"}, path: "/", one: true, share: [2]float64{0.2, 1}, least: 0.02,
		start: startNginx,
	},
}

// startNginx runs one with two workers on a port that is free.
func startNginx(l *live) int {
	l.t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	port := lis.Addr().(*net.TCPAddr).Port
	lis.Close()
	dir := l.t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 64; }
http { access_log off; server { listen 127.0.0.1:%[2]d reuseport; location / { return 200 "ok"; } } }
`, dir, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	l.run("nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", file)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return port
		}
		if time.Now().After(end) {
			l.t.Fatal(err)
		}
	}
}

// ticksOf is the CPU time of processes as /proc tells it, in seconds.
func ticksOf(t *testing.T, pids map[int]bool) (sum float64) {
	t.Helper()
	for pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
		for _, f := range fields[11:13] { // utime, stime
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			sum += float64(n) / 100
		}
	}
	return sum
}

// TestLiveWorkOfRealServers holds what is said of a server's work, on each of
// the roads, against what the kernel charged its processes.
func TestLiveWorkOfRealServers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 s for each of its cases: run without -short")
	}
	dir := t.TempDir()
	for _, c := range workCases {
		t.Run(c.name, func(t *testing.T) {
			for _, p := range c.needs {
				if _, err := exec.LookPath(p); err != nil {
					lackLive(t, p+" is not installed: `make packages` as root on Debian installs it")
				}
			}
			for try := 1; ; try++ {
				problems := watchWork(t, c, dir)
				if len(problems) == 0 {
					return
				}
				if try == liveTries {
					t.Fatal(strings.Join(problems, "\n"))
				}
				t.Logf("once more: %s", strings.Join(problems, "; "))
			}
		})
	}
}

func watchWork(t *testing.T, c workCase, dir string) (problems []string) {
	l := &live{t: t, dir: dir, pids: make(map[int]bool)}
	defer func() {
		for _, stop := range slices.Backward(l.stop) {
			stop()
		}
	}()
	port := c.start(l)
	l.load(port, c.path, 4, c.pause)
	both := roads(t)
	portable := NewRunner(List(Config{countOwn: true, Portable: true}), RunnerOptions{})
	names := []string{"the iterator", "/proc", "the portable road"}
	list := []*Runner{both[0], both[1], portable}
	defer func() {
		for _, r := range list {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	const patience, counted = 60, 8 // seconds
	heard := make([]workHeard, len(list))
	var before float64
	var began time.Time
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	left := -1 // seconds to count; below 0 while not every road knows everything
	for n := 0; n < patience && left != 0; n++ {
		<-tick.C
		for pid := range l.pids {
			for _, child := range childrenOf(pid) {
				l.pids[child] = true
			}
		}
		known := true
		for i, r := range list {
			heard[i].add(r.Sample(t.Context(), time.Now()), port)
			known = known && heard[i].run.n > 0 && (i == 2 || heard[i].top.n > 0)
		}
		if left > 0 {
			left--
		} else if known || n == patience-counted {
			left = counted
			clear(heard)
			before, began = ticksOf(t, l.pids), time.Now()
		}
	}
	truth := (ticksOf(t, l.pids) - before) / time.Since(began).Seconds()
	for i, h := range heard {
		for _, err := range h.problems(c, truth, i == 2) {
			problems = append(problems, fmt.Sprintf("by %s: %v (%+v, the kernel says %.3f cores)", names[i], err, h, truth))
		}
		t.Logf("by %s: run %.3f cores (kernel %.3f), top %.3f, one thread %v", names[i], h.run.value(), truth, h.top.value(), h.one != nil && *h.one)
	}
	return problems
}

// workHeard is what one road said during a case.
type workHeard struct {
	run, top meanOf
	one      *bool
}

type meanOf struct{ sum, n float64 }

func (m *meanOf) value() float64 { return m.sum / max(m.n, 1) }

func (h *workHeard) add(s *sample.Sample, port int) {
	for _, v := range s.GetServices() {
		if int(v.GetPort()) != port {
			continue
		}
		if v.RunUs != nil {
			h.run.sum, h.run.n = h.run.sum+float64(v.GetRunUs())/1e6, h.run.n+1
		}
		if v.TopUs != nil {
			h.top.sum, h.top.n = h.top.sum+float64(v.GetTopUs())/1e6, h.top.n+1
		}
		h.one = v.OneThread
	}
}

func (h *workHeard) problems(c workCase, truth float64, blind bool) (list []error) {
	say := func(wrong bool, format string, args ...any) {
		if wrong {
			list = append(list, fmt.Errorf(format, args...))
		}
	}
	run := h.run.value()
	say(h.run.n < 5, "run is known in %v seconds", h.run.n)
	say(run < c.least, "it runs %.3f cores, want at least %v", run, c.least)
	say(run < 0.85*truth-0.02 || run > 1.15*truth+0.02, "it runs %.3f cores", run)
	if blind {
		say(h.one != nil || h.top.n > 0, "threads are told where none are seen")
		return list
	}
	if h.one == nil || *h.one != c.one {
		list = append(list, errors.New("one_thread is not as it should be"))
	}
	share := h.top.value() / run
	say(h.top.n < 5, "the top thread is known in %v seconds", h.top.n)
	say(share < c.share[0] || share > c.share[1], "the top thread has %.2f of the run time, want %v", share, c.share)
	return list
}
