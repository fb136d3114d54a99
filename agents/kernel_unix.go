//go:build unix

package agents

import "golang.org/x/sys/unix"

// kernel is the version as `uname -r` gives it; empty when it can't be had.
func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
