package fleet_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// say makes a finding of a verdict; demand and idle in 1/1000 of a core.
func say(v sample.Verdict, pid, demand, idle uint32) *sample.Finding {
	return &sample.Finding{Verdict: v, Pid: pid, Tid: pid, Demand: demand, Wait: demand / 10, Idle: idle, Allowed: 8, Workers: 2}
}

const (
	single  = sample.Verdict_VERDICT_SINGLE_THREAD
	about   = sample.Verdict_VERDICT_ABOUT_ONE_CORE
	workers = sample.Verdict_VERDICT_WORKERS_FULL
	pinned  = sample.Verdict_VERDICT_PINNED
)

// seen is one host of 8 cores after a minute of samples that change made, of
// which each has 1000 connections and a service of 100 requests a second.
func seen(p fleet.Policy, used float32, change func(*sample.Sample)) fleet.Snapshot {
	f := fleet.New(fleet.Config{Policy: p})
	f.Join("web", "", t0)
	f.Machine("web", machine(1), t0)
	for k := range 60 {
		at := after(float64(k - 59))
		s := second(k+1, at, 8, used, 1000)
		s.Services = []*sample.Service{{Port: 3000, Name: "node", Pid: 4711, Connections: new(uint32(1000)), Rps: new(float32(100)), Responses: new(uint64(100 * k))}}
		change(s)
		f.Samples("web", 1, []*sample.Sample{s}, at)
	}
	return f.Snapshot(fleet.Ask{}, t0)
}

func process(pid uint32, name string, f *sample.Finding) []*sample.Process {
	return []*sample.Process{{Pid: pid, Name: name, Run: 1000, Threads: 11, Finding: f}}
}

