package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// asChild makes this test's binary a program that another test runs.
const asChild = "CAPMON_TASKS_CHILD"

func newTasks(tb testing.TB) *Tasks {
	tb.Helper()
	k, err := NewTasks()
	var r *Refusal
	if errors.As(err, &r) && len(r.Missing) > 0 && os.Getenv("CAPMON_REQUIRE_REAL") == "" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := k.Close(); err != nil {
			tb.Error(err)
		}
	})
	return k
}

// TestTasksAreThoseOfProc holds one reading against /proc read before and after:
// what is in both must be in the reading.
func TestTasksAreThoseOfProc(t *testing.T) {
	k := newTasks(t)
	before := procThreads(t)
	got, err := k.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	after := procThreads(t)
	byTID := make(map[int]*Task, len(got))
	for i := range got {
		if i > 0 && got[i-1].TID >= got[i].TID {
			t.Errorf("thread %d after %d", got[i].TID, got[i-1].TID)
		}
		byTID[int(got[i].TID)] = &got[i]
	}
	for tid, pid := range before {
		if after[tid] != pid {
			continue
		}
		if k := byTID[tid]; k == nil || int(k.PID) != pid {
			t.Errorf("thread %d of process %d is %+v", tid, pid, k)
		}
	}
	if len(got) < len(before)/2 {
		t.Errorf("%d threads, /proc has %d", len(got), len(before))
	}
}

// procThreads are all threads and their processes, of those that are known to
// be in this PID namespace.
func procThreads(t *testing.T) map[int]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[int]int)
	for _, f := range files {
		if ns, err := os.Readlink(filepath.Join(filepath.Dir(filepath.Dir(f)), "ns/pid")); err != nil || ns != own {
			continue
		}
		part := strings.Split(f, "/")
		pid, _ := strconv.Atoi(part[2])
		tid, _ := strconv.Atoi(part[4])
		out[tid] = pid
	}
	return out
}

func TestTaskOfThisThread(t *testing.T) {
	k := newTasks(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	read := func() Task {
		t.Helper()
		all, err := k.Read(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if int(one.TID) == unix.Gettid() {
				return one
			}
		}
		t.Fatal("this thread is not in the list")
		return Task{}
	}
	first := read()
	for spent := cpuOfThread(t); cpuOfThread(t) < spent+50*time.Millisecond; {
	}
	second := read()
	if ran := time.Duration(second.Run - first.Run); ran < 40*time.Millisecond {
		t.Errorf("the thread used 50 ms, the kernel's list says %v", ran)
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/comm", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	want := Task{
		PID: int32(os.Getpid()), TID: int32(unix.Gettid()), Parent: int32(os.Getppid()),
		Start: first.Start, Run: second.Run, Wait: second.Wait, Exited: second.Exited, Runnable: true, Comm: second.Comm,
	}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if second.Name() != strings.TrimSpace(string(comm)) {
		t.Errorf("name %q, /proc says %q", second.Name(), comm)
	}
}

func cpuOfThread(t *testing.T) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// TestTasksInAPIDNamespace runs this binary as the first process of a namespace:
// it must see itself alone, by the numbers it has there.
func TestTasksInAPIDNamespace(t *testing.T) {
	newTasks(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), asChild+"=list")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	threads := 0
	for line := range strings.Lines(string(out)) {
		var pid, tid, parent int
		if n, _ := fmt.Sscanf(line, "thread %d %d %d", &pid, &tid, &parent); n != 3 {
			continue
		}
		threads++
		if pid != 1 || tid != threads || parent != 0 {
			t.Errorf("thread %d of process %d with parent %d: want %d, 1, 0", tid, pid, parent, threads)
		}
	}
	if threads < 2 {
		t.Errorf("%d threads in %s", threads, out)
	}
}

// TestChild is the program of the tests beside it.
func TestChild(t *testing.T) {
	switch os.Getenv(asChild) {
	case "":
		t.Skip("a part of other tests of this file, which start it themselves")
	case "list":
		k := newTasks(t)
		all, err := k.Read(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			fmt.Println("thread", one.PID, one.TID, one.Parent)
		}
	case "stay":
		k := newTasks(t)
		info, err := k.prog.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		fmt.Println("program", id)
		select {}
	}
}

func TestTasksLeaveNothingWhenKilled(t *testing.T) {
	newTasks(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), asChild+"=stay")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var id ebpf.ProgramID
	if _, err := fmt.Sscanf(line, "program %d", &id); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	there := func() bool {
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			return false
		}
		p.Close()
		return true
	}
	if !there() {
		t.Fatal("the program is not loaded while its process runs")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for end := time.Now().Add(5 * time.Second); there(); {
		if time.Now().After(end) {
			t.Fatal("the program is still loaded 5 s after its process was killed")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestTasksRefused refuses each step in turn.
func TestTasksRefused(t *testing.T) {
	newTasks(t)
	var steps []string
	record := func(refuse int) {
		steps = nil
		step = func(what string, do func() error) error {
			steps = append(steps, what)
			if len(steps) == refuse {
				return unix.EPERM
			}
			return do()
		}
	}
	t.Cleanup(func() { step = func(_ string, do func() error) error { return do() } })
	record(0)
	k, err := NewTasks()
	if err != nil {
		t.Fatal(err)
	}
	k.Close()
	all := steps
	for i, want := range all {
		record(i + 1)
		k, err := NewTasks()
		var r *Refusal
		if k != nil || !errors.As(err, &r) || r.Step != want || !errors.Is(err, unix.EPERM) {
			t.Errorf("%q refused: %v", want, err)
		}
	}
	if len(all) != 4 {
		t.Errorf("steps %q", all)
	}
}

func FuzzParseTasks(f *testing.F) {
	f.Add(make([]byte, recordBytes))
	f.Add(make([]byte, recordBytes+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseTasks(nil, b)
		if err == nil && len(got)*recordBytes != len(b) {
			t.Errorf("%d records of %d bytes", len(got), len(b))
		}
		for i := range got {
			if len(got[i].Name()) > len(got[i].Comm) {
				t.Errorf("a name of %d bytes", len(got[i].Name()))
			}
		}
	})
}

func BenchmarkTasks(b *testing.B) {
	k := newTasks(b)
	var all []Task
	for b.Loop() {
		var err error
		if all, err = k.Read(all[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/thread")
}
