package load

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownThreads are those that a Go program has besides the busy ones.
const ownThreads = 10

// room says why the threads of a load can't be had: Go ends a program that gets
// no thread, with pages of what it did, so that it is asked before. A limit that
// is not known does not hinder.
func room(s Spec) error {
	need := s.Workers() + max(s.Processes, 1)*ownThreads
	if s.Processes > 0 {
		need += ownThreads
	}
	if most, used, ok := userRoom(); ok && used+need > most {
		return fmt.Errorf("%d threads, with those of the programs around them: this user may have %d threads and processes (ulimit -u) and has %d: fewer --threads or --processes, or a higher limit", need, most, used)
	}
	if most, used, ok := groupRoom("/proc/self/cgroup", "/sys/fs/cgroup"); ok && used+need > most {
		return fmt.Errorf("%d threads, with those of the programs around them: this container may have %d threads and processes (pids.max) and has %d: fewer --threads or --processes, or a higher limit", need, most, used)
	}
	return nil
}

// userRoom is how many threads this user may have, and has; not ok where nothing
// limits them, as for root.
func userRoom() (most, used int, ok bool) {
	var l unix.Rlimit
	if os.Getuid() == 0 || unix.Getrlimit(unix.RLIMIT_NPROC, &l) != nil || l.Cur > math.MaxInt32 {
		return 0, 0, false
	}
	folders, err := os.ReadDir("/proc")
	if err != nil {
		return 0, 0, false
	}
	for _, f := range folders {
		if _, err := strconv.Atoi(f.Name()); err != nil {
			continue
		}
		info, err := os.Stat("/proc/" + f.Name())
		if err != nil {
			continue // it has ended
		}
		if st, is := info.Sys().(*syscall.Stat_t); is && int(st.Uid) == os.Getuid() {
			used += threadsOf(f.Name())
		}
	}
	return int(l.Cur), used, used > 0
}

func threadsOf(pid string) int {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\nThreads:")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 1 // a process has one
	}
	return n
}

// groupRoom is the same of the control groups that this process is in, the one
// with the least room; not ok where none limits.
func groupRoom(file, root string) (most, used int, ok bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		_, rest, _ := strings.Cut(s.Text(), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		base := root
		switch controllers {
		case "pids":
			base = filepath.Join(root, "pids")
		case "":
		default:
			continue
		}
		for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
			m, limited := readCount(filepath.Join(base, dir, "pids.max"))
			n, counted := readCount(filepath.Join(base, dir, "pids.current"))
			if limited && counted && (!ok || m-n < most-used) {
				most, used, ok = m, n, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return most, used, ok
}

func readCount(file string) (int, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text))) // "max": no limit
	return n, err == nil
}
