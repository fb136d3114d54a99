package small

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Drop unmaps pages of the program's and its libraries' files that
// are as they are on disk. They stay in the page cache and come back by
// themselves when they are touched. Nothing is lost when it fails.
func Drop() {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	var low, high uintptr
	program := false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if a, b, ok := mapping(line); ok {
			low, high, program = a, b, isProgram(line)
			continue
		}
		// A page that was written, a relocation say, is the process's own and
		// would be lost: only mappings without any are let go.
		if program && strings.HasPrefix(line, "Anonymous:") && strings.Fields(line)[1] == "0" {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, low, high-low, unix.MADV_DONTNEED)
		}
	}
}

// mapping reads the range from the first line of a mapping in smaps.
func mapping(line string) (low, high uintptr, ok bool) {
	from, rest, ok := strings.Cut(line, "-")
	if !ok {
		return 0, 0, false
	}
	to, _, _ := strings.Cut(rest, " ")
	a, err1 := strconv.ParseUint(from, 16, 64)
	b, err2 := strconv.ParseUint(to, 16, 64)
	if err1 != nil || err2 != nil || b <= a {
		return 0, 0, false
	}
	return uintptr(a), uintptr(b), true
}

// isProgram tells a read-only mapping of a file from every other.
func isProgram(line string) bool {
	f := strings.Fields(line)
	return len(f) >= 6 && (f[1] == "r-xp" || f[1] == "r--p") && strings.HasPrefix(f[5], "/")
}
