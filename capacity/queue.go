package capacity

import (
	"errors"
	"fmt"
	"math"
)

// maxQueue is the most servers of one queue: the work grows with them.
const maxQueue = 1_000_000

// ErlangB is the share of arrivals that find all servers busy and are lost,
// 0..1, for a load in erlangs (arrival rate × service time). Errors wrap
// ErrInput: fewer than 0 or more than a million servers, a negative load.
//
// Source: Erlang 1917, by the recursion 1/B(c) = 1 + (c/a)/B(c-1), which no
// factorial can overflow.
func ErlangB(servers int, load float64) (float64, error) {
	if err := checkQueue(servers, load); err != nil {
		return 0, fmt.Errorf("share lost: %w", err)
	}
	if load == 0 {
		if servers == 0 {
			return 1, nil
		}
		return 0, nil
	}
	return math.Exp(lnErlangB(servers, load)), nil
}

// ErlangC is the share of arrivals that must wait, 0..1; 1 from a load on that
// the servers can't carry. Errors wrap ErrInput.
//
// Source: Erlang 1917; C = B / (1 - ρ(1 - B)).
func ErlangC(servers int, load float64) (float64, error) {
	if err := checkQueue(servers, load); err != nil {
		return 0, fmt.Errorf("share that waits: %w", err)
	}
	return erlangC(servers, load), nil
}

// LnErlangB is the natural logarithm of ErlangB, for what is too small for a
// number: B(10000, 200) is e^-29326. The load is above 0.
func LnErlangB(servers int, load float64) (float64, error) {
	if err := errors.Join(checkQueue(servers, load), above0("load", load)); err != nil {
		return 0, fmt.Errorf("share lost: %w", err)
	}
	return lnErlangB(servers, load), nil
}

// LnErlangC is the natural logarithm of ErlangC. The load is above 0.
func LnErlangC(servers int, load float64) (float64, error) {
	if err := errors.Join(checkQueue(servers, load), above0("load", load)); err != nil {
		return 0, fmt.Errorf("share that waits: %w", err)
	}
	return lnErlangC(servers, load), nil
}

func erlangC(servers int, load float64) float64 {
	if load == 0 && servers > 0 {
		return 0
	}
	return math.Exp(lnErlangC(servers, load))
}

func lnErlangC(servers int, load float64) float64 {
	rho := load / float64(servers)
	if !(rho < 1) {
		return 0
	}
	ln := lnErlangB(servers, load)
	return ln - math.Log1p(-rho*(-math.Expm1(ln)))
}

// lnErlangB keeps 1/B as m × e^shift, so that it can't overflow; one is what
// the 1 of the recursion is worth at that shift.
func lnErlangB(servers int, load float64) float64 {
	if load < 1e-50 {
		g, _ := math.Lgamma(float64(servers) + 1)
		return float64(servers)*math.Log(load) - g
	}
	const big = 1e200
	m, one, shift := 1.0, 1.0, 0.0
	for k := 1; k <= servers; k++ {
		m = one + float64(k)/load*m
		if m > big {
			m, one, shift = m/big, one/big, shift+math.Log(big)
		}
	}
	return -(math.Log(m) + shift)
}

// LoadForBlocking is the load in erlangs at which so many servers lose the
// given share of arrivals: the inverse of ErlangB. The share is above 0 and
// below 1, the servers at least 1.
func LoadForBlocking(servers int, blocking float64) (float64, error) {
	if err := errors.Join(checkQueue(servers, 0), above0("servers", float64(servers)), inside("blocking", blocking)); err != nil {
		return 0, fmt.Errorf("load for a blocking: %w", err)
	}
	ln := math.Log(blocking)
	// B is at least 1 - c/a: beyond c/(1-blocking) it is above what is asked.
	high := float64(servers) / (1 - blocking)
	return bisect(0, high, func(a float64) bool { return a > 0 && lnErlangB(servers, a) > ln }), nil
}

