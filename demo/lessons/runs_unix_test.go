//go:build unix

package lessons

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"capmon/demo/load"
)

// TestMain lets the test binary be a child process of a lesson, and a class that
// is killed.
func TestMain(m *testing.M) {
	if load.Main() || Main() {
		return
	}
	if os.Getenv("LESSONS_TEST_PARENT") != "" {
		parent()
		return
	}
	os.Exit(m.Run())
}

// parent is a program that runs a step, says who works for it, and waits to be
// killed.
func parent() {
	var what shape
	var name string
	if _, err := fmt.Sscan(os.Getenv("LESSONS_TEST_PARENT"), &name, &what.processes, &what.threads, &what.lock); err != nil {
		fmt.Println(err)
		return
	}
	lang, err := ParseLang(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := begin(context.Background(), setting(lang), what)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, pid := range r.Read().PIDs {
		fmt.Println(pid)
	}
	select {}
}

func setting(l Lang) Setting {
	return Setting{Cores: 2, Workers: 2, Lang: l, Nice: 10, Lasts: time.Minute}
}

// has skips a test of a language that isn't here.
func has(t *testing.T, l Lang) {
	t.Helper()
	if got, why := available(l); got != l {
		t.Skip(why)
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

// working waits until a run has done some work.
func working(t *testing.T, r Run) Reading {
	t.Helper()
	for {
		now := r.Read()
		if now.Work.OK && now.Work.V > 0 {
			return now
		}
		select {
		case <-r.Over():
			t.Fatalf("it ended: %v", r.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Every program of every language works, counts, and ends when it is told to;
// nothing of it stays, on the disk neither.
func TestProgramsOfEveryLanguage(t *testing.T) {
	for _, lang := range []Lang{Go, Node, Rust} {
		for _, what := range []shape{{1, 1, false}, {2, 1, false}, {1, 2, false}, {1, 2, true}} {
			t.Run(fmt.Sprint(lang, what), func(t *testing.T) {
				has(t, lang)
				t.Setenv("TMPDIR", t.TempDir())
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, err := begin(ctx, setting(lang), what)
				if err != nil {
					t.Fatal(err)
				}
				now := working(t, r)
				if len(now.PIDs) != what.processes || slices.Contains(now.PIDs, os.Getpid()) {
					t.Errorf("it runs as %v, want %d processes beside this one", now.PIDs, what.processes)
				}
				for more := now; more.Work.V == now.Work.V; more = r.Read() {
					time.Sleep(5 * time.Millisecond)
				}
				cancel()
				<-r.Over()
				if err := r.Err(); err != nil {
					t.Errorf("told to end it says %v", err)
				}
				for _, pid := range now.PIDs {
					gone(t, pid)
				}
				if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(left) > 0 {
					t.Errorf("left on the disk: %v", left)
				}
			})
		}
	}
}

// A program that is killed ends its run, and says so.
func TestAKilledProgramEndsItsRun(t *testing.T) {
	for _, lang := range []Lang{Go, Node} {
		t.Run(lang.String(), func(t *testing.T) {
			has(t, lang)
			r, err := begin(t.Context(), setting(lang), shape{processes: 2, threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			now := working(t, r)
			if err := syscall.Kill(now.PIDs[1], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-r.Over()
			if err := r.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Errorf("it ended with %v", err)
			}
			gone(t, now.PIDs[0])
		})
	}
}

// Killed as by kill -9, a class takes its processes along, those in other
// languages too.
func TestAKilledClassTakesItsProcessesAlong(t *testing.T) {
	for _, what := range []string{"go 2 1 false", "go 1 2 true", "node 2 1 false", "node 1 2 false", "rust 2 1 false"} {
		t.Run(what, func(t *testing.T) {
			name, _, _ := strings.Cut(what, " ")
			lang, err := ParseLang(name)
			if err != nil {
				t.Fatal(err)
			}
			has(t, lang)
			tmp := t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "LESSONS_TEST_PARENT="+what, "TMPDIR="+tmp)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var pids []int
			want := 1
			if strings.Contains(what, " 2 1 ") {
				want = 2
			}
			for lines := bufio.NewScanner(out); len(pids) < want && lines.Scan(); {
				var pid int
				if _, err := fmt.Sscan(lines.Text(), &pid); err != nil {
					t.Fatalf("the parent said %q", lines.Text())
				}
				pids = append(pids, pid)
			}
			if len(pids) < want {
				t.Fatalf("it runs as %v", pids)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			for _, pid := range pids {
				gone(t, pid)
			}
			for { // what holds its program cleans up after it
				if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) == 0 {
					break
				}
				if t.Context().Err() != nil {
					t.Fatal("something is left on the disk")
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
}

// The second that wants a port is refused by the system itself, and both get it
// when both say that they share.
func TestTwoWantOnePort(t *testing.T) {
	said := clash(t.Context())
	if len(said) != 4 || !strings.Contains(said[0], "listens on 127.0.0.1:") || !strings.Contains(said[1], "address already in use") {
		t.Fatalf("it says %q", said)
	}
	if runtime.GOOS == "linux" && !strings.Contains(said[3], "SO_REUSEPORT") {
		t.Errorf("the way out: %q", said[3])
	}
	// Nobody listens there any more.
	addr := said[0][strings.LastIndex(said[0], " ")+1:]
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	l.Close()
}

func TestALanguageThatIsNotThere(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for lang, want := range map[Lang]string{Node: "there is no node on the PATH", Rust: "there is no rustc on the PATH"} {
		s := New(Config{Lessons: Three(), Cores: 2, Lang: lang}).State()
		if s.Setting.Lang != Go || !strings.Contains(s.LangNote, want) {
			t.Errorf("%v: %v, %q", lang, s.Setting.Lang, s.LangNote)
		}
		if _, err := begin(t.Context(), setting(lang), shape{processes: 1, threads: 1}); err == nil {
			t.Errorf("%v began", lang)
		}
	}
}

// What is shown of a program is part of it, short, and says what it is about.
func TestCodeIsShort(t *testing.T) {
	for _, lang := range []Lang{Go, Node, Rust} {
		for _, name := range []string{"one", "threads", "lock"} {
			lines := code(setting(lang), name)
			if strings.HasPrefix(lines[0], " ") {
				t.Errorf("%v %s: it begins at the right: %q", lang, name, lines[0])
			}
			if len(lines) < 3 || len(lines) > 17 {
				t.Errorf("%v %s: %d lines", lang, name, len(lines))
			}
			for _, l := range lines {
				if len(l) > 43 || strings.Contains(l, "\t") {
					t.Errorf("%v %s: a line of %d: %q", lang, name, len(l), l)
				}
			}
		}
	}
}

// A run ends by itself when its time is over, and says so; nothing of it stays.
func TestARunEndsByItself(t *testing.T) {
	for _, lang := range []Lang{Go, Node} {
		t.Run(lang.String(), func(t *testing.T) {
			has(t, lang)
			told := make(chan struct{}, 1000)
			c := New(Config{Lessons: Three(), Cores: 2, Lang: lang, Lasts: 300 * time.Millisecond, Changed: func() { told <- struct{}{} }})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- c.Run(ctx) }()
			defer func() { cancel(); <-done }()
			c.Do(Act{Do: Begin, Key: "a"})
			for s := c.State(); s.Ended == ""; s = c.State() {
				if s.Error != "" {
					t.Fatal(s.Error)
				}
				<-told
			}
			if s := c.State(); s.Running || s.Stage != Predict || s.Ended != "ended by itself after 300ms" {
				t.Errorf("afterwards: %+v", s)
			}
		})
	}
}
