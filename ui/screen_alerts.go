package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	tea "github.com/charmbracelet/bubbletea"

	"capmon/alerts"
	"capmon/fleet"
)

func init() {
	pages[AlertsScreen] = page{
		name: "alerts", draw: drawAlertsScreen, act: alertsAct, do: alertsDo, settle: alertsSettle,
		click: func(m *model, h hit) {
			list := alertsListed(&m.frame, &m.view)
			if h.item < len(list) {
				m.view.Alert = list[h.item].ID
			}
		},
	}
	prompts[NotePrompt] = prompt{
		sign: "note: ",
		hint: func(*Frame, *View, int) string { return "kept with the alert until it ends   enter keep  esc leave" },
		do: func(m *model, text string) tea.Cmd {
			return m.say(alerts.Act{Do: "note", Note: strings.TrimSpace(text)})
		},
	}
	prompts[SnoozePrompt] = prompt{
		sign: "snooze: ",
		hint: func(f *Frame, v *View, _ int) string {
			if until, err := parseUntil(v.Prompt.Text, f.Time); err == nil {
				return "until " + until.UTC().Format("Mon 15:04Z") + "   enter  esc"
			}
			return "15m  1h  08:00   enter  esc leave"
		},
		do: func(m *model, text string) tea.Cmd {
			until, err := parseUntil(text, m.newest())
			if err != nil {
				m.view.Note = err.Error()
				return nil
			}
			return m.say(alerts.Act{Do: "snooze", Until: until})
		},
	}
}

const hitAlert ownHit = 3

// parseUntil reads how long an alert is to be silent: 15m, 1h, or until the next
// 08:00 (UTC).
func parseUntil(text string, now time.Time) (time.Time, error) {
	s := strings.TrimSpace(text)
	if d, err := time.ParseDuration(s); err == nil && d > 0 && d <= 7*24*time.Hour {
		return now.Add(d), nil
	}
	at, err := ParseMoment(s, now)
	if err != nil || strings.HasPrefix(s, "-") || len(s) > len("15:04:05Z") {
		return time.Time{}, errorText("snooze " + strconv.Quote(text) + ": want 15m, 1h or a time as 08:00, at most a week")
	}
	return at.Add(24 * time.Hour), nil
}

type errorText string

func (e errorText) Error() string { return string(e) }

// newsMsg is the list after another viewer said something, or while time stands
// still; saidMsg after the user did.
type (
	newsMsg News
	saidMsg struct {
		news News
		note string
	}
)

// hear takes the alerts as they are now.
func (m *model) hear(n News) {
	m.ring(m.frame.Alerts, n.Alerts)
	m.frame.News = n
	if m.live != nil {
		m.live.News = n
	}
}

// say tells what the user says of the alert under the cursor. Nothing is changed
// on any host by it.
func (m *model) say(a alerts.Act) tea.Cmd {
	at := alertAt(&m.frame, &m.view)
	switch {
	case at == nil:
		m.view.Note = "there is no alert"
		return nil
	case m.opts.Alert == nil:
		m.view.Note = "alerts can't be acked here"
		return nil
	case at.Phase == alerts.Resolved:
		m.view.Note = "it is over already"
		return nil
	}
	a.ID = at.ID
	tell := m.opts.Alert
	return func() tea.Msg {
		news, note := tell(a)
		return saidMsg{news, note}
	}
}

// alertsListed are the alerts on screen: those that match the filter, without
// what is over where that is hidden.
func alertsListed(f *Frame, v *View) []alerts.Alert {
	match := parseAlertFilter(v.AlertFilter, f.Time)
	return slices.DeleteFunc(slices.Clone(f.Alerts), func(a alerts.Alert) bool {
		return v.HideResolved && a.Phase == alerts.Resolved || !match.holds(&placed{Alert: &a, fleet: f})
	})
}

// alertAt is the alert under the cursor, nil where there is none.
func alertAt(f *Frame, v *View) *alerts.Alert {
	list := alertsListed(f, v)
	if len(list) == 0 {
		return nil
	}
	return &list[alertPlace(list, v)]
}

