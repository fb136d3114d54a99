package collectors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"capmon/sample"
)

// maxCount is the largest count that is believed: above it a float64 can't
// count by ones.
const maxCount = 1 << 53

// tally is what a counter says at one moment. The counts only grow while the
// server runs.
type tally struct {
	count float64 // requests
	// own is how many of the requests since the last answer were capmon's.
	own float64
	// class are the 3xx, 4xx and 5xx among the requests; classes tells whether
	// every request since the last answer is in one or in none of them.
	class   [3]float64
	classes bool
	// note says why no rate can be made of this count although it is right.
	note string
}

// add counts n responses of one status; 0 = it is not known.
func (t *tally) add(status int, n float64) {
	t.count += n
	if c := status/100 - 3; c >= 0 && c < len(t.class) {
		t.class[c] += n
	}
}

// readout is one answer of a source: all of it, and its parts where it has some.
type readout struct {
	tally
	parts map[string]tally    // by frontend of a proxy
	binds map[string][]uint16 // where they listen, as far as it tells
}

// counter is a number of requests that only grows while its server runs.
type counter interface {
	count(ctx context.Context) (readout, error)
	close()
}

// meter turns a counter into rates.
type meter struct {
	source  RPSSource
	page    *page // nil = it reads none
	counter counter

	whole *account
	parts map[string]*account
	root  int                 // the process whose source was found; 0 = it was named
	binds map[string][]uint16 // ports of the parts, as far as the source tells
	asked string              // the part that counts capmon's own polls
	err   error               // of the last poll
}

// soon is the shortest time since an account began at zero that makes a rate.
const soon = 100 * time.Millisecond

const waiting = "waiting for the second reading"

// account follows one number of a counter.
type account struct {
	begun   bool
	anew    bool // begun at zero and not read since
	last    tally
	at      time.Time
	total   float64 // requests since the account began
	sums    [3]float64
	untold  bool // some of total have no class
	metered      // after the last reading
}

// metered is what an account says. It has either a rate or a note, which may be
// an error.
type metered struct {
	rate      float32 // a second
	known     bool
	responses uint64    // since the account began
	since     time.Time // when that was
	answered  bool      // responses is known
	class     [3]uint64
	classes   bool // class is known
	note      string
}

// newMeter makes the meter of a source that names something to read. bounds are
// those of one request of a page.
func newMeter(s RPSSource, own *ownConns, b bounds) (*meter, error) {
	m := &meter{source: s, whole: new(account), parts: make(map[string]*account)}
	switch {
	case s.Kind == RPSLog:
		m.counter = newLogCounter(s.Path, s.Format)
		m.whole.fromZero(time.Now())
		return m, nil
	case s.Kind == RPSStatsD:
		m.counter = newStatsdCounter(s)
		m.whole.fromZero(time.Now())
		return m, nil
	case s.Path != "":
		m.counter = &haproxySocket{path: s.Path}
		return m, nil
	}
	accept := "text/plain"
	if s.Kind == RPSPrometheus || s.Kind == RPSCaddy {
		accept = "text/plain;version=0.0.4"
	}
	p, err := newPage(s.URL, accept, own)
	if err != nil {
		return nil, err
	}
	m.page = p
	switch s.Kind {
	case RPSPrometheus:
		m.counter = newPromCounter(s, p, b)
	case RPSCaddy:
		m.counter = newCaddyCounter(p, b)
	case RPSHAProxy:
		m.counter = &ownPage{page: p, parse: parseShowStat}
	case RPSApache:
		m.counter = &ownPage{page: p, parse: parseServerStatus}
	default:
		m.counter = &ownPage{page: p, parse: parseStubStatus}
	}
	return m, nil
}

// errRestarted is what a counter gives for one interval when another process
// counts than before.
var errRestarted = errors.New("the counter began anew: its server was restarted")

// quietError is a reason for having no count that is nobody's fault: nothing
// has been counted so far.
type quietError string

func (e quietError) Error() string { return string(e) }

// poll reads the counter once.
func (m *meter) poll(ctx context.Context) {
	got, err := m.counter.count(ctx)
	m.err = err
	switch {
	case errors.Is(err, errRestarted):
		m.err = nil
		m.each(func(a *account) {
			a.pause(err.Error())
			a.begun = false
		})
	case errors.As(err, new(quietError)):
		m.err = nil
		m.whole.pause(err.Error())
		if !m.whole.begun {
			m.whole.fromZero(time.Now())
		}
	case err != nil:
		// The next rate is over the time since the last answer.
		m.each(func(a *account) { a.pause(err.Error()) })
	default:
		m.take(got, time.Now())
	}
}

func (m *meter) each(do func(*account)) {
	do(m.whole)
	for _, a := range m.parts {
		do(a)
	}
}

// take hands one answer to the accounts.
func (m *meter) take(got readout, at time.Time) {
	m.binds = got.binds
	m.err = m.whole.take(got.tally, at)
	for name, t := range got.parts {
		if name == m.asked {
			t.own = got.own
		}
		a := m.parts[name]
		if a == nil {
			a = new(account)
			m.parts[name] = a
		}
		m.err = errors.Join(m.err, a.take(t, at))
	}
	for name := range m.parts {
		if _, ok := got.parts[name]; !ok {
			delete(m.parts, name)
		}
	}
}

// fromZero says that everything counted from now on is new.
func (a *account) fromZero(at time.Time) { a.begun, a.anew, a.at, a.since = true, true, at, at }

// pause keeps what is counted and gives a reason for having no rate.
func (a *account) pause(note string) {
	a.rate, a.known, a.note = 0, false, note
}

// take works out the rate over the time between two answers.
func (a *account) take(t tally, at time.Time) error {
	if !(t.count >= 0 && t.count <= maxCount) {
		err := fmt.Errorf("the counter is %v, which is no count", t.count)
		a.pause(err.Error())
		a.begun = false
		return err
	}
	begun, anew, grown, elapsed := a.begun, a.anew, t.count-a.last.count, at.Sub(a.at).Seconds()
	a.begun, a.anew, a.at, a.answered = true, false, at, true
	switch {
	case !begun:
		a.last = t
		if a.since.IsZero() {
			a.since = at
		}
		a.pause(waiting)
	case grown < 0:
		a.last = t
		a.pause(errRestarted.Error())
	case elapsed <= 0 || anew && elapsed < soon.Seconds():
		a.grow(grown, t)
		a.pause(waiting)
	default:
		grown = a.grow(grown, t)
		a.rated(grown/elapsed, t.note)
	}
	a.responses, a.classes = whole(a.total), t.classes && !a.untold
	for i, n := range a.sums {
		a.class[i] = whole(n)
	}
	return nil
}

// grow adds what came since the last answer, without capmon's own.
func (a *account) grow(grown float64, t tally) float64 {
	grown = max(0, grown-t.own)
	a.total += grown
	a.untold = a.untold || grown > 0 && !t.classes
	for i := range a.sums {
		a.sums[i] += max(0, t.class[i]-a.last.class[i])
	}
	a.last = t
	return grown
}

func (a *account) rated(rate float64, note string) {
	switch {
	case rate > sample.MaxRate:
		a.pause(fmt.Sprintf("the counter grew by %.0f a second, which can't be", rate))
	case note != "":
		a.pause(note)
	default:
		a.rate, a.known, a.note = float32(rate), true, ""
	}
}

func whole(v float64) uint64 { return uint64(math.Round(min(max(v, 0), maxCount))) }
