package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Whole processes beside their peers, all of a group at the same time, so that
// the ratios hold whatever the machine is doing: docs/PERFORMANCE.md.

const (
	settleTime  = 5 * time.Second
	measureTime = 20 * time.Second
)

// cost is what a process and its children used, and hold.
type cost struct {
	cpu time.Duration
	rss int64 // bytes
}

// costOf reads the CPU clocks of a process tree.
func costOf(pid int) cost {
	var c cost
	var ts unix.Timespec
	// The clock of a whole process: the kernel's clockid is ^pid<<3 with
	// CPUCLOCK_SCHED (2).
	if unix.ClockGettime(int32(^pid<<3|2), &ts) == nil {
		c.cpu = time.Duration(ts.Nano())
	}
	if f, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
		if fields := strings.Fields(string(f)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			c.rss = pages * int64(os.Getpagesize())
		}
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, t := range tasks {
		f, _ := os.ReadFile(t)
		for child := range strings.FieldsSeq(string(f)) {
			n, _ := strconv.Atoi(child)
			k := costOf(n)
			c.cpu += k.cpu
			c.rss += k.rss
		}
	}
	return c
}

// contender is one program of a group.
type contender struct {
	name  string
	cmd   *exec.Cmd
	tty   bool
	first chan cost // by the time its first frame was out
	read  chan struct{}
	keys  string // typed ten times a second
	// written is how many bytes it has written to its terminal; nil without one.
	written func() int64
}

// quiet is how long a terminal is silent behind a frame.
const quiet = 60 * time.Millisecond

func (c *contender) start(b *testing.B, cols, rows int) {
	b.Helper()
	if !c.tty {
		if err := c.cmd.Start(); err != nil {
			b.Fatal(err)
		}
		return
	}
	c.cmd.Env = append(c.cmd.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor")
	master, err := pty.StartWithSize(c.cmd, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)})
	if err != nil {
		b.Fatal(err)
	}
	c.read = make(chan struct{})
	var total, last atomic.Int64
	began := time.Now()
	go func() {
		defer close(c.read)
		defer master.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := master.Read(buf)
			total.Add(int64(n))
			last.Store(int64(time.Since(began)))
			if err != nil {
				return
			}
		}
	}()
	// The first frame is out when something was drawn and the terminal has
	// been quiet for a moment; what the process has used by then is its price.
	c.first = make(chan cost, 1)
	go func() {
		for total.Load() < 1000 || time.Since(began)-time.Duration(last.Load()) < quiet {
			time.Sleep(time.Millisecond)
		}
		c.first <- costOf(c.cmd.Process.Pid)
	}()
	c.written = total.Load
	if c.keys == "" {
		return
	}
	go func() {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-c.read:
				tick.Stop()
				return
			case <-tick.C:
				_, _ = master.WriteString(c.keys)
			}
		}
	}()
}

func (c *contender) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait()
	if c.read != nil {
		<-c.read
	}
}

// build makes the program as users have it: the test binary that stands in for
// it elsewhere is larger.
func build(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	path := filepath.Join(dir, "capmon")
	// Others run it too.
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v: %s", err, out)
	}
	return path
}

func bench(name string, args ...string) *contender {
	return &contender{name: name, cmd: exec.Command(args[0], args[1:]...), tty: true}
}

// race runs the group and reports each member, with the others as multiples of
// the first.
func race(b *testing.B, cols, rows int, group []*contender) {
	b.Helper()
	for _, c := range group {
		if _, err := exec.LookPath(c.cmd.Args[0]); err != nil {
			b.Skipf("%s is not installed: `make bench` as root on Debian installs it", c.cmd.Args[0])
		}
	}
	var first []cost
	defer func() {
		for _, c := range group {
			c.stop()
		}
	}()
	for _, c := range group {
		c.start(b, cols, rows)
		if c.tty {
			first = append(first, <-c.first)
		}
	}
	time.Sleep(settleTime)
	type reading struct {
		cost
		bytes int64
	}
	read := func(c *contender) (r reading) {
		r.cost = costOf(c.cmd.Process.Pid)
		if c.written != nil {
			r.bytes = c.written()
		}
		return r
	}
	var before []reading
	for _, c := range group {
		before = append(before, read(c))
	}
	time.Sleep(measureTime)
	var base float64
	for i, c := range group {
		after := read(c)
		ms := (after.cpu - before[i].cpu).Seconds() * 1000 / measureTime.Seconds()
		if i == 0 {
			base = ms
		}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms, "cpu-ms/s")
			b.ReportMetric(ms/base, "x-cpu")
			b.ReportMetric(float64(after.rss)/(1<<20), "rss-MiB")
			if c.written != nil {
				b.ReportMetric(float64(after.bytes-before[i].bytes)/measureTime.Seconds()/1000, "tty-kB/s")
				b.ReportMetric(first[i].cpu.Seconds()*1000, "first-frame-cpu-ms")
			}
		})
	}
}

// BenchmarkDashboards: one host, 200x50, once a second.
func BenchmarkDashboards(b *testing.B) {
	conf := b.TempDir()
	btop := filepath.Join(conf, "btop")
	if err := os.MkdirAll(btop, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(btop, "btop.conf"), []byte("update_ms=1000\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	group := []*contender{
		bench("capmon", build(b)), bench("top", "top", "-d", "1"), bench("htop", "htop", "-d", "10"), bench("btop", "btop", "--utf-force"),
	}
	for _, c := range group {
		c.cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+conf)
	}
	race(b, 200, 50, group)
}

// BenchmarkAgents: an agent with one viewer and everything on, the same without
// the rights for eBPF, and node_exporter scraped once a second, beside each other.
func BenchmarkAgents(b *testing.B) {
	const everything, unprivileged, exporterAddr = "127.0.0.1:17102", "127.0.0.1:17104", "127.0.0.1:17103"
	config := append(os.Environ(), "XDG_CONFIG_HOME="+b.TempDir())
	program := build(b)
	group := []*contender{
		bench("capmon", program, "agent", "--listen", everything),
		bench("capmon-without-rights", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "agent", "--listen", unprivileged),
		bench("node_exporter", "prometheus-node-exporter", "--web.listen-address="+exporterAddr),
	}
	if os.Geteuid() != 0 {
		group = append(group[:1], group[2:]...)
	}
	for _, c := range group {
		c.tty, c.cmd.Env = false, config
	}
	for _, addr := range []string{everything, unprivileged} {
		viewer := exec.Command("capmon-watch", addr)
		viewer.Env = config
		if err := viewer.Start(); err != nil {
			b.Fatal(err)
		}
		defer func() {
			_ = viewer.Process.Signal(syscall.SIGTERM)
			_ = viewer.Wait()
		}()
	}
	done := make(chan struct{})
	defer close(done)
	go scrape("http://"+exporterAddr+"/metrics", done)
	race(b, 0, 0, group)
}

func scrape(url string, done chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if r, err := http.Get(url); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
	}
}
