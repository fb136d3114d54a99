package ui

import (
	"strconv"
	"strings"
	"time"
)

// Replay says that a frame is of a recording.
type Replay struct {
	Name     string  // of its file
	Speed    float64 // seconds of the recording in one
	From, To time.Time
	Ended    bool   // its end was reached
	Torn     string // why it ends before its end; empty when it does not
}

// Recording says what becomes of the frames' data on disk.
type Recording struct {
	Path  string
	Bytes int64
	Ended string // why, and what it came to; empty while it goes on
}

func init() {
	prompts[RecordPrompt] = prompt{
		sign: "record to: ",
		hint: func(*Frame, *View, int) string { return "enter record  esc leave" },
		done: func(m *model, text string) {
			if text = strings.TrimSpace(text); text != "" && m.opts.Record != nil {
				m.opts.Record(text)
			}
		},
	}
}

// record asks where to, or ends the recording.
func (m *model) record() {
	r := m.frame.Recording
	switch {
	case m.frame.Replay != nil:
		m.view.Note = "this is a recording already"
	case m.opts.Record == nil || !m.known:
		m.view.Note = "nothing to record yet"
	case r != nil && r.Ended == "":
		m.opts.Record("")
	case m.frame.Lesson != nil:
		m.begin(RecordPrompt, "lesson"+strconv.Itoa(m.frame.Lesson.Number)+".capmon")
	default:
		m.begin(RecordPrompt, "capmon-"+m.frame.Time.UTC().Format("20060102-150405")+".capmon")
	}
}

var speeds = []float64{0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256}

// playFaster plays a recording faster (1) or slower (-1).
func (m *model) playFaster(by int) {
	r := m.frame.Replay
	if r == nil {
		m.view.Note = "only a replay has a speed"
		return
	}
	next := 0.0
	for _, p := range speeds {
		if by < 0 && p < r.Speed || by > 0 && p > r.Speed && next == 0 {
			next = p
		}
	}
	if next == 0 {
		m.view.Note = "the speed is " + speedText(r.Speed) + " already"
		return
	}
	c := *r // frames are values: the next one says it too
	c.Speed = next
	m.frame.Replay = &c
	m.opts.Pace(next)
}

func speedText(x float64) string { return "×" + strconv.FormatFloat(x, 'g', 4, 64) }

// said takes from a frame what is told once, and what is true whatever moment is
// shown.
func (m *model) said(f *Frame) {
	if r, was := f.Recording, m.frame.Recording; r != nil && r.Ended != "" && (was == nil || *was != *r) {
		m.view.Note = r.Ended
	}
	m.frame.Recording = f.Recording
}

// held holds a moment of a recording on screen that does not run on by itself:
// its end, or one from before it began.
func (m *model) held() {
	r := m.frame.Replay
	if r == nil || m.view.Paused || m.frame.Live && !r.Ended {
		return
	}
	m.view.Paused, m.at = true, m.frame.At
	if !r.Ended {
		return
	}
	m.view.Note = "the recording ends here; [ { b go back"
	if r.Torn != "" {
		m.view.Note = "the recording ends here: " + r.Torn
	}
}

// replayState is the header's word on a recording: where it stands and how fast
// it goes.
func replayState(f *Frame, v *View, width int) string {
	r := f.Replay
	text := "REPLAY"
	if width >= 60 {
		text += " " + cutMiddle(r.Name, max(width/5, 12))
	}
	switch {
	case f.At.IsZero():
		return text
	case !v.Paused:
		return text + " " + speedText(r.Speed)
	case r.To.After(r.From) && !f.At.Before(r.To):
		return text + " END"
	}
	return text + " PAUSED " + back(r.To.Sub(f.At))
}
