package fleet_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// t0 is a moment of the viewer's clock at which the tests begin.
var t0 = time.Date(2026, 11, 23, 3, 12, 7, 0, time.UTC)

func after(seconds float64) time.Time {
	return t0.Add(time.Duration(seconds * float64(time.Second)))
}

// second is sample seq, labelled with a moment, of a host with cores that use
// so much and so many connections.
func second(seq int, at time.Time, cores int, used float32, conns uint32) *sample.Sample {
	busy := make([]byte, cores)
	for i := range busy {
		busy[i] = sample.EncodeBusy(float64(used) / float64(cores))
	}
	return &sample.Sample{
		Seq: uint64(seq), TimeMs: at.UnixMilli(),
		Cpu: &sample.Cpu{
			Busy: busy, Available: new(float32(cores)), AvailableFrom: sample.Bound_BOUND_ONLINE, Used: &used,
		},
		Connections: &sample.Connections{Served: &conns},
	}
}

func machine(epoch uint64) *sample.Machine {
	return &sample.Machine{Epoch: epoch, Hostname: "web", IntervalMs: 1000}
}

// one is a fleet of one host with n seconds behind it, the last labelled t0 and
// arrived then.
func one(n int, policy fleet.Policy) *fleet.Fleet {
	f := fleet.New(fleet.Config{Policy: policy})
	f.Join("web", "10.0.0.1:7077", t0)
	f.Machine("web", machine(7), t0)
	for i := n - 1; i >= 0; i-- {
		at := after(float64(-i))
		f.Samples("web", 7, []*sample.Sample{second(n-i, at, 8, 4, 1000)}, at)
	}
	return f
}

