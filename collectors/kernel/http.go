//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/cilium/ebpf"
)

// Mode is where in the kernel responses are counted.
type Mode string

// Auto takes Send where the kernel has it, else Egress.
const (
	Auto   Mode = ""
	Send   Mode = "send"   // the tracepoint of a send call on a TCP socket, Linux 6.16
	Egress Mode = "egress" // packets that leave the sockets of a cgroup, Linux 5.7
)

// HTTPOptions says what to count and where.
type HTTPOptions struct {
	Mode    Mode
	Latency bool   // measure response times too
	ByAddr  bool   // WatchAt tells addresses apart; in mode Send only
	Proc    string // where /proc is; empty is /proc
}

// HTTP counts the responses of HTTP/1 servers by local port and status class,
// inside the kernel, in the network namespace of this process. Safe for
// concurrent use.
//
// Exact in both modes: keep-alive or not, IPv4, IPv6 and IPv4 in IPv6 sockets,
// any status, HTTP/1.0, interim answers, answers to HEAD, pipelining, a reader
// that is too slow, lost packets, bodies in the same send or in others and what
// is in them, sendfile, several responses in one send or one writev (up to about
// a hundred) as long as each but the last names its length, below 10 MB, or has
// no body.
//
// Not counted: a status line cut within its first 12 bytes by two sends; a
// response in one send behind one whose end is not known (chunked, 10 MB or more,
// a header in two parts of a writev) or whose body does not follow (to HEAD,
// where its length reaches beyond the send). For Egress read "packet" for "send":
// TCP joins sends that wait for a slow reader. In Send, what is sent from no
// buffer of the server's own: kernel TLS, io_uring with registered buffers,
// Multipath TCP. And always, TLS and HTTP/2.
//
// Counted though it is none: a body that is sent apart from its header and begins
// with "HTTP/1.x NNN", for what answers HEAD may be followed by that; and each
// such send of a body whose length is not known.
//
// Egress sees the packets of sockets whose process lives below the root of the
// cgroups that this process sees. A response counts when it is handed to the
// kernel (Egress: to the network), even where the client is gone.
type HTTP struct {
	mode   Mode
	caveat string
	want   []right // what the kernel asks for

	mu     sync.Mutex
	slots  slots
	tables tables
	open   []io.Closer // what hangs in the kernel, in the order it was opened
}

// Counts are running totals of one port since it is watched.
type Counts struct {
	Class [6]uint64 // responses by the first digit of their status, 1 to 5
	Other uint64    // sends (Egress: packets) with bytes in which no response begins
}

// Final is the number of responses that end a request: 1xx do not.
func (c Counts) Final() uint64 {
	return c.Class[2] + c.Class[3] + c.Class[4] + c.Class[5]
}

// OpenHTTP loads the programs and attaches them; no port is watched yet. Its
// error is a *Refusal; with Auto, those of both modes.
func OpenHTTP(o HTTPOptions) (*HTTP, error) {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	switch o.Mode {
	case Send, Egress:
		return openHTTP(o)
	case Auto:
	default:
		return nil, fmt.Errorf("count HTTP responses: no mode %q: send or egress", o.Mode)
	}
	o.Mode = Send
	h, sendErr := openHTTP(o)
	if sendErr == nil {
		return h, nil
	}
	o.Mode = Egress
	h, err := openHTTP(o)
	if err != nil {
		return nil, fmt.Errorf("count HTTP responses: send: %w; egress: %w", sendErr, err)
	}
	return h, nil
}

func openHTTP(o HTTPOptions) (h *HTTP, err error) {
	h = &HTTP{mode: o.Mode, slots: newSlots()}
	defer func() {
		if err != nil {
			_ = h.Close()
			h = nil
		}
	}()
	h.want = []right{capBPF, capPerfmon}
	if o.Mode == Egress {
		h.want = []right{capBPF, capNetAdmin}
		if o.Latency {
			h.want = append(h.want, capPerfmon)
		}
	}
	if err := h.tables.create(o.Latency, o.ByAddr && o.Mode == Send, h.want, h.keep); err != nil {
		return h, err
	}
	var t types // they are read where the first program asks for them
	if o.Mode == Send {
		err = h.attachSend(&t)
	} else {
		err = h.attachEgress(&t, o.Proc)
	}
	if err == nil && o.Latency {
		err = h.attachRequests(&t)
	}
	return h, err
}

// keep closes c when h is closed, the newest first.
func (h *HTTP) keep(c io.Closer) { h.open = append(h.open, c) }

// Mode is where responses are counted; never Auto.
func (h *HTTP) Mode() Mode { return h.mode }

// Caveat says in words what this kernel does not let it tell apart; empty where
// there is nothing to say.
func (h *HTTP) Caveat() string { return h.caveat }

// Watch counts the responses of a local port, from zero. A port that is watched
// already goes on.
func (h *HTTP) Watch(port uint16) error { return h.WatchAt(port, netip.Addr{}) }

// WatchAt is Watch of the sockets at one IPv4 address, where that is valid and
// the program tells addresses apart (ByAddr).
func (h *HTTP) WatchAt(port uint16, addr netip.Addr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	slot, fresh, err := h.slots.take(port, time.Now())
	if err != nil || !fresh {
		return err
	}
	if err := h.tables.clear(slot); err != nil {
		return err
	}
	if err := h.tables.at(slot, addr); err != nil {
		return err
	}
	return h.tables.point(port, slot)
}

// ByAddr tells whether WatchAt tells addresses apart.
func (h *HTTP) ByAddr() bool { return h.tables.addrs != nil }

// Unwatch ends the count of a port.
func (h *HTTP) Unwatch(port uint16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slots.drop(port, time.Now()) {
		_ = h.tables.point(port, 0) // it fails only once closed
	}
}

// Read returns the totals of a port; false where it is not watched.
func (h *HTTP) Read(port uint16) (Counts, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	slot, ok := h.slots.of[port]
	if !ok {
		return Counts{}, false
	}
	return h.tables.counts(slot)
}

// Latency returns the response times of a port since it is watched; false where
// it is not, or where they are not measured. A time runs from the first bytes
// of a request that reach this machine's socket, read by the server or not, to
// the first bytes of the final response that the server hands to the kernel.
// Of requests that wait in one connection at the same time (pipelining) the
// first is measured. Bytes of a request that come after its response (an
// early 413) start the clock of the next one. The first request of a connection
// that is handed over only with its data (TCP_DEFER_ACCEPT) is not measured.
func (h *HTTP) Latency(port uint16) (Times, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	slot, ok := h.slots.of[port]
	if !ok {
		return Times{}, false
	}
	return h.tables.timesOf(slot)
}

// Close detaches everything. Read and Latency answer false from then on.
func (h *HTTP) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for i := len(h.open) - 1; i >= 0; i-- {
		errs = append(errs, h.open[i].Close())
	}
	h.open = nil
	h.slots = slots{}
	return errors.Join(errs...)
}

// load loads one program.
func (h *HTTP) load(what string, spec *ebpf.ProgramSpec) (*ebpf.Program, error) {
	var p *ebpf.Program
	err := try(what, h.want, func() (err error) {
		p, err = ebpf.NewProgram(spec)
		return err
	})
	if err != nil {
		return nil, err
	}
	h.keep(p)
	return p, nil
}
