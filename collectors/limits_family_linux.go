package collectors

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxChildren is how many children of one process are looked at.
	maxChildren = 512

	// sharedFiles is how many open files of a parent are compared with those of
	// its children.
	sharedFiles = 256

	// freshLook is how often everything is looked at as if for the first time:
	// the limit of a process seldom changes while it runs, and a child that was
	// seen between its fork and its exec shares what it will not keep.
	freshLook = 6
)

// member is a process of a server whose open files count.
type member struct {
	pid     int
	fd      string // its folder of open files
	limit   uint64 // 0 = not known
	used    uint32
	counted bool // used is known
}

// family is the process that listens and the ones that work for it.
type family struct {
	root    int
	start   uint64 // of root, in ticks since boot: a number may come again
	exe     string
	command []byte
	members []*member
	looks   int          // how often it was looked at before
	workers int          // of nginx, not those that are about to end
	shares  map[int]bool // children that run the same program: do they hold a socket of root's
}

// readFamily looks at the processes anew; known is the last answer. It is nil
// where root has ended or may not be seen.
func readFamily(ctx context.Context, proc string, root int, known *family) *family {
	start, ok := readStart(proc, root)
	if !ok {
		return nil
	}
	f := &family{root: root, start: start, shares: make(map[int]bool)}
	if known != nil && known.start != start {
		known = nil
	}
	if known != nil {
		f.looks = known.looks + 1
	}
	if f.fresh() {
		f.exe = readExe(proc, root)
		f.command, _ = readBounded(filepath.Join(proc, strconv.Itoa(root), "cmdline"))
	} else {
		f.exe, f.command = known.exe, known.command
	}
	kin, workers := f.children(ctx, proc, known)
	// One that shares a socket with its parent has been forked to serve; then the
	// parent only looks after them, with limits of its own.
	if workers == nil {
		workers = append(kin, root)
	}
	for _, pid := range workers {
		f.members = append(f.members, f.member(proc, pid, known))
	}
	return f
}

// fresh tells whether this look takes nothing of the last one for granted. The
// second does not either: the first may have met a server that was starting.
func (f *family) fresh() bool { return f.looks < 2 || f.looks%freshLook == 0 }

// children lists the children that run the program of root, and those of them
// that share a socket with it.
func (f *family) children(ctx context.Context, proc string, known *family) (kin, workers []int) {
	var sockets map[string]uint64
	nginx := bytes.HasPrefix(f.command, []byte(nginxMaster))
	for _, pid := range readChildren(proc, f.root) {
		shares, seen := false, false
		if !f.fresh() {
			shares, seen = known.shares[pid]
		}
		if !seen {
			if f.exe == "" || readExe(proc, pid) != f.exe {
				continue
			}
			if sockets == nil {
				sockets = socketsOf(ctx, proc, f.root)
			}
			shares = sharesOne(proc, pid, sockets)
		}
		f.shares[pid] = shares
		kin = append(kin, pid)
		if shares {
			workers = append(workers, pid)
		}
		if nginx && isNginxWorker(proc, pid) {
			f.workers++
		}
	}
	return kin, workers
}

// member is pid with its limit, and its last count.
func (f *family) member(proc string, pid int, known *family) *member {
	m := &member{pid: pid, fd: filepath.Join(proc, strconv.Itoa(pid), "fd")}
	if known != nil {
		if i := slices.IndexFunc(known.members, func(o *member) bool { return o.pid == pid }); i >= 0 {
			m = known.members[i]
		}
	}
	if m.limit == 0 || f.fresh() {
		m.limit = readFileLimit(proc, pid)
	}
	return m
}

// readStart reads when a process began.
func readStart(proc string, pid int) (uint64, bool) {
	b, err := readBounded(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	return parseProcessStart(b)
}

// parseProcessStart takes the 22nd field of /proc/PID/stat; the second may hold
// blanks and brackets.
func parseProcessStart(b []byte) (uint64, bool) {
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return 0, false
	}
	v, rest, ok := cutNumber(fields[19])
	if !ok || len(rest) > 0 {
		return 0, false
	}
	return v, true
}

// readExe is the program a process runs; empty = may not be seen.
func readExe(proc string, pid int) string {
	exe, err := os.Readlink(filepath.Join(proc, strconv.Itoa(pid), "exe"))
	if err != nil {
		return ""
	}
	return exe
}

// readChildren lists the processes that the main thread of pid began: servers
// that fork do it there. A kernel built without CONFIG_PROC_CHILDREN shows none.
func readChildren(proc string, pid int) []int {
	name := strconv.Itoa(pid)
	b, err := readBounded(filepath.Join(proc, name, "task", name, "children"))
	if err != nil {
		return nil
	}
	var all []int
	for field := range bytes.FieldsSeq(b) {
		if child, err := strconv.Atoi(string(field)); err == nil && child > 0 && len(all) < maxChildren {
			all = append(all, child)
		}
	}
	return all
}

// socketsOf lists the sockets among the first open files of a process, by the
// name of the file.
func socketsOf(ctx context.Context, proc string, pid int) map[string]uint64 {
	w := walker{ctx: ctx, buf: make([]byte, 8<<10)}
	sockets := make(map[string]uint64)
	w.eachSocket(filepath.Join(proc, strconv.Itoa(pid), "fd"), 0, sharedFiles, func(file string, inode uint64) {
		sockets[file] = inode
	})
	return sockets
}

// sharesOne tells whether pid has one of the sockets open under the same
// number, as a fork does.
func sharesOne(proc string, pid int, sockets map[string]uint64) bool {
	for file, inode := range sockets {
		if holds(filepath.Join(proc, strconv.Itoa(pid), "fd", file), inode) {
			return true
		}
	}
	return false
}

// isNginxWorker tells whether pid takes connections for nginx: not one of its
// cache's processes, nor a worker of the time before a reload.
func isNginxWorker(proc string, pid int) bool {
	b, err := readBounded(filepath.Join(proc, strconv.Itoa(pid), "cmdline"))
	if err != nil || !bytes.HasPrefix(b, []byte(nginxWorker)) {
		return false
	}
	return !strings.Contains(string(b), "shutting down")
}
