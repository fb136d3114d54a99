package ui

import (
	"io"
	"time"

	"capmon/alerts"
	"capmon/capacity"
	"capmon/demo/lessons"
	"capmon/fleet"
)

// Options say how the dashboard looks and where its data come from.
type Options struct {
	Theme   string        // one of Themes; "": dark, or what the terminal answers when asked
	ASCII   bool          // nothing but ASCII is drawn
	Colours int           // bits: 24, 8, 4, 0; -1: find out from the environment
	Cores   bool          // begin with cores instead of percent, as the key u does
	Span    time.Duration // of the chart; 0: 15 minutes

	Columns []string // of the hosts, as ParseColumns returns them; none: as many as fit

	Mouse bool // clicks and the wheel work; the key M turns that round

	Source  string // what is watched, "3 agents"; stands for a pool with no name
	Warning string // "INSECURE": stands in the header as long as the screen does

	Clock func() time.Time // tells how long a picture takes to be written; nil: nobody asks

	Input  io.Reader // nil: the terminal of standard input
	Output io.Writer // nil: standard output

	Note string // stands in the footer until the first key

	// Record is called to record into a file from now on, or with "" to end that.
	// It must not block. Nil: nothing can be recorded.
	Record func(path string)
	// Pace is called with the speed of a replay. It must not block. Nil: this is
	// none.
	Pace func(speed float64)
	// Ask is called when a screen wants other snapshots than before: another
	// moment, span, number of buckets, or host. It must not block. May be nil.
	Ask func(fleet.Ask)
	// Alert takes what the user says of an alert, and returns what there is then,
	// and a line about it. May be nil.
	Alert func(alerts.Act) (News, string)
	News  <-chan News // of the alerts, between frames: the newest counts. May be nil.
	// Story takes what the user asks of the demo's story, and returns a line about
	// it. It must not block. Where there is one, its screen is the first. Nil: no
	// story is told.
	Story func(StoryAct) string
	Bell  bool // rings when something must be done

	// Export writes a screen to files and says in a line where, or why not and
	// what to do. It may take its time. May be nil.
	Export func(Export) (note string)
	// Lesson does what the teacher wants; the screen then begins with the
	// classroom. It must not block. Nil: no class is held.
	Lesson func(lessons.Act)
	// Snapshots are drawn as they come; of several waiting the newest wins. A
	// closed channel leaves the last one on screen.
	Snapshots <-chan Frame
}

// An Export is a screen that is to be kept.
type Export struct {
	Screen   string // its name: "overview"
	Text     string // as it is drawn, in lines without colours
	Frame    Frame  // what it stands on
	Filter   string // as typed; "" shows all
	Sort     string // the order's name
	Reversed bool
	Hosts    []string // the names of those that match, in the order shown

	Format string // "md" or "json"; "": both
	Path   string // of the file; "": a name of its own with the moment in it
}

// A Frame is what there is to draw. The zero Frame means nothing is known yet.
type Frame struct {
	fleet.Snapshot
	SelfCPU capacity.Num // share of one core that this viewer used, 0..
	SelfRSS capacity.Num // bytes

	Replay    *Replay    // what is shown is a recording; nil: it is not
	Recording *Recording // the newest that this viewer made; nil: none
	Story     *Story     // of the demo that made the fleet; nil: there is none, or it has not begun

	Lesson *lessons.State // of the class that is held; nil: none is

	News
}

// News is what the alerts are, also where the rest is of an earlier moment.
type News struct {
	Watched bool // the two below are known
	Alerts  []alerts.Alert
	Events  []alerts.Event // oldest first
	Rules   []alerts.Rule  // in force; the same in every frame
	Log     EventLog
}

// EventLog is where events are kept.
type EventLog struct {
	Path    string // "": nowhere
	Trouble string // what keeps them from it, and what is done about it; "": nothing
}

// Screen is what fills the terminal.
type Screen uint8

// The screens.
const (
	Overview Screen = iota
	CoresScreen
	HostScreen
	PlanScreen
	AlertsScreen
	DemoScreen  // what the demo is and how to start it
	StoryScreen // what a demo that runs tells, in its place
	StepsScreen // how a pool's number is made
	ClassScreen // the classroom, in the place of DemoScreen where a class is held
	HelpScreen
	screens
)

// View is what the user chose. With the Frame, the size and the Theme it
// decides every cell. The zero View is the overview, live, unsorted.
type View struct {
	Screen Screen
	Behind Screen // the screen that help covers
	Under  Screen // the screen that the steps cover
	From   Screen // the screen that the host was opened from
	Pool   string // whose steps; "": that of the verdict
	Host   string // name of the host under the cursor; "": the first row
	Top    int    // first row of the list; moved as far as the cursor needs
	Scroll int    // lines scrolled on the host, help and steps screens

	Sort    Sort
	Reverse bool
	Loose   bool     // rows may change places by themselves, every five seconds
	Order   []string // names in the order rows keep; nil: sorted now

	Columns []string // of the hosts on the overview, by their names; none: as many as fit

	Filter string // shows the hosts that match
	Prompt Prompt // what is being typed, if anything

	Core     int      // the mark under the cursor of the cores screen, from 1; 0: none
	HotFirst bool     // each host's busiest cores first
	Grouped  Grouping // of the rows of the cores screen

	Pane    Pane // of the host screen
	PID     int  // the process under its cursor; 0: the first
	Threads int  // the process whose threads it shows; 0: none
	// ThreadsOf is its name when it was opened: it may leave the list since.
	ThreadsOf string

	Cores        bool // cores instead of percent
	Span         time.Duration
	Paused       bool
	Alert        string // under the cursor of the alerts screen
	AlertFilter  string // shows the alerts that match
	HideResolved bool

	WhatIf   WhatIf // what was changed on the plan screen
	WhatIfOf string // of this pool; "": of the one on screen
	AsIs     bool   // and is not to be looked at
	Compare  bool   // what is live stands beside it
	Field    int    // under its cursor

	Big     bool // the digits of the classroom, and of a story
	Teacher bool // its notes for the teacher stand in the place of what is said
	Setting int  // under the cursor of the story's screen, from 0

	MouseOff bool // the terminal selects text instead

	Mark *Frame // what numbers are shown against; nil: they are as they are
	Note string // one line about the last key, e.g. why it did nothing

	SlowLink bool // frames take long to be written
	Busy     bool // this viewer costs more than it should

	Source, Warning string

	rows  *rowsMemo  // nil: none is kept
	cores *coresMemo // the same
}
