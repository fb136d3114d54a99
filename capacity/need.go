package capacity

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// MaxServers is the most that is ever recommended; more is refused as a slip
// of a unit.
const MaxServers = 1_000_000

// epsilon takes back what division in binary adds: 10 × 0.7 / 0.7 servers is
// 10, not 11. It is relative, so that a load of a billion keeps its meaning.
const epsilon = 1e-9

// Servers is target tracking: how many servers of capacity per a load needs,
// each used to target: ceil(load / (per × target)). It never falls when the
// load grows. Errors wrap ErrInput.
func Servers(load, per, target float64) (int, error) {
	if err := errors.Join(atLeast0("load", load), above0("one server", per), checkTarget(target)); err != nil {
		return 0, fmt.Errorf("servers: %w", err)
	}
	n := ceil(load / (per * target))
	if !(n <= MaxServers) {
		return 0, fmt.Errorf("servers: %s / %s is more than %s servers: %w", figure(load), figure(per), Count(MaxServers), ErrInput)
	}
	return int(n), nil
}

func ceil(x float64) float64 { return math.Ceil(x - epsilon*math.Max(1, x)) }

// Rule is what the people who run a pool decided about its size.
type Rule struct {
	Target float64 // utilisation to run at, 0 < Target <= 1
	Spare  int     // servers that may be lost, 0 and up
	Min    int     // fewest servers; 0: no bound
	Max    int     // most servers; 0: no bound, else at least Min

	Zones        int     // zones of which one may be lost; 0: not asked, else at least 2
	SLA          float64 // share of the time that enough servers are up, 0 < SLA < 1; 0: not asked
	Availability float64 // of one server, 0..1; it goes with SLA
}

// Sizing is how many servers a pool needs, and how that came about.
type Sizing struct {
	Raw     int      // for the load at target, at least 1; steadied where it is live
	Spare   int      // the largest of what spare, zones and SLA ask for
	Need    int      // Raw + Spare
	Run     int      // Need within Min..Max
	Short   int      // Need - Run where Max binds, else 0
	Limit   string   // the limit that asked for Raw
	Formula string   // "NEED 13 = ceil(88,420 / (10,000 × 0.80)) + 1 spare"
	Each    []int    // servers for each limit, in their order
	Steps   []string // per limit, the largest and the spare, the bounds

	Asked int           // Raw before it was steadied: what to keep as history
	Paced bool          // Run is what a pace allows for now, not what is wanted
	Waits time.Duration // until the window lets Raw fall further, if nothing else happens; 0: it does not wait
}

// Size is the number of servers for the largest of the limits, plus the spare,
// within the bounds. The capacity of one server is that of a typical (mean)
// server of the pool. A limit whose load grows never lowers the result. Errors
// wrap ErrInput; no limits is one.
func Size(limits []PoolLimit, rule Rule) (Sizing, error) { return size(limits, rule, nil) }

func size(limits []PoolLimit, rule Rule, live *Live) (Sizing, error) {
	if len(limits) == 0 {
		return Sizing{}, fmt.Errorf("size: no limit is known: %w", ErrInput)
	}
	if err := rule.check(); err != nil {
		return Sizing{}, fmt.Errorf("size: %w", err)
	}
	var s Sizing
	s.Each = make([]int, len(limits))
	binds := 0
	for i, l := range limits {
		n, err := l.need(l.target(rule))
		if err != nil {
			return Sizing{}, fmt.Errorf("size by %s: %w", l.Name, err)
		}
		s.Each[i] = n
		if n > s.Each[binds] || n == s.Each[binds] && l.parts(rule) > limits[binds].parts(rule) {
			binds = i
		}
	}
	for i, l := range limits {
		s.Steps = append(s.Steps, l.step(s.Each[i], l.target(rule), i == binds && len(limits) > 1))
	}
	s.Limit = limits[binds].Name
	s.Asked = max(s.Each[binds], 1) // who serves at all needs one
	s.Raw = s.Asked
	why := limits[binds].formula(limits[binds].target(rule))
	if s.Each[binds] == 0 {
		why = "1 for no load"
	}
	sum := largest(s.Each)
	if live != nil {
		if err := s.steady(rule, live); err != nil {
			return Sizing{}, fmt.Errorf("size: %w", err)
		}
		if s.Raw != s.Asked {
			why = fmt.Sprintf("%s steadied (%s = %s)", whole(s.Raw), why, whole(s.Asked))
			sum = whole(s.Raw) + " steadied"
		}
	}
	if err := s.spare(rule); err != nil {
		return Sizing{}, fmt.Errorf("size: %w", err)
	}
	sum += spareText(s.Spare)
	if need := whole(s.Need); sum != need && sum != need+" steadied" {
		sum += " = " + need
	}
	s.Steps = append(s.Steps, "need = "+sum)
	s.bound(rule)
	s.Formula = "NEED " + whole(s.Need) + " = " + why + spareText(s.Spare)
	return s, nil
}

