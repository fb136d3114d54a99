package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"capmon/alerts"
	"capmon/fleet"
)

// alertFlags say what is watched and where it is kept.
type alertFlags struct {
	rules  []string
	events string
	bell   bool
}

func (f *alertFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.rules, "alert", nil, "a `rule` and when it fires, as limit=95%,clears=90%,for=60s,clear-for=2m, or thread=off; there are limit, full-in, thread, short, lose-one, down and clock (repeatable)")
	addEvents(cmd, &f.events)
	cmd.Flags().BoolVar(&f.bell, "bell", false, "ring the terminal's bell when something must be done")
}

func addEvents(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "events", "", "`file` that events are kept in for a week, at most 64 MB, or off (default: capmon/events.jsonl in the folder of the user's state)")
}

// parsed are the rules with what was said of them.
func (f *alertFlags) parsed() ([]alerts.Rule, error) {
	rules := alerts.Rules()
	for _, text := range f.rules {
		if err := alerts.Set(rules, text); err != nil {
			return nil, usagef("--alert %s: %s", text, oneLine(err))
		}
	}
	return rules, nil
}

// alarm watches what a screen shows and keeps what happened. Where it can't be
// kept, that is said, and the screen goes on without.
type alarm struct {
	mu      sync.Mutex
	watch   *alerts.Watch
	fleet   string      // stands in the events
	log     *alerts.Log // nil: events are not kept
	trouble string
}

// newAlarm watches the fleet of that name: what was said of the alerts of
// others, which are kept in the same file, is not of its.
func newAlarm(rules []alerts.Rule, name, path string, now time.Time) *alarm {
	a := &alarm{fleet: name}
	var past []alerts.Event
	if path != "off" {
		var err error
		if path == "" {
			path, err = alerts.DefaultPath()
		}
		if err == nil {
			a.log, past, err = alerts.Open(path, now)
		}
		a.complain(err)
	}
	a.watch = alerts.NewWatch(rules, slices.DeleteFunc(past, func(e alerts.Event) bool { return e.Fleet != name }))
	return a
}

func (a *alarm) complain(err error) {
	if err != nil {
		a.trouble = "events are not kept: " + strings.TrimPrefix(oneLine(err), "keep events: ")
	}
}

// take watches a snapshot, and returns it with what there is to say added.
func (a *alarm) take(s *fleet.Snapshot) ([]alerts.Alert, []alerts.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keep(a.watch.Take(s)...)
	if a.trouble != "" {
		s.Notes = append(s.Notes[:len(s.Notes):len(s.Notes)], a.trouble)
	}
	return a.watch.Alerts(), a.watch.Events()
}

func (a *alarm) keep(events ...alerts.Event) {
	if a.log == nil || len(events) == 0 {
		return
	}
	events = slices.Clone(events)
	for i := range events {
		events[i].Fleet = a.fleet
	}
	if err := a.log.Append(events...); err != nil {
		a.complain(err)
		_ = a.log.Close()
		a.log = nil
	}
}

// act takes what a user says of an alert.
func (a *alarm) act(x alerts.Act) ([]alerts.Alert, []alerts.Event, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, err := a.watch.Do(x, time.Now())
	note := e.Text
	if err != nil {
		note = err.Error()
	} else {
		a.keep(e)
	}
	return a.watch.Alerts(), a.watch.Events(), note
}

func (a *alarm) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log != nil {
		_ = a.log.Close()
	}
}

func newEvents() *cobra.Command {
	var (
		path   string
		follow bool
		asJSON bool
		since  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what the dashboards of this user have seen happen",
		Long: "Prints the events that dashboards keep: alerts that fired and ended, agents that came and\n" +
			"went, needs that changed, what was said of alerts. It watches nothing itself.",
		Example: "  capmon events --since 12h\n  capmon events --follow --json",
		Args:    onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			if since <= 0 || since > alerts.KeepFor {
				return usagef("--since %v: want more than 0 and at most %v, which is how long events are kept", since, alerts.KeepFor)
			}
			if path == "off" {
				return usagef("--events off: there is nothing to print")
			}
			if path == "" {
				var err error
				if path, err = alerts.DefaultPath(); err != nil {
					return err
				}
			}
			return printEvents(cmd, path, time.Now().Add(-since), follow, asJSON)
		},
	}
	addEvents(cmd, &path)
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what happens from now on, until interrupted")
	cmd.Flags().BoolVar(&asJSON, "json", false, "a JSON object a line")
	cmd.Flags().DurationVar(&since, "since", 24*time.Hour, "how far back to begin, at most a week")
	return cmd
}

// followEvery is how often the file is looked at again.
const followEvery = 500 * time.Millisecond

func printEvents(cmd *cobra.Command, path string, since time.Time, follow, asJSON bool) error {
	from := alerts.End(path) // what comes while the past is printed comes again
	all, err := alerts.ReadFiles(path, since)
	if err != nil {
		return err
	}
	printed := map[string]bool{}
	for {
		for _, e := range all {
			line, err := eventLine(e, asJSON)
			if err != nil {
				return err
			}
			if printed[line] {
				continue
			}
			if len(printed) > 10_000 {
				clear(printed)
			}
			printed[line] = true
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(followEvery):
		}
		if all, from, err = alerts.ReadOn(path, from); err != nil {
			return err
		}
	}
}

// eventLine is an event for people, or as it is kept.
func eventLine(e alerts.Event, asJSON bool) (string, error) {
	if asJSON {
		line, err := json.Marshal(e)
		return string(line), err
	}
	level := e.Level
	if e.Phase != alerts.Firing.String() {
		level = ""
	}
	return fmt.Sprintf("%s  %-6s %-2s %s", e.Time.UTC().Format("2006-01-02 15:04:05Z"), e.Kind, level, e.Text), nil
}

// fleetID tells lists of hosts apart in the log.
func fleetID(lists []list) string {
	h := fnv.New32a()
	for _, l := range lists {
		fmt.Fprintf(h, "%s=%s;", l.pool, strings.Join(l.hosts, ","))
	}
	return fmt.Sprintf("%08x", h.Sum32())
}
