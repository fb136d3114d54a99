package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"capmon/demo/load"
	"capmon/sample"
)

// startLoad runs `capmon load` until its processes work, and returns their
// ids, its own first.
func startLoad(t *testing.T, cmd *exec.Cmd, processes int) []int {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	for {
		var found []int
		for _, pid := range append([]int{cmd.Process.Pid}, descendants(cmd.Process.Pid)...) {
			if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == "capmon load\n" {
				found = append(found, pid)
			}
		}
		if len(found) == 1+processes {
			for _, pid := range found[min(1, processes):] { // the first of several only waits
				was := costOf(pid).cpu
				until(t, fmt.Sprintf("process %d to work", pid), 20*time.Second, func() bool { return costOf(pid).cpu > was+30*time.Millisecond })
			}
			return found
		}
		if t.Context().Err() != nil {
			t.Fatal("the load did not begin")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// noMore waits until none of the processes runs.
func noMore(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(stat), ") Z ") {
				break // its parent has not waited yet
			}
			if t.Context().Err() != nil {
				t.Fatalf("process %d still runs", pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestNothingOfALoadStays(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*exec.Cmd, []int) error{
		"interrupt": func(c *exec.Cmd, _ []int) error { return c.Process.Signal(os.Interrupt) },
		"terminate": func(c *exec.Cmd, _ []int) error { return c.Process.Signal(syscall.SIGTERM) },
		"kill -9":   func(c *exec.Cmd, _ []int) error { return c.Process.Kill() },
		"a child":   func(_ *exec.Cmd, pids []int) error { return syscall.Kill(pids[1], syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("capmon", "load", "--processes", "2", "--threads", "2", "--duty", "50")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			pids := startLoad(t, cmd, 2)
			if err := end(cmd, pids); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			noMore(t, pids)
			switch code := cmd.ProcessState.ExitCode(); name {
			case "interrupt", "terminate":
				if code != exitOK || !strings.Contains(stdout.String(), "2 processes of 2 threads at 50% for ") {
					t.Errorf("exit code %d, %q, want 0 and what was done", code, stdout.String())
				}
			case "a child":
				want := fmt.Sprintf("process %d ended ", pids[1]) // before it began, or too soon
				if said := stderr.String(); code != exitFailed || !strings.Contains(said, want) || !strings.Contains(said, "signal: killed") {
					t.Errorf("exit code %d, %q, want 1 and %q", code, said, want)
				}
			}
		})
	}
}

// A shell that is killed takes the load it started along.
func TestALoadEndsWithItsParent(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `"$0" load --threads 1 --duty 50; :`, "capmon")
	pids := startLoad(t, cmd, 0)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	noMore(t, pids)
}

// What `capmon snapshot` shows of a load: its process and its thread by name.
func TestASnapshotShowsALoad(t *testing.T) {
	startLoad(t, exec.Command("capmon", "load", "--threads", "2"), 0)
	// On a machine that is full of other work as well a reading may not be there in
	// time.
	until(t, "the load among the processes", 30*time.Second, func() bool {
		cmd := exec.Command("capmon", "snapshot", "--format", "json")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		var s struct {
			Hosts []struct {
				Processes []struct {
					Name      string  `json:"name"`
					CoresUsed float64 `json:"cores_used"`
				} `json:"processes"`
			} `json:"hosts"`
		}
		if err := json.Unmarshal(out, &s); err != nil || len(s.Hosts) != 1 {
			t.Fatalf("%v: %s", err, out)
		}
		for _, p := range s.Hosts[0].Processes {
			if p.Name == "capmon load" && p.CoresUsed > 0 {
				return true
			}
		}
		return false
	})
}

func TestWhatIsSaidOfTheRoom(t *testing.T) {
	for _, c := range []struct {
		spec  load.Spec
		cores float64
		from  sample.Bound
		want  string
	}{
		{load.Spec{Threads: 1, Duty: 1}, 8, sample.Bound_BOUND_ONLINE, ""},
		{load.Spec{Threads: 8, Duty: 1}, 8, sample.Bound_BOUND_ONLINE, "this machine has 8 cores: none is left free"},
		{load.Spec{Threads: 1, Duty: 1}, 1, sample.Bound_BOUND_ONLINE, "this machine has 1 core: none is left free"},
		{load.Spec{Processes: 2, Threads: 1, Duty: 1}, 2, sample.Bound_BOUND_CPUSET, "this process may use 2 of the machine's cores: none of them is left free"},
		{load.Spec{Threads: 1, Duty: 1}, 0.5, sample.Bound_BOUND_QUOTA, "this container may use 0.5 cores: its quota holds the load (1 thread) back"},
		{load.Spec{Threads: 1, Duty: 0.4}, 0.5, sample.Bound_BOUND_QUOTA, ""},
		{load.Spec{Threads: 8, Duty: 0}, 1, sample.Bound_BOUND_ONLINE, ""},
	} {
		if got := roomNote(c.spec, c.cores, c.from); got != c.want {
			t.Errorf("%+v on %v cores: %q, want %q", c.spec, c.cores, got, c.want)
		}
	}
}

// The line on a terminal stays in its place and in its width.
func TestALineInItsPlace(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("this system lends no terminal to a test: %v", err)
	}
	defer master.Close()
	if err := pty.Setsize(slave, &pty.Winsize{Rows: 5, Cols: 12}); err != nil {
		t.Fatal(err)
	}
	line := liveLine(slave)
	line("0123456789abcdef")
	line("")
	slave.Close()
	var got bytes.Buffer
	_, _ = got.ReadFrom(master) // EIO at the end
	if want := "\r\x1b[K0123456789a\r\x1b[K"; got.String() != want {
		t.Errorf("the terminal got %q, want %q", got.String(), want)
	}
}
