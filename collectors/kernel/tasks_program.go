//go:build linux

package kernel

import (
	"github.com/cilium/ebpf/asm"
)

// Where the program that reads threads keeps what, below its frame.
const (
	frameRecord = -recordBytes     // the record it writes
	frameLevel  = frameRecord - 8  // depth of the reader's namespace, times the size of a upid
	framePtr    = frameRecord - 16 // what was read last
)

// Registers that calls leave alone.
const (
	regMeta = asm.R6
	regTask = asm.R7
	regTmp  = asm.R8
)

// taskFields are the offsets the program needs.
type taskFields struct {
	pid, tgid, flags, run, wait, start, comm, state int16
	leader, parent, signal, exited                  int16
	thread, level, numbers                          int16
}

func findTaskFields(t *types) (f taskFields, err error) {
	for _, w := range []struct {
		to           *int16
		name, fields string
	}{
		{&f.pid, "task_struct", "pid"},
		{&f.tgid, "task_struct", "tgid"},
		{&f.flags, "task_struct", "flags"},
		{&f.run, "task_struct", "se.sum_exec_runtime"},
		{&f.wait, "task_struct", "sched_info.run_delay"},
		{&f.start, "task_struct", "start_time"},
		{&f.comm, "task_struct", "comm"},
		{&f.leader, "task_struct", "group_leader"},
		{&f.parent, "task_struct", "real_parent"},
		{&f.signal, "task_struct", "signal"},
		{&f.exited, "signal_struct", "sum_sched_runtime"},
		{&f.thread, "task_struct", "thread_pid"},
		{&f.level, "pid", "level"},
		{&f.numbers, "pid", "numbers"},
	} {
		if *w.to, err = t.offset(w.name, w.fields); err != nil {
			return f, err
		}
	}
	if f.state, err = t.offset("task_struct", "__state"); err != nil {
		f.state, err = t.offset("task_struct", "state") // before 5.14
	}
	return f, err
}

// taskProgram is run by the kernel once for each thread of the reader's PID
// namespace, and once more at the end without a thread. It gets {meta, task}.
func taskProgram(t *types) (asm.Instructions, error) {
	f, err := findTaskFields(t)
	if err != nil {
		return nil, err
	}
	root, err := inRootPIDNamespace()
	if err != nil {
		return nil, err
	}
	code := asm.Instructions{
		asm.LoadMem(regMeta, asm.R1, 0, asm.DWord),
		asm.LoadMem(regTask, asm.R1, 8, asm.DWord),
		asm.JEq.Imm(regTask, 0, "out"),
	}
	copyField := func(at int16, from asm.Register, off int16, size asm.Size) {
		code = append(code, asm.LoadMem(asm.R2, from, off, size), asm.StoreMem(asm.R10, frameRecord+at, asm.R2, size))
	}
	copyField(recFlags, regTask, f.flags, asm.Word)
	copyField(recRun, regTask, f.run, asm.DWord)
	copyField(recWait, regTask, f.wait, asm.DWord)
	copyField(recStart, regTask, f.start, asm.DWord)
	copyField(recComm, regTask, f.comm, asm.DWord)
	copyField(recComm+8, regTask, f.comm+8, asm.DWord)
	copyField(recState, regTask, f.state, asm.Word)
	code = append(code,
		asm.Mov.Imm(asm.R2, 0),
		asm.StoreMem(asm.R10, frameRecord+recState+4, asm.R2, asm.Word),
		asm.LoadMem(regTmp, regTask, f.signal, asm.DWord))
	copyField(recExited, regTmp, f.exited, asm.DWord)
	if root {
		copyField(recPID, regTask, f.tgid, asm.Word)
		copyField(recTID, regTask, f.pid, asm.Word)
		code = append(code, asm.LoadMem(regTmp, regTask, f.parent, asm.DWord))
		copyField(recParent, regTmp, f.tgid, asm.Word)
	} else {
		code = append(code, translated(f)...)
	}
	return append(code,
		asm.LoadMem(asm.R1, regMeta, 0, asm.DWord), // the file that is read
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, frameRecord),
		asm.Mov.Imm(asm.R3, recordBytes),
		asm.FnSeqWrite.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	), nil
}

const (
	upidBytes = 16 // struct upid: a number and the namespace it is of
	maxLevel  = 32 // namespaces below each other, by the kernel
)

// translated writes the numbers by which the reader's namespace knows a thread,
// its process and the parent: a struct pid holds one for each namespace, the
// outermost first. A parent outside has none and is 0.
func translated(f taskFields) asm.Instructions {
	// read follows a pointer in register from to off and leaves what is there at
	// framePtr and in R3.
	read := func(from asm.Register, off int16, size int32, load asm.Size) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Reg(asm.R3, from),
			asm.Add.Imm(asm.R3, int32(off)),
			asm.Mov.Reg(asm.R1, asm.R10),
			asm.Add.Imm(asm.R1, framePtr),
			asm.Mov.Imm(asm.R2, size),
			asm.FnProbeReadKernel.Call(),
			asm.LoadMem(asm.R3, asm.R10, framePtr, load),
		}
	}
	code := asm.Instructions{asm.FnGetCurrentTask.Call()}
	code = append(code, read(asm.R0, f.thread, 8, asm.DWord)...)
	code = append(code, read(asm.R3, f.level, 4, asm.Word)...)
	code = append(code,
		asm.JGT.Imm(asm.R3, maxLevel, "out"),
		asm.Mul.Imm(asm.R3, upidBytes),
		asm.StoreMem(asm.R10, frameLevel, asm.R3, asm.DWord))

	number := func(at int16) asm.Instructions { // of the task in R3
		code := read(asm.R3, f.thread, 8, asm.DWord)
		code = append(code, asm.LoadMem(asm.R2, asm.R10, frameLevel, asm.DWord), asm.Add.Reg(asm.R3, asm.R2))
		code = append(code, read(asm.R3, f.numbers, 4, asm.Word)...)
		return append(code, asm.StoreMem(asm.R10, frameRecord+at, asm.R3, asm.Word))
	}
	code = append(code, asm.Mov.Reg(asm.R3, regTask))
	code = append(code, number(recTID)...)
	code = append(code, read(regTask, f.leader, 8, asm.DWord)...)
	code = append(code, number(recPID)...)

	// The parent may be outside: its level is above the reader's then.
	code = append(code, asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, frameRecord+recParent, asm.R2, asm.Word))
	code = append(code, read(regTask, f.parent, 8, asm.DWord)...)
	code = append(code, read(asm.R3, f.leader, 8, asm.DWord)...)
	code = append(code, asm.Mov.Reg(regTmp, asm.R3))
	code = append(code, read(asm.R3, f.thread, 8, asm.DWord)...)
	code = append(code, read(asm.R3, f.level, 4, asm.Word)...)
	code = append(code,
		asm.Mul.Imm(asm.R3, upidBytes),
		asm.LoadMem(asm.R2, asm.R10, frameLevel, asm.DWord),
		asm.JLT.Reg(asm.R3, asm.R2, "known"),
		asm.Mov.Reg(asm.R3, regTmp))
	code = append(code, number(recParent)...)
	return append(code, asm.Mov.Imm(asm.R0, 0).WithSymbol("known"))
}
