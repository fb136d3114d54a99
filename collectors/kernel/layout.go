//go:build linux

package kernel

import (
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// types tells where this kernel keeps the fields of its structs. It holds some
// MiB while it is reachable.
type types struct{ spec *btf.Spec }

// loadTypes reads the kernel's own description of its types (BTF).
func loadTypes() (*types, error) {
	var t types
	err := try("read the kernel's types, /sys/kernel/btf/vmlinux", nil, func() (err error) {
		t.spec, err = btf.LoadKernelSpec()
		return err
	})
	return &t, err
}

// offset is the byte offset of a field, dots leading into structs it holds:
// offset("sock", "__sk_common.skc_num"). Unnamed structs and unions are looked
// through.
func (t *types) offset(name, field string) (int16, error) {
	var s *btf.Struct
	if err := t.spec.TypeByName(name, &s); err != nil {
		return 0, fmt.Errorf("struct %s: %w", name, err)
	}
	at, ok := member(s.Members, strings.Split(field, "."))
	if !ok || at > math.MaxInt16 {
		return 0, fmt.Errorf("struct %s has no usable field %s", name, field)
	}
	return int16(at), nil
}

// member finds the byte offset of a path of names below members.
func member(members []btf.Member, path []string) (uint32, bool) {
	for _, m := range members {
		var inner []btf.Member
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			inner = t.Members
		case *btf.Union:
			inner = t.Members
		}
		rest := path
		if m.Name == path[0] {
			if rest = path[1:]; len(rest) == 0 {
				return m.Offset.Bytes(), true
			}
		} else if m.Name != "" {
			continue
		}
		if at, ok := member(inner, rest); ok {
			return m.Offset.Bytes() + at, true
		}
	}
	return 0, false
}

// namespace is the number by which the kernel knows the network namespace of
// this process (struct net, ns.inum). Programs see the sockets of all of them.
func namespace() (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: "/proc/self/ns/net", Err: err}
	}
	return uint32(st.Ino), nil
}
