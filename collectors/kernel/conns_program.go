//go:build linux

package kernel

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// connLayout is where this kernel keeps what the program reads of a socket.
type connLayout struct {
	// In struct sock_common, with which every socket begins.
	family, daddr, rcvSaddr, v6Daddr, v6RcvSaddr, dport, net int16

	protocol, backlog int16 // in struct sock
	sport             int16 // in struct inet_sock
	inum              int16 // in struct net
	namespace         uint32
}

// maxCommon is how much of struct sock_common fits where the program keeps it.
const maxCommon = 192

func connLayoutOf(t *types) (at connLayout, err error) {
	for _, f := range []struct {
		to           *int16
		name, member string
	}{
		{&at.family, "sock_common", "skc_family"},
		{&at.daddr, "sock_common", "skc_daddr"},
		{&at.rcvSaddr, "sock_common", "skc_rcv_saddr"},
		{&at.v6Daddr, "sock_common", "skc_v6_daddr"},
		{&at.v6RcvSaddr, "sock_common", "skc_v6_rcv_saddr"},
		{&at.dport, "sock_common", "skc_dport"},
		{&at.net, "sock_common", "skc_net.net"},
		{&at.protocol, "sock", "sk_protocol"},
		{&at.backlog, "sock", "sk_max_ack_backlog"},
		{&at.sport, "inet_sock", "inet_sport"},
		{&at.inum, "net", "ns.inum"},
	} {
		if *f.to, err = t.offset(f.name, f.member); err != nil {
			return at, err
		}
	}
	if at.span() > maxCommon {
		return at, fmt.Errorf("struct sock_common is larger than %d bytes here", maxCommon)
	}
	if err := t.wholeProtocol(); err != nil {
		return at, err
	}
	at.namespace, err = namespace()
	return at, err
}

// span is how much of struct sock_common is read, in bytes.
func (at connLayout) span() int16 {
	return (max(at.family+2, at.daddr+4, at.rcvSaddr+4, at.v6Daddr+16, at.v6RcvSaddr+16, at.dport+2) + 7) &^ 7
}

// wholeProtocol refuses kernels where the protocol of a socket is some bits of
// a word: those before 5.6.
func (t *types) wholeProtocol() error {
	var s *btf.Struct
	if err := t.spec.TypeByName("sock", &s); err != nil {
		return err
	}
	for _, m := range s.Members {
		if m.Name == "sk_protocol" && m.BitfieldSize == 0 {
			return nil
		}
	}
	return fmt.Errorf("sk_protocol is no field of its own in struct sock")
}

// The states of a TCP socket that matter (include/net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpClose       = 7
)

// What the program keeps on its stack, below the frame pointer.
const (
	stackCommon = -maxCommon       // the beginning of the socket
	stackWord   = stackCommon - 8  // whatever is read one at a time
	stackEdge   = stackCommon - 16 // an edgeKey
	stackKey    = stackCommon - 24 // the number of a slot
	stackOne    = stackCommon - 32 // the value of an edge
)

// connProgram is run at each change of state of a socket:
// inet_sock_set_state(sk, old, new).
//
// A connection that was accepted is told from one made here by the length of
// its accept queue: a socket that listens has one, what is accepted from it
// begins as its copy, and one that connects has none. (The state before says it
// on the way in, but not on the way out.)
//
// inet_sport is read and not skc_num, which is 0 by the time a reset closes the
// socket.
func connProgram(at connLayout, slots int, edges *ebpf.Map) asm.Instructions {
	p := connAsm{at: at, slots: slots}
	// R6 = sk, R7 = old, R8 = new, R9 = whether the peer is on this machine.
	p.add(
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
		asm.LoadMem(asm.R7, asm.R1, 8, asm.DWord),
		asm.LoadMem(asm.R8, asm.R1, 16, asm.DWord),
		asm.Mov.Imm(asm.R9, 0),
		asm.JEq.Imm32(asm.R8, tcpEstablished, "ours"),
		asm.JEq.Imm32(asm.R7, tcpEstablished, "ours"),
	)
	if edges != nil {
		p.add(
			asm.JNE.Imm32(asm.R8, tcpSynSent, "out"),
			asm.JNE.Imm32(asm.R7, tcpClose, "out"),
		)
	} else {
		p.add(asm.Ja.Label("out"))
	}
	p.label("ours")
	p.onlyOurs()
	// Who is at the other end matters only where a connection begins.
	p.add(asm.JEq.Imm32(asm.R7, tcpEstablished, "counted"))
	p.near()
	p.add(asm.JEq.Imm32(asm.R8, tcpEstablished, "counted"))
	if edges != nil {
		p.edge(edges.FD())
	}
	p.label("counted")
	p.field()
	p.bump()
	p.add(asm.StoreImm(asm.R10, stackKey, 0, asm.Word))
	p.bump()
	p.label("out")
	p.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return p.code
}