// serversFor is the fewest servers of one queue that carry a load in erlangs
// and satisfy ok, which must hold for more servers when it holds for fewer.
func serversFor(load float64, ok func(servers int) bool) (int, error) {
	if err := atLeast0("load", load); err != nil {
		return 0, err
	}
	low, high := 0, 1
	for !ok(high) {
		if low, high = high, high*2; high > maxQueue {
			return 0, fmt.Errorf("no %s servers are enough for %s erlangs: %w", Count(maxQueue), Amount(load), ErrInput)
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

// ServersForBlocking is the fewest servers that lose at most a share of
// arrivals, above 0 and below 1.
func ServersForBlocking(load, blocking float64) (int, error) {
	if err := inside("blocking", blocking); err != nil {
		return 0, fmt.Errorf("servers for a blocking: %w", err)
	}
	return serversFor(load, func(c int) bool {
		b, err := ErlangB(c, load)
		return err == nil && b <= blocking*(1+epsilon)
	})
}

// ServersForWaiting is the fewest servers of one queue at which at most a share
// of arrivals must wait, above 0 and below 1.
func ServersForWaiting(load, waiting float64) (int, error) {
	if err := inside("share that waits", waiting); err != nil {
		return 0, fmt.Errorf("servers for a share that waits: %w", err)
	}
	return serversFor(load, func(c int) bool {
		return float64(c) > load && erlangC(c, load) <= waiting*(1+epsilon)
	})
}

// ServersForServiceLevel is the fewest servers of one queue that take a share
// of arrivals within a time, in the unit of the service time, and are used to
// at most occupancy, above 0 and up to 1.
func ServersForServiceLevel(arrivals, service, within, level, occupancy float64) (int, error) {
	if err := errors.Join(inside("service level", level), atLeast0("arrivals", arrivals), above0("service time", service),
		atLeast0("within", within), checkTarget(occupancy)); err != nil {
		return 0, fmt.Errorf("servers for a service level: %w", err)
	}
	load := arrivals * service
	return serversFor(load, func(c int) bool {
		q, err := NewQueue(c, arrivals, service)
		return err == nil && q.ServedWithin(within) >= level*(1-epsilon) && q.Occupancy() <= occupancy*(1+epsilon)
	})
}

// Queue is servers behind one queue, with arrivals at random (Poisson): M/M/c,
// or G/G/c with Variability. It carries its load: c above arrivals × service.
type Queue struct {
	servers int
	load    float64 // erlangs
	service float64 // mean service time, its unit is that of all times
	wait    float64 // the share that waits
	vary    float64 // (ca² + cs²) / 2, 1 for M/M/c
}

// NewQueue is M/M/c: arrivals a unit of time, the mean service time in that
// unit, at least one server. Errors wrap ErrInput; a load the servers can't
// carry is one, its queue grows without end.
func NewQueue(servers int, arrivals, service float64) (Queue, error) {
	load := arrivals * service
	if err := errors.Join(checkQueue(servers, load), above0("servers", float64(servers)), atLeast0("arrivals", arrivals), above0("service time", service)); err != nil {
		return Queue{}, fmt.Errorf("queue: %w", err)
	}
	if !(load < float64(servers)) {
		return Queue{}, fmt.Errorf("queue: %d servers can't carry %s erlangs, the queue grows without end: %w", servers, Amount(load), ErrInput)
	}
	return Queue{servers: servers, load: load, service: service, wait: erlangC(servers, load), vary: 1}, nil
}

// Varied is the same queue with other variability: the squared coefficients of
// variation of the times between arrivals and of the service times, 1 and 1 for
// M/M/c, 0 for even ones.
//
// Source: Allen and Cunneen, Wq = (ca² + cs²)/2 × Wq(M/M/c), with the exact C;
// at one server Kingman's formula. For its tail the waits of those that wait
// are taken as exponential with the mean scaled alike.
func (q Queue) Varied(ca2, cs2 float64) (Queue, error) {
	if err := errors.Join(atLeast0("ca²", ca2), atLeast0("cs²", cs2)); err != nil {
		return Queue{}, fmt.Errorf("queue: %w", err)
	}
	q.vary = (ca2 + cs2) / 2
	return q, nil
}

// Waiting is the share of arrivals that must wait: Erlang C.
func (q Queue) Waiting() float64 { return q.wait }

// Occupancy is the utilisation of a server, 0..1.
func (q Queue) Occupancy() float64 { return q.load / float64(q.servers) }

// MeanWait is the mean time before service of all arrivals,
// C / (c - a) × service.
func (q Queue) MeanWait() float64 {
	return q.vary * q.wait / (float64(q.servers) - q.load) * q.service
}

// MeanResponse is MeanWait and the service.
func (q Queue) MeanResponse() float64 { return q.MeanWait() + q.service }

// Length is the mean number that wait, by Little's law.
func (q Queue) Length() float64 { return q.load / q.service * q.MeanWait() }

// WaitLonger is the share of arrivals that wait longer than t:
// C·e^(-(c-a)t/service).
func (q Queue) WaitLonger(t float64) float64 {
	if !(t > 0) {
		t = 0
	}
	if q.vary == 0 {
		if t > 0 {
			return 0
		}
		return q.wait
	}
	return q.wait * math.Exp(-q.rate()*t/q.service)
}

// rate is how fast the tail of the wait falls, in 1/service.
func (q Queue) rate() float64 { return (float64(q.servers) - q.load) / q.vary }

// ServedWithin is the share whose service begins within t: the service level.
func (q Queue) ServedWithin(t float64) float64 { return 1 - q.WaitLonger(t) }

// ResponseLonger is the share of arrivals that are done later than t, for
// exponential service times, t in the unit of the service time:
// e^-t·(1 + C(1 - e^(-t(θ-1)))/(θ-1)), θ = c - a.
func (q Queue) ResponseLonger(t float64) float64 {
	t /= q.service
	if !(t > 0) {
		return 1
	}
	if q.vary == 0 || q.wait == 0 {
		return math.Exp(-t)
	}
	theta := q.rate()
	d := theta - 1
	var more float64 // (e^-t - e^-θt) / (θ-1)
	if math.Abs(d)*t < 1 {
		more = math.Exp(-t) * t
		if d != 0 {
			more = math.Exp(-t) * -math.Expm1(-d*t) / d
		}
	} else {
		more = (math.Exp(-t) - math.Exp(-theta*t)) / d
	}
	return min(math.Exp(-t)+q.wait*more, 1)
}

// ResponseQuantile is the response time that a share p of arrivals keeps, above
// 0 and below 1: 0.99 for the p99.
func (q Queue) ResponseQuantile(p float64) (float64, error) {
	if err := inside("share", p); err != nil {
		return 0, fmt.Errorf("response time: %w", err)
	}
	high := q.service
	for q.ResponseLonger(high) > 1-p {
		if high *= 2; math.IsInf(high, 0) {
			return 0, fmt.Errorf("response time: the load is too near to what the servers carry: %w", ErrInput)
		}
	}
	return bisect(0, high, func(t float64) bool { return q.ResponseLonger(t) <= 1-p }), nil
}

// SharedResponse is the mean response time of one processor that all requests
// share: service / (1 - utilisation), whatever the spread of service times.
// Utilisation is 0 up to below 1.
//
// Source: M/G/1 processor sharing (Kleinrock).
func SharedResponse(service, utilisation float64) (float64, error) {
	if err := errors.Join(above0("service time", service), atLeast0("utilisation", utilisation)); err != nil {
		return 0, fmt.Errorf("response time: %w", err)
	}
	if !(utilisation < 1) {
		return 0, fmt.Errorf("response time at utilisation %v has no end: %w", utilisation, ErrInput)
	}
	return service / (1 - utilisation), nil
}

// SquareRootStaffing is how many servers of one queue a load in erlangs wants
// with beta square roots of it to spare: a + beta·√a, not rounded.
//
// Source: Halfin and Whitt 1981; beta is 1 to 2 as a rule.
func SquareRootStaffing(load, beta float64) (float64, error) {
	if err := errors.Join(atLeast0("load", load), atLeast0("beta", beta)); err != nil {
		return 0, fmt.Errorf("square-root staffing: %w", err)
	}
	return load + beta*math.Sqrt(load), nil
}

func checkQueue(servers int, load float64) error {
	if servers < 0 || servers > maxQueue {
		return fmt.Errorf("%d servers of one queue, want 0 to %s: %w", servers, Count(maxQueue), ErrInput)
	}
	return atLeast0("load", load)
}

func inside(what string, v float64) error {
	if !(v > 0 && v < 1) {
		return fmt.Errorf("%s is %v, it must be above 0 and below 1: %w", what, v, ErrInput)
	}
	return nil
}

// bisect is the point between low and high from which on is true.
func bisect(low, high float64, on func(float64) bool) float64 {
	for range 200 {
		mid := low + (high-low)/2
		if mid <= low || mid >= high {
			break
		}
		if on(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}
