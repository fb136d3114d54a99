package fleet

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"capmon/capacity"
)

// tolerance is how far over the target the nearest limit may be, as a factor,
// before more servers are a matter of now.
const tolerance = 1.1

// apart is how far the load that servers are counted for may be from what is used
// now, as a share, before the words say which of them a number is.
const apart = 0.05

// verdict says what to do about a pool. It compares the need with the hosts
// that are up, so one that is missing counts as capacity that is not there.
//
// Act: more hosts are needed than are up, and the nearest limit is 95% full or
// more than a tenth over the target. Soon: more are needed, but the load still
// fits (the spare is missing, say); or what is up is enough, and at the present
// growth it is full before a new server is warm. OK: what is up is enough.
func verdict(pool Pool, p Policy, t Totals, hosts []viewed) Verdict {
	if t.Up == 0 || !pool.Need.OK {
		return unknown(t, hosts)
	}
	s := situation{
		have: t.Up, need: int(pool.Need.V), run: int(pool.Run.V), raw: int(pool.Raw.V), short: int(pool.Short.V), spare: pool.Spare,
		rule: p.rule(), target: pool.Target, near: pool.Limits[0], pool: pool, missing: missing(hosts), all: t.Hosts,
	}
	if now := int(pool.NeedNow.V); len(s.missing) > 0 && pool.NeedNow.OK && now < s.need {
		s.cautious = s.need // what is missing may be full: nobody is sent away, but nobody is called for either
		s.need = now
		s.run, _ = s.rule.Bound(now)
		s.short, s.raw = s.need-min(s.run, s.need), now-s.spare
	}
	for i := range hosts {
		if slices.Contains(hosts[i].Flags, "full") {
			s.full = append(s.full, hosts[i].Name)
		}
		if len(hosts[i].Findings) > 0 {
			s.bound = append(s.bound, hosts[i].Host)
		}
	}
	ratio := s.near.Ratio()
	late := pool.Late.OK
	if len(hosts) == 1 && hosts[0].Bound == "thread" {
		s.near = hosts[0].Limits[0] // of one machine its own nearest limit is the one to name
	}
	if s.near.Name == "thread" && len(hosts) > 1 {
		s.load = most(hosts, s.near)
	}
	if now := t.CPU; s.near.Name == "cpu" && now.OK && math.Abs(now.V-s.near.Ratio()) > apart {
		s.load = " (5m load)"
	}
	v := Verdict{Level: OK, Why: slices.Compact(s.why()), Need: s.need, Of: s.have}
	switch {
	case s.have >= s.need && s.have >= s.run && late:
		v.Level, v.Do = Soon, slices.Compact(s.tight())
		return v
	case s.have >= s.need && s.have >= s.run:
		v.Do = slices.Compact(s.fine())
		return v
	case ratio >= fullAt || ratio > tolerance*s.target:
		v.Level = Act
	default:
		v.Level = Soon
	}
	if s.short > 0 {
		v.Of = s.rule.Max
	}
	v.Do = slices.Compact(s.change(v.Level == Act))
	return v
}

// situation is what the words of a verdict are made of.
type situation struct {
	have, need, run, raw, short, spare int
	cautious                           int // need with the missing counted as full; 0: it is the same
	rule                               capacity.Rule
	target                             float64
	near                               capacity.Limit
	load                               string // behind its use, where that is of minutes and not of now, or a mean that hides a host
	pool                               Pool
	missing, full                      []string
	bound                              []*Host // that have a finding
	all                                int
}

// fine are the words for a pool that needs nothing, from long to short.
func (s *situation) fine() []string {
	percent := s.percent()
	run := "run " + count(s.have)
	if s.have == 1 && s.all == 1 {
		run = "1 host is enough"
	}
	room, brief := "", ""
	if s.pool.RoomUsers.OK {
		n, unit := capacity.Count(s.pool.RoomUsers.V), " users"
		if by := s.pool.UsersFrom; by != "" && by != "connections" { // users are counted otherwise
			unit = " connections"
		}
		room, brief = "   room "+s.atLeast()+n+unit, "   room "+n
	}
	return []string{
		fmt.Sprintf("OK  %s (need %s)%s   nearest limit: %s %s%s", run, s.needed(": "), room, s.near.Name, percent, s.load),
		fmt.Sprintf("OK  %s (need %s)%s   nearest limit: %s %s", run, s.needed(": "), room, s.near.Name, percent),
		fmt.Sprintf("OK  %s (need %s)%s   %s %s", run, s.span(), brief, s.near.Name, percent),
		fmt.Sprintf("OK  run %s (need %s)  %s %s", count(s.have), s.span(), s.near.Name, percent),
		fmt.Sprintf("OK NEED %s/%d %s", s.span(), s.have, percent),
		fmt.Sprintf("OK %s/%d", s.span(), s.have),
	}
}

