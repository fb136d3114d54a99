package collectors

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"capmon/collectors/kernel"
	"capmon/sample"
)

// latencyWindow is the time over which response times are told.
const latencyWindow = 10 * time.Second

// kernelHTTP is the counter in the kernel, and its times of the last seconds.
type kernelHTTP struct {
	*kernel.HTTP
	latency bool
	times   map[uint16][]timesAt
}

// timesAt are the response times of a port since it is watched, as they were at
// one moment.
type timesAt struct {
	at    time.Time
	times kernel.Times
}

// openHTTPCounter loads a program into the kernel; an empty name means the
// better one that it allows.
func openHTTPCounter(program string, c Config) (httpCounter, error) {
	latency := c.Latency
	h, err := kernel.OpenHTTP(kernel.HTTPOptions{Mode: kernel.Mode(program), Latency: latency, Proc: c.Proc, ByAddr: !c.Scope.Whole()})
	if err != nil && program == "" {
		return nil, calm(err)
	}
	if err != nil {
		return nil, err
	}
	return &kernelHTTP{HTTP: h, latency: latency, times: make(map[uint16][]timesAt)}, nil
}

// calm is one sentence out of the refusals of both programs: the rights that are
// missing, else why the one that most kernels allow was refused.
func calm(err error) error {
	var refusals []error
	if both, ok := err.(interface{ Unwrap() []error }); ok {
		refusals = both.Unwrap()
	}
	for _, e := range refusals {
		var r *kernel.Refusal
		if errors.As(e, &r) && len(r.Missing) > 0 {
			return fmt.Errorf("%s missing: run as root or give it with setcap", strings.Join(r.Missing, " and "))
		}
	}
	if n := len(refusals); n > 0 {
		return refusals[n-1]
	}
	return err
}

// Watch implements httpCounter.
func (k *kernelHTTP) Watch(p *servicePort) error {
	at := p.only()
	switch {
	case p.mixed:
		return fmt.Errorf("others listen on port %d at the same address: whose a response is can't be told: name an endpoint with --rps", p.port)
	case p.shared && !at.IsValid():
		return fmt.Errorf("others listen on port %d at addresses of their own, and this scope at more than one: name an endpoint with --rps", p.port)
	case p.shared && !k.ByAddr():
		return fmt.Errorf("others listen on port %d at addresses of their own: telling them apart in the kernel takes Linux 6.16: name an endpoint with --rps", p.port)
	}
	return k.WatchAt(p.port, at)
}

// Unwatch implements httpCounter.
func (k *kernelHTTP) Unwatch(port uint16) {
	k.HTTP.Unwatch(port)
	delete(k.times, port)
}

// Read implements httpCounter.
func (k *kernelHTTP) Read(port uint16) (class [6]uint64, other uint64, ok bool) {
	c, ok := k.HTTP.Read(port)
	return c.Class, c.Other, ok
}

// Latency implements httpCounter.
func (k *kernelHTTP) Latency(port uint16, now time.Time) *sample.Latency {
	if !k.latency {
		return nil
	}
	t, ok := k.HTTP.Latency(port)
	if !ok {
		return nil
	}
	kept := k.times[port]
	switch {
	case len(kept) > 0:
	case t.Count() == 0:
		return nil // 40 KB are kept for ports that answer alone
	default:
		kept = append(kept, timesAt{at: now})
	}
	for len(kept) > 1 && now.Sub(kept[1].at) >= latencyWindow {
		kept = kept[1:]
	}
	k.times[port] = append(kept, timesAt{now, t})
	last := t.Since(kept[0].times)
	if last.Count() == 0 {
		return nil
	}
	us := func(d time.Duration) uint32 { return uint32(min(d.Microseconds(), 1<<32-1)) }
	return &sample.Latency{MeanUs: us(last.Mean()), P50Us: us(last.Quantile(0.5)), P95Us: us(last.Quantile(0.95)), P99Us: us(last.Quantile(0.99))}
}
