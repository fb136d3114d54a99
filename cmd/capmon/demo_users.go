package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"capmon/capacity"
	"capmon/collectors"
	"capmon/demo/lessons"
	"capmon/demo/users"
	"capmon/sample"
)

type usersFlags struct {
	lesson   users.Config
	screen   screenFlags
	length   time.Duration
	headless bool
	json     bool
}

func newDemoUsers() *cobra.Command {
	var f usersFlags
	cmd := &cobra.Command{
		Use:   "users",
		Short: "The same users before one thread, a cluster of workers and many threads",
		Long: "Three kinds of server, one after the other, with the same users: one thread; processes of\n" +
			"one thread each that share a port, as a cluster module makes them; many threads in one\n" +
			"process. Servers and users are processes of this machine with real HTTP between them and\n" +
			"real work for each request, at nice 10 and 5. Each server is read by an agent of its own as\n" +
			"a machine with the cores of this one; what capmon says of it is printed, and what a bigger\n" +
			"machine or a second server would bring, by the law of scaling where three numbers of\n" +
			"threads with a core each could be measured. The users take a few hundredths of a core from\n" +
			"the servers; it is counted and said.",
		Example: "  capmon demo users                      on the screen: enter goes on, a to d run\n" +
			"  capmon demo users --headless --for 30s\n" +
			"  capmon demo users --headless --for 1m --json --workers 4",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUsers(cmd, &f) },
	}
	fs := cmd.Flags()
	fs.IntVar(&f.lesson.Workers, "workers", 0, "workers of the cluster, and of the many threads; 0: one for each core, two at least")
	fs.IntVar(&f.lesson.Users, "users", 0, "users that ask, wait for the answer and think; 0: as many as ask a tenth more than all workers can do")
	fs.DurationVar(&f.lesson.Think, "think", users.DefaultThink, "mean time between an answer and the next request of a user")
	fs.DurationVar(&f.lesson.Work, "work", users.DefaultWork, "of one thread for a request, on an idle core")
	fs.IntVar(&f.lesson.Loops, "loops", 0, "loops of work for a request, instead of --work")
	fs.Float64Var(&f.lesson.Target, "target", users.DefaultTarget, "utilisation that servers are to run at")
	fs.IntVar(&f.lesson.Port, "port", 0, "port of the servers on 127.0.0.1; 0: any that is free")
	fs.DurationVar(&f.length, "for", 0, "a run stops by itself after that (default 1m); headless: all of it, a quarter for other numbers of threads (default 40s)")
	fs.Uint64Var(&f.lesson.Seed, "seed", 1, "the same seed lets users think equally long")
	fs.BoolVar(&f.headless, "headless", false, "without a screen: one after the other, and print what was measured")
	fs.BoolVar(&f.json, "json", false, "with --headless: print what happened as one JSON object")
	for _, name := range []string{"workers", "users", "think", "work", "loops", "port", "for", "seed", "headless", "json"} {
		onlyOnCommandLine(cmd, name) // a file has others by these names
	}
	f.screen.add(cmd)
	return cmd
}

const (
	classUsersFor    = time.Minute // of each run where a class looks on
	headlessUsersFor = 40 * time.Second

	leastLesson = 8 * time.Second
	leastStep   = 2500 * time.Millisecond
)

func runUsers(cmd *cobra.Command, f *usersFlags) error {
	if err := settle(cmd); err != nil {
		return err
	}
	c := &f.lesson
	if !cmd.Flags().Changed("for") {
		f.length = classUsersFor
		if f.headless {
			f.length = headlessUsersFor
		}
	}
	switch {
	case f.json && !f.headless:
		return usagef("--json goes with --headless")
	case f.headless && (f.length < leastLesson || f.length > time.Hour):
		return usagef("--for %v: want %v to 1h", f.length, leastLesson)
	case !f.headless && (f.length < lessons.LeastTime || f.length > time.Hour):
		return usagef("--for %v: want %v to 1h", f.length, lessons.LeastTime)
	case !f.headless && c.Workers > lessons.MaxWorkers:
		return usagef("--workers %d: the classroom shows up to %d; --headless takes %d", c.Workers, lessons.MaxWorkers, users.MaxWorkers)
	case cmd.Flags().Changed("target") && !(c.Target > 0):
		return usagef("--target %v: want more than 0 and at most 1", c.Target)
	}
	c.Each = f.length // where a class looks on it is that of each run
	if f.headless {
		f.share()
	}
	c.Version = version()
	if err := c.Check(); err != nil {
		return usageError{err}
	}
	if !f.headless {
		return f.show(cmd)
	}
	out := cmd.OutOrStdout()
	if !f.json {
		c.Say = sayUsers(out)
	}
	r, err := users.Run(cmd.Context(), *c)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(out).Encode(struct {
			Schema string `json:"schema"`
			users.Result
		}{"capmon.users/1", r})
	}
	tellUsers(out, &r)
	return nil
}

// share gives each part of a run without a screen its time.
func (f *usersFlags) share() {
	c := &f.lesson
	c.More = f.length / 4
	c.Each = (f.length - c.More) / time.Duration(users.Kinds)
	c.Step = max(min(c.More, 5*time.Second), leastStep)
	if c.More < c.Step {
		c.More, c.Each = 0, f.length/time.Duration(users.Kinds)
	}
}