// connAsm collects instructions. A label names the next one.
type connAsm struct {
	at    connLayout
	slots int
	code  asm.Instructions
	next  string
}

func (p *connAsm) add(all ...asm.Instruction) {
	for _, i := range all {
		if p.next != "" {
			i, p.next = i.WithSymbol(p.next), ""
		}
		p.code = append(p.code, i)
	}
}

func (p *connAsm) label(name string) { p.next = name }

// read copies size bytes at R3 to the stack; what can't be read is 0.
func (p *connAsm) read(to int16, size int32) {
	p.add(
		asm.Mov.Reg(asm.R1, asm.R10),
		asm.Add.Imm(asm.R1, int32(to)),
		asm.Mov.Imm(asm.R2, size),
		asm.FnProbeReadKernel.Call(),
	)
}

// readSock copies a field of the socket to stackWord.
func (p *connAsm) readSock(offset int16, size int32) {
	p.add(asm.Mov.Reg(asm.R3, asm.R6), asm.Add.Imm(asm.R3, int32(offset)))
	p.read(stackWord, size)
}

// common is where a field of struct sock_common is on the stack.
func (p *connAsm) common(offset int16) int16 { return stackCommon + offset }

// onlyOurs leaves sockets alone that are not TCP (the tracepoint is SCTP's and
// MPTCP's too), or of another network namespace.
func (p *connAsm) onlyOurs() {
	p.readSock(p.at.protocol, 2)
	p.add(
		asm.LoadMem(asm.R1, asm.R10, stackWord, asm.Half),
		asm.JNE.Imm32(asm.R1, unix.IPPROTO_TCP, "out"),
	)
	p.readSock(p.at.net, 8)
	p.add(
		asm.LoadMem(asm.R3, asm.R10, stackWord, asm.DWord),
		asm.Add.Imm(asm.R3, int32(p.at.inum)),
	)
	p.read(stackWord, 4)
	p.add(
		asm.LoadMem(asm.R1, asm.R10, stackWord, asm.Word),
		asm.JNE.Imm32(asm.R1, int32(p.at.namespace), "out"),
	)
}

// near sets R9 to 1 when the peer is on this machine: on loopback, or at the
// address of this end.
func (p *connAsm) near() {
	// The middle of an IPv4 address in an IPv6 one, and the end of ::1.
	mapped := int32(binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff}))
	one := int32(binary.NativeEndian.Uint32([]byte{0, 0, 0, 1}))
	p.add(asm.Mov.Reg(asm.R3, asm.R6))
	p.read(stackCommon, int32(p.at.span()))
	p.add(
		asm.Mov.Imm(asm.R9, 1),
		asm.LoadMem(asm.R1, asm.R10, p.common(p.at.family), asm.Half),
		asm.JEq.Imm32(asm.R1, unix.AF_INET, "v4"),
		asm.LoadMem(asm.R1, asm.R10, p.common(p.at.v6Daddr), asm.Word),
		asm.LoadMem(asm.R2, asm.R10, p.common(p.at.v6Daddr+4), asm.Word),
		asm.Or.Reg(asm.R1, asm.R2),
		asm.JNE.Imm32(asm.R1, 0, "v6"),
		asm.LoadMem(asm.R1, asm.R10, p.common(p.at.v6Daddr+8), asm.Word),
		asm.JEq.Imm32(asm.R1, mapped, "v4"),
		asm.JNE.Imm32(asm.R1, 0, "v6"),
		asm.LoadMem(asm.R1, asm.R10, p.common(p.at.v6Daddr+12), asm.Word),
		asm.JEq.Imm32(asm.R1, one, "known"),
	)
	p.label("v6")
	for i := int16(0); i < 16; i += 4 {
		p.add(
			asm.LoadMem(asm.R1, asm.R10, p.common(p.at.v6Daddr+i), asm.Word),
			asm.LoadMem(asm.R2, asm.R10, p.common(p.at.v6RcvSaddr+i), asm.Word),
			asm.JNE.Reg32(asm.R1, asm.R2, "far"),
		)
	}
	p.add(asm.Ja.Label("known"))
	p.label("v4")
	p.add(
		asm.LoadMem(asm.R1, asm.R10, p.common(p.at.daddr), asm.Byte),
		asm.JEq.Imm32(asm.R1, 127, "known"),
		asm.LoadMem(asm.R1, asm.R10, p.common(p.at.daddr), asm.Word),
		asm.LoadMem(asm.R2, asm.R10, p.common(p.at.rcvSaddr), asm.Word),
		asm.JEq.Reg32(asm.R1, asm.R2, "known"),
	)
	p.label("far")
	p.add(asm.Mov.Imm(asm.R9, 0))
	p.label("known")
}

