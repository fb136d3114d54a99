package collectors

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// playedWork is processes whose clocks a test sets. A thread of a process has
// its number and the count: 100, 100001, 100002.
type playedWork struct {
	work    *serviceWork
	at      time.Time
	kin     []kin
	threads map[int][]uint64 // by process, nanoseconds; the main thread first
	ended   map[int]uint64   // run by threads that are gone
	hidden  map[int]bool     // clocks that can't be read
	few     int              // processes that are looked into; 0 = all
}

func newPlayedWork() *playedWork {
	p := &playedWork{work: newServiceWork(), at: time.Unix(1000, 0), threads: make(map[int][]uint64), ended: make(map[int]uint64), hidden: make(map[int]bool)}
	p.work.clock = func() time.Time { return p.at }
	return p
}

func (p *playedWork) clocks(_ context.Context, _ time.Time, pids []int, dst map[int]uint64) {
	for _, pid := range pids {
		if list, ok := p.threads[pid]; ok && !p.hidden[pid] {
			dst[pid] = p.ended[pid]
			for _, ns := range list {
				dst[pid] += ns
			}
		}
	}
}

func threadNumber(pid, i int) int {
	if i == 0 {
		return pid
	}
	return 1000*pid + i
}

func (p *playedWork) threadClocks(_ context.Context, pids []int, visit func(pid, tid int, run uint64)) {
	if p.few > 0 {
		pids = pids[:min(len(pids), p.few)]
	}
	for _, pid := range pids {
		for i, ns := range p.threads[pid] {
			visit(pid, threadNumber(pid, i), ns)
		}
	}
}

func (p *playedWork) threadClock(pid, tid int) (uint64, bool) {
	for i, ns := range p.threads[pid] {
		if threadNumber(pid, i) == tid {
			return ns, true
		}
	}
	return 0, false
}

// process adds one with as many threads.
func (p *playedWork) process(pid, parent int, comm string, threads int) {
	p.kin = append(p.kin, kin{procKey{pid, 1}, parent, comm})
	p.threads[pid] = make([]uint64, threads)
	for i := range p.threads[pid] {
		p.threads[pid][i] = 7e9 // what ran before does not count
	}
}

// end takes a process away.
func (p *playedWork) end(pid int) {
	delete(p.threads, pid)
	for i, m := range p.kin {
		if m.key.pid == pid {
			p.kin = append(p.kin[:i:i], p.kin[i+1:]...)
			return
		}
	}
}

// second lets the threads run, by process in thousandths of a core, and reads.
func (p *playedWork) second(families []servers, runs map[int][]int) map[uint16]string {
	p.at = p.at.Add(time.Second)
	for pid, list := range runs {
		for i, ms := range list {
			p.threads[pid][i] += uint64(ms) * 1e6
		}
	}
	p.work.assign(families, p.kin)
	out := make(map[uint16]string)
	for _, v := range p.work.read(context.Background(), p, p.at, true) {
		out[v.port] = v.String()
	}
	return out
}

// String is "run top one", each in thousandths of a core, ? where not known.
func (p *portWork) String() string {
	var text strings.Builder
	for _, v := range []*uint32{p.run, p.top} {
		if v == nil {
			text.WriteString("? ")
		} else {
			text.WriteString(fmt.Sprintf("%d ", *v/1000))
		}
	}
	if p.one == nil {
		return text.String() + "?"
	}
	return text.String() + fmt.Sprint(*p.one)
}

