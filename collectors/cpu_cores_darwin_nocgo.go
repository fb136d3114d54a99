//go:build darwin && !cgo

package collectors

// noCoreTimes says why this build can't read the cores' times.
const noCoreTimes = "per-core CPU on macOS needs a build with cgo: build it there with Xcode's tools"
