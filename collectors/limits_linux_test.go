package collectors

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// server makes a process that can be looked at for its limits, beside what
// procTree.process makes.
func (p procTree) server(pid, parent int, comm, exe, cmdline string, files int, limit string, inodes ...uint64) {
	p.t.Helper()
	p.process(pid, parent, comm, exe, inodes...)
	dir := filepath.Join(p.dir, fmt.Sprint(pid))
	stat := fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 %d 0\n", pid, comm, parent, 1000+pid)
	writeFile(p.t, dir+"/stat", stat)
	writeFile(p.t, dir+"/cmdline", cmdline)
	writeFile(p.t, dir+"/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"+
		fmt.Sprintf("Max open files            %-20s 20000                files     \n", limit))
	for i := range files - len(inodes) - 1 {
		p.link(fmt.Sprintf("%s/fd/%d", dir, 100+i), "/dev/null")
	}
	p.link(dir+"/root", "/")
	children := fmt.Sprintf("%s/%d/task/%d/children", p.dir, parent, parent)
	if b, err := os.ReadFile(children); err == nil || parent > 1 {
		writeFile(p.t, children, strings.TrimSpace(string(b)+fmt.Sprintf(" %d", pid))+" ")
	}
}

// TestWhoseFilesCount: the workers' where a server has some, else its own; of
// several, those of the process that has the fewest left.
func TestWhoseFilesCount(t *testing.T) {
	p := procTree{t, t.TempDir()}
	p.server(100, 1, "nginx", "/usr/sbin/nginx", "nginx: master process nginx", 20, "30", 10, 11)
	p.server(101, 100, "nginx", "/usr/sbin/nginx", "nginx: worker process\x00\x00", 50, "1000", 10, 11)
	p.server(102, 100, "nginx", "/usr/sbin/nginx", "nginx: worker process\x00\x00", 60, "1000", 10, 11)
	p.server(103, 100, "nginx", "/usr/sbin/nginx", "nginx: worker process is shutting down", 90, "1000", 10, 11)
	p.server(104, 100, "nginx", "/usr/sbin/nginx", "nginx: cache manager process", 5, "1000", 10, 11)
	p.server(200, 1, "node", "/usr/bin/node", "node\x00app.js", 25, "1024", 20)
	p.server(201, 200, "node", "/usr/bin/node", "node\x00app.js", 70, "1024", 21)
	p.server(202, 200, "sh", "/bin/sh", "sh", 90, "91", 22)
	p.server(300, 1, "a b) (c\n", "/opt/x", "x", 12, "10", 30)
	p.server(400, 1, "free", "/opt/free", "free", 12, "unlimited", 40)
	p.server(500, 1, "odd", "/opt/odd", "odd", 12, "no", 50)
	source := newLimitsSource(Config{Proc: p.dir}).(*serverLimits)
	defer source.close()
	var ports []servicePort
	for i, root := range []int{100, 100, 200, 300, 400, 500, 600, 0} {
		ports = append(ports, servicePort{port: uint16(80 + i), owner: owner{root: root}})
	}
	read := func(at time.Time) string {
		source.files.earliest = time.Time{}
		var all []string
		for _, l := range source.read(t.Context(), at, ports) {
			all = append(all, fmt.Sprintf("%d: %d/%d", l.port, l.files.used, l.files.limit))
		}
		return strings.Join(all, ", ")
	}
	now := time.Now()
	if got, want := read(now), "80: 90/1000, 81: 90/1000, 82: 70/1024, 83: 12/10, 84: 0/0, 85: 0/0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := source.servers[100].family.workers; n != 2 {
		t.Errorf("%d workers of nginx, two take connections", n)
	}
	// One ends in between, another begins: counted at once, looked for later.
	p.end(103)
	p.server(105, 100, "nginx", "/usr/sbin/nginx", "nginx: worker process", 95, "1000", 10, 11)
	if got := read(now.Add(time.Second)); !strings.HasPrefix(got, "80: 60/1000,") {
		t.Errorf("after one has ended: %s", got)
	}
	if got := read(now.Add(nextLook)); !strings.HasPrefix(got, "80: 95/1000,") {
		t.Errorf("after one has begun: %s", got)
	}
	// One ends, and another process has its number; one ends for good.
	for range freshLook {
		now = now.Add(nextLook)
		if got := read(now); !strings.HasPrefix(got, "80: 95/1000, 81: 95/1000, 82: 70/1024,") {
			t.Errorf("when nothing changes: %s", got)
		}
	}
	p.end(100)
	p.end(200)
	p.end(201)
	p.server(200, 1, "node", "/usr/bin/node", "node\x00app.js", 30, "4096", 20)
	writeFile(t, p.dir+"/200/stat", "200 (node) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 77 0\n")
	ports = ports[:3]
	if got := read(now.Add(2 * nextLook)); got != "82: 30/4096" {
		t.Errorf("after servers have ended: %s", got)
	}
	if len(source.servers) != 2 {
		t.Errorf("%d servers are remembered, two are asked for", len(source.servers))
	}
}

