//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// ConnCount is what became of the connections at one local port since counting
// began. Every field wraps around at 2^32; differences stay right.
//
// A connection is counted while it is ESTABLISHED: one whose peer has ended its
// half (CLOSE_WAIT), or that has been ended here, has left.
type ConnCount struct {
	Near   uint32 // accepted from this machine: from loopback, or from the address it goes to
	Far    uint32 // accepted from elsewhere
	Opened uint32 // made from here with this local port

	LeftAccepted uint32 // of Near and Far, those that are over
	LeftOpened   uint32 // of Opened, those that are over
}

// Accepted is how many connections came in.
func (c ConnCount) Accepted() uint32 { return c.Near + c.Far }

// Server is how many of those are established, less those that had been
// before counting began and are over now.
func (c ConnCount) Server() int32 { return int32(c.Accepted() - c.LeftAccepted) }

// Client is Server for the connections made from here.
func (c ConnCount) Client() int32 { return int32(c.Opened - c.LeftOpened) }

// Edge is a process that connected to a port of this machine.
type Edge struct {
	PID  uint32 // as the first process of the system counts them
	Port uint16
}

const (
	// connSlots is a slot for each local port; that of port 0, which no socket
	// has, is the sum of all. The one after the last counts lost edges.
	connSlots = 1<<16 + 1
	slotLost  = 1 << 16

	// connSlot is the size of a slot: the fields of ConnCount in their order,
	// rounded up as the kernel does.
	connSlot = 24

	// maxEdges is how many edges are kept between two calls of Edges.
	maxEdges = 2048
)

// The offsets of the fields in a slot, in bytes.
const (
	fieldNear = 4 * iota
	fieldFar
	fieldOpened
	fieldLeftAccepted
	fieldLeftOpened
)

// Conns counts the TCP connections of this process's network namespace by local
// port. Its methods may not be called at the same time.
type Conns struct {
	slots *ebpf.Map
	mem   *ebpf.Memory
	edges *ebpf.Map // nil = not kept
	prog  *ebpf.Program
	tap   link.Link

	lost   uint32
	keys   []edgeKey
	values []uint32
}

// edgeKey is an Edge as the kernel keeps it.
type edgeKey struct {
	PID  uint32
	Port uint16 // network byte order
	_    uint16
}

// OpenConns begins to count. An error is a *Refusal. Until Close, each change
// of state of any TCP socket of this machine costs a little.
func OpenConns() (*Conns, error) {
	c := new(Conns)
	if err := c.open(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conns) open() error {
	t, err := loadTypes()
	if err != nil {
		return err
	}
	var at connLayout
	if err := try("find where this kernel keeps the state of a socket", nil, func() (err error) {
		at, err = connLayoutOf(t)
		return err
	}); err != nil {
		return err
	}
	rights := []right{capBPF, capPerfmon}
	if err := try("make the counters of connections", rights, c.makeMaps); err != nil {
		return err
	}
	if err := try("load the program that counts connections", rights, func() (err error) {
		c.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "capmon_conns", Type: ebpf.RawTracepoint, License: "Dual MIT/GPL",
			Instructions: connProgram(at, c.slots.FD(), c.edges),
		})
		return err
	}); err != nil {
		return err
	}
	return try("attach to the tracepoint inet_sock_set_state", rights, func() (err error) {
		c.tap, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "inet_sock_set_state", Program: c.prog})
		return err
	})
}

func (c *Conns) makeMaps() (err error) {
	c.slots, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "capmon_conns", Type: ebpf.Array, KeySize: 4, ValueSize: connSlot,
		MaxEntries: connSlots, Flags: unix.BPF_F_MMAPABLE,
	})
	if err != nil {
		return err
	}
	if c.mem, err = c.slots.Memory(); err != nil {
		return err
	}
	if !firstProcesses() {
		return nil
	}
	c.edges, err = ebpf.NewMap(&ebpf.MapSpec{Name: "capmon_edges", Type: ebpf.Hash, KeySize: 8, ValueSize: 4, MaxEntries: maxEdges})
	return err
}

// firstProcesses tells whether this process counts processes as the first one
// of the system does. In a container of its own the numbers that the kernel's
// program sees mean nothing here.
func firstProcesses() bool {
	const firstNamespace = 0xEFFFFFFC // PROC_PID_INIT_INO of linux/proc_ns.h
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/pid", &st) == nil && st.Ino == firstNamespace
}

// Read returns the counts of a local port; those of port 0 are the sum over
// all. It reads memory that the kernel writes, without a system call.
func (c *Conns) Read(port uint16) ConnCount {
	var b [connSlot]byte
	if _, err := c.mem.ReadAt(b[:], int64(port)*connSlot); err != nil {
		panic(fmt.Sprintf("kernel: the counters of connections are closed: %v", err))
	}
	u := func(field int) uint32 { return binary.NativeEndian.Uint32(b[field:]) }
	return ConnCount{
		Near: u(fieldNear), Far: u(fieldFar), Opened: u(fieldOpened),
		LeftAccepted: u(fieldLeftAccepted), LeftOpened: u(fieldLeftOpened),
	}
}

// Edges appends to dst the processes that have begun to connect to a port of
// this machine, from this machine, since the last call. complete is false when
// there were more than could be kept, or when processes can't be told here.
func (c *Conns) Edges(dst []Edge) (_ []Edge, complete bool, err error) {
	if c.edges == nil {
		return dst, false, nil
	}
	if c.keys == nil {
		c.keys, c.values = make([]edgeKey, maxEdges), make([]uint32, maxEdges)
	}
	var cursor ebpf.MapBatchCursor
	n, err := c.edges.BatchLookupAndDelete(&cursor, c.keys, c.values, nil)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return dst, false, fmt.Errorf("read who connects to whom: %w", err)
	}
	for _, k := range c.keys[:n] {
		var port [2]byte
		binary.NativeEndian.PutUint16(port[:], k.Port)
		dst = append(dst, Edge{PID: k.PID, Port: binary.BigEndian.Uint16(port[:])})
	}
	var b [4]byte
	if _, err := c.mem.ReadAt(b[:], slotLost*connSlot); err != nil {
		return dst, false, fmt.Errorf("read who connects to whom: %w", err)
	}
	lost := binary.NativeEndian.Uint32(b[:])
	complete = lost == c.lost
	c.lost = lost
	return dst, complete, nil
}

// Close ends counting. Nothing may be called after it.
func (c *Conns) Close() error {
	var errs []error
	if c.tap != nil {
		errs = append(errs, c.tap.Close())
	}
	errs = append(errs, c.prog.Close(), c.edges.Close(), c.slots.Close())
	return errors.Join(errs...)
}
