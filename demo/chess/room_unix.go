//go:build unix

package chess

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// RoomHere is what this machine has for connections. The files are the hard
// limit: a Go program raises its own to that when it starts.
func RoomHere() Room {
	var r Room
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		r.Files = int(min(uint64(l.Max), 1<<30))
	}
	r.Memory = freeMemory("/proc/meminfo")
	return r
}

// freeMemory is MemAvailable; 0 where there is no such file.
func freeMemory(path string) uint64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			kb, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}
