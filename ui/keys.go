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

	foot    int // order in the footer; the highest are left out first
	binds   []bind
	named   []string // the first key of each of binds, as it ships
	changed bool     // by SetKeys
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
	actHost
	actCores
	actPlan
	actAlerts
	actDemo
	actDown
	actUp
	actTop
	actBottom
	actPageDown
	actPageUp
	actEnter
	actBack
	actFilter
	actFilterNot
	actSort
	actReverse
	actLoose
	actColumns
	actPause
	actBackOne
	actOnOne
	actBackTen
	actOnTen
	actCopy
	actExport
	actCommand
	actMouse
	actGoto
	actRecord
	actSlower
	actFaster
	actMark
	actLonger
	actShorter
	actTheme
	actUnits
	actRedraw
	actHelp
	actSteps
	actNextScreen
	actLastScreen
	actThreads
	actNextPane
	actLastPane
	actNextPool
	actLastPool
	actLeft
	actRight
	actHotFirst
	actGroups
	actAck
	actSnooze
	actComment
	actHideResolved
	actNextEvent
	actLastEvent
	actNextField
	actLastField
	actEdit
	actMore
	actLess
	actReset
	actAsIs
	actCompare
	actRunA
	actRunB
	actRunC
	actRunD
	actRunStop
	actRunMore
	actRunLess
	actStepNext
	actStepBack
	actStepSkip
	actVoteFast
	actVoteSlow
	actVoteSame
	actVotes
	actBig
	actTeacher
	actProjector
	actSaveRun
	actNextSetting
	actLastSetting
	actSettingMore
	actSettingLess
	actKill
	actSwitch
	actQuit
	actSuspend
)

var (
	everywhere = []Screen{Overview, CoresScreen, HostScreen, PlanScreen, AlertsScreen, DemoScreen, StoryScreen, ClassScreen, HelpScreen, StepsScreen}
	onData     = []Screen{Overview, CoresScreen, HostScreen, AlertsScreen}
	onTime     = []Screen{Overview, CoresScreen, HostScreen, PlanScreen, AlertsScreen, StepsScreen, DemoScreen, StoryScreen}
	onList     = []Screen{Overview, CoresScreen}
	onTabs     = []Screen{Overview, CoresScreen, AlertsScreen, DemoScreen, StoryScreen, ClassScreen}
	onThemes   = []Screen{Overview, CoresScreen, HostScreen, PlanScreen, AlertsScreen, DemoScreen, StoryScreen, HelpScreen, StepsScreen}
	onClass    = []Screen{ClassScreen}
	onHost     = []Screen{HostScreen}
	onBig      = []Screen{ClassScreen, StoryScreen}
	onOverview = []Screen{Overview}
	onCores    = []Screen{CoresScreen}
	onSteps    = []Screen{StepsScreen}
	onPlan     = []Screen{PlanScreen}
	onAlerts   = []Screen{AlertsScreen}
	onStory    = []Screen{StoryScreen}
	onFilter   = []Screen{Overview, CoresScreen, AlertsScreen}
	onPools    = []Screen{StepsScreen, PlanScreen}
)

