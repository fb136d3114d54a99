package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"capmon/agents"
	"capmon/capacity"
	"capmon/demo/chess"
	"capmon/fleet"
)

// What a story is told with where the user says nothing else: in a terminal one
// can follow it, headless it is over in a minute.
const (
	chessFor, chessWarmUp       = 10 * time.Minute, time.Minute
	headlessFor, headlessWarmUp = time.Minute, 10 * time.Second
)

type chessFlags struct {
	view     viewFlags
	screen   screenFlags
	story    chess.Config
	headless bool
	json     bool
}

func newDemoChess() *cobra.Command {
	var f chessFlags
	cmd := &cobra.Command{
		Use:   "chess",
		Short: "Tens of thousands of real connections, and servers that come as capmon recommends",
		Long: "Players open real WebSocket connections to real server processes on this machine, each\n" +
			"on a loopback address of its own, with an agent of its own. A lobby names each player\n" +
			"the server with most free seats. Servers are started as capmon recommends, and take\n" +
			"players after their warm-up; who comes when all are full is refused. What this machine\n" +
			"has no room for (open files, memory) is taken from the number of players, and said.\n" +
			"Nothing holds a server to --cores: it is what its use is held against.",
		Example: "  capmon demo chess                                    on the dashboard\n" +
			"  capmon demo chess --headless --users 20000 --for 60s --json\n" +
			"  capmon demo chess --headless --warm-up 30s --spare 0  servers that come late",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return runChess(cmd, &f) },
	}
	fs := cmd.Flags()
	fs.IntVar(&f.story.Users, "users", 88_420, "players that come")
	fs.Float64Var(&f.story.Cores, "cores", 0, "cores that a server stands for; 0: its share of this machine when there are --max servers")
	fs.DurationVar(&f.story.For, "for", 0, "how long the story takes (default 10m, headless 1m); the dashboard stays until you leave")
	fs.DurationVar(&f.story.Ramp, "ramp", 0, "until the last player has come (default: 0.6 of --for)")
	fs.DurationVar(&f.story.Think, "move-every", 30*time.Second, "time between the moves of a player")
	fs.DurationVar(&f.story.Stay, "stay", 0, "how long a player plays in the mean, and then goes home; 0: to the end")
	fs.DurationVar(&f.story.KillAt, "kill-at", 0, "kill the fullest server after so long; 0: none")
	fs.Uint64Var(&f.story.Seed, "seed", 1, "the same seed lets players come at the same moments")
	fs.BoolVar(&f.headless, "headless", false, "without the dashboard: print what happens")
	fs.BoolVar(&f.json, "json", false, "with --headless: print what happened as one JSON object")
	f.view.addPolicy(cmd)
	f.screen.add(cmd)
	return cmd
}

func runChess(cmd *cobra.Command, f *chessFlags) error {
	if err := settle(cmd); err != nil {
		return err
	}
	given := cmd.Flags().Changed
	suits := fleet.Policy{Target: 0.80, Spare: 1, PerServer: 10_000, Min: 2, Max: 10, WarmUp: chessWarmUp}
	if f.headless {
		suits.WarmUp = headlessWarmUp
	}
	policy, err := demoPolicy(cmd, &f.view, suits)
	if err != nil {
		return err
	}
	s := &f.story
	switch {
	case f.json && !f.headless:
		return usagef("--json goes with --headless")
	case policy.PerServer == 0:
		return usagef("--per-server 0: a game server has room for a number of players")
	case given("users") && s.Users < 1:
		return usagef("--users %d: want 1 or more", s.Users)
	}
	if s.For == 0 {
		s.For = chessFor
		if f.headless {
			s.For = headlessFor
		}
	}
	if !given("ramp") {
		s.Ramp = s.For * 6 / 10
	}
	s.PerServer, s.WarmUp, s.Version = int(policy.PerServer), policy.WarmUp, version()
	// The story wants bounds; a policy may be without.
	s.Min, s.Max = max(policy.Min, 1), policy.Max
	if s.Max == 0 {
		s.Max = chess.MaxServers
	}
	note := s.Fit(chess.RoomHere())
	policy.PerServer = float64(s.PerServer)
	w := &chessWatch{in: newFeed(fleet.Config{Policy: policy}), follows: map[string]context.CancelFunc{}}
	s.Watch = w
	if err := s.Check(); err != nil {
		return usageError{err}
	}
	if f.headless {
		return f.tell(cmd, w, note)
	}
	return f.show(cmd, w, policy, note)
}

