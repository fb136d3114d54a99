package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"capmon/fleet"
	"capmon/record"
	"capmon/ui"
)

// speed is a flag: 4, ×4, x0.5.
type speed float64

// Bounds of a speed.
const (
	leastSpeed = 0.1
	mostSpeed  = 1000
)

func (s *speed) Type() string { return "speed" }

func (s *speed) String() string { return "×" + strconv.FormatFloat(float64(*s), 'g', -1, 64) }

func (s *speed) Set(text string) error {
	v, err := strconv.ParseFloat(strings.Trim(strings.TrimSpace(text), "×xX"), 64)
	if err != nil || math.IsNaN(v) || v < leastSpeed || v > mostSpeed {
		return fmt.Errorf("want %v to %v, as 4 or ×4", leastSpeed, mostSpeed)
	}
	*s = speed(v)
	return nil
}

func newReplay() *cobra.Command {
	var (
		view   viewFlags
		screen screenFlags
		pace   = speed(1)
		at     string
	)
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Show a recording on the same screens",
		Long: "Shows what capmon record, or the key w, recorded, as it was on the screens then: space\n" +
			"pauses, [ ] { } and b go anywhere in it, < > change the speed. All times are those of\n" +
			"the recording, in UTC. Its policy (target, spare, per-server, …) is the one it was made\n" +
			"with, unless a flag says another.\n\n" +
			"A file that was cut off or damaged plays up to there.",
		Example: "  capmon replay lesson.capmon\n" +
			"  capmon replay night.capmon --at 03:04 --speed ×4\n" +
			"  capmon snapshot --from night.capmon --at 03:12 --format json",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := view.settle(cmd); err != nil {
				return err
			}
			p, err := view.player(cmd, args[0])
			if err != nil {
				return err
			}
			defer p.file.Close()
			defer p.close()
			start, err := p.moment(at)
			if err != nil {
				return err
			}
			return runReplay(cmd, p, args[0], &screen, float64(pace), start)
		},
	}
	cmd.Flags().Var(&pace, "speed", "how many seconds of the recording in one, as 4 or ×4")
	cmd.Flags().StringVar(&at, "at", "", "`time` to begin at: 03:04, 03:04:10, +10m from its beginning, -10m from its end, sun 21:00, 2026-11-23 03:04; in UTC")
	view.addPolicy(cmd)
	screen.add(cmd)
	return cmd
}

// player opens a recording, with its own policy where the flags name none.
// Errors are usage errors where the file is none.
func (f *viewFlags) player(cmd *cobra.Command, path string) (*player, error) {
	what := cmd.Name()
	file, err := record.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, record.ErrNone) || errors.Is(err, record.ErrNewer) || errors.Is(err, fs.ErrPermission) {
			return nil, usagef("%s: %w", what, err)
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	recorded, err := recordedConfig(file)
	if err != nil {
		file.Close()
		return nil, usagef("%s: %s: %w", what, path, err)
	}
	recorded.Policy, err = demoPolicy(cmd, f, recorded.Policy)
	if err != nil {
		file.Close()
		return nil, err
	}
	return newPlayer(file, recorded), nil
}

// moment is the one that a text names; where it names none, the first one.
func (p *player) moment(text string) (time.Time, error) {
	if strings.TrimSpace(text) == "" {
		return p.ready, nil
	}
	if rest, ok := strings.CutPrefix(strings.TrimSpace(text), "+"); ok {
		if d, err := time.ParseDuration(rest); err == nil && d >= 0 {
			return earlier(p.file.From.Add(d), p.file.To), nil
		}
	}
	at, err := ui.ParseMoment(text, p.file.To)
	if err != nil {
		return time.Time{}, usagef("--at: %w", err)
	}
	if at.Before(p.file.From.Add(-24*time.Hour)) || at.After(p.file.To) {
		return time.Time{}, usagef("--at %s: the recording is of %s to %s", text, momentText(p.file.From), momentText(p.file.To))
	}
	return at, nil
}

