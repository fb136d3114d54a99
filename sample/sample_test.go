package sample_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

// typical is the sample DESIGN sets a size for: 64 cores, 3 services, 5
// threads, on a machine that has served a good while, whose source of requests
// tells the status of responses. Of the threads those have a name that differs
// from their process's.
func typical() *sample.Sample {
	busy := make([]byte, 64)
	for i := range busy {
		busy[i] = byte(i * 37 % (sample.Full + 1))
	}
	s := &sample.Sample{
		Seq:    1_234_567,
		TimeMs: 1_795_000_000_123,
		Cpu: &sample.Cpu{
			Busy: busy,
			User: proto.Uint32(4100), System: proto.Uint32(900), Irq: proto.Uint32(210),
			Iowait: proto.Uint32(12), Steal: proto.Uint32(3),
			Available: proto.Float32(64), AvailableFrom: sample.Bound_BOUND_ONLINE, Used: proto.Float32(33.4),
			Load1: proto.Float32(30.1), Load5: proto.Float32(28.7), Load15: proto.Float32(22.2),
		},
		Memory:      &sample.Memory{Total: proto.Uint64(256 << 30), Used: proto.Uint64(101 << 30)},
		Connections: &sample.Connections{Established: proto.Uint32(88_500), Served: proto.Uint32(88_420), Source: sample.ConnectionSource_CONNECTION_SOURCE_EBPF},
		CollectorUs: []uint32{31, 12, 640, 210, 9},
		Self:        &sample.Self{CpuUs: proto.Uint32(980), Rss: proto.Uint64(13 << 20)},
	}
	for i, name := range []string{"haproxy", "node", "sshd"} {
		s.Services = append(s.Services, &sample.Service{
			Port: uint32(8080 + i), Name: name, Connections: proto.Uint32(29_473),
			Rps: proto.Float32(13_407.5), Responses: proto.Uint64(912_345_678), RpsSource: sample.RpsSource_RPS_SOURCE_EBPF,
			Status: []uint64{912_345, 91_234, 912}, Pid: uint32(221_100 + i),
		})
	}
	for i := range 5 {
		v := &sample.Thread{Pid: uint32(221_100 + i), Tid: uint32(221_105 + i), Run: 870, Wait: 140}
		if i >= 3 {
			v.Name = "worker"
		}
		s.Threads = append(s.Threads, v)
	}
	return s
}

// process is one that uses much, with its finding.
func process() *sample.Process {
	return &sample.Process{
		Pid: 221_100, Name: "node", Run: 1040, Wait: 12, Threads: 11,
		Finding: &sample.Finding{
			Verdict: sample.Verdict_VERDICT_SINGLE_THREAD, Pid: 221_100, Tid: 221_105, Name: "worker", Demand: 996, Wait: 12, Idle: 4960, Allowed: 8,
		},
	}
}

