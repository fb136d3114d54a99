//go:build unix

package crash

import (
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"

	"capmon/internal/small"
)

// Guard starts the waiting process for the terminal tty, open for writing, whose present settings
// are those to go back to: call it before the screen is taken. release ends the
// guard after a clean end; call it when the terminal has been given back.
func Guard(tty *os.File) (release func(), err error) {
	settings, err := getSettings(tty)
	if err != nil {
		return nil, fmt.Errorf("guard the terminal: read its settings: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("guard the terminal: find this program: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("guard the terminal: %w", err)
	}
	defer r.Close()
	cmd := exec.Command(self)
	cmd.Stdin, cmd.Stdout = r, tty
	cmd.Env = append(guardEnv(os.Environ()), envGuard+"="+settings)
	// A session of its own: no signal meant for the screen's process group
	// reaches it, and it may set the terminal from the background.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("guard the terminal: start %s: %w", self, err)
	}
	if err := debug.SetCrashOutput(w, debug.CrashOptions{}); err != nil {
		w.Close()
		_ = cmd.Wait()
		return nil, fmt.Errorf("guard the terminal: %w", err)
	}
	return func() {
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
		_, _ = w.WriteString(clean)
		w.Close()
		_ = cmd.Wait()
	}, nil
}

// guardEnv is the environment of the waiting process: ours, with a runtime that
// keeps itself small.
func guardEnv(env []string) []string {
	out := make([]string, 0, len(env)+1)
	for _, v := range env {
		if !strings.HasPrefix(v, "GOMAXPROCS=") && !strings.HasPrefix(v, envGuard+"=") {
			out = append(out, v)
		}
	}
	return append(out, "GOMAXPROCS=1")
}

// Main is the waiting process. It reports whether this is one: then it has
// waited, done what was to be done, and the caller exits.
func Main() bool {
	settings, is := os.LookupEnv(envGuard)
	if !is {
		return false
	}
	small.Drop()
	trace, ended := wait(os.Stdin)
	if ended {
		return true
	}
	restore(os.Stdout, settings)
	_, _ = os.Stdout.WriteString(reset)
	report(os.Stdout, trace, save(trace))
	return true
}
