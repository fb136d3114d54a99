package fleet

import (
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

// told is a host with a service and a process a second for n seconds, but for a
// gap, known whole to whoever asks.
func told(t *testing.T, n int, gap func(i int) bool) (f *Fleet, begin time.Time) {
	t.Helper()
	begin = time.Unix(1_790_000_000, 0)
	var all []*sample.Sample
	f = New(Config{Whole: func(host string, from, to int64) []Remembered {
		if host != "a" {
			t.Errorf("it is asked for %q", host)
		}
		var list []*sample.Sample
		for _, s := range all {
			if s.GetTimeMs() >= from && s.GetTimeMs() <= to {
				list = append(list, s)
			}
		}
		return []Remembered{{Epoch: 6}, {Epoch: 7, Samples: list}}
	}})
	f.Join("a", "a:7077", begin)
	f.Machine("a", &sample.Machine{Epoch: 7, IntervalMs: 1000, Collectors: []string{"threads"}}, begin)
	for i := range n {
		if gap(i) {
			continue
		}
		at := begin.Add(time.Duration(i) * time.Second)
		s := &sample.Sample{
			Seq: uint64(i + 1), TimeMs: at.UnixMilli(), Cpu: &sample.Cpu{Busy: []byte{byte(i % 250)}, Used: proto.Float32(0.5), Available: proto.Float32(1)},
			Services:  []*sample.Service{{Port: 80, Name: "nginx", Rps: new(float32(i)), RpsSource: sample.RpsSource_RPS_SOURCE_NGINX}},
			Processes: []*sample.Process{{Pid: 9, Name: "nginx", Run: uint32(i)}},
			Threads:   []*sample.Thread{{Pid: 9, Tid: 10, Run: uint32(i % 1000)}},
		}
		all = append(all, s)
		f.Samples("a", 7, []*sample.Sample{s}, at)
	}
	return f, begin
}

// At an earlier moment services, threads and processes are those of then where
// the sample is known whole, never those of now.
func TestEarlierMomentWhole(t *testing.T) {
	f, begin := told(t, 600, func(i int) bool { return i >= 300 && i < 340 })
	now := begin.Add(599 * time.Second)
	at := func(i int) *Host {
		return &f.Snapshot(Ask{At: begin.Add(time.Duration(i) * time.Second)}, now).Hosts[0]
	}
	h := at(200)
	if len(h.Services) != 1 || h.Services[0].RPS.V != 195.5 || h.RPS.V != 195.5 || h.RPSSource != "nginx" { // mean of 191..200
		t.Errorf("services %+v, rps %v from %q", h.Services, h.RPS, h.RPSSource)
	}
	if len(h.Processes) != 1 || h.Processes[0].CoresUsed != 0.2 || !h.Thread.Known || h.Thread.Demand != 0.2 || h.Newest.GetSeq() != 201 {
		t.Errorf("processes %+v, thread %+v, newest %d", h.Processes, h.Thread, h.Newest.GetSeq())
	}
	if len(h.Learned) > 0 || len(h.Scaling) > 0 {
		t.Error("what was learned since is told of then")
	}
	// A gap is a gap.
	if h := at(320); h.Newest != nil || h.Services != nil || h.Processes != nil || h.Thread.Known || h.CPU.OK || h.RPS.OK || h.Counted {
		t.Errorf("in a gap there is %+v", h)
	}
	// The mean of the ten seconds after a gap stands on what there is.
	if h := at(342); len(h.Services) != 1 || h.Services[0].RPS.V != 341 {
		t.Errorf("after a gap: %+v", h.Services)
	}
	// One whose sample is not known whole has no services, and no old ones.
	f.wholly = func(string, int64, int64) []Remembered {
		return []Remembered{{Epoch: 7, Samples: []*sample.Sample{{Seq: 5}}}}
	}
	if h := at(200); h.Services != nil || h.Thread.Known || !h.CPU.OK || h.RPS.V != 195.5 {
		t.Errorf("not known whole: %+v", h)
	}
}

func TestKept(t *testing.T) {
	if k := New(Config{}).Snapshot(Ask{}, time.Unix(1_790_000_000, 0)).Kept; !k.From().IsZero() {
		t.Errorf("nothing is kept from %v", k)
	}
	f, begin := told(t, 1500, func(int) bool { return false })
	now := begin.Add(1499 * time.Second)
	f.Points("a", 7, []*sample.Point{{Time: begin.Add(-2*time.Hour).Unix() / 10 * 10, Samples: 10, Cpu: proto.Float32(0.5)}}, now)
	k := f.Snapshot(Ask{}, now).Kept
	if got := now.Sub(k.Seconds); got != 899*time.Second {
		t.Errorf("seconds are kept for %v", got)
	}
	if got := begin.Sub(k.Points); got < 2*time.Hour || got > 2*time.Hour+10*time.Second || !k.From().Equal(k.Points) {
		t.Errorf("points are kept from %v before", got)
	}
	if k := f.Snapshot(Ask{}, now.Add(48*time.Hour)).Kept; now.Add(24*time.Hour).Sub(k.From()) > 0 {
		t.Errorf("two days later there is something from %v", k.From())
	}
}

// What is remembered of a host makes another fleet that shows the same.
func TestRemembered(t *testing.T) {
	f, begin := told(t, 1000, func(i int) bool { return i > 500 && i < 520 })
	now := begin.Add(999 * time.Second)
	f.Points("a", 7, []*sample.Point{{Time: begin.Add(-time.Hour).Unix() / 10 * 10, Samples: 10, Cpu: proto.Float32(0.25), Available: proto.Float32(1)}}, now)
	f.Machine("a", &sample.Machine{Epoch: 8, IntervalMs: 1000}, now) // another run
	f.Samples("a", 8, []*sample.Sample{{Seq: 1, TimeMs: now.UnixMilli() + 500, Cpu: &sample.Cpu{Busy: []byte{9}}}}, now)
	past := f.Remembered("a")
	if len(past) != 2 || past[0].Epoch != 7 || past[1].Epoch != 8 || len(past[1].Samples) != 1 || len(past[0].Samples) < 850 {
		t.Fatalf("%d runs", len(past))
	}
	if f.Remembered("b") != nil {
		t.Error("a host that is not there is remembered")
	}
	g := New(Config{})
	g.Join("a", "a:7077", now)
	for i, r := range past {
		if i == 1 {
			g.Machine("a", &sample.Machine{Epoch: 8, IntervalMs: 1000}, now)
		}
		g.Samples("a", r.Epoch, r.Samples, now)
		g.Points("a", r.Epoch, r.Points, now)
	}
	ask := Ask{Span: 90 * time.Minute, Buckets: 90}
	want, got := f.Snapshot(ask, now), g.Snapshot(ask, now)
	if want.Hosts[0].Restarts != got.Hosts[0].Restarts {
		t.Errorf("%d restarts, want %d", got.Hosts[0].Restarts, want.Hosts[0].Restarts)
	}
	known := 0
	for i, v := range want.Chart.CoresUsed {
		w := got.Chart.CoresUsed[i]
		if math.IsNaN(v) != math.IsNaN(w) || math.Abs(v-w) > 1e-6 {
			t.Errorf("minute %d: %v, want %v", i, w, v)
		}
		if !math.IsNaN(v) {
			known++
		}
	}
	if known < 15 {
		t.Errorf("only %d minutes are known: this test would see nothing", known)
	}
}
