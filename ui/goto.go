package ui

import (
	"fmt"
	"strings"
	"time"
)

func init() {
	prompts[GotoPrompt] = prompt{
		sign: "go to ",
		hint: func(f *Frame, v *View, _ int) string {
			if v.Prompt.Text != "" {
				newest := f.Time
				if f.Replay != nil {
					newest = f.Replay.To
				}
				if at, err := ParseMoment(v.Prompt.Text, newest); err == nil {
					return at.UTC().Format("Mon 2 Jan 15:04:05Z") + "   enter go  esc stay"
				}
			}
			return "03:04  -10m  sun 21:00  2026-11-23 03:04   enter go  esc stay"
		},
		done: func(m *model, text string) {
			if strings.TrimSpace(text) == "" {
				return
			}
			at, err := ParseMoment(text, m.newest())
			if err != nil {
				m.view.Note = err.Error()
				return
			}
			m.goTo(at)
		},
	}
}

// newest is the newest moment that has come, or that is in the recording.
func (m *model) newest() time.Time {
	newest := m.frame.Time
	if r := m.frame.Replay; r != nil {
		return r.To
	}
	if m.live != nil && m.live.Time.After(newest) {
		newest = m.live.Time
	}
	return newest
}

// oldest is the earliest moment that is kept.
func (m *model) oldest() time.Time {
	from := m.frame.Kept.From()
	if r := m.frame.Replay; r != nil && (from.IsZero() || r.From.Before(from)) {
		from = r.From
	}
	if from.IsZero() {
		return m.newest().Add(-oldest)
	}
	return from
}

// kept says from when on there is what; empty where that is not known.
func (m *model) kept() string {
	k, now := m.frame.Kept, m.newest()
	switch r := m.frame.Replay; {
	case r != nil && m.oldest().Before(r.From):
		return ": it begins " + dated(r.From, now) + ", with history from " + dated(m.oldest(), now)
	case r != nil:
		return ": it begins " + dated(r.From, now)
	case k.From().IsZero():
		return ""
	case k.Seconds.IsZero():
		return ": by 10s from " + dated(k.Points, now)
	case k.From().Before(k.Seconds.Add(-time.Second)):
		return ": by 10s from " + dated(k.Points, now) + ", by 1s from " + dated(k.Seconds, now)
	}
	return ": from " + dated(k.Seconds, now)
}

// dated writes a moment, with its day where that is another one than now's.
func dated(at, now time.Time) string {
	if at, now := at.UTC(), now.UTC(); at.YearDay() != now.YearDay() || at.Year() != now.Year() {
		return at.Format("2006-01-02 15:04:05Z")
	}
	return clock(at)
}

// goTo shows a moment, as near to it as what is kept allows, and says where that
// is another one.
func (m *model) goTo(at time.Time) {
	if !m.known {
		m.view.Note = "no history yet"
		return
	}
	if !m.view.Paused {
		m.pause()
	}
	newest, oldest := m.newest(), m.oldest()
	switch {
	case at.After(newest) && m.frame.Replay != nil:
		m.at, m.view.Note = newest, "the recording ends here"
	case at.After(newest):
		m.at, m.view.Note = newest, "this was now; space: live"
	case at.Before(oldest):
		m.at, m.view.Note = oldest, "nothing is kept before this"+m.kept()
	default:
		m.at = at
	}
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

// ParseMoment reads a moment in UTC, as all clocks on screen: a time of the day,
// the last there was; one of a weekday; a date, which may name another zone; or
// how long ago. The error says what is wanted.
func ParseMoment(text string, now time.Time) (time.Time, error) {
	s := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), "z")
	now = now.UTC()
	if ago, ok := strings.CutPrefix(s, "-"); ok {
		d, err := time.ParseDuration(strings.ReplaceAll(ago, " ", ""))
		if err != nil || d < 0 {
			return time.Time{}, fmt.Errorf("%q: want how long ago, as -10m or -1h30m", text)
		}
		return now.Add(-d), nil
	}
	if at, err := time.Parse(time.RFC3339, strings.ToUpper(strings.TrimSpace(text))); err == nil {
		return at.UTC(), nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02t15:04:05", "2006-01-02"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	day, clock, weekly := strings.Cut(s, " ")
	weekday, named := weekdays[day[:min(len(day), 3)]]
	if !weekly || !named || len(day) < 3 {
		clock, named = s, false
	}
	var of time.Time
	err := error(nil)
	for _, layout := range []string{"15:04:05", "15:04"} {
		if of, err = time.Parse(layout, strings.TrimSpace(clock)); err == nil {
			break
		}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: want a time, as 03:04, -10m, sun 21:00 or 2026-11-23 03:04", text)
	}
	at := time.Date(now.Year(), now.Month(), now.Day(), of.Hour(), of.Minute(), of.Second(), 0, time.UTC)
	for at.After(now) || named && at.Weekday() != weekday {
		at = at.AddDate(0, 0, -1)
	}
	return at, nil
}
