package alerts

import "time"

// OpenSmall opens a log with another bound.
func OpenSmall(path string, now time.Time, most int64) (*Log, error) {
	l, _, err := open(path, now, most)
	return l, err
}
