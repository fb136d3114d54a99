package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"capmon/alerts"
	"capmon/fleet"
	"capmon/ui"
)

// alertFlags say what is watched and where it is kept.
type alertFlags struct {
	rules  ruleTexts
	events string
	bell   bool
}

func (f *alertFlags) add(cmd *cobra.Command) {
	f.rules.add(cmd)
	addEvents(cmd, &f.events)
	cmd.Flags().BoolVar(&f.bell, "bell", false, "ring the terminal's bell when something must be done")
}

func addEvents(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "events", "", "`file` that events are kept in for a week, at most 64 MB, or off (default: capmon/events.jsonl in the folder of the user's state)")
}

// alarm watches what a screen shows, and what other viewers of the same fleet
// say, and keeps what happened. Where it can't be kept, that is said, and the
// screen goes on without.
type alarm struct {
	fleet string // stands in the events
	rules []alerts.Rule

	mu    sync.Mutex // never held while a file is read or written
	watch *alerts.Watch
	shown map[string]alerts.Phase // the list that was told last
	news  chan ui.News            // cap 1: what changed while no frame told it

	file *eventFile // nil: events are not kept
	none string     // why not, where they should be
}

// newAlarm watches the fleet of that name: what was said of the alerts of
// others, which are kept in the same file, is not of its. With run the file is
// written and followed until close.
func newAlarm(rules []alerts.Rule, name, path string) *alarm {
	a := &alarm{fleet: name, rules: rules, watch: alerts.NewWatch(rules, nil), news: make(chan ui.News, 1)}
	if path == "off" {
		return a
	}
	if path == "" {
		var err error
		if path, err = alerts.DefaultPath(); err != nil {
			a.none = oneLine(err)
			return a
		}
	}
	a.file = newEventFile(path, a.heard)
	return a
}

func (a *alarm) run() {
	if a.file != nil {
		go a.file.run()
	}
}

// take watches a snapshot, and returns it as a frame with what there is to say.
func (a *alarm) take(s fleet.Snapshot) ui.Frame {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keep(a.watch.Take(&s)...)
	a.drop()
	n := a.list()
	if n.Log.Trouble != "" {
		s.Notes = append(s.Notes[:len(s.Notes):len(s.Notes)], "events are not kept: "+n.Log.Trouble)
	}
	return ui.Frame{Snapshot: s, News: n}
}

// behind watches a snapshot that is not shown, and tells what it changes.
func (a *alarm) behind(s fleet.Snapshot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := a.watch.Take(&s)
	a.keep(told...)
	if n := a.list(); len(told) > 0 || !maps.Equal(a.shown, phases(n.Alerts)) {
		a.tell(n)
	}
}

// heard takes events that are in the file.
func (a *alarm) heard(events []alerts.Event) {
	events = slices.DeleteFunc(events, func(e alerts.Event) bool { return e.Fleet != a.fleet })
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watch.Learn(events) {
		a.tell(a.list())
	}
}

func (a *alarm) list() ui.News {
	n := ui.News{Watched: true, Alerts: a.watch.Alerts(), Events: a.watch.Events(), Rules: a.rules, Log: ui.EventLog{Trouble: a.none}}
	if a.file != nil {
		n.Log = a.file.state()
	}
	return n
}

// tell hands over what is new: the latest wins.
func (a *alarm) tell(n ui.News) {
	a.drop()
	a.shown = phases(n.Alerts)
	a.news <- n
}

// drop takes back what a frame now tells.
func (a *alarm) drop() {
	select {
	case <-a.news:
	default:
	}
}

// phases is what of a list is news when it changes.
func phases(list []alerts.Alert) map[string]alerts.Phase {
	m := make(map[string]alerts.Phase, len(list))
	for i := range list {
		m[list[i].ID] = list[i].Phase
	}
	return m
}

func (a *alarm) keep(events ...alerts.Event) {
	if a.file == nil || len(events) == 0 {
		return
	}
	events = slices.Clone(events)
	for i := range events {
		events[i].Fleet = a.fleet
	}
	a.file.keep(events)
}

// act takes what a user says of an alert.
func (a *alarm) act(x alerts.Act) (ui.News, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, err := a.watch.Do(x, time.Now())
	if err != nil {
		return a.list(), err.Error()
	}
	a.keep(e)
	return a.list(), e.Text
}

func (a *alarm) close() {
	if a.file != nil {
		a.file.close()
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
	tail := alerts.EndOf(path) // what comes while the past is printed comes again
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
		if all, err = tail.Next(); err != nil {
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