func alertPlace(list []alerts.Alert, v *View) int {
	return max(slices.IndexFunc(list, func(a alerts.Alert) bool { return a.ID == v.Alert }), 0)
}

func alertsSettle(m *model) {
	if a := alertAt(&m.frame, &m.view); a != nil {
		m.view.Alert = a.ID
	}
}

func alertsAct(m *model, do action) bool {
	v := &m.view
	list := alertsListed(&m.frame, v)
	move := func(to int) bool {
		if len(list) > 0 {
			v.Alert = list[min(max(to, 0), len(list)-1)].ID
		}
		return true
	}
	at := alertPlace(list, v)
	switch do {
	case actDown:
		return move(at + 1)
	case actUp:
		return move(at - 1)
	case actTop:
		return move(0)
	case actBottom:
		return move(len(list) - 1)
	case actPageDown:
		return move(at + max(m.h/4, 1))
	case actPageUp:
		return move(at - max(m.h/4, 1))
	case actHideResolved:
		v.HideResolved = !v.HideResolved
		v.Note = "what is over is shown"
		if v.HideResolved {
			v.Note = "what is over is hidden"
		}
	case actComment:
		if a := alertAt(&m.frame, v); a != nil {
			m.begin(NotePrompt, a.Note)
		}
	case actSnooze:
		if alertAt(&m.frame, v) != nil {
			m.begin(SnoozePrompt, "15m")
		}
	case actEnter:
		a := alertAt(&m.frame, v)
		switch {
		case a == nil:
		case a.Host && hostNamed(&m.frame, a.Places[0]) != nil:
			v.Host, v.From = a.Places[0], AlertsScreen
			m.turnTo(HostScreen)
		case !a.Host:
			v.Pool = a.Places[0]
			m.turnTo(PlanScreen)
		}
	case actNextEvent, actLastEvent:
		m.event(do == actNextEvent)
	default:
		return false
	}
	return true
}

// alertsDo is what needs an answer from outside.
func alertsDo(m *model, do action) (tea.Cmd, bool) {
	if do != actAck {
		return nil, false
	}
	what := "ack"
	if a := alertAt(&m.frame, &m.view); a != nil && (a.Phase == alerts.Acked || ackedAhead(a)) {
		what = "unack"
	}
	return m.say(alerts.Act{Do: what}), true
}

// event goes to the next or the last thing that happened.
func (m *model) event(next bool) {
	at := m.frame.At
	if m.view.Paused {
		at = m.at
	}
	best := time.Time{}
	for _, e := range m.frame.Events {
		t := e.Time.Truncate(time.Second)
		if next && t.After(at) && (best.IsZero() || t.Before(best)) || !next && t.Before(at) && t.After(best) {
			best = t
		}
	}
	if best.IsZero() {
		m.view.Note = "nothing happened before"
		if next {
			m.view.Note = "nothing happened since"
		}
		return
	}
	m.goTo(best)
}

// countAlerts is how many are open, acked and waiting.
func countAlerts(f *Frame) (open, acked, pending int) {
	for i := range f.Alerts {
		switch f.Alerts[i].Phase {
		case alerts.Firing:
			open++
		case alerts.Acked:
			acked++
		case alerts.Pending:
			pending++
		}
	}
	return open, acked, pending
}

// alertsPlan is where everything of the screen goes.
type alertsPlan struct {
	top, list, detail, timeline, log, rules, bottom int
	left                                            int
}

func planAlerts(f *Frame, v *View, w, h int) alertsPlan {
	p := alertsPlan{left: w}
	switch {
	case h < 6:
		p.top = 1
	default:
		p.top = 2
	}
	if p.bottom = min(max(h-p.top, 0), 1); h >= 20 {
		p.bottom = 2
	}
	if w >= 200 {
		p.left = w - 78
	}
	rest := h - p.top - p.bottom
	n := len(alertsListed(f, v))
	p.list = min(max(n, 1)+1, rest)
	if rest -= p.list; rest < 0 {
		rest = 0
	}
	give := func(want, least int) int {
		if rest < least {
			return 0
		}
		n := min(want, rest)
		rest -= n
		return n
	}
	if n > 0 {
		p.detail = give(len(alertDetail(f, v, p.left))+1, 4)
	}
	p.timeline = give(5, 5)
	if n := len(f.Rules) + 1; n > 1 && rest >= n+10 { // what is watched, where nothing else wants the room
		p.rules = n
		rest -= n
	}
	p.log = give(rest, 3)
	if p.log == 0 { // the list takes what is left
		p.list += rest
	}
	return p
}

