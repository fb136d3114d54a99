package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// tale is a small story that goes on until it is ended.
var tale = []string{"capmon", "demo", "chess", "--users", "60", "--per-server", "40", "--ramp", "1s", "--warm-up", "100ms"}

func headless(more ...string) []string {
	return append(append(slices.Clone(tale), "--headless", "--for", "10m"), more...)
}

// family is a process and all that it started, and where they listen.
type family struct {
	pids  []int
	ports []string
}

func familyOf(t *testing.T, pid int) family {
	t.Helper()
	f := family{pids: append(descendants(pid), pid)}
	sockets := map[string]string{}
	// Of this thread: another test may have left the first one of this process in
	// a namespace of its own.
	text, err := os.ReadFile("/proc/thread-self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(strings.NewReader(string(text))); s.Scan(); {
		if w := strings.Fields(s.Text()); len(w) > 9 && w[3] == "0A" { // listens
			ip, _ := strconv.ParseUint(w[1][:8], 16, 32)
			port, _ := strconv.ParseUint(w[1][9:], 16, 16)
			sockets[w[9]] = fmt.Sprintf("%d.%d.%d.%d:%d", byte(ip), byte(ip>>8), byte(ip>>16), byte(ip>>24), port)
		}
	}
	for _, pid := range f.pids {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, file := range files {
			name, _ := os.Readlink(file)
			if at := sockets[strings.TrimSuffix(strings.TrimPrefix(name, "socket:["), "]")]; at != "" {
				f.ports = append(f.ports, at)
			}
		}
	}
	return f
}

// role finds the children of a kind.
func (f family) role(t *testing.T, role string) (pids []int) {
	t.Helper()
	for _, pid := range f.pids {
		if env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); strings.Contains("\x00"+string(env), "\x00CAPMON_CHILD_ROLE="+role+"\x00") {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		t.Fatalf("no %s among %v", role, f.pids)
	}
	return pids
}

// gone waits until nothing of it runs and none of its ports is taken.
func (f family) gone(t *testing.T) {
	t.Helper()
	began := time.Now()
	until(t, fmt.Sprintf("processes %v and ports %v to be gone", f.pids, f.ports), 20*time.Second, func() bool {
		for _, pid := range f.pids {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && err == nil && !strings.Contains(string(stat), ") Z ") {
				return false
			}
		}
		for _, at := range f.ports {
			if c, err := net.Dial("tcp", at); err == nil {
				c.Close()
				return false
			}
		}
		return true
	})
	t.Logf("%d processes and %d ports were gone after %v", len(f.pids), len(f.ports), time.Since(began).Round(time.Millisecond))
}

// plays waits until a headless story has as many players as come.
func (p *program) plays(players string) family {
	p.t.Helper()
	until(p.t, players+" players", 60*time.Second, func() bool {
		select {
		case <-p.done:
			p.t.Fatalf("it ended: %s%s", p.out, p.errs)
		default:
		}
		return strings.Contains(p.out.String(), "playing "+strings.Repeat(" ", 7-len(players))+players+",")
	})
	f := familyOf(p.t, p.cmd.Process.Pid)
	if len(f.pids) < 5 || len(f.ports) < 5 { // two servers, their agents, players; a lobby
		p.t.Fatalf("processes %v, ports %v", f.pids, f.ports)
	}
	return f
}

// Whatever ends a story, nothing of it stays.
func TestNothingOfAStoryStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role string // who is killed; "": the story itself
		sign syscall.Signal
		said string // and then it ends by itself, saying so
	}{
		"kill -9":            {"", syscall.SIGKILL, ""},
		"SIGTERM":            {"", syscall.SIGTERM, ""},
		"SIGINT":             {"", syscall.SIGINT, ""},
		"its players killed": {"chess players", syscall.SIGKILL, "players 0 ended: "},
		"its agents killed":  {"chess agents", syscall.SIGKILL, "the agents of the game servers ended: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, alone(t, headless()...))
			f := p.plays("60")
			if c.role == "" {
				p.signal(c.sign)
			} else if err := syscall.Kill(f.role(t, c.role)[0], c.sign); err != nil {
				t.Fatal(err)
			}
			<-p.done
			f.gone(t)
			if code := p.cmd.ProcessState.ExitCode(); c.said != "" && (code != exitFailed || !strings.Contains(p.errs.String(), c.said)) {
				t.Errorf("exit code %d, said %s", code, p.errs)
			}
			if c.sign != syscall.SIGKILL && !strings.Contains(p.out.String(), "asked 60 = served 60 + refused 0 + left 0") {
				t.Errorf("it does not say what happened: %s", p.out)
			}
		})
	}
}

