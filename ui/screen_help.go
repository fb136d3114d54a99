package ui

import (
	"slices"
	"strings"
)

// numbersHelp is what the words on screen mean, a line each.
var numbersHelp = [][2]string{
	{"CPU%", "busy share of the cores a host may use (quota, cpuset)"},
	{"USED", "cores used: 1.00 = one whole core"},
	{"HOT%", "its busiest core; 99 with a low CPU% is one thread"},
	{"users", "connections that clients hold, or as the gauge says"},
	{"RPS", "responses a second, mean of 10 s, from the named source"},
	{"NEW/s", "connections accepted a second by services that face clients"},
	{"ERR%", "responses with status 5xx, of those of the last 10 s"},
	{"TOP-THR", "demand of its fullest thread: run time and wait, in cores"},
	{"ROOM", "users (or rps) until its nearest limit; BOUND names it"},
	{"headroom", "share of the capacity at target that is left"},
	{"NEED", "servers for the load at target, spare included; i: its steps"},
	{"~ est.", "learned from traffic; at least: only a lower bound is known"},
	{"AGE", "seconds since its newest data came"},
	{"?", "not known: never zero, never an old value"},
	{"self", "what this screen costs, of one core"},
}

var signsHelp = [][2]string{
	{"!!", "act now"},
	{"!", "soon"},
	{"?", "no data, or old: dim"},
	{"x", "down: the row says why"},
	{"1T", "one thread is the limit"},
	{"1C", "about one core: a lock (likely)"},
	{"n/n", "all n workers are full"},
	{"PIN", "waits while cores idle: pinned"},
	{"THR", "held back by its CPU quota"},
	{"┄", "limit or target in a chart"},
}

// filterHelp is the language of the filter, and commandHelp examples of commands.
var filterHelp = [][2]string{
	{"ws-*  ws", "whole name, a part"},
	{"cpu>80 rps>=1.5k", "number; tab: which"},
	{"role=ws az!=a*", "label, or pool="},
	{"bound:thread", "its nearest limit"},
	{"is:down is:1t", "state or flag"},
	{"a b  a|b  !a", "and, or, not"},
}

// alertFilterHelp is what the filter of the alerts knows besides.
var alertFilterHelp = [][2]string{
	{"rule=limit sev:act", "alerts: what"},
	{"host=w* since:1h", "where, since"},
	{"for>5m is:acked", "how long, how far"},
}

var commandHelp = [][2]string{
	{":host ws-4", "open it"},
	{":goto -10m", "a time"},
	{":sort rps", "or click its head"},
	{":columns cpu rps", "in this order; auto"},
	{":export md FILE", "or json, or both"},
	{":theme light", "tab: what there is"},
}

// FilterHelp is the language of the filter, a line a word, for the man page.
func FilterHelp() string {
	var b strings.Builder
	for _, l := range slices.Concat(filterHelp, alertFilterHelp) {
		b.WriteString(l[0] + ": " + l[1] + "\n")
	}
	return b.String() + "Numbers: " + strings.Join(filterKeys(), " ") + ". What is not known holds for no word, nor for the word turned round. On the alerts screen a word about hosts is asked of those where an alert is."
}

// helpEntry is a line of help: a heading, or a key and what it does.
type helpEntry struct{ key, does string }

// helpGroups are the key table by heading, then signs and numbers. What only a
// class or a story knows stands first over these and is left out elsewhere.
func helpGroups(over Screen) [][]helpEntry {
	var groups [][]helpEntry
	at := map[string]int{}
	elsewhere := func(s Screen) bool { return s != ClassScreen && s != StoryScreen }
	first, rest := []Key(nil), []Key(nil)
	for _, k := range table {
		switch {
		case slices.ContainsFunc(k.On, elsewhere):
			rest = append(rest, k)
		case slices.Contains(k.On, over):
			first = append(first, k)
		}
	}
	for _, k := range append(first, rest...) {
		i, ok := at[k.Group]
		if !ok {
			i = len(groups)
			at[k.Group] = i
			groups = append(groups, []helpEntry{{key: k.Group}})
		}
		groups[i] = append(groups[i], helpEntry{k.Label, k.Does})
	}
	signs := []helpEntry{{key: "SIGNS (colour only repeats them)"}}
	for _, s := range signsHelp {
		signs = append(signs, helpEntry{s[0], s[1]})
	}
	for _, more := range []struct {
		name  string
		lines [][2]string
	}{{"FILTER (? never holds)", slices.Concat(filterHelp, alertFilterHelp)}, {"COMMAND (tab completes)", commandHelp}} {
		group := []helpEntry{{key: more.name}}
		for _, l := range more.lines {
			group = append(group, helpEntry{l[0], l[1]})
		}
		groups = append(groups, group)
	}
	numbers := []helpEntry{{key: "NUMBERS"}}
	for _, s := range numbersHelp {
		numbers = append(numbers, helpEntry{s[0], s[1]})
	}
	return append(groups, signs, numbers)
}

