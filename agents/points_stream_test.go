package agents

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/agents/rpc"
	"capmon/sample"
)

// arrivals is a ledger that also notes when each point came.
type arrivals struct {
	*ledger
	calls [][]int64 // times of the points of one call
	late  []time.Duration
}

func (a *arrivals) Points(host string, epoch uint64, list []*sample.Point) {
	var times []int64
	for _, p := range list {
		times = append(times, p.GetTime())
		a.late = append(a.late, time.Since(time.Unix(p.GetTime(), 0).Add(PointTime)))
	}
	a.calls = append(a.calls, times)
	a.ledger.Points(host, epoch, list)
}

// TestPointsComeOnceAndInOrder is what learns from points as they come stands
// on: a viewer that stays has each new one alone, once and at once; after a lost
// link those that it missed come first and in order, with all that is in them.
func TestPointsComeOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t, Config{}, 900)
		stop := background(t, a.Run)
		sink := &arrivals{ledger: newLedger()}
		v := NewViewer(ViewerOptions{Sink: sink})
		h := v.newHost("web-1")
		sink.Join("web-1", "", "")
		follow := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_ = h.stream(ctx, func(ctx context.Context, r *rpc.SubscribeRequest, take func(*rpc.Update) error) error {
				return a.Subscribe(ctx, r, func(u *rpc.Update) error { return take(cloneUpdate(u)) })
			}, func() error { return nil })
		}
		follow(30 * time.Second)
		remembered := 0
		for _, call := range sink.calls {
			if len(call) > 1 {
				remembered += len(call)
			}
		}
		if remembered < 85 {
			t.Errorf("of the 90 points of the past %d came", remembered)
		}
		sink.calls, sink.late = nil, nil
		follow(60 * time.Second)
		for i, call := range sink.calls {
			if len(call) != 1 || sink.late[i] > 2*time.Second {
				t.Errorf("a viewer that is connected has %v at once, %v late", call, sink.late[i])
			}
		}
		if n := len(sink.calls); n < 5 || n > 7 {
			t.Errorf("%d points in a minute", n)
		}
		for _, away := range []time.Duration{45 * time.Second, 3 * time.Second, 10 * time.Minute} {
			time.Sleep(away)
			follow(25 * time.Second)
		}
		stop()
		sink.read("web-1", func(acc *account) {
			var came []int64
			for _, p := range acc.points[a.Machine().GetEpoch()] {
				came = append(came, p.GetTime())
				if got := p.GetServices(); len(got) != 3 || got[0].GetRps() != 100 || p.GetSteal() == 0 {
					t.Fatalf("point %v", p)
				}
			}
			if diff := cmp.Diff(times(a.memory), came); diff != "" {
				t.Errorf("points made and come (-made +come):\n%s", diff)
			}
		})
	})
}

// TestRememberMakesPoints: fifteen minutes that are filled in are as good for
// learning as those that were lived through.
func TestRememberMakesPoints(t *testing.T) {
	a := newAgent(t, Config{}, 0)
	past := pastOf(900, time.Unix(1_795_000_000, 0))
	for i, s := range past {
		rps := float32(100 + i/10)
		for _, v := range s.GetServices() {
			v.Rps, v.RunUs, v.TopUs, v.OneThread = &rps, new(uint32(1e4*rps)), new(uint32(5e3*rps)), new(true)
		}
	}
	a.Remember(past)
	var points []*sample.Point
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := a.Subscribe(ctx, &rpc.SubscribeRequest{}, func(u *rpc.Update) error {
		points = append(points, cloneUpdate(u).GetPoints()...)
		if len(points) >= 88 {
			return errCut
		}
		return nil
	})
	if !errors.Is(err, errCut) {
		t.Fatalf("%d points of 900 seconds: %v", len(points), err)
	}
	for _, p := range points {
		for _, v := range p.GetServices() {
			if r := v.GetRun() / v.GetRps(); r < 0.00998 || r > 0.01002 || v.GetTop() < 0.499*v.GetRun() || v.GetTop() > 0.501*v.GetRun() {
				t.Errorf("a hundredth of a core a request, half of it by one thread, became %v", v)
			}
		}
	}
}
