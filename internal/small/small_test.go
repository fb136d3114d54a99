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
	large := fit()
	if got := debug.SetGCPercent(100); got != 50 || large {
		t.Errorf("the heap of this test grows by %d%%", got)
	}
	keep := make([]byte, manyBytes+1)
	for i := range keep { // not one page of zeros
		keep[i] = byte(i)
	}
	debug.FreeOSMemory() // a collection
	large = fit()
	if got := debug.SetGCPercent(100); got != 200 || !large {
		t.Errorf("%d bytes grow by %d%%", len(keep), got)
	}
	keep[0]++
}
