package ui

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// fixture is a made-up fleet: the same for the same fields.
type fixture struct {
	hosts, cores int
	level        fleet.Level
	limited      bool // connections have a limit
	down, stale  int  // of the last hosts
	full         int  // of the first hosts
	names        []string
	unknown      bool // every host is up and nothing is known of it
	noRPS        bool
	sockets      int  // of each host, with two threads a physical core; 0: not told
	told         bool // processes, and all of its services; the second host is thread-bound
}

var night = time.Date(2026, 11, 23, 3, 12, 7, 0, time.UTC)

func wave(i int, t float64) float64 { return math.Sin(float64(i)*1.7+t/9) * math.Cos(t/31) }

func (x fixture) frame() Frame {
	f := Frame{SelfCPU: capacity.Known(0.004), SelfRSS: capacity.Known(28e6)}
	f.Time, f.At, f.Live, f.Interval = night, night, true, time.Second
	f.Policy.Target = 0.8
	f.Totals = fleet.Totals{Hosts: x.hosts, UsersFrom: "connections"}
	for i := range x.hosts {
		h := x.host(i)
		if h.State == fleet.Up || h.State == fleet.Stale {
			x.add(&f.Totals, &h)
		}
		switch h.State {
		case fleet.Up:
			f.Totals.Up++
		case fleet.Stale:
			f.Totals.Stale++
		case fleet.Down:
			f.Totals.Down++
		}
		f.Hosts = append(f.Hosts, h)
	}
	t := &f.Totals
	if t.Cores.OK && t.Cores.V > 0 {
		t.CPU = capacity.Known(t.CoresUsed.V / t.Cores.V)
	}
	t.Users = t.Connections
	f.Pools = []fleet.Pool{x.pool(t)}
	f.Chart = x.chart(t)
	return f
}

func sum(to *capacity.Num, n capacity.Num, hosts *int) {
	if n.OK {
		*to = capacity.Known(to.V + n.V)
		*hosts++
	}
}

func (x fixture) add(t *fleet.Totals, h *fleet.Host) {
	var ignore int
	t.Counted++
	sum(&t.RPS, h.RPS, &t.RPSHosts)
	sum(&t.Connections, h.Connections, &t.ConnHosts)
	sum(&t.Cores, h.Available, &t.CPUHosts)
	sum(&t.CoresUsed, h.CoresUsed, &ignore)
	if h.HottestCore.Known && (!t.HottestCore.Known || h.HottestCore.Busy > t.HottestCore.Busy) {
		t.HottestCore = h.HottestCore
	}
}

func (x fixture) name(i int) string {
	if i < len(x.names) {
		return x.names[i]
	}
	return fmt.Sprintf("ws-%d", i+1)
}

func (x fixture) host(i int) fleet.Host {
	h := fleet.Host{Name: x.name(i), Addr: "10.0.0.9:7077", State: fleet.Up, Counted: true, Age: capacity.Known(0.3)}
	h.Machine = &sample.Machine{
		Hostname: h.Name, Os: "linux", Arch: "amd64", Kernel: "6.18.4", Version: "0.1.0", IntervalMs: 1000,
		Collectors: []string{"cpu", "memory"}, Labels: []*sample.Label{{Key: "role", Value: "ws"}},
	}
	fromEnd := x.hosts - 1 - i
	if fromEnd < x.down {
		return fleet.Host{
			Name: h.Name, Addr: h.Addr, State: fleet.Down, Age: capacity.Known(34),
			Reason: "nothing listens on 10.0.0.9:7077", Do: "start it there: capmon agent",
		}
	}
	if x.unknown {
		h.Newest = &sample.Sample{}
		return h
	}
	x.measure(&h, i)
	h.Machine.Topology = x.topology()
	if fromEnd < x.down+x.stale {
		h.State, h.Reason, h.Age = fleet.Stale, "no sample for 5 s", capacity.Known(5)
	}
	if x.told {
		x.tell(&h, i)
	}
	if i < x.full {
		h.Flags = append([]string{"full"}, h.Flags...)
	}
	return h
}

// topology is that of a server: the second threads are numbered after all the
// first, a node is a socket, and eight physical cores share a cache.
func (x fixture) topology() *sample.Topology {
	if x.sockets == 0 {
		return nil
	}
	t := &sample.Topology{}
	physical := x.cores / 2
	for i := range x.cores {
		at := i % physical
		socket := uint32(at * x.sockets / physical)
		t.Physical = append(t.Physical, uint32(at))
		t.Caches = append(t.Caches, uint32(at/8))
		t.Sockets, t.Nodes = append(t.Sockets, socket), append(t.Nodes, socket)
	}
	return t
}

