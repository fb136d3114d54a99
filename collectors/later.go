package collectors

import "time"

// later holds back what is dear to begin and not needed at once, so that a
// screen in the same process has its first frame before.
type later struct {
	after time.Duration
	first time.Time
}

// due tells whether after has passed since it was first asked.
func (l *later) due(now time.Time) bool {
	if l.first.IsZero() {
		l.first = now
	}
	return now.Sub(l.first) >= l.after
}
