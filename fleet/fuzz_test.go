package fleet_test

import (
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"

	"capmon/fleet"
	"capmon/sample"
)

// FuzzSamples feeds a host with whatever bytes say: epochs, seqs, labels and
// numbers of every size, in every order. Nothing may panic, take long, or bring
// a number into a snapshot that is none.
func FuzzSamples(f *testing.F) {
	f.Add([]byte{}, int64(0))
	f.Add(hostile(1, 1<<60, math.MaxInt64, math.Inf(1)), int64(1))
	f.Add(append(hostile(1, 1, 0, 1), hostile(1, 1<<60, -1<<62, math.NaN())...), int64(math.MaxInt64))
	f.Add(append(hostile(3, 2, 1<<43, 1), hostile(4, 1, 1<<43-1, 0.5)...), int64(1<<43-1))
	f.Add(append(hostile(1, 5, 1_000_000, 2), hostile(2, 4, 2_000_000, -2)...), int64(-5))
	f.Fuzz(func(t *testing.T, data []byte, at int64) {
		fl := fleet.New(fleet.Config{Policy: fleet.Policy{Target: 0.8, Spare: 1, PerServer: 100, Max: 3}})
		fl.Join("web", "", t0)
		now := t0
		for ; len(data) >= 32; data = data[32:] {
			epoch, seq := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
			ms := int64(binary.LittleEndian.Uint64(data[16:]))
			v := float32(math.Float64frombits(binary.LittleEndian.Uint64(data[24:])))
			if epoch%3 == 0 {
				fl.Machine("web", &sample.Machine{Epoch: epoch, IntervalMs: uint32(seq)}, now)
			}
			fl.Samples("web", epoch, []*sample.Sample{hostileSample(seq, ms, v, data[:32])}, now)
			fl.Points("web", epoch, []*sample.Point{{Time: ms, Samples: uint32(seq), Cpu: &v, Available: &v, Served: &v, Rps: &v}}, now)
			fl.Detail("web", &sample.Sample{CoreParts: data[:len(data)%17]}, now)
			now = now.Add(time.Duration(ms % int64(time.Minute)))
		}
		for _, a := range []fleet.Ask{{Buckets: 50, Host: "web"}, {At: time.UnixMilli(at % (1 << 43)), Buckets: 7, Host: "web"}, {At: now.Add(-30 * time.Second), Span: 24 * time.Hour, Buckets: 1000}} {
			check(t, fl.Snapshot(a, now))
		}
		if next := fl.Next(now); !next.IsZero() && !next.After(now) {
			t.Fatalf("next %v is not after %v", next, now)
		}
	})
}

func hostile(epoch, seq uint64, ms int64, v float64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, epoch)
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(ms))
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

func hostileSample(seq uint64, ms int64, v float32, busy []byte) *sample.Sample {
	s := &sample.Sample{
		Seq: seq, TimeMs: ms, IntervalMs: uint32(seq >> 7),
		Cpu:    &sample.Cpu{Busy: busy, Ids: []uint32{uint32(seq)}, Available: &v, Used: &v, Steal: new(uint32(seq)), AvailableFrom: sample.Bound(seq % 9)},
		Memory: &sample.Memory{Total: &seq, Used: new(uint64(ms))}, Connections: &sample.Connections{Served: new(uint32(seq))},
		Services: []*sample.Service{{Port: uint32(seq), Rps: &v, Responses: &seq, RpsSource: sample.RpsSource(seq % 9)}, nil},
		Threads:  []*sample.Thread{{Run: uint32(seq), Wait: uint32(ms)}, nil}, Self: &sample.Self{CpuUs: new(uint32(seq))},
		Processes: []*sample.Process{{Pid: uint32(seq), Run: uint32(ms), Threads: uint32(seq), Finding: &sample.Finding{
			Verdict: sample.Verdict(seq % 6), Demand: uint32(seq >> 3), Idle: uint32(ms), Workers: uint32(seq),
		}}, nil},
	}
	s.Cpu.Throttled = new(uint32(ms))
	s.Connections.PortsUsed, s.Connections.PortsLimit, s.Connections.Drift = new(uint32(seq)), new(uint32(ms)), new(int32(ms))
	s.Connections.Source = sample.ConnectionSource(seq % 6)
	one := s.Services[0]
	one.Finding, one.Behind, one.Accepts, one.Queue = s.Processes[0].GetFinding(), uint32(ms), &v, new(uint32(seq))
	one.Status = []uint64{seq >> 2, uint64(ms), seq >> 1}
	one.Limits = &sample.ServiceLimits{Queue: new(uint32(ms)), FilesUsed: new(uint32(seq)), Files: new(uint64(ms)), Connections: &seq}
	one.Peers = []*sample.Peer{{Address: string(busy), Connections: uint32(ms)}, nil, {Address: "::ffff:10.0.0.1", Connections: uint32(seq)}}[:seq%4]
	if ms%5 == 0 {
		s.Cpu.Used = new(v / 3)
	}
	return s
}

// check holds what is true of every snapshot.
func check(t *testing.T, s fleet.Snapshot) {
	t.Helper()
	if n := s.Totals; n.Up+n.Stale+n.Down+n.Unseen != n.Hosts || n.Counted > n.Up+n.Stale {
		t.Fatalf("totals %+v", n)
	}
	for _, h := range s.Hosts {
		for _, v := range []float64{h.CPU.V, h.RPS.V, h.Headroom.V, h.RoomUsers.V, h.RoomRPS.V, h.Connections.V, h.Age.V, h.Skew.V} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("a number that is none: %+v", h)
			}
		}
		if len(h.Trend) != 60 || h.Flags == nil || h.CPU.V < 0 || h.RPS.V < 0 || h.Age.V < 0 {
			t.Fatalf("%+v", h)
		}
		for i, l := range h.Limits {
			if !(l.Capacity > 0) || math.IsNaN(l.Ratio()) || l.Used < 0 || i > 0 && l.Ratio() > h.Limits[i-1].Ratio() {
				t.Fatalf("limits %+v", h.Limits)
			}
		}
		if len(h.Findings) > 0 && h.CPU.V >= 0.95 {
			t.Fatalf("a full machine with %+v", h.Findings)
		}
		for _, v := range h.Services {
			for _, p := range v.Peers {
				if a, err := netip.ParseAddr(p.Addr); err != nil || a.Is4In6() || p.Connections < 0 {
					t.Fatalf("peer %+v", p)
				}
			}
			if v.Errors.V < 0 || v.Errors.V > 1 || v.Status[0].V < 0 {
				t.Fatalf("service %+v", v)
			}
		}
		if h.Newest == nil && (h.CPU.OK || h.Connections.OK || len(h.Limits) > 0) {
			t.Fatalf("numbers without a sample: %+v", h)
		}
	}
	for _, p := range s.Pools {
		if len(p.Verdict.Do) == 0 || len(p.Verdict.Why) == 0 || math.IsNaN(p.Headroom.V) || p.Need.V < p.Raw.V {
			t.Fatalf("pool %+v", p)
		}
	}
	for i := range s.Chart.Hosts {
		if c := s.Chart; c.CoresUsed[i] < 0 || c.Cores[i] < 0 || math.IsInf(c.Connections[i], 0) || math.IsInf(c.RPS[i], 0) {
			t.Fatalf("chart %+v", c)
		}
	}
}
