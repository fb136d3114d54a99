package main

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/fleet/report"
)

// What a plan takes from what is measured, and what is given in its place.

// measured is what a snapshot file or a live fleet says; nothing when neither
// is asked.
func (f *planFlags) measured(cmd *cobra.Command) (*fleet.Measured, error) {
	var in io.Reader
	what := f.from
	switch {
	case f.from == "-":
		in, what = cmd.InOrStdin(), "standard input"
	case f.from != "":
		file, err := os.Open(f.from)
		if err != nil {
			return nil, usagef("--from: %w", err)
		}
		defer file.Close()
		in = file
	case f.live():
		f.view.sampling.interval, f.view.ruleFlags = time.Second, f.ruleFlags
		f.view.warmUp = cmp.Or(f.warmUp, fleet.DefaultWarmUp) // a fleet has no new server that takes no time
		s, err := f.view.read(cmd, f.wait)
		if err != nil {
			return nil, err
		}
		if s.Totals.Up == 0 {
			return nil, errShown // why has been said for each host
		}
		// The same road as a file: what a plan sees of a fleet is its snapshot.
		var b bytes.Buffer
		if err := report.JSON(&b, s); err != nil {
			return nil, err
		}
		in, what = &b, "the fleet"
	default:
		return nil, nil
	}
	m, err := report.ReadMeasured(in, f.pool)
	if err != nil {
		return nil, usagef("read %s: %w", what, err)
	}
	if m.Hosts == 0 {
		return nil, usagef("%s: no host in it is up: there is nothing to plan from", what)
	}
	return &m, nil
}

// question joins what is measured and what is given; what is given wins.
func (f *planFlags) question(cmd *cobra.Command, m *fleet.Measured) (capacity.Question, error) {
	given := cmd.Flags().Changed
	source := ""
	if m == nil {
		m = &fleet.Measured{}
	} else {
		source = m.String()
	}
	users, errU := f.users.of(m.Users, "users")
	rps, errR := f.rps.of(m.RPS, "rps")
	if err := errors.Join(errU, errR); err != nil {
		return capacity.Question{}, usagef("%s", oneLine(err))
	}
	value := func(name string, v float64) capacity.Num { return capacity.Num{V: v, OK: given(name)} }
	g := fleet.Given{
		Users: users, RPS: rps, PerServer: value("per-server", f.perServer), Cost: value("cost", f.cost.Seconds()), Cores: value("cores", f.cores),
		Workers: f.workers, OwnQueue: f.queue == "own", Target: value("target", float64(f.target)), Spare: value("spare", float64(f.spare)),
		WarmUp: capacity.Num{V: f.warmUp.Seconds(), OK: given("warm-up") || !m.WarmUp.OK},
	}
	if given("requests-per-user") {
		g.Demand = &capacity.Demand{Requests: f.perUser.n, Per: f.perUser.per, Peak: f.peak}
	}
	if f.usl.text != "" {
		s, err := f.usl.fit()
		if err != nil {
			return capacity.Question{}, err
		}
		g.Scaling = &s
	}
	q := m.Question(g)
	q.Source, q.Spike = source, f.spike
	q.Growth = capacity.Growth{PerSecond: f.growth.perSecond, Share: f.growth.share, For: f.ahead}
	q.Rule.Zones, q.Rule.Min, q.Rule.Max, q.Rule.SLA, q.Rule.Availability = f.zones, f.min, f.max, float64(f.sla), float64(f.upTime)
	if given("queue") && !given("target") {
		q.Rule.Target, q.Targets = 0, nil
	}
	if f.price > 0 {
		q.Price = capacity.Known(f.price)
	}
	if given("servers") {
		q.Have = f.servers
	}
	switch {
	case f.slo.set && q.Cost.OK:
		q.SLO = &f.slo.Promise
	case f.typed["slo"]:
		return capacity.Question{}, usagef("--slo needs --cost: how long a request takes was not learned there")
	}
	if m.CoresUsed.OK && !q.CoresUsed.OK && !q.PerServer.OK && !q.Cost.OK && q.Scaling == nil && len(q.Others) == 0 {
		return capacity.Question{}, usagef("neither users nor requests are measured there, so what the load takes of the CPU is not known: say --cost or --per-server")
	}
	return q, nil
}
