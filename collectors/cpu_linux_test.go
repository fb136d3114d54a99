package collectors

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"capmon/sample"
)

// statOf writes a /proc/stat of n cores.
func statOf(n int, t [timeFields]uint64) []byte {
	var b bytes.Buffer
	b.WriteString("cpu  1 2 3 4\n")
	for id := range n {
		fmt.Fprintf(&b, "cpu%d", id)
		for _, v := range t {
			fmt.Fprintf(&b, " %d", v)
		}
		b.WriteString(" 0 0\n")
	}
	b.WriteString("intr " + strings.Repeat("0 ", 4000) + "\n")
	return b.Bytes()
}

func TestParseStat(t *testing.T) {
	tests := map[string]struct {
		text string
		want []coreTime
		err  string
	}{
		"guest time is in user already": {
			string(readTestdata(t, "stat-kvm")),
			[]coreTime{core(0, 4000, 100, 1500, 45000, 200, 0, 75, 25), core(1, 4000, 100, 1500, 45000, 200, 0, 75, 25)},
			"",
		},
		"four sockets, holes in the numbering": {
			string(readTestdata(t, "stat-4-sockets")),
			[]coreTime{
				core(0, 100, 0, 50, 1000), core(1, 101, 0, 50, 1000), core(24, 102, 0, 50, 1000), core(25, 103, 0, 50, 1000),
				core(48, 104, 0, 50, 1000), core(72, 105, 0, 50, 1000), core(73, 106, 0, 50, 1000),
			},
			"",
		},
		"an old kernel":        {"cpu 1 2 3 4\ncpu0 1 2 3 4\nintr 5\n", []coreTime{core(0, 1, 2, 3, 4)}, ""},
		"no cores":             {"cpu  1 2 3 4 5\nintr 7\n", nil, "no cores"},
		"empty":                {"", nil, "no cores"},
		"too few fields":       {"cpu0 1 2 3\n", nil, "core 0 has 3 numbers"},
		"text for a number":    {"cpu0 1 2 3 x\n", nil, "core 0 has 3 numbers"},
		"a number without end": {"cpu0 1 2 3 99999999999999999999999\n", nil, "core 0 has 3 numbers"},
		"a core twice":         {"cpu0 1 2 3 4\ncpu0 1 2 3 4\n", nil, "core 0 after core 0"},
		"a core out of range":  {"cpu4294967296 1 2 3 4\n", nil, "a core with number"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat(nil, []byte(c.text))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || len(got) != 0 {
					t.Errorf("got %v, error %v, want one with %q", got, err, c.err)
				}
				return
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(coreTime{})); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// fakeProc is a Config that reads what the test writes.
func fakeProc(t testing.TB) (Config, func(name string, b []byte)) {
	dir := t.TempDir()
	c := Config{Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys")}
	return c, func(name string, b []byte) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// newTestCPU is a collector whose clock goes on by a second with each reading
// and that may run on every core.
func newTestCPU(t testing.TB, c Config) *cpuCollector {
	cpu := newCPU(c, new(idleCores))
	now := time.Now()
	cpu.clock = func() time.Time {
		now = now.Add(time.Second)
		return now
	}
	cpu.limits.affinity = func() ([]int, error) { return nil, nil }
	t.Cleanup(func() { cpu.Close() })
	return cpu
}

func collectCPU(t testing.TB, c *cpuCollector) (*sample.Sample, error) {
	t.Helper()
	r, err := c.Collect(t.Context(), time.Time{})
	s := new(sample.Sample)
	if r != nil {
		r(s)
	}
	return s, err
}

func TestHotPlugOf1024Cores(t *testing.T) {
	config, write := fakeProc(t)
	c := newTestCPU(t, config)
	for i, step := range []struct {
		cores int
		t     [timeFields]uint64
		known int
	}{
		{8, [timeFields]uint64{100, 0, 0, 100}, 0},
		{1024, [timeFields]uint64{150, 0, 0, 150}, 8},
		{1024, [timeFields]uint64{200, 0, 0, 200}, 1024},
		{3, [timeFields]uint64{250, 0, 0, 250}, 3},
	} {
		write("proc/stat", statOf(step.cores, step.t))
		s, err := collectCPU(t, c)
		if err != nil {
			t.Fatal(err)
		}
		busy := s.GetCpu().GetBusy()
		known := 0
		for _, b := range busy {
			if b == 125 {
				known++
			} else if b != sample.Unknown {
				t.Fatalf("step %d: a core was %d busy", i, b)
			}
		}
		if len(busy) != step.cores || known != step.known || len(s.GetCoreParts()) != sample.Parts*step.cores {
			t.Errorf("step %d: %d cores, %d of them known, want %d and %d", i, len(busy), known, step.cores, step.known)
		}
		if all := step.known == step.cores; (s.GetCpu().Used != nil) != all {
			t.Errorf("step %d: used is %v though %d of %d cores are known", i, s.GetCpu().GetUsed(), known, len(busy))
		}
	}
}

// TestBadStatIsNoReading goes from good to bad and back: the first good reading
// after a bad one has nothing to compare with.
func TestBadStatIsNoReading(t *testing.T) {
	config, write := fakeProc(t)
	c := newTestCPU(t, config)
	known := func(text string) (bool, error) {
		write("proc/stat", []byte(text))
		s, err := collectCPU(t, c)
		b := s.GetCpu().GetBusy()
		return len(b) == 1 && b[0] != sample.Unknown, err
	}
	for i, step := range []struct {
		text  string
		known bool
		err   bool
	}{
		{"cpu0 0 0 0 0\n", false, false},
		{"cpu0 50 0 0 50\n", true, false},
		{"garbage\n", false, true},
		{"cpu0 150 0 0 150\n", false, false},
		{"cpu0 200 0 0 200\n", true, false},
	} {
		if k, err := known(step.text); k != step.known || (err != nil) != step.err {
			t.Errorf("step %d: known %v, error %v", i, k, err)
		}
	}
}

func TestReadingTheCoresAllocatesNothing(t *testing.T) {
	src := newCoreSource(Config{Proc: "/proc"})
	defer src.close()
	var into coreTimes
	read := func() {
		if err := src.read(context.Background(), &into); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if n := testing.AllocsPerRun(100, read); n != 0 {
		t.Errorf("%v allocations a reading", n)
	}
}

// TestPinnedLoopBothRoads spins on one core and holds both roads against
// /proc/stat as read here, with other means: within one point of a hundred.
func TestPinnedLoopBothRoads(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	pin := 0
	for !allowed.IsSet(pin) {
		pin++
	}
	one.Set(pin)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	defer unix.SchedSetaffinity(0, &allowed)
	fast, portable := newCPU(Config{Proc: "/proc", Sys: "/sys"}, new(idleCores)), newCPU(Config{Proc: "/proc", Sys: "/sys", Portable: true}, new(idleCores))
	defer fast.Close()
	defer portable.Close()

	var before, after map[int][2]float64
	var got [2]*sample.Sample
	for round := range 2 {
		got[0], _ = collectCPU(t, fast)
		now := independentStat(t)
		got[1], _ = collectCPU(t, portable)
		before, after = after, now
		if round == 0 {
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			}
		}
	}
	for road, s := range got {
		for i, b := range s.GetCpu().GetBusy() {
			d := [2]float64{after[i][0] - before[i][0], after[i][1] - before[i][1]}
			want := d[0] / d[1]
			share, ok := sample.DecodeBusy(b)
			if !ok || math.Abs(share-want) > 0.0101+1/d[1] {
				t.Errorf("road %d, core %d: %.3f busy (known %v), /proc/stat says %.3f", road, i, share, ok, want)
			}
			if i == pin && share < 0.3 {
				t.Errorf("road %d: the core with the loop is %.3f busy", road, share)
			}
		}
	}
}

// independentStat reads busy and all time of each core, in ticks.
func independentStat(t *testing.T) map[int][2]float64 {
	t.Helper()
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	cores := make(map[int][2]float64)
	for line := range strings.Lines(string(b)) {
		var id int
		var v [8]float64
		n, _ := fmt.Sscanf(line, "cpu%d %g %g %g %g %g %g %g %g", &id, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])
		if n == 9 {
			busy := v[0] + v[1] + v[2] + v[5] + v[6]
			cores[id] = [2]float64{busy, busy + v[3] + v[4] + v[7]}
		}
	}
	return cores
}

func FuzzParseStat(f *testing.F) {
	f.Add(readTestdata(f, "stat-kvm"))
	f.Add(readTestdata(f, "stat-4-sockets"))
	f.Fuzz(func(t *testing.T, b []byte) {
		coresEnd(b)
		cores, err := parseStat(nil, b)
		if (err == nil) != (len(cores) > 0) {
			t.Errorf("%d cores and error %v", len(cores), err)
		}
		for _, u := range coresUsed(nil, make([]coreTime, 1), cores, userHz, time.Second) {
			if u.known && !(u.busy >= 0 && u.busy <= 1.000001) {
				t.Errorf("core %d is %v busy", u.id, u.busy)
			}
		}
	})
}
