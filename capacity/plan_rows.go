package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Row is what a number of servers means.
type Row struct {
	Servers int
	Marks   []string // of have, max, NEED
	Now     Num      // utilisation of the nearest limit
	Lost    Num      // the same with one server lost; unknown for one server
	Later   Num      // the same after Growth.For
	FullIn  Num      // seconds; unknown when it never is, or nothing grows
	PerDay  Num      // money
	// Response is what the promised share of requests keeps, in seconds; unknown
	// without a promise, or when the servers can't carry the load.
	Response Num
}

// nearest is the highest utilisation over the limits with n servers.
func (p *Plan) nearest(n int) (PoolLimit, Num) {
	best, name := Num{}, PoolLimit{}
	for _, l := range p.Limits {
		if l.Name == "slo" {
			continue // the promise is a target of cpu, not another limit
		}
		if v := Known(l.with(n)); v.OK && (!best.OK || v.V > best.V) {
			best, name = v, l
		}
	}
	return name, best
}

// with is the utilisation with n servers: the load, and the background of each.
func (p PoolLimit) with(n int) float64 {
	rest := min(p.Used, float64(p.Servers)*p.Background)
	return (p.Used-rest)/(float64(n)*p.Typical()) + rest/p.Capacity
}

// Rows compares the numbers of servers around what there is, what may be and
// what is needed, of a pool that runs. growth is that of the load of its nearest
// limit.
func Rows(limits []PoolLimit, rule Rule, s Sizing, have int, growth Growth, price Num) []Row {
	p := Plan{Question: Question{Rule: rule, Have: have, Growth: growth, Price: price}, Limits: limits, Sizing: s}
	near, _ := p.nearest(max(have, 1))
	p.Load = Known(near.load())
	if !growth.none() {
		p.Later = Known(growth.At(p.Load.V, growth.Horizon().Seconds()))
	}
	p.rows()
	return p.Rows
}

// at fills in what is left with n servers.
func (p *Plan) at(n int) {
	near, use := p.nearest(n)
	p.FullIn = p.fullIn(near.grows(use))
	if left := n - p.Sizing.Spare; left > 0 {
		near, _ := p.nearest(left)
		if r, err := Headroom(Limit{Name: near.Name, Used: near.Used, Capacity: float64(left) * near.Typical()}, p.Target); err == nil {
			p.Headroom = Known(r.V)
			p.Steps = append(p.Steps, fmt.Sprintf("headroom of %s: %s", p.less(n), strings.TrimPrefix(r.Formula, "headroom ")))
		}
	}
	p.Room = roomBy(p.Load, near.grows(use))
	p.RoomRPS = roomBy(p.RPS, near.grows(use))
	if p.Room.OK {
		room := Amount(p.Room.V)
		if p.Unit == "users" { // half a user is none
			room = Count(math.Floor(p.Room.V))
		}
		unit := p.Unit
		if room == "1" && unit == "users" {
			unit = "user"
		}
		p.Steps = append(p.Steps, fmt.Sprintf("room of %s to the limit: %s %s", counted(n, "server"), room, unit))
	}
	if p.FullIn.OK && !p.Growth.none() {
		p.Steps = append(p.Steps, p.fullStep(n))
	}
}

// grows is how many times its load a limit that is used so far can take: its
// background does not grow.
func (p PoolLimit) grows(use Num) Num {
	idle := p.Background / p.Typical()
	if !use.OK || !(use.V > idle) {
		return Num{}
	}
	return Known((1 - idle) / (use.V - idle))
}

// Carries is the leading load at which n servers are at a limit; unknown where
// nothing says so.
func (p *Plan) Carries(n int) Num {
	if n < 1 || n > MaxServers || !p.Load.OK {
		return Num{}
	}
	near, use := p.nearest(n)
	room := roomBy(p.Load, near.grows(use))
	if !room.OK {
		return Num{}
	}
	return Known(p.Load.V + room.V)
}