func drawAlertsScreen(a area, f *Frame, v *View, _ Theme) {
	p := planAlerts(f, v, a.w, a.h)
	if a.h < 6 {
		drawVerdictOf(a.row(0), f, v, worst(f))
	} else {
		drawHeader(a.row(0), f, v, alertsWhere(f, v)...)
		drawVerdictOf(a.row(1), f, v, worst(f))
	}
	main := a.sub(0, p.top, p.left, a.h-p.top-p.bottom)
	y := 0
	drawAlertList(main.rows(y, p.list), f, v)
	y += p.list
	if p.detail > 0 {
		drawAlertDetail(main.rows(y, p.detail), f, v)
		y += p.detail
	}
	if p.timeline > 0 {
		drawTimeline(main.rows(y, p.timeline), f, v)
		y += p.timeline
	}
	if p.log > 0 {
		drawEvents(main.rows(y, p.log), f, v)
		y += p.log
	}
	if p.rules > 0 {
		drawRules(main.rows(y, p.rules), f)
	}
	if p.left < a.w {
		side := a.sub(p.left, p.top, a.w-p.left, a.h-p.top-p.bottom)
		for y := range side.h {
			side.put(0, y, 1, '│', rule)
		}
		side = side.sub(1, 0, side.w-1, side.h)
		drawGauges(side.rows(0, 4), f, v)
		stackCharts(side.rows(5, side.h-5), histories(f), f, v)
	}
	if p.bottom > 1 {
		drawTitle(a.row(a.h - 2))
	}
	if p.bottom > 0 {
		drawFooter(a.row(a.h-1), f, v, len(alertsListed(f, v)))
	}
}

func alertsWhere(f *Frame, v *View) []segment {
	open, acked, pending := countAlerts(f)
	s := []segment{{"5 alerts", normal, 3, false}, {strconv.Itoa(open) + " open", strong, 2, false}, {strconv.Itoa(acked) + " acked", normal, 4, false}}
	if pending > 0 {
		s = append(s, segment{strconv.Itoa(pending) + " pending", normal, 6, false})
	}
	if paused(f, v) {
		s = append(s, segment{"alerts are of now", roleNotice.style(), 2, false})
	}
	if f.Log.Trouble != "" {
		s = append(s, segment{"! events not kept", roleSoon.style(), 3, false})
	}
	return s
}

// What the columns of the list show.
const (
	acState = iota
	acSince
	acFor
	acWhat
	acWhere
	acNow
	acClears
	acSeen
	acNext
)

// alertColumns are those that fit; what is left of the width goes to what the
// list has to say, then to a column that is read alone.
func alertColumns(f *Frame, list []alerts.Alert, width int) []tableColumn {
	cols := fitColumns([]tableColumn{
		{head: "STATE", width: 11, left: true, id: acState},
		{head: "SINCE", width: 8, left: true, id: acSince, drop: 3},
		{head: "FOR", width: 6, id: acFor, drop: 2},
		{head: "WHAT", width: 24, left: true, id: acWhat},
		{head: "WHERE", width: 10, left: true, id: acWhere, drop: 1},
		{head: "CLEARS", width: 9, left: true, id: acClears, drop: 5},
		{head: "SEEN", width: 4, left: true, id: acSeen, drop: 6},
		{head: "NEXT STEP", width: 18, left: true, id: acNext, drop: 4},
	}, width)
	want := func(c tableColumn) int {
		most := 0
		for i := range list {
			s, _ := alertCell(&list[i], tableColumn{id: c.id, width: 24}, f) // names are cut to so much
			most = max(most, cells(s))
		}
		return most
	}
	for i := range cols { // what they don't need is for the next step
		if cols[i].id == acWhat {
			cols[i].width = max(min(want(cols[i]), cols[i].width), 12)
		}
	}
	left := width - tableWidth(cols)
	for _, give := range []struct{ id, most int }{{acWhere, 24}, {acWhat, 40}, {acNext, 60}, {acWhat, 80}, {acNext, 80}} {
		for i := range cols {
			if cols[i].id == give.id && left > 0 {
				n := min(max(min(give.most, want(cols[i]))-cols[i].width, 0), left)
				cols[i].width += n
				left -= n
			}
		}
	}
	return cols
}

