package collectors

import (
	"slices"
	"time"
)

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
