package collectors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"capmon/sample"
)

// selfSource reads what this process costs. rss is 0 when it is unknown.
type selfSource interface {
	// cpu is user and system time since the process began.
	cpu() (time.Duration, error)
	// rss is resident memory in bytes.
	rss(ctx context.Context, now time.Time) (uint64, error)
	close()
}

// selfCollector reports what capmon itself costs: the whole process, a viewer
// in it included.
type selfCollector struct {
	source selfSource
	last   time.Duration
	begun  bool
}

var _ Collector = (*selfCollector)(nil)

func newSelf(c Config) *selfCollector { return &selfCollector{source: newSelfSource(c)} }

// Name implements Collector.
func (c *selfCollector) Name() string { return "self" }

// Close implements Collector.
func (c *selfCollector) Close() error {
	c.source.close()
	return nil
}

// Collect implements Collector.
func (c *selfCollector) Collect(ctx context.Context, now time.Time) (Reading, error) {
	cpu, cpuErr := c.source.cpu()
	if cpuErr != nil {
		cpuErr = fmt.Errorf("own CPU time: %w", cpuErr)
	}
	rss, rssErr := c.source.rss(ctx, now)
	if rssErr != nil {
		rssErr = fmt.Errorf("own memory: %w", rssErr)
	}
	spent := cpu - c.last
	known := cpuErr == nil && c.begun && spent >= 0
	c.last, c.begun = cpu, cpuErr == nil
	return func(s *sample.Sample) {
		s.Self = new(sample.Self)
		if known {
			s.Self.CpuUs = new(uint32(min(spent.Microseconds(), math.MaxUint32)))
		}
		if rss > 0 {
			s.Self.Rss = &rss
		}
	}, errors.Join(cpuErr, rssErr)
}