// edge notes that this process connects to a port of this machine: connect()
// runs here in its name.
func (p *connAsm) edge(edges int) {
	p.add(
		asm.JEq.Imm32(asm.R9, 0, "out"),
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.StoreMem(asm.R10, stackEdge, asm.R0, asm.Word),
		asm.LoadMem(asm.R1, asm.R10, p.common(p.at.dport), asm.Half),
		asm.StoreMem(asm.R10, stackEdge+4, asm.R1, asm.Half),
		asm.StoreImm(asm.R10, stackEdge+6, 0, asm.Half),
	)
	edge := func(call asm.BuiltinFunc) {
		p.add(
			asm.LoadMapPtr(asm.R1, edges),
			asm.Mov.Reg(asm.R2, asm.R10),
			asm.Add.Imm(asm.R2, stackEdge),
		)
		if call == asm.FnMapUpdateElem {
			p.add(
				asm.StoreImm(asm.R10, stackOne, 1, asm.Word),
				asm.Mov.Reg(asm.R3, asm.R10),
				asm.Add.Imm(asm.R3, stackOne),
				asm.Mov.Imm(asm.R4, 0),
			)
		}
		p.add(call.Call())
	}
	edge(asm.FnMapLookupElem)
	p.add(asm.JNE.Imm(asm.R0, 0, "out"))
	edge(asm.FnMapUpdateElem)
	p.add(
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.StoreImm(asm.R10, stackKey, slotLost, asm.Word),
		asm.Mov.Imm(asm.R8, 0),
	)
	p.bump()
	p.add(asm.Ja.Label("out"))
}

// field sets R8 to the offset of the field to count in, and stackKey to the
// local port.
func (p *connAsm) field() {
	p.readSock(p.at.sport, 2)
	p.add(
		asm.LoadMem(asm.R1, asm.R10, stackWord, asm.Half),
		asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.JEq.Imm(asm.R1, 0, "out"),
		asm.StoreMem(asm.R10, stackKey, asm.R1, asm.Word),
	)
	p.readSock(p.at.backlog, 4)
	p.add(
		asm.LoadMem(asm.R1, asm.R10, stackWord, asm.Word),
		asm.JEq.Imm32(asm.R8, tcpEstablished, "entered"),

		asm.Mov.Imm(asm.R8, fieldLeftAccepted),
		asm.JNE.Imm32(asm.R1, 0, "chosen"),
		asm.Mov.Imm(asm.R8, fieldLeftOpened),
		asm.Ja.Label("chosen"),

		asm.Mov.Imm(asm.R8, fieldOpened).WithSymbol("entered"),
		asm.JEq.Imm32(asm.R1, 0, "chosen"),
		asm.Mov.Imm(asm.R8, fieldNear),
		asm.JNE.Imm32(asm.R9, 0, "chosen"),
		asm.Mov.Imm(asm.R8, fieldFar),
	)
	p.label("chosen")
}

// bump adds one to the field at offset R8 of the slot whose number is on the
// stack.
func (p *connAsm) bump() {
	p.add(
		asm.LoadMapPtr(asm.R1, p.slots),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, stackKey),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Add.Reg(asm.R0, asm.R8),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.Word),
	)
}
