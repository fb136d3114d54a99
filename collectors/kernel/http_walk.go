//go:build linux

package kernel

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Both programs see pieces of what a connection sends, with their place in its
// stream (a sequence number). For each they walk from one response to the next:
//
//	a response begins where a piece begins with "HTTP/1.x NNN", or where
//	the response before it ends: behind its header and Content-Length.
//
// What lies in a body is not looked at, and a place that was walked is not
// walked again: a send that is tried again, a packet that is lost and sent again
// count once. Where the end of a response is not known (chunked, no length, a
// header cut in two) only the beginning of the next piece is looked at. A
// response to HEAD has a length and no body: so where its body would begin, a
// response may begin too.

// The value kept with each connection.
const (
	connStart = 0 // when its request came, ns; 0: no request waits
	connEnd   = 8 // up to here the stream was walked
	connState = 12
	connBody  = 16 // where the body of the newest response begins
	connNext  = 20 // where the response after it begins
	// The shape of the newest header that named a length: servers mostly repeat
	// it, and then it need not be read through.
	connDigits = 24 // its 8 bytes from the length's digits on ...
	connPlace  = 32 // ... where they lie ...
	connHead   = 36 // ... and where its last "\r\n" lies; 0: not known
	connBytes  = 40

	// connLength is Content-Length, -1 where none was seen, while a header is
	// read: 8 bytes, in place of connBody and connNext.
	connLength = connBody

	connSeen   = 1 // connEnd holds
	connFramed = 2 // connBody and connNext hold
	// The others hold for one walk. They are here and not in the frame because
	// the verifier follows each value that a frame may hold, and tires.
	connInside  = 4  // a header longer than a window is being read
	connEmpty   = 8  // the status allows no body
	connBack    = 16 // it went back to look where a body begins
	connCounted = 32 // responses begin in this piece
	connMoved   = 64 // the window does not begin where the response does
	connChunk   = 8  // the bits from here on: where the next chunk of the window begins
)

// The frame of a program: the walk, from frameAt on, in bytes.
const (
	walkConn   = 0  // the connection's value
	walkFrom   = 8  // a user address, or a packet ...
	walkOffset = 16 // ... and an offset in it: where the part lies
	walkSlot   = 24
	walkAt     = 32 // where in the stream it stands
	walkPart   = 36 // the part begins here; a piece may have several
	walkPartTo = 40 // and ends here
	walkTo     = 44 // the piece ends here
	walkVector = 48 // address of the next part's address and length ...
	walkParts  = 56 // ... and how many there are
	walkPair   = 64 // one of them
	walkWindow = 80

	window    = 256
	chunk     = 32 // what one step looks at
	slack     = 40 // a look at a line may read this far behind the window
	walkBytes = walkWindow + window + slack
	frameAt   = -walkBytes

	// beginning is how much of a response tells its class: "HTTP/1.1 200".
	beginning = 12
	// lineMost is room for a whole Content-Length line.
	lineMost = 40
	// lengthMost is the longest body that is followed: places in a stream are
	// compared by their difference, of 32 bits.
	lengthMost = 1 << 30
	// steps is how many chunks and parts one piece may take.
	steps = 1024
)

// walker writes the programs' common part.
type walker struct {
	tables *tables
	// deep follows responses through a piece; it takes Linux 5.17 and
	// CAP_PERFMON. Else only the beginning of a piece is looked at.
	deep bool
	// read copies R2 bytes at place R3 of the part to R1. R0 is 0 if it could.
	read asm.Instructions
	// answer is what the program returns.
	answer int32
}

// load and store reach a field of 4 bytes of the walk or of a connection.
func load(dst, base asm.Register, field int16) asm.Instruction {
	return asm.LoadMem(dst, base, field, asm.Word)
}

func store(base asm.Register, field int16, src asm.Register) asm.Instruction {
	return asm.StoreMem(base, field, src, asm.Word)
}

