package ui

import (
	"slices"
	"strings"
)

// numbersHelp is what the words on screen mean, a line each.
var numbersHelp = [][2]string{
	{"CPU%", "busy share of the cores it may use"},
	{"USED", "cores used: 1.00 = one whole core"},
	{"HOT%", "its busiest core: 99 and a low CPU% is one thread"},
	{"users", "connections of clients, or as the gauge says"},
	{"RPS", "responses a second, mean of 10 s"},
	{"NEW/s", "connections accepted a second, from clients"},
	{"ERR%", "responses with status 5xx, of the last 10 s"},
	{"TOP-THR", "its fullest thread: run time and wait, in cores"},
	{"ROOM", "users (or rps) to its nearest limit, the BOUND"},
	{"headroom", "share left of the capacity at target"},
	{"NEED", "servers for the load at target, spare included"},
	{"~ est.", "learned; at least: only a lower bound is known"},
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

// demoOnly holds for a key that only a class or a story knows.
func demoOnly(k *Key) bool {
	return !slices.ContainsFunc(k.On, func(s Screen) bool { return s != ClassScreen && s != StoryScreen })
}

// elsewhere are the keys that mean nothing on this screen and something on
// others, each with where. Those of a class or a story are told there alone.
func elsewhere(over Screen) []helpEntry {
	var keys []helpEntry
	for _, k := range table {
		if slices.Contains(k.On, over) || demoOnly(&k) {
			continue
		}
		does := k.Does
		if on, _, _ := strings.Cut(does, ": "); !slices.Contains([]string{"cores", "host", "plan", "steps", "alert", "alerts"}, on) {
			does = pages[k.On[0]].name + ": " + does
		}
		keys = append(keys, helpEntry{k.Label, does})
	}
	return keys
}

// helpEntry is a line of help: a heading, or a key and what it does.
type helpEntry struct{ key, does string }

// helpGroups are the keys of one screen by heading, those of a class or a story
// first, then what can be typed.
func helpGroups(over Screen) [][]helpEntry {
	var groups [][]helpEntry
	at := map[string]int{}
	first, rest := []Key(nil), []Key(nil)
	for _, k := range table {
		switch {
		case !slices.Contains(k.On, over):
		case demoOnly(&k):
			first = append(first, k)
		default:
			rest = append(rest, k)
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
	filters := filterHelp
	if over == AlertsScreen {
		filters = slices.Concat(filterHelp, alertFilterHelp)
	}
	groups = append(groups, append([]helpEntry{{key: "FILTER (? never holds)"}}, entries(filters)...))
	groups[at["COMMAND"]] = append(groups[at["COMMAND"]], entries(commandHelp)...)
	return groups
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
	harmless := "capmon changes nothing on hosts"
	if v.Behind == StoryScreen {
		harmless += "; x ends a server that the story started"
	}
	x = a.text(x+3, 0, dim, first(a.w-x-7-cells(state), "over: "+on+"   "+harmless+"   keys can be changed: capmon keys --write", "over: "+on+"   "+harmless, "over: "+on, ""))
	if room := a.w - x - cells(state) - 3; room > 0 {
		a.right(a.w-1, 0, st, state)
	}
	if paused(f, v) || f.Replay != nil {
		a.paint(0, func(style) style { return rolePaused.style() })
	}
}

// helpBody sets the groups in columns that are as even as they can be, below
// them what the numbers mean and the keys of other screens.
func helpBody(w int, ascii bool, over Screen) *canvas {
	groups, others := helpGroups(over), elsewhere(over)
	columns := min(max(w/38, 1), 3)
	limit := 0
	for limit = 1; len(helpColumns(groups, limit)) > columns; limit++ {
	}
	c := newCanvas(w, limit+len(numbersHelp)+len(signsHelp)+len(others)+6, ascii)
	a := c.all()
	for i, column := range helpColumns(groups, limit) {
		part := a.sub(i*(w/columns), 0, w/columns, a.h)
		y := 0
		for _, g := range column {
			y = drawGroup(part, y, g) + 1
		}
	}
	top := limit - 1 // the last line of the columns is free
	if w < 118 {
		top = limit
	}
	y := drawFlow(a, top, "SIGNS", entries(signsHelp))
	y = drawMeanings(a, y, append([]helpEntry{{key: "NUMBERS"}}, entries(numbersHelp)...))
	if len(others) > 0 {
		y = drawFlow(a, y, "ELSEWHERE", others)
	}
	c.h = y
	return c
}

// drawMeanings writes what the numbers mean, in two columns where they fit, and
// returns the line below.
func drawMeanings(a area, y int, g []helpEntry) int {
	half := (len(g) + 1) / 2
	if a.w < 118 {
		return drawGroup(a, y, g)
	}
	drawGroup(a.sub(0, 0, a.w/2, a.h), y, g[:half])
	return drawGroup(a.sub(a.w/2, 0, a.w/2, a.h), y, append([]helpEntry{{}}, g[half:]...))
}

// drawFlow writes entries one after another, and returns the line below.
func drawFlow(a area, y int, name string, all []helpEntry) int {
	x := a.text(1, y, title, name) + 2
	for _, e := range all {
		if n := cells(e.key) + 1 + cells(e.does); x > 2 && x+n > a.w-1 {
			x, y = 2, y+1
		}
		x = a.text(x, y, roleKey.style(), e.key)
		x = a.text(x+1, y, normal, cut(e.does, a.w-x-1)) + 3
	}
	return y + 1
}

func entries(lines [][2]string) []helpEntry {
	all := make([]helpEntry, len(lines))
	for i, l := range lines {
		all[i] = helpEntry{l[0], l[1]}
	}
	return all
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
