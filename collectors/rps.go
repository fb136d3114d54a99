package collectors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"capmon/sample"
)

// portsWait is how long the first call waits to hear what listens here.
const portsWait = 200 * time.Millisecond

// rpsCollector learns the requests of the services that listen here: from what
// is named, from the kernel, and from the status pages it finds.
type rpsCollector struct {
	proc    string
	found   *listeners
	own     *ownConns
	rules   rpsRules
	kernel  *kernelPorts // nil = not asked for
	named   []*meter
	broken  []error // sources of which no meter could be made
	auto    map[int]*autoProbe
	proxies map[int]*proxyPorts
	ledger  ledger
	waited  bool        // for the first list of ports
	answers []rpsAnswer // of the last round, in the order of the ports
}

var _ Collector = (*rpsCollector)(nil)

func newRPS(c Config, own *ownConns, found *listeners) *rpsCollector {
	r := &rpsCollector{
		proc: c.Proc, found: found, own: own, rules: newRules(c.RPS, os.Geteuid() == 0),
		auto: make(map[int]*autoProbe), proxies: make(map[int]*proxyPorts), ledger: make(ledger),
	}
	for _, s := range c.RPS {
		if s.Kind == RPSAuto || s.Kind == RPSOff || s.Kind == RPSEBPF {
			continue
		}
		m, err := newMeter(s, own, pageBounds)
		if err != nil {
			r.broken = append(r.broken, fmt.Errorf("%v: %w", s, err))
			continue
		}
		r.named = append(r.named, m)
	}
	program, err := r.rules.program(c.RPS)
	if err != nil {
		r.broken = append(r.broken, err)
	}
	if r.rules.kernel() || c.Latency {
		k := newKernelPorts(own, func() (httpCounter, error) { return openHTTPCounter(program, c) })
		k.later.after, k.lazy = c.KernelAfter, !c.Scope.Whole()
		r.useKernel(k)
	}
	return r
}

// useKernel counts in the kernel. New ports are watched when they are found,
// not a second later.
func (r *rpsCollector) useKernel(k *kernelPorts) {
	r.kernel = k
	r.found.notify(k.watch)
}

// Name implements Collector.
func (r *rpsCollector) Name() string { return "rps" }

// Close implements Collector.
func (r *rpsCollector) Close() error {
	for _, m := range r.meters() {
		m.counter.close()
	}
	if r.kernel == nil {
		return nil
	}
	r.found.notify(nil)
	return r.kernel.close()
}

// meters are all there are, the named ones first: they win.
func (r *rpsCollector) meters() []*meter {
	all := append([]*meter(nil), r.named...)
	for _, a := range r.auto {
		if a.meter != nil {
			all = append(all, a.meter)
		}
	}
	return all
}

// Collect implements Collector. Everything is asked at the same time, the
// kernel last: it has counted the answers to capmon's own requests.
func (r *rpsCollector) Collect(ctx context.Context, now time.Time) (Reading, error) {
	if !r.waited {
		// The first walk through the processes may take longer than the others
		// wait; a first sample without notes would say less than it could.
		r.waited = true
		r.found.wait(ctx, portsWait)
	}
	ports, listed := r.found.get()
	errs := append([]error(nil), r.broken...)
	if r.kernel != nil {
		if err := r.kernel.start(ports, now); err != nil && r.rules.forced() {
			errs = append(errs, fmt.Errorf("--rps ebpf: %w", err))
		}
		if text := r.kernel.caveat(); text != "" {
			errs = append(errs, errors.New(text))
		}
	}
	probes := r.newProbes(ports)
	var jobs []func(context.Context)
	for _, m := range r.meters() {
		jobs = append(jobs, m.poll)
	}
	for _, p := range probes {
		jobs = append(jobs, func(ctx context.Context) { p.run(ctx, r.proc, r.own) })
	}
	if err := together(ctx, jobs); err != nil {
		return nil, err
	}
	for _, m := range r.meters() {
		if m.err != nil {
			errs = append(errs, meterError(m))
		}
	}
	if r.kernel != nil {
		r.kernel.read(time.Now())
	}
	if listed {
		answers, misplaced := r.assign(ports, now)
		r.ledger.carry(answers, time.Now())
		r.answers = answers
		errs = append(errs, misplaced...)
	}
	return rpsReading(r.answers), errors.Join(errs...)
}

// meterError says which source failed, why, and what to do.
func meterError(m *meter) error {
	if m.source.Kind == RPSNginx && errors.Is(m.err, errAnswer) {
		return fmt.Errorf("%v: %w; is stub_status on at this path?", m.source, m.err)
	}
	return fmt.Errorf("%v: %w", m.source, m.err)
}

// together runs the jobs at the same time and waits for all of them; each ends
// soon after ctx. A job that panics is an error. One alone needs no goroutine.
func together(ctx context.Context, jobs []func(context.Context)) error {
	if len(jobs) == 1 {
		jobs[0](ctx)
		return nil
	}
	errs := make([]error, len(jobs))
	var wait sync.WaitGroup
	for i, job := range jobs {
		wait.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					errs[i] = panicked(v)
				}
			}()
			job(ctx)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// rpsAnswer is what is known about the requests of one port.
type rpsAnswer struct {
	port   uint16
	source sample.RpsSource
	by     any // the account it comes from
	metered
	latency *sample.Latency
}

func rpsReading(answers []rpsAnswer) Reading {
	return func(s *sample.Sample) {
		i := 0
		for _, v := range s.GetServices() {
			for i < len(answers) && uint32(answers[i].port) < v.GetPort() {
				i++
			}
			if i < len(answers) && uint32(answers[i].port) == v.GetPort() {
				answers[i].write(v)
			}
		}
	}
}

func (a *rpsAnswer) write(v *sample.Service) {
	v.RpsSource, v.Latency = a.source, a.latency
	if a.answered {
		v.Responses = new(a.responses)
		if a.classes {
			v.Status = append([]uint64(nil), a.class[:]...)
		}
	}
	if a.known {
		v.Rps = new(a.rate)
		return
	}
	v.RpsNote = oneLine(a.note)
}
