//go:build unix

package crash

import (
	"encoding/json"
	"os"

	"golang.org/x/sys/unix"
)

// getSettings returns the settings of tty's line discipline as text.
func getSettings(tty *os.File) (string, error) {
	t, err := unix.IoctlGetTermios(int(tty.Fd()), ioctlGet)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(t)
	return string(b), err
}

// restore puts the line discipline back, unless somebody else has done so: a
// shell that already edits its next line must not be disturbed, and a raw
// terminal is told by its signals being off.
func restore(tty *os.File, settings string) {
	var t unix.Termios
	if json.Unmarshal([]byte(settings), &t) != nil {
		return
	}
	now, err := unix.IoctlGetTermios(int(tty.Fd()), ioctlGet)
	if err != nil || now.Lflag&unix.ISIG != 0 {
		return
	}
	_ = unix.IoctlSetTermios(int(tty.Fd()), ioctlSet, &t)
}
