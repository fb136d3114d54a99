package collectors

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"capmon/sample"
)

// asChild in the environment makes the test binary do something else: it is
// started again where a test needs a process in another place.
const asChild = "CAPMON_TEST_CHILD"

// childResult is what such a process prints before it ends.
type childResult struct {
	Available, Used float32
	UsedKnown       bool
	From            sample.Bound
	Memory          uint64
	Throttled       *uint32
	Errors          []string
}

// TestLiveGroupsOfVersion1 makes real control groups (version 1: this kernel
// has cpu, cpuset and memory there), puts a busy process into them and compares
// what it says about its limits. Version 2 is tested by fixtures, see
// groupFiles.
func TestLiveGroupsOfVersion1(t *testing.T) {
	needRoot(t, "control groups are made by root; fixtures stand in for them")
	for name, c := range map[string]struct {
		groups []liveGroup
		want   childResult
	}{
		"quota of the parent": {
			[]liveGroup{
				{"cpu", "", map[string]string{"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}},
				{"cpu", "child", nil},
				{"cpuacct", "", nil},
				{"cpuacct", "child", nil},
			},
			childResult{Available: 0.5, UsedKnown: true, From: sample.Bound_BOUND_QUOTA},
		},
		"cpuset": {
			[]liveGroup{{"cpuset", "", map[string]string{"cpuset.mems": "0", "cpuset.cpus": "0"}}},
			childResult{Available: 1, UsedKnown: true, From: sample.Bound_BOUND_CPUSET},
		},
		"memory": {
			[]liveGroup{{"memory", "", map[string]string{"memory.limit_in_bytes": "536870912"}}},
			childResult{UsedKnown: true, From: sample.Bound_BOUND_ONLINE, Memory: 536870912},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := runInGroups(t, c.groups)
			if len(got.Errors) != 0 {
				t.Errorf("errors %v", got.Errors)
			}
			if got.From != c.want.From || c.want.Available != 0 && got.Available != c.want.Available {
				t.Errorf("%v cores from %v, want %v from %v", got.Available, got.From, c.want.Available, c.want.From)
			}
			if c.want.Memory != 0 && got.Memory != c.want.Memory {
				t.Errorf("memory %d, want %d", got.Memory, c.want.Memory)
			}
			quota := c.want.From == sample.Bound_BOUND_QUOTA
			if held := got.Throttled; quota != (held != nil) {
				t.Errorf("whether it was held back is known: %v, want %v", held != nil, quota)
			} else if quota && got.Used >= got.Available && *held == 0 {
				t.Errorf("%v cores used of %v and never held back", got.Used, got.Available)
			}
			// The kernel lets a group overrun its quota by a slice of each core.
			if !got.UsedKnown || got.Used <= 0 || got.Used > got.Available*1.3 {
				t.Errorf("used %v (known %v) of %v cores", got.Used, got.UsedKnown, got.Available)
			}
		})
	}
}

// needRoot skips a test that only root can run, and says why; where a skipped
// test is a failure, it is one.
func needRoot(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CAPMON_REQUIRE_REAL") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// liveGroup is a group to make: the folder below a new one, in one hierarchy.
type liveGroup struct {
	controller, below string
	files             map[string]string
}

// runInGroups makes the groups, runs the child in the last of each hierarchy
// and takes them away again.
func runInGroups(t *testing.T, groups []liveGroup) childResult {
	t.Helper()
	at := make(map[string]string)
	for _, m := range liveMounts(t) {
		for _, c := range m.controllers {
			at[c] = m.point
		}
	}
	name := fmt.Sprintf("capmon-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	procs := make(map[string]string)
	for _, g := range groups {
		if at[g.controller] == "" {
			t.Skipf("%s is not on version 1 here", g.controller)
		}
		dir := filepath.Join(at[g.controller], name, g.below)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("no group can be made here: %v", err)
		}
		t.Cleanup(func() { removeGroup(t, dir) })
		for file, text := range g.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		procs[g.controller] = filepath.Join(dir, "cgroup.procs")
	}
	cmd, in, out := startChild(t, "limits", nil)
	for _, file := range procs {
		if err := os.WriteFile(file, fmt.Appendln(nil, cmd.Process.Pid), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(in, "go")
	var got childResult
	if err := json.Unmarshal(lastLine(t, out), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func liveMounts(t *testing.T) []cgroupMount {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var mounts []cgroupMount
	for _, m := range parseCgroupMounts(b) {
		if !m.v2 && m.root == "/" {
			mounts = append(mounts, m)
		}
	}
	return mounts
}

// removeGroup waits a little for the kernel to let go of the last process.
func removeGroup(t *testing.T, dir string) {
	for range 100 {
		err := os.Remove(dir)
		if err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%s could not be removed", dir)
}

// startChild runs this test binary again, as what names; it ends with the test.
func startChild(t testing.TB, what string, attr *syscall.SysProcAttr) (*exec.Cmd, *os.File, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), asChild+"="+what)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = attr
	theirs, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = theirs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		in.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return cmd, in, bufio.NewScanner(out)
}

// lastLine is the line of JSON a child prints.
func lastLine(t testing.TB, out *bufio.Scanner) []byte {
	t.Helper()
	for out.Scan() {
		if strings.HasPrefix(out.Text(), "{") {
			return out.Bytes()
		}
	}
	t.Fatal("the child said nothing")
	return nil
}

// TestChild is what the other processes of these tests do.
func TestChild(t *testing.T) {
	switch os.Getenv(asChild) {
	case "": // it runs in processes that other tests start
	case "limits":
		childLimits(t)
	case "sockets":
		childSockets(t)
	default:
		do := childTests[os.Getenv(asChild)]
		if do == nil {
			t.Fatal("nothing to do")
		}
		do(t)
	}
}

// childLimits keeps two threads busy and says what the collectors read.
func childLimits(t *testing.T) {
	bufio.NewReader(os.Stdin).ReadString('\n')
	var stop atomic.Bool
	var busy sync.WaitGroup
	for range 2 {
		busy.Go(func() {
			for !stop.Load() {
			}
		})
	}
	r := NewRunner(List(Config{}), RunnerOptions{Deadline: 10 * time.Second})
	r.Sample(t.Context(), time.Now())
	time.Sleep(1500 * time.Millisecond)
	s := r.Sample(t.Context(), time.Now())
	stop.Store(true)
	busy.Wait()
	r.Close()
	c := s.GetCpu()
	got := childResult{Available: c.GetAvailable(), From: c.GetAvailableFrom(), Used: c.GetUsed(), UsedKnown: c.Used != nil, Memory: s.GetMemory().GetTotal(), Throttled: c.Throttled}
	for _, e := range s.GetErrors() {
		got.Errors = append(got.Errors, e.GetText())
	}
	json.NewEncoder(os.Stdout).Encode(got)
}
