package users

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"capmon/capacity"
	"capmon/demo/lessons"
)

// Picture is the name of the picture that Lesson wants.
const Picture = "kinds"

// class is the lesson while a class has it.
type class struct {
	board   Board
	config  Config // of every run
	picture func(*Result) any
}

// Lesson is the class's lesson of users on three kinds of server. Of config it
// takes who asks for what; picture is what the screen draws of all that was
// measured up to now.
func Lesson(config Config, picture func(*Result) any) lessons.Lesson {
	c := &class{config: config, picture: picture}
	return lessons.Lesson{
		Title: "users on three kinds of server", Picture: Picture,
		Data: func() any {
			r := c.board.Result()
			return picture(&r)
		},
		Steps: []lessons.Step{
			c.step("a", OneThread), c.step("b", Cluster), c.step("c", Threads), c.scaling(),
		},
	}
}

// step is one kind of server.
func (c *class) step(key string, kind Kind) lessons.Step {
	return lessons.Step{
		Key:      key,
		Name:     func(s lessons.Setting) string { return kindName(kind, s) },
		Shape:    func(s lessons.Setting) (int, int) { return kind.shape(s.Workers) },
		Question: func(s lessons.Setting) lessons.Question { return kindQuestion(kind, s) },
		Begin: func(ctx context.Context, s lessons.Setting) (lessons.Run, error) {
			run := c.config
			run.Workers, run.Kinds, run.Each = s.Workers, []Kind{kind}, s.Lasts
			return c.begin(ctx, run)
		},
		Outcome: func(lessons.Measured) string { return c.outcome(kind) },
		Seen:    func(lessons.Measured) string { return c.seen(kind) },
		Point:   func(lessons.Measured) string { return c.point(kind) },
		Look:    func(lessons.Measured) string { return c.look(kind) },
		Notes:   kindNotes[kind],
		Command: func(s lessons.Setting) string {
			return fmt.Sprintf("capmon demo users --headless --workers %d", s.Workers)
		},
		Code: func(lessons.Setting) []string { return nil },
	}
}

func kindName(k Kind, s lessons.Setting) string {
	switch k {
	case Cluster:
		return "cluster of " + strconv.Itoa(s.Workers)
	case Threads:
		return strconv.Itoa(s.Workers) + " threads in one process"
	}
	return k.String()
}

func kindQuestion(k Kind, s lessons.Setting) lessons.Question {
	switch k {
	case Cluster:
		return lessons.Question{
			Text:    fmt.Sprintf("B: the same users, and %d processes of one thread share the port. How many are served, beside A?", s.Workers),
			Options: []lessons.Option{{Key: "f", Text: "more, ×" + strconv.Itoa(min(s.Workers, s.Whole()))}, {Key: "s", Text: "fewer"}, {Key: "=", Text: "the same"}},
		}
	case Threads:
		return lessons.Question{
			Text:    fmt.Sprintf("C: the same users, and one process with %d threads. How many are served, beside B?", s.Workers),
			Options: []lessons.Option{{Key: "f", Text: "more"}, {Key: "s", Text: "fewer"}, {Key: "=", Text: "the same"}},
		}
	}
	return lessons.Question{
		Text:    fmt.Sprintf("A: users ask more than %d threads can serve, and this server has one. How many of them does it serve?", min(s.Workers, s.Whole())),
		Options: []lessons.Option{{Key: "f", Text: "all, more slowly"}, {Key: "s", Text: "what one core can do"}, {Key: "=", Text: "none: it breaks down"}},
	}
}

// Within alike two rates are the same to a class.
const alike = 0.10

// against is how a rate stands beside another: "f" more, "s" fewer, "=" alike;
// "" where one is not known.
func against(a, b *float64) string {
	switch {
	case a == nil || b == nil || !(*b > 0):
		return ""
	case *a > *b*(1+alike):
		return "f"
	case *a < *b*(1-alike):
		return "s"
	}
	return "="
}

func (c *class) outcome(k Kind) string {
	r := c.board.Result()
	if len(r.Servers) == 0 {
		return ""
	}
	s := &r.Servers[k]
	switch {
	case k != OneThread:
		return against(s.ServedPerSecond, r.Servers[k-1].ServedPerSecond)
	case s.ServedPerSecond == nil || s.AskedPerSecond == nil:
		return ""
	case *s.ServedPerSecond == 0:
		return "="
	case *s.ServedPerSecond >= (1-alike)**s.AskedPerSecond:
		return "f"
	}
	return "s"
}

