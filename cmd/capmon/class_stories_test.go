package main

import (
	"strings"
	"testing"

	"capmon/demo/chess"
)

// What a class is asked and told names the story that this machine has room for.
func TestChessInClassNamesItsNumbers(t *testing.T) {
	was := classChess
	defer func() { classChess = was }()
	classChess = func() (chess.Config, string) { return chess.Config{Users: 4620, PerServer: 924}, "" }
	if q := chessQuestion().Text; !strings.HasPrefix(q, "A: 4,620 players come in 2m0s and stay. A server seats 924 and needs 10s") {
		t.Errorf("asked %q", q)
	}
	if p := chessPoint(&account{}); !strings.Contains(p, "38.5 × 10 = 385 players come.") || !strings.Contains(p, "and 924 on the spare one") {
		t.Errorf("told %q", p)
	}
}
