package collectors

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/sample"
)

// playedProcs is a source that plays what a test wrote down.
type playedProcs struct {
	seconds []procTable
	all     []kin
	n       int
	fresh   bool
	err     error
}

func (s *playedProcs) read(_ context.Context, _ time.Time, t *procTable, _ func(procKey, float64) bool) (bool, error) {
	if !s.fresh || s.err != nil {
		return false, s.err
	}
	*t = s.seconds[min(s.n, len(s.seconds)-1)]
	s.n++
	return true, nil
}

func (s *playedProcs) members(context.Context) []kin { return s.all }
func (s *playedProcs) describe(p *procUse) (name string, n int) {
	return programName(p.comm, ""), p.threads
}
func (s *playedProcs) note() string { return "" }
func (s *playedProcs) close()       {}

func (s *playedProcs) clocks(context.Context, time.Time, []int, map[int]uint64)            {}
func (s *playedProcs) threadClocks(context.Context, []int, func(pid, tid int, run uint64)) {}
func (s *playedProcs) threadClock(int, int) (uint64, bool)                                 { return 0, false }

func newPlayed(source procSource, ports []servicePort) *threads {
	found := newListeners()
	found.publish(ports)
	return &threads{source: source, found: found, rule: newRule(), work: newServiceWork()}
}

