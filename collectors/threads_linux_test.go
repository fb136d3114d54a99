package collectors

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"capmon/collectors/kernel"
	"capmon/sample"
)

// playedTasks are readings of the iterator that a test wrote down.
type playedTasks struct {
	readings [][]kernel.Task
	n        int
}

func (p *playedTasks) Read(dst []kernel.Task) ([]kernel.Task, error) {
	if p.n >= len(p.readings) {
		return dst, errors.New("no more readings")
	}
	dst = append(dst, p.readings[p.n]...)
	p.n++
	return dst, nil
}

func (p *playedTasks) Close() error { return nil }

func task(pid, tid int32, run, wait float64) kernel.Task {
	t := kernel.Task{PID: pid, TID: tid, Start: uint64(tid), Run: uint64(run * 1e9), Wait: uint64(wait * 1e9)}
	copy(t.Comm[:], "web")
	return t
}

// TestTaskSource compares two readings, a second apart.
func TestTaskSource(t *testing.T) {
	ended := func(t kernel.Task, seconds float64) kernel.Task {
		t.Exited = uint64(seconds * 1e9)
		return t
	}
	again := task(5, 5, 0.25, 0)
	again.Start = 99
	type use struct {
		Run, Wait float64
		Threads   int
	}
	for name, c := range map[string]struct {
		before, after []kernel.Task
		want          map[int]use
	}{
		"run and wait of two threads": {
			[]kernel.Task{task(5, 5, 10, 1), task(5, 6, 20, 2)},
			[]kernel.Task{task(5, 5, 10.5, 1.25), task(5, 6, 20.25, 2)},
			map[int]use{5: {0.75, 0.25, 2}},
		},
		"a process that began since": {
			[]kernel.Task{task(5, 5, 10, 0)},
			[]kernel.Task{task(5, 5, 10, 0), task(7, 7, 0.5, 0.125)},
			map[int]use{5: {0, 0, 1}, 7: {0.5, 0.125, 1}},
		},
		"a thread that began since": {
			[]kernel.Task{task(5, 5, 10, 0)},
			[]kernel.Task{task(5, 5, 10, 0), task(5, 9, 0.5, 0)},
			map[int]use{5: {0.5, 0, 2}},
		},
		"a process that is gone": {
			[]kernel.Task{task(5, 5, 10, 0), task(7, 7, 1, 0)},
			[]kernel.Task{task(5, 5, 10.5, 0)},
			map[int]use{5: {0.5, 0, 1}},
		},
		"a number used again": {
			[]kernel.Task{task(5, 5, 10, 0)},
			[]kernel.Task{again},
			map[int]use{5: {0.25, 0, 1}},
		},
		"a thread that ended, with what it ran since": {
			[]kernel.Task{ended(task(5, 5, 10, 0), 3), task(5, 6, 7, 0)},
			[]kernel.Task{ended(task(5, 5, 10, 0), 10.5)},
			map[int]use{5: {0.5, 0, 1}},
		},
		"threads for each request, gone between two readings": {
			[]kernel.Task{ended(task(5, 5, 10, 0), 3)},
			[]kernel.Task{ended(task(5, 5, 10, 0), 3.75)},
			map[int]use{5: {0.75, 0, 1}},
		},
		"a thread that ends while it is read": {
			[]kernel.Task{ended(task(5, 5, 10, 0), 3), task(5, 6, 7, 0)},
			[]kernel.Task{ended(task(5, 5, 10, 0), 3)},
			map[int]use{5: {0, 0, 1}},
		},
		"a counter that goes back": {
			[]kernel.Task{task(5, 5, 10, 1)},
			[]kernel.Task{task(5, 5, 9, 0.5)},
			map[int]use{5: {0, 0, 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTaskSource(&playedTasks{readings: [][]kernel.Task{c.before, c.after}}, Config{}.withDefaults(), new(idleCores))
			defer s.close()
			now := time.Unix(1000, 0)
			s.clock = func() time.Time { return now }
			var table procTable
			for range 2 {
				now = now.Add(time.Second)
				table.reset()
				if _, err := s.read(t.Context(), now, &table, newRule().wants); err != nil {
					t.Fatal(err)
				}
			}
			got := make(map[int]use)
			for _, p := range table.procs {
				got[p.key.pid] = use{p.run, p.wait, p.threads}
			}
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// procFixture is a /proc that a test writes, with CPU clocks beside it.
type procFixture struct {
	t      *testing.T
	dir    string
	clocks map[int]float64 // seconds
}

func newProcFixture(t *testing.T) *procFixture {
	return &procFixture{t, t.TempDir(), make(map[int]float64)}
}

func (f *procFixture) write(name, text string) {
	f.t.Helper()
	file := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// process writes a process; threads are their run and wait in seconds.
func (f *procFixture) process(pid int, comm string, clock float64, threads map[int][2]float64) {
	f.clocks[pid] = clock
	f.write(fmt.Sprintf("%d/stat", pid), statLine(pid, comm, len(threads)))
	for tid, t := range threads {
		folder := fmt.Sprintf("%d/task/%d/", pid, tid)
		f.write(folder+"schedstat", fmt.Sprintf("%d %d 1\n", int64(t[0]*1e9), int64(t[1]*1e9)))
		f.write(folder+"comm", comm+"\n")
		f.write(folder+"stat", statLine(tid, comm, len(threads)))
	}
}

func statLine(pid int, comm string, threads int) string {
	return fmt.Sprintf("%d (%s) R 1 %d 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 %d 0 %d 1 2\n", pid, comm, pid, threads, 1000+pid)
}

func (f *procFixture) source(idle *idleCores) *clockSource {
	s := newClockSource(Config{Proc: f.dir, Sys: f.dir}, idle)
	s.cpu = func(pid int) (uint64, error) {
		c, ok := f.clocks[pid]
		if !ok {
			return 0, unix.ESRCH
		}
		return uint64(c * 1e9), nil
	}
	f.t.Cleanup(s.close)
	return s
}

// TestClockSource plays a fixture second by second.
func TestClockSource(t *testing.T) {
	f := newProcFixture(t)
	f.process(1, "init", 5, map[int][2]float64{1: {5, 0}})
	f.process(7, "a) R (b\n\x1b", 100, map[int][2]float64{7: {90, 0}, 8: {10, 0}})
	s := f.source(new(idleCores))
	now := time.Unix(1000, 0)
	second := func() procTable {
		t.Helper()
		var table procTable
		s.pace = threadPace{}
		if _, err := s.read(t.Context(), now, &table, newRule().wants); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
		return table
	}
	if table := second(); table.begun {
		t.Error("the first reading knows no difference")
	}
	f.process(7, "a) R (b\n\x1b", 101, map[int][2]float64{7: {90.9, 0.1}, 8: {10.1, 0}})
	if table := second(); len(table.heavy) != 0 {
		t.Errorf("looked into %+v, whose threads were read once", table.heavy)
	}
	f.process(7, "a) R (b\n\x1b", 102, map[int][2]float64{7: {91.8, 0.15}, 8: {10.2, 0}})
	f.process(9, "new", 0.25, map[int][2]float64{9: {0.25, 0}})
	table := second()
	if len(table.heavy) != 1 || len(table.heavy[0].threads) != 2 {
		t.Fatalf("looked into %+v", table.heavy)
	}
	h := table.heavy[0]
	want := map[int]string{7: "0.90 0.05", 8: "0.10 0.00"}
	got := make(map[int]string)
	for _, th := range h.threads {
		got[th.tid] = fmt.Sprintf("%.2f %.2f", th.run, th.wait)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("threads (-want +got):\n%s", diff)
	}
	if h.key != (procKey{7, 1007}) || h.runnable != 2 {
		t.Errorf("key %v, runnable %d", h.key, h.runnable)
	}
	runs := make(map[int]float64)
	for _, p := range table.procs {
		runs[p.key.pid] = p.run
	}
	if diff := gocmp.Diff(map[int]float64{1: 0, 7: 1, 9: 0.25}, runs); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	// It dies while the others are read.
	delete(f.clocks, 7)
	for _, p := range second().procs {
		if p.key.pid == 7 {
			t.Error("a process that is gone is still there")
		}
	}
	members := s.members(t.Context())
	slices.SortFunc(members, func(a, b kin) int { return cmp.Compare(a.key.pid, b.key.pid) })
	if diff := gocmp.Diff([]kin{{procKey{1, 1001}, 1, "init"}, {procKey{9, 1009}, 1, "new"}}, members, gocmp.AllowUnexported(kin{}, procKey{})); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestStarvedProcessesAreLookedInto: while a core is full, a process that got
// little of it may have wanted all of it.
func TestStarvedProcessesAreLookedInto(t *testing.T) {
	f := newProcFixture(t)
	idle := new(idleCores)
	s := f.source(idle)
	idle.publish([]coreUse{{id: 0, known: true, busy: 1}, {id: 1, known: true}}, func(int) bool { return true })
	now := time.Unix(1000, 0)
	var table procTable
	for i := range 4 {
		f.process(7, "loop", 10+0.5*float64(i), map[int][2]float64{7: {10 + 0.5*float64(i), 0.5 * float64(i)}})
		s.pace = threadPace{}
		table.reset()
		if _, err := s.read(t.Context(), now, &table, newRule().wants); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	if len(table.heavy) != 1 || table.heavy[0].run != 0.5 || table.heavy[0].wait != 0.5 {
		t.Errorf("looked into %+v", table.heavy)
	}
}

// TestHiddenProcessesAreSaid each time: /proc without other users' processes.
func TestHiddenProcessesAreSaid(t *testing.T) {
	f := newProcFixture(t)
	f.process(7, "mine", 1, map[int][2]float64{7: {1, 0}})
	s := &linuxProcs{config: Config{Proc: f.dir, Sys: f.dir}, idle: new(idleCores)}
	c := newPlayed(s, nil)
	defer c.Close()
	for i := range 3 {
		_, err := c.Collect(t.Context(), time.Now())
		if err == nil || !strings.Contains(err.Error(), "hidepid") || !strings.Contains(err.Error(), "run as root") {
			t.Errorf("reading %d: said %v", i, err)
		}
	}
}

// TestProcOfAnotherNamespace: its numbers would be read as those of others.
func TestProcOfAnotherNamespace(t *testing.T) {
	f := newProcFixture(t)
	f.process(1, "init", 5, map[int][2]float64{1: {5, 0}})
	if err := os.Symlink("4711", filepath.Join(f.dir, "self")); err != nil {
		t.Fatal(err)
	}
	c := newPlayed(&linuxProcs{config: Config{Proc: f.dir, Sys: f.dir}, idle: new(idleCores)}, nil)
	defer c.Close()
	for i := range 3 {
		r, err := c.Collect(t.Context(), time.Now())
		if err == nil || !strings.Contains(err.Error(), "another PID namespace") {
			t.Errorf("reading %d: said %v", i, err)
		}
		s := new(sample.Sample)
		if r(s); len(s.Processes) != 0 {
			t.Errorf("reading %d: %v", i, s.Processes)
		}
	}
}

// TestRefusedIteratorIsSaidOnce and /proc is read.
func TestRefusedIteratorIsSaidOnce(t *testing.T) {
	load := loadTasks
	t.Cleanup(func() { loadTasks = load })
	loadTasks = func() (taskReader, error) { return nil, errors.New("CAP_BPF missing") }
	c := newThreads(Config{}.withDefaults(), newListeners(), new(idleCores))
	defer c.Close()
	if _, err := c.Collect(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "CAP_BPF missing") {
		t.Errorf("said %v", err)
	}
	if _, err := c.Collect(t.Context(), time.Now()); err != nil {
		t.Errorf("said again: %v", err)
	}
}

// TestManyProcesses: 5,000 of them stay within the share of a core they may
// cost, and one that is busy is read every second all the same.
func TestManyProcesses(t *testing.T) {
	f := newProcFixture(t)
	for pid := 1; pid <= 5000; pid++ {
		f.clocks[pid] = 1
		if err := os.Mkdir(filepath.Join(f.dir, strconv.Itoa(pid)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.process(7, "busy", 1, map[int][2]float64{7: {1, 0}})
	s := f.source(new(idleCores))
	asked := make(map[int]int)
	cpu := s.cpu
	s.cpu = func(pid int) (uint64, error) {
		asked[pid]++
		for end := threadTime() + 2*time.Microsecond; threadTime() < end; {
		}
		return cpu(pid)
	}
	now := time.Unix(1000, 0)
	for i := range 20 {
		f.process(7, "busy", 1+float64(i), map[int][2]float64{7: {1 + float64(i), 0}})
		var table procTable
		if _, err := s.read(t.Context(), now, &table, newRule().wants); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	if asked[100] > 12 || asked[100] < 2 {
		t.Errorf("in 20 s the clock of an idle one of 5,000 processes was read %d times", asked[100])
	}
	if asked[7] < 14 {
		t.Errorf("in 20 s the clock of the busy one was read %d times", asked[7])
	}
}

func TestRoomAmong(t *testing.T) {
	var all []idleCore
	for id := range 256 {
		all = append(all, idleCore{id: id, idle: 0.5, known: true, mine: id < 128})
	}
	all[3].idle = 0
	want := procRoom{known: true, cores: 129, idle: 64, allowed: 2, own: 0.5, topCores: 1}
	got := roomAmong(all, map[int]bool{3: true, 200: true}, map[int]bool{3: true})
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(procRoom{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all[200].known = false
	if roomAmong(all, map[int]bool{200: true}, map[int]bool{3: true}).known {
		t.Error("a core that is not known makes a room that is")
	}
}

// TestThrottled reads the container's own cpu.stat.
func TestThrottled(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "cpu.stat")
	var m quotaMeter
	defer m.follow(cpuQuota{})
	m.follow(cpuQuota{cores: 1, stat: file})
	for i, c := range []struct {
		text  string
		share float64
		ok    bool
	}{
		{"", 0, false},
		{"nr_periods 100\nnr_throttled 10\nthrottled_time 5\n", 0, false},
		{"usage_usec 5\nnr_periods 110\nnr_throttled 13\nthrottled_usec 5\n", 0.3, true},
		{"nr_periods 110\nnr_throttled 13\n", 0, true},
		{"nr_periods 10\nnr_throttled 1\n", 0, false},
		{"nr_throttled 1\n", 0, false},
		{"nr_periods 20\nnr_throttled 1\n", 0, false},
		{"nr_periods 30\nnr_throttled 11\n", 1, true},
	} {
		if c.text != "" {
			if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		share, ok, err := m.throttled()
		if err != nil || ok != c.ok || share != c.share {
			t.Errorf("step %d: %v, %v, %v, want %v, %v", i, share, ok, err, c.share, c.ok)
		}
	}
	room := coreRoom{throttled: 0.3, hasQuota: true}
	cpu := new(sample.Cpu)
	if room.apply(cpu); cpu.GetThrottled() != 3000 {
		t.Errorf("throttled %d", cpu.GetThrottled())
	}
}

func FuzzParseFacts(f *testing.F) {
	f.Add([]byte(statLine(7, "a) R (b\n", 3)))
	f.Add([]byte("7 (x) S -1 -2 3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parseFacts(b)
		if ok && (p.threads < 0 || p.parent < 0 || len(p.comm) > len(b)) {
			t.Errorf("%+v of %q", p, b)
		}
	})
}

func FuzzParseSchedstat(f *testing.F) {
	f.Add([]byte("123 456 7\n"), []byte("nr_periods 3\nnr_throttled 1\n"))
	f.Fuzz(func(t *testing.T, b, stat []byte) {
		if run, wait, ok := parseSchedstat(b); !ok && (run != 0 && wait != 0) {
			t.Errorf("%d %d of %q", run, wait, b)
		}
		parseThrottling(stat)
	})
}
