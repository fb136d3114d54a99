package fleet_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"capmon/fleet"
	"capmon/sample"
)

func TestNotes(t *testing.T) {
	f := fleet.New(fleet.Config{})
	for _, name := range []string{"localhost", "127.0.0.1", "other", "gone"} {
		f.Join(name, "", t0)
	}
	m := machine(7)
	m.Hostname = "数据库"
	f.Machine("localhost", m, t0)
	f.Machine("127.0.0.1", m, t0)
	f.Machine("other", machine(8), t0)
	f.Dropped("other", 1200)
	f.Dropped("other", 34)
	f.Leave("gone", t0)
	want := []string{
		"localhost and 127.0.0.1 are one machine (数据库): name it once, or it counts more than once",
		"1,234 samples of other were dropped: this viewer was too slow for them",
		"gone left the list: the name no longer leads there",
	}
	s := f.Snapshot(fleet.Ask{}, after(1))
	if d := cmp.Diff(want, s.Notes); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if len(s.Hosts) != 3 {
		t.Errorf("%d hosts: two entries of one machine are pointed out, not merged", len(s.Hosts))
	}
	f.Join("gone", "", after(2))
	if s := f.Snapshot(fleet.Ask{}, after(3)); len(s.Notes) != 2 || s.Hosts[3].Name != "gone" || s.Hosts[3].State != fleet.Unseen {
		t.Errorf("back again: %v", s.Notes)
	}
}

func TestStrangersAreIgnored(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Samples("nobody", 1, []*sample.Sample{second(1, t0, 1, 1, 1)}, t0)
	f.Machine("nobody", machine(1), t0)
	f.Leave("nobody", t0)
	f.Link("nobody", true, false, "", "", t0)
	f.Join("web", "", t0)
	f.Machine("web", nil, t0)
	f.Samples("web", 1, []*sample.Sample{nil, {}}, t0)
	f.Points("web", 1, []*sample.Point{nil}, t0)
	f.Detail("web", nil, t0)
	if s := f.Snapshot(fleet.Ask{Buckets: 5, Host: "web"}, t0); len(s.Hosts) != 1 || s.Hosts[0].State != fleet.Unseen || len(s.Notes) != 0 {
		t.Errorf("%+v", s)
	}
}

// A fleet is fed and looked at from many goroutines at once.
func TestConcurrentUse(t *testing.T) {
	f := fleet.New(fleet.Config{})
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		f.Join(name, "", t0)
		wg.Go(func() {
			for i := range 300 {
				at := after(float64(i))
				f.Machine(name, machine(uint64(i/100+1)), at)
				f.Samples(name, uint64(i/100+1), []*sample.Sample{second(i+1, at, 4, 1, 1)}, at)
				f.Detail(name, &sample.Sample{CoreParts: make([]byte, 20)}, at)
				f.Link(name, i%2 == 0, false, "lost", "", at)
				f.Dropped(name, 1)
			}
		})
	}
	var last fleet.Snapshot
	wg.Go(func() {
		for i := range 300 {
			last = f.Snapshot(fleet.Ask{Buckets: 20, Host: "a"}, after(float64(i)))
			check(t, last)
			f.Next(after(float64(i)))
			f.Join("d", "", t0)
			f.Leave("d", t0)
		}
	})
	wg.Wait()
	check(t, last)
	if s := f.Snapshot(fleet.Ask{}, after(300)); s.Totals.Up != 3 || s.Hosts[0].Restarts != 2 {
		t.Errorf("%+v", s.Totals)
	}
}
