package collectors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// The parts of the kernel's inet_diag interface (linux/inet_diag.h) that are
// used here.
const (
	// tcpdiagGetSock is the request of old: it alone gives both families in one
	// walk of the kernel's tables.
	tcpdiagGetSock   = 18
	sockDiagByFamily = unix.SOCK_DIAG_BY_FAMILY

	diagReqOld = 4 + diagID + 8
	diagReqV2  = 8 + diagID
	diagID     = 48
	diagMsg    = 4 + diagID + 20

	// attrMemory is the attribute INET_DIAG_SKMEMINFO: numbers of 32 bits, of
	// which the last told here is how many packets the socket has dropped.
	attrMemory = 7
	dropsAt    = 8 * 4

	stateEstablished = 1
	stateListen      = 10

	// diagBuffer takes the largest datagram the kernel fills (32 kB).
	diagBuffer = 64 << 10

	// diagWait bounds one wait for the kernel. It answers at once.
	diagWait = 250 * time.Millisecond
)

var (
	// errInterrupted: the kernel says that its answer is not one consistent
	// whole.
	errInterrupted = errors.New("the kernel's tables changed while they were read")

	errNetlink = errors.New("an answer that makes no sense")
)

// diagSocket is one TCP socket.
type diagSocket struct {
	family       byte
	state        byte
	sport, dport uint16
	src, dst     [16]byte
	inode        uint32
	// Of a socket that listens: connections that wait to be accepted, and how
	// many may.
	queue, limit uint32
	attrs        []byte // valid while each is called
}

func (s *diagSocket) local() netip.AddrPort  { return s.address(s.src, s.sport) }
func (s *diagSocket) remote() netip.AddrPort { return s.address(s.dst, s.dport) }

func (s *diagSocket) address(a [16]byte, port uint16) netip.AddrPort {
	if s.family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[:4])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a).Unmap(), port)
}

// drops is how often a socket that listens has turned a connection away because
// its queue was full (struct sock, sk_drops); ok is false where the kernel did
// not say.
func (s *diagSocket) drops() (n uint32, ok bool) {
	for b := s.attrs; len(b) >= unix.SizeofNlAttr; {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofNlAttr || length > len(b) {
			return 0, false
		}
		value := b[unix.SizeofNlAttr:length]
		if binary.NativeEndian.Uint16(b[2:]) == attrMemory && len(value) >= dropsAt+4 {
			return binary.NativeEndian.Uint32(value[dropsAt:]), true
		}
		b = b[min(len(b), (length+3)&^3):]
	}
	return 0, false
}

// diag asks the kernel for its TCP sockets. The network namespace is the one of
// the thread that opens it.
type diag struct {
	fd  int // 0 = not open
	seq uint32
	buf []byte
	v2  bool // the request of old was refused
	to  unix.SockaddrNetlink
}

func (d *diag) open() error {
	if d.fd != 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err == nil && fd == 0 {
		fd, err = unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
		_ = unix.Close(0)
	}
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	t := unix.NsecToTimeval(diagWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &t); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("open sock_diag: %w", err)
	}
	d.fd = fd
	d.to.Family = unix.AF_NETLINK
	if d.buf == nil {
		d.buf = make([]byte, diagBuffer)
	}
	return nil
}

func (d *diag) close() {
	if d.fd != 0 {
		_ = unix.Close(d.fd)
		d.fd = 0
	}
}

