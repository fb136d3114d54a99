package collectors

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"capmon/sample"
)

// writeSys makes a sysfs of the files, whose paths begin below devices/system.
func writeSys(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, "devices/system", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// twoSockets is a machine as servers are: eight threads on four physical cores
// on two sockets, the second threads numbered after all the first, each physical
// core with an L3 of its own on socket 0 and one for both on socket 1.
func twoSockets() map[string]string {
	files := map[string]string{
		"cpu/online": "0-7", "node/online": "0-1", "node/node0/cpulist": "0,2,4,6", "node/node1/cpulist": "1,3,5,7",
	}
	for id := range 8 {
		folder := fmt.Sprintf("cpu/cpu%d/", id)
		socket, twin := id%2, id%4
		files[folder+"topology/physical_package_id"] = fmt.Sprint(socket * 36)
		files[folder+"topology/package_cpus_list"] = []string{"0,2,4,6", "1,3,5,7"}[socket]
		files[folder+"topology/core_cpus_list"] = fmt.Sprintf("%d,%d", twin, twin+4)
		files[folder+"cache/index0/level"] = "1"
		files[folder+"cache/index3/level"] = "3"
		files[folder+"cache/index3/shared_cpu_list"] = fmt.Sprintf("%d,%d", twin, twin+4)
		if socket == 1 {
			files[folder+"cache/index3/shared_cpu_list"] = "1,3,5,7"
		}
	}
	return files
}

func TestTopology(t *testing.T) {
	whole := &sample.Topology{
		Sockets:  []uint32{0, 1, 0, 1, 0, 1, 0, 1},
		Nodes:    []uint32{0, 1, 0, 1, 0, 1, 0, 1},
		Caches:   []uint32{0, 1, 2, 1, 0, 1, 2, 1},
		Physical: []uint32{0, 1, 2, 3, 0, 1, 2, 3},
	}
	for name, c := range map[string]struct {
		change map[string]string // "-": the file is not there
		want   *sample.Topology
	}{
		"two sockets": {want: whole},
		"names of before Linux 5.4": {want: whole, change: renamed(
			"topology/package_cpus_list", "topology/core_siblings_list", "topology/core_cpus_list", "topology/thread_siblings_list")},
		"a core is offline": {change: map[string]string{"cpu/online": "0-4,6-7"}, want: &sample.Topology{
			Ids:      []uint32{0, 1, 2, 3, 4, 6, 7},
			Sockets:  []uint32{0, 1, 0, 1, 0, 0, 1},
			Nodes:    []uint32{0, 1, 0, 1, 0, 0, 1},
			Caches:   []uint32{0, 1, 2, 1, 0, 2, 1},
			Physical: []uint32{0, 1, 2, 3, 0, 2, 3},
		}},
		"a node of memory alone": {want: whole, change: map[string]string{"node/online": "0-2", "node/node2/cpulist": ""}},
		"no nodes":               {change: map[string]string{"node/online": "-"}, want: &sample.Topology{Sockets: whole.Sockets, Caches: whole.Caches, Physical: whole.Physical}},
		"a core without a node":  {change: map[string]string{"node/node1/cpulist": "1,3,5"}, want: &sample.Topology{Sockets: whole.Sockets, Caches: whole.Caches, Physical: whole.Physical}},
		"the kernel knows no sockets": {
			change: map[string]string{"cpu/cpu0/topology/physical_package_id": "-1"},
			want:   &sample.Topology{Nodes: whole.Nodes, Caches: whole.Caches, Physical: whole.Physical},
		},
		"a cache of one core is not told": {
			change: map[string]string{"cpu/cpu2/cache/index3/level": "-"},
			want:   &sample.Topology{Sockets: whole.Sockets, Nodes: whole.Nodes, Physical: whole.Physical},
		},
		"lists that contradict each other": {
			change: map[string]string{"cpu/cpu1/topology/package_cpus_list": "0-7"},
			want:   &sample.Topology{Nodes: whole.Nodes, Caches: whole.Caches, Physical: whole.Physical},
		},
		"no cores": {change: map[string]string{"cpu/online": "-"}},
		"nonsense": {change: map[string]string{"cpu/online": "all of them"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := twoSockets()
			maps.Copy(files, c.change)
			maps.DeleteFunc(files, func(_, text string) bool { return text == "-" })
			got := ReadTopology(Config{Sys: writeSys(t, files)})
			if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// renamed are the files of twoSockets under other names, in pairs.
func renamed(names ...string) map[string]string {
	files := map[string]string{}
	for path, text := range twoSockets() {
		for i := 0; i < len(names); i += 2 {
			if folder, ok := strings.CutSuffix(path, names[i]); ok {
				files[path], files[folder+names[i+1]] = "-", text
			}
		}
	}
	return files
}

// TestTopologyHere holds what this machine says against what a sample may hold.
func TestTopologyHere(t *testing.T) {
	got := ReadTopology(Config{})
	if got == nil {
		t.Skip("this machine tells no topology")
	}
	m := &sample.Machine{Epoch: 1, IntervalMs: 1000, Topology: got}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if n := len(got.GetSockets()); n != 0 && n < runtime.NumCPU() {
		t.Errorf("%d cores have a socket, and %d may be used", n, runtime.NumCPU())
	}
}

func TestTopologyOfAScopeIsNotTold(t *testing.T) {
	if got := ReadTopology(Config{Sys: writeSys(t, twoSockets()), Scope: Scope{pid: 1}}); got != nil {
		t.Errorf("a part of a machine has %v", got)
	}
}