func (x fixture) measure(h *fleet.Host, i int) {
	used, hot := 0.0, 0
	for c := range x.cores {
		b := min(max(0.45+0.4*wave(i+c*3, 0), 0.01), 1)
		h.Cores = append(h.Cores, b)
		h.Past.Parts = append(h.Past.Parts, fleet.CoreParts{User: b * 0.7, System: b * 0.2, IRQ: b * 0.1, IOWait: 0.05, Steal: 0.01})
		used += b
		if b > h.Cores[hot] {
			hot = c
		}
	}
	n := float64(x.cores)
	h.Available, h.CoresUsed, h.CPU = capacity.Known(n), capacity.Known(used), capacity.Known(used/n)
	h.HottestCore = fleet.HotCore{Known: true, Host: h.Name, Core: hot, Busy: h.Cores[hot]}
	h.Skew, h.Connections = capacity.Known(0.003), capacity.Known(math.Round(8000+900*wave(i, 0)))
	h.RPS, h.RPSSource = capacity.Known(2400+300*wave(i, 3)), "nginx"
	if x.noRPS {
		h.RPS, h.RPSSource, h.RPSNote = capacity.Num{}, "", "no status page found"
	}
	h.MemoryTotal, h.MemoryUsed = capacity.Known(8e9), capacity.Known(3.1e9)
	h.SelfCPU, h.SelfRSS = capacity.Known(1.2), capacity.Known(11e6)
	h.Limits = []capacity.Limit{{Name: "cpu", Used: used, Capacity: n, Unit: "cores", From: "cores online"}}
	h.Bound, h.RoomRPS = "cpu", capacity.Known(1200)
	if x.limited {
		h.Limits = append([]capacity.Limit{{Name: "conns", Used: h.Connections.V, Capacity: 10000, Unit: "connections", From: "--per-server 10000"}}, h.Limits...)
		h.Bound, h.RoomUsers = "conns", capacity.Known(10000-h.Connections.V)
	}
	h.Newest = &sample.Sample{
		Cpu: &sample.Cpu{
			User: proto.Uint32(3010), System: proto.Uint32(820), Irq: proto.Uint32(130), Iowait: proto.Uint32(40), Steal: proto.Uint32(20),
			Load1: proto.Float32(1.32), Load5: proto.Float32(1.1), Load15: proto.Float32(0.9),
		},
		CollectorUs: []uint32{41, 1200}, Errors: []*sample.CollectorError{{Collector: 1, Text: "open /proc/meminfo: permission denied"}},
	}
	h.Services = []fleet.Service{
		{Port: 80, Name: "nginx", RPS: h.RPS, RPSSource: h.RPSSource, RPSNote: h.RPSNote, Connections: h.Connections},
		{Port: 3000, RPSNote: "owner hidden: run as root or name an endpoint with --rps", Connections: capacity.Known(12)},
	}
	h.Past.Step = 3 * time.Second
	for k := range 60 {
		v := 0.5 + 0.3*wave(i, float64(k))
		if k == 40 {
			v = math.NaN()
		}
		h.Trend = append(h.Trend, v)
		h.Past.CPU = append(h.Past.CPU, v)
		h.Past.RPS = append(h.Past.RPS, v*4000)
		h.Past.Connections = append(h.Past.Connections, v*9000)
	}
}

