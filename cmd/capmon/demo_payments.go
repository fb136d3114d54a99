package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"capmon/capacity"
	"capmon/demo/child"
	"capmon/demo/payments"
	"capmon/fleet"
)

// defaultSLA is what the payment story promises where nobody says otherwise.
const defaultSLA = 0.999

type paymentsFlags struct {
	storyFlags
	story payments.Config
	work  share
	users int
}

func newDemoPayments() *cobra.Command {
	f := paymentsFlags{work: 0.8}
	cmd := &cobra.Command{
		Use:   "payments",
		Short: "Requests a second that jump to eight times, through a proxy, and servers that come as capmon recommends",
		Long: "People pay, look at their balance and at the catalogue, through a real HTTP proxy, on real\n" +
			"server processes of this machine, each on a loopback address of its own, with an agent of\n" +
			"its own. Each request is work, and holds its server's worker for a fixed time. At the\n" +
			"festival eight times as many ask. Servers are started as capmon recommends, and take\n" +
			"requests after their warm-up; what finds all queues full is refused, who waits longer than\n" +
			"--patience leaves, and both burn the budget that --sla leaves. With --cache the proxy\n" +
			"answers by itself what was asked within two seconds; payments never.\n" +
			"The machine is measured first. What it has no room for is taken from the story, and said.",
		Example: "  capmon demo payments                                    on the dashboard\n" +
			"  capmon demo payments --headless --for 60s --json\n" +
			"  capmon demo payments --headless --cache-at 25s          the cache takes the load off\n" +
			"  capmon demo payments --headless --warm-up 3m --for 5m   servers that come late",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPayments(cmd, &f) },
	}
	fs := cmd.Flags()
	s := &f.story
	fs.Float64Var(&s.RPS, "rps", 60, "requests a second on an ordinary day")
	fs.IntVar(&f.users, "users", 0, "people, each of whom asks once in --think, in place of --rps")
	fs.Float64Var(&s.Spike, "spike", 8, "how many times that at the festival")
	fs.DurationVar(&s.SpikeAt, "spike-at", 0, "when the festival begins (default: after a third of --for; on the dashboard after 1m)")
	fs.DurationVar(&s.SpikeFor, "spike-for", 0, "how long it lasts (default: half of --for; on the dashboard 5m)")
	fs.DurationVar(&s.For, "for", 0, "how long the story takes (default 1m); the dashboard stays until you leave")
	fs.DurationVar(&s.Patience, "patience", time.Second, "who has no answer by then leaves")
	fs.IntVar(&s.Queue, "queue", 0, "requests that may wait for a server; 0: what comes in 200ms")
	fs.Var(&f.work, "work", "share of its part of this machine that a server works with at --rps-per-server, as 0.8 or 80%")
	fs.BoolVar(&s.Cache, "cache", false, "the proxy answers again what it answered within two seconds")
	fs.DurationVar(&s.CacheAt, "cache-at", 0, "turn the cache on (with --cache: off) after so long; 0: leave it")
	fs.DurationVar(&s.KillAt, "kill-at", 0, "kill the busiest server after so long; 0: none")
	fs.Uint64Var(&s.Seed, "seed", 1, "the same seed lets people ask the same at the same moments")
	f.add(cmd)
	fs.Lookup("sla").Usage = "percent of the requests that are to be served (default 99.9); with --availability also of the time that enough servers are up"
	return cmd
}

func runPayments(cmd *cobra.Command, f *paymentsFlags) error {
	if err := settle(cmd); err != nil {
		return err
	}
	policy, err := f.policy(cmd)
	if err != nil {
		return err
	}
	s, w := &f.story, newStoryWatch(payments.PoolServers)
	s.Watch = w
	if err := f.settle(cmd, policy); err != nil {
		return err
	}
	if s.Speed, err = payments.Measure(cmd.Context()); err != nil {
		return err
	}
	note := s.Fit(child.FilesHere())
	policy.RPSPerServer = s.PerServer
	w.in = newFeed(paymentsFleet(policy))
	tell := func(ctx context.Context) (any, []string, error) {
		r, err := payments.Run(ctx, *s)
		return r, paid(r), err
	}
	if f.headless {
		if !f.json {
			s.Say = sayPayments(cmd.OutOrStdout())
		}
		return f.print(cmd, w, note, tell)
	}
	return f.show(cmd, w, capacity.Amount(s.RPS)+" payments a second", newPaymentsStage(s, w.in, policy, note), tell)
}

