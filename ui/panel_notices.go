package ui

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"capmon/alerts"
	"capmon/fleet"
)

// notice is one line of what needs attention, made from the states of hosts.
type notice struct {
	sign sign
	who  string
	text string
}

// notices are the most important things to say that the table does not show
// already: hosts that are not up where their reason is cut or scrolled away,
// full hosts out of sight, and what fleet found out.
func notices(f *Frame, p *plan, width, most int, scrolls bool) []notice {
	all := alertNotices(f)
	for i := range f.Hosts {
		h := &f.Hosts[i]
		s := signOf(h)
		switch {
		case h.State != fleet.Up:
			line := reasonOf(h)
			if (h.State == fleet.Stale || scrolls || cells(line)+cells(h.Name)+20 > p.left) && (h.Reason != "" || h.Do != "") {
				all = append(all, notice{s, h.Name, line})
			}
		case s.rank >= 4 && scrolls && !f.Watched: // else an alert says it
			all = append(all, notice{s, h.Name, fullText(h)})
		case len(h.Findings) > 0:
			all = append(all, notice{signOfFlag(h.Findings[0].Verdict, h), h.Name, h.Findings[0].Brief() + arrow + helpText(h, p.left-8)})
		}
	}
	slices.SortStableFunc(all, func(a, b notice) int { return cmp.Compare(b.sign.rank, a.sign.rank) })
	for _, n := range f.Notes {
		all = append(all, notice{sign: sign{text: "i"}, text: n})
	}
	all = unfolded(all, p.left, most)
	if len(all) > most {
		rest := len(all) - most + 1
		all = append(all[:most-1:most-1], notice{text: strconv.Itoa(rest) + " more; s sorts the worst first"})
	}
	return all
}

// alertNotices are the alerts that fire and are not acked; but for silent hosts
// and full threads, of which the hosts themselves have more to say.
func alertNotices(f *Frame) []notice {
	var all []notice
	for i := range f.Alerts {
		a := &f.Alerts[i]
		if a.Phase != alerts.Firing || a.Rule == alerts.Silent || a.Rule == alerts.Thread {
			continue
		}
		mark := sign{text: a.Level.Sign(), role: roleSoon, rank: 3, word: spanText(num(math.Max(f.Time.Sub(a.Since).Seconds(), 0)))}
		if a.Level == fleet.Act {
			mark.role, mark.rank = roleAct, 6
		}
		all = append(all, notice{mark, a.Where, a.What + arrow + a.Next})
	}
	return all
}

// unfolded gives what to do a line of its own where it would be cut, as long as
// there are lines for it.
func unfolded(all []notice, width, most int) []notice {
	for i := 0; i < len(all) && len(all) < most; i++ {
		n := all[i]
		reason, do, both := strings.Cut(n.text, arrow)
		if both && n.head()+cells(n.text)+1 > width {
			all[i].text = reason
			all = slices.Insert(all, i+1, notice{text: strings.TrimSpace(arrow) + " " + do})
			i++
		}
	}
	return all
}

// arrow stands between why something is so and what to do.
const arrow = " → "

// head is the cells before the text.
func (n notice) head() int {
	if n.who == "" {
		return 4
	}
	return 4 + cells(cutMiddle(n.who, 24)) + 1 + cells(n.sign.word) + 2
}

func fullText(h *fleet.Host) string {
	l := fullLimit(h)
	if l == nil {
		return "full"
	}
	return strings.TrimSpace(l.Name + " " + percent(num(share(*l))) + "% of " + limitText(l.Capacity) + " " + limitUnit(l))
}

// helpText is what to do about the fullest finding of a host, with how far that
// would carry as an estimate, in width cells.
func helpText(h *fleet.Host, width int) string {
	f := &h.Findings[0]
	times, until := h.MoreWorkers()
	if f.Verdict == fleet.Pinned || !times.OK {
		return f.Helps()
	}
	far := ": about ×" + strconv.FormatFloat(times.V, 'f', 1, 64) + " until " + until
	return first(width, f.Helps()+far, "more workers help"+far)
}

func drawNotices(a area, all []notice) {
	drawTitle(a.row(0), "attention", "5: alerts and events")
	for y, n := range all {
		row := a.row(1 + y)
		row.text(1, 0, n.sign.role.style(), n.sign.text)
		x := 4
		if n.who != "" {
			x = row.text(x, 0, strong, cutMiddle(n.who, 24)) + 1
			x = row.text(x, 0, n.sign.role.style(), n.sign.word) + 2
		}
		row.text(x, 0, normal, cut(n.text, a.w-x-1))
	}
}

// drawAgents says how well we are informed and at what cost.
func drawAgents(a area, f *Frame, v *View) {
	drawTitle(a.row(0), "agents")
	y := 1
	line := func(parts ...string) {
		a.text(1, y, normal, cut(strings.Join(parts, "   "), a.w-2))
		y++
	}
	t := &f.Totals
	states := []string{strconv.Itoa(t.Up) + " up", strconv.Itoa(t.Stale) + " stale", strconv.Itoa(t.Down) + " down"}
	if t.Unseen > 0 {
		states = append(states, strconv.Itoa(t.Unseen)+" never seen")
	}
	s := surveyAgents(f)
	line(strings.Join(states, " · "), "oldest data "+ageText(s.age), "clock skew "+skewText(s.skew))
	line("agents cost "+tenths(num(s.cpu))+"% of one core, "+size(num(s.rss))+" (mean)", "versions: "+s.versions)
	own := "this screen costs " + tenths(f.SelfCPU) + "% of one core"
	if f.SelfRSS.OK {
		own += ", " + size(f.SelfRSS)
	}
	line(own, "data from "+or(v.Source, plural(t.Hosts, "host")))
}

type agentFacts struct {
	age, skew, cpu, rss float64 // NaN when no agent says; cpu as a share of a core
	versions            string
}

func surveyAgents(f *Frame) agentFacts {
	var ages, skews, cpus, sizes []float64
	versions := map[string]int{}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		if h.State == fleet.Up || h.State == fleet.Stale {
			ages = append(ages, known(h.Age))
			skews = append(skews, math.Abs(known(h.Skew)))
			cpus = append(cpus, known(h.SelfCPU)/1000)
			sizes = append(sizes, known(h.SelfRSS))
		}
		if v := h.Machine.GetVersion(); v != "" {
			versions[v]++
		}
	}
	out := agentFacts{age: highest(ages), skew: highest(skews), cpu: mean(cpus), rss: mean(sizes), versions: unknownText}
	names := make([]string, 0, len(versions))
	for v, n := range versions {
		names = append(names, v+" ×"+strconv.Itoa(n))
	}
	slices.Sort(names)
	if len(names) > 0 {
		out.versions = strings.Join(names, ", ")
	}
	return out
}

func ageText(seconds float64) string {
	n := num(seconds)
	if !n.OK {
		return unknownText
	}
	return age(n) + secondsUnit(n)
}

func skewText(seconds float64) string {
	switch {
	case math.IsNaN(seconds):
		return unknownText
	case seconds < 1:
		return strconv.Itoa(int(seconds*1000+0.5)) + "ms"
	}
	return ageText(seconds)
}
