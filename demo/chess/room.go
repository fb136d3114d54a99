package chess

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"capmon/demo/child"
)

// RoomHere is what this machine has for connections.
func RoomHere() Room {
	return Room{Files: child.FilesHere(), Memory: freeMemory("/proc/meminfo")}
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
