package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"capmon/agents"
	"capmon/capacity"
	"capmon/collectors"
	"capmon/demo/lessons"
	"capmon/demo/users"
	"capmon/fleet"
	"capmon/sample"
)

// classFlags are those of `capmon demo` itself: the classroom.
type classFlags struct {
	screen   screenFlags
	lang     string
	workers  int
	lasts    time.Duration
	headless bool
	json     bool
}

// headlessRun is how long a run takes where nobody watches.
const headlessRun = 6 * time.Second

func (f *classFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.lang, "lang", lessons.Go.String(), "lessons 1 to 3 run programs in go, node or rust (rustc)")
	complete(cmd, "lang", lessons.Langs()...)
	fs.IntVar(&f.workers, "workers", 0, fmt.Sprintf("processes and threads of the runs, 1 to %d (default: up to four, one core left free, two at least)", lessons.MaxWorkers))
	fs.DurationVar(&f.lasts, "for", 0, "a run stops by itself after that (default 1m, headless 6s)")
	fs.BoolVar(&f.headless, "headless", false, "without a screen: run A to D one after the other and print what was measured")
	fs.BoolVar(&f.json, "json", false, "with --headless: print what was measured as one JSON object")
	for _, name := range []string{"lang", "workers", "for", "headless", "json"} {
		onlyOnCommandLine(cmd, name)
	}
	f.screen.add(cmd)
}

