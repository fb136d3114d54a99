package chess

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"capmon/demo/stories"
	"capmon/demo/waits"
)

// Bounds of Config.
const (
	MaxUsers   = 1_000_000
	MaxServers = 100
)

// Config is one telling of the story.
type Config struct {
	Users     int           // players that come, 1..MaxUsers
	PerServer int           // connections that one server takes, 1 and up
	Min, Max  int           // servers, 1 <= Min <= Max <= MaxServers
	Cores     float64       // that a server stands for; 0: its share of this machine when there are Max
	For       time.Duration // the whole story
	Ramp      time.Duration // until the last player has come, at most For
	WarmUp    time.Duration // from the start of a server to its first player
	Think     time.Duration // between the moves of a player, above 0
	Stay      time.Duration // that a player plays in the mean; 0: to the end
	KillAt    time.Duration // a server is killed then; 0: none is
	Seed      uint64        // of who comes when
	Version   string        // of capmon, for the agents
	Watch     stories.Watcher
	Say       func(Progress)      // told once a second; nil: nobody listens
	Tell      func(stories.Event) // told what happens, in Run's goroutine as Say; nil: nobody listens
	Orders    <-chan Order        // what is to be changed meanwhile; nil: nothing is
}

// Order changes a story that is being told; nil and false change nothing.
type Order struct {
	Kill   bool           // the fullest server, as a crash would
	WarmUp *time.Duration // of servers from now on, those that warm up among them
	Pace   *float64       // players come so many times as fast as Ramp says; 0: nobody comes
	Stay   *time.Duration
}

// Counts add up: Asked = Served + Refused + Left, and those who wait for an
// answer, of whom there are none at the end.
type Counts struct {
	Asked   int `json:"asked"`     // for a game; once more by who lost the server, or had no answer
	Served  int `json:"served"`    // got a connection
	Refused int `json:"refused"`   // told that all servers are full
	Left    int `json:"left"`      // had no answer: the connection failed, or the story ended first
	Home    int `json:"went_home"` // of those served: had played enough
	Playing int `json:"playing_now"`
}

func (c *Counts) add(o Counts) {
	c.Asked += o.Asked
	c.Served += o.Served
	c.Refused += o.Refused
	c.Left += o.Left
	c.Home += o.Home
	c.Playing += o.Playing
}

// Progress is how things stand a while after the beginning.
type Progress struct {
	After             time.Duration
	Counts            Counts
	Held              int // connections, as the servers count them
	Servers, Starting int // that take players, and that warm up
	Draining          int // that take no more, and end when they are empty
	Verdict           stories.Verdict
	Agents            *Cost // of the last seconds; nil: not known, or each is within its server
}

// Result is what happened.
type Result struct {
	Counts
	Held    int            `json:"held"`   // connections at the end, as the servers count them
	Killed  string         `json:"killed"` // server that was killed; empty: none
	Lost    int            `json:"lost"`   // connections that it held
	Waited  waits.Waited   `json:"waited_s"`
	Servers []stories.Step `json:"servers"` // that take players
	Need    []stories.Step `json:"need"`
	Agents  *Cost          `json:"agents"` // what all of them cost; nil: not known, or each is within its server
}

// Cost is what the process of all agents used.
type Cost struct {
	Cores float64 `json:"cores"`     // in the mean of the story
	RSS   uint64  `json:"rss_bytes"` // at its end
}

// Check says which number is out of its bounds, and what they are.
func (c *Config) Check() error {
	switch {
	case c.Users < 1 || c.Users > MaxUsers:
		return fmt.Errorf("%d players: give 1 to %d", c.Users, MaxUsers)
	case c.PerServer < 1:
		return fmt.Errorf("%d connections a server: give 1 or more", c.PerServer)
	case c.Min < 1 || c.Max < c.Min || c.Max > MaxServers:
		return fmt.Errorf("%d to %d servers: give 1 to %d, the least first", c.Min, c.Max, MaxServers)
	case !(c.Cores >= 0 && c.Cores <= 1024):
		return fmt.Errorf("%v cores a server: give 0 to 1024", c.Cores)
	case c.For < time.Second || c.For > 24*time.Hour:
		return fmt.Errorf("a story of %v: give 1s to 24h", c.For)
	case c.Ramp < 0 || c.Ramp > c.For:
		return fmt.Errorf("players come for %v: give at most the %v of the story", c.Ramp, c.For)
	case c.WarmUp < 0:
		return fmt.Errorf("a warm-up of %v: give 0 or more", c.WarmUp)
	case c.Think < 100*time.Millisecond:
		return fmt.Errorf("%v between moves: give 100ms or more", c.Think)
	case c.Stay < 0:
		return fmt.Errorf("a player that plays %v: give 0 (to the end) or more", c.Stay)
	case c.KillAt < 0 || c.KillAt > c.For:
		return fmt.Errorf("a server killed after %v: give at most the %v of the story", c.KillAt, c.For)
	case c.Watch == nil:
		return errors.New("nobody watches the servers")
	}
	return nil
}

// connectionBytes is what one connection takes of this machine, both ends and
// the kernel's part: as measured with 88,420 of them (docs/PERFORMANCE.md).
const connectionBytes = 40 << 10

// ownFiles are what a process has open besides its connections.
const ownFiles = 100

// Room is what this machine has for connections; 0: not known.
type Room struct {
	Files  int    // that one process may have open
	Memory uint64 // bytes that are free
}

// Fit takes from the story what the machine has no room for, and says what was
// taken; "" when nothing was.
func (c *Config) Fit(r Room) string {
	var notes []string
	users, per := c.Users, c.PerServer
	if most := max(r.Files-ownFiles, 1); r.Files > 0 && per > most {
		// The same servers, each smaller: as many players less.
		c.PerServer, c.Users = most, max(int(float64(users)*float64(most)/float64(per)), 1)
		notes = append(notes, fmt.Sprintf("%d connections a server instead of %d, and %d players instead of %d: a process may open %d files (ulimit -n)", most, per, c.Users, users, r.Files))
	}
	users = c.Users
	if most := max(int(r.Memory/2/connectionBytes), 1); r.Memory > 0 && users > most {
		c.Users = most
		notes = append(notes, fmt.Sprintf("%d players instead of %d: they take half of the %d MB of memory that are free", most, users, r.Memory>>20))
	}
	if users = c.Users; users > MaxUsers {
		c.Users = MaxUsers
		notes = append(notes, fmt.Sprintf("%d players instead of %d: there are no more in this story", MaxUsers, users))
	}
	return strings.Join(notes, "; ")
}

// playerProcesses is how many processes the players are spread over.
func playerProcesses(users, files int) int {
	most := 20_000
	if files > 0 {
		most = min(most, max((files-ownFiles)/2, 1))
	}
	return (users + most - 1) / most
}