// tell adds what an agent with every right tells besides.
func (x fixture) tell(h *fleet.Host, i int) {
	n := capacity.Known
	h.ConnectionsFrom, h.ConnectionsDrift, h.TimeWait = "ebpf", n(-2), n(210)
	web := &h.Services[0]
	web.Status, web.Errors = [4]capacity.Num{n(9e6), n(4e4), n(1e4), n(3e3)}, n(0.0034)
	web.Latency = fleet.Latency{Mean: n(0.0018), P50: n(0.0009), P95: n(0.004), P99: n(0.032)}
	web.Accepts, web.Queue, web.QueueLimit, web.Drops = n(142), n(0), n(511), n(0)
	web.FilesUsed, web.Files, web.ConnectionsLimit, web.ConnectionsFrom = n(9702), n(20_000), n(12_288), "worker_connections 6144 x 2"
	h.Services = append(h.Services, fleet.Service{
		Port: 8080, Name: "node", PID: 2211, RPS: n(2460), RPSSource: "ebpf", Errors: n(0), Behind: 80, Connections: n(64), Queue: n(3), QueueLimit: n(4096),
	})
	h.Processes = []fleet.Process{
		{PID: 2211, Name: "node", CoresUsed: 0.62, Waiting: 0.01, Threads: n(11), Demands: []float64{0.58, 0.03}},
		{PID: 1801, Name: x.name(i), CoresUsed: 0.29, Threads: n(1), Demands: []float64{0.29}},
		{PID: 4_190_334, Name: "redis-server", CoresUsed: 0.05, Threads: n(4)},
	}
	for c, busy := range h.Cores {
		var past []float64
		for k := range 60 {
			past = append(past, min(max(busy+0.2*wave(c, float64(k)), 0), 1))
		}
		h.Past.Cores = append(h.Past.Cores, past)
	}
	if i == 1 && x.sockets > 0 { // its hot thread
		h.Cores[0], h.HottestCore.Core, h.HottestCore.Busy = 0.99, 0, 0.99
	}
	h.Past.Users = make([]fleet.CoreUser, len(h.Cores))
	if len(h.Cores) > 5 {
		h.Past.Users[0], h.Past.Users[4] = fleet.CoreUser{PID: 1801, TID: 1801, Name: x.name(i), Run: 0.3}, fleet.CoreUser{PID: 2211, TID: 2215, Name: "libuv-worker", Run: 0.8}
	}
	h.Past.Threads = &fleet.Threads{PID: 2211, More: 7, List: []fleet.Thread{
		{TID: 2211, Name: "node", Run: n(0.58), Wait: n(0.01), State: 'R', Core: n(4), Voluntary: n(12.4), Involuntary: n(1031)},
		{TID: 2215, Name: "libuv-worker", Run: n(0.03), Wait: n(0), State: 'S', Core: n(1), Voluntary: n(402), Involuntary: n(0)},
		{TID: 2216, Name: x.name(i), State: 'D', Core: n(0)},
		{TID: 2217},
	}}
	h.Limits = append(h.Limits, capacity.Limit{Name: "files", Used: 9702, Capacity: 20_000, Unit: "files", From: "RLIMIT_NOFILE of nginx :80"})
	if i != 1 {
		return
	}
	f := fleet.Finding{
		Verdict: fleet.SingleThread, Owner: "node", Port: 8080, PID: 2211, TID: 2211, Thread: "node", Demand: 0.99, Wait: 0.02, Idle: 3.9, Allowed: 8, Workers: 1,
	}
	h.Findings, h.Flags = []fleet.Finding{f}, []string{fleet.SingleThread}
	h.Services[2].Finding, h.Processes[0].Finding = &f, &f
	h.Processes[0].CoresUsed, h.Processes[0].Demands = 1.04, []float64{0.99, 0.03, 0.01}
	h.Limits = append([]capacity.Limit{{Name: "thread", Used: 0.99, Capacity: 1, Unit: "core", From: "one thread: node 2211"}}, h.Limits...)
	h.Bound, h.RoomUsers = "thread", capacity.Known(89)
}

func (x fixture) pool(t *fleet.Totals) fleet.Pool {
	p := fleet.Pool{Name: "all", Hosts: x.hosts, Counted: t.Counted, Up: t.Up, Bound: "cpu"}
	if t.Cores.OK {
		p.Limits = append(p.Limits, capacity.Limit{Name: "cpu", Used: t.CoresUsed.V, Capacity: t.Cores.V, Unit: "cores"})
	}
	if x.limited && t.Connections.OK {
		top := 10000 * float64(x.hosts)
		p.Limits = append(p.Limits, capacity.Limit{Name: "conns", Used: t.Connections.V, Capacity: top, Unit: "connections"})
		p.Bound, p.RoomUsers = "conns", capacity.Known(top-t.Connections.V)
	}
	p.Verdict = map[fleet.Level]fleet.Verdict{
		fleet.Act: {
			Do:  []string{"ADD 1 NOW → 10 (max)    NEED 13 (12 for 80% +1 spare)    SHORT 3 of max 10", "ADD 1 NOW → 10   NEED 13   SHORT 3", "NEED 13/10"},
			Why: []string{"why: 1,332 places left; conns 98% of 90,000", "1,332 places left"},
		},
		fleet.Soon:    {Do: []string{"ADD 1 → 4    NEED 4 (3 for 80% +1 spare)", "NEED 4/3"}, Why: []string{"why: cpu at 71% of 6 cores, target 80% with one spare"}},
		fleet.OK:      {Do: []string{"OK  run 3 (need 2: 2 for 80%, no spare)   nearest limit: cpu 46%", "NEED 2/3"}, Why: []string{"headroom 42% of the capacity at target", "headroom 42%"}},
		fleet.Unknown: {Do: []string{"nothing can be said: no host answers", "NEED ?"}, Why: []string{"every host is down"}},
	}[x.level]
	p.Verdict.Level = x.level
	return p
}

