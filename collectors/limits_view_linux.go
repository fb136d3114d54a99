package collectors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// errConfigKind says that a file is a folder, a FIFO or a device.
var errConfigKind = errors.New("of another kind than was expected")

// processView reads files under the names that a process has for them, which
// in a container are not ours. It remembers what it read, so that it can tell
// when to read again.
type processView struct {
	proc  string
	roots []viewRoot
	left  int  // bytes that may still be read
	count int  // files and folders that were
	owned bool // every file was root's or ours, and nobody else may write it
	seen  map[string]viewStamp
}

// viewRoot is a folder that the process calls "/".
type viewRoot struct {
	fd   int
	ours bool // it is the one we call so
}

// viewStamp changes when a file does; the zero value stands for one that can't
// be opened.
type viewStamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// newProcessView opens the root of pid. A server that has locked itself into a
// folder since (chroot) had its files where this process has its own. It is
// closed by close.
func newProcessView(proc string, pid int) *processView {
	v := &processView{proc: proc, left: maxConfigBytes, owned: true, seen: make(map[string]viewStamp)}
	folder := filepath.Join(proc, strconv.Itoa(pid))
	link, err := os.Readlink(filepath.Join(folder, "root"))
	if err != nil {
		return v
	}
	theirs, err1 := os.Readlink(filepath.Join(folder, "ns/mnt"))
	ours, err2 := os.Readlink(filepath.Join(proc, "self/ns/mnt"))
	same := err1 == nil && err2 == nil && theirs == ours
	v.add(filepath.Join(folder, "root"), same && link == "/")
	if same && link != "/" {
		v.add("/", true)
	}
	return v
}

func (v *processView) add(root string, ours bool) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		v.roots = append(v.roots, viewRoot{fd, ours})
	}
}

// ours tells whether the process has the same names for files as this one.
func (v *processView) ours() bool {
	return slices.ContainsFunc(v.roots, func(r viewRoot) bool { return r.ours })
}

func (v *processView) close() {
	for _, r := range v.roots {
		_ = unix.Close(r.fd)
	}
	v.roots = nil
}

// open opens a path, but not what is there, below the first root that has it:
// opening a device can do things, and opening a FIFO waits.
func (v *processView) open(name string) (fd int, err error) {
	err = fs.ErrPermission // no root could be opened
	for _, r := range v.roots {
		fd, err = r.open(name, unix.O_PATH|unix.O_CLOEXEC)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// open keeps links inside the root: an absolute one begins there. Kernels before
// 5.6 can't; where the root is ours that changes nothing.
func (r viewRoot) open(name string, flags int) (int, error) {
	how := &unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for range 3 {
		fd, err := unix.Openat2(r.fd, name, how)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			continue // something was renamed meanwhile
		case (err == unix.ENOSYS || err == unix.EPERM) && r.ours:
			return unix.Open(name, flags, 0)
		}
		return fd, err
	}
	return -1, unix.EAGAIN
}

// read implements configFiles: regular files alone.
func (v *processView) read(name string) ([]byte, error) {
	f, st, err := v.take(name, unix.S_IFREG)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() || st.Mode&0o002 != 0 {
		v.owned = false
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(v.left)+1))
	if err != nil {
		return nil, err
	}
	if v.left -= len(b); v.left < 0 {
		return nil, errConfigLarge
	}
	return b, nil
}

// list implements configFiles. What is not there, or no folder, is empty.
func (v *processView) list(name string) ([]string, error) {
	f, _, err := v.take(name, unix.S_IFDIR)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errConfigKind) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(2 * maxConfigFiles)
	if len(names) == 2*maxConfigFiles {
		return nil, errConfigLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return names, nil
}

// take opens one more file or folder, as kind says, and remembers how it looks.
func (v *processView) take(name string, kind uint32) (*os.File, *unix.Stat_t, error) {
	if v.count++; v.count > maxConfigFiles {
		return nil, nil, errConfigLarge
	}
	v.seen[name] = viewStamp{}
	fd, err := v.open(name)
	if err != nil {
		return nil, nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, nil, fmt.Errorf("stat %s: %w", name, err)
	}
	v.seen[name] = stampOf(&st)
	if st.Mode&unix.S_IFMT != kind {
		return nil, nil, fmt.Errorf("read %s: %w", name, errConfigKind)
	}
	f, err := os.Open(v.again(fd))
	return f, &st, err
}

// again is a path of what is open at fd.
func (v *processView) again(fd int) string {
	return filepath.Join(v.proc, "self/fd", strconv.Itoa(fd))
}

func stampOf(st *unix.Stat_t) viewStamp {
	return viewStamp{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// unchanged tells whether everything that an earlier view read looks as it did.
func (v *processView) unchanged(seen map[string]viewStamp) bool {
	for name, last := range seen {
		var st unix.Stat_t
		fd, err := v.open(name)
		if err == nil {
			err = unix.Fstat(fd, &st)
			_ = unix.Close(fd)
		}
		if err != nil {
			st = unix.Stat_t{}
		}
		if stampOf(&st) != last {
			return false
		}
	}
	return true
}

// socket returns a path at which this process can dial the socket that the
// other one calls name, until release is called.
func (v *processView) socket(name string) (dial string, release func(), err error) {
	fd, err := v.open(name)
	if err != nil {
		return "", nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		_ = unix.Close(fd)
		return "", nil, fmt.Errorf("dial %s: no socket", name)
	}
	return v.again(fd), func() { _ = unix.Close(fd) }, nil
}
