package main

import (
	"strings"
	"testing"
	"time"
)

// The story runs under the dashboard: the players that came are on the screen,
// and what became of them on the terminal afterwards.
func TestChessOnTheDashboard(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 120, 40, alone(t, "capmon", "demo", "chess", "--users", "120", "--per-server", "100", "--for", "5s", "--warm-up", "1s"))
	term.shows("120 chess players")
	term.shows("chess: real players on real servers")
	term.press("h")
	term.shows("▶players stay")
	term.press("-")
	term.shows("players stay 10m, by key")
	term.press("1")
	term.shows("chess-2")
	term.shows("NEED 3 = ceil(120 / (100 × 0.80)) + 1 spare")
	term.shows("3/3 up")
	term.press("q")
	<-term.done
	if code := term.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("q ended it with exit code %d: %s", code, term.errs)
	}
	term.usable()
	until(t, "the sums", 5*time.Second, func() bool {
		return strings.Contains(plain(term.screen.String()), "asked 120 = served 120 + refused 0 + left 0; playing 120; let in within ")
	})
}
