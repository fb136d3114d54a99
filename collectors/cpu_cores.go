//go:build !darwin || cgo

package collectors

// noCoreTimes says why this build can't read the cores' times; empty = it can.
const noCoreTimes = ""