func TestFindings(t *testing.T) {
	type answer struct {
		Flags, Service, Process  []string
		Bound                    string
		Limit                    capacity.Limit // called thread
		Headroom, RoomUsers      float64
		Need                     float64
		Bounds                   string // of the pool
		Findings                 int
		Hint                     string // in the longest why
		Level                    fleet.Level
		RoomOfThePool, PoolSteps bool // no room; a step for threads
	}
	none := []string{}
	for name, c := range map[string]struct {
		used   float32
		change func(*sample.Sample)
		want   answer
	}{
		"nothing": {2, func(s *sample.Sample) { s.Processes = process(4711, "node", nil) }, answer{
			none, none, none, "cpu", capacity.Limit{}, 1 - 2/6.4, 3000, 1, "cpu", 0, "why: at least 3,000 places left", fleet.OK, false, false,
		}},
		"a thread-bound service": {2, func(s *sample.Sample) {
			s.Services[0].Finding = say(single, 4711, 1000, 5900)
			s.Processes = process(4711, "node", say(single, 4711, 1000, 5900))
		}, answer{
			[]string{"single-thread-bound"},
			[]string{"single-thread-bound"},
			[]string{"single-thread-bound"},
			"thread",
			capacity.Limit{Name: "thread", Used: 1, Capacity: 1, Unit: "core", From: "one thread: node 4711"},
			-0.25, 0, 2, "thread", 1, "node 4711: one thread 1.00 of 1 core; vertical scaling: no gain; more workers: about ×4.0 until cpu", fleet.Act, true, true,
		}},
		"a batch process": {1, func(s *sample.Sample) { s.Processes = process(9, "etl", say(single, 9, 1004, 6900)) }, answer{
			[]string{"single-thread-bound"},
			none,
			[]string{"single-thread-bound"},
			"thread",
			capacity.Limit{Name: "thread", Used: 1, Capacity: 1, Unit: "core", From: "one thread: etl 9"},
			-0.25, 0, 1, "cpu", 1, "etl 9: one thread 1.00 of 1 core; vertical scaling: no gain; more workers: about ×8.0 until cpu", fleet.OK, true, false,
		}},
		"a lock": {2, func(s *sample.Sample) { s.Services[0].Finding = say(about, 4711, 960, 5000) }, answer{
			[]string{"about-one-core"},
			[]string{"about-one-core"},
			nil, "thread",
			capacity.Limit{Name: "thread", Used: 0.96, Capacity: 1, Unit: "core", From: "about one core: node 4711"},
			1 - 0.96/0.8, 41, 2, "thread", 1, "node 4711: about one core, 0.96 of 1 core; vertical", fleet.Act, false, true,
		}},
		"two full workers": {3, func(s *sample.Sample) {
			s.Services[0].Finding = say(workers, 4712, 980, 5000)
			s.Processes = append(process(4712, "node", say(single, 4712, 980, 5000)), process(4713, "node", say(single, 4713, 990, 5000))...)
			s.Processes = append(s.Processes, process(4714, "MainThread", say(workers, 4714, 990, 5000))...) // the name of a thread of node
		}, answer{
			[]string{"workers-full"},
			[]string{"workers-full"},
			[]string{"single-thread-bound"},
			"thread",
			capacity.Limit{Name: "thread", Used: 1.96, Capacity: 2, Unit: "cores", From: "2 of 2 workers: node 4712"},
			1 - 0.98/0.8, 20, 2, "thread", 1, "node 4712: all workers, 1.96 of 2 cores; vertical", fleet.Act, false, true,
		}},
		"a pinned process": {1, func(s *sample.Sample) { s.Processes = process(9, "loop", say(pinned, 9, 1000, 6900)) }, answer{
			[]string{"pinned"},
			none,
			[]string{"pinned"},
			"thread",
			capacity.Limit{Name: "thread", Used: 1, Capacity: 1, Unit: "core", From: "pinned or limited: loop 9"},
			-0.25, 0, 1, "cpu", 1, "loop 9: pinned or limited, waits for a core while others idle", fleet.OK, true, false,
		}},
		"a full machine": {7.7, func(s *sample.Sample) {
			s.Services[0].Finding = say(single, 4711, 1000, 800)
			s.Processes = process(4711, "node", say(single, 4711, 1000, 800))
		}, answer{
			[]string{"full"}, none, none, "cpu", capacity.Limit{}, 1 - 7.7/6.4, 38, 2, "cpu", 0, "why: at least 38 places left, cpu 96% of 8 cores; NEED", fleet.Act, false, false,
		}},
		"a verdict of a later version": {2, func(s *sample.Sample) { s.Services[0].Finding = say(99, 4711, 1000, 5900) }, answer{
			none, none, nil, "cpu", capacity.Limit{}, 1 - 2/6.4, 3000, 1, "cpu", 0, "why: at least 3,000 places left", fleet.OK, false, false,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := seen(fleet.Policy{Target: 0.8}, c.used, c.change)
			h, p := s.Hosts[0], s.Pools[0]
			got := answer{
				Flags: h.Flags, Service: h.Services[0].Flags, Bound: h.Bound, Headroom: h.Headroom.V, RoomUsers: h.RoomUsers.V,
				Need: p.Need.V, Bounds: p.Bound, Findings: len(h.Findings), Hint: c.want.Hint, Level: p.Verdict.Level,
				RoomOfThePool: p.RoomUsers.OK && p.RoomUsers.V == 0, PoolSteps: strings.Contains(strings.Join(p.Steps, "\n"), "thread load"),
			}
			if len(h.Processes) > 0 {
				got.Process = h.Processes[0].Flags
			}
			for _, l := range h.Limits {
				if l.Name == "thread" {
					got.Limit = l
				}
			}
			if !strings.Contains(p.Verdict.Why[0], c.want.Hint) {
				got.Hint = p.Verdict.Why[0]
			}
			if d := cmp.Diff(c.want, got, nearly); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
			widths(t, p.Verdict)
		})
	}
}

// nearly takes float32 samples for what they mean.
var nearly = cmp.Comparer(func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 })

