//go:build linux

package kernel

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"
)

// Registers that keep their meaning through a program: R6 the socket or packet,
// R8 the local port, R9 its slot. Every program leaves at the label "out".

func join(parts ...asm.Instructions) (all asm.Instructions) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// toSlot turns the port in R8 into its slot in R9. It leaves where the port is
// not watched: for all other traffic of the machine that is the whole price.
func (t *tables) toSlot() asm.Instructions {
	return asm.Instructions{
		asm.LSh.Imm(asm.R8, 1),
		asm.LoadMapValue(asm.R1, t.ports.FD(), 0),
		asm.Add.Reg(asm.R1, asm.R8),
		asm.LoadMem(asm.R9, asm.R1, 0, asm.Half),
		asm.JEq.Imm(asm.R9, 0, "out"),
		asm.JGE.Imm(asm.R9, slotCount, "out"), // never; the verifier can't know
	}
}

// conn gets into R0 what is kept with the connection whose socket is in R2; it
// leaves where there is no memory for it.
func (t *tables) conn() asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, t.conns.FD()),
		asm.Mov.Imm(asm.R3, 0),
		asm.Mov.Imm(asm.R4, 1), // made where there is none
		asm.FnSkStorageGet.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
	}
}

// find does what looks up fields, once the kernel's types are read.
func (t *types) find(of string, do func() error) error {
	if t.spec == nil {
		read, err := loadTypes()
		if err != nil {
			return err
		}
		*t = *read
	}
	return try("find the fields of "+of+" in the kernel's types", nil, do)
}

// home is how a program knows the sockets of one network namespace.
type home struct {
	net, inum int16 // where a socket keeps its namespace, and that its number
	number    uint32
}

func newHome(t *types) (h home, err error) {
	if h.net, err = t.offset("sock", "__sk_common.skc_net.net"); err != nil {
		return h, err
	}
	if h.inum, err = t.offset("net", "ns.inum"); err != nil {
		return h, err
	}
	h.number, err = namespace()
	return h, err
}

// only leaves unless the socket in r is at home.
func (h home) only(r asm.Register) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, r, h.net, asm.DWord),
		asm.LoadMem(asm.R1, asm.R1, h.inum, asm.Word),
		asm.JNE.Imm32(asm.R1, int32(h.number), "out"),
	}
}

// atAddr leaves where slot R9 is for one address and the socket in R6, which has
// its own at field, is at another.
func (t *tables) atAddr(field int16) asm.Instructions {
	if t.addrs == nil {
		return nil
	}
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.LSh.Imm(asm.R1, 2),
		asm.LoadMapValue(asm.R2, t.addrs.FD(), 0),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.LoadMem(asm.R1, asm.R2, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R6, field, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "anywhere"),
		asm.JNE.Reg(asm.R1, asm.R3, "out"),
		asm.Mov.Imm(asm.R1, 0).WithSymbol("anywhere"),
	}
}

// count adds one to word R7 of slot R9.
func (t *tables) count() asm.Instructions {
	line := int32(bits.TrailingZeros(uint(t.shards * shardBytes)))
	return asm.Instructions{
		asm.FnGetSmpProcessorId.Call(),
		asm.And.Imm(asm.R0, int32(t.shards-1)),
		asm.LSh.Imm(asm.R0, int32(bits.TrailingZeros(shardBytes))),
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.LSh.Imm(asm.R1, line),
		asm.Or.Reg(asm.R0, asm.R1),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.LSh.Imm(asm.R1, 3),
		asm.Or.Reg(asm.R0, asm.R1),
		asm.And.Imm(asm.R0, int32(slotCount*t.shards*shardBytes-8)), // the bound that the verifier wants to see
		asm.LoadMapValue(asm.R1, t.counters.FD(), 0),
		asm.Add.Reg(asm.R1, asm.R0),
		asm.Mov.Imm(asm.R2, 1),
		asm.AddAtomic.Mem(asm.R1, asm.R2, asm.DWord, 0),
	}
}

// time ends the clock of the connection whose value is in R8 and counts the time
// for slot R9; R7 is the class of the response.
func (t *tables) time() asm.Instructions {
	if t.times == nil {
		return nil
	}
	return join(asm.Instructions{
		asm.JEq.Imm(asm.R7, 1, "timed"),
		asm.LoadMem(asm.R1, asm.R8, connStart, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "timed"),
		asm.FnKtimeGetNs.Call(),
		asm.LoadMem(asm.R1, asm.R8, connStart, asm.DWord),
		asm.Sub.Reg(asm.R0, asm.R1),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R8, connStart, asm.R1, asm.DWord),
		asm.LSh.Imm(asm.R9, int32(bits.TrailingZeros(timeBytes))),
		asm.LoadMapValue(asm.R8, t.times.FD(), 0),
		asm.Add.Reg(asm.R8, asm.R9),
		asm.AddAtomic.Mem(asm.R8, asm.R0, asm.DWord, 0),
	}, toBucket(), asm.Instructions{
		asm.LSh.Imm(asm.R0, 3),
		asm.JGT.Imm(asm.R0, timeBuckets*8-8, "timed"), // never; the verifier can't know
		asm.Add.Reg(asm.R8, asm.R0),
		asm.Mov.Imm(asm.R2, 1),
		asm.AddAtomic.Mem(asm.R8, asm.R2, asm.DWord, 8),
	})
}

// toBucket turns the time in R0 into its bucket, as bucketOf does.
func toBucket() asm.Instructions {
	all := asm.Instructions{
		asm.RSh.Imm(asm.R0, timeUnit),
		asm.JLT.Imm(asm.R0, 1<<timeBits, "fits"),
		asm.Mov.Imm(asm.R0, 1<<timeBits-1),
		asm.JLT.Imm(asm.R0, 1<<timeSteps, "bucket").WithSymbol("fits"),
		asm.Mov.Imm(asm.R1, 0), // e
		asm.Mov.Reg(asm.R2, asm.R0),
	}
	for _, step := range []int32{16, 8, 4, 2, 1} {
		past := "below" + string(rune('a'+bits.TrailingZeros(uint(step))))
		all = append(all,
			asm.JLT.Imm(asm.R2, 1<<(timeSteps+step), past),
			asm.RSh.Imm(asm.R2, step),
			asm.Add.Imm(asm.R1, step),
			asm.Mov.Reg(asm.R3, asm.R1).WithSymbol(past))
	}
	return append(all,
		asm.LSh.Imm(asm.R1, timeSteps),
		asm.Mov.Reg(asm.R0, asm.R1),
		asm.Add.Reg(asm.R0, asm.R2),
		asm.Mov.Reg(asm.R0, asm.R0).WithSymbol("bucket"))
}
