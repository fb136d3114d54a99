package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"capmon/capacity"
	"capmon/demo/chess"
	"capmon/fleet"
)

// chessFor is how long the story takes on the dashboard where the user says nothing
// else: one can follow it.
const chessFor = 10 * time.Minute

type chessFlags struct {
	storyFlags
	story chess.Config
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
	f.add(cmd)
	return cmd
}

func runChess(cmd *cobra.Command, f *chessFlags) error {
	if err := settle(cmd); err != nil {
		return err
	}
	given := cmd.Flags().Changed
	policy, err := f.policy(cmd, fleet.Policy{PerServer: 10_000})
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
	s.Min, s.Max = bounds(policy, chess.MaxServers)
	note := s.Fit(chess.RoomHere())
	policy.PerServer = float64(s.PerServer)
	w := newStoryWatch("")
	w.in, s.Watch = newFeed(fleet.Config{Policy: policy}), w
	if err := s.Check(); err != nil {
		return usageError{err}
	}
	tell := func(ctx context.Context) (any, []string, error) {
		r, err := chess.Run(ctx, *s)
		return r, []string{addUp(r)}, err
	}
	if f.headless {
		if !f.json {
			s.Say = sayChess(cmd.OutOrStdout())
		}
		return f.print(cmd, w, note, tell)
	}
	on := newChessStage(s, w.in, policy, note)
	s.For = 24 * time.Hour
	return f.show(cmd, w, count(s.Users)+" chess players", on, tell)
}

// sayChess prints every fifth second.
func sayChess(out io.Writer) func(chess.Progress) {
	due := fifths()
	return func(p chess.Progress) {
		if due(p.After) {
			fmt.Fprintf(out, "%4s  playing %7s, refused %6s  servers %d, starting %d, hold %7s, agents count %7s  %s\n", p.After.Round(time.Second),
				count(p.Counts.Playing), count(p.Counts.Refused), p.Servers, p.Starting, count(p.Held), count(p.Verdict.Connections), p.Verdict.Text())
		}
	}
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

func count(n int) string { return capacity.Count(float64(n)) }
