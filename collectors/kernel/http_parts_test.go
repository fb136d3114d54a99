//go:build linux

package kernel

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSlots(t *testing.T) {
	now := time.Unix(0, 0)
	s := newSlots()
	for port := range uint16(slotCount - 1) {
		if slot, fresh, err := s.take(1000+port, now); err != nil || !fresh || slot == 0 || slot >= slotCount {
			t.Fatalf("take = %d %v %v", slot, fresh, err)
		}
	}
	if slot, fresh, err := s.take(1000, now); err != nil || fresh || slot != s.of[1000] {
		t.Errorf("a port that has one: %d %v %v", slot, fresh, err)
	}
	if _, _, err := s.take(9, now); err == nil {
		t.Error("more ports than slots")
	}
	slot := s.of[1000]
	if !s.drop(1000, now) || s.drop(1000, now) {
		t.Error("drop tells whether there was one")
	}
	if _, _, err := s.take(9, now.Add(grace-1)); err == nil {
		t.Error("a slot was used again within the grace")
	}
	if got, fresh, err := s.take(9, now.Add(grace)); err != nil || !fresh || got != slot {
		t.Errorf("after the grace: %d %v %v, want %d", got, fresh, err, slot)
	}
}

// Every listener of a busy machine gets a slot, for ever.
func TestSlotsComeAndGo(t *testing.T) {
	now := time.Unix(0, 0)
	s := newSlots()
	for i := range 100_000 {
		port := uint16(i)
		if _, _, err := s.take(port, now); err != nil {
			t.Fatalf("listener %d: %v", i, err)
		}
		s.drop(port, now)
		now = now.Add(grace / 256)
	}
}

func FuzzBucket(f *testing.F) {
	for _, ns := range []uint64{0, 63, 64, 1023, 1024, 1 << 20, 60e9, 1 << 36, math.MaxUint64} {
		f.Add(ns)
	}
	f.Fuzz(func(t *testing.T, ns uint64) {
		b := bucketOf(ns)
		if b < 0 || b >= timeBuckets {
			t.Fatalf("bucketOf(%d) = %d", ns, b)
		}
		from, to := bucketFrom(b), bucketFrom(b+1)
		if ns < from || ns >= to && b != timeBuckets-1 {
			t.Fatalf("%d ns in bucket %d: %d to %d", ns, b, from, to)
		}
		if from >= 1024 && float64(to-from) > 0.0626*float64(from) {
			t.Fatalf("bucket %d is %d wide at %d", b, to-from, from)
		}
	})
}

// timesOf are times of these lengths, counted as the kernel's program does.
func timesOf(ns ...uint64) (v Times) {
	for _, n := range ns {
		v.sum += n
		v.buckets[bucketOf(n)]++
	}
	return v
}

func TestTimes(t *testing.T) {
	var ns []uint64
	for i := range uint64(1000) {
		ns = append(ns, (i+1)*100_000) // 0.1 to 100 ms
	}
	v := timesOf(ns...)
	for q, want := range map[float64]time.Duration{
		0.5: 50 * time.Millisecond, 0.95: 95 * time.Millisecond, 0.99: 99 * time.Millisecond, 1: 100 * time.Millisecond,
	} {
		got := v.Quantile(q)
		if off := float64(got-want) / float64(want); math.Abs(off) > 0.0625 {
			t.Errorf("Quantile(%v) = %v, want about %v", q, got, want)
		}
	}
	if v.Count() != 1000 || v.Mean() != 50050*time.Microsecond {
		t.Errorf("%d of %v, want 1000 of 50.05ms", v.Count(), v.Mean())
	}
	all := timesOf(append(ns, 7e9, 7e9)...)
	if d := all.Since(v); d.Count() != 2 || d.Mean() != 7*time.Second || d.Quantile(0) < 6*time.Second {
		t.Errorf("the two since: %d of %v from %v", d.Count(), d.Mean(), d.Quantile(0))
	}
	if d := timesOf(5).Since(all); d.Count() != 1 {
		t.Errorf("watched anew: %d, want what there is", d.Count())
	}
	var none Times
	if none.Count() != 0 || none.Mean() != 0 || none.Quantile(0.5) != 0 || v.Quantile(math.NaN()) != 0 {
		t.Error("nothing measured is 0")
	}
}

func FuzzQuantile(f *testing.F) {
	f.Add(uint64(1), uint64(1e6), uint64(1e9), 0.5)
	f.Fuzz(func(t *testing.T, a, b, c uint64, q float64) {
		v := timesOf(a>>8, b>>8, c>>8)
		got := v.Quantile(q)
		if got < 0 || uint64(got) > bucketFrom(timeBuckets) {
			t.Fatalf("Quantile(%v) = %v", q, got)
		}
		if q >= 0 && q < 1 && got > v.Quantile(1) {
			t.Fatalf("Quantile(%v) = %v, above the largest, %v", q, got, v.Quantile(1))
		}
	})
}

const mounts = `proc /proc proc rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
none /mnt/a\040place\134 cgroup2 rw 0 0
cgroup2 relative cgroup2 rw 0 0
short
`

func TestCgroupMounts(t *testing.T) {
	want := []string{"/sys/fs/cgroup/unified", `/mnt/a place\`}
	if diff := cmp.Diff(want, cgroupMounts(mounts)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzCgroupMounts(f *testing.F) {
	f.Add(mounts)
	f.Add("a /\\777\\04 cgroup2")
	f.Fuzz(func(t *testing.T, s string) {
		for _, dir := range cgroupMounts(s) {
			if !strings.HasPrefix(dir, "/") || len(dir) > len(s) {
				t.Fatalf("%q", dir)
			}
		}
	})
}
