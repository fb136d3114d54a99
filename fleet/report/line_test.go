package report

import (
	"testing"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
)

// chess is the fleet of the drawings: 13 servers are needed, 10 are allowed.
func chess() fleet.Snapshot {
	n := capacity.Known
	p := fleet.Pool{Name: "chess#ws", Need: n(13), Up: 9, Target: 0.8, Trend: capacity.Trend{FullIn: n(67)}}
	p.Limits = []capacity.Limit{{Name: "conns", Used: 88420, Capacity: 90000}}
	p.Verdict = fleet.Verdict{Level: fleet.Act, Need: 13, Of: 10}
	fine := fleet.Pool{Name: "db", Need: n(2), Verdict: fleet.Verdict{Level: fleet.OK, Need: 2, Of: 3}}
	return fleet.Snapshot{Pools: []fleet.Pool{fine, p}, Totals: fleet.Totals{Hosts: 12, Up: 9, Down: 1, Stale: 2}}
}

func TestLine(t *testing.T) {
	one := chess()
	one.Pools = one.Pools[1:]
	one.Totals = fleet.Totals{Hosts: 9, Up: 9}
	calm := one
	calm.Pools = []fleet.Pool{{Name: "all", Need: capacity.Known(2), Target: 0.8, Limits: []capacity.Limit{{Used: 0.804, Capacity: 1}}, Verdict: fleet.Verdict{Level: fleet.OK, Need: 2, Of: 3}}}
	nothing := fleet.Snapshot{Totals: fleet.Totals{Hosts: 2, Down: 1}}
	silent := nothing
	silent.Pools = []fleet.Pool{{Name: "all"}}
	for _, c := range []struct {
		s     fleet.Snapshot
		width int
		want  string
	}{
		{one, 0, "!! NEED 13/10 98% full 1m07s"},
		{one, 28, "!! NEED 13/10 98% full 1m07s"},
		{one, 27, "!! NEED 13/10 98%"},
		{one, 16, "!! NEED 13/10"},
		{one, 12, "!! 13/10"},
		{one, 7, "13/10"},
		{one, 4, "!!"},
		{one, 1, "!"},
		{chess(), 0, "!! chess?ws: NEED 13/10 98% full 1m07s 1x 2?"},
		{chess(), 40, "!! chess?ws: NEED 13/10 98% full 1m07s"},
		{chess(), 30, "!! NEED 13/10 98% full 1m07s"},
		{calm, 0, "NEED 2/3 80.4%"},
		{nothing, 0, "? NEED ? 1x 1?"},
		{nothing, 3, "? ?"},
		{silent, 8, "? NEED ?"},
		{fleet.Snapshot{}, 0, "? NEED ?"},
		{fleet.Snapshot{}, 1, "?"},
	} {
		got := Line(c.s, c.width)
		if got != c.want || c.width > 0 && ansi.StringWidth(got) > c.width {
			t.Errorf("width %d: %q, want %q", c.width, got, c.want)
		}
	}
}
