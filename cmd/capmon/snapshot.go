package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"capmon/fleet"
	"capmon/fleet/report"
)

// formats are what `capmon snapshot --format` can print.
var formats = map[string]func(io.Writer, fleet.Snapshot) error{
	"json": report.JSON,
	"text": report.Text,
	"prom": report.Prom,
}

func newSnapshot() *cobra.Command {
	var (
		f      viewFlags
		format string
		wait   time.Duration
		from   string
		at     string
	)
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Print one reading of the fleet and exit",
		Long: "Prints one reading of the fleet, or of this machine, and exits: 0 if any host answered,\n" +
			"1 if none did, 2 for wrong use. What is not known is null in JSON, ? in text and\n" +
			"absent in Prometheus text. It takes up to 12 s longer where an agent has just begun\n" +
			"to watch a process that may be full, or a counter of requests.",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.settle(cmd); err != nil {
				return err
			}
			write, ok := formats[format]
			if !ok {
				return usagef("--format %q: want json, text or prom", format)
			}
			if wait <= 0 || wait > time.Minute {
				return usagef("--wait %v: want more than 0 and at most 1m", wait)
			}
			var s fleet.Snapshot
			var err error
			if from != "" {
				s, err = f.recorded(cmd, from, at)
			} else if at != "" {
				err = usagef("--at goes with --from FILE: what is now has no other time")
			} else {
				s, err = f.read(cmd, wait)
			}
			if err != nil {
				return err
			}
			if err := write(cmd.OutOrStdout(), s); err != nil {
				return fmt.Errorf("write the snapshot: %w", err)
			}
			if s.Totals.Up+s.Totals.Stale == 0 {
				return errShown
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "`format`: json, text or prom")
	cmd.Flags().DurationVar(&wait, "wait", 3*time.Second, "how long to wait for hosts that do not answer")
	cmd.Flags().StringVar(&from, "from", "", "recording to read instead of agents: a `file` of capmon record")
	cmd.Flags().StringVar(&at, "at", "", "`time` of the recording, as of capmon replay --at (default: its end)")
	complete(cmd, "format", "json", "text", "prom")
	return cmd
}

const (
	// grace is how long a snapshot waits after the last host's first answer for
	// the seconds before it, which follow at once.
	grace = 150 * time.Millisecond
	// findingTime is how long it waits for an agent that watches a process which
	// may be full: five seconds tell that of a thread, ten of one core's worth of
	// work that wanders between threads.
	findingTime = 11 * time.Second
	// rateTime is how long it waits for the rate of a service whose counter was
	// read once.
	rateTime = time.Second
)

// read takes one snapshot, waiting at most wait. What went wrong with single
// hosts is said on stderr.
func (f *viewFlags) read(cmd *cobra.Command, wait time.Duration) (fleet.Snapshot, error) {
	return f.readWithin(cmd, wait, true)
}

// readWithin is read; patient waits for what an agent has only begun to watch.
func (f *viewFlags) readWithin(cmd *cobra.Command, wait time.Duration, patient bool) (fleet.Snapshot, error) {
	config, err := f.fleet(cmd.Flags().Changed)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	log := slog.New(slog.DiscardHandler)
	src, err := f.sources(cmd.Context(), log)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	stderr := cmd.ErrOrStderr()
	if !src.named {
		fmt.Fprintf(stderr, "capmon: reading %s\n", src.what)
	}
	if src.warning != "" {
		fmt.Fprintf(stderr, "capmon: %s: nothing proves that these are your agents, and anyone on the way can read along\n", src.warning)
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	in := newFeed(config)
	done := make(chan error, 1)
	go func() { done <- src.run(ctx, in, log, nil) }()
	s := in.one(ctx, wait, patient)
	cancel()
	if err := <-done; err != nil && cmd.Context().Err() == nil {
		return fleet.Snapshot{}, err
	}
	if cmd.Context().Err() != nil {
		return fleet.Snapshot{}, fmt.Errorf("interrupted before the hosts had answered")
	}
	complain(stderr, s)
	return s, nil
}

// recorded is a moment of a recording.
func (f *viewFlags) recorded(cmd *cobra.Command, path, at string) (fleet.Snapshot, error) {
	for _, name := range []string{"agents", "pool", "edge", "rps", "wait", "interval", "users", "latency"} {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Changed {
			return fleet.Snapshot{}, usagef("--%s does not go with --from: the recording says it", name)
		}
	}
	p, err := f.player(cmd, path)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	defer p.file.Close()
	defer p.close()
	if at == "" {
		at = "-0s"
	}
	moment, err := p.moment(at)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	p.to(later(moment, p.ready), func() bool { return cmd.Context().Err() != nil })
	if why := p.tear(); why != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "capmon: %s: %s\n", path, why)
	}
	return p.snapshot(fleet.Ask{}, moment), nil
}

// one is a snapshot of when every host has answered or failed, or after wait;
// with patience, of when those that answered have also said what they were about
// to, or will not in the time that takes.
func (f *feed) one(ctx context.Context, wait time.Duration, patient bool) fleet.Snapshot {
	end := time.Now().Add(wait)
	if f.hold(ctx, wait, func() bool { all, _ := f.settled(); return all }) {
		f.hold(ctx, min(grace, time.Until(end)), func() bool { return false })
	}
	s := f.fleet.Snapshot(fleet.Ask{}, time.Now())
	findings := func(l lack) bool { return l.findings }
	rates := func(l lack) bool { return l.rates }
	if !patient || !f.without(findings) && !f.without(rates) {
		return s
	}
	f.hold(ctx, findingTime, func() bool { return !f.without(findings) })
	f.hold(ctx, rateTime, func() bool { return !f.without(rates) })
	// A machine that was too busy to be read on has still answered.
	if more := f.fleet.Snapshot(fleet.Ask{}, time.Now()); more.Totals.Up >= s.Totals.Up {
		s = more
	}
	return s
}

// hold waits until ready, asked again whenever something arrived, and tells
// whether that came within most.
func (f *feed) hold(ctx context.Context, most time.Duration, ready func() bool) bool {
	end := time.NewTimer(most)
	defer end.Stop()
	for !ready() {
		select {
		case <-ctx.Done():
			return false
		case <-end.C:
			return ready()
		case <-f.changed:
		}
	}
	return true
}

// complain says on w what is wrong with single hosts, a line each.
func complain(w io.Writer, s fleet.Snapshot) {
	for _, h := range s.Hosts {
		if h.State == fleet.Up {
			continue
		}
		line := h.Name + " is " + h.State.String()
		if h.Reason != "" {
			line += ": " + h.Reason
		}
		if h.Do != "" {
			line += ": " + h.Do
		}
		fmt.Fprintf(w, "capmon: %s\n", strings.TrimSpace(line))
	}
}
