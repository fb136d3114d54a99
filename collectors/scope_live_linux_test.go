package collectors

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"capmon/sample"
)

func init() {
	childTests["server"] = childServer
	childTests["burner"] = func(*testing.T) { burn(200 * time.Millisecond) }
}

// burn uses that much CPU time, by the clock of the process.
func burn(d time.Duration) {
	own := func() time.Duration {
		v, err := processClock(os.Getpid())
		if err != nil {
			panic(err)
		}
		return time.Duration(v)
	}
	for end := own() + d; own() < end; {
	}
}

// childServer serves at the address of its first line, and does what the other
// lines say, each answered by "done".
func childServer(t *testing.T) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		what, with, _ := strings.Cut(in.Text(), " ")
		switch what {
		case "listen":
			l, err := net.Listen("tcp", with)
			if err != nil {
				t.Fatal(err)
			}
			go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
		case "burn":
			burn(200 * time.Millisecond)
		case "spawn":
			cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
			cmd.Env = append(os.Environ(), asChild+"=burner")
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Println("done")
	}
}

// scoped is a child that serves and is read as a machine.
type scoped struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   *os.File
	out  *bufio.Scanner
	run  *Runner
	addr string
}

func startScoped(t testing.TB, addr string) *scoped {
	s := &scoped{t: t, addr: addr}
	s.cmd, s.in, s.out = startChild(t, "server", &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL})
	s.do("listen " + addr)
	return s
}

func (s *scoped) do(what string) {
	s.t.Helper()
	fmt.Fprintln(s.in, what)
	for s.out.Scan() {
		if s.out.Text() == "done" {
			return
		}
	}
	s.t.Fatalf("the child ended at %q", what)
}