func drawAlertList(a area, f *Frame, v *View) {
	if a.h == 0 {
		return
	}
	list := alertsListed(f, v)
	cols := alertColumns(f, list, a.w)
	drawColumnHeads(a.row(0), cols)
	if len(list) == 0 {
		text := "nothing fires"
		switch {
		case !f.Watched:
			text = "? not watched yet"
		case len(f.Alerts) > 0:
			text = "no alert matches " + strconv.Quote(v.AlertFilter) + "   esc clears the filter"
			if v.AlertFilter == "" {
				text = "nothing fires; H shows what is over"
			}
		}
		a.text(1, 1, dim, text)
		return
	}
	at := alertPlace(list, v)
	top := scrolled(0, at, a.h-1, len(list))
	for y := range min(a.h-1, len(list)-top) {
		x := &list[top+y]
		row := a.row(1 + y)
		row.zone(hit{own: hitAlert, item: top + y})
		drawTableRow(row, cols, func(c tableColumn) (string, style) { return alertCell(x, c, f) })
		if top+y == at {
			row.text(0, 0, roleCursor.style(), "▶")
			row.paint(0, func(s style) style { return s | selected })
		}
	}
}

func alertStyle(a *alerts.Alert) style {
	switch {
	case a.Phase == alerts.Resolved || a.Phase == alerts.Pending:
		return dim
	case a.Phase == alerts.Acked:
		return normal
	case a.Level == fleet.Act:
		return roleAct.style()
	}
	return roleSoon.style()
}

// ackedAhead holds for an alert that was acked before it fires.
func ackedAhead(x *alerts.Alert) bool { return x.Phase == alerts.Pending && !x.AckedAt.IsZero() }

func alertCell(x *alerts.Alert, c tableColumn, f *Frame) (string, style) {
	st := normal
	if x.Phase == alerts.Resolved {
		st = dim
	}
	switch c.id {
	case acState:
		word := x.Phase.String()
		switch {
		case x.Phase == alerts.Firing:
			word = "FIRING"
		case !x.Snoozed.IsZero():
			word = "snoozed"
		case ackedAhead(x):
			word = "acked ahead"
		}
		s := word
		if x.Phase != alerts.Resolved && x.Phase != alerts.Pending {
			s += strings.Repeat(" ", max(8-len(word), 1)) + x.Level.Sign()
		}
		return s, alertStyle(x)
	case acSince:
		return x.Since.UTC().Format("15:04:05"), st
	case acFor:
		return spanText(num(alertLasted(x, f.Time).Seconds())), st
	case acWhat:
		s := x.What
		switch {
		case x.Note != "":
			s += " (" + x.Note + ")"
		case x.Flaps > 1:
			s += " ×" + strconv.Itoa(x.Flaps) + " in 20m"
		}
		if x.Unseen {
			st = unknown
		}
		return s, st
	case acWhere:
		return cutMiddle(x.Where, c.width), st
	case acClears:
		if x.Phase == alerts.Resolved {
			return "", st
		}
		return x.ClearsAt, st
	case acSeen:
		if x.Seen == 0 {
			return "", st
		}
		return "×" + strconv.Itoa(x.Seen), st
	case acNext:
		if x.Phase == alerts.Resolved {
			return "", st
		}
		if silentSteps(f, x) != nil {
			return "each its own: below", st
		}
		return x.Next, st
	}
	return "", st
}

