package agents

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"capmon/agents/rpc"
	"capmon/sample"
)

var errCut = errors.New("the link was cut")

// TestResumeHasNoGapAndNoDuplicate cuts the link at random updates and after
// random times, with random pauses in between. The layer that drops what comes
// twice is the viewer's intake.
func TestResumeHasNoGapAndNoDuplicate(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			a := newAgent(t, Config{}, r.IntN(1000))
			stop := background(t, a.Run)
			var in intake
			var seqs []uint64
			var points []int64
			for range 30 {
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(20*time.Second))
				left := r.IntN(12)
				s := newStream(&in, time.Now())
				err := a.Subscribe(ctx, in.request(), func(u *rpc.Update) error {
					if left--; left < 0 {
						return errCut
					}
					got, err := s.take(cloneUpdate(u), time.Now())
					if err != nil {
						return err
					}
					if got.dropped > 0 {
						t.Errorf("seed %d: %d samples dropped on a viewer that never blocks", seed, got.dropped)
					}
					for _, one := range got.samples {
						seqs = append(seqs, one.GetSeq())
					}
					for _, p := range got.points {
						points = append(points, p.GetTime())
					}
					return nil
				})
				cancel()
				if !errors.Is(err, errCut) && status.Code(err) != codes.DeadlineExceeded {
					t.Fatalf("seed %d: %v", seed, err)
				}
				time.Sleep(time.Duration(r.IntN(20_000)) * time.Millisecond)
			}
			// At last the link stays.
			ctx, cancel := context.WithTimeout(t.Context(), 20500*time.Millisecond)
			defer cancel()
			s := newStream(&in, time.Now())
			_ = a.Subscribe(ctx, in.request(), func(u *rpc.Update) error {
				got, err := s.take(cloneUpdate(u), time.Now())
				for _, one := range got.samples {
					seqs = append(seqs, one.GetSeq())
				}
				for _, p := range got.points {
					points = append(points, p.GetTime())
				}
				return err
			})
			stop()
			newest := a.memory.ring.newest
			oldest := seqs[0]
			for _, s := range seqs {
				oldest = min(oldest, s)
			}
			if oldest > max(1, newest-min(newest, 899)) {
				t.Errorf("seed %d: the oldest that came is %d of %d", seed, oldest, newest)
			}
			if fault := whole(seqs, oldest, newest); fault != "" {
				t.Errorf("seed %d: %s", seed, fault)
			}
			if want := times(a.memory); len(points) != len(want) || points[0] != want[0] || points[len(points)-1] != want[len(want)-1] {
				t.Errorf("seed %d: %d points came, %d were made", seed, len(points), len(want))
			}
			for i := 1; i < len(points); i++ {
				if points[i] != points[i-1]+10 {
					t.Errorf("seed %d: point %d after %d", seed, points[i], points[i-1])
				}
			}
		})
	}
}

// updates subscribes until n updates have come and returns their copies.
func updates(t *testing.T, a *Agent, r *rpc.SubscribeRequest, n int) []*rpc.Update {
	t.Helper()
	var list []*rpc.Update
	err := a.Subscribe(t.Context(), r, func(u *rpc.Update) error {
		c := cloneUpdate(u)
		c.Samples = nil
		for _, b := range u.GetSamples() {
			c.Samples = append(c.Samples, append([]byte(nil), b...))
		}
		if list = append(list, c); len(list) == n {
			return errCut
		}
		return nil
	})
	if !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	return list
}

func seqsOf(t *testing.T, u *rpc.Update) []uint64 {
	t.Helper()
	var list []uint64
	for _, b := range u.GetSamples() {
		s, err := sample.Receive(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.GetCoreParts()) > 0 {
			t.Error("a sample of a normal stream carries core_parts")
		}
		list = append(list, s.GetSeq())
	}
	return list
}

