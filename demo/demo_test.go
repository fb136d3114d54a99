package demo_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"capmon/capacity"
	"capmon/demo"
	"capmon/fleet"
	"capmon/sample"
)

var at = time.Date(2026, 11, 23, 15, 12, 7, 0, time.UTC)

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		config demo.FleetConfig
		want   string // empty: fine
	}{
		{demo.FleetConfig{Hosts: 1, Cores: 1}, ""},
		{demo.FleetConfig{Hosts: 1000, Cores: 1024, Load: 1.2}, ""},
		{demo.FleetConfig{Hosts: 0, Cores: 8}, "0 hosts: give 1 to 1000"},
		{demo.FleetConfig{Hosts: 1001, Cores: 8}, "1001 hosts: give 1 to 1000"},
		{demo.FleetConfig{Hosts: -3, Cores: 8}, "-3 hosts: give 1 to 1000"},
		{demo.FleetConfig{Hosts: 9, Cores: 0}, "0 cores: give 1 to 1024"},
		{demo.FleetConfig{Hosts: 9, Cores: 1025}, "1025 cores: give 1 to 1024"},
		{demo.FleetConfig{Hosts: 9, Cores: 8, Load: 1.3}, "load 1.3: give a share above 0 and at most 1.2"},
		{demo.FleetConfig{Hosts: 9, Cores: 8, Load: math.NaN()}, "load NaN: give a share above 0 and at most 1.2"},
	} {
		f, err := demo.NewFleet(c.config)
		if got := fmt.Sprint(err); (c.want == "") != (err == nil) || (err != nil && got != c.want) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		}
		if (f == nil) != (err != nil) {
			t.Errorf("%+v: fleet %v with error %v", c.config, f, err)
		}
	}
}

