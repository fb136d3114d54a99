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
				f.one(t.Context(), wait, true)
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
		f.one(ctx, wait, true)
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
		f.one(t.Context(), wait, true)
		if took := time.Since(began); took != grace {
			t.Errorf("a host that has left is waited for: %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) { // all its seconds of patience long nothing more comes
		f := newFeed(fleet.Config{})
		f.Join("web", "", "")
		f.Samples("web", 1, []*sample.Sample{s(2, true)})
		if got := f.one(t.Context(), wait, true); got.Totals.Up != 1 || got.Hosts[0].State != fleet.Up {
			t.Errorf("a host that answered and was not heard of again is %v", got.Hosts[0].State)
		}
	})
}

// TestPaceOfTheScreen: keys are answered at once and at most ten times a
// second, data once a second, and an earlier moment is left alone: until
// something is asked there is nothing to wake up for.
func TestPaceOfTheScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := newFeed(fleet.Config{})
		f.Join("web", "", "")
		var shown []fleet.Snapshot
		go f.publish(ctx, func(s fleet.Snapshot) { shown = append(shown, s) }, nil)
		samples := func(n int, from uint64) {
			for i := range n {
				f.Samples("web", 1, []*sample.Sample{{Seq: from + uint64(i), TimeMs: time.Now().UnixMilli(), Cpu: &sample.Cpu{Busy: []byte{10}}}})
				time.Sleep(time.Second)
			}
		}
		count := func() int {
			synctest.Wait()
			n := len(shown)
			shown = nil
			return n
		}
		samples(5, 1) // the first seconds are faster
		count()
		if samples(20, 6); count() != 20 {
			t.Error("not one picture a second")
		}
		began := time.Now()
		f.Ask(fleet.Ask{Host: "web", Buckets: 1})
		if count() != 1 || time.Since(began) != 0 {
			t.Error("a key is not answered at once")
		}
		for i := range 100 {
			time.Sleep(10 * time.Millisecond)
			f.Ask(fleet.Ask{Host: "web", Buckets: i})
		}
		time.Sleep(time.Second)
		if n := count(); n < 9 || n > 12 {
			t.Errorf("a key held for a second drew %d pictures", n)
		}
		f.Ask(fleet.Ask{At: time.Now().Add(-5 * time.Second)})
		time.Sleep(time.Second)
		if count() != 1 {
			t.Error("an earlier moment is not shown")
		}
		if samples(20, 30); count() != 0 {
			t.Error("what comes in disturbs an earlier moment")
		}
		f.Ask(fleet.Ask{})
		time.Sleep(time.Millisecond)
		if count() != 1 {
			t.Error("not live again at once")
		}
	})
	now := time.Unix(1000, 0)
	if w := waitFor(now, now.Add(-time.Second), time.Time{}, false); w < time.Minute {
		t.Errorf("with nothing to come it wakes up after %v", w)
	}
}

// While an earlier moment is on screen alerts go on with what is now, once a
// second; nothing that is live is shown.
func TestPausedGoesOnWatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := newFeed(fleet.Config{})
		f.Join("web", "", "")
		f.Ask(fleet.Ask{At: time.Now().Add(-time.Minute)})
		live, watched := 0, 0
		go f.publish(ctx, func(s fleet.Snapshot) {
			if s.Live {
				live++
			}
		}, func(s fleet.Snapshot) {
			if s.Live {
				watched++
			}
		})
		for i := range 100 {
			f.Samples("web", 1, []*sample.Sample{{Seq: 1 + uint64(i), TimeMs: time.Now().UnixMilli(), Cpu: &sample.Cpu{Busy: []byte{10}}}})
			time.Sleep(200 * time.Millisecond)
		}
		synctest.Wait()
		if live != 0 || watched < 18 || watched > 22 {
			t.Errorf("in 20 s %d live snapshots were shown and %d watched", live, watched)
		}
	})
}
