package collectors

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

// madeTask is one thread as a made-up /proc shows it.
type madeTask struct {
	pid, tid  int
	comm      string
	state     byte
	ticks     int
	core      int
	start     int
	run, wait int // milliseconds
	vol, inv  int
}

// write puts the files of a thread below /proc.
func (k madeTask) write(write func(name string, b []byte)) {
	folder := fmt.Sprintf("%d/task/%d/", k.pid, k.tid)
	stat := fmt.Sprintf("%d (%s) %c 1 %d %d 0 -1 4194368 0 0 0 0 %d 7 0 0 20 0 2 0 %d 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 %d 0 0 0 0 0\n",
		k.tid, k.comm, k.state, k.pid, k.pid, k.ticks, k.start, k.core)
	write("proc/"+folder+"stat", []byte(stat))
	write("proc/"+folder+"schedstat", fmt.Appendf(nil, "%d %d 9\n", k.run*1_000_000, k.wait*1_000_000))
	write("proc/"+folder+"status", fmt.Appendf(nil, "Name:\t%s\nState:\t%c\nvoluntary_ctxt_switches:\t%d\nnonvoluntary_ctxt_switches:\t%d\n", k.comm, k.state, k.vol, k.inv))
	if k.tid == k.pid {
		write(fmt.Sprintf("proc/%d/stat", k.pid), []byte(stat))
	}
}

// looking is a Look at a made-up /proc whose clock goes on by a second a turn.
func looking(t *testing.T) (*Look, func(...madeTask), func(pid int, s *sample.Sample) *sample.Detail) {
	config, write := fakeProc(t)
	l := NewLook(config)
	now := time.Unix(1000, 0)
	l.clock = func() time.Time { return now }
	put := func(tasks ...madeTask) {
		for _, k := range tasks {
			k.write(write)
		}
	}
	return l, put, func(pid int, s *sample.Sample) *sample.Detail {
		t.Helper()
		d := l.Read(t.Context(), s, true, pid)
		now = now.Add(time.Second)
		whole := &sample.Sample{Seq: 1, Detail: d}
		if err := whole.Check(); err != nil {
			t.Errorf("no viewer would take it: %v", err)
		}
		return d
	}
}

func naming(busy []byte, pids ...int) *sample.Sample {
	s := &sample.Sample{Cpu: &sample.Cpu{Busy: busy}}
	for _, pid := range pids {
		s.Processes = append(s.Processes, &sample.Process{Pid: uint32(pid), Threads: 2})
	}
	return s
}

func TestLookAtThreads(t *testing.T) {
	_, put, read := looking(t)
	main := madeTask{pid: 10, tid: 10, comm: "node) (x", state: 'R', ticks: 100, core: 3, start: 5, run: 1000, wait: 10, vol: 100, inv: 50}
	disk := madeTask{pid: 10, tid: 11, comm: "disk", state: 'D', ticks: 3, core: 1, start: 6, run: 30, vol: 7}
	put(main, disk)
	s := naming([]byte{0, 250, 0, 250}, 10)
	first := read(10, s).GetProcess()
	if n := len(first.GetThreads()); n != 2 || first.GetThreads()[0].Run != nil || first.GetThreads()[0].Voluntary != nil {
		t.Fatalf("the first reading: %v", first)
	}
	main.ticks, main.run, main.wait, main.vol, main.inv = 190, 1900, 60, 103, 175
	disk.vol = 57
	put(main, disk)
	got := read(10, s).GetProcess()
	want := []*sample.ThreadDetail{
		{Tid: 10, Name: "node) (x", State: 'R', Core: new(uint32(3)), Run: new(uint32(900)), Wait: new(uint32(50)), Voluntary: new(uint32(30)), Involuntary: new(uint32(1250))},
		{Tid: 11, Name: "disk", State: 'D', Core: new(uint32(1)), Run: new(uint32(0)), Wait: new(uint32(0)), Voluntary: new(uint32(500)), Involuntary: new(uint32(0))},
	}
	for i, w := range want {
		if i >= len(got.GetThreads()) || !proto.Equal(got.GetThreads()[i], w) {
			t.Errorf("thread %d is %v, want %v", i, got.GetThreads(), w)
		}
	}
	// Another thread with the same number has no past.
	main.start, main.ticks, main.run = 900, 1, 10
	put(main)
	if again := read(10, s).GetProcess().GetThreads(); again[0].Run != nil && again[1].Run != nil {
		t.Errorf("a thread that has just begun is compared with another: %v", again)
	}
}

