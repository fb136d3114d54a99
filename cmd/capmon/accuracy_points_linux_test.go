package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"capmon/agents"
	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// What a viewer of the agent is told about the server, second by second, and
// the points of ten seconds that are learned from.

// second is one sample, as far as it is learned from; what is not known makes
// it unknown as a whole.
type second struct {
	TimeMs          int64
	RPS             float64 // of the server's port
	Used, Available float64 // cores
	Steal           float64
	Top             float64 // run time of the server's busiest thread, of one core
	Slices          float64 // times a second that thread was put on a core
	Threads         float64 // run time of all its threads
}

// tap keeps the seconds of one server from an agent's stream.
type tap struct {
	*feed
	port int
	pids []int

	mu      sync.Mutex
	seconds []second
	last    map[string]threadTime
	at      time.Time
}

type threadTime struct{ run, slices float64 }

// newTap follows an agent until the test ends.
func newTap(t *testing.T, addr string, port int, pids []int) *tap {
	t.Helper()
	var list agents.Lists
	if err := list.Add("", []string{addr}); err != nil {
		t.Fatal(err)
	}
	p := &tap{feed: newFeed(fleet.Config{Policy: fleet.Policy{Target: 1}}), port: port, pids: pids}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = agents.NewViewer(agents.ViewerOptions{Sink: p}).Run(ctx, list.Targets())
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return p
}

// Samples comes as soon as a sample was taken, so that the threads are read
// over the same second.
func (p *tap) Samples(host string, epoch uint64, list []*sample.Sample) {
	p.feed.Samples(host, epoch, list)
	p.mu.Lock()
	defer p.mu.Unlock()
	now, threads := time.Now(), threadTimes(p.pids)
	past, lasted := p.last, now.Sub(p.at).Seconds()
	p.last, p.at = threads, now
	if len(list) != 1 || past == nil {
		return // the minutes before
	}
	s := list[0]
	sec := second{TimeMs: s.GetTimeMs(), Used: float64(s.GetCpu().GetUsed()), Available: float64(s.GetCpu().GetAvailable()), Steal: float64(s.GetCpu().GetSteal()) / 1e4}
	for id, v := range threads {
		run := (v.run - past[id].run) / lasted
		sec.Threads += run
		if run > sec.Top {
			sec.Top, sec.Slices = run, (v.slices-past[id].slices)/lasted
		}
	}
	for _, v := range s.GetServices() {
		if int(v.GetPort()) == p.port && v.Rps != nil && s.GetCpu().Used != nil {
			sec.RPS = float64(v.GetRps())
			// What the agent says of the threads goes before what was read here.
			if v.TopUs != nil && v.RunUs != nil {
				sec.Top, sec.Threads = float64(v.GetTopUs())/1e6, float64(v.GetRunUs())/1e6
			}
			p.seconds = append(p.seconds, sec)
		}
	}
}

// threadTimes is what every thread of the processes ran so far, in seconds.
func threadTimes(pids []int) map[string]threadTime {
	out := map[string]threadTime{}
	for _, pid := range pids {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, f := range files {
			text, _ := os.ReadFile(f)
			if fields := bytes.Fields(text); len(fields) == 3 {
				run, _ := strconv.ParseFloat(string(fields[0]), 64)
				slices, _ := strconv.ParseFloat(string(fields[2]), 64)
				out[f] = threadTime{run / 1e9, slices}
			}
		}
	}
	return out
}

// said is what a screen says that the host can take at 100%, and what binds: the
// smallest of what was learned; not known before anything was.
func (p *tap) said() (best capacity.Estimate, limit string) {
	s := p.feed.fleet.Snapshot(fleet.Ask{}, time.Now())
	best.Says = "nothing was learned"
	for _, h := range s.Hosts {
		for _, l := range h.Learned {
			if e := l.Full; l.Limit != "memory" && e.Capacity.OK && (!best.Capacity.OK || e.Capacity.V < best.Capacity.V) {
				best, limit = e, l.Limit
			}
		}
	}
	return best, limit
}

// between are the seconds that end in from..to.
func (p *tap) between(from, to time.Time) []second {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []second
	for _, s := range p.seconds {
		if s.TimeMs >= from.UnixMilli() && s.TimeMs < to.UnixMilli() {
			out = append(out, s)
		}
	}
	return out
}

// learners are those of one server: capmon learns each limit apart and the
// nearest binds.
type learners struct {
	cpu, thread *capacity.Learner
}

func newLearners(oneThread bool) learners {
	l := learners{cpu: &capacity.Learner{}}
	if oneThread {
		l.thread = &capacity.Learner{Unit: "threads"}
	}
	return l
}

// mean is that of seconds; not of none.
func mean(list []second) (m second, ok bool) {
	for _, s := range list {
		n := float64(len(list))
		m.RPS += s.RPS / n
		m.Used += s.Used / n
		m.Available += s.Available / n
		m.Steal += s.Steal / n
		m.Top += s.Top / n
		m.Threads += s.Threads / n
	}
	return m, len(list) > 0
}

// add takes the mean of the seconds as a point.
func (l learners) add(t *testing.T, list []second) {
	t.Helper()
	m, ok := mean(list)
	if !ok {
		t.Fatal("ten seconds without a sample")
	}
	at := time.UnixMilli(list[0].TimeMs)
	note := func(err error) {
		if err != nil {
			t.Logf("%v: %v", at.Format(time.TimeOnly), err)
		}
	}
	note(l.cpu.Add(capacity.Point{Load: m.RPS, Busy: m.Used, Limit: m.Available, Steal: m.Steal}, at))
	if l.thread != nil {
		note(l.thread.Add(capacity.Point{Load: m.RPS, Busy: m.Top, Limit: 1, Steal: m.Steal}, at))
	}
}

// nearest is the smaller of what the limits can take at 100%, with its name.
func (l learners) nearest(t *testing.T) (capacity.Estimate, string) {
	t.Helper()
	best, err := l.cpu.Estimate(1)
	if err != nil {
		t.Fatal(err)
	}
	name := "cpu"
	if l.thread != nil {
		e, err := l.thread.Estimate(1)
		if err != nil {
			t.Fatal(err)
		}
		if e.Capacity.OK && (!best.Capacity.OK || e.Capacity.V < best.Capacity.V) {
			best, name = e, "thread"
		}
	}
	return best, name
}