// show holds the lesson as a class of its own.
func (f *usersFlags) show(cmd *cobra.Command) error {
	log, closeLog, err := openLog(f.screen.log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeLog()
	cores, from := collectors.Usable(collectors.Config{})
	config := lessons.Config{
		Lessons: []lessons.Lesson{users.Lesson(f.lesson, kindsPicture)}, Cores: cores, Quota: from == sample.Bound_BOUND_QUOTA,
		Workers: f.lesson.Workers, Lasts: f.length,
	}
	if config.Workers == 0 {
		config.Workers = min(max(int(cores), 2), lessons.MaxWorkers)
	}
	class := classFlags{screen: f.screen}
	return class.show(cmd, config, log)
}

// sayUsers prints each fifth second.
func sayUsers(out io.Writer) func(users.Result) {
	next := 5.0
	return func(r users.Result) {
		if r.After < next {
			return
		}
		next += 5
		for _, list := range [][]users.Server{r.Servers, r.Steps} {
			for i := range list {
				if s := &list[i]; !s.Done && s.Asked > 0 {
					fmt.Fprintf(out, "%4s  %-12s served %s/s of %s asked, %s cores\n", capacity.Span(r.After), r.Doing,
						perSecond(s.ServedPerSecond), perSecond(s.AskedPerSecond), decimal(s.CoresUsed))
				}
			}
		}
	}
}

// many is a number of things in words.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + more
}

func decimal(v *float64) string {
	if v == nil {
		return "?"
	}
	return capacity.Decimal(*v, 2)
}

func perSecond(v *float64) string {
	if v == nil {
		return "?"
	}
	return capacity.Count(*v)
}

func span(v *float64) string {
	if v == nil {
		return "?"
	}
	return capacity.Span(*v)
}

// tellUsers prints what was seen of each kind, then what follows.
func tellUsers(out io.Writer, r *users.Result) {
	for _, n := range r.Notes {
		fmt.Fprintln(out, "note: "+n)
	}
	fmt.Fprintf(out, "%s users who would ask %s times a second, %s of work each, %s\n", count(r.Users), capacity.Count(r.Wanted),
		capacity.Span(r.Work), many(r.Cores, "core", "cores"))
	for i := range r.Servers {
		tellServer(out, r, &r.Servers[i])
	}
	l := &r.Law
	for _, text := range []string{l.Formula, l.Few, l.Lacks, l.Over} {
		if text != "" {
			fmt.Fprintln(out, "law of scaling: "+text)
		}
	}
	fmt.Fprintf(out, "asked %s = served %s + refused %s + left %s\n", count(r.Asked), count(r.Served), count(r.Refused), count(r.Left))
}

func tellServer(out io.Writer, r *users.Result, s *users.Server) {
	var each []string
	for _, v := range s.ProcessCores {
		each = append(each, capacity.Percent(v))
	}
	fmt.Fprintf(out, "\n%s: %s of %s\n", s.Kind, many(s.Processes, "process", "processes"), many(s.Threads, "thread", "threads"))
	fmt.Fprintf(out, "  served %s/s of %s asked; half within %s, 99%% within %s\n", perSecond(s.ServedPerSecond), perSecond(s.AskedPerSecond), span(s.P50), span(s.P99))
	fmt.Fprintf(out, "  %s cores used; its processes show %s; the users took %s cores\n", decimal(s.CoresUsed), strings.Join(each, " "), decimal(s.UsersCores))
	if v := s.Verdict; v != nil {
		says := v.Word
		if v.Do != "" {
			says += ". " + v.Do
		}
		fmt.Fprintln(out, "  capmon says: "+says)
		if v.Evidence != "" {
			fmt.Fprintf(out, "    %s; %s\n", v.Evidence, v.Helps)
		}
	} else {
		fmt.Fprintf(out, "  capmon says: ? %s\n", s.Unwatched)
	}
	if s.Disturbed != "" {
		fmt.Fprintln(out, "  ! "+s.Disturbed)
	}
	f := s.Forecast
	if f == nil {
		return
	}
	most := ""
	if f.AtMost {
		most = "at most "
	}
	fmt.Fprintf(out, "  to serve them all at %s: %s%s; %s of %s idle\n", capacity.Percent(r.Target), most, many(f.Servers, "server", "servers"),
		capacity.Amount(f.IdleCores), many(f.Cores, "core", "cores"))
	for _, c := range []struct {
		unit string
		users.Change
	}{{"cores", f.Vertical}, {"servers", f.Horizontal}} {
		about := "about " + perSecond(c.Then) + "/s"
		switch {
		case c.Then == nil:
			about = "?"
		case c.AtMost:
			about = "at most " + perSecond(c.Then) + "/s"
		case *c.Then == c.RPS:
			about = "the same"
		}
		fmt.Fprintf(out, "  %d → %d %s: %s/s → %s (%s)\n", c.From, c.To, c.unit, capacity.Count(c.RPS), about, c.Trust)
	}
}
