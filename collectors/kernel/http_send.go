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
	port, queued, sndbuf      int16 // struct sock
	skbLen                    int16 // struct sk_buff
	kind, consumed, buf, left int16 // struct msghdr: what is still to be sent
	oneBuffer, manyBuffers    int32 // values of kind
}

func newSendLayout(t *types) (l sendLayout, err error) {
	at := func(name, field string) (v int16) {
		if err == nil {
			v, err = t.offset(name, field)
		}
		return v
	}
	l.port = at("sock", "__sk_common.skc_num")
	l.queued = at("sock", "sk_wmem_queued")
	l.sndbuf = at("sock", "sk_sndbuf")
	l.skbLen = at("sk_buff", "len")
	iter := at("msghdr", "msg_iter")
	l.kind = iter + at("iov_iter", "iter_type")
	l.consumed = iter + at("iov_iter", "iov_offset")
	l.buf = iter + at("iov_iter", "ubuf")
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
	err := try("find the fields of a send in the kernel's types", nil, func() (err error) {
		if l, err = newSendLayout(t); err == nil {
			own, err = newHome(t)
		}
		return err
	})
	if err != nil {
		return err
	}
	return h.trace(t, "sends", &ebpf.ProgramSpec{
		Name: "http_send", AttachTo: "tcp_sendmsg_locked", Instructions: h.sendProgram(l, own),
	})
}

// trace loads and attaches the program of one tracepoint.
func (h *HTTP) trace(t *types, of string, spec *ebpf.ProgramSpec) error {
	want := []right{capBPF, capPerfmon}
	spec.Type, spec.AttachType = ebpf.Tracing, ebpf.AttachTraceRawTp
	spec.License = "Dual MIT/GPL" // some of the kernel's helpers ask for the second
	p, err := h.load("load the program that sees "+of, want, t, spec)
	if err != nil {
		return err
	}
	return try("attach the program that sees "+of, want, func() error {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err == nil {
			h.keep(l)
		}
		return err
	})
}

const argsAt = -40 // where the program's arguments are kept in its frame

func (h *HTTP) sendProgram(l sendLayout, own home) asm.Instructions {
	return join(asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord), // sk
		asm.LoadMem(asm.R7, asm.R1, 8, asm.DWord), // msg
		asm.LoadMem(asm.R8, asm.R6, l.port, asm.Half),
		asm.StoreMem(asm.RFP, argsAt, asm.R1, asm.DWord),
	},
		h.tables.toSlot(),
		own.only(asm.R6),
		l.firstTurn(),
		l.read(),
		toClass(),
		asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("count")},
		h.tables.count(),
		h.tables.time(),
		leave(0))
}

// firstTurn leaves where these bytes have come by before, or will once more:
// the tracepoint fires for each turn of the kernel's loop over a long send, and
// a send that finds no room waits, or fails, and is tried again.
func (l sendLayout) firstTurn() asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R0, asm.R7, l.consumed, asm.DWord),
		asm.JNE.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R2, asm.R7, l.left, asm.DWord),
		asm.JEq.Imm(asm.R2, 0, "out"),
		asm.LoadMem(asm.R1, asm.R6, l.queued, asm.Word),
		asm.LoadMem(asm.R2, asm.R6, l.sndbuf, asm.Word),
		asm.JSLT.Reg(asm.R1, asm.R2, "room"),
		// None; but the last packet of the queue may have some.
		asm.LoadMem(asm.R1, asm.RFP, argsAt, asm.DWord),
		asm.LoadMem(asm.R2, asm.R1, 16, asm.DWord), // skb
		asm.JEq.Imm(asm.R2, 0, "out"),
		asm.LoadMem(asm.R2, asm.R2, l.skbLen, asm.Word),
		asm.LoadMem(asm.R1, asm.R1, 24, asm.DWord), // size_goal
		asm.LSh.Imm(asm.R1, 32),
		asm.ArSh.Imm(asm.R1, 32),
		asm.JSGE.Reg(asm.R2, asm.R1, "out"),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("room"),
	}
}

// read puts the beginning of the send on the stack. What is no buffer of the
// server's own (sendfile, kernel TLS) can't be read: no response begins there.
func (l sendLayout) read() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.RFP, onStack, asm.R1, asm.DWord),
		asm.StoreMem(asm.RFP, onStack+8, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R7, l.kind, asm.Byte),
		asm.LoadMem(asm.R3, asm.R7, l.buf, asm.DWord),
		asm.LoadMem(asm.R4, asm.R7, l.left, asm.DWord),
		asm.JEq.Imm(asm.R1, l.oneBuffer, "buffer"),
		asm.JNE.Imm(asm.R1, l.manyBuffers, "class"),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, onStack-16), // struct iovec: address, length
		asm.Mov.Imm(asm.R2, 16),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, "class"),
		asm.LoadMem(asm.R4, asm.RFP, onStack-8, asm.DWord),
		asm.LoadMem(asm.R3, asm.RFP, onStack-16, asm.DWord),
		asm.JLT.Imm(asm.R4, beginning, "class").WithSymbol("buffer"),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, onStack),
		asm.Mov.Imm(asm.R2, beginning),
		asm.FnProbeReadUser.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("class"),
	}
}
