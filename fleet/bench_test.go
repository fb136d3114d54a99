package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"capmon/fleet"
	"capmon/sample"
)

// full is a fleet whose hosts have 15 minutes behind them, up to t0.
func full(hosts, cores int) *fleet.Fleet {
	f := fleet.New(fleet.Config{Policy: fleet.Policy{Target: 0.8, Spare: 1, PerServer: 10_000}})
	for i := range hosts {
		name := fmt.Sprintf("ws-%d", i+1)
		f.Join(name, "", t0)
		f.Machine(name, machine(uint64(i+1)), t0)
		var past []*sample.Sample
		for k := range 900 {
			past = append(past, second(k+1, after(float64(k-899)), cores, float32(cores)/2, 7000))
		}
		f.Samples(name, uint64(i+1), past, t0)
	}
	return f
}

// serving adds what a machine with three services sends besides.
func serving(s *sample.Sample) *sample.Sample {
	for i := range 3 {
		s.Services = append(s.Services, &sample.Service{
			Port: uint32(80 + i), Name: "node", Pid: uint32(4000 + i), Connections: new(uint32(2000)), Rps: new(float32(100)),
			Responses: new(100 * s.GetSeq()), Status: []uint64{s.GetSeq(), s.GetSeq(), s.GetSeq()},
		})
	}
	for i := range 8 {
		s.Processes = append(s.Processes, &sample.Process{Pid: uint32(4000 + i), Name: "node", Run: 900, Threads: 11})
		s.Threads = append(s.Threads, &sample.Thread{Pid: uint32(4000 + i/4), Tid: uint32(4000 + i), Run: 300})
	}
	if s.GetSeq()%8 == 0 {
		s.Services[0].Limits = &sample.ServiceLimits{Files: new(uint64(1024)), FilesUsed: new(uint32(100))}
	}
	return s
}

// BenchmarkSnapshot is one second of a dashboard: a new sample of each host, and
// a snapshot with its chart.
func BenchmarkSnapshot(b *testing.B) {
	for _, hosts := range []int{1, 50, 1000} {
		b.Run(fmt.Sprintf("%dx64", hosts), func(b *testing.B) {
			f := full(hosts, 64)
			ask := fleet.Ask{Buckets: 118, Host: "ws-1"}
			i := 0
			for b.Loop() {
				i++
				at := after(float64(i))
				b.StopTimer()
				for h := range hosts {
					f.Samples(fmt.Sprintf("ws-%d", h+1), uint64(h+1), []*sample.Sample{serving(second(900+i, at, 64, 32, 7000))}, at)
				}
				b.StartTimer()
				f.Snapshot(ask, at.Add(100*time.Millisecond))
			}
		})
	}
}

// BenchmarkChart is the whole of the chart, as when the span is changed.
func BenchmarkChart(b *testing.B) {
	for _, hosts := range []int{50, 1000} {
		b.Run(fmt.Sprintf("%dx64", hosts), func(b *testing.B) {
			f := full(hosts, 64)
			for b.Loop() {
				f.Snapshot(fleet.Ask{At: after(-1), Buckets: 118}, t0)
			}
		})
	}
}

// BenchmarkSamples is one new second of one host.
func BenchmarkSamples(b *testing.B) {
	f := full(1, 64)
	i := 0
	for b.Loop() {
		i++
		at := after(float64(i))
		b.StopTimer()
		s := []*sample.Sample{second(900+i, at, 64, 32, 7000)}
		b.StartTimer()
		f.Samples("ws-1", 1, s, at)
	}
}

// BenchmarkBacklog is 15 minutes of one host behind its newest sample.
func BenchmarkBacklog(b *testing.B) {
	var past []*sample.Sample
	for k := range 900 {
		past = append(past, second(k+1, after(float64(k-899)), 64, 32, 7000))
	}
	b.ReportAllocs()
	for b.Loop() {
		f := fleet.New(fleet.Config{})
		f.Join("web", "", t0)
		f.Samples("web", 1, past[899:], t0)
		f.Samples("web", 1, past[:899], t0)
	}
}
