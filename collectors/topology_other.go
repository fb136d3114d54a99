//go:build !linux

package collectors

import "capmon/sample"

// ReadTopology tells where the cores sit; nil here, where nobody is asked.
func ReadTopology(Config) *sample.Topology { return nil }
