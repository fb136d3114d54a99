package ui

import "slices"

// A Key is one line of help: what a few keys do, and where.
type Key struct {
	Keys  []string // as Bubble Tea spells them: "j", "down", "ctrl+d"
	Label string   // as help shows them: "j k ↓ ↑"
	Does  string   // in a few words
	Group string   // heading in help
	Foot  string   // in the footer; empty: help only
	On    []Screen // where it works

	foot  int // order in the footer; the highest are left out first
	binds []bind
}

// bind joins keys to what they do.
type bind struct {
	keys []string
	do   action
}

// An action changes the model. Those of the program itself (leaving,
// suspending, drawing anew) are in Update.
type action uint8

const (
	actNone action = iota
	actOverview
	actDown
	actUp
	actTop
	actBottom
	actPageDown
	actPageUp
	actEnter
	actBack
	actFilter
	actSort
	actReverse
	actLoose
	actPause
	actBackOne
	actOnOne
	actBackTen
	actOnTen
	actLonger
	actShorter
	actTheme
	actUnits
	actRedraw
	actHelp
	actSteps
	actNextPool
	actLastPool
	actQuit
	actSuspend
)

var (
	everywhere = []Screen{Overview, HostScreen, HelpScreen, StepsScreen}
	onData     = []Screen{Overview, HostScreen}
	onTime     = []Screen{Overview, HostScreen, StepsScreen}
	onList     = []Screen{Overview}
	onSteps    = []Screen{StepsScreen}
)

// table is the only place that says which key does what: handling, footer,
// help, man page and README are made from it.
var table = []Key{
	{Label: "1", Does: "overview", Group: "SCREENS", On: everywhere, binds: []bind{{[]string{"1"}, actOverview}}},
	{Label: "i", Does: "how NEED is made, step by step", Group: "SCREENS", Foot: "i how", foot: 8, On: onTime, binds: []bind{{[]string{"i"}, actSteps}}},
	{Label: "?", Does: "help", Group: "SCREENS", Foot: "? help", foot: 1, On: everywhere, binds: []bind{{[]string{"?", "f1"}, actHelp}}},

	{Label: "j k ↓ ↑", Does: "down, up", Group: "MOVE", On: everywhere, binds: []bind{{[]string{"j", "down"}, actDown}, {[]string{"k", "up"}, actUp}}},
	{Label: "g G", Does: "first, last", Group: "MOVE", On: everywhere, binds: []bind{{[]string{"g", "home"}, actTop}, {[]string{"G", "end"}, actBottom}}},
	{Label: "ctrl-d ctrl-u", Does: "half a page", Group: "MOVE", On: everywhere, binds: []bind{{[]string{"ctrl+d", "pgdown"}, actPageDown}, {[]string{"ctrl+u", "pgup"}, actPageUp}}},
	{Label: "enter", Does: "open the host", Group: "MOVE", Foot: "enter open", foot: 4, On: onList, binds: []bind{{[]string{"enter"}, actEnter}}},
	{Label: "esc", Does: "back, never quits", Group: "MOVE", Foot: "esc back", foot: 3, On: everywhere, binds: []bind{{[]string{"esc"}, actBack}}},
	{Label: "n N tab", Does: "steps: next, last pool", Group: "MOVE", Foot: "n next pool", foot: 4, On: onSteps, binds: []bind{{[]string{"n", "tab"}, actNextPool}, {[]string{"N", "shift+tab"}, actLastPool}}},

	{Label: "/", Does: "filter: name, k=v; !: not", Group: "LIST", Foot: "/ filter", foot: 6, On: onList, binds: []bind{{[]string{"/", "f3", "f4"}, actFilter}}},
	{Label: "s S", Does: "next sort, reverse", Group: "LIST", Foot: "s sort", foot: 7, On: onList, binds: []bind{{[]string{"s", "f6"}, actSort}, {[]string{"S"}, actReverse}}},
	{Label: "f", Does: "rows: still / re-sort", Group: "LIST", Foot: "f free order", foot: 13, On: onList, binds: []bind{{[]string{"f"}, actLoose}}},
	{Label: "u", Does: "percent or cores", Group: "LIST", Foot: "u units", foot: 11, On: onData, binds: []bind{{[]string{"u"}, actUnits}}},

	{Label: "space", Does: "pause, live", Group: "TIME", Foot: "space pause", foot: 5, On: onTime, binds: []bind{{[]string{" "}, actPause}}},
	{Label: "[ ]", Does: "step back, on: span/60", Group: "TIME", Foot: "[ ] time", foot: 9, On: onTime, binds: []bind{{[]string{"["}, actBackOne}, {[]string{"]"}, actOnOne}}},
	{Label: "{ }", Does: "ten steps back, on", Group: "TIME", On: onTime, binds: []bind{{[]string{"{"}, actBackTen}, {[]string{"}"}, actOnTen}}},
	{Label: "- +", Does: "longer, shorter span", Group: "TIME", Foot: "- + span", foot: 10, On: onData, binds: []bind{{[]string{"-"}, actLonger}, {[]string{"+", "="}, actShorter}}},

	{Label: "t", Does: "next theme", Group: "LOOK", Foot: "t theme", foot: 12, On: everywhere, binds: []bind{{[]string{"t"}, actTheme}}},
	{Label: "ctrl-l", Does: "draw anew", Group: "LOOK", On: everywhere, binds: []bind{{[]string{"ctrl+l"}, actRedraw}}},
	{Label: "q ctrl-c", Does: "quit", Group: "LEAVE", Foot: "q quit", foot: 2, On: everywhere, binds: []bind{{[]string{"q", "ctrl+c", "f10"}, actQuit}}},
	{Label: "ctrl-z", Does: "suspend (fg: back)", Group: "LEAVE", On: everywhere, binds: []bind{{[]string{"ctrl+z"}, actSuspend}}},
}

func init() {
	for i := range table {
		for _, b := range table[i].binds {
			table[i].Keys = append(table[i].Keys, b.keys...)
		}
	}
}

// Keys are the keys that work, in the order of help. The caller owns the
// slice, but shares what its entries refer to and must not change it.
func Keys() []Key { return slices.Clone(table) }

// actionOf is what a key does on a screen.
func actionOf(key string, on Screen) action {
	for _, k := range table {
		if !slices.Contains(k.On, on) {
			continue
		}
		for _, b := range k.binds {
			if slices.Contains(b.keys, key) {
				return b.do
			}
		}
	}
	return actNone
}

// footKeys are the keys of a screen's footer, the most needed first.
func footKeys(on Screen) []Key {
	var keys []Key
	for _, k := range table {
		if k.foot > 0 && slices.Contains(k.On, on) && !(on == Overview && k.Foot == "esc back") {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return a.foot - b.foot })
	return keys
}