func (f *classFlags) run(cmd *cobra.Command, args []string) error {
	if err := onlyFlags(cmd, args); err != nil {
		return err
	}
	if err := settle(cmd); err != nil {
		return err
	}
	given := cmd.Flags().Changed
	lang, err := lessons.ParseLang(f.lang)
	switch {
	case err != nil:
		return usagef("--lang %s: %w", f.lang, err)
	case given("workers") && (f.workers < 1 || f.workers > lessons.MaxWorkers):
		return usagef("--workers %d: want 1 to %d", f.workers, lessons.MaxWorkers)
	case f.json && !f.headless:
		return usagef("--json goes with --headless")
	case given("for") && (f.lasts < lessons.LeastTime || f.lasts > time.Hour):
		return usagef("--for %v: want %v to 1h", f.lasts, lessons.LeastTime)
	case !given("for") && f.headless:
		f.lasts = headlessRun
	}
	log, closeLog, err := openLog(f.screen.log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeLog()
	cores, from := collectors.Usable(collectors.Config{})
	config := lessons.Config{
		Lessons: lessons.Three(), Cores: cores, Quota: from == sample.Bound_BOUND_QUOTA, Lang: lang, Workers: f.workers, Lasts: f.lasts,
	}
	if f.headless {
		return f.tell(cmd, config, log)
	}
	stories := &classStories{}
	config.Lessons = append(config.Lessons, users.Lesson(users.Config{Version: version()}, kindsPicture), stories.lesson())
	f.screen.stage = stories
	return f.show(cmd, config, log)
}

// show holds the class on the dashboard, which begins with its screen.
func (f *classFlags) show(cmd *cobra.Command, config lessons.Config, log *slog.Logger) error {
	if !cmd.Flags().Changed("events") {
		f.screen.alerts.events = "off" // a busy loop that was asked for is no event of this machine
	}
	in := newScreenFeed(fleet.Config{})
	in.tape.replayed = true
	config.Changed = func() { wake(in.asked) }
	class := lessons.New(config)
	f.screen.class = class
	local, err := newLocalAgent(samplingFlags{interval: time.Second, kernelAfter: frameFirst}, nil, log)
	if err != nil {
		return err
	}
	return f.screen.show(cmd.Context(), in, "this machine", "", func(ctx context.Context, ready func(*agents.Viewer)) error {
		held := make(chan error, 1)
		go func() { held <- class.Run(ctx) }()
		v := agents.NewViewer(agents.ViewerOptions{Sink: in, Log: log})
		ready(v)
		err := runLocal(ctx, v, only(local))
		<-held
		return err
	})
}

// tell runs every step once and prints what was measured.
func (f *classFlags) tell(cmd *cobra.Command, config lessons.Config, log *slog.Logger) error {
	in := newFeed(fleet.Config{})
	class := lessons.New(config)
	local, err := newLocalAgent(samplingFlags{interval: time.Second}, nil, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	ended := make(chan error, 2)
	go func() { ended <- class.Run(ctx) }()
	go func() {
		ended <- runLocal(ctx, agents.NewViewer(agents.ViewerOptions{Sink: in, Log: log}), only(local))
	}()
	s, err := f.lessons(ctx, class, in, cmd.ErrOrStderr())
	cancel()
	for range 2 {
		if e := <-ended; err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	if f.json {
		return classJSON(cmd.OutOrStdout(), s)
	}
	return classText(cmd.OutOrStdout(), s)
}

// lessons runs the steps in order and returns the last state. It takes a
// snapshot whenever something arrives.
func (f *classFlags) lessons(ctx context.Context, class *lessons.Class, in *feed, notes io.Writer) (*lessons.State, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go in.publish(ctx, func(s fleet.Snapshot) { class.Take(&s) }, nil)
	s := class.State()
	if s.LangNote != "" {
		fmt.Fprintln(notes, "capmon: "+s.LangNote)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for _, r := range s.Rows {
		class.Do(lessons.Act{Do: lessons.Begin, Key: r.Key})
		for s = class.State(); s.Running || s.Starting != ""; s = class.State() {
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("interrupted before all had run")
			case <-tick.C:
			}
		}
		say := func(text string) { fmt.Fprintf(notes, "capmon: %s: %s\n", strings.ToUpper(r.Key), text) }
		switch {
		case s.Error != "":
			return nil, fmt.Errorf("lessons: %s", s.Error)
		case s.Stage < lessons.Seen:
			say("over before it was measured: ask for more with --for, and stop what else runs here")
		case s.Others != "":
			say(s.Others)
		}
	}
	return s, nil
}

// classText prints the table for people.
func classText(w io.Writer, s *lessons.State) error {
	fmt.Fprintf(w, "%s cores, programs in %s, nice %d, %v each\n", number(capacity.Known(s.Setting.Cores), 2), s.Setting.Lang, s.Setting.Nice, s.Setting.Lasts)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\t\tPROCESSES\tTHREADS\tCORES\tONE PROCESS\tTOGETHER\tMACHINE\tWORK/s\tSPEED-UP\t")
	for _, r := range s.Rows {
		work := "?"
		if r.Work.OK {
			work = si(r.Work.V)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s%%\t%s%%\t%s%%\t%s\t×%s\t\n", strings.ToUpper(r.Key), r.Name, r.Processes, r.Threads, number(r.Cores, 2),
			number(times100(r.One), 0), number(times100(r.Cores), 0), number(times100(r.Share), 0), work, number(r.Speed, 2))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// number is n with so many decimals at most, ? where it is not known.
func number(n capacity.Num, decimals int) string {
	if !n.OK {
		return "?"
	}
	return fmt.Sprintf("%.*f", decimals, n.V)
}

func times100(n capacity.Num) capacity.Num { n.V *= 100; return n }

// classJSON prints the same as one object.
func classJSON(w io.Writer, s *lessons.State) error {
	type row struct {
		Run         string   `json:"run"`
		Name        string   `json:"name"`
		Processes   int      `json:"processes"`
		Threads     int      `json:"threads_each"`
		Samples     int      `json:"samples"`
		Cores       *float64 `json:"cores_used"`
		One         *float64 `json:"cores_of_busiest_process"`
		Least       *float64 `json:"cores_of_idlest_process"`
		BusyThreads *int     `json:"busy_threads_of_one_process"` // of the five that the agent names; null: none is among them
		Share       *float64 `json:"machine"`
		Work        *float64 `json:"loops_per_s"`
		Speed       *float64 `json:"speed_up"`
	}
	out := struct {
		Schema  string  `json:"schema"`
		Cores   float64 `json:"cores"`
		Quota   bool    `json:"quota"`
		Lang    string  `json:"lang"`
		Nice    int     `json:"nice"`
		Workers int     `json:"workers"`
		Seconds float64 `json:"seconds_each"`
		Rows    []row   `json:"rows"`
	}{Schema: "capmon.lessons/1", Cores: s.Setting.Cores, Quota: s.Setting.Quota, Lang: s.Setting.Lang.String(), Nice: s.Setting.Nice, Workers: s.Setting.Workers, Seconds: s.Setting.Lasts.Seconds()}
	known := func(n capacity.Num) *float64 {
		if !n.OK {
			return nil
		}
		v := math.Round(n.V*1000) / 1000
		return &v
	}
	for _, r := range s.Rows {
		var busy *int
		if r.Busy > 0 {
			busy = &r.Busy
		}
		out.Rows = append(out.Rows, row{
			Run: strings.ToUpper(r.Key), Name: r.Name, Processes: r.Processes, Threads: r.Threads, Samples: r.Samples, Cores: known(r.Cores),
			One: known(r.One), Least: known(r.Least), BusyThreads: busy, Share: known(r.Share), Work: known(r.Work), Speed: known(r.Speed),
		})
	}
	return json.NewEncoder(w).Encode(out)
}
