package collectors

import (
	"context"
	"time"
)

// SelfMeter reads what this process costs, for a viewer's own line on the screen.
type SelfMeter struct{ source selfSource }

// NewSelfMeter makes a SelfMeter; Close gives its file back.
func NewSelfMeter() *SelfMeter { return &SelfMeter{source: newSelfSource(Config{}.withDefaults())} }

// Read returns the user and system time since the process began and its
// resident memory in bytes, 0 where that is unknown.
func (m *SelfMeter) Read(ctx context.Context, now time.Time) (cpu time.Duration, rss uint64, err error) {
	if cpu, err = m.source.cpu(); err != nil {
		return 0, 0, err
	}
	rss, err = m.source.rss(ctx, now)
	return cpu, rss, err
}

// Close implements io.Closer.
func (m *SelfMeter) Close() error {
	m.source.close()
	return nil
}
