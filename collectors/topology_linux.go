package collectors

import (
	"bytes"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"capmon/sample"
)

// topologyCache is the level of the cache that is told: the L3, which on some
// machines the cores of a socket do not all share (CCX).
const topologyCache = "3"

// ReadTopology tells where the cores that are online sit, by sysfs; nil where it
// does not say, and where c has a scope, whose cores are not those of the
// machine. One file is read for each group of cores and not for each core: a
// machine of 128 takes some 80 of 15 µs.
func ReadTopology(c Config) *sample.Topology {
	c = c.withDefaults()
	if !c.Scope.Whole() {
		return nil
	}
	cores := filepath.Join(c.Sys, "devices/system/cpu")
	t := topologyReader{folder: cores, ids: listedCores(filepath.Join(cores, "online"))}
	if n := len(t.ids); n == 0 || n > sample.MaxCores {
		return nil
	}
	out := &sample.Topology{
		Sockets: t.groups(t.socket), Nodes: t.nodes(filepath.Join(c.Sys, "devices/system/node")),
		Caches: t.groups(t.cache), Physical: t.groups(t.physical),
	}
	if out.Sockets == nil && out.Nodes == nil && out.Caches == nil && out.Physical == nil {
		return nil
	}
	if last := len(t.ids) - 1; t.ids[last] != last {
		for _, id := range t.ids {
			out.Ids = append(out.Ids, uint32(id))
		}
	}
	return out
}

// topologyReader reads the folders of the cores.
type topologyReader struct {
	folder string
	ids    []int // rising
}

// groups numbers the cores by the lists that of gives, in the order in which the
// cores meet them. It is nil when a core is in no list, or in two.
func (t *topologyReader) groups(of func(id int) []int) []uint32 {
	out := make([]uint32, len(t.ids))
	known := make([]bool, len(t.ids))
	next := uint32(0)
	for i, id := range t.ids {
		if known[i] {
			continue
		}
		with := of(id)
		if !slices.Contains(with, id) {
			return nil
		}
		for _, other := range with {
			at, online := slices.BinarySearch(t.ids, other)
			if !online {
				continue
			}
			if known[at] {
				return nil
			}
			out[at], known[at] = next, true
		}
		next++
	}
	return out
}

// socket are the cores of the package that a core is in; nil where the kernel
// knows none, which it writes as -1.
func (t *topologyReader) socket(id int) []int {
	if b, err := readBounded(t.file(id, "topology/physical_package_id")); err != nil || bytes.HasPrefix(b, []byte("-")) {
		return nil
	}
	// The first name is that of Linux 5.4 and later.
	return firstList(t.file(id, "topology/package_cpus_list"), t.file(id, "topology/core_siblings_list"))
}

// physical are the threads of the core that a core is.
func (t *topologyReader) physical(id int) []int {
	return firstList(t.file(id, "topology/core_cpus_list"), t.file(id, "topology/thread_siblings_list"))
}

// cache are the cores that share the cache of a core.
func (t *topologyReader) cache(id int) []int {
	for _, index := range []string{"cache/index3", "cache/index2", "cache/index4"} {
		if b, err := readBounded(t.file(id, index, "level")); err == nil && string(bytes.TrimSpace(b)) == topologyCache {
			return listedCores(t.file(id, index, "shared_cpu_list"))
		}
	}
	return nil
}

// nodes are the NUMA nodes of the cores; nil when a core is in none, as where
// the kernel was built without them.
func (t *topologyReader) nodes(folder string) []uint32 {
	out := make([]uint32, len(t.ids))
	known := 0
	for _, node := range listedCores(filepath.Join(folder, "online")) {
		for _, id := range listedCores(filepath.Join(folder, "node"+strconv.Itoa(node), "cpulist")) {
			if at, online := slices.BinarySearch(t.ids, id); online {
				out[at] = uint32(node)
				known++
			}
		}
	}
	if known != len(t.ids) {
		return nil
	}
	return out
}

func (t *topologyReader) file(id int, rest ...string) string {
	return filepath.Join(append([]string{t.folder, "cpu" + strconv.Itoa(id)}, rest...)...)
}

// firstList is the list in the first of the files that holds one.
func firstList(files ...string) []int {
	for _, file := range files {
		if list := listedCores(file); len(list) > 0 {
			return list
		}
	}
	return nil
}

// listedCores reads a file that is a list like 0-3,8; nil when there is none.
func listedCores(file string) []int {
	b, err := readBounded(file)
	if err != nil {
		return nil
	}
	list, err := parseCPUList(strings.TrimSpace(string(b)))
	if err != nil {
		return nil
	}
	return list
}