// roomBy is how much more of a load there is room for when it can grow so many
// times; a load of nothing says nothing about that.
func roomBy(load, times Num) Num {
	if !load.OK || !times.OK || load.V <= 0 {
		return Num{}
	}
	return Known(load.V*times.V - load.V)
}

func (p *Plan) less(n int) string {
	s := counted(n, "server")
	if p.Sizing.Spare > 0 {
		s += " less " + whole(p.Sizing.Spare) + " spare"
	}
	return s
}

func (p *Plan) fullStep(n int) string {
	s := fmt.Sprintf("%s full in %s", counted(n, "server"), Span(p.FullIn.V))
	if p.WarmUp == 0 {
		return s
	}
	s += fmt.Sprintf("; a new server takes %s", Span(p.WarmUp.Seconds()))
	if late := p.WarmUp.Seconds() - p.FullIn.V; late > 0 {
		s += ": late by " + Span(late)
	}
	return s
}

func (p *Plan) fullIn(times Num) Num {
	if p.Growth.none() || !times.OK {
		return Num{}
	}
	return p.Growth.fullIn(p.Load.V, times.V)
}

// maxRows is how many numbers of servers a plan compares.
const maxRows = 7

// rows compares the numbers of servers around what there is and what is needed.
func (p *Plan) rows() {
	s := p.Sizing
	list := []int{s.Need, s.Run}
	for _, n := range []int{p.Have, p.Rule.Max, s.Raw, s.Need - 1, s.Need + 1, s.Need - 2, s.Need + 3, s.Need + 2, s.Need + 4, s.Need + 5} {
		if n >= 1 && n <= MaxServers && len(list) < maxRows && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	for _, n := range slices.Compact(list) {
		p.Rows = append(p.Rows, p.row(n))
	}
}

// TargetOf is the utilisation that a limit is to run at, by its name.
func (p *Plan) TargetOf(limit string) float64 {
	for _, l := range p.Limits {
		if l.Name == limit && l.Target != 0 {
			return l.Target
		}
	}
	return p.Target
}

// At is what n servers mean, 1 and up.
func (p *Plan) At(n int) Row { return p.row(n) }

func (p *Plan) row(n int) Row {
	r := Row{Servers: n}
	near, use := p.nearest(n)
	r.Now = use
	if n > 1 {
		_, r.Lost = p.nearest(n - 1)
	}
	if p.Later.OK && r.Now.OK && p.Load.V > 0 {
		idle := near.Background / near.Typical()
		r.Later = Known(idle + (r.Now.V-idle)*(p.Later.V/p.Load.V))
	}
	r.FullIn = p.fullIn(near.grows(use))
	if p.Price.OK {
		r.PerDay = Known(p.Price.V * 24 * float64(n))
	}
	r.Response = p.response(n)
	for _, m := range []struct {
		n    int
		mark string
	}{{p.Have, "have"}, {p.Rule.Min, "min"}, {p.Rule.Max, "max"}, {p.Sizing.Need, "NEED"}} {
		if m.n == n {
			r.Marks = append(r.Marks, m.mark)
		}
	}
	return r
}

// response is the time that the promised share of requests keeps with n servers;
// unknown when they can't carry the load.
func (p *Plan) response(n int) Num {
	if p.SLO == nil || p.SLO.Share == 0 {
		return Num{}
	}
	c := max(p.queue(), 1)
	slo := p.Limits[len(p.Limits)-1]
	rho := slo.Used / (float64(n) * slo.Typical())
	q, err := NewQueue(c, rho*float64(c)/p.Cost.V, p.Cost.V)
	if err != nil {
		return Num{}
	}
	t, err := q.ResponseQuantile(p.SLO.Share)
	if err != nil {
		return Num{}
	}
	return Known(t)
}

// advise says what to do, in order.
func (p *Plan) advise() {
	s := p.Sizing
	if p.Have > 0 && s.Run > p.Have {
		p.Advice = append(p.Advice, p.grow(fmt.Sprintf("add %s", whole(s.Run-p.Have)), s.Run))
	}
	if enough := max(s.Need, s.Run); p.Have > enough {
		p.Advice = append(p.Advice, fmt.Sprintf("%s are %s more than needed", whole(p.Have), whole(p.Have-enough)))
	}
	if s.Short > 0 {
		p.Advice = append(p.Advice, p.grow(fmt.Sprintf("raise max to %s, add %s", whole(s.Need), whole(s.Need-max(p.Have, s.Run))), s.Need))
	}
	if p.Scaling != nil {
		p.Advice = append(p.Advice, p.Scaling.Advise(p.workers(), p.Cores)...)
	}
}

// workers are those of one server: as said, else one a core; 0: not known.
func (p *Plan) workers() float64 {
	if p.Workers > 0 {
		return float64(p.Workers)
	}
	return p.Cores.Or(0)
}

// grow says what n servers give and what they buy against what there is.
func (p *Plan) grow(do string, n int) string {
	r := p.row(n)
	do += fmt.Sprintf(": %s used", PercentBeside(r.Now.V, p.Target))
	if near, now := p.nearest(max(p.Have, 1)); p.Have > 0 && r.FullIn.OK {
		if before := p.fullIn(near.grows(now)); before.OK && r.FullIn.V > before.V {
			do += ", buys " + Span(r.FullIn.V-before.V)
		}
	}
	if r.Lost.OK && r.Lost.V <= p.Target*(1+epsilon) {
		do += ", holds the loss of one"
	}
	return do
}

// What a step must give to be advised: more workers on idle cores cost nothing,
// a bigger machine must give half of what its price promises.
const (
	freely = 1.1
	worth  = 1.5
)

// Advise is what to do with the workers of one machine, in order: more workers,
// a bigger machine, more servers; each with whether it holds. Workers of 0 and
// unknown cores are not known.
func (s Scaling) Advise(workers float64, cores Num) []string {
	var out []string
	if s.Few != "" {
		out = append(out, "little to go by: "+s.Few)
	}
	best := float64(s.Best())
	switch {
	case best > s.Most:
		out = append(out, fmt.Sprintf("best may be near %s workers, beyond the %s measured: measure more", Amount(best), Amount(s.Most)))
	case best > 0:
		out = append(out, fmt.Sprintf("best is %s workers: %s; beyond, more get less done", Amount(best), Amount(s.At(best))))
	default:
		out = append(out, "no peak in what was measured: more workers never get less done")
	}
	if !(workers > 0) {
		return out
	}
	most := cores.Or(0)
	if best > 0 {
		most = min(most, best)
	}
	if best > 0 && best < workers {
		out = append(out, fmt.Sprintf("fewer workers: %s to %s give ×%s", Amount(workers), Amount(best), Decimal(s.At(best)/s.At(workers), 2)))
	}
	if most > workers {
		gain := s.At(most) / s.At(workers)
		if gain >= freely {
			return append(out, fmt.Sprintf("more workers: %s to %s give ×%s", Amount(workers), Amount(most), Decimal(gain, 2)))
		}
		out = append(out, fmt.Sprintf("more workers do little: %s to %s give ×%s", Amount(workers), Amount(most), Decimal(gain, 2)))
	}
	gain := s.At(2*workers) / s.At(workers)
	if gain >= worth {
		return append(out, fmt.Sprintf("a bigger machine: twice the cores and workers give ×%s", Decimal(gain, 2)))
	}
	return append(out, fmt.Sprintf("a bigger machine does little: twice the cores and workers give ×%s", Decimal(gain, 2)),
		"more servers: each gives its whole throughput")
}

// Best is the whole number of workers that gets most done, at least 1; 0 where
// there is no peak.
func (s Scalability) Best() int {
	peak := s.Peak()
	if !peak.OK || peak.V > maxQueue {
		return 0
	}
	n := max(int(peak.V), 1)
	if s.At(float64(n+1)) > s.At(float64(n)) {
		n++
	}
	return n
}
