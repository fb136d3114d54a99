package capacity

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Question is what a plan on paper is made from. Unknown numbers are not
// asked. On paper neither a tolerance nor a window applies.
type Question struct {
	// The load: people, requests, or both.
	Users  Num // active at a time, or of a day with Demand
	RPS    Num // requests a second
	Demand *Demand
	Growth Growth
	Spike  float64 // a load so many times as high at once, for its price in servers; 0: not asked

	// What one server holds.
	PerServer Num // of users, or of RPS where no users are asked or Demand is
	Cost      Num // CPU seconds a request
	Cores     Num // of one server; of unlike ones the mean
	Least     Num // cores of the smallest and the largest of unlike servers
	Most      Num
	Besides   Num // cores a server uses without requests, with Cost
	CoresUsed Num // measured, of all servers, where Cost is not known
	Workers   int // processes or threads of a server that serve; 0: one a core
	OwnQueue  bool
	Scaling   *Scaling // throughput of one server by its workers
	// Others are limits that were measured and are not made from the above, as the
	// threads of a service: with their load, and a target of their own or the rule's.
	Others []PoolLimit

	// Targets are those of single limits by their names, where the one of the rule
	// was not chosen for all of them.
	Targets map[string]float64
	Rule    Rule     // a Target of 0: by the workers behind one queue
	SLO     *Promise // of the response
	WarmUp  time.Duration
	Price   Num    // of a server hour
	Have    int    // servers there are; 0: not asked
	Source  string // what was measured and where, the first step; empty: all is on paper
}

// Growth is how a load grows, from now on. The zero value: not at all.
type Growth struct {
	PerSecond float64       // in the unit of the leading load: users, else RPS
	Share     float64       // a second, on top of PerSecond
	For       time.Duration // how far the plan looks ahead; 0: 10 minutes
}

// At is a load after so many seconds.
func (g Growth) At(load, seconds float64) float64 {
	return max(load*math.Exp(seconds*math.Log1p(g.Share))+g.PerSecond*seconds, 0)
}

// Horizon is how far the plan looks ahead.
func (g Growth) Horizon() time.Duration {
	if g.For == 0 {
		return 10 * time.Minute
	}
	return g.For
}

func (g Growth) none() bool { return g.PerSecond == 0 && g.Share == 0 }

// fullIn is in how many seconds a load has grown by a factor; unknown when it
// never does.
func (g Growth) fullIn(load, factor float64) Num {
	switch {
	case factor <= 1:
		return Known(0)
	case g.Share == 0:
		n, _ := FullIn(load*factor-load, g.PerSecond)
		return n
	case g.PerSecond == 0:
		n, _ := FullInAt(load, load*factor, g.Share)
		return n
	}
	// Both: the first time it is reached, within a hundred years.
	const end = 100 * 365 * 86400
	if g.At(load, end) < load*factor {
		return Num{}
	}
	return Known(bisect(0, end, func(t float64) bool { return g.At(load, t) >= load*factor }))
}

// Plan is the answer to a Question: the number of servers, with every step.
type Plan struct {
	Question
	RPS      Num // asked, or what the users make; hides that of the question
	Load     Num // the leading load: users, else RPS
	Unit     string
	Target   float64
	Basis    string // where Target comes from
	Limits   []PoolLimit
	Sizing   Sizing
	Promised Result // the highest utilisation that keeps the promise; zero when none is asked
	Later    Num    // the load at the end of Growth.For
	Headroom Num    // after the spare, at Servers
	Room     Num    // of the leading load to the limit, at Servers; negative when it is overrun
	RoomRPS  Num
	FullIn   Num      // seconds, at Servers
	Servers  int      // what the above stand on: Have, else Run
	Rows     []Row    // by number of servers, rising
	Advice   []string // what to do, in order
	Steps    []string // ordered, how the number came about
}