func TestLookSaysWhyNot(t *testing.T) {
	l, put, read := looking(t)
	put(madeTask{pid: 10, tid: 10, comm: "a", state: 'S'})
	if got := read(10, naming(nil, 11)).GetProcess(); !strings.Contains(got.GetError(), "not among") || len(got.GetThreads()) > 0 {
		t.Errorf("a process that no sample named: %v", got)
	}
	if got := read(11, naming(nil, 11)).GetProcess(); !strings.Contains(got.GetError(), "ended") {
		t.Errorf("a process that is gone: %v", got)
	}
	if got := read(10, naming(nil, 10)).GetProcess(); got.GetError() != "" {
		t.Errorf("a process that is named: %v", got)
	}
	if got := read(10, naming(nil)).GetProcess(); got.GetError() != "" || len(got.GetThreads()) != 1 {
		t.Errorf("one that was named when it was opened: %v", got)
	}
	if got := read(0, naming(nil, 10)); got.GetProcess() != nil {
		t.Errorf("nobody asked, and is told %v", got)
	}
	if l.Read(t.Context(), naming(nil, 10), false, 0); len(l.threads) > 0 {
		t.Errorf("nobody wants to know and %d threads are read", len(l.threads))
	}
}

// TestLookAtCores: a core has a user only where that is sure.
func TestLookAtCores(t *testing.T) {
	_, put, read := looking(t)
	stays := madeTask{pid: 10, tid: 10, comm: "stays", state: 'R', core: 0}
	moves := madeTask{pid: 10, tid: 11, comm: "moves", state: 'R', core: 1}
	small := madeTask{pid: 12, tid: 12, comm: "small", state: 'S', core: 3}
	idler := madeTask{pid: 12, tid: 13, comm: "idler", state: 'S', core: 4}
	put(stays, moves, small, idler)
	s := naming([]byte{250, 250, 250, 250, 12}, 10, 12)
	if got := read(0, s).GetCoreUsers(); len(got) != 0 {
		t.Errorf("users after one reading: %v", got)
	}
	stays.ticks, moves.ticks, moves.core, small.ticks, idler.ticks = 95, 95, 2, 40, 5
	put(stays, moves, small, idler)
	got := read(0, s).GetCoreUsers()
	if len(got) != 1 || got[0].GetCore() != 0 || got[0].GetTid() != 10 || got[0].GetName() != "stays" || got[0].GetRun() != 950 {
		t.Errorf("users %v, want the one thread that stayed on a busy core and filled it", got)
	}
	// The numbers of the cores are the kernel's.
	stays.ticks, stays.core = 190, 7
	put(stays)
	read(0, s)
	stays.ticks = 285
	put(stays)
	s.Cpu = &sample.Cpu{Busy: []byte{200, 200}, Ids: []uint32{5, 7}}
	if got := read(0, s).GetCoreUsers(); len(got) != 1 || got[0].GetCore() != 7 {
		t.Errorf("users %v, want one of core 7", got)
	}
}

