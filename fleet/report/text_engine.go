package report

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// perConnection is the unit of a load that is connections, not requests.
const perConnection = "connections"

// poolTable compares the pools where there are several, and says whose users
// and requests are those of the fleet.
func poolTable(b *bytes.Buffer, s fleet.Snapshot) {
	if len(s.Pools) < 2 {
		return
	}
	rows := [][]string{{"POOL", "HOSTS", "NEED", "RUN", "USERS", "RPS", "ROOM", "BOUND", "FULL-IN"}}
	for i := range s.Pools {
		p := &s.Pools[i]
		rows = append(rows, []string{
			p.Name, fmt.Sprintf("%d/%d", p.Counted, p.Hosts), whole(p.Need), whole(p.Run), whole(p.Users), whole(p.RPS),
			whole(p.RoomUsers), or(p.Bound, "?"), fullIn(p),
		})
	}
	b.WriteString("\n")
	table(b, rows, map[int]bool{0: true, 7: true})
	if s.Totals.Edge != "" {
		fmt.Fprintf(b, "the users and requests of the fleet are those of %s", s.Totals.Edge)
		if s.Totals.EdgeFrom != "" {
			fmt.Fprintf(b, " (%s)", s.Totals.EdgeFrom)
		}
		b.WriteString("\n")
	} else if s.Totals.EdgeFrom != "" {
		fmt.Fprintf(b, "which pool people reach first is %s\n", s.Totals.EdgeFrom)
	}
}

// fullIn is the time until there is no room, or where the room goes.
func fullIn(p *fleet.Pool) string {
	switch {
	case p.Trend.FullIn.OK:
		return capacity.Span(p.Trend.FullIn.V)
	case p.Trend.Direction == capacity.DirectionUnknown:
		return "?"
	}
	return p.Trend.Direction.String()
}

// edgePool is the pool that stands for the fleet: the only one, or the edge; nil
// where there are several and none is known to be it.
func edgePool(s fleet.Snapshot) *fleet.Pool {
	for i := range s.Pools {
		if len(s.Pools) == 1 || s.Pools[i].Name == s.Totals.Edge {
			return &s.Pools[i]
		}
	}
	return nil
}

// targetOf is the target in force for a host; unknown where its pool has none.
func targetOf(s fleet.Snapshot, h *fleet.Host) capacity.Num {
	for i := range s.Pools {
		if p := &s.Pools[i]; (p.Name == h.Pool || len(s.Pools) == 1) && p.Target > 0 {
			return capacity.Known(p.Target)
		}
	}
	return capacity.Num{}
}

// sayLearned is what traffic taught of a limit of a host, in a line; empty while
// that is nothing.
func sayLearned(host string, l *fleet.Learned, target capacity.Num, now time.Time) string {
	e := l.AtTarget
	if e.Trust == capacity.NotKnown || !e.Capacity.OK {
		return ""
	}
	line := host
	if l.Service != "" {
		line += " " + l.Service
	}
	if l.Port > 0 {
		line += " :" + strconv.Itoa(l.Port)
	}
	if l.Limit != "cpu" {
		line += " " + l.Limit
	}
	per, cost := "/s", capacity.Span(e.Cost.Request)+" CPU a request"
	if l.Unit == perConnection {
		per, cost = " connections", capacity.Amount(e.Cost.Request)+" bytes a connection"
	}
	line += ": " + e.Trust.String() + " " + capacity.Amount(e.Capacity.V) + per
	if e.Of.OK && e.Trust == capacity.Learned {
		line += " (" + capacity.Amount(e.Of.Low) + ".." + capacity.Amount(e.Of.High) + ")"
	}
	if target.OK {
		line += " at " + capacity.Percent(target.V)
	}
	if e.Trust == capacity.Learned {
		line += ", " + cost
	}
	line += fmt.Sprintf(", %s points", capacity.Count(float64(l.Basis.Points)))
	if !l.Basis.Since.IsZero() {
		line += " since " + clock(l.Basis.Since, now)
	}
	if c := l.Basis.Change; !c.At.IsZero() {
		line += fmt.Sprintf("; a request costs ×%s since %s", capacity.Decimal(c.Factor, 2), clock(c.At, now))
	}
	if e.Why() != "" {
		line += "; " + e.Why()
	}
	return line
}

// clock is the time of day in UTC, as all times of a report, with its date when
// that is another.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04Z")
	}
	return t.Format("2006-01-02 15:04Z")
}