// spare is the largest of the spares that are asked for; with more than the
// plain one the steps say what each asks.
func (s *Sizing) spare(rule Rule) error {
	s.Spare = rule.Spare
	if rule.Zones > 0 {
		per, total, err := Zones(s.Raw, rule.Zones, 1)
		if err != nil {
			return err
		}
		s.Spare = max(s.Spare, total-s.Raw)
		s.Steps = append(s.Steps, fmt.Sprintf("losing one of %d zones: ceil(%s / %d) = %s in each, %s in all", rule.Zones, whole(s.Raw), rule.Zones-1, whole(per), whole(total)))
	}
	if rule.SLA > 0 {
		n, err := ServersForSLA(s.Raw, rule.Availability, rule.SLA)
		if err != nil {
			return err
		}
		p, err := AtLeastUp(s.Raw, n, rule.Availability)
		if err != nil {
			return err
		}
		s.Spare = max(s.Spare, n-s.Raw)
		s.Steps = append(s.Steps, fmt.Sprintf("SLA %s%%: %s servers of %s%% keep %s up for %s%% of the time, if they fail independently",
			trimmed(rule.SLA*100), whole(n), trimmed(rule.Availability*100), whole(s.Raw), trimmed(p*100)))
	}
	s.Need = s.Raw + s.Spare
	if s.Need > MaxServers+rule.Spare {
		return fmt.Errorf("%s servers are more than %s: %w", whole(s.Need), Count(MaxServers), ErrInput)
	}
	return nil
}

// bound keeps Need within Min..Max and says what that did.
func (s *Sizing) bound(rule Rule) {
	s.Run = s.Need
	switch {
	case rule.Max > 0 && s.Need > rule.Max:
		s.Run, s.Short = rule.Max, s.Need-rule.Max
		s.Steps = append(s.Steps, fmt.Sprintf("limit max %s → run %s, SHORT %s", whole(rule.Max), whole(s.Run), whole(s.Short)))
	case s.Need < rule.Min:
		s.Run = rule.Min
		s.Steps = append(s.Steps, fmt.Sprintf("limit min %s → run %s", whole(rule.Min), whole(s.Run)))
	}
}

func (r Rule) check() error {
	err := errors.Join(checkTarget(r.Target), atLeast0("spare", float64(r.Spare)),
		atLeast0("min", float64(r.Min)), atLeast0("max", float64(r.Max)))
	switch {
	case err != nil:
		return err
	case r.Max > 0 && r.Max < r.Min:
		return fmt.Errorf("max %d is below min %d: %w", r.Max, r.Min, ErrInput)
	case r.Spare > MaxServers || r.Min > MaxServers || r.Max > MaxServers:
		return fmt.Errorf("spare, min or max is above %s servers: %w", Count(MaxServers), ErrInput)
	case r.Zones < 0 || r.Zones == 1 || r.Zones > MaxServers:
		return fmt.Errorf("%d zones, of which one may be lost: %w", r.Zones, ErrInput)
	case r.SLA == 0 && r.Availability == 0:
		return nil
	}
	return errors.Join(inside("SLA", r.SLA), above0("availability", r.Availability), share("availability", r.Availability))
}

func spareText(n int) string {
	if n == 0 {
		return ""
	}
	return " + " + whole(n) + " spare"
}

// formula is the division behind a number of servers.
func (p PoolLimit) formula(target float64) string {
	switch {
	case p.Background > 0 && p.Servers == 1:
		return fmt.Sprintf("ceil(%s / (%s × %s - %s))", figure(p.load()), figure(p.Typical()), ratio(target), figure(p.Background))
	case p.Background > 0:
		return fmt.Sprintf("ceil((%s - %s × %s) / (%s × %s - %s))", figure(p.Used), whole(p.Servers), figure(p.Background),
			figure(p.Typical()), ratio(target), figure(p.Background))
	}
	return fmt.Sprintf("ceil(%s / (%s × %s))", figure(p.Used), figure(p.Typical()), ratio(target))
}

// step is one line of Sizing.Steps.
func (p PoolLimit) step(n int, target float64, binds bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s = ceil(%s) = %s", p.Name, p.formula(target), Decimal(p.load()/(p.Typical()*target-p.Background), 2), whole(n))
	if p.Background > 0 {
		fmt.Fprintf(&b, "; %s of a server is background, learned", figure(p.Background))
	}
	if p.Unlike() {
		fmt.Fprintf(&b, "; %s is the mean of %d servers of %s to %s", Amount(p.Typical()), p.Servers, Amount(p.Least), Amount(p.Most))
	}
	if binds {
		b.WriteString(" (binds)")
	}
	return b.String()
}

// largest writes max(12, 7), or the number itself when there is one.
func largest(raws []int) string {
	if len(raws) == 1 {
		return whole(max(raws[0], 1))
	}
	text := make([]string, len(raws))
	for i, n := range raws {
		text[i] = whole(n)
	}
	if slices.Max(raws) == 0 {
		text = append(text, "1")
	}
	return "max(" + strings.Join(text, ", ") + ")"
}

func whole(n int) string { return Count(float64(n)) }
