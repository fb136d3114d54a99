package fleet

import (
	"math"
	"slices"
	"time"

	"capmon/capacity"
	"capmon/sample"
)

// rpsWindow is what RPS is the mean of.
const rpsWindow = 10 * time.Second

// Thresholds of the flags.
const (
	fullAt       = 0.95
	stealAt      = 0.05
	throttledAt  = 0.05
	clockSkewAt  = 1.0 // seconds
	trendSeconds = 60
)

// viewed is a host as a snapshot shows it, and what the totals need besides.
type viewed struct {
	*Host
	words *wording
	rpsBy *Learned // what RoomRPS stands on; nil where nothing was learned
}

// view is the host as it is now, in the place that its snapshot has for it.
func (h *host) view(into *Host, now time.Time, p Policy) viewed {
	s := h.standing(now)
	v := h.frame(into, s)
	v.Reason, v.Age = h.why(s), s.age
	if s.state != Up {
		v.Do = h.do
	}
	v.Skew = h.ahead
	if i, found := h.present(); found {
		behind := 0
		if s.state != Up {
			behind = int(s.age.Or(0))
		}
		h.history(&v, i, behind)
		if s.state != Down {
			v.Newest = h.newest
			h.fill(v.Host, h.rows.at(i), i)
			h.whole(v.Host)
			v.settle()
			v.Learned = h.lessons(v.Host, p)
			v.Scaling = h.scaling(v.Host)
			v.judge(p)
		}
	}
	v.flag(p)
	return v
}

// viewAt is the host as it was at an earlier moment. What was in the ring of
// seconds or in a point is known; services and threads where wholly knows the
// sample; what was learned by then is not kept.
func (h *host) viewAt(into *Host, at time.Time, p Policy, wholly func(host string, from, to int64) []Remembered) viewed {
	ms := at.UnixMilli() + h.shift()
	i := h.rowAt(ms)
	if i < 0 {
		return h.pointAt(into, ms, p)
	}
	r := h.rows.at(i)
	age := ms - r.ms
	s := standing{state: Up, counted: true, age: capacity.Known(float64(age) / 1000)}
	every := h.every().Milliseconds()
	if age > every+every/2 {
		// A gap: nothing is known of this second.
		s.counted, s.state = false, Stale
		if age >= downAfter*every {
			s.state = Down
		}
	}
	v := h.frame(into, s)
	h.history(&v, i, int(age/1000))
	if s.counted {
		v.Newest = r.sample(slices.Clone(h.rows.busy(r)), h.ids(r))
		h.fill(v.Host, r, i)
		if then := h.then(r, wholly); then != nil {
			v.Newest = then.newest
			then.whole(v.Host)
			v.settle()
		}
		v.judge(p)
	} else {
		v.Reason = "no sample of this moment"
	}
	v.flag(p)
	return v
}

// then is the host with r's sample as its newest, and the whole samples of the
// ten seconds before it; nil where that is not known.
func (h *host) then(r *row, wholly func(host string, from, to int64) []Remembered) *host {
	if wholly == nil {
		return nil
	}
	at := slices.IndexFunc(h.runs, func(v run) bool { return v.number == r.run })
	if at < 0 {
		return nil
	}
	for _, was := range wholly(h.name, r.ms-rpsWindow.Milliseconds(), r.ms) {
		list := was.Samples
		if n := len(list); was.Epoch != h.runs[at].epoch || n == 0 || list[n-1].GetSeq() != r.seq {
			continue
		}
		then := *h
		then.newest, then.heard = list[len(list)-1], heard{}
		for _, s := range list {
			then.heard.remember(s, then.newest)
		}
		return &then
	}
	return nil
}

// frame is a host of which nothing is known but who it is.
func (h *host) frame(into *Host, s standing) viewed {
	trend := make([]float64, trendSeconds)
	for i := range trend {
		trend[i] = math.NaN()
	}
	*into = Host{
		Name: h.name, Addr: h.addr, State: s.state, Age: s.age, Counted: s.counted,
		Machine: h.machine, Pool: h.poolOf(), Dropped: h.dropped, Restarts: h.restarts, Trend: trend, Flags: []string{},
	}
	return viewed{Host: into, words: &h.words}
}

// present is the row of the newest sample.
func (h *host) present() (int, bool) {
	if h.newest == nil {
		return 0, false
	}
	return h.rows.find(h.runs[len(h.runs)-1].number, h.newest.GetSeq())
}

// rowAt is the newest row labelled ms or before; -1: none.
func (h *host) rowAt(ms int64) int {
	best := -1
	for i := h.rows.n - 1; i >= 0; i-- {
		r := h.rows.at(i)
		if r.ms > ms || (best >= 0 && r.ms <= h.rows.at(best).ms) {
			continue
		}
		if best = i; h.rows.sorted() {
			break
		}
	}
	return best
}

// fill takes the numbers of one row.
func (h *host) fill(v *Host, r *row, at int) {
	v.Available, v.CoresUsed = known(r.available), known(r.used)
	v.CPU = capacity.Known(float64(r.used) / float64(r.available))
	if r.hasConns {
		v.Connections = capacity.Known(float64(r.conns))
	}
	if r.hasMemory {
		v.MemoryUsed, v.MemoryTotal = capacity.Known(float64(r.memUsed)), capacity.Known(float64(r.memTotal))
	}
	v.Cores, v.HottestCore = cores(h.rows.busy(r), h.ids(r))
	v.HottestCore.Host = h.name
	v.RPS = h.recentMean(at, func(r *row) float64 { return float64(r.rps) })
	v.Throttled = h.recentMean(at, func(r *row) float64 { return share16(r.throttled) })
	if v.Throttled.V > throttledAt {
		v.Flags = append(v.Flags, "throttled")
	}
	if share16(r.steal) > stealAt {
		v.Flags = append(v.Flags, "steal")
	}
}

