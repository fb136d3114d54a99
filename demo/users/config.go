package users

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"time"

	"capmon/capacity"
	"capmon/demo/load"
)

// Bounds of Config.
const (
	MaxUsers   = 20_000
	MaxWorkers = 256
	MaxRate    = 20_000 // requests a second that the users may ask
)

// What a Config has where it says nothing.
const (
	DefaultThink  = time.Second
	DefaultWork   = 5 * time.Millisecond
	DefaultTarget = 0.80
	more          = 1.1 // of what all workers can do is asked, so that they are full
)

const (
	ownFiles = 50                     // that a process has open besides its connections
	patience = 2 * time.Second        // of a user for an answer
	longest  = 250 * time.Millisecond // that a request waits in a full queue
)

// Config is one run of the lesson.
type Config struct {
	Workers int           // of a cluster and of the many threads; 0: one for each core of this machine, and two at least
	Users   int           // that ask; 0: as many as ask a tenth more than all workers can do
	Think   time.Duration // mean between an answer and the next request; 0: DefaultThink
	Work    time.Duration // of one thread for a request; 0: DefaultWork
	Loops   int           // the same as loops of work; 0: measured, so that they take Work here
	Kinds   []Kind        // one after the other; nil: all
	Each    time.Duration // for each kind
	Counts  []int         // more numbers of threads to measure for the law of scaling; nil: what Step and More allow
	Step    time.Duration // for each of these
	More    time.Duration // for all of these; 0 with Counts nil: none
	Target  float64       // utilisation that servers are to run at; 0: DefaultTarget
	Port    int           // of the servers; 0: any that is free
	Seed    uint64        // of who asks when
	Version string        // of capmon, for the agent
	Say     func(Result)  // told once a second how far it has come; nil: nobody listens
}

// Check says which number is out of its bounds, and what they are.
func (c *Config) Check() error {
	switch {
	case c.Workers < 0 || c.Workers > MaxWorkers:
		return fmt.Errorf("%d workers: give 1 to %d, or 0 for one a core", c.Workers, MaxWorkers)
	case c.Users < 0 || c.Users > MaxUsers:
		return fmt.Errorf("%d users: give 1 to %d, or 0 for as many as fill the servers", c.Users, MaxUsers)
	case c.Think != 0 && (c.Think < 50*time.Millisecond || c.Think > time.Minute):
		return fmt.Errorf("users who think for %v: give 50ms to 1m", c.Think)
	case c.Work != 0 && (c.Work < 100*time.Microsecond || c.Work > 200*time.Millisecond):
		return fmt.Errorf("%v of work a request: give 100µs to 200ms", c.Work)
	case c.Loops < 0:
		return fmt.Errorf("%d loops a request: give 1 or more, or 0 to measure them", c.Loops)
	case c.Each < 2*time.Second || c.Each > time.Hour:
		return fmt.Errorf("%v for each kind of server: give 2s to 1h", c.Each)
	case c.More < 0 || c.More > time.Hour:
		return fmt.Errorf("%v for other numbers of threads: give 0 to 1h", c.More)
	case (len(c.Counts) > 0 || c.More > 0) && (c.Step < 2*time.Second || c.Step > time.Hour):
		return fmt.Errorf("%v for each number of threads: give 2s to 1h", c.Step)
	case !(c.Target >= 0 && c.Target <= 1):
		return fmt.Errorf("a target of %v: give more than 0 and at most 1", c.Target)
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("port %d: give 1 to 65535, or 0 for any", c.Port)
	}
	for _, k := range c.Kinds {
		if k < 0 || k >= Kinds {
			return fmt.Errorf("%v of server: there are %d", k, Kinds)
		}
	}
	for _, n := range c.Counts {
		if n < 1 || n > MaxWorkers {
			return fmt.Errorf("%d threads: give 1 to %d", n, MaxWorkers)
		}
	}
	if c.Port > 0 {
		if err := portFree(c.addr()); err != nil {
			return fmt.Errorf("port %d: %w: name another, or 0 for any that is free", c.Port, err)
		}
	}
	return nil
}

func (c *Config) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)) }

// settle puts in what a valid config leaves open, for a machine with so many
// cores, where a process may open so many files; 0: no limit. The notes say what
// there was no room for.
func (c *Config) settle(cores, files int) (notes []string) {
	if c.Workers == 0 {
		c.Workers = min(max(cores, 2), MaxWorkers)
	}
	if c.Think == 0 {
		c.Think = DefaultThink
	}
	if c.Work == 0 {
		c.Work = DefaultWork
	}
	if c.Target == 0 {
		c.Target = DefaultTarget
	}
	if c.Kinds == nil {
		c.Kinds = []Kind{OneThread, Cluster, Threads}
	}
	if one := loopTime(); c.Loops == 0 {
		c.Loops = max(int(float64(c.Work)/one), 1)
	} else {
		c.Work = time.Duration(max(float64(c.Loops)*one, 1))
	}
	if c.Users == 0 {
		able := float64(min(c.Workers, cores)) / c.Work.Seconds()
		c.Users = min(max(int(math.Ceil(more*able*c.Think.Seconds()-1e-6)), 1), MaxUsers)
	}
	if rate := float64(c.Users) / c.Think.Seconds(); rate > MaxRate {
		c.Users = int(MaxRate * c.Think.Seconds())
		notes = append(notes, fmt.Sprintf("%d users: more would ask over %d requests a second", c.Users, MaxRate))
	}
	if most := max(files-ownFiles, 1); files > 0 && c.Users > most {
		think := time.Duration(float64(c.Think) * float64(most) / float64(c.Users)).Round(time.Millisecond)
		notes = append(notes, fmt.Sprintf("%d users instead of %d, who think for %v instead of %v: a process may open %d files (ulimit -n)", most, c.Users, think, c.Think, files))
		c.Users, c.Think = most, think
	}
	if c.Counts == nil && c.More > 0 {
		c.Counts = numbers(c.Workers, cores, int(c.More/c.Step))
	}
	return notes
}

// numbers are the numbers of threads to measure beside one and workers, at most
// so many: evenly among those that are on so many cores; where there are none
// between, twice as many threads as cores, to see what those give.
func numbers(workers, cores, most int) []int {
	var all []int
	for _, n := range []int{2, 4, 3, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192} {
		if n > 1 && n < min(workers, cores) {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		all = []int{2 * max(workers, cores)}
	}
	slices.Sort(all)
	for len(all) > max(most, 0) {
		// The one goes whose neighbours are nearest to each other.
		row := append(append([]int{1}, all...), max(workers, all[len(all)-1]))
		at, near := 0, math.Inf(1)
		for i := range all {
			if gap := float64(row[i+2]) / float64(row[i]); gap < near {
				at, near = i, gap
			}
		}
		all = slices.Delete(all, at, at+1)
	}
	return all
}

// loopTime is how long a loop of work takes a thread on an idle core, in
// nanoseconds: the best of several tries, since others work here too.
func loopTime() float64 {
	const loops = 20_000
	best := time.Duration(math.MaxInt64)
	for range 8 {
		began := time.Now()
		load.Do(loops)
		best = min(best, time.Since(began))
	}
	return float64(max(best, 1)) / loops
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// coresHere is how many whole cores this process may use, one at least, and a
// note where that is not all there is to say.
func coresHere(usable float64) (cores int, note string) {
	cores = max(int(usable), 1)
	if float64(cores) != usable {
		note = fmt.Sprintf("%s cores may be used here: a quota stops the servers for a part of each period, and none gets all of a core to the end", capacity.Amount(usable))
	}
	return cores, note
}