// main begins the walk of a piece: the caller has filled walkFrom, walkOffset,
// walkPart, walkPartTo, walkTo, walkVector and walkParts; the slot is in R9 and
// the connection's value in R0.
func (w walker) main() asm.Instructions {
	at := func(field int16) int16 { return frameAt + field }
	return join(asm.Instructions{
		asm.StoreMem(asm.RFP, at(walkConn), asm.R0, asm.DWord),
		asm.StoreMem(asm.RFP, at(walkSlot), asm.R9, asm.DWord),
		load(asm.R7, asm.RFP, at(walkPart)),
		load(asm.R8, asm.RFP, at(walkTo)),
		load(asm.R5, asm.R0, connState),
		load(asm.R2, asm.R0, connEnd),
		store(asm.R0, connEnd, asm.R8),
		asm.Mov.Reg(asm.R1, asm.R5),
		asm.And.Imm(asm.R1, connFramed),
		asm.Or.Imm(asm.R1, connSeen),
		store(asm.R0, connState, asm.R1),
		asm.JSet.Imm(asm.R5, connSeen, "seen"),
		asm.Ja.Label("begin"),
		// What was walked is behind us.
		asm.Mov.Reg32(asm.R1, asm.R8).WithSymbol("seen"),
		asm.Sub.Reg32(asm.R1, asm.R2),
		asm.JSLE.Imm32(asm.R1, 0, "old"),
		asm.Mov.Reg32(asm.R1, asm.R2),
		asm.Sub.Reg32(asm.R1, asm.R7),
		asm.JSLE.Imm32(asm.R1, 0, "framed"),
		asm.Mov.Reg32(asm.R7, asm.R2),
		// In a body, go on behind it; but see whether it was an answer to HEAD.
		asm.JSet.Imm(asm.R5, connFramed, "inside").WithSymbol("framed"),
		asm.Ja.Label("begin"),
		load(asm.R1, asm.R0, connNext).WithSymbol("inside"),
		asm.Mov.Reg32(asm.R2, asm.R1),
		asm.Sub.Reg32(asm.R2, asm.R7),
		asm.JSLT.Imm32(asm.R2, 0, "lost"),
		load(asm.R2, asm.R0, connBody),
		asm.JEq.Reg32(asm.R2, asm.R7, "begin"),
		asm.Mov.Reg32(asm.R7, asm.R1),
		asm.Sub.Reg32(asm.R1, asm.R8),
		asm.JSGE.Imm32(asm.R1, 0, "none"),
		asm.Ja.Label("begin"),
		asm.Mov.Imm(asm.R1, connSeen).WithSymbol("lost"),
		store(asm.R0, connState, asm.R1),
		store(asm.RFP, at(walkAt), asm.R7).WithSymbol("begin"),
	}, w.run(), asm.Instructions{
		asm.LoadMem(asm.R1, asm.RFP, at(walkConn), asm.DWord),
		load(asm.R1, asm.R1, connState),
		asm.JSet.Imm(asm.R1, connCounted, "out"),
		asm.Mov.Imm(asm.R7, 0).WithSymbol("none"),
	}, w.tables.count(), asm.Instructions{
		asm.Mov.Imm(asm.R0, w.answer).WithSymbol("out"),
		asm.Return(),
		// A newer end stays.
		store(asm.R0, connEnd, asm.R2).WithSymbol("old"),
		asm.Ja.Label("out"),
	}, w.step())
}

// run takes the steps.
func (w walker) run() asm.Instructions {
	if !w.deep {
		return asm.Instructions{
			asm.Mov.Imm(asm.R1, 0),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, frameAt),
			asm.Call.Label("step"),
		}
	}
	return asm.Instructions{
		asm.Mov.Imm(asm.R1, steps),
		asm.Instruction{
			OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R2, Src: asm.PseudoFunc, Constant: -1,
		}.WithReference("step"),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, frameAt),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnLoop.Call(),
	}
}

// function marks the first instruction of one, as the kernel asks of programs
// with more than one.
func function(name string, linkage btf.FuncLinkage, body asm.Instructions, params ...btf.FuncParam) asm.Instructions {
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	body[0] = btf.WithFuncMetadata(body[0].WithSymbol(name), &btf.Func{
		Name: name, Linkage: linkage, Type: &btf.FuncProto{Return: number, Params: params},
	})
	return body
}

// step looks at one chunk. R6 is the walk, R9 how many bytes the window has. It
// returns 1 where the piece has no more.
func (w walker) step() asm.Instructions {
	return function("step", btf.StaticFunc, join(
		w.fill(),
		w.class(),
		w.begun(),
		w.header(),
		w.nextPart(),
	),
		btf.FuncParam{Name: "n", Type: &btf.Int{Name: "u32", Size: 4}},
		btf.FuncParam{Name: "walk", Type: &btf.Pointer{Target: &btf.Void{}}})
}

