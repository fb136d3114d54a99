//go:build linux

package kernel

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"
)

// sameShape skips reading a header that has the shape of the one before: the
// same digits at the same place, and its end at the same place.
func (w walker) sameShape() asm.Instructions {
	if !w.deep {
		return nil
	}
	return join(asm.Instructions{
		load(asm.R4, asm.R1, connHead),
		asm.JLT.Imm(asm.R4, beginning, "other shape"),
		asm.JGT.Imm(asm.R4, window-2, "other shape"),
		load(asm.R2, asm.R6, walkPartTo),
		load(asm.R3, asm.R6, walkAt),
		asm.Sub.Reg32(asm.R2, asm.R3),
		asm.Sub.Imm(asm.R2, 2),
		asm.JSGT.Reg(asm.R4, asm.R2, "other shape"),
		asm.Sub.Imm(asm.R4, 2),
	}, eight(), asm.Instructions{
		asm.JNE.Imm32(asm.R3, '\r'|'\n'<<8|'\r'<<16|'\n'<<24, "other shape"),
		asm.LoadMem(asm.R5, asm.R6, walkConn, asm.DWord),
		load(asm.R4, asm.R5, connPlace),
		asm.JGT.Imm(asm.R4, window, "other shape"),
	}, eight(), asm.Instructions{
		asm.LoadMem(asm.R1, asm.R5, connDigits, asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R3, "other shape"),
	}, number(), asm.Instructions{
		asm.StoreMem(asm.R5, connLength, asm.R3, asm.DWord),
		load(asm.R4, asm.R5, connHead),
		asm.JGT.Imm(asm.R4, window, "other shape"), // never
		asm.Ja.Label("end"),
		asm.LoadMem(asm.R1, asm.R6, walkConn, asm.DWord).WithSymbol("other shape"),
		asm.Mov.Imm(asm.R2, 0),
		store(asm.R1, connHead, asm.R2),
	})
}

// header finds the end of the header, and the length it names, in the window.
// A window in a header begins at the end of a line or in the middle
// of one.
func (w walker) header() asm.Instructions {
	if !w.deep {
		return asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}
	}
	return join(asm.Instructions{
		asm.Mov.Imm(asm.R7, 0),
		// So much of the part is left from the window on.
		load(asm.R1, asm.R6, walkAt).WithSymbol("scan"),
		load(asm.R9, asm.R6, walkPartTo),
		asm.Sub.Reg32(asm.R9, asm.R1),
		asm.Mov.Reg(asm.R8, asm.R7),
		asm.And.Imm(asm.R8, window-8),
		asm.Mov.Imm(asm.R7, chunk/8+1),
	}, w.line(), w.toLine(), w.length(), w.ended(), w.cut())
}

// line looks for "\n" in the eight bytes at R8. (The frame is read in whole
// words only: the verifier asks for it.) R5 gets the high bit of each byte that
// is one, or at least of the lowest.
func (w walker) line() asm.Instructions {
	return asm.Instructions{
		asm.JGE.Reg(asm.R8, asm.R9, "unknown").WithSymbol("look"),
		asm.JGE.Imm(asm.R8, window, "chunk"),
		asm.Sub.Imm(asm.R7, 1),
		asm.JEq.Imm(asm.R7, 0, "chunk"),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Reg(asm.R1, asm.R8),
		asm.LoadMem(asm.R1, asm.R1, walkWindow, asm.DWord),
		asm.HostTo(asm.LE, asm.R1, asm.DWord),
		asm.LoadImm(asm.R2, 0x0a*ones, asm.DWord),
		asm.Xor.Reg(asm.R1, asm.R2), // "\n" is 0 now
		asm.LoadImm(asm.R3, ones, asm.DWord),
		asm.Mov.Reg(asm.R5, asm.R1),
		asm.Sub.Reg(asm.R5, asm.R3),
		asm.Xor.Imm(asm.R1, -1),
		asm.And.Reg(asm.R5, asm.R1),
		asm.LSh.Imm(asm.R3, 7),
		asm.And.Reg(asm.R5, asm.R3),
		asm.Mov.Imm(asm.R0, 3), // two lines may begin here: "\n\r\n"
		asm.JNE.Imm(asm.R5, 0, "lines"),
		asm.Add.Imm(asm.R8, 8).WithSymbol("onwards"),
		asm.Ja.Label("look"),
		asm.Sub.Imm(asm.R0, 1).WithSymbol("lines"),
		asm.JEq.Imm(asm.R0, 0, "onwards"),
		asm.JEq.Imm(asm.R5, 0, "onwards"),
	}
}

// ones has a one in each byte.
const ones = 0x0101010101010101

