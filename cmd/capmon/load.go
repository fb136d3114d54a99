package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"capmon/capacity"
	"capmon/collectors"
	"capmon/demo/load"
	"capmon/sample"
)

// loadFlags are those of `capmon load`.
type loadFlags struct {
	threads, processes, nice int
	duty                     float64
	lock                     string
	lasts                    time.Duration
	pin, json                bool
}

func newLoad() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Keep cores busy and count the work that is done",
		Long: "Runs busy loops and prints how many loops a second they do: a loop is always the same\n" +
			"100 steps of integer arithmetic, so the numbers of two runs compare. Without a number\n" +
			"it leaves one core free of those that this machine or container may use.\n\n" +
			"It stops after --for, on Ctrl-C, and when what started it ends; nothing of it stays.\n\n" +
			"With --lock the threads of a process share one lock, and every loop needs it: all their\n" +
			"cores are busy, and no more gets done than by one thread, with several threads less. That\n" +
			"lock spins. --lock=sleep waits in the kernel, as most programs do: no more gets done\n" +
			"either, and cores stay idle.",
		Example: "  one thread, then as many processes, then one process with as many threads:\n" +
			"  capmon load --threads 1\n" +
			"  capmon load --processes 4\n" +
			"  capmon load --threads 4\n\n" +
			"  the same four threads with one lock:\n" +
			"  capmon load --threads 4 --lock",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	fs.IntVar(&f.threads, "threads", 0, fmt.Sprintf("busy threads, of each process, 1 to %d (default: one fewer than there are cores; 1 with --processes)", load.MaxThreads))
	fs.IntVar(&f.processes, "processes", 0, fmt.Sprintf("that many processes, 1 to %d, with the threads in them (default: the threads are this process's own)", load.MaxProcesses))
	fs.Float64Var(&f.duty, "duty", 100, "percent of the time that each thread is busy, 0 to 100, by periods of 10 ms")
	fs.StringVar(&f.lock, "lock", load.NoLock.String(), "the threads of a process share one lock, which waits by spin or sleep")
	fs.Lookup("lock").NoOptDefVal = load.Spin.String()
	fs.DurationVar(&f.lasts, "for", time.Minute, "stop after that")
	fs.IntVar(&f.nice, "nice", 10, "how far the load stands back for others, -20 to 19, 19 being the nicest; less than 0 takes root")
	fs.BoolVar(&f.pin, "pin", false, "keep each thread on one core, in turn (Linux, Windows)")
	fs.BoolVar(&f.json, "json", false, "print what was done as one object")
	complete(cmd, "lock", load.Spin.String(), load.Sleep.String(), load.NoLock.String())
	for _, name := range []string{"threads", "processes", "duty", "lock", "for", "nice", "pin", "json"} {
		onlyOnCommandLine(cmd, name)
	}
	return cmd
}

