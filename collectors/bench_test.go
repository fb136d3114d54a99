package collectors

import (
	"context"
	"testing"
	"time"
)

func BenchmarkSample(b *testing.B) {
	r := NewRunner(List(Config{countOwn: true}), RunnerOptions{})
	defer r.Close()
	benchSample(b, r)
}

// BenchmarkSamplePortable is the same by the road of other systems.
func BenchmarkSamplePortable(b *testing.B) {
	r := NewRunner(List(Config{countOwn: true, Portable: true}), RunnerOptions{})
	defer r.Close()
	benchSample(b, r)
}

// benchSample lets a second go by for the collectors with every sample, so that
// what is done every five or ten seconds is in the mean.
func benchSample(b *testing.B, r *Runner) {
	now := time.Now()
	r.Sample(b.Context(), now)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		r.Sample(b.Context(), now)
	}
}

func BenchmarkCollector(b *testing.B) {
	for _, c := range List(Config{countOwn: true}) {
		b.Run(c.Name(), func(b *testing.B) {
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Second)
				if _, err := c.Collect(context.Background(), now); err != nil {
					b.Fatal(err)
				}
			}
		})
		c.Close()
	}
}
