package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"capmon/agents"
	"capmon/capacity"
	"capmon/collectors"
	"capmon/demo/lessons"
	"capmon/fleet"
	"capmon/internal/crash"
	"capmon/internal/small"
	"capmon/ui"
)

// screenFlags are those of every command that owns the terminal.
type screenFlags struct {
	theme  string
	ascii  bool
	mouse  onOff
	export string
	column string
	keys   string
	log    string
	alerts alertFlags
	fleet  string         // which list of hosts it shows; no flag
	class  *lessons.Class // that is held on it; no flag
	stage  stage          // of the demo that made them; nil: there is none; no flag
}

func (f *screenFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.theme, "theme", "", "colours: `name` is dark, light, projector or mono (default: what the terminal says)")
	cmd.Flags().BoolVar(&f.ascii, "ascii", false, "draw with ASCII only (default: when the locale is not UTF-8)")
	complete(cmd, "theme", ui.Themes()...)
	f.mouse = true
	cmd.Flags().Var(&f.mouse, "mouse", "on: clicks and the wheel work; off: the terminal selects text; the key M turns that round")
	complete(cmd, "mouse", "on", "off")
	cmd.Flags().StringVar(&f.column, "columns", "", "columns of the hosts, in order: a `list` of names as the key v shows them (default: as many as fit)")
	cmd.Flags().StringVar(&f.export, "export-dir", ".", "`folder` that the key e writes to")
	addKeys(cmd, &f.keys)
	f.alerts.add(cmd)
	cmd.Flags().StringVar(&f.log, "log", "", "`file` to append a log to")
}

func newDashboard() *cobra.Command {
	var (
		view   viewFlags
		screen screenFlags
	)
	cmd := &cobra.Command{
		Use:     "capmon",
		Version: version(),
		Short:   "The live capacity of a cluster, in a terminal",
		Long: "capmon shows what a fleet of machines does now and what it can still take: per-core\n" +
			"CPU, requests a second, connections, headroom, and how many servers it needs.\n\n" +
			"Without flags it shows this machine. On each machine of a fleet run `capmon agent`.",
		Example: "  capmon                              this machine\n" +
			"  capmon --agents web-1,web-2         a fleet\n" +
			"  capmon --agents dns:///web.internal --per-server 10000 --spare 1\n" +
			"  capmon --pool lb=lb-1 --pool web=dns:///web.internal --edge lb\n" +
			"  capmon snapshot --format json       one reading, for scripts",
		Args:          onlyFlags,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDashboard(cmd, &view, &screen)
		},
	}
	view.add(cmd)
	screen.add(cmd)
	return cmd
}

// frameFirst is how long a screen is left alone with its first frames before
// the agent in this process loads its programs into the kernel.
const frameFirst = 2 * time.Second

func runDashboard(cmd *cobra.Command, view *viewFlags, screen *screenFlags) error {
	if err := view.settle(cmd); err != nil {
		return err
	}
	config, err := view.fleet(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	log, closeLog, err := openLog(screen.log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeLog()
	view.sampling.kernelAfter = frameFirst
	src, err := view.sources(cmd.Context(), log)
	if err != nil {
		return err
	}
	lists, err := view.lists()
	if err != nil {
		return err
	}
	screen.fleet = fleetID(lists)
	in := newScreenFeed(config)
	return screen.show(cmd.Context(), in, src.what, src.warning, func(ctx context.Context, ready func(*agents.Viewer)) error {
		return src.run(ctx, in, log, ready)
	})
}

// needTerminal refuses to draw a screen where there is none.
func needTerminal() error {
	for what, f := range map[string]*os.File{"standard input": os.Stdin, "standard output": os.Stdout} {
		if !term.IsTerminal(f.Fd()) {
			return usagef("%s is not a terminal: the dashboard needs one; `capmon snapshot` prints one reading as text, JSON or Prometheus text", what)
		}
	}
	return nil
}

// show runs the dashboard on what feeds in, until the user leaves or ctx ends.
func (f *screenFlags) show(ctx context.Context, in *feed, what, warning string, run func(context.Context, func(*agents.Viewer)) error) error {
	rules, err := f.alerts.rules.parsed()
	if err != nil {
		return err
	}
	var viewer atomic.Pointer[agents.Viewer]
	keep := newKeeper(in, what, warning)
	defer keep.close(os.Stdout)
	o := ui.Options{
		Source: what, Warning: warning, Clock: time.Now, Bell: f.alerts.bell, Record: keep.ask,
		Ask: func(a fleet.Ask) {
			in.Ask(a)
			if v := viewer.Load(); v != nil {
				v.Detail(a.Host, agents.DetailOf{Users: a.Users, PID: a.PID})
			}
		},
	}
	if f.class != nil {
		o.Lesson = f.class.Do
	}
	story := func() *ui.Story { return nil }
	if f.stage != nil {
		o.Story, story = f.stage.act, f.stage.story
	}
	return f.draw(ctx, o, func(ctx context.Context, o *ui.Options, show func(ui.Frame)) func() error {
		watch := newAlarm(rules, f.fleet, f.alerts.events)
		o.Alert, o.News = watch.act, watch.news
		return func() error {
			watch.run()
			defer watch.close()
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, viewer.Store) }()
			kept := make(chan struct{})
			go func() {
				defer close(kept)
				keep.run(ctx)
			}()
			in.publish(ctx, func(s fleet.Snapshot) {
				frame := watch.take(s)
				frame.Recording, frame.Lesson, frame.Story = keep.state(), f.lesson(&s), story()
				show(frame)
			}, func(s fleet.Snapshot) {
				watch.behind(s)
				f.lesson(&s)
			})
			<-kept
			return <-ended
		}
	})
}

