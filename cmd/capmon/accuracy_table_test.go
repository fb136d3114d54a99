package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"capmon/capacity"
)

// The table of docs/ACCURACY.md and what it comes to.

// accuracyRow is one server and what was said of it.
type accuracyRow struct {
	server, work string
	limits       []float64 // its true maximum, requests a second, each time it was looked for
	saturated    float64   // what it did when a fifth more was asked for
	said         []prediction
}

// prediction is what capmon said when so many percent of the truth were seen.
type prediction struct {
	upto  int
	e     capacity.Estimate
	limit string // the one that binds
}

// truth is the mean of the maxima found, spread how far they are apart, of it.
func (r accuracyRow) truth() (v, spread float64) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range r.limits {
		v += l / float64(len(r.limits))
		low, high = min(low, l), max(high, l)
	}
	return v, (high - low) / v
}

// off is how far a prediction is from the truth, of it: above 0 it promises too
// much. Not known without a number.
func (r accuracyRow) off(p prediction) capacity.Num {
	truth, _ := r.truth()
	if !p.e.Capacity.OK {
		return capacity.Num{}
	}
	return capacity.Known(p.e.Capacity.V/truth - 1)
}

// holds says whether what was said is true: the interval has the truth in it;
// at least so much can be had.
func (r accuracyRow) holds(p prediction) bool {
	truth, _ := r.truth()
	if p.e.Trust == capacity.Learned {
		return p.e.Of.Low <= truth && truth <= p.e.Of.High
	}
	return p.e.Trust == capacity.AtLeast && p.e.Capacity.V <= truth
}

func (r accuracyRow) cell(p prediction) string {
	off := r.off(p)
	if !off.OK {
		return "?"
	}
	sign := ""
	if p.e.Trust == capacity.AtLeast {
		sign = "≥ "
	}
	return fmt.Sprintf("%s%s, %+.1f%%", sign, capacity.Amount(p.e.Capacity.V), 100*off.V)
}

// interval is the last that was said, and whether it has the truth in it.
func (r accuracyRow) interval() string {
	p := r.said[len(r.said)-1]
	word := map[bool]string{true: "yes", false: "no"}[r.holds(p)]
	if p.e.Trust != capacity.Learned {
		why, _, _ := strings.Cut(p.e.Why(), ":")
		return fmt.Sprintf("%s, %s: %s | %s", p.limit, p.e.Trust, why, word)
	}
	return fmt.Sprintf("%s, %s..%s | %s", p.limit, capacity.Amount(p.e.Of.Low), capacity.Amount(p.e.Of.High), word)
}

// accuracyTable is the table in Markdown, and the summary.
func accuracyTable(rows []accuracyRow) string {
	if len(rows) == 0 {
		return "no server was measured\n"
	}
	var b strings.Builder
	b.WriteString("| server | work | true maximum | asked for 1.2 times | 10% seen | 20% | 30% | 40% | 50% | binds, interval | holds |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		truth, spread := r.truth()
		fmt.Fprintf(&b, "| %s | %s | %s/s ± %.1f%% | %s/s |", r.server, r.work, capacity.Amount(truth), 50*spread, capacity.Amount(r.saturated))
		for _, p := range r.said {
			fmt.Fprintf(&b, " %s |", r.cell(p))
		}
		fmt.Fprintf(&b, " %s |\n", r.interval())
	}
	b.WriteString("\n" + accuracySummary(rows))
	return b.String()
}

// The promises, in shares of the truth.
const (
	offFrom20 = 0.20
	offFrom40 = 0.10
	overMost  = 0.10
)

func accuracySummary(rows []accuracyRow) string {
	var asked, within, learned, held, bound, boundHeld [2]int // from 20%, from 40%
	over := math.Inf(-1)
	worst := ""
	for _, r := range rows {
		for _, p := range r.said {
			off := r.off(p)
			if off.OK && off.V > over {
				over, worst = off.V, fmt.Sprintf("%s %s after %d%%", r.server, r.work, p.upto)
			}
			for i, from := range []int{20, 40} {
				if p.upto < from {
					continue
				}
				asked[i]++
				if off.OK && math.Abs(off.V) <= []float64{offFrom20, offFrom40}[i] {
					within[i]++
				}
				switch {
				case p.e.Trust == capacity.Learned:
					learned[i]++
					held[i] += one(r.holds(p))
				case p.e.Trust == capacity.AtLeast:
					bound[i]++
					boundHeld[i] += one(r.holds(p))
				}
			}
		}
	}
	var b strings.Builder
	last, lastHeld := 0, 0
	for _, r := range rows {
		last++
		lastHeld += one(r.holds(r.said[len(r.said)-1]))
	}
	for i, from := range []int{20, 40} {
		fmt.Fprintf(&b, "From %d%% on: %d of %d within %.0f%%; %d learned, whose interval held %d; %d at least, of which %d held.\n",
			from, within[i], asked[i], 100*[]float64{offFrom20, offFrom40}[i], learned[i], held[i], bound[i], boundHeld[i])
	}
	fmt.Fprintf(&b, "After 50%%: what was said held in %d of %d. Most promised too much, of all steps: %+.1f%% (%s); allowed is %.0f%%.\n", lastHeld, last, 100*over, worst, 100*overMost)
	return b.String()
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// The table says what it was given.
func TestAccuracyTable(t *testing.T) {
	if got := accuracyTable(nil); got != "no server was measured\n" {
		t.Errorf("%q", got)
	}
	learned := capacity.Estimate{Trust: capacity.Learned, Capacity: capacity.Known(1050), Of: capacity.Interval{Low: 980, High: 1100, OK: true}}
	tooMuch := capacity.Estimate{Trust: capacity.AtLeast, Capacity: capacity.Known(1200), Says: "so"}
	got := accuracyTable([]accuracyRow{
		{"node", "1 ms", []float64{990, 1010}, 995, []prediction{{10, capacity.Estimate{}, ""}, {20, tooMuch, "cpu"}, {40, learned, "thread"}}},
	})
	for _, want := range []string{
		"| node | 1 ms | 1,000/s ± 1.0% | 995/s | ? | ≥ 1,200, +20.0% | 1,050, +5.0% | thread, 980..1,100 | yes |",
		"From 20% on: 2 of 2 within 20%; 1 learned, whose interval held 1; 1 at least, of which 0 held.",
		"From 40% on: 1 of 1 within 10%; 1 learned, whose interval held 1; 0 at least, of which 0 held.",
		"held in 1 of 1. Most promised too much, of all steps: +20.0% (node 1 ms after 20%); allowed is 10%.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}