// NewPlan answers a question. Errors wrap ErrInput and say what is missing.
func NewPlan(q Question) (Plan, error) {
	if err := q.check(); err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	p := Plan{Question: q, RPS: q.RPS}
	if q.Source != "" {
		p.Steps = append(p.Steps, q.Source)
	}
	if err := p.demand(); err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	p.target()
	if err := p.limits(); err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	if err := p.promise(); err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	rule := q.Rule
	rule.Target = p.Target
	s, err := Size(p.Limits, rule)
	if err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	p.Sizing = s
	p.Steps = append(p.Steps, s.Steps...)
	if err := p.allowed(); err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	p.Servers = s.Run
	if q.Have > 0 {
		p.Servers = q.Have
	}
	p.at(p.Servers)
	if err := p.spike(rule); err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	p.rows()
	p.advise()
	return p, nil
}

func (q Question) check() error {
	all := []error{
		atLeast0("users", q.Users.Or(0)), atLeast0("requests a second", q.RPS.Or(0)), atLeast0("price", q.Price.Or(0)),
		above0("one server", q.PerServer.Or(1)), above0("cost of a request", q.Cost.Or(1)), above0("cores", q.Cores.Or(1)),
		above0("cores of the smallest", q.Least.Or(1)), above0("cores of the largest", q.Most.Or(1)),
		atLeast0("cores used", q.CoresUsed.Or(0)), atLeast0("cores used besides", q.Besides.Or(0)), atLeast0("workers", float64(q.Workers)), atLeast0("servers", float64(q.Have)),
		atLeast0("warm-up", q.WarmUp.Seconds()), atLeast0("time ahead", q.Growth.For.Seconds()),
	}
	if q.Spike != 0 && !(q.Spike >= 1 && finite(q.Spike)) {
		all = append(all, fmt.Errorf("a spike of ×%v, it must be at least 1: %w", q.Spike, ErrInput))
	}
	if !finite(q.Growth.PerSecond) || !finite(q.Growth.Share) || q.Growth.Share <= -1 {
		all = append(all, fmt.Errorf("growth of %v and %v a second: %w", q.Growth.PerSecond, q.Growth.Share, ErrInput))
	}
	if q.Workers > maxQueue || q.Have > MaxServers {
		all = append(all, fmt.Errorf("%d workers, %d servers: more than %s: %w", q.Workers, q.Have, Count(maxQueue), ErrInput))
	}
	return errors.Join(all...)
}

// demand settles the loads.
func (p *Plan) demand() error {
	if p.Demand != nil && !p.RPS.OK {
		d := *p.Demand
		d.Users = p.Users.Or(d.Users)
		r, err := d.RPS()
		if err != nil {
			return err
		}
		p.RPS = Known(r.V)
		p.Steps = append(p.Steps, r.Formula)
	}
	switch {
	case p.people():
		p.Load, p.Unit = p.Users, "users"
	case p.RPS.OK:
		p.Load, p.Unit = p.RPS, "rps"
	case p.CoresUsed.OK:
		p.Load, p.Unit = p.CoresUsed, "cores"
	default:
		return fmt.Errorf("no load is known: say how many users or requests a second: %w", ErrInput)
	}
	if !p.Growth.none() {
		p.Later = Known(p.Growth.At(p.Load.V, p.Growth.Horizon().Seconds()))
		if !p.Later.OK {
			return fmt.Errorf("growth: the load of %s from now is no number: %w", Span(p.Growth.Horizon().Seconds()), ErrInput)
		}
	}
	return nil
}

// people says whether users are those active at a time, who lead. None at all,
// where nothing limits them, lead nothing.
func (p *Plan) people() bool {
	return p.Users.OK && p.Demand == nil && (p.PerServer.OK || p.Users.V > 0)
}

// queue is how many workers serve one queue at a time, not more than cores; 0:
// not known.
func (p *Plan) queue() int {
	c := p.usable()
	switch {
	case p.OwnQueue:
		return 1
	case math.IsInf(c, 0):
		return 0
	}
	return int(min(max(c, 1), maxQueue))
}

