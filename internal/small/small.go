// Package small keeps the resident memory of a process that runs for months to
// what it uses.
package small

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Heap trades a little CPU for memory: what a monitor keeps is small and
// lives long, so a heap that grows by half before it is collected costs less
// than the memory it would hold.
func Heap() { debug.SetGCPercent(percent(0)) }

// A heap of many megabytes is that of a fleet of hundreds of hosts: to collect
// it as often as a small one costs a viewer of 1,000 a fifth of its time.
const manyBytes = 64 << 20

// spare is by how much a large heap may grow, at most to three times what is in
// use: a collection costs by what is in use, and how often by what is spare.
const spare = 256 << 20

// Between these the heap is that of some tens of hosts, whose viewer is to stay
// within 40 MiB: of the CPU that it may use for that much is left.
const (
	tensOfHosts    = 8 << 20
	hundredOfHosts = 24 << 20
)

// fit lets a heap grow by what suits its size. A viewer that begins takes in
// minutes of its hosts, and what that needs is not used again.
func fit() { debug.SetGCPercent(percent(live())) }

// live is how many bytes the last collection found in use.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func percent(live uint64) int {
	switch {
	case live > manyBytes:
		return max(50, min(200, 100*spare/int(live)))
	case live > tensOfHosts && live <= hundredOfHosts:
		return 25
	}
	return 50
}

// Most of the pages of the program's file that a start touches (tables of
// packages, the command tree, flags) are never read again.
const (
	lookEvery = 5 * time.Second
	dropEvery = 4 // looks
)

// Program keeps the process to what it needs, and lets go of the program's
// pages that are not in use, until ctx ends: an agent runs for months, and its
// start should not count for so long.
func Program(ctx context.Context) {
	timer := time.NewTicker(lookEvery)
	defer timer.Stop()
	for look := 0; ; look++ {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		large := live() > manyBytes
		if look > 0 {
			fit()
		}
		if large {
			continue // what else there is to let go of is little beside it
		}
		if look == 0 {
			debug.FreeOSMemory() // of what was read to begin: the types of the kernel
		}
		if look%dropEvery == 0 {
			Drop()
		}
	}
}