// table is the only place that says which key does what: handling, footer,
// help, man page and README are made from it.
var table = []Key{
	{Label: "1 2 3", Does: "overview, cores, host at cursor", Group: "SCREENS", On: everywhere, binds: []bind{{[]string{"1"}, actOverview}, {[]string{"2"}, actCores}, {[]string{"3"}, actHost}}},
	{Label: "4 5 6", Does: "plan, alerts, demo", Group: "SCREENS", On: everywhere, binds: []bind{{[]string{"4"}, actPlan}, {[]string{"5"}, actAlerts}, {[]string{"6"}, actDemo}}},
	{Label: "tab", Does: "next screen; shift-tab: back", Group: "SCREENS", On: onTabs, binds: []bind{{[]string{"tab"}, actNextScreen}, {[]string{"shift+tab"}, actLastScreen}}},
	{Label: "i", Does: "how NEED is made, step by step", Group: "SCREENS", Foot: "i how", foot: 8, On: onTime, binds: []bind{{[]string{"i"}, actSteps}}},
	{Label: "?", Does: "help", Group: "SCREENS", Foot: "? help", foot: 1, On: everywhere, binds: []bind{{[]string{"?", "f1"}, actHelp}}},

	{Label: "j k ↓ ↑", Does: "down, up", Group: "MOVE", On: everywhere, binds: []bind{{[]string{"j", "down"}, actDown}, {[]string{"k", "up"}, actUp}}},
	{Label: "g G", Does: "first, last", Group: "MOVE", On: everywhere, binds: []bind{{[]string{"g", "home"}, actTop}, {[]string{"G", "end"}, actBottom}}},
	{Label: "ctrl-d ctrl-u", Does: "half a page", Group: "MOVE", On: everywhere, binds: []bind{{[]string{"ctrl+d", "pgdown"}, actPageDown}, {[]string{"ctrl+u", "pgup"}, actPageUp}}},
	{Label: "enter", Does: "open the host", Group: "MOVE", Foot: "enter open", foot: 4, On: onFilter, binds: []bind{{[]string{"enter"}, actEnter}}},
	{Label: "esc", Does: "back, never quits", Group: "MOVE", Foot: "esc back", foot: 3, On: everywhere, binds: []bind{{[]string{"esc"}, actBack}}},
	{Label: "h l ← →", Does: "cores: a core", Group: "MOVE", Foot: "h l core", foot: 8, On: onCores, binds: []bind{{[]string{"h", "left"}, actLeft}, {[]string{"l", "right"}, actRight}}},
	{Label: "enter", Does: "host: open a process", Group: "MOVE", Foot: "enter threads", foot: 4, On: onHost, binds: []bind{{[]string{"enter"}, actThreads}}},
	{Label: "tab", Does: "host: next pane", Group: "MOVE", Foot: "tab pane", foot: 5, On: onHost, binds: []bind{{[]string{"tab"}, actNextPane}, {[]string{"shift+tab"}, actLastPane}}},
	{Label: "n N", Does: "next, last pool", Group: "MOVE", Foot: "n next pool", foot: 4, On: onPools, binds: []bind{{[]string{"n"}, actNextPool}, {[]string{"N"}, actLastPool}}},
	{Label: "tab", Does: "steps: next pool", Group: "MOVE", On: onSteps, binds: []bind{{[]string{"tab"}, actNextPool}, {[]string{"shift+tab"}, actLastPool}}},
	{Label: "t", Does: "next theme", Group: "LOOK, LEAVE", Foot: "t theme", foot: 13, On: onThemes, binds: []bind{{[]string{"t"}, actTheme}}},
	{Label: "M", Does: "mouse off: select text, on", Group: "LOOK, LEAVE", On: everywhere, binds: []bind{{[]string{"M"}, actMouse}}},
	{Label: "ctrl-l", Does: "draw anew", Group: "LOOK, LEAVE", On: everywhere, binds: []bind{{[]string{"ctrl+l"}, actRedraw}}},
	{Label: "q ctrl-c", Does: "quit", Group: "LOOK, LEAVE", Foot: "q quit", foot: 2, On: everywhere, binds: []bind{{[]string{"q", "ctrl+c", "f10"}, actQuit}}},
	{Label: "ctrl-z", Does: "suspend (fg: back)", Group: "LOOK, LEAVE", On: everywhere, binds: []bind{{[]string{"ctrl+z"}, actSuspend}}},

	{Label: "tab h l", Does: "plan: next, last field", Group: "PLAN", Foot: "tab field", foot: 4, On: onPlan, binds: []bind{{[]string{"tab", "l", "right"}, actNextField}, {[]string{"shift+tab", "h", "left"}, actLastField}}},
	{Label: "+ -", Does: "plan: more, less of it", Group: "PLAN", Foot: "+ - change", foot: 5, On: onPlan, binds: []bind{{[]string{"+", "="}, actMore}, {[]string{"-"}, actLess}}},
	{Label: "enter", Does: "plan: type its value", Group: "PLAN", Foot: "enter type", foot: 5, On: onPlan, binds: []bind{{[]string{"enter"}, actEdit}}},
	{Label: "r p", Does: "plan: live again; as it is", Group: "PLAN", Foot: "r reset", foot: 6, On: onPlan, binds: []bind{{[]string{"r"}, actReset}, {[]string{"p"}, actAsIs}}},
	{Label: "c", Does: "plan: compare with live", Group: "PLAN", Foot: "c compare", foot: 7, On: onPlan, binds: []bind{{[]string{"c"}, actCompare}}},

	{Label: "enter", Does: "class: run, point, next", Group: "CLASS", Foot: "enter next", foot: 3, On: onClass, binds: []bind{{[]string{"enter"}, actStepNext}}},
	{Label: "a b c d", Does: "class: run it", Group: "CLASS", Foot: "a-d run", foot: 3, On: onClass, binds: []bind{{[]string{"a"}, actRunA}, {[]string{"b"}, actRunB}, {[]string{"c"}, actRunC}, {[]string{"d"}, actRunD}}},
	{Label: "x", Does: "class: stop the run", Group: "CLASS", Foot: "x stop", foot: 4, On: onClass, binds: []bind{{[]string{"x"}, actRunStop}}},
	{Label: "f s =", Does: "class: a vote more", Group: "CLASS", Foot: "f s = vote", foot: 5, On: onClass, binds: []bind{{[]string{"f"}, actVoteFast}, {[]string{"s"}, actVoteSlow}, {[]string{"="}, actVoteSame}}},
	{Label: "v", Does: "class: type the votes", Group: "CLASS", On: onClass, binds: []bind{{[]string{"v"}, actVotes}}},
	{Label: "+ -", Does: "class: workers", Group: "CLASS", Foot: "+ - workers", foot: 6, On: onClass, binds: []bind{{[]string{"+"}, actRunMore}, {[]string{"-"}, actRunLess}}},
	{Label: "h l ← →", Does: "class: last, next question", Group: "CLASS", Foot: "← → question", foot: 8, On: onClass, binds: []bind{{[]string{"left", "h", "backspace"}, actStepBack}, {[]string{"right", "l"}, actStepSkip}}},
	{Label: "z", Does: "class, story: big digits", Group: "CLASS", Foot: "z big", foot: 7, On: onBig, binds: []bind{{[]string{"z"}, actBig}}},
	{Label: "t", Does: "class: for a projector", Group: "CLASS", Foot: "t projector", foot: 8, On: onClass, binds: []bind{{[]string{"t"}, actProjector}}},
	{Label: "n", Does: "class: teacher's notes", Group: "CLASS", Foot: "n notes", foot: 9, On: onClass, binds: []bind{{[]string{"n"}, actTeacher}}},
	{Label: "w", Does: "class: save the run, end", Group: "CLASS", Foot: "w save", foot: 9, On: onClass, binds: []bind{{[]string{"w"}, actSaveRun}}},
	{Label: "h l ← →", Does: "story: a setting", Group: "STORY", Foot: "h l setting", foot: 4, On: onStory, binds: []bind{{[]string{"h", "left"}, actLastSetting}, {[]string{"l", "right"}, actNextSetting}}},
	{Label: "+ -", Does: "story: more, less of it", Group: "STORY", Foot: "+ - change", foot: 5, On: onStory, binds: []bind{{[]string{"+", "="}, actSettingMore}, {[]string{"-"}, actSettingLess}}},
	{Label: "x", Does: "story: kill a server of it", Group: "STORY", Foot: "x kill", foot: 5, On: onStory, binds: []bind{{[]string{"x"}, actKill}}},
	{Label: "c", Does: "story: switch on, off", Group: "STORY", Foot: "c switch", foot: 6, On: onStory, binds: []bind{{[]string{"c"}, actSwitch}}},

	{Label: "/ !", Does: "filter: ws-* cpu>80 k=v; not", Group: "LIST", Foot: "/ filter", foot: 6, On: onFilter, binds: []bind{{[]string{"/", "f3", "f4"}, actFilter}, {[]string{"!"}, actFilterNot}}},
	{Label: "s S", Does: "next sort, reverse", Group: "LIST", Foot: "s sort", foot: 7, On: onList, binds: []bind{{[]string{"s", "f6"}, actSort}, {[]string{"S"}, actReverse}}},
	{Label: "o ctrl-g", Does: "cores: hot first, group", Group: "LIST", Foot: "o hot first", foot: 7, On: onCores, binds: []bind{{[]string{"o"}, actHotFirst}, {[]string{"ctrl+g"}, actGroups}}},
	{Label: "f", Does: "rows: still / re-sort", Group: "LIST", Foot: "f free order", foot: 14, On: onList, binds: []bind{{[]string{"f"}, actLoose}}},
	{Label: "v", Does: "columns", Group: "LIST", On: onOverview, binds: []bind{{[]string{"v"}, actColumns}}},
	{Label: "u", Does: "percent or cores", Group: "LIST", Foot: "u units", foot: 11, On: onData, binds: []bind{{[]string{"u"}, actUnits}}},

	{Label: "space", Does: "pause, live", Group: "TIME", Foot: "space pause", foot: 5, On: onTime, binds: []bind{{[]string{" "}, actPause}}},
	{Label: "[ ] { }", Does: "span/60 back, on; ten of them", Group: "TIME", Foot: "[ ] time", foot: 9, On: onTime, binds: []bind{{[]string{"["}, actBackOne}, {[]string{"]"}, actOnOne}, {[]string{"{"}, actBackTen}, {[]string{"}"}, actOnTen}}},
	{Label: "b", Does: "go to a time", Group: "TIME", On: onTime, binds: []bind{{[]string{"b"}, actGoto}}},
	{Label: "m", Does: "mark; shows change since", Group: "TIME", Foot: "m mark", foot: 11, On: onTime, binds: []bind{{[]string{"m"}, actMark}}},
	{Label: "w", Does: "record to a file, stop", Group: "TIME", On: onTime, binds: []bind{{[]string{"w"}, actRecord}}},
	{Label: "< >", Does: "replay: slower, faster", Group: "TIME", On: onTime, binds: []bind{{[]string{"<"}, actSlower}, {[]string{">"}, actFaster}}},
	{Label: "- +", Does: "longer, shorter span", Group: "TIME", Foot: "- + span", foot: 10, On: onData, binds: []bind{{[]string{"-"}, actLonger}, {[]string{"+", "="}, actShorter}}},

	{Label: "a", Does: "alert: ack, again: not", Group: "TELL", Foot: "a ack", foot: 4, On: onAlerts, binds: []bind{{[]string{"a"}, actAck}}},
	{Label: "z c", Does: "alert: snooze, comment", Group: "TELL", Foot: "z snooze", foot: 5, On: onAlerts, binds: []bind{{[]string{"z"}, actSnooze}, {[]string{"c"}, actComment}}},
	{Label: "H", Does: "alerts: hide what is over", Group: "TELL", On: onAlerts, binds: []bind{{[]string{"H"}, actHideResolved}}},
	{Label: "n N", Does: "next, last event", Group: "TIME", Foot: "n event", foot: 8, On: onAlerts, binds: []bind{{[]string{"n"}, actNextEvent}, {[]string{"N"}, actLastEvent}}},
	{Label: "y", Does: "copy the screen as text", Group: "TELL", Foot: "y copy", foot: 12, On: everywhere, binds: []bind{{[]string{"y"}, actCopy}}},
	{Label: "e", Does: "export: markdown and JSON", Group: "TELL", On: everywhere, binds: []bind{{[]string{"e"}, actExport}}},
	{Label: ":", Does: "command (tab helps)", Group: "COMMAND", On: everywhere, binds: []bind{{[]string{":"}, actCommand}}},
}

func init() {
	for i := range table {
		for _, b := range table[i].binds {
			table[i].named = append(table[i].named, b.keys[0])
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
		if k.foot > 0 && slices.Contains(k.On, on) && !((on == Overview || on == ClassScreen) && k.Foot == "esc back") {
			keys = append(keys, k)
		}
	}
	slices.SortStableFunc(keys, func(a, b Key) int { return a.foot - b.foot })
	return keys
}
