package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"capmon/capacity"
	"capmon/fleet/report"
)

// planFlags are the question of `capmon plan`. Numbers that were not given are
// not asked.
type planFlags struct {
	ruleFlags
	view  viewFlags
	pool  string
	from  string
	json  bool
	wait  time.Duration
	typed map[string]bool // what stands on the command line

	users, rps amount
	perUser    rate
	peak       float64
	growth     growth
	ahead      time.Duration
	spike      float64
	perServer  float64
	cost       time.Duration
	cores      float64
	workers    int
	queue      string
	usl        pairs
	servers    int
	zones      int
}

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "How many servers a load needs, on paper or from what is measured",
		Long: "Answers how many servers a load needs, with every formula and its numbers: on paper, or\n" +
			"from a live fleet (--agents) or a snapshot (--from) with numbers in its place. Of several\n" +
			"pools it takes the one that --pool names: tiers are never added up.\n\n" +
			"A load is --users, --rps, or both; what one server holds is --per-server, or --cost with\n" +
			"--cores. --price is money for a server hour, --cost is CPU time for a request. Nothing is\n" +
			"rounded but the number of servers, upwards, once.",
		Example: "  90,000 chess players, 10,000 connections a server, a group of at most 10:\n" +
			"  capmon plan --users 90000 --per-server 10000 --max 10\n\n" +
			"  a payment app's peak: 20 million people, 10 payments a day, 3 times the mean:\n" +
			"  capmon plan --users 20000000 --requests-per-user 10/day --peak 3 --cost 8ms --cores 8 --spare 1 --max 10\n\n" +
			"  a promise about time and one about being up:\n" +
			"  capmon plan --rps 12000 --cost 8ms --cores 8 --workers 8 --target 0.7 --slo p99=50ms --sla 99.95 --availability 99.5\n\n" +
			"  twice the users of now:\n" +
			"  capmon snapshot --format json >now.json; capmon plan --from now.json --users 2x",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.add(cmd)
	return cmd
}

func (f *planFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Var(&f.users, "users", "people active at a time, each with a connection; 2x for twice what is measured")
	fs.Var(&f.rps, "rps", "requests a second; 2x for twice what is measured")
	fs.Var(&f.perUser, "requests-per-user", "requests of each user, as 10/day, 0.1/s or 1/4s: --users are then people, not connections")
	fs.Float64Var(&f.peak, "peak", 1, "how many times the mean the peak is, with --requests-per-user")
	fs.Var(&f.growth, "growth", "how the load grows, as 1200/min or 5%/day")
	fs.DurationVar(&f.ahead, "for", 10*time.Minute, "how far to look ahead with --growth")
	fs.Float64Var(&f.spike, "spike", 0, "what a load so many times as high would take at once, as 1.5; shown beside, not in NEED")
	fs.Float64Var(&f.perServer, "per-server", 0, "what one server holds: connections with --users, requests a second with --rps or --requests-per-user")
	fs.DurationVar(&f.cost, "cost", 0, "CPU time of a request, as 8ms or 350us")
	fs.Float64Var(&f.cores, "cores", 0, "cores of one server")
	fs.IntVar(&f.workers, "workers", 0, "processes or threads of a server that serve; 0: one a core")
	fs.StringVar(&f.queue, "queue", "shared", "shared: the workers of a server take from one queue; own: each has its own")
	fs.Var(&f.usl, "usl", "measured throughput by workers of one server, as 1:955,2:1878,4:3548")
	fs.IntVar(&f.servers, "servers", 0, "servers there are; 0: not asked")
	f.ruleFlags.add(fs)
	fs.IntVar(&f.zones, "zones", 0, "zones of which one may be lost (a live pool counts them by a label, --zone); 0: not asked")
	fs.StringVar(&f.from, "from", "", "`file` with what is measured, of capmon snapshot --format json; - is standard input")
	fs.StringArrayVar(&f.view.agents, "agents", nil, "`list` of agents to measure, as on the dashboard")
	fs.StringVar(&f.pool, "pool", "", "`name` of the pool to plan, where several are measured; with its policy, where [pool.NAME] in the config file holds one")
	fs.DurationVar(&f.wait, "wait", 3*time.Second, "how long to wait for agents that do not answer")
	fs.BoolVar(&f.json, "json", false, "print one object: pools as in a snapshot, and the table")
	addConfig(cmd, &f.view.config)
	f.view.sec.add(cmd)
	complete(cmd, "queue", "shared", "own")
	// The question is of this moment; a file or a variable holds the policy.
	for _, name := range []string{"users", "rps", "requests-per-user", "peak", "growth", "for", "spike", "cost", "cores", "usl", "servers", "from", "pool", "json"} {
		onlyOnCommandLine(cmd, name)
	}
}

