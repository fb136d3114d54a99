package capacity_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
)

func TestSizeLive(t *testing.T) {
	conns := pool(t, "conns", 9, 88_420, 10_000)
	little := pool(t, "conns", 9, 40_000, 10_000)
	agreed := []capacity.Recommended{recommended(15*time.Minute, 6), recommended(5*time.Minute, 7)}
	rule := capacity.Rule{Target: 0.8, Spare: 1, Max: 10}
	for _, c := range []struct {
		name string
		l    capacity.PoolLimit
		live capacity.Live
		want capacity.Sizing
	}{
		{"up at once, within max", conns, capacity.Live{Have: 9}, capacity.Sizing{
			Raw: 12, Spare: 1, Need: 13, Run: 10, Short: 3, Limit: "conns", Each: []int{12}, Asked: 12,
			Formula: "NEED 13 = ceil(88,420 / (10,000 × 0.80)) + 1 spare",
			Steps: []string{
				"conns: ceil(88,420 / (10,000 × 0.80)) = ceil(11.05) = 12", "up at once: 8 → 12", "need = 12 + 1 spare = 13",
				"limit max 10 → run 10, SHORT 3",
			},
		}},
		{"within the tolerance of what runs less the spare", conns, capacity.Live{Have: 12}, capacity.Sizing{
			Raw: 11, Spare: 1, Need: 12, Run: 10, Short: 2, Limit: "conns", Each: []int{12}, Asked: 12,
			Formula: "NEED 12 = 11 steadied (ceil(88,420 / (10,000 × 0.80)) = 12) + 1 spare",
			Steps: []string{
				"conns: ceil(88,420 / (10,000 × 0.80)) = ceil(11.05) = 12", "raw 12 of 11 is within the tolerance: keep 11",
				"need = 11 steadied + 1 spare = 12", "limit max 10 → run 10, SHORT 2",
			},
		}},
		{"down to what the window agrees on", little, capacity.Live{Have: 9, Before: agreed}, capacity.Sizing{
			Raw: 7, Spare: 1, Need: 8, Run: 8, Limit: "conns", Each: []int{5}, Asked: 5, Waits: 10 * time.Minute,
			Formula: "NEED 8 = 7 steadied (ceil(40,000 / (10,000 × 0.80)) = 5) + 1 spare",
			Steps: []string{
				"conns: ceil(40,000 / (10,000 × 0.80)) = ceil(5.00) = 5", "down: all of 15m agree on at most 7",
				"need = 7 steadied + 1 spare = 8",
			},
		}},
		{"two that do not answer may be full", little, capacity.Live{Have: 11, Missing: 2, Before: agreed}, capacity.Sizing{
			Raw: 8, Spare: 1, Need: 9, Run: 9, Limit: "conns", Each: []int{8}, Asked: 8,
			Formula: "NEED 9 = ceil(60,000 / (10,000 × 0.80)) + 1 spare",
			Steps: []string{
				"conns: 2 missing: counted as full, servers would go", "conns: ceil(60,000 / (10,000 × 0.80)) = ceil(7.50) = 8",
				"down: all of 15m agree on at most 8", "need = 8 + 1 spare = 9",
			},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.live.Steadiness, c.live.Now = capacity.DefaultSteadiness, refNow
			got, err := capacity.SizeLive([]capacity.PoolLimit{c.l}, rule, c.live)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
	slow := &capacity.Pace{Policies: []capacity.PacePolicy{{Servers: 2, Period: time.Minute}}}
	paced, err := capacity.SizeLive([]capacity.PoolLimit{conns}, capacity.Rule{Target: 0.8, Spare: 1}, capacity.Live{
		Have: 9, Steadiness: capacity.DefaultSteadiness, Now: refNow, Up: slow, Came: []capacity.Changed{{At: refNow.Add(-30 * time.Second), Servers: 1}},
	})
	if err != nil || paced.Need != 13 || paced.Run != 10 || !paced.Paced || paced.Short != 0 {
		t.Errorf("two a minute, of which one has come: %+v, %v", paced, err)
	}
	for name, live := range map[string]capacity.Live{"more missing than there are": {Have: 1, Missing: 2}, "fewer than none": {Have: -1}} {
		if _, err := capacity.SizeLive([]capacity.PoolLimit{conns}, rule, live); !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := capacity.SizeLive(nil, rule, capacity.Live{}); !errors.Is(err, capacity.ErrInput) {
		t.Errorf("no limit: %v", err)
	}
}

// FuzzSizeLive holds of a running pool what FuzzSize holds on paper, whatever
// was recommended before.
func FuzzSizeLive(f *testing.F) {
	f.Add(88_420.0, 10_000.0, uint8(9), uint8(0), uint8(1), uint8(12), uint8(14), false, 100.0)
	f.Add(40_000.0, 10_000.0, uint8(11), uint8(2), uint8(0), uint8(3), uint8(20), true, 1e9)
	f.Fuzz(func(t *testing.T, load, per float64, have, missing, spare, before, ago uint8, spike bool, more float64) {
		at := func(load float64) (capacity.Sizing, error) {
			l := capacity.PoolLimit{Limit: capacity.Limit{Name: "conns", Used: load, Capacity: 9 * per}, Servers: 9}
			return capacity.SizeLive([]capacity.PoolLimit{l}, capacity.Rule{Target: 0.8, Spare: int(spare)}, capacity.Live{
				Have: int(have), Missing: int(missing), Spike: spike, Steadiness: capacity.DefaultSteadiness, Now: refNow,
				Before: []capacity.Recommended{recommended(time.Duration(ago)*time.Minute, int(before))},
			})
		}
		a, err := at(load)
		if err != nil {
			if !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		if a.Raw < 1 || a.Need != a.Raw+int(spare) || a.Run != a.Need || a.Short != 0 || a.Waits < 0 || a.Asked < 1 {
			t.Fatalf("%+v", a)
		}
		if steadied := max(int(have)-int(spare), 0); a.Raw < a.Asked && a.Raw != steadied {
			t.Fatalf("%+v: fewer than asked for and not what runs, %d", a, steadied)
		}
		if b, err := at(load + more); err == nil && more >= 0 && b.Need < a.Need {
			t.Fatalf("%v: %+v\n%v: %+v", load, a, load+more, b)
		}
	})
}
