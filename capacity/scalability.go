package capacity

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Scalability is the Universal Scalability Law: the throughput of n workers
// (processes, cores, servers) is
//
//	X(n) = Gamma·n / (1 + Alpha(n-1) + Beta·n(n-1))
//
// Source: Gunther, Guerrilla Capacity Planning.
type Scalability struct {
	Alpha float64 // contention: the share that goes one at a time, 0 and up
	Beta  float64 // coherency: what pairs spend on agreeing, 0 and up
	Gamma float64 // throughput of one, above 0
}

func (s Scalability) check() error {
	return errors.Join(atLeast0("alpha", s.Alpha), atLeast0("beta", s.Beta), above0("gamma", s.Gamma))
}

// At is the throughput of n workers, n at least 0; not a number for nonsense.
func (s Scalability) At(n float64) float64 {
	if s.check() != nil || !(n >= 0) {
		return math.NaN()
	}
	if n == 0 {
		return 0
	}
	return s.Gamma * n / (1 + s.Alpha*(n-1) + s.Beta*n*(n-1))
}

// Formula is the law with its numbers.
func (s Scalability) Formula() string {
	return fmt.Sprintf("X(n) = %s·n / (1 + %s(n-1) + %s·n(n-1)), n workers", Amount(s.Gamma), small(s.Alpha), small(s.Beta))
}

// Peak is the number of workers beyond which more of them get less done,
// sqrt((1 - Alpha)/Beta), not rounded; unknown where there is none: without
// coherency throughput never falls.
func (s Scalability) Peak() Num {
	if s.check() != nil || s.Beta == 0 || s.Alpha >= 1 {
		return Num{}
	}
	return Known(math.Sqrt((1 - s.Alpha) / s.Beta))
}

// Ceiling is the throughput that contention alone allows, Gamma/Alpha; unknown
// without contention.
func (s Scalability) Ceiling() Num {
	if s.check() != nil || s.Alpha == 0 {
		return Num{}
	}
	return Known(s.Gamma / s.Alpha)
}

// Knee is where the lines of perfect scaling and of the ceiling meet, 1/Alpha
// workers; unknown without contention.
func (s Scalability) Knee() Num {
	if s.check() != nil || s.Alpha == 0 {
		return Num{}
	}
	return Known(1 / s.Alpha)
}

// Overhead is where the time of n workers goes, as shares of that of one: the
// work itself, contention and coherency. n is at least 1.
func (s Scalability) Overhead(n float64) (ideal, contention, coherency float64, err error) {
	if err := errors.Join(s.check(), above0("workers", n)); err != nil {
		return 0, 0, 0, fmt.Errorf("overhead: %w", err)
	}
	return 1 / n, s.Alpha * (n - 1) / n, s.Beta * (n - 1), nil
}

// Latency is the mean time of one unit of work with n at work, n / X(n) by
// Little's law, in the unit of time of the throughput. n is above 0.
func (s Scalability) Latency(n float64) (float64, error) {
	if err := errors.Join(s.check(), above0("workers", n)); err != nil {
		return 0, fmt.Errorf("latency: %w", err)
	}
	return (1 + s.Alpha*(n-1) + s.Beta*n*(n-1)) / s.Gamma, nil
}

// WorkersAtLatency is how many at work make a unit of it take r: the root of
// Beta·n² + (Alpha - Beta)·n + 1 - Alpha - Gamma·r = 0. Errors wrap ErrInput; a
// latency that not even one has, or that every number has, is one.
func (s Scalability) WorkersAtLatency(r float64) (float64, error) {
	if err := errors.Join(s.check(), above0("latency", r)); err != nil {
		return 0, fmt.Errorf("workers at a latency: %w", err)
	}
	b, c := s.Alpha-s.Beta, 1-s.Alpha-s.Gamma*r
	n := math.NaN()
	switch {
	case s.Beta > 0:
		// The form that does not subtract two large numbers.
		q := math.Sqrt(b*b - 4*s.Beta*c)
		if b > 0 {
			n = -2 * c / (b + q)
		} else {
			n = (q - b) / (2 * s.Beta)
		}
	case s.Alpha > 0:
		n = -c / b
	}
	if !finite(n) || !(n > 0) {
		return 0, fmt.Errorf("no number of workers has a latency of %v: %w", r, ErrInput)
	}
	return n, nil
}

// Scaling is a Scalability fitted to what was measured.
type Scaling struct {
	Scalability
	Error float64 // residual standard error, in the unit of the throughput; unknown (NaN) with three points
	Most  float64 // the most workers that were measured
	Few   string  // why the peak is not to be trusted yet; empty: it is
}

// FitScalability fits contention, coherency and the throughput of one to pairs
// of workers and throughput, by least squares, none below 0. Errors wrap
// ErrInput; fewer than three different numbers of workers are one.
//
// Source: nonlinear least squares by Levenberg and Marquardt from nine starts,
// as in the R package usl; the bounds are kept by fitting each face of them.
func FitScalability(workers, throughput []float64) (Scaling, error) {
	if len(workers) != len(throughput) {
		return Scaling{}, fmt.Errorf("scalability: %d workers against %d throughputs: %w", len(workers), len(throughput), ErrInput)
	}
	for i := range workers {
		if err := errors.Join(above0("workers", workers[i]), above0("throughput", throughput[i])); err != nil {
			return Scaling{}, fmt.Errorf("scalability: %w", err)
		}
		if workers[i] < 1 {
			return Scaling{}, fmt.Errorf("scalability: %v workers, want at least 1: %w", workers[i], ErrInput)
		}
	}
	ns := slices.Compact(slices.Sorted(slices.Values(workers)))
	if len(ns) < 3 {
		return Scaling{}, fmt.Errorf("scalability: %d different numbers of workers, three parameters need three: %w", len(ns), ErrInput)
	}
	best, ssr := fitAll(workers, throughput)
	if best.check() != nil || !finite(ssr) {
		return Scaling{}, fmt.Errorf("scalability: no curve fits: %w", ErrInput)
	}
	s := Scaling{Scalability: best, Error: math.NaN(), Most: ns[len(ns)-1]}
	if n := len(workers); n > 3 {
		s.Error = math.Sqrt(ssr / float64(n-3))
	}
	most, least := s.Most, ns[0]
	switch {
	case len(ns) < 6:
		s.Few = fmt.Sprintf("%d numbers of workers were measured, a peak wants 6", len(ns))
	case most < 4*least:
		s.Few = fmt.Sprintf("%s to %s workers were measured, a peak wants a range of 4", Amount(least), Amount(most))
	}
	return s, nil
}
