package collectors

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"capmon/sample"
)

// dearest is the share of one core that counting may cost in the mean. A count
// that took c is followed by none for c / dearest; in between the last one
// stands. At 1 µs a socket that begins to tell at 20,000 connections.
const dearest = 0.02

// recount is how long a count may stand at most while the kernel's counters
// show no change.
const recount = 5 * time.Second

// socketSource is one of the two roads to the sockets.
type socketSource interface {
	// read brings the table up to date, as far as it is time for it. Sockets
	// that listen are known when fresh is true even if there is an error.
	read(ctx context.Context, now time.Time, t *portTable) (fresh bool, err error)
	close()
}

// connections lists the ports that listen and counts what is connected.
type connections struct {
	source socketSource
	found  *listeners
	table  *portTable
	rhythm peersRhythm
	scoped bool // of connections that were made from here nothing is known
}

var _ Collector = (*connections)(nil)

func newConnections(c Config, own *ownConns, found *listeners) *connections {
	return &connections{source: newSocketSource(c, own), found: found, table: new(portTable)}
}

// Name implements Collector.
func (c *connections) Name() string { return "connections" }

// Close implements Collector.
func (c *connections) Close() error {
	c.source.close()
	return nil
}

// Collect implements Collector.
func (c *connections) Collect(ctx context.Context, now time.Time) (Reading, error) {
	fresh, err := c.source.read(ctx, now, c.table)
	if !fresh {
		return nil, err
	}
	ports, dropped := visible(c.table.ports)
	c.found.publish(ports)
	if dropped > 0 && err == nil {
		err = fmt.Errorf("%d ports listen, the %d with the most connections are shown", len(ports)+dropped, len(ports))
	}
	return c.reading(ports), err
}

// visible copies the ports that are services: not capmon's own, and at most
// sample.MaxServices of them, those with the most connections.
func visible(all []servicePort) (ports []servicePort, dropped int) {
	ports = make([]servicePort, 0, len(all))
	for _, p := range all {
		if !p.owner.own {
			ports = append(ports, p)
		}
	}
	dropped = len(ports) - sample.MaxServices
	if dropped <= 0 {
		return ports, 0
	}
	slices.SortStableFunc(ports, func(a, b servicePort) int { return cmp.Compare(b.clients, a.clients) })
	ports = ports[:sample.MaxServices]
	slices.SortFunc(ports, func(a, b servicePort) int { return cmp.Compare(a.port, b.port) })
	return ports, dropped
}

func (c *connections) reading(ports []servicePort) Reading {
	services := make([]sample.Service, len(ports))
	t, n := c.table, c.table.network
	total := &sample.Connections{Source: n.source, Drift: n.drift, TimeWait: n.timeWait, PortsUsed: n.portsUsed, PortsLimit: n.portsLimit}
	if t.known {
		total.Established, total.Served = new(t.established), new(t.served())
	}
	if c.scoped {
		total.Established = nil
		if slices.ContainsFunc(ports, func(p servicePort) bool { return !p.counted }) {
			total.Served = nil
		}
	}
	return func(s *sample.Sample) {
		tell := c.rhythm.settle(ports)
		s.Connections = total
		s.Services = make([]*sample.Service, len(ports))
		for i, p := range ports {
			v := &services[i]
			v.Port, v.Name, v.Pid = uint32(p.port), p.owner.name, uint32(p.owner.root)
			v.Behind, v.Accepts = uint32(p.behind), p.accepts
			if p.counted {
				v.Connections = new(p.clients)
			}
			if q := p.queue; q != nil {
				v.Queue, v.Drops = new(q.now), q.drops
				v.Limits = &sample.ServiceLimits{Queue: new(q.limit)}
			}
			if tell[i] {
				v.Peers = peersMessage(p.peers)
			}
			s.Services[i] = v
		}
	}
}

// pace decides when to count again.
type pace struct {
	last     time.Time // of the last count; zero = none or it failed
	earliest time.Time // of the next
}

// due tells whether to count at now; changed says that something has changed
// since the last count.
func (p *pace) due(now time.Time, changed bool) bool {
	if now.Before(p.earliest) {
		return false
	}
	return changed || p.last.IsZero() || now.Sub(p.last) >= recount
}

// counted notes what a count at now took.
func (p *pace) counted(now time.Time, took time.Duration, ok bool) {
	p.earliest = now.Add(atMost(dearest, took))
	p.last = now
	if !ok {
		p.last = time.Time{}
	}
}

// atMost is how long to wait after something that took so much CPU time, for it
// to cost no more than share of a core in the mean.
func atMost(share float64, took time.Duration) time.Duration {
	return time.Duration(float64(took) / share)
}
