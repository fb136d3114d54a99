package collectors

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// heldEvery is how often it is looked whether the process that was found
	// still holds its socket: one readlink each.
	heldEvery = 10 * time.Second

	// nearFiles is how many open files of each process are looked at first. A
	// server opens the socket it listens on before those of its clients, so the
	// 90,000 of a large one are looked at only when nothing else is left.
	nearFiles = 1024
)

// askAgain are the waits before a socket without a known owner is looked for
// again: its owner may have been about to start. The last repeats.
var askAgain = [...]time.Duration{2 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute}

// owners knows which process listens on a socket. It walks /proc/*/fd (some
// milliseconds) only when there is a socket it has not seen.
type owners struct {
	proc string
	self int // the process whose sockets are capmon's own

	// among are the processes that are looked at, the first nearFiles of each;
	// nil = all there are.
	among func() []int

	held time.Time
	byID map[uint64]*held
}

// held is one socket and who was found to hold it.
type held struct {
	owner owner
	pids  []int  // every process that holds it
	link  string // /proc/PID/fd/N of the process named; empty = not found
	tries int
	next  time.Time // when to look again, if the owner is not known for certain
}

func newOwners(proc string, self int) *owners {
	return &owners{proc: proc, self: self, byID: make(map[uint64]*held)}
}

// of appends the owner of each socket to dst.
func (o *owners) of(dst []owner, sockets []listenSocket) []owner {
	for _, s := range sockets {
		var w owner
		if h := o.byID[s.id]; h != nil {
			w = h.owner
		}
		dst = append(dst, w)
	}
	return dst
}

// refresh looks for the owners that are not known and tells whether any answer
// changed.
func (o *owners) refresh(ctx context.Context, now time.Time, sockets []listenSocket) (changed bool) {
	check := now.Sub(o.held) >= heldEvery
	if check {
		o.held = now
		o.drop(sockets)
	}
	var want map[uint64][]int // processes that hold the socket, by inode
	for _, s := range sockets {
		h := o.byID[s.id]
		if h == nil {
			h = new(held)
			o.byID[s.id] = h
		}
		if check && h.link != "" && !holds(h.link, s.id) {
			h.link, h.tries, h.next = "", 0, time.Time{}
		}
		if h.link == "" && !now.Before(h.next) || !h.next.IsZero() && !now.Before(h.next) {
			if want == nil {
				want = make(map[uint64][]int)
			}
			want[s.id] = nil
		}
	}
	if want == nil {
		return false
	}
	links := o.walk(ctx, want)
	for id, pids := range want {
		if o.settle(o.byID[id], now, pids, links[id]) {
			changed = true
		}
	}
	return changed
}

// drop forgets sockets that are gone.
func (o *owners) drop(sockets []listenSocket) {
	if len(o.byID) <= len(sockets) {
		return
	}
	for id := range o.byID {
		if !slices.ContainsFunc(sockets, func(s listenSocket) bool { return s.id == id }) {
			delete(o.byID, id)
		}
	}
}

// settle takes what a walk found for one socket. A socket nobody holds, and one
// that only the first process holds (it listens for services that start on
// demand), is looked for again later.
func (o *owners) settle(h *held, now time.Time, pids []int, link map[int]string) (changed bool) {
	w, pid := o.ownerOf(pids)
	changed = h.owner != w
	h.owner, h.link, h.pids = w, link[pid], pids
	if h.link != "" && pid != 1 {
		h.next = time.Time{}
		return changed
	}
	h.next = now.Add(askAgain[min(h.tries, len(askAgain)-1)])
	h.tries++
	return changed
}

// ownerOf names the process that the others come from: the one whose parent
// does not hold the socket. The first process of the system comes last.
func (o *owners) ownerOf(pids []int) (owner, int) {
	var w owner
	best := 0
	for _, pid := range pids {
		if pid == o.self {
			return owner{name: "capmon", root: pid, own: true}, pid
		}
		p, err := readProcess(o.proc, pid)
		if err != nil || p.parent != 1 && slices.Contains(pids, p.parent) {
			continue
		}
		if best == 0 || best == 1 || pid != 1 && pid < best {
			best, w = pid, owner{name: p.name, root: pid}
		}
	}
	return w, best
}

// listensOn lists the ports that a process of this machine listens on, or the
// process it was started by, if that is the same program: a worker that takes
// connections which its parent accepts is a part of that service, a shell that
// a server of logins started is none.
func (o *owners) listensOn(pid int, sockets []listenSocket) (ports []uint16) {
	const highest = 8 // generations
	name := ""
	for range highest {
		if pid <= 1 {
			return nil
		}
		p, err := readProcess(o.proc, pid)
		if err != nil || name != "" && p.name != name {
			return nil
		}
		for _, s := range sockets {
			if h := o.byID[s.id]; h != nil && slices.Contains(h.pids, pid) && !slices.Contains(ports, s.local.Port()) {
				ports = append(ports, s.local.Port())
			}
		}
		if ports != nil {
			return ports
		}
		name, pid = p.name, p.parent
	}
	return nil
}

