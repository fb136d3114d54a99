package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The dashboard inside terminals that people use, which say themselves what
// they show and what is left of it: tmux, GNU screen and xterm.

func init() { programs["capmon-panics"] = panicsMain }

// panicsMain is capmon with a goroutine that panics on SIGUSR1.
func panicsMain() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	go func() {
		<-told
		panic("something broke in a goroutine")
	}()
	main()
}

const simulated = "demo fleet --hosts 3 --cores 4 --theme dark"

// pane is a tmux of its own with one pane and a shell in it.
type pane struct {
	t      *testing.T
	socket string
	dir    string // of the shell
}

func openTmux(t *testing.T, cols, rows int) *pane {
	t.Helper()
	need(t, "tmux")
	p := &pane{t: t, dir: t.TempDir()}
	p.socket = filepath.Join(p.dir, "tmux")
	p.tmux("new-session", "-d", "-x", strconv.Itoa(cols), "-y", strconv.Itoa(rows), "-c", p.dir,
		"env", "LC_ALL=C.UTF-8", "XDG_CONFIG_HOME="+p.dir, "XDG_STATE_HOME="+p.dir, "XDG_CACHE_HOME="+p.dir, "PS1=$ ", "ENV=", "sh", "-i")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", p.socket, "kill-server").Run() })
	p.shows("$")
	p.types("stty -a >before; echo ready")
	p.shows("\nready")
	return p
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", p.socket, "-u", "-f", os.DevNull}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// types types a line at the shell.
func (p *pane) types(line string) {
	p.t.Helper()
	p.tmux("send-keys", "-l", line)
	p.tmux("send-keys", "Enter")
}

func (p *pane) press(keys ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys"}, keys...)...)
}

// picture is what the pane shows, with colours: each run of cells behind what
// it looks like. Cells that show nothing, be they erased or written, are alike.
func (p *pane) picture() string {
	var out strings.Builder
	looks := map[string]string{} // what is set, by the class of the attribute
	for line := range strings.Lines(p.tmux("capture-pane", "-p", "-e")) {
		last := ""
		for _, piece := range attributed.FindAllStringSubmatch(strings.TrimRight(line, "\n"), -1) {
			for code := range strings.SplitSeq(strings.ReplaceAll(piece[1], "8;5;", "8:5:"), ";") {
				attribute(looks, code)
			}
			text := piece[2]
			if strings.TrimSpace(text) == "" && looks["ground"] == "" && looks["7"] == "" {
				out.WriteString(text)
				continue
			}
			if now := fmt.Sprint(looks); now != last {
				out.WriteString(now)
				last = now
			}
			out.WriteString(text)
		}
		shown := strings.TrimRight(out.String(), " ")
		out.Reset()
		out.WriteString(shown + "\n")
	}
	return out.String()
}

var attributed = regexp.MustCompile(`(?:\x1b\[([0-9;]*)m)?([^\x1b]*)`)

// attribute takes one code of a sequence into what is set.
func attribute(looks map[string]string, code string) {
	class := code
	switch {
	case code == "":
		return
	case code == "0":
		clear(looks)
		return
	case strings.HasPrefix(code, "3") && len(code) > 1, strings.HasPrefix(code, "9"):
		class = "colour"
	case strings.HasPrefix(code, "4") && len(code) > 1, strings.HasPrefix(code, "10"):
		class = "ground"
	}
	if looks[class] = code; code == "39" || code == "49" {
		delete(looks, class)
	}
}

func (p *pane) text() string { return p.tmux("capture-pane", "-p") }

func (p *pane) shows(text string) {
	p.t.Helper()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the pane shows:\n%s", p.text())
		}
	}()
	until(p.t, fmt.Sprintf("the pane to show %q", text), 15*time.Second, func() bool { return strings.Contains("\n"+p.text(), text) })
}