func (f *planFlags) run(cmd *cobra.Command) error {
	f.typed = map[string]bool{}
	cmd.Flags().Visit(func(v *pflag.Flag) { f.typed[v.Name] = true })
	if err := f.view.settle(cmd); err != nil {
		return err
	}
	if err := f.ofPool(cmd); err != nil {
		return err
	}
	if err := f.check(cmd); err != nil {
		return err
	}
	if f.curveOnly() {
		return f.curve(cmd)
	}
	m, err := f.measured(cmd)
	if err != nil {
		return err
	}
	q, err := f.question(cmd, m)
	if err != nil {
		return err
	}
	p, err := capacity.NewPlan(q)
	if err != nil {
		return usagef("%s", oneLine(err))
	}
	write := report.PlanText
	if f.json {
		write = report.PlanJSON
	}
	if err := write(cmd.OutOrStdout(), p); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// ofPool takes the policy of the pool from its table in the config file, where
// the command line says nothing.
func (f *planFlags) ofPool(cmd *cobra.Command) error {
	if !f.typed["agents"] && (f.from != "" || f.onPaper()) {
		f.view.agents = nil // of the file, and not to be asked
		dropHosts(f.view.tables)
	}
	for _, t := range f.view.tables {
		for _, k := range t.keys {
			to := cmd.Flags().Lookup(k.name)
			if t.name != f.pool || to == nil || !configurable(to) || f.typed[k.name] || slices.Contains(hostLists, k.name) {
				continue
			}
			if err := set(cmd.Flags(), k.name, t.key(k.name), k.fromFile); err != nil {
				return err
			}
			if err := f.ruleFlags.check(cmd.Flags().Changed); err != nil {
				return usagef("%s: %s: %w", k.where, t.key(k.name), err)
			}
		}
	}
	if !f.typed["per-server"] && !f.users.set {
		cmd.Flag("per-server").Changed = false // in a file it is of connections, and no users are asked
	}
	return nil
}

// oneLine is what is wrong without the words that every refusal of the maths
// ends with; several things that are wrong at once stand in one line.
func oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), ": "+capacity.ErrInput.Error(), "")
	return strings.ReplaceAll(text, "\n", "; ")
}

// curveOnly says whether the question is how a server scales inside, without a
// load.
func (f *planFlags) curveOnly() bool {
	return f.usl.text != "" && !f.users.set && !f.rps.set && f.from == "" && !f.live()
}

// onPaper says whether the command line holds a whole question, so that the
// agents in the config file are not for it.
func (f *planFlags) onPaper() bool {
	load := (f.users.set || f.rps.set) && !f.users.times && !f.rps.times
	return load && (f.typed["per-server"] || f.typed["cost"] || f.typed["usl"]) || f.typed["usl"] && !f.users.set && !f.rps.set
}

// live says whether agents are measured: those named, or those of the pool in
// the config file.
func (f *planFlags) live() bool {
	return len(f.view.agents) > 0 || f.from == "" && f.pool != "" && slices.ContainsFunc(f.view.tables, func(t poolTable) bool {
		return slices.ContainsFunc(t.keys, func(k tableKey) bool { return k.name == "agents" })
	})
}

