package ui

import (
	"math"
	"slices"
	"strconv"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"capmon/alerts"
	"capmon/fleet"
)

const (
	defaultSpan = 15 * time.Minute
	oldest      = 24 * time.Hour  // as far back as fleet remembers
	resortEvery = 5 * time.Second // when rows may move
)

var spans = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

type (
	frameMsg Frame
	sizeMsg  struct{ w, h int }
	themeMsg string   // what the terminal's background asks for
	lateMsg  struct{} // the painter has rested and something is still to be drawn
	slowMsg  bool     // whether the link is slow, when that changes
)

// model is the one Bubble Tea model. It holds what the user chose and the
// newest frame; every picture of it is made by draw.
type model struct {
	opts   Options
	view   View
	frame  Frame     // on screen
	known  bool      // a frame has come
	live   *Frame    // the newest live frame that came while paused
	at     time.Time // the moment asked for while paused
	away   away      // what was known of hosts at the moment that was paused
	asked  fleet.Ask
	asks   bool // asked is valid
	fresh  bool // the next frame answers it
	pace   pace
	sorted time.Time
	w, h   int
	theme  Theme
	bits   int
	chosen bool          // the user or a flag chose the theme
	before string        // the theme before that for projectors
	fitted bool          // the span was once fitted to what is known
	span   time.Duration // the longest to show by itself; 0: the user or a flag chose

	scrubs  bool      // a button went down on a time axis and is still
	axis    time.Time // the right edge of that axis
	told    bool      // that the terminal can't select text meanwhile
	clicked clicked
	moved   bool     // the user has put the cursor on a row
	columns []string // as they were before others were asked for

	start   tea.Cmd
	screen  *painter // nil in tests of the model alone
	shown   *canvas
	painted Theme // that of shown
	spare   *canvas
	frames  int
	dirty   bool
}

func newModel(o Options, bits int, th Theme, screen *painter) *model {
	span, longest := o.Span, time.Duration(0)
	if span <= 0 {
		span, longest = defaultSpan, defaultSpan
	}
	m := &model{
		opts: o, span: longest, bits: bits, theme: th, chosen: o.Theme != "", screen: screen, dirty: true,
		view: View{Span: span, Cores: o.Cores, Columns: o.Columns, Source: o.Source, Warning: o.Warning, Note: o.Note, rows: &rowsMemo{}, cores: &coresMemo{}},
	}
	if begin := m.demoScreen(); begin != DemoScreen {
		m.view.Screen = begin
	}
	return m
}

// demoScreen is what stands behind its number: the classroom where a class is
// held, the story where one is told.
//
// Where a class has a story told, its number turns from one to the other.
func (m *model) demoScreen() Screen {
	switch {
	case m.opts.Lesson != nil && m.frame.Story != nil && m.view.Screen == ClassScreen:
		return StoryScreen
	case m.opts.Lesson != nil:
		return ClassScreen
	case m.opts.Story != nil:
		return StoryScreen
	}
	return DemoScreen
}

// Init asks the terminal, if at all; frames and sizes are sent by Run.
func (m *model) Init() tea.Cmd { return m.start }

// Update routes. It does no I/O and knows no time but the frames'.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.dirty = true
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case frameMsg:
		m.take(Frame(msg))
	case slowMsg:
		m.pace.slow, m.view.SlowLink = bool(msg), bool(msg)
	case sizeMsg:
		m.w, m.h = msg.w, msg.h
	case themeMsg:
		if !m.chosen {
			m.setTheme(string(msg))
		}
	case tea.MouseMsg:
		cmd = m.mouse(msg)
	case newsMsg:
		m.hear(News(msg))
	case saidMsg:
		m.hear(msg.news)
		m.view.Note = msg.note
	case noteMsg:
		m.view.Note = string(msg)
	case clickedMsg:
		m.clicked.over(int(msg))
	case tea.ResumeMsg:
		cmd = tea.ClearScreen
		if !m.view.MouseOff { // it was turned off for the shell
			cmd = tea.Batch(cmd, tea.EnableMouseCellMotion)
		}
	case tea.KeyMsg:
		cmd = m.key(msg)
	default:
		m.dirty = false
	}
	m.settle()
	return m, cmd
}