// policy is that of the servers, with what the user says in its place.
func (f *paymentsFlags) policy(cmd *cobra.Command) (fleet.Policy, error) {
	f.story.SLA = defaultSLA
	if f.view.sla > 0 {
		f.story.SLA = float64(f.view.sla)
		if f.view.upTime == 0 && f.view.sla < 1 {
			f.view.sla = 0 // it is about requests alone
		}
	}
	// A story may do without a warm-up; a policy may not.
	if cmd.Flags().Changed("warm-up") && f.view.warmUp == 0 {
		f.view.warmUp = time.Nanosecond
	}
	return f.storyFlags.policy(cmd, fleet.Policy{RPSPerServer: 100})
}

// settle gives the story its numbers, and refuses what is out of bounds before
// anything is measured or started.
func (f *paymentsFlags) settle(cmd *cobra.Command, policy fleet.Policy) error {
	given := cmd.Flags().Changed
	s := &f.story
	switch {
	case f.json && !f.headless:
		return usagef("--json goes with --headless")
	case policy.RPSPerServer == 0:
		return usagef("--rps-per-server 0: a payment server takes a number of requests a second")
	case given("users") && given("rps"):
		return usagef("--users and --rps say the same: choose one")
	case given("users") && f.users < 1:
		return usagef("--users %d: want 1 or more", f.users)
	case given("users"):
		think := policy.Think
		if think == 0 {
			think = fleet.DefaultThink
		}
		s.RPS = float64(f.users) / think.Seconds()
	}
	if s.For == 0 {
		s.For = headlessFor
	}
	at, lasts := s.For/3, s.For/2
	if !f.headless {
		s.For, at, lasts = 24*time.Hour, time.Minute, 5*time.Minute
	}
	if !given("spike-at") {
		s.SpikeAt = at
	}
	if !given("spike-for") {
		s.SpikeFor = lasts
	}
	s.Work, s.PerServer, s.WarmUp, s.Version = float64(f.work), policy.RPSPerServer, policy.WarmUp, version()
	s.Min, s.Max = bounds(policy, payments.MaxServers)
	if err := s.Check(); err != nil {
		return usageError{err}
	}
	return nil
}

// paymentsFleet are the servers by their policy, and the proxy that people reach
// first, of which there is one. They are people who ask and think, whatever the
// connections that their questions share.
func paymentsFleet(servers fleet.Policy) fleet.Config {
	if servers.Think == 0 {
		servers.Think = fleet.DefaultThink
	}
	return fleet.Config{Policy: servers, Pools: []fleet.PoolPolicy{
		{Name: payments.PoolEdge, Policy: fleet.Policy{Target: servers.Target, Min: 1, Think: servers.Think}, Edge: true},
	}}
}

// sayPayments prints every fifth second.
func sayPayments(out io.Writer) func(payments.Progress) {
	due := fifths()
	return func(p payments.Progress) {
		if due(p.After) {
			fmt.Fprintf(out, "%4s  asked %5s/s, refused %6s, left %s  budget burnt ×%s, burning ×%s  servers %d, starting %d  %s\n", p.After.Truncate(time.Second),
				count(p.Last.Asked), count(p.Counts.Refused), count(p.Counts.Left), capacity.Decimal(p.Budget.Burnt, 1), capacity.Decimal(p.Budget.Burn, 1), p.Servers, p.Starting, p.Verdict.Text())
		}
	}
}

// paid is what became of the requests, in lines.
func paid(r payments.Result) []string {
	sum := fmt.Sprintf("asked %s = served %s + refused %s + left %s", count(r.Asked), count(r.Served), count(r.Refused), count(r.Left))
	if r.Waiting > 0 {
		sum += " + waiting " + count(r.Waiting)
	}
	if w := r.Waited; w.P50 != nil {
		sum += fmt.Sprintf("; served within %s, 99%% within %s", span(w.P50), span(w.P99))
	}
	if r.Killed != "" {
		sum += fmt.Sprintf("; %s was killed", r.Killed)
	}
	if all := r.Cache.Hits + r.Cache.Misses; all > 0 {
		sum += fmt.Sprintf("; the cache answered %s of %s", count(r.Cache.Hits), count(all))
	}
	lines := []string{sum, fmt.Sprintf("budget of %s: %s bad, %s allowed: burnt ×%s, fastest ×%s; %s%% of what 30 days at %s/s allow",
		percentOf(r.Budget.SLA), count(r.Budget.Bad), capacity.Amount(r.Budget.Allowed), capacity.Decimal(r.Budget.Burnt, 1), capacity.Decimal(r.Budget.BurnMost, 1), capacity.Decimal(100*r.Budget.Month, 1), capacity.Amount(r.RPS))}
	for i, step := range r.Expected.Steps {
		head := "expected: "
		if i > 0 {
			head = "          "
		}
		lines = append(lines, head+step)
	}
	return lines
}

// percentOf is a promise as people say it: 99.9%.
func percentOf(v float64) string {
	p := percent(v)
	return p.String() + "%"
}
