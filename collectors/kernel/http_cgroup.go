//go:build linux

package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openCgroups opens the root of the cgroup v2 hierarchy. Where no directory shows
// it, it is mounted at no place: that ends when the file is closed.
func openCgroups(proc string) (*os.File, error) {
	dir, err := cgroupRoot(proc)
	if err == nil {
		return os.Open(dir)
	}
	f, mountErr := mountCgroups()
	if mountErr != nil {
		return nil, errors.Join(err, mountErr)
	}
	return f, nil
}

func mountCgroups() (*os.File, error) {
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen cgroup2", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, os.NewSyscallError("fsconfig cgroup2", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID)
	if err != nil {
		return nil, os.NewSyscallError("fsmount cgroup2", err)
	}
	return os.NewFile(uintptr(fd), "cgroup2"), nil
}

// cgroupRoot is the directory of the cgroup v2 hierarchy. A process that was put
// into a network namespace often has mounts of its own that hide it: then it is
// looked for among those of process 1.
func cgroupRoot(proc string) (string, error) {
	var errs []error
	for _, view := range []struct{ mounts, below string }{
		{"self/mounts", "/"}, {"1/mounts", "1/root"},
	} {
		b, err := os.ReadFile(filepath.Join(proc, view.mounts))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		below := view.below
		if below != "/" {
			below = filepath.Join(proc, below)
		}
		for _, dir := range cgroupMounts(string(b)) {
			dir = filepath.Join(below, dir)
			if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err != nil {
				errs = append(errs, err)
				continue
			}
			return dir, nil
		}
	}
	return "", errors.Join(append(errs, errors.New("no cgroup2 is mounted"))...)
}

// cgroupMounts lists the directories where a mounts file says cgroup2 is.
func cgroupMounts(mounts string) (dirs []string) {
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) >= 3 && f[2] == "cgroup2" && strings.HasPrefix(f[1], "/") {
			dirs = append(dirs, unescape(f[1]))
		}
	}
	return dirs
}

// unescape undoes the three octal digits by which mounts files write blanks and
// backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(s string) bool {
	return s[0] <= '3' && strings.Trim(s, "01234567") == ""
}
