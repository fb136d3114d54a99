package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An open-loop client: requests are due at random moments (Poisson) at a fixed
// rate, whatever the server does, and how long one took counts from when it was
// due. One thread, epoll, connections that are kept.

func init() { programs["capmon-openload"] = openLoadMain }

// loadOrder is one line on stdin: requests a second, for how long.
type loadOrder struct {
	Rate    float64
	Seconds float64
}

// loadReport is the line on stdout that answers it.
type loadReport struct {
	Seconds   float64
	Due, Done int     // requests that were due, and responses, while it lasted
	Before    int     // due and unanswered at the beginning
	Open      int     // the same at the end
	Failed    int     // connections that broke, and answers that were not 200
	CPU       float64 // share of a core this client used
	P50, P99  float64 // seconds from when a request was due to its last byte
	Late      float64 // seconds after it was due that the p99 of requests was sent, where a connection was free
}

const (
	// Connections, all open before the first request. A server with so many
	// requests in hand is full; what is due beyond them waits in line.
	loadMost  = 400
	drainTime = 8 * time.Second // to let a server finish before the next order
)

// openLoadMain is `capmon-openload PORT PATH SEED`.
func openLoadMain() {
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	// Without this the kernel may wake us 50 µs late to save energy.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	// Short turns (Linux 6.12) let it in before another program's is over; what
	// the kernel doesn't know is no harm on a quiet machine.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Nice: -20, Runtime: 100_000}, 0)
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	seed, err := strconv.ParseUint(os.Args[3], 10, 64)
	if err != nil {
		panic(err)
	}
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		panic(err)
	}
	l := &openLoad{
		port: port, poll: poll, by: map[int32]*loadConn{}, rng: rand.New(rand.NewPCG(seed, 1)),
		request: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n", os.Args[2]),
		read:    make([]byte, 256<<10),
	}
	for range loadMost {
		l.open()
	}
	orders, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for orders.Scan() {
		var o loadOrder
		if err := json.Unmarshal(orders.Bytes(), &o); err != nil {
			panic(err)
		}
		_ = out.Encode(l.run(o))
	}
}

type openLoad struct {
	port    int
	poll    int
	by      map[int32]*loadConn
	idle    []*loadConn
	line    []time.Duration // when those were due that found no connection
	busy    int
	rng     *rand.Rand
	request []byte
	read    []byte
	events  [256]unix.EpollEvent

	began      time.Time
	done, fail int
	took, late durations
}

// loadConn has at most one request under way.
type loadConn struct {
	fd   int32
	due  time.Duration
	got  []byte // of the response so far
	body int    // where the body begins, 0: not yet known
	want int    // bytes of the response, -1: it comes in chunks
}

// run gives up what stands in line from the order before, lets what the server
// has in hand finish, then sends for as long as the order says.
func (l *openLoad) run(o loadOrder) loadReport {
	l.began, l.line = time.Now(), nil
	for l.busy > 0 && time.Since(l.began) < drainTime {
		l.wait(10 * time.Millisecond)
	}
	r := loadReport{Before: l.busy}
	l.began, l.done, l.fail = time.Now(), 0, 0
	l.took, l.late = durations{}, durations{}
	cpu := ownCPU()
	length := time.Duration(o.Seconds * float64(time.Second))
	next := l.gap(o.Rate)
	for {
		now := time.Since(l.began)
		for ; next <= min(now, length); next += l.gap(o.Rate) {
			r.Due++
			if l.send(next) {
				l.late.add(time.Since(l.began) - next)
			}
		}
		if now >= length {
			break
		}
		l.wait(min(next, length) - time.Since(l.began))
	}
	r.Seconds = time.Since(l.began).Seconds()
	r.Done, r.Failed, r.Open = l.done, l.fail, l.busy+len(l.line)
	r.CPU = (ownCPU() - cpu).Seconds() / r.Seconds
	r.P50, r.P99, r.Late = l.took.quantile(0.5), l.took.quantile(0.99), l.late.quantile(0.99)
	return r
}

// gap is the time to the next request.
func (l *openLoad) gap(rate float64) time.Duration {
	return time.Duration(l.rng.ExpFloat64() / rate * float64(time.Second))
}

