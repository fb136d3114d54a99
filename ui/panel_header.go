package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

type limit = capacity.Limit

// segment is a piece of the header; those with the highest drop go first.
type segment struct {
	text  string
	style style
	drop  int  // 0: stays
	close bool // one blank before it instead of two
}

// drawHeader says where we are and whether it is live. where is the screen's
// own piece, such as "1 overview".
func drawHeader(a area, f *Frame, v *View, where ...segment) {
	if a.h == 0 {
		return
	}
	left := make([]segment, 0, 8)
	left = append(left, segment{"capmon", strong, 6, false})
	left = append(left, segment{text: fleetName(f, v)}, segment{text: upCount(f, a.w)})
	if s := signCount(f); s != "" {
		left = append(left, segment{s, strong, 2, false})
	}
	if f.Simulated {
		left = append(left, segment{"SIMULATED", roleNotice.style(), 1, false})
	}
	if v.Warning != "" {
		left = append(left, segment{v.Warning, roleNotice.style(), 1, false})
	}
	if r := f.Recording; r != nil && r.Ended == "" {
		left = append(left, segment{"REC", roleNotice.style(), 1, false})
	}
	left = append(left, marked(f, v)...)
	if len(where) > 0 {
		left = append(left, withTabs(v, where)...)
	}
	state, st := liveState(f, v, a.w)
	right := []segment{{text: state, style: st}}
	if state == "LIVE" && f.Interval > 0 {
		right = append(right, segment{lasting(f.Interval), normal, 5, true})
	}
	if !f.Time.IsZero() {
		right = append(right, segment{clock(f.At), normal, 3, false})
	}
	switch {
	case f.SelfCPU.OK && v.Busy:
		right = append(right, segment{"self " + tenths(f.SelfCPU) + "% !", roleSoon.style(), 4, false})
	case f.SelfCPU.OK:
		right = append(right, segment{"self " + tenths(f.SelfCPU) + "%", dim, 7, false})
	}
	if v.SlowLink {
		right = append(right, segment{"slow link", roleSoon.style(), 4, false})
	}
	pad := 1
	if a.w < 60 {
		pad = 0
	}
	left, right = fit(left, right, a.w-2*pad)
	x := pad
	for i, s := range left {
		if i > 0 {
			x++
			if a.w >= 60 {
				x++
			}
		}
		zoneTabs(a, x, s, v)
		x = a.text(x, 0, s.style, s.text)
	}
	x = a.w - pad
	for i := len(right) - 1; i >= 0; i-- {
		x -= cells(right[i].text)
		if i == 0 { // live or paused
			a.sub(x, 0, cells(right[i].text), 1).zone(hit{do: actPause})
		}
		a.text(x, 0, right[i].style, right[i].text)
		x -= 2
		if right[i].close {
			x++
		}
	}
	if paused(f, v) || f.Replay != nil {
		a.paint(0, func(style) style { return rolePaused.style() })
	}
}

// longName is what a header leaves of the name of what is watched, in cells.
const longName = 16

// fit drops segments until both sides stand in width cells, then cuts the name.
func fit(left, right []segment, width int) ([]segment, []segment) {
	need := func() int {
		n := 0
		for _, s := range left {
			n += cells(s.text) + 2
		}
		for _, s := range right {
			n += cells(s.text) + 2
		}
		if width < 58 {
			n -= len(left)
		}
		return n - 1
	}
	name := slices.IndexFunc(left, func(s segment) bool { return s.drop == 0 })
	for need() > width {
		side, at := &left, -1
		worst := 0
		for _, s := range []*[]segment{&left, &right} {
			for i, seg := range *s {
				if seg.drop > worst {
					side, at, worst = s, i, seg.drop
				}
			}
		}
		if at < 0 {
			break
		}
		// A long name is cut before what says where one is and what fires.
		if name >= 0 && worst <= 5 && cells(left[name].text) > longName {
			left[name].text = cutMiddle(left[name].text, max(longName, cells(left[name].text)-(need()-width)))
			continue
		}
		if side == &left && at < name {
			name--
		}
		if worst == tabDrop { // numbers of screens go together: a lone 6 says nothing
			left = slices.DeleteFunc(slices.Clone(left), func(s segment) bool { return s.drop == tabDrop })
			name = slices.IndexFunc(left, func(s segment) bool { return s.drop == 0 })
			continue
		}
		*side = append((*side)[:at:at], (*side)[at+1:]...)
	}
	if over := need() - width; over > 0 && len(left) > 0 {
		left[0].text = cutMiddle(left[0].text, max(3, cells(left[0].text)-over))
	}
	return left, right
}

