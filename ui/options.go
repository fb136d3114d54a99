package ui

import (
	"io"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// Options say how the dashboard looks and where its data come from.
type Options struct {
	Theme   string        // one of Themes; "": dark, or what the terminal answers when asked
	ASCII   bool          // nothing but ASCII is drawn
	Colours int           // bits: 24, 8, 4, 0; -1: find out from the environment
	Cores   bool          // begin with cores instead of percent, as the key u does
	Span    time.Duration // of the chart; 0: 15 minutes

	Source  string // what is watched, "3 agents"; stands for a pool with no name
	Warning string // "INSECURE": stands in the header as long as the screen does

	Input  io.Reader // nil: the terminal of standard input
	Output io.Writer // nil: standard output

	// Ask is called when a screen wants other snapshots than before: another
	// moment, span, number of buckets, or host. It must not block. May be nil.
	Ask func(fleet.Ask)
	// Snapshots are drawn as they come; of several waiting the newest wins. A
	// closed channel leaves the last one on screen.
	Snapshots <-chan Frame
}

// A Frame is what there is to draw. The zero Frame means nothing is known yet.
type Frame struct {
	fleet.Snapshot
	SelfCPU capacity.Num // share of one core that this viewer used, 0..
	SelfRSS capacity.Num // bytes
}

// Screen is what fills the terminal.
type Screen uint8

// The screens.
const (
	Overview Screen = iota
	HostScreen
	HelpScreen
	StepsScreen // how a pool's number is made
)

// View is what the user chose. With the Frame, the size and the Theme it
// decides every cell. The zero View is the overview, live, unsorted.
type View struct {
	Screen Screen
	Behind Screen // the screen that help covers
	Under  Screen // the screen that the steps cover
	Pool   string // whose steps; "": that of the verdict
	Host   string // name of the host under the cursor; "": the first row
	Top    int    // first row of the list; moved as far as the cursor needs
	Scroll int    // lines scrolled on the host, help and steps screens

	Sort    Sort
	Reverse bool
	Loose   bool     // rows may change places by themselves, every five seconds
	Order   []string // names in the order rows keep; nil: sorted now

	Filter string // shows the hosts that match; a leading ! those that don't
	Typing bool   // the filter is being typed
	Caret  int    // where, in runes

	Cores  bool // cores instead of percent
	Span   time.Duration
	Paused bool
	Note   string // one line about the last key, e.g. why it did nothing

	Source, Warning string
}