// TestCountingNamesHasAPrice: where the kernel does not tell the number, counts
// keep a distance that makes them cheap.
func TestCountingNamesHasAPrice(t *testing.T) {
	p := procTree{t, t.TempDir()}
	p.server(100, 1, "a", "/a", "a", 500, "5000", 10)
	m := &member{pid: 100, fd: p.dir + "/100/fd", limit: 5000}
	c := fileCounter{proc: p.dir}
	now := time.Now()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	c.count(t.Context(), now, []*member{m})
	took := threadTime() - before
	if c.bySize || !m.counted || m.used != 500 {
		t.Errorf("by size %v, %d files known %v", c.bySize, m.used, m.counted)
	}
	if wait := c.earliest.Sub(now); took > 0 && (wait <= 0 || wait > time.Duration(float64(took)/namesPrice)) {
		t.Errorf("a count that took less than %v is followed by none for %v", took, wait)
	}
	m.counted = false
	c.count(t.Context(), now, []*member{m})
	if c.earliest.After(now) && m.counted {
		t.Error("counted again at once")
	}
}

// TestProcessesTakeTurns: however many there are, a second costs the same.
func TestProcessesTakeTurns(t *testing.T) {
	c := fileCounter{proc: "/proc"}
	var all []*member
	for range 2*sizesAtOnce + 1 {
		all = append(all, &member{fd: "/proc/self/fd"})
	}
	var counted []int
	for range 3 {
		c.count(t.Context(), time.Now(), all)
		n := 0
		for _, m := range all {
			if m.counted {
				n++
			}
		}
		counted = append(counted, n)
	}
	if !c.bySize {
		t.Skip("before Linux 6.2 the kernel does not tell how many files are open")
	}
	if want := []int{sizesAtOnce, 2 * sizesAtOnce, 2*sizesAtOnce + 1}; !slices.Equal(want, counted) {
		t.Errorf("counted %v, want %v", counted, want)
	}
}

// TestConfigurationThatIsNoFile: whatever a path leads to, reading it ends.
func TestConfigurationThatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(dir+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", dir+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	writeFile(t, dir+"/large", strings.Repeat("#", maxConfigBytes+1))
	writeFile(t, dir+"/\x1b[2J odd \n.conf", "events {}")
	for i := range maxConfigFiles + 1 {
		writeFile(t, fmt.Sprintf("%s/many/%d", dir, i), "")
	}
	writeFile(t, dir+"/includes", "events{} include "+dir+"/many/*;")
	for from, to := range map[string]string{"loop": "loop", "zero": "/dev/zero", "proc": "/proc/self/fd", "good": "\x1b[2J odd \n.conf"} {
		if err := os.Symlink(to, dir+"/"+from); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]error{
		"fifo": errConfigKind, "sock": errConfigKind, "zero": errConfigKind, "proc": errConfigKind, ".": errConfigKind,
		"loop": unix.ELOOP, "none": os.ErrNotExist, "large": errConfigLarge, "includes": errConfigLarge,
		"\x1b[2J odd \n.conf": nil, "good": nil,
	} {
		v := newProcessView("/proc", os.Getpid())
		defer v.close()
		if _, err := readNginx(v, filepath.Join(dir, name), ""); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
		if !v.unchanged(v.seen) {
			t.Errorf("%q: looks otherwise than a moment ago", name)
		}
	}
}