// toLine goes to the line behind the lowest "\n" of R5: R4 becomes its place in
// the window.
func (w walker) toLine() asm.Instructions {
	return asm.Instructions{
		// The bytes up to that bit are counted by adding up a one in each.
		asm.Mov.Reg(asm.R4, asm.R5),
		asm.Neg.Imm(asm.R4, 0),
		asm.And.Reg(asm.R4, asm.R5),
		asm.Sub.Imm(asm.R4, 1),
		asm.LoadImm(asm.R3, ones, asm.DWord),
		asm.And.Reg(asm.R4, asm.R3),
		asm.Mul.Reg(asm.R4, asm.R3),
		asm.RSh.Imm(asm.R4, 56),
		asm.Add.Reg(asm.R4, asm.R8),
		asm.Mov.Reg(asm.R1, asm.R5), // that bit is done
		asm.Sub.Imm(asm.R1, 1),
		asm.And.Reg(asm.R5, asm.R1),
		// Too near the end of the window to hold what is looked for: read on.
		asm.JLE.Imm(asm.R4, window-16, "last"),
		asm.JGT.Imm(asm.R9, window, "again"),
		asm.Mov.Reg(asm.R1, asm.R4).WithSymbol("last"),
		asm.Add.Imm(asm.R1, 2),
		asm.JGT.Reg(asm.R1, asm.R9, "unknown"),
		asm.JGT.Imm(asm.R4, window, "unknown"), // never
	}
}

// eight reads the eight bytes at place R4 of the window into R3, the first
// lowest. It uses R1 and R2.
func eight() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R4),
		asm.And.Imm(asm.R1, 0x1f8),
		asm.Add.Reg(asm.R1, asm.R6),
		asm.LoadMem(asm.R3, asm.R1, walkWindow, asm.DWord),
		asm.LoadMem(asm.R1, asm.R1, walkWindow+8, asm.DWord),
		asm.HostTo(asm.LE, asm.R3, asm.DWord),
		asm.HostTo(asm.LE, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R2, asm.R4),
		asm.And.Imm(asm.R2, 7),
		asm.LSh.Imm(asm.R2, 3),
		asm.RSh.Reg(asm.R3, asm.R2),
		asm.Xor.Imm(asm.R2, 63),
		asm.LSh.Imm(asm.R1, 1),
		asm.LSh.Reg(asm.R1, asm.R2),
		asm.Or.Reg(asm.R3, asm.R1),
	}
}

// length looks whether the line at R4 ends the header or names the length.
func (w walker) length() asm.Instructions {
	eightAre := func(s, orElse string) asm.Instructions {
		return asm.Instructions{
			asm.LoadImm(asm.R2, 0x20*ones, asm.DWord), // lower case
			asm.Or.Reg(asm.R3, asm.R2),
			asm.LoadImm(asm.R2, int64(binary.LittleEndian.Uint64([]byte(s))), asm.DWord),
			asm.JNE.Reg(asm.R3, asm.R2, orElse),
		}
	}
	return join(eight(), asm.Instructions{
		asm.Mov.Reg(asm.R2, asm.R3),
		asm.And.Imm(asm.R2, 0xffff),
		asm.JEq.Imm(asm.R2, '\r'|'\n'<<8, "end"),
	}, eightAre("content-", "lines"), asm.Instructions{
		asm.JLE.Imm(asm.R4, window-lineMost, "whole line"),
		asm.JGT.Imm(asm.R9, window, "again"),
		asm.Add.Imm(asm.R4, 7).WithSymbol("whole line"),
	}, eight(), eightAre("-length:", "past"), asm.Instructions{
		asm.Add.Imm(asm.R4, 8),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Reg(asm.R1, asm.R4),
		asm.LoadMem(asm.R1, asm.R1, walkWindow, asm.Byte),
		asm.JNE.Imm(asm.R1, ' ', "number"),
		asm.Add.Imm(asm.R4, 1),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("number"),
	}, eight(), asm.Instructions{
		asm.LoadMem(asm.R5, asm.R6, walkConn, asm.DWord),
		asm.StoreMem(asm.R5, connDigits, asm.R3, asm.DWord),
		store(asm.R5, connPlace, asm.R4),
	}, number(), asm.Instructions{
		asm.StoreMem(asm.R5, connLength, asm.R3, asm.DWord),
		// The rest in another step: the verifier need not think of what it was.
		asm.Add.Imm(asm.R8, 8).WithSymbol("past"),
		asm.Ja.Label("chunk"),
	})
}

