package main

import (
	"fmt"
	"testing"
)

// The lesson is held by keys alone, in a terminal as small as a class has and on
// a projector: what was measured of the first kind stands beside the second.
func TestUsersInClass(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			term := openTerminal(t, size[0], size[1], alone(t, "capmon", "demo", "users", "--workers", "2", "--users", "20", "--think", "100ms", "--loops", "2000"))
			term.shows("users on three kinds of server")
			term.shows("A: users ask more than")
			term.press("f")
			term.press("\r")
			term.shows("NOW RUNNING   A  one thread")
			term.shows("/s served of")
			term.press("\r")
			term.shows("B: the same users, and 2 processes")
			term.press("b")
			term.shows("NOW RUNNING   B  cluster of 2")
			term.shows(", ×") // of A
			term.press("x")
			term.shows("STOPPED")
			term.shows("B  cluster  2 processes × 1 thread  done")
			term.shows("A  one thread  1 process × 1 thread  done")
			term.press("q")
			<-term.done
			if code := term.cmd.ProcessState.ExitCode(); code != exitOK {
				t.Errorf("q ended it with exit code %d: %s", code, term.errs)
			}
			term.usable()
		})
	}
}
