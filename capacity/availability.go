package capacity

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// All of this takes servers as failing independently. Deploys, zones and bad
// input fail them together, so what it says is the best case.

// AtLeastUp is the probability that at least k of n servers are up, each with
// the given availability, 0..1. Errors wrap ErrInput.
//
// Source: the binomial distribution, by logarithms, so that no n overflows.
func AtLeastUp(k, n int, availability float64) (float64, error) {
	if err := errors.Join(atLeast0("k", float64(k)), atLeast0("n", float64(n)), share("availability", availability)); err != nil {
		return 0, fmt.Errorf("at least %d of %d up: %w", k, n, err)
	}
	if n > MaxServers {
		return 0, fmt.Errorf("at least %d of %d up: more than %s servers: %w", k, n, Count(MaxServers), ErrInput)
	}
	switch {
	case k <= 0:
		return 1, nil
	case k > n:
		return 0, nil
	}
	// The smaller tail is summed, where nothing is lost to a 1.
	if float64(k) <= float64(n)*availability {
		return 1 - binomialSum(n, n-k+1, 1-availability), nil
	}
	return binomialSum(n, k, availability), nil
}

// binomialSum is the probability of at least k of n, above their mean.
func binomialSum(n, k int, p float64) float64 {
	sum := 0.0
	for i := k; i <= n; i++ {
		v := binomial(n, i, p)
		sum += v
		if v < 1e-20*sum && float64(i) > float64(n)*p {
			break
		}
	}
	return min(sum, 1)
}

// binomial is the probability of exactly k of n.
func binomial(n, k int, p float64) float64 {
	switch {
	case p == 0 && k == 0, p == 1 && k == n:
		return 1
	case p == 0, p == 1:
		return 0
	}
	return math.Exp(lnChoose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

func lnChoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n) + 1)
	b, _ := math.Lgamma(float64(k) + 1)
	c, _ := math.Lgamma(float64(n-k) + 1)
	return a - b - c
}

// ExactlyDown is the probability that exactly so many of n servers are down,
// each with the given probability.
func ExactlyDown(n, down int, probability float64) (float64, error) {
	if err := errors.Join(atLeast0("servers", float64(n)), atLeast0("down", float64(down)), share("probability", probability)); err != nil {
		return 0, fmt.Errorf("exactly %d of %d down: %w", down, n, err)
	}
	if down > n {
		return 0, nil
	}
	return binomial(n, down, probability), nil
}

// enough takes back what binary arithmetic loses where a probability is exactly
// what is asked.
const enough = 1e-12

// ServersForSLA is the fewest servers of which at least k are up with
// probability sla, each with the given availability. Both are above 0, the sla
// below 1. Errors wrap ErrInput; that no number up to MaxServers is enough is
// one.
func ServersForSLA(k int, availability, sla float64) (int, error) {
	if err := errors.Join(above0("servers needed", float64(k)), above0("availability", availability), share("availability", availability), inside("SLA", sla)); err != nil {
		return 0, fmt.Errorf("servers for an SLA: %w", err)
	}
	if k > MaxServers {
		return 0, fmt.Errorf("servers for an SLA: %d is more than %s: %w", k, Count(MaxServers), ErrInput)
	}
	ok := func(n int) bool {
		p, err := AtLeastUp(k, n, availability)
		return err == nil && p >= sla-enough
	}
	low, high := k-1, k
	for step := 1; !ok(high); step *= 2 {
		if low, high = high, high+step; high > MaxServers {
			return 0, fmt.Errorf("no %s servers keep %d up at %s: %w", Count(MaxServers), k, Percent(sla), ErrInput)
		}
	}
	for high-low > 1 {
		if mid := low + (high-low)/2; ok(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high, nil
}

// MostUp is the largest number of n servers that are up together with
// probability sla; 0 when not even one is.
func MostUp(n int, availability, sla float64) (int, error) {
	if err := errors.Join(atLeast0("servers", float64(n)), share("availability", availability), inside("SLA", sla)); err != nil {
		return 0, fmt.Errorf("servers up at an SLA: %w", err)
	}
	if _, err := AtLeastUp(0, n, availability); err != nil {
		return 0, err
	}
	low, high := 0, n+1 // low can be had, high can't
	for high-low > 1 {
		mid := low + (high-low)/2
		if p, err := AtLeastUp(mid, n, availability); err == nil && p >= sla-enough {
			low = mid
		} else {
			high = mid
		}
	}
	return low, nil
}

// Zones spreads servers so that needed ones are left when zones are lost:
// ceil(needed / (zones - lost)) in each. Errors wrap ErrInput; losing all zones
// is one.
//
// Source: AWS Builders' Library, static stability using Availability Zones.
func Zones(needed, zones, lost int) (perZone, total int, err error) {
	if err := errors.Join(atLeast0("servers needed", float64(needed)), above0("zones", float64(zones)), atLeast0("zones lost", float64(lost))); err != nil {
		return 0, 0, fmt.Errorf("zones: %w", err)
	}
	if zones <= lost || zones > MaxServers || needed > MaxServers {
		return 0, 0, fmt.Errorf("zones: %d servers in %d zones of which %d are lost: %w", needed, zones, lost, ErrInput)
	}
	left := zones - lost
	perZone = (needed + left - 1) / left
	if perZone > MaxServers/zones {
		return 0, 0, fmt.Errorf("zones: %d servers in each of %d zones are too many: %w", perZone, zones, ErrInput)
	}
	return perZone, perZone * zones, nil
}

// ZoneExtra is the share of servers that the loss of zones asks for on top:
// lost / (zones - lost), before rounding.
func ZoneExtra(zones, lost int) (float64, error) {
	if _, _, err := Zones(0, zones, lost); err != nil {
		return 0, err
	}
	return float64(lost) / float64(zones-lost), nil
}

// Downtime is what an SLA allows in a period: (1 - sla) × period. The sla is
// 0..1.
func Downtime(sla float64, period time.Duration) (time.Duration, error) {
	if err := errors.Join(share("SLA", sla), atLeast0("period", float64(period))); err != nil {
		return 0, fmt.Errorf("downtime: %w", err)
	}
	return time.Duration(math.Round((1 - sla) * float64(period))), nil
}

// Availability of a thing that works for mtbf and is then repaired in mttr,
// both in one unit of time: mtbf / (mtbf + mttr).
func Availability(mtbf, mttr float64) (float64, error) {
	if err := errors.Join(above0("time between failures", mtbf), atLeast0("time to repair", mttr)); err != nil {
		return 0, fmt.Errorf("availability: %w", err)
	}
	return mtbf / (mtbf + mttr), nil
}

// InSeries is the availability of things that all must be up: their product.
func InSeries(availability ...float64) (float64, error) {
	v := 1.0
	for _, a := range availability {
		if err := share("availability", a); err != nil {
			return 0, fmt.Errorf("in series: %w", err)
		}
		v *= a
	}
	return v, nil
}

// InParallel is the availability of things of which one must be up.
func InParallel(availability ...float64) (float64, error) {
	v := 1.0
	for _, a := range availability {
		if err := share("availability", a); err != nil {
			return 0, fmt.Errorf("in parallel: %w", err)
		}
		v *= 1 - a
	}
	return 1 - v, nil
}

// ForDependency is the availability that something critical must have beneath a
// service: one nine more, 1 - (1 - service)/10.
//
// Source: The Calculus of Service Availability, ACM Queue 2017.
func ForDependency(service float64) (float64, error) {
	if err := share("availability", service); err != nil {
		return 0, fmt.Errorf("dependency: %w", err)
	}
	return 1 - (1-service)/10, nil
}
