package collectors

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// message is one netlink message; length 0 = the right one.
func message(kind, flags uint16, seq uint32, length uint32, body []byte) []byte {
	if length == 0 {
		length = uint32(unix.SizeofNlMsghdr + len(body))
	}
	b := binary.NativeEndian.AppendUint32(nil, length)
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 4711)
	b = append(b, body...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// socketBody is struct inet_diag_msg with some attributes behind it.
func socketBody(family, state byte, local, remote string, inode uint32) []byte {
	b := make([]byte, diagMsg+8)
	b[0], b[1] = family, state
	put := func(at int, port int, text string) {
		a := netip.MustParseAddrPort(text)
		binary.BigEndian.PutUint16(b[port:], a.Port())
		copy(b[at:], a.Addr().AsSlice())
	}
	put(8, 4, local)
	put(24, 6, remote)
	binary.NativeEndian.PutUint32(b[68:], inode)
	return b
}

func done(seq uint32, code int32) []byte {
	return message(unix.NLMSG_DONE, unix.NLM_F_MULTI, seq, 0, binary.NativeEndian.AppendUint32(nil, uint32(code)))
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestParseDiag(t *testing.T) {
	const multi = unix.NLM_F_MULTI
	v4 := message(sockDiagByFamily, multi, 7, 0, socketBody(unix.AF_INET, 1, "127.0.0.1:80", "10.1.2.3:5000", 99))
	v6 := message(tcpdiagGetSock, multi, 7, 0, socketBody(unix.AF_INET6, 10, "[::]:443", "[::]:0", 100))
	mapped := message(tcpdiagGetSock, multi, 7, 0, socketBody(unix.AF_INET6, 1, "[::ffff:127.0.0.1]:443", "[::ffff:127.0.0.9]:7", 101))
	tests := map[string]struct {
		b    []byte
		want []string
		end  bool
		err  error
	}{
		"a whole answer": {
			join(v4, v6, mapped, done(7, 0)),
			[]string{"127.0.0.1:80 10.1.2.3:5000", "[::]:443 [::]:0", "127.0.0.1:443 127.0.0.9:7"},
			true, nil,
		},
		"more to come":             {v4, []string{"127.0.0.1:80 10.1.2.3:5000"}, false, nil},
		"nothing":                  {nil, nil, false, nil},
		"done without a code":      {message(unix.NLMSG_DONE, multi, 7, 0, nil), nil, true, nil},
		"of another request":       {join(message(sockDiagByFamily, multi, 6, 0, socketBody(unix.AF_INET, 1, "127.0.0.1:80", "1.1.1.1:1", 1)), done(6, 0)), nil, false, nil},
		"interrupted":              {message(sockDiagByFamily, multi|unix.NLM_F_DUMP_INTR, 7, 0, socketBody(unix.AF_INET, 1, "127.0.0.1:80", "1.1.1.1:1", 1)), nil, false, errInterrupted},
		"interrupted at the end":   {message(unix.NLMSG_DONE, multi|unix.NLM_F_DUMP_INTR, 7, 0, nil), nil, false, errInterrupted},
		"refused":                  {message(unix.NLMSG_ERROR, 0, 7, 0, binary.NativeEndian.AppendUint32(nil, ^uint32(unix.ENOENT)+1)), nil, false, unix.ENOENT},
		"failed at the end":        {done(7, -int32(unix.ENOBUFS)), nil, false, unix.ENOBUFS},
		"a header cut off":         {v4[:12], nil, false, errNetlink},
		"a body cut off":           {v4[:40], nil, false, errNetlink},
		"longer than it is":        {message(sockDiagByFamily, multi, 7, 1<<31, make([]byte, diagMsg)), nil, false, errNetlink},
		"largest length":           {message(sockDiagByFamily, multi, 7, 0xffffffff, make([]byte, diagMsg)), nil, false, errNetlink},
		"shorter than its header":  {message(sockDiagByFamily, multi, 7, 3, make([]byte, diagMsg)), nil, false, errNetlink},
		"shorter than a socket":    {message(sockDiagByFamily, multi, 7, 0, make([]byte, diagMsg-1)), nil, false, errNetlink},
		"of a family nobody asked": {message(sockDiagByFamily, multi, 7, 0, make([]byte, diagMsg)), nil, false, errNetlink},
		"a kind nobody asked":      {join(message(99, multi, 7, 0, []byte("what")), done(7, 0)), nil, true, nil},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			end, err := parseDiag(c.b, 7, func(s *diagSocket) {
				got = append(got, s.local().String()+" "+s.remote().String())
			})
			if end != c.end || !errors.Is(err, c.err) {
				t.Errorf("end %v, error %v, want %v, %v", end, err, c.end, c.err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" && c.err == nil {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDrops(t *testing.T) {
	attr := func(kind, length uint16, value ...uint32) []byte {
		b := binary.NativeEndian.AppendUint16(nil, length)
		b = binary.NativeEndian.AppendUint16(b, kind)
		for _, v := range value {
			b = binary.NativeEndian.AppendUint32(b, v)
		}
		return b
	}
	memory := attr(attrMemory, 40, 0, 1, 2, 3, 4, 5, 6, 7, 88)
	for name, c := range map[string]struct {
		b    []byte
		n    uint32
		want bool
	}{
		"alone":                 {memory, 88, true},
		"behind another":        {append(attr(8, 5, 0), memory...), 88, true},
		"none":                  {nil, 0, false},
		"of an old kernel":      {attr(attrMemory, 36, 0, 1, 2, 3, 4, 5, 6, 7), 0, false},
		"longer than it is":     {attr(attrMemory, 60, 1, 2), 0, false},
		"shorter than its head": {append(attr(8, 3), memory...), 0, false},
		"cut off":               {memory[:3], 0, false},
	} {
		s := diagSocket{attrs: c.b}
		if n, ok := s.drops(); n != c.n || ok != c.want {
			t.Errorf("%s: %d, %v; want %d, %v", name, n, ok, c.n, c.want)
		}
	}
}

// TestBothRequestsGetTheSame holds the old request, which has both families in
// one answer, against the two of today.
func TestBothRequestsGetTheSame(t *testing.T) {
	serve(t, "tcp4", "127.0.0.1:0")
	serve(t, "tcp6", "[::1]:0")
	list := func(v2 bool) map[netip.AddrPort]uint32 {
		d := diag{v2: v2}
		defer d.close()
		all := make(map[netip.AddrPort]uint32)
		if err := d.dump(1<<stateListen, t.Context().Err, func(s *diagSocket) { all[s.local()] = s.inode }); err != nil {
			t.Fatal(err)
		}
		if d.v2 != v2 {
			t.Error("the request of old was refused here")
		}
		return all
	}
	// Other programs come and go meanwhile; ours stay.
	old, now := list(false), list(true)
	ours := 0
	for a, inode := range old {
		if now[a] == inode {
			ours++
		}
	}
	if ours < 2 {
		t.Errorf("%d sockets in both answers, want at least our two; old %v, now %v", ours, old, now)
	}
}

func TestDumpStops(t *testing.T) {
	var d diag
	defer d.close()
	stop := errors.New("enough")
	if err := d.dump(1<<stateListen, func() error { return stop }, func(*diagSocket) {}); !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
	// The unread answer must not be taken for the next one.
	if err := d.dump(1<<stateListen, t.Context().Err, func(*diagSocket) {}); err != nil {
		t.Errorf("the next dump: %v", err)
	}
}

func FuzzParseDiag(f *testing.F) {
	f.Add(join(message(sockDiagByFamily, unix.NLM_F_MULTI, 7, 0, socketBody(unix.AF_INET6, 1, "[::1]:80", "[::2]:5000", 99)), done(7, 0)))
	f.Add(message(sockDiagByFamily, 0, 7, 0xffffffff, make([]byte, diagMsg)))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_, _ = parseDiag(b, 7, func(s *diagSocket) {
			n++
			s.local()
			s.remote()
			s.drops()
		})
		if n > len(b)/diagMsg {
			t.Errorf("%d sockets in %d bytes", n, len(b))
		}
	})
}

func TestParseSnmp(t *testing.T) {
	const good = "Ip: Forwarding\nIp: 1\nTcp: RtoMin ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab\nTcp: 200 1 2 3 4 5\nUdp: A\nUdp: 1\n"
	got, err := parseSnmp([]byte(good))
	if want := (tcpStamp{active: 1, passive: 2, resets: 4, established: 5}); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "Ip: 1\n", "Ip: 1\nTcp: ActiveOpens\n", "Ip: 1\nTcp: ActiveOpens\nTcp: 5\n", "Ip: 1\nTcp: CurrEstab\nTcp: -1\n"} {
		if got, err := parseSnmp([]byte(bad)); err == nil {
			t.Errorf("%q gave %+v", bad, got)
		}
	}
}

func FuzzParseSnmp(f *testing.F) {
	f.Add([]byte("Ip: 1\nTcp: ActiveOpens PassiveOpens EstabResets CurrEstab\nTcp: 1 2 3 4\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseSnmp(b) })
}
