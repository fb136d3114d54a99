package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"capmon/fleet/report"
)

// noKernel keeps an agent that lives for a second from loading programs into the
// kernel.
const noKernel = time.Hour

func newLine() *cobra.Command {
	var (
		f     viewFlags
		width int
		wait  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "line",
		Short: "Print the verdict in one line, for a status bar",
		Long: "Prints one line and exits: `!! NEED 13/10 98% full 1m07s`: what it comes to (!! act now,\n" +
			"! soon, ? not known, nothing: fine), servers needed of those there are or may be, use of\n" +
			"the nearest limit, when that is full, hosts that are down (1x) or silent (2?).\n\n" +
			"It waits for no more than --wait and exits as capmon snapshot does: 0 if any host\n" +
			"answered, else 1 with ? on the line and the reason on stderr. Beside a running agent it\n" +
			"takes a fifth of a second; without one it reads this machine itself, which takes more than\n" +
			"one and knows no trend.",
		Example: "  capmon line --agents web-1,web-2 --width 30\n" +
			"  set -g status-right '#(capmon line)'      in ~/.tmux.conf\n" +
			"  set -g status-interval 5",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.settle(cmd); err != nil {
				return err
			}
			if width < 0 || width > 1000 {
				return usagef("--width %d: want 0 (no limit) to 1000 cells", width)
			}
			if wait <= 0 || wait > time.Minute {
				return usagef("--wait %v: want more than 0 and at most 1m", wait)
			}
			f.sampling.kernelAfter = noKernel
			s, err := f.readWithin(cmd, wait, false)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), report.Line(s, width)); err != nil {
				return fmt.Errorf("write the line: %w", err)
			}
			if s.Totals.Up+s.Totals.Stale == 0 {
				return errShown
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&width, "width", 0, "at most so many `cells`; 0 sets no limit")
	cmd.Flags().DurationVar(&wait, "wait", 3*time.Second, "how long to wait for hosts that do not answer")
	onlyOnCommandLine(cmd, "width")
	return cmd
}
