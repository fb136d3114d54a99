package fleet_test

import (
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"capmon/fleet"
	"capmon/sample"
)

// What a chart keeps from one snapshot to the next is what it would be anew.
func TestChartIsTheSameAnew(t *testing.T) {
	ask := fleet.Ask{Span: 5 * time.Minute, Buckets: 118}
	feed := func(look bool) fleet.Chart {
		f := fleet.New(fleet.Config{})
		for _, name := range []string{"a", "b"} {
			f.Join(name, "", t0)
			f.Machine(name, machine(3), t0)
		}
		for i := range 500 {
			at := after(float64(i))
			f.Samples("a", 3, []*sample.Sample{second(i+1, at, 4, float32(i%7)/2, uint32(i))}, at)
			if i%50 < 40 { // b drops out and is filled in afterwards
				late := []*sample.Sample{second(i+1, at, 2, 1, uint32(2*i))}
				for k := 1; i%50 == 0 && i > 0 && k <= 10; k++ {
					late = append(late, second(i+1-k, at.Add(-time.Duration(k)*time.Second), 2, 1, uint32(2*(i-k))))
				}
				f.Samples("b", 3, late, at)
			}
			if look {
				f.Snapshot(ask, at.Add(300*time.Millisecond))
			}
		}
		return f.Snapshot(ask, after(500)).Chart
	}
	want := feed(false)
	if missing(want.Connections) > 0 || want.Hosts[0] != 2 {
		t.Fatalf("a poor chart to compare with: %v", want.Hosts)
	}
	if d := cmp.Diff(want, feed(true), cmpopts.EquateNaNs()); d != "" {
		t.Errorf("anew -, kept +\n%s", d)
	}
}

