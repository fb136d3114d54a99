package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"capmon/agents"
	"capmon/demo/stories"
	"capmon/fleet"
)

// What a story is told with where the user says nothing else: in a terminal one
// can follow it, headless it is over in a minute.
const (
	storyWarmUp                 = time.Minute
	headlessFor, headlessWarmUp = time.Minute, 10 * time.Second
)

// storyFlags are those of each story.
type storyFlags struct {
	view     viewFlags
	screen   screenFlags
	headless bool
	json     bool
}

func (f *storyFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.headless, "headless", false, "without the dashboard: print what happens")
	fs.BoolVar(&f.json, "json", false, "with --headless: print what happened as one JSON object")
	f.view.addPolicy(cmd)
	f.screen.add(cmd)
}

// policy is what suits a story, with what the user says in its place.
func (f *storyFlags) policy(cmd *cobra.Command, suits fleet.Policy) (fleet.Policy, error) {
	suits.Target, suits.Spare, suits.Min, suits.Max, suits.WarmUp = 0.80, 1, 2, 10, storyWarmUp
	if f.headless {
		suits.WarmUp = headlessWarmUp
	}
	return demoPolicy(cmd, &f.view, suits)
}

// bounds are the least and the most servers of a story, which wants them; a policy
// may be without.
func bounds(p fleet.Policy, most int) (low, high int) {
	if p.Max > 0 {
		most = p.Max
	}
	return max(p.Min, 1), most
}

// tellStory tells a story until it is over or ctx is; what it came to as it is
// written in JSON, and in lines.
type tellStory func(ctx context.Context) (result any, lines []string, err error)

// print tells the story without the dashboard.
func (f *storyFlags) print(cmd *cobra.Command, w *storyWatch, note string, tell tellStory) error {
	if note != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "capmon: "+note)
	}
	w.begin(cmd.Context(), nil)
	defer w.end()
	result, lines, err := tell(cmd.Context())
	switch {
	case err != nil:
		return err
	case f.json:
		return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
	}
	printLines(cmd, lines)
	return nil
}

func printLines(cmd *cobra.Command, lines []string) {
	for _, line := range lines {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
}

// show tells the story under the dashboard; it ends with either.
func (f *storyFlags) show(cmd *cobra.Command, w *storyWatch, what string, on interface {
	stage
	ended(error)
}, tell tellStory,
) error {
	log, closeLog, err := openLog(f.screen.log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeLog()
	f.screen.stage = on
	var lines []string
	err = f.screen.show(cmd.Context(), w.in, what, "", func(ctx context.Context, ready func(*agents.Viewer)) (err error) {
		w.begin(ctx, log)
		defer w.end()
		ready(w.viewer)
		if _, lines, err = tell(ctx); err != nil {
			on.ended(err)
		}
		return err
	})
	if err == nil {
		printLines(cmd, lines)
	}
	return err
}

// fifths says when five seconds more are over.
func fifths() func(after time.Duration) bool {
	next := time.Duration(0)
	return func(after time.Duration) bool {
		if after < next {
			return false
		}
		next += 5 * time.Second
		return true
	}
}

// storyWatch is capmon looking at the processes of a story.
type storyWatch struct {
	in     *feed
	pool   string // of the servers; "": there is one
	ctx    context.Context
	viewer *agents.Viewer

	mu      sync.Mutex
	follows map[string]context.CancelFunc
	all     sync.WaitGroup
}

var _ stories.Watcher = (*storyWatch)(nil)

func newStoryWatch(pool string) *storyWatch {
	return &storyWatch{pool: pool, follows: map[string]context.CancelFunc{}}
}

func (w *storyWatch) begin(ctx context.Context, log *slog.Logger) {
	w.ctx = ctx
	w.viewer = agents.NewViewer(agents.ViewerOptions{Sink: w.in, Log: log})
}

func (w *storyWatch) end() {
	w.mu.Lock()
	for _, cancel := range w.follows {
		cancel()
	}
	w.mu.Unlock()
	w.all.Wait()
}

func (w *storyWatch) Follow(name, agent string) {
	ctx, cancel := context.WithCancel(w.ctx)
	w.mu.Lock()
	w.follows[name] = cancel
	w.mu.Unlock()
	w.all.Go(func() {
		// With a target it only ends with its context.
		_ = w.viewer.Run(ctx, []agents.Target{{Name: name, Addr: agent}})
		w.in.Leave(name)
	})
}

func (w *storyWatch) Leave(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cancel := w.follows[name]; cancel != nil {
		cancel()
		delete(w.follows, name)
	}
}

func (w *storyWatch) Verdict(now time.Time) stories.Verdict {
	s := w.in.fleet.Snapshot(fleet.Ask{}, now)
	for i := range s.Pools {
		if p := &s.Pools[i]; (w.pool == "" || p.Name == w.pool) && p.Need.OK && p.Run.OK {
			return stories.Verdict{
				OK: true, Need: int(p.Need.V), Run: int(p.Run.V), Short: int(p.Short.V), Bound: p.NeedBy, Formula: p.Formula,
				Up: p.Up, Connections: int(s.Totals.Connections.V),
			}
		}
	}
	return stories.Verdict{}
}
