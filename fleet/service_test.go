package fleet_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

func TestLimitsOfServices(t *testing.T) {
	haproxy := func(v *sample.Service) {
		v.Limits = &sample.ServiceLimits{Connections: new(uint64(2500)), ConnectionsFrom: "maxconn 2500"}
	}
	files := func(v *sample.Service) {
		v.Limits = &sample.ServiceLimits{FilesUsed: new(uint32(970)), Files: new(uint64(1000))}
	}
	cpu := capacity.Limit{Name: "cpu", Used: 2, Capacity: 8, Unit: "cores", From: "8 cores online"}
	for name, c := range map[string]struct {
		policy fleet.Policy
		change func(*sample.Sample)
		want   []capacity.Limit
		users  float64
		flags  []string
	}{
		"its own configuration": {
			fleet.Policy{},
			func(s *sample.Sample) { haproxy(s.Services[0]) },
			[]capacity.Limit{{Name: "conns", Used: 1000, Capacity: 2500, Unit: "connections", From: "node :3000: maxconn 2500"}, cpu},
			1500, nil,
		},
		"policy before it": {
			fleet.Policy{PerServer: 2000},
			func(s *sample.Sample) { haproxy(s.Services[0]) },
			[]capacity.Limit{{Name: "conns", Used: 1000, Capacity: 2000, Unit: "connections", From: "policy: 2,000 a server"}, cpu},
			1000, nil,
		},
		"files": {
			fleet.Policy{},
			func(s *sample.Sample) { files(s.Services[0]) },
			[]capacity.Limit{{Name: "files", Used: 970, Capacity: 1000, Unit: "files", From: "RLIMIT_NOFILE of node :3000"}, cpu},
			30,
			[]string{"full"},
		},
		"ports that are near": {
			fleet.Policy{},
			func(s *sample.Sample) {
				s.Connections.PortsUsed, s.Connections.PortsLimit = new(uint32(25_000)), new(uint32(28_232))
			},
			[]capacity.Limit{{Name: "ports", Used: 25_000, Capacity: 28_232, Unit: "ports", From: "ephemeral ports to one remote address"}, cpu},
			129, nil,
		},
		"ports that are not": {
			fleet.Policy{},
			func(s *sample.Sample) {
				s.Connections.PortsUsed, s.Connections.PortsLimit = new(uint32(14_000)), new(uint32(28_232))
			},
			[]capacity.Limit{cpu},
			3000, nil,
		},
		"a queue that fills": {
			fleet.Policy{},
			func(s *sample.Sample) {
				s.Services[0].Queue, s.Services[0].Limits = new(uint32(450)), &sample.ServiceLimits{Queue: new(uint32(511))}
			},
			[]capacity.Limit{{Name: "queue", Used: 450, Capacity: 511, Unit: "connections", From: "listen queue of node :3000"}, cpu},
			0, nil,
		},
		"a short queue": {
			fleet.Policy{},
			func(s *sample.Sample) {
				s.Services[0].Queue, s.Services[0].Limits = new(uint32(3)), &sample.ServiceLimits{Queue: new(uint32(511))}
			},
			[]capacity.Limit{cpu},
			3000, nil,
		},
		"limits of nothing": {
			fleet.Policy{},
			func(s *sample.Sample) {
				s.Services[0].Limits = &sample.ServiceLimits{Queue: new(uint32(0)), Files: new(uint64(0)), FilesUsed: new(uint32(9)), Connections: new(uint64(0))}
			},
			[]capacity.Limit{cpu},
			3000, nil,
		},
		"sent once in eight": {
			fleet.Policy{},
			func(s *sample.Sample) {
				if s.GetSeq()%8 == 0 {
					haproxy(s.Services[0])
				}
				if s.GetSeq() == 50 { // too long ago
					files(s.Services[0])
				}
			},
			[]capacity.Limit{{Name: "conns", Used: 1000, Capacity: 2500, Unit: "connections", From: "node :3000: maxconn 2500"}, cpu},
			1500, nil,
		},
		"the nearest of two": {
			fleet.Policy{},
			func(s *sample.Sample) {
				haproxy(s.Services[0])
				v := &sample.Service{Port: 80, Name: "nginx", Connections: new(uint32(1200))}
				v.Limits = &sample.ServiceLimits{Connections: new(uint64(1536)), ConnectionsFrom: "worker_connections 768 x 2"}
				s.Services = append(s.Services, v)
			},
			[]capacity.Limit{{Name: "conns", Used: 1200, Capacity: 1536, Unit: "connections", From: "nginx :80: worker_connections 768 x 2"}, cpu},
			336, nil,
		},
		"throttled": {
			fleet.Policy{},
			func(s *sample.Sample) { s.Cpu.Throttled = new(uint32(1000 * (s.GetSeq() % 2))) },
			[]capacity.Limit{cpu},
			3000, nil,
		},
		"throttled more": {
			fleet.Policy{},
			func(s *sample.Sample) { s.Cpu.Throttled = new(uint32(1200 * (s.GetSeq() % 2))) },
			[]capacity.Limit{cpu},
			3000,
			[]string{"throttled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := seen(c.policy, 2, c.change).Hosts[0]
			if d := cmp.Diff(c.want, h.Limits, nearly); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
			flags := append([]string{}, c.flags...)
			if d := cmp.Diff(flags, h.Flags); d != "" || h.RoomUsers.V != c.users || h.Bound != c.want[0].Name {
				t.Errorf("room %v, want %v; bound %s; flags %v", h.RoomUsers, c.users, h.Bound, h.Flags)
			}
		})
	}
}

