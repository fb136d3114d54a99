package ui

import (
	"math"
	"strconv"

	"capmon/capacity"
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

// sparkPeak is how high the peak of a history stands: lower than a bar that
// is full, which it isn't.
const sparkPeak = 0.75

// readings are users, cpu, rps and the hottest thread or core.
func readings(f *Frame, v *View) []reading {
	return []reading{usersReading(f, v), cpuReading(f, v), rpsReading(f, v), hotReading(f)}
}

func usersReading(f *Frame, v *View) reading {
	r := reading{label: "users", value: whole(f.Totals.Users, 10), share: math.NaN(), series: f.Chart.Connections}
	partial := partialOf(f, f.Totals.ConnHosts)
	if used, top, ok := limitNamed(f, "conns"); ok {
		r.share = used / top
		of := percent(capacity.Known(r.share)) + "% of " + grouped(top)
		r.notes = []string{of + " conns" + partial, of + " conns", of, percent(capacity.Known(r.share)) + "%"}
		r.sign = fullSign(r.share)
		return r
	}
	r.notes = peakNotes(f, v, r.series, partial, whole)
	if f.Totals.UsersFrom != "" && f.Totals.Users.OK {
		r.notes = append([]string{"= " + f.Totals.UsersFrom + "   " + r.notes[0]}, r.notes...)
	}
	return r
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
	r.notes = []string{of + " of " + coreTotal(t.Cores) + " cores" + partial, of + " of " + coreTotal(t.Cores) + " cores", of}
	r.sign = fullSign(r.share)
	return r
}

func rpsReading(f *Frame, v *View) reading {
	r := reading{label: "rps", value: count(f.Totals.RPS, 10), share: math.NaN(), series: f.Chart.RPS}
	r.notes = peakNotes(f, v, r.series, partialOf(f, f.Totals.RPSHosts), count)
	if !f.Totals.RPS.OK {
		r.notes = []string{noRPS(f), "no source", ""}
	}
	return r
}

// noRPS says why requests are not counted: the hosts' own word where they
// agree.
func noRPS(f *Frame) string {
	note := ""
	for i := range f.Hosts {
		n := f.Hosts[i].RPSNote
		if n == "" || note != "" && n != note {
			return "no host knows"
		}
		note = n
	}
	if note == "" {
		return "no host says"
	}
	return note
}

func hotReading(f *Frame) reading {
	r := reading{label: "hot core", value: unknownText, share: math.NaN(), notes: []string{"no host says", ""}}
	if t := f.Totals.HottestThread; t.Known {
		r.label, r.share = "thread", t.Demand
		of := percent(capacity.Known(t.Demand)) + "%"
		who := t.Name + "/" + strconv.Itoa(t.PID)
		r.notes = []string{of + " " + t.Host + " " + who, of + " " + t.Host, of}
		r.value = coreCount(capacity.Known(t.Demand)) + " core"
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
		return []string{"no history yet" + partial, ""}
	}
	s := "peak " + write(capacity.Known(peak), 9)
	in := " in " + lasting(spanOf(f, v))
	return []string{s + in + partial, s + in, s}
}
