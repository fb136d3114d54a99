package alerts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// Phase is how far an alert is.
type Phase uint8

// Phases, in the order they are listed.
const (
	Firing Phase = iota
	Acked
	Pending
	Resolved
)

// String is the word of the list.
func (p Phase) String() string {
	return [...]string{"firing", "acked", "pending", "resolved"}[min(p, Resolved)]
}

const (
	keepResolved = 30 * time.Minute // in the list
	flapWithin   = 20 * time.Minute // alerts of one thing are one line
	maxStates    = 20_000
	maxEvents    = 2_000 // in memory
	leastGap     = 30 * time.Second
	needFor      = 10 * time.Second // that a need has to last to be told: while history comes in it jumps about
)

// Alert is one line of the list: all places where one thing is wrong.
type Alert struct {
	ID       string // what an Act names
	Rule     string
	Level    fleet.Level
	Phase    Phase
	Since    time.Time // of the first place, when its condition began
	Fired    time.Time // zero while pending
	Ended    time.Time // zero while not resolved
	What     string    // "conns 98% of limit"
	Where    string    // a host, a pool, or "9 hosts"
	Places   []string  // the worst first
	Host     bool      // they are hosts
	Now      string    // of the worst; "?": not known now
	Unseen   bool      // nothing is known of any of them now
	ClearsAt string
	Seen     int    // times it fired, of the events that are kept
	Flaps    int    // times it fired in flapWithin; 0 and 1: it does not flap
	Next     string // what to do
	RuleText string
	RuleFrom string // where the rule was changed; "": as it ships
	Means    string
	Note     string    // the comment
	Snoozed  time.Time // until then; zero: not
	AckedAt  time.Time
}

// Act is what a user does to an alert; it changes nothing on any host.
type Act struct {
	ID    string
	Do    string    // "ack", "unack", "snooze", "note"
	Until time.Time // of a snooze
	Note  string

	places int // where it fires then
}