// fleetName is the pool's name, or what is watched where it has none.
func fleetName(f *Frame, v *View) string {
	switch {
	case len(f.Pools) == 1 && f.Pools[0].Name != "all" && f.Pools[0].Name != "":
		return f.Pools[0].Name
	case len(f.Pools) > 1:
		return plural(len(f.Pools), "pool")
	case v.Source != "":
		return v.Source
	}
	return plural(len(f.Hosts), "host")
}

func upCount(f *Frame, width int) string {
	s := fmt.Sprintf("%d/%d", f.Totals.Up, f.Totals.Hosts)
	if width < 60 {
		return s
	}
	return s + " up"
}

// signCount counts the hosts that have a sign: 2x 1? 3!!
func signCount(f *Frame) string {
	count := map[string]int{}
	for i := range f.Hosts {
		count[signOf(&f.Hosts[i]).text]++
	}
	var parts []string
	for _, s := range []string{"!!", "!", "x", "?"} {
		if count[s] > 0 {
			parts = append(parts, strconv.Itoa(count[s])+s)
		}
	}
	return strings.Join(parts, " ")
}

func paused(f *Frame, v *View) bool { return v.Paused || !f.Live && !f.Time.IsZero() }

func liveState(f *Frame, v *View, width int) (string, style) {
	switch {
	case f.Replay != nil:
		return replayState(f, v, width), rolePaused.style()
	case paused(f, v):
		return "PAUSED " + back(f.Time.Sub(f.At)), rolePaused.style()
	case f.Time.IsZero():
		return "WAITING", unknown
	}
	return "LIVE", strong
}

// drawVerdict is line 2 and line 3: what to do, and why. Either survives on
// any screen in the longest form that fits.
func drawVerdict(a area, f *Frame, v *View) { drawVerdictOf(a, f, v, worst(f)) }

func drawVerdictOf(a area, f *Frame, v *View, p *fleet.Pool) {
	level, do, why := verdict(f, v, p)
	st := [...]style{fleet.Unknown: unknown, fleet.OK: strong, fleet.Soon: roleSoon.style(), fleet.Act: roleActLine.style()}[level]
	pad := 1
	if a.w < 60 {
		pad = 0
	}
	a.text(pad, 0, st, first(a.w-2*pad, do...))
	if level == fleet.Act {
		a.paint(0, func(style) style { return st })
	}
	a.text(pad, 1, normal, cut(first(a.w-2*pad, why...), a.w-2*pad))
}

// verdict is that of a pool, each text with the level's sign in front, unless
// it brings it.
func verdict(f *Frame, v *View, p *fleet.Pool) (fleet.Level, []string, []string) {
	if p == nil || len(p.Verdict.Do) == 0 {
		from := v.Source
		if from == "" {
			from = "the first host"
		}
		return fleet.Unknown, []string{"? waiting for the first reading", "? no reading yet", "?"}, []string{"from " + from, ""}
	}
	level := min(p.Verdict.Level, fleet.Act)
	sign := level.Sign()
	if sign != "" {
		sign += " "
	}
	do := make([]string, 0, 2*len(p.Verdict.Do))
	if len(f.Pools) > 1 {
		for _, s := range p.Verdict.Do {
			do = append(do, sign+p.Name+": "+strings.TrimPrefix(s, sign))
		}
	}
	for _, s := range p.Verdict.Do {
		do = append(do, sign+strings.TrimPrefix(s, sign))
	}
	return level, do, p.Verdict.Why
}