// tell runs the story and prints what happens.
func (f *chessFlags) tell(cmd *cobra.Command, w *chessWatch, note string) error {
	if note != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "capmon: "+note)
	}
	w.begin(cmd.Context(), nil)
	defer w.end()
	out := cmd.OutOrStdout()
	if !f.json {
		f.story.Say = sayChess(out)
	}
	r, err := chess.Run(cmd.Context(), f.story)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintln(out, addUp(r))
	return nil
}

// sayChess prints every fifth second.
func sayChess(out io.Writer) func(chess.Progress) {
	next := time.Duration(0)
	return func(p chess.Progress) {
		if p.After < next {
			return
		}
		next += 5 * time.Second
		need := "need ?"
		if p.Verdict.OK {
			need = p.Verdict.Formula
		}
		fmt.Fprintf(out, "%4s  playing %7s, refused %6s  servers %d, starting %d, hold %7s, agents count %7s  %s\n", p.After.Round(time.Second),
			count(p.Counts.Playing), count(p.Counts.Refused), p.Servers, p.Starting, count(p.Held), count(p.Verdict.Seen), need)
	}
}

// show runs the story under the dashboard; it ends with either.
func (f *chessFlags) show(cmd *cobra.Command, w *chessWatch, policy fleet.Policy, note string) error {
	log, closeLog, err := openLog(f.screen.log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeLog()
	what, told := count(f.story.Users)+" chess players", ""
	on := newChessStage(&f.story, w.in, policy, note)
	f.screen.stage = on
	err = f.screen.show(cmd.Context(), w.in, what, "", func(ctx context.Context, ready func(*agents.Viewer)) error {
		w.begin(ctx, log)
		defer w.end()
		ready(w.viewer)
		f.story.For = 24 * time.Hour
		r, err := chess.Run(ctx, f.story)
		told = addUp(r)
		if err != nil {
			on.ended(err)
		}
		return err
	})
	if err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), told)
	}
	return err
}

// addUp is what became of those who asked.
func addUp(r chess.Result) string {
	s := fmt.Sprintf("asked %s = served %s + refused %s + left %s; playing %s", count(r.Asked), count(r.Served), count(r.Refused), count(r.Left), count(r.Playing))
	if w := r.Waited; w.P50 != nil {
		s += fmt.Sprintf("; let in within %s, 99%% within %s", span(w.P50), span(w.P99))
	}
	if a := r.Agents; a != nil {
		s += fmt.Sprintf("; the agents used %s of a core, %d MB", capacity.Decimal(a.Cores*100, 1)+"%", a.RSS>>20)
	}
	if r.Killed != "" {
		s += fmt.Sprintf("; %s was killed with %s", r.Killed, count(r.Lost))
	}
	return s
}

// chessWatch is capmon looking at the game servers.
type chessWatch struct {
	in     *feed
	ctx    context.Context
	viewer *agents.Viewer

	mu      sync.Mutex
	follows map[string]context.CancelFunc
	all     sync.WaitGroup
}

var _ chess.Watcher = (*chessWatch)(nil)

func (w *chessWatch) begin(ctx context.Context, log *slog.Logger) {
	w.ctx = ctx
	w.viewer = agents.NewViewer(agents.ViewerOptions{Sink: w.in, Log: log})
}

func (w *chessWatch) end() {
	w.mu.Lock()
	for _, cancel := range w.follows {
		cancel()
	}
	w.mu.Unlock()
	w.all.Wait()
}

func (w *chessWatch) Follow(name, agent string) {
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

func (w *chessWatch) Leave(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cancel := w.follows[name]; cancel != nil {
		cancel()
		delete(w.follows, name)
	}
}

func (w *chessWatch) Verdict(now time.Time) chess.Verdict {
	s := w.in.fleet.Snapshot(fleet.Ask{}, now)
	if len(s.Pools) != 1 || !s.Pools[0].Need.OK || !s.Pools[0].Run.OK {
		return chess.Verdict{}
	}
	p := &s.Pools[0]
	return chess.Verdict{OK: true, Need: int(p.Need.V), Run: int(p.Run.V), Short: int(p.Short.V), Formula: p.Formula, Seen: int(s.Totals.Connections.V)}
}

func count(n int) string { return capacity.Count(float64(n)) }