// dump calls each for every TCP socket of both families in one of states, a
// set of bits. stop ends it early with its error. An answer that was lost or
// interrupted is an error, and what each got is worth nothing.
func (d *diag) dump(states uint32, stop func() error, each func(*diagSocket)) error {
	if !d.v2 {
		err := d.dumpOne(oldRequest(states), stop, each)
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
		d.v2 = true
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		err := d.dumpOne(familyRequest(family, states), stop, each)
		if family == unix.AF_INET6 && errors.Is(err, unix.ENOENT) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dumpOf is dump of the sockets that meet one of the conditions, which the
// kernel chooses by, as conditionsOf makes them; empty = all.
func (d *diag) dumpOf(states uint32, conditions []byte, stop func() error, each func(*diagSocket)) error {
	if len(conditions) == 0 {
		return d.dump(states, stop, each)
	}
	if !d.v2 {
		err := d.dumpOne(withConditions(oldRequest(states), conditions), stop, each)
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	return d.dump(states, stop, each)
}

// find asks for the established socket with these ends, and returns its inode.
func (d *diag) find(local, remote netip.AddrPort, stop func() error) (inode uint32, err error) {
	var s diagSocket
	err = d.ask(findRequest(local, remote), stop, func(b []byte) (bool, error) {
		end, err := parseDiag(b, d.seq, func(found *diagSocket) { s = *found })
		return end || s.state != 0, err
	})
	if err != nil {
		return 0, err
	}
	if s.state != stateEstablished || s.local() != local || s.remote() != remote {
		return 0, unix.ENOENT
	}
	return s.inode, nil
}

func (d *diag) dumpOne(request []byte, stop func() error, each func(*diagSocket)) error {
	return d.ask(request, stop, func(b []byte) (bool, error) { return parseDiag(b, d.seq, each) })
}

// ask sends a request and hands each datagram of the answer to parse, until
// that says that it was the last.
func (d *diag) ask(request []byte, stop func() error, parse func([]byte) (end bool, err error)) error {
	if err := d.open(); err != nil {
		return err
	}
	d.seq++
	binary.NativeEndian.PutUint32(request[8:], d.seq)
	err := unix.Sendto(d.fd, request, 0, &d.to)
	for end := false; err == nil && !end; {
		if err = stop(); err != nil {
			break
		}
		var n int
		n, err = unix.Read(d.fd, d.buf)
		if err == unix.EINTR {
			err = nil
			continue
		}
		if err == unix.EAGAIN {
			err = fmt.Errorf("no answer within %v", diagWait)
		}
		if err == nil && n == len(d.buf) {
			err = fmt.Errorf("%w: longer than %d bytes", errNetlink, n)
		}
		if err == nil {
			end, err = parse(d.buf[:n])
		}
	}
	if err != nil {
		// The rest of an answer may still come: a new socket does not see it.
		d.close()
		return fmt.Errorf("sock_diag: %w", err)
	}
	return nil
}

func header(length int, kind uint16) []byte {
	b := make([]byte, length)
	binary.NativeEndian.PutUint32(b, uint32(length))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	return b
}

// oldRequest is struct inet_diag_req: family (0 = all), lengths, extensions,
// id, states, dbs.
func oldRequest(states uint32) []byte {
	b := header(unix.SizeofNlMsghdr+diagReqOld, tcpdiagGetSock)
	b[unix.SizeofNlMsghdr+3] = extensions(states)
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+4+diagID:], states)
	return b
}

// familyRequest is struct inet_diag_req_v2: family, protocol, extensions, pad,
// states, id.
func familyRequest(family byte, states uint32) []byte {
	b := header(unix.SizeofNlMsghdr+diagReqV2, sockDiagByFamily)
	p := b[unix.SizeofNlMsghdr:]
	p[0], p[1], p[2] = family, unix.IPPROTO_TCP, extensions(states)
	binary.NativeEndian.PutUint32(p[4:], states)
	return b
}

// extensions are the attributes to ask for: of sockets that listen, which are
// few, how many connections they have turned away.
func extensions(states uint32) byte {
	if states == 1<<stateListen {
		return 1 << (attrMemory - 1)
	}
	return 0
}

// The kernel's small language to choose sockets by (linux/inet_diag.h).
const (
	attrConditions = 1 // INET_DIAG_REQ_BYTECODE
	condJump       = 1 // INET_DIAG_BC_JMP
	condSource     = 7 // INET_DIAG_BC_S_COND
	condHead       = 4 // code, bytes to go on if so, bytes to go on if not
)

// conditionsOf is true for sockets at a port of ports, at its address where it
// has only one. The end of the program is yes, four bytes beyond it is no.
func conditionsOf(ports []servicePort) []byte {
	if len(ports) == 0 || len(ports) > scopeConditions {
		return nil
	}
	const jump = condHead
	var b []byte
	for i := len(ports) - 1; i >= 0; i-- {
		p := &ports[i]
		var addr []byte
		if a := p.only(); a.IsValid() {
			addr = a.AsSlice()
		}
		length := condHead + 8 + len(addr)
		op := make([]byte, length, length+jump+len(b))
		op[0], op[1] = condSource, byte(length)
		binary.NativeEndian.PutUint16(op[2:], uint16(length+jump))
		if addr != nil {
			op[4], op[5] = unix.AF_INET, byte(8*len(addr))
		}
		binary.NativeEndian.PutUint32(op[8:], uint32(p.port))
		copy(op[12:], addr)
		if len(b) > 0 { // so: to the end, over what follows
			op = append(op, condJump, jump)
			op = binary.NativeEndian.AppendUint16(op, uint16(jump+len(b)))
		}
		b = append(op, b...)
	}
	return b
}

// withConditions adds them to a request.
func withConditions(request, conditions []byte) []byte {
	request = binary.NativeEndian.AppendUint16(request, uint16(unix.SizeofNlAttr+len(conditions)))
	request = binary.NativeEndian.AppendUint16(request, attrConditions)
	request = append(request, conditions...)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	return request
}

// findRequest is a request for the one socket with these ends. The kernel finds
// it in one step.
func findRequest(local, remote netip.AddrPort) []byte {
	family := byte(unix.AF_INET)
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	b := familyRequest(family, 1<<stateEstablished)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	id := b[unix.SizeofNlMsghdr+8:]
	binary.BigEndian.PutUint16(id, local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().AsSlice())
	copy(id[20:36], remote.Addr().AsSlice())
	// The last eight bytes are a cookie; all ones is any.
	for i := range id[40:diagID] {
		id[40+i] = 0xff
	}
	return b
}

// parseDiag reads one datagram of an answer with number seq. end is true when
// the answer is complete. Answers to other numbers are passed over.
func parseDiag(b []byte, seq uint32, each func(*diagSocket)) (end bool, err error) {
	var s diagSocket
	for len(b) > 0 {
		if len(b) < unix.SizeofNlMsghdr {
			return false, fmt.Errorf("%w: %d bytes are no message", errNetlink, len(b))
		}
		length := binary.NativeEndian.Uint32(b)
		kind := binary.NativeEndian.Uint16(b[4:])
		flags := binary.NativeEndian.Uint16(b[6:])
		if length < unix.SizeofNlMsghdr || uint64(length) > uint64(len(b)) {
			return false, fmt.Errorf("%w: a message of %d bytes in %d", errNetlink, length, len(b))
		}
		body := b[unix.SizeofNlMsghdr:length]
		mine := binary.NativeEndian.Uint32(b[8:]) == seq
		b = b[min(uint64(len(b)), uint64(length+3)&^3):]
		if !mine {
			continue
		}
		if flags&unix.NLM_F_DUMP_INTR != 0 {
			return false, errInterrupted
		}
		switch kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			// Both begin with a negative error number; DONE may leave it out.
			if len(body) >= 4 {
				if code := int32(binary.NativeEndian.Uint32(body)); code < 0 {
					return false, unix.Errno(-int64(code))
				}
			}
			return true, nil
		case tcpdiagGetSock, sockDiagByFamily:
			if !s.parse(body) {
				return false, fmt.Errorf("%w: a socket of %d bytes", errNetlink, len(body))
			}
			each(&s)
		}
	}
	return false, nil
}

// parse reads struct inet_diag_msg. What follows it are attributes.
func (s *diagSocket) parse(b []byte) bool {
	if len(b) < diagMsg || (b[0] != unix.AF_INET && b[0] != unix.AF_INET6) {
		return false
	}
	s.family, s.state = b[0], b[1]
	s.sport = binary.BigEndian.Uint16(b[4:])
	s.dport = binary.BigEndian.Uint16(b[6:])
	copy(s.src[:], b[8:24])
	copy(s.dst[:], b[24:40])
	s.queue = binary.NativeEndian.Uint32(b[56:])
	s.limit = binary.NativeEndian.Uint32(b[60:])
	s.inode = binary.NativeEndian.Uint32(b[68:])
	s.attrs = b[diagMsg:]
	return true
}