func TestStatusAndLatency(t *testing.T) {
	s := seen(fleet.Policy{}, 2, func(s *sample.Sample) {
		k := s.GetSeq()
		v := s.Services[0]
		v.Responses, v.Status = new(1000*k), []uint64{10 * k, 20 * k, 5 * k}
		if k >= 55 { // begun anew, with more errors
			v.Responses, v.Status = new(100*(k-54)), []uint64{0, 0, 10 * (k - 54)}
		}
		v.Latency = &sample.Latency{MeanUs: 1500, P50Us: 1000, P95Us: 4000, P99Us: 20_000}
		v.Accepts, v.Drops, v.Behind = new(float32(12)), new(uint64(7)), 80
		s.Services = append(s.Services, &sample.Service{Port: 80, Name: "haproxy"}, &sample.Service{
			Port: 81, Responses: new(uint64(5)), Status: []uint64{1, 2, 3},
		})
		s.Connections.Source, s.Connections.Drift = sample.ConnectionSource_CONNECTION_SOURCE_EBPF, new(int32(-3))
		s.Connections.TimeWait = new(uint32(210))
	})
	h := s.Hosts[0]
	v := h.Services[0]
	n := capacity.Known
	if want := [4]capacity.Num{n(540), n(0), n(0), n(60)}; v.Status != want {
		t.Errorf("status %v, want %v", v.Status, want)
	}
	// Of the ten seconds 51..60 the counters know three steps of 1000 with 5
	// errors and five of 100 with 10; the step back is not counted.
	if want := (3*5 + 5*10) / 3500.0; math.Abs(v.Errors.V-want) > 1e-9 {
		t.Errorf("errors %v, want %v", v.Errors, want)
	}
	if want := (fleet.Latency{Mean: n(0.0015), P50: n(0.001), P95: n(0.004), P99: n(0.02)}); v.Latency != want {
		t.Errorf("latency %v", v.Latency)
	}
	if v.Accepts != n(12) || v.Drops != n(7) || v.Behind != 80 || v.PID != 4711 || !v.Counted {
		t.Errorf("%+v", v)
	}
	if other := h.Services[2]; other.Status != [4]capacity.Num{} || other.Errors.OK {
		t.Errorf("five responses of which six have other classes: %v", other.Status)
	}
	if h.ConnectionsFrom != "ebpf" || h.ConnectionsDrift != n(-3) || h.TimeWait != n(210) || h.PortsUsed.OK {
		t.Errorf("connections from %q, drift %v, time_wait %v, ports %v", h.ConnectionsFrom, h.ConnectionsDrift, h.TimeWait, h.PortsUsed)
	}
}

