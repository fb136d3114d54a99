package lessons

import "time"

// Stage is how far a step is.
type Stage uint8

// The stages, in order.
const (
	Predict Stage = iota // the question stands there
	Running              // its run has begun and is not measured yet
	Seen                 // what was measured is said
	Point                // and what it means, and the next question
)

// State is a class at one moment: a value that nobody changes.
type State struct {
	Number, Of int    // of the lesson, from 1
	Title      string // of the lesson
	Picture    string // see Lesson
	Data       any    // see Reading
	Setting    Setting
	Stage      Stage

	Key, Name string // of the step
	Running   bool   // its run works
	Starting  string // what is being done until it does; empty: nothing is
	Left      time.Duration
	Missed    bool   // it can't be measured: other processes want more, and the agent names those
	Ended     string // why nothing runs, where something did; empty else
	Error     string // why a run could not be, and what to do

	Rows []Row // in the order of the steps that have one

	Asked    Question // of the step itself
	Question Question // that of the stage: at Point the one of the next step
	Next     string   // key that the question is answered by; empty after the last
	Votes    Votes    // on Question
	Voted    Votes    // on the step itself
	Seen     string
	Right    *bool // whether most had predicted it; nil: nobody did, or it is not known
	Point    string
	Look     string
	Said     []string // by the run: a port that is taken
	Others   string   // what disturbs; empty: nothing does

	Notes    []string // for the teacher
	Command  string
	Try      string
	Code     []string
	CodeOf   string // whose program it is: "lecture.md's, in Go"
	LangNote string // why another language than asked for; empty: it is not

	Where map[int]string // by the kernel's number of a core: the thread seen there last
}

// Votes are answers of a class by their keys, and what was typed besides.
type Votes struct {
	F, S, Same int
	Text       string
}

// Any reports whether anybody answered.
func (v Votes) Any() bool { return v.F+v.S+v.Same > 0 || v.Text != "" }

// Of is the number of votes for the option with that key.
func (v Votes) Of(key string) int {
	switch key {
	case "f":
		return v.F
	case "s":
		return v.S
	case "=":
		return v.Same
	}
	return 0
}

// favourite is the key of the answer with most votes; "" where none has.
func (v Votes) favourite() string {
	best, key, tie := 0, "", false
	for _, k := range []string{"f", "s", "="} {
		switch n := v.Of(k); {
		case n > best:
			best, key, tie = n, k, false
		case n == best:
			tie = true
		}
	}
	if best == 0 || tie {
		return ""
	}
	return key
}

// An Act is what the teacher does.
type Act struct {
	Do   Do
	Key  string // of Begin: "a"; of Vote: "f", "s" or "="
	Text string // of Say
}

// Do is a kind of Act.
type Do uint8

// The acts.
const (
	Begin Do = iota // the run with that key, whatever runs now
	Stop
	More // workers
	Less
	Next // stage: run it, say the point, run the next
	Back
	Skip // to the next question, without this run
	Vote // one more for an answer
	Say  // votes as they are typed: "f 14 s 9 = 3", or any words
)