// modes are what the terminal was told: on the alternate screen, cursor shown,
// mouse wanted.
func (p *pane) modes() string {
	return strings.TrimSpace(p.tmux("display-message", "-p", "#{alternate_on}#{cursor_flag}#{mouse_any_flag}"))
}

// settled is the picture when it has not changed for a while.
func (p *pane) settled() string {
	p.t.Helper()
	last, same := "", 0
	until(p.t, "a picture that stays", 20*time.Second, func() bool {
		now := p.picture()
		if same++; now != last {
			last, same = now, 0
		}
		return same > 15
	})
	return last
}

// capmon is the process of the dashboard and those it started.
func (p *pane) capmon() (pid int, all []int) {
	p.t.Helper()
	shell := strings.TrimSpace(p.tmux("display-message", "-p", "#{pane_pid}"))
	n, err := strconv.Atoi(shell)
	if err != nil {
		p.t.Fatal(err)
	}
	until(p.t, "capmon to run in the shell", 10*time.Second, func() bool {
		all = descendants(n)
		return len(all) > 0
	})
	return all[0], all
}

func descendants(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		text, _ := os.ReadFile(l)
		for child := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(append(all, n), descendants(n)...)
			}
		}
	}
	return all
}

// usable checks that the shell has its terminal back as it was, and nothing of
// pids is running.
func (p *pane) usable(pids []int) {
	p.t.Helper()
	until(p.t, "the terminal to be as it was: off the alternate screen, cursor shown, no mouse", 10*time.Second, func() bool { return p.modes() == "010" })
	for _, pid := range pids {
		until(p.t, fmt.Sprintf("process %d to end", pid), 10*time.Second, func() bool {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			_, rest, _ := strings.Cut(string(text), ") ")
			return err != nil || strings.HasPrefix(rest, "Z")
		})
	}
	p.tmux("send-keys", "C-u")
	p.types("stty -a >after; echo 'it ''works'")
	p.shows("it works")
	p.sane()
}

// sane holds that stty said the same before and after.
func (p *pane) sane() {
	p.t.Helper()
	before, err1 := os.ReadFile(filepath.Join(p.dir, "before"))
	after, err2 := os.ReadFile(filepath.Join(p.dir, "after"))
	if err1 != nil || err2 != nil || sizeless(before) != sizeless(after) {
		p.t.Errorf("stty said\n%s\nand afterwards\n%s (%v, %v)", before, after, err1, err2)
	}
}

var sizeSaid = regexp.MustCompile(`rows \d+; columns \d+;`)

// sizeless is what stty -a said but the size, which is the terminal's own.
func sizeless(said []byte) string { return string(sizeSaid.ReplaceAll(said, nil)) }

// However it ends, the shell in tmux goes on as if nothing had been.
func TestTmuxIsUsableAfterwards(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		program string
		end     func(p *pane, pid int)
		says    string
	}{
		"q":       {end: func(p *pane, _ int) { p.press("q") }},
		"SIGTERM": {end: func(_ *pane, pid int) { _ = syscall.Kill(pid, syscall.SIGTERM) }},
		"SIGHUP":  {end: func(_ *pane, pid int) { _ = syscall.Kill(pid, syscall.SIGHUP) }},
		"SIGKILL": {end: func(_ *pane, pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }, says: "capmon was killed"},
		"a panic in a goroutine": {program: "capmon-panics", says: "something broke in a goroutine", end: func(_ *pane, pid int) {
			_ = syscall.Kill(pid, syscall.SIGUSR1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openTmux(t, 80, 24)
			if c.program == "" {
				c.program = "capmon"
			}
			p.types(c.program + " " + simulated)
			p.shows("SIMULATED")
			pid, all := p.capmon()
			if m := p.modes(); m[0] != '1' {
				t.Errorf("not on the alternate screen: %q", m)
			}
			c.end(p, pid)
			if c.says != "" {
				p.shows(c.says)
			} else if p.shows("$"); strings.Contains(p.text(), "killed") {
				t.Errorf("a clean end was taken for another:\n%s", p.text())
			}
			p.usable(all)
		})
	}
	t.Run("the terminal is closed", func(t *testing.T) {
		t.Parallel()
		p := openTmux(t, 80, 24)
		p.types("capmon " + simulated)
		p.shows("SIMULATED")
		_, all := p.capmon()
		p.tmux("kill-server")
		for _, pid := range all {
			until(t, fmt.Sprintf("process %d to end", pid), 10*time.Second, func() bool { return syscall.Kill(pid, 0) != nil })
		}
	})
}

