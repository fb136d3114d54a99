//go:build unix

package collectors

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tailed is a log that a test writes and a tail that reads it.
type tailed struct {
	t    testing.TB
	path string
	tail *tail
	f    *os.File
	got  []string
}

func newTailed(t testing.TB, begin string) *tailed {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	x := &tailed{t: t, path: path, tail: &tail{path: path}}
	x.reopen()
	x.write(begin)
	t.Cleanup(func() {
		x.tail.close()
		x.f.Close()
	})
	return x
}

// reopen is what a server does when it is told that its log was renamed.
func (x *tailed) reopen() {
	x.t.Helper()
	if x.f != nil {
		x.f.Close()
	}
	f, err := os.OpenFile(x.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		x.t.Fatal(err)
	}
	x.f = f
}

func (x *tailed) write(text string) {
	x.t.Helper()
	if _, err := x.f.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

func (x *tailed) rename(to string) {
	x.t.Helper()
	if err := os.Rename(x.path, filepath.Join(filepath.Dir(x.path), to)); err != nil {
		x.t.Fatal(err)
	}
}

// copyAndCut is logrotate's copytruncate.
func (x *tailed) copyAndCut(to string) {
	x.t.Helper()
	b, err := os.ReadFile(x.path)
	if err == nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(x.path), to), b, 0o600)
	}
	if err == nil {
		err = os.Truncate(x.path, 0)
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// read polls once and returns the lines that came.
func (x *tailed) read() []string {
	x.t.Helper()
	x.got = nil
	if _, err := x.tail.read(x.t.Context(), logBudget, func(line []byte) { x.got = append(x.got, string(line)) }); err != nil {
		x.t.Fatal(err)
	}
	return x.got
}

func (x *tailed) wants(lines ...string) {
	x.t.Helper()
	if diff := cmp.Diff(lines, x.read()); diff != "" {
		x.t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTailBeginsAtTheEnd(t *testing.T) {
	x := newTailed(t, "old\nhalf")
	x.wants()
	x.write(" written\nnew\r\nagain ha")
	x.wants("half written", "new")
	x.wants()
	x.write("lf\n\n")
	x.wants("again half", "")
}

// TestTailOverARename: the server writes to the renamed file until it is told.
func TestTailOverARename(t *testing.T) {
	x := newTailed(t, "")
	x.wants()
	x.write("1\n")
	x.rename("access.log.1")
	x.write("2\n")
	x.wants("1", "2")
	x.write("3\n4 is cut ")
	second, err := os.OpenFile(x.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	fmt.Fprint(second, "6\n")
	x.wants("3", "6")
	// Another worker has not opened the new one yet.
	x.write("by a rename\n5\n")
	fmt.Fprint(second, "7\n")
	x.wants("4 is cut by a rename", "5", "7")
	x.write("the last")
	x.wants()
	for range tailIdle {
		if got := x.read(); len(got) == 1 && got[0] == "the last" {
			break
		}
	}
	if diff := cmp.Diff([]string{"the last"}, x.got); diff != "" || len(x.tail.old) != 0 {
		t.Errorf("%d old files are open (-want +got):\n%s", len(x.tail.old), diff)
	}
}

// TestTailOverTwoRenamesAtOnce: a log that came and went between two readings is
// read too; what only looks like one is not.
func TestTailOverTwoRenamesAtOnce(t *testing.T) {
	x := newTailed(t, "")
	x.wants()
	x.write("1\n")
	if err := os.WriteFile(x.path+"_ssl", []byte("another log\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		x.rename(fmt.Sprint("access.log.", i))
		x.reopen()
		x.write(fmt.Sprintln(i + 2))
		time.Sleep(20 * time.Millisecond) // the clock of files is coarse
	}
	x.wants("1", "2", "3", "4")
	x.write("5\n")
	x.wants("5")
	x.rename("access.log.7")
	x.reopen()
	x.write("6\n")
	x.rename("access.log.8")
	time.Sleep(100 * time.Millisecond)
	x.wants() // nothing is there, and who is 8?
	x.reopen()
	x.write("7\n")
	x.wants("6", "7")
}

func TestTailOfALogThatVanishes(t *testing.T) {
	x := newTailed(t, "")
	x.wants()
	x.write("1\n")
	if err := os.Remove(x.path); err != nil {
		t.Fatal(err)
	}
	x.wants("1")
	x.write("2\n")
	x.wants("2")
	x.reopen()
	x.write("3\n")
	x.wants("3")
}

// TestTailOverCopyAndCut: what was written between the last reading and the
// cut is in the copy alone.
func TestTailOverCopyAndCut(t *testing.T) {
	for name, copied := range map[string]string{"numbered": "access.log.1", "dated": "access.log-20261124"} {
		t.Run(name, func(t *testing.T) {
			x := newTailed(t, strings.Repeat("old line\n", 100))
			for i := range 20 {
				if err := os.WriteFile(fmt.Sprint(x.path, ".", i+2), []byte(strings.Repeat("another\n", 1000)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			x.wants()
			x.write("1\n")
			x.wants("1")
			x.write("2\n3")
			x.wants("2")
			x.write("\n4\n")
			x.copyAndCut(copied)
			x.write("5\n")
			x.wants("3", "4", "5")
			x.write("6\n")
			x.wants("6")
			// Written on beyond the old length before it is looked at.
			x.copyAndCut(copied)
			x.write(strings.Repeat("7\n", 1000))
			if n := len(x.read()); n != 1000 {
				t.Errorf("%d lines, want 1000", n)
			}
		})
	}
	x := newTailed(t, "")
	x.wants()
	x.write("1\n")
	x.wants("1")
	if err := os.Truncate(x.path, 0); err != nil {
		t.Fatal(err)
	}
	x.write("2\n")
	x.wants("2")
}

// TestTailCatchesUp: a poll reads no more than its budget.
func TestTailCatchesUp(t *testing.T) {
	x := newTailed(t, "")
	x.wants()
	line := strings.Repeat("x", 999) + "\n"
	x.write(strings.Repeat(line, 1000))
	total, polls := 0, 0
	for {
		polls++
		behind, err := x.tail.read(t.Context(), 300_000, func([]byte) { total++ })
		if err != nil {
			t.Fatal(err)
		}
		if behind == 0 {
			break
		}
		if polls > 10 {
			t.Fatal("it never catches up")
		}
	}
	if total != 1000 || polls < 3 {
		t.Errorf("%d lines in %d polls", total, polls)
	}
}

func TestTailOfLongLinesAndJunk(t *testing.T) {
	x := newTailed(t, strings.Repeat("z", 3*logLine))
	x.wants()
	x.write(strings.Repeat("z", 3*logLine) + "\n1\n" + strings.Repeat("y", 2*logLine))
	x.wants("1")
	x.write(strings.Repeat("y", 5*logLine) + "\n2\n\x00\xff\n")
	x.wants(strings.Repeat("y", logLine), "2", "\x00\xff")
}

func TestTailRefuses(t *testing.T) {
	x := newTailed(t, "")
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                          "it is a folder and not a file: name the log itself",
		pipe:                         "it is a pipe (FIFO) and not a file",
		"/dev/null":                  "it is a device and not a file",
		filepath.Join(dir, "none"):   "none (yet)",
		filepath.Join(x.path, "sub"): "not a directory",
	} {
		tail := &tail{path: path}
		if _, err := tail.read(t.Context(), logBudget, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		tail.close()
	}
	if err := logError("/x", fs.ErrPermission); !strings.Contains(err.Error(), "run as root, or let this user read it") {
		t.Error(err)
	}
	// It comes later: all of it is new.
	late := &tail{path: filepath.Join(dir, "late")}
	defer late.close()
	if _, err := late.read(t.Context(), logBudget, nil); err == nil {
		t.Error("no error without a log")
	}
	if err := os.WriteFile(late.path, []byte("1\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, err := late.read(t.Context(), logBudget, func([]byte) { n++ }); err != nil || n != 2 {
		t.Errorf("%d lines, %v", n, err)
	}
	// A pipe takes its place.
	if err := os.Rename(pipe, late.path); err != nil {
		t.Fatal(err)
	}
	if _, err := late.read(t.Context(), logBudget, nil); err == nil || !strings.Contains(err.Error(), "a pipe") {
		t.Errorf("replaced by a pipe: %v", err)
	}
}

// FuzzTail writes numbered lines in pieces of any size, rotates in both ways
// and polls at any moment: each line comes once and in its order.
func FuzzTail(f *testing.F) {
	f.Add([]byte("wwrpwwcpwnpwwwp"))
	f.Add([]byte("wpcpwpcwpnwcpwwnnppw"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		x := newTailed(t, "before\n")
		x.read()
		random := rand.New(rand.NewPCG(1, uint64(len(steps))))
		next, want, got, rotated := 0, 0, 0, 0
		check := func() {
			for _, line := range x.read() {
				if line != fmt.Sprintf("line %d %s", got, strings.Repeat("x", got%90)) {
					t.Fatalf("line %q, want line %d", line, got)
				}
				got++
			}
		}
		for _, step := range steps[:min(len(steps), 60)] {
			switch step {
			case 'p':
				check()
			case 'r': // renamed, and the server is told at once
				check()
				x.rename(fmt.Sprint("access.log.", rotated))
				rotated++
				x.reopen()
				check()
			case 'c':
				if x.tail.file.at == 0 {
					continue // of a file that was empty nobody can tell that it was cut
				}
				x.copyAndCut("access.log-20261124") // beside the renamed ones, not over one
				check()
			case 'n': // nothing
			default:
				for range random.IntN(40) {
					x.write(fmt.Sprintf("line %d %s\n", next, strings.Repeat("x", next%90)))
					next++
				}
			}
		}
		want = next
		check()
		if got != want {
			t.Errorf("%d lines of %d", got, want)
		}
	})
}
