package collectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"capmon/sample"
)

// The fields of one core's time, in the order of /proc/stat. The guest fields
// that follow there are left out: the kernel has them in user and nice already.
const (
	tUser = iota
	tNice
	tSystem
	tIdle
	tIowait
	tIrq
	tSoftirq
	tSteal
	timeFields
)

// coreTime is how long one core has been at what, since it began, in units of
// which there are coreTimes.hz a second.
type coreTime struct {
	id int // the kernel's number
	t  [timeFields]uint64
}

// coreTimes are the online cores in rising order of their numbers.
type coreTimes struct {
	cores []coreTime
	hz    float64
}

// coreUse is what one core did over an interval, in shares of its time.
type coreUse struct {
	id    int
	known bool
	busy  float64
	parts [sample.Parts]float64 // user, system, irq, iowait, steal; iowait may be NaN
}

// cpuCollector reads the time of the cores and the limits of the container.
type cpuCollector struct {
	source coreSource
	limits *cpuLimits
	idle   *idleCores
	clock  func() time.Time

	last     coreTimes
	lastTime time.Time
	times    coreTimes // the buffer that is not last
	use      []coreUse
}

// coreSource is one of the two roads to the cores' times.
type coreSource interface {
	// read fills into, whose memory it may use again.
	read(ctx context.Context, into *coreTimes) error
	close()
}

var _ Collector = (*cpuCollector)(nil)

func newCPU(c Config, idle *idleCores) *cpuCollector {
	return &cpuCollector{source: newCoreSource(c), limits: newCPULimits(c), idle: idle, clock: time.Now}
}

// Name implements Collector.
func (c *cpuCollector) Name() string { return "cpu" }

// Close implements Collector.
func (c *cpuCollector) Close() error {
	c.source.close()
	c.limits.close()
	return nil
}

// Collect implements Collector. Time is taken beside the reading and not from
// now: on a machine that is full the two can be far apart.
func (c *cpuCollector) Collect(ctx context.Context, _ time.Time) (Reading, error) {
	readErr := c.source.read(ctx, &c.times)
	at := c.clock()
	if readErr == nil && len(c.times.cores) > sample.MaxCores {
		readErr = fmt.Errorf("%d cores, at most %d can be shown", len(c.times.cores), sample.MaxCores)
	}
	elapsed := time.Duration(0)
	if !c.lastTime.IsZero() && readErr == nil {
		elapsed = at.Sub(c.lastTime)
	}
	c.use = coresUsed(c.use[:0], c.last.cores, c.times.cores, c.times.hz, elapsed)
	room, limitErr := c.limits.room(at, c.use)
	c.idle.publish(c.use, c.limits.mine)
	r := cpuReading(c.use, room)
	c.last, c.times = c.times, c.last
	c.lastTime = at
	if readErr != nil {
		c.lastTime = time.Time{}
	}
	return r, errors.Join(readErr, limitErr)
}

// coresUsed compares two readings. A core that was not in the first, or one of
// whose counters went back or ran faster than the clock, is unknown for this
// interval; elapsed 0 makes every core unknown.
func coresUsed(dst []coreUse, last, now []coreTime, hz float64, elapsed time.Duration) []coreUse {
	// Counters move in whole ticks: two of them are no jump.
	most := uint64(max(0, elapsed.Seconds())*1.1*hz + 2*max(1, hz/100))
	i := 0
	for _, n := range now {
		for i < len(last) && last[i].id < n.id {
			i++
		}
		u := coreUse{id: n.id}
		if elapsed > 0 && i < len(last) && last[i].id == n.id {
			u.between(&last[i].t, &n.t, most)
		}
		dst = append(dst, u)
	}
	return dst
}

// between sets the shares from two readings of one core, if they make sense.
// The kernel says of iowait that it may go back; then only iowait is unknown.
func (u *coreUse) between(last, now *[timeFields]uint64, most uint64) {
	var d [timeFields]float64
	var total float64
	iowait := true
	for f := range now {
		if now[f] < last[f] || now[f]-last[f] > most {
			if f == tIowait && now[f] < last[f] {
				iowait = false
				continue
			}
			return
		}
		d[f] = float64(now[f] - last[f])
		total += d[f]
	}
	if total == 0 {
		return
	}
	u.known = true
	u.parts = [sample.Parts]float64{
		(d[tUser] + d[tNice]) / total,
		d[tSystem] / total,
		(d[tIrq] + d[tSoftirq]) / total,
		d[tIowait] / total,
		d[tSteal] / total,
	}
	u.busy = u.parts[0] + u.parts[1] + u.parts[2]
	if !iowait {
		u.parts[partIowait] = unknownShare
	}
}

const (
	partIowait = 3

	// unknownShare is outside 0..1, so that sample.EncodeBusy makes it Unknown.
	unknownShare = -1
)

// cpuReading turns what the cores did into the message.
func cpuReading(use []coreUse, room coreRoom) Reading {
	bytes := make([]byte, len(use)*(1+sample.Parts))
	busy, parts := bytes[:len(use):len(use)], bytes[len(use):]
	var sum [sample.Parts]float64
	var seen [sample.Parts]int
	var ids []uint32
	for i, u := range use {
		if u.id != i && ids == nil {
			ids = make([]uint32, len(use))
			for j := range use {
				ids[j] = uint32(use[j].id)
			}
		}
		one := parts[i*sample.Parts : (i+1)*sample.Parts]
		if !u.known {
			busy[i] = sample.Unknown
			for p := range one {
				one[p] = sample.Unknown
			}
			continue
		}
		busy[i] = sample.EncodeBusy(u.busy)
		for p, share := range u.parts {
			one[p] = sample.EncodeBusy(share)
			if share >= 0 {
				sum[p] += share
				seen[p]++
			}
		}
	}
	return func(s *sample.Sample) {
		c := cpuOf(s)
		c.Busy, c.Ids, s.CoreParts = busy, ids, parts
		for p, to := range [sample.Parts]**uint32{&c.User, &c.System, &c.Irq, &c.Iowait, &c.Steal} {
			if seen[p] > 0 {
				*to = new(uint32(sum[p]/float64(seen[p])*10_000 + 0.5))
			}
		}
		room.apply(c)
	}
}

// cpuOf is the Cpu message of s: cores and load come from different collectors.
func cpuOf(s *sample.Sample) *sample.Cpu {
	if s.Cpu == nil {
		s.Cpu = new(sample.Cpu)
	}
	return s.Cpu
}

// coreRoom is how many cores may be used and how many are.
type coreRoom struct {
	available float64 // cores; 0 = unknown
	from      sample.Bound
	used      float64
	usedKnown bool
	throttled float64 // share of the quota's periods in which it held back
	hasQuota  bool    // throttled is known
}

func (r coreRoom) apply(c *sample.Cpu) {
	if r.available > 0 {
		c.Available = new(float32(r.available))
		c.AvailableFrom = r.from
	}
	if r.usedKnown {
		c.Used = new(float32(r.used))
	}
	if r.hasQuota {
		c.Throttled = new(uint32(r.throttled*10_000 + 0.5))
	}
}

// sumBusy adds up the cores that in takes; ok is false while one of them is
// unknown.
func sumBusy(use []coreUse, in func(id int) bool) (sum float64, ok bool) {
	n := 0
	for _, u := range use {
		if !in(u.id) {
			continue
		}
		if !u.known {
			return 0, false
		}
		sum += u.busy
		n++
	}
	return sum, n > 0
}
