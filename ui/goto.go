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
				if at, err := parseMoment(v.Prompt.Text, f.Time); err == nil {
					return at.UTC().Format("Mon 2 Jan 15:04:05Z") + "   enter go  esc stay"
				}
			}
			return "03:04  -10m  sun 21:00  2026-11-23 03:04   enter go  esc stay"
		},
		done: func(m *model, text string) {
			if strings.TrimSpace(text) == "" {
				return
			}
			at, err := parseMoment(text, m.newest())
			if err != nil {
				m.view.Note = err.Error()
				return
			}
			m.goTo(at)
		},
	}
}

// newest is the newest moment that has come.
func (m *model) newest() time.Time {
	newest := m.frame.Time
	if m.live != nil && m.live.Time.After(newest) {
		newest = m.live.Time
	}
	return newest
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
	newest := m.newest()
	switch {
	case at.After(newest):
		m.at, m.view.Note = newest, "this was now; space: live"
	case at.Before(newest.Add(-oldest)):
		m.at, m.view.Note = newest.Add(-oldest), "nothing is kept before this"
	default:
		m.at = at
	}
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

// parseMoment reads a moment in UTC, as all clocks on screen: a time of the day,
// the last there was; one of a weekday; a date; or how long ago.
func parseMoment(text string, now time.Time) (time.Time, error) {
	s := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), "z")
	now = now.UTC()
	if ago, ok := strings.CutPrefix(s, "-"); ok {
		d, err := time.ParseDuration(strings.ReplaceAll(ago, " ", ""))
		if err != nil || d < 0 {
			return time.Time{}, fmt.Errorf("%q: want how long ago, as -10m or -1h30m", text)
		}
		return now.Add(-d), nil
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
