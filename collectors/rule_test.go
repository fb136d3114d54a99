package collectors

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"capmon/sample"
)

// roomy is a machine of 8 cores of which 6 are idle.
var roomy = procRoom{known: true, cores: 8, idle: 6, allowed: 8, own: 6, topCores: 8, topIdle: 6}

// proc makes one second of a process from its threads; runnable is -1 where the
// source does not know.
func proc(pid int, room procRoom, runnable int, threads ...threadUse) heavyProc {
	p := heavyProc{key: procKey{pid, 1}, took: 1, room: room, runnable: runnable, threads: threads}
	for _, t := range threads {
		p.run += t.run
		p.wait += t.wait
	}
	return p
}

func thread(tid int, name string, run, wait float64) threadUse {
	return threadUse{tid: tid, name: name, run: run, wait: wait}
}

// seconds repeats one second.
func seconds(n int, of func(i int) heavyProc) [][]heavyProc {
	out := make([][]heavyProc, n)
	for i := range out {
		out[i] = []heavyProc{of(i)}
	}
	return out
}

const (
	none     = sample.Verdict_VERDICT_UNSPECIFIED
	single   = sample.Verdict_VERDICT_SINGLE_THREAD
	oneCore  = sample.Verdict_VERDICT_ABOUT_ONE_CORE
	allFull  = sample.Verdict_VERDICT_WORKERS_FULL
	pinnedTo = sample.Verdict_VERDICT_PINNED
)

