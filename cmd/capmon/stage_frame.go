package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"capmon/capacity"
	"capmon/demo/stories"
	"capmon/fleet"
	"capmon/ui"
)

// frame is what the stages of all stories have: a group of servers, what has
// happened, and the policy that the user can change. O is an order to the story.
type frame[O comparable] struct {
	in     *feed
	orders chan O
	most   int    // servers
	note   string // what the machine has no room for

	mu       sync.Mutex
	policy   fleet.Policy
	told     bool // it has begun
	stands   account
	starting int
	servers  course // open, starting, need
	events   []ui.StoryEvent
	over     string // why there is no more of it; "": it goes on
}

// account is what a story came to so far.
type account struct {
	after                        time.Duration
	asked, served, refused, left int
	servers                      int
	verdict                      stories.Verdict
}

// newOrders is as many as may wait for a story.
func newOrders[O any]() chan O { return make(chan O, 64) }

// What the keys go through.
var (
	storyTargets = []float64{0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1}
	storyWarmUps = []time.Duration{0, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute}
)

// storyEvents is how many events are kept.
const storyEvents = 60

// goes notes how it stands, with the servers that warm up. mu is held, as in all
// that follow but account, tell, ended and give.
func (f *frame[O]) goes(a account, starting int) {
	f.told, f.stands, f.starting = true, a, starting
	f.servers.add(float64(a.servers), float64(starting), known(a.verdict.OK, a.verdict.Need))
}

func (f *frame[O]) account() account {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stands
}

func (f *frame[O]) tell(e stories.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.happened(ui.StoryEvent{After: e.After, Text: e.Text, Mark: e.Bad})
}

// ended tells that the story is over before its time, and why.
func (f *frame[O]) ended(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = "the story is over: " + why.Error()
	f.happened(ui.StoryEvent{After: f.stands.after, Text: f.over, Mark: true})
	wake(f.in.changed)
}

func (f *frame[O]) happened(e ui.StoryEvent) {
	if f.events = append(f.events, e); len(f.events) > storyEvents {
		f.events = slices.Clone(f.events[1:])
	}
}

// begun says whether there is something to show.
func (f *frame[O]) begun() bool { return f.told || f.over != "" }

// give does what the user asks. Choose says what that is for this story, and in
// words; "": nothing; not changed: it is so already.
func (f *frame[O]) give(a ui.StoryAct, choose func(ui.StoryAct) (o O, said string, changed bool)) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.over != "":
		return f.over
	case len(f.orders) == cap(f.orders): // nobody else gives any
		return "too many keys at once: again in a moment"
	}
	o, said, changed := choose(a)
	switch {
	case said == "":
		return "nothing in this story"
	case !changed:
		return said + ": there is no step beyond"
	}
	var none O
	if o != none {
		f.orders <- o
	}
	if a.Do == ui.StoryChange {
		f.in.setPolicy(f.policy)
		f.happened(ui.StoryEvent{After: f.stands.after, Text: said + ", by key"})
	}
	return said
}

// set changes the policy, of which each story has three settings. A warm-up is
// for the story too.
func (f *frame[O]) set(a ui.StoryAct) (warmUp *time.Duration, said string, changed bool) {
	p, was := &f.policy, f.policy
	switch a.Setting {
	case "target":
		p.Target = steps(storyTargets, p.Target, a.By)
		said = "target " + capacity.Percent(p.Target)
	case "spare":
		p.Spare = min(max(p.Spare+a.By, 0), f.most)
		said = "spare " + strconv.Itoa(p.Spare)
	case "warm-up":
		p.WarmUp = steps(storyWarmUps, p.WarmUp, a.By)
		warmUp, said = new(p.WarmUp), "warm-up "+p.WarmUp.String()
	}
	return warmUp, said, was != *p
}

// settings are those three; a warm-up ends with the first of what is named.
func (f *frame[O]) settings(first string) []ui.StorySetting {
	return []ui.StorySetting{
		{Name: "target", Value: capacity.Percent(f.policy.Target), Why: "how full a server is to be; changes NEED"},
		{Name: "spare", Value: strconv.Itoa(f.policy.Spare), Why: "servers that may be lost; changes NEED"},
		{Name: "warm-up", Value: f.policy.WarmUp.String(), Why: "from a server's start to its first " + first},
	}
}

// group is the chart of the servers.
func (f *frame[O]) group() ui.StoryChart {
	need := "?"
	if v := &f.stands.verdict; v.OK {
		need = strconv.Itoa(v.Need)
	}
	return ui.StoryChart{Name: "servers", Step: f.servers.step, Top: float64(f.most), TopIs: "max", Lines: []ui.StoryLine{
		{Name: "open", Now: strconv.Itoa(f.stands.servers), Values: f.servers.line(0)},
		{Name: "starting", Now: strconv.Itoa(f.starting), Values: f.servers.line(1)},
		{Name: "need", Now: need, Values: f.servers.line(2), Over: true},
	}}
}

// happening says in a line what goes on: what the servers take, then how many
// warm up, and more; "" is left out.
func (f *frame[O]) happening(take string, more ...string) string {
	if f.over != "" {
		return f.over
	}
	warm := ""
	if f.starting > 0 {
		warm = fmt.Sprintf("%d in warm-up", f.starting)
	}
	parts := slices.Concat([]string{take, warm}, more, []string{f.note})
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// short says how many servers there may not be; "": none.
func (f *frame[O]) short() string {
	v := &f.stands.verdict
	if !v.OK || v.Short <= 0 {
		return ""
	}
	return fmt.Sprintf("%d more are needed than the %d there may be", v.Short, f.most)
}
