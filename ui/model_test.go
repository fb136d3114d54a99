package ui

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"capmon/alerts"
	"capmon/demo/lessons"
	"capmon/fleet"
)

// driver is a model without a terminal.
type driver struct {
	t    *testing.T
	m    *model
	asks []fleet.Ask
	cmd  tea.Cmd

	exported []Export
	records  []string
	speeds   []float64
	lessons  []lessons.Act
	told     []StoryAct
}

func drive(t *testing.T, w, h int, f Frame) *driver {
	t.Helper()
	d := &driver{t: t}
	o := Options{
		Source: "agents", Story: d.story(f), Export: func(e Export) string {
			d.exported = append(d.exported, e)
			return "written " + e.Screen + ": " + strings.Fields(e.Text)[0]
		}, Alert: func(alerts.Act) (News, string) {
			return News{}, "told"
		}, Record: func(path string) { d.records = append(d.records, path) }, Pace: func(x float64) { d.speeds = append(d.speeds, x) },
		Ask: func(a fleet.Ask) { d.asks = append(d.asks, a) },
	}
	if f.Lesson != nil {
		o.Lesson = func(a lessons.Act) { d.lessons = append(d.lessons, a) }
	}
	d.m = newModel(o, 24, theme(t, "dark", 24, false), nil)
	d.send(sizeMsg{w, h})
	d.send(frameMsg(f))
	return d
}

// story takes what is asked of a frame's story; nil where it has none.
func (d *driver) story(f Frame) func(StoryAct) string {
	if f.Story == nil {
		return nil
	}
	return func(a StoryAct) string {
		d.told = append(d.told, a)
		return "done"
	}
}

func (d *driver) send(msg tea.Msg) { _, d.cmd = d.m.Update(msg) }

// press sends keys as Bubble Tea names them.
func (d *driver) press(keys ...string) *driver {
	for _, k := range keys {
		d.send(keyMsg(k))
	}
	return d
}

