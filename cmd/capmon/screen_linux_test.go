package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is the dashboard in a terminal of its own.
type terminal struct {
	*program
	master, slave *os.File
	before        unix.Termios
	screen        *lockedBuffer // all that was written
	hold          sync.Mutex    // locked: nothing more is read
}

func openTerminal(t *testing.T, cols, rows int, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("this system lends no terminal to a test: %v", err)
	}
	term := &terminal{master: master, slave: slave, screen: &lockedBuffer{}}
	term.resize(t, cols, rows)
	term.before = term.settings(t)
	cmd.Stdin, cmd.Stdout = slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			term.hold.Lock()
			n, err := master.Read(buf)
			term.hold.Unlock()
			_, _ = term.screen.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { // after the program has ended
		slave.Close()
		master.Close()
	})
	term.program = start(t, cmd)
	return term
}

func (term *terminal) resize(t *testing.T, cols, rows int) {
	t.Helper()
	// By the slave's end: the size of the other would make its reads block, and
	// a blocked read can't be closed.
	if err := pty.Setsize(term.slave, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)}); err != nil {
		t.Fatal(err)
	}
}

func (term *terminal) settings(t *testing.T) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(term.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

// shows waits for a text on the screen. Only cells that change are written, so
// the whole screen is asked for again and again (ctrl-l).
func (term *terminal) shows(text string) {
	term.t.Helper()
	asked := time.Now()
	until(term.t, fmt.Sprintf("the screen to show %q", text), 15*time.Second, func() bool {
		if time.Since(asked) > 300*time.Millisecond {
			term.press("\x0c")
			asked = time.Now()
		}
		return strings.Contains(plain(term.screen.String()), text)
	})
}

func (term *terminal) press(keys string) {
	term.t.Helper()
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// usable checks that the terminal is as it was and the screen was left.
func (term *terminal) usable() {
	term.t.Helper()
	until(term.t, "the terminal to be as it was", 10*time.Second, func() bool {
		out := term.screen.String()
		return term.settings(term.t) == term.before && strings.LastIndex(out, "\x1b[?1049l") > strings.LastIndex(out, "\x1b[?1049h") &&
			strings.LastIndex(out, "\x1b[?25h") > strings.LastIndex(out, "\x1b[?25l") && left(out)
	})
}

// left says whether every mode of the mouse and of pastes that was set is off
// again.
func left(out string) bool {
	for _, mode := range []string{"1000", "1002", "1003", "1004", "1006", "2004"} {
		if strings.LastIndex(out, "\x1b[?"+mode+"h") > strings.LastIndex(out, "\x1b[?"+mode+"l") {
			return false
		}
	}
	return true
}

var escape = regexp.MustCompile(`\x1b(\[[0-9;?<>=!]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>()][0B]?)`)

// plain is what was written without the sequences that move and colour.
func plain(s string) string { return escape.ReplaceAllString(s, "") }

// dashboard is this machine's screen in a namespace-free process of its own,
// away from any agent that may run here.
func dashboard(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return alone(t, append([]string{"capmon", "demo", "fleet", "--hosts", "3", "--cores", "4"}, args...)...)
}

func TestDashboardOfThisMachine(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 120, 40, alone(t, "capmon"))
	term.shows("this machine, in this process")
	term.shows("cores")
	term.press("q")
	<-term.done
	if code := term.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("q ended it with exit code %d: %s", code, term.errs)
	}
	term.usable()
}

func TestTheTerminalIsUsableAfterwards(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*terminal){
		"q":       func(term *terminal) { term.press("q") },
		"ctrl-c":  func(term *terminal) { term.press("\x03") },
		"SIGTERM": func(term *terminal) { term.signal(syscall.SIGTERM) },
		"SIGHUP":  func(term *terminal) { term.signal(syscall.SIGHUP) },
		"SIGKILL": func(term *terminal) { term.signal(syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := openTerminal(t, 80, 24, dashboard(t))
			term.shows("SIMULATED")
			end(term)
			<-term.done
			term.usable()
		})
	}
}

