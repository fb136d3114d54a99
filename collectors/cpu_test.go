package collectors

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v3/cpu"

	"capmon/sample"
)

// core makes a coreTime of the fields in the order of /proc/stat.
func core(id int, t ...uint64) coreTime {
	c := coreTime{id: id}
	copy(c.t[:], t)
	return c
}

func TestCoresUsed(t *testing.T) {
	before := []coreTime{core(0, 1000, 10, 500, 9000, 40, 5, 6, 7), core(1, 2000, 0, 100, 8000)}
	tests := map[string]struct {
		now     []coreTime
		elapsed time.Duration
		want    []coreUse
	}{
		"shares of what was accounted": {
			[]coreTime{core(0, 1020, 20, 515, 9030, 50, 7, 9, 17), core(1, 2100, 0, 100, 8000)},
			time.Second,
			[]coreUse{
				{0, true, 0.5, [5]float64{0.3, 0.15, 0.05, 0.1, 0.1}},
				{1, true, 1, [5]float64{1, 0, 0, 0, 0}},
			},
		},
		"first reading": {
			before, 0,
			[]coreUse{{id: 0}, {id: 1}},
		},
		"no tick went by": {
			before, time.Millisecond,
			[]coreUse{{id: 0}, {id: 1}},
		},
		"user went back": {
			[]coreTime{core(0, 999, 10, 500, 9099, 40, 5, 6, 7), core(1, 2050, 0, 100, 8050)},
			time.Second,
			[]coreUse{{id: 0}, {1, true, 0.5, [5]float64{0.5}}},
		},
		"steal jumped": {
			[]coreTime{core(0, 1000, 10, 500, 9100, 40, 5, 6, 832_457_433), core(1, 2050, 0, 100, 8050)},
			time.Second,
			[]coreUse{{id: 0}, {1, true, 0.5, [5]float64{0.5}}},
		},
		"the clock is a little late": {
			[]coreTime{core(0, 1112, 10, 500, 9000, 40, 5, 6, 7), core(1, 2113, 0, 100, 8000)},
			time.Second,
			[]coreUse{{0, true, 1, [5]float64{1}}, {id: 1}},
		},
		"iowait went back, which the kernel allows": {
			[]coreTime{core(0, 1050, 10, 500, 9050, 39, 5, 6, 7), core(1, 2000, 0, 100, 8100)},
			time.Second,
			[]coreUse{{0, true, 0.5, [5]float64{0.5, 0, 0, unknownShare, 0}}, {1, true, 0, [5]float64{}}},
		},
		"one core gone, two new": {
			[]coreTime{core(1, 2025, 0, 100, 8075), core(2, 50), core(9, 60)},
			time.Second,
			[]coreUse{{1, true, 0.25, [5]float64{0.25}}, {id: 2}, {id: 9}},
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			got := coresUsed(nil, before, c.now, 100, c.elapsed)
			near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(coreUse{}), near); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCPUReading(t *testing.T) {
	use := []coreUse{
		{0, true, 0.5, [5]float64{0.3, 0.15, 0.05, 0.1, 0.2}},
		{id: 2},
		{7, true, 0.1, [5]float64{0.1, 0, 0, unknownShare, 0}},
	}
	var s sample.Sample
	cpuReading(use, coreRoom{available: 1.5, from: sample.Bound_BOUND_QUOTA, used: 0.6, usedKnown: true})(&s)
	c := s.GetCpu()
	const x = sample.Unknown
	if diff := cmp.Diff([]byte{125, x, 25}, c.GetBusy()); diff != "" {
		t.Errorf("busy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]byte{75, 38, 13, 25, 50, x, x, x, x, x, 25, 0, 0, x, 0}, s.GetCoreParts()); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint32{0, 2, 7}, c.GetIds()); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	// The mean of the cores that know the part.
	parts := []uint32{c.GetUser(), c.GetSystem(), c.GetIrq(), c.GetIowait(), c.GetSteal()}
	if diff := cmp.Diff([]uint32{2000, 750, 250, 1000, 1000}, parts); diff != "" {
		t.Errorf("machine (-want +got):\n%s", diff)
	}
	if c.GetAvailable() != 1.5 || c.GetAvailableFrom() != sample.Bound_BOUND_QUOTA || c.GetUsed() != 0.6 {
		t.Errorf("available %v from %v, used %v", c.GetAvailable(), c.GetAvailableFrom(), c.GetUsed())
	}
}

func TestCPUReadingOfNothingKnownIsNotZero(t *testing.T) {
	var s sample.Sample
	cpuReading([]coreUse{{id: 0}, {id: 1}}, coreRoom{available: 2, from: sample.Bound_BOUND_ONLINE})(&s)
	c := s.GetCpu()
	if c.User != nil || c.Iowait != nil || c.Used != nil || c.GetIds() != nil {
		t.Errorf("the first reading knows %v", c)
	}
	if c.GetAvailable() != 2 {
		t.Errorf("available is %v, want 2", c.GetAvailable())
	}
}

func TestSumBusy(t *testing.T) {
	use := []coreUse{{id: 0, known: true, busy: 0.5}, {id: 1, known: true, busy: 1}, {id: 2}}
	for name, c := range map[string]struct {
		in   func(int) bool
		want float64
		ok   bool
	}{
		"all, one unknown": {func(int) bool { return true }, 0, false},
		"the known ones":   {func(id int) bool { return id < 2 }, 1.5, true},
		"none":             {func(int) bool { return false }, 0, false},
	} {
		if got, ok := sumBusy(use, c.in); got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v, want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

func TestFromTimes(t *testing.T) {
	got, err := fromTimes(nil, []cpu.TimesStat{
		{CPU: "cpu0", User: 1.5, Nice: 0.25, System: 2, Idle: 100, Iowait: 3, Irq: 4, Softirq: 5, Steal: 6, Guest: 1},
		{CPU: "cpu3", User: math.NaN(), System: -1, Idle: 1e300},
	})
	want := []coreTime{core(0, 1_500_000, 250_000, 2_000_000, 100_000_000, 3_000_000, 4_000_000, 5_000_000, 6_000_000), core(3)}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(coreTime{})); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	for _, bad := range [][]cpu.TimesStat{nil, {{CPU: "cpu-total"}}, {{CPU: "cpu1"}, {CPU: "cpu0"}}} {
		if got, err := fromTimes(nil, bad); err == nil {
			t.Errorf("%v gave %v", bad, got)
		}
	}
}
