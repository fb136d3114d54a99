package collectors

import (
	"context"
	"errors"
	"time"

	"capmon/sample"
)

// memoryUse is in bytes.
type memoryUse struct{ total, used uint64 }

// loadAvg is the kernel's load over 1, 5 and 15 minutes.
type loadAvg [3]float64

// memorySource is one of the two roads to memory and load. Each answer is nil
// when it has an error or the system does not have it.
type memorySource interface {
	memory(ctx context.Context, now time.Time) (*memoryUse, error)
	load(ctx context.Context) (*loadAvg, error)
	close()
}

// memoryCollector reads memory and load.
type memoryCollector struct{ source memorySource }

var _ Collector = (*memoryCollector)(nil)

func newMemory(c Config) *memoryCollector { return &memoryCollector{source: newMemorySource(c)} }

// Name implements Collector.
func (c *memoryCollector) Name() string { return "memory" }

// Close implements Collector.
func (c *memoryCollector) Close() error {
	c.source.close()
	return nil
}

// Collect implements Collector.
func (c *memoryCollector) Collect(ctx context.Context, now time.Time) (Reading, error) {
	m, memErr := c.source.memory(ctx, now)
	l, loadErr := c.source.load(ctx)
	return func(s *sample.Sample) {
		if m != nil {
			s.Memory = &sample.Memory{Total: &m.total, Used: &m.used}
		}
		if l != nil {
			p := cpuOf(s)
			p.Load1, p.Load5, p.Load15 = new(float32(l[0])), new(float32(l[1])), new(float32(l[2]))
		}
	}, errors.Join(memErr, loadErr)
}