// take shows a frame, unless it is live while time stands still, or late while
// it runs.
func (m *model) take(f Frame) {
	m.said(&f)
	switch {
	case m.view.Paused && f.Live:
		if f.Replay == nil {
			m.live = &f
		}
		m.ring(m.frame.Alerts, f.Alerts)
		m.frame.News, m.frame.Lesson, m.frame.Story = f.News, f.Lesson, f.Story
		return
	case !m.view.Paused && !f.Live && m.known:
		return
	}
	if f.Live {
		if m.pace.judge(&f); m.known && !m.fresh && m.pace.early(&f, &m.frame) {
			return
		}
		f = m.pace.thin(f)
	}
	m.view.Busy, m.fresh = m.pace.busy, false
	m.ring(m.frame.Alerts, f.Alerts)
	if m.view.Paused {
		m.away.tell(&f)
	}
	m.frame, m.known = f, true
	m.held()
	if m.span > 0 && f.Live {
		m.fitSpan()
	}
}

// ring rings the bell, where that was asked for, when something new must be done.
func (m *model) ring(was, now []alerts.Alert) {
	acts := func(list []alerts.Alert) map[string]bool {
		ids := map[string]bool{}
		for i := range list {
			if a := &list[i]; a.Phase == alerts.Firing && a.Level == fleet.Act {
				ids[a.ID] = true
			}
		}
		return ids
	}
	if !m.opts.Bell || len(now) == 0 {
		return
	}
	before := acts(was)
	for id := range acts(now) {
		if !before[id] {
			m.raw("\a")
			return
		}
	}
}

// fitSpan begins with as much history as there is, so that a chart is not
// empty for a quarter of an hour, and grows with it.
func (m *model) fitSpan() {
	c := &m.frame.Chart
	begun := slices.IndexFunc(c.CoresUsed, func(v float64) bool { return !math.IsNaN(v) })
	switch {
	case begun < 0 || c.Step <= 0:
	case !m.fitted:
		m.fitted = true
		kept := time.Duration(len(c.CoresUsed)-begun) * c.Step
		at := slices.IndexFunc(spans, func(s time.Duration) bool { return s >= kept })
		m.view.Span = min(spans[max(at, 0)], m.span)
	case begun == 0 && c.Step*time.Duration(len(c.CoresUsed)) >= m.view.Span-c.Step: // full
		at, _ := slices.BinarySearch(spans, m.view.Span+1)
		m.view.Span = min(spans[min(at, len(spans)-1)], m.span)
	}
}

// settle brings the rest of the state into line after any message: rows, the
// cursor, scrolling and what is asked of the fleet.
func (m *model) settle() {
	m.resort(false)
	if own := pages[m.view.Screen].settle; own != nil {
		own(m)
	}
	if m.view.Host == "" && m.w > 0 {
		if rows := rowsOf(&m.frame, &m.view, m.w); len(rows) > 0 {
			m.view.Host = m.frame.Hosts[rows[0]].Name
		}
	}
	m.view.Top = planOf(&m.frame, &m.view, m.w, m.h).top
	m.view.Scroll = min(m.view.Scroll, scrollMax(&m.frame, &m.view, m.w, m.h, m.theme))
	if ask := m.wanted(); m.opts.Ask != nil && m.w > 0 && (!m.asks || ask != m.asked) {
		m.asked, m.asks, m.fresh = ask, true, true
		m.opts.Ask(ask)
	}
}

// wanted is the snapshot the screen needs.
func (m *model) wanted() fleet.Ask {
	p := planOf(&m.frame, &m.view, m.w, m.h)
	ask := fleet.Ask{Span: m.view.Span, Buckets: p.buckets}
	if m.view.Paused {
		ask.At = m.at
	}
	if p.detail > 0 {
		ask.Host = m.view.Host
		if rows := rowsOf(&m.frame, &m.view, m.w); m.view.Screen == Overview && len(rows) > 0 {
			ask.Host = m.frame.Hosts[rows[cursorRow(&m.frame, &m.view, rows)]].Name
		}
	}
	if own := pages[m.view.beneath()].ask; own != nil {
		own(m, &ask)
	}
	return ask
}

// resort gives rows new places when the user says so, and by themselves only
// where that was allowed.
func (m *model) resort(now bool) {
	if now && !m.moved { // nobody put the cursor where it is: what is asked for is the first
		m.view.Host, m.view.Top = "", 0
	}
	by := effective(m.view.Sort, m.w)
	if by == SortList && !m.view.Reverse {
		m.view.Order = nil
		return
	}
	free := m.view.Loose || by != m.view.Sort
	since := m.frame.Time.Sub(m.sorted)
	due := free && !m.view.Paused && (since >= resortEvery || since < 0)
	if !now && !due && m.view.Order != nil {
		return
	}
	all := m.view
	all.Order, all.Filter, all.rows = nil, "", nil
	order := []string{}
	for _, i := range rowsOf(&m.frame, &all, m.w) {
		order = append(order, m.frame.Hosts[i].Name)
	}
	m.view.Order, m.sorted = order, m.frame.Time
	if len(order) == 0 {
		m.view.Order = nil
	}
}

