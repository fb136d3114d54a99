package collectors

import (
	"context"
	"errors"
	"math"
	"time"

	"capmon/sample"
)

// scopeCPU is the cores of a scope. It reads those of the machine too, for what
// is idle: a thread is full only where a core that its process could use is
// free, in the machine and in the scope.
type scopeCPU struct {
	source coreSource
	idle   *idleCores
	scope  *scopeUse

	last, times coreTimes
	at          time.Time
	use         []coreUse
}

var _ Collector = (*scopeCPU)(nil)

func newScopeCPU(c Config, idle *idleCores, scope *scopeUse) *scopeCPU {
	return &scopeCPU{source: newCoreSource(c), idle: idle, scope: scope}
}

// Name implements Collector.
func (c *scopeCPU) Name() string { return "cpu" }

// Close implements Collector.
func (c *scopeCPU) Close() error {
	c.source.close()
	return nil
}

// Collect implements Collector.
func (c *scopeCPU) Collect(ctx context.Context, now time.Time) (Reading, error) {
	err := c.source.read(ctx, &c.times)
	at := time.Now()
	elapsed := time.Duration(0)
	if err == nil && !c.at.IsZero() {
		elapsed = at.Sub(c.at)
	}
	c.use = coresUsed(c.use[:0], c.last.cores, c.times.cores, c.times.hz, elapsed)
	c.last, c.times, c.at = c.times, c.last, at
	if err != nil {
		c.at = time.Time{}
	}
	room, err2 := c.scope.coresUsed(now, c.use)
	c.publish(room)
	return func(s *sample.Sample) { room.cells(s) }, errors.Join(err, err2)
}

// publish tells what is idle: no more than the scope has left.
func (c *scopeCPU) publish(room coreRoom) {
	var idle float64
	for _, u := range c.use {
		idle += max(0, 1-u.busy)
	}
	if room.usedKnown && idle > 0 {
		share := min(1, max(0, room.available-room.used)/idle)
		for i := range c.use {
			u := &c.use[i]
			u.busy = 1 - max(0, 1-u.busy)*share
		}
	}
	c.idle.publish(c.use, func(int) bool { return true })
}

// cells writes the room and the use of a scope: a cell for each core that it
// has, filled as the function cells says.
func (r coreRoom) cells(s *sample.Sample) {
	c := cpuOf(s)
	r.apply(c)
	n := int(math.Ceil(r.available - 1e-9))
	if n < 1 || n > sample.MaxCores {
		return
	}
	c.Busy = make([]byte, n)
	if !r.usedKnown {
		for i := range c.Busy {
			c.Busy[i] = sample.Unknown
		}
		return
	}
	var runs []float64
	for _, t := range s.GetThreads() {
		runs = append(runs, float64(t.GetRun())/1000)
	}
	for i, full := range cells(n, runs, r.used) {
		c.Busy[i] = sample.EncodeBusy(full)
	}
}
