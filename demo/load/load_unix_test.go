//go:build unix

package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDutyIsAShareOfCPU(t *testing.T) {
	cpu := func(duty float64) float64 {
		began := cpuTime(t)
		run(t, t.Context(), Spec{Threads: 1, Duty: duty, For: time.Second})
		return (cpuTime(t) - began).Seconds()
	}
	// A busy machine takes from both, and not evenly: one of a few tries is enough.
	var half, full float64
	for range 4 {
		if half, full = cpu(50), cpu(100); half > 0.2*full && half < 0.8*full {
			return
		}
	}
	t.Errorf("duty 50 used %.2fs of CPU, duty 100 %.2fs", half, full)
}

// Who waits for the lock is busy too: a second of CPU does less. Without the lock
// it does as much, however full this machine is.
func TestALockCostsCPUAndDoesNoMore(t *testing.T) {
	perCPU := func(s Spec) float64 {
		began := cpuTime(t)
		r := run(t, t.Context(), s)
		return float64(r.Loops) / (cpuTime(t) - began).Seconds()
	}
	var one, two float64
	for range 4 { // nobody waits for a lock while only one of them gets a core
		one = perCPU(Spec{Threads: 1, Duty: 100, For: 700 * time.Millisecond})
		two = perCPU(Spec{Threads: 2, Duty: 100, Lock: true, For: 700 * time.Millisecond})
		if two > 0 && two < 0.8*one {
			return
		}
	}
	t.Errorf("a second of CPU did %.0f loops behind a lock, %.0f without", two, one)
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// started is a load of two processes in a program of its own, at work.
func started(t *testing.T) (*exec.Cmd, Result) {
	t.Helper()
	spec, err := json.Marshal(Spec{Processes: 2, Threads: 1, Duty: 100, For: 20 * time.Second, Nice: 10})
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), envSpec+"="+string(spec))
	parent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = parent.Process.Kill() })
	r := line(t, bufio.NewScanner(out))
	if len(r.Processes) != 2 {
		t.Fatalf("%+v: want two processes", r)
	}
	return parent, r
}

// gone fails when a process of r still runs after two seconds, and ends it.
func gone(t *testing.T, r Result) {
	t.Helper()
	end := time.Now().Add(2 * time.Second)
	for _, p := range r.Processes {
		for alive(p.PID) && time.Now().Before(end) {
			time.Sleep(10 * time.Millisecond)
		}
		if alive(p.PID) {
			t.Errorf("process %d still runs two seconds after its parent", p.PID)
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
	}
}

func TestNoChildOutlivesAKilledParent(t *testing.T) {
	parent, r := started(t)
	_ = parent.Process.Kill()
	_ = parent.Wait()
	gone(t, r)
}

// A terminal's Ctrl-C goes to the parent and its children alike.
func TestCtrlCEndsItInOrder(t *testing.T) {
	parent, r := started(t)
	if err := syscall.Kill(-parent.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err != nil {
		t.Errorf("a load that was interrupted: %v", err)
	}
	gone(t, r)
}

func TestAKilledChildEndsTheLoad(t *testing.T) {
	s := Spec{Processes: 2, Threads: 1, Duty: 100, For: 20 * time.Second}
	s.Live = func(r Result) { _ = syscall.Kill(r.Processes[0].PID, syscall.SIGKILL) }
	if _, err := Run(t.Context(), s); err == nil {
		t.Error("a child was killed, and no error says so")
	}
}

// alive says whether a process runs; one that only waits to be read does not.
func alive(pid int) bool {
	if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
