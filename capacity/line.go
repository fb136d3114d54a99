package capacity

import (
	"fmt"
	"math"
	"slices"
)

// MaxPoints is the most points a line is fitted to: the work grows with their
// square.
const MaxPoints = 2000

// Interval is where a number lies with the confidence asked for. Without OK
// there is none: too few points, or the data allow any number.
type Interval struct {
	Low, High float64
	OK        bool
}

// Excludes0 says whether the interval lies on one side of zero.
func (i Interval) Excludes0() bool { return i.OK && (i.Low > 0 || i.High < 0) }

// Line is y = Intercept + Slope·x through the middle of points, with outliers
// up to 29% of them. The units are those of the points.
type Line struct {
	Slope, Intercept float64
	Of               Interval // of Slope
	N                int      // points it stands on
	MidX             float64  // median of x
	Scatter          float64  // spread of y about the line, as a standard deviation: 1.4826 × median absolute residual
	Tau              float64  // Kendall's tau-b, -1..1: how far y follows x at all
}

// At is the line's y at x.
func (l Line) At(x float64) float64 { return l.Intercept + l.Slope*x }

// TheilSen fits a line by the median of all slopes between points with
// different x, and its intercept by the median of y - slope·x. The interval is
// Sen's, from Kendall's S with the correction for equal x; confidence is above
// 0 and below 1 (0.95). Errors wrap ErrInput: fewer than two points or more
// than MaxPoints, lists of unlike length, a number that is none, or no two
// points with different x.
//
// Source: Theil 1950; Sen 1968, equation 2.6. The ranks are the floor((N - C)/2)th
// smallest and largest slope, C = z·sqrt((n(n-1)(2n+5) - Σt(t-1)(2t+5)) / 18).
func TheilSen(x, y []float64, confidence float64) (Line, error) {
	n := len(x)
	switch {
	case n != len(y):
		return Line{}, fmt.Errorf("line: %d x against %d y: %w", n, len(y), ErrInput)
	case n < 2 || n > MaxPoints:
		return Line{}, fmt.Errorf("line through %d points, want 2 to %d: %w", n, MaxPoints, ErrInput)
	case !(confidence > 0 && confidence < 1):
		return Line{}, fmt.Errorf("line: confidence is %v, it must be above 0 and below 1: %w", confidence, ErrInput)
	}
	for i := range n {
		if !finite(x[i]) || !finite(y[i]) {
			return Line{}, fmt.Errorf("line: point %d is (%v, %v): %w", i, x[i], y[i], ErrInput)
		}
	}
	slopes, tau := allSlopes(x, y)
	if len(slopes) == 0 {
		return Line{}, fmt.Errorf("line: x is %v in all %d points, without spread there is no slope: %w", x[0], n, ErrInput)
	}
	l := Line{N: n, Tau: tau, MidX: median(slices.Clone(x))}
	l.Slope = median(slopes) // sorted around its middle from here on
	l.Of = slopeInterval(slopes, x, confidence)
	rest := make([]float64, n)
	for i := range rest {
		rest[i] = y[i] - l.Slope*x[i]
	}
	l.Intercept = median(rest)
	for i := range rest {
		rest[i] = math.Abs(y[i] - l.At(x[i]))
	}
	l.Scatter = 1.4826 * median(rest)
	if !finite(l.Slope) || !finite(l.Intercept) || !finite(l.Scatter) || !finite(l.MidX) || (l.Of.OK && !(finite(l.Of.Low) && finite(l.Of.High))) {
		return Line{}, fmt.Errorf("line: the numbers are too large or too close: %w", ErrInput)
	}
	return l, nil
}

// allSlopes are those between points with different x; tau is Kendall's tau-b,
// 0 where y does not vary.
func allSlopes(x, y []float64) (slopes []float64, tau float64) {
	slopes = make([]float64, 0, len(x)*(len(x)-1)/2)
	var s, unlikeX, unlikeY float64
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			dx, dy := x[j]-x[i], y[j]-y[i]
			if dy != 0 {
				unlikeY++
			}
			if dx == 0 {
				continue
			}
			unlikeX++
			slope := dy / dx
			slopes = append(slopes, slope)
			switch {
			case slope > 0:
				s++
			case slope < 0:
				s--
			}
		}
	}
	if unlikeX > 0 && unlikeY > 0 {
		tau = s / math.Sqrt(unlikeX*unlikeY)
	}
	return slopes, tau
}

func slopeInterval(slopes, x []float64, confidence float64) Interval {
	n := float64(len(x))
	v := n * (n - 1) * (2*n + 5)
	sorted := slices.Sorted(slices.Values(x))
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		t := float64(j - i)
		v -= t * (t - 1) * (2*t + 5)
		i = j
	}
	c := normalQuantile((1+confidence)/2) * math.Sqrt(max(v, 0)/18)
	rank := int(math.Floor((float64(len(slopes))-c)/2 + epsilon))
	if rank < 1 {
		return Interval{}
	}
	// The median was taken: what is below it lies before the middle.
	mid := len(slopes) / 2
	return Interval{Low: nth(slopes[:mid], rank-1), High: nth(slopes[mid:], len(slopes)-rank-mid), OK: true}
}

// normalQuantile is z with Φ(z) = p, 0 < p < 1.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// median changes the order of v; NaN of none.
func median(v []float64) float64 {
	n := len(v)
	if n == 0 {
		return math.NaN()
	}
	hi := nth(v, n/2)
	if n%2 == 1 {
		return hi
	}
	lo := slices.Max(v[:n/2])
	return lo + (hi-lo)/2
}

// quantile is the q-quantile of v, 0..1, between neighbours in proportion (the
// default of R and numpy). It changes the order of v; NaN of none.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	at := q * float64(len(v)-1)
	i := min(int(at), len(v)-1)
	lo := nth(v, i)
	if i+1 == len(v) {
		return lo
	}
	return lo + (slices.Min(v[i+1:])-lo)*(at-float64(i))
}

// nth is the k-th smallest of v, counted from 0: what is smaller lies before it
// afterwards, what is larger behind it.
func nth(v []float64, k int) float64 {
	pick(v, k)
	return v[k]
}

// manyPicked is from how many numbers on a sample of them is worth its work.
const manyPicked = 400

// pick puts the k-th smallest of v in its place, by Hoare's selection. Of many
// it first picks among a small sample around k, so that what it parts by is
// near the number that is looked for.
//
// Source: Floyd and Rivest 1975, algorithm 489.
func pick(v []float64, k int) {
	lo, hi := 0, len(v)-1
	for lo < hi {
		if n := float64(hi - lo + 1); n > manyPicked {
			share := float64(k-lo+1) / n
			z := math.Log(n)
			sample := 0.5 * math.Exp(2*z/3)
			more := 0.5 * math.Sqrt(z*sample*(n-sample)/n)
			if share < 0.5 {
				more = -more
			}
			from := max(lo, int(float64(k)-share*sample+more))
			to := min(hi, int(float64(k)+(1-share)*sample+more))
			if from <= k && k <= to {
				pick(v[from:to+1], k-from)
			}
		}
		pivot := v[k]
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return
		}
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