func keyMsg(k string) tea.KeyMsg {
	for typ := tea.KeyType(-100); typ <= 127; typ++ {
		if typ != tea.KeyRunes && typ.String() == k && k != "" {
			m := tea.KeyMsg{Type: typ}
			if typ == tea.KeySpace {
				m.Runes = []rune{' '}
			}
			return m
		}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
}

// typed presses a key for each letter.
func (d *driver) typed(text string) *driver {
	for _, r := range text {
		d.press(string(r))
	}
	return d
}

func (d *driver) text() string {
	d.m.View()
	return ansi.Strip(d.m.shown.String(d.m.theme))
}

func (d *driver) last() fleet.Ask {
	d.t.Helper()
	if len(d.asks) == 0 {
		d.t.Fatal("nothing was asked")
	}
	return d.asks[len(d.asks)-1]
}

func nine() Frame { return fixture{hosts: 9, cores: 8, level: fleet.OK, limited: true}.frame() }

// later is a frame some seconds on, with other numbers.
func later(f Frame, by time.Duration) Frame {
	f.Time, f.At = f.Time.Add(by), f.At.Add(by)
	f.Totals.Users.V += by.Seconds()
	return f
}

// check is how to see that a key did what help says.
type check struct {
	before []string // to get where the key shows an effect
	done   func(d *driver, was View) bool
	on     Screen
	frame  *Frame // nil: nine hosts of one pool
}

func keyChecks() map[action]check {
	three := tiered(9, 3, "web")
	dear, film := paged(), replayed(nine())
	class := classFrame(classSeen)
	inClass := func(want lessons.Act) check {
		return check{on: ClassScreen, frame: &class, done: func(d *driver, _ View) bool { return slices.Contains(d.lessons, want) }}
	}
	tale := storied(nine())
	tale.Story.Keys = append(tale.Story.Keys, StoryKey{StorySwitch, "a cache before the servers"})
	asked := func(a StoryAct) func(*driver, View) bool {
		return func(d *driver, _ View) bool { return slices.Contains(d.told, a) }
	}
	busy := fixture{hosts: 3, cores: 8, level: fleet.OK, told: true}.frame()
	host := func(name string) func(*driver, View) bool {
		return func(d *driver, _ View) bool { return d.m.view.Host == name }
	}
	ran := func(d *driver, _ View) bool { return d.cmd != nil }
	return map[action]check{
		actOverview:   {before: []string{"enter"}, on: HostScreen, done: func(d *driver, _ View) bool { return d.m.view.Screen == Overview }},
		actHelp:       {done: func(d *driver, _ View) bool { return d.m.view.Screen == HelpScreen }},
		actSteps:      {done: func(d *driver, _ View) bool { return d.m.view.Screen == StepsScreen }},
		actNextScreen: {done: func(d *driver, _ View) bool { return d.m.view.Screen == CoresScreen }},
		actLastScreen: {done: func(d *driver, _ View) bool { return d.m.view.Screen == DemoScreen }},
		actNextPane:   {before: []string{"enter"}, on: HostScreen, done: func(d *driver, _ View) bool { return d.m.view.Pane == CoresPane }},
		actLastPane:   {before: []string{"enter"}, on: HostScreen, done: func(d *driver, _ View) bool { return d.m.view.Pane == LimitsPane }},
		actThreads: {before: []string{"enter"}, on: HostScreen, frame: &busy, done: func(d *driver, _ View) bool {
			return d.last().PID == 2211 && strings.Contains(d.text(), "threads of node 2211")
		}},
		actNextPool: {before: []string{"i"}, on: StepsScreen, frame: &three, done: func(d *driver, was View) bool { return d.m.view.Pool == "db" }},
		actLastPool: {before: []string{"i"}, on: StepsScreen, frame: &three, done: func(d *driver, was View) bool { return d.m.view.Pool == "web" }},
		actDown:     {done: host("ws-2")},
		actUp:       {before: []string{"j", "j"}, done: host("ws-2")},
		actTop:      {before: []string{"G"}, done: host("ws-1")},
		actBottom:   {done: host("ws-9")},
		actPageDown: {done: host("ws-5")},
		actPageUp:   {before: []string{"G"}, done: host("ws-5")},
		actCores: {done: func(d *driver, _ View) bool {
			return d.m.view.Screen == CoresScreen && strings.Contains(d.text(), "72 cores")
		}},
		actLeft:  {before: []string{"2", "l", "l"}, on: CoresScreen, done: func(d *driver, _ View) bool { return d.m.view.Core == 1 }},
		actRight: {before: []string{"2"}, on: CoresScreen, done: func(d *driver, _ View) bool { return d.m.view.Core == 1 && strings.Contains(d.text(), "ws-1  core 0") }},
		actHotFirst: {before: []string{"2"}, on: CoresScreen, done: func(d *driver, _ View) bool {
			return d.m.view.HotFirst && strings.Contains(d.text(), "o order: hot first")
		}},
		actGroups: {before: []string{"2"}, on: CoresScreen, done: func(d *driver, _ View) bool {
			return d.m.view.Grouped == ByPool && strings.Contains(d.text(), "ctrl-g group: pool")
		}},
		actPlan: {done: func(d *driver, _ View) bool {
			return d.m.view.Screen == PlanScreen && strings.Contains(d.text(), "4 plan")
		}},
		actNextField: {before: []string{"4"}, on: PlanScreen, done: func(d *driver, _ View) bool { return d.m.view.Field == 1 }},
		actLastField: {before: []string{"4"}, on: PlanScreen, done: func(d *driver, _ View) bool { return d.m.view.Field > 5 }},
		actEdit:      {before: []string{"4"}, on: PlanScreen, done: func(d *driver, _ View) bool { return d.m.view.Prompt.For == FieldPrompt }},
		actMore: {before: []string{"4"}, on: PlanScreen, frame: &dear, done: func(d *driver, was View) bool {
			return d.m.view.WhatIf != was.WhatIf && strings.Contains(d.text(), "what-if: nothing")
		}},
		actLess:        {before: []string{"4"}, on: PlanScreen, frame: &dear, done: func(d *driver, was View) bool { return d.m.view.WhatIf != was.WhatIf }},
		actReset:       {before: []string{"4", "+"}, on: PlanScreen, frame: &dear, done: func(d *driver, _ View) bool { return d.m.view.WhatIf == WhatIf{} }},
		actAsIs:        {before: []string{"4", "+"}, on: PlanScreen, frame: &dear, done: func(d *driver, _ View) bool { return d.m.view.AsIs && strings.Contains(d.text(), "live values") }},
		actCompare:     {before: []string{"4"}, on: PlanScreen, frame: &dear, done: func(d *driver, _ View) bool { return strings.Contains(d.text(), "compared with live") }},
		actNextSetting: {before: []string{"6"}, on: StoryScreen, frame: &tale, done: func(d *driver, _ View) bool { return d.m.view.Setting == 1 }},
		actLastSetting: {before: []string{"6"}, on: StoryScreen, frame: &tale, done: func(d *driver, _ View) bool { return d.m.view.Setting == 4 }},
		actSettingMore: {before: []string{"6"}, on: StoryScreen, frame: &tale, done: asked(StoryAct{Setting: "target", By: 1})},
		actSettingLess: {before: []string{"6"}, on: StoryScreen, frame: &tale, done: asked(StoryAct{Setting: "target", By: -1})},
		actKill:        {before: []string{"6"}, on: StoryScreen, frame: &tale, done: asked(StoryAct{Do: StoryKill})},
		actSwitch:      {before: []string{"6"}, on: StoryScreen, frame: &tale, done: asked(StoryAct{Do: StorySwitch})},
		actAlerts: {done: func(d *driver, _ View) bool {
			return d.m.view.Screen == AlertsScreen && strings.Contains(d.text(), "5 alerts  2 open")
		}},
		actAck:          {before: []string{"5"}, on: AlertsScreen, done: func(d *driver, _ View) bool { return d.cmd != nil }},
		actSnooze:       {before: []string{"5"}, on: AlertsScreen, done: func(d *driver, _ View) bool { return d.m.view.Prompt.For == SnoozePrompt }},
		actComment:      {before: []string{"5"}, on: AlertsScreen, done: func(d *driver, _ View) bool { return d.m.view.Prompt.For == NotePrompt }},
		actHideResolved: {before: []string{"5"}, on: AlertsScreen, done: func(d *driver, was View) bool { return d.m.view.HideResolved != was.HideResolved }},
		actNextEvent:    {before: []string{"5", "N", "N"}, on: AlertsScreen, done: func(d *driver, _ View) bool { return d.last().At.Equal(night.Add(-86 * time.Second)) }},
		actLastEvent:    {before: []string{"5"}, on: AlertsScreen, done: func(d *driver, _ View) bool { return d.last().At.Equal(night.Add(-86 * time.Second)) }},
		actDemo: {done: func(d *driver, _ View) bool {
			return d.m.view.Screen == DemoScreen && strings.Contains(d.text(), "capmon demo chess")
		}},
		actHost:      {done: func(d *driver, _ View) bool { return d.m.view.Screen == HostScreen && d.last().Host == "ws-1" }},
		actEnter:     {done: func(d *driver, _ View) bool { return d.m.view.Screen == HostScreen && d.last().Host == "ws-1" }},
		actBack:      {before: []string{"enter"}, on: HostScreen, done: func(d *driver, _ View) bool { return d.m.view.Screen == Overview && d.cmd == nil }},
		actFilter:    {done: func(d *driver, _ View) bool { return (d.m.view.Prompt.For == FilterPrompt) }},
		actFilterNot: {before: []string{"/", "w", "enter"}, done: func(d *driver, _ View) bool { return d.m.view.Prompt.Text == "w !" && d.m.view.Filter == "w !" }},
		actSort:      {done: func(d *driver, was View) bool { return d.m.view.Sort == was.Sort+1 && d.m.view.Order != nil }},
		actReverse:   {done: func(d *driver, _ View) bool { return d.m.view.Reverse && d.m.view.Order[0] == "ws-9" }},
		actLoose:     {done: func(d *driver, was View) bool { return d.m.view.Loose != was.Loose }},
		actColumns: {done: func(d *driver, _ View) bool {
			return d.m.view.Prompt.For == ColumnsPrompt && strings.Contains(d.m.view.Prompt.Text, "cpu cores hot")
		}},
		actUnits: {done: func(d *driver, _ View) bool {
			return strings.Contains(d.text(), "USED") && !strings.Contains(d.text(), "CPU%")
		}},
		actPause:   {done: func(d *driver, _ View) bool { return d.last().At.Equal(night) && strings.Contains(d.text(), "PAUSED") }},
		actBackOne: {done: func(d *driver, _ View) bool { return d.last().At.Equal(night.Add(-15 * time.Second)) }},
		actOnOne:   {before: []string{"[", "["}, done: func(d *driver, _ View) bool { return d.last().At.Equal(night.Add(-15 * time.Second)) }},
		actBackTen: {done: func(d *driver, _ View) bool { return d.last().At.Equal(night.Add(-150 * time.Second)) }},
		actOnTen:   {before: []string{"{", "["}, done: func(d *driver, _ View) bool { return d.last().At.Equal(night.Add(-15 * time.Second)) }},
		actGoto:    {done: func(d *driver, _ View) bool { return d.m.view.Prompt.For == GotoPrompt }},
		actMark: {done: func(d *driver, _ View) bool {
			return d.m.view.Mark != nil && strings.Contains(d.text(), "SINCE 03:12:07Z +0.0s")
		}},
		actRecord:    {done: func(d *driver, _ View) bool { return d.m.view.Prompt.For == RecordPrompt }},
		actFaster:    {frame: &film, done: func(d *driver, _ View) bool { return len(d.speeds) == 1 && d.speeds[0] == 8 }},
		actSlower:    {frame: &film, done: func(d *driver, _ View) bool { return len(d.speeds) == 1 && d.speeds[0] == 2 }},
		actCopy:      {done: func(d *driver, _ View) bool { return strings.HasPrefix(d.m.view.Note, "copied 40 lines") }},
		actExport:    {done: ran},
		actCommand:   {done: func(d *driver, _ View) bool { return d.m.view.Prompt.For == CommandPrompt }},
		actMouse:     {done: func(d *driver, was View) bool { return d.cmd != nil && strings.HasPrefix(d.m.view.Note, "mouse off") }},
		actLonger:    {done: func(d *driver, _ View) bool { return d.last().Span == 30*time.Minute }},
		actShorter:   {done: func(d *driver, _ View) bool { return d.last().Span == 5*time.Minute }},
		actTheme:     {done: func(d *driver, _ View) bool { return d.m.theme.Name() == "light" }},
		actRedraw:    {done: ran},
		actRunA:      inClass(lessons.Act{Do: lessons.Begin, Key: "a"}),
		actRunB:      inClass(lessons.Act{Do: lessons.Begin, Key: "b"}),
		actRunC:      inClass(lessons.Act{Do: lessons.Begin, Key: "c"}),
		actRunD:      inClass(lessons.Act{Do: lessons.Begin, Key: "d"}),
		actRunStop:   inClass(lessons.Act{Do: lessons.Stop}),
		actRunMore:   inClass(lessons.Act{Do: lessons.More}),
		actRunLess:   inClass(lessons.Act{Do: lessons.Less}),
		actStepNext:  inClass(lessons.Act{Do: lessons.Next}),
		actStepBack:  inClass(lessons.Act{Do: lessons.Back}),
		actStepSkip:  inClass(lessons.Act{Do: lessons.Skip}),
		actVoteFast:  inClass(lessons.Act{Do: lessons.Vote, Key: "f"}),
		actVoteSlow:  inClass(lessons.Act{Do: lessons.Vote, Key: "s"}),
		actVoteSame:  inClass(lessons.Act{Do: lessons.Vote, Key: "="}),
		actVotes:     {on: ClassScreen, frame: &class, done: func(d *driver, _ View) bool { return d.m.view.Prompt.For == VotesPrompt }},
		actBig:       {on: ClassScreen, frame: &class, done: func(d *driver, was View) bool { return d.m.view.Big != was.Big }},
		actTeacher:   {on: ClassScreen, frame: &class, done: func(d *driver, _ View) bool { return strings.Contains(d.text(), "NOTES") }},
		actProjector: {on: ClassScreen, frame: &class, done: func(d *driver, _ View) bool { return d.m.theme.Name() == "projector" }},
		actSaveRun: {on: ClassScreen, frame: &class, done: func(d *driver, _ View) bool {
			return d.m.view.Prompt.For == RecordPrompt && d.m.view.Prompt.Text == "lesson3.capmon"
		}},
		actQuit:    {done: func(d *driver, _ View) bool { return d.cmd != nil && d.cmd() == tea.Quit() }},
		actSuspend: {done: func(d *driver, _ View) bool { return d.cmd != nil && d.cmd() == tea.Suspend() }},
	}
}

// TestKeyTable presses every key of the table, and holds it to what help says
// about it.
func TestKeyTable(t *testing.T) {
	checks := keyChecks()
	for _, k := range table {
		for _, b := range k.binds {
			c, ok := checks[b.do]
			if !ok {
				t.Errorf("%q (%s) is in the table and nothing checks it", b.keys, k.Does)
				continue
			}
			if !slices.Contains(k.On, c.on) {
				t.Errorf("%q is checked on a screen where it is not offered", b.keys)
			}
			for _, key := range b.keys {
				f := alarmed
				if c.frame != nil {
					f = *c.frame
				}
				d := drive(t, 120, 40, f).press(c.before...)
				was := d.m.view
				if c.done(d, was) && b.do != actSort {
					t.Errorf("%q: what it should do was done before it was pressed", key)
				}
				if d.press(key); !c.done(d, was) {
					t.Errorf("%q does not do what help says: %s", key, k.Does)
				}
			}
		}
	}
}

func TestOneKeyOneMeaning(t *testing.T) {
	for _, on := range everywhere {
		seen := map[string]string{}
		for _, k := range Keys() {
			if !slices.Contains(k.On, on) {
				continue
			}
			for _, key := range k.Keys {
				if other, ok := seen[key]; ok {
					t.Errorf("screen %d: %q means %q and %q", on, key, other, k.Does)
				}
				seen[key] = k.Does
			}
		}
	}
	for _, k := range Keys() {
		if k.Label == "" || k.Does == "" || k.Group == "" || len(k.On) == 0 || len(k.Keys) == 0 {
			t.Errorf("an empty entry: %+v", k)
		}
	}
}

// TestHelpIsTheTable: help shows each key, and each line of the footer is one.
func TestHelpIsTheTable(t *testing.T) {
	over := func(s Screen) string { return ansi.Strip(helpBody(120, false, s).String(Theme{})) }
	body := over(Overview)
	for _, k := range Keys() {
		on := k.On[0]
		body := over(on)
		if demoOnly(&k) && strings.Contains(over(Overview), k.Does) {
			t.Errorf("over the overview help tells of %q: %s", k.Label, k.Does)
		}
		if !strings.Contains(body, k.Label) || !strings.Contains(body, k.Does) {
			t.Errorf("help says nothing of %q: %s", k.Label, k.Does)
		}
	}
	for _, l := range slices.Concat(filterHelp, alertFilterHelp, commandHelp) {
		if !strings.Contains(over(AlertsScreen), l[0]) {
			t.Errorf("help does not show %q", l[0])
		}
	}
	for _, s := range []Screen{Overview, CoresScreen, HostScreen, PlanScreen, AlertsScreen, StepsScreen, DemoScreen} {
		if n := helpBody(120, false, s).h; n > 38 {
			t.Errorf("over %s help has %d lines: at 120x40 there is room for 38", pages[s].name, n)
		}
		for _, k := range Keys() { // here, or told as a key of other screens
			if text := over(s); !demoOnly(&k) && !(strings.Contains(text, k.Label) && strings.Contains(text, k.Does)) {
				t.Errorf("over %s help says nothing of %q: %s", pages[s].name, k.Label, k.Does)
			}
		}
	}
	for _, l := range filterHelp { // each word of it is one
		for text := range strings.SplitSeq(l[0], "  ") {
			if wrong := parseFilter(text).wrong; wrong != "" {
				t.Errorf("help shows a filter that is none: %s", wrong)
			}
		}
	}
	for _, l := range alertFilterHelp {
		if wrong := filterWrong(AlertsScreen, l[0]); wrong != "" {
			t.Errorf("help shows a filter of alerts that is none: %s", wrong)
		}
	}
	for _, l := range commandHelp {
		name, _, _ := strings.Cut(l[0][1:], " ")
		if !slices.Contains(commandNames(""), name) {
			t.Errorf("help shows %q, which is no command", l[0])
		}
	}
	for _, n := range numbersHelp {
		if !strings.Contains(body, n[1]) {
			t.Errorf("help does not explain %s", n[0])
		}
	}
}

func TestPausedStandsStill(t *testing.T) {
	d := drive(t, 120, 40, nine())
	d.press(" ")
	d.send(frameMsg(atMoment(d.m.frame, night)))
	was := d.text()
	if !strings.Contains(was, "PAUSED -00:00") {
		t.Fatalf("not loud:\n%s", was)
	}
	for i := range 5 {
		d.send(frameMsg(later(nine(), time.Duration(i+1)*time.Second)))
	}
	if got := d.text(); got != was {
		t.Error("live frames moved a paused screen")
	}
	d.press("{")
	if got := d.last().At; !got.Equal(night.Add(-150 * time.Second)) {
		t.Errorf("asked for %v", got)
	}
	d.send(frameMsg(atMoment(nine(), night.Add(-150*time.Second))))
	if got := d.text(); !strings.Contains(got, "PAUSED -02:30") || !strings.Contains(got, "03:09:37Z") {
		t.Errorf("not 2m30s back:\n%s", got)
	}
	d.press("enter", "esc", "?", "esc", "j")
	if !strings.Contains(d.text(), "PAUSED") {
		t.Error("another screen ended the pause")
	}
	d.press(" ")
	if got := d.text(); strings.Contains(got, "PAUSED") || !strings.Contains(got, "03:12:12Z") {
		t.Errorf("space did not show the newest live frame:\n%s", got)
	}
	if !d.last().At.IsZero() {
		t.Errorf("live, and asked for %v", d.last().At)
	}
	d.send(frameMsg(atMoment(nine(), night.Add(-150*time.Second)))) // too late
	if strings.Contains(d.text(), "PAUSED") {
		t.Error("a late answer took the screen back")
	}
}

// atMoment is what fleet answers to Ask{At}.
func atMoment(f Frame, at time.Time) Frame {
	f.Time, f.At, f.Live = night, at, false
	return f
}

func TestTimeHasEnds(t *testing.T) {
	d := drive(t, 120, 40, nine())
	if d.press("]"); d.m.view.Paused || !strings.Contains(d.text(), "this is now") {
		t.Error("] on a live screen went somewhere")
	}
	d.press("[", "}")
	if !d.last().At.Equal(night) || !d.m.view.Paused {
		t.Errorf("} went beyond now, to %v, paused %v", d.last().At, d.m.view.Paused)
	}
	for range 2000 {
		d.press("{")
	}
	if d.last().At.Before(night.Add(-24 * time.Hour)) {
		t.Errorf("{ went to %v", d.last().At)
	}
	for range 20 {
		d.press("-")
	}
	if d.last().Span != 24*time.Hour {
		t.Errorf("the longest span is %v", d.last().Span)
	}
	for range 20 {
		d.press("=")
	}
	if d.last().Span != time.Minute {
		t.Errorf("the shortest span is %v", d.last().Span)
	}
	waiting := &driver{t: t, m: newModel(Options{}, 0, Theme{}, nil)}
	waiting.send(sizeMsg{80, 24})
	waiting.press(" ", "[", "j", "G", "enter", "s", "S", "esc", "?", "q")
	if waiting.m.view.Paused || waiting.m.view.Screen == HostScreen {
		t.Error("there was nothing to pause and no host to open")
	}
}

// TestRowsStayPut: new numbers do not move rows; s and S do, and f lets them
// move, every five seconds of the fleet's clock.
func TestRowsStayPut(t *testing.T) {
	f := nine()
	d := drive(t, 120, 40, f)
	order := func() string {
		var names []string
		for _, i := range rowsOf(&d.m.frame, &d.m.view, 120) {
			names = append(names, d.m.frame.Hosts[i].Name)
		}
		return strings.Join(names, " ")
	}
	d.press("s", "s") // worst, cpu
	was := order()
	if was == "ws-1 ws-2 ws-3 ws-4 ws-5 ws-6 ws-7 ws-8 ws-9" {
		t.Fatal("cpu sorts like the list: this test would see nothing")
	}
	turned := func(by time.Duration) Frame {
		g := later(nine(), by)
		for i := range g.Hosts {
			g.Hosts[i].CPU.V = 1 - g.Hosts[i].CPU.V
		}
		return g
	}
	d.send(frameMsg(turned(time.Minute)))
	if order() != was {
		t.Error("rows moved by themselves")
	}
	d.press("f", "j", "k")
	d.send(frameMsg(turned(time.Minute + time.Second)))
	moved := order()
	if moved == was {
		t.Error("f did not let them move")
	}
	d.send(frameMsg(later(nine(), time.Minute+3*time.Second)))
	if order() != moved {
		t.Error("they move more often than every five seconds")
	}
	host := d.m.view.Host
	d.press("S")
	back := strings.Fields(was)
	slices.Reverse(back)
	if order() != strings.Join(back, " ") || d.m.view.Host != host {
		t.Errorf("S: %s, and the cursor went from %s to %s", order(), host, d.m.view.Host)
	}
}

func TestFilter(t *testing.T) {
	d := drive(t, 120, 40, nine()).press("/", "w", "s", "-", "q", "backspace", "3")
	if d.cmd != nil || !(d.m.view.Prompt.For == FilterPrompt) {
		t.Fatal("a q in a text field is text")
	}
	if got := rowsOf(&d.m.frame, &d.m.view, 120); len(got) != 1 || got[0] != 2 {
		t.Errorf("ws-3 finds rows %v", got)
	}
	d.press("enter")
	if text := d.text(); !strings.Contains(text, "filter: ws-3 (1 of 9)") {
		t.Errorf("nothing says that a filter is on:\n%s", text)
	}
	if ask := d.last(); ask.Host != "ws-3" {
		t.Errorf("the one row left is asked for as %q", ask.Host)
	}
	d.press("esc")
	if d.m.view.Filter != "" || d.m.view.Screen != Overview {
		t.Error("esc does not clear it")
	}
	d.press("esc", "esc")
	if d.cmd != nil {
		t.Error("esc at the top does something")
	}
	for text, want := range map[string]int{"role=ws": 9, "ROLE=W*": 9, "!ws-3": 8, "!role=ws": 0, "  ": 9, "!": 9, "x": 0} {
		v := View{Filter: text}
		f := nine()
		if got := len(rowsOf(&f, &v, 120)); got != want {
			t.Errorf("%q leaves %d hosts, want %d", text, got, want)
		}
	}
	d.press("/", "n", "o", "n", "e", "enter", "j", "G", "enter")
	if text := d.text(); !strings.Contains(text, "no host matches") || d.m.view.Screen != Overview {
		t.Errorf("an empty list:\n%s", text)
	}
}

// What is kept of a list is let go of with anything that changes it.
func TestRowsKept(t *testing.T) {
	d := drive(t, 120, 40, nine())
	names := func(v *View) string {
		var list []string
		for _, i := range rowsOf(&d.m.frame, v, 120) {
			list = append(list, d.m.frame.Hosts[i].Name)
		}
		return strings.Join(list, " ")
	}
	twice := nine()
	twice.Hosts = append(twice.Hosts, twice.Hosts[0])
	for name, change := range map[string]func(){
		"a sort":    func() { d.press("s", "s") },
		"reversed":  func() { d.press("S") },
		"a filter":  func() { d.press("/").typed("ws-1|ws-5 cpu>0").press("enter") },
		"no filter": func() { d.press("esc") },
		"a frame":   func() { d.send(frameMsg(fixture{hosts: 12, cores: 8, level: fleet.OK}.frame())) },
		"one twice": func() { d.send(frameMsg(twice)) },
		"a caller":  func() { slices.Reverse(rowsOf(&d.m.frame, &d.m.view, 120)) },
	} {
		change()
		fresh := d.m.view
		fresh.rows = nil
		if got, want := names(&d.m.view), names(&fresh); got != want {
			t.Errorf("after %s: %s, want %s", name, got, want)
		}
	}
	d.m.view.Filter = ""
	if d.send(frameMsg(twice)); len(rowsOf(&d.m.frame, &d.m.view, 120)) != 10 {
		t.Error("a name that is there twice is listed once")
	}
}

func TestFilterLineIsEdited(t *testing.T) {
	d := drive(t, 120, 40, nine()).press("/", "a", "c", "left", "b", "home", "x", "delete", "end", "d", "ctrl+a", "right", "y")
	if got := d.m.view.Filter; got != "xybcd" {
		t.Errorf("%q", got)
	}
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("数\x1b库"), Paste: true})
	if got := d.m.view.Filter; got != "xy数库bcd" {
		t.Errorf("%q", got)
	}
	if d.press("ctrl+u"); d.m.view.Filter != "" || !(d.m.view.Prompt.For == FilterPrompt) {
		t.Error("ctrl-u does not empty the line")
	}
	d.press("a", "esc")
	if d.m.view.Filter != "" || (d.m.view.Prompt.For == FilterPrompt) {
		t.Error("esc does not leave the line")
	}
	if d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q"), Paste: true}); d.cmd != nil {
		t.Error("a pasted q quits")
	}
}

