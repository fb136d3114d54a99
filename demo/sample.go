package demo

import (
	"context"
	"time"

	"capmon/sample"
)

// requests a second for each user, by service
const (
	nginxPerUser = 0.30
	nodePerUser  = 0.15
)

const (
	hotCore   = 0.992 // busy of the core that the one thread is on
	stealMean = 0.074 // of the cores' time, where a neighbour steals
)

// block is a sample with all that hangs on it, in one piece of memory.
type block struct {
	sample   sample.Sample
	cpu      sample.Cpu
	memory   sample.Memory
	conns    sample.Connections
	self     sample.Self
	services [3]sample.Service
	list     [3]*sample.Service
	times    [6]uint32

	processes [4]sample.Process
	procs     [4]*sample.Process
	finding   sample.Finding
	latency   [2]sample.Latency
	status    [2][sample.StatusClasses]uint64
	accepts   float32
	timeWait  uint32
	queue     [3]uint32

	user, system, irq, iowait, steal uint32
	available, used                  float32
	load                             [3]float32
	total, memUsed, rss              uint64
	established, served, cpuUs       uint32
	svcConns                         [3]uint32
	rps                              [2]float32
	run, top                         [3]uint32
	one                              [3]bool
	responses                        [2]uint64
}

// Sample is the second of a host that ends at a moment; nil in the seconds in
// which the host is silent. The caller owns it.
func (f *Fleet) Sample(host int, at time.Time) *sample.Sample {
	p := &f.hosts[host]
	if p.silent(second(at)) {
		return nil
	}
	return p.sample(at, make([]byte, f.config.Cores))
}

// sample makes the second of a host, with its cores in busy.
func (p *profile) sample(at time.Time, busy []byte) *sample.Sample {
	t := second(at)
	b := new(block)
	noise := mix(p.key ^ uint64(t)*0x2545f4914f6cdd1d)
	users := uint32(max(p.usersAt(float64(t))+float64(noise%17)-8, 0))
	b.sample.Seq = uint64(max(t, 1))
	b.sample.TimeMs = at.UnixMilli()
	b.sample.Cpu, b.sample.Memory, b.sample.Connections, b.sample.Self = &b.cpu, &b.memory, &b.conns, &b.self
	p.fillCPU(b, busy, float64(users), noise, t)
	p.fillServices(b, users, t)
	p.fillProcesses(b, noise)

	b.total = uint64(len(busy)) * 2 << 30
	b.memUsed = b.total/5 + min(uint64(users)*120_000, b.total/2)
	b.memory.Total, b.memory.Used = &b.total, &b.memUsed
	b.established, b.served = users+uint32(noise>>20%40), users
	b.timeWait = users / 40
	b.conns.Established, b.conns.Served, b.conns.TimeWait = &b.established, &b.served, &b.timeWait
	b.conns.Source = sample.ConnectionSource_CONNECTION_SOURCE_EBPF
	b.cpuUs, b.rss = 700+uint32(noise>>30%200), 12<<20+noise>>40%(1<<18)
	b.self.CpuUs, b.self.Rss = &b.cpuUs, &b.rss
	b.times = [6]uint32{60 + uint32(noise>>50%20), 12, 130, 90, 300, 15}
	b.sample.CollectorUs = b.times[:]
	return &b.sample
}

// fillCPU makes the cores: each near the mean of the host, one of them full
// where one thread does the work.
func (p *profile) fillCPU(b *block, busy []byte, users float64, noise uint64, t int64) {
	share := p.cpuAt(users)
	if p.thread {
		share *= 0.6
	}
	level := int(share * sample.Full)
	sum, bits := 0, noise
	for i := range busy {
		if i&7 == 0 {
			bits = mix(bits)
		}
		v := min(max(level*int(p.spread[i])>>7+int(bits&31)-15, 0), sample.Full)
		bits >>= 8
		busy[i] = byte(v)
		sum += v
	}
	if p.thread {
		// The kernel moves a thread now and then.
		i := int(mix(p.key^uint64(t/45)) % uint64(len(busy)))
		sum += hotCore*sample.Full - int(busy[i])
		busy[i] = hotCore * sample.Full
	}
	cores := len(busy)
	b.available, b.used = float32(cores), float32(sum)/sample.Full
	total := uint32(sum * 10_000 / (cores * sample.Full))
	b.user, b.irq = total*76/100, total*4/100
	b.system = total - b.user - b.irq
	b.iowait = 20 + uint32(noise>>16%60)
	if p.steal {
		b.steal = stealMean*10_000 - 120 + uint32(noise>>24%240)
	}
	for i := range b.load {
		b.load[i] = b.used * (1 + float32(i)/50)
	}
	c := &b.cpu
	c.Busy, c.User, c.System, c.Irq, c.Iowait, c.Steal = busy, &b.user, &b.system, &b.irq, &b.iowait, &b.steal
	c.Available, c.AvailableFrom, c.Used = &b.available, sample.Bound_BOUND_ONLINE, &b.used
	c.Load1, c.Load5, c.Load15 = &b.load[0], &b.load[1], &b.load[2]
}