// fill reads the window.
func (w walker) fill() asm.Instructions {
	size := int32(window)
	if !w.deep {
		size = beginning
	}
	return join(asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R2),
		asm.LoadMem(asm.R8, asm.R6, walkConn, asm.DWord),
	}, w.inChunk(), asm.Instructions{
		load(asm.R3, asm.R6, walkAt),
		load(asm.R9, asm.R6, walkPartTo),
		asm.Sub.Reg32(asm.R9, asm.R3),
		asm.JSLE.Imm32(asm.R9, 0, "part"),
		asm.JLE.Imm(asm.R9, size, "short"),
		asm.Mov.Imm(asm.R9, size),
		load(asm.R7, asm.R8, connState).WithSymbol("short"),
		asm.JSet.Imm(asm.R7, connInside, "enough"),
		asm.JLT.Imm(asm.R9, beginning, "strange"),
		load(asm.R1, asm.R6, walkPart).WithSymbol("enough"),
		asm.Sub.Reg32(asm.R3, asm.R1), // place in the part
		asm.Mov.Reg(asm.R2, asm.R9),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, walkWindow),
	}, w.read, asm.Instructions{
		asm.JNE.Imm(asm.R0, 0, "strange"),
	}, w.inside())
}

// inChunk goes on where the window is read already.
func (w walker) inChunk() asm.Instructions {
	if !w.deep {
		return nil
	}
	return asm.Instructions{
		load(asm.R7, asm.R8, connState),
		asm.RSh.Imm(asm.R7, connChunk),
		asm.JNE.Imm(asm.R7, 0, "scan"),
	}
}

// inside goes on with a header.
func (w walker) inside() asm.Instructions {
	if !w.deep {
		return nil
	}
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Mov.Imm(asm.R7, 0),
		asm.JSet.Imm(asm.R1, connInside, "scan"),
	}
}

// class reads the status line in the window: R7 becomes the class of the
// response.
func (w walker) class() asm.Instructions {
	word := func(s string) int32 { return int32(binary.NativeEndian.Uint32([]byte(s))) }
	half := func(s string) int32 { return int32(binary.NativeEndian.Uint16([]byte(s))) }
	return asm.Instructions{
		load(asm.R1, asm.R6, walkWindow),
		asm.JNE.Imm32(asm.R1, word("HTTP"), "strange"),
		asm.LoadMem(asm.R1, asm.R6, walkWindow+4, asm.Half),
		asm.JNE.Imm(asm.R1, half("/1"), "strange"),
		asm.LoadMem(asm.R1, asm.R6, walkWindow+6, asm.Byte),
		asm.JNE.Imm(asm.R1, '.', "strange"),
		asm.LoadMem(asm.R1, asm.R6, walkWindow+8, asm.Byte),
		asm.JNE.Imm(asm.R1, ' ', "strange"),
		asm.LoadMem(asm.R7, asm.R6, walkWindow+9, asm.Byte),
		asm.JLT.Imm(asm.R7, '1', "strange"),
		asm.JGT.Imm(asm.R7, '5', "strange"),
		asm.Sub.Imm(asm.R7, '0'),
	}
}

// begun counts the response, ends its clock and forgets the one before.
func (w walker) begun() asm.Instructions {
	half := func(s string) int32 { return int32(binary.NativeEndian.Uint16([]byte(s))) }
	return join(asm.Instructions{
		asm.LoadMem(asm.R9, asm.R6, walkSlot, asm.DWord),
		asm.JGE.Imm(asm.R9, slotCount, "over"), // never; the verifier can't know
	}, w.tables.count(), w.tables.time(), asm.Instructions{
		asm.Mov.Imm(asm.R2, connSeen|connCounted).WithSymbol("timed"),
		// 1xx, 204 and 304 have no body, whatever their header says.
		asm.JEq.Imm(asm.R7, 1, "empty"),
		asm.JGT.Imm(asm.R7, 3, "begun"),
		asm.LoadMem(asm.R1, asm.R6, walkWindow+10, asm.Half),
		asm.JNE.Imm(asm.R1, half("04"), "begun"),
		asm.Or.Imm(asm.R2, connEmpty).WithSymbol("empty"),
		asm.LoadMem(asm.R1, asm.R6, walkConn, asm.DWord).WithSymbol("begun"),
		store(asm.R1, connState, asm.R2),
		asm.Mov.Imm(asm.R2, -1),
		asm.StoreMem(asm.R1, connLength, asm.R2, asm.DWord),
	}, w.sameShape())
}