// A cursor that nobody has moved stays on the first row: who asks for the worst
// first wants to see them.
func TestUnmovedCursorIsOnTheFirst(t *testing.T) {
	d := drive(t, 80, 24, fixture{hosts: 200, cores: 4, level: fleet.OK, down: 1}.frame())
	d.press("s") // the worst first
	if text := d.text(); d.m.view.Host != "ws-200" || !strings.Contains(text, "▶ws-200") {
		t.Errorf("the cursor is on %s:\n%s", d.m.view.Host, text)
	}
	d.press("j", "k", "S")
	if d.m.view.Host != "ws-200" {
		t.Errorf("a cursor that was moved went to %s", d.m.view.Host)
	}
}

func TestCursorFollowsItsHost(t *testing.T) {
	d := drive(t, 80, 24, fixture{hosts: 200, cores: 4, level: fleet.OK}.frame())
	d.press("G")
	if text := d.text(); !strings.Contains(text, "▶ws-200") || !strings.Contains(text, "of 200") {
		t.Errorf("the end of the list:\n%s", text)
	}
	top := d.m.view.Top
	d.press("k")
	if d.m.view.Top != top {
		t.Error("the list moved though the cursor had room")
	}
	d.press("s", "s", "s", "s", "s", "s", "s")
	if d.m.view.Host != "ws-199" || !strings.Contains(d.text(), "▶ws-199") {
		t.Errorf("the cursor is on %s", d.m.view.Host)
	}
}