// A pool needs more servers by the threads of a service, as many as the hosts
// tell of; a process that serves nothing never asks for one.
func TestThreadsOfAPool(t *testing.T) {
	for _, c := range []struct {
		name         string
		bound, batch int // of nine hosts: those with a thread-bound service, with a thread-bound process
		need         float64
		bounds       string
		step         string
	}{
		{"none", 0, 0, 3, "cpu", ""},
		{"every batch process", 0, 9, 3, "cpu", ""},
		{"one of nine", 1, 0, 3, "cpu", "thread load: at least 0.96 cores of node :3000, thread-bound on 1 of the 9 hosts that run it"},
		{"four of nine", 4, 0, 5, "thread", "thread load: at least 3.8 cores of node :3000, thread-bound on 4 of the 9 hosts that run it"},
		{"all", 9, 0, 11, "thread", "thread load: at least 8.6 cores of node :3000, thread-bound on 9 of the 9 hosts that run it"},
	} {
		f := fleet.New(fleet.Config{Policy: fleet.Policy{Target: 0.8}})
		for i := range 9 {
			name := string(rune('a' + i))
			f.Join(name, "", t0)
			f.Machine(name, machine(uint64(i+1)), t0)
			s := second(1, t0, 8, 2, 1000)
			s.Services = []*sample.Service{{Port: 3000, Name: "node", Pid: 4711}, {Port: 22, Name: "sshd"}}
			if i < c.bound {
				s.Services[0].Finding = say(single, 4711, 960, 6000)
			}
			if i < c.batch {
				s.Processes = process(9, "etl", say(single, 9, 1000, 6000))
			}
			f.Samples(name, uint64(i+1), []*sample.Sample{s}, t0)
		}
		s := f.Snapshot(fleet.Ask{}, t0)
		p := s.Pools[0]
		steps := strings.Join(p.Steps, "\n")
		if p.NeedNow.V != c.need || p.Bound != c.bounds || !strings.Contains(steps, c.step) || c.step == "" && strings.Contains(steps, "thread") {
			t.Errorf("%s: need %v by %s, want %v by %s:\n%s", c.name, p.NeedNow.V, p.Bound, c.need, c.bounds, steps)
		}
		if c.batch == 9 && (p.RoomUsers.V != 0 || !strings.Contains(p.Verdict.Why[0], "thread-bound: a, b, c and 6 more")) {
			t.Errorf("%s: room %v, %s", c.name, p.RoomUsers, p.Verdict.Why[0])
		}
		widths(t, p.Verdict)
	}
}

func TestFindingInWords(t *testing.T) {
	for _, c := range []struct {
		f    fleet.Finding
		want string
	}{
		{
			fleet.Finding{Verdict: fleet.SingleThread, Owner: "node", PID: 4711, TID: 4711, Thread: "node", Demand: 1, Idle: 1.9},
			"node 4711 is single-thread bound: thread 4711 needs 1.00 of one core while 1.9 cores idle; more workers help, a bigger machine does not",
		},
		{
			fleet.Finding{Verdict: fleet.SingleThread, Owner: "node", PID: 4711, TID: 4715, Thread: "worker", Demand: 0.973, Idle: 0.8},
			"node 4711 is single-thread bound: thread 4715 (worker) needs 0.97 of one core while 0.8 cores idle; more workers help, a bigger machine does not",
		},
		{
			fleet.Finding{Verdict: fleet.AboutOneCore, Owner: "python3", PID: 12, Demand: 1.02, Idle: 1},
			"python3 12 uses about one core and no more (1.02) while 1.0 cores idle: one thread at a time, or a lock, is the limit (likely); more workers help, a bigger machine does not",
		},
		{
			fleet.Finding{Verdict: fleet.WorkersFull, Port: 80, Demand: 0.95, Idle: 6, Workers: 2},
			":80: 2 of 2 workers are full, each needs 0.95 of a core or more while 6.0 cores idle; more workers help, a bigger machine does not",
		},
		{
			fleet.Finding{Verdict: fleet.Pinned, Owner: "loop", PID: 3, Demand: 1, Wait: 0.5, Idle: 1},
			"loop 3 waits for a core (0.50 of 1.00 while 1.0 cores idle): it is pinned or limited; look at its CPU affinity and quota",
		},
	} {
		if got := c.f.Say(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
