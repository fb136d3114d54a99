//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Task is one thread as the kernel's scheduler sees it. Times are nanoseconds
// since the thread began.
type Task struct {
	PID, TID, Parent int32
	Start            uint64 // when it began, by the kernel's clock: tells a number used again
	Run              uint64 // on a core
	Wait             uint64 // for a core, while it could have run
	Exited           uint64 // run time of the process's threads that have ended; with TID == PID only
	Kernel           bool   // a thread of the kernel itself
	Runnable         bool   // on a core or waiting for one at this moment
	Comm             [16]byte
}

// Name is the task's comm, which may hold any byte but 0.
func (t *Task) Name() string { return string(t.name()) }

// Called tells whether Name is name, without making a string of it.
func (t *Task) Called(name string) bool { return string(t.name()) == name }

func (t *Task) name() []byte {
	if i := bytes.IndexByte(t.Comm[:], 0); i >= 0 {
		return t.Comm[:i]
	}
	return t.Comm[:]
}

const (
	// maxTasks bounds one reading: the kernel's own limit of numbers.
	maxTasks = 1 << 22

	// tasksRead is how much is asked for at once: what the kernel collects
	// before it hands anything out.
	tasksRead = 32 << 10
)

// rootPIDNamespace is the inode of the namespace the machine began with.
const rootPIDNamespace = 0xEFFFFFFC

// Tasks reads every thread of the PID namespace of this process, about half a
// microsecond each. It is for one goroutine at a time.
type Tasks struct {
	prog *ebpf.Program
	iter *link.Iter
	buf  []byte
}

// NewTasks loads the program that tells the kernel what to write about each
// thread. The error is a *Refusal where the kernel or the rights don't allow it.
func NewTasks() (*Tasks, error) {
	t, err := loadTypes()
	if err != nil {
		return nil, err
	}
	var code asm.Instructions
	err = try("find the fields of a thread in the kernel's types", nil, func() (err error) {
		code, err = taskProgram(t)
		return err
	})
	if err != nil {
		return nil, err
	}
	k := &Tasks{buf: make([]byte, tasksRead)}
	rights := []right{capBPF, capPerfmon}
	err = try("load the program that reads threads", rights, func() (err error) {
		k.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "capmon_tasks", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter,
			AttachTo: "task", License: "GPL", Instructions: code,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	err = try("make the iterator over threads", rights, func() (err error) {
		k.iter, err = link.AttachIter(link.IterOptions{Program: k.prog})
		return err
	})
	if err != nil {
		_ = k.prog.Close()
		return nil, err
	}
	return k, nil
}

// Close lets the kernel forget the program.
func (k *Tasks) Close() error { return errors.Join(k.iter.Close(), k.prog.Close()) }

// Read appends every thread to dst, in rising order of TID.
func (k *Tasks) Read(dst []Task) ([]Task, error) {
	r, err := k.iter.Open()
	if err != nil {
		return dst, fmt.Errorf("open the iterator over threads: %w", err)
	}
	defer r.Close()
	for len(dst) < maxTasks {
		n, err := r.Read(k.buf)
		switch {
		case errors.Is(err, io.EOF) || err == nil && n == 0:
			return dst, nil
		case errors.Is(err, unix.EAGAIN):
			continue // the kernel pauses between pieces of a long list
		case err != nil:
			return dst, fmt.Errorf("read the threads: %w", err)
		}
		if dst, err = parseTasks(dst, k.buf[:n]); err != nil {
			return dst, err
		}
	}
	return dst, fmt.Errorf("read the threads: more than %d", maxTasks)
}

// The record of one thread, as taskProgram writes it.
const (
	recPID      = 0
	recTID      = 4
	recParent   = 8
	recFlags    = 12
	recRun      = 16
	recWait     = 24
	recStart    = 32
	recExited   = 40
	recComm     = 48
	recState    = 64
	recordBytes = 72

	flagKernelThread = 0x00200000 // PF_KTHREAD
)

// parseTasks reads whole records: the kernel never hands out a part of one.
func parseTasks(dst []Task, b []byte) ([]Task, error) {
	if len(b)%recordBytes != 0 {
		return dst, fmt.Errorf("read the threads: %d bytes are no whole number of records", len(b))
	}
	e := binary.NativeEndian
	for ; len(b) > 0; b = b[recordBytes:] {
		dst = append(dst, Task{
			PID: int32(e.Uint32(b[recPID:])), TID: int32(e.Uint32(b[recTID:])), Parent: int32(e.Uint32(b[recParent:])),
			Start: e.Uint64(b[recStart:]), Run: e.Uint64(b[recRun:]), Wait: e.Uint64(b[recWait:]), Exited: e.Uint64(b[recExited:]),
			Kernel:   e.Uint32(b[recFlags:])&flagKernelThread != 0,
			Runnable: e.Uint32(b[recState:]) == 0,
			Comm:     [16]byte(b[recComm:]),
		})
	}
	return dst, nil
}

// inRootPIDNamespace tells whether the kernel's own numbers of processes are
// those that this process sees.
func inRootPIDNamespace() (bool, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil {
		return false, &os.PathError{Op: "stat", Path: "/proc/self/ns/pid", Err: err}
	}
	return st.Ino == rootPIDNamespace, nil
}
