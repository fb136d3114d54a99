package ui

import "time"

// Story is what a demo tells beside the fleet that it makes, on a screen of its
// own in the place of the demo screen. It is a value: nobody changes it.
type Story struct {
	Title   string        // "a game that opens in the evening"
	Now     string        // what happens, in a line
	Verdict string        // on its own fleet, where that is not the one on the other screens
	After   time.Duration // since it began
	Of      time.Duration // how long it takes; 0: until the user leaves

	Numbers  []StoryNumber // where there is no room for all, the first of them
	Charts   []StoryChart  // the same
	Events   []StoryEvent  // oldest first
	Settings []StorySetting
	Keys     []StoryKey
}

// StoryNumber is one number, written as it is to be read.
type StoryNumber struct {
	Name string // "playing now"
	Text string // "88,420"; "?" while it is not known
	Note string // of how many, or what it means; may be empty
	Mark bool   // it is not as it should be
}

// StoryChart is how numbers of one kind went since the story began.
type StoryChart struct {
	Name  string
	Step  time.Duration // between two values
	Lines []StoryLine
	Top   float64 // what the numbers are held against, drawn where it is near; 0: nothing
	TopIs string  // "max"
}

// StoryLine is one number over time. All lines of a chart have the same times.
type StoryLine struct {
	Name, Now string
	Values    []float64 // NaN: not known
	Over      bool      // a line over the columns; else columns on top of those before
}

// StoryEvent is something that happened.
type StoryEvent struct {
	After time.Duration // the beginning of the story
	Text  string
	Mark  bool // and should not have
}

// StorySetting is what the user can change while the story goes on.
type StorySetting struct {
	Name, Value string
	Why         string // what it is, and what follows from it
}

// StoryKey is what a key of this screen does in this story; those that it does
// not name do nothing.
type StoryKey struct {
	Do   StoryDo
	Does string // "kill the fullest server"
}

// StoryDo is what a key asks of a story.
type StoryDo uint8

// What can be asked.
const (
	StoryChange StoryDo = iota // a setting; it needs no StoryKey
	StoryKill                  // to break something
	StorySwitch                // to turn something on, or off again
)

// StoryAct is what the user asks.
type StoryAct struct {
	Do      StoryDo
	Setting string // with StoryChange: its name
	By      int    // and one step more (1) or less (-1)
}

var storyActs = map[action]StoryDo{actKill: StoryKill, actSwitch: StorySwitch}

// storyKey is how the key for what can be asked is spelled; "" where it was
// taken away.
func storyKey(do StoryDo) string {
	for _, k := range table {
		for _, b := range k.binds {
			if is, ok := storyActs[b.do]; ok && is == do && len(b.keys) > 0 {
				return spell(b.keys[0])
			}
		}
	}
	return ""
}

// has says whether the story can do what a key asks.
func (s *Story) has(do action) bool {
	switch do {
	case actNextSetting, actLastSetting, actSettingMore, actSettingLess:
		return s != nil && len(s.Settings) > 0
	}
	is, ok := storyActs[do]
	if !ok {
		return true // no key of a story
	}
	for i := 0; s != nil && i < len(s.Keys); i++ {
		if s.Keys[i].Do == is {
			return true
		}
	}
	return false
}

// storyAct does what a key means on the screen of a story.
func storyAct(m *model, do action) bool {
	s, v := m.frame.Story, &m.view
	is, own := storyActs[do]
	switch {
	case do == actBig:
		v.Big = !v.Big
	case !own && (do < actNextSetting || do > actSettingLess):
		return false
	case s == nil || m.opts.Story == nil:
		v.Note = "the story has not begun"
	case !s.has(do):
		v.Note = "nothing in this story"
	case own:
		v.Note = m.opts.Story(StoryAct{Do: is})
	default:
		n := len(s.Settings)
		at := min(max(v.Setting, 0), n-1)
		switch do {
		case actNextSetting:
			at = (at + 1) % n
		case actLastSetting:
			at = (at + n - 1) % n
		case actSettingMore, actSettingLess:
			by := 1
			if do == actSettingLess {
				by = -1
			}
			v.Note = m.opts.Story(StoryAct{Do: StoryChange, Setting: s.Settings[at].Name, By: by})
		}
		v.Setting = at
	}
	return true
}