// TestPeersOfServices: who held most is kept however long no sample repeats it,
// the last that was said counts, and a new run of the agent begins without.
func TestPeersOfServices(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("web", "", t0)
	say := func(epoch uint64, seq, port int, peers ...*sample.Peer) []fleet.Peer {
		at := after(float64(seq))
		s := second(seq, at, 8, 4, 1000)
		s.Services = []*sample.Service{{Port: uint32(port), Name: "nginx", Peers: peers}}
		f.Samples("web", epoch, []*sample.Sample{s}, at)
		return f.Snapshot(fleet.Ask{}, at).Hosts[0].Services[0].Peers
	}
	proxy := &sample.Peer{Address: "10.0.0.9", Connections: 98}
	for _, c := range []struct {
		what  string
		epoch uint64
		seq   int
		say   []*sample.Peer
		want  []fleet.Peer
	}{
		{"never said", 1, 1, nil, nil},
		{"said", 1, 2, []*sample.Peer{proxy, {Address: "2001:DB8::9", Connections: 2}}, []fleet.Peer{{"10.0.0.9", 98}, {"2001:db8::9", 2}}},
		{"long ago", 1, 90, nil, []fleet.Peer{{"10.0.0.9", 98}, {"2001:db8::9", 2}}},
		{"others", 1, 91, []*sample.Peer{{Address: "::ffff:10.0.0.8", Connections: 7}}, []fleet.Peer{{"10.0.0.8", 7}}},
		{"an older sample that comes late", 1, 85, []*sample.Peer{proxy}, []fleet.Peer{{"10.0.0.8", 7}}},
		{"no addresses", 1, 92, []*sample.Peer{{Address: "\x1b[2J", Connections: 7}, nil, {Address: "web-1"}}, []fleet.Peer{}},
		{"again", 1, 93, []*sample.Peer{proxy}, []fleet.Peer{{"10.0.0.9", 98}}},
		{"nobody holds many", 1, 94, []*sample.Peer{{}}, []fleet.Peer{}},
		{"a new run", 2, 95, nil, nil},
		{"said by it", 2, 96, []*sample.Peer{proxy}, []fleet.Peer{{"10.0.0.9", 98}}},
	} {
		if d := cmp.Diff(c.want, say(c.epoch, c.seq, 80, c.say...)); d != "" {
			t.Errorf("%s: want -, got +\n%s", c.what, d)
		}
	}
	// Ports that come and go leave nothing behind.
	for i := range 600 {
		say(2, 100+i, 1000+i, proxy)
	}
	if p := say(2, 700, 80); p != nil {
		t.Errorf("a port of 600 samples ago still has %v", p)
	}
}

// The requests of a proxy and of the server behind it are the same ones.
func TestHeadlineIsTheEdge(t *testing.T) {
	s := seen(fleet.Policy{}, 2, func(s *sample.Sample) {
		s.Services[0].Behind, s.Services[0].RpsSource = 80, sample.RpsSource_RPS_SOURCE_EBPF
		s.Services = append(s.Services, &sample.Service{Port: 80, Name: "haproxy", Rps: new(float32(101)), RpsSource: sample.RpsSource_RPS_SOURCE_HAPROXY})
	})
	if h := s.Hosts[0]; h.RPS.V != 101 || s.Totals.RPS.V != 101 || h.RPSSource != "haproxy" || h.Services[0].Counted || h.Services[0].RPS.V != 100 {
		t.Errorf("rps %v from %s; services %+v", h.RPS, h.RPSSource, h.Services)
	}
}

func TestProcesses(t *testing.T) {
	s := seen(fleet.Policy{}, 2, func(s *sample.Sample) {
		s.Processes = []*sample.Process{{Pid: 9, Name: "java", Run: 1800, Wait: 100, Threads: 40}, {Pid: 10, Name: "sshd"}}
		s.Threads = []*sample.Thread{{Pid: 9, Tid: 11, Name: "gc", Run: 300}, {Pid: 9, Tid: 9, Run: 700, Wait: 50}, {Pid: 4711, Tid: 4711, Run: 10}}
	})
	h := s.Hosts[0]
	want := []fleet.Process{
		{PID: 9, Name: "java", CoresUsed: 1.8, Waiting: 0.1, Threads: capacity.Known(40), Demands: []float64{0.75, 0.3}, Flags: []string{}},
		{PID: 10, Name: "sshd", Flags: []string{}},
	}
	if d := cmp.Diff(want, h.Processes); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if h.Thread.Name != "java" || h.Thread.TID != 9 {
		t.Errorf("the hottest thread has the name of its process: %+v", h.Thread)
	}
	if h := one(3, fleet.Policy{}).Snapshot(fleet.Ask{}, t0).Hosts[0]; h.Processes != nil {
		t.Errorf("an agent that does not look: %v", h.Processes)
	}
	f := one(3, fleet.Policy{})
	m := machine(7)
	m.Collectors = []string{"cpu", "threads"}
	f.Machine("web", m, t0)
	if h := f.Snapshot(fleet.Ask{}, t0).Hosts[0]; h.Processes == nil || len(h.Processes) != 0 {
		t.Errorf("an agent that saw none: %v", h.Processes)
	}
	failed := second(4, after(1), 8, 4, 1000)
	failed.Errors = []*sample.CollectorError{{Collector: 1, Text: "hidden"}}
	f.Samples("web", 7, []*sample.Sample{failed}, after(1))
	if h := f.Snapshot(fleet.Ask{}, after(1)).Hosts[0]; h.Processes != nil {
		t.Errorf("an agent that could not look: %v", h.Processes)
	}
}
