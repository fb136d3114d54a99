package demo

import (
	"fmt"
	"slices"
	"time"

	"capmon/fleet"
)

// pastSeconds is how much of the past a scene's hosts remember.
const pastSeconds = 900

// Scene is a simulated fleet in a certain state, for tests and pictures.
type Scene struct {
	Fleet  FleetConfig
	Policy fleet.Policy
	// Hosts, counted from 0, that fell silent: some seconds ago, long ago and
	// refusing, or that never answered.
	Stale, Down, Unseen []int
}

// Calm is nine hosts that are enough for their users.
func Calm(seed uint64) Scene {
	return Scene{
		Fleet:  FleetConfig{Hosts: 9, Cores: 8, Seed: seed, Load: 0.72},
		Policy: fleet.Policy{Target: 0.80, Spare: 1, PerServer: PerServer, Min: 2, Max: 12, WarmUp: 3 * time.Minute},
	}
}

// Busy is nine hosts near their limit in a group of at most ten.
func Busy(seed uint64) Scene {
	s := Calm(seed)
	s.Fleet.Load, s.Policy.Max = 1.02, 10
	return s
}

// Partial is Calm with one host stale, one down and one that was never seen.
func Partial(seed uint64) Scene {
	s := Calm(seed)
	s.Stale, s.Down, s.Unseen = []int{2}, []int{5}, []int{8}
	return s
}

// Dark is Calm when no host answers any more.
func Dark(seed uint64) Scene {
	s := Calm(seed)
	s.Down = []int{0, 1, 2, 3, 4, 5, 6, 7}
	s.Unseen = []int{8}
	return s
}

// Snapshot is the scene at a moment, as a viewer sees it that has just
// connected: the last 15 minutes by the second and three hours of points.
func (s Scene) Snapshot(ask fleet.Ask, at time.Time) (fleet.Snapshot, error) {
	f, err := s.Build(at)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	return f.Snapshot(ask, at), nil
}

// Build is the fleet of the scene at a moment. The error names the bound that
// the config breaks.
func (s Scene) Build(at time.Time) (*fleet.Fleet, error) {
	sim, err := NewFleet(s.Fleet)
	if err != nil {
		return nil, err
	}
	for _, i := range slices.Concat(s.Stale, s.Down, s.Unseen) {
		if i < 0 || i >= sim.Hosts() {
			return nil, fmt.Errorf("host %d of a scene with %d hosts: give 0 to %d", i, sim.Hosts(), sim.Hosts()-1)
		}
	}
	f := fleet.New(fleet.Config{Policy: s.Policy})
	for i := range sim.Hosts() {
		name := sim.hosts[i].name
		f.Join(name, fmt.Sprintf("10.0.%d.%d:7077", i/250, i%250+1), at.Add(-time.Hour))
		if slices.Contains(s.Unseen, i) {
			f.Link(name, false, false, "look up "+name+": no such host", "check the name, or give its address", at)
			continue
		}
		// Samples do not arrive all at once: each host has its own part of the second.
		end := at.Add(-time.Duration(mix(sim.hosts[i].key)%900) * time.Millisecond)
		switch {
		case slices.Contains(s.Stale, i):
			end = end.Add(-5 * time.Second)
		case slices.Contains(s.Down, i):
			end = end.Add(-42 * time.Second)
		}
		feed(f, sim, i, end)
		if slices.Contains(s.Down, i) {
			f.Link(name, false, true, "connection refused: no agent listens there", "run `capmon agent --listen :7077` on "+name, at)
		}
	}
	return f, nil
}

// feed gives one host's past to a fleet as it arrives from an agent: the newest
// sample, those before it, and the points.
func feed(f *fleet.Fleet, sim *Fleet, host int, end time.Time) {
	m := sim.Machine(host)
	name := m.GetHostname()
	f.Machine(name, m, end)
	past := sim.Past(host, end, pastSeconds)
	last := len(past) - 1
	f.Samples(name, m.GetEpoch(), past[:last], end.Add(-time.Second))
	f.Samples(name, m.GetEpoch(), past[last:], end)
	f.Points(name, m.GetEpoch(), sim.Points(host, end.Add(-pastSeconds*time.Second), 3*360-90), end)
}

// Snapshot is a simulated fleet at a moment, all hosts up, under the policy
// that suits it. The error names the bound that the config breaks.
func Snapshot(c FleetConfig, ask fleet.Ask, at time.Time) (fleet.Snapshot, error) {
	f, err := NewFleet(c)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	return Scene{Fleet: c, Policy: f.Policy()}.Snapshot(ask, at)
}
