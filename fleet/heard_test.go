package fleet

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"capmon/capacity"
	"capmon/sample"
)

// What is heard of services is what their last ten samples say, in whatever
// order those came.
func TestHeard(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := &host{runs: []run{{epoch: 1, number: 1}}}
		var all []*sample.Sample
		for seq := range uint64(r.IntN(40) + 1) {
			if r.IntN(5) > 0 {
				all = append(all, heardSample(r, seq+1))
			}
		}
		if len(all) == 0 {
			continue
		}
		come := slices.Clone(all)
		for i := range come { // a little out of order
			k := min(i+r.IntN(4), len(come)-1)
			come[i], come[k] = come[k], come[i]
		}
		for _, s := range come {
			h.remember(s)
		}
		for _, v := range h.services() {
			want := reference(h, all, v.Port)
			if !near(v.RPS, want.RPS) || !near(v.Run, want.Run) || !near(v.Top, want.Top) || v.Errors != want.Errors || v.Files != want.Files {
				t.Fatalf("seed %d: port %d is\n%+v %+v %+v errors %+v files %+v, want\n%+v %+v %+v errors %+v files %+v", seed, v.Port,
					v.RPS, v.Run, v.Top, v.Errors, v.Files, want.RPS, want.Run, want.Top, want.Errors, want.Files)
			}
		}
	}
}

func near(a, b capacity.Num) bool { return a.OK == b.OK && math.Abs(a.V-b.V) <= 1e-9*math.Abs(b.V) }

func heardSample(r *rand.Rand, seq uint64) *sample.Sample {
	s := &sample.Sample{Seq: seq, TimeMs: int64(seq)*1000 + r.Int64N(300), IntervalMs: uint32(r.IntN(3) * 700)}
	for port := range uint32(4) {
		if r.IntN(4) == 0 {
			continue
		}
		v := &sample.Service{Port: port + 1, Name: "s"}
		some := func() bool { return r.IntN(3) > 0 }
		if some() {
			v.Rps = new(r.Float32() - 0.1)
		}
		if some() {
			v.RunUs = new(r.Uint32N(1e6))
		}
		if some() {
			v.TopUs = new(r.Uint32N(1e6))
		}
		if some() {
			v.Responses, v.Status = new(seq*100-r.Uint64N(3)*90), []uint64{0, 0, seq * r.Uint64N(3)}
		}
		if r.IntN(8) == 0 {
			v.Limits = &sample.ServiceLimits{Files: new(seq)}
		}
		s.Services = append(s.Services, v)
	}
	r.Shuffle(len(s.Services), func(i, k int) { s.Services[i], s.Services[k] = s.Services[k], s.Services[i] })
	return s
}

// reference works it out from the samples themselves.
func reference(h *host, all []*sample.Sample, port int) (want Service) {
	slices.SortFunc(all, func(a, b *sample.Sample) int { return cmp.Compare(a.GetSeq(), b.GetSeq()) })
	last := all[max(len(all)-maxRecent, 0):]
	var rps, run, top mean
	var was *sample.Service
	var errors, responses uint64
	for _, s := range last {
		i := slices.IndexFunc(s.GetServices(), func(v *sample.Service) bool { return int(v.GetPort()) == port })
		if i < 0 {
			continue
		}
		v := s.GetServices()[i]
		if v.Limits != nil {
			want.Files = whole64(v.Limits.Files)
		}
		if s.GetTimeMs() <= h.newest.GetTimeMs()-10_000 {
			continue
		}
		ms := float64(h.covered(s.GetIntervalMs()))
		if v.Rps != nil && *v.Rps >= 0 {
			rps.add(float64(*v.Rps), ms)
		}
		if v.RunUs != nil {
			run.add(float64(*v.RunUs)/1e6, ms)
		}
		if v.TopUs != nil {
			top.add(float64(*v.TopUs)/1e6, ms)
		}
		if v.Responses == nil {
			continue
		}
		if was != nil && *v.Responses >= *was.Responses && v.Status[2] >= was.Status[2] {
			responses += *v.Responses - *was.Responses
			errors += v.Status[2] - was.Status[2]
		}
		was = v
	}
	want.RPS, want.Run, want.Top = capacity.Known(rps.value()), capacity.Known(run.value()), capacity.Known(top.value())
	if responses > 0 && errors <= responses {
		want.Errors = capacity.Known(float64(errors) / float64(responses))
	}
	return want
}
