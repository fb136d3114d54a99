package capacity_test

import (
	"errors"
	"math"
	"testing"

	"capmon/capacity"
)

// The table of CAPACITY 3: the highest utilisation for a promise.
func TestMaxUtilisation(t *testing.T) {
	servers := []int{1, 2, 4, 8, 16, 32}
	for _, c := range []struct {
		promise capacity.Promise
		cs2     float64
		want    []float64
	}{
		{capacity.Promise{Within: 1, WaitOnly: true}, 1, []float64{.50, .71, .84, .91, .95, .97}},
		{capacity.Promise{Within: 1, WaitOnly: true}, 4, []float64{.29, .54, .72, .83, .91, .95}},
		{capacity.Promise{Share: 0.99, Within: 1, WaitOnly: true}, 1, []float64{.03, .18, .42, .64, .79, .89}},
		{capacity.Promise{Share: 0.99, Within: 10}, 1, []float64{.54, .76, .88, .94, .97, .98}},
	} {
		for i, n := range servers {
			r, err := capacity.MaxUtilisation(capacity.Workers{Count: n, Service: 1, CA2: 1, CS2: c.cs2}, c.promise)
			if err != nil || math.Abs(r.V-c.want[i]) > 0.0075 {
				t.Errorf("%s, cs² %v, %d servers: %.3f, %v; want %.2f", c.promise, c.cs2, n, r.V, err, c.want[i])
			}
		}
	}
}

func TestDefaultTarget(t *testing.T) {
	for workers, want := range map[int]float64{-1: 0.8, 0: 0.8, 1: 0.5, 2: 0.7, 3: 0.75, 4: 0.8, 64: 0.8} {
		if got := capacity.DefaultTarget(workers); math.Abs(got-want) > 1e-12 {
			t.Errorf("%d workers: %v, want %v", workers, got, want)
		}
	}
}

// What a queue's figures must agree on among themselves.
func TestQueueAgrees(t *testing.T) {
	for _, c := range []struct {
		servers  int
		rho, cs2 float64
	}{{1, 0.5, 1}, {1, 0.9, 4}, {8, 0.8, 1}, {8, 7.0 / 8, 1}, {200, 0.95, 0}, {5000, 0.99, 1}} {
		const service = 0.008
		q, err := capacity.NewQueue(c.servers, c.rho*float64(c.servers)/service, service)
		if err == nil {
			q, err = q.Varied(1, c.cs2)
		}
		if err != nil {
			t.Fatal(err)
		}
		// The mean of what is longer than t is the mean.
		sum, step := 0.0, service/200
		for x := step / 2; x < 400*service; x += step {
			sum += q.ResponseLonger(x) * step
		}
		if math.Abs(sum/q.MeanResponse()-1) > 0.002 {
			t.Errorf("%+v: mean response %v, by its tail %v", c, q.MeanResponse(), sum)
		}
		for _, share := range []float64{0.5, 0.95, 0.99, 0.999} {
			at, err := q.ResponseQuantile(share)
			if err != nil || math.Abs(q.ResponseLonger(at)-(1-share)) > 1e-9 {
				t.Errorf("%+v: p%v is %v, %v, which %v pass", c, share, at, err, q.ResponseLonger(at))
			}
		}
		if q.ServedWithin(-1) != 1-q.Waiting() || q.ResponseLonger(0) != 1 {
			t.Errorf("%+v: served at once %v, waiting %v", c, q.ServedWithin(-1), q.Waiting())
		}
	}
	if v, err := capacity.SharedResponse(0.008, 0.8); err != nil || math.Abs(v-0.04) > 1e-12 {
		t.Errorf("processor sharing: %v, %v", v, err)
	}
}