func runReplay(cmd *cobra.Command, p *player, path string, screen *screenFlags, pace float64, start time.Time) error {
	_, closeLog, err := openLog(screen.log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeLog()
	r := &replay{player: p, name: filepath.Base(path), speed: pace, from: start, asked: make(chan struct{}, 1)}
	o := ui.Options{Source: p.file.About.Source, Warning: p.file.About.Warning, Ask: r.Ask, Pace: r.Pace, Note: p.file.Torn}
	return screen.draw(cmd.Context(), o, func(ctx context.Context, _ *ui.Options, show func(ui.Frame)) func() error {
		return func() error { return r.run(ctx, show) }
	})
}

// replay plays a recording to a screen.
type replay struct {
	player *player
	name   string
	from   time.Time

	mu    sync.Mutex
	ask   fleet.Ask
	speed float64
	asked chan struct{} // cap 1: something else is wanted
}

// Ask sets what frames are to show from now on. It does not block.
func (r *replay) Ask(a fleet.Ask) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ask = a
	wake(r.asked)
}

// Pace sets the speed. It does not block.
func (r *replay) Pace(x float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.speed = min(max(x, leastSpeed), mostSpeed)
	wake(r.asked)
}

func (r *replay) wanted() (fleet.Ask, float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ask, r.speed
}

// replayFrames is how often a frame comes at most while time runs fast.
const replayFrames = 250 * time.Millisecond

// run shows frames until ctx ends: one a second of the recording, at most one
// for replayFrames, and one whenever something else is asked for.
func (r *replay) run(ctx context.Context, show func(ui.Frame)) error {
	p := r.player
	at, last := r.from, time.Now()
	began := at.Before(p.ready) // an earlier moment was asked for: it stands still
	timer := time.NewTimer(0)
	defer timer.Stop()
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			return nil
		case <-r.asked:
		case <-timer.C:
		}
		ask, speed := r.wanted()
		now := time.Now()
		shown := now
		hurried := func() bool {
			if first && time.Since(shown) > replayFrames { // what a day taught takes a while to learn again
				shown = time.Now()
				show(r.frameOf(p.fleet.Snapshot(fleet.Ask{Span: ask.Span, Buckets: ask.Buckets, Host: ask.Host, Users: ask.Users, PID: ask.PID}, p.at), speed, true, false))
			}
			return ctx.Err() != nil || !first && time.Since(now) > impatient && len(r.asked) > 0
		}
		runs := ask.At.IsZero() && !(first && began)
		switch {
		case first && began:
			ask.At = at
		case !runs:
			at = ask.At
		case !first:
			at = at.Add(time.Duration(float64(now.Sub(last)) * speed))
		}
		last = now
		if runs {
			at = later(at, p.ready)
		}
		at = earlier(at, p.end)
		p.to(later(at, p.ready), hurried)
		if hurried() {
			continue
		}
		show(r.frame(ask, at, runs, speed))
		if runs && at.Before(p.end) {
			timer.Reset(max(time.Duration(float64(time.Second)/speed), replayFrames))
		} else {
			timer.Stop()
		}
	}
}

// frame is the recording at its moment.
func (r *replay) frame(ask fleet.Ask, at time.Time, runs bool, speed float64) ui.Frame {
	s := r.player.snapshot(ask, at)
	return r.frameOf(s, speed, runs, runs && !at.Before(r.player.end))
}

// frameOf is a snapshot as a frame.
func (r *replay) frameOf(s fleet.Snapshot, speed float64, runs, ended bool) ui.Frame {
	s.Live = runs
	p := r.player
	return ui.Frame{Snapshot: s, Replay: &ui.Replay{Name: r.name, Speed: speed, From: p.file.From, To: p.end, Ended: ended, Torn: p.tear()}}
}
