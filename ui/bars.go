package ui

import "math"

var eighths = [...]rune{' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'}

// mark is the height that stands for a share 0..1: something is seen of
// everything that is not zero, and of zero too. NaN is ?.
func (a area) mark(x, y int, share float64, st style) {
	switch {
	case math.IsNaN(share):
		a.put(x, y, 1, '?', unknown)
	case a.c.ascii:
		a.put(x, y, 1, digit(share), st)
	default:
		a.put(x, y, 1, eighths[min(max(int(math.Round(share*8)), 1), 8)], st)
	}
}

// markTwo draws two shares in one cell, told apart by colour alone. Where one is
// not known the cell is ?.
func (a area) markTwo(x, y int, upper, lower float64) {
	switch {
	case math.IsNaN(upper) || math.IsNaN(lower):
		a.put(x, y, 1, '?', unknown)
	case upper >= lower:
		a.put(x, y, 1, '▀', pairStyle(upper, lower))
	default: // the busier is the foreground, so that text alone says which it is
		a.put(x, y, 1, '▄', pairStyle(lower, upper))
	}
}

// digit is tenths of a share: 0..9, and # for full.
func digit(share float64) rune {
	if share >= 0.995 {
		return '#'
	}
	return '0' + rune(min(max(int(share*10), 0), 9))
}

// gauge draws a bar of n cells, filled to share, on a faint track. NaN leaves
// the track alone with a ? on it.
func (a area) gauge(x, y, n int, share float64, st style) {
	a.fill(x, y, n, '░', rule)
	if n <= 0 {
		return
	}
	if math.IsNaN(share) {
		a.put(x, y, 1, '?', unknown)
		return
	}
	share = min(max(share, 0), 1)
	full := int(share * float64(n))
	if share < 0.9995 { // not quite full must look so
		full = min(full, n-1)
	}
	a.fill(x, y, full, '█', st)
	if !a.c.ascii && full < n && share*float64(n)-float64(full) >= 0.5 {
		a.put(x+full, y, 1, '▌', st)
	}
}

// spark draws values (0..top) as one line that ends at its right edge: of
// more values than cells the newest are shown. NaN after the first known
// value is ?, before it nothing.
func (a area) spark(x, y, n int, values []float64, top float64, st style) {
	if n <= 0 {
		return
	}
	begun := false
	if older := len(values) - n; older > 0 {
		begun = !math.IsNaN(highest(values[:older]))
		values = values[older:]
	}
	x += n - len(values)
	for i, v := range values {
		if math.IsNaN(v) {
			if begun {
				a.put(x+i, y, 1, '?', unknown)
			}
			continue
		}
		begun = true
		if top > 0 {
			v /= top
		}
		a.mark(x+i, y, v, st)
	}
}

// resample makes n means out of values, or stretches them; NaN where a group
// knows nothing.
func resample(values []float64, n int) []float64 {
	if n <= 0 || len(values) == 0 {
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		from := i * len(values) / n
		to := max((i+1)*len(values)/n, from+1)
		out[i] = mean(values[from:to])
	}
	return out
}

// mean of what is known; NaN of nothing.
func mean(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

// highest of what is known; NaN of nothing.
func highest(values []float64) float64 {
	top := math.NaN()
	for _, v := range values {
		if !math.IsNaN(v) && !(v <= top) {
			top = v
		}
	}
	return top
}

// lowest of what is known; NaN of nothing.
func lowest(values []float64) float64 {
	low := math.NaN()
	for _, v := range values {
		if !math.IsNaN(v) && !(v >= low) {
			low = v
		}
	}
	return low
}

// bands are n groups of nearly equal size, each the highest of its values: of
// 64 cores in 8 cells a cell is the busiest of 8. NaN where nothing is known.
func bands(values []float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = highest(values[i*len(values)/n : (i+1)*len(values)/n])
	}
	return out
}

// strip draws the cores of a host in n cells: a core each where they fit, else
// the busiest of a group.
func (a area) strip(x, y, n int, cores []float64) {
	if len(cores) > n {
		cores = bands(cores, n)
	}
	for i, v := range cores {
		a.mark(x+i, y, v, busyStyle(v))
	}
}

// nice is the smallest round number that is at least v.
func nice(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 1
	}
	base := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range [...]float64{1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8} {
		if m*base >= v*(1-1e-9) {
			return m * base
		}
	}
	return 10 * base
}