func TestQueueRefusals(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	queue := func(n int, arrivals, service float64) error {
		_, err := capacity.NewQueue(n, arrivals, service)
		return err
	}
	promise := func(w capacity.Workers, p capacity.Promise) error {
		_, err := capacity.MaxUtilisation(w, p)
		return err
	}
	one := capacity.Workers{Count: 1, Service: 1}
	first := func(_ float64, err error) error { return err }
	firstInt := func(_ int, err error) error { return err }
	for name, err := range map[string]error{
		"no server":                 queue(0, 1, 1),
		"over the servers":          queue(2, 2, 1),
		"NaN arrivals":              queue(2, nan, 1),
		"no service time":           queue(2, 1, 0),
		"infinite load":             queue(2, inf, 1),
		"too many servers":          first(capacity.ErlangC(2_000_000, 1)),
		"negative servers":          first(capacity.ErlangB(-1, 1)),
		"negative load":             first(capacity.ErlangB(1, -1)),
		"ln of nothing":             first(capacity.LnErlangB(1, 0)),
		"blocking of 1":             first(capacity.LoadForBlocking(1, 1)),
		"no worker":                 promise(capacity.Workers{Service: 1}, capacity.Promise{Within: 1}),
		"promise of no time":        promise(one, capacity.Promise{}),
		"promise of a whole":        promise(one, capacity.Promise{Share: 1, Within: 1}),
		"service alone breaks it":   promise(one, capacity.Promise{Share: 0.99, Within: 2}),
		"negative variability":      promise(capacity.Workers{Count: 1, Service: 1, CA2: -1}, capacity.Promise{Within: 5}),
		"full processor":            first(capacity.SharedResponse(1, 1)),
		"more than a million":       firstInt(capacity.ServersForWaiting(1e9, 0.1)),
		"endless load":              firstInt(capacity.ServersForBlocking(inf, 0.1)),
		"service level of 1":        firstInt(capacity.ServersForServiceLevel(1, 1, 1, 1, 1)),
		"square root of less than0": first(capacity.SquareRootStaffing(-1, 1)),
	} {
		if !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: error %v, want one that wraps ErrInput", name, err)
		}
	}
}

// FuzzQueue holds that waiting grows with the load and falls with servers, and
// that the quantile is where the tail says.
func FuzzQueue(f *testing.F) {
	f.Add(8, 6.4, 0.008, 1.0, 0.99)
	f.Add(1, 0.999999, 1.0, 0.0, 0.5)
	f.Add(12421, 12345.0, 1e-9, 4.0, 0.9999)
	f.Fuzz(func(t *testing.T, servers int, load, service, cs2, p float64) {
		if servers > 20_000 {
			servers %= 20_000
		}
		q, err := capacity.NewQueue(servers, load/service, service)
		if err == nil {
			q, err = q.Varied(1, cs2)
		}
		if err != nil {
			if !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		w := q.Waiting()
		if !(w >= 0 && w <= 1) || !(q.Occupancy() >= 0 && q.Occupancy() < 1) || !(q.MeanWait() >= 0) {
			t.Fatalf("waiting %v, occupancy %v, wait %v", w, q.Occupancy(), q.MeanWait())
		}
		b, err := capacity.ErlangB(servers, load)
		if err != nil || b > w+1e-12 {
			t.Fatalf("B %v is above C %v, %v", b, w, err)
		}
		if more, err := capacity.ErlangC(servers+1, load); err == nil && more > w+1e-12 {
			t.Fatalf("one server more: %v waits, %v before", more, w)
		}
		if less, err := capacity.ErlangC(servers, load/2); err != nil || less > w+1e-12 {
			t.Fatalf("half the load: %v waits, %v before, %v", less, w, err)
		}
		at, err := q.ResponseQuantile(p)
		if err != nil {
			return
		}
		if !(at >= 0) || q.ResponseLonger(at*1.0001) > 1-p+1e-9 || q.ResponseLonger(at*0.999) < 1-p-1e-9 {
			t.Fatalf("p%v is %v, which %v pass", p, at, q.ResponseLonger(at))
		}
	})
}