// TestWorkOfServices plays half a minute and holds what is said at its end.
func TestWorkOfServices(t *testing.T) {
	one := []servers{{port: 80, roots: []int{100}}}
	for name, c := range map[string]struct {
		families  []servers
		processes func(p *playedWork)
		runs      func(second int) map[int][]int
		want      map[uint16]string
	}{
		"one thread with helpers": {
			one,
			func(p *playedWork) { p.process(100, 1, "node", 4) },
			func(int) map[int][]int { return map[int][]int{100: {300, 10, 10, 0}} },
			map[uint16]string{80: "320 300 true"},
		},
		"the busy thread is not the first": {
			one,
			func(p *playedWork) { p.process(100, 1, "srv", 3) },
			func(int) map[int][]int { return map[int][]int{100: {1, 2, 400}} },
			map[uint16]string{80: "403 400 true"},
		},
		"a pool": {
			one,
			func(p *playedWork) { p.process(100, 1, "rust", 3) },
			func(int) map[int][]int { return map[int][]int{100: {2, 300, 310}} },
			map[uint16]string{80: "612 310 false"},
		},
		"threads for each request, that end": {
			one,
			func(p *playedWork) { p.process(100, 1, "java", 2) },
			func(int) map[int][]int { return map[int][]int{100: {50, 0}} },
			map[uint16]string{80: "250 50 false"},
		},
		"a cluster": {
			one,
			func(p *playedWork) {
				p.process(100, 1, "node", 2)
				p.process(101, 100, "node", 2)
				p.process(102, 100, "node", 2)
				p.process(103, 101, "sh", 1)   // another program
				p.process(200, 1, "node", 1)   // of nobody
				p.process(104, 103, "node", 1) // below it, through the shell
			},
			func(int) map[int][]int {
				return map[int][]int{100: {5, 0}, 101: {200, 4}, 102: {220, 4}, 103: {500}, 104: {30}, 200: {700}}
			},
			map[uint16]string{80: "463 220 true"},
		},
		// The busiest of each second would be 400.
		"workers that take turns": {
			one,
			func(p *playedWork) {
				p.process(100, 1, "node", 1)
				p.process(101, 100, "node", 1)
				p.process(102, 100, "node", 1)
			},
			func(n int) map[int][]int {
				return map[int][]int{101 + n%2: {400}, 102 - n%2: {200}}
			},
			map[uint16]string{80: "600 ~300 true"},
		},
		"two ports of one server": {
			[]servers{{port: 80, roots: []int{100}}, {port: 443, roots: []int{100}}},
			func(p *playedWork) { p.process(100, 1, "nginx", 1); p.process(101, 100, "nginx", 1) },
			func(int) map[int][]int { return map[int][]int{101: {250}} },
			map[uint16]string{80: "250 250 true", 443: "250 250 true"},
		},
		"two that share a port": {
			[]servers{{port: 80, roots: []int{100, 200}}},
			func(p *playedWork) { p.process(100, 1, "a", 1); p.process(200, 1, "b", 2) },
			func(int) map[int][]int { return map[int][]int{100: {100}, 200: {150, 150}} },
			map[uint16]string{80: "400 150 false"},
		},
		"too little work to tell": {
			one,
			func(p *playedWork) { p.process(100, 1, "node", 2) },
			func(int) map[int][]int { return map[int][]int{100: {1, 1}} },
			map[uint16]string{80: "2 ? ?"},
		},
		"idle": {
			one,
			func(p *playedWork) { p.process(100, 1, "node", 2) },
			func(int) map[int][]int { return nil },
			map[uint16]string{80: "0 ? ?"},
		},
		"a process that may not be seen": {
			[]servers{{port: 80, roots: []int{100}}, {port: 81, roots: []int{999}}},
			func(p *playedWork) { p.process(100, 1, "node", 1) },
			func(int) map[int][]int { return map[int][]int{100: {100}} },
			map[uint16]string{80: "100 100 true", 81: "? ? ?"},
		},
		"parents in a circle": {
			one,
			func(p *playedWork) { p.process(100, 101, "node", 1); p.process(101, 100, "node", 1) },
			func(int) map[int][]int { return map[int][]int{100: {100}, 101: {90}} },
			map[uint16]string{80: "190 100 true"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlayedWork()
			c.processes(p)
			var got map[uint16]string
			var tops []float64
			for n := range 34 {
				if name == "threads for each request, that end" {
					p.ended[100] += 200e6
				}
				got = p.second(c.families, c.runs(n))
				if n >= 24 {
					for _, g := range p.work.groups {
						tops = append(tops, float64(g.topRun))
					}
				}
			}
			if want := c.want[80]; want == "600 ~300 true" {
				mean := (tops[len(tops)-1] - tops[0]) / float64(len(tops)-1) / 1e6
				if mean < 285 || mean > 315 {
					t.Errorf("the top thread runs %v in the mean", mean)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWorkOfProcessesThatComeAndGo: never a spike, never below zero, and not
// known rather than too little.
func TestWorkOfProcessesThatComeAndGo(t *testing.T) {
	one := []servers{{port: 80, roots: []int{100}}}
	p := newPlayedWork()
	p.process(100, 1, "node", 1)
	p.process(101, 100, "node", 1)
	steps := []struct {
		what   string
		change func()
		runs   map[int][]int
		want   string
	}{
		{"first", nil, map[int][]int{101: {500}}, ""},
		{"second", nil, map[int][]int{101: {500}}, "500 ? ?"},
		{"", nil, map[int][]int{101: {500}}, "500 ? ?"},
		{"", nil, map[int][]int{101: {500}}, "500 ? ?"},
		{"the first window is over", nil, map[int][]int{101: {500}}, "500 500 ?"},
		{"", nil, map[int][]int{101: {500}}, "500 500 ?"},
		{"and the second", nil, map[int][]int{101: {500}}, "500 500 true"},
		{"a worker with a past begins", func() { p.process(102, 100, "node", 1) }, map[int][]int{101: {500}, 102: {300}}, "? 500 true"},
		{"it goes on", nil, map[int][]int{101: {500}, 102: {300}}, "800 500 true"},
		{"the other ends", func() { p.end(101) }, map[int][]int{102: {300}}, "? ? true"},
		{"one alone", nil, map[int][]int{102: {300}}, "300 ? true"},
		{"a clock can't be read", func() { p.hidden[102] = true }, map[int][]int{102: {300}}, "? ? true"},
		{"and is read again", func() { p.hidden[102] = false }, map[int][]int{102: {300}}, "? ? true"},
		{"", nil, map[int][]int{102: {300}}, "300 300 true"},
		{"a number is used again", func() { p.threads[102][0] = 0 }, map[int][]int{102: {300}}, "? ? true"},
		{"", nil, map[int][]int{102: {300}}, "300 ? true"},
		{"the server ends", func() { p.end(100); p.end(102) }, nil, "? ? true"},
		{"another takes the port", func() { one[0].roots = []int{300}; p.process(300, 1, "node", 1) }, nil, "? ? ?"},
		{"", nil, map[int][]int{300: {100}}, "100 ? ?"},
	}
	for i, s := range steps {
		if s.change != nil {
			s.change()
		}
		if got := p.second(one, s.runs)[80]; got != s.want && !(s.want == "300 ? true" && got == "300 300 true") {
			t.Errorf("step %d (%s): %q, want %q", i, s.what, got, s.want)
		}
	}
	if p.second(nil, nil); len(p.work.now) != 0 || !p.work.at.IsZero() {
		t.Error("without services something is kept")
	}
}

// TestOneThreadTakesTwoWindows: work that rests on one thread for a while, as
// that of a Go program may, is not yet one thread's.
func TestOneThreadTakesTwoWindows(t *testing.T) {
	one := []servers{{port: 80, roots: []int{100}}}
	p := newPlayedWork()
	p.process(100, 1, "go", 3)
	said := make(map[string]int)
	for n := range 200 {
		runs := []int{100, 100, 100}
		if n/12%3 == 0 { // the whole of one window at most
			runs = []int{300, 0, 0}
		}
		got := p.second(one, map[int][]int{100: runs})[80]
		said[got[strings.LastIndexByte(got, ' ')+1:]]++
	}
	if said["true"] > 10 || said["false"] < 170 {
		t.Errorf("said %v", said)
	}
}

// TestWorkHasABound: a service with more processes than are read is not known,
// and of many busy ones the few that are looked into speak.
func TestWorkHasABound(t *testing.T) {
	p := newPlayedWork()
	p.few = 8
	families := []servers{{port: 80, roots: []int{100}}, {port: 81, roots: []int{2000}}}
	runs := map[int][]int{2000: {0, 0}}
	p.process(100, 1, "fpm", 1)
	for i := range workProcesses {
		p.process(101+i, 100, "fpm", 1)
	}
	p.process(2000, 1, "web", 2)
	for i := range 20 {
		p.process(2001+i, 2000, "web", 2)
		runs[2001+i] = []int{100, 5}
	}
	var got map[uint16]string
	for range 40 {
		got = p.second(families, runs)
	}
	if diff := cmp.Diff(map[uint16]string{80: "? ? ?", 81: "2100 100 true"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(p.work.pids); n > workProcesses {
		t.Errorf("%d clocks are read each second", n)
	}
}