// target settles the utilisation to run at.
func (p *Plan) target() {
	if p.Rule.Target != 0 {
		p.Target, p.Basis = p.Rule.Target, "chosen"
		return
	}
	n := 0
	if p.Workers > 0 || p.OwnQueue {
		n = p.queue()
	}
	p.Target = DefaultTarget(n)
	p.Basis = "default"
	if n > 0 {
		p.Basis = fmt.Sprintf("default for %s behind one queue", counted(n, "worker"))
	}
	p.Steps = append(p.Steps, fmt.Sprintf("target %s: %s", Percent(p.Target), p.Basis))
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return whole(n) + " " + what + "s"
}

// usable is how many cores of a server its workers can use at once.
func (p *Plan) usable() float64 {
	c := p.Cores.Or(math.Inf(1))
	if p.Workers > 0 {
		c = min(c, float64(p.Workers))
	}
	return c
}

// limits adds up what one server holds.
func (p *Plan) limits() error {
	add := func(name, unit, from string, used, per float64) {
		p.Limits = append(p.Limits, PoolLimit{
			Limit:   Limit{Name: name, Used: used, Capacity: per, Unit: unit, From: from},
			Servers: 1, Least: per, Most: per,
		})
	}
	switch {
	case p.PerServer.OK && p.people():
		add("conns", "connections", "per server", p.Users.V, p.PerServer.V)
	case p.PerServer.OK && p.RPS.OK:
		add("rps", "requests a second", "per server", p.RPS.V, p.PerServer.V)
	case p.PerServer.OK:
		return fmt.Errorf("%s a server are of no use without users or requests a second: %w", Amount(p.PerServer.V), ErrInput)
	}
	switch {
	case p.Cost.OK && !p.RPS.OK:
		return fmt.Errorf("a cost of a request is of no use without requests a second: %w", ErrInput)
	case p.Cost.OK && !p.Cores.OK && p.Workers == 0:
		return fmt.Errorf("a cost of a request is of no use without the cores of a server: %w", ErrInput)
	case p.Cost.OK:
		busy := p.RPS.V * p.Cost.V
		p.Steps = append(p.Steps, fmt.Sprintf("cpu: %s rps × %s = %s cores", Amount(p.RPS.V), Span(p.Cost.V), Amount(busy)))
		if p.usable() < p.Cores.Or(math.Inf(1)) && p.Cores.OK {
			p.Steps = append(p.Steps, fmt.Sprintf("cpu: %s use at most %s of %s cores", counted(p.Workers, "worker"), Amount(p.usable()), Amount(p.Cores.V)))
		}
		add("cpu", "cores", "cores of a server", busy+p.Besides.Or(0), p.usable())
		p.Limits[len(p.Limits)-1].Background = p.Besides.Or(0)
	case p.CoresUsed.OK && p.Cores.OK:
		add("cpu", "cores", "measured", p.CoresUsed.V, p.usable())
	}
	p.unlike()
	if err := p.scaling(add); err != nil {
		return err
	}
	p.Limits = append(p.Limits, p.Others...)
	for i := range p.Limits {
		if l := &p.Limits[i]; l.Target == 0 {
			l.Target = p.Targets[l.Name]
		}
	}
	if len(p.Limits) == 0 {
		return fmt.Errorf("what one server holds is not known: say its users or requests, or the cost of a request and its cores: %w", ErrInput)
	}
	return nil
}

// unlike says of servers that differ in cores between what they lie.
func (p *Plan) unlike() {
	if !p.Least.OK || !p.Most.OK || p.Workers > 0 {
		return
	}
	for i := range p.Limits {
		if l := &p.Limits[i]; l.Name == "cpu" && l.Capacity == p.Cores.V {
			l.Servers, l.Least, l.Most = max(p.Have, 1), p.Least.V, p.Most.V
			l.Capacity *= float64(l.Servers)
			l.Used += float64(l.Servers-1) * l.Background
		}
	}
}