// send takes the connection that was used last and says whether one was free;
// what finds none stands in line.
func (l *openLoad) send(due time.Duration) bool {
	n := len(l.idle)
	if n == 0 {
		l.line = append(l.line, due)
		return false
	}
	c := l.idle[n-1]
	l.idle = l.idle[:n-1]
	l.ask(c, due)
	return true
}

func (l *openLoad) ask(c *loadConn, due time.Duration) {
	c.due, c.got, c.body, c.want = due, c.got[:0], 0, 0
	l.busy++
	if n, err := unix.Write(int(c.fd), l.request); n != len(l.request) || err != nil {
		l.lose(c)
	}
}

// open makes a connection.
func (l *openLoad) open() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: l.port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = unix.EpollCtl(l.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	if err != nil {
		panic(fmt.Sprintf("connect to port %d: %v", l.port, err))
	}
	c := &loadConn{fd: int32(fd)}
	l.by[c.fd] = c
	l.idle = append(l.idle, c)
}

// lose replaces a connection that broke; its request is not asked again.
func (l *openLoad) lose(c *loadConn) {
	l.fail++
	l.busy--
	delete(l.by, c.fd)
	unix.Close(int(c.fd))
	l.open()
}

// wait takes responses until the time is over, at most until some came.
func (l *openLoad) wait(d time.Duration) {
	ts := unix.NsecToTimespec(max(d, 0).Nanoseconds())
	// epoll_pwait2 (Linux 5.11) takes nanoseconds; epoll_wait's milliseconds are
	// longer than most gaps.
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.poll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	switch errno {
	case 0:
	case unix.EINTR:
		return
	default:
		panic(fmt.Sprintf("epoll_pwait2 (Linux 5.11 or later): %v", errno))
	}
	for _, e := range l.events[:n] {
		if c := l.by[e.Fd]; c != nil {
			l.receive(c)
		}
	}
}

func (l *openLoad) receive(c *loadConn) {
	n, err := unix.Read(int(c.fd), l.read)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if n <= 0 || err != nil {
		l.lose(c)
		return
	}
	c.got = append(c.got, l.read[:n]...)
	if !c.whole() {
		return
	}
	if !bytes.HasPrefix(c.got, []byte("HTTP/1.1 200")) {
		l.fail++
	}
	l.done++
	l.took.add(time.Since(l.began) - c.due)
	l.busy--
	if len(l.line) > 0 {
		due := l.line[0]
		l.line = l.line[1:]
		l.ask(c, due)
		return
	}
	l.idle = append(l.idle, c)
}

// whole says whether the response is complete. Nothing follows it: there is one
// request at a time.
func (c *loadConn) whole() bool {
	if c.body == 0 {
		head := bytes.Index(c.got, []byte("\r\n\r\n"))
		if head < 0 {
			return false
		}
		c.body, c.want = head+4, -1
		if _, after, ok := bytes.Cut(c.got[:head+2], []byte("\r\nContent-Length: ")); ok {
			text, _, _ := bytes.Cut(after, []byte("\r\n"))
			n, err := strconv.Atoi(string(text))
			if err != nil {
				panic(fmt.Sprintf("%q: %v", c.got[:head], err))
			}
			c.want = c.body + n
		}
	}
	if c.want < 0 {
		return bytes.HasSuffix(c.got, []byte("\r\n0\r\n\r\n"))
	}
	return len(c.got) >= c.want
}

// durations counts in classes 2% wide, from 1 µs on.
type durations [1200]int

func (d *durations) add(v time.Duration) {
	at := 0
	if v > time.Microsecond {
		at = min(int(math.Log(float64(v)/1000)/math.Log(1.02)), len(d)-1)
	}
	d[at]++
}

func (d *durations) quantile(q float64) float64 {
	all := 0
	for _, n := range d {
		all += n
	}
	upto := 0
	for i, n := range d {
		if upto += n; upto > 0 && float64(upto) >= q*float64(all) {
			return 1e-6 * math.Pow(1.02, float64(i))
		}
	}
	return 0
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
