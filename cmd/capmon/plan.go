package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"capmon/capacity"
	"capmon/fleet/report"
)

// planFlags are the question of `capmon plan`. Numbers that were not given are
// not asked.
type planFlags struct {
	view viewFlags
	from string
	json bool
	wait time.Duration

	users, rps  amount
	perUser     rate
	peak        float64
	growth      growth
	ahead       time.Duration
	spike       float64
	perServer   float64
	cost        time.Duration
	cores       float64
	workers     int
	queue       string
	usl         pairs
	servers     int
	target      share
	spare       int
	zones       int
	min, max    int
	slo         promise
	sla, upTime percent
	warmUp      time.Duration
	price       float64
}

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "How many servers a load needs, on paper or from what is measured",
		Long: "Answers how many servers a load needs, with every formula and its numbers: on paper, or\n" +
			"from a live fleet (--agents) or a snapshot (--from) with numbers in its place.\n\n" +
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
	fs.Var(&f.target, "target", "utilisation to run at, 0.8 or 80% (default: by the workers behind one queue, at most 80%)")
	fs.IntVar(&f.spare, "spare", 0, "servers that may be lost without passing the target")
	fs.IntVar(&f.zones, "zones", 0, "zones of which one may be lost; 0: not asked")
	fs.IntVar(&f.min, "min", 0, "fewest servers of the group; 0: none")
	fs.IntVar(&f.max, "max", 0, "most servers the group may have; 0: no bound")
	fs.Var(&f.slo, "slo", "promised response time, as p99=50ms or mean=20ms")
	fs.Var(&f.sla, "sla", "percent of the time that enough servers are up, as 99.95")
	fs.Var(&f.upTime, "availability", "percent of the time that one server is up, with --sla")
	fs.DurationVar(&f.warmUp, "warm-up", 3*time.Minute, "how long a new server takes")
	fs.Float64Var(&f.price, "price", 0, "money for a server hour; 0: not asked")
	fs.StringVar(&f.from, "from", "", "`file` with what is measured, of capmon snapshot --format json; - is standard input")
	fs.StringArrayVar(&f.view.agents, "agents", nil, "`list` of agents to measure, as on the dashboard")
	fs.DurationVar(&f.wait, "wait", 3*time.Second, "how long to wait for agents that do not answer")
	fs.BoolVar(&f.json, "json", false, "print one object: pools as in a snapshot, and the table")
	addConfig(cmd, &f.view.config)
	f.view.sec.add(cmd)
	complete(cmd, "queue", "shared", "own")
	// The question is of this moment; a file or a variable holds the policy.
	for _, name := range []string{"users", "rps", "requests-per-user", "peak", "growth", "for", "spike", "cost", "cores", "usl", "servers", "from", "json"} {
		onlyOnCommandLine(cmd, name)
	}
}

func (f *planFlags) run(cmd *cobra.Command) error {
	if err := settle(cmd); err != nil {
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

// oneLine is what is wrong without the words that every refusal of the maths
// ends with; several things that are wrong at once stand in one line.
func oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), ": "+capacity.ErrInput.Error(), "")
	return strings.ReplaceAll(text, "\n", "; ")
}

// curveOnly says whether the question is how a server scales inside, without a
// load.
func (f *planFlags) curveOnly() bool {
	return f.usl.text != "" && !f.users.set && !f.rps.set && f.from == "" && len(f.view.agents) == 0
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
	for _, name := range []string{"workers", "servers", "spare", "zones", "min", "max"} {
		if v, err := cmd.Flags().GetInt(name); err != nil || v < 0 || v > capacity.MaxServers {
			return usagef("--%s %d: want 0 to %s", name, v, capacity.Count(capacity.MaxServers))
		}
	}
	measured := f.from != "" || len(f.view.agents) > 0
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
	case f.slo.set && !given("cost"):
		return usagef("--slo needs --cost: how long a request takes")
	case !(f.price >= 0 && f.price <= 1e9):
		return usagef("--price %v: want 0 or more", f.price)
	case given("spike") && !(f.spike >= 1 && f.spike <= 1e6):
		return usagef("--spike %v: want 1 or more, as 1.5", f.spike)
	case f.warmUp < 0:
		return usagef("--warm-up %v: want 0 or more", f.warmUp)
	case f.queue != "shared" && f.queue != "own":
		return usagef("--queue %q: want shared or own", f.queue)
	case f.max > 0 && f.min > f.max:
		return usagef("--min %d is more than --max %d", f.min, f.max)
	case f.zones == 1:
		return usagef("--zones 1: losing the only zone leaves nothing: want 2 or more")
	case (f.sla > 0) != (f.upTime > 0):
		return usagef("--sla and --availability go together: how often enough servers are up follows from how often one is")
	case f.sla >= 1:
		return usagef("--sla 100: nothing is up always: want less, as 99.95")
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
	case len(f.view.agents) > 0:
		f.view.sampling.interval, f.view.target, f.view.spare = time.Second, 0.8, f.spare
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
	m, err := report.ReadMeasured(in)
	if err != nil {
		return nil, usagef("--from: read %s: %w", what, err)
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
	if !given("spare") {
		q.Rule.Spare = m.Spare
	}
	if !given("warm-up") && m.WarmUp.OK {
		q.WarmUp = time.Duration(m.WarmUp.V * float64(time.Second))
	}
	if f.slo.set {
		q.SLO = &f.slo.Promise
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
