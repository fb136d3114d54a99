package users

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// having are the processes with this in their environment.
func having(t *testing.T, env string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if b, err := os.ReadFile(p + "/environ"); err == nil && bytes.Contains(append([]byte{0}, b...), []byte("\x00"+env+"\x00")) {
			pids = append(pids, filepath.Base(p))
		}
	}
	return pids
}

// Nothing outlives a program that is killed: no server, no worker of a cluster,
// no user, and the port is free again.
func TestNothingOutlivesItsParent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	cmd := exec.Command(os.Args[0])
	env := envParent + "=" + port
	cmd.Env = append(os.Environ(), env)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The program, the cluster's parent, two workers, the users.
	wait := func(what string, done func() bool) {
		t.Helper()
		for !done() {
			select {
			case <-t.Context().Done():
				t.Fatalf("never %s: %v", what, having(t, env))
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	wait("all there", func() bool { return len(having(t, env)) == 5 })
	wait("serving", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	wait("gone", func() bool { return len(having(t, env)) == 0 })
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Errorf("the port is not free: %v", err)
	} else {
		l.Close()
	}
}