func (m *model) setTheme(name string) {
	if th, err := NewTheme(name, m.bits, m.opts.ASCII); err == nil {
		m.theme = th
	}
}

func (m *model) key(k tea.KeyMsg) tea.Cmd {
	m.view.Note = ""
	if m.view.Prompt.For != NoPrompt {
		return m.edit(k)
	}
	if k.Paste { // a paste is not a command
		return nil
	}
	if k.Type == tea.KeyRunes && len(k.Runes) > 1 { // typed so fast that they came at once
		var cmds []tea.Cmd
		for _, r := range k.Runes {
			cmds = append(cmds, m.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: k.Alt}))
		}
		return tea.Batch(cmds...)
	}
	return m.do(actionOf(k.String(), m.view.Screen))
}

// do is what a key or a click does, also to the program itself.
func (m *model) do(do action) tea.Cmd {
	if own := pages[m.view.Screen].do; own != nil {
		if cmd, done := own(m, do); done {
			return cmd
		}
	}
	switch do {
	case actQuit:
		return tea.Quit
	case actSuspend:
		return tea.Suspend
	case actRedraw:
		return tea.ClearScreen
	case actExport:
		return m.export("", "")
	case actMouse:
		return m.capture()
	default:
		m.act(do)
	}
	return nil
}

func (m *model) act(do action) {
	v := &m.view
	if do >= actDown && do <= actPageUp {
		m.moved = true
	}
	if own := pages[v.Screen].act; own != nil && own(m, do) {
		return
	}
	switch do {
	case actOverview:
		m.turnTo(Overview)
	case actCores:
		m.turnTo(CoresScreen)
	case actAlerts:
		m.turnTo(AlertsScreen)
	case actPlan:
		m.turnTo(PlanScreen)
	case actDemo:
		m.turnTo(m.demoScreen())
	case actHost:
		if v.Screen != HostScreen {
			m.open()
		}
	case actDown, actUp, actTop, actBottom, actPageDown, actPageUp:
		m.move(do)
	case actEnter:
		m.open()
	case actBack:
		m.back()
	case actFilter:
		m.begin(FilterPrompt, *v.filterOf())
	case actFilterNot: // behind what is there already
		at := v.filterOf()
		if *at != "" {
			*at += " "
		}
		*at += "!"
		m.begin(FilterPrompt, *at)
	case actSort:
		v.Sort, v.Reverse = nextSort(&m.frame, v, m.w, m.h), false
		m.resort(true)
		v.Note = "sort: " + v.Sort.String()
	case actReverse:
		v.Reverse = !v.Reverse
		m.resort(true)
	case actLoose:
		v.Loose = !v.Loose
		v.Note = "rows keep their places"
		if v.Loose {
			v.Note = "rows re-sort every 5s"
		}
	case actColumns:
		m.chooseColumns()
	case actUnits:
		v.Cores = !v.Cores
	case actPause:
		m.pause()
	case actBackOne, actOnOne, actBackTen, actOnTen:
		m.step(map[action]int{actBackOne: -1, actOnOne: 1, actBackTen: -10, actOnTen: 10}[do])
	case actLonger:
		m.zoom(1)
	case actShorter:
		m.zoom(-1)
	case actGoto:
		m.begin(GotoPrompt, "")
	case actMark:
		m.mark()
	case actRecord:
		m.record()
	case actSlower:
		m.playFaster(-1)
	case actFaster:
		m.playFaster(1)
	case actCopy:
		m.clipboard()
	case actCommand:
		m.begin(CommandPrompt, "")
	case actTheme:
		m.chosen = true
		m.setTheme(nextTheme(m.theme.Name()))
		v.Note = "theme " + m.theme.Name()
	case actSteps:
		m.steps()
	case actNextScreen:
		m.turnTab(1)
	case actLastScreen:
		m.turnTab(-1)
	case actNextPool:
		m.turnPool(1)
	case actLastPool:
		m.turnPool(-1)
	case actHelp:
		if v.Screen == HelpScreen {
			m.back()
			return
		}
		v.Behind = v.Screen
		m.turnTo(HelpScreen)
	}
}

