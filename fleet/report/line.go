package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
)

// Line is a snapshot in one line, for a status bar: the sign of the most urgent
// pool, the servers it needs of those it has (or may have, where the maximum
// binds), the use of its nearest limit, when that is full, and how many hosts say
// nothing. It is the longest form of at most width cells; what is not known is ?.
// A width of 0 sets no limit. A # in a pool's
// name, which tmux would take for an order, is written as ?.
func Line(s fleet.Snapshot, width int) string {
	p := s.Worst()
	sign, need := "?", "NEED ?"
	percent, full, name := "", "", ""
	if p != nil {
		if sign = p.Verdict.Level.Sign(); p.Verdict.Need > 0 {
			need = "NEED " + capacity.Count(float64(p.Verdict.Need)) + "/" + strconv.Itoa(p.Verdict.Of)
		}
		if len(p.Limits) > 0 && p.Limits[0].Capacity > 0 {
			percent = capacity.PercentBeside(p.Limits[0].Ratio(), p.Target)
		}
		if p.Trend.FullIn.OK {
			full = "full " + capacity.Span(p.Trend.FullIn.V)
		}
		if len(s.Pools) > 1 {
			name = strings.ReplaceAll(p.Name, "#", "?") + ":"
		}
	}
	missing := ""
	if n := s.Totals.Down; n > 0 {
		missing = strconv.Itoa(n) + "x"
	}
	if n := s.Totals.Hosts - s.Totals.Up - s.Totals.Down; n > 0 {
		missing = strings.TrimSpace(missing + " " + strconv.Itoa(n) + "?")
	}
	short := strings.TrimPrefix(need, "NEED ")
	for _, form := range [][]string{
		{sign, name, need, percent, full, missing},
		{sign, name, need, percent, full},
		{sign, need, percent, full},
		{sign, need, percent},
		{sign, need},
		{sign, short},
		{short},
	} {
		line := strings.Join(slices.DeleteFunc(form, func(word string) bool { return word == "" }), " ")
		if width <= 0 || ansi.StringWidth(line) <= width {
			return line
		}
	}
	return ansi.Truncate(sign, width, "")
}
