package fleet_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/fleet"
	"capmon/sample"
)

// workersFull makes a second in which a service has all of its n workers full at
// so many requests a second; one worker is one hot thread.
func workersFull(s *sample.Sample, n int, rps float32) {
	f := &sample.Finding{Verdict: sample.Verdict_VERDICT_WORKERS_FULL, Pid: 10, Tid: 10, Name: "node", Demand: 980, Idle: 4000, Allowed: 8, Workers: uint32(n)}
	if n == 1 {
		f.Verdict = sample.Verdict_VERDICT_SINGLE_THREAD
	}
	s.Services = []*sample.Service{{
		Port: 3000, Name: "node", Pid: 9, Rps: &rps, Connections: new(uint32(10)), Finding: f,
		RunUs: new(uint32(n * 1_000_000)), TopUs: new(uint32(980_000)), OneThread: new(true),
	}}
}

// scaled is a host whose service ran with so many workers, a minute each, the
// last ones until now.
func scaled(t *testing.T, counts []int, throughput func(n int) float64, change func(n int, s *sample.Sample)) fleet.Host {
	t.Helper()
	st := story{hosts: 1, seconds: 60 * len(counts), cores: 8, used: constant(4), conns: constant(10), change: func(_ int, s *sample.Sample) {
		n := counts[min(int(s.GetSeq()-1)/60, len(counts)-1)]
		workersFull(s, n, float32(throughput(n)*(1+0.01*math.Sin(float64(s.GetSeq())))))
		if change != nil {
			change(n, s)
		}
	}}
	return st.fleet(fleet.Config{}).Snapshot(fleet.Ask{}, t0).Hosts[0]
}

// law is the throughput of n workers with 5% contention and 0.5% coherency.
func law(n int) float64 {
	return 1000 * float64(n) / (1 + 0.05*float64(n-1) + 0.005*float64(n*(n-1)))
}

func TestScalingIsSeen(t *testing.T) {
	h := scaled(t, []int{1, 2, 4, 6}, law, nil)
	if len(h.Scaling) != 1 {
		t.Fatalf("%d services scale", len(h.Scaling))
	}
	s := h.Scaling[0]
	if s.Port != 3000 || s.Service != "node" || s.Lacks != "" || s.Law == nil {
		t.Fatalf("%+v", s)
	}
	if math.Abs(s.Law.Alpha-0.05) > 0.01 || math.Abs(s.Law.Beta-0.005) > 0.002 || math.Abs(s.Law.Gamma-1000) > 15 {
		t.Errorf("contention %v, coherency %v, one %v", s.Law.Alpha, s.Law.Beta, s.Law.Gamma)
	}
	var seen []string
	for _, w := range s.Seen {
		seen = append(seen, fmt.Sprintf("%d %.0f %d", w.Workers, w.RPS/law(w.Workers)*100, w.Seconds))
	}
	if want := []string{"1 100 60", "2 100 60", "4 100 60", "6 100 60"}; !slices.Equal(seen, want) {
		t.Errorf("seen %q", seen)
	}
	if say := s.Say(); !strings.HasPrefix(say, "node :3000 by full workers 1: ") || !strings.Contains(say, "contention 4.9%, coherency 0.52%") {
		t.Errorf("%q", say)
	}
	// Six workers of eight cores: two more are what to try.
	if !slices.Contains(s.Advice, "more workers: 6 to 8 give ×1.14") {
		t.Errorf("%q", s.Advice)
	}
}

// What does not show a number of workers at its full throughput is not in it.
func TestScalingOfTooLittle(t *testing.T) {
	for name, c := range map[string]struct {
		counts []int
		change func(n int, s *sample.Sample)
		lacks  string // "": there is nothing to tell
	}{
		"two numbers":   {[]int{1, 4}, nil, "seen full with 1 worker and 4 workers: the law of scaling wants three numbers of workers"},
		"nothing full":  {[]int{1, 2, 4}, func(_ int, s *sample.Sample) { s.Services[0].Finding = nil }, ""},
		"requests lost": {[]int{1, 2, 4}, func(_ int, s *sample.Sample) { s.Services[0].Rps = nil }, ""},
		"a lock":        {[]int{1, 2, 4}, func(_ int, s *sample.Sample) { s.Services[0].Finding.Verdict = sample.Verdict_VERDICT_ABOUT_ONE_CORE }, ""},
		"others beside": {[]int{1, 2, 4}, func(n int, s *sample.Sample) {
			if n == 1 {
				s.Services[0].RunUs = new(uint32(1_400_000))
			}
		}, "seen full with 2 workers and 4 workers: the law of scaling wants three numbers of workers"},
		"for a moment": {[]int{1, 2, 4}, func(n int, s *sample.Sample) {
			if n == 2 && s.GetSeq()%20 != 0 {
				s.Services[0].Finding = nil
			}
		}, "seen full with 1 worker and 4 workers: the law of scaling wants three numbers of workers"},
	} {
		h := scaled(t, c.counts, law, c.change)
		switch {
		case c.lacks == "" && len(h.Scaling) > 0:
			t.Errorf("%s: %+v", name, h.Scaling)
		case c.lacks != "" && (len(h.Scaling) != 1 || h.Scaling[0].Law != nil || h.Scaling[0].Lacks != c.lacks):
			t.Errorf("%s: %+v", name, h.Scaling)
		case c.lacks != "" && !strings.HasSuffix(h.Scaling[0].Say(), c.lacks):
			t.Errorf("%s: %q", name, h.Scaling[0].Say())
		}
	}
}