// cores decodes the cores of a row; nil when none is known.
func cores(busy []byte, ids []uint32) ([]float64, HotCore) {
	if len(busy) == 0 {
		return nil, HotCore{}
	}
	list := make([]float64, len(busy))
	for i, b := range busy {
		list[i] = decode(b)
	}
	most, place := hottest(busy)
	if math.IsNaN(most) {
		return list, HotCore{}
	}
	if place < len(ids) {
		place = int(ids[place])
	}
	return list, HotCore{Known: true, Core: place, Busy: most}
}

// ids are the kernel's numbers of a row's cores, nil where they are 0..n-1.
// They are kept of the newest sample only, since they hardly ever change.
func (h *host) ids(r *row) []uint32 {
	if ids := h.newest.GetCpu().GetIds(); len(ids) == int(r.cores) {
		return ids
	}
	return nil
}

// recentMean is the mean of a number of the rows over the ten seconds that end
// with row i, of its run; NaN values don't enter.
func (h *host) recentMean(i int, of func(*row) float64) capacity.Num {
	last := h.rows.at(i)
	var m mean
	for ; i >= 0; i-- {
		r := h.rows.at(i)
		if r.run != last.run || r.ms <= last.ms-rpsWindow.Milliseconds() {
			break
		}
		m.add(of(r), float64(h.cover(r)))
	}
	return capacity.Known(m.value())
}

// history fills the trend, which ends behind seconds after row i.
func (h *host) history(v *viewed, i, behind int) {
	end := h.rows.at(i).ms
	for ; i >= 0; i-- {
		r := h.rows.at(i)
		age := end - r.ms
		if age >= trendSeconds*1000 && h.rows.sorted() {
			break
		}
		if age < 0 || age >= trendSeconds*1000 {
			continue
		}
		share := float64(r.used) / float64(r.available)
		newest := trendSeconds - 1 - behind - int((age+500)/1000)
		for k := newest; k > newest-int(max(h.cover(r)/1000, 1)) && k >= 0; k-- {
			v.Trend[k] = share
		}
	}
}

// whole takes what only the newest samples themselves tell: services,
// processes, threads, connections, capmon's own cost.
func (h *host) whole(v *Host) {
	s := h.newest
	v.Services, v.Processes = h.services(), h.processes()
	if s.Users != nil && s.GetUsers() >= 0 {
		v.Users = capacity.Known(s.GetUsers())
	}
	v.RPSSource, v.RPSNote = sources(v.Services, v.RPS.OK)
	for _, t := range s.GetThreads() {
		if d := min(demand(t), 1); !v.Thread.Known || d > v.Thread.Demand {
			v.Thread = HotThread{Known: true, Host: h.name, PID: int(t.GetPid()), TID: int(t.GetTid()), Name: threadName(s, t), Demand: d}
		}
	}
	if c := s.GetConnections(); c != nil {
		v.TimeWait, v.PortsUsed, v.PortsLimit = whole32(c.TimeWait), whole32(c.PortsUsed), whole32(c.PortsLimit)
		if c.Drift != nil {
			v.ConnectionsDrift = capacity.Known(float64(*c.Drift))
		}
		v.ConnectionsFrom = connectionSources[c.GetSource()]
	}
	if self := s.GetSelf(); self != nil {
		interval := float64(s.GetIntervalMs()) / 1000
		if interval == 0 {
			interval = h.every().Seconds()
		}
		if self.CpuUs != nil {
			v.SelfCPU = capacity.Known(float64(*self.CpuUs) / 1000 / interval)
		}
		if self.Rss != nil {
			v.SelfRSS = capacity.Known(float64(*self.Rss))
		}
	}
}

// sample is what is still known of the sample that r was taken from, which keeps
// busy and ids.
func (r *row) sample(busy []byte, ids []uint32) *sample.Sample {
	s := &sample.Sample{Seq: r.seq, TimeMs: r.ms, IntervalMs: r.interval, Cpu: &sample.Cpu{Busy: busy, Ids: ids, AvailableFrom: sample.Bound(r.from)}}
	if available := r.available; available > 0 {
		s.Cpu.Available = &available
	}
	if used := r.used; used >= 0 {
		s.Cpu.Used = &used
	}
	if r.throttled != unknown16 {
		throttled := uint32(r.throttled)
		s.Cpu.Throttled = &throttled
	}
	if r.steal != unknown16 {
		steal := uint32(r.steal)
		s.Cpu.Steal = &steal
	}
	if r.hasConns {
		conns := r.conns
		s.Connections = &sample.Connections{Served: &conns}
	}
	if r.hasMemory {
		used, total := r.memUsed, r.memTotal
		s.Memory = &sample.Memory{Used: &used, Total: &total}
	}
	return s
}

// share16 is a share in 1/10000, NaN when unknown.
func share16(v uint16) float64 {
	if v == unknown16 {
		return math.NaN()
	}
	return float64(v) / 10_000
}

// known is a float32 that may be NaN.
func known(v float32) capacity.Num { return capacity.Known(float64(v)) }
