package collectors

import (
	"context"
	"time"

	"capmon/sample"
)

// familyEvery is how often what seldom changes is looked at: who the
// processes of a service are, their limits, and their configuration.
const familyEvery = 10 * time.Second

// portLimits is what one port can hold, as far as it is known.
type portLimits struct {
	port  uint16
	files openFiles
	conns connLimit
}

// openFiles are those of the process that has the fewest left.
type openFiles struct {
	used  uint32
	limit uint64 // 0 = not known, and so is used
}

// connLimit is how many connections of clients a service can hold by its own
// configuration.
type connLimit struct {
	most uint64
	from string // how it comes to that, in the words of its configuration; empty = not known
}

// limitsSource learns what services can hold. What may not be seen is absent:
// that another user's process is hidden is no error to repeat each second.
type limitsSource interface {
	// read returns what is known, in the order of ports.
	read(ctx context.Context, now time.Time, ports []servicePort) []portLimits
	close()
}

// limitsCollector tells the open files of services against their limit, and
// the connections that their own configuration allows.
type limitsCollector struct {
	source limitsSource
	found  *listeners
	waited bool // for the first list of ports
	rhythm limitsRhythm
}

var _ Collector = (*limitsCollector)(nil)

func newLimits(c Config, found *listeners) *limitsCollector {
	return &limitsCollector{source: newLimitsSource(c), found: found}
}

// Name implements Collector.
func (l *limitsCollector) Name() string { return "limits" }

// Close implements Collector.
func (l *limitsCollector) Close() error {
	l.source.close()
	return nil
}

// Collect implements Collector. The Reading is never nil: it also settles what
// the collectors before it said of limits.
func (l *limitsCollector) Collect(ctx context.Context, now time.Time) (Reading, error) {
	if !l.waited {
		l.waited = true
		l.found.wait(ctx, portsWait)
	}
	ports, _ := l.found.get()
	known := l.source.read(ctx, now, ports)
	return func(s *sample.Sample) {
		writeLimits(s, known)
		l.rhythm.settle(s)
	}, nil
}

// writeLimits adds what is known to the services of s; both are in the order of
// ports.
func writeLimits(s *sample.Sample, known []portLimits) {
	i := 0
	for _, v := range s.GetServices() {
		for i < len(known) && uint32(known[i].port) < v.GetPort() {
			i++
		}
		if i < len(known) && uint32(known[i].port) == v.GetPort() {
			known[i].write(v)
		}
	}
}

func (p *portLimits) write(v *sample.Service) {
	if p.files.limit > 0 {
		l := limitsOf(v)
		l.FilesUsed, l.Files = new(p.files.used), new(p.files.limit)
	}
	if p.conns.from != "" {
		l := limitsOf(v)
		l.Connections, l.ConnectionsFrom = new(p.conns.most), oneLine(p.conns.from)
	}
}

// noLimitsSource stands where nothing can be learnt: on other systems.
type noLimitsSource struct{}

func (noLimitsSource) read(context.Context, time.Time, []servicePort) []portLimits { return nil }

func (noLimitsSource) close() {}
