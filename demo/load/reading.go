package load

import (
	"slices"
	"time"
)

// Worker is what one busy thread has done so far.
type Worker struct {
	Process int // 1.. among the run's processes
	PID     int
	Thread  int           // 1.. in its process
	Loops   uint64        // done
	CPU     time.Duration // on a core
	Time    time.Duration // since it began
}

// PerSecond is the loops a second of one thread; 0 before any time has passed.
func (w Worker) PerSecond() float64 { return perSecond(float64(w.Loops), w.Time) }

func perSecond(v float64, over time.Duration) float64 {
	if over <= 0 {
		return 0
	}
	return v / over.Seconds()
}

// Reading is a run at a moment.
type Reading struct {
	Workers []Worker // by process, then thread
}

// Time is how long the run has lasted.
func (r Reading) Time() (d time.Duration) {
	for _, w := range r.Workers {
		d = max(d, w.Time)
	}
	return d
}

// Loops is the work of all threads.
func (r Reading) Loops() (n uint64) {
	for _, w := range r.Workers {
		n += w.Loops
	}
	return n
}

// PerSecond is the loops a second of all threads; 0 before any time has passed.
func (r Reading) PerSecond() (v float64) {
	for _, w := range r.Workers {
		v += w.PerSecond()
	}
	return v
}

// CoresUsed is how many cores the threads kept busy; 0 before any time has
// passed.
func (r Reading) CoresUsed() (v float64) {
	for _, w := range r.Workers {
		v += perSecond(w.CPU.Seconds(), w.Time)
	}
	return v
}

// Since is what was done after an earlier reading of the same run.
func (r Reading) Since(before Reading) Reading {
	out := Reading{Workers: slices.Clone(r.Workers)}
	for i := range min(len(out.Workers), len(before.Workers)) {
		w, b := &out.Workers[i], before.Workers[i]
		w.Loops, w.CPU, w.Time = w.Loops-b.Loops, w.CPU-b.CPU, w.Time-b.Time
	}
	return out
}

// Processes is r taken apart, a reading for each process.
func (r Reading) Processes() []Reading {
	var out []Reading
	for i, w := range r.Workers {
		if i == 0 || w.Process != r.Workers[i-1].Process {
			out = append(out, Reading{})
		}
		last := &out[len(out)-1]
		last.Workers = append(last.Workers, w)
	}
	return out
}
