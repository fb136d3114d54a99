package collectors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"capmon/sample"
)

// maxCount is the largest count that is believed: above it a float64 can't
// count by ones.
const maxCount = 1 << 53

// counter is a number of requests that only grows while its server runs.
type counter interface {
	// count reads it. own is how many of the requests since the last answer were
	// capmon's.
	count(ctx context.Context) (count, own float64, err error)
}

// meter turns a counter into a rate.
type meter struct {
	source  RPSSource
	page    *page
	counter counter

	begun bool
	last  float64
	at    time.Time
	total float64 // requests since the meter began

	result metered
}

// metered is what a meter says after a poll. It has either a rate or a note,
// which may be an error.
type metered struct {
	rate      float32 // a second
	known     bool
	responses uint64 // since the meter began
	answered  bool   // responses is known
	note      string
	err       error
}

// newMeter makes the meter of a source that names a page.
func newMeter(s RPSSource, own *ownConns) (*meter, error) {
	accept := "text/plain"
	if s.Kind == RPSPrometheus {
		accept = "text/plain;version=0.0.4"
	}
	p, err := newPage(s.URL, accept, own)
	if err != nil {
		return nil, err
	}
	m := &meter{source: s, page: p}
	if s.Kind == RPSPrometheus {
		m.counter = newPromCounter(s, p)
	} else {
		m.counter = &nginxCounter{page: p}
	}
	return m, nil
}

// errRestarted is what a counter gives for one interval when another process
// counts than before.
var errRestarted = errors.New("the counter began anew: its server was restarted")

// poll reads the counter once and sets result.
func (m *meter) poll(ctx context.Context) {
	count, own, err := m.counter.count(ctx)
	if errors.Is(err, errRestarted) {
		m.result = metered{note: err.Error(), responses: whole(m.total), answered: m.begun}
		m.begun = false
		return
	}
	if err != nil {
		// The next rate is over the time since the last answer.
		m.result = metered{err: err, note: err.Error(), responses: whole(m.total), answered: m.begun}
		return
	}
	m.take(count, own, time.Now())
}

// take works out the rate over the time between two answers.
func (m *meter) take(count, own float64, at time.Time) {
	if !(count >= 0 && count <= maxCount) {
		m.result = metered{err: fmt.Errorf("the counter is %v, which is no count", count), responses: whole(m.total), answered: m.begun}
		m.result.note = m.result.err.Error()
		m.begun = false
		return
	}
	begun, grown, elapsed := m.begun, count-m.last, at.Sub(m.at).Seconds()
	m.begun, m.last, m.at = true, count, at
	r := metered{answered: true}
	switch {
	case !begun:
		r.note = "waiting for the second reading"
	case grown < 0:
		r.note = errRestarted.Error()
	case elapsed <= 0:
		r.note = "two readings at one time"
	default:
		grown = max(0, grown-own)
		m.total += grown
		if rate := grown / elapsed; rate <= sample.MaxRate {
			r.rate, r.known = float32(rate), true
		} else {
			r.note = fmt.Sprintf("the counter grew by %.0f a second, which can't be", rate)
		}
	}
	r.responses = whole(m.total)
	m.result = r
}

func whole(v float64) uint64 { return uint64(math.Round(min(max(v, 0), maxCount))) }

// flips watches a counter that may come from several processes in turn, such as
// the workers of a Node cluster behind one port. Each has its own count, so the
// differences mean nothing.
type flips struct {
	backs  []time.Time // when the counter went back, the newest last
	starts []float64   // when the processes that answered began
}

// flipWindow is how long a counter that goes back again and again is not
// believed.
const flipWindow = time.Minute

// seen notes one answer and tells whether several processes take turns. start
// is when the process began, 0 = it doesn't say.
func (f *flips) seen(at time.Time, back bool, start float64) bool {
	f.backs = slices.DeleteFunc(f.backs, func(t time.Time) bool { return at.Sub(t) > flipWindow })
	if start > 0 {
		i := slices.Index(f.starts, start)
		if i >= 0 && i < len(f.starts)-1 {
			// One that answered before another one did: both are alive.
			f.backs = append(f.backs, at, at)
		}
		if i >= 0 {
			f.starts = slices.Delete(f.starts, i, i+1)
		}
		f.starts = append(f.starts, start)
		if len(f.starts) > 8 {
			f.starts = f.starts[1:]
		}
	}
	if back {
		f.backs = append(f.backs, at)
	}
	if n := len(f.backs); n > 8 {
		f.backs = f.backs[n-8:]
	}
	return len(f.backs) >= 2
}

// together says that everything seen so far was within a moment: processes that
// began at different times are then alive at once.
func (f *flips) together(at time.Time) {
	if len(f.starts) > 1 {
		f.backs = append(f.backs, at, at)
	}
}