func TestTheOrderOfABacklog(t *testing.T) {
	a := newAgent(t, Config{}, 900)
	epoch := a.Machine().GetEpoch()
	list := updates(t, a, &rpc.SubscribeRequest{}, 7)
	first := list[0]
	if first.GetMachine().GetEpoch() != epoch || len(first.GetSamples()) != 1 || seqsOf(t, first)[0] != 900 || first.GetThroughSeq() != 0 {
		t.Errorf("the first update has the samples %v through %d of epoch %d", seqsOf(t, first), first.GetThroughSeq(), first.GetMachine().GetEpoch())
	}
	next := uint64(1)
	for _, u := range list[1:6] {
		size := 0
		for i, seq := range seqsOf(t, u) {
			if seq != next {
				t.Fatalf("sample %d where %d should be", seq, next)
			}
			next++
			size += len(u.GetSamples()[i])
		}
		if size > chunkBytes {
			t.Errorf("an update of %d bytes", size)
		}
		if u.GetMachine() != nil {
			t.Error("the machine comes twice")
		}
		if want := next - 1; u.GetThroughSeq() != want && !(want == 899 && u.GetThroughSeq() == 900) {
			t.Errorf("through %d after all up to %d", u.GetThroughSeq(), want)
		}
	}
	if next != 900 {
		t.Errorf("the backlog ends before %d, want 900", next)
	}
	if len(list[6].GetPoints()) == 0 || len(list[6].GetPoints()) > pointChunk {
		t.Errorf("after the backlog come %d points", len(list[6].GetPoints()))
	}

	t.Run("go on where it ended", func(t *testing.T) {
		u := updates(t, a, &rpc.SubscribeRequest{Epoch: epoch, AfterSeq: 898, AfterPoint: list[6].GetThroughPoint()}, 2)
		if got := seqsOf(t, u[0]); len(got) != 1 || got[0] != 900 || u[0].GetThroughSeq() != 898 {
			t.Errorf("first %v through %d, want 900 through 898", got, u[0].GetThroughSeq())
		}
		if got := seqsOf(t, u[1]); len(got) != 1 || got[0] != 899 || u[1].GetThroughSeq() != 900 {
			t.Errorf("then %v through %d, want 899 through 900", got, u[1].GetThroughSeq())
		}
	})
	t.Run("another run is all new", func(t *testing.T) {
		u := updates(t, a, &rpc.SubscribeRequest{Epoch: epoch + 1, AfterSeq: 898}, 2)
		if got := seqsOf(t, u[1]); got[0] != 1 {
			t.Errorf("the backlog begins with %d", got[0])
		}
	})
	t.Run("a seq that has not been", func(t *testing.T) {
		u := updates(t, a, &rpc.SubscribeRequest{Epoch: epoch, AfterSeq: 1 << 60}, 1)
		if len(u[0].GetSamples()) != 0 || u[0].GetThroughSeq() != 900 {
			t.Errorf("got %d samples through %d", len(u[0].GetSamples()), u[0].GetThroughSeq())
		}
	})
}

func TestASlowViewerLosesTheOldestAndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t, Config{}, 10)
		stop := background(t, a.Run)
		var seqs, quick []uint64
		var dropped uint64
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_ = a.Subscribe(ctx, &rpc.SubscribeRequest{}, func(u *rpc.Update) error {
				for _, b := range u.GetSamples() {
					s, _ := sample.Receive(b)
					quick = append(quick, s.GetSeq())
				}
				return nil
			})
		}()
		blocked := false
		go func() {
			_ = a.Subscribe(ctx, &rpc.SubscribeRequest{}, func(u *rpc.Update) error {
				dropped += u.GetDropped()
				for _, b := range u.GetSamples() {
					s, _ := sample.Receive(b)
					seqs = append(seqs, s.GetSeq())
				}
				if u.GetThroughSeq() == 15 && !blocked {
					blocked = true
					time.Sleep(200*time.Second + 500*time.Millisecond)
				}
				return nil
			})
		}()
		time.Sleep(300*time.Second + 500*time.Millisecond)
		cancel()
		stop()
		synctest.Wait()
		newest := a.memory.ring.newest
		if fault := whole(quick, 1, newest); fault != "" {
			t.Errorf("the quick viewer suffers: %s", fault)
		}
		// It was blocked from sample 15 to 215 and then had the newest 64.
		if dropped != 200-maxBehind {
			t.Errorf("%d samples dropped, want %d", dropped, 200-maxBehind)
		}
		if got := newest - uint64(len(seqs)); got != dropped {
			t.Errorf("%d of %d samples came, but %d are said to be dropped", len(seqs), newest, dropped)
		}
	})
}

func TestAViewerSlowerThanTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t, Config{}, 800)
		stop := background(t, a.Run)
		var dropped, came uint64
		through := uint64(0)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		go func() {
			_ = a.Subscribe(ctx, &rpc.SubscribeRequest{}, func(u *rpc.Update) error {
				dropped += u.GetDropped()
				came += uint64(len(u.GetSamples()))
				through = u.GetThroughSeq()
				if n++; n == 3 { // in the middle of the backlog
					time.Sleep(1000 * time.Second)
				}
				return nil
			})
		}()
		time.Sleep(1100*time.Second + 500*time.Millisecond)
		cancel()
		stop()
		synctest.Wait()
		if newest := a.memory.ring.newest; came+dropped != newest || through != newest {
			t.Errorf("%d came and %d are said to be dropped, of %d (through %d)", came, dropped, newest, through)
		}
		if dropped == 0 {
			t.Error("nothing was dropped")
		}
	})
}

func TestDetailIsLiveOnlyAndHasTheParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t, Config{}, 100)
		stop := background(t, a.Run)
		var got []*sample.Sample
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		_ = a.Subscribe(ctx, &rpc.SubscribeRequest{Detail: true}, func(u *rpc.Update) error {
			if len(u.GetPoints()) > 0 {
				t.Error("a detail stream carries points")
			}
			for _, b := range u.GetSamples() {
				s, err := sample.Receive(b)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, s)
			}
			return nil
		})
		stop()
		if len(got) < 6 || len(got) > 7 {
			t.Fatalf("%d samples in 5.5 s", len(got))
		}
		for i, s := range got {
			if len(s.GetCoreParts()) != 64*sample.Parts {
				t.Errorf("sample %d has %d bytes of parts", s.GetSeq(), len(s.GetCoreParts()))
			}
			if i > 0 && s.GetSeq() != got[i-1].GetSeq()+1 {
				t.Errorf("sample %d after %d", s.GetSeq(), got[i-1].GetSeq())
			}
		}
	})
}

func TestTheDayOfPointsDoesNotDelaySamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t, Config{}, 0)
		var past []*sample.Sample
		for i := range dayOfPoints {
			s := typical(i)
			s.TimeMs = time.Now().Add(time.Duration(i-dayOfPoints) * PointTime).UnixMilli()
			past = append(past, s)
		}
		a.Remember(past)
		stop := background(t, a.Run)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+PointTime)
		defer cancel()
		var points int
		var last int64
		_ = a.Subscribe(ctx, &rpc.SubscribeRequest{}, func(u *rpc.Update) error {
			for _, p := range u.GetPoints() {
				if p.GetTime() <= last {
					t.Fatalf("point %d after %d", p.GetTime(), last)
				}
				last = p.GetTime()
				points++
			}
			for _, b := range u.GetSamples() {
				s, _ := sample.Receive(b)
				if s.GetSeq() > uint64(dayOfPoints)+1 && time.Now().UnixMilli() != s.GetTimeMs() {
					t.Errorf("sample %d came %d ms late", s.GetSeq(), time.Now().UnixMilli()-s.GetTimeMs())
				}
			}
			return nil
		})
		stop()
		if points < dayOfPoints {
			t.Errorf("%d points came, want a day of %d", points, dayOfPoints)
		}
	})
}

func TestTheCapOnSubscribers(t *testing.T) {
	a := newAgent(t, Config{SubscriberCap: 2}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	in := make(chan struct{})
	done := make(chan error)
	for range 2 {
		go func() {
			done <- a.Subscribe(ctx, &rpc.SubscribeRequest{}, func(u *rpc.Update) error {
				if u.GetMachine() != nil {
					in <- struct{}{}
				}
				return nil
			})
		}()
		<-in
	}
	never := func(*rpc.Update) error { t.Error("one too many was served"); return nil }
	if err := a.Subscribe(ctx, &rpc.SubscribeRequest{}, never); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the third subscriber got %v", err)
	}
	cancel()
	<-done
	<-done
	if n := len(a.memory.subs); n != 0 {
		t.Errorf("%d subscribers stay", n)
	}
}

func TestAnAgentThatEndsSaysSo(t *testing.T) {
	a := newAgent(t, Config{}, 1)
	stop := background(t, a.Run)
	stop()
	err := a.Subscribe(t.Context(), &rpc.SubscribeRequest{}, func(*rpc.Update) error { return nil })
	if status.Code(err) != codes.Unavailable || status.Convert(err).Message() != stopping {
		t.Errorf("got %v", err)
	}
}