// move moves the cursor of the list, or scrolls a screen that has none.
func (m *model) move(do action) {
	if m.view.Screen != Overview {
		page := max(1, m.h/2)
		by := map[action]int{actDown: 1, actUp: -1, actPageDown: page, actPageUp: -page, actTop: -1 << 20, actBottom: 1 << 20}[do]
		m.view.Scroll = max(0, m.view.Scroll+by)
		return
	}
	rows := rowsOf(&m.frame, &m.view, m.w)
	if len(rows) == 0 {
		return
	}
	page := max(1, planOf(&m.frame, &m.view, m.w, m.h).list/2)
	by := map[action]int{actDown: 1, actUp: -1, actPageDown: page, actPageUp: -page, actTop: -len(rows), actBottom: len(rows)}[do]
	at := min(max(cursorRow(&m.frame, &m.view, rows)+by, 0), len(rows)-1)
	m.view.Host = m.frame.Hosts[rows[at]].Name
}

func (m *model) open() {
	rows := rowsOf(&m.frame, &m.view, m.w)
	if len(rows) == 0 {
		return
	}
	m.view.Host = m.frame.Hosts[rows[cursorRow(&m.frame, &m.view, rows)]].Name
	m.view.openFrom()
	m.turnTo(HostScreen)
}

// openFrom notes where esc leads from the host that is opened: not to a host, also
// where help or the steps lie on one.
func (v *View) openFrom() {
	if s := v.beneath(); s != HostScreen {
		v.From = s
	}
	v.PID, v.Threads = 0, 0
}

// back leaves help, then the steps, then the host, then the filter; at the top
// it does nothing.
func (m *model) back() {
	v := &m.view
	switch {
	case v.Screen == HelpScreen:
		m.turnTo(v.Behind)
	case v.Screen == StepsScreen:
		m.turnTo(v.Under)
	case v.Screen == HostScreen:
		m.turnTo(v.From)
	case v.Screen == StoryScreen && m.opts.Lesson != nil:
		m.turnTo(ClassScreen)
	case *v.filterOf() != "" && slices.Contains(onFilter, v.Screen):
		*v.filterOf() = ""
	case v.Screen != Overview:
		m.turnTo(Overview)
	}
}

// pause holds the moment on screen; again: live, at once where a live frame
// has come meanwhile.
func (m *model) pause() {
	if m.view.Paused {
		m.view.Paused = false
		if m.live != nil {
			m.frame, m.live = *m.live, nil
		}
		return
	}
	if !m.known {
		m.view.Note = "nothing to pause yet"
		return
	}
	m.view.Paused, m.at, m.live = true, m.frame.At, nil
	m.away = awayAt(&m.frame)
}

// step moves n sixtieths of the span through time, pausing first.
func (m *model) step(n int) {
	if !m.known {
		m.view.Note = "no history yet"
		return
	}
	if !m.view.Paused {
		if n > 0 && m.frame.Replay == nil {
			m.view.Note = "this is now"
			return
		}
		m.pause()
	}
	unit := max((m.view.Span / 60).Truncate(time.Second), m.frame.Interval, time.Second)
	m.goTo(m.at.Add(time.Duration(n) * unit))
}

// zoom makes the span longer (1) or shorter (-1).
func (m *model) zoom(by int) {
	at, exact := slices.BinarySearch(spans, m.view.Span)
	if !exact && by > 0 { // between two: the longer one is already a step
		at--
	}
	to := at + by
	if to < 0 || to >= len(spans) {
		m.view.Note = "the span is " + lasting(m.view.Span) + " already"
		return
	}
	m.view.Span, m.span = spans[to], 0
}

// View hands the picture to the painter and returns its number: for Bubble
// Tea's renderer that is all there is.
func (m *model) View() string {
	if m.dirty {
		m.dirty = false
		c := m.spare
		if c == nil || c.w != m.w || c.h != m.h || c.ascii != m.theme.ascii {
			c = newCanvas(m.w, m.h, m.theme.ascii)
		}
		m.spare = nil
		c.clear()
		draw(c, &m.frame, &m.view, m.theme)
		if c.same(m.shown) && m.painted == m.theme {
			m.spare = c
		} else {
			m.shown, m.painted = c, m.theme
			m.frames++
		}
	}
	m.screen.show(m.shown, m.painted)
	return strconv.Itoa(m.frames)
}