// lesson is what the class has measured by now; nil where none is held.
func (f *screenFlags) lesson(s *fleet.Snapshot) *lessons.State {
	if f.class == nil {
		return nil
	}
	if s.Live {
		f.class.Take(s)
	}
	return f.class.State()
}

// draw runs the screens until the user leaves or ctx ends. When the screens can
// be drawn, begin adds to o what it has to, and what it returns is run to show
// frames until its context ends.
func (f *screenFlags) draw(ctx context.Context, o ui.Options, begin func(ctx context.Context, o *ui.Options, show func(ui.Frame)) (run func() error)) error {
	if f.theme != "" && !knownTheme(f.theme) {
		return usagef("--theme %q: want one of %v", f.theme, ui.Themes())
	}
	columns, err := ui.ParseColumns(f.column)
	if err != nil {
		return usagef("--columns %q: %w", f.column, err)
	}
	if err := setKeys(f.keys); err != nil {
		return err
	}
	if err := needTerminal(); err != nil {
		return err
	}
	colours, ascii, theme := ui.Detect(os.Getenv, true)
	if f.theme != "" {
		theme = f.theme
	}
	// Where no second process may be started, a screen without its guard is
	// better than none.
	if release, err := crash.Guard(os.Stdout); err == nil {
		defer release()
	}
	ctx, cancel := hungUp(ctx)
	small.Heap()
	go small.Program(ctx)

	frames := make(chan ui.Frame, 1)
	ended := make(chan error, 1)
	cost := newSelfCost(ctx)
	run := begin(ctx, &o, func(f ui.Frame) { latest(frames, cost.frame(ctx, f)) })
	go func() {
		defer cost.meter.Close()
		ended <- run()
	}()
	o.Theme, o.ASCII, o.Colours, o.Mouse, o.Columns = theme, f.ascii || ascii, colours, bool(f.mouse), columns
	o.Export = func(e ui.Export) string { return export(f.export, e) }
	o.Input, o.Output, o.Snapshots = os.Stdin, os.Stdout, frames
	err = ui.Run(ctx, o)
	cancel()
	if e := <-ended; err == nil {
		err = e
	}
	return err
}

// hungUp ends when the terminal is hung up, which needs no guard to put right
// what is left of it. Where a shell said to ignore that, it is ignored.
func hungUp(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

func knownTheme(name string) bool {
	return slices.Contains(ui.Themes(), name)
}

// latest puts a frame where the screen takes it: the latest wins and the writer
// never waits. Only one goroutine writes.
func latest(frames chan ui.Frame, f ui.Frame) {
	select {
	case <-frames:
	default:
	}
	frames <- f
}

// selfCost measures what this process costs, for the header.
type selfCost struct {
	meter    *collectors.SelfMeter
	at       time.Time
	cpu      time.Duration
	share    capacity.Num // of one core, over the last costTime or more
	resident capacity.Num
}

// costTime is the least over which a cost is told: that of a start, or of a few
// quick keys, would frighten and mean nothing.
const costTime = 2 * time.Second

func newSelfCost(ctx context.Context) *selfCost {
	c := &selfCost{meter: collectors.NewSelfMeter(), at: time.Now()}
	c.cpu, _, _ = c.meter.Read(ctx, c.at)
	return c
}

// frame adds what this process costs.
func (c *selfCost) frame(ctx context.Context, f ui.Frame) ui.Frame {
	now := time.Now()
	if d := now.Sub(c.at); d >= costTime {
		c.share, c.resident = capacity.Num{}, capacity.Num{}
		if cpu, rss, err := c.meter.Read(ctx, now); err == nil {
			c.share = capacity.Known((cpu - c.cpu).Seconds() / d.Seconds())
			if rss > 0 {
				c.resident = capacity.Known(float64(rss))
			}
			c.at, c.cpu = now, cpu
		}
	}
	f.SelfCPU, f.SelfRSS = c.share, c.resident
	return f
}
