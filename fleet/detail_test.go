package fleet_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// looked is a fleet of one host with four cores, 0, 2, 4 and 6, and what an
// agent read of it for a viewer.
func looked(d *sample.Detail, m *sample.Machine) *fleet.Fleet {
	f := fleet.New(fleet.Config{})
	f.Join("web", "", t0)
	m.Epoch, m.IntervalMs = 1, 1000
	f.Machine("web", m, t0)
	s := second(1, t0, 4, 1, 9)
	s.Cpu.Busy, s.Cpu.Ids = []byte{10, 20, 200, 250}, []uint32{0, 2, 4, 6}
	f.Samples("web", 1, []*sample.Sample{s}, t0)
	f.Detail("web", &sample.Sample{Cpu: s.GetCpu(), Detail: d}, t0)
	return f
}

func TestDetail(t *testing.T) {
	f := looked(&sample.Detail{
		CoreUsers: []*sample.CoreUser{{Core: 6, Pid: 7, Tid: 8, Name: "gc", Run: 950}, {Core: 5, Pid: 9}},
		Process: &sample.ProcessThreads{Pid: 7, More: 3, Threads: []*sample.ThreadDetail{
			{Tid: 8, Name: "gc", Run: new(uint32(950)), Wait: new(uint32(50)), State: 'R', Core: new(uint32(6)), Voluntary: new(uint32(15)), Involuntary: new(uint32(0))},
			{Tid: 7, Name: "main"},
		}},
	}, &sample.Machine{})
	past := f.Snapshot(fleet.Ask{Host: "web", PID: 7}, after(1)).Hosts[0].Past
	if d := cmp.Diff([]fleet.CoreUser{3: {PID: 7, TID: 8, Name: "gc", Run: 0.95}}, past.Users); d != "" {
		t.Errorf("users of cores: %s", d)
	}
	num := capacity.Known
	want := &fleet.Threads{PID: 7, More: 3, List: []fleet.Thread{
		{TID: 8, Name: "gc", Run: num(0.95), Wait: num(0.05), State: 'R', Core: num(6), Voluntary: num(1.5), Involuntary: num(0)},
		{TID: 7, Name: "main"}, // nothing is known is not 0
	}}
	if d := cmp.Diff(want, past.Threads); d != "" {
		t.Errorf("threads: %s", d)
	}
	for name, c := range map[string]struct {
		ask fleet.Ask
		at  time.Time
	}{
		"of another process": {fleet.Ask{Host: "web", PID: 9}, after(1)},
		"of none":            {fleet.Ask{Host: "web"}, after(1)},
		"of a while ago":     {fleet.Ask{Host: "web", PID: 7}, after(9)},
		"of an earlier time": {fleet.Ask{Host: "web", PID: 7, At: t0}, after(1)},
	} {
		if got := f.Snapshot(c.ask, c.at).Hosts[0].Past.Threads; got != nil {
			t.Errorf("threads %s: %+v", name, got)
		}
	}
}

func TestPlaces(t *testing.T) {
	place := func(socket, node, cache, physical int) fleet.Place {
		return fleet.Place{Socket: socket, Node: node, Cache: cache, Physical: physical}
	}
	for name, c := range map[string]struct {
		topology *sample.Topology
		want     []fleet.Place
		layout   fleet.Layout
	}{
		"not told": {},
		"all of the cores": {
			topology: &sample.Topology{Sockets: []uint32{0, 0, 0, 0, 1, 1, 1, 1}, Nodes: []uint32{0, 0, 0, 0, 2, 2, 2, 2}, Physical: []uint32{0, 1, 2, 3, 0, 1, 2, 3}},
			want:     []fleet.Place{place(0, 0, -1, 0), place(0, 0, -1, 2), place(1, 2, -1, 0), place(1, 2, -1, 2)},
			layout:   fleet.Layout{Sockets: 2, Nodes: 2, Physical: 4},
		},
		"some, by their numbers": {
			topology: &sample.Topology{Ids: []uint32{0, 4, 6}, Sockets: []uint32{0, 1, 1}, Caches: []uint32{0, 0, 1}},
			want:     []fleet.Place{place(0, -1, 0, -1), place(-1, -1, -1, -1), place(1, -1, 0, -1), place(1, -1, 1, -1)},
			layout:   fleet.Layout{Sockets: 2, Caches: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := looked(nil, &sample.Machine{Topology: c.topology}).Snapshot(fleet.Ask{}, after(1)).Hosts[0]
			if d := cmp.Diff(c.want, h.Places()); d != "" {
				t.Error(d)
			}
			if got := fleet.LayoutOf(c.topology); got != c.layout {
				t.Errorf("layout %+v, want %+v", got, c.layout)
			}
		})
	}
	if (&fleet.Host{}).Places() != nil {
		t.Error("a host of which nothing is known has places")
	}
}
