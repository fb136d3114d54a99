package collectors

import "time"

// maxLedger bounds the ports that are remembered after nothing listens on them
// any more.
const maxLedger = 4096

// ledger is what has been counted for each port since the agent began, whoever
// counted it: a new source goes on where the last one ended.
type ledger map[uint16]*ledgerEntry

type ledgerEntry struct {
	by      any // what counted last
	base    int64
	out     uint64
	baseCls [3]int64
	outCls  [3]uint64
	untold  bool      // some of out have no class
	classes bool      // the last source tells them
	at      time.Time // when a source last told
}

// carry turns the answers of this round, each counted since its source began,
// into counts since the agent began.
func (l ledger) carry(answers []rpsAnswer, now time.Time) {
	for i := range answers {
		a := &answers[i]
		e := l[a.port]
		if e == nil {
			if len(l) >= maxLedger {
				clear(l)
			}
			e = new(ledgerEntry)
			l[a.port] = e
		}
		e.book(a, now)
	}
}

func (e *ledgerEntry) book(a *rpsAnswer, now time.Time) {
	if !a.answered {
		// Between two servers: what is known stays known.
		if e.out > 0 {
			a.answered, a.responses = true, e.out
			a.class, a.classes = e.outCls, e.classes && !e.untold
		}
		return
	}
	if e.by != a.by {
		// What it counted while the last source did is counted.
		e.by, e.base = a.by, int64(e.out)
		along := !a.since.After(e.at)
		if along {
			e.base -= int64(a.responses)
		}
		for i, n := range e.outCls {
			e.baseCls[i] = int64(n)
			if along {
				e.baseCls[i] -= int64(a.class[i])
			}
		}
	}
	e.at = now
	before := e.out
	e.out = max(e.out, uint64(max(0, e.base+int64(a.responses))))
	e.untold = e.untold || e.out > before && !a.classes
	e.classes = a.classes
	for i := range e.outCls {
		e.outCls[i] = max(e.outCls[i], uint64(max(0, e.baseCls[i]+int64(a.class[i]))))
	}
	a.responses, a.class, a.classes = e.out, e.outCls, a.classes && !e.untold
}