func host(t *testing.T, s fleet.Snapshot, name string) fleet.Host {
	t.Helper()
	for _, h := range s.Hosts {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("no host %s in the snapshot", name)
	return fleet.Host{}
}

// equal compares snapshots to the last bit; NaN equals NaN.
func equal(a, b fleet.Snapshot) string {
	return cmp.Diff(a, b, protocmp.Transform(), cmpopts.EquateNaNs(), cmpopts.EquateComparable(capacity.Cost{}, capacity.Estimate{}))
}

func TestStates(t *testing.T) {
	type state struct {
		State   fleet.State
		Counted bool
		Age     capacity.Num
		Known   bool // its numbers
		Next    float64
	}
	for _, c := range []struct {
		interval uint32
		after    float64
		want     state
	}{
		{1000, 0, state{fleet.Up, true, capacity.Known(0), true, 3}},
		{1000, 2.9, state{fleet.Up, true, capacity.Known(2.9), true, 3}},
		{1000, 3, state{fleet.Stale, true, capacity.Known(3), true, 4}},
		{1000, 9.5, state{fleet.Stale, true, capacity.Known(9.5), true, 10}},
		{1000, 10, state{fleet.Stale, false, capacity.Known(10), true, 11}},
		{1000, 29.9, state{fleet.Stale, false, capacity.Known(29.9), true, 30}},
		{1000, 30, state{fleet.Down, false, capacity.Known(30), false, 0}},
		{10_000, 29, state{fleet.Up, true, capacity.Known(29), true, 30}},
		{10_000, 31, state{fleet.Stale, true, capacity.Known(31), true, 32}},
		{10_000, 100, state{fleet.Stale, false, capacity.Known(100), true, 101}},
		{10_000, 300, state{fleet.Down, false, capacity.Known(300), false, 0}},
		{1500, 4.4, state{fleet.Up, true, capacity.Known(4.4), true, 4.5}},
		{1500, 14.2, state{fleet.Stale, true, capacity.Known(14.2), true, 15}},
		{1250, 12.2, state{fleet.Stale, true, capacity.Known(12.2), true, 12.5}},
		{2500, 7.2, state{fleet.Up, true, capacity.Known(7.2), true, 7.5}},
	} {
		t.Run(fmt.Sprintf("%dms after %vs", c.interval, c.after), func(t *testing.T) {
			f := fleet.New(fleet.Config{})
			f.Join("web", "", t0)
			m := machine(1)
			m.IntervalMs = c.interval
			f.Machine("web", m, t0)
			f.Samples("web", 1, []*sample.Sample{second(1, t0, 2, 1, 5)}, t0)
			now := after(c.after)
			s := f.Snapshot(fleet.Ask{}, now)
			h := host(t, s, "web")
			got := state{h.State, h.Counted, h.Age, h.CPU.OK, 0}
			if next := f.Next(now); !next.IsZero() {
				got.Next = next.Sub(t0).Seconds()
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
			if (h.Newest != nil) != c.want.Known || s.Totals.Counted != map[bool]int{true: 1}[c.want.Counted] {
				t.Errorf("newest %v, counted %d", h.Newest, s.Totals.Counted)
			}
			if slices.Contains(h.Flags, "stale") != (c.want.State == fleet.Stale) || (h.Reason == "") != (c.want.State == fleet.Up) {
				t.Errorf("flags %v, reason %q", h.Flags, h.Reason)
			}
		})
	}
}

func TestNeverAnswered(t *testing.T) {
	f := fleet.New(fleet.Config{})
	for _, name := range []string{"silent", "refusing", "fails"} {
		f.Join(name, name+":7077", t0)
	}
	f.Link("refusing", false, true, "connection refused", "run `capmon agent` there", t0)
	f.Link("fails", false, false, "no route to host", "check the network", t0)
	s := f.Snapshot(fleet.Ask{}, after(100))
	type line struct {
		Name, State, Reason, Do string
		Age                     capacity.Num
	}
	var got []line
	for _, h := range s.Hosts {
		got = append(got, line{h.Name, h.State.String(), h.Reason, h.Do, h.Age})
	}
	want := []line{
		{"silent", "unseen", "has not answered yet", "", capacity.Num{}},
		{"refusing", "down", "connection refused", "run `capmon agent` there", capacity.Num{}},
		{"fails", "unseen", "no route to host", "check the network", capacity.Num{}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if next := f.Next(after(100)); !next.IsZero() {
		t.Errorf("next %v: nothing changes by itself", next)
	}
}

// A host that answered and then refuses is down at once; it is up again with
// its next sample.
func TestRefusedAndBack(t *testing.T) {
	f := one(5, fleet.Policy{})
	f.Link("web", false, true, "connection refused", "start the agent", after(1))
	h := host(t, f.Snapshot(fleet.Ask{}, after(1)), "web")
	if h.State != fleet.Down || h.Reason != "connection refused" || h.CPU.OK || h.Newest != nil || h.Machine == nil || !h.Age.OK {
		t.Errorf("refused: %v %q cpu %v newest %v machine %v age %v", h.State, h.Reason, h.CPU, h.Newest, h.Machine, h.Age)
	}
	f.Samples("web", 7, []*sample.Sample{second(6, after(2), 8, 4, 1000)}, after(2))
	if h := host(t, f.Snapshot(fleet.Ask{}, after(2)), "web"); h.State != fleet.Up || h.Reason != "" || !h.CPU.OK {
		t.Errorf("back: %v %q %v", h.State, h.Reason, h.CPU)
	}
}

func TestBacklogDoesNotMakeFresh(t *testing.T) {
	f := one(3, fleet.Policy{}) // seq 1..3 at -2..0
	var late []*sample.Sample
	for i := range 3 {
		late = append(late, second(i+1, after(float64(i-2)), 8, 4, 1000))
	}
	f.Samples("web", 7, late, after(20))
	h := host(t, f.Snapshot(fleet.Ask{}, after(20)), "web")
	if h.State != fleet.Stale || h.Age.V != 20 || h.Newest.GetSeq() != 3 {
		t.Errorf("state %v, age %v, newest %d", h.State, h.Age.V, h.Newest.GetSeq())
	}
}

// The link was lost for 40 seconds; what was missed follows the newest sample.
func TestResumeWithoutGap(t *testing.T) {
	f := one(60, fleet.Policy{})
	at := after(41)
	f.Samples("web", 7, []*sample.Sample{second(101, at, 8, 4, 1000)}, at)
	gap := f.Snapshot(fleet.Ask{Span: time.Minute, Buckets: 60}, at)
	if n := missing(gap.Chart.CoresUsed); n < 36 {
		t.Errorf("%d seconds are missing before the resume, want about 38", n)
	}
	if h := host(t, f.Snapshot(fleet.Ask{At: after(20)}, at), "web"); h.Newest != nil || h.CPU.OK || h.Counted {
		t.Errorf("in the gap: newest %v, cpu %v", h.Newest, h.CPU)
	}
	var missed []*sample.Sample
	for i := 1; i <= 40; i++ {
		missed = append(missed, second(60+i, after(float64(i)), 8, 6, 2000))
	}
	f.Samples("web", 7, missed, at)
	full := f.Snapshot(fleet.Ask{Span: time.Minute, Buckets: 60}, at)
	if n := missing(full.Chart.CoresUsed); n != 0 {
		t.Errorf("%d seconds are missing after the resume: %v", n, full.Chart.CoresUsed)
	}
	h := host(t, f.Snapshot(fleet.Ask{At: after(20)}, at), "web")
	if h.Newest.GetSeq() != 80 || h.CPU.V != 0.75 || h.Connections.V != 2000 || len(h.Cores) != 8 || !h.Counted || h.State != fleet.Up {
		t.Errorf("filled in: %+v", h)
	}
	if h := host(t, full, "web"); h.Newest.GetSeq() != 101 || h.State != fleet.Up {
		t.Errorf("newest %d, %v", h.Newest.GetSeq(), h.State)
	}
}

func missing(list []float64) int {
	n := 0
	for _, v := range list {
		if math.IsNaN(v) {
			n++
		}
	}
	return n
}

// A restarted agent is the same host with a gap; what it said before stays.
func TestRestart(t *testing.T) {
	f := one(10, fleet.Policy{})
	f.Machine("web", machine(8), after(5))
	f.Samples("web", 8, []*sample.Sample{second(1, after(5), 8, 2, 10)}, after(5))
	f.Samples("web", 7, []*sample.Sample{second(11, after(1), 8, 4, 1000)}, after(5)) // late, of the old run
	s := f.Snapshot(fleet.Ask{Span: 15 * time.Second, Buckets: 15}, after(5))
	h := host(t, s, "web")
	if len(s.Hosts) != 1 || h.Restarts != 1 || h.Newest.GetSeq() != 1 || h.Connections.V != 10 || h.State != fleet.Up {
		t.Errorf("%d hosts, %d restarts, newest %d, %v connections, %v", len(s.Hosts), h.Restarts, h.Newest.GetSeq(), h.Connections.V, h.State)
	}
	nan := math.NaN()
	want := []float64{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, nan, nan, nan, 2}
	if d := cmp.Diff(want, s.Chart.CoresUsed, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	f.Machine("web", machine(8), after(6)) // the same stream again is no restart
	if h := host(t, f.Snapshot(fleet.Ask{}, after(6)), "web"); h.Restarts != 1 {
		t.Errorf("%d restarts", h.Restarts)
	}
}

// The same samples give the same snapshot, in whatever order and however often
// they come, once the next live one has come.
func TestAnyOrder(t *testing.T) {
	const n = 400
	var all []*sample.Sample
	for i := range n {
		if i%97 == 5 {
			continue // an outage: the seq goes on
		}
		s := second(i+1, after(float64(i-n)), 4, float32(i%40)/10, uint32(1000+i))
		s.Services = []*sample.Service{{Port: 80, Name: "nginx", Rps: new(float32(i)), RpsSource: sample.RpsSource_RPS_SOURCE_NGINX}}
		all = append(all, s)
	}
	deliver := func(order []*sample.Sample, batch int) []fleet.Snapshot {
		f := fleet.New(fleet.Config{Policy: fleet.Policy{PerServer: 2000}})
		f.Join("web", "", t0)
		f.Machine("web", machine(7), t0)
		for part := range slices.Chunk(order, batch) {
			f.Samples("web", 7, part, t0)
			f.Snapshot(fleet.Ask{Buckets: 60}, t0) // what a cache keeps must not show
		}
		f.Samples("web", 7, []*sample.Sample{second(n+1, after(0.5), 4, 2, 1500)}, after(0.6))
		now := after(1)
		return []fleet.Snapshot{
			f.Snapshot(fleet.Ask{Buckets: 60, Host: "web"}, now),
			f.Snapshot(fleet.Ask{At: after(-100), Buckets: 100, Span: 5 * time.Minute}, now),
		}
	}
	want := deliver(all, 1)
	if h := want[0].Hosts[0]; !h.RPS.OK || missing(want[0].Chart.CoresUsed) == 60 {
		t.Fatalf("the snapshot to compare with is empty: %+v", h)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20 {
		order := slices.Concat(all, all[:r.IntN(len(all))]) // some come twice
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for j, got := range deliver(order, 1+r.IntN(len(order))) {
			if d := equal(want[j], got); d != "" {
				t.Fatalf("order %d, snapshot %d: want -, got +\n%s", i, j, d)
			}
		}
	}
}

func TestClockSkew(t *testing.T) {
	for _, c := range []struct {
		name  string
		ahead float64 // of the label, seconds
		lag   []float64
		skew  float64
		flag  bool
	}{
		{"in step", 0, []float64{0.2, 0.1, 0.3}, -0.1, false},
		{"two seconds ahead", 2, []float64{0.5, 0.25, 0.75}, 1.75, true},
		{"a minute behind", -60, []float64{0.5, 0.1, 0.2}, -60.1, true},
		{"one slow delivery among quick ones", 0, []float64{4, 0.1, 3}, -0.1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fleet.New(fleet.Config{})
			f.Join("web", "", t0)
			f.Machine("web", machine(1), t0)
			for i, lag := range c.lag {
				made := float64(i * 10)
				f.Samples("web", 1, []*sample.Sample{second(i+2, after(made+c.ahead), 2, 1, 1)}, after(made+lag))
			}
			// Backlog does not count: it is old because it was late, not by its clock.
			f.Samples("web", 1, []*sample.Sample{second(1, after(-500), 2, 1, 1)}, after(20.5))
			h := host(t, f.Snapshot(fleet.Ask{}, after(21)), "web")
			if math.Abs(h.Skew.V-c.skew) > 1e-9 || !h.Skew.OK || slices.Contains(h.Flags, "clock-skew") != c.flag {
				t.Errorf("skew %+v, flags %v; want %v, %v", h.Skew, h.Flags, c.skew, c.flag)
			}
		})
	}
}

// A single sample may be as old as the interval before it was asked for: its
// age is no skew. One from the future is.
func TestSkewOfOneSample(t *testing.T) {
	for ahead, known := range map[float64]bool{-0.9: false, -2.9: false, 5: true, -3600: true} {
		f := fleet.New(fleet.Config{})
		f.Join("web", "", t0)
		f.Samples("web", 1, []*sample.Sample{second(1, after(ahead), 2, 1, 1)}, t0)
		if h := f.Snapshot(fleet.Ask{}, t0).Hosts[0]; h.Skew.OK != known || (known && h.Skew.V != ahead) {
			t.Errorf("%v s ahead: skew %+v, want known %v", ahead, h.Skew, known)
		}
	}
}

// The history of a host whose clock is wrong lies where it happened by ours.
func TestSkewedHistory(t *testing.T) {
	f := fleet.New(fleet.Config{})
	f.Join("web", "", t0)
	f.Machine("web", machine(1), t0)
	for i := range 30 {
		at := float64(i - 29)
		f.Samples("web", 1, []*sample.Sample{second(i+1, after(at+3600), 8, float32(i), 1)}, after(at))
	}
	s := f.Snapshot(fleet.Ask{Span: 30 * time.Second, Buckets: 30}, t0)
	if n := missing(s.Chart.CoresUsed); n != 0 || s.Chart.CoresUsed[29] != 29 {
		t.Errorf("chart %v", s.Chart.CoresUsed)
	}
	if h := f.Snapshot(fleet.Ask{At: after(-9)}, t0).Hosts[0]; h.CoresUsed.V != 20 {
		t.Errorf("nine seconds ago: %v cores used, want 20", h.CoresUsed)
	}
}

func num(v float64) capacity.Num { return capacity.Known(v) }