// number turns the digits that R3 begins with, up to seven, into their value.
// Without a branch for each, for the verifier tries them all.
func number() asm.Instructions {
	return asm.Instructions{
		asm.LoadImm(asm.R2, 0x30*ones, asm.DWord),
		asm.Xor.Reg(asm.R3, asm.R2), // digits are 0..9 now
		// R1 gets the high bit of each byte that is above 9.
		asm.LoadImm(asm.R2, 0x7f*ones, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R3),
		asm.And.Reg(asm.R1, asm.R2),
		asm.LoadImm(asm.R2, 0x76*ones, asm.DWord),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.Or.Reg(asm.R1, asm.R3),
		asm.LoadImm(asm.R2, ones, asm.DWord),
		asm.LSh.Imm(asm.R2, 7),
		asm.And.Reg(asm.R1, asm.R2),
		asm.JEq.Imm(asm.R1, 0, "unknown"), // a body of 10 MB or more
		// So many bits of R3 are digits; they move up to its end, for what is
		// then before them counts as leading zeros.
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.Neg.Imm(asm.R2, 0),
		asm.And.Reg(asm.R1, asm.R2),
		asm.JEq.Imm(asm.R1, 0x80, "unknown"), // none
		asm.Sub.Imm(asm.R1, 1),
		asm.LoadImm(asm.R2, ones, asm.DWord),
		asm.And.Reg(asm.R1, asm.R2),
		asm.Mul.Reg(asm.R1, asm.R2),
		asm.RSh.Imm(asm.R1, 56), // digits, and one
		asm.Mov.Imm(asm.R2, 9),
		asm.Sub.Reg(asm.R2, asm.R1),
		asm.LSh.Imm(asm.R2, 3),
		asm.LSh.Reg(asm.R3, asm.R2),
		// Pairs of digits, pairs of pairs, and both halves.
		asm.Mul.Imm(asm.R3, 10<<8|1),
		asm.RSh.Imm(asm.R3, 8),
		asm.LoadImm(asm.R2, 0x00ff00ff00ff00ff, asm.DWord),
		asm.And.Reg(asm.R3, asm.R2),
		asm.Mul.Imm(asm.R3, 100<<16|1),
		asm.RSh.Imm(asm.R3, 16),
		asm.LoadImm(asm.R2, 0x0000ffff0000ffff, asm.DWord),
		asm.And.Reg(asm.R3, asm.R2),
		asm.LoadImm(asm.R2, 10000<<32|1, asm.DWord),
		asm.Mul.Reg(asm.R3, asm.R2),
		asm.RSh.Imm(asm.R3, 32),
	}
}

// ended is the end of the header: what follows is the body, then the next
// response.
func (w walker) ended() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R0, asm.R4).WithSymbol("end"),
		load(asm.R3, asm.R6, walkAt),
		asm.Add.Reg32(asm.R3, asm.R4),
		asm.Add.Imm32(asm.R3, 2), // the body
		asm.Mov.Reg(asm.R4, asm.R3),
		asm.LoadMem(asm.R5, asm.R6, walkConn, asm.DWord),
		load(asm.R2, asm.R5, connState),
		asm.JSet.Imm(asm.R2, connEmpty, "known"),
		asm.LoadMem(asm.R1, asm.R5, connLength, asm.DWord),
		asm.JGT.Imm(asm.R1, lengthMost, "unknown"),
		asm.JSet.Imm(asm.R2, connMoved, "long"),
		store(asm.R5, connHead, asm.R0),
		asm.Add.Reg32(asm.R4, asm.R1).WithSymbol("long"),
		store(asm.R5, connBody, asm.R3).WithSymbol("known"),
		store(asm.R5, connNext, asm.R4),
		asm.Mov.Imm(asm.R2, connSeen|connFramed|connCounted),
		store(asm.R5, connState, asm.R2),
		store(asm.R6, walkAt, asm.R4),
		asm.Ja.Label("more"),
	}
}

// cut is a header that goes on behind the window.
func (w walker) cut() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R8, asm.R4).WithSymbol("again"),
		asm.Sub.Imm(asm.R8, 1), // from the end of the line before on
		load(asm.R1, asm.R6, walkAt).WithSymbol("forward"),
		asm.Add.Reg32(asm.R1, asm.R8),
		store(asm.R6, walkAt, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, walkConn, asm.DWord),
		load(asm.R2, asm.R1, connState),
		asm.Or.Imm(asm.R2, connMoved),
		store(asm.R1, connState, asm.R2),
		asm.Mov.Imm(asm.R8, 0),
		asm.LoadMem(asm.R1, asm.R6, walkConn, asm.DWord).WithSymbol("later"),
		load(asm.R2, asm.R1, connState),
		asm.And.Imm(asm.R2, 1<<connChunk-1),
		asm.Or.Imm(asm.R2, connInside),
		asm.LSh.Imm(asm.R8, connChunk),
		asm.Or.Reg(asm.R2, asm.R8),
		store(asm.R1, connState, asm.R2),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
		asm.JLT.Imm(asm.R8, window, "later").WithSymbol("chunk"),
		asm.Ja.Label("forward"),
	}
}
