package main

import (
	"path/filepath"
	"testing"
	"time"

	"capmon/demo"
	"capmon/fleet"
	"capmon/record"
	"capmon/sample"
)

// BenchmarkJump goes to and fro in an hour of nine hosts of 64 cores with a day of points before it.
func BenchmarkJump(b *testing.B) {
	const hosts, cores, length = 9, 64, 3600
	const points = 8640 // of the day before
	sim, err := demo.NewFleet(demo.FleetConfig{Hosts: hosts, Cores: cores, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "x.capmon")
	from := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	w, err := record.Create(path, record.About{Made: from}, 0, false)
	if err != nil {
		b.Fatal(err)
	}
	for i := range hosts {
		m := sim.Machine(i)
		name := m.GetHostname()
		w.Add(record.Event{At: from, What: record.Join, Host: name})
		w.Add(record.Event{At: from, What: record.Machine, Host: name, Machine: m})
		w.Add(record.Event{At: from, What: record.Samples, Host: name, Epoch: m.GetEpoch(), Samples: sim.Past(i, from, 900)})
		w.Add(record.Event{At: from, What: record.Points, Host: name, Epoch: m.GetEpoch(), Points: sim.Points(i, from, points)})
	}
	for s := 1; s <= length; s++ {
		at := from.Add(time.Duration(s) * time.Second)
		for i := range hosts {
			m := sim.Machine(i)
			if got := sim.Sample(i, at); got != nil { // it is silent at times
				w.Add(record.Event{At: at, What: record.Samples, Host: m.GetHostname(), Epoch: m.GetEpoch(), Samples: []*sample.Sample{got}})
			}
			if s%10 == 0 {
				w.Add(record.Event{At: at, What: record.Points, Host: m.GetHostname(), Epoch: m.GetEpoch(), Points: sim.Points(i, at, 1)})
			}
		}
		if s%2 == 0 {
			w.Flush(at)
		}
	}
	sum, err := w.Close(from.Add(length * time.Second))
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	file, err := record.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	b.Logf("%d samples, %d MB, opened in %v", sum.Samples, sum.Bytes/1e6, time.Since(began))
	for name, stops := range map[string][2]time.Duration{"back": {50 * time.Minute, 30 * time.Minute}, "start": {50 * time.Minute, time.Minute}, "second": {0, time.Second}} {
		b.Run(name, func(b *testing.B) {
			p := newPlayer(file, fleet.Config{Policy: sim.Policy()})
			defer p.close()
			began := time.Now()
			p.to(p.ready, never)
			at := from.Add(10 * time.Minute)
			p.to(at, never)
			b.Logf("to the first moment and ten minutes on: %v, broken: %v", time.Since(began), p.broken)
			for i := 0; b.Loop(); i++ {
				if name == "second" {
					at = at.Add(time.Second)
					p.to(at, never)
				} else {
					p.to(from.Add(stops[i%2]), never)
				}
				p.snapshot(fleet.Ask{Buckets: 100}, p.at)
			}
		})
	}
}
