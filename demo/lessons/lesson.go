package lessons

import (
	"context"
	"time"

	"capmon/capacity"
)

// A Lesson is steps under one title.
type Lesson struct {
	Title string
	// Picture names what draws the middle of the screen; "" is the cores and the
	// table of runs.
	Picture string
	// Data is what the picture draws while nothing runs; nil: nothing.
	Data  func() any
	Steps []Step
}

// A Step is one question and the run that answers it. Its words are functions,
// as they depend on the machine and on what was measured.
type Step struct {
	Key  string // "a": the key that runs it, the same in capitals in the table
	Name func(Setting) string
	// Shape is how many processes the run has, and threads each of them.
	Shape    func(Setting) (processes, threads int)
	Question func(Setting) Question
	// Begin starts the run. It returns when the run works, or says why it can't.
	// The run ends with ctx.
	Begin func(ctx context.Context, s Setting) (Run, error)
	// Lasts is how long the run goes on if nobody stops it; 0: as all others.
	Lasts time.Duration
	// Outcome is the answer that was measured, as a key of the question; "" while
	// it is not known.
	Outcome func(Measured) string
	Seen    func(Measured) string
	Point   func(Measured) string
	Look    func(Measured) string // what else there is to see; may be nil
	Notes   []string              // for the teacher
	Command func(Setting) string  // that does the same without the class
	Try     string                // and one without capmon; may be empty
	Code    func(Setting) []string
}

// Question is what is asked before a run.
type Question struct {
	Text    string
	Options []Option
}

// Option is one answer.
type Option struct {
	Key  string // "f", "s" or "="
	Text string
}

// Run is something that works until its context ends.
type Run interface {
	// Read is how far it has come.
	Read() Reading
	// Over is closed when nothing of it runs any more.
	Over() <-chan struct{}
	// Err is why it ended too soon, after Over; nil where it was asked to end.
	Err() error
}

// Reading is a run at a moment.
type Reading struct {
	PIDs []int         // its processes
	CPU  []float64     // core seconds that each of them used, by its own clocks; nil: they don't say
	Work capacity.Num  // done so far, in loops; unknown where the program doesn't count
	Time time.Duration // that it took
	// Data is what a picture of its own draws; nil for the cores and the table.
	Data any
	Said []string // by it, a line each, such as what happened to a port
	// Own says that the run measures itself: what the agent says of its processes
	// is no matter. Ready says that it has seen enough.
	Own, Ready bool
}

// Setting is where a run takes place.
type Setting struct {
	Cores   float64 // that may be used; a fraction under a quota
	Quota   bool    // a container's quota sets Cores
	Workers int     // processes of B, threads of C and D
	Lang    Lang
	Nice    int
	Lasts   time.Duration
}

// Whole is the number of cores as people count them, at least one.
func (s Setting) Whole() int { return max(1, int(s.Cores)) }

// Measured is what a step's words are made of.
type Measured struct {
	Setting
	Row          Row
	Rows         map[string]Row // of all steps, by key; those not run have OK unset
	Others       capacity.Num   // cores that others used meanwhile
	Moved, Looks int            // how often a thread was seen on another core than before, in how many looks
	Said         []string
}

// Row is what a run came to: one line of the table.
type Row struct {
	Key, Name          string
	Processes, Threads int
	OK                 bool // it was run, and all below that can be known is
	Samples            int  // that it stands on, a second each
	Cores              capacity.Num
	One                capacity.Num // cores that the busiest process used
	Least              capacity.Num // and the idlest
	Busy               int          // threads of the busiest process that were seen to be busy
	Seen               int          // processes that were seen
	Work               capacity.Num // loops a second
	Speed              capacity.Num // Work / that of the step with key "a"
	Share              capacity.Num // Cores of all that may be used, 0..1
}