// alertDetail is what there is to say of the alert under the cursor: a name and
// a text in each line.
func alertDetail(f *Frame, v *View, width int) [][2]string {
	x := alertAt(f, v)
	if x == nil {
		return nil
	}
	var out [][2]string
	add := func(name, text string) {
		for i, line := range strings.Split(ansi.Wrap(text, max(width-12, 1), ""), "\n") {
			if i > 0 {
				name = ""
			}
			out = append(out, [2]string{name, line})
		}
	}
	from := "(" + or(x.RuleFrom, "--alert "+x.Rule+"=…") + ")"
	if text := x.RuleText + "   " + from; cells(text) <= width-12 {
		add("rule", text)
	} else { // on a line of its own, not cut in the middle
		add("rule", x.RuleText)
		add("", from)
	}
	now := x.What
	if len(x.Places) > 1 {
		now += "   worst " + strings.Join(x.Places[:min(len(x.Places), 6)], ", ")
		if n := len(x.Places) - 6; n > 0 {
			now += " and " + strconv.Itoa(n) + " more"
		}
	}
	add("now", now)
	if x.Seen > 0 {
		since := ""
		if len(f.Events) > 0 {
			since = " since " + moment(f.Events[0].Time, f.Time)
		}
		add("seen", plural(x.Seen, "time")+" in the events that are kept"+since)
	}
	add("means", x.Means)
	if each := silentSteps(f, x); each != nil {
		for i, step := range each {
			add([...]string{"do", ""}[min(i, 1)], step)
		}
	} else {
		add("do", x.Next)
	}
	if x.Note != "" {
		add("note", x.Note)
	}
	if !x.Snoozed.IsZero() {
		add("snooze", "until "+x.Snoozed.UTC().Format("Mon 15:04Z"))
	}
	return out
}

// mostSteps is how many hosts of one alert are told one by one.
const mostSteps = 4

// silentSteps is what to do about each silent host of an alert, where that is not
// the same for all; nil where it is.
func silentSteps(f *Frame, x *alerts.Alert) []string {
	if x.Rule != alerts.Silent || len(x.Places) < 2 {
		return nil
	}
	var steps []string
	same, first := true, ""
	for i, name := range x.Places {
		h := hostNamed(f, name)
		if h == nil {
			continue
		}
		if i == 0 {
			first = h.Do
		}
		same = same && h.Do == first
		if len(steps) < mostSteps {
			steps = append(steps, h.Name+": "+reasonOf(h))
		}
	}
	if same {
		return nil
	}
	if more := len(x.Places) - len(steps); more > 0 {
		steps = append(steps, "and "+plural(more, "more host"))
	}
	return steps
}

func drawAlertDetail(a area, f *Frame, v *View) {
	x := alertAt(f, v)
	if x == nil {
		return
	}
	drawTitle(a.row(0), "selected: "+cut(x.What, max(a.w-20, 1)))
	for y, line := range alertDetail(f, v, a.w) {
		a.text(1, 1+y, dim, line[0])
		a.text(9, 1+y, normal, cut(line[1], a.w-10))
	}
}

// drawTimeline is the span of the charts with what happened in it: a mark a
// column.
func drawTimeline(a area, f *Frame, v *View) {
	const name = 9
	n := a.w - name - 1
	if n < 10 || f.At.IsZero() {
		return
	}
	span := spanOf(f, v)
	begin := f.At.Add(-span)
	drawTitle(a.row(0), "timeline", begin.UTC().Format("15:04")+" → "+f.At.UTC().Format("15:04Z"), "[ ] moves all screens, n N to an event", timelineMarks(a.c.ascii))
	axis := a.sub(name, 1, n, a.h-1)
	axis.zone(hit{own: hitTime})
	rows := []string{"alerts", "users", "changes", "agents"}
	if tiers(f) || !byConnections(&f.Totals) { // what is kept of minutes ago
		rows[1] = "conns"
	}
	for y, s := range rows[:min(len(rows), a.h-1)] {
		a.text(1, 1+y, dim, s)
		if y != 1 {
			axis.fill(0, y, n, '·', rule)
		}
	}
	for _, e := range f.Events {
		if e.Time.Before(begin) || e.Time.After(f.At) {
			continue
		}
		x := min(int(float64(e.Time.Sub(begin))/float64(span)*float64(n)), n-1)
		switch {
		case e.Kind == "alert" && e.Phase == alerts.Firing.String():
			st := roleSoon.style()
			if e.Level == fleet.Act.Sign() {
				st = roleAct.style()
			}
			axis.text(x, 0, st, "!")
		case e.Kind == "ack":
			axis.text(x, 0, strong, "a")
		case e.Kind == "deploy" || e.Kind == "plan" || e.Kind == "trend":
			axis.text(x, 2, strong, changeMark(a.c.ascii))
		case e.Kind == "agent" && strings.HasSuffix(e.Text, " no data"):
			axis.text(x, 3, unknown, "?")
		case e.Kind == "agent": // it came, came back, began anew
			axis.text(x, 3, strong, "+")
		}
	}
	switch {
	case axis.h < 2:
	case math.IsNaN(highest(f.Chart.Connections)):
		axis.text(0, 1, unknown, "? no history yet")
	default:
		axis.spark(0, 1, n, resample(f.Chart.Connections, n), highest(f.Chart.Connections), roleChart.style())
	}
}

