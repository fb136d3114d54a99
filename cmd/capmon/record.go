package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/record"
)

// flushEvery is how much of a recording a kill can cost.
const flushEvery = 2 * time.Second

// byteSize is a flag: 500MB, 2GiB, 100000.
type byteSize int64

func (b *byteSize) Type() string { return "size" }

func (b *byteSize) String() string { return bytesText(int64(*b)) }

var byteUnits = []struct {
	name string
	n    float64
}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"B", 1}}

func (b *byteSize) Set(text string) error {
	s, unit := strings.ToUpper(strings.TrimSpace(text)), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = strings.TrimSpace(rest), u.n
			break
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if v *= unit; err != nil || math.IsNaN(v) || v < 64<<10 || v > 1e15 {
		return errors.New("want a size of 64KiB or more, as 500MB or 2GiB")
	}
	*b = byteSize(v)
	return nil
}

// bytesText writes a number of bytes: 812 B, 1.2 MB.
func bytesText(n int64) string {
	v, unit := float64(n), 0
	for v >= 999.5 && unit < 4 {
		v /= 1000
		unit++
	}
	if unit == 0 {
		return strconv.FormatInt(n, 10) + " B"
	}
	digits := 0
	if v < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + "kMGT"[unit-1:unit] + "B"
}

func newRecord() *cobra.Command {
	var (
		view  viewFlags
		last  time.Duration
		most  = byteSize(record.DefaultMax)
		force bool
		log   string
	)
	cmd := &cobra.Command{
		Use:   "record FILE",
		Short: "Record a fleet, or this machine, into a file for capmon replay",
		Long: "Records everything that arrives from the agents, with the minutes that they remember,\n" +
			"until ctrl-c, the end of --for or the bound of --max-size, and says what it recorded.\n" +
			"A recorder that is killed leaves a file that plays up to its last two seconds.\n\n" +
			"The file holds the names, labels and addresses of the hosts, their processes and\n" +
			"their numbers; only you can read it (mode 0600).",
		Example: "  capmon record lesson.capmon --for 10m\n" +
			"  capmon record night.capmon --agents web-1,web-2 --max-size 2GiB\n" +
			"  capmon replay lesson.capmon",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := view.settle(cmd); err != nil {
				return err
			}
			if last < 0 {
				return usagef("--for %v: want 0 or more", last)
			}
			return runRecord(cmd, &view, args[0], log, recordLimits{last, int64(most), force})
		},
	}
	view.add(cmd)
	fs := cmd.Flags()
	fs.DurationVar(&last, "for", 0, "how long to record; 0: until ctrl-c")
	fs.Var(&most, "max-size", "most bytes of the file, as 500MB: there the recording ends")
	fs.BoolVar(&force, "force", false, "overwrite a file that is there")
	fs.StringVar(&log, "log", "", "`file` to append a log to")
	return cmd
}

// oneFile wants one argument, a file.
func oneFile(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usagef("%sname a file: %s FILE", whose(cmd), cmd.CommandPath())
	case 1:
		return nil
	}
	return usagef("%stakes one file, not %d arguments", whose(cmd), len(args))
}

// recordLimits bound a recording.
type recordLimits struct {
	last  time.Duration // 0: none
	max   int64
	force bool
}

func runRecord(cmd *cobra.Command, view *viewFlags, path, logPath string, limits recordLimits) error {
	config, err := view.fleet(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	stderr := cmd.ErrOrStderr()
	log, closeLog, err := openLog(logPath, stderr)
	if err != nil {
		return err
	}
	defer closeLog()
	src, err := view.sources(cmd.Context(), log)
	if err != nil {
		return err
	}
	say, err := about(config, src.what, src.warning)
	if err != nil {
		return err
	}
	w, err := record.Create(path, say, limits.max, limits.force)
	if err != nil {
		return cantRecord(err)
	}
	in := newFeed(config)
	in.tape.begin(w, in.fleet)
	fmt.Fprintf(stderr, "capmon: recording %s into %s: ctrl-c ends it\n", src.what, path)
	if src.warning != "" {
		fmt.Fprintf(stderr, "capmon: %s: nothing proves that these are your agents, and anyone on the way can read along\n", src.warning)
	}

	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if limits.last > 0 {
		ctx, cancel = context.WithTimeout(ctx, limits.last)
		defer cancel()
	}
	done := make(chan error, 1)
	go func() { done <- src.run(ctx, in, log, nil) }()
	keepFlushing(ctx, w)
	s := in.fleet.Snapshot(fleet.Ask{}, time.Now())
	cancel()
	failed := <-done
	sum, err := in.tape.end()
	complain(stderr, s)
	fmt.Fprintln(cmd.OutOrStdout(), summaryText(sum))
	switch {
	case err != nil:
		return fmt.Errorf("record: %w: what was written plays", err)
	case failed != nil && cmd.Context().Err() == nil:
		return failed
	case sum.Samples == 0:
		return fmt.Errorf("record: nothing arrived: %s holds no sample", path)
	}
	return nil
}

// cantRecord says what to do where a recording can't begin. It is wrong use
// where the file is there.
func cantRecord(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return usagef("record: %w: name another file, or say --force to overwrite it", err)
	}
	return usagef("record: %w", err)
}

// keepFlushing writes what arrived every two seconds, until ctx or the recording
// ends.
func keepFlushing(ctx context.Context, w *record.Writer) {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Ended():
			return
		case now := <-t.C:
			w.Flush(now)
		}
	}
}

// summaryText is what a recording came to, in a line.
func summaryText(s record.Summary) string {
	if s.Samples == 0 {
		return fmt.Sprintf("recorded nothing of %s into %s (%s)", plural(s.Hosts, "host"), s.Path, bytesText(s.Bytes))
	}
	text := fmt.Sprintf("recorded %s, %s samples, %s to %s (%s), into %s (%s)", plural(s.Hosts, "host"), capacity.Count(float64(s.Samples)),
		momentText(s.From), momentText(s.To), s.To.Sub(s.From).Round(time.Second), s.Path, bytesText(s.Bytes))
	if s.Full {
		text += "; it ended at --max-size"
	}
	if s.Lost > 0 {
		text += fmt.Sprintf("; %s samples were lost: the disk was too slow", capacity.Count(float64(s.Lost)))
	}
	return text
}

func momentText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
