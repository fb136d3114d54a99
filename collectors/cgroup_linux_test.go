package collectors

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/sample"
)

func TestFindingTheGroups(t *testing.T) {
	tests := map[string]struct {
		member, mounts string
		want           map[string][]string // "" is version 2
	}{
		"version 2": {
			"0::/system.slice/web.service\n",
			"31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
			map[string][]string{"": {"/S/fs/cgroup/system.slice/web.service", "/S/fs/cgroup/system.slice", "/S/fs/cgroup"}},
		},
		"a container with a namespace of its own": {
			"0::/\n",
			"31 23 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
			map[string][]string{"": {"/S/fs/cgroup"}},
		},
		"a process outside its namespace": {
			"0::/../other\n",
			"31 23 0:28 /.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
			map[string][]string{"": {"/S/fs/cgroup/other", "/S/fs/cgroup"}},
		},
		"version 1, controllers together and apart, a named hierarchy, an odd place": {
			"7:name=systemd:/user.slice\n5:cpu,cpuacct:/docker/abc\n4:cpuset:/docker/abc\n3:memory:/\n",
			"31 30 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n" +
				"32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
				"33 30 0:29 / /my\\040groups/cpuset rw - cgroup none rw,cpuset\n" +
				"34 30 0:30 / /sys/fs/cgroup/memory rw shared:1 master:2 - cgroup cgroup rw,memory\n",
			map[string][]string{
				"cpu":     {"/S/fs/cgroup/cpu,cpuacct/docker/abc", "/S/fs/cgroup/cpu,cpuacct/docker", "/S/fs/cgroup/cpu,cpuacct"},
				"cpuacct": {"/S/fs/cgroup/cpu,cpuacct/docker/abc", "/S/fs/cgroup/cpu,cpuacct/docker", "/S/fs/cgroup/cpu,cpuacct"},
				"cpuset":  {"/my groups/cpuset/docker/abc", "/my groups/cpuset/docker", "/my groups/cpuset"},
				"memory":  {"/S/fs/cgroup/memory"},
			},
		},
		"version 1 in a container without a namespace: its own group is bound in": {
			"4:cpu:/docker/abc\n3:memory:/docker/abcdef\n",
			"32 30 0:28 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n" +
				"33 30 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			map[string][]string{"cpu": {"/S/fs/cgroup/cpu"}, "memory": {"/S/fs/cgroup/memory"}},
		},
		"a hybrid: the mount that shows more wins": {
			"3:cpu:/a/b\n0::/a/b\n",
			"32 30 0:28 /a/b /mnt/own ro - cgroup cgroup rw,cpu\n" +
				"33 30 0:28 / /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n" +
				"34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			map[string][]string{
				"cpu": {"/S/fs/cgroup/cpu/a/b", "/S/fs/cgroup/cpu/a", "/S/fs/cgroup/cpu"},
				"":    {"/S/fs/cgroup/unified/a/b", "/S/fs/cgroup/unified/a", "/S/fs/cgroup/unified"},
			},
		},
		"nonsense": {"x\n:::\n5:cpu:relative\n0\n", "a b c\n1 2 3 4 5 6 - cgroup\n1 2 3 / /x rw - ext4 y rw,cpu\n", map[string][]string{}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			g := joinCgroups(parseMembership([]byte(c.member)), parseCgroupMounts([]byte(c.mounts)), "/S")
			got := make(map[string][]string)
			for k, v := range g.v1 {
				got[k] = v
			}
			if g.v2 != nil {
				got[""] = g.v2
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// groupFiles are control groups as fixtures. Version 2 is tested by them alone:
// the machines these tests run on have cpu, cpuset and memory on version 1,
// which TestLiveGroupsOfVersion1 tries for real.
type groupFiles map[string]string

const (
	memberV2 = "0::/kube/pod/web\n"
	mountV2  = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
)

func TestCoresAvailable(t *testing.T) {
	tests := map[string]struct {
		files    groupFiles
		affinity []int
		want     float32
		from     sample.Bound
		err      string
	}{
		"no groups at all": {want: 4, from: sample.Bound_BOUND_ONLINE},
		"version 2 without limits": {
			files: groupFiles{"proc/self/cgroup": memberV2, "proc/self/mountinfo": mountV2, "sys/fs/cgroup/kube/pod/web/cpu.max": "max 100000\n"},
			want:  4, from: sample.Bound_BOUND_ONLINE,
		},
		"version 2, the quota of an ancestor binds": {
			files: groupFiles{
				"proc/self/cgroup": memberV2, "proc/self/mountinfo": mountV2,
				"sys/fs/cgroup/kube/pod/web/cpu.max": "300000 100000\n", "sys/fs/cgroup/kube/pod/cpu.max": "max 100000\n",
				"sys/fs/cgroup/kube/cpu.max": "150000 100000\n", "sys/fs/cgroup/kube/cpu.stat": "usage_usec 1\n",
			},
			want: 1.5, from: sample.Bound_BOUND_QUOTA,
		},
		"version 2, a cpuset of an ancestor": {
			files: groupFiles{
				"proc/self/cgroup": memberV2, "proc/self/mountinfo": mountV2,
				"sys/fs/cgroup/kube/pod/cpuset.cpus.effective": "1-2,9\n", "sys/fs/cgroup/kube/pod/cpuset.cpus": "\n",
				"sys/fs/cgroup/cpuset.cpus.effective": "0-3\n",
			},
			want: 2, from: sample.Bound_BOUND_CPUSET,
		},
		"version 2, quota under a cpuset": {
			files: groupFiles{
				"proc/self/cgroup": memberV2, "proc/self/mountinfo": mountV2,
				"sys/fs/cgroup/kube/pod/web/cpuset.cpus.effective": "0,3", "sys/fs/cgroup/kube/cpu.max": "50000 100000\n",
				"sys/fs/cgroup/kube/cpu.stat": "usage_usec 1\n",
			},
			want: 0.5, from: sample.Bound_BOUND_QUOTA,
		},
		"a quota above the machine does not bind": {
			files: groupFiles{"proc/self/cgroup": memberV2, "proc/self/mountinfo": mountV2, "sys/fs/cgroup/kube/cpu.max": "900000 100000\n"},
			want:  4, from: sample.Bound_BOUND_ONLINE,
		},
		"version 1": {
			files: groupFiles{
				"proc/self/cgroup":                               "5:cpu,cpuacct:/docker/abc\n4:cpuset:/docker/abc\n",
				"proc/self/mountinfo":                            "32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 30 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n",
				"sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us":  "-1\n",
				"sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
				"sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us":      "250000\n",
				"sys/fs/cgroup/cpu/docker/cpu.cfs_period_us":     "100000\n",
				"sys/fs/cgroup/cpu/docker/cpuacct.usage":         "1\n",
				"sys/fs/cgroup/cpuset/docker/abc/cpuset.cpus":    "0-2\n",
			},
			want: 2.5, from: sample.Bound_BOUND_QUOTA,
		},
		"taskset": {affinity: []int{2}, want: 1, from: sample.Bound_BOUND_CPUSET},
		"taskset within a cpuset": {
			files: groupFiles{
				"proc/self/cgroup": memberV2, "proc/self/mountinfo": mountV2,
				"sys/fs/cgroup/kube/cpuset.cpus.effective": "1-2\n",
			},
			affinity: []int{2, 3}, want: 1, from: sample.Bound_BOUND_CPUSET,
		},
		"a set of cores that are not online says nothing": {affinity: []int{77}, want: 4, from: sample.Bound_BOUND_ONLINE},
		"what can't be read is told and sets no limit": {
			files: groupFiles{
				"proc/self/cgroup": memberV2, "proc/self/mountinfo": mountV2,
				"sys/fs/cgroup/kube/cpu.max": "lots\n", "sys/fs/cgroup/cpuset.cpus": "7-3\n",
			},
			want: 4, from: sample.Bound_BOUND_ONLINE, err: "no quota and period",
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			config, write := fakeProc(t)
			write("proc/stat", statOf(4, [timeFields]uint64{1, 1, 1, 1}))
			for file, text := range c.files {
				write(file, []byte(text))
			}
			cpu := newTestCPU(t, config)
			cpu.limits.affinity = func() ([]int, error) { return c.affinity, nil }
			s, err := collectCPU(t, cpu)
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if got := s.GetCpu(); got.GetAvailable() != c.want || got.GetAvailableFrom() != c.from {
				t.Errorf("%v cores from %v, want %v from %v", got.GetAvailable(), got.GetAvailableFrom(), c.want, c.from)
			}
		})
	}
}

// TestCoresUsedInAContainer: with a quota it is the group's own use, with a
// cpuset that of its cores.
func TestCoresUsedInAContainer(t *testing.T) {
	for name, c := range map[string]struct {
		limit, text string
		usage       []string
		want        []float32 // -1 = unknown
	}{
		"quota, also above it for a moment": {"cpu.max", "150000 100000", []string{"1000000", "2200000", "3800000", "100"}, []float32{-1, 1.2, 1.6, -1}},
		"use faster than the machine":       {"cpu.max", "150000 100000", []string{"1000000", "9000000"}, []float32{-1, -1}},
		"cpuset":                            {"cpuset.cpus.effective", "1,3", []string{"0", "0"}, []float32{-1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			config, write := fakeProc(t)
			write("proc/self/cgroup", []byte(memberV2))
			write("proc/self/mountinfo", []byte(mountV2))
			write("sys/fs/cgroup/kube/"+c.limit, []byte(c.text))
			cpu := newTestCPU(t, config)
			var got []float32
			for i, usage := range c.usage {
				ticks := uint64(50 * i)
				write("proc/stat", statOf(4, [timeFields]uint64{ticks, 0, 0, ticks}))
				write("sys/fs/cgroup/kube/cpu.stat", []byte("usage_usec "+usage+"\nuser_usec 1\n"))
				s, err := collectCPU(t, cpu)
				if err != nil {
					t.Fatal(err)
				}
				used := float32(-1)
				if s.GetCpu().Used != nil {
					used = s.GetCpu().GetUsed()
				}
				got = append(got, used)
			}
			if !slices.EqualFunc(got, c.want, func(a, b float32) bool { return a-b < 1e-4 && b-a < 1e-4 }) {
				t.Errorf("used %v, want %v", got, c.want)
			}
		})
	}
}

// TestLimitsAreReadAgain: a quota that is changed counts within ten seconds,
// and one that can't be read any more is reported.
func TestLimitsAreReadAgain(t *testing.T) {
	config, write := fakeProc(t)
	write("proc/stat", statOf(4, [timeFields]uint64{1, 1, 1, 1}))
	write("proc/self/cgroup", []byte(memberV2))
	write("proc/self/mountinfo", []byte(mountV2))
	write("sys/fs/cgroup/kube/cpu.stat", []byte("usage_usec 5\n"))
	write("sys/fs/cgroup/kube/cpu.max", []byte("200000 100000"))
	cpu := newTestCPU(t, config)
	seen := make(map[float32]int)
	for i := range 12 {
		s, err := collectCPU(t, cpu)
		if err != nil {
			t.Fatal(err)
		}
		seen[s.GetCpu().GetAvailable()]++
		if i == 0 {
			write("sys/fs/cgroup/kube/cpu.max", []byte("300000 100000"))
		}
	}
	if !maps.Equal(seen, map[float32]int{2: 10, 3: 2}) {
		t.Errorf("seconds with so many cores: %v, want ten with 2 and two with 3", seen)
	}
}

func TestUseOfAGroupMountedApart(t *testing.T) {
	apart := func(cpu, acct cgroupPath) cgroups {
		return cgroups{v1: map[string]cgroupPath{"cpu": cpu, "cpuacct": acct}}
	}
	cpu := cgroupPath{"/c/docker/abc", "/c/docker", "/c"}
	both := apart(cpu, cgroupPath{"/a/docker/abc", "/a/docker", "/a"})
	other := apart(cpu, cgroupPath{"/a/docker/xyz", "/a/docker", "/a"})
	root := apart(cpu, cgroupPath{"/a"})
	for name, c := range map[string]struct {
		g    cgroups
		i    int
		want string
	}{
		"the same group":            {both, 0, "/a/docker/abc/cpuacct.usage"},
		"its parent":                {both, 1, "/a/docker/cpuacct.usage"},
		"another group":             {other, 0, ""},
		"another group, one parent": {other, 1, "/a/docker/cpuacct.usage"},
		"not in a group there":      {root, 0, ""},
	} {
		if got := usageV1(c.g, c.i); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestParseCPUList(t *testing.T) {
	for text, want := range map[string][]int{"0": {0}, "0-3": {0, 1, 2, 3}, "0-1,8,10-11": {0, 1, 8, 10, 11}} {
		if got, err := parseCPUList(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a", "3-1", "1-", "-1", "0-99999999", "0,,1", "0-65535,0-65535"} {
		if got, err := parseCPUList(text); err == nil {
			t.Errorf("%q gave %d cores", text, len(got))
		}
	}
}

func TestMemoryOfAContainer(t *testing.T) {
	const meminfo = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n"
	v2 := groupFiles{"proc/self/cgroup": memberV2, "proc/self/mountinfo": mountV2}
	with := func(more groupFiles) groupFiles {
		all := maps.Clone(v2)
		maps.Copy(all, more)
		return all
	}
	for name, c := range map[string]struct {
		files       groupFiles
		total, used uint64
		err         string
	}{
		"the machine's": {with(groupFiles{"sys/fs/cgroup/kube/memory.max": "max\n"}), 1000 << 10, 600 << 10, ""},
		"version 2, an ancestor's": {
			with(groupFiles{
				"sys/fs/cgroup/kube/pod/web/memory.max": "900000", "sys/fs/cgroup/kube/memory.max": "500000\n",
				"sys/fs/cgroup/kube/memory.current": "300000\n", "sys/fs/cgroup/kube/memory.stat": "anon 5\ninactive_file 100000\n",
			}), 500000, 200000, "",
		},
		"version 1": {
			groupFiles{
				"proc/self/cgroup": "4:memory:/d\n", "proc/self/mountinfo": "34 30 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
				"sys/fs/cgroup/memory/d/memory.limit_in_bytes": "400000\n",
				"sys/fs/cgroup/memory/d/memory.usage_in_bytes": "390000\n",
				"sys/fs/cgroup/memory/d/memory.stat":           "inactive_file 7\ntotal_inactive_file 90000\n",
			}, 400000, 300000, "",
		},
		"a limit above the machine": {with(groupFiles{"sys/fs/cgroup/kube/memory.max": "5000000000"}), 1000 << 10, 600 << 10, ""},
		"a limit without a use":     {with(groupFiles{"sys/fs/cgroup/kube/memory.max": "500000"}), 0, 0, "memory of the container"},
		"a limit that is none":      {with(groupFiles{"sys/fs/cgroup/kube/memory.max": "much"}), 1000 << 10, 600 << 10, "is no limit"},
	} {
		t.Run(name, func(t *testing.T) {
			config, write := fakeProc(t)
			write("proc/meminfo", []byte(meminfo))
			write("proc/loadavg", []byte("0.50 1.25 3.00 1/200 4711\n"))
			for file, text := range c.files {
				write(file, []byte(text))
			}
			m := newMemory(config)
			defer m.Close()
			r, err := m.Collect(t.Context(), time.Now())
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			var s sample.Sample
			r(&s)
			if s.GetMemory().GetTotal() != c.total || s.GetMemory().GetUsed() != c.used || (s.Memory == nil) != (c.total == 0) {
				t.Errorf("memory %v, want %d of %d", s.GetMemory(), c.used, c.total)
			}
			if p := s.GetCpu(); p.GetLoad1() != 0.5 || p.GetLoad5() != 1.25 || p.GetLoad15() != 3 {
				t.Errorf("load %v", p)
			}
		})
	}
}

func FuzzCgroupFiles(f *testing.F) {
	f.Add([]byte(memberV2), []byte(mountV2), []byte("150000 100000"))
	f.Add([]byte("5:cpu,cpuacct:/a\\040b\n"), []byte("32 30 0:28 /a /x\\04 rw - cgroup cgroup rw,cpu\n"), []byte("0-3,7"))
	f.Fuzz(func(t *testing.T, member, mounts, value []byte) {
		g := joinCgroups(parseMembership(member), parseCgroupMounts(mounts), "/sys")
		for _, dirs := range g.v1 {
			if len(dirs) == 0 {
				t.Error("a hierarchy without a group")
			}
		}
		if v, ok, err := parseLimit(string(value)); ok && (err != nil || !(v >= 0)) {
			t.Errorf("limit %v, %v", v, err)
		}
		if v, ok, err := parseQuotaV2(string(value)); ok && (err != nil || !(v >= 0)) {
			t.Errorf("quota %v, %v", v, err)
		}
		if ids, err := parseCPUList(string(value)); err == nil && (len(ids) == 0 || slices.Min(ids) < 0) {
			t.Errorf("%q is a list of %v", value, ids)
		}
		parseUsage(value)
		statValue(value, "usage_usec")
	})
}
