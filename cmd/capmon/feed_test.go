package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"capmon/agents"
	"capmon/fleet"
	"capmon/sample"
)

// TestSnapshotWaitsForWhatItNeeds: a snapshot is taken when the hosts have said
// what they are about to say, and never much later.
func TestSnapshotWaitsForWhatItNeeds(t *testing.T) {
	const wait = 3 * time.Second
	s := func(seq uint64, pending bool, services ...*sample.Service) *sample.Sample {
		return &sample.Sample{Seq: seq, FindingsPending: pending, Services: services}
	}
	rateless := &sample.Service{Port: 80, RpsSource: sample.RpsSource_RPS_SOURCE_EBPF}
	rate := &sample.Service{Port: 80, RpsSource: sample.RpsSource_RPS_SOURCE_EBPF, Rps: new(float32(0))}
	type step struct {
		after   time.Duration
		samples []*sample.Sample
	}
	for name, c := range map[string]struct {
		steps []step
		want  time.Duration
	}{
		"an agent that has run for long":   {[]step{{0, []*sample.Sample{s(100, false, rate)}}}, grace},
		"no answer":                        {nil, wait},
		"the first sample alone":           {[]step{{0, []*sample.Sample{s(1, false)}}}, wait},
		"an agent that has just begun":     {[]step{{0, []*sample.Sample{s(1, false)}}, {time.Second, []*sample.Sample{s(2, false)}}}, time.Second + grace},
		"a finding that comes":             {[]step{{0, []*sample.Sample{s(2, true)}}, {time.Second, []*sample.Sample{s(3, true)}}, {4 * time.Second, []*sample.Sample{s(7, false)}}}, 5 * time.Second},
		"a finding that never comes":       {[]step{{0, []*sample.Sample{s(2, true)}}}, grace + findingTime},
		"the minutes before were pending":  {[]step{{0, []*sample.Sample{s(90, false)}}, {0, []*sample.Sample{s(1, true), s(89, true)}}}, grace},
		"another run of the agent":         {[]step{{0, []*sample.Sample{s(90, true)}}, {time.Second, []*sample.Sample{s(91, false)}}}, time.Second},
		"a rate that comes":                {[]step{{0, []*sample.Sample{s(2, false, rateless)}}, {900 * time.Millisecond, []*sample.Sample{s(3, false, rate)}}}, 900 * time.Millisecond},
		"a rate that never comes":          {[]step{{0, []*sample.Sample{s(2, false, rateless)}}}, grace + rateTime},
		"neither comes":                    {[]step{{0, []*sample.Sample{s(2, true, rateless)}}}, grace + findingTime + rateTime},
		"a source is named and no rate is": {[]step{{0, []*sample.Sample{s(2, false, &sample.Service{Port: 81, RpsNote: "why"})}}}, grace},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFeed(fleet.Config{})
				began := time.Now()
				go func() {
					time.Sleep(time.Millisecond) // the hosts join while it waits
					f.Join("web", "", "")
					for _, at := range c.steps {
						time.Sleep(at.after)
						f.Samples("web", 1, at.samples)
					}
				}()
				f.await(t.Context(), wait)
				if took := time.Since(began).Truncate(10 * time.Millisecond); took != c.want {
					t.Errorf("it took %v, want %v", took, c.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := newFeed(fleet.Config{})
		f.Join("web", "", "")
		f.Samples("web", 1, []*sample.Sample{s(2, true)})
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		began := time.Now()
		f.await(ctx, wait)
		if took := time.Since(began); took != time.Second {
			t.Errorf("interrupted, it took %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(fleet.Config{})
		f.Join("web", "", "")
		f.Join("gone", "", "")
		f.Samples("web", 1, []*sample.Sample{s(2, false)})
		f.Samples("gone", 2, []*sample.Sample{s(2, true)})
		f.Link("gone", agents.Link{Reason: "it went"})
		f.Leave("gone")
		began := time.Now()
		f.await(t.Context(), wait)
		if took := time.Since(began); took != grace {
			t.Errorf("a host that has left is waited for: %v", took)
		}
	})
}
