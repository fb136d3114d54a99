package fleet

import (
	"slices"

	"capmon/sample"
)

// Place is where a core sits in its machine; -1 where that is not known. Nodes
// have the kernel's numbers, the others count from 0.
type Place struct {
	Socket, Node int
	Cache        int // cores that share the last level of cache
	Physical     int // cores with the same number are threads of one
}

// Places are where the cores of h.Cores sit; nil where the agent did not say. A
// core that came online after its agent began is not known.
func (h *Host) Places() []Place {
	t := h.Machine.GetTopology()
	if t == nil || len(h.Cores) == 0 {
		return nil
	}
	n := max(len(t.GetSockets()), len(t.GetNodes()), len(t.GetCaches()), len(t.GetPhysical()))
	ids := h.Newest.GetCpu().GetIds()
	out := make([]Place, len(h.Cores))
	for i := range out {
		core := uint32(i)
		if i < len(ids) {
			core = ids[i]
		}
		at, found := int(core), int(core) < n
		if len(t.GetIds()) > 0 {
			at, found = slices.BinarySearch(t.GetIds(), core)
		}
		if !found {
			at = n
		}
		out[i] = Place{placeAt(t.GetSockets(), at), placeAt(t.GetNodes(), at), placeAt(t.GetCaches(), at), placeAt(t.GetPhysical(), at)}
	}
	return out
}

func placeAt(list []uint32, i int) int {
	if i < 0 || i >= len(list) {
		return -1
	}
	return int(list[i])
}

// Layout is how many sockets, NUMA nodes, groups of cores that share a cache,
// and physical cores a machine has; 0 where that is not known.
type Layout struct{ Sockets, Nodes, Caches, Physical int }

// LayoutOf counts what a topology tells of.
func LayoutOf(t *sample.Topology) Layout {
	count := func(list []uint32) int {
		list = slices.Clone(list)
		slices.Sort(list)
		return len(slices.Compact(list))
	}
	return Layout{count(t.GetSockets()), count(t.GetNodes()), count(t.GetCaches()), count(t.GetPhysical())}
}