func TestSuspendAndResume(t *testing.T) {
	p := openTmux(t, 80, 24)
	p.types("capmon " + simulated)
	p.shows("SIMULATED")
	p.press("Space") // from here on the picture stands still
	p.shows("PAUSED")
	was := p.settled()
	_, all := p.capmon()
	for range 2 {
		p.press("C-z")
		p.shows("Stopped")
		if m := p.modes(); m != "010" {
			t.Errorf("suspended, the terminal has alternate screen, cursor, mouse: %q", m)
		}
		p.types("clear; stty -a >after; echo typed")
		p.shows("\ntyped")
		p.sane()
		p.types("fg")
		p.shows("PAUSED")
		if now := p.settled(); now != was {
			t.Errorf("after fg it shows\n%s\nnot\n%s", now, was)
		}
	}
	// A size that changed meanwhile is taken over.
	p.press("C-z")
	p.shows("Stopped")
	p.tmux("resize-window", "-x", "60", "-y", "15")
	p.types("fg")
	p.shows("PAUSED")
	checkPicture(t, p, 60, 15)
	p.press("q")
	p.usable(all)
}

// checkPicture holds that what is shown is whole: as tall as the terminal, help
// at the end, and the same when everything is drawn anew.
func checkPicture(t *testing.T, p *pane, cols, rows int) {
	t.Helper()
	was := p.settled()
	lines := strings.Split(strings.TrimRight(p.text(), "\n"), "\n")
	if len(lines) != rows || !strings.HasSuffix(strings.TrimRight(lines[len(lines)-1], " "), "? help") {
		t.Errorf("%dx%d: %d lines, the last %q", cols, rows, len(lines), lines[len(lines)-1])
	}
	p.press("C-l")
	if now := p.settled(); now != was {
		t.Errorf("%dx%d: it showed\n%s\nand drawn anew\n%s", cols, rows, was, now)
	}
}

// 200 sizes in 2 seconds end in the picture of the last.
func TestResizeStormInTmux(t *testing.T) {
	p := openTmux(t, 80, 24)
	p.types("capmon " + simulated)
	p.shows("SIMULATED")
	p.press("Space")
	p.shows("PAUSED")
	_, all := p.capmon()
	for _, last := range [][2]int{{100, 30}, {40, 10}, {200, 50}} {
		tick := time.NewTicker(10 * time.Millisecond)
		for i := range 200 {
			<-tick.C
			p.tmux("resize-window", "-x", strconv.Itoa(1+i*7%200), "-y", strconv.Itoa(1+i*3%60))
		}
		tick.Stop()
		p.tmux("resize-window", "-x", strconv.Itoa(last[0]), "-y", strconv.Itoa(last[1]))
		p.shows("PAUSED")
		checkPicture(t, p, last[0], last[1])
	}
	p.press("q")
	p.usable(all)
}

