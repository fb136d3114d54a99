package collectors

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"capmon/sample"
)

const (
	// lookAround bounds the threads that are read to tell who runs on which core,
	// one file of 12 µs each; lookThreads those of the process that was asked for,
	// of which sample.MaxDetailed get two files more.
	lookAround  = 96
	lookThreads = 1024

	// lookBusy is how busy a core must be for its user to be told: below it the
	// ticks of the kernel are too coarse.
	lookBusy = 0.10
)

// A Look reads what only somebody who looks at this machine wants to know: which
// thread has a core, and the threads of one process. It is for one goroutine.
type Look struct {
	proc    string
	scoped  bool // cores of a sample are not those of the machine
	walk    walker
	clock   func() time.Time
	buf     []byte
	threads map[lookKey]*lookThread
	turn    int
	opened  int // the process that was asked for, once a sample named it
}

// lookKey is a thread; another one with its number began at another time.
type lookKey struct {
	pid, tid int
	start    uint64 // ticks since the machine began
}

// lookThread is one thread as last read.
type lookThread struct {
	taskStat
	at   time.Time
	turn int
	more taskMore
}

// lookTask is one thread now, with what it was before.
type lookTask struct {
	lookKey
	taskStat
	was  *lookThread
	took float64 // seconds since then; 0 = not read before
}

// run is in cores.
func (t *lookTask) run() float64 {
	if t.took == 0 {
		return 0
	}
	return float64(since(t.was.ticks, t.ticks)) / userHz / t.took
}

// NewLook makes a Look that has read nothing; nil on the road of other systems.
func NewLook(c Config) *Look {
	c = c.withDefaults()
	if c.Portable {
		return nil
	}
	return &Look{proc: c.Proc, scoped: !c.Scope.Whole(), walk: walker{buf: make([]byte, 8<<10)}, clock: time.Now, buf: make([]byte, 4<<10), threads: map[lookKey]*lookThread{}}
}

// Read reads, with users, the threads of the processes that s, the newest sample,
// names, and those of pid whole where s or an earlier one named it; pid 0 is
// none. What needs two readings is known from the second on. A scope has no cores
// of its own, so nobody is told to have one.
func (l *Look) Read(ctx context.Context, s *sample.Sample, users bool, pid int) *sample.Detail {
	users = users && !l.scoped
	l.walk.ctx = ctx
	l.turn++
	var all []lookTask
	room := lookAround
	for _, p := range s.GetProcesses() {
		n := int(p.GetPid())
		if n == pid {
			l.opened = pid
		} else if users && int(p.GetThreads()) <= room {
			tasks := l.tasks(n, room)
			room -= len(tasks)
			all = append(all, tasks...)
		}
	}
	d := &sample.Detail{}
	if pid > 0 {
		var own []lookTask
		d.Process, own = l.process(pid)
		all = append(all, own...)
	}
	if users {
		d.CoreUsers = coreUsers(all, s.GetCpu())
	}
	for k, t := range l.threads {
		if t.turn != l.turn {
			delete(l.threads, k)
		}
	}
	return d
}

// tasks reads the stat of each thread of a process, at most of so many.
func (l *Look) tasks(pid, most int) []lookTask {
	var out []lookTask
	folder := filepath.Join(l.proc, strconv.Itoa(pid), "task")
	l.walk.eachName(folder, func(_ int, name string) bool {
		tid, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			return true
		}
		b, err := l.file(folder + "/" + name + "/stat")
		st, ok := parseTaskStat(b)
		if err != nil || !ok {
			return true // ended since it was listed
		}
		t := lookTask{lookKey: lookKey{pid, int(tid), st.start}, taskStat: st}
		now := l.clock()
		if t.was = l.threads[t.lookKey]; t.was != nil {
			t.took = max(0, now.Sub(t.was.at).Seconds())
		}
		is := &lookThread{taskStat: st, at: now, turn: l.turn}
		if t.was != nil {
			is.more = t.was.more
		}
		l.threads[t.lookKey] = is
		out = append(out, t)
		return len(out) < most
	})
	return out
}

// process is what is told of the process that was asked for.
func (l *Look) process(pid int) (*sample.ProcessThreads, []lookTask) {
	p := &sample.ProcessThreads{Pid: uint32(pid)}
	if l.opened != pid {
		p.Error = "it is not among the processes that use most: only their threads are told"
		return p, nil
	}
	tasks := l.tasks(pid, lookThreads)
	if len(tasks) == 0 {
		p.Error = "it has ended, or may not be read"
		return p, nil
	}
	slices.SortStableFunc(tasks, func(a, b lookTask) int { return cmp.Compare(b.run(), a.run()) })
	for i := range tasks[:min(len(tasks), sample.MaxDetailed)] {
		p.Threads = append(p.Threads, l.thread(&tasks[i]))
	}
	slices.SortStableFunc(p.Threads, func(a, b *sample.ThreadDetail) int {
		return cmp.Compare(b.GetRun()+b.GetWait(), a.GetRun()+a.GetWait())
	})
	total := len(tasks)
	if b, err := l.file(filepath.Join(l.proc, strconv.Itoa(pid), "stat")); err == nil {
		if f, ok := parseFacts(b); ok {
			total = max(total, f.threads)
		}
	}
	p.More = uint32(total - len(p.Threads))
	return p, tasks
}