func read(t *testing.T, c Collector, s *sample.Sample) {
	t.Helper()
	r, err := c.Collect(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r != nil {
		r(s)
	}
}

func TestProcessesThatAreShown(t *testing.T) {
	procs := []*procUse{
		{key: procKey{1, 1}, comm: "idle", run: 0.004},
		{key: procKey{2, 1}, comm: "ksoftirqd/0", run: 0.04, kernel: true},
		{key: procKey{3, 1}, comm: "kswapd0", run: 0.06, kernel: true},
		{key: procKey{4, 1}, comm: "a) b (\x1b[31m", run: 0.5, wait: 0.25, threads: 3},
	}
	for pid := 10; pid < 20; pid++ {
		procs = append(procs, &procUse{key: procKey{pid, 1}, comm: "web", run: 0.1, threads: 1})
	}
	source := &playedProcs{fresh: true, seconds: []procTable{{begun: true, procs: procs, threads: []busyThread{
		{4, thread(4, "a) b (\x1b[31m", 0.2, 0)}, {4, thread(5, "worker\n", 0.3, 0.25)}, {10, thread(10, "web", 0.1, 0)},
	}}}}
	s := new(sample.Sample)
	read(t, newPlayed(source, nil), s)
	var names []string
	for _, p := range s.Processes {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"a) b ([31m", "web", "web", "web", "web", "web", "web", "web"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p := s.Processes[0]; p.Run != 500 || p.Wait != 250 || p.Threads != 3 {
		t.Errorf("%v", p)
	}
	var threads []string
	for _, th := range s.Threads {
		threads = append(threads, th.Name)
	}
	if diff := cmp.Diff([]string{"worker", "", ""}, threads); diff != "" {
		t.Errorf("threads (-want +got):\n%s", diff)
	}
}

// TestFirstReadingIsPending: nothing is known yet, so nothing is said to be fine.
func TestFirstReadingIsPending(t *testing.T) {
	c := newPlayed(&playedProcs{fresh: true, seconds: []procTable{{}, {begun: true}}}, nil)
	for i, want := range []bool{true, false} {
		s := new(sample.Sample)
		if read(t, c, s); s.FindingsPending != want {
			t.Errorf("reading %d: pending %v", i, s.FindingsPending)
		}
	}
}

// TestReadingStandsUntilTheNext: between two readings the last one is shown;
// after an error nothing is.
func TestReadingStandsUntilTheNext(t *testing.T) {
	source := &playedProcs{fresh: true, seconds: []procTable{{begun: true, procs: []*procUse{{key: procKey{1, 1}, comm: "a", run: 1}}}}}
	c := newPlayed(source, nil)
	s := new(sample.Sample)
	read(t, c, s)
	source.fresh = false
	s = new(sample.Sample)
	if read(t, c, s); len(s.Processes) != 1 {
		t.Errorf("%d processes between two readings", len(s.Processes))
	}
	source.err = errors.New("no")
	r, err := c.Collect(t.Context(), time.Now())
	s = new(sample.Sample)
	if r(s); err == nil || len(s.Processes) != 0 {
		t.Errorf("%d processes after %v", len(s.Processes), err)
	}
}

// TestServices holds what is said of a service against what its processes do.
func TestServices(t *testing.T) {
	const master, first, second, helper, stranger = 100, 101, 102, 103, 200
	const elsewhere = 300
	comm := map[int]string{master: "node", first: "node", second: "node", helper: "sh", stranger: "node", elsewhere: "dns"}
	hot := func(pid int) heavyProc { return proc(pid, roomy, 1, thread(pid, comm[pid], 1, 0)) }
	warm := func(pid int) heavyProc { return proc(pid, roomy, 1, thread(pid, comm[pid], 0.7, 0)) }
	loop := func(pid int) heavyProc {
		return proc(pid, roomy, 2, thread(pid, comm[pid], 0, 0), thread(pid+1000, "w-1", 1, 0), thread(pid+2000, "w-2", 0.95, 0))
	}
	for name, c := range map[string]struct {
		alive   []int // children of the master
		roots   []int // that listen beside it
		does    []heavyProc
		want    *sample.Finding
		process map[int]sample.Verdict
	}{
		"a server alone": {
			nil, nil,
			[]heavyProc{hot(master)},
			&sample.Finding{Verdict: single, Pid: master, Tid: master, Name: "node", Demand: 1000, Idle: 6000, Allowed: 8},
			map[int]sample.Verdict{master: single},
		},
		"its only worker": {
			[]int{first, helper},
			nil,
			[]heavyProc{hot(first)},
			&sample.Finding{Verdict: single, Pid: first, Tid: first, Name: "node", Demand: 1000, Idle: 6000, Allowed: 8},
			map[int]sample.Verdict{first: single},
		},
		"two of two workers": {
			[]int{first, second},
			nil,
			[]heavyProc{hot(first), hot(second)},
			&sample.Finding{Verdict: allFull, Pid: first, Tid: first, Name: "node", Demand: 1000, Idle: 6000, Allowed: 8, Workers: 2},
			map[int]sample.Verdict{first: allFull, second: allFull},
		},
		"two of two with two threads each": {
			[]int{first, second},
			nil,
			[]heavyProc{loop(first), loop(second)},
			&sample.Finding{Verdict: allFull, Pid: first, Tid: first + 1000, Name: "w-1", Demand: 950, Idle: 6000, Allowed: 8, Workers: 4},
			map[int]sample.Verdict{first: allFull, second: allFull},
		},
		"one of two, the other idle": {
			[]int{first, second}, nil, []heavyProc{hot(first)}, nil, nil,
		},
		"one of two, the other with room": {
			[]int{first, second}, nil, []heavyProc{hot(first), warm(second)}, nil, nil,
		},
		"a master that works beside idle children": {
			[]int{first},
			nil,
			[]heavyProc{hot(master)},
			&sample.Finding{Verdict: single, Pid: master, Tid: master, Name: "node", Demand: 1000, Idle: 6000, Allowed: 8},
			map[int]sample.Verdict{master: single},
		},
		"another program of the same name": {
			[]int{first, second},
			nil,
			[]heavyProc{hot(stranger)},
			nil,
			map[int]sample.Verdict{stranger: single},
		},
		"two that share a port, both full": {
			nil,
			[]int{stranger},
			[]heavyProc{hot(master), hot(stranger)},
			&sample.Finding{Verdict: allFull, Pid: master, Tid: master, Name: "node", Demand: 1000, Idle: 6000, Allowed: 8, Workers: 2},
			map[int]sample.Verdict{master: allFull, stranger: allFull},
		},
		"two that share a port, one full": {
			nil, []int{stranger}, []heavyProc{hot(stranger)}, nil, nil,
		},
		"another program on another address of the port": {
			nil,
			[]int{elsewhere},
			[]heavyProc{hot(master)},
			&sample.Finding{Verdict: single, Pid: master, Tid: master, Name: "node", Demand: 1000, Idle: 6000, Allowed: 8},
			map[int]sample.Verdict{master: single},
		},
		"nothing": {[]int{first, second}, nil, []heavyProc{warm(first)}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			table := procTable{begun: true, heavy: c.does}
			source := &playedProcs{fresh: true}
			add := func(pid, parent int) {
				source.all = append(source.all, kin{procKey{pid, 1}, parent, comm[pid]})
				table.procs = append(table.procs, &procUse{key: procKey{pid, 1}, comm: comm[pid], run: 0.01})
			}
			add(master, 1)
			add(stranger, 1)
			add(elsewhere, 1)
			for _, pid := range c.alive {
				add(pid, master)
			}
			source.seconds = []procTable{table}
			col := newPlayed(source, []servicePort{{port: 80, owner: owner{name: "node", root: master}, roots: append([]int{master}, c.roots...)}})
			var s *sample.Sample
			for range 6 {
				s = &sample.Sample{Services: []*sample.Service{{Port: 80}, {Port: 81}}}
				read(t, col, s)
			}
			if diff := cmp.Diff(c.want.String(), s.Services[0].GetFinding().String()); diff != "" {
				t.Errorf("service (-want +got):\n%s", diff)
			}
			if s.Services[1].Finding != nil {
				t.Errorf("another service has %v", s.Services[1].Finding)
			}
			got := make(map[int]sample.Verdict)
			for _, p := range s.Processes {
				if p.Finding != nil {
					got[int(p.Pid)] = p.Finding.Verdict
				}
			}
			if c.process == nil {
				c.process = map[int]sample.Verdict{}
			}
			if diff := cmp.Diff(c.process, got); diff != "" {
				t.Errorf("processes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryFindingIsShown: more of them than are shown otherwise.
func TestEveryFindingIsShown(t *testing.T) {
	table := procTable{begun: true}
	for pid := 1; pid <= 100; pid++ {
		table.procs = append(table.procs, &procUse{key: procKey{pid, 1}, comm: "a", run: 1})
		table.heavy = append(table.heavy, proc(pid, roomy, 1, thread(pid, "a", 1, 0)))
	}
	c := newPlayed(&playedProcs{fresh: true, seconds: []procTable{table}}, nil)
	var s *sample.Sample
	for range 6 {
		s = &sample.Sample{Seq: 1}
		read(t, c, s)
	}
	if len(s.Processes) != sample.MaxProcesses {
		t.Errorf("%d processes", len(s.Processes))
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}
