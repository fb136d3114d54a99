//go:build linux

package kernel

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// attachRequests starts the clock of a connection where bytes of a request reach
// its socket, whether the server reads them at once or not: tracepoint
// tcp_probe(sk, skb), which fires for every packet that an established
// connection receives.
func (h *HTTP) attachRequests(t *types) error {
	var port, length, data int16
	var own home
	err := t.find("a packet", func() (err error) {
		if port, err = t.offset("sock", "__sk_common.skc_num"); err != nil {
			return err
		}
		if length, err = t.offset("sk_buff", "len"); err != nil {
			return err
		}
		if data, err = t.offset("sk_buff", "data"); err == nil {
			own, err = newHome(t)
		}
		return err
	})
	if err != nil {
		return err
	}
	return h.trace("requests", &ebpf.ProgramSpec{
		Name: "http_requests", AttachTo: "tcp_probe",
		Instructions: h.requestProgram(port, length, data, own),
	})
}

func (h *HTTP) requestProgram(port, length, data int16, own home) asm.Instructions {
	return join(asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord), // sk
		asm.LoadMem(asm.R7, asm.R1, 8, asm.DWord), // skb
		asm.LoadMem(asm.R8, asm.R6, port, asm.Half),
	},
		h.tables.toSlot(),
		own.only(asm.R6),
		asm.Instructions{
			// A TCP header has 20 to 60 bytes; between them it must be asked.
			asm.LoadMem(asm.R8, asm.R7, length, asm.Word),
			asm.JGT.Imm(asm.R8, 60, "payload"),
			asm.JLE.Imm(asm.R8, 20, "out"),
			asm.LoadMem(asm.R3, asm.R7, data, asm.DWord),
			asm.Add.Imm(asm.R3, 12),
			asm.Mov.Reg(asm.R1, asm.RFP),
			asm.Add.Imm(asm.R1, -8),
			asm.Mov.Imm(asm.R2, 1),
			asm.FnProbeReadKernel.Call(),
			asm.JNE.Imm(asm.R0, 0, "out"),
			asm.LoadMem(asm.R1, asm.RFP, -8, asm.Byte),
			asm.RSh.Imm(asm.R1, 4),
			asm.LSh.Imm(asm.R1, 2),
			asm.JLE.Reg(asm.R8, asm.R1, "out"),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("payload"),
		},
		asm.Instructions{asm.Mov.Reg(asm.R2, asm.R6)},
		h.tables.conn(),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R0, connStart, asm.DWord),
			asm.JNE.Imm(asm.R1, 0, "out"),
			asm.Mov.Reg(asm.R7, asm.R0),
			asm.FnKtimeGetNs.Call(),
			asm.StoreMem(asm.R7, connStart, asm.R0, asm.DWord),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
			asm.Return(),
		})
}
