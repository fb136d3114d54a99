package agents

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// quietBytes is how much must have arrived before the kernel wakes this process
// for a connection that is read at beats: more than a few seconds of samples,
// and little enough for the kernel to leave its buffers as they are (socket(7),
// SO_RCVLOWAT).
const quietBytes = 32 << 10

// together is conn, read at beats while there are many.
func (b *beats) together(conn net.Conn) net.Conn {
	if b == nil {
		return conn
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	b.open.Add(1)
	c := &beaten{TCPConn: tcp, beats: b, raw: raw, mark: 1, asked: make(chan struct{}, 1), closed: make(chan struct{})}
	c.prompt.Store(time.Now().Add(promptTime).UnixNano())
	return c
}

// beaten is a connection that is read at beats while there are many. Only one
// goroutine reads.
type beaten struct {
	*net.TCPConn
	beats  *beats
	raw    syscall.RawConn
	mark   int          // SO_RCVLOWAT as it is set
	prompt atomic.Int64 // until then it is read at once, Unix nanoseconds
	full   bool         // the last read filled its buffer: there is more
	asked  chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (c *beaten) Read(b []byte) (int, error) {
	rest := restBeats
	for {
		if !c.beats.many() || time.Now().UnixNano() < c.prompt.Load() || !c.lowWater(quietBytes) {
			c.lowWater(1)
			return c.TCPConn.Read(b)
		}
		if !c.full {
			select {
			case <-c.beats.after(rest):
			case <-c.asked:
				continue
			case <-c.closed:
			}
			rest = 1
		}
		n, err := c.try(b)
		c.full = n == len(b)
		if !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
	}
}

// try reads what is there; EAGAIN says that nothing is.
func (c *beaten) try(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if e := c.raw.Read(func(fd uintptr) bool {
		for {
			n, err = unix.Read(int(fd), b)
			if !errors.Is(err, unix.EINTR) {
				return true
			}
		}
	}); e != nil {
		return 0, e
	}
	switch {
	case err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// lowWater sets how much must have arrived for this process to be woken; false:
// the kernel does not take it.
func (c *beaten) lowWater(n int) bool {
	if c.mark == n {
		return true
	}
	var err error
	if e := c.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, n)
	}); e != nil || err != nil {
		return false
	}
	c.mark = n
	return true
}

// hurry says that something is asked on the connection: what is answered is read
// at once. Not every write asks: most answer the pings of the agent.
func (c *beaten) hurry() {
	c.prompt.Store(time.Now().Add(promptTime).UnixNano())
	select {
	case c.asked <- struct{}{}:
	default:
	}
}

func (c *beaten) calm() { c.prompt.Store(0) }

func (c *beaten) Close() error {
	c.once.Do(func() {
		c.beats.open.Add(-1)
		close(c.closed)
	})
	return c.TCPConn.Close()
}
