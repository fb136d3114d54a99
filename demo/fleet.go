package demo

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"capmon/fleet"
	"capmon/sample"
)

// Bounds of FleetConfig.
const (
	MaxHosts = 1000
	MaxCores = 1024
)

// PerServer is how many connections one simulated server is meant to hold.
const PerServer = 10_000

// FleetConfig is what a simulated fleet is made with.
type FleetConfig struct {
	Hosts int // 1..MaxHosts
	Cores int // of each host, 1..MaxCores
	Seed  uint64
	// Load is the users of a mean host at the busiest hour as a share of
	// PerServer, above 0 and at most 1.2; 0 means 0.9.
	Load float64
}

// Fleet is a simulated fleet. Its methods are pure and may be called from any
// goroutine.
type Fleet struct {
	config FleetConfig
	hosts  []profile
}

// profile is what sets one host apart.
type profile struct {
	name   string
	labels []*sample.Label
	key    uint64
	users  float64    // at the busiest hour, mean of the noise
	warm   float64    // CPU for the same users
	spread []uint8    // of each core, 128 = 1
	phase  [2]float64 // of the two slow waves
	period [2]float64
	steal  bool
	thread bool   // one hot thread
	errors uint64 // responses with status 5xx, of a thousand
}

// NewFleet makes a simulated fleet. The error says which number is out of its
// bounds and what they are.
func NewFleet(c FleetConfig) (*Fleet, error) {
	if c.Load == 0 {
		c.Load = 0.9
	}
	switch {
	case c.Hosts < 1 || c.Hosts > MaxHosts:
		return nil, fmt.Errorf("%d hosts: give 1 to %d", c.Hosts, MaxHosts)
	case c.Cores < 1 || c.Cores > MaxCores:
		return nil, fmt.Errorf("%d cores: give 1 to %d", c.Cores, MaxCores)
	case !(c.Load > 0 && c.Load <= 1.2):
		return nil, fmt.Errorf("load %v: give a share above 0 and at most 1.2", c.Load)
	}
	f := &Fleet{config: c, hosts: make([]profile, c.Hosts)}
	for i := range f.hosts {
		f.hosts[i] = newProfile(c, i)
	}
	return f, nil
}

func newProfile(c FleetConfig, i int) profile {
	key := mix(c.Seed ^ mix(uint64(i)+1))
	p := profile{name: "ws-" + strconv.Itoa(i+1), key: key, errors: 1, warm: 0.94 + 0.12*unit(key, 1), spread: make([]uint8, c.Cores)}
	p.users = c.Load * PerServer * (0.985 + 0.03*unit(key, 2))
	role := "ws"
	// Of each nine hosts one runs warm, one has a neighbour that steals, one
	// answers with errors and one does all its work on one thread.
	switch i % 9 {
	case 3:
		p.thread = true
	case 4:
		p.warm *= 1.3
	case 5:
		p.errors = 25
	case 6:
		p.steal = true
	case 8:
		role = "api"
	}
	p.labels = []*sample.Label{{Key: "role", Value: role}, {Key: "zone", Value: "az-" + string(rune('a'+i%3))}}
	for core := range p.spread {
		p.spread[core] = uint8(102 + mix(key^uint64(core)<<20)%53)
	}
	for w := range p.phase {
		p.phase[w] = 2 * math.Pi * unit(key, 3+uint64(w))
	}
	p.period = [2]float64{500 + 400*unit(key, 5), 60 + 50*unit(key, 6)}
	return p
}

// Hosts is how many there are.
func (f *Fleet) Hosts() int { return len(f.hosts) }

// Policy is one that suits the fleet: 80%, one spare, PerServer connections and
// at most a third more servers than there are.
func (f *Fleet) Policy() fleet.Policy {
	n := len(f.hosts)
	return fleet.Policy{Target: 0.80, Spare: 1, PerServer: PerServer, Min: 2, Max: n + max(1, n/9), WarmUp: 3 * time.Minute}
}

// epoch is never 0.
func (p *profile) epoch() uint64 { return mix(p.key) | 1 }

// Machine is what a host says about itself; the caller may keep it.
func (f *Fleet) Machine(host int) *sample.Machine {
	p := &f.hosts[host]
	m := &sample.Machine{
		Epoch: p.epoch(), Hostname: p.name, Os: "linux", Arch: "amd64", Kernel: "6.18.0", Version: "demo",
		IntervalMs: 1000, Collectors: collectorNames(), StartedMs: began * 1000, Simulated: true, Topology: topology(f.config.Cores),
	}
	for _, l := range p.labels {
		m.Labels = append(m.Labels, &sample.Label{Key: l.GetKey(), Value: l.GetValue()})
	}
	return m
}

// topology is that of a server with two sockets and two threads a physical core,
// the second threads numbered after all the first; nil for machines that have one
// socket.
func topology(cores int) *sample.Topology {
	if cores < 16 || cores%4 != 0 {
		return nil
	}
	t := &sample.Topology{}
	for i := range cores {
		physical := i % (cores / 2)
		socket := uint32(physical / (cores / 4))
		t.Physical = append(t.Physical, uint32(physical))
		t.Sockets, t.Nodes, t.Caches = append(t.Sockets, socket), append(t.Nodes, socket), append(t.Caches, socket)
	}
	return t
}

func collectorNames() []string {
	return []string{"cpu", "memory", "connections", "services", "threads", "self"}
}

// mix is the finaliser of SplitMix64: a hash of 64 bits that costs a nanosecond.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit is a number 0..1 of a key, another for each salt.
func unit(key, salt uint64) float64 { return float64(mix(key^salt*0x5851f42d4c957f2d)>>11) / (1 << 53) }