// thread reads the rest of one thread.
func (l *Look) thread(t *lookTask) *sample.ThreadDetail {
	d := &sample.ThreadDetail{Tid: uint32(t.tid), Name: printName(t.comm), State: uint32(t.state), Core: new(uint32(t.core))}
	folder := filepath.Join(l.proc, strconv.Itoa(t.pid), "task", strconv.Itoa(t.tid))
	var is taskMore
	if b, err := l.file(folder + "/schedstat"); err == nil {
		is.run, is.wait, is.timed = parseSchedstat(b)
	}
	if b, err := l.file(folder + "/status"); err == nil {
		is.voluntary, is.involuntary, is.switched = parseSwitches(b)
	}
	is.at = l.clock()
	l.threads[t.lookKey].more = is
	if t.took > 0 {
		d.Run = new(thousandths(t.run()))
	}
	if t.was == nil || t.was.more.at.IsZero() {
		return d
	}
	was := &t.was.more
	took := is.at.Sub(was.at).Seconds()
	if took <= 0 {
		return d
	}
	if is.timed && was.timed {
		d.Run = new(thousandths(float64(since(was.run, is.run)) / 1e9 / took))
		d.Wait = new(thousandths(float64(since(was.wait, is.wait)) / 1e9 / took))
	}
	if is.switched && was.switched {
		d.Voluntary = new(tenthsOf(float64(since(was.voluntary, is.voluntary)) / took))
		d.Involuntary = new(tenthsOf(float64(since(was.involuntary, is.involuntary)) / took))
	}
	return d
}

func tenthsOf(v float64) uint32 { return uint32(min(v*10+0.5, math.MaxUint32)) }

// file is good until the next one; of a long file it is the beginning.
func (l *Look) file(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, l.buf)
	return l.buf[:max(0, n)], err
}

// coreUsers are the threads that had most of a core: on it at both ends of the
// interval, and running for half of what the core was busy.
func coreUsers(tasks []lookTask, cpu *sample.Cpu) []*sample.CoreUser {
	best := map[int]*lookTask{}
	for i := range tasks {
		t := &tasks[i]
		if t.took > 0 && t.was.core == t.core && (best[t.core] == nil || t.run() > best[t.core].run()) {
			best[t.core] = t
		}
	}
	var out []*sample.CoreUser
	for i, b := range cpu.GetBusy() {
		core := i
		if ids := cpu.GetIds(); i < len(ids) {
			core = int(ids[i])
		}
		t := best[core]
		busy, ok := sample.DecodeBusy(b)
		if t == nil || !ok || busy < lookBusy || t.run() < busy/2 {
			continue
		}
		out = append(out, &sample.CoreUser{Core: uint32(core), Pid: uint32(t.pid), Tid: uint32(t.tid), Name: printName(t.comm), Run: thousandths(t.run())})
	}
	return out
}

// taskStat is what is needed of /proc/PID/task/TID/stat.
type taskStat struct {
	comm  string
	state byte
	ticks uint64 // utime + stime, 1/100 s
	start uint64
	core  int // that it was last on
}

// taskMore is what takes two more files.
type taskMore struct {
	at                     time.Time
	run, wait              uint64 // nanoseconds
	timed                  bool   // they are known
	voluntary, involuntary uint64
	switched               bool
}

// parseTaskStat reads "tid (comm) state ppid ...", see proc_pid_stat(5).
func parseTaskStat(b []byte) (t taskStat, ok bool) {
	const fieldParent, fieldUser, fieldSystem, fieldStart, fieldCore = 4, 14, 15, 22, 39
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || len(b) < end+4 || b[end+2] < 'A' || b[end+2] > 'z' {
		return t, false
	}
	t.comm, t.state = string(b[open+1:end]), b[end+2]
	rest := b[end+3:]
	for field := fieldParent; field <= fieldCore; field++ {
		rest = bytes.TrimPrefix(bytes.TrimLeft(rest, " "), []byte("-"))
		var v uint64
		if v, rest, ok = cutNumber(rest); !ok {
			return taskStat{}, false
		}
		switch field {
		case fieldUser, fieldSystem:
			t.ticks += v
		case fieldStart:
			t.start = v
		case fieldCore:
			t.core = int(min(v, sample.MaxCoreID))
		}
	}
	return t, true
}

// parseSwitches reads the two last lines of /proc/PID/task/TID/status.
func parseSwitches(b []byte) (voluntary, involuntary uint64, ok bool) {
	found := 0
	for line := range bytes.SplitSeq(b, newline) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		v, _, isNumber := cutNumber(value)
		switch string(name) {
		case "voluntary_ctxt_switches":
			voluntary = v
		case "nonvoluntary_ctxt_switches":
			involuntary = v
		default:
			continue
		}
		if isNumber {
			found++
		}
	}
	return voluntary, involuntary, found == 2
}