// The mouse works in a real terminal, is told of only while a button is down,
// and is left alone where it is not wanted.
func TestMouseInATerminal(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 120, 40, dashboard(t))
	term.shows("SIMULATED")
	term.press("\x1b[<65;10;20M") // a turn of the wheel
	term.shows("▶ws-3")
	out := term.screen.String()
	if !strings.Contains(out, "\x1b[?1002h") || strings.Contains(out, "\x1b[?1003h") {
		t.Error("not the mode that tells of motion only while a button is down")
	}
	term.press("q")
	<-term.done
	term.usable()

	term = openTerminal(t, 120, 40, dashboard(t, "--mouse", "off"))
	term.shows("mouse: off (M: on)")
	if strings.Contains(term.screen.String(), "\x1b[?1002h") {
		t.Error("--mouse off takes the mouse")
	}
	term.press("q")
	<-term.done
	term.usable()
}

// A terminal that goes away ends the dashboard: it must not spin on a dead one.
func TestAClosedTerminalEndsIt(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 80, 24, dashboard(t))
	term.shows("SIMULATED")
	term.slave.Close()
	term.master.Close()
	select {
	case <-term.done:
	case <-time.After(10 * time.Second):
		t.Error("still running without its terminal")
	}
}

func TestAnyTerminal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cols, rows int
		unset      []string
		set        []string
		shows      string
		ascii      bool
		colourless bool
		without    string // a sequence this terminal may not know
		with       string
	}{
		"1x1":        {cols: 1, rows: 1},
		"0x0":        {cols: 0, rows: 0},
		"20x5":       {cols: 20, rows: 5},
		"400x120":    {cols: 400, rows: 120, shows: "SIMULATED"},
		"no TERM":    {cols: 80, rows: 24, unset: []string{"TERM"}, shows: "SIMULATED"},
		"dumb":       {cols: 80, rows: 24, set: []string{"TERM=dumb"}, shows: "SIMULATED", colourless: true},
		"LANG=C":     {cols: 80, rows: 24, set: []string{"LANG=C", "LC_ALL=C"}, shows: "SIMULATED", ascii: true},
		"NO_COLOR":   {cols: 80, rows: 24, set: []string{"NO_COLOR=1", "TERM=xterm-256color"}, shows: "SIMULATED", colourless: true},
		"linux":      {cols: 80, rows: 25, set: []string{"TERM=linux", "COLORTERM="}, shows: "SIMULATED", ascii: true, without: ";38;"},
		"xterm":      {cols: 80, rows: 24, set: []string{"TERM=xterm", "COLORTERM="}, shows: "SIMULATED", without: ";38;", with: "\x1b[;9"},
		"screen":     {cols: 80, rows: 24, set: []string{"TERM=screen", "COLORTERM=truecolor"}, shows: "SIMULATED", without: ";38;2;", with: ";38;5;"},
		"tmux":       {cols: 80, rows: 24, set: []string{"TERM=tmux-256color", "TMUX=/x,1,0", "COLORTERM=truecolor"}, shows: "SIMULATED", with: ";38;2;"},
		"a theme":    {cols: 80, rows: 24, set: []string{"TERM=xterm-256color", "COLORTERM=", "CAPMON_THEME=projector"}, shows: "SIMULATED", with: ";48;5;231m", without: "\x1b]11"},
		"behind":     {cols: 80, rows: 24, set: []string{"TERM=xterm-256color", "COLORTERM=", "COLORFGBG=0;15"}, shows: "SIMULATED", with: ";48;5;231m", without: "\x1b]11"},
		"CLICOLOR=0": {cols: 80, rows: 24, set: []string{"CLICOLOR=0", "TERM=xterm-256color"}, shows: "SIMULATED", colourless: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := dashboard(t)
			cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool {
				return slices.ContainsFunc(c.unset, func(u string) bool { return strings.HasPrefix(v, u+"=") })
			})
			cmd.Env = append(cmd.Env, c.set...)
			term := openTerminal(t, c.cols, c.rows, cmd)
			until(t, "a frame", 15*time.Second, func() bool { return term.screen.String() != "" })
			if c.shows != "" {
				term.shows(c.shows)
			}
			time.Sleep(300 * time.Millisecond) // let it draw what it would get wrong
			term.press("q")
			<-term.done
			if code := term.cmd.ProcessState.ExitCode(); code != exitOK {
				t.Errorf("exit code %d: %s", code, term.errs)
			}
			out := term.screen.String()
			if c.ascii && bytes.ContainsFunc([]byte(out), func(r rune) bool { return r > 126 }) {
				t.Errorf("not ASCII: %q", out)
			}
			if c.colourless && regexp.MustCompile(`\x1b\[[0-9;]*[34][0-9][0-9;]*m`).MatchString(out) {
				t.Error("colours were written")
			}
			if c.without != "" && strings.Contains(out, c.without) {
				t.Errorf("%q was written", c.without)
			}
			if !strings.Contains(out, c.with) {
				t.Errorf("%q was not written", c.with)
			}
			term.usable()
		})
	}
}

