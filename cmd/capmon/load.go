package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"capmon/demo/load"
)

func newLoad() *cobra.Command {
	var s load.Spec
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Keep cores busy for a while, and count the work done",
		Long: "Busy loops, each a thread of the system, that count pieces of work of about a\n" +
			"millisecond: loops/s compares between runs on one machine. Without a number one core\n" +
			"stays free; a number you give is done. --processes alone: one thread each; with\n" +
			"--threads: so many threads in each. It ends by itself, with Ctrl-C and with its\n" +
			"terminal, and its processes end with it.\n\n" +
			"--lock: the threads of a process share one lock, held for each piece of work, and\n" +
			"wait for it busily. Run it with and without: CPU is the same, every core full, and\n" +
			"the work that of one thread or less.",
		Example: "  capmon load --threads 2 --for 5s\n" +
			"  capmon load --threads 4 --lock        400% and no more done than by one\n" +
			"  capmon load --processes 4 --duty 50   four processes at half a core each",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLoad(cmd, s, asJSON) },
	}
	fs := cmd.Flags()
	fs.IntVar(&s.Threads, "threads", 0, "threads, in each process (default: the cores but one; with --processes 1)")
	fs.IntVar(&s.Processes, "processes", 0, "processes of their own (default: threads of this one)")
	fs.Float64Var(&s.Duty, "duty", 100, "percent of the time that each is busy")
	fs.BoolVar(&s.Lock, "lock", false, "the threads of a process share one lock")
	fs.DurationVar(&s.For, "for", time.Minute, "how long it works before it ends by itself")
	fs.IntVar(&s.Nice, "nice", 10, "how far behind other programs it runs, 0 to 19")
	fs.BoolVar(&s.Pin, "pin", false, "each thread stays on one core (Linux)")
	fs.BoolVar(&asJSON, "json", false, "print the work done as one JSON object")
	return cmd
}

func runLoad(cmd *cobra.Command, s load.Spec, asJSON bool) error {
	if err := settle(cmd); err != nil {
		return err
	}
	given := cmd.Flags().Changed
	if given("processes") && s.Processes < 1 {
		return usagef("processes %d: want 1 to %d", s.Processes, load.MaxProcesses)
	}
	if !given("threads") {
		s.Threads = 1
		if s.Processes == 0 {
			s.Threads = load.FreeCores()
		}
	}
	if err := s.Check(); err != nil {
		return usageError{err}
	}
	errOut := cmd.ErrOrStderr()
	if f, ok := errOut.(*os.File); ok && term.IsTerminal(f.Fd()) {
		s.Live = func(r load.Result) {
			fmt.Fprintf(errOut, "\r\x1b[K%.0fs of %v: %.0f loops/s", r.Seconds, s.For, r.PerSecond())
		}
	}
	r, err := load.Run(cmd.Context(), s)
	if s.Live != nil {
		fmt.Fprint(errOut, "\r\x1b[K")
	}
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
			load.Result
			PerSecond float64 `json:"loops_per_second"`
		}{r, r.PerSecond()})
	}
	return printLoad(cmd.OutOrStdout(), r)
}

// printLoad says what was done in all, by each process and by each thread.
func printLoad(w io.Writer, r load.Result) error {
	_, err := fmt.Fprintf(w, "%.0f loops/s: %d loops in %.1fs\n", r.PerSecond(), r.Loops, r.Seconds)
	for _, p := range r.Processes {
		one := load.Result{Seconds: r.Seconds, Loops: p.Loops()}
		if err == nil {
			_, err = fmt.Fprintf(w, "process %d  %.0f loops/s\n", p.PID, one.PerSecond())
		}
		for i, n := range p.Threads {
			one.Loops = n
			if err == nil && len(p.Threads) > 1 {
				_, err = fmt.Fprintf(w, "  thread %d  %.0f loops/s\n", i+1, one.PerSecond())
			}
		}
	}
	return err
}
