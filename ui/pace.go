package ui

import (
	"time"

	"capmon/fleet"
)

// What is drawn less often where the link is slow or this viewer costs too
// much: SCREENS 4. Numbers stay those of the frame; what moves in every cell
// each second, trends and the cores as a heat map, is renewed with every fifth.
const (
	slowWrite  = 200 * time.Millisecond // of one picture: the link is slow
	quickWrite = 50 * time.Millisecond  // so many of these in a row: no longer
	quickRuns  = 10
	slowPace   = 2*time.Second - 100*time.Millisecond // between two frames of a slow link
	renewEvery = 5

	busyAfter  = 6 * time.Second // above its budget
	calmAfter  = 30 * time.Second
	calmBelow  = 0.7 // of the budget, so that thinning out does not end by its own success
	budgetBase = 0.01
	budgetHost = 0.00005
)

// budget is the share of one core that a viewer of so many hosts may take: one
// percent, and for each hundred hosts half a percent more.
func budget(hosts int) float64 { return budgetBase + budgetHost*float64(hosts) }

// pace decides what of a live frame is drawn.
type pace struct {
	slow, busy bool
	over       time.Time // since when the cost is above the budget, by the frames' clock; zero: it is not
	under      time.Time // since when it is well below
	count      int       // frames since trends were renewed
	old        Frame     // whose trends are on screen
}

// judge takes the viewer's own cost from a frame. A budget must be broken for
// some seconds: a start, or a held key, costs more for a moment.
func (p *pace) judge(f *Frame) {
	if !f.SelfCPU.OK {
		return
	}
	limit := budget(len(f.Hosts))
	p.over = since(p.over, f.Time, f.SelfCPU.V > limit)
	p.under = since(p.under, f.Time, f.SelfCPU.V < limit*calmBelow)
	switch {
	case lasted(p.over, f.Time, busyAfter):
		p.busy = true
	case lasted(p.under, f.Time, calmAfter):
		p.busy = false
	}
}

// since is when something that holds began to.
func since(began, now time.Time, holds bool) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case began.IsZero():
		return now
	}
	return began
}

func lasted(began, now time.Time, long time.Duration) bool {
	return !began.IsZero() && now.Sub(began) >= long
}

// early says whether a live frame comes too soon after the one on screen for a
// slow link.
func (p *pace) early(f, on *Frame) bool {
	gap := f.Time.Sub(on.Time)
	return p.slow && gap >= 0 && gap < slowPace
}

// thin gives a frame the trends that are on screen, unless they are due. The
// frame's own slices are not touched: others may hold them.
func (p *pace) thin(f Frame) Frame {
	if p.count++; !p.slow && !p.busy || p.count >= renewEvery || !sameShape(&f, &p.old) {
		p.count, p.old = 0, f
		return f
	}
	f.Chart = p.old.Chart
	f.Hosts = append([]fleet.Host(nil), f.Hosts...)
	for i := range f.Hosts {
		h, was := &f.Hosts[i], &p.old.Hosts[i]
		if h.State != was.State { // what was seen of it before is not what it is
			continue
		}
		h.Trend, h.Cores = was.Trend, was.Cores
		if h.Past.Step == was.Past.Step && len(h.Past.CPU) == len(was.Past.CPU) {
			h.Past.CPU, h.Past.RPS, h.Past.Connections = was.Past.CPU, was.Past.RPS, was.Past.Connections
			h.Past.Cores = was.Past.Cores
		}
	}
	return f
}

// sameShape holds for frames of the same hosts and the same span.
func sameShape(a, b *Frame) bool {
	if len(a.Hosts) != len(b.Hosts) || a.Chart.Step != b.Chart.Step || len(a.Chart.CoresUsed) != len(b.Chart.CoresUsed) {
		return false
	}
	for i := range a.Hosts {
		if a.Hosts[i].Name != b.Hosts[i].Name || len(a.Hosts[i].Cores) != len(b.Hosts[i].Cores) {
			return false
		}
	}
	return true
}