// tight are the words for a pool that is enough now and is full before a new
// server is warm, from long to short.
func (s *situation) tight() []string {
	full, warm := capacity.Span(s.pool.Trend.FullIn.V), warmUp(s.pool.WarmUp)
	return []string{
		fmt.Sprintf("FULL IN %s, a new server takes %s   run %s (need %s)   nearest limit: %s %s%s", full, warm, count(s.have), s.needed(": "), s.near.Name, s.percent(), s.load),
		fmt.Sprintf("FULL IN %s, a new server takes %s   %s %s", full, warm, s.near.Name, s.percent()),
		fmt.Sprintf("FULL IN %s (warm-up %s)", full, warm),
		"FULL IN " + full,
	}
}

// warmUp is a time that people chose: 3m, not 3m00s.
func warmUp(d time.Duration) string {
	s := capacity.Span(d.Seconds())
	if minutes, whole := strings.CutSuffix(s, "m00s"); whole {
		return minutes + "m"
	}
	return s
}

// change are the words for a pool that needs more, from long to short.
func (s *situation) change(now bool) []string {
	at, of := "", s.have
	switch {
	case s.pool.Paced && s.cautious == 0:
		at = " (pace)"
	case s.run == s.rule.Max:
		at = " (max)"
	case s.run == s.rule.Min:
		at = " (min)"
	}
	brief := fmt.Sprintf("ADD %s → %s%s", count(s.run-s.have), count(s.run), at)
	do := brief
	if now {
		do = fmt.Sprintf("ADD %s NOW → %s%s", count(s.run-s.have), count(s.run), at)
	}
	if s.run <= s.have {
		do = "RAISE MAX TO " + count(s.need)
		brief = do
	}
	short, little := "", ""
	if s.short > 0 {
		short = fmt.Sprintf("    SHORT %s of max %s", count(s.short), count(s.rule.Max))
		little, of = "   SHORT "+count(s.short), s.rule.Max
	}
	return []string{
		fmt.Sprintf("%s    NEED %s%s", do, s.needed(" ("), short),
		fmt.Sprintf("%s   NEED %s%s", do, s.span(), little),
		fmt.Sprintf("%s  NEED %s", brief, s.span()),
		fmt.Sprintf("NEED %s/%d %s", s.span(), of, s.percent()),
		fmt.Sprintf("NEED %s/%d", s.span(), of),
	}
}

// span is the need, with that of the cautious side where hosts are missing: 2..3.
func (s *situation) span() string {
	if s.cautious > 0 {
		return count(s.need) + ".." + count(s.cautious)
	}
	return count(s.need)
}

// needed writes the need and what it is made of: "9: 8 +1 spare" after an open
// bracket, "13 (12 for 80% +1 spare)" in the open; and what it will be when the
// window lets servers go.
func (s *situation) needed(open string) string {
	target := "for " + capacity.Percent(s.target)
	n := count(s.need)
	switch less := int(s.pool.NeedNow.V); {
	case s.cautious > 0:
		return fmt.Sprintf("%s, %s with the missing full", n, count(s.cautious))
	case s.pool.Waits > 0 && s.pool.NeedNow.OK && less < s.need && open == ": ":
		return fmt.Sprintf("%s, %s if the load stays: settles in %s", n, count(less), capacity.Span(s.pool.Waits.Seconds()))
	case s.spare == 0:
		return n + " " + target
	case open == ": ":
		return fmt.Sprintf("%s: %s +%d spare", n, count(s.raw), s.spare)
	}
	return fmt.Sprintf("%s (%s %s +%d spare)", n, count(s.raw), target, s.spare)
}