// watch begins to read it, with so many cores; 0 = as many as it has.
func (s *scoped) watch(cores float64) {
	scope, err := ParseScope(fmt.Sprintf("pid:%d", s.cmd.Process.Pid))
	if err == nil && cores > 0 {
		scope, err = scope.WithCores(cores)
	}
	if err == nil {
		err = scope.Find(Config{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.run = NewRunner(List(Config{Scope: scope}), RunnerOptions{Deadline: 10 * time.Second})
	s.t.Cleanup(func() { s.run.Close() })
}

func (s *scoped) sample() *sample.Sample { return s.run.Sample(context.Background(), time.Now()) }

// until samples until the sample is as wanted; the test's own deadline bounds
// it.
func (s *scoped) until(what string, fine func(*sample.Sample) bool) *sample.Sample {
	s.t.Helper()
	for {
		v := s.sample()
		if fine(v) {
			return v
		}
		select {
		case <-s.t.Context().Done():
			s.t.Fatalf("never %s: %v", what, v)
		case <-time.After(100 * time.Millisecond):
		}
		if testing.Verbose() {
			s.t.Logf("not yet %s: %v %v", what, v.GetServices(), v.GetErrors())
		}
	}
}

// hold opens n connections to it until the test ends.
func (s *scoped) hold(n int) {
	for range n {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { c.Close() })
	}
}

func (s *scoped) get(n int) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range n {
		r, err := client.Get("http://" + s.addr)
		if err != nil {
			s.t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}

// Two servers with the same port, each at an address of its own, are two
// machines: each with its connections and its requests.
func TestScopesWithTheSamePort(t *testing.T) {
	port := unusedPorts(t, 1)[0]
	a := startScoped(t, fmt.Sprintf("127.0.0.2:%d", port))
	b := startScoped(t, fmt.Sprintf("127.0.0.3:%d", port))
	a.watch(2)
	b.watch(0.5)
	a.hold(3)
	b.hold(5)
	a.sample()
	b.sample()
	a.until("watched", func(v *sample.Sample) bool { return len(v.GetServices()) == 1 })
	b.until("watched", func(v *sample.Sample) bool { return len(v.GetServices()) == 1 })
	a.get(4)
	b.get(7)
	for _, c := range []struct {
		*scoped
		connections uint32
		responses   uint64
		cores       float32
		cells       int
	}{{a, 3, 4, 2, 2}, {b, 5, 7, 0.5, 1}} {
		v := c.until("counted", func(v *sample.Sample) bool {
			s := v.GetServices()
			return len(s) == 1 && s[0].GetConnections() == c.connections && v.GetCpu().Used != nil && s[0].GetLimits().GetFiles() > 0
		})
		s := v.GetServices()[0]
		if int(s.GetPort()) != port || int(s.GetPid()) != c.cmd.Process.Pid {
			t.Errorf("service %v, want port %d of process %d", s, port, c.cmd.Process.Pid)
		}
		if s.GetRpsSource() == sample.RpsSource_RPS_SOURCE_EBPF && s.GetResponses() != c.responses {
			t.Errorf("%s: %d responses, want %d", c.addr, s.GetResponses(), c.responses)
		} else if s.GetRpsSource() != sample.RpsSource_RPS_SOURCE_EBPF {
			t.Logf("no counter in the kernel here: %s", s.GetRpsNote())
		}
		if n := v.GetConnections(); n.Established != nil || n.GetServed() != c.connections {
			t.Errorf("connections %v, want %d served and no more said", n, c.connections)
		}
		cpu := v.GetCpu()
		if cpu.GetAvailable() != c.cores || len(cpu.GetBusy()) != c.cells || cpu.Load1 != nil {
			t.Errorf("cpu %v, want %v cores in %d cells", cpu, c.cores, c.cells)
		}
		if m := v.GetMemory(); m.GetUsed() == 0 || m.GetUsed() > m.GetTotal() {
			t.Errorf("memory %v", m)
		}
		for _, p := range v.GetProcesses() {
			if int(p.GetPid()) != c.cmd.Process.Pid {
				t.Errorf("process %v is none of the scope", p)
			}
		}
		for _, e := range v.GetErrors() {
			t.Error(e.GetText())
		}
	}
}

// What a child used that began and ended between two readings counts.
func TestAScopeCountsWhatHasEnded(t *testing.T) {
	s := startScoped(t, "127.0.0.4:0")
	s.watch(0)
	s.until("begun", func(v *sample.Sample) bool { return v.GetCpu().Used != nil })
	for _, c := range []struct {
		what string
		most float64
	}{{"burn", 0.4}, {"spawn", 1}} { // a test binary takes a while to start
		before := time.Now()
		s.sample()
		s.do(c.what)
		v := s.sample()
		used := float64(v.GetCpu().GetUsed()) * time.Since(before).Seconds()
		if used < 0.15 || used > c.most {
			t.Errorf("%s: %v s of CPU time, want 0.2", c.what, used)
		}
	}
}

func TestAScopeThatIsGone(t *testing.T) {
	s := startScoped(t, "127.0.0.4:0")
	s.watch(0)
	s.sample()
	scope, _ := ParseScope(fmt.Sprintf("pid:%d", s.cmd.Process.Pid))
	gone := make(chan error, 1)
	go func() { gone <- scope.Gone(t.Context()) }()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-gone; err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d (", s.cmd.Process.Pid)) || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("%v", err)
	}
	_ = s.cmd.Wait()
	v := s.sample()
	if v.GetCpu().Used != nil || v.GetMemory() != nil || len(v.GetServices()) > 0 {
		t.Errorf("of a process that is no more: %v", v)
	}
	if err := scope.Find(Config{}); err == nil {
		t.Error("it was found")
	}
	if err := (Scope{pid: os.Getpid()}).Gone(cancelled(t)); err != nil {
		t.Errorf("an agent that ends: %v", err)
	}
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestAControlGroupAsAMachine(t *testing.T) {
	needRoot(t, "control groups are made by root")
	name := fmt.Sprintf("capmon-scope-%d", os.Getpid())
	var folders []string
	for _, m := range liveMounts(t) {
		for _, c := range m.controllers {
			if dir := filepath.Join(m.point, name); !slices.Contains(folders, dir) && c != "cpuset" {
				folders = append(folders, dir)
			}
		}
	}
	if len(folders) == 0 {
		t.Skip("no control group of version 1 here")
	}
	create := func() {
		for _, dir := range folders {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Skipf("no group can be made here: %v", err)
			}
		}
	}
	put := func(pid int) {
		for _, dir := range folders {
			if err := os.WriteFile(dir+"/cgroup.procs", fmt.Append(nil, pid), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func() {
		for _, dir := range folders {
			removeGroup(t, dir)
		}
	}
	scope, err := ParseScope("cgroup:/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := scope.Find(Config{}); err == nil || !strings.Contains(err.Error(), "there is no control group /"+name) {
		t.Errorf("before there is a group: %v", err)
	}
	create()
	t.Cleanup(remove)
	for _, dir := range folders {
		_ = os.WriteFile(dir+"/cpu.cfs_quota_us", []byte("150000"), 0o644)
	}
	byFolder := Scope{group: folders[0]}
	for _, s := range []Scope{scope, byFolder} {
		if err := s.Find(Config{}); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
	s := startScoped(t, "127.0.0.4:0")
	put(s.cmd.Process.Pid)
	s.run = NewRunner(List(Config{Scope: scope}), RunnerOptions{Deadline: 10 * time.Second})
	t.Cleanup(func() { s.run.Close() })
	s.until("begun", func(v *sample.Sample) bool { return v.GetCpu().Used != nil && len(v.GetServices()) == 1 })
	before := time.Now()
	s.sample()
	s.do("spawn")
	v := s.sample()
	if used := float64(v.GetCpu().GetUsed()) * time.Since(before).Seconds(); used < 0.15 || used > 1 {
		t.Errorf("%v s of CPU time, want 0.2", used)
	}
	if c := v.GetCpu(); c.GetAvailable() != 1.5 || c.GetAvailableFrom() != sample.Bound_BOUND_QUOTA || len(c.GetBusy()) != 2 || c.Throttled == nil {
		t.Errorf("cpu %v, want a quota of 1.5 cores in two cells", c)
	}
	if m := v.GetMemory(); m.GetUsed() == 0 || m.GetTotal() == 0 {
		t.Errorf("memory %v", m)
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	remove()
	v = s.until("gone", func(v *sample.Sample) bool { return v.GetCpu().Used == nil })
	var said strings.Builder
	for _, e := range v.GetErrors() {
		said.WriteString(e.GetText())
	}
	if !strings.Contains(said.String(), "is gone: waiting for it to come back") {
		t.Errorf("of a group that is gone: %q", said.String())
	}
	create()
	s.until("back", func(v *sample.Sample) bool { return v.GetCpu().Used != nil })
}

// BenchmarkScope is what a second of a scope costs, by collector.
func BenchmarkScope(b *testing.B) {
	s := startScoped(b, "127.0.0.4:0")
	scope := Scope{pid: s.cmd.Process.Pid}
	for i, c := range List(Config{Scope: scope}) {
		b.Run(fmt.Sprintf("%d %s", i, c.Name()), func(b *testing.B) {
			list := List(Config{Scope: scope})
			now := time.Now()
			for range 3 {
				for _, c := range list {
					c.Collect(b.Context(), now)
				}
				now = now.Add(time.Second)
			}
			for b.Loop() {
				now = now.Add(time.Second)
				list[i].Collect(b.Context(), now)
			}
			for _, c := range list {
				c.Close()
			}
		})
	}
}