// of is a rate or a number as it is said; ? where it is not known.
func of(v *float64, digits int) string {
	if v == nil {
		return "?"
	}
	return capacity.Decimal(*v, digits)
}

func (c *class) seen(k Kind) string {
	r := c.board.Result()
	if len(r.Servers) == 0 {
		return ""
	}
	s := &r.Servers[k]
	text := fmt.Sprintf("%s/s served of %s asked, %s cores used", of(s.ServedPerSecond, 0), of(s.AskedPerSecond, 0), of(s.CoresUsed, 2))
	if a := r.Servers[OneThread].ServedPerSecond; k != OneThread && a != nil && s.ServedPerSecond != nil && *a > 0 {
		text += ", ×" + capacity.Decimal(*s.ServedPerSecond / *a, 2) + " of A"
	}
	switch v := s.Verdict; {
	case s.Unwatched != "":
		return text + "; capmon says nothing here: " + s.Unwatched
	case v == nil:
		return text + "; capmon looks on before it says what is full"
	default:
		return text + "; capmon says " + v.Word
	}
}

func (c *class) point(k Kind) string {
	r := c.board.Result()
	if len(r.Servers) == 0 {
		return ""
	}
	s := &r.Servers[k]
	f := s.Forecast
	switch {
	case s.Disturbed != "":
		return "Other programs had the cores that it needed, so this is no picture of the server. capmon counts that as waiting: a thread that waits for a core is as full as one that runs. Run it again on a quiet machine."
	case k == OneThread && r.Cores < 2:
		return "With one core the machine is as full as its thread. Run it where there are more cores: there it would be full at a share of the machine."
	case k == OneThread:
		share := "a share"
		if s.CoresUsed != nil {
			share = capacity.Percent(*s.CoresUsed / float64(r.Cores))
		}
		return fmt.Sprintf("CPU %s looks healthy. One thread is full: look at the busiest thread, not at the mean. A bigger machine brings nothing, a second server twice as much.", share)
	case f == nil || f.AtMost:
		return "It was not full: more users would show what it can serve. Until then nobody can say what more cores would bring."
	case k == Cluster:
		return fmt.Sprintf("Now the machine is full, and evenly. Each worker has a queue of its own: users of a slow one wait while another idles. More cores: %s.", f.Vertical.says())
	}
	return fmt.Sprintf("One queue for all threads: nobody waits while one idles, and one crash takes all. Where threads share a lock they would stand in line: D shows whether they do. More cores: %s.", f.Vertical.says())
}

// says is the change in a few words.
func (c *Change) says() string {
	if c.Then == nil {
		return "? " + c.Trust
	}
	about := "about "
	if c.AtMost {
		about = "at most "
	}
	return fmt.Sprintf("%d → %d give %s%s/s", c.From, c.To, about, capacity.Count(*c.Then))
}

func (c *class) look(k Kind) string {
	r := c.board.Result()
	if len(r.Servers) == 0 {
		return ""
	}
	s := &r.Servers[k]
	if s.Disturbed != "" {
		return s.Disturbed + "."
	}
	if s.P50 == nil || s.P99 == nil || s.UsersCores == nil {
		return ""
	}
	return fmt.Sprintf("half of the answers within %s, 99%% within %s; the users took %s cores of the same machine.", capacity.Span(*s.P50), capacity.Span(*s.P99), capacity.Decimal(*s.UsersCores, 2))
}

var kindNotes = [Kinds][]string{
	OneThread: {
		"The users wait for an answer and think for a second, as people do; who finds the queue full is told so at once.",
		"Ask: who would have bought a bigger machine? capmon says THREAD-BOUND after five seconds: it looks at every thread.",
	},
	Cluster: {
		"This is what Node's cluster module, gunicorn's workers or SO_REUSEPORT do: several processes, one port.",
		"Look at what one process shows: each about 100%, and the machine is full. Nothing was changed in the program.",
	},
	Threads: {
		"One process shows more than 100%. Go, Rust, Java and C do this; the work is done by threads of the system.",
		"B and C serve nearly the same. What differs is memory, one queue or several, and what a crash takes with it.",
	},
}