// ahead says where the load goes: "+1,200/min, full in 1m07s; warm-up 3m: late
// 1m53s"; empty while nothing is seen to fall.
func (s *situation) ahead() string {
	t := s.pool.Trend
	if t.Direction != capacity.Falling || !t.FullIn.OK {
		return ""
	}
	unit := ""
	if s.near.Unit == "core" || s.near.Unit == "cores" {
		unit = " cores"
	}
	full := fmt.Sprintf("+%s%s/min, full in %s; warm-up %s", capacity.Amount(s.pool.Growth.V), unit, capacity.Span(t.FullIn.V), warmUp(s.pool.WarmUp))
	if s.pool.Late.OK {
		full += ": late " + capacity.Span(s.pool.Late.V)
	}
	return full
}

// why are the reasons, from long to short. Hosts that are missing are named in
// every one.
func (s *situation) why() []string {
	room := ""
	if n := s.pool.RoomUsers; n.OK && (n.V >= 1 || s.atLeast() == "") { // at least none says nothing
		room = s.atLeast() + things(math.Round(n.V), "place") + " left, "
	}
	near := fmt.Sprintf("%s%s %s of %s", room, s.near.Name, s.percent(), capacity.Amount(s.near.Capacity))
	if s.near.Unit == "core" || s.near.Unit == "cores" {
		near = room + s.near.Name + " " + s.percent() + " of " + things(s.near.Capacity, "core")
	}
	near += s.load
	long, brief := "", ""
	if l := s.pool.LoseOne; l.OK {
		long, brief = "; lose 1 host: "+capacity.Percent(l.V), "; lose 1: "+capacity.Percent(l.V)
		if l.V > 1 {
			long += " OVER"
		}
	}
	gone, gone20 := "", ""
	if n := len(s.missing); n > 0 {
		gone, gone20 = fmt.Sprintf("%s of %s hosts missing; ", count(n), count(s.all)), fmt.Sprintf("%d/%d gone; ", n, s.all)
	}
	if l := s.pool.LoseZone; l.OK {
		long += "; lose a zone: " + capacity.Percent(l.V)
	}
	full := ""
	if len(s.full) > 0 && len(s.full) < s.have {
		full = "; full: " + few(s.full)
	}
	brief = s.near.Name + " " + s.percent() + s.load + brief
	all := []string{
		"why: " + gone + near + long + full + "; " + s.pool.Formula,
		"why: " + gone + near + long + full,
		"why: " + gone + near + long,
		"why: " + gone + brief,
		gone + brief,
		gone20 + brief,
		gone20 + s.near.Name + " " + s.percent(),
		gone20 + s.percent(),
	}
	var coming []string
	if ahead := s.ahead(); ahead != "" {
		coming = []string{
			"why: " + gone + near + "; " + ahead + long + full + "; " + s.pool.Formula,
			"why: " + gone + near + "; " + ahead + long,
			"why: " + gone + room + ahead + long,
			"why: " + gone + room + ahead,
			"why: " + gone + ahead,
			gone20 + s.near.Name + " " + s.percent() + " full in " + capacity.Span(s.pool.Trend.FullIn.V),
		}
	}
	if len(s.bound) == 0 && len(coming) == 0 {
		return all
	}
	if len(s.bound) == 0 {
		return longestFirst(append(all, coming...))
	}
	words, names := s.boundWords()
	for _, w := range words {
		all = append(all, all[1]+"; "+w)
	}
	all = append(all, all[2]+"; "+names)
	if s.near.Name == "thread" { // it is the reason
		all[2] = "why: " + gone + near + "; " + words[1]
		all[3] = "why: " + gone + words[1]
	}
	all[0] = "why: " + gone + near + long + full + "; " + words[0] + "; " + s.pool.Formula
	return longestFirst(append(all, coming...))
}

