package lessons

import (
	"maps"
	"time"
)

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

// State is the class now.
func (k *Class) State() *State {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.places[k.at]
	lesson, step := &k.lessons[at.lesson], k.step(k.at)
	s := &State{
		Number: at.lesson + 1, Of: len(k.lessons), Title: lesson.Title, Picture: lesson.Picture, Setting: k.setting, Stage: k.stage,
		Key: step.Key, Name: step.Name(k.setting), Ended: k.ended, Error: k.err, LangNote: k.note,
		Asked: step.Question(k.setting), Question: k.step(k.asked()).Question(k.setting), Next: k.step(k.asked()).Key, Votes: k.votes[k.asked()], Voted: k.votes[k.at],
		Said: k.said[at], Notes: step.Notes, Command: step.Command(k.setting), Try: step.Try, Code: step.Code(k.setting), CodeOf: k.setting.Lang.Whose(),
	}
	if lesson.Data != nil {
		s.Data = lesson.Data()
	}
	k.running(s)
	rows := k.table(at.lesson, s)
	if m, ok := k.seen[at]; ok && k.stage >= Seen {
		m.Rows, m.Row = rows, rows[step.Key]
		s.Seen = step.Seen(m)
		if want, got := s.Voted.favourite(), step.Outcome(m); want != "" && got != "" && !disturbed(m) {
			right := want == got
			s.Right = &right
		}
		if step.Look != nil {
			s.Look = step.Look(m)
		}
		s.Others = others(m)
		if k.stage == Point {
			s.Point = step.Point(m)
			if k.asked() == k.at { // the last
				s.Question, s.Next = Question{Text: "That was the last. a to d run again, + and - change the number of workers."}, ""
			}
		}
	}
	return s
}

// running fills in what works now.
func (k *Class) running(s *State) {
	n := k.now
	switch {
	case n == nil:
	case n.run == nil:
		s.Starting = "starting"
		if n.setting.Lang == Rust {
			s.Starting = "compiling with rustc, and starting"
		}
	default:
		s.Running, s.Where = true, maps.Clone(n.cores)
		s.Left = max(0, n.setting.Lasts-time.Since(n.began))
		s.Missed = n.missed >= missedMuch && n.samples < enough
		r := n.run.Read()
		s.Data = r.Data
		if len(r.Said) > 0 {
			s.Said = r.Said
		}
	}
}

// table fills in the rows of the lessons that share a picture with this one, up
// to the step itself and those that were run, and returns all by key.
func (k *Class) table(lesson int, s *State) map[string]Row {
	all := map[string]Row{}
	for _, p := range k.places {
		l := &k.lessons[p.lesson]
		if l.Picture != k.lessons[lesson].Picture {
			continue
		}
		step := &l.Steps[p.step]
		row, ok := k.rows[p]
		if !ok {
			row = Row{Key: step.Key, Name: step.Name(k.setting)}
			row.Processes, row.Threads = step.Shape(k.setting)
		}
		if a, ok := all["a"]; ok {
			row.Speed = ratio(row.Work, a.Work)
		} else {
			row.Speed = ratio(row.Work, row.Work)
		}
		all[row.Key] = row
		s.Rows = append(s.Rows, row)
	}
	return all
}