// TestViewRemembers: an answer stands until a file, or a folder that was listed,
// is another.
func TestViewRemembers(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/main", "include sites/*; include late*;")
	writeFile(t, dir+"/sites/a", "a;")
	last := func() map[string]viewStamp {
		v := newProcessView("/proc", os.Getpid())
		defer v.close()
		_, _ = readNginx(v, dir+"/main", "")
		return v.seen
	}
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"a file is added", func() { writeFile(t, dir+"/sites/b", "b;") }},
		{"a file grows", func() { writeFile(t, dir+"/sites/b", "longer;") }},
		{"a file is replaced", func() {
			writeFile(t, dir+"/new", "other;;")
			if err := os.Rename(dir+"/new", dir+"/sites/b"); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file goes", func() { os.Remove(dir + "/sites/a") }},
		{"all goes", func() { os.RemoveAll(dir) }},
	} {
		seen := last()
		v := newProcessView("/proc", os.Getpid())
		defer v.close()
		if !v.unchanged(seen) {
			t.Errorf("before %s: changed", step.what)
		}
		step.do()
		if v.unchanged(seen) {
			t.Errorf("%s: not seen", step.what)
		}
	}
}

// TestViewStaysInside: the links of a container lead to its own files.
func TestViewStaysInside(t *testing.T) {
	p := procTree{t, t.TempDir()}
	inside := t.TempDir()
	writeFile(t, inside+"/etc/real.conf", "inside")
	for from, to := range map[string]string{"etc/nginx.conf": "/etc/real.conf", "up": "../../../../../etc/real.conf"} {
		if err := os.Symlink(to, filepath.Join(inside, from)); err != nil {
			t.Fatal(err)
		}
	}
	p.process(100, 1, "nginx", "/usr/sbin/nginx")
	p.link(p.dir+"/100/root", inside)
	p.link(p.dir+"/self", "/proc/self")
	v := newProcessView(p.dir, 100)
	defer v.close()
	for _, name := range []string{"/etc/nginx.conf", "/up", "/../etc/real.conf"} {
		if b, err := v.read(name); string(b) != "inside" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := v.read("/etc/passwd"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file of ours: %v", err)
	}
	if _, err := newProcessView(p.dir, 101).read("/etc/passwd"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("of a process that may not be seen: %v", err)
	}
}

// TestWhoCanHaveUsTalk: a socket is asked only where nobody else could have
// written its name.
func TestWhoCanHaveUsTalk(t *testing.T) {
	needRoot(t, "files are given to others by root")
	dir := t.TempDir()
	for name, c := range map[string]struct {
		uid   int
		mode  os.FileMode
		owned bool
	}{
		"root's": {0, 0o644, true}, "a user's": {1000, 0o644, false}, "anyone's": {0, 0o666, false},
	} {
		writeFile(t, dir+"/a.cfg", "global")
		if err := errors.Join(os.Chmod(dir+"/a.cfg", c.mode), os.Chown(dir+"/a.cfg", c.uid, 0)); err != nil {
			t.Fatal(err)
		}
		v := newProcessView("/proc", os.Getpid())
		defer v.close()
		if _, err := v.read(dir + "/a.cfg"); err != nil || v.owned != c.owned {
			t.Errorf("%s: owned %v, %v", name, v.owned, err)
		}
	}
}

// TestHAProxyThatSaysNothing: sockets that hang, talk without end or nonsense,
// or are none.
func TestHAProxyThatSaysNothing(t *testing.T) {
	dir := t.TempDir()
	answer := func(name string, say func(c net.Conn)) string {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = bufio.NewReader(c).ReadString('\n')
			say(c)
		}()
		t.Cleanup(func() { l.Close(); <-done })
		return filepath.Join(dir, name)
	}
	writeFile(t, dir+"/file", "Maxconn: 7\n")
	v := newProcessView("/proc", os.Getpid())
	defer v.close()
	hang := make(chan struct{})
	defer close(hang)
	for socket, want := range map[string]uint64{
		answer("good", func(c net.Conn) { fmt.Fprint(c, "Name: HAProxy\nMaxconn: 7\n") }): 7,
		answer("garbage", func(c net.Conn) { fmt.Fprint(c, "\x00\xff\n\nMaxconn\n") }):    0,
		answer("silent", func(c net.Conn) { <-hang }):                                     0,
		answer("endless", func(c net.Conn) {
			for {
				if _, err := fmt.Fprintf(c, "%0100d\n", 0); err != nil {
					return
				}
			}
		}): 0,
		dir + "/file": 0, dir + "/none": 0, dir: 0,
	} {
		if got := askHAProxy(t.Context(), v, socket); got != want {
			t.Errorf("%s: %d, want %d", filepath.Base(socket), got, want)
		}
	}
}

func FuzzFileLimit(f *testing.F) {
	f.Add([]byte("Max open files            1024                 20000                files     \n"), []byte("100 (a) b) S 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 77 0"))
	f.Add([]byte("Max open files  unlimited"), []byte(")"))
	f.Fuzz(func(t *testing.T, limits, stat []byte) {
		if n := parseFileLimit(limits); n > 0 && !strings.Contains(string(limits), "Max open files") {
			t.Errorf("limit %d", n)
		}
		if n, ok := parseProcessStart(stat); !ok && n != 0 {
			t.Errorf("began at %d, not known", n)
		}
	})
}
