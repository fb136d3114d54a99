//go:build linux

package kernel

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// sendLayout is where this kernel keeps what the send program reads.
type sendLayout struct {
	port, addr, written              int16 // struct sock, tcp_sock
	kind, consumed, buf, parts, left int16 // struct msghdr: what is still to be sent
	oneBuffer, manyBuffers           int32 // values of kind
}

func newSendLayout(t *types) (l sendLayout, err error) {
	at := func(name, field string) (v int16) {
		if err == nil {
			v, err = t.offset(name, field)
		}
		return v
	}
	l.port = at("sock", "__sk_common.skc_num")
	l.addr = at("sock", "__sk_common.skc_rcv_saddr")
	l.written = at("tcp_sock", "write_seq")
	iter := at("msghdr", "msg_iter")
	l.kind = iter + at("iov_iter", "iter_type")
	l.consumed = iter + at("iov_iter", "iov_offset")
	l.buf = iter + at("iov_iter", "ubuf")
	l.parts = iter + at("iov_iter", "nr_segs")
	l.left = iter + at("iov_iter", "count")
	if err != nil {
		return l, err
	}
	var kinds *btf.Enum
	if err := t.spec.TypeByName("iter_type", &kinds); err != nil {
		return l, err
	}
	l.oneBuffer, l.manyBuffers = -1, -1
	for _, v := range kinds.Values {
		switch v.Name {
		case "ITER_UBUF":
			l.oneBuffer = int32(v.Value)
		case "ITER_IOVEC":
			l.manyBuffers = int32(v.Value)
		}
	}
	if l.oneBuffer < 0 || l.manyBuffers < 0 {
		return l, errors.New("enum iter_type lacks ITER_UBUF or ITER_IOVEC")
	}
	return l, nil
}

// attachSend counts in the tracepoint of send calls, tcp_sendmsg_locked(sk,
// msg, skb, size_goal): before the bytes become packets, so nothing that TCP
// does to packets changes the count.
func (h *HTTP) attachSend(t *types) error {
	var l sendLayout
	var own home
	err := t.find("a send", func() (err error) {
		if l, err = newSendLayout(t); err == nil {
			own, err = newHome(t)
		}
		return err
	})
	if err != nil {
		return err
	}
	return h.trace("sends", &ebpf.ProgramSpec{
		Name: "http_send", AttachTo: "tcp_sendmsg_locked", Instructions: h.sendProgram(l, own),
	})
}

// trace loads and attaches the program of one tracepoint.
func (h *HTTP) trace(of string, spec *ebpf.ProgramSpec) error {
	spec.Type, spec.AttachType = ebpf.Tracing, ebpf.AttachTraceRawTp
	spec.License = "Dual MIT/GPL" // some of the kernel's helpers ask for the second
	p, err := h.load("load the program that sees "+of, spec)
	if err != nil {
		return err
	}
	return try("attach the program that sees "+of, h.want, func() error {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err == nil {
			h.keep(l)
		}
		return err
	})
}

// sendProgram sees a send at each turn of the kernel's loop over it, and again
// when it had to wait for room: the walk knows what it has walked.
func (h *HTTP) sendProgram(l sendLayout, own home) asm.Instructions {
	w := walker{tables: &h.tables, deep: true, read: asm.Instructions{
		asm.LoadMem(asm.R4, asm.R6, walkFrom, asm.DWord),
		asm.Add.Reg(asm.R3, asm.R4),
		asm.FnProbeReadUser.Call(),
	}}
	return function("http_send", btf.StaticFunc, join(asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord), // sk
		asm.LoadMem(asm.R7, asm.R1, 8, asm.DWord), // msg
		asm.LoadMem(asm.R8, asm.R6, l.port, asm.Half),
	},
		h.tables.toSlot(),
		own.only(asm.R6),
		h.tables.atAddr(l.addr),
		l.piece(),
		asm.Instructions{asm.Mov.Reg(asm.R2, asm.R6)},
		h.tables.conn(),
		w.main()))
}

// piece says where in the stream and where in memory the send lies.
func (l sendLayout) piece() asm.Instructions {
	at := func(field int16) int16 { return frameAt + field }
	return asm.Instructions{
		asm.LoadMem(asm.R8, asm.R7, l.left, asm.DWord),
		asm.JEq.Imm(asm.R8, 0, "out"),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.FnSkcToTcpSock.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		load(asm.R1, asm.R0, l.written),
		store(asm.RFP, at(walkPart), asm.R1),
		asm.Mov.Reg(asm.R2, asm.R8),
		asm.Add.Reg32(asm.R8, asm.R1),
		store(asm.RFP, at(walkTo), asm.R8),
		store(asm.RFP, at(walkPartTo), asm.R8),
		asm.LoadMem(asm.R3, asm.R7, l.buf, asm.DWord),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.RSh.Imm(asm.R4, 63), // 0, but the verifier need not know: it would try each value
		asm.LoadMem(asm.R2, asm.R7, l.consumed, asm.DWord),
		asm.LoadMem(asm.R5, asm.R7, l.kind, asm.Byte),
		asm.JEq.Imm(asm.R5, l.oneBuffer, "buffer"),
		// What is no buffer of the server's own (sendfile, kernel TLS) can't be
		// read: no response begins there.
		asm.JNE.Imm(asm.R5, l.manyBuffers, "buffer"),
		// The first part is as if it began before what is sent of it.
		asm.LoadMem(asm.R4, asm.R7, l.parts, asm.DWord),
		asm.Sub.Reg32(asm.R1, asm.R2),
		store(asm.RFP, at(walkPartTo), asm.R1),
		asm.StoreMem(asm.RFP, at(walkVector), asm.R3, asm.DWord).WithSymbol("buffer"),
		asm.Add.Reg(asm.R3, asm.R2),
		asm.StoreMem(asm.RFP, at(walkFrom), asm.R3, asm.DWord),
		store(asm.RFP, at(walkParts), asm.R4),
	}
}
