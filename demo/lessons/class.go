package lessons

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"capmon/demo/load"
	"capmon/fleet"
)

const (
	// Lasts is how long a run goes on if nobody stops it.
	Lasts = time.Minute
	// LeastTime is how long a run takes at least to be measured.
	LeastTime = 5 * time.Second
	// MaxWorkers bounds the processes and threads that + can ask for: an agent
	// names the eight processes that use most.
	MaxWorkers = 8
)

// Config is a class before it begins.
type Config struct {
	Lessons []Lesson
	Cores   float64 // that may be used
	Quota   bool    // a container's quota sets Cores
	Lang    Lang
	Workers int           // 0: see Workers
	Lasts   time.Duration // of a run; 0: Lasts
	// Changed is called when there is another State than before, from any
	// goroutine. It must not block. May be nil.
	Changed func()
}

// Workers is how many processes or threads a class begins with: four as in the
// lecture, where that leaves a core free, but two at least, as one of several is
// no lesson.
func Workers(cores float64) int { return max(2, min(4, load.LeavesOne(cores))) }

// place is a step in its lesson.
type place struct{ lesson, step int }

// Class is a lesson that is being held. Its methods may be called from any
// goroutine.
type Class struct {
	lessons []Lesson
	places  []place // of all steps, in order
	changed func()
	wishes  chan wish // newest of them; holds one

	mu      sync.Mutex
	setting Setting
	at      int // index of places
	stage   Stage
	votes   map[int]Votes
	rows    map[place]Row
	said    map[place][]string
	seen    map[place]Measured
	now     *running
	ended   string
	err     string
	note    string // about the language
}

// wish is what is to run: nothing where place is nil.
type wish struct {
	run  *running
	step *Step
}

// New is a class at its first question.
func New(c Config) *Class {
	s := Setting{Cores: c.Cores, Quota: c.Quota, Workers: c.Workers, Lang: c.Lang, Lasts: c.Lasts, Nice: max(10, load.NiceNow())}
	if s.Workers == 0 {
		s.Workers = Workers(c.Cores)
	}
	if s.Lasts == 0 {
		s.Lasts = Lasts
	}
	k := &Class{
		lessons: c.Lessons, changed: c.Changed, wishes: make(chan wish, 1), setting: s,
		votes: map[int]Votes{}, rows: map[place]Row{}, said: map[place][]string{}, seen: map[place]Measured{},
	}
	if k.changed == nil {
		k.changed = func() {}
	}
	for i, l := range c.Lessons {
		for j := range l.Steps {
			k.places = append(k.places, place{i, j})
		}
	}
	k.setting.Lang, k.note = available(c.Lang)
	return k
}

// Run owns what the class runs. It returns when ctx has ended and nothing of it
// is left.
func (k *Class) Run(ctx context.Context) error {
	one := &job{}
	defer func() { one.stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-k.wishes:
			one.stop()
			if one = (&job{}); w.run != nil {
				one = k.job(ctx, w)
			}
		case one.run = <-one.begun:
			one.begun = nil
		case <-one.over():
			k.over(one.of, one.run.Err())
			one.stop()
			one = &job{}
		}
	}
}

// job is a run that is being begun, or works.
type job struct {
	of     *running
	cancel context.CancelFunc // nil: there is none
	begun  chan Run           // tells the run when it works, nil when it can't
	run    Run
}

func (k *Class) job(ctx context.Context, w wish) *job {
	ctx, cancel := context.WithTimeout(ctx, startTime+w.run.setting.Lasts)
	j := &job{of: w.run, cancel: cancel, begun: make(chan Run, 1)}
	go func(to chan<- Run) { to <- k.begin(ctx, w) }(j.begun)
	return j
}

// over is closed when the run has ended by itself.
func (j *job) over() <-chan struct{} {
	if j.run == nil {
		return nil
	}
	return j.run.Over()
}

// stop returns when nothing of it is left.
func (j *job) stop() {
	if j.cancel == nil {
		return
	}
	j.cancel()
	if j.begun != nil {
		j.run = <-j.begun
	}
	if j.run != nil {
		<-j.run.Over()
	}
}

// startTime is how long a run may take to begin: a compiler may be at work.
const startTime = time.Minute

// begin starts a run; nil where it can't be.
func (k *Class) begin(ctx context.Context, w wish) Run {
	r, err := w.step.Begin(ctx, w.run.setting)
	k.mu.Lock()
	if k.now == w.run {
		if err != nil {
			k.now, k.stage = nil, Predict
			if ctx.Err() == nil {
				k.err = fmt.Sprintf("%s did not begin: %v", strings.ToUpper(w.step.Key), err)
			}
		} else {
			w.run.run, w.run.began = r, time.Now()
		}
	}
	k.mu.Unlock()
	k.changed()
	if err != nil {
		return nil
	}
	return r
}

// over notes that a run ended by itself.
func (k *Class) over(now *running, err error) {
	k.mu.Lock()
	if k.now == now {
		k.keep(now.run.Read())
		k.now = nil
		k.ended = fmt.Sprintf("ended by itself after %v", now.setting.Lasts)
		if err != nil {
			k.err = fmt.Sprintf("%s ended too soon: %v: all of it has been stopped", strings.ToUpper(now.step.Key), err)
			k.ended = ""
		}
		if k.stage == Running { // before it was measured
			k.stage = Predict
		}
	}
	k.mu.Unlock()
	k.changed()
}