func TestHelpAndHostScroll(t *testing.T) {
	d := drive(t, 80, 24, nine()).press("?")
	was := d.text()
	d.press("j")
	if d.text() == was {
		t.Error("help does not scroll")
	}
	d.press("G")
	end := d.text()
	if !strings.Contains(end, "capmon changes nothing on hosts") {
		t.Errorf("the end of help:\n%s", end)
	}
	d.press("j", "j", "j", "k")
	if d.text() == end {
		t.Error("k does nothing after too many j")
	}
	d.press("esc", "enter", "G")
	if text := d.text(); !strings.Contains(text, "permission denied") {
		t.Errorf("the end of the host screen has the collector that failed:\n%s", text)
	}
}

func TestAskOnlyWhenItChanges(t *testing.T) {
	d := drive(t, 120, 40, nine())
	n := len(d.asks)
	for i := range 5 {
		d.send(frameMsg(later(nine(), time.Duration(i)*time.Second)))
	}
	d.press("t", "u", "f", "?", "?")
	if len(d.asks) != n {
		t.Errorf("%d more asks for the same", len(d.asks)-n)
	}
	d.send(sizeMsg{200, 50})
	if got := d.last().Buckets; got < 100 || got > 1000 {
		t.Errorf("%d buckets for a chart of 200 cells", got)
	}
}