// full is typical with everything a sample can hold besides.
func full() *sample.Sample {
	s := typical()
	s.Cpu.Throttled = proto.Uint32(120)
	s.Connections.Drift, s.Connections.TimeWait = proto.Int32(-2), proto.Uint32(210)
	s.Connections.PortsUsed, s.Connections.PortsLimit = proto.Uint32(12_000), proto.Uint32(28_232)
	s.Processes, s.FindingsPending = []*sample.Process{process()}, true
	s.Users = proto.Float64(12_345)
	v := s.Services[1]
	v.RunUs, v.TopUs, v.OneThread = proto.Uint32(912_345), proto.Uint32(456_789), new(true)
	v.Finding, v.Behind, v.Accepts, v.Queue, v.Drops = process().GetFinding(), 8080, proto.Float32(142), proto.Uint32(3), proto.Uint64(7)
	for i := range 4 {
		v.Peers = append(v.Peers, &sample.Peer{Address: fmt.Sprintf("10.177.200.%d", 250-i), Connections: 22_105})
	}
	v.Latency = &sample.Latency{MeanUs: 900, P50Us: 700, P95Us: 2100, P99Us: 9000}
	v.Limits = &sample.ServiceLimits{
		Queue: proto.Uint32(4096), FilesUsed: proto.Uint32(9702), Files: proto.Uint64(10_000),
		Connections: proto.Uint64(1536), ConnectionsFrom: "worker_connections 768 x 2",
	}
	return s
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTypicalSampleFitsItsBudget(t *testing.T) {
	if n := len(encode(t, typical())); n > 400 {
		t.Errorf("64 cores, 3 services, 5 threads take %d bytes, at most 400", n)
	}
	// The processes come on top, and the limits in one sample of eight, and the
	// peers in another.
	grown := func(change func(*sample.Sample)) int {
		s := typical()
		change(s)
		return len(encode(t, s)) - len(encode(t, typical()))
	}
	plain := process()
	plain.Finding = nil
	for _, c := range []struct {
		what   string
		change func(*sample.Sample)
		most   int
	}{
		{"a process", func(s *sample.Sample) { s.Processes = []*sample.Process{plain} }, 24},
		{"a process with a finding", func(s *sample.Sample) { s.Processes = []*sample.Process{process()} }, 56},
		{"the limits of a service", func(s *sample.Sample) { s.Services[1].Limits = full().Services[1].Limits }, 48},
		{"the peers of a service", func(s *sample.Sample) { s.Services[1].Peers = full().Services[1].Peers }, 100},
		{"work", func(s *sample.Sample) {
			from := full().Services[1]
			s.Services[1].RunUs, s.Services[1].TopUs, s.Services[1].OneThread = from.RunUs, from.TopUs, from.OneThread
		}, 14},
		{"latency", func(s *sample.Sample) { s.Services[1].Latency = full().Services[1].Latency }, 16},
	} {
		n := grown(c.change)
		t.Logf("%s: %d bytes", c.what, n)
		if n > c.most {
			t.Errorf("%s takes %d bytes, at most %d", c.what, n, c.most)
		}
	}
}

func TestReceiveGivesBackWhatWasSent(t *testing.T) {
	for _, want := range []*sample.Sample{typical(), full()} {
		got, err := sample.Receive(encode(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestReceiveRefusesWhatNoMachineSends(t *testing.T) {
	nan := float32(math.NaN())
	tests := map[string]func(*sample.Sample){
		"no seq":               func(s *sample.Sample) { s.Seq = 0 },
		"time before 1970":     func(s *sample.Sample) { s.TimeMs = -1 },
		"too many cores":       func(s *sample.Sample) { s.Cpu.Busy = make([]byte, sample.MaxCores+1) },
		"more than busy":       func(s *sample.Sample) { s.Cpu.Busy[0] = sample.Full + 1 },
		"ids of other cores":   func(s *sample.Sample) { s.Cpu.Ids = []uint32{1} },
		"share over one":       func(s *sample.Sample) { s.Cpu.User = proto.Uint32(10_001) },
		"used is NaN":          func(s *sample.Sample) { s.Cpu.Used = &nan },
		"used is negative":     func(s *sample.Sample) { s.Cpu.Used = proto.Float32(-1) },
		"used is infinite":     func(s *sample.Sample) { s.Cpu.Used = new(float32(math.Inf(1))) },
		"no cores available":   func(s *sample.Sample) { s.Cpu.Available = proto.Float32(0) },
		"memory over total":    func(s *sample.Sample) { s.Memory.Used = new(s.Memory.GetTotal() + 1) },
		"port 0":               func(s *sample.Sample) { s.Services[0].Port = 0 },
		"port 70000":           func(s *sample.Sample) { s.Services[0].Port = 70_000 },
		"rps is NaN":           func(s *sample.Sample) { s.Services[0].Rps = &nan },
		"long service name":    func(s *sample.Sample) { s.Services[0].Name = strings.Repeat("x", sample.MaxName+1) },
		"long note":            func(s *sample.Sample) { s.Services[0].RpsNote = strings.Repeat("x", sample.MaxText+1) },
		"too many services":    func(s *sample.Sample) { s.Services = repeat(s.Services[0], sample.MaxServices+1) },
		"too many threads":     func(s *sample.Sample) { s.Threads = repeat(s.Threads[0], sample.MaxThreads+1) },
		"long thread name":     func(s *sample.Sample) { s.Threads[0].Name = strings.Repeat("x", sample.MaxName+1) },
		"too many collectors":  func(s *sample.Sample) { s.CollectorUs = make([]uint32, sample.MaxCollectors+1) },
		"error of no one":      func(s *sample.Sample) { s.Errors = []*sample.CollectorError{{Collector: sample.MaxCollectors}} },
		"parts of other cores": func(s *sample.Sample) { s.CoreParts = make([]byte, 7) },
		"throttled over one":   func(s *sample.Sample) { s.Cpu.Throttled = proto.Uint32(10_001) },
		"two classes":          func(s *sample.Sample) { s.Services[0].Status = []uint64{1, 2} },
		"four classes":         func(s *sample.Sample) { s.Services[0].Status = []uint64{1, 2, 3, 4} },
		"behind port 70000":    func(s *sample.Sample) { s.Services[0].Behind = 70_000 },
		"accepts is negative":  func(s *sample.Sample) { s.Services[0].Accepts = proto.Float32(-1) },
		"long limit":           func(s *sample.Sample) { s.Services[1].Limits.ConnectionsFrom = strings.Repeat("x", sample.MaxText+1) },
		"long finding":         func(s *sample.Sample) { s.Services[1].Finding.Name = strings.Repeat("x", sample.MaxName+1) },
		"demand of a service":  func(s *sample.Sample) { s.Services[1].Finding.Demand = 1000*sample.MaxCoresUsed + 1 },
		"too many processes":   func(s *sample.Sample) { s.Processes = repeat(s.Processes[0], sample.MaxProcesses+1) },
		"long process name":    func(s *sample.Sample) { s.Processes[0].Name = strings.Repeat("x", sample.MaxName+1) },
		"run of a process":     func(s *sample.Sample) { s.Processes[0].Run = 1000*sample.MaxCoresUsed + 1 },
		"wait of a process":    func(s *sample.Sample) { s.Processes[0].Wait = 1000*sample.MaxWaiting + 1 },
		"run of a thread":      func(s *sample.Sample) { s.Threads[0].Run = 1000*sample.MaxCoresUsed + 1 },
		"idle of a finding":    func(s *sample.Sample) { s.Processes[0].Finding.Idle = 1000*sample.MaxCoresUsed + 1 },
		"users are NaN":        func(s *sample.Sample) { s.Users = new(math.NaN()) },
		"users are infinite":   func(s *sample.Sample) { s.Users = new(math.Inf(1)) },
		"users below zero":     func(s *sample.Sample) { s.Users = proto.Float64(-1) },
		"too many users":       func(s *sample.Sample) { s.Users = proto.Float64(2 * sample.MaxUsers) },
		"run of a service":     func(s *sample.Sample) { s.Services[1].RunUs = proto.Uint32(sample.MaxRun + 1) },
		"more than a thread":   func(s *sample.Sample) { s.Services[1].TopUs = proto.Uint32(sample.MaxTop + 1) },
		"too many peers":       func(s *sample.Sample) { s.Services[1].Peers = repeat(s.Services[1].Peers[0], sample.MaxPeers+1) },
		"long address":         func(s *sample.Sample) { s.Services[1].Peers[0].Address = strings.Repeat("1", sample.MaxAddress+1) },
		"long thread finding":  func(s *sample.Sample) { s.Processes[0].Finding.Name = strings.Repeat("x", sample.MaxName+1) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			s := full()
			spoil(s)
			if _, err := sample.Receive(encode(t, s)); !errors.Is(err, sample.ErrLimit) {
				t.Errorf("got error %v, want one that wraps ErrLimit", err)
			}
		})
	}
	if _, err := sample.Receive(make([]byte, sample.MaxBytes+1)); !errors.Is(err, sample.ErrLimit) {
		t.Errorf("too many bytes: got error %v, want one that wraps ErrLimit", err)
	}
	if _, err := sample.Receive([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); err == nil {
		t.Error("an HTTP answer was taken for a sample")
	}
}

func repeat[T any](v T, n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestNamesCannotMoveTheCursor(t *testing.T) {
	s := full()
	s.Processes[0].Name, s.Processes[0].Finding.Name = "no\x1bde", "gc\n"
	s.Services[1].Finding.Name, s.Services[1].Limits.ConnectionsFrom = "v\x07m", "max\rconn"
	s.Services[0].Name = "ng\x1b[2Jinx\n"
	s.Services[1].Peers[0].Address = "10.0.0.7\x1b"
	s.Services[0].RpsNote = "why\r\x07"
	s.Threads[0].Name = "\u202enode\u200b"
	s.Errors = []*sample.CollectorError{{Text: "\u009b31mred"}}
	got, err := sample.Receive(encode(t, s))
	if err != nil {
		t.Fatal(err)
	}
	for want, have := range map[string]string{
		"ng[2Jinx": got.GetServices()[0].GetName(),
		"why":      got.GetServices()[0].GetRpsNote(),
		"node":     got.GetThreads()[0].GetName(),
		"31mred":   got.GetErrors()[0].GetText(),
		"node ":    got.GetProcesses()[0].GetName() + " ",
		"gc":       got.GetProcesses()[0].GetFinding().GetName(),
		"vm":       got.GetServices()[1].GetFinding().GetName(),
		"10.0.0.7": got.GetServices()[1].GetPeers()[0].GetAddress(),
		"maxconn":  got.GetServices()[1].GetLimits().GetConnectionsFrom(),
	} {
		if have != want {
			t.Errorf("got %q, want %q", have, want)
		}
	}
	if got := sample.Printable("数据库 é"); got != "数据库 é" {
		t.Errorf("a plain name was changed to %q", got)
	}
}

func TestMachineLimits(t *testing.T) {
	good := func() *sample.Machine {
		return &sample.Machine{
			Epoch: 7, Hostname: "web-1", IntervalMs: 1000, Labels: []*sample.Label{{Key: "az", Value: "a"}}, Addresses: []string{"10.0.0.1"},
		}
	}
	if err := good().Check(); err != nil {
		t.Errorf("a plain machine is refused: %v", err)
	}
	for name, spoil := range map[string]func(*sample.Machine){
		"no epoch":      func(m *sample.Machine) { m.Epoch = 0 },
		"no interval":   func(m *sample.Machine) { m.IntervalMs = 0 },
		"slow interval": func(m *sample.Machine) { m.IntervalMs = 60_001 },
		"long name":     func(m *sample.Machine) { m.Hostname = strings.Repeat("x", sample.MaxName+1) },
		"long label":    func(m *sample.Machine) { m.Labels[0].Value = strings.Repeat("x", sample.MaxName+1) },
		"many labels":   func(m *sample.Machine) { m.Labels = repeat(m.Labels[0], sample.MaxLabels+1) },
		"addresses":     func(m *sample.Machine) { m.Addresses = make([]string, sample.MaxAddresses+1) },
		"long address":  func(m *sample.Machine) { m.Addresses[0] = strings.Repeat("1", sample.MaxAddress+1) },
		"collectors":    func(m *sample.Machine) { m.Collectors = make([]string, sample.MaxCollectors+1) },
		"topology of two machines": func(m *sample.Machine) {
			m.Topology = &sample.Topology{Sockets: []uint32{0, 1}, Nodes: []uint32{0}}
		},
		"many cores":     func(m *sample.Machine) { m.Topology = &sample.Topology{Sockets: make([]uint32, sample.MaxCores+1)} },
		"a socket far":   func(m *sample.Machine) { m.Topology = &sample.Topology{Sockets: []uint32{0, sample.MaxCoreID + 1}} },
		"cores unsorted": func(m *sample.Machine) { m.Topology = &sample.Topology{Ids: []uint32{3, 3}, Sockets: []uint32{0, 0}} },
	} {
		m := good()
		spoil(m)
		if err := m.Check(); !errors.Is(err, sample.ErrLimit) {
			t.Errorf("%s: got error %v, want one that wraps ErrLimit", name, err)
		}
	}
	m := good()
	m.Hostname, m.Labels[0].Value, m.Addresses[0] = "we\x1bb", "a\n", "::1\r"
	m.Clean()
	if m.GetHostname() != "web" || m.GetLabels()[0].GetValue() != "a" || m.GetAddresses()[0] != "::1" {
		t.Errorf("control characters stayed in %q, %q, %q", m.GetHostname(), m.GetLabels()[0].GetValue(), m.GetAddresses()[0])
	}
}

func TestPointLimits(t *testing.T) {
	point := func() *sample.Point {
		return &sample.Point{Time: 1_795_000_000, Samples: 10, Cpu: proto.Float32(0.5), Services: []*sample.ServicePoint{
			{Port: 80, Rps: proto.Float32(100), Run: proto.Float32(1.5)},
			{Port: 3000, Rps: proto.Float32(50), Run: proto.Float32(0.4), Top: proto.Float32(0.39)},
		}}
	}
	if err := point().Check(); err != nil {
		t.Errorf("a plain point is refused: %v", err)
	}
	for name, spoil := range map[string]func(*sample.Point){
		"odd time":     func(p *sample.Point) { p.Time++ },
		"before 1970":  func(p *sample.Point) { p.Time = -10 },
		"no samples":   func(p *sample.Point) { p.Samples = 0 },
		"hot over one": func(p *sample.Point) { p.Hottest = proto.Float32(1.5) },
		"rps NaN":      func(p *sample.Point) { p.Rps = new(float32(math.NaN())) },
		"all stolen":   func(p *sample.Point) { p.Steal = proto.Float32(1.5) },
		"throttled":    func(p *sample.Point) { p.Throttled = proto.Float32(-0.1) },
		"port 0":       func(p *sample.Point) { p.Services[0].Port = 0 },
		"port 70000":   func(p *sample.Point) { p.Services[1].Port = 70_000 },
		"a port twice": func(p *sample.Point) { p.Services[1].Port = 80 },
		"four":         func(p *sample.Point) { p.Services = repeat(p.Services[0], sample.MaxPointServices+1) },
		"service rps":  func(p *sample.Point) { p.Services[0].Rps = new(float32(math.Inf(1))) },
		"service run":  func(p *sample.Point) { p.Services[0].Run = new(float32(math.NaN())) },
		"two threads":  func(p *sample.Point) { p.Services[1].Top = proto.Float32(1.5) },
	} {
		p := point()
		spoil(p)
		if err := p.Check(); !errors.Is(err, sample.ErrLimit) {
			t.Errorf("%s: got error %v, want one that wraps ErrLimit", name, err)
		}
	}
}

func TestBusyByte(t *testing.T) {
	for _, share := range []float64{0, 0.004, 0.25, 0.5, 0.999, 1} {
		got, ok := sample.DecodeBusy(sample.EncodeBusy(share))
		if !ok || math.Abs(got-share) > 0.002+1e-9 {
			t.Errorf("%v came back as %v, %v", share, got, ok)
		}
	}
	if sample.EncodeBusy(1.005) != sample.Full {
		t.Error("a rounding excess is not full")
	}
	for _, share := range []float64{-0.1, 1.2, math.NaN(), math.Inf(1)} {
		if _, ok := sample.DecodeBusy(sample.EncodeBusy(share)); ok {
			t.Errorf("%v has a reading", share)
		}
	}
}

// A request that passes through two services of a machine counts once.
func TestRequests(t *testing.T) {
	service := func(port, behind uint32, rps ...float32) *sample.Service {
		v := &sample.Service{Port: port, Behind: behind}
		if len(rps) > 0 {
			v.Rps = &rps[0]
		}
		return v
	}
	for name, c := range map[string]struct {
		services []*sample.Service
		want     float64
		ok       bool
	}{
		"none":                         {nil, 0, false},
		"one that doesn't know":        {[]*sample.Service{service(80, 0)}, 0, false},
		"two edges":                    {[]*sample.Service{service(80, 0, 5), service(443, 0, 7)}, 12, true},
		"a proxy and its backend":      {[]*sample.Service{service(80, 0, 5), service(3000, 80, 5)}, 5, true},
		"a backend listed first":       {[]*sample.Service{service(80, 443, 5), service(443, 0, 6)}, 6, true},
		"a proxy that doesn't know":    {[]*sample.Service{service(80, 0), service(3000, 80, 5)}, 5, true},
		"a proxy that is gone":         {[]*sample.Service{service(3000, 80, 5)}, 5, true},
		"a chain":                      {[]*sample.Service{service(80, 0, 9), service(81, 80, 8), service(82, 81, 7)}, 9, true},
		"a chain with a hole":          {[]*sample.Service{service(80, 0, 9), service(81, 80), service(82, 81, 7)}, 9, true},
		"behind itself":                {[]*sample.Service{service(80, 80, 4)}, 4, true},
		"an edge beside a nil service": {[]*sample.Service{nil, service(80, 0, 4)}, 4, true},
	} {
		if got, ok := sample.Requests(c.services); got != c.want || ok != c.ok {
			t.Errorf("%s: %v %v, want %v %v", name, got, ok, c.want, c.ok)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(encode(f, typical()))
	f.Add(encode(f, full()))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sample.Receive(b)
		if err != nil {
			return
		}
		if err := s.Check(); err != nil {
			t.Errorf("an accepted sample does not pass its own check: %v", err)
		}
		for _, v := range s.GetServices() {
			if v.GetName() != sample.Printable(v.GetName()) {
				t.Errorf("control characters stayed in %q", v.GetName())
			}
		}
		if rps, ok := sample.Requests(s.GetServices()); math.IsNaN(rps) || rps < 0 || !ok && rps != 0 {
			t.Errorf("%v requests a second", rps)
		}
	})
}

func BenchmarkSize(b *testing.B) {
	var n int
	for b.Loop() {
		n = len(encode(b, typical()))
	}
	b.ReportMetric(float64(n), "wire-B/sample")
}

func BenchmarkReceive(b *testing.B) {
	wire := encode(b, typical())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sample.Receive(wire); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleEncodeBusy() {
	fmt.Println(sample.EncodeBusy(0.5), sample.EncodeBusy(-1))
	// Output: 125 255
}
