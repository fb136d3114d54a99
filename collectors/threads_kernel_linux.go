package collectors

import (
	"context"
	"time"

	"capmon/collectors/kernel"
)

// taskReader reads every thread of the machine in rising order of their numbers.
type taskReader interface {
	Read(dst []kernel.Task) ([]kernel.Task, error)
	Close() error
}

// taskSource compares two readings of every thread: half a microsecond each.
type taskSource struct {
	tasks taskReader
	rooms *rooms
	names *procNames
	clock func() time.Time
	cpu   func(pid int) (nanoseconds uint64, err error)
	pace  threadPace
	smallFile

	last, now []kernel.Task
	lastAt    time.Time
	delta     []threadTimes // of now, by index
	procs     map[int32]*taskProc
	turn      uint64
}

// threadTimes is what one thread did, in nanoseconds.
type threadTimes struct{ run, wait uint64 }

// taskProc is one process and what is added up for it.
type taskProc struct {
	procUse
	turn     uint64 // of the reading it was last seen in
	exited   uint64 // run time of its ended threads, as last read
	gone     uint64 // run time of the threads that ended since, as last read
	run      uint64
	wait     uint64
	runnable int
	into     int // 1 + index of the heavy process it is
}

func newTaskSource(tasks taskReader, c Config, idle *idleCores) *taskSource {
	return &taskSource{tasks: tasks, rooms: newRooms(c, idle), names: newProcNames(c.Proc), clock: time.Now, cpu: processClock, procs: make(map[int32]*taskProc)}
}

func (s *taskSource) close() {
	s.rooms.close()
	_ = s.tasks.Close()
}

func (s *taskSource) note() string { return "" }

func (s *taskSource) read(_ context.Context, now time.Time, t *procTable, wants func(procKey, float64) bool) (bool, error) {
	if !s.pace.due(now) {
		return false, nil
	}
	defer s.pace.begin(now)()
	tasks, err := s.tasks.Read(s.now[:0])
	at := s.clock()
	if err != nil {
		s.lastAt = time.Time{}
		return false, err
	}
	s.now = tasks
	s.turn++
	took := at.Sub(s.lastAt).Seconds()
	t.begun = !s.lastAt.IsZero() && took > 0
	s.leaders(t.begun)
	s.compare(t.begun)
	if t.begun {
		s.addUp(t, took)
		s.busiest(t, took)
		s.lookInto(t, took, wants)
		for i := range t.heavy {
			h := &t.heavy[i]
			h.room = s.rooms.of(now, h.key, topThread(h.threads))
		}
		s.rooms.forget(now)
	}
	s.last, s.now = s.now, s.last
	s.lastAt = at
	return true, nil
}

// leaders notes the processes of this reading and forgets those that are gone.
func (s *taskSource) leaders(begun bool) {
	for i := range s.now {
		k := &s.now[i]
		if k.TID != k.PID {
			continue
		}
		p := s.procs[k.PID]
		if p == nil || p.key.start != k.Start {
			p = &taskProc{procUse: procUse{key: procKey{int(k.PID), k.Start}}}
			if !begun {
				p.exited = k.Exited
			}
			s.procs[k.PID] = p
		}
		*p = taskProc{procUse: p.procUse, exited: p.exited, turn: s.turn}
		p.parent, p.kernel, p.threads = int(k.Parent), k.Kernel, 0
		if !k.Called(p.comm) {
			p.comm = k.Name()
		}
	}
	for pid, p := range s.procs {
		if p.turn != s.turn {
			delete(s.procs, pid)
		}
	}
}

// compare takes the difference of the two readings for each thread and adds it
// to its process. A thread that was not there before began since.
func (s *taskSource) compare(begun bool) {
	s.delta = s.delta[:0]
	i := 0
	for n := range s.now {
		k := &s.now[n]
		for i < len(s.last) && s.last[i].TID < k.TID {
			s.ended(&s.last[i])
			i++
		}
		d := threadTimes{k.Run, k.Wait}
		if i < len(s.last) && s.last[i].TID == k.TID {
			if o := &s.last[i]; o.Start != k.Start {
				s.ended(o)
			} else {
				d = threadTimes{since(o.Run, k.Run), since(o.Wait, k.Wait)}
			}
			i++
		}
		if !begun {
			d = threadTimes{}
		}
		s.delta = append(s.delta, d)
		if p := s.procs[k.PID]; p != nil {
			p.threads++
			p.run += d.run
			p.wait += d.wait
			if k.Runnable {
				p.runnable++
			}
		}
	}
	for ; i < len(s.last); i++ {
		s.ended(&s.last[i])
	}
}