// nextPart deals with what is no response, and goes on to the next part.
func (w walker) nextPart() asm.Instructions {
	all := asm.Instructions{
		asm.LoadMem(asm.R1, asm.R6, walkConn, asm.DWord).WithSymbol("strange"),
		load(asm.R2, asm.R1, connState),
		asm.JSet.Imm(asm.R2, connFramed, "body"),
		asm.Ja.Label("unknown"),
		load(asm.R3, asm.R6, walkAt).WithSymbol("body"),
		load(asm.R4, asm.R1, connBody),
		load(asm.R5, asm.R1, connNext),
		asm.JNE.Reg32(asm.R3, asm.R4, "behind"),
		// A body begins here, as its header said.
		asm.JEq.Reg32(asm.R4, asm.R5, "unknown"),
		asm.JSet.Imm(asm.R2, connBack, "unknown"),
		store(asm.R6, walkAt, asm.R5),
		asm.Ja.Label("more"),
		// No response where the body should have ended. Was there none, and the
		// next response stands in its place?
		asm.JSet.Imm(asm.R2, connBack, "unknown").WithSymbol("behind"),
		asm.Or.Imm(asm.R2, connBack),
		store(asm.R1, connState, asm.R2),
		load(asm.R2, asm.R6, walkPart),
		asm.Mov.Reg32(asm.R3, asm.R4),
		asm.Sub.Reg32(asm.R3, asm.R2),
		asm.JSLT.Imm32(asm.R3, 0, "unknown"),
		store(asm.R6, walkAt, asm.R4),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
		// Nothing is known of the rest of this part.
		asm.LoadMem(asm.R1, asm.R6, walkConn, asm.DWord).WithSymbol("unknown"),
		load(asm.R2, asm.R1, connState),
		asm.And.Imm(asm.R2, connSeen|connCounted),
		store(asm.R1, connState, asm.R2),
		load(asm.R2, asm.R6, walkPartTo),
		store(asm.R6, walkAt, asm.R2),
		// Is there anything left to look at?
		load(asm.R1, asm.R6, walkTo).WithSymbol("more"),
		load(asm.R2, asm.R6, walkAt),
		asm.Sub.Reg32(asm.R1, asm.R2),
		asm.JSGT.Imm32(asm.R1, 0, "go on"),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("over"),
		asm.Return(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("go on"),
		asm.Return(),
	}
	if !w.deep {
		// One look a piece.
		return append(all, asm.Mov.Imm(asm.R0, 1).WithSymbol("part"), asm.Return())
	}
	return join(all, asm.Instructions{
		load(asm.R1, asm.R6, walkParts).WithSymbol("part"),
		asm.JEq.Imm(asm.R1, 0, "over"),
		asm.Sub.Imm(asm.R1, 1),
		store(asm.R6, walkParts, asm.R1),
		asm.LoadMem(asm.R3, asm.R6, walkVector, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R3),
		asm.Add.Imm(asm.R1, 16),
		asm.StoreMem(asm.R6, walkVector, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, walkPair),
		asm.Mov.Imm(asm.R2, 16),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, "over"),
		asm.LoadMem(asm.R1, asm.R6, walkPair, asm.DWord),
		asm.StoreMem(asm.R6, walkFrom, asm.R1, asm.DWord),
		load(asm.R1, asm.R6, walkPartTo),
		store(asm.R6, walkPart, asm.R1),
		load(asm.R2, asm.R6, walkPair+8),
		asm.Add.Reg32(asm.R1, asm.R2),
		load(asm.R2, asm.R6, walkTo), // the last part may not be sent whole
		asm.Mov.Reg32(asm.R3, asm.R2),
		asm.Sub.Reg32(asm.R3, asm.R1),
		asm.JSGE.Imm32(asm.R3, 0, "whole"),
		asm.Mov.Reg32(asm.R1, asm.R2),
		store(asm.R6, walkPartTo, asm.R1).WithSymbol("whole"),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
	})
}
