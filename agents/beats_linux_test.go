package agents

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a connection of a viewer of many hosts, past its first seconds, and
// the agent's end of it.
func pair(t *testing.T, b *beats) (*beaten, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, ok := b.together(near).(*beaten)
	if !ok {
		t.Fatal("a TCP connection is not read at beats")
	}
	c.prompt.Store(0)
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, far.(*net.TCPConn)
}

func (c *beaten) wakesAt(t *testing.T) int {
	t.Helper()
	var n int
	if e := c.raw.Control(func(fd uintptr) {
		var err error
		if n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT); err != nil {
			t.Error(err)
		}
	}); e != nil {
		t.Fatal(e)
	}
	return n
}

// What arrives is read whole and in order, whether there are many hosts or few,
// and while that changes; the end is one.
func TestBeatsLoseNothing(t *testing.T) {
	var b beats
	c, far := pair(t, &b)
	sent := make([]byte, 300<<10)
	_, _ = rand.Read(sent)
	go func() {
		for part := range slices.Chunk(sent, 30<<10) {
			_, _ = far.Write(part)
			b.open.Store(manyHosts - b.open.Load() + 1) // 1 and many by turns
			time.Sleep(100 * time.Millisecond)
		}
		b.open.Store(manyHosts)
		far.Close()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived of %d, the same: %v; error %v", len(got), len(sent), bytes.Equal(got, sent), err)
	}
}

// What has come is read without waiting for a beat between its parts: the
// minutes before, which are many reads long.
func TestBeatsReadOn(t *testing.T) {
	var b beats
	c, far := pair(t, &b)
	b.open.Store(manyHosts)
	if _, err := far.Write(make([]byte, 30<<10)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4<<10)
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock() // no beat comes
	defer b.mu.Unlock()
	if _, err := io.ReadFull(c, make([]byte, 26<<10)); err != nil {
		t.Fatal(err)
	}
}

// With many hosts the kernel lets the process sleep while a sample arrives, and
// the sample is read at a beat; with few it wakes as ever.
func TestBeatsSleep(t *testing.T) {
	var b beats
	c, far := pair(t, &b)
	buf := make([]byte, 100)
	b.open.Store(manyHosts)
	_, _ = far.Write([]byte("sample"))
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "sample" {
		t.Fatalf("read %q, %v", buf[:n], err)
	}
	if n := c.wakesAt(t); n != quietBytes {
		t.Errorf("the kernel wakes this process at %d bytes, want %d", n, quietBytes)
	}
	b.open.Store(manyHosts - 1)
	_, _ = far.Write([]byte("more"))
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "more" {
		t.Fatalf("read %q, %v", buf[:n], err)
	}
	if n := c.wakesAt(t); n != 1 {
		t.Errorf("of few hosts the kernel wakes this process at %d bytes", n)
	}
}

// What was asked is answered at once, also when the reader waits for a beat
// already: it goes over to waiting for the bytes.
func TestBeatsAnswer(t *testing.T) {
	var b beats
	c, far := pair(t, &b)
	b.open.Store(manyHosts)
	got := make(chan string)
	go func() {
		buf := make([]byte, 100)
		n, _ := c.Read(buf)
		got <- string(buf[:n])
	}()
	wakes := func(at int) {
		t.Helper()
		for limit := time.Now().Add(10 * time.Second); c.wakesAt(t) != at; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("the reader does not come to wait for %d bytes", at)
			}
		}
	}
	wakes(quietBytes)
	if _, err := c.Write([]byte("a ping is answered")); err != nil {
		t.Fatal(err)
	}
	c.hurry()
	wakes(1)
	_, _ = far.Write([]byte("that"))
	if s := <-got; s != "that" {
		t.Errorf("the answer is %q", s)
	}
}

// A reader that waits for a beat ends with the connection, from either side.
func TestBeatsEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c *beaten, far *net.TCPConn)
		want error
	}{
		{"closed here", func(c *beaten, _ *net.TCPConn) { c.Close() }, net.ErrClosed},
		{"closed there", func(_ *beaten, far *net.TCPConn) { far.Close() }, io.EOF},
		{"reset", func(_ *beaten, far *net.TCPConn) { _ = far.SetLinger(0); far.Close() }, unix.ECONNRESET},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b beats
			b.open.Store(manyHosts)
			c, far := pair(t, &b)
			ended := make(chan error)
			go func() {
				_, err := c.Read(make([]byte, 10))
				ended <- err
			}()
			tt.end(c, far)
			if err := <-ended; !errors.Is(err, tt.want) {
				t.Errorf("ends with %v, want %v", err, tt.want)
			}
			c.Close()
			if n := b.open.Load(); n != manyHosts {
				t.Errorf("%d connections are counted, want %d", n, manyHosts)
			}
		})
	}
}
