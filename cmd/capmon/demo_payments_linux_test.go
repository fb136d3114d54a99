package main

import (
	"strings"
	"testing"
	"time"
)

// The story runs under the dashboard: servers and proxy are on the screen, and
// what became of the requests on the terminal afterwards.
func TestPaymentsOnTheDashboard(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 120, 40, alone(t, "capmon", "demo", "payments", "--rps", "30", "--rps-per-server", "50", "--spike-at", "2s", "--max", "4", "--warm-up", "1s"))
	term.shows("payments: real requests on real servers")
	term.press("c")
	term.shows("the cache is turned on")
	term.press("l")
	term.shows("▶ordinary day")
	term.press("+")
	term.shows("a second on an ordinary day")
	term.press("1")
	term.shows("2 pools")
	term.shows("proxy")
	term.shows("pay-4")
	term.press("q")
	<-term.done
	if code := term.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("q ended it with exit code %d: %s", code, term.errs)
	}
	term.usable()
	until(t, "the sums", 5*time.Second, func() bool {
		s := plain(term.screen.String())
		return strings.Contains(s, "= served ") && strings.Contains(s, "budget of 99.9%: ") && strings.Contains(s, "expected: need rose ")
	})
}
