package main

import (
	"cmp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"capmon/capacity"
	"capmon/fleet"
)

// ruleFlags are what the people who run servers decided: the same for a live
// fleet, for one pool of it, and on paper.
type ruleFlags struct {
	target      share // 0: by the workers behind one queue
	spare       int
	min, max    int
	warmUp      time.Duration
	think       time.Duration // 0: fleet.DefaultThink
	price       float64
	slo         promise
	sla, upTime percent
}

// add defines the flags; what f holds already is their default.
func (f *ruleFlags) add(fs *pflag.FlagSet) {
	fs.Var(&f.target, "target", "utilisation to run at, 0.8 or 80% (default: by the workers behind one queue, at most 80%)")
	fs.IntVar(&f.spare, "spare", f.spare, "servers that may be lost without passing the target")
	fs.IntVar(&f.min, "min", f.min, "fewest servers of the group; 0: none")
	fs.IntVar(&f.max, "max", f.max, "most servers the group may have; 0: no bound")
	fs.DurationVar(&f.warmUp, "warm-up", cmp.Or(f.warmUp, fleet.DefaultWarmUp), "how long a new server takes")
	fs.DurationVar(&f.think, "think", f.think, "what a person waits between two requests, where users are counted by requests (default 10s)")
	fs.Float64Var(&f.price, "price", f.price, "money for a server hour; 0: not asked")
	fs.Var(&f.slo, "slo", "promised response time, as p99=50ms or mean=20ms")
	fs.Var(&f.sla, "sla", "percent of the time that enough servers are up, as 99.95")
	fs.Var(&f.upTime, "availability", "percent of the time that one server is up, with --sla")
}

// check refuses what is out of bounds, each value by itself.
func (f *ruleFlags) check(given func(name string) bool) error {
	for _, v := range []struct {
		name string
		n    int
	}{{"spare", f.spare}, {"min", f.min}, {"max", f.max}} {
		if err := checkCount(v.name, v.n); err != nil {
			return err
		}
	}
	switch {
	case !(f.price >= 0 && f.price <= 1e9):
		return usagef("--price %v: want 0 to 1,000,000,000", f.price)
	case f.warmUp < 0:
		return usagef("--warm-up %v: want 0 or more", f.warmUp)
	case given("think") && f.think <= 0:
		return usagef("--think %v: want more than 0", f.think)
	case f.sla >= 1:
		return usagef("--sla 100: nothing is up always: want less, as 99.95")
	}
	return nil
}

// together refuses values that do not go with each other.
func (f *ruleFlags) together() error {
	switch {
	case f.max > 0 && f.min > f.max:
		return usagef("--min %d is more than --max %d", f.min, f.max)
	case (f.sla > 0) != (f.upTime > 0):
		return usagef("--sla and --availability go together: how often enough servers are up follows from how often one is")
	}
	return nil
}

// checkCount refuses what is no number of servers.
func checkCount(name string, n int) error {
	if n < 0 || n > capacity.MaxServers {
		return usagef("--%s %d: want 0 to %s", name, n, capacity.Count(capacity.MaxServers))
	}
	return nil
}

// policyFlags are the policy of a live fleet or of one pool of it.
type policyFlags struct {
	ruleFlags
	perServer int
	rpsServer float64
	zone      string
	up, down  pace
}

func (f *policyFlags) add(fs *pflag.FlagSet) {
	f.ruleFlags.add(fs)
	fs.IntVar(&f.perServer, "per-server", f.perServer, "connections one server can hold; 0: no such limit is known")
	fs.Float64Var(&f.rpsServer, "rps-per-server", f.rpsServer, "requests a second one server may have; 0: no such limit is set")
	fs.StringVar(&f.zone, "zone", f.zone, "`label` of the agents whose values are zones, of which one may be lost")
	fs.Var(&f.up, "pace-up", "how many servers may come in a time, as 4/15s, 100%/1m or both with a comma: the most of them (default: all at once)")
	fs.Var(&f.down, "pace-down", "how many servers may go in a time, as 1/5m (default: all at once)")
}

// check refuses what is out of bounds, each value by itself.
func (f *policyFlags) check(given func(name string) bool) error {
	switch {
	case f.perServer < 0 || f.perServer > 1e9:
		return usagef("--per-server %d: want 0 to 1,000,000,000", f.perServer)
	case !(f.rpsServer >= 0 && f.rpsServer <= 1e9):
		return usagef("--rps-per-server %v: want 0 to 1,000,000,000", f.rpsServer)
	case given("warm-up") && f.warmUp == 0:
		return usagef("--warm-up 0s: want more than 0: a server that takes load at once is none to wait for")
	case strings.ContainsAny(f.zone, "= \t\n"):
		return usagef("--zone %q: want the name of a label, as az", f.zone)
	}
	return f.ruleFlags.check(given)
}

// policy is what the fleet takes.
func (f *policyFlags) policy() fleet.Policy {
	p := fleet.Policy{
		Target: float64(f.target), Spare: f.spare, PerServer: float64(f.perServer), RPSPerServer: f.rpsServer, Min: f.min, Max: f.max,
		WarmUp: f.warmUp, Think: f.think, Price: f.price, SLA: float64(f.sla), Availability: float64(f.upTime), Zone: f.zone,
	}
	if f.slo.set {
		p.SLO = new(f.slo.Promise)
	}
	p.Up, p.Down = f.up.pace(), f.down.pace()
	return p
}
