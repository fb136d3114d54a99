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

// rpsCollector learns the requests of the services that listen here, from the
// pages that are named and from the status pages it finds.
type rpsCollector struct {
	found   *listeners
	own     *ownConns
	rules   rpsRules
	named   []*meter
	broken  []error // sources of which no meter could be made
	auto    map[int]*autoProbe
	waited  bool        // for the first list of ports
	answers []rpsAnswer // of the last round, in the order of the ports
}

// rpsRules say what to do about services without a page of their own.
type rpsRules struct {
	auto    bool
	only    map[string]bool // auto for these names and ports alone; nil = all
	off     map[string]bool // these not
	offSaid bool            // off was said for all
	root    bool            // this process may see the owner of every socket
}

var _ Collector = (*rpsCollector)(nil)

func newRPS(c Config, own *ownConns, found *listeners) *rpsCollector {
	r := &rpsCollector{found: found, own: own, rules: newRules(c.RPS), auto: make(map[int]*autoProbe)}
	for _, s := range c.RPS {
		if s.Kind != RPSNginx && s.Kind != RPSPrometheus {
			continue
		}
		m, err := newMeter(s, own)
		if err != nil {
			r.broken = append(r.broken, fmt.Errorf("%v: %w", s, err))
			continue
		}
		r.named = append(r.named, m)
	}
	return r
}

func newRules(sources []RPSSource) rpsRules {
	r := rpsRules{auto: true, off: make(map[string]bool), root: os.Geteuid() == 0}
	for _, s := range sources {
		switch {
		case s.Kind == RPSOff && s.Service == "":
			r.auto, r.offSaid = false, true
		case s.Kind == RPSOff:
			r.off[s.Service] = true
		case s.Kind == RPSAuto && s.Service != "":
			if r.only == nil {
				r.only = make(map[string]bool)
			}
			r.only[s.Service] = true
		}
	}
	for _, s := range sources {
		if s.Kind == RPSAuto && s.Service == "" {
			r.auto, r.only = true, nil
		}
	}
	if r.only != nil {
		r.auto = true
	}
	return r
}

// Name implements Collector.
func (r *rpsCollector) Name() string { return "rps" }

// Close implements Collector.
func (r *rpsCollector) Close() error {
	for _, m := range r.meters() {
		m.page.close()
	}
	return nil
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

// Collect implements Collector. Every page is asked at the same time.
func (r *rpsCollector) Collect(ctx context.Context, _ time.Time) (Reading, error) {
	if !r.waited {
		// The first walk through the processes may take longer than the others
		// wait; a first sample without notes would say less than it could.
		r.waited = true
		r.found.wait(ctx, portsWait)
	}
	ports, listed := r.found.get()
	probes := r.newProbes(ports)
	var jobs []func(context.Context)
	for _, m := range r.meters() {
		jobs = append(jobs, m.poll)
	}
	for _, p := range probes {
		jobs = append(jobs, func(ctx context.Context) { p.run(ctx, r.own) })
	}
	if err := together(ctx, jobs); err != nil {
		return nil, err
	}
	meters := r.meters()
	errs := append([]error(nil), r.broken...)
	for _, m := range meters {
		if m.result.err != nil {
			errs = append(errs, pageError(m))
		}
	}
	if listed {
		var misplaced []error
		var answers []rpsAnswer
		answers, misplaced = r.rules.assign(ports, meters)
		carryOn(r.answers, answers)
		r.answers = answers
		errs = append(errs, misplaced...)
	}
	return rpsReading(r.answers), errors.Join(errs...)
}

// pageError says which page failed, why, and what to do.
func pageError(m *meter) error {
	if m.source.Kind == RPSNginx && errors.Is(m.result.err, errAnswer) {
		return fmt.Errorf("%v: %w; is stub_status on at this path?", m.source, m.result.err)
	}
	return fmt.Errorf("%v: %w", m.source, m.result.err)
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
	meter  *meter // nil = none
	source sample.RpsSource
	metered
}

// carryOn lets a port whose meter is new, because its server was restarted, go
// on counting where the last one ended.
func carryOn(last, now []rpsAnswer) {
	i := 0
	for k := range now {
		a := &now[k]
		for i < len(last) && last[i].port < a.port {
			i++
		}
		if i == len(last) || last[i].port != a.port || last[i].meter == a.meter {
			continue
		}
		if a.meter == nil {
			// Between two servers: what is known stays known.
			a.responses, a.answered = last[i].responses, last[i].answered
			continue
		}
		a.meter.total += float64(last[i].responses)
		a.responses += last[i].responses
	}
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
	v.RpsSource = a.source
	if a.answered {
		v.Responses = new(a.responses)
	}
	if a.known {
		v.Rps = new(a.rate)
		return
	}
	v.RpsNote = oneLine(a.note)
}
