//go:build unix

package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// parent is a program that starts a load of two processes, says who they are,
// and waits to be killed.
func parent() {
	r, err := Start(context.Background(), Spec{Processes: 2, Threads: 2, Duty: 1, For: time.Minute, Nice: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range working(r).Processes() {
		fmt.Println(p.Workers[0].PID)
	}
	_, _ = r.Wait()
}

// working waits until every thread of r has done something.
func working(r *Run) Reading {
	for {
		now, busy := r.Read(), 0
		for _, w := range now.Workers {
			if w.Loops > 0 {
				busy++
			}
		}
		if busy == r.spec.Workers() {
			return now
		}
		select {
		case <-r.Over():
			return now
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// gone waits until no process has the id, or only one that is dead and not yet
// waited for; the test's own deadline bounds it.
func gone(t *testing.T, pid int) {
	t.Helper()
	for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(stat), ") Z ") {
			return // of an init that does not wait
		}
		if t.Context().Err() != nil {
			t.Fatalf("process %d still runs", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestProcessesWorkAndEnd(t *testing.T) {
	r, err := Start(t.Context(), Spec{Processes: 2, Threads: 2, Duty: 1, For: time.Minute, Nice: 10})
	if err != nil {
		t.Fatal(err)
	}
	now := working(r)
	if len(now.Workers) != 4 || now.Workers[0].PID == now.Workers[2].PID || now.Workers[0].PID == os.Getpid() {
		t.Errorf("%+v, want two processes of two threads", now.Workers)
	}
	r.Stop()
	done, err := r.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range done.Workers {
		if w.Loops < now.Workers[i].Loops {
			t.Errorf("thread %d had done %d loops and then %d", i, now.Workers[i].Loops, w.Loops)
		}
		gone(t, w.PID)
	}
}

func TestAKilledChildEndsTheLoad(t *testing.T) {
	r, err := Start(t.Context(), Spec{Processes: 3, Threads: 1, Duty: 1, For: time.Minute, Nice: 10})
	if err != nil {
		t.Fatal(err)
	}
	now := working(r)
	victim := now.Workers[1].PID
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, err = r.Wait()
	if want := fmt.Sprintf("process %d ended too soon: signal: killed", victim); err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
	for _, w := range now.Workers {
		gone(t, w.PID)
	}
}

func TestAKilledParentTakesItsProcessesAlong(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LOAD_TEST_PARENT=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pids []int
		for lines := bufio.NewScanner(out); len(pids) < 2 && lines.Scan(); {
			var pid int
			if _, err := fmt.Sscan(lines.Text(), &pid); err != nil {
				t.Fatalf("the parent said %q", lines.Text())
			}
			pids = append(pids, pid)
		}
		if stopped && runtime.GOOS == "linux" {
			_ = syscall.Kill(pids[0], syscall.SIGSTOP) // it reads no pipe
		}
		_ = cmd.Process.Kill()
		for _, pid := range pids {
			gone(t, pid)
		}
		_ = cmd.Wait()
	}
}

// The pipe alone ends a child, where the kernel has no other way.
func TestAClosedPipeEndsAChild(t *testing.T) {
	p, err := startProcess(Spec{Threads: 2, Duty: 1, For: time.Minute, Nice: 10}, 0, make(chan error, 1))
	if err == nil {
		err = p.await(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	p.asked.Store(true)
	p.Stop() // closes it
	gone(t, p.PID())
}

func TestProcessesThatCannotBeHad(t *testing.T) {
	var limit, low syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low = limit
	low.Cur = 64
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) }()
	_, err := Start(t.Context(), Spec{Processes: 60, Threads: 1, Duty: 1, For: time.Minute, Nice: 10})
	if err == nil || !strings.Contains(err.Error(), "of 60: ") || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("%v, want what to do about open files", err)
	}
}

// A load that is to end before its processes have begun ends as others do.
func TestALoadThatEndsAsItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Start(ctx, Spec{Processes: 2, Threads: 1, Duty: 1, For: time.Minute, Nice: 10})
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.Wait()
	if err != nil || len(done.Workers) != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	for _, w := range done.Workers {
		gone(t, w.PID)
	}
}
