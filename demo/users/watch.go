package users

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"capmon/agents"
	"capmon/capacity"
	"capmon/collectors"
	"capmon/fleet"
	"capmon/sample"
)

// Verdict is what capmon says of a server, read as a machine of its own.
type Verdict struct {
	Word     string    `json:"word"`               // "THREAD-BOUND", "CPU-BOUND, even", ...
	Evidence string    `json:"evidence,omitempty"` // what was seen of a thread that is full
	Brief    string    `json:"-"`                  // the evidence in few words
	Helps    string    `json:"helps,omitempty"`    // what to do, in words
	Do       string    `json:"do,omitempty"`       // the verdict of the pool it is alone in; empty: not known, as where others had the cores
	Formula  string    `json:"formula,omitempty"`  // behind NEED
	Need     *int      `json:"need"`               // servers for the load it has; null: not known
	Cores    *float64  `json:"cores_used"`         // by the agent
	RPS      *float64  `json:"rps"`                // as the agent counts it, mean of ten seconds; null: it can't here
	Cells    []float64 `json:"cells"`              // busy 0..1: its threads laid on its cores; null: not known
	Threads  []float64 `json:"threads"`            // demand in cores of the busiest, highest first
	Waiting  float64   `json:"waiting"`            // cores that its threads could have used and did not get
}

// watch is an agent that reads one server as a machine, and the fleet it is.
type watch struct {
	name  string
	fleet *fleet.Fleet
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// watchServer begins to read the process and what it starts, as a machine with
// so many cores. Elsewhere than on Linux it is an error: there are no scopes.
func watchServer(ctx context.Context, kind Kind, pid int, cores float64, c *Config) (*watch, error) {
	scope, err := collectors.ParseScope(fmt.Sprintf("pid:%d", pid))
	if err == nil {
		scope, err = scope.WithCores(cores)
	}
	if err == nil {
		err = scope.Find(collectors.Config{})
	}
	if err != nil {
		return nil, err
	}
	list := collectors.List(collectors.Config{Scope: scope})
	a, err := agents.New(agents.Config{
		Source: collectors.NewRunner(list, collectors.RunnerOptions{}), Interval: time.Second,
		Hostname: kind.process(), Scope: scope.String(), Version: c.Version,
	})
	if err != nil {
		return nil, err
	}
	w := &watch{name: kind.process(), fleet: fleet.New(fleet.Config{Policy: fleet.Policy{Target: c.Target, Min: 1}})}
	ctx, w.stop = context.WithCancel(ctx)
	v := agents.NewViewer(agents.ViewerOptions{Sink: sink{w.fleet}})
	w.done.Go(func() { _ = a.Run(ctx) })              // ends with ctx
	w.done.Go(func() { _ = v.Local(ctx, w.name, a) }) // likewise
	return w, nil
}

func (w *watch) close() {
	w.stop()
	w.done.Wait()
}

// verdict is what capmon says now; nil while it has no sample.
func (w *watch) verdict(now time.Time) *Verdict {
	s := w.fleet.Snapshot(fleet.Ask{}, now)
	if len(s.Hosts) != 1 || s.Hosts[0].Newest == nil || !s.Hosts[0].CPU.OK {
		return nil
	}
	h := &s.Hosts[0]
	v := &Verdict{Word: word(h), Cores: number(h.CoresUsed), RPS: number(h.RPS), Cells: slices.Clone(h.Cores)}
	if slices.ContainsFunc(v.Cells, math.IsNaN) {
		v.Cells = nil
	}
	if len(h.Findings) > 0 {
		f := &h.Findings[0]
		v.Evidence, v.Brief, v.Helps = f.Evidence(), f.Brief(), f.Helps()
	} else if len(h.Limits) > 0 && h.Limits[0].Name == "thread" && h.Limits[0].Ratio() >= DefaultTarget {
		// Not full for five seconds yet, or not beside enough idle cores to be sure.
		l := &h.Limits[0]
		v.Evidence = fmt.Sprintf("%s: %s of %s %s", l.From, capacity.Decimal(l.Used, 2), capacity.Amount(l.Capacity), l.Unit)
		v.Brief, v.Helps = v.Evidence, (&fleet.Finding{Verdict: fleet.SingleThread}).Helps()
	}
	for _, p := range h.Processes {
		v.Threads = append(v.Threads, p.Demands...)
		v.Waiting += p.Waiting
	}
	slices.SortFunc(v.Threads, func(a, b float64) int { return cmp.Compare(b, a) })
	if len(s.Pools) == 1 {
		p := &s.Pools[0]
		if len(p.Verdict.Do) > 0 {
			v.Do = strings.TrimSpace(p.Verdict.Do[0])
		}
		if p.Need.OK {
			n := int(p.Need.V)
			v.Need, v.Formula = &n, p.Formula
		}
	}
	return v
}

// number is n as JSON has it; nil: not known.
func number(n capacity.Num) *float64 {
	if !n.OK {
		return nil
	}
	return &n.V
}

// even is how near to the busiest core the idlest must be.
const even = 0.8

// roomWord begins the word for a host that is not full.
const roomWord = "ROOM"

// word is what a host is bound by, in capitals.
func word(h *fleet.Host) string {
	if len(h.Findings) > 0 {
		switch h.Findings[0].Verdict {
		case fleet.Pinned:
			return "PINNED"
		case fleet.WorkersFull:
			return "WORKERS FULL"
		}
		return "THREAD-BOUND"
	}
	if len(h.Limits) == 0 {
		return "?"
	}
	near := &h.Limits[0]
	if cpu := slices.IndexFunc(h.Limits, func(l capacity.Limit) bool { return l.Name == "cpu" }); near.Name == "thread" && cpu > 0 && h.Limits[cpu].Ratio() >= DefaultTarget {
		near = &h.Limits[cpu] // with a thread for each core both fill up together
	}
	busy := capacity.Percent(near.Ratio())
	switch {
	case near.Ratio() < DefaultTarget && h.Newest.GetFindingsPending():
		return "? a busy thread is looked at for five seconds"
	case near.Ratio() < DefaultTarget:
		return roomWord + ", " + near.Name + " " + busy
	case near.Name != "cpu" || len(h.Cores) < 2:
		return strings.ToUpper(near.Name) + "-BOUND"
	case slices.Min(h.Cores) >= even*slices.Max(h.Cores):
		return "CPU-BOUND, even"
	}
	return "CPU-BOUND, uneven"
}

// sink gives what an agent sends to a fleet, with the time at which it came.
type sink struct{ fleet *fleet.Fleet }

var _ agents.Sink = sink{}

func (s sink) Join(host, addr, _ string)              { s.fleet.Join(host, addr, time.Now()) }
func (s sink) Leave(host string)                      { s.fleet.Leave(host, time.Now()) }
func (s sink) Machine(host string, m *sample.Machine) { s.fleet.Machine(host, m, time.Now()) }
func (s sink) Samples(host string, epoch uint64, list []*sample.Sample) {
	s.fleet.Samples(host, epoch, list, time.Now())
}

func (s sink) Points(host string, epoch uint64, list []*sample.Point) {
	s.fleet.Points(host, epoch, list, time.Now())
}
func (s sink) Detail(host string, v *sample.Sample) { s.fleet.Detail(host, v, time.Now()) }
func (s sink) Dropped(host string, n uint64)        { s.fleet.Dropped(host, n) }
func (s sink) Link(host string, l agents.Link) {
	s.fleet.Link(host, l.Up, l.Refused, l.Reason, l.Do, time.Now())
}