// scaling takes the throughput of one server from the curve of its workers.
func (p *Plan) scaling(add func(name, unit, from string, used, per float64)) error {
	s := p.Scaling
	if s == nil {
		return nil
	}
	p.Steps = append(p.Steps, "scaling: "+s.Formula())
	n := p.workers()
	if n == 0 || !p.RPS.OK || (p.PerServer.OK && !p.people()) {
		return nil // the curve is shown, but sizes nothing
	}
	x := s.At(n)
	if !(x > 0) || !finite(x) {
		return fmt.Errorf("scaling: the throughput of %s workers is %v: %w", Amount(n), x, ErrInput)
	}
	p.Steps = append(p.Steps, fmt.Sprintf("scaling: %s workers a server do %s rps", Amount(n), Amount(x)))
	add("scaling", "requests a second", "throughput by workers", p.RPS.V, x)
	return nil
}

// promise turns the promise about time into a limit with its own target.
func (p *Plan) promise() error {
	if p.SLO == nil {
		return nil
	}
	at := -1
	for i, l := range p.Limits {
		if l.Name == "cpu" {
			at = i
		}
	}
	if at < 0 || !p.Cost.OK {
		return fmt.Errorf("a promise about time needs the cost of a request and the cores of a server: %w", ErrInput)
	}
	n := p.queue()
	if n == 0 {
		n = 1
	}
	r, err := MaxUtilisation(Workers{Count: n, Service: p.Cost.V}, *p.SLO)
	if err != nil {
		return err
	}
	p.Promised = r
	slo := p.Limits[at]
	slo.Name, slo.From, slo.Target = "slo", p.SLO.String(), r.V
	p.Limits = append(p.Limits, slo)
	p.Steps = append(p.Steps, "slo: "+r.Formula)
	if p.Workers == 0 && !p.OwnQueue {
		p.Steps = append(p.Steps, fmt.Sprintf("slo: %s behind one queue: assumed, one a core", counted(n, "worker")))
	}
	return nil
}

// allowed says how long an SLA lets too few servers be up.
func (p *Plan) allowed() error {
	if p.Rule.SLA == 0 {
		return nil
	}
	const day = 24 * time.Hour
	month, errM := Downtime(p.Rule.SLA, 30*day)
	year, errY := Downtime(p.Rule.SLA, 365*day)
	if err := errors.Join(errM, errY); err != nil {
		return err
	}
	p.Steps = append(p.Steps, fmt.Sprintf("SLA %s%%: allows %v in 30 days, %v in a year",
		trimmed(p.Rule.SLA*100), month.Round(time.Second), year.Round(time.Second)))
	return nil
}

// spike says what a load that comes at once would take. It changes no number:
// only servers that run already hold it until others are warm.
func (p *Plan) spike(rule Rule) error {
	if p.Spike == 0 {
		return nil
	}
	higher := make([]PoolLimit, len(p.Limits))
	for i, l := range p.Limits {
		l.Used *= p.Spike
		higher[i] = l
	}
	rule.Min, rule.Max = 0, 0
	s, err := Size(higher, rule)
	if err != nil {
		return err
	}
	_, use := p.nearest(p.Sizing.Need)
	step := fmt.Sprintf("spike ×%s at once: %s %s: %s used on %s, %s needed (%s more, not in NEED)", trimmed(p.Spike), p.count(p.Load.V*p.Spike), p.Unit,
		Percent(use.V*p.Spike), counted(p.Sizing.Need, "server"), whole(s.Need), whole(s.Need-p.Sizing.Need))
	if p.WarmUp > 0 && use.V*p.Spike > 1 {
		step += fmt.Sprintf("; over the limit for %s, while new ones warm up", Span(p.WarmUp.Seconds()))
	}
	p.Steps = append(p.Steps, step)
	return nil
}

// count is a load of this plan in words: of people there is no half.
func (p *Plan) count(load float64) string {
	if p.Unit == "users" {
		return Count(math.Ceil(load - 1e-9))
	}
	return Amount(load)
}
