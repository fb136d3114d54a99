package small

import (
	"runtime/debug"
	"testing"
)

func TestALargeHeapMayGrow(t *testing.T) {
	was := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	Heap()
	if got := debug.SetGCPercent(100); got != 50 {
		t.Errorf("a small heap grows by %d%%", got)
	}
	fit()
	if got := debug.SetGCPercent(100); got != 50 {
		t.Errorf("the heap of this test grows by %d%%", got)
	}
	keep := make([]byte, manyBytes+1)
	for i := range keep { // not one page of zeros
		keep[i] = byte(i)
	}
	debug.FreeOSMemory() // a collection
	fit()
	if got := debug.SetGCPercent(100); got != 200 {
		t.Errorf("%d bytes grow by %d%%", len(keep), got)
	}
	keep[0]++
}

func TestPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 50, tensOfHosts: 50, 12 << 20: 25, 30 << 20: 50, manyBytes: 50, manyBytes + 1: 200, 100 << 20: 200, 256 << 20: 100, 1 << 30: 50} {
		if got := percent(live); got != want {
			t.Errorf("of %d MiB in use a heap grows by %d%%, want %d", live>>20, got, want)
		}
	}
}