func TestChartBuckets(t *testing.T) {
	f := one(60, fleet.Policy{})
	f.Join("two", "", t0)
	for i := range 30 {
		at := after(float64(i - 29))
		f.Samples("two", 2, []*sample.Sample{second(i+1, at, 2, 1, 10)}, at)
	}
	c := f.Snapshot(fleet.Ask{Span: 80 * time.Second, Buckets: 8}, t0).Chart
	if c.Step != 10*time.Second || c.Start.Add(80*time.Second).Before(t0) || c.Start.Add(70*time.Second).After(t0) {
		t.Fatalf("start %v, step %v: the last bucket must hold %v", c.Start, c.Step, t0)
	}
	nan := math.NaN()
	want := fleet.Chart{
		Start: c.Start, Step: c.Step, Hosts: []int{0, 1, 1, 1, 2, 2, 2, 2},
		Connections: []float64{nan, 1000, 1000, 1000, 1010, 1010, 1010, 1010},
		RPS:         []float64{nan, nan, nan, nan, nan, nan, nan, nan},
		CoresUsed:   []float64{nan, 4, 4, 4, 5, 5, 5, 5},
		Cores:       []float64{nan, 8, 8, 8, 10, 10, 10, 10},
	}
	if d := cmp.Diff(want, c, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	for _, a := range []fleet.Ask{{Buckets: 5000, Span: 99 * time.Hour}, {Buckets: -1}, {}} {
		c := f.Snapshot(a, t0).Chart
		if want := min(max(a.Buckets, 0), 1000); len(c.Hosts) != want {
			t.Errorf("%+v: %d buckets, want %d", a, len(c.Hosts), want)
		}
	}
}

// A host that samples each ten seconds fills each second of a chart.
func TestSlowSampling(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("web", "", t0)
	m := machine(1)
	m.IntervalMs = 10_000
	f.Machine("web", m, t0)
	for i := range 12 {
		at := after(float64(10 * (i - 11)))
		f.Samples("web", 1, []*sample.Sample{second(i+1, at, 4, 2, 7)}, at)
	}
	s := f.Snapshot(fleet.Ask{Span: time.Minute, Buckets: 60}, t0)
	if n := missing(s.Chart.CoresUsed); n != 0 || s.Interval != 10*time.Second {
		t.Errorf("%d holes, interval %v", n, s.Interval)
	}
	if n := missing(s.Hosts[0].Trend); n != 0 {
		t.Errorf("%d holes in the trend: %v", n, s.Hosts[0].Trend)
	}
	if h := f.Snapshot(fleet.Ask{At: after(-15)}, t0).Hosts[0]; h.Newest.GetSeq() != 10 {
		t.Errorf("15 s ago sample %d was the newest, want 10", h.Newest.GetSeq())
	}
}

func TestPointsBeforeSeconds(t *testing.T) {
	f := one(60, fleet.Policy{PerServer: 2000})
	var points []*sample.Point
	begin := t0.Unix()/10*10 - 3600
	for i := range 360 {
		at := begin + int64(i)*10
		points = append(points, &sample.Point{
			Time: at, Samples: 10, Cpu: new(float32(0.25)), Available: new(float32(8)), Rps: new(float32(30)), Served: new(float32(500)),
		})
	}
	bad := []*sample.Point{
		{Time: begin + 3, Cpu: new(float32(1))},
		{Time: begin - 46*3600, Samples: 1},
		{Time: begin + 24*3600 + 600, Samples: 1, Cpu: new(float32(1))},
		{Time: begin + 50, Samples: 1, Cpu: new(float32(math.NaN()))},
	}
	slices.Reverse(points)
	f.Points("web", 7, points, t0)
	f.Points("web", 7, append(bad, points...), t0)
	s := f.Snapshot(fleet.Ask{Span: time.Hour, Buckets: 60, Host: "web"}, t0)
	if n := missing(s.Chart.RPS); n > 2 {
		t.Errorf("%d holes in the hour: %v", n, s.Chart.RPS)
	}
	c := s.Chart
	if c.CoresUsed[10] != 2 || c.Connections[10] != 500 || c.Connections[59] != 1000 || c.Cores[10] != 8 {
		t.Errorf("bucket 10: %v cores used of %v, %v connections; last: %v", c.CoresUsed[10], c.Cores[10], c.Connections[10], c.Connections[59])
	}
	p := s.Hosts[0].Past
	if p.Step != time.Minute || p.CPU[10] != 0.25 || p.RPS[10] != 30 || p.Connections[59] != 1000 {
		t.Errorf("past %v: %v %v %v", p.Step, p.CPU[10], p.RPS[10], p.Connections[59])
	}
	// A point of tomorrow does not take the place of today's.
	if h := f.Snapshot(fleet.Ask{At: time.Unix(begin+605, 0)}, t0).Hosts[0]; h.CPU.V != 0.25 {
		t.Errorf("beside a point from the future: %v", h.CPU)
	}
	// An earlier moment of which only a point is kept.
	h := f.Snapshot(fleet.Ask{At: t0.Add(-30 * time.Minute)}, t0).Hosts[0]
	if h.State != fleet.Up || h.CPU.V != 0.25 || h.Connections.V != 500 || h.Cores != nil || h.Newest == nil || h.Bound != "cpu" {
		t.Errorf("half an hour ago: %+v", h)
	}
	// One from before there was anything.
	if h := f.Snapshot(fleet.Ask{At: t0.Add(-3 * time.Hour)}, t0).Hosts[0]; h.State != fleet.Unseen || h.Newest != nil || h.CPU.OK {
		t.Errorf("three hours ago: %+v", h)
	}
}

// Seconds that fall out of their ring live on as points.
func TestSecondsFadeToPoints(t *testing.T) {
	f := one(2400, fleet.Policy{})
	c := f.Snapshot(fleet.Ask{Span: 40 * time.Minute, Buckets: 40}, t0).Chart
	if n := missing(c.Connections[1:]); n != 0 {
		t.Errorf("%d holes: %v", n, c.Connections)
	}
	if c.Connections[5] != 1000 || c.CoresUsed[5] != 4 || c.Cores[5] != 8 {
		t.Errorf("35 minutes ago: %v connections, %v of %v cores", c.Connections[5], c.CoresUsed[5], c.Cores[5])
	}
}

// What an agent says of ten seconds counts more than what a viewer made of them,
// whichever comes first.
func TestAgentsPointsWin(t *testing.T) {
	begin := t0.Unix()/10*10 - 2300
	told := func(f *fleet.Fleet) {
		for i := range 60 {
			f.Points("web", 7, []*sample.Point{{Time: begin + int64(10*i), Samples: 3, Cpu: new(float32(0.5)), Available: new(float32(8)), Served: new(float32(77))}}, t0)
		}
	}
	at := fleet.Ask{At: time.Unix(begin+300, 0)}
	after := one(2400, fleet.Policy{})
	if h := after.Snapshot(at, t0).Hosts[0]; h.Connections.V != 1000 {
		t.Errorf("before it told: %v connections", h.Connections)
	}
	told(after)
	before := fleet.New(fleet.Config{})
	before.Join("web", "", t0)
	told(before)
	for i := 2399; i >= 0; i-- {
		at := t0.Add(-time.Duration(i) * time.Second)
		before.Samples("web", 7, []*sample.Sample{second(2400-i, at, 8, 4, 1000)}, at)
	}
	for name, f := range map[string]*fleet.Fleet{"told after": after, "told before": before} {
		if h := f.Snapshot(at, t0).Hosts[0]; h.Connections.V != 77 {
			t.Errorf("%s: %v connections, want 77", name, h.Connections)
		}
	}
}

// Points fill what is missing between seconds.
func TestPointsBetweenSeconds(t *testing.T) {
	f := one(10, fleet.Policy{})
	at := after(121)
	f.Samples("web", 7, []*sample.Sample{second(131, at, 8, 4, 1000)}, at)
	for i := range 12 {
		begin := t0.Unix()/10*10 + int64(10*i)
		f.Points("web", 7, []*sample.Point{{Time: begin, Samples: 10, Cpu: new(float32(1)), Available: new(float32(8))}}, at)
	}
	c := f.Snapshot(fleet.Ask{Span: 2 * time.Minute, Buckets: 12}, at).Chart
	if c.CoresUsed[6] != 8 || c.CoresUsed[3] != 8 || missing(c.CoresUsed) > 1 {
		t.Errorf("%v", c.CoresUsed)
	}
}

// A bucket that has just begun stands on all hosts, though some have not sent
// their sample of it yet.
func TestLastBucketIsWhole(t *testing.T) {
	f := fleet.New(fleet.Config{})
	for i, name := range []string{"early", "late"} {
		f.Join(name, "", t0)
		for k := range 30 {
			at := after(float64(k-33) - float64(i)/2)
			f.Samples(name, 1, []*sample.Sample{second(k+1, at, 4, 2, 100)}, at)
		}
	}
	now := after(-2.9) // a bucket of ten seconds begins at -7, one of a second at -3
	c := f.Snapshot(fleet.Ask{Span: 10 * time.Second, Buckets: 10}, now).Chart
	if c.Hosts[9] != 2 || c.Connections[9] != 200 {
		t.Errorf("last bucket: %d hosts, %v connections", c.Hosts[9], c.Connections[9])
	}
}

// Two machines that answer to one name in turn do not hide each other.
func TestTwoMachinesBehindOneName(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("vip", "", t0)
	for i := range 90 {
		epoch := uint64(1 + i/30%2)
		at := after(float64(i))
		f.Machine("vip", machine(epoch), at)
		f.Samples("vip", epoch, []*sample.Sample{second(i+1, at, 4, 2, 100)}, at)
	}
	s := f.Snapshot(fleet.Ask{Span: time.Minute, Buckets: 60}, after(89))
	if n := missing(s.Chart.CoresUsed); n != 0 || s.Hosts[0].Restarts != 1 || s.Hosts[0].Newest.GetSeq() != 90 {
		t.Errorf("%d holes, %d restarts, newest %d", n, s.Hosts[0].Restarts, s.Hosts[0].Newest.GetSeq())
	}
	if h := f.Snapshot(fleet.Ask{At: after(75)}, after(89)).Hosts[0]; h.Newest.GetSeq() != 76 {
		t.Errorf("14 s ago sample %d was the newest, want 76", h.Newest.GetSeq())
	}
}

// A clock set back does not hide what comes after.
func TestClockSetBack(t *testing.T) {
	f := one(60, fleet.Policy{})
	for i := 1; i <= 20; i++ {
		at := after(float64(i))
		f.Samples("web", 7, []*sample.Sample{second(60+i, at.Add(-time.Hour), 8, 6, 1000)}, at)
	}
	s := f.Snapshot(fleet.Ask{Span: 10 * time.Second, Buckets: 10}, after(20))
	if n := missing(s.Chart.CoresUsed); n != 0 || s.Chart.CoresUsed[9] != 6 {
		t.Errorf("%d holes after the clock was set back: %v", n, s.Chart.CoresUsed)
	}
	if h := s.Hosts[0]; h.State != fleet.Up || !slices.Contains(h.Flags, "clock-skew") || missing(h.Trend) > 40 {
		t.Errorf("%v %v %v", h.State, h.Flags, h.Trend)
	}
}

func TestTrend(t *testing.T) {
	f := one(30, fleet.Policy{})
	h := f.Snapshot(fleet.Ask{}, after(0.9)).Hosts[0]
	if len(h.Trend) != 60 || missing(h.Trend) != 30 || !math.IsNaN(h.Trend[29]) || h.Trend[30] != 0.5 || h.Trend[59] != 0.5 {
		t.Errorf("trend %v", h.Trend)
	}
	// A stale host's trend ends where its samples did.
	h = f.Snapshot(fleet.Ask{}, after(5)).Hosts[0]
	if missing(h.Trend) != 30 || h.Trend[54] != 0.5 || !math.IsNaN(h.Trend[55]) {
		t.Errorf("stale: trend %v", h.Trend)
	}
}

func TestRequests(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("web", "", t0)
	for i := range 20 {
		s := second(i+1, after(float64(i)), 2, 1, 9)
		s.Services = []*sample.Service{
			{Port: 80, Name: "nginx", Rps: new(float32(10 * i)), Responses: new(uint64(i)), RpsSource: sample.RpsSource_RPS_SOURCE_NGINX, Connections: new(uint32(4))},
			{Port: 443, RpsNote: "it speaks TLS"},
			{Port: 9000, Name: "api", RpsSource: sample.RpsSource_RPS_SOURCE_PROMETHEUS},
		}
		if i > 15 {
			s.Services[2].Rps = new(float32(7))
		}
		f.Samples("web", 1, []*sample.Sample{s}, after(float64(i)))
	}
	s := f.Snapshot(fleet.Ask{}, after(19))
	h := s.Hosts[0]
	// 145 is the mean of 100, 110 .. 190; four of the ten seconds have 7 more.
	if h.RPS.V != 145+4*7.0/10 || h.RPSSource != "nginx+prometheus" || h.RPSNote != "" || s.Totals.RPSHosts != 1 || s.Totals.RPS.V != h.RPS.V {
		t.Errorf("rps %v from %q (%s), hosts %d", h.RPS, h.RPSSource, h.RPSNote, s.Totals.RPSHosts)
	}
	want := []fleet.Service{
		{Port: 80, Name: "nginx", RPS: num(145), RPSSource: "nginx", Responses: num(19), Connections: num(4), Counted: true, Flags: []string{}},
		{Port: 443, RPSNote: "it speaks TLS", Counted: true, Flags: []string{}},
		{Port: 9000, Name: "api", RPS: num(7), RPSSource: "prometheus", Counted: true, Flags: []string{}},
	}
	if d := cmp.Diff(want, h.Services); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if h := one(3, fleet.Policy{}).Snapshot(fleet.Ask{}, t0).Hosts[0]; h.RPS.OK || h.RPSSource != "" || h.RPSNote != "nothing listens here" {
		t.Errorf("no services: %v %q %q", h.RPS, h.RPSSource, h.RPSNote)
	}
}

func TestThreadsAndCores(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("web", "", t0)
	s := second(1, t0, 4, 1, 9)
	s.Cpu.Busy, s.Cpu.Ids = []byte{10, sample.Unknown, 200, 250}, []uint32{0, 2, 4, 6}
	s.Threads = []*sample.Thread{{Pid: 5, Tid: 6, Name: "main", Run: 700, Wait: 295}, {Pid: 5, Tid: 7, Name: "gc", Run: 800}}
	s.Self = &sample.Self{CpuUs: new(uint32(1500)), Rss: new(uint64(12 << 20))}
	s.IntervalMs = 2000
	f.Samples("web", 1, []*sample.Sample{s}, t0)
	f.Detail("web", &sample.Sample{CoreParts: []byte{250, 0, 0, 0, 0, 0, 125, 25, sample.Unknown, 0}}, t0)
	snap := f.Snapshot(fleet.Ask{Host: "web"}, after(1))
	h := snap.Hosts[0]
	if d := cmp.Diff([]float64{0.04, math.NaN(), 0.8, 1}, h.Cores, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("cores: %s", d)
	}
	if want := (fleet.HotCore{Known: true, Host: "web", Core: 6, Busy: 1}); h.HottestCore != want || snap.Totals.HottestCore != want {
		t.Errorf("hottest core %+v", h.HottestCore)
	}
	if want := (fleet.HotThread{Known: true, Host: "web", PID: 5, TID: 6, Name: "main", Demand: 0.995}); h.Thread != want || snap.Totals.HottestThread != want {
		t.Errorf("thread %+v", h.Thread)
	}
	if h.SelfCPU.V != 0.75 || h.SelfRSS.V != 12<<20 {
		t.Errorf("self %v %v", h.SelfCPU, h.SelfRSS)
	}
	want := []fleet.CoreParts{{User: 1}, {System: 0.5, IRQ: 0.1, IOWait: math.NaN()}}
	if d := cmp.Diff(want, h.Past.Parts, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("parts: %s", d)
	}
	if h := f.Snapshot(fleet.Ask{Host: "web"}, after(9)).Hosts[0]; h.Past.Parts != nil {
		t.Error("old parts are shown as if they were new")
	}
}

// TestBudget holds what the package comment says of one host's memory, with a
// host that sends all it may: other epochs, seconds and points of every time.
func TestBudget(t *testing.T) {
	const cores, most = 64, 340_000 + 900*64
	for name, epochs := range map[string]int{"one run": 1, "a new run each second": 100_000} {
		t.Run(name, func(t *testing.T) {
			f := fleet.New(fleet.Config{})
			f.Join("web", "", t0)
			before := heap()
			var points []*sample.Point
			for i := range 2 * 8640 {
				points = append(points, &sample.Point{Time: t0.Unix()/10*10 - int64(i)*10, Samples: 10, Cpu: new(float32(1)), Available: new(float32(8))})
			}
			for i := range 4000 {
				at := after(float64(i))
				f.Samples("web", uint64(1+i%epochs), []*sample.Sample{second(i+1, at, cores, 1, 1)}, at)
			}
			f.Points("web", 1, points, t0)
			points = nil
			used := heap() - before
			t.Logf("%d bytes", used)
			if used > most {
				t.Errorf("%d bytes for one host, the budget is %d", used, most)
			}
			if s := f.Snapshot(fleet.Ask{}, after(4000)); s.Hosts[0].State != fleet.Up || s.Hosts[0].Restarts != min(epochs, 4000)-1 {
				t.Errorf("%v after %d restarts", s.Hosts[0].State, s.Hosts[0].Restarts)
			}
		})
	}
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
