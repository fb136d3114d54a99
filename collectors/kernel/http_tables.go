//go:build linux

package kernel

import (
	"encoding/binary"
	"io"
	"math/bits"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// The memory that programs and this process share. Reading it is no system
// call.
//
//	ports   65536 slot numbers of 2 bytes
//	counts  for each slot, for each shard 8 words of 8 bytes: word 0 counts
//	        sends that begin no response, word n those of class n. A CPU writes
//	        its own shard, so that CPUs do not wait for each other.
//	addrs   for each slot 4 bytes: the IPv4 address at which sockets count; 0 = any
//	times   for each slot 512 words: the sum of all times in ns, then the
//	        buckets of bucketOf
type tables struct {
	ports, counters, times *ebpf.Map
	addrs                  *ebpf.Map // nil = sockets at every address count
	conns                  *ebpf.Map // what is remembered of a connection, in its socket
	shards                 int       // a power of two
	line                   []byte    // reading takes no new memory
}

const (
	shardBytes = 64
	maxShards  = 16
	timeBytes  = 4096
)

// create makes the maps.
func (t *tables) create(latency, addresses bool, want []right, keep func(io.Closer)) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	t.shards = min(maxShards, 1<<bits.Len(uint(cpus-1)))
	t.line = make([]byte, max(t.shards*shardBytes, timeBytes))
	shared := func(name string, size int) (*ebpf.Map, error) {
		return newMap(&ebpf.MapSpec{
			Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size),
			MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE,
		}, want, keep)
	}
	if t.ports, err = shared("http_ports", 2<<16); err != nil {
		return err
	}
	if t.counters, err = shared("http_counts", slotCount*t.shards*shardBytes); err != nil {
		return err
	}
	if addresses {
		if t.addrs, err = shared("http_addrs", slotCount*4); err != nil {
			return err
		}
	}
	if latency {
		if t.times, err = shared("http_times", slotCount*timeBytes); err != nil {
			return err
		}
	}
	word := &btf.Int{Name: "u64", Size: 8}
	t.conns, err = newMap(&ebpf.MapSpec{
		Name: "http_conns", Type: ebpf.SkStorage, KeySize: 4, ValueSize: connBytes,
		Flags: unix.BPF_F_NO_PREALLOC,
		Key:   &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
		Value: &btf.Struct{Name: "http_conn", Size: connBytes, Members: []btf.Member{
			{Name: "start", Type: word},
			{Name: "end", Type: word, Offset: 64},
			{Name: "next", Type: word, Offset: 128},
			{Name: "digits", Type: word, Offset: 192},
			{Name: "shape", Type: word, Offset: 256},
		}},
	}, want, keep)
	return err
}

// newMap makes one map.
func newMap(spec *ebpf.MapSpec, want []right, keep func(io.Closer)) (*ebpf.Map, error) {
	var m *ebpf.Map
	err := try("make the table "+spec.Name, want, func() (err error) {
		if m, err = ebpf.NewMap(spec); err != nil {
			return err
		}
		keep(m)
		if spec.Flags&unix.BPF_F_MMAPABLE != 0 {
			_, err = m.Memory()
		}
		return err
	})
	return m, err
}

// point makes a port's responses count in a slot; 0 ends it.
func (t *tables) point(port, slot uint16) error {
	return put(t.ports, binary.NativeEndian.AppendUint16(nil, slot), int(port)*2)
}

// at makes only sockets at an IPv4 address count in a slot; one that is not valid
// is any.
func (t *tables) at(slot uint16, addr netip.Addr) error {
	if t.addrs == nil {
		return nil
	}
	four := make([]byte, 4)
	if addr.IsValid() {
		four = addr.AsSlice()
	}
	return put(t.addrs, four, int(slot)*4)
}

// clear empties the counters of a slot that no program uses.
func (t *tables) clear(slot uint16) error {
	clear(t.line)
	if t.times != nil {
		if err := put(t.times, t.line[:timeBytes], int(slot)*timeBytes); err != nil {
			return err
		}
	}
	n := t.shards * shardBytes
	return put(t.counters, t.line[:n], int(slot)*n)
}

// counts adds up the shards of a slot.
func (t *tables) counts(slot uint16) (c Counts, ok bool) {
	n := t.shards * shardBytes
	if !t.get(t.counters, n, int(slot)*n) {
		return c, false
	}
	for shard := 0; shard < n; shard += shardBytes {
		c.Other += t.word(shard)
		for class := 1; class < len(c.Class); class++ {
			c.Class[class] += t.word(shard + 8*class)
		}
	}
	return c, true
}

// timesOf copies the response times of a slot.
func (t *tables) timesOf(slot uint16) (v Times, ok bool) {
	if t.times == nil || !t.get(t.times, timeBytes, int(slot)*timeBytes) {
		return v, false
	}
	v.sum = t.word(0)
	for i := range v.buckets {
		v.buckets[i] = t.word(8 + 8*i)
	}
	return v, true
}

// get copies n bytes of a table into line.
func (t *tables) get(m *ebpf.Map, n, at int) bool {
	mem, err := m.Memory()
	if err != nil {
		return false
	}
	_, err = mem.ReadAt(t.line[:n], int64(at))
	return err == nil
}

func (t *tables) word(at int) uint64 { return binary.NativeEndian.Uint64(t.line[at:]) }

func put(m *ebpf.Map, b []byte, at int) error {
	mem, err := m.Memory()
	if err == nil {
		_, err = mem.WriteAt(b, int64(at))
	}
	return err
}
