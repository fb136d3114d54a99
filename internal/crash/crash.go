// Package crash keeps the terminal usable when the program that owns the screen
// ends without cleaning up: a panic in any goroutine, a fatal error of the
// runtime, kill -9.
//
// A second, sleeping process of the same program waits at a pipe for the first
// one to end. After a clean end it does nothing. After any other it leaves the
// alternate screen, shows the cursor, puts the line discipline back and then
// prints what the runtime had to say, which would otherwise be lost with the
// screen it was written on.
package crash

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// envGuard marks the process that waits.
const envGuard = "CAPMON_TERMINAL_GUARD"

// clean is what the guarded process says before a clean end.
const clean = "\x00clean"

// reset leaves the alternate screen, ends every mouse and paste mode, shows the
// cursor and goes back to plain text.
const reset = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[0m\r\n"

// maxTrace bounds what is kept of a trace, in bytes.
const maxTrace = 1 << 20

// shownLines of a trace go to the terminal; all of it goes to a file.
const shownLines = 16

// wait reads from the guarded process until it ends. ended is true when it said
// that its end was clean; trace is what the runtime wrote.
func wait(r io.Reader) (trace []byte, ended bool) {
	trace, _ = io.ReadAll(io.LimitReader(r, maxTrace))
	_, _ = io.Copy(io.Discard, r)
	return trace, bytes.HasSuffix(trace, []byte(clean))
}

// report says what happened, on a terminal that is usable again. file is where
// the whole trace was saved; empty when it was not.
func report(w io.Writer, trace []byte, file string) {
	if len(trace) == 0 {
		fmt.Fprint(w, "capmon was killed; the terminal has been put right.\n")
		return
	}
	lines := strings.Split(strings.TrimRight(string(trace), "\n"), "\n")
	for i, line := range lines {
		if i == shownLines {
			fmt.Fprintf(w, "... %d more lines\n", len(lines)-i)
			break
		}
		fmt.Fprintln(w, line)
	}
	fmt.Fprint(w, "\ncapmon crashed: this is a defect in capmon, nothing on your hosts was touched.\n")
	if file != "" {
		fmt.Fprintf(w, "The whole trace is in %s; please send it with a report.\n", file)
	}
}

// save keeps a trace in the user's cache folder and returns where, or "".
func save(trace []byte) string {
	if len(trace) == 0 {
		return ""
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir = filepath.Join(dir, "capmon")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return ""
	}
	file := filepath.Join(dir, "crash.txt")
	if err := os.WriteFile(file, trace, 0o600); err != nil {
		return ""
	}
	return file
}
