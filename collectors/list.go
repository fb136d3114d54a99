package collectors

import (
	"os"
	"time"
)

// Config says where and how to read. The zero value reads this machine.
type Config struct {
	// Proc and Sys are where procfs and sysfs are mounted; "" means /proc and
	// /sys. Elsewhere than on Linux they are not used.
	Proc, Sys string

	// RPS says where requests a second come from, as ParseRPS gives it. Without
	// an entry, and beside sources that are named, capmon counts in the kernel
	// where it may and looks for status pages where it may not; an entry of kind
	// RPSOff stops that.
	RPS []RPSSource

	// Users is where the number of people active here is read; the zero value
	// reads none.
	Users UsersSource

	// Latency measures response times in the kernel.
	Latency bool

	// Scope is a part of this machine that is read as if it were one; the zero
	// value reads all of it. Find tells whether it can be read.
	Scope Scope

	// KernelAfter is how long after its first reading a collector loads its
	// program into the kernel, which takes some tens of milliseconds of CPU time.
	// Until then it takes the road of a process that may not.
	KernelAfter time.Duration

	// Portable takes the road of other systems (gopsutil) on Linux too. It is
	// dearer; tests hold the two roads against each other.
	Portable bool

	// walkConns counts connections by the kernel's table even where a program in
	// the kernel may count them, for tests of that road.
	walkConns bool

	// countOwn counts the sockets of this process like any other's, for tests
	// that listen in the process they run in.
	countOwn bool
}

func (c Config) withDefaults() Config {
	if c.Proc == "" {
		c.Proc = "/proc"
	}
	if c.Sys == "" {
		c.Sys = "/sys"
	}
	return c
}

// List makes every collector, in the order in which they are run and reported.
// Nothing is opened before the first Collect.
func List(c Config) []Collector {
	c = c.withDefaults()
	if !c.Scope.Whole() {
		return scopeList(c)
	}
	own := new(ownConns)
	found := newListeners()
	idle := new(idleCores)
	list := []Collector{
		newCPU(c, idle),
		newMemory(c),
		newConnections(c, own, found),
		newLimits(c, found),
		newRPS(c, own, found),
		newThreads(c, found, idle),
		newSelf(c),
	}
	if c.Users.String() != "" {
		list = append(list, newUsers(c.Users, own))
	}
	return list
}

// ownPID is the process whose sockets don't count.
func ownPID(c Config) int {
	if c.countOwn {
		return 0
	}
	return os.Getpid()
}