// Event is something that happened.
type Event struct {
	Time  time.Time `json:"time"`
	Fleet string    `json:"fleet,omitempty"` // which list of hosts the viewer looked at
	Kind  string    `json:"kind"`            // alert, agent, plan, trend, deploy, ack
	Text  string    `json:"text"`
	Where string    `json:"where,omitempty"`
	// Of an alert and an ack:
	ID    string    `json:"id,omitempty"`
	Phase string    `json:"phase,omitempty"`
	Level string    `json:"level,omitempty"` // "!", "!!"
	Act   string    `json:"act,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Note  string    `json:"note,omitempty"`
	// Places is at how many places it fired when that was said.
	Places int `json:"places,omitempty"`
}

type key struct{ rule, what, where string }

// state is one thing at one place.
type state struct {
	sight
	phase   Phase
	since   time.Time // the condition began
	fired   time.Time
	mild    time.Time // since when it would clear; zero: it would not
	ended   time.Time
	touched bool
	unseen  bool // what it says is of earlier: now it is not known
}

// said is what users said of one thing, wherever it is.
type said struct {
	acked   time.Time
	snoozed time.Time
	places  int // at most so many were meant; more is news. 0: not said
	note    string

	// When the last was said of it, a note apart, and when it was last over: what
	// is older comes too late.
	acted, noted, over time.Time
}

// Watch follows one fleet. The zero Watch is not ready: use NewWatch.
type Watch struct {
	rules     map[string]*Rule
	states    map[key]*state
	said      map[string]*said // by ID
	fired     map[string][]time.Time
	events    []Event            // oldest first
	elsewhere map[told]time.Time // what other viewers told, and when
	at        time.Time

	hosts map[string]hostMemory
	pools map[string]poolMemory
}

type hostMemory struct {
	restarts int
	silent   bool
	version  string
	change   time.Time
}

type poolMemory struct {
	need  float64 // that was told last
	next  float64 // what it is since; 0: the same
	since time.Time
	falls bool
}

// NewWatch watches by rules, with events of the past: acks that still hold, and
// how often things fired.
func NewWatch(rules []Rule, past []Event) *Watch {
	w := &Watch{
		rules: map[string]*Rule{}, states: map[key]*state{}, said: map[string]*said{}, fired: map[string][]time.Time{},
		elsewhere: map[told]time.Time{}, hosts: map[string]hostMemory{}, pools: map[string]poolMemory{},
	}
	for i := range rules {
		if r := rules[i]; !r.Off {
			w.rules[r.Name] = &r
		}
	}
	w.Learn(past)
	return w
}

// Learn takes events that are kept: of the past, and of other viewers of this
// fleet, whose acks, snoozes and notes hold here as well. Those that are known
// are left out, also where this viewer saw the same itself; it returns whether
// any was not. That a thing is over is for this viewer to see, as long as it
// fires here.
func (w *Watch) Learn(kept []Event) bool {
	last := map[told][]time.Time{}
	for _, e := range w.events {
		last[toldBy(e)] = append(last[toldBy(e)], e.Time)
	}
	kept = slices.Clone(kept)
	slices.SortStableFunc(kept, func(a, b Event) int { return a.Time.Compare(b.Time) })
	events := slices.Clip(w.events) // what was handed out stays as it is
	for _, e := range kept {
		k := toldBy(e)
		if slices.ContainsFunc(last[k], func(at time.Time) bool { return e.Time.Sub(at).Abs() < sameEvent }) {
			continue
		}
		if e.Kind == "alert" && e.Phase == Firing.String() && w.others(e.ID, nil) {
			continue // a viewer that began while it fires
		}
		last[k] = append(last[k], e.Time)
		events = append(events, e)
		switch {
		case e.Kind == "ack":
			w.say(Act{ID: e.ID, Do: e.Act, Until: e.Until, Note: e.Note, places: e.Places}, e.Time)
			continue
		case e.Kind == "alert" && e.Phase == Firing.String():
			w.fired[e.ID] = append(w.fired[e.ID], e.Time)
		case e.Kind == "alert" && e.Phase == Resolved.String() && !w.others(e.ID, nil):
			w.over(e.ID, e.Time)
		}
		if len(w.elsewhere) > maxEvents {
			clear(w.elsewhere)
		}
		w.elsewhere[k] = e.Time
	}
	if len(events) == len(w.events) {
		return false
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	w.events = events[max(len(events)-maxEvents, 0):]
	return true
}

// remember keeps an event, unless another viewer told it already.
func (w *Watch) remember(e Event) bool {
	if at, told := w.elsewhere[toldBy(e)]; told && e.Time.Sub(at).Abs() < sameEvent {
		return false
	}
	w.events = append(w.events, e)
	if over := len(w.events) - maxEvents; over > maxEvents/4 { // not at every one
		w.events = slices.Clone(w.events[over:])
	}
	return true
}

// Take looks at the next snapshot and returns what happened. One that is not
// live, or of the same moment as the last or a little before, tells nothing. Time in which nobody
// looked, by which the clock went back, or in which a thing was not known does
// not count towards its firing.
func (w *Watch) Take(s *fleet.Snapshot) []Event {
	if !s.Live || s.Time.IsZero() || s.Time.Equal(w.at) || s.Time.Before(w.at) && w.at.Sub(s.Time) <= leastGap {
		return nil
	}
	first := w.at.IsZero()
	gap := s.Time.Sub(w.at)
	w.at = s.Time
	if !first && (gap < 0 || gap > leastGap) { // it stood still: what held in between is not known
		for _, x := range w.states {
			if x.phase == Pending {
				x.since = w.at
			}
			x.mild = time.Time{}
			for _, t := range []*time.Time{&x.since, &x.fired, &x.ended} {
				if t.After(w.at) { // the clock went back
					*t = w.at
				}
			}
		}
	}
	var out []Event
	tell := func(e Event) {
		if e.Time = w.at; !w.remember(e) {
			return
		}
		out = append(out, e)
		if e.Phase == Firing.String() {
			w.fired[e.ID] = append(w.fired[e.ID], w.at)
		}
	}
	for _, x := range w.states {
		x.touched = false
	}
	unknown := map[[2]string]bool{}
	sights(s, w.rules, func(v sight) {
		if !v.known {
			unknown[[2]string{v.rule, v.where}] = true
			return
		}
		w.see(v, tell)
	})
	for k, x := range w.states {
		if x.touched || x.phase == Resolved {
			continue
		}
		if x.unseen = unknown[[2]string{k.rule, k.where}]; x.unseen {
			x.mild = time.Time{}
			if x.phase == Pending && gap > 0 && gap <= leastGap {
				x.since = x.since.Add(gap)
			}
			continue
		}
		w.milder(x, tell)
	}
	for k, x := range w.states {
		if x.phase == Resolved && w.at.Sub(x.ended) > keepResolved {
			delete(w.states, k)
		}
	}
	w.happenings(s, first, tell)
	slices.SortStableFunc(out, func(a, b Event) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text)) })
	return out
}

// see takes a thing that is there: it waits, fires, or holds on.
func (w *Watch) see(v sight, tell func(Event)) {
	k := key{v.rule, v.what, v.where}
	x := w.states[k]
	if x == nil || x.phase == Resolved {
		if !v.fires || len(w.states) >= maxStates && x == nil {
			return
		}
		x = &state{phase: Pending, since: w.at}
		w.states[k] = x
	}
	x.sight, x.touched, x.unseen = v, true, false
	rule := w.rules[v.rule]
	switch {
	case x.phase == Pending && !v.fires:
		delete(w.states, k)
	case x.phase == Pending && w.at.Sub(x.since) >= rule.For:
		x.phase, x.fired = Firing, w.at
		id := idOf(v.rule, v.what)
		if !w.others(id, x) {
			tell(Event{Kind: "alert", ID: id, Phase: Firing.String(), Level: rule.Level.Sign(), Where: v.where, Text: "firing: " + w.words(x) + " on " + v.where})
		}
	}
	x.mild = time.Time{}
}

// milder takes a thing that is not there now: it clears when that lasts.
func (w *Watch) milder(x *state, tell func(Event)) {
	rule := w.rules[x.rule]
	if x.phase == Pending {
		delete(w.states, key{x.rule, x.what, x.where})
		return
	}
	if x.mild.IsZero() {
		x.mild = w.at
	}
	if w.at.Sub(x.mild) < rule.ClearFor {
		return
	}
	x.phase, x.ended = Resolved, w.at
	id := idOf(x.rule, x.what)
	if !w.others(id, x) {
		w.over(id, w.at)
		tell(Event{Kind: "alert", ID: id, Phase: Resolved.String(), Level: rule.Level.Sign(), Where: x.where, Text: "resolved: " + w.words(x) + " on " + x.where + " after " + capacity.Span(w.at.Sub(x.fired).Seconds())})
	}
}

// others says whether the same thing fires at another place too.
func (w *Watch) others(id string, not *state) bool {
	for _, x := range w.states {
		if x != not && x.phase == Firing && idOf(x.rule, x.what) == id {
			return true
		}
	}
	return false
}

func idOf(rule, what string) string { return rule + "/" + what }

// words are what is wrong, with its number.
func (w *Watch) words(x *state) string {
	switch x.rule {
	case Limit:
		return x.what + " " + x.now + " of limit"
	case Thread:
		return threadWords(x.what) + ", " + x.now
	case Clock:
		return "clock differs by " + x.now
	case Silent:
		return "no data, " + x.now
	case Short:
		return "need " + strings.Replace(x.now, ">", " > max ", 1)
	case LoseOne:
		return x.what + " (" + x.now + ")"
	}
	return x.now
}

func threadWords(verdict string) string {
	switch verdict {
	case fleet.SingleThread:
		return "one thread full"
	case fleet.WorkersFull:
		return "all workers full"
	case fleet.AboutOneCore:
		return "about one core (a lock, likely)"
	}
	return verdict
}

// happenings are what is no alert: agents that come, go and begin anew, needs
// that change, requests that begin to cost something else.
func (w *Watch) happenings(s *fleet.Snapshot, first bool, tell func(Event)) {
	for i := range s.Hosts {
		h := &s.Hosts[i]
		was, known := w.hosts[h.Name]
		now := hostMemory{restarts: h.Restarts, silent: h.State == fleet.Down || h.State == fleet.Stale, version: was.version, change: was.change}
		if v := h.Machine.GetVersion(); v != "" {
			now.version = v
		}
		for k := range h.Learned {
			if at := h.Learned[k].Basis.Change.At; at.After(now.change) {
				now.change = at
				if known && !first {
					tell(Event{Kind: "deploy", Where: h.Name, Text: h.Name + ": a request costs about ×" + capacity.Decimal(h.Learned[k].Basis.Change.Factor, 2) + " since " + at.UTC().Format("15:04")})
				}
			}
		}
		w.hosts[h.Name] = now
		if !known {
			e := Event{Kind: "agent", Where: h.Name, Text: h.Name + " is new"}
			_, before := w.elsewhere[toldBy(e)] // in the week that is kept: new to this viewer alone
			if !first && !before && h.State == fleet.Up {
				tell(e)
			}
			continue
		}
		switch {
		case now.silent && !was.silent:
			tell(Event{Kind: "agent", Where: h.Name, Text: h.Name + " no data"})
		case !now.silent && was.silent && h.State == fleet.Up:
			tell(Event{Kind: "agent", Where: h.Name, Text: h.Name + " is back"})
		}
		if now.restarts > was.restarts {
			text := h.Name + " restarted"
			if was.version != now.version && was.version != "" {
				text += ", " + was.version + " → " + now.version
			}
			tell(Event{Kind: "agent", Where: h.Name, Text: text})
		}
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		was, known := w.pools[p.Name]
		now := was
		of := ""
		if len(s.Pools) > 1 {
			of = p.Name + ": "
		}
		if p.Need.OK {
			switch need := p.Need.V; {
			case was.need == 0:
				now.need = need
			case need == was.need:
				now.next = 0
			case need != was.next:
				now.next, now.since = need, w.at
			case w.at.Sub(was.since) >= needFor:
				tell(Event{Kind: "plan", Where: p.Name, Text: fmt.Sprintf("%sneed %s → %s (%s)", of, capacity.Count(was.need), capacity.Count(need), p.NeedBy)})
				now.need, now.next = need, 0
			}
		}
		if p.Trend.Direction != capacity.DirectionUnknown {
			now.falls = p.Trend.Direction == capacity.Falling
			if known && now.falls != was.falls {
				text := of + "room no longer falls"
				if now.falls {
					text = of + "room falls: " + p.Trend.Step
				}
				tell(Event{Kind: "trend", Where: p.Name, Text: text})
			}
		}
		w.pools[p.Name] = now
	}
}

// Do takes what a user says of an alert, and returns the event of it. The error
// says that there is no such alert.
func (w *Watch) Do(a Act, now time.Time) (Event, error) {
	list := w.Alerts()
	i := slices.IndexFunc(list, func(x Alert) bool { return x.ID == a.ID && x.Phase != Resolved })
	if i < 0 {
		return Event{}, fmt.Errorf("no open alert %q", a.ID)
	}
	a.places = len(list[i].Places)
	// What is said now is the newest, whatever the clock of another viewer said.
	if x := w.said[a.ID]; x != nil {
		for _, at := range []time.Time{x.acted, x.noted, x.over.Add(1)} {
			if at.After(now) {
				now = at
			}
		}
	}
	w.say(a, now)
	e := Event{Time: now, Kind: "ack", ID: a.ID, Act: a.Do, Until: a.Until, Note: a.Note, Places: a.places, Text: actWords(a)}
	w.remember(e)
	return e, nil
}

func actWords(a Act) string {
	switch a.Do {
	case "snooze":
		return "snoozed until " + a.Until.UTC().Format("15:04") + ": " + a.ID
	case "note":
		return "note on " + a.ID + ": " + a.Note
	case "unack":
		return "no longer acked: " + a.ID
	}
	return "acked: " + a.ID
}

// say takes what was said at a time, unless newer is known.
func (w *Watch) say(a Act, at time.Time) {
	x := w.said[a.ID]
	if x == nil {
		if len(w.said) >= maxStates {
			return
		}
		x = &said{}
		w.said[a.ID] = x
	}
	last := &x.acted
	if a.Do == "note" {
		last = &x.noted
	}
	if at.Before(*last) || !x.over.IsZero() && !at.After(x.over) {
		return
	}
	*last = at
	switch a.Do {
	case "ack":
		x.acked, x.places = at, a.places
	case "unack":
		x.acked, x.snoozed = time.Time{}, time.Time{}
	case "snooze":
		x.snoozed, x.places = a.Until, a.places
	case "note":
		x.note = a.Note
	}
}

// over forgets what was said of a thing until it was over.
func (w *Watch) over(id string, at time.Time) {
	x := w.said[id]
	switch {
	case x == nil && len(w.said) < maxStates:
		x = &said{}
		w.said[id] = x
	case x == nil || at.Before(x.over):
		return
	}
	y := said{over: at}
	if x.acted.After(at) { // said since
		y.acked, y.snoozed, y.places, y.acted = x.acked, x.snoozed, x.places, x.acted
	}
	if x.noted.After(at) {
		y.note, y.noted = x.note, x.noted
	}
	*x = y
}

// Alerts are the list: what fires, what a user has acked, what waits, what ended
// lately; in each the gravest first, then the oldest.
func (w *Watch) Alerts() []Alert {
	groups := map[string][]*state{}
	for _, x := range w.states {
		id := idOf(x.rule, x.what)
		groups[id] = append(groups[id], x)
	}
	list := make([]Alert, 0, len(groups))
	for id, all := range groups {
		list = append(list, w.alert(id, all))
	}
	slices.SortFunc(list, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(b.Level, a.Level), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// alert folds the places of one thing into a line, of those in its foremost
// phase.
func (w *Watch) alert(id string, all []*state) Alert {
	phase := slices.MinFunc(all, func(a, b *state) int { return cmp.Compare(a.phase, b.phase) }).phase
	all = slices.DeleteFunc(all, func(x *state) bool { return x.phase != phase })
	slices.SortFunc(all, func(a, b *state) int {
		if a.unseen != b.unseen { // what is known now is worth more
			if b.unseen {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.where, b.where))
	})
	worst := all[0]
	rule := w.rules[worst.rule]
	a := Alert{
		ID: id, Rule: worst.rule, Level: rule.Level, Phase: phase, What: w.words(worst), Where: worst.where, Host: worst.host,
		Now: worst.now, ClearsAt: worst.clearsAt, Next: worst.do, RuleText: rule.Text(), RuleFrom: rule.From, Means: rule.means,
		Since: worst.since, Fired: worst.fired, Ended: worst.ended,
	}
	if a.Unseen = worst.unseen && phase != Resolved; a.Unseen {
		a.What, a.Now = "? "+a.What+" when last seen", "?"
	}
	if a.Next == "" {
		a.Next = rule.do
	}
	for _, x := range all {
		a.Places = append(a.Places, x.where)
		if x.since.Before(a.Since) {
			a.Since = x.since
		}
		if x.fired.Before(a.Fired) {
			a.Fired = x.fired
		}
		if x.ended.After(a.Ended) {
			a.Ended = x.ended
		}
	}
	if n := len(all); n > 1 {
		a.Where = fmt.Sprintf("%d pools", n)
		if worst.host {
			a.Where = fmt.Sprintf("%d hosts", n)
		}
	}
	fired := w.fired[id]
	a.Seen = len(fired)
	for _, at := range fired {
		if w.at.Sub(at) <= flapWithin {
			a.Flaps++
		}
	}
	if s := w.said[id]; s != nil && phase != Resolved {
		a.Note, a.AckedAt = s.note, s.acked
		if s.snoozed.After(w.at) {
			a.Snoozed = s.snoozed
		}
		more := s.places > 0 && len(all) > s.places // than was known when that was said
		if phase == Firing && !more && (!s.acked.IsZero() || !a.Snoozed.IsZero()) {
			a.Phase = Acked
		}
	}
	return a
}

// Events are those that are remembered, oldest first. The caller must not change
// them.
func (w *Watch) Events() []Event { return slices.Clip(w.events) }