func (f *loadFlags) run(cmd *cobra.Command) error {
	stderr := cmd.ErrOrStderr()
	spec, notes, err := f.spec(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	for _, note := range notes {
		fmt.Fprintf(stderr, "capmon: %s\n", note)
	}
	ctx, cancel := load.WhileParent(cmd.Context())
	defer cancel()
	load.NameProcess("capmon load")
	r, err := load.Start(ctx, spec)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	watchLoad(r, spec, liveLine(stderr))
	done, err := r.Wait()
	if err != nil {
		return fmt.Errorf("load: %w: all of it has been stopped", err)
	}
	write := loadText
	if f.json {
		write = loadJSON
	}
	if err := write(cmd.OutOrStdout(), spec, done); err != nil {
		return fmt.Errorf("write what was done: %w", err)
	}
	return nil
}

// spec is what the flags ask for, and what the user should know about it.
// Errors are usage errors.
func (f *loadFlags) spec(given func(string) bool) (load.Spec, []string, error) {
	s := load.Spec{Processes: f.processes, Threads: f.threads, Duty: f.duty / 100, For: f.lasts, Nice: f.nice, Pin: f.pin}
	var notes []string
	var err error
	switch s.Lock, err = load.ParseLock(f.lock); {
	case err != nil:
		return s, nil, usagef("--lock=%s: %w", f.lock, err)
	case given("processes") && s.Processes < 1:
		return s, nil, usagef("--processes %d: want 1 to %d", s.Processes, load.MaxProcesses)
	case given("threads") && s.Threads < 1:
		return s, nil, usagef("--threads %d: want 1 to %d", s.Threads, load.MaxThreads)
	case s.Lock != load.NoLock && given("processes") && s.Threads < 2:
		return s, nil, usagef("--lock is shared by the threads of one process: say --threads, 2 or more")
	}
	cores, from := collectors.Usable(collectors.Config{})
	switch {
	case given("threads"):
	case given("processes"):
		s.Threads = 1
	default:
		s.Threads = load.LeavesOne(cores)
		if s.Lock != load.NoLock {
			s.Threads = max(2, s.Threads)
		}
	}
	if note := roomNote(s, cores, from); note != "" {
		notes = append(notes, note)
	}
	if s.Pin && load.CanPin() != "" {
		notes = append(notes, "--pin: "+load.CanPin()+": going on without")
	}
	if now := load.NiceNow(); !given("nice") && now > s.Nice {
		s.Nice = now // as nice as it was started
	}
	if err := s.Check(); err != nil {
		return s, nil, usagef("load: %w", err)
	}
	return s, notes, nil
}

// roomNote says what a load will meet on cores: a quota, or no core left free.
func roomNote(s load.Spec, cores float64, from sample.Bound) string {
	need := float64(s.Workers()) * s.Duty
	switch {
	case from == sample.Bound_BOUND_QUOTA && need > cores:
		return fmt.Sprintf("this container may use %.4g cores: its quota holds the load (%s) back", cores, shape(s))
	case from == sample.Bound_BOUND_CPUSET && need >= cores:
		return fmt.Sprintf("this process may use %.4g of the machine's cores: none of them is left free", cores)
	case need > 0 && need >= cores:
		return fmt.Sprintf("this machine has %s: none is left free", plural(int(math.Round(cores)), "core"))
	}
	return ""
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "s") {
		return capacity.Count(float64(n)) + " " + what + "es"
	}
	return capacity.Count(float64(n)) + " " + what + "s"
}

// shape says what a load is made of.
func shape(s load.Spec) string {
	text := plural(s.Threads, "thread")
	if s.Processes > 0 {
		text = plural(s.Processes, "process")
		if s.Threads > 1 {
			text += fmt.Sprintf(" of %d threads", s.Threads)
		}
	}
	if s.Duty < 1 {
		text += fmt.Sprintf(" at %.4g%%", s.Duty*100)
	}
	if s.Lock != load.NoLock {
		text += ", one lock (" + s.Lock.String() + ")"
	}
	return text
}

// watchLoad writes a line each second until r is over.
func watchLoad(r *load.Run, s load.Spec, line func(text string)) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := r.Read()
	for {
		select {
		case <-r.Over():
			line("")
			return
		case <-tick.C:
		}
		now := r.Read()
		last := now.Since(before)
		before = now
		line(fmt.Sprintf("%3.0f s of %v · %s loops/s · %.2f cores used · %s", now.Time().Seconds(), s.For, si(last.PerSecond()), last.CoresUsed(), each(last)))
	}
}

// each is the loops a second of every thread, or their range where they are
// many.
func each(r load.Reading) string {
	const most = 8
	var rates []string
	low, high := math.Inf(1), 0.0
	for _, w := range r.Workers {
		v := w.PerSecond()
		low, high = min(low, v), max(high, v)
		rates = append(rates, si(v))
	}
	if len(rates) > most {
		return fmt.Sprintf("each of %d: %s to %s", len(rates), si(low), si(high))
	}
	return "each: " + strings.Join(rates, " ")
}