func init() {
	pages[HelpScreen] = page{
		name: "help", draw: func(a area, f *Frame, v *View, _ Theme) { drawHelp(a, f, v) },
		body: func(_ *Frame, v *View, w, h int, th Theme) (*canvas, int) {
			foot := 0
			if h >= 3 {
				foot = 1
			}
			return helpBody(w, th.ascii, v.Behind), h - 1 - foot
		},
	}
}

func drawHelp(a area, f *Frame, v *View) {
	drawHelpHeader(a.row(0), f, v, pages[min(v.Behind, HelpScreen)].name)
	foot := 0
	if a.h >= 3 {
		foot = 1
		drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
	}
	body := a.rows(1, a.h-1-foot)
	scroll(body, helpBody(body.w, a.c.ascii, v.Behind), v.Scroll)
}

func drawHelpHeader(a area, f *Frame, v *View, on string) {
	x := a.text(1, 0, strong, "capmon  help")
	state, st := liveState(f, v, a.w)
	x = a.text(x+3, 0, dim, first(a.w-x-7-cells(state), "over: "+on, ""))
	if room := a.w - x - cells(state) - 3; room > 0 {
		a.right(a.w-1, 0, st, state)
	}
	if paused(f, v) || f.Replay != nil {
		a.paint(0, func(style) style { return rolePaused.style() })
	}
}

// helpBody sets the groups in columns that are as even as they can be, and
// what the numbers mean below them.
func helpBody(w int, ascii bool, over Screen) *canvas {
	groups := helpGroups(over)
	numbers := groups[len(groups)-1]
	groups = groups[:len(groups)-1]
	columns := min(max(w/38, 1), 3)
	limit := 0
	for limit = 1; len(helpColumns(groups, limit)) > columns; limit++ {
	}
	c := newCanvas(w, limit+len(numbers)+6, ascii)
	a := c.all()
	for i, column := range helpColumns(groups, limit) {
		part := a.sub(i*(w/columns), 0, w/columns, a.h)
		y := 1
		for _, g := range column {
			y = drawGroup(part, y, g) + 1
		}
	}
	y := drawGroup(a, limit+1, numbers)
	harmless := "capmon changes nothing on hosts"
	if over == StoryScreen {
		harmless += "; x ends a server that the story started"
	}
	a.text(1, y+1, dim, first(w-2, harmless+"    keys can be changed: capmon keys --write", harmless))
	return c
}

// helpColumns fills columns of at most limit lines, in order; a group alone
// may be taller.
func helpColumns(groups [][]helpEntry, limit int) [][][]helpEntry {
	var columns [][][]helpEntry
	used := 0
	for _, g := range groups {
		if len(columns) == 0 || used+len(g)+1 > limit {
			columns, used = append(columns, nil), 0
		}
		last := len(columns) - 1
		columns[last] = append(columns[last], g)
		used += len(g) + 1
	}
	return columns
}

func drawGroup(a area, y int, g []helpEntry) int {
	a.text(1, y, title, g[0].key)
	y++
	wide := 4
	for _, e := range g[1:] {
		wide = max(wide, cells(e.key))
	}
	for _, e := range g[1:] {
		a.text(2, y, roleKey.style(), e.key)
		a.text(2+wide+2, y, normal, cut(e.does, a.w-wide-4))
		y++
	}
	return y
}