// As where a service manager ends all processes of a group at once.
func TestAStoryEndsWithItsGroup(t *testing.T) {
	t.Parallel()
	cmd := alone(t, headless()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := start(t, cmd)
	f := p.plays("60")
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.done
	f.gone(t)
	if code := cmd.ProcessState.ExitCode(); code != exitOK || p.errs.String() != "" || !strings.Contains(p.out.String(), "asked 60 = served 60") {
		t.Errorf("exit code %d, said %s%s", code, p.out, p.errs)
	}
}

// A server that dies is replaced, and the story goes on.
func TestAServerOfAStoryDies(t *testing.T) {
	p := start(t, alone(t, headless("--spare", "0", "--min", "3", "--json", "--for", "14s")...))
	var servers []int
	until(t, "servers", 20*time.Second, func() bool {
		servers = nil
		for _, pid := range descendants(p.cmd.Process.Pid) {
			if env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); strings.Contains(string(env), "=chess server\x00") {
				servers = append(servers, pid)
			}
		}
		return len(servers) == 3
	})
	time.Sleep(4 * time.Second) // of its 14: the players are there
	if err := syscall.Kill(servers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.done
	var r struct {
		Asked, Served, Refused, Left, Held int
		Playing                            int `json:"playing_now"`
		Servers                            [][2]float64
	}
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("%v: %s%s", err, p.out, p.errs)
	}
	if n := len(r.Servers); n != 3 || r.Servers[1][1] != 2 || r.Servers[2][1] != 3 || r.Asked != r.Served+r.Refused+r.Left || r.Asked <= 60 || r.Playing != 60 || r.Held != 60 {
		t.Errorf("%+v", r)
	}
}

// The dashboard of a story, its terminal and all in it end together.
func TestNothingOfAStoryStaysInATerminal(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*terminal){
		"q":       func(term *terminal) { term.press("q") },
		"ctrl-c":  func(term *terminal) { term.press("\x03") },
		"kill -9": func(term *terminal) { term.signal(syscall.SIGKILL) },
		"SIGHUP":  func(term *terminal) { term.signal(syscall.SIGHUP) },
		"the terminal is closed": func(term *terminal) {
			term.slave.Close()
			term.master.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := openTerminal(t, 80, 24, alone(t, tale...))
			term.shows("all players have come")
			f := familyOf(t, term.cmd.Process.Pid)
			end(term)
			<-term.done
			f.gone(t)
			if name != "the terminal is closed" {
				term.usable()
			}
		})
	}
}

// A story that can't go on stays on screen and says why, until the user leaves.
func TestAStoryThatCannotGoOn(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 80, 24, alone(t, tale...))
	term.shows("all players have come")
	f := familyOf(t, term.cmd.Process.Pid)
	if err := syscall.Kill(f.role(t, "chess players")[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	term.shows("the story is over: players 0 ended: signal: killed")
	term.press("q")
	<-term.done
	f.gone(t)
	term.usable()
	if code := term.cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(term.errs.String(), "players 0 ended: signal: killed") {
		t.Errorf("exit code %d, said %s", code, term.errs)
	}
}

func TestNothingOfAStoryStaysInTmux(t *testing.T) {
	t.Parallel()
	p := openTmux(t, 80, 24)
	p.types(strings.Join(tale, " "))
	p.shows("all players have come")
	pid, _ := p.capmon()
	f := familyOf(t, pid)
	if len(f.pids) < 5 {
		t.Fatalf("processes %v", f.pids)
	}
	p.tmux("kill-server")
	f.gone(t)
}

func TestTwoStoriesAtOnce(t *testing.T) {
	t.Parallel()
	one, two := start(t, alone(t, headless()...)), start(t, alone(t, headless()...))
	f, g := one.plays("60"), two.plays("60")
	for _, at := range f.ports {
		if slices.Contains(g.ports, at) {
			t.Errorf("both listen at %s", at)
		}
	}
	one.signal(syscall.SIGKILL)
	<-one.done
	f.gone(t)
	if err := syscall.Kill(two.cmd.Process.Pid, 0); err != nil {
		t.Errorf("the other one: %v", err)
	}
	two.signal(syscall.SIGINT)
	<-two.done
	g.gone(t)
	if !strings.Contains(two.out.String(), "asked 60 = served 60") {
		t.Errorf("the other one said %s%s", two.out, two.errs)
	}
}

// cameTo is what a story that ran to its end came to, and what it said.
func cameTo(t *testing.T, args ...string) (r map[string]any, said string) {
	t.Helper()
	p := start(t, alone(t, args...))
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Fatalf("exit code %d: %s", code, p.errs)
	}
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("%v: %s", err, p.out)
	}
	n := func(key string) float64 { return r[key].(float64) }
	if n("asked") != n("served")+n("refused")+n("left") || n("playing_now") != n("held") || n("served") == 0 {
		t.Errorf("does not add up: %s", p.out)
	}
	return r, p.errs.String()
}

