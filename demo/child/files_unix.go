//go:build unix

package child

import "syscall"

// FilesHere is how many files one process may have open: the hard limit, which a
// Go program raises its own to when it starts; 0: not known.
func FilesHere() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return int(min(uint64(l.Max), 1<<30))
}