func TestInScreen(t *testing.T) {
	t.Parallel()
	need(t, "screen")
	dir := t.TempDir()
	config := filepath.Join(dir, "rc")
	if err := os.WriteFile(config, []byte("altscreen on\ndefutf8 on\nstartup_message off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "SCREENDIR="+dir, "LC_ALL=C.UTF-8", "TERM=xterm-256color", "TMUX=", "XDG_CONFIG_HOME="+dir, "XDG_STATE_HOME="+dir, "PS1=$ ", "ENV=")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("screen", "-U", "-c", config, "-D", "-m", "-S", "capmon", "sh", "-i")
	cmd.Env, cmd.Dir = env, dir
	p := start(t, cmd)
	send := func(args ...string) {
		t.Helper()
		c := exec.Command("screen", append([]string{"-S", "capmon", "-X"}, args...)...)
		c.Env = env
		until(t, "screen to take "+strings.Join(args, " "), 10*time.Second, func() bool {
			c := *c
			return c.Run() == nil
		})
	}
	var text string
	shows := func(what string, want bool) {
		t.Helper()
		until(t, fmt.Sprintf("%q to be shown: %v", what, want), 15*time.Second, func() bool {
			send("hardcopy", filepath.Join(dir, "copy"))
			b, _ := os.ReadFile(filepath.Join(dir, "copy"))
			text = string(b)
			return strings.Contains(text, what) == want
		})
	}
	send("stuff", "stty -a >before; capmon "+simulated+"; echo ended $?; stty -a >after\n")
	shows("SIMULATED", true)
	shows("? help", true)
	send("stuff", "q")
	shows("ended 0", true)
	shows("SIMULATED", false)
	until(t, "stty", 10*time.Second, func() bool {
		before, _ := os.ReadFile(filepath.Join(dir, "before"))
		after, err := os.ReadFile(filepath.Join(dir, "after"))
		return err == nil && len(after) > 0 && string(before) == string(after)
	})
	send("quit")
	<-p.done
}

// xterm is an xterm on a display of its own, running a script.
type xterm struct {
	*program
	t   *testing.T
	dir string
}

func openXterm(t *testing.T, cols, rows int, script string, options ...string) *xterm {
	t.Helper()
	need(t, "xterm", "Xvfb")
	w := &xterm{t: t, dir: t.TempDir()}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "2000x1400x24", "-nolisten", "tcp")
	server.ExtraFiles = []*os.File{write}
	start(t, server)
	write.Close()
	number, err := bufio.NewReader(read).ReadString('\n')
	read.Close()
	if err != nil {
		t.Fatalf("Xvfb names no display: %v", err)
	}
	cmd := exec.Command("xterm", append(append([]string{
		"-geometry", fmt.Sprintf("%dx%d", cols, rows), "-u8",
		"-xrm", "*printerCommand: cat >" + w.path("printed"), "-xrm", "*printerAutoClose: true", "-xrm", "*printAttributes: 0",
		"-xrm", "*allowWindowOps: true",
	}, options...), "-e", "sh", "-c", "tty >tty; stty -a >before; "+script)...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "DISPLAY=:"+strings.TrimSpace(number), "LC_ALL=C.UTF-8", "TMUX=", "COLORFGBG=", "COLORTERM=", "XDG_CONFIG_HOME="+w.dir, "XDG_STATE_HOME="+w.dir)
	w.program = start(t, cmd)
	return w
}

func (w *xterm) path(name string) string { return filepath.Join(w.dir, name) }

// read waits for a file that the script writes.
func (w *xterm) read(name string) string {
	w.t.Helper()
	var text []byte
	until(w.t, "the script to write "+name, 15*time.Second, func() bool {
		text, _ = os.ReadFile(w.path(name))
		return len(text) > 0
	})
	return string(text)
}

// say writes to the terminal beside the program that runs in it.
func (w *xterm) say(s string) {
	w.t.Helper()
	f, err := os.OpenFile(strings.TrimSpace(w.read("tty")), os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(s); err != nil {
		w.t.Fatal(err)
	}
}

// shows waits for the terminal to print a screen that satisfies ok.
func (w *xterm) shows(what string, ok func(text string) bool) {
	w.t.Helper()
	text := ""
	defer func() {
		if w.t.Failed() {
			w.t.Logf("xterm shows:\n%s", text)
		}
	}()
	asked := time.Time{}
	until(w.t, "xterm to show "+what, 20*time.Second, func() bool {
		if time.Since(asked) > 250*time.Millisecond {
			w.say("\x1b[i")
			asked = time.Now()
		}
		b, _ := os.ReadFile(w.path("printed"))
		text = string(b)
		return ok(text)
	})
}

// In xterm, which answers what it is asked: the picture, a storm of sizes, and
// what is left when the dashboard is told to end.
func TestInXterm(t *testing.T) {
	// Which modes are set is asked of xterm itself: 1 is set, 2 is not.
	w := openXterm(t, 80, 24, "capmon demo fleet --hosts 3 --cores 4; echo $? >code; stty -a >after; "+
		`stty raw -echo min 0 time 20; printf '\033[?25$p\033[?1049$p\033[?1000$p\033[?1002$p\033[?1006$p\033[?2004$p'; cat >modes; stty sane; echo done >done; sleep 60`)
	whole := func(cols, rows int) func(string) bool {
		return func(text string) bool {
			lines := strings.Split(strings.TrimRight(text, "\n\f"), "\n")
			if len(lines) != rows || !strings.Contains(lines[0], "SIMULATED") {
				return false
			}
			for _, l := range lines {
				if len([]rune(strings.TrimRight(l, " "))) > cols {
					return false
				}
			}
			return strings.HasSuffix(strings.TrimRight(lines[rows-1], " "), "? help")
		}
	}
	w.shows("the first picture", whole(80, 24))
	tick := time.NewTicker(10 * time.Millisecond)
	for i := range 200 {
		<-tick.C
		w.say(fmt.Sprintf("\x1b[8;%d;%dt", 1+i*3%60, 1+i*7%200))
	}
	tick.Stop()
	w.say("\x1b[8;30;100t")
	w.shows("the picture of the last size", whole(100, 30))
	pids := descendants(w.cmd.Process.Pid)
	if len(pids) < 2 {
		t.Fatalf("xterm runs %v", pids)
	}
	if err := syscall.Kill(pids[1], syscall.SIGTERM); err != nil { // after the shell
		t.Fatal(err)
	}
	if code := strings.TrimSpace(w.read("code")); code != "0" {
		t.Errorf("it ended with %s", code)
	}
	w.read("done")
	if before, after := w.read("before"), w.read("after"); sizeless([]byte(before)) != sizeless([]byte(after)) {
		t.Errorf("stty said\n%s\nand afterwards\n%s", before, after)
	}
	modes := map[string]string{}
	for _, m := range regexp.MustCompile(`\x1b\[\?(\d+);(\d)\$y`).FindAllStringSubmatch(w.read("modes"), -1) {
		modes[m[1]] = m[2]
	}
	for mode, want := range map[string]string{"25": "1", "1049": "2", "1000": "2", "1002": "2", "1006": "2", "2004": "2"} {
		if modes[mode] != want {
			t.Errorf("mode %s is %q, want %q", mode, modes[mode], want)
		}
	}
}

// A white xterm is asked once, answers, and gets the light theme, without
// which the first picture did not wait. An answer that takes longer than a tenth of
// a second changes no theme, so the machine is this test's alone.
func TestXtermSaysItIsWhite(t *testing.T) {
	need(t, "script")
	w := openXterm(t, 80, 24, "script -qfec 'capmon demo fleet --hosts 3 --cores 4' said; echo done >done", "-bg", "white", "-fg", "black")
	// script outlives its terminal, and so would what runs in it.
	end := func() {
		for _, pid := range descendants(w.program.cmd.Process.Pid) {
			if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); strings.TrimSpace(string(comm)) == "capmon" {
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
	}
	t.Cleanup(end)
	until(t, "the light theme", 20*time.Second, func() bool {
		b, _ := os.ReadFile(w.path("said"))
		return strings.Contains(string(b), "48;5;231")
	})
	b, _ := os.ReadFile(w.path("said"))
	if n := strings.Count(string(b), "\x1b]11;?"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	end()
	w.read("done")
}
