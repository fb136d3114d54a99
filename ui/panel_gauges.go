package ui

import (
	"math"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// reading is one gauge: a number, a bar where what it is a share of is known,
// else its history.
type reading struct {
	label  string
	value  string
	share  float64 // NaN: no bar
	series []float64
	notes  []string // from long to short
	sign   sign
}

func drawGauges(a area, f *Frame, v *View) {
	all := readings(f, v)
	all = all[:min(len(all), a.h)]
	label, value := 6, 10
	noteRoom := a.w * 2 / 5
	note := 0
	for _, r := range all {
		label = max(label, cells(r.label))
		value = max(value, cells(r.value))
		if r.bare() {
			continue
		}
		note = max(note, cells(first(noteRoom, r.notes...))+len(r.sign.text)+min(1, len(r.sign.text)))
	}
	bar := a.w - 1 - label - 1 - value - 1 - 2 - note - 1
	for y, r := range all {
		a.text(1, y, normal, r.label)
		st := strong
		if r.value == unknownText {
			st = unknown
		}
		a.right(1+label+1+value, y, st, r.value)
		x := 1 + label + 1 + value + 1
		if r.bare() {
			a.text(x+1, y, dim, first(a.w-x-2, r.notes...))
			continue
		}
		switch {
		case bar < 4:
			x -= 2
		case !math.IsNaN(r.share):
			a.gauge(x, y, bar, r.share, busyStyle(r.share))
		case r.value == unknownText:
			a.gauge(x, y, bar, math.NaN(), normal)
		default:
			a.spark(x, y, bar, resample(r.series, min(bar, max(len(r.series), 1))), highest(r.series)/sparkPeak, roleChart.style())
		}
		x = a.text(x+max(bar, 0)+2, y, dim, first(noteRoom, r.notes...))
		if r.sign.text != "" {
			a.text(x+1, y, r.sign.role.style(), r.sign.text)
		}
	}
}

// bare holds for a number with neither a bar nor a history: its note has all
// the room.
func (r *reading) bare() bool {
	return math.IsNaN(r.share) && len(r.series) == 0 && r.value != unknownText && len(r.notes) > 0 && r.notes[0] != noHistory
}

const noHistory = "no history yet"

// sparkPeak is how high the peak of a history stands: lower than a bar that
// is full, which it isn't.
const sparkPeak = 0.75

// readings are users, cpu, rps and the hottest thread or core.
func readings(f *Frame, v *View) []reading {
	list := []reading{usersReading(f, v), cpuReading(f, v), rpsReading(f, v), hotReading(f)}
	if v.Mark == nil {
		return list
	}
	of := func(f *Frame) []capacity.Num {
		return []capacity.Num{headline(f, f.Totals.Users), f.Totals.CoresUsed, headline(f, f.Totals.RPS), {}}
	}
	now, then := of(f), of(v.Mark)
	was := []reading{usersReading(v.Mark, v), cpuReading(v.Mark, v), rpsReading(v.Mark, v), hotReading(v.Mark)}
	for i := range list {
		note := "(" + sinceNote(&list[i], &was[i], now[i], then[i]) + ")"
		if k := len(list[i].notes); k > 0 {
			list[i].notes = append([]string{list[i].notes[0] + " " + note, list[i].notes[k-1] + " " + note}, list[i].notes...)
		}
	}
	return list
}

func usersReading(f *Frame, v *View) reading {
	t := &f.Totals
	r := reading{label: "users", value: whole(headline(f, t.Users), 10), share: math.NaN(), series: f.Chart.Connections}
	if tiers(f) && edgePool(f) == nil {
		r.series, r.notes = nil, edgeUnknown
		return r
	}
	from := usersFrom(f)
	if used, top, ok := edgeLimit(f, "conns"); ok {
		r.share, r.sign = used/top, fullSign(used/top)
		of := percent(capacity.Known(r.share)) + "% of " + grouped(top)
		r.notes = []string{of + " conns", of, percent(capacity.Known(r.share)) + "%"}
		if partial := partialOf(f, t.ConnHosts); tiers(f) {
			r.notes = append([]string{cutMiddle(edgePool(f).Name, 16) + ": " + r.notes[0]}, r.notes...)
		} else if partial != "" {
			r.notes = append([]string{of + " conns" + partial}, r.notes...)
		}
		if !byConnections(t) { // else the unit says it
			r.notes = append([]string{of + " conns; users " + from[0], of + " conns; users " + from[len(from)-1]}, r.notes...)
			for i := range r.notes { // the bar is not of the number before it
				r.notes[i] = count(num(used), 9) + " conns: " + strings.Replace(r.notes[i], " conns", "", 1)
			}
		}
		return r
	}
	if tiers(f) || !byConnections(t) { // the history is of all connections
		r.series, r.notes = nil, append(from, "")
		return r
	}
	r.notes = peakNotes(f, v, r.series, partialOf(f, t.ConnHosts), whole)
	if t.UsersFrom != "" && t.Users.OK {
		r.notes = append([]string{"= " + t.UsersFrom + "   " + r.notes[0]}, r.notes...)
	}
	return r
}

// edgeUnknown stands for totals that several pools don't have in common.
var edgeUnknown = []string{"which pool is the edge? name it", "no edge pool", ""}

// byConnections holds where users are counted as connections, as they are where
// nothing else is said.
func byConnections(t *fleet.Totals) bool { return t.UsersFrom == "" || t.UsersFrom == "connections" }

// usersFrom says what users are counted by and of which pool, from long to
// short; with the assumption behind where there is one.
func usersFrom(f *Frame) []string {
	t := &f.Totals
	if !t.Users.OK {
		return []string{or(t.UsersNote, "no host says"), "no host says"}
	}
	of := ""
	if p := edgePool(f); tiers(f) && p != nil {
		of = " of pool " + cutMiddle(p.Name, 16)
	}
	by := map[string]string{"little": "by Little's law", "gauge": "by a gauge", "connections": "= connections"}[t.UsersFrom]
	by = or(by, "by "+or(t.UsersFrom, unknownText))
	if t.UsersNote == "" {
		return []string{by + of, by}
	}
	return []string{by + of + ": " + t.UsersNote, by + ": " + t.UsersNote, by + of, by}
}

func cpuReading(f *Frame, v *View) reading {
	t := &f.Totals
	r := reading{label: "cpu", share: math.NaN(), value: unknownText}
	if !t.CPU.OK || !t.CoresUsed.OK {
		r.notes = []string{"no host says", ""}
		return r
	}
	r.share = t.CPU.V
	partial := partialOf(f, t.CPUHosts)
	of := percent(t.CPU) + "%"
	r.value = coreCount(t.CoresUsed) + " cores"
	r.notes = []string{of + " of " + coresTotal(t.Cores) + partial, of + " of " + coresTotal(t.Cores), of}
	r.sign = fullSign(r.share)
	return r
}

func rpsReading(f *Frame, v *View) reading {
	rps := headline(f, f.Totals.RPS)
	r := reading{label: "rps", value: count(rps, 10), share: math.NaN(), series: f.Chart.RPS}
	p := edgePool(f)
	switch {
	case tiers(f) && p == nil:
		r.series, r.notes = nil, edgeUnknown
		return r
	case !rps.OK:
		r.notes = []string{noRPS(f, p), "no source", ""}
		if tiers(f) {
			r.notes = append([]string{"pool " + cutMiddle(p.Name, 16) + ": " + r.notes[0]}, r.notes...)
		}
		return r
	case p != nil:
		if share, notes := rpsUse(rps, &p.RPSCapacity); notes != nil {
			r.share, r.notes = share, notes
			if p.RPSCapacity.Trust == capacity.Learned {
				r.sign = fullSign(share)
			}
		}
	}
	switch partial := partialOf(f, f.Totals.RPSHosts); {
	case tiers(f): // the history is of all pools
		r.series = nil
		name := cutMiddle(p.Name, 16)
		if r.notes == nil {
			r.notes = []string{"of " + name, ""}
			break
		}
		r.notes = append([]string{name + ": " + r.notes[0]}, r.notes...)
	case r.notes == nil:
		r.notes = peakNotes(f, v, r.series, partial, count)
	case partial != "":
		r.notes = append([]string{r.notes[0] + partial}, r.notes...)
	}
	return r
}

// rpsUse is the share that requests are of what a pool can take at its limits,
// and how to say it: of a learned number about that much, of a number that is a
// lower bound at most that much. Nothing where that says nothing.
func rpsUse(rps capacity.Num, top *capacity.Estimate) (float64, []string) {
	if top.Trust == capacity.NotKnown || !top.Capacity.OK || !(top.Capacity.V > 0) {
		return math.NaN(), nil
	}
	share := rps.V / top.Capacity.V
	of, whole := percent(capacity.Known(share))+"%", count(top.Capacity, 9)
	if top.Trust == capacity.Learned {
		return share, []string{of + " of ~" + whole + " est.", of + " of ~" + count(top.Capacity, 5), of}
	}
	if !(share <= 1) { // at most more than all is no news
		return math.NaN(), nil
	}
	return share, []string{"at most " + of + " of at least " + whole, "at most " + of, "≤" + of}
}

// noRPS says why requests of a pool are not counted: the word of its hosts
// where they agree.
func noRPS(f *Frame, p *fleet.Pool) string {
	note, told := "", false
	for i := range f.Hosts {
		h := &f.Hosts[i]
		if tiers(f) && h.Pool != p.Name || h.State != fleet.Up { // one that is away has no say
			continue
		}
		if h.RPSNote == "" || told && h.RPSNote != note {
			return "no host knows"
		}
		note, told = h.RPSNote, true
	}
	return or(note, "no host says")
}

func hotReading(f *Frame) reading {
	r := reading{label: "hot core", value: unknownText, share: math.NaN(), notes: []string{"no host says", ""}}
	if t := f.Totals.HottestThread; t.Known {
		r.label, r.share = "thread", ofOneCore(t.Demand)
		of := percent(num(r.share)) + "%"
		who := t.Name + "/" + strconv.Itoa(t.PID)
		r.notes = []string{of + " " + t.Host + " " + who, of + " " + t.Host, of}
		if len(f.Hosts) > 1 { // not the mean that a pool's limit is
			r.notes = append([]string{of + ", the busiest: " + t.Host + " " + who}, r.notes...)
		}
		r.value = coreCount(num(r.share)) + " core"
		if r.share < 1 { // as its percentage: not full before it is
			r.value = coreCount(num(min(r.share, 0.994))) + " core"
		}
		if h := hostNamed(f, t.Host); h != nil && signOf(h).word == "1T" {
			r.sign = signOf(h)
		}
		return r
	}
	if c := f.Totals.HottestCore; c.Known {
		r.share = c.Busy
		of := percent(capacity.Known(c.Busy)) + "%"
		host := cutMiddle(c.Host, 24)
		r.notes = []string{of + " " + host + " core " + strconv.Itoa(c.Core), of + " " + cutMiddle(host, 12), of}
		if len(f.Hosts) == 1 {
			r.notes = []string{of + " core " + strconv.Itoa(c.Core), of}
		}
		r.value = coreCount(capacity.Known(c.Busy)) + " core"
	}
	return r
}

// fullSign is the sign of a share that is as good as full.
func fullSign(share float64) sign {
	if share >= 0.95 {
		return sign{text: "!!", role: roleAct}
	}
	return sign{}
}

// partialOf says when a total stands on fewer hosts than count.
func partialOf(f *Frame, hosts int) string {
	if hosts >= f.Totals.Hosts {
		return ""
	}
	return ", " + strconv.Itoa(hosts) + " of " + plural(f.Totals.Hosts, "host")
}

// peakNotes say what a history is relative to.
func peakNotes(f *Frame, v *View, series []float64, partial string, write func(capacity.Num, int) string) []string {
	peak := highest(series)
	if math.IsNaN(peak) {
		return []string{noHistory + partial, ""}
	}
	s := "peak " + write(capacity.Known(peak), 9)
	in := " in " + lasting(spanOf(f, v))
	return []string{s + in + partial, s + in, s}
}