// TestRule plays seconds of one process and looks at what is said in the last.
func TestRule(t *testing.T) {
	full := procRoom{known: true, cores: 2, idle: 0.1, allowed: 2, own: 0.1, topCores: 2, topIdle: 0.1}
	two := procRoom{known: true, cores: 2, idle: 0.97, allowed: 2, own: 0.97, topCores: 2, topIdle: 0.97}
	taskset := procRoom{known: true, cores: 2, idle: 0.97, allowed: 1, own: 0.01, topCores: 1, topIdle: 0.01}
	held := roomy
	held.throttled = true
	quota := roomy
	quota.own = 0.2
	node := func(room procRoom, main float64) func(int) heavyProc {
		return func(int) heavyProc {
			return proc(1, room, 1, thread(1, "node", main, 0), thread(2, "node", 0.03, 0), thread(3, "libuv-worker", 0.05, 0.01))
		}
	}
	wander := func(i int) heavyProc { // a goroutine that rests on one thread in some seconds
		switch i % 4 {
		case 0:
			return proc(1, two, 1, thread(1, "go", 0.02, 0), thread(5, "go", 1.0, 0))
		case 1:
			return proc(1, two, 1, thread(4, "go", 0.76, 0), thread(5, "go", 0.25, 0))
		case 2:
			return proc(1, two, 1, thread(4, "go", 1.0, 0.01), thread(5, "go", 0, 0))
		}
		return proc(1, two, 2, thread(4, "go", 0.31, 0.01), thread(5, "go", 0.70, 0))
	}
	workers := func(main float64, demands ...float64) func(int) heavyProc {
		return func(int) heavyProc {
			list := []threadUse{thread(1, "burn", main, 0)}
			for i, d := range demands {
				list = append(list, thread(2+i, fmt.Sprintf("worker-%d", i), d, 0))
			}
			return proc(1, roomy, len(demands), list...)
		}
	}
	for name, c := range map[string]struct {
		seconds [][]heavyProc
		want    sample.Verdict
		pending bool
	}{
		"nothing":                                {nil, none, false},
		"one loop":                               {seconds(5, node(roomy, 1)), single, false},
		"one loop on two cores":                  {seconds(5, node(two, 1)), single, false},
		"one loop, not watched for long":         {seconds(4, node(roomy, 1)), none, true},
		"one loop on a full machine":             {seconds(9, node(full, 1)), none, false},
		"one loop, the machine just became full": {append(seconds(6, node(roomy, 1)), seconds(3, node(full, 1))...), none, false},
		"a full machine for one second":          {append(seconds(6, node(roomy, 1)), seconds(1, node(full, 1))...), single, false},
		"a busy loop at 89%":                     {seconds(9, node(roomy, 0.89)), none, false},
		"a busy main thread with helpers, one core together": {seconds(20, func(int) heavyProc {
			return proc(1, roomy, 1, thread(1, "node", 0.82, 0), thread(2, "node", 0.1, 0), thread(3, "node", 0.1, 0))
		}), none, false},
		"one quiet second of five":            {append(seconds(4, node(roomy, 1)), seconds(1, node(roomy, 0.7))...), single, false},
		"two quiet seconds of five, not said": {append(seconds(3, node(roomy, 1)), seconds(2, node(roomy, 0.7))...), none, false},
		"two quiet seconds, said before":      {append(seconds(5, node(roomy, 1)), seconds(2, node(roomy, 0.7))...), single, false},
		"three quiet seconds end it":          {append(seconds(5, node(roomy, 1)), seconds(3, node(roomy, 0.7))...), none, false},
		"a loop in a throttled group":         {seconds(9, node(held, 1)), none, false},
		"a loop in a group without room":      {seconds(9, node(quota, 1)), none, false},
		"a room that is not known":            {seconds(9, node(procRoom{}, 1)), none, false},
		"a second thread that works too": {seconds(9, func(int) heavyProc {
			return proc(1, roomy, 2, thread(1, "a", 1, 0), thread(2, "b", 0.7, 0))
		}), none, false},
		"a thread made in the middle of the window": {append(seconds(5, node(roomy, 1)), seconds(1, func(int) heavyProc {
			return proc(1, roomy, 2, thread(1, "node", 1, 0), thread(9, "node", 0.4, 0))
		})...), single, false},
		"a goroutine that wanders":          {seconds(12, wander), oneCore, false},
		"a goroutine, not watched for long": {seconds(8, wander), none, true},
		"a goroutine that comes to rest is one still": {append(seconds(12, wander), seconds(6, func(int) heavyProc {
			return proc(1, two, 1, thread(5, "go", 1, 0))
		})...), oneCore, false},
		"two threads under a lock": {seconds(11, func(int) heavyProc {
			return proc(1, two, 1, thread(1, "python3", 0.5, 0.01), thread(2, "python3", 0.5, 0))
		}), oneCore, false},
		"a thread for each request, under a lock": {seconds(11, func(i int) heavyProc {
			p := proc(1, two, 1, thread(10*i+2, "ruby", 0.3, 0), thread(10*i+3, "ruby", 0.3, 0))
			p.run = 1.01 // with what the threads used that have ended
			return p
		}), oneCore, false},
		"a collector of garbage on a quarter more": {seconds(11, func(int) heavyProc {
			return proc(1, two, 1, thread(1, "go", 0.7, 0), thread(2, "go", 0.6, 0))
		}), none, false},
		"load that happens to be one core's": {seconds(20, func(i int) heavyProc {
			return proc(1, roomy, []int{0, 1, 3, 1, 2}[i%5], thread(1, "java", 0.5, 0), thread(2, "java", 0.5, 0))
		}), none, false},
		"load that swings about one core": {seconds(20, func(i int) heavyProc {
			d := []float64{0.45, 0.53, 0.49}[i%3]
			return proc(1, roomy, 1, thread(1, "java", d, 0), thread(2, "java", d, 0))
		}), none, false},
		"load at 95% that waits in bursts": {seconds(20, func(int) heavyProc {
			return proc(1, roomy, 1, thread(1, "go", 0.36, 0.2), thread(2, "go", 0.3, 0.2))
		}), none, false},
		"one core's worth, threads not known": {seconds(20, func(int) heavyProc {
			return proc(1, roomy, -1, thread(1, "java", 0.5, 0), thread(2, "java", 0.5, 0))
		}), none, false},
		"four of four workers":          {seconds(5, workers(0, 1, 0.99, 0.95, 1)), allFull, false},
		"main works beside its workers": {seconds(5, workers(1, 1, 1, 1)), allFull, false},
		"a worker that has room":        {seconds(9, workers(0, 1, 1, 1, 0.6)), none, false},
		"a worker that is idle":         {seconds(9, workers(0, 1, 1, 1, 0)), none, false},
		"a helper beside them": {seconds(5, func(int) heavyProc {
			return proc(1, roomy, 2, thread(1, "burn", 0, 0), thread(2, "worker-1", 1, 0), thread(3, "worker-2", 1, 0), thread(4, "logger", 0.2, 0))
		}), allFull, false},
		"pinned beside another": {seconds(5, func(int) heavyProc {
			return proc(1, taskset, 1, thread(1, "node", 0.5, 0.5))
		}), pinnedTo, false},
		"pinned to a core of its own that is full": {seconds(5, func(int) heavyProc {
			return proc(1, taskset, 1, thread(1, "node", 1, 0))
		}), pinnedTo, false},
		"pinned, and the others are full too": {seconds(9, func(int) heavyProc {
			return proc(1, procRoom{known: true, cores: 2, idle: 0.05, allowed: 1, own: 0.02, topCores: 1, topIdle: 0.02}, 1, thread(1, "node", 0.5, 0.5))
		}), none, false},
		"pinned to a core with room": {seconds(9, func(int) heavyProc {
			return proc(1, procRoom{known: true, cores: 8, idle: 6, allowed: 1, own: 0.3, topCores: 1, topIdle: 0.3}, 1, thread(1, "node", 0.7, 0))
		}), none, false},
		"one thread of many pinned": {seconds(5, func(int) heavyProc {
			r := roomy
			r.topCores, r.topIdle = 1, 0.01
			return proc(1, r, 1, thread(1, "dpdk", 0.6, 0.4), thread(2, "dpdk", 0.01, 0))
		}), pinnedTo, false},
		"waits although cores are idle": {seconds(5, func(int) heavyProc {
			return proc(1, roomy, 1, thread(1, "batch", 0.1, 0.9))
		}), pinnedTo, false},
		"a niced job on a full machine": {seconds(9, func(int) heavyProc {
			return proc(1, full, 1, thread(1, "batch", 0.02, 0.98))
		}), none, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRule()
			var got sample.Verdict
			var pending bool
			for _, s := range c.seconds {
				var found map[procKey]*sample.Finding
				found, pending = r.judge(s)
				got = found[procKey{1, 1}].GetVerdict()
			}
			if got != c.want || pending != c.pending {
				t.Errorf("%v, pending %v, want %v, %v", got, pending, c.want, c.pending)
			}
		})
	}
}

