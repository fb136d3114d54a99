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
func (f *planFlags) measured(cmd *cobra.Command) (*report.Measured, error) {
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
func (f *planFlags) question(cmd *cobra.Command, m *report.Measured) (capacity.Question, error) {
	given := cmd.Flags().Changed
	source := ""
	if m == nil {
		m = &report.Measured{}
	} else {
		source = m.String()
	}
	users, rps, scaled, err := f.loads(m)
	if err != nil {
		return capacity.Question{}, err
	}
	q := capacity.Question{
		Users: users, RPS: rps, CoresUsed: scaled,
		Growth: capacity.Growth{PerSecond: f.growth.perSecond, Share: f.growth.share, For: f.ahead}, Spike: f.spike,
		PerServer: m.PerServer, Cores: m.Cores, Workers: f.workers, OwnQueue: f.queue == "own",
		Rule: capacity.Rule{
			Target: float64(f.target), Spare: f.spare, Zones: f.zones, Min: f.min, Max: f.max,
			SLA: float64(f.sla), Availability: float64(f.upTime),
		},
		WarmUp: f.warmUp, Have: m.Hosts, Source: source, Least: m.Least, Most: m.Most,
	}
	if given("requests-per-user") {
		q.Demand = &capacity.Demand{Requests: f.perUser.n, Per: f.perUser.per, Peak: f.peak}
		q.RPS = capacity.Num{}
	}
	set := func(name string, to *capacity.Num, v float64) {
		if given(name) {
			*to = capacity.Known(v)
		}
	}
	if !users.OK {
		q.PerServer = capacity.Num{} // connections of a server are none of requests
	}
	set("per-server", &q.PerServer, f.perServer)
	set("cores", &q.Cores, f.cores)
	if given("cores") {
		q.Least, q.Most = capacity.Num{}, capacity.Num{}
	}
	set("cost", &q.Cost, f.cost.Seconds())
	if f.price > 0 {
		q.Price = capacity.Known(f.price)
	}
	if given("servers") {
		q.Have = f.servers
	}
	f.policyOf(m, given, &q)
	if !given("cost") {
		f.learned(m, &q)
	}
	switch {
	case f.slo.set && q.Cost.OK:
		q.SLO = &f.slo.Promise
	case f.typed["slo"]:
		return capacity.Question{}, usagef("--slo needs --cost: how long a request takes was not learned there")
	}
	if f.usl.text != "" {
		s, err := f.usl.fit()
		if err != nil {
			return capacity.Question{}, err
		}
		q.Scaling = &s
	}
	if m.CoresUsed.OK && !q.CoresUsed.OK && !q.PerServer.OK && !q.Cost.OK && q.Scaling == nil {
		return capacity.Question{}, usagef("neither users nor requests are measured there, so what the load takes of the CPU is not known: say --cost or --per-server")
	}
	if q.Cost.OK {
		q.CoresUsed = capacity.Num{} // what a request costs was given: it stands for what was measured
	}
	return q, nil
}

// policyOf takes the policy that was in force where it was measured, as far as
// nothing is said here.
func (f *planFlags) policyOf(m *report.Measured, given func(string) bool, q *capacity.Question) {
	if !given("spare") {
		q.Rule.Spare = m.Spare
	}
	if !given("warm-up") && m.WarmUp.OK {
		q.WarmUp = time.Duration(m.WarmUp.V * float64(time.Second))
	}
	if !given("target") && !given("workers") && !given("queue") && m.Target.OK {
		q.Rule.Target = m.Target.V
	}
}

// learned takes what a request costs from what was learned there, when the
// requests are known, and what a server does besides.
func (f *planFlags) learned(m *report.Measured, q *capacity.Question) {
	requests := q.RPS.OK || q.Demand != nil
	if !m.Cost.OK || !requests || !q.Cores.OK || q.Scaling != nil {
		return
	}
	q.Cost, q.Besides = m.Cost, m.Background
}

// loads are the users, the requests and the cores used, by what is given or
// measured. What was measured and not given grows with what was given.
func (f *planFlags) loads(m *report.Measured) (users, rps, cores capacity.Num, err error) {
	users, usersBy, errU := f.users.of(m.Users, "users")
	rps, rpsBy, errR := f.rps.of(m.RPS, "rps")
	if err := errors.Join(errU, errR); err != nil {
		return users, rps, cores, usagef("%s", oneLine(err))
	}
	by := rpsBy
	if !f.rps.set {
		by = usersBy
		rps = times(rps, by)
	}
	if !f.users.set {
		users = times(users, rpsBy)
	}
	return users, rps, times(m.CoresUsed, by), nil
}

// times is unknown when the factor is: what does not follow from a measurement
// is not made up.
func times(n, by capacity.Num) capacity.Num {
	if !n.OK || !by.OK {
		return capacity.Num{}
	}
	return capacity.Known(n.V * by.V)
}
