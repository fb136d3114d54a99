//go:build unix

package crash_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"capmon/internal/crash"
)

// TestMain lets the test binary be the guard, and the guarded program, which
// ends as its argument says.
func TestMain(m *testing.M) {
	if crash.Main() {
		os.Exit(0)
	}
	if how := os.Getenv("CRASH_TEST_HOW"); how != "" {
		guarded(how)
	}
	os.Exit(m.Run())
}

// guarded takes the screen as a full-screen program does and ends.
func guarded(how string) {
	release, err := crash.Guard(os.Stdin)
	if err != nil {
		panic(err)
	}
	raw()
	os.Stdout.WriteString("\x1b[?1049h\x1b[?25l" + "on screen")
	switch how {
	case "clean":
		os.Stdout.WriteString("\x1b[?25h\x1b[?1049l")
		release()
		os.Exit(0)
	case "panic":
		go func() { panic("something broke in a goroutine") }()
		select {}
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func raw() {
	t, err := unix.IoctlGetTermios(0, crash.IoctlGet)
	if err != nil {
		panic(err)
	}
	t.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(0, crash.IoctlSet, t); err != nil {
		panic(err)
	}
}

// run runs the guarded program in a terminal of its own until the last process
// has closed it, and returns what was written and the terminal's flags then.
func run(t *testing.T, how string) (screen string, lflag uint32) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("this system lends no terminal to a test: %v", err)
	}
	defer master.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CRASH_TEST_HOW="+how, "XDG_CACHE_HOME="+t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		var b bytes.Buffer
		_, err := io.Copy(&b, master) // EIO when the last process has let go
		if err != nil && !errors.Is(err, syscall.EIO) {
			b.WriteString(err.Error())
		}
		read <- b.String()
	}()
	_ = cmd.Wait()
	if how != "clean" {
		lflag = waitForGuard(slave)
	}
	slave.Close()
	return <-read, lflag
}

// waitForGuard polls until the terminal is no longer raw. The test's own
// deadline bounds it.
func waitForGuard(slave *os.File) uint32 {
	for {
		t, err := unix.IoctlGetTermios(int(slave.Fd()), crash.IoctlGet)
		if err != nil {
			return 0
		}
		if t.Lflag&unix.ISIG != 0 {
			return uint32(t.Lflag)
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 2000})
	}
}

func TestTheTerminalIsPutRight(t *testing.T) {
	for how, want := range map[string]string{
		"panic": "something broke in a goroutine",
		"kill":  "capmon was killed",
	} {
		t.Run(how, func(t *testing.T) {
			screen, lflag := run(t, how)
			if lflag&unix.ECHO == 0 || lflag&unix.ICANON == 0 {
				t.Errorf("the terminal stayed raw: lflag %#x", lflag)
			}
			_, after, left := strings.Cut(screen, "\x1b[?1049l")
			if !left {
				t.Fatalf("the alternate screen was not left: %q", screen)
			}
			if !strings.Contains(after, "\x1b[?25h") || !strings.Contains(after, want) {
				t.Errorf("after the screen: %q, want the cursor and %q", after, want)
			}
		})
	}
}

func TestACleanEndIsLeftAlone(t *testing.T) {
	screen, _ := run(t, "clean")
	if strings.Count(screen, "\x1b[?1049l") != 1 || strings.Contains(screen, "capmon was killed") {
		t.Errorf("the guard wrote after a clean end: %q", screen)
	}
}
