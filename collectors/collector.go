// Package collectors reads this machine: cores, memory, connections, requests
// a second, and what capmon itself costs.
//
// A collector is one file, one test file and one line in List. Reading,
// parsing and computing are three functions; each read has a bound; a collector
// runs no external command.
package collectors

import (
	"context"
	"time"

	"capmon/sample"
)

// A Collector reads one thing of this machine.
type Collector interface {
	// Name is short, lower case and stays the same: it is what a viewer shows
	// beside a duration or an error.
	Name() string

	// Collect reads once. now carries the monotonic clock; rates are taken over
	// the time since the last call. It returns soon after ctx is done. Only one
	// call of Collect runs at a time, on any goroutine.
	//
	// The Reading may be nil when there is nothing to say. A Reading and an
	// error may come together: what was read, and what was not.
	Collect(ctx context.Context, now time.Time) (Reading, error)

	// Close gives back files and sockets. Collect is not called after it.
	Close() error
}

// A Reading writes what was read into the sample of this interval. It must not
// block or keep the sample. Readings are applied in the order of List, each by
// the same goroutine.
type Reading func(*sample.Sample)
