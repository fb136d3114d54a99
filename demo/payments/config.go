package payments

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"capmon/demo/stories"
	"capmon/demo/waits"
)

// Bounds of Config.
const (
	MaxServers = 100
	MaxRPS     = 1e9
)

// Config is one telling of the story.
type Config struct {
	RPS       float64       // requests a second on an ordinary day, above 0
	Spike     float64       // how many times that at the festival, 1 and up
	SpikeAt   time.Duration // when it begins, and for how long; 0 s: never
	SpikeFor  time.Duration
	PerServer float64       // requests a second that one server takes, above 0
	Queue     int           // requests that may wait for a server; 0: what comes in queueTime
	Work      float64       // share of its part of this machine that a server works with at PerServer, 0..1
	Min, Max  int           // servers, 1 <= Min <= Max <= MaxServers
	For       time.Duration // the whole story
	WarmUp    time.Duration // from the start of a server to its first request
	Patience  time.Duration // who has no answer by then leaves
	Cache     bool          // the proxy answers what was asked before
	CacheAt   time.Duration // it begins to then; 0: it does not change
	KillAt    time.Duration // a server is killed then; 0: none is
	SLA       float64       // share of requests that are to be served, 0..1
	Seed      uint64        // of who asks what, and when
	Version   string        // of capmon, for the agents
	Speed     Speed         // of this machine
	Watch     stories.Watcher
	Say       func(Progress)      // told once a second; nil: nobody listens
	Tell      func(stories.Event) // told what happens, in Run's goroutine as Say; nil: nobody listens
	Orders    <-chan Order        // what is to be changed meanwhile; nil: nothing is
}

// Order changes a story that is being told; nil and false change nothing.
type Order struct {
	Kill   bool           // the busiest server, as a crash would
	Cache  *bool          // on or off
	Spike  *bool          // begins now, for SpikeFor; false: ends now
	RPS    *float64       // of an ordinary day, and with it of the festival
	WarmUp *time.Duration // of servers from now on, those that warm up among them
}

// Pools of the story's agents, by their label "pool".
const (
	PoolServers = "payments"
	PoolEdge    = "edge"
)

// Counts add up: Asked = Served + Refused + Left + Waiting, of whom there are
// none at the end.
type Counts struct {
	Asked   int `json:"asked"`
	Served  int `json:"served"`
	Refused int `json:"refused"`     // told at once that there is no room
	Left    int `json:"left"`        // had no answer in time
	Waiting int `json:"waiting_now"` // for their answer
}

// bad are those that the promise was not kept to.
func (c Counts) bad() int { return c.Refused + c.Left }

// minus is what happened since o.
func (c Counts) minus(o Counts) Counts {
	return Counts{c.Asked - o.Asked, c.Served - o.Served, c.Refused - o.Refused, c.Left - o.Left, c.Waiting - o.Waiting}
}

func (c Counts) plus(o Counts) Counts {
	return Counts{c.Asked + o.Asked, c.Served + o.Served, c.Refused + o.Refused, c.Left + o.Left, c.Waiting + o.Waiting}
}

// Cache is what the proxy answered without a server, and what it could not.
type Cache struct {
	On     bool `json:"on"`
	Hits   int  `json:"hits"`
	Misses int  `json:"misses"` // of what it may answer, while it was on
}

// Progress is how things stand a while after the beginning.
type Progress struct {
	After             time.Duration
	Counts            Counts
	Last              Counts  // of the last whole second
	LastHits          int     // of the cache, in it
	Rate              float64 // that people ask at now, by the plan
	Cache             Cache
	Servers, Starting int
	Budget            Budget
	Verdict           stories.Verdict
}

// Result is what happened.
type Result struct {
	Counts
	RPS       float64        `json:"rps"` // as it was after what this machine has no room for
	PerServer float64        `json:"rps_per_server"`
	Cache     Cache          `json:"cache"`
	Killed    string         `json:"killed"` // server that was killed; empty: none
	Waited    waits.Waited   `json:"waited_s"`
	Servers   []stories.Step `json:"servers"` // that take requests
	Need      []stories.Step `json:"need"`
	RefusedAt []stories.Step `json:"refused_at"` // how many in the second that begins then
	Expected  Expected       `json:"expected"`
	Budget    Budget         `json:"budget"`
}

