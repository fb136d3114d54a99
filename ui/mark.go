package ui

import (
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// mark keeps what is on screen, so that numbers show their change since; again:
// lets go of it.
func (m *model) mark() {
	v := &m.view
	switch {
	case v.Mark != nil:
		v.Mark, v.Note = nil, "numbers are as they are again"
	case !m.known:
		v.Note = "nothing to mark yet"
	default:
		f := m.frame
		v.Mark, v.Note = &f, "marked "+clock(f.At)+": numbers show the change since; m again: off"
	}
}

// markedHost is a host as it was at the mark; nil where it was not there.
func markedHost(v *View, name string) *fleet.Host {
	if v.Mark == nil {
		return nil
	}
	return hostNamed(v.Mark, name)
}

// change is how a number differs from what it was, with its sign: "+120", "-25",
// "0". What was or is not known has none.
func change(now, then capacity.Num, write func(capacity.Num) string) string {
	if !now.OK || !then.OK {
		return unknownText
	}
	d := now.V - then.V
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	s := write(capacity.Known(d))
	if strings.Trim(s, "0.") == "" {
		return s
	}
	return sign + s
}

// sinceMark is a number of a host on screen: as it is, or its change since the mark.
func sinceMark(v *View, h *fleet.Host, of func(*fleet.Host) capacity.Num, write func(capacity.Num) string) string {
	if v.Mark == nil {
		return write(of(h))
	}
	was := markedHost(v, h.Name)
	if was == nil {
		return "new"
	}
	return change(of(h), of(was), write)
}

// sinceTotal is the same of a number of the whole fleet.
func sinceTotal(f *Frame, v *View, of func(*Frame) capacity.Num, write func(capacity.Num) string) string {
	if v.Mark == nil {
		return write(of(f))
	}
	return change(of(f), of(v.Mark), write)
}

// marked is the header's word for it.
func marked(f *Frame, v *View) []segment {
	if v.Mark == nil {
		return nil
	}
	ago, sign := f.At.Sub(v.Mark.At), "+"
	if ago < 0 {
		ago, sign = -ago, "-"
	}
	return []segment{{text: "SINCE " + clock(v.Mark.At) + " " + sign + ageText(ago.Seconds()), style: roleNotice.style(), drop: 1}}
}

// sinceNote is what a gauge adds to its note: by how much its share changed, in
// points, or its number.
func sinceNote(now, then *reading, value, was capacity.Num) string {
	if points := change(num(now.share), num(then.share), percent); points != unknownText {
		return points + " points"
	}
	return change(value, was, func(n capacity.Num) string { return count(n, 9) })
}

// hostChange is what stands behind a number of the host screen while there is a
// mark; nothing without one, or where a number is not known.
func hostChange(v *View, h *fleet.Host, of func(*fleet.Host) capacity.Num, write func(capacity.Num) string, unit string) string {
	if v.Mark == nil || !of(h).OK {
		return ""
	}
	s := sinceMark(v, h, of, write)
	if s != "new" && s != unknownText {
		s += unit
	}
	return " (" + s + ")"
}

func shortCount(n capacity.Num) string { return count(n, 9) }