// Do does what the teacher wants. It does not block.
func (k *Class) Do(a Act) {
	k.mu.Lock()
	k.do(a)
	k.mu.Unlock()
	k.changed()
}

func (k *Class) do(a Act) {
	switch a.Do {
	case Begin:
		if at, ok := k.find(a.Key); ok {
			k.start(at)
		}
	case Stop:
		k.stop()
		if k.stage == Running {
			k.stage = Predict
		}
	case More:
		k.workers(1)
	case Less:
		k.workers(-1)
	case Next:
		k.next()
	case Back:
		k.back()
	case Skip:
		if k.at+1 < len(k.places) {
			k.stop()
			k.at++
			k.stage, k.ended, k.err = Predict, "", ""
		}
	case Vote:
		v := k.votes[k.asked()]
		switch a.Key {
		case "f":
			v.F++
		case "s":
			v.S++
		case "=":
			v.Same++
		}
		k.votes[k.asked()] = v
	case Say:
		k.votes[k.asked()] = parseVotes(a.Text)
	}
}

// find is the step that a key runs: of this lesson, else the first with it.
func (k *Class) find(key string) (int, bool) {
	first := -1
	for i, p := range k.places {
		if k.lessons[p.lesson].Steps[p.step].Key != key {
			continue
		}
		if p.lesson == k.places[k.at].lesson {
			return i, true
		}
		if first < 0 {
			first = i
		}
	}
	return first, first >= 0
}

func (k *Class) step(at int) *Step {
	p := k.places[at]
	return &k.lessons[p.lesson].Steps[p.step]
}

// asked is the step whose question stands there.
func (k *Class) asked() int {
	if k.stage == Point && k.at+1 < len(k.places) {
		return k.at + 1
	}
	return k.at
}

// start runs a step.
func (k *Class) start(at int) {
	k.at, k.stage, k.ended, k.err = at, Running, "", ""
	step := k.step(at)
	k.now = &running{step: step, at: k.places[at], setting: k.setting, cores: map[int]string{}}
	if step.Lasts > 0 {
		k.now.setting.Lasts = step.Lasts
	}
	k.wish(wish{k.now, step})
}

func (k *Class) wish(w wish) {
	select {
	case <-k.wishes:
	default:
	}
	k.wishes <- w
}

func (k *Class) stop() {
	if k.now == nil {
		return
	}
	if k.now.run != nil {
		k.keep(k.now.run.Read())
	}
	k.now, k.ended = nil, "stopped"
	k.wish(wish{})
}

func (k *Class) next() {
	switch {
	case k.stage == Predict:
		k.start(k.at)
	case k.stage == Seen:
		k.stage = Point
	case k.stage == Point && k.at+1 < len(k.places):
		k.start(k.at + 1)
	}
}

// back goes to the question of this step, then to that of the one before.
func (k *Class) back() {
	k.stop()
	if k.stage == Predict && k.at > 0 {
		k.at--
	}
	k.stage, k.ended, k.err = Predict, "", ""
}

// workers changes how many there are. What was measured with another number
// does not compare any more.
func (k *Class) workers(by int) {
	to := min(max(k.setting.Workers+by, 1), MaxWorkers)
	if to == k.setting.Workers {
		return
	}
	k.setting.Workers = to
	for at, row := range k.rows {
		s := &k.lessons[at.lesson].Steps[at.step]
		if p, t := s.Shape(k.setting); p != row.Processes || t != row.Threads {
			delete(k.rows, at)
			delete(k.seen, at)
		}
	}
	if k.now != nil {
		if p, t := k.now.step.Shape(k.setting); p != k.now.processes() || t != k.now.threads() {
			k.start(k.at)
		}
	}
}

// parseVotes reads "f 14 s 9 = 3"; other words are kept as they are.
func parseVotes(text string) Votes {
	text = strings.TrimSpace(text)
	words := strings.Fields(strings.NewReplacer("=", " = ", ",", " ", ":", " ").Replace(text))
	var v Votes
	for i := 0; i+1 < len(words); i += 2 {
		n, err := strconv.Atoi(words[i+1])
		if err != nil || n < 0 {
			return Votes{Text: text}
		}
		switch words[i] {
		case "f":
			v.F = n
		case "s":
			v.S = n
		case "=":
			v.Same = n
		default:
			return Votes{Text: text}
		}
	}
	if len(words)%2 == 1 {
		return Votes{Text: text}
	}
	return v
}

// Take measures what runs by a new snapshot.
func (k *Class) Take(s *fleet.Snapshot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == nil || k.now.run == nil || len(s.Hosts) == 0 {
		return
	}
	r := k.now.run.Read()
	if k.now.take(&s.Hosts[0], r, time.Since(k.now.began)) {
		k.keep(r)
		if k.stage == Running && k.now.samples >= enough {
			k.stage = Seen
		}
	}
}

// keep puts what has been measured by now into the table.
func (k *Class) keep(r Reading) {
	n := k.now
	if len(r.Said) > 0 {
		k.said[n.at] = r.Said
	}
	if n.samples < enough {
		return
	}
	row := n.row()
	k.rows[n.at] = row
	k.seen[n.at] = Measured{Setting: n.setting, Row: row, Others: n.mean(n.others), Moved: n.moved, Looks: n.looks, Said: r.Said}
}