// Check says which number is out of its bounds, and what they are.
func (c *Config) Check() error {
	in := func(v, low, high float64) bool { return v >= low && v <= high }
	switch {
	case !(c.RPS > 0 && c.RPS <= MaxRPS):
		return fmt.Errorf("%v requests a second: give more than 0 and at most %.0f", c.RPS, MaxRPS)
	case !in(c.Spike, 1, 1000):
		return fmt.Errorf("a spike of %v times: give 1 to 1000", c.Spike)
	case !(c.PerServer > 0 && c.PerServer <= MaxRPS):
		return fmt.Errorf("%v requests a second a server: give more than 0 and at most %.0f", c.PerServer, MaxRPS)
	case c.Min < 1 || c.Max < c.Min || c.Max > MaxServers:
		return fmt.Errorf("%d to %d servers: give 1 to %d, the least first", c.Min, c.Max, MaxServers)
	case !in(c.Work, 0, 1):
		return fmt.Errorf("work with %v of a server's part of the machine: give 0 to 1", c.Work)
	case c.For < time.Second || c.For > 24*time.Hour:
		return fmt.Errorf("a story of %v: give 1s to 24h", c.For)
	case c.WarmUp < 0:
		return fmt.Errorf("a warm-up of %v: give 0 or more", c.WarmUp)
	case c.Patience < 100*time.Millisecond || c.Patience > time.Minute:
		return fmt.Errorf("patience for %v: give 100ms to 1m", c.Patience)
	case c.Queue < 0:
		return fmt.Errorf("%d requests that wait: give 0 or more", c.Queue)
	case !(c.SLA > 0 && c.SLA < 1):
		return fmt.Errorf("a promise for %v of the requests: give more than 0 and less than all", c.SLA)
	case c.SpikeFor < 0:
		return fmt.Errorf("a spike for %v: give 0 or more", c.SpikeFor)
	case c.Watch == nil:
		return errors.New("nobody watches the servers")
	}
	for _, v := range []struct {
		what string
		at   time.Duration
	}{{"a spike", c.SpikeAt}, {"a cache", c.CacheAt}, {"a server killed", c.KillAt}} {
		if v.at < 0 || v.at > c.For {
			return fmt.Errorf("%s after %v: give at most the %v of the story", v.what, v.at, c.For)
		}
	}
	return nil
}

// rates are who comes when.
func (c *Config) rates() rates {
	r := rates{{0, c.RPS}}
	if c.SpikeFor > 0 {
		r = r.spike(c.SpikeAt, c.SpikeAt+c.SpikeFor, c.RPS*c.Spike, c.RPS)
	}
	return r
}

// queueTime is how long a request may wait for its server where nothing else
// bounds the queue.
const queueTime = 200 * time.Millisecond

// Of what this machine passed on when it was measured, and of its cores: for
// requests on their way, which cost two to three times as much when they come one
// by one, and for the work of the servers. The rest is for agents, whoever looks
// at them, and other people's work.
const (
	requestPart = 0.2
	workPart    = 0.4
)

// Of a process: files open besides its connections, and connections to a server
// beyond those that it serves or lets wait.
const (
	ownFiles  = 60
	moreLines = 4
)

// lines are the connections of the proxy to one server.
func (c *Config) lines() int { return c.Queue + moreLines }

// Fit takes from the story what the machine has no room for, and says what was
// taken; "" when nothing was. Files are those that a process may have open; 0:
// not known. It needs Speed.
func (c *Config) Fit(files int) string {
	var notes []string
	rps, per, servers := c.RPS, c.PerServer, float64(max(c.Max, 1))
	most := requestPart * c.Speed.Requests
	if all := per * servers; most > 0 && all > most {
		// The same group, each server smaller: as many people less.
		c.RPS, c.PerServer = round(rps*most/all), round(most/servers)
	}
	if most > 0 && c.RPS*c.Spike > most {
		c.RPS = c.MostRPS()
	}
	if c.RPS < rps {
		note := fmt.Sprintf("%s requests a second instead of %s", number(c.RPS), number(rps))
		if c.PerServer < per {
			note += fmt.Sprintf(", and %s a server instead of %s", number(c.PerServer), number(per))
		}
		notes = append(notes, note+fmt.Sprintf(": this machine passed on %.0f a second", c.Speed.Requests))
	}
	if c.Queue == 0 {
		c.Queue = max(int(math.Ceil(c.PerServer*queueTime.Seconds())), 1)
	}
	if room := max((files-ownFiles)/(2*max(c.Max, 1))-moreLines, 1); files > 0 && c.Queue > room {
		queue := c.Queue
		c.Queue = room
		notes = append(notes, fmt.Sprintf("%d requests wait for a server instead of %d: a process may open %d files (ulimit -n)", c.Queue, queue, files))
	}
	return strings.Join(notes, "; ")
}

// MostRPS is the rate of an ordinary day whose festival this machine has room
// for.
func (c *Config) MostRPS() float64 { return round(requestPart * c.Speed.Requests / c.Spike) }

// round is down to three digits that count, so that what is said is what is.
func round(v float64) float64 {
	digits := 2 - math.Floor(math.Log10(v))
	if digits > 0 {
		unit := math.Pow(10, digits)
		return math.Floor(v*unit+1e-9) / unit
	}
	unit := math.Pow(10, -digits)
	return math.Floor(v/unit+1e-9) * unit
}

// number is at most three digits behind the point.
func number(v float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
}

// wayPart is how many times what a request cost when the machine was measured, at
// full speed and all its way, a server alone spends on it: it sleeps before each.
const wayPart = 1.5

// cores are what one server stands for: its share of this machine when there are
// Max of them, and what its requests take besides their work.
func (c *Config) cores() float64 {
	return c.share() + wayPart*c.PerServer*float64(c.Speed.Cores)/c.Speed.Requests
}

// share is what one server may work with, in cores.
func (c *Config) share() float64 { return workPart * float64(c.Speed.Cores) / float64(c.Max) }

// loops are what a server computes for one request.
func (c *Config) loops() uint64 {
	return uint64(c.Work * c.share() * c.Speed.Loops / float64(c.Speed.Cores) / c.PerServer)
}
