package fleet

import (
	"fmt"
	"math"
	"testing"
	"time"

	"capmon/sample"
)

// BenchmarkAssess is what the capacity of a fleet costs in one second, for hosts
// with an hour behind them: a tenth of them send a point that they are learned
// from, each is judged by its limits, and the pool is sized. What a screen takes
// from samples besides is BenchmarkSnapshot.
func BenchmarkAssess(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("%d_hosts", n), func(b *testing.B) {
			now := time.Unix(1_764_000_000, 0)
			f := New(Config{Policy: Policy{Target: 0.8, Spare: 1, PerServer: 10_000}})
			for i := range n {
				name := fmt.Sprintf("ws-%d", i)
				f.Join(name, "", now)
				f.Machine(name, &sample.Machine{Epoch: uint64(i + 1), IntervalMs: 1000, StartedMs: 1}, now)
				var points []*sample.Point
				for k := range 360 {
					points = append(points, assessed(now.Unix()-3600+int64(k)*10, i+k))
				}
				f.Points(name, uint64(i+1), points, now)
				f.Samples(name, uint64(i+1), []*sample.Sample{assessedSecond(now, 1)}, now)
			}
			views := make([]viewed, n)
			for i, h := range f.hosts {
				views[i] = h.view(new(Host), now, f.policy)
			}
			at, seconds := 0, 0
			var used time.Duration // CPU, that of the collector of garbage included
			b.ResetTimer()
			for b.Loop() {
				b.StopTimer()
				now = now.Add(time.Second)
				seconds++
				for i, h := range f.hosts {
					f.Samples(h.name, uint64(i+1), []*sample.Sample{assessedSecond(now, uint64(seconds+1))}, now)
				}
				b.StartTimer()
				from := cpuTime(b)
				for range max(n/10, 1) {
					h := f.hosts[at%n]
					at++
					p := assessed(h.taught.last.Unix()+10, at)
					h.learn(p, point{at: uint32(p.Time), samples: 10, cpu: *p.Cpu, available: *p.Available, rps: *p.Rps, served: *p.Served})
				}
				for i, h := range f.hosts {
					v := &views[i]
					v.Learned = h.lessons(v.Host, f.policy)
					v.judge(f.policy)
				}
				g := f.groups(now)[0]
				t := add(views)
				t.people(views, f.policy)
				if p := g.size(views, t, now, now); !p.Need.OK {
					b.Fatal("not sized")
				}
				used += cpuTime(b) - from
			}
			b.ReportMetric(float64(used.Microseconds())/1000/float64(seconds), "cpu-ms/s")
		})
	}
}

func assessed(at int64, i int) *sample.Point {
	rps := float32(200 + 150*math.Sin(float64(i)/40))
	return &sample.Point{
		Time: at, Samples: 10, Cpu: new((0.3 + 0.008*rps) / 8), Available: new(float32(8)), Rps: &rps, Served: new(float32(7000)), Memory: new(float32(0.3)),
	}
}

func assessedSecond(at time.Time, seq uint64) *sample.Sample {
	return &sample.Sample{
		Seq: seq, TimeMs: at.UnixMilli(), Cpu: &sample.Cpu{Available: new(float32(8)), Used: new(float32(2))},
		Connections: &sample.Connections{Served: new(uint32(7000))}, Memory: &sample.Memory{Total: new(uint64(1 << 34)), Used: new(uint64(1 << 32))},
		Services: []*sample.Service{{Port: 80, Name: "nginx", Rps: new(float32(200)), Connections: new(uint32(7000))}},
	}
}