func newFleet(t testing.TB, hosts, cores int, seed uint64) *demo.Fleet {
	t.Helper()
	f, err := demo.NewFleet(demo.FleetConfig{Hosts: hosts, Cores: cores, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The same seed, host and time give the same bytes, however they are asked for.
func TestSameSeedSameBytes(t *testing.T) {
	a, b, other := newFleet(t, 9, 8, 7), newFleet(t, 9, 8, 7), newFleet(t, 9, 8, 8)
	differ := 0
	for host := range 9 {
		if !proto.Equal(a.Machine(host), b.Machine(host)) {
			t.Errorf("host %d: machines differ", host)
		}
		past := a.Past(host, at, 100)
		for _, s := range past {
			moment := time.UnixMilli(s.GetTimeMs())
			if d := cmp.Diff(s, b.Sample(host, moment), protocmp.Transform()); d != "" {
				t.Fatalf("host %d at %v: past -, sample +\n%s", host, moment, d)
			}
			if !proto.Equal(s, other.Sample(host, moment)) {
				differ++
			}
		}
		if d := cmp.Diff(a.Points(host, at, 20), b.Points(host, at, 20), protocmp.Transform()); d != "" {
			t.Error(d)
		}
	}
	if differ < 800 {
		t.Errorf("another seed gives the same for all but %d samples", differ)
	}
	for name, scene := range scenes() {
		ask := fleet.Ask{Buckets: 40, Host: "ws-4"}
		one, err1 := scene.Snapshot(ask, at)
		two, err2 := scene.Snapshot(ask, at)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if d := cmp.Diff(one, two, protocmp.Transform(), cmpopts.EquateNaNs(), cmpopts.EquateComparable(capacity.Cost{}, capacity.Estimate{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func scenes() map[string]demo.Scene {
	return map[string]demo.Scene{"calm": demo.Calm(1), "busy": demo.Busy(1), "partial": demo.Partial(1), "dark": demo.Dark(1)}
}

// Every sample is one that a viewer would accept from a peer, and small.
func TestSamplesAreReal(t *testing.T) {
	f := newFleet(t, 18, 64, 3)
	for host := range f.Hosts() {
		if err := f.Machine(host).Check(); err != nil {
			t.Fatalf("host %d: %v", host, err)
		}
		var last *sample.Sample
		for _, s := range f.Past(host, at, 300) {
			b, err := proto.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := sample.Receive(b)
			if err != nil {
				t.Fatalf("host %d: %v", host, err)
			}
			if n := len(b) - size(got.GetProcesses()...) - extras(got); n > 400 || len(b) > 700 {
				t.Fatalf("host %d: %d bytes, %d without processes, findings, limits, latency and work", host, len(b), n)
			}
			served := uint32(0)
			for i, v := range got.GetServices() {
				served += v.GetConnections()
				if last == nil || s.GetSeq() != last.GetSeq()+1 || v.Responses == nil {
					continue
				}
				if grown := v.GetResponses() - last.GetServices()[i].GetResponses(); float32(grown) != v.GetRps() || grown > 1<<20 {
					t.Fatalf("host %d: %d responses more at %v a second", host, grown, v.GetRps())
				}
			}
			if served != got.GetConnections().GetServed() {
				t.Fatalf("host %d: services hold %d connections of %d", host, served, got.GetConnections().GetServed())
			}
			last = s
		}
		for _, p := range f.Points(host, at, 50) {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// size is what messages take in the sample they are in.
func size[M proto.Message](list ...M) int {
	n := 0
	for _, m := range list {
		n += proto.Size(m) + 2
	}
	return n
}

// extras is what a sample has besides what every one has.
func extras(s *sample.Sample) int {
	n := 0
	for _, v := range s.GetServices() {
		if v.GetFinding() != nil {
			n += size(v.GetFinding())
		}
		if v.GetLatency() != nil {
			n += size(v.GetLatency())
		}
		if v.GetLimits() != nil {
			n += size(v.GetLimits())
		}
		n += proto.Size(&sample.Service{RunUs: v.RunUs, TopUs: v.TopUs, OneThread: v.OneThread})
	}
	return n
}

// The fleet looks like life: fewer users at night, a warm host, one with a hot
// thread, one with steal, gaps now and then.
func TestLooksLikeLife(t *testing.T) {
	f := newFleet(t, 9, 8, 1)
	day := func(hour int) uint32 {
		n := uint32(0)
		for host := range 9 {
			if s := f.Sample(host, time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC)); s != nil {
				n += s.GetConnections().GetServed()
			}
		}
		return n
	}
	if night, noon := day(4), day(16); float64(night) > 0.6*float64(noon) || night < 10_000 {
		t.Errorf("%d users at night, %d in the afternoon", night, noon)
	}
	gaps, threads, steal := 0, 0, 0
	users := map[uint32]bool{}
	for host := range 9 {
		gaps += 7200 - len(f.Past(host, at, 7200))
		s := f.Past(host, at, 10)[0]
		users[s.GetConnections().GetServed()] = true
		if len(s.GetThreads()) > 0 {
			threads++
			if demand := s.GetThreads()[0].GetRun() + s.GetThreads()[0].GetWait(); demand < 980 {
				t.Errorf("the hot thread has a demand of %d/1000", demand)
			}
			if hot := slices.Max(s.GetCpu().GetBusy()); hot != 248 {
				t.Errorf("its core is busy %d of %d", hot, sample.Full)
			}
		}
		if s.GetCpu().GetSteal() > 500 {
			steal++
		}
	}
	if gaps == 0 || gaps > 9*7200/100 {
		t.Errorf("%d silent seconds in two hours of nine hosts", gaps)
	}
	if len(users) < 8 {
		t.Errorf("nine hosts have the same users: %v", users)
	}
	if threads != 1 || steal != 1 {
		t.Errorf("%d hosts with a hot thread, %d with steal", threads, steal)
	}
}

// An agent reads the same numbers, with the parts of each core, and says what is wrong in a silent second.
func TestSource(t *testing.T) {
	f := newFleet(t, 9, 8, 1)
	src := f.Source(2)
	if d := cmp.Diff(f.Machine(2).GetCollectors(), src.Names()); d != "" {
		t.Error(d)
	}
	silent := 0
	for i := range 7200 {
		now := at.Add(-time.Duration(i) * time.Second)
		got, want := src.Sample(context.Background(), now), f.Sample(2, now)
		if want != nil {
			for core, b := range got.GetCpu().GetBusy() {
				parts := got.GetCoreParts()[core*sample.Parts : (core+1)*sample.Parts]
				if sum := int(parts[0]) + int(parts[1]) + int(parts[2]); sum != int(b) {
					t.Fatalf("at %v: core %d is busy %d, its parts are %v", now, core, b, parts)
				}
			}
			got.CoreParts = nil // not in what is remembered
			if !proto.Equal(got, want) {
				t.Fatalf("at %v: %v", now, got)
			}
			continue
		}
		silent++
		if got == nil || got.GetCpu() != nil || len(got.GetErrors()) != len(src.Names()) || got.Check() != nil {
			t.Fatalf("in a silent second: %v", got)
		}
	}
	if silent == 0 {
		t.Error("no silent second in two hours")
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

func TestScenes(t *testing.T) {
	type seen struct {
		Level                     fleet.Level
		Up, Stale, Down, Unseen   int
		Simulated, Steal, Threads bool
		Policy                    bool
		Bound, Erring             string // hosts with a full thread, with errors
	}
	want := map[string]seen{
		"calm":    {fleet.OK, 9, 0, 0, 0, true, true, true, true, "ws-4", "ws-6"},
		"busy":    {fleet.Act, 9, 0, 0, 0, true, true, true, true, "ws-4", "ws-6"},
		"partial": {fleet.Soon, 6, 1, 1, 1, true, true, true, true, "ws-4", ""},
		"dark":    {fleet.Unknown, 0, 0, 8, 1, true, false, false, true, "", ""},
	}
	for name, scene := range scenes() {
		s, err := scene.Snapshot(fleet.Ask{Span: 3 * time.Hour, Buckets: 90}, at)
		if err != nil {
			t.Fatal(err)
		}
		n := s.Totals
		got := seen{s.Pools[0].Verdict.Level, n.Up, n.Stale, n.Down, n.Unseen, s.Simulated, false, n.HottestThread.Known, s.Policy == scene.Policy, "", ""}
		for _, h := range s.Hosts {
			if slices.Contains(h.Flags, fleet.SingleThread) {
				got.Bound += h.Name
				if f := h.Findings[0]; f.Owner != "ws" || f.Port != 8080 || h.Processes[0].Flags[0] != fleet.SingleThread || h.Services[2].Flags[0] != fleet.SingleThread {
					t.Errorf("%s: %+v", h.Name, h)
				}
			}
			if len(h.Services) > 0 && h.Services[0].Errors.V > 0.01 {
				got.Erring += h.Name
			}
			if h.State == fleet.Up && (!h.Services[0].ConnectionsLimit.OK || len(h.Processes) != 4 || !h.Services[1].Latency.P99.OK || !h.Services[1].Status[0].OK) {
				t.Errorf("%s: %s: services %+v", name, h.Name, h.Services)
			}
			got.Steal = got.Steal || slices.Contains(h.Flags, "steal")
			if slices.Contains(h.Flags, "clock-skew") {
				t.Errorf("%s: the clock of %s is wrong", name, h.Name)
			}
		}
		if d := cmp.Diff(want[name], got); d != "" {
			t.Errorf("%s: want -, got +\n%s", name, d)
		}
		if i := slices.IndexFunc(s.Chart.Connections, math.IsNaN); i >= 0 && name != "dark" {
			t.Errorf("%s: bucket %d of the three hours is empty", name, i)
		}
	}
	if _, err := (demo.Scene{Fleet: demo.FleetConfig{Hosts: 2, Cores: 1}, Down: []int{2}}).Build(at); err == nil || !strings.Contains(err.Error(), "give 0 to 1") {
		t.Errorf("a host that is not there: %v", err)
	}
	if _, err := demo.Snapshot(demo.FleetConfig{}, fleet.Ask{}, at); err == nil {
		t.Error("no hosts: no error")
	}
	if s, err := demo.Snapshot(demo.FleetConfig{Hosts: 3, Cores: 2}, fleet.Ask{}, at); err != nil || s.Totals.Up != 3 {
		t.Errorf("%v, %v", s.Totals, err)
	}
}

// BenchmarkPast is what `capmon demo fleet --hosts 200 --cores 64` makes before
// its first frame.
func BenchmarkPast(b *testing.B) {
	f := newFleet(b, 200, 64, 1)
	for b.Loop() {
		for host := range f.Hosts() {
			f.Past(host, at, 900)
		}
	}
}