func changeMark(ascii bool) string {
	if ascii {
		return "^"
	}
	return "▲"
}

// timelineMarks is what the marks of the timeline mean.
func timelineMarks(ascii bool) string {
	return "! fires  a ack  " + changeMark(ascii) + " change  ? no data  + came"
}

// drawEvents is everything that happened until the moment shown, the newest
// first, and where it is kept.
func drawEvents(a area, f *Frame, v *View) {
	drawTitle(a.row(0), "event log", "everything, newest first")
	y := 1
	if f.Log.Trouble != "" {
		for _, line := range wrapped("! not kept: "+f.Log.Trouble, a.w-2, min(2, a.h-1)) {
			a.text(1, y, roleSoon.style(), line)
			y++
		}
	}
	top := y
	for _, e := range slices.Backward(f.Events) {
		if y >= a.h {
			return
		}
		if paused(f, v) && e.Time.After(f.At.Add(time.Second)) {
			continue
		}
		at := e.Time.UTC().Format("15:04:05")
		if f.Time.Sub(e.Time) > 24*time.Hour {
			at = e.Time.UTC().Format("Mon 15:04")
		}
		x := a.text(1, y, dim, at)
		a.text(x+2, y, dim, e.Kind)
		a.text(21, y, normal, cut(e.Text, a.w-22))
		y++
	}
	if y == top && y < a.h {
		a.text(1, y, dim, "nothing has happened yet")
		y++
	}
	if f.Log.Path != "" && f.Log.Trouble == "" && y < a.h-1 {
		days := strconv.Itoa(int(alerts.KeepFor.Hours() / 24))
		where := "kept: " + days + " days or " + strconv.Itoa(alerts.MaxBytes>>20) + " MB in " + f.Log.Path
		a.text(1, a.h-1, dim, first(a.w-2, where+"   elsewhere: capmon events --follow", where, ""))
	}
}

// drawRules is what is watched, when it fires and when it clears.
func drawRules(a area, f *Frame) {
	drawTitle(a.row(0), "rules", "in force; capmon alerts tells how to change them")
	for i := range min(len(f.Rules), a.h-1) {
		r := &f.Rules[i]
		a.text(1, 1+i, normal, r.Name)
		text, st := r.Text(), normal
		if r.Off {
			text, st = "off: "+r.What(), dim
		} else {
			a.text(10, 1+i, normal, r.Level.Sign())
		}
		x := a.text(14, 1+i, st, cut(text, a.w-15))
		if r.From != "" && x+3+cells(r.From) < a.w {
			a.text(x+3, 1+i, dim, r.From)
		}
	}
}

// wrapped is a text in lines of a width, the last of them cut where there are
// more.
func wrapped(text string, width, most int) []string {
	lines := strings.Split(ansi.Wrap(text, max(width, 1), ""), "\n")
	if len(lines) > most {
		lines = lines[:max(most, 0)]
		if most > 0 {
			lines[most-1] = cut(lines[most-1]+"…", width)
		}
	}
	return lines
}
