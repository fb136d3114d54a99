package ui

import (
	"strings"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// perSecond holds for loads that are a rate; the others are things held.
func perSecond(l *fleet.Learned) bool { return !strings.HasPrefix(l.Unit, "conn") }

// loadText is a load with its unit: 6,400/s, 9,000 conns.
func loadText(v float64, l *fleet.Learned) string {
	if perSecond(l) {
		return count(num(v), 7) + "/s"
	}
	return whole(num(v), 7) + " conns"
}

// costText is what one request takes of a limit, short and then with what of;
// empty when it is not known.
func costText(l *fleet.Learned) (brief, long string) {
	c := l.AtTarget.Cost.Request
	if !costKnown(l) {
		return "", ""
	}
	each := " a request"
	if !perSecond(l) {
		each = " a connection"
	}
	switch l.Limit {
	case "cpu":
		brief = duration(num(c), 6)
		return brief, brief + " of CPU" + each
	case "thread":
		brief = duration(num(c), 6)
		return brief, brief + " of its thread" + each
	case "memory":
		brief = size(num(c))
		return brief, brief + each
	}
	brief = capacity.Amount(c)
	return brief, brief + each
}

// costKnown holds where the line through the points says what a request costs:
// where that can't be told from 0, what it says of the rest is made up as well.
func costKnown(l *fleet.Learned) bool {
	c := &l.AtTarget.Cost
	return c.Points > 0 && num(c.Request).OK && c.Request > 0 && !(c.Of.OK && c.Of.Low <= 0) && (c.Of.OK || l.AtTarget.Trust == capacity.Learned)
}

// besidesText is what the limit is used for without any load.
func besidesText(l *fleet.Learned) string {
	c := &l.AtTarget.Cost
	switch {
	case !costKnown(l):
		return unknownText
	case l.Limit == "memory":
		return size(num(c.Background))
	case l.Limit == "cpu" || l.Limit == "thread":
		return coreCount(num(c.Background)) + " core"
	}
	return capacity.Amount(c.Background)
}

func intervalText(i capacity.Interval) string {
	if !i.OK {
		return ""
	}
	return count(num(i.Low), 6) + ".." + count(num(i.High), 6)
}

// moment is a time of day, with the day where that is not today.
func moment(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.IsZero():
		return unknownText
	case now.Sub(t) < 24*time.Hour && t.Day() == now.Day():
		return t.Format("15:04")
	case now.Sub(t) < 6*24*time.Hour:
		return t.Format("Mon 15:04")
	}
	return t.Format("2 Jan")
}

// learnedTexts say what a limit can take and how that is known, from long to
// short.
func learnedTexts(l *fleet.Learned, target float64, now time.Time) []string {
	name := l.Limit
	if l.Service != "" {
		name += " of " + cutMiddle(l.Service, 24)
	}
	e := &l.AtTarget
	stands := plural(l.Basis.Points, "point") + " since " + moment(l.Basis.Since, now)
	switch {
	case e.Trust == capacity.NotKnown || !e.Capacity.OK:
		why := or(e.Why(), "nothing was seen yet")
		return []string{"? " + name + ": " + why, "? " + why, "? not learned yet"}
	case e.Trust == capacity.AtLeast:
		least := "at least " + loadText(e.Capacity.V, l)
		full := name + " takes " + least + " " + atTarget(target)
		why := full
		if e.Why() != "" {
			why += ": " + e.Why()
		}
		return []string{why + "; " + stands, why, full, least + " " + atTarget(target), least}
	}
	brief, long := costText(l)
	takes := name + " takes " + loadText(e.Capacity.V, l) + " " + atTarget(target)
	within := takes
	if e.Of.OK {
		within += " (" + intervalText(e.Of) + ")"
	}
	texts := []string{within + ", from " + stands}
	if brief != "" {
		texts = []string{texts[0] + "; " + long, texts[0], within + "; " + brief + " each"}
	}
	return append(texts, within, takes, loadText(e.Capacity.V, l)+" "+atTarget(target))
}

// changeText says that a request costs something else than before; empty when
// no change was seen.
func changeText(l *fleet.Learned, now time.Time) string {
	c := l.Basis.Change
	if c.At.IsZero() || !num(c.Factor).OK {
		return ""
	}
	what := "requests cost ×"
	if !perSecond(l) {
		what = "connections cost ×"
	}
	return what + capacity.Decimal(c.Factor, 2) + " since " + moment(c.At, now)
}