func TestSameFrameSamePicture(t *testing.T) {
	d := drive(t, 200, 50, nine())
	was := d.m.View()
	for range 3 {
		d.send(frameMsg(nine()))
		if got := d.m.View(); got != was {
			t.Error("an equal frame is a new picture")
		}
	}
	d.send(frameMsg(later(nine(), time.Second)))
	if d.m.View() == was {
		t.Error("another second looks the same")
	}
}

// TestTerminalPicksTheTheme: its answer counts until the user chooses.
func TestTerminalPicksTheTheme(t *testing.T) {
	d := drive(t, 80, 24, nine())
	if d.send(themeMsg("light")); d.m.theme.Name() != "light" {
		t.Error("the background was not heeded")
	}
	d.press("t")
	if d.send(themeMsg("light")); d.m.theme.Name() != "projector" {
		t.Errorf("the user's choice was overruled by %s", d.m.theme.Name())
	}
}

// TestSpanGrowsWithHistory: a chart begins with what there is and grows to a
// quarter of an hour, unless the user says how long it is to be.
func TestSpanGrowsWithHistory(t *testing.T) {
	known := func(span time.Duration, share float64) Frame {
		f := nine()
		n := len(f.Chart.CoresUsed)
		f.Chart.Step = span / time.Duration(n)
		f.Chart.CoresUsed = slices.Clone(f.Chart.CoresUsed)
		for i := range f.Chart.CoresUsed {
			f.Chart.CoresUsed[i] = 1
			if float64(i) < float64(n)*(1-share) {
				f.Chart.CoresUsed[i] = math.NaN()
			}
		}
		return f
	}
	none := nine()
	none.Chart = fleet.Chart{}
	d := drive(t, 120, 40, none)
	for _, c := range []struct {
		f    Frame
		want time.Duration
	}{
		{none, 15 * time.Minute},
		{known(15*time.Minute, 0.05), time.Minute},
		{known(time.Minute, 0.7), time.Minute},
		{known(time.Minute, 1), 5 * time.Minute},
		{known(5*time.Minute, 0.3), 5 * time.Minute},
		{known(5*time.Minute, 1), 15 * time.Minute},
		{known(15*time.Minute, 1), 15 * time.Minute},
	} {
		d.send(frameMsg(c.f))
		if got := d.last().Span; got != c.want {
			t.Fatalf("%v asked, want %v", got, c.want)
		}
	}
	e := drive(t, 120, 40, none)
	e.press("+")
	e.send(frameMsg(known(5*time.Minute, 1)))
	if got := e.last().Span; got != 5*time.Minute {
		t.Errorf("the user chose 5m and got %v", got)
	}
}
