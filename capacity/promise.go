package capacity

import (
	"errors"
	"fmt"
	"math"
	"sync"
)

// Promise is what users were promised about time.
type Promise struct {
	Share    float64 // of requests that keep it, 0 < Share < 1: 0.99 for a p99; 0: the mean
	Within   float64 // in seconds, above 0
	WaitOnly bool    // of the wait before service, not of the whole response
}

// Workers are what serves one queue.
type Workers struct {
	Count    int     // behind one queue; 1 for a process that owns its queue
	Service  float64 // mean service time in seconds, above 0
	CA2, CS2 float64 // squared coefficients of variation of arrivals and service; both 0: 1 and 1, M/M/c
}

// queue is those workers used to rho.
func (w Workers) queue(rho float64) (Queue, error) {
	q, err := NewQueue(w.Count, rho*float64(w.Count)/w.Service, w.Service)
	if err != nil || (w.CA2 == 0 && w.CS2 == 0) {
		return q, err
	}
	return q.Varied(w.CA2, w.CS2)
}

// MaxUtilisation is the highest utilisation at which workers keep a promise,
// with its formula. Errors wrap ErrInput; a promise that the service alone
// breaks is one.
//
// Source: M/M/c (G/G/c by Allen and Cunneen), by bisection; CAPACITY 3.
func MaxUtilisation(w Workers, p Promise) (Result, error) {
	if err := errors.Join(checkQueue(w.Count, 0), above0("workers", float64(w.Count)), above0("service time", w.Service), above0("promise", p.Within)); err != nil {
		return Result{}, fmt.Errorf("highest utilisation: %w", err)
	}
	if p.Share != 0 {
		if err := inside("share", p.Share); err != nil {
			return Result{}, fmt.Errorf("highest utilisation: %w", err)
		}
	}
	broken := func(rho float64) bool {
		q, err := w.queue(rho)
		return err != nil || !p.kept(q)
	}
	if _, err := w.queue(0); err != nil {
		return Result{}, fmt.Errorf("highest utilisation: %w", err)
	}
	if broken(0) {
		return Result{}, fmt.Errorf("%s can't be kept at any load: a service of %s alone breaks it: %w", p, Span(w.Service), ErrInput)
	}
	rho := bisect(0, 1, broken)
	// What is shown is on the side that keeps it.
	return result(math.Nextafter(rho, 0), func(v float64) string {
		return fmt.Sprintf("%s holds up to %s used: %s, service %s", p, Decimal(v*100, 1)+"%", queueName(w), Span(w.Service))
	})
}

func queueName(w Workers) string {
	if (w.CA2 == 0 && w.CS2 == 0) || (w.CA2 == 1 && w.CS2 == 1) {
		return fmt.Sprintf("M/M/%d", w.Count)
	}
	return fmt.Sprintf("G/G/%d", w.Count)
}

func (p Promise) kept(q Queue) bool {
	switch {
	case p.Share == 0 && p.WaitOnly:
		return q.MeanWait() <= p.Within
	case p.Share == 0:
		return q.MeanResponse() <= p.Within
	case p.WaitOnly:
		return q.WaitLonger(p.Within) <= 1-p.Share
	}
	return q.ResponseLonger(p.Within) <= 1-p.Share
}

// String is the promise as it is written: p99 = 50ms, mean wait = 8ms.
func (p Promise) String() string {
	what := "mean"
	if p.Share > 0 {
		what = "p" + trimmed(p.Share*100)
	}
	if p.WaitOnly {
		what += " wait"
	}
	return what + " = " + Span(p.Within)
}

// DefaultTarget is the utilisation to run at where nobody chose one: at which
// the mean wait is one service time, and at most 0.80, by the number of workers
// behind one queue: 0.50 for 1, 0.70 for 2, 0.80 from 4 on. It is rounded down
// to a twentieth. Workers of less than 1 are not known: 0.80.
//
// Source: CAPACITY 3: eight processes with a queue each wait 14 times as long
// at 80% as eight threads behind one.
func DefaultTarget(workers int) float64 {
	if workers < 1 || workers >= len(fewWorkers()) {
		return mostTarget
	}
	return fewWorkers()[workers]
}

const mostTarget = 0.80

// fewWorkers is DefaultTarget of 1 to 3 workers, by their number: asked for
// each host each second, and always the same.
var fewWorkers = sync.OnceValue(func() (targets [4]float64) {
	for n := 1; n < len(targets); n++ {
		targets[n] = mostTarget
		if r, err := MaxUtilisation(Workers{Count: n, Service: 1}, Promise{Within: 1, WaitOnly: true}); err == nil {
			targets[n] = min(mostTarget, math.Floor(r.V*20+1e-6)/20)
		}
	}
	return targets
})
