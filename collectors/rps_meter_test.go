package collectors

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	start := time.Now()
	type step struct {
		at, count, own float64
		want           string // rate, responses or note
	}
	for name, steps := range map[string][]step{
		"a rate over the time between two answers": {
			{0, 1000, 0, "? 0 waiting for the second reading"},
			{1, 1500, 0, "500 500 "},
			{3, 1700, 0, "100 700 "},
			{3.5, 1700, 0, "0 700 "},
		},
		"our own polls are no load": {
			{0, 10, 1, "? 0 waiting for the second reading"},
			{1, 11, 1, "0 0 "},
			{2, 22, 1, "10 10 "},
			{3, 24, 3, "0 10 "}, // two that never got an answer may not have been counted
		},
		"a restart is no negative rate": {
			{0, 1000, 0, "? 0 waiting for the second reading"},
			{1, 1100, 0, "100 100 "},
			{2, 30, 0, "? 100 the counter began anew: its server was restarted"},
			{3, 80, 0, "50 150 "},
		},
		"what is no count": {
			{0, 1000, 0, "? 0 waiting for the second reading"},
			{1, math.NaN(), 0, "? 0 the counter is NaN, which is no count"},
			{2, 1100, 0, "? 0 waiting for the second reading"},
			{3, math.Inf(1), 0, "? 0 the counter is +Inf, which is no count"},
			{4, -1, 0, "? 0 the counter is -1, which is no count"},
			{5, 1e300, 0, "? 0 the counter is 1e+300, which is no count"},
		},
		"faster than can be": {
			{0, 0, 0, "? 0 waiting for the second reading"},
			{1, 1e15, 0, "? 1000000000000000 the counter grew by 1000000000000000 a second, which can't be"},
		},
		"at one time": {
			{0, 0, 0, "? 0 waiting for the second reading"},
			{0, 5, 0, "? 5 waiting for the second reading"},
			{2, 5, 0, "0 5 "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var a account
			for i, s := range steps {
				_ = a.take(tally{count: s.count, own: s.own}, start.Add(time.Duration(s.at*1e9)))
				rate := "?"
				if a.known {
					rate = fmt.Sprint(a.rate)
				}
				if got := fmt.Sprintf("%s %d %s", rate, a.responses, a.note); got != s.want {
					t.Errorf("step %d: %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

func TestSeveralProcessesThatAnswerInTurn(t *testing.T) {
	start := time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }

	var restart flips
	for s, back := range []bool{false, false, true, false, false} {
		if restart.seen(at(s), back, float64(100+s/2)) {
			t.Error("a restart is taken for several processes")
		}
	}
	var turns flips
	for i, start := range []float64{100, 100, 200, 100} {
		if got := turns.seen(at(i), false, start); got != (i == 3) {
			t.Errorf("answer %d: several processes is %v", i, got)
		}
	}
	if !turns.seen(at(30), false, 100) || turns.seen(at(70), false, 100) {
		t.Error("a counter like that is not believed for a minute, and then again")
	}
	var bounce flips
	bounce.seen(at(0), true, 0)
	if !bounce.seen(at(20), true, 0) {
		t.Error("a counter that went back twice in a minute is believed")
	}
}

func TestParseStubStatus(t *testing.T) {
	const good = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630948 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n"
	if n, err := parseStubStatus([]byte(good)); n.count != 31070465 || err != nil {
		t.Errorf("%v, %v", n.count, err)
	}
	for name, bad := range map[string]string{
		"empty":          "",
		"a web page":     "<html>Active connections: 5\n</html>",
		"cut off":        good[:70],
		"text":           strings.Replace(good, "31070465", "many", 1),
		"negative":       strings.Replace(good, "31070465", "-5", 1),
		"more than ever": strings.Replace(good, "31070465", "18446744073709551615", 1),
		"no numbers":     "Active connections: 1\nserver accepts handled requests\n",
	} {
		if n, err := parseStubStatus([]byte(bad)); err == nil {
			t.Errorf("%s: %v", name, n.count)
		}
	}
}

func FuzzParseStubStatus(f *testing.F) {
	f.Add([]byte("Active connections: 291 \nserver accepts handled requests\n 1 2 3 \nReading: 6 Writing: 179 Waiting: 106 \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := parseStubStatus(b); err == nil && n.count > maxCount {
			t.Errorf("%v requests", n.count)
		}
	})
}
