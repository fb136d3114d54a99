// Package stories is what the stories of servers that come as capmon recommends
// have in common: who watches them, what is told of them, and the agents within
// their processes.
package stories

import (
	"fmt"
	"time"
)

// Watcher is who looks at the servers and says how many there should be.
type Watcher interface {
	// Follow begins to watch the agent of a process of the story at host:port.
	Follow(name, agent string)
	// Leave ends that.
	Leave(name string)
	// Verdict is what it recommends now; not OK while too little is known.
	Verdict(now time.Time) Verdict
}

// Verdict is how many servers there should be.
type Verdict struct {
	OK               bool
	Need, Run, Short int
	Bound            string // the limit that the need comes from
	Formula          string
	Up               int // servers that it saw, for which it says so
	Connections      int // that the agents count
}

// Text is the formula behind it, with its limit where that is not the seats
// that the formula shows.
func (v *Verdict) Text() string {
	if !v.OK {
		return "need ?"
	}
	if v.Bound == "" || v.Bound == "conns" {
		return v.Formula
	}
	return v.Formula + " by " + v.Bound
}

// Event is something that happened.
type Event struct {
	After time.Duration // the beginning
	Text  string
	Bad   bool
}

// Happened tells an event of a story that began then, in words as of
// fmt.Sprintf, to tell; nil: nobody listens.
func Happened(tell func(Event), begin time.Time, bad bool, format string, args ...any) {
	if tell != nil {
		tell(Event{max(time.Since(begin), 0), fmt.Sprintf(format, args...), bad})
	}
}

// Step is a number and since when it was: seconds after the beginning.
type Step [2]float64

// Note adds a step to a list where the number is another one.
func Note(list *[]Step, begin time.Time, n int) {
	if k := len(*list); k > 0 && (*list)[k-1][1] == float64(n) {
		return
	}
	*list = append(*list, Step{float64(max(time.Since(begin), 0).Milliseconds()) / 1000, float64(n)})
}