// The newest minute of a number of workers stands for it, and a day is enough.
func TestScalingForgets(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("ws-1", "", t0)
	f.Machine("ws-1", machine(1), t0)
	seq := 0
	run := func(from time.Time, n int, rps float32) {
		var list []*sample.Sample
		for k := range 90 {
			seq++
			s := second(seq, from.Add(time.Duration(k)*time.Second), 8, 4, 10)
			if k >= 30 {
				workersFull(s, n, rps)
			} else {
				workersFull(s, n, rps*2)
			}
			list = append(list, s)
		}
		f.Samples("ws-1", 1, list, from.Add(90*time.Second))
	}
	run(after(-30*3600), 1, 700)
	run(after(-26*3600), 8, 10)
	for i, n := range []int{1, 2, 4} {
		run(after(float64(i)*100-1000), n, float32(law(n)))
	}
	s := f.Snapshot(fleet.Ask{}, after(-710)).Hosts[0].Scaling
	if len(s) != 1 || s[0].Law == nil || len(s[0].Seen) != 3 {
		t.Fatalf("%+v", s)
	}
	if got := s[0].Seen[0].RPS; math.Abs(got-1000) > 1 {
		t.Errorf("one worker: %v/s", got)
	}
}

// The seconds of a minute may come in any order, as they do to a viewer that
// has just begun; the newest stand for it.
func TestScalingSortsSeconds(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("ws-1", "", t0)
	f.Machine("ws-1", machine(1), t0)
	var list []*sample.Sample
	for k := range 300 {
		s := second(k+1, after(float64(k-300)), 8, 4, 10)
		rps := float32(500)
		if k%100 >= 40 {
			rps = float32(law(1 << (k / 100)))
		}
		workersFull(s, 1<<(k/100), rps)
		list = append(list, s)
	}
	f.Samples("ws-1", 1, list[299:], t0)
	slices.Reverse(list)
	f.Samples("ws-1", 1, list[1:], t0)
	s := f.Snapshot(fleet.Ask{}, t0).Hosts[0].Scaling
	if len(s) != 1 || s[0].Law == nil {
		t.Fatalf("%+v", s)
	}
	for _, w := range s[0].Seen {
		if math.Abs(w.RPS/law(w.Workers)-1) > 0.001 {
			t.Errorf("%d workers: %v/s, want %v", w.Workers, w.RPS, law(w.Workers))
		}
	}
}

// A service that starts again with more workers asks less of its busiest thread
// for each request. That is no other request, and what was seen before stands;
// requests that cost other CPU time are.
func TestScalingOutlivesWorkers(t *testing.T) {
	for name, c := range map[string]struct {
		cost  func(n int) float64 // cores for each request a second
		kinds int
	}{
		"same requests":   {func(int) float64 { return 0.001 }, 3},
		"dearer requests": {func(n int) float64 { return map[int]float64{1: 0.001, 2: 0.001, 4: 0.002}[n] }, 1},
	} {
		f := fleet.New(fleet.Config{})
		f.Join("ws-1", "", t0)
		f.Machine("ws-1", machine(1), t0)
		seq, sec := 0, -5700
		for _, n := range []int{1, 2, 4} {
			for part := range 190 { // of ten seconds: half an hour
				load := 100 * float64(n) * (1 + float64(part%7))
				var list []*sample.Sample
				for k := range 10 {
					seq++
					s := second(seq, after(float64(sec+k)), 8, float32(load*c.cost(n)), 10)
					s.Services = []*sample.Service{{Port: 3000, Name: "node", Pid: 9, Rps: new(float32(load)), OneThread: new(true)}}
					if part >= 180 {
						workersFull(s, n, float32(law(n)))
					}
					list = append(list, s)
				}
				f.Samples("ws-1", 1, list, after(float64(sec+9)))
				if part < 180 {
					used := load * c.cost(n)
					p := &sample.Point{
						Time: after(float64(sec)).Unix() / 10 * 10, Samples: 10, Rps: new(float32(load)), Cpu: new(float32(used / 8)), Available: new(float32(8)),
						Services: []*sample.ServicePoint{{Port: 3000, Rps: new(float32(load)), Run: new(float32(used)), Top: new(float32(used / float64(n)))}},
					}
					f.Points("ws-1", 1, []*sample.Point{p}, after(float64(sec+10)))
				}
				sec += 10
			}
		}
		s := f.Snapshot(fleet.Ask{}, after(float64(sec))).Hosts[0].Scaling
		if len(s) != 1 || len(s[0].Seen) != c.kinds || (s[0].Law != nil) != (c.kinds == 3) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