func (s *taskSource) ended(o *kernel.Task) {
	if p := s.procs[o.PID]; p != nil {
		p.gone += o.Run
	}
}

// addUp makes the processes' numbers. The kernel keeps the run time of threads
// that have ended; what they ran since the last reading is in it.
func (s *taskSource) addUp(t *procTable, took float64) {
	ns := took * 1e9
	for n := range s.now {
		k := &s.now[n]
		if k.TID != k.PID {
			continue
		}
		p := s.procs[k.PID]
		ended := since(p.exited, k.Exited)
		p.exited = k.Exited
		// A thread that ends while the list is read is in neither part, and in
		// both of the next reading: then it is left out.
		ended = since(p.gone, ended)
		if float64(ended) <= ns*sampleCores {
			p.run += ended
		}
		p.procUse.run, p.procUse.wait = float64(p.run)/ns, float64(p.wait)/ns
		t.procs = append(t.procs, &p.procUse)
	}
}

// sampleCores bounds the cores that the ended threads of one process can have
// used in one interval.
const sampleCores = 1024

// busiest finds the threads with the highest demand.
func (s *taskSource) busiest(t *procTable, took float64) {
	ns := took * 1e9
	var least float64
	for n := range s.now {
		demand := float64(s.delta[n].run+s.delta[n].wait) / ns
		if demand < shownDemand || demand <= least || s.now[n].Kernel && demand < shownKernel {
			continue
		}
		u := busyThread{int(s.now[n].PID), s.use(n, ns)}
		if len(t.threads) < shownThreads {
			t.threads = append(t.threads, u)
		} else {
			t.threads[lowest(t.threads)] = u
		}
		if len(t.threads) == shownThreads {
			least = t.threads[lowest(t.threads)].demand()
		}
	}
}

func lowest(threads []busyThread) int {
	low := 0
	for i := range threads {
		if threads[i].demand() < threads[low].demand() {
			low = i
		}
	}
	return low
}

// use is what thread n of this reading did.
func (s *taskSource) use(n int, ns float64) threadUse {
	k := &s.now[n]
	u := threadUse{tid: int(k.TID), start: k.Start, run: float64(s.delta[n].run) / ns, wait: float64(s.delta[n].wait) / ns}
	if p := s.procs[k.PID]; p != nil && k.Called(p.comm) {
		u.name = p.comm
	} else {
		u.name = k.Name()
	}
	return u
}

// lookInto lists the threads of the processes that are wanted.
func (s *taskSource) lookInto(t *procTable, took float64, wants func(procKey, float64) bool) {
	for _, u := range t.procs {
		p := s.procs[int32(u.key.pid)]
		if !p.kernel && wants(p.key, p.demand()) {
			t.heavy = append(t.heavy, heavyProc{key: p.key, took: took, run: p.procUse.run, wait: p.procUse.wait, runnable: p.runnable})
			p.into = len(t.heavy)
		}
	}
	if len(t.heavy) == 0 {
		return
	}
	for n := range s.now {
		if p := s.procs[s.now[n].PID]; p != nil && p.into > 0 {
			h := &t.heavy[p.into-1]
			h.threads = append(h.threads, s.use(n, took*1e9))
		}
	}
}

func (s *taskSource) members(context.Context) []kin {
	out := make([]kin, 0, len(s.procs))
	for _, p := range s.procs {
		if !p.kernel {
			out = append(out, kin{key: p.key, parent: p.parent, comm: p.comm})
		}
	}
	return out
}

func (s *taskSource) describe(p *procUse) (string, int) {
	return s.names.of(p.key, p.comm, p.kernel), p.threads
}

// topThread is the number of the thread with the highest demand; 0 = none.
func topThread(threads []threadUse) int {
	tid, most := 0, -1.0
	for _, t := range threads {
		if t.demand() > most {
			tid, most = t.tid, t.demand()
		}
	}
	return tid
}
