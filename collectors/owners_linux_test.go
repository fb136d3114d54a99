package collectors

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// procTree is a /proc as a test wants it.
type procTree struct {
	t   *testing.T
	dir string
}

// process makes a process that holds the sockets with these inodes.
func (p procTree) process(pid, parent int, comm, exe string, inodes ...uint64) {
	p.t.Helper()
	dir := filepath.Join(p.dir, fmt.Sprint(pid))
	if err := os.MkdirAll(filepath.Join(dir, "fd"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	stat := fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 0\n", pid, comm, parent)
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.link(filepath.Join(dir, "exe"), exe)
	p.link(filepath.Join(dir, "fd", "0"), "/dev/null")
	for i, inode := range inodes {
		p.link(filepath.Join(dir, "fd", fmt.Sprint(i+3)), fmt.Sprintf("socket:[%d]", inode))
	}
}

func (p procTree) link(name, target string) {
	p.t.Helper()
	_ = os.Remove(name)
	if err := os.Symlink(target, name); err != nil {
		p.t.Fatal(err)
	}
}

func (p procTree) end(pid int) {
	if err := os.RemoveAll(filepath.Join(p.dir, fmt.Sprint(pid))); err != nil {
		p.t.Fatal(err)
	}
}

func sockets(ids ...uint64) []listenSocket {
	var all []listenSocket
	for _, id := range ids {
		all = append(all, listenSocket{id: id})
	}
	return all
}

func TestOwners(t *testing.T) {
	p := procTree{t, t.TempDir()}
	p.process(1, 0, "systemd", "/usr/lib/systemd/systemd", 50, 51)
	p.process(100, 1, "nginx", "/usr/sbin/nginx", 10, 11)
	p.process(101, 100, "nginx", "/usr/sbin/nginx", 10, 11, 999)
	p.process(102, 100, "nginx", "/usr/sbin/nginx", 10, 11)
	p.process(200, 1, "node-MainThread", "/usr/bin/node", 20)
	p.process(201, 200, "node-MainThread", "/usr/bin/node")
	p.process(300, 1, "systemd-resolve", "/usr/lib/systemd/systemd-resolved", 30)
	p.process(400, 1, "my (odd) prog", "/opt/x", 40)
	p.process(500, 1, "socketd", "/usr/bin/socketd", 51)
	p.process(600, 1, "capmon", "/usr/bin/capmon", 60)
	p.process(800, 1, "haproxy", "/usr/sbin/haproxy", 81)
	p.process(750, 800, "haproxy-worker", "/usr/sbin/haproxy", 81) // its number is lower: they wrap
	p.process(700, 1, "\x1b[2Jevil", "/tmp/evil", 70)
	o := newOwners(p.dir, 600)
	all := sockets(10, 11, 20, 30, 40, 50, 51, 60, 70, 80, 81)
	now := time.Now()
	if !o.refresh(t.Context(), now, all) {
		t.Error("nothing was found")
	}
	var got []string
	for _, w := range o.of(nil, all) {
		got = append(got, fmt.Sprintf("%s %d %v", w.name, w.root, w.own))
	}
	want := []string{
		"nginx 100 false", "nginx 100 false", // the master, not a worker
		"node 200 false",             // by its program, not its thread
		"systemd-resolved 300 false", // whole, not cut to 15 bytes
		"my (odd) prog 400 false",
		"systemd 1 false",   // nobody else holds it yet
		"socketd 500 false", // started by the first process on demand
		"capmon 600 true",
		"[2Jevil 700 false",
		" 0 false", // hidden
		"haproxy 800 false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if o.refresh(t.Context(), now.Add(time.Second), all) {
		t.Error("an answer changed though nothing did")
	}
}

// TestProcessesBelongToServices asks which ports the processes of this machine
// listen on.
func TestProcessesBelongToServices(t *testing.T) {
	p := procTree{t, t.TempDir()}
	p.process(1, 0, "systemd", "/sbin/init", 22)
	p.process(100, 1, "haproxy", "/usr/sbin/haproxy", 80, 443)
	p.process(101, 100, "haproxy", "/usr/sbin/haproxy", 80, 443)
	p.process(200, 1, "node", "/usr/bin/node", 3000)
	p.process(201, 200, "node", "/usr/bin/node") // its parent accepts
	p.process(202, 200, "sh", "/bin/dash")
	p.process(300, 1, "sshd", "/usr/sbin/sshd", 22)
	p.process(301, 300, "sshd", "/usr/sbin/sshd")
	p.process(302, 301, "bash", "/bin/bash")
	p.process(303, 302, "curl", "/usr/bin/curl")
	p.process(400, 1, "wrk", "/usr/bin/wrk")
	var all []listenSocket
	for _, id := range []uint64{22, 80, 443, 3000} {
		all = append(all, listenSocket{addrPort(fmt.Sprint("0.0.0.0:", id)), id})
	}
	o := newOwners(p.dir, 600)
	o.refresh(t.Context(), time.Now(), all)
	for pid, want := range map[int][]uint16{
		100: {80, 443}, 101: {80, 443},
		200: {3000}, 201: {3000}, 202: nil,
		300: {22}, 301: {22}, // a tunnel through a login is that service's
		302: nil, 303: nil, // what is started in one is not
		400: nil, 1: nil, 999: nil, 0: nil,
	} {
		if diff := cmp.Diff(want, o.listensOn(pid, all)); diff != "" {
			t.Errorf("process %d (-want +got):\n%s", pid, diff)
		}
	}
}

// TestOwnersAreLookedForAgain follows a socket whose owner comes later and one
// whose owner is replaced.
func TestOwnersAreLookedForAgain(t *testing.T) {
	p := procTree{t, t.TempDir()}
	p.process(1, 0, "systemd", "/sbin/init", 10)
	p.process(100, 1, "old", "/bin/old", 20)
	o := newOwners(p.dir, 0)
	all := sockets(10, 20)
	start := time.Now()
	at := func(s int) string {
		o.refresh(t.Context(), start.Add(time.Duration(s)*time.Second), all)
		w := o.of(nil, all)
		return w[0].name + " " + w[1].name
	}
	if got := at(0); got != "systemd old" {
		t.Errorf("first: %s", got)
	}
	p.process(50, 1, "web", "/bin/web", 10)
	if got := at(1); got != "systemd old" {
		t.Errorf("looked for again after a second: %s", got)
	}
	if got := at(2); got != "web old" {
		t.Errorf("after two seconds: %s", got)
	}
	p.end(100)
	p.process(150, 1, "new", "/bin/new", 20)
	if got := at(9); got != "web old" {
		t.Errorf("looked at every second: %s", got)
	}
	if got := at(11); got != "web new" {
		t.Errorf("after ten seconds: %s", got)
	}
	all = sockets(20)
	o.refresh(t.Context(), start.Add(30*time.Second), all)
	if len(o.byID) != 1 {
		t.Errorf("%d sockets are remembered, one is left", len(o.byID))
	}
}

// TestOwnerBehindManyFiles: a socket that a server opened late is found in the
// second look.
func TestOwnerBehindManyFiles(t *testing.T) {
	p := procTree{t, t.TempDir()}
	inodes := make([]uint64, nearFiles+50)
	for i := range inodes {
		inodes[i] = uint64(1000 + i)
	}
	p.process(100, 1, "big", "/bin/big", inodes...)
	o := newOwners(p.dir, 0)
	all := sockets(inodes...)
	o.refresh(t.Context(), time.Now(), all)
	for i, w := range o.of(nil, all) {
		if w.name != "big" {
			t.Fatalf("the owner of file %d is %q", i, w.name)
		}
	}
}

func TestProgramName(t *testing.T) {
	for _, c := range [][3]string{
		{"nginx", "/usr/sbin/nginx", "nginx"},
		{"node", "/usr/bin/node", "node"},
		{"MainThread", "/usr/bin/node", "node"},
		{"node-MainThread", "/opt/node-24/bin/node (deleted)", "node"},
		{"MainThread", "", "MainThread"},
		{"gunicorn: maste", "/usr/bin/python3.12", "gunicorn: maste"},
		{"prometheus-node", "/usr/bin/prometheus-node-exporter", "prometheus-node-exporter"},
		{"x\n", "", "x"},
		{strings.Repeat("é", 100), "", strings.Repeat("é", 64)},
	} {
		if got := programName(c[0], c[1]); got != c[2] {
			t.Errorf("%q of %q: %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

func FuzzProcessStat(f *testing.F) {
	f.Add([]byte("100 (nginx) S 1 1 1 0"), []byte("socket:[4711]"))
	f.Add([]byte("100 (a) b) S 99999999999"), []byte("socket:["))
	f.Fuzz(func(t *testing.T, stat, link []byte) {
		if _, parent, err := parseProcessStat(stat); err == nil && parent < 0 {
			t.Errorf("parent %d", parent)
		}
		if inode, ok := socketInode(link); ok && !strings.HasPrefix(string(link), "socket:[") {
			t.Errorf("%q has inode %d", link, inode)
		}
	})
}