func (x fixture) chart(t *fleet.Totals) fleet.Chart {
	const n = 180
	c := fleet.Chart{Start: night.Add(-15 * time.Minute), Step: 5 * time.Second}
	for k := range n {
		v := 0.7 + 0.2*wave(0, float64(k)/3)
		if k < 20 || k == 140 {
			v = math.NaN()
		}
		c.Connections = append(c.Connections, v*t.Connections.Or(math.NaN()))
		c.RPS = append(c.RPS, v*t.RPS.Or(math.NaN()))
		c.CoresUsed = append(c.CoresUsed, v*t.CoresUsed.Or(math.NaN()))
		c.Cores = append(c.Cores, t.Cores.Or(math.NaN()))
		c.Hosts = append(c.Hosts, t.Counted)
	}
	return c
}

// scenes are the situations every screen must stand.
func scenes() map[string]Frame {
	long := strings.Repeat("web-eu-central-1a-", 30) + "017"
	hostile := fixture{hosts: 3, cores: 4, level: fleet.Soon, names: []string{long, "a\x1b[2Jb\nc\td\x00", "e\u0301\u200b\u202egnp.\u200d👩‍👩‍👧‍👦"}}
	odd := fixture{hosts: 2, cores: 3, level: fleet.OK}.frame()
	odd.Hosts[0].Cores = []float64{math.NaN(), math.Inf(1), -3}
	odd.Hosts[0].Limits = []capacity.Limit{{Name: "cpu", Capacity: 0}, {Used: math.Inf(1), Capacity: 1}}
	odd.Chart = fleet.Chart{Step: -1, Connections: []float64{math.Inf(1), -5, 1e300}}
	odd.Totals.CPU, odd.Totals.Users = capacity.Num{V: -7, OK: true}, capacity.Num{V: 1e30, OK: true}
	return map[string]Frame{
		"nothing":   {},
		"empty":     fixture{level: fleet.Unknown}.frame(),
		"one":       fixture{hosts: 1, cores: 2, level: fleet.OK}.frame(),
		"three":     fixture{hosts: 3, cores: 8, level: fleet.OK}.frame(),
		"act":       fixture{hosts: 9, cores: 8, level: fleet.Act, limited: true, full: 3}.frame(),
		"many":      fixture{hosts: 200, cores: 64, level: fleet.Soon, limited: true, down: 1, stale: 2, full: 1}.frame(),
		"stale":     fixture{hosts: 3, cores: 2, level: fleet.OK, stale: 3}.frame(),
		"down":      fixture{hosts: 3, cores: 2, level: fleet.Unknown, down: 3}.frame(),
		"unknown":   fixture{hosts: 3, cores: 2, level: fleet.Unknown, unknown: true}.frame(),
		"wide":      fixture{hosts: 2, cores: 2, level: fleet.OK, names: []string{"数据库", "ws-2"}}.frame(),
		"128 cores": fixture{hosts: 2, cores: 128, level: fleet.OK}.frame(),
		"sockets":   fixture{hosts: 3, cores: 64, sockets: 2, level: fleet.OK, told: true}.frame(),
		"8 sockets": fixture{hosts: 2, cores: 256, sockets: 8, level: fleet.OK}.frame(),
		"128 alone": fixture{hosts: 1, cores: 128, level: fleet.OK, noRPS: true}.frame(),
		"hostile":   hostile.frame(),
		"told":      fixture{hosts: 3, cores: 8, level: fleet.Soon, limited: true, told: true, full: 1, names: []string{"ws-1", "数据库", long}}.frame(),
		"odd":       odd,
		"engine":    withEngine(fixture{hosts: 9, cores: 8, level: fleet.Act, limited: true, full: 3, told: true}.frame()),
		"tiers":     tiered(9, 3, "web"),
		"no edge":   tiered(9, 3, ""),
		"pools":     tiered(24, 8, "api"),
		"little":    byLittle(),
		"odd steps": oddEngine(),
		"story":     storied(fixture{hosts: 9, cores: 8, level: fleet.Act, limited: true}.frame()),
		"odd story": hostileStory(fixture{hosts: 2, cores: 2, level: fleet.OK}.frame()),
		"alarmed":   alarming(fixture{hosts: 9, cores: 8, level: fleet.Act, limited: true, full: 3}.frame()),
	}
}

func theme(t testing.TB, name string, bits int, ascii bool) Theme {
	t.Helper()
	th, err := NewTheme(name, bits, ascii)
	if err != nil {
		t.Fatal(err)
	}
	return th
}