// boundWords are what the findings of the hosts come to, long and short: which
// thread is full and what would help, or on which hosts; and the hosts alone.
func (s *situation) boundWords() (words [2]string, hosts string) {
	var names []string
	for _, h := range s.bound {
		names = append(names, h.Name)
	}
	hosts = "thread-bound: " + few(names)
	if len(s.bound) > 1 {
		return [2]string{hosts + "; vertical scaling: no gain there", hosts}, hosts
	}
	h := s.bound[0]
	f := &h.Findings[0]
	short, more := f.Brief(), ""
	if s.all > 1 {
		short = h.Name + " " + short
	}
	if f.Verdict == Pinned {
		return [2]string{short + ", waits for a core while others idle", short}, "pinned: " + h.Name
	}
	if times, until := h.MoreWorkers(); times.OK {
		more = fmt.Sprintf("; more workers: about ×%s until %s", capacity.Decimal(times.V, 1), until)
	}
	return [2]string{short + "; vertical scaling: no gain" + more, short + more}, hosts
}

// atLeast marks a room that is the lower bound that the CPU allows.
func (s *situation) atLeast() string {
	if s.near.Name == "conns" || s.near.Ratio() >= noRoom || s.pool.RPSCapacity.Trust == capacity.Learned {
		return ""
	}
	return "at least "
}

func (s *situation) percent() string {
	return capacity.PercentBeside(s.near.Ratio(), s.target)
}

// most says that the use of a pool's threads is a mean, and of which host it is
// not: "" where all are alike.
func most(hosts []viewed, of capacity.Limit) string {
	name, top := "", of.Ratio()+apart
	for i := range hosts {
		for _, l := range hosts[i].Limits {
			if l.Name == "thread" && l.Ratio() > top && hosts[i].State == Up {
				name, top = hosts[i].Name, l.Ratio()
			}
		}
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" in the mean, %s on %s", capacity.Percent(top), name)
}

// things is a count with its unit: 1 core, 2 cores, 0.5 cores.
func things(n float64, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return capacity.Amount(n) + " " + unit
}

// missing are the hosts that are not up.
func missing(hosts []viewed) []string {
	var names []string
	for i := range hosts {
		if hosts[i].State != Up {
			names = append(names, hosts[i].Name)
		}
	}
	return names
}

// unknown are the words for when nothing can be said, and what to do then.
func unknown(t Totals, hosts []viewed) Verdict {
	all := count(t.Hosts) + " hosts"
	if t.Hosts == 1 {
		all = "1 host"
	}
	switch {
	case t.Hosts == 0:
		return Verdict{
			Do:  []string{"? no hosts: name them with --agents host1,host2", "? no hosts: use --agents", "? no hosts"},
			Why: []string{"why: the list of hosts is empty", "no hosts"},
		}
	case t.Up > 0:
		return Verdict{
			Do:  []string{"? capacity not known yet: CPU needs two readings, connections need --per-server", "? capacity not known yet: CPU needs two readings", "? capacity not known yet", "? not known yet"},
			Why: []string{fmt.Sprintf("why: %d of %s up, none tells its cores or has a limit", t.Up, all), "no limit is known", "no limit"},
		}
	}
	first := troubled(hosts)
	if first == nil {
		return Verdict{
			Do:  []string{"? waiting for the first answer of " + all, "? waiting for " + all, "? waiting"},
			Why: []string{"why: none has answered yet", "no answer yet"},
		}
	}
	v := Verdict{Do: []string{"? no host answers: is `capmon agent` running on them?"}}
	if first.Do != "" {
		v.Do[0] = "? no host answers: " + first.Do
	}
	v.Do = longestFirst(append(v.Do, "? no host answers: start agents", "? no host answers"))
	if first.Reason != "" {
		v.Why = append(v.Why, fmt.Sprintf("why: 0 of %s up: %s: %s", all, first.Name, first.Reason), fmt.Sprintf("%s: %s", first.Name, first.Reason))
	}
	v.Why = longestFirst(append(v.Why, "why: 0 of "+all+" up", "0 of "+count(t.Hosts)+" up"))
	return v
}

// longestFirst orders texts of which some have a length of their own.
func longestFirst(texts []string) []string {
	slices.SortStableFunc(texts, func(a, b string) int { return utf8.RuneCountInString(b) - utf8.RuneCountInString(a) })
	return texts
}

// troubled is the first host of which more is known than that it is silent.
func troubled(hosts []viewed) *viewed {
	for i := range hosts {
		if h := &hosts[i]; h.Do != "" || h.State == Down || h.State == Stale {
			return h
		}
	}
	return nil
}

func count(n int) string { return capacity.Count(float64(n)) }