func (f *planFlags) curve(cmd *cobra.Command) error {
	s, err := f.usl.fit()
	if err != nil {
		return err
	}
	cores := capacity.Num{}
	workers := float64(f.workers)
	if cmd.Flags().Changed("cores") {
		cores = capacity.Known(f.cores)
		if f.workers == 0 {
			workers = f.cores
		}
	}
	write := report.CurveText
	if f.json {
		write = report.CurveJSON
	}
	if err := write(cmd.OutOrStdout(), s, s.Advise(workers, cores)); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// fit lays the curve through the pairs. Errors are usage errors.
func (p *pairs) fit() (capacity.Scaling, error) {
	s, err := capacity.FitScalability(p.workers, p.throughput)
	if err != nil {
		return s, usagef("--usl: %s", oneLine(err))
	}
	return s, nil
}

// check refuses what no plan can be made of, in the words of the flags.
func (f *planFlags) check(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	for _, v := range []struct {
		name string
		v    float64
	}{
		{"per-server", f.perServer}, {"cores", f.cores}, {"peak", f.peak}, {"cost", f.cost.Seconds()}, {"for", f.ahead.Seconds()},
	} {
		if given(v.name) && !(v.v > 0 && v.v <= 1e15) {
			return usagef("--%s %v: want more than 0", v.name, cmd.Flag(v.name).Value)
		}
	}
	for _, v := range []struct {
		name string
		n    int
	}{{"workers", f.workers}, {"servers", f.servers}, {"zones", f.zones}} {
		if err := checkCount(v.name, v.n); err != nil {
			return err
		}
	}
	if err := errors.Join(f.ruleFlags.check(given), f.together()); err != nil {
		return usagef("%s", oneLine(err))
	}
	measured := f.from != "" || f.live()
	switch {
	case !measured && !f.users.set && !f.rps.set && f.usl.text == "":
		return usagef("say the load: --users or --rps, or where it is measured: --from FILE or --agents LIST")
	case !measured && !given("per-server") && !given("cost") && !given("usl"):
		return usagef("say what one server holds: --per-server, or --cost with --cores")
	case !measured && given("cost") && !given("cores") && f.workers == 0:
		return usagef("--cost needs --cores: how many one server has")
	case given("usl") && !f.curveOnly() && !given("per-server") && !given("cost") && f.workers == 0 && !given("cores"):
		return usagef("--usl: say how many --workers a server runs, or its --cores")
	case given("cost") && !measured && !f.curveOnly() && !f.rps.set && !given("requests-per-user"):
		return usagef("--cost is of a request: say --rps, or --users with --requests-per-user")
	case f.typed["slo"] && !given("cost") && !measured:
		return usagef("--slo needs --cost: how long a request takes")
	case f.typed["pool"] && !measured && !slices.ContainsFunc(f.view.tables, func(t poolTable) bool { return t.name == f.pool }):
		return usagef("--pool %q: nothing is measured, and no [pool.NAME] in the config file is called so", f.pool)
	case given("spike") && !(f.spike >= 1 && f.spike <= 1e6):
		return usagef("--spike %v: want 1 or more, as 1.5", f.spike)
	case f.queue != "shared" && f.queue != "own":
		return usagef("--queue %q: want shared or own", f.queue)
	case f.zones == 1:
		return usagef("--zones 1: losing the only zone leaves nothing: want 2 or more")
	case given("requests-per-user") && !f.users.set:
		return usagef("--requests-per-user needs --users: how many people there are")
	case given("requests-per-user") && f.rps.set:
		return usagef("--requests-per-user does not go with --rps: choose one")
	case given("peak") && !given("requests-per-user"):
		return usagef("--peak goes with --requests-per-user: multiply --rps yourself")
	case f.from != "" && len(f.view.agents) > 0:
		return usagef("--from does not go with --agents: choose one")
	case given("wait") && (f.wait <= 0 || f.wait > time.Minute):
		return usagef("--wait %v: want more than 0 and at most 1m", f.wait)
	}
	return nil
}
