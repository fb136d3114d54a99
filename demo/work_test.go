package demo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/agents"
	"capmon/agents/rpc"
	"capmon/demo"
	"capmon/sample"
)

var errEnough = errors.New("enough")

// remembered are the points that an agent makes of a host's last 15 minutes.
func remembered(t *testing.T, past []*sample.Sample, src agents.Source) []*sample.Point {
	t.Helper()
	a, err := agents.New(agents.Config{Source: src, Hostname: "ws", Simulated: true})
	if err != nil {
		t.Fatal(err)
	}
	a.Remember(past)
	var list []*sample.Point
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = a.Subscribe(ctx, &rpc.SubscribeRequest{}, func(u *rpc.Update) error {
		for _, p := range u.GetPoints() {
			list = append(list, proto.CloneOf(p))
		}
		if len(list) >= 85 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("%d points: %v", len(list), err)
	}
	return list
}

// What a service of a simulated host works grows with its requests, in samples
// and in points alike, so that its capacity can be learned; a point that an agent
// makes of samples is like one that is given for the same time.
func TestWorkCanBeLearned(t *testing.T) {
	f := newFleet(t, 9, 8, 7)
	const ws4 = 3
	for host := range f.Hosts() {
		past := f.Past(host, at, 900)
		for _, s := range past {
			for i, v := range s.GetServices() {
				one := i < 2 || host == ws4
				if v.RunUs == nil || v.TopUs == nil || v.GetTopUs() > v.GetRunUs() || v.GetOneThread() != one {
					t.Fatalf("host %d, port %d: run %d, top %d, one thread %v", host, v.GetPort(), v.GetRunUs(), v.GetTopUs(), v.GetOneThread())
				}
			}
			if top := s.GetServices()[2].GetTopUs(); host == ws4 && top < 950_000 {
				t.Fatalf("the one thread of ws-4 runs %d µs/s", top)
			}
		}
		made := remembered(t, past, f.Source(host))
		given := make(map[int64]*sample.Point)
		for _, p := range f.Points(host, at, 90) {
			given[p.GetTime()] = p
		}
		both := 0
		for _, p := range made {
			g := given[p.GetTime()]
			if g == nil {
				continue
			}
			both++
			if len(p.GetServices()) != 2 || len(g.GetServices()) != 2 {
				t.Fatalf("host %d: services %v and %v", host, p.GetServices(), g.GetServices())
			}
			for i, v := range p.GetServices() {
				w := g.GetServices()[i]
				for _, pair := range [][2]float32{{v.GetRps(), w.GetRps()}, {v.GetRun(), w.GetRun()}, {v.GetTop(), w.GetTop()}} {
					if r := pair[0] / pair[1]; !(r > 0.9 && r < 1.1) {
						t.Errorf("host %d, port %d: made %v, given %v", host, v.GetPort(), v, w)
					}
				}
			}
		}
		if both < 80 {
			t.Errorf("host %d: %d points are of the same time", host, both)
		}
		// At the busiest hour and at dawn: the line goes through both, above 0.
		low, high := given24(f, host, 4), given24(f, host, 16)
		for i := range low {
			cost := (high[i].GetRun() - low[i].GetRun()) / (high[i].GetRps() - low[i].GetRps())
			rest := low[i].GetRun() - cost*low[i].GetRps()
			if !(cost > 0 && rest >= 0 && rest < high[i].GetRun()) {
				t.Errorf("host %d, port %d: %v cores a request and %v without", host, low[i].GetPort(), cost, rest)
			}
		}
	}
}

// given24 are the services of a host's point at an hour of the day.
func given24(f *demo.Fleet, host, hour int) []*sample.ServicePoint {
	day := at.Truncate(24 * time.Hour)
	return f.Points(host, day.Add(time.Duration(hour)*time.Hour), 1)[0].GetServices()
}