// A storm of resizes ends in the right picture.
func TestResizeStorm(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 80, 24, dashboard(t))
	term.shows("SIMULATED")
	for i := range 200 {
		term.resize(t, 1+i*7%200, 1+i*3%60)
	}
	term.resize(t, 100, 30)
	mark := len(term.screen.String())
	until(t, "a whole frame of the last size", 15*time.Second, func() bool {
		after := plain(term.screen.String()[mark:])
		return strings.Contains(after, "SIMULATED") && strings.Contains(after, "? help")
	})
	term.press("q")
	<-term.done
	term.usable()
}

// A terminal that takes nothing for a while is a slow link, and is told so when
// it takes again.
func TestASlowLink(t *testing.T) {
	term := openTerminal(t, 400, 120, dashboard(t))
	term.shows("SIMULATED")
	term.hold.Lock() // what is written now fills the terminal's buffer, and then waits
	for range 8 {
		term.press("\x0c")
		time.Sleep(150 * time.Millisecond)
	}
	term.hold.Unlock()
	term.shows("slow link")
	term.press("q")
	<-term.done
	term.usable()
}

// While an earlier moment is shown, what comes in writes nothing.
func TestAPausedScreenIsStill(t *testing.T) {
	term := openTerminal(t, 120, 40, dashboard(t))
	term.shows("SIMULATED")
	term.press(" ")
	term.shows("PAUSED")
	time.Sleep(time.Second) // for the last picture that shows asked for
	was, woke := len(term.screen.String()), wakes(term.cmd.Process.Pid)
	time.Sleep(5 * time.Second)
	if now := term.screen.String(); len(now) != was {
		t.Errorf("paused, it wrote %q", now[was:])
	}
	// Three agents in this process have some 20 reasons a second to wake up.
	n := wakes(term.cmd.Process.Pid) - woke
	t.Logf("%d wakes", n)
	if n > 2000 {
		t.Errorf("paused, it woke up %d times in 5 s", n)
	}
	term.press("q")
	<-term.done
	term.usable()
}

// wakes is how often the threads of a process have gone to sleep so far.
func wakes(pid int) (n int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, file := range threads {
		text, _ := os.ReadFile(file)
		if _, rest, ok := strings.Cut(string(text), "\nvoluntary_ctxt_switches:"); ok {
			var v int
			fmt.Sscan(rest, &v)
			n += v
		}
	}
	return n
}

func TestAHostWithAnyName(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1) // where no name server hears the question
	term := openTerminal(t, 120, 40, l.command(1, "capmon", "--agents", "数据库.invalid,127.0.0.1:1"))
	term.shows("数据库")
	term.shows("capmon agent") // what to do about the one that refuses
	term.press("q")
	<-term.done
	term.usable()
}

// A full disk costs lines of the log, says so at the end, and nothing else.
func TestAFullDiskForTheLog(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 80, 24, alone(t, "capmon", "--agents", "127.0.0.1:1", "--log", "/dev/full"))
	term.shows("127.0.0.1:1")
	term.press("q")
	<-term.done
	if said := term.errs.String(); !strings.Contains(said, "log") || !strings.Contains(said, "no space left") {
		t.Errorf("the lost log was not mentioned: %q", said)
	}
	term.usable()
}