// scaling is the step of other numbers of threads.
func (c *class) scaling() lessons.Step {
	return lessons.Step{
		Key:   "d",
		Name:  func(s lessons.Setting) string { return countsText(s) + " threads in one process" },
		Shape: func(s lessons.Setting) (int, int) { counts := countsFor(s); return 1, counts[len(counts)-1] },
		Question: func(s lessons.Setting) lessons.Question {
			counts := countsFor(s)
			last := counts[len(counts)-1]
			return lessons.Question{
				Text:    fmt.Sprintf("D: one process again, with %s threads. How much does it serve with %d, beside C with %d?", countsText(s), last, s.Workers),
				Options: []lessons.Option{{Key: "f", Text: "more"}, {Key: "s", Text: "less"}, {Key: "=", Text: "the same"}},
			}
		},
		Begin: func(ctx context.Context, s lessons.Setting) (lessons.Run, error) {
			counts := countsFor(s)
			run := c.config
			run.Workers, run.Kinds, run.Each = s.Workers, []Kind{}, s.Lasts
			run.Counts, run.Step = counts, s.Lasts/time.Duration(len(counts))
			return c.begin(ctx, run)
		},
		Outcome: func(m lessons.Measured) string {
			r := c.board.Result()
			counts := countsFor(m.Setting)
			for i := range r.Steps {
				if r.Steps[i].Threads == counts[len(counts)-1] {
					return against(r.Steps[i].ServedPerSecond, r.Servers[Threads].ServedPerSecond)
				}
			}
			return ""
		},
		Seen: func(lessons.Measured) string {
			r := c.board.Result()
			var text strings.Builder
			for _, s := range r.Steps {
				fmt.Fprintf(&text, "%d threads %s/s, %s cores; ", s.Threads, of(s.ServedPerSecond, 0), of(s.CoresUsed, 2))
			}
			if r.Law.Formula != "" {
				return text.String() + "by the law of scaling " + r.Law.Formula
			}
			return text.String() + r.Law.Lacks
		},
		Point: func(lessons.Measured) string {
			r := c.board.Result()
			if r.Law.Fit != nil {
				return "What a thread costs the others is in the law: contention goes one at a time, coherency grows with every pair. It says what more cores would bring, as far as it was measured: " + r.Law.Few
			}
			return "Threads beyond the cores only take turns: they bring nothing, and say nothing of a bigger machine. Without three numbers of threads that have a core each nobody can say more than: twice the cores, at most twice as much."
		},
		Notes: []string{"The law is Gunther's Universal Scalability Law; docs/NUMBERS.md has its formula.", "On a machine with eight cores this step measures 2, 3, 4 and 6 threads, and a curve can be drawn."},
		Command: func(s lessons.Setting) string {
			return fmt.Sprintf("capmon demo users --headless --workers %d --for 2m", s.Workers)
		},
		Code: func(lessons.Setting) []string { return nil },
	}
}

// countsFor are the numbers of threads that a class measures.
func countsFor(s lessons.Setting) []int { return numbers(s.Workers, s.Whole(), 2) }

func countsText(s lessons.Setting) string {
	var text strings.Builder
	for i, n := range countsFor(s) {
		if i > 0 {
			text.WriteString(" and ")
		}
		text.WriteString(strconv.Itoa(n))
	}
	return text.String()
}

// run is a run of a class.
type run struct {
	over chan struct{}

	mu     sync.Mutex
	latest Result
	err    error
	class  *class
	began  time.Time
}

var _ lessons.Run = (*run)(nil)

// begin starts a run that ends with ctx. It returns when its server serves.
func (c *class) begin(ctx context.Context, config Config) (lessons.Run, error) {
	config = c.board.Same(config)
	r := &run{over: make(chan struct{}), class: c, began: time.Now()}
	works := make(chan struct{})
	var once sync.Once
	config.Say = func(now Result) {
		c.board.Take(now)
		r.mu.Lock()
		r.latest = now
		r.mu.Unlock()
		once.Do(func() { close(works) })
	}
	go func() {
		defer close(r.over)
		last, err := Run(ctx, config)
		if err == nil {
			c.board.Take(last)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.err = err
		if err == nil {
			r.latest = last
		}
	}()
	select {
	case <-works:
		return r, nil
	case <-r.over:
		if r.err == nil {
			r.err = context.Cause(ctx)
		}
		return nil, r.err
	}
}

func (r *run) Read() lessons.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := lessons.Reading{
		Time: time.Since(r.began), Work: capacity.Known(float64(r.latest.Served) * float64(r.latest.Loops)),
	}
	for _, list := range [][]Server{r.latest.Servers, r.latest.Steps} {
		for i := range list {
			if s := &list[i]; len(s.PIDs) > 0 {
				// All of a moment: of the last look, not of now.
				out.PIDs, out.CPU, out.Time = s.PIDs, s.CPU, s.At.Sub(r.began)
			}
		}
	}
	board := r.class.board.Result()
	out.Data = r.class.picture(&board)
	return out
}

func (r *run) Over() <-chan struct{} { return r.over }

func (r *run) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
