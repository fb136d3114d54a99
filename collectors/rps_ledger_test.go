package collectors

import (
	"testing"
	"time"
)

// TestCountsGoOnFromSourceToSource: whoever counts, a port's total never goes
// back and no request is in it twice.
func TestCountsGoOnFromSourceToSource(t *testing.T) {
	begin := time.Now()
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	kernel, page := new(account), new(account)
	type step struct {
		by      *account
		since   int // of the account
		count   uint64
		failed  uint64 // of count, with 5xx
		classes bool
		want    uint64
		status  bool
		bad     uint64
	}
	for name, steps := range map[string][]step{
		"one source":                      {{kernel, 0, 5, 1, true, 5, true, 1}, {kernel, 0, 9, 2, true, 9, true, 2}},
		"nobody for a while":              {{page, 0, 5, 0, true, 5, true, 0}, {nil, 0, 0, 0, false, 5, true, 0}, {page, 0, 7, 1, true, 7, true, 1}},
		"a server anew, counted from 0":   {{kernel, 0, 5, 1, true, 5, true, 1}, {page, 1, 3, 1, true, 8, true, 2}},
		"the other has counted along":     {{page, 0, 50, 0, false, 50, false, 0}, {kernel, 0, 48, 3, true, 50, false, 0}, {kernel, 0, 58, 3, true, 60, false, 0}},
		"there and back":                  {{kernel, 0, 5, 0, true, 5, true, 0}, {page, 0, 9, 0, true, 5, true, 0}, {kernel, 0, 8, 0, true, 5, true, 0}, {kernel, 0, 9, 1, true, 6, true, 1}},
		"a counter that goes back":        {{kernel, 0, 5, 1, true, 5, true, 1}, {kernel, 0, 3, 0, true, 5, true, 1}, {kernel, 0, 6, 2, true, 6, true, 2}},
		"nothing known is not zero":       {{nil, 0, 0, 0, false, 0, false, 0}},
		"a source that tells no statuses": {{kernel, 0, 5, 1, true, 5, true, 1}, {page, 1, 4, 0, false, 9, false, 0}, {kernel, 1, 9, 2, true, 9, false, 0}},
	} {
		l := make(ledger)
		for i, s := range steps {
			a := rpsAnswer{port: 80, by: s.by, metered: metered{answered: s.by != nil, responses: s.count, since: at(s.since), classes: s.classes}}
			a.class[2] = s.failed
			list := []rpsAnswer{a}
			l.carry(list, at(i))
			a = list[0]
			if a.responses != s.want || a.answered != (s.by != nil || s.want > 0) || a.classes != s.status || s.status && a.class[2] != s.bad {
				t.Errorf("%s, step %d: %d responses (answered %v), %d of 5xx (told %v); want %+v", name, i, a.responses, a.answered, a.class[2], a.classes, s)
			}
		}
	}
	l := make(ledger)
	for port := range uint16(maxLedger + 10) {
		l.carry([]rpsAnswer{{port: port}}, begin)
	}
	if len(l) > maxLedger {
		t.Errorf("%d ports are remembered", len(l))
	}
}
