package capacity

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
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
		return 0, fmt.Errorf("servers: %s / %s is more than %s servers: %w", Amount(load), Amount(per), Count(MaxServers), ErrInput)
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
}

// Sizing is how many servers a pool needs, and how that came about.
type Sizing struct {
	Raw     int      // for the load at target, at least 1
	Need    int      // Raw + spare
	Run     int      // Need within Min..Max
	Short   int      // Need - Run where Max binds, else 0
	Limit   string   // the limit that asked for Raw
	Formula string   // "NEED 13 = ceil(88,420 / (10,000 × 0.80)) + 1 spare"
	Steps   []string // per limit, the largest and the spare, the bounds
}

// Size is the number of servers for the largest of the limits, plus the spare,
// within the bounds. The capacity of one server is that of a typical (mean)
// server of the pool. A limit whose load grows never lowers the result. Errors
// wrap ErrInput; no limits is one.
func Size(limits []PoolLimit, rule Rule) (Sizing, error) {
	if len(limits) == 0 {
		return Sizing{}, fmt.Errorf("size: no limit is known: %w", ErrInput)
	}
	if err := rule.check(); err != nil {
		return Sizing{}, fmt.Errorf("size: %w", err)
	}
	var s Sizing
	raws := make([]int, len(limits))
	binds := 0
	for i, l := range limits {
		n, err := Servers(l.Used, l.Typical(), rule.Target)
		if err != nil {
			return Sizing{}, fmt.Errorf("size by %s: %w", l.Name, err)
		}
		raws[i] = n
		if n > raws[binds] {
			binds = i
		}
	}
	for i, l := range limits {
		s.Steps = append(s.Steps, l.step(raws[i], rule.Target, i == binds && len(limits) > 1))
	}
	s.Limit = limits[binds].Name
	s.Raw = max(raws[binds], 1) // who serves at all needs one
	s.Need = s.Raw + rule.Spare
	sum := largest(raws) + rule.spareText()
	if need := whole(s.Need); sum != need {
		sum += " = " + need
	}
	s.Steps = append(s.Steps, "need = "+sum)
	s.bound(rule)
	s.Formula = "NEED " + whole(s.Need) + " = " + limits[binds].formula(rule.Target) + rule.spareText()
	if raws[binds] == 0 {
		s.Formula = "NEED " + whole(s.Need) + " = 1 for no load" + rule.spareText()
	}
	return s, nil
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
	}
	return nil
}

func (r Rule) spareText() string {
	if r.Spare == 0 {
		return ""
	}
	return " + " + whole(r.Spare) + " spare"
}

// formula is the division behind a number of servers.
func (p PoolLimit) formula(target float64) string {
	return fmt.Sprintf("ceil(%s / (%s × %s))", Amount(p.Used), Amount(p.Typical()), ratio(target))
}

// step is one line of Sizing.Steps.
func (p PoolLimit) step(n int, target float64, binds bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s = ceil(%s) = %s", p.Name, p.formula(target), Decimal(p.Used/(p.Typical()*target), 2), whole(n))
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