func TestStoryOnAPoorMachine(t *testing.T) {
	t.Parallel()
	short := []string{"capmon", "demo", "chess", "--headless", "--json", "--for", "6s", "--warm-up", "100ms"}
	small := append(slices.Clone(short), "--users", "60", "--per-server", "40")
	in := func(shell string, args ...string) []string {
		return append([]string{"sh", "-c", shell + ` && exec "$0" "$@"`}, args...)
	}
	t.Run("256 files", func(t *testing.T) {
		t.Parallel()
		_, said := cameTo(t, in("ulimit -n 256", append(short, "--users", "2000")...)...)
		if !strings.Contains(said, "156 connections a server instead of 10000, and 31 players instead of 2000: a process may open 256 files (ulimit -n)") {
			t.Errorf("said %q", said)
		}
	})
	t.Run("ten million players", func(t *testing.T) {
		t.Parallel()
		// They come for a day: six seconds of it are enough to see that it begins.
		r, said := cameTo(t, append(slices.Clone(short), "--users", "10000000", "--ramp", "6s", "--per-server", "50", "--max", "2")...)
		if !strings.Contains(said, "players instead of 10000000: ") || r["refused"].(float64) == 0 {
			t.Errorf("said %q, refused %v", said, r["refused"])
		}
	})
	t.Run("one core", func(t *testing.T) {
		t.Parallel()
		need(t, "taskset")
		cameTo(t, append([]string{"taskset", "-c", "0"}, small...)...)
	})
	t.Run("another user", func(t *testing.T) {
		t.Parallel()
		need(t, "setpriv")
		if os.Geteuid() != 0 {
			t.Skip("only root can be another user")
		}
		cameTo(t, append([]string{
			"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
			"env", "XDG_CONFIG_HOME=/none", "XDG_CACHE_HOME=/none", "XDG_STATE_HOME=/none", "capmon",
		}, small[1:]...)...)
	})
	t.Run("half a core", func(t *testing.T) {
		t.Parallel()
		cameTo(t, append(halfACore(t), small...)...)
	})
}

// A load that a limit has no threads for says so in a line, and Go none of its
// pages.
func TestALoadWithoutThreads(t *testing.T) {
	need(t, "setpriv", "prlimit")
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	for _, load := range [][]string{{"--threads", "200"}, {"--processes", "40"}} {
		p := start(t, alone(t, append([]string{
			"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "XDG_CONFIG_HOME=/none",
			"prlimit", "--nproc=100:100", "capmon", "load", "--for", "1s", "--duty", "1",
		}, load...)...))
		<-p.done
		said := p.errs.String()
		last := said[strings.LastIndex(strings.TrimSpace(said), "\n")+1:]
		if code := p.cmd.ProcessState.ExitCode(); code != exitFailed || strings.Count(said, "\n") > 2 || !strings.Contains(last, "this user may have 100 threads and processes (ulimit -u)") {
			t.Errorf("%v: exit code %d, said %s", load, code, said)
		}
	}
}

// halfACore is what a command line begins with to run in a control group of its
// own that may use half a core.
func halfACore(t *testing.T) []string {
	t.Helper()
	name := fmt.Sprintf("capmon-test-%d-%d", os.Getpid(), groups.Add(1))
	for root, files := range map[string]map[string]string{
		"/sys/fs/cgroup":     {"cpu.max": "50000 100000"},
		"/sys/fs/cgroup/cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
	} {
		dir := filepath.Join(root, name)
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			until(t, "the group to be empty", 20*time.Second, func() bool { return os.Remove(dir) == nil })
		})
		ok := true
		for file, text := range files { // they are there
			f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString(text)
				f.Close()
			}
			ok = ok && err == nil
		}
		if ok {
			return []string{"sh", "-c", `echo $$ >` + dir + `/cgroup.procs && exec "$0" "$@"`}
		}
	}
	t.Skip("no control group can be made here")
	return nil
}

var groups atomic.Int32 // made so far
