package main

import (
	"math"
	"slices"
	"time"

	"capmon/ui"
)

// stage is a demo that tells its story beside the dashboard. Both may be called
// from any goroutine, and neither waits.
type stage interface {
	story() *ui.Story // as it stands now; nil before it begins
	act(ui.StoryAct) (note string)
}

// steps is the next of rising steps, or the last one; one that is none of them
// goes to the nearest on that side.
func steps[T int | float64 | time.Duration](list []T, now T, by int) T {
	at, exact := slices.BinarySearch(list, now)
	switch {
	case by < 0:
		at--
	case exact:
		at++
	}
	return list[min(max(at, 0), len(list)-1)]
}

// course is how a few numbers went since a story began, at even steps that
// become longer as it goes on.
type course struct {
	step  time.Duration
	lines [][]float64
	sums  []float64 // of those that make the next step
	n     int
}

// courseMost is how many steps are kept.
const courseMost = 600

// add takes one value of each line a second.
func (c *course) add(values ...float64) {
	if c.lines == nil {
		c.step, c.lines, c.sums = time.Second, make([][]float64, len(values)), make([]float64, len(values))
	}
	for i, v := range values {
		c.sums[i] += v // one that is not known makes the step so
	}
	if c.n++; time.Duration(c.n)*time.Second < c.step {
		return
	}
	for i := range c.lines {
		c.lines[i] = append(c.lines[i], c.sums[i]/float64(c.n))
		c.sums[i] = 0
	}
	c.n = 0
	if len(c.lines[0]) < courseMost {
		return
	}
	c.step *= 2
	for i, l := range c.lines {
		half := make([]float64, 0, courseMost)
		for k := 0; k+1 < len(l); k += 2 {
			half = append(half, (l[k]+l[k+1])/2)
		}
		c.lines[i] = half
	}
}

// line is a copy of one, for a picture.
func (c *course) line(i int) []float64 {
	if c.lines == nil {
		return nil
	}
	return slices.Clone(c.lines[i])
}

// known is a number, or NaN where it is not known.
func known(ok bool, n int) float64 {
	if !ok {
		return math.NaN()
	}
	return float64(n)
}