// Past is the last n seconds of a host up to a moment, oldest first, without
// those in which it was silent. Each is what Sample gives for its moment.
func (f *Fleet) Past(host int, until time.Time, n int) []*sample.Sample {
	p := &f.hosts[host]
	list := make([]*sample.Sample, 0, max(n, 0))
	cores := f.config.Cores
	var busy []byte
	for i := n - 1; i >= 0; i-- {
		at := until.Add(-time.Duration(i) * time.Second)
		if p.silent(second(at)) {
			continue
		}
		if len(busy) < cores {
			busy = make([]byte, 16*cores) // few pieces, that fade soon after one another
		}
		list = append(list, p.sample(at, busy[:cores:cores]))
		busy = busy[cores:]
	}
	return list
}

// Points are the n ten-second points of a host that end before a moment,
// oldest first: the mean of three of their seconds, without those in which it
// was silent.
func (f *Fleet) Points(host int, until time.Time, n int) []*sample.Point {
	list := make([]*sample.Point, 0, max(n, 0))
	last := until.Unix()/10*10 - 10
	for i := n - 1; i >= 0; i-- {
		t := last - int64(i)*10
		var some []*sample.Sample
		for _, into := range []int64{2, 5, 8} {
			if s := f.Sample(host, time.Unix(t+into, 0)); s != nil {
				some = append(some, s)
			}
		}
		if len(some) > 0 {
			list = append(list, pointOf(t, some))
		}
	}
	return list
}

// pointOf is the mean of samples that know everything.
func pointOf(at int64, some []*sample.Sample) *sample.Point {
	p := &sample.Point{
		Time: at, Samples: 10, Cpu: new(float32), Available: some[0].Cpu.Available, Hottest: new(float32), Rps: new(float32),
		Served: new(float32), Memory: new(float32), Steal: new(float32),
	}
	n := float32(len(some))
	for _, s := range some {
		rps, _ := sample.Requests(s.GetServices())
		*p.Rps += float32(rps) / n
		*p.Cpu += s.Cpu.GetUsed() / s.Cpu.GetAvailable() / n
		*p.Served += float32(s.Connections.GetServed()) / n
		*p.Memory += float32(s.Memory.GetUsed()) / float32(s.Memory.GetTotal()) / n
		*p.Steal += float32(s.Cpu.GetSteal()) / 10_000 / n
		for _, b := range s.Cpu.GetBusy() {
			if v, ok := sample.DecodeBusy(b); ok {
				*p.Hottest = max(*p.Hottest, float32(v))
			}
		}
		k := 0
		for _, v := range s.GetServices() {
			if v.Rps == nil {
				continue
			}
			if k == len(p.Services) {
				p.Services = append(p.Services, &sample.ServicePoint{Port: v.Port, Rps: new(float32), Run: new(float32), Top: new(float32)})
			}
			to := p.Services[k]
			*to.Rps += v.GetRps() / n
			*to.Run += float32(v.GetRunUs()) / 1e6 / n
			*to.Top += float32(v.GetTopUs()) / 1e6 / n
			k++
		}
	}
	return p
}

// Source is one host as an agent reads it.
type Source struct {
	fleet *Fleet
	host  int
}

// Source is a host of the fleet for an agent to read.
func (f *Fleet) Source(host int) *Source { return &Source{f, host} }

// Sample is the second that ends now. In a second in which the host is silent
// it has no readings.
func (s *Source) Sample(_ context.Context, now time.Time) *sample.Sample {
	if v := s.fleet.Sample(s.host, now); v != nil {
		v.CoreParts = coreParts(v.GetCpu())
		return v
	}
	v := &sample.Sample{Seq: uint64(max(second(now), 1)), TimeMs: now.UnixMilli()}
	for i := range collectorNames() {
		v.Errors = append(v.Errors, &sample.CollectorError{Collector: uint32(i), Text: "simulated: nothing read this second"})
	}
	return v
}

// coreParts splits each core's busy as the machine's is split.
func coreParts(c *sample.Cpu) []byte {
	total := c.GetUser() + c.GetSystem() + c.GetIrq()
	if total == 0 {
		return make([]byte, sample.Parts*len(c.GetBusy()))
	}
	out := make([]byte, 0, sample.Parts*len(c.GetBusy()))
	for _, b := range c.GetBusy() {
		user := uint32(b) * c.GetUser() / total
		irq := uint32(b) * c.GetIrq() / total
		rest := uint32(sample.Full - b) // of the time that was not busy
		out = append(out, byte(user), byte(uint32(b)-user-irq), byte(irq),
			byte(rest*c.GetIowait()/10_000), byte(rest*c.GetSteal()/10_000))
	}
	return out
}

// Names are those of the collectors.
func (s *Source) Names() []string { return collectorNames() }

// Close does nothing.
func (s *Source) Close() error { return nil }