// TestFindingIsTheEvidence looks at the numbers that come with a verdict.
func TestFindingIsTheEvidence(t *testing.T) {
	r := newRule()
	var found map[procKey]*sample.Finding
	for range 5 {
		found, _ = r.judge([]heavyProc{proc(7, roomy, 1, thread(7, "node", 0.9, 0.08), thread(8, "node", 0.1, 0))})
	}
	want := &sample.Finding{
		Verdict: single, Pid: 7, Tid: 7, Name: "node", Demand: 980, Wait: 80, Idle: 6000, Allowed: 8,
	}
	got := found[procKey{7, 1}]
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRuleForgets: what is idle or gone is not watched any more, and a number
// that is used again is another process.
func TestRuleForgets(t *testing.T) {
	r := newRule()
	hot, idle := proc(1, roomy, 1, thread(1, "a", 1, 0)), proc(1, roomy, 0, thread(1, "a", 0.01, 0))
	for range 5 {
		r.judge([]heavyProc{hot})
	}
	if !r.wants(hot.key, 0) || r.wants(procKey{1, 2}, 0) {
		t.Error("a process is watched until it was idle for five seconds, and no other")
	}
	for range 5 {
		r.judge([]heavyProc{idle})
	}
	if r.wants(hot.key, 0) {
		t.Error("a process that was idle for five seconds is watched")
	}
	r.judge([]heavyProc{hot})
	if r.judge(nil); len(r.watched) != 0 {
		t.Errorf("%d processes that are gone are watched", len(r.watched))
	}
}

// TestRuleAtOtherIntervals: the windows are seconds, not samples.
func TestRuleAtOtherIntervals(t *testing.T) {
	for _, took := range []float64{0.5, 1, 2, 5, 10} {
		r := newRule()
		var got sample.Verdict
		n := 0
		for at := 0.0; got == none && at < 60; at += took {
			p := proc(1, roomy, 1, thread(1, "node", 1, 0))
			p.took = took
			found, _ := r.judge([]heavyProc{p})
			got = found[p.key].GetVerdict()
			n++
		}
		if after := float64(n) * took; got != single || after < 4 || after > 10 {
			t.Errorf("every %v s: %v after %v s", took, got, after)
		}
	}
}

// FuzzRule: whatever the numbers, a finding is within the limits of a sample,
// and none is made while nothing is idle.
func FuzzRule(f *testing.F) {
	f.Add(uint64(1), 6.0)
	f.Add(uint64(2), 0.0)
	f.Fuzz(func(t *testing.T, seed uint64, idle float64) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newRule()
		for range 30 {
			room := roomy
			room.own, room.idle, room.topIdle = idle, idle, idle*rnd.Float64()
			var threads []threadUse
			for i := range rnd.IntN(4) {
				threads = append(threads, thread(1+i, "t", rnd.Float64()*1.2, rnd.Float64()*0.3))
			}
			p := proc(1, room, rnd.IntN(3)-1, threads...)
			p.took = rnd.Float64() * 3
			found, _ := r.judge([]heavyProc{p})
			for _, v := range found {
				s := &sample.Sample{Seq: 1, Processes: []*sample.Process{{Pid: 1, Finding: v}}}
				if err := s.Check(); err != nil {
					t.Error(err)
				}
				if idle < freeCores {
					t.Errorf("%v with %v cores idle", v, idle)
				}
			}
		}
	})
}
