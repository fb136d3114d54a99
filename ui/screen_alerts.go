package ui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"capmon/alerts"
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