// TestLookAtAScope: its cells are no cores, so nobody has one; threads are told.
func TestLookAtAScope(t *testing.T) {
	l, put, read := looking(t)
	busy := madeTask{pid: 10, tid: 10, comm: "busy", state: 'R', core: 0}
	s := naming([]byte{250, 250}, 10, 12)
	for _, scoped := range []bool{false, true} {
		l.scoped = scoped
		put(busy)
		read(10, s)
		busy.ticks += 95
		put(busy)
		got := read(10, s)
		if n := len(got.GetCoreUsers()); (n == 0) != scoped || len(got.GetProcess().GetThreads()) != 1 {
			t.Errorf("scoped %v: %v", scoped, got)
		}
	}
	if !NewLook(Config{Scope: Scope{pid: 1}}).scoped || NewLook(Config{}).scoped {
		t.Error("what is read is not known to be a scope")
	}
}

// TestLookIsBounded: what is read does not grow with what there is.
func TestLookIsBounded(t *testing.T) {
	l, put, read := looking(t)
	const many = sample.MaxDetailed + 40
	for i := range many {
		put(madeTask{pid: 10, tid: 10 + i, comm: strings.Repeat("long", 4), state: 'S', ticks: i})
	}
	s := naming(nil, 10, 5000)
	s.Processes[0].Threads = many
	put(madeTask{pid: 5000, tid: 5000, comm: "other", state: 'S'})
	got := read(10, s).GetProcess()
	if len(got.GetThreads()) != sample.MaxDetailed || got.GetMore() != many-sample.MaxDetailed {
		t.Errorf("%d threads and %d more, of %d", len(got.GetThreads()), got.GetMore(), many)
	}
	put(madeTask{pid: 10, tid: 10 + many - 1, comm: "busy", state: 'R', ticks: many + 100})
	if top := read(10, s).GetProcess().GetThreads()[0]; top.GetName() != "busy" {
		t.Errorf("the busiest of %d is %v", many, top)
	}
	if read(0, s); len(l.threads) != 1 {
		t.Errorf("%d threads are remembered of one that is near", len(l.threads))
	}
}

// TestLookHere looks at a loop of this process on one core.
func TestLookHere(t *testing.T) {
	l := NewLook(Config{})
	pid := os.Getpid()
	var stop atomic.Bool
	tid := make(chan int)
	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		for !stop.Load() {
			continue
		}
	}()
	defer stop.Store(true)
	busy := <-tid
	s := naming(nil, pid)
	l.Read(t.Context(), s, true, pid)
	for limit := time.Now().Add(20 * time.Second); ; {
		time.Sleep(200 * time.Millisecond)
		p := l.Read(t.Context(), s, true, pid).GetProcess()
		if p.GetError() != "" {
			t.Fatal(p.GetError())
		}
		for _, th := range p.GetThreads() {
			if int(th.GetTid()) == busy && th.GetState() == 'R' && th.GetRun()+th.GetWait() > 500 && th.Involuntary != nil && th.Core != nil {
				return
			}
		}
		if time.Now().After(limit) {
			t.Fatalf("no busy thread %d among %v", busy, p)
		}
	}
}

// BenchmarkLook is one second of somebody who looks: at who has the cores, of
// which it reads one file a thread, and at the threads of a process, three.
func BenchmarkLook(b *testing.B) {
	pid := os.Getpid()
	s := naming(nil, pid)
	for name, of := range map[string]int{"users": 0, "process": pid} {
		b.Run(name, func(b *testing.B) {
			l := NewLook(Config{})
			b.ReportAllocs()
			for b.Loop() {
				l.Read(context.Background(), s, true, of)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(l.threads)), "µs/thread")
		})
	}
}

func FuzzTaskStat(f *testing.F) {
	f.Add([]byte("7 (a) R 1 7 7 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 99 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 3"), []byte("voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n"))
	f.Add([]byte(")("), []byte("voluntary_ctxt_switches:"))
	f.Fuzz(func(t *testing.T, stat, status []byte) {
		if st, ok := parseTaskStat(stat); ok && (st.core < 0 || st.core > sample.MaxCoreID || st.state == 0) {
			t.Errorf("%q is %+v", stat, st)
		}
		parseSwitches(status)
	})
}