// holds tells whether the link of a process is the socket with this inode.
func holds(link string, inode uint64) bool {
	target, err := os.Readlink(link)
	return err == nil && target == "socket:["+strconv.FormatUint(inode, 10)+"]"
}

// walk looks through the open files of every process for the sockets in want
// and adds the processes that hold them. It returns the path of each file
// found. What may not be read is passed over.
func (o *owners) walk(ctx context.Context, want map[uint64][]int) map[uint64]map[int]string {
	links := make(map[uint64]map[int]string)
	w := walker{ctx: ctx, buf: make([]byte, 8<<10)}
	look := func(pid, first, last int) (more bool) {
		folder := filepath.Join(o.proc, strconv.Itoa(pid), "fd")
		return w.eachSocket(folder, first, last, func(file string, inode uint64) {
			if pids, ok := want[inode]; ok && !slices.Contains(pids, pid) {
				want[inode] = append(pids, pid)
				if links[inode] == nil {
					links[inode] = make(map[int]string)
				}
				links[inode][pid] = filepath.Join(folder, file)
			}
		})
	}
	if o.among != nil {
		for _, pid := range o.among() {
			look(pid, 0, nearFiles)
		}
		return links
	}
	var all, far []int // processes; those with more files than nearFiles
	w.eachName(o.proc, func(_ int, name string) bool {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			all = append(all, pid)
		}
		return true
	})
	for _, pid := range all {
		if look(pid, 0, nearFiles) {
			far = append(far, pid)
		}
	}
	for _, pid := range far {
		if len(links) == len(want) {
			break
		}
		look(pid, nearFiles, math.MaxInt)
	}
	return links
}

// walker reads folders by the bare system calls: an os.File asks the kernel
// seven things about each folder of /proc that nobody needs to know.
type walker struct {
	ctx   context.Context
	buf   []byte
	names []string
	link  [64]byte
}

// eachName calls visit with the open folder and each name in it, until visit
// says no or the context ends.
func (w *walker) eachName(folder string, visit func(fd int, name string) bool) {
	fd, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for w.ctx.Err() == nil {
		n, err := unix.ReadDirent(fd, w.buf)
		if err != nil || n <= 0 {
			return
		}
		_, _, w.names = unix.ParseDirent(w.buf[:n], -1, w.names[:0])
		for _, name := range w.names {
			if !visit(fd, name) {
				return
			}
		}
	}
}

// eachSocket calls visit for the first-th to last-th open file of a process
// that is a socket; more is true when there are files after last.
func (w *walker) eachSocket(folder string, first, last int, visit func(file string, inode uint64)) (more bool) {
	i := 0
	w.eachName(folder, func(fd int, name string) bool {
		i++
		if i <= first {
			return true
		}
		if i > last {
			more = true
			return false
		}
		n, err := unix.Readlinkat(fd, name, w.link[:])
		if err == nil {
			if inode, ok := socketInode(w.link[:n]); ok {
				visit(name, inode)
			}
		}
		return true
	})
	return more
}

// socketInode reads socket:[4711].
func socketInode(link []byte) (uint64, bool) {
	number, ok := bytes.CutPrefix(link, []byte("socket:["))
	if !ok {
		return 0, false
	}
	inode, rest, ok := cutNumber(number)
	return inode, ok && string(rest) == "]"
}

// processInfo is what is needed of /proc/PID.
type processInfo struct {
	name   string
	parent int
}

// readProcess reads the name of a process and its parent.
func readProcess(proc string, pid int) (processInfo, error) {
	folder := filepath.Join(proc, strconv.Itoa(pid))
	b, err := readBounded(filepath.Join(folder, "stat"))
	if err != nil {
		return processInfo{}, err
	}
	comm, parent, err := parseProcessStat(b)
	if err != nil {
		return processInfo{}, fmt.Errorf("read %s/stat: %w", folder, err)
	}
	exe, err := os.Readlink(filepath.Join(folder, "exe"))
	if err != nil {
		exe = ""
	}
	return processInfo{name: programName(comm, exe), parent: parent}, nil
}

// parseProcessStat reads "pid (comm) state ppid ..."; comm may hold anything,
// brackets too.
func parseProcessStat(b []byte) (comm string, parent int, err error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || len(b) < end+4 {
		return "", 0, fmt.Errorf("%.32q is no process", b)
	}
	ppid, _, ok := cutNumber(b[end+3:])
	if !ok || ppid > math.MaxInt32 {
		return "", 0, fmt.Errorf("%.32q has no parent", b[end:])
	}
	return string(b[open+1 : end]), int(ppid), nil
}