// si is a number of at most four digits with its prefix.
func si(v float64) string {
	for _, p := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if v >= p.size*0.9995 {
			return fmt.Sprintf("%.3g%s", v/p.size, p.name)
		}
	}
	return fmt.Sprintf("%.3g", v)
}

// liveLine writes lines on w: in one place on a terminal, which "" clears, and
// one below the other elsewhere.
func liveLine(w io.Writer) func(text string) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(f.Fd()) {
		return func(text string) {
			if text != "" {
				fmt.Fprintln(w, text)
			}
		}
	}
	return func(text string) {
		if width, _, err := term.GetSize(f.Fd()); err == nil {
			letters := []rune(text)
			text = string(letters[:min(len(letters), max(0, width-1))])
		}
		fmt.Fprint(w, "\r\x1b[K"+text)
	}
}

// loadText prints what was done, for people.
func loadText(w io.Writer, s load.Spec, r load.Reading) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s for %.1f s: %s loops/s, %.2f cores used\n", shape(s), r.Time().Seconds(), si(r.PerSecond()), r.CoresUsed())
	const most = 64
	lines := 0
	for _, p := range r.Processes() {
		if s.Processes > 0 && s.Threads > 1 && len(r.Workers) <= most {
			fmt.Fprintf(&b, "  process %d  %s loops/s, %.2f cores used\n", p.Workers[0].PID, si(p.PerSecond()), p.CoresUsed())
		}
		for _, t := range p.Workers {
			if lines++; lines > most {
				continue
			}
			of := fmt.Sprintf("process %d", t.PID)
			if s.Processes == 0 || s.Threads > 1 {
				of = fmt.Sprintf("thread %d", t.Thread)
			}
			if s.Processes > 0 && s.Threads > 1 {
				of = "  " + of
			}
			fmt.Fprintf(&b, "  %s  %s loops/s\n", of, si(t.PerSecond()))
		}
	}
	if lines > most {
		fmt.Fprintf(&b, "  and %d more: see --json\n", lines-most)
	}
	fmt.Fprintf(&b, "a loop is %d steps of integer arithmetic\n", load.Steps)
	_, err := io.WriteString(w, b.String())
	return err
}

// loadJSON prints the same as one object.
func loadJSON(w io.Writer, s load.Spec, r load.Reading) error {
	type worker struct {
		PID       int     `json:"pid"`
		Thread    int     `json:"thread"`
		Loops     uint64  `json:"loops"`
		PerSecond float64 `json:"loops_per_s"`
		CPU       float64 `json:"cpu_s"`
	}
	out := struct {
		Schema    string   `json:"schema"`
		Seconds   float64  `json:"seconds"`
		Processes int      `json:"processes"`
		Threads   int      `json:"threads"`
		Duty      float64  `json:"duty"`
		Lock      string   `json:"lock"`
		Nice      int      `json:"nice"`
		Pinned    bool     `json:"pinned"`
		Steps     int      `json:"steps_per_loop"`
		Loops     uint64   `json:"loops"`
		PerSecond float64  `json:"loops_per_s"`
		CoresUsed float64  `json:"cores_used"`
		Workers   []worker `json:"workers"`
	}{
		Schema: "capmon.load/1", Seconds: r.Time().Seconds(), Processes: max(1, s.Processes), Threads: s.Threads, Duty: s.Duty,
		Lock: s.Lock.String(), Nice: s.Nice, Pinned: s.Pin && load.CanPin() == "", Steps: load.Steps,
		Loops: r.Loops(), PerSecond: r.PerSecond(), CoresUsed: r.CoresUsed(),
	}
	for _, t := range r.Workers {
		out.Workers = append(out.Workers, worker{t.PID, t.Thread, t.Loops, t.PerSecond(), t.CPU.Seconds()})
	}
	return json.NewEncoder(w).Encode(out)
}
