package fleet

import (
	"fmt"
	"math"
	"strings"
	"time"

	"capmon/capacity"
)

// trends tell where the room to the nearest limit goes, worked out once in ten
// seconds: the past load against what the servers can take now, so that a
// server that came does not look like a load that went.
func (p *Pool) trends(g *group, limits []capacity.PoolLimit, at, now time.Time) {
	if slot := at.Unix() / pointStep; g.trended != slot || g.trendOf != p.Bound {
		g.trended, g.trendOf = slot, p.Bound
		g.trend = g.trendOfRoom(p, limits, at, now)
	}
	p.Trend = g.trend
	p.Steps = append(p.Steps, "trend of the room to "+p.Bound+": "+strings.TrimPrefix(p.Trend.Step, "trend "))
	if p.Trend.Slope.OK {
		p.Growth = capacity.Known(0 - p.Trend.Slope.V*60)
	}
	if late := p.WarmUp.Seconds() - p.Trend.FullIn.V; p.Trend.FullIn.OK && late > 0 {
		p.Late = capacity.Known(late)
		p.Steps = append(p.Steps, fmt.Sprintf("late by %s = %s warm-up - %s", capacity.Span(late), capacity.Span(p.WarmUp.Seconds()), capacity.Span(p.Trend.FullIn.V)))
	}
}

func (g *group) trendOfRoom(p *Pool, limits []capacity.PoolLimit, at, now time.Time) capacity.Trend {
	unknown := func(why string) capacity.Trend { return capacity.Trend{Step: "trend unknown: " + why} }
	var near capacity.PoolLimit
	for _, l := range limits {
		if l.Name == p.Bound {
			near = l
		}
	}
	w := gridOf(now, tensKept, int(tensKept/(pointStep*time.Second)))
	list := g.tens.over(w, g.hosts)
	room := make([]capacity.Reading, 0, len(list))
	for i := range list {
		t := &list[i]
		var v float64
		switch p.Bound {
		case "conns":
			v = t.whole(t.conns, t.connHosts)
		case "cpu":
			v = t.whole(t.used, t.cpuHosts)
		case "rps":
			v = t.whole(t.rps, t.rpsHosts)
		default:
			if !p.RPS.OK || !(p.RPS.V > 0) {
				return unknown("the past of " + p.Bound + " is not kept, and no requests are known")
			}
			v = t.rps.value() / p.RPS.V * near.Used // as if it grew with the requests
		}
		if !math.IsNaN(v) {
			begin := (w.first + int64(i)) * w.step
			middle := begin + (min(begin+w.step, w.until)-begin)/2 // the last is not over
			room = append(room, capacity.Reading{At: time.Unix(0, middle), V: near.Capacity - v})
		}
	}
	trend, err := capacity.TrendOf(room, at)
	if err != nil {
		return unknown(err.Error())
	}
	return trend
}

// whole is a sum with what the hosts that were there and are not known then may
// have had: as much as the others in the mean.
func (t *total) whole(s sum, hosts int) float64 {
	if hosts == 0 {
		return math.NaN()
	}
	return s.value() * float64(hosts+t.gaps) / float64(hosts)
}

// growth is that of the load of the nearest limit, as a plan takes it.
func (p *Pool) growth() capacity.Growth {
	if p.Trend.Direction != capacity.Falling {
		return capacity.Growth{}
	}
	return capacity.Growth{PerSecond: 0 - p.Trend.Slope.V}
}

// leastClimb is the growth within a warm-up from which a reserve is told.
const leastClimb = 1.1

// reserve says what it would take to hold the largest growth that was seen
// within one warm-up, over what is kept: in servers and in money. It changes
// nothing. The load of a host in the mean is looked at, since hosts whose past
// is not known would look like a load that came.
func (p *Pool) reserve(g *group, limits []capacity.PoolLimit, rule capacity.Rule, at, now time.Time) {
	if at.Sub(g.climbed) >= time.Minute || at.Before(g.climbed) {
		g.climbed, g.climb = at, g.climbOf(p.Bound, p.WarmUp, at, now)
	}
	p.Climb = g.climb
	if !p.Climb.OK || p.Climb.V < leastClimb {
		return
	}
	higher := make([]capacity.PoolLimit, len(limits))
	for i, l := range limits {
		rest := float64(l.Servers) * l.Background
		l.Used = min(l.Used, rest) + max(l.Used-rest, 0)*p.Climb.V
		higher[i] = l
	}
	rule.Min, rule.Max = 0, 0
	s, err := capacity.Size(higher, rule)
	if err != nil {
		return
	}
	more := max(float64(s.Need)-p.Need.V, 0)
	p.ClimbServers = capacity.Known(more)
	grew := fmt.Sprintf("climb reserve: the load grew ×%s at most within %s: ", capacity.Decimal(p.Climb.V, 2), capacity.Span(p.WarmUp.Seconds()))
	if more == 0 {
		p.Steps = append(p.Steps, grew+"NEED would hold that")
		return
	}
	price := ""
	if g.policy.Price > 0 {
		p.ClimbPrice = capacity.Known(more * g.policy.Price * 24)
		price = fmt.Sprintf(", %s a day", capacity.Decimal(p.ClimbPrice.V, 2))
	}
	p.Steps = append(p.Steps, grew+servers(int(more))+" more would hold that"+price+" (not in NEED)")
}

func servers(n int) string {
	if n == 1 {
		return "1 server"
	}
	return count(n) + " servers"
}

func (g *group) climbOf(bound string, warmUp time.Duration, at, now time.Time) capacity.Num {
	w := gridOf(now, minutesKept, int(minutesKept/time.Minute))
	list := g.minutes.over(w, g.hosts)
	readings := make([]capacity.Reading, 0, len(list))
	for i := range list {
		t := &list[i]
		s, n := t.used, t.cpuHosts
		switch bound {
		case "conns":
			s, n = t.conns, t.connHosts
		case "thread", "rps":
			s, n = t.rps, t.rpsHosts
		}
		t0 := time.Unix(0, (w.first+int64(i))*w.step)
		if v := s.value() / float64(n); n > 0 && !math.IsNaN(v) && !t0.After(at) {
			readings = append(readings, capacity.Reading{At: t0, V: v})
		}
	}
	r, err := capacity.Climb(readings, warmUp)
	if err != nil {
		return capacity.Num{}
	}
	return capacity.Known(r.V)
}
