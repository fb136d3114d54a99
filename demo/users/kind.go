package users

import (
	"encoding/json"
	"fmt"
)

// Kind is a way to build a server.
type Kind int

// The kinds, in the order in which they are shown.
const (
	OneThread Kind = iota // one process, one thread does the work
	Cluster               // processes of one thread each that share a port
	Threads               // one process, many threads behind one queue
	Kinds                 // how many there are
)

// String is a name in words.
func (k Kind) String() string {
	if k < 0 || k >= Kinds {
		return fmt.Sprintf("kind %d", int(k))
	}
	return [...]string{"one thread", "cluster", "many threads"}[k]
}

// process is what its processes are called where a system lets them be, in 15
// bytes at most.
func (k Kind) process() string { return [...]string{"one-thread", "cluster", "many-threads"}[k] }

// MarshalJSON writes the name.
func (k Kind) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// shape is how many processes of how many working threads a server of this kind
// has when it may have so many workers.
func (k Kind) shape(workers int) (processes, threads int) {
	switch k {
	case Cluster:
		return workers, 1
	case Threads:
		return 1, workers
	}
	return 1, 1
}
