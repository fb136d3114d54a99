package users

import (
	"testing"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

func TestWord(t *testing.T) {
	limit := func(name string, used float64) []capacity.Limit {
		return []capacity.Limit{{Name: name, Used: used, Capacity: 1, Unit: "core"}}
	}
	found := func(verdict string) []fleet.Finding { return []fleet.Finding{{Verdict: verdict, Demand: 1}} }
	for want, h := range map[string]*fleet.Host{
		"?":                 {},
		"THREAD-BOUND":      {Findings: found(fleet.SingleThread), Limits: limit("cpu", 0.5)},
		"WORKERS FULL":      {Findings: found(fleet.WorkersFull), Limits: limit("thread", 1)},
		"PINNED":            {Findings: found(fleet.Pinned), Limits: limit("thread", 1)},
		"CPU-BOUND, even":   {Limits: limit("cpu", 0.97), Cores: []float64{0.99, 0.95}},
		"CPU-BOUND, uneven": {Limits: limit("cpu", 0.81), Cores: []float64{1, 0.62}},
		"CPU-BOUND":         {Limits: limit("cpu", 0.97), Cores: []float64{0.97}},
		"ROOM, cpu 45%":     {Limits: limit("cpu", 0.45), Cores: []float64{0.45, 0.45}},
		"FILES-BOUND":       {Limits: limit("files", 0.9)},
		"? a busy thread is looked at for five seconds": {Limits: limit("cpu", 0.5), Newest: &sample.Sample{FindingsPending: true}},
	} {
		if got := word(h); got != want {
			t.Errorf("%+v: %q, want %q", h, got, want)
		}
	}
	// With a thread for each core they fill up together.
	for cpu, want := range map[float64]string{0.5: "THREAD-BOUND", 0.9: "CPU-BOUND, even"} {
		h := &fleet.Host{Limits: append(limit("thread", 0.93), limit("cpu", cpu)...), Cores: []float64{cpu, cpu}}
		if got := word(h); got != want {
			t.Errorf("a thread at 93%% beside cores at %v: %q, want %q", cpu, got, want)
		}
	}
}
