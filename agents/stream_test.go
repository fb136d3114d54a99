package agents

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"capmon/agents/rpc"
	"capmon/sample"
)

func TestAViewerGetsThePastThenThePresent(t *testing.T) {
	t.Parallel()
	a := newAgent(t, Config{}, 900)
	addr, _ := serve(t, a, Plain(), nil)
	sink := newLedger()
	watch(t, Plain(), sink, nil, target(t, addr))
	epoch := a.Machine().GetEpoch()
	sink.wait(t, addr, "902 samples and the points", func(a *account) bool {
		return len(a.seqs[epoch]) >= 902 && len(a.points[epoch]) >= 89
	})
	sink.read(addr, func(a *account) {
		if first := a.seqs[epoch][0]; first < 900 {
			t.Errorf("the first sample is %d, not the newest", first)
		}
		if fault := whole(a.seqs[epoch], a.seqs[epoch][1], uint64(len(a.seqs[epoch]))+a.seqs[epoch][1]-1); fault != "" {
			t.Error(fault)
		}
		if a.addr != addr || a.links[0] != (Link{Up: true}) || a.machines[0].GetHostname() != "web-1" {
			t.Errorf("joined at %s, links %+v, machine %v", a.addr, a.links, a.machines[0])
		}
	})
}

// cutter is a link that can be cut: a TCP proxy to addr.
type cutter struct {
	lis  net.Listener
	addr string
	mu   sync.Mutex
	open []net.Conn
	wg   sync.WaitGroup
}

func newCutter(t *testing.T, addr string) *cutter {
	c := &cutter{lis: listen(t), addr: addr}
	c.wg.Go(c.accept)
	t.Cleanup(func() { c.lis.Close(); c.cut(); c.wg.Wait() })
	return c
}

func (c *cutter) accept() {
	for n := 1; ; n++ {
		in, err := c.lis.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.addr)
		if err != nil {
			in.Close()
			continue
		}
		c.mu.Lock()
		c.open = append(c.open, in, out)
		c.mu.Unlock()
		limit := rand.Int64N(90_000) // in the middle of the backlog of 320,000 bytes
		if n > 3 {
			limit = 1 << 40
		}
		c.wg.Go(func() { _, _ = io.Copy(out, in); out.Close() })
		c.wg.Go(func() { _, _ = io.CopyN(in, out, limit); in.Close(); out.Close() })
	}
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}

// TestALinkCutAtRandom is TestResumeHasNoGapAndNoDuplicate over a real
// connection, cut in the middle of a message.
func TestALinkCutAtRandom(t *testing.T) {
	t.Parallel()
	a := newAgent(t, Config{}, 900)
	addr, _ := serve(t, a, Plain(), nil)
	link := newCutter(t, addr)
	sink := newLedger()
	name := link.lis.Addr().String()
	watch(t, Plain(), sink, nil, target(t, name))
	epoch := a.Machine().GetEpoch()
	downs := func(a *account) (n int) {
		for _, l := range a.links {
			if !l.Up {
				n++
			}
		}
		return n
	}
	sink.wait(t, name, "three cuts", func(a *account) bool { return downs(a) >= 3 })
	var since int
	sink.read(name, func(a *account) { since = len(a.links) })
	sink.wait(t, name, "all that was missed", func(a *account) bool {
		if len(a.links) <= since || len(a.seqs[epoch]) < 880 {
			return false
		}
		oldest, newest := a.seqs[epoch][0], uint64(0)
		for _, s := range a.seqs[epoch] {
			oldest, newest = min(oldest, s), max(newest, s)
		}
		return newest > 900 && whole(a.seqs[epoch], oldest, newest) == ""
	})
}

func TestAgentThatRestartsIsTheSameHost(t *testing.T) {
	t.Parallel()
	lis := listen(t)
	addr := lis.Addr().String()
	first, second := newAgent(t, Config{}, 20), newAgent(t, Config{}, 5)
	stopRun := background(t, first.Run)
	stop := background(t, func(ctx context.Context) error { return Serve(ctx, lis, first, Plain(), nil) })
	sink := newLedger()
	watch(t, Plain(), sink, nil, target(t, addr))
	sink.wait(t, addr, "the first run", func(a *account) bool { return len(a.seqs[first.Machine().GetEpoch()]) >= 21 })
	stop()
	stopRun()
	sink.wait(t, addr, "its end, then a refusal", func(a *account) bool {
		return strings.Contains(a.links[len(a.links)-1].Reason, "nothing listens on "+addr)
	})
	sink.read(addr, func(a *account) {
		last := a.links[len(a.links)-1]
		if !last.Refused || last.Do != "start it there: capmon agent --listen "+addr {
			t.Errorf("link %+v", last)
		}
		if before := a.links[len(a.links)-2]; !strings.Contains(before.Reason, "has ended") || before.Refused {
			t.Errorf("the end is told as %+v", before)
		}
	})
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("listen again where the first run did: %v", err)
	}
	background(t, second.Run)
	background(t, func(ctx context.Context) error { return Serve(ctx, again, second, Plain(), nil) })
	sink.wait(t, addr, "the second run", func(a *account) bool {
		seqs := a.seqs[second.Machine().GetEpoch()]
		return len(seqs) >= 6 && whole(seqs, 1, uint64(len(seqs))) == ""
	})
}

func TestDetailOpensAndCloses(t *testing.T) {
	t.Parallel()
	a := newAgent(t, Config{}, 3)
	addr, _ := serve(t, a, Plain(), nil)
	sink := newLedger()
	v, _ := watch(t, Plain(), sink, nil, target(t, addr))
	v.Detail(addr, DetailOf{})
	v.Detail("another", DetailOf{}) // of no host
	v.Detail(addr, DetailOf{})
	sink.wait(t, addr, "two details", func(a *account) bool { return len(a.details) >= 2 })
	v.Detail("", DetailOf{})
	closed := func() bool {
		a.memory.mu.Lock()
		defer a.memory.mu.Unlock()
		return len(a.memory.subs) == 1
	}
	for limit := time.Now().Add(20 * time.Second); !closed(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the detail stream stays open")
		}
	}
	sink.read(addr, func(a *account) {
		for _, s := range a.details {
			if len(s.GetCoreParts()) == 0 {
				t.Errorf("detail %d has no parts", s.GetSeq())
			}
		}
		for _, s := range a.samples {
			if len(s.GetCoreParts()) != 0 {
				t.Errorf("sample %d has parts", s.GetSeq())
			}
		}
	})
}

func TestLocalTakesTheSameRoad(t *testing.T) {
	t.Parallel()
	a := newAgent(t, Config{}, 100)
	stopRun := background(t, a.Run)
	sink := newLedger()
	v := NewViewer(ViewerOptions{Sink: sink})
	v.Detail("here", DetailOf{})
	stop := background(t, func(ctx context.Context) error { return v.Local(ctx, "here", a) })
	epoch := a.Machine().GetEpoch()
	sink.wait(t, "here", "everything", func(a *account) bool {
		return len(a.seqs[epoch]) >= 102 && len(a.points[epoch]) >= 9 && len(a.details) >= 2
	})
	if err := v.Local(t.Context(), "here", a); err == nil {
		t.Error("one host was followed twice")
	}
	sink.read("here", func(acc *account) {
		if fault := whole(acc.seqs[epoch], 1, uint64(len(acc.seqs[epoch]))); fault != "" {
			t.Error(fault)
		}
		acc.machines[0].Hostname = "changed"
		for _, p := range acc.points[epoch] {
			if err := p.Check(); err != nil {
				t.Error(err)
			}
		}
	})
	if a.Machine().GetHostname() != "web-1" {
		t.Error("the sink changed the machine of the agent")
	}
	stopRun() // the agent ends first
	sink.wait(t, "here", "the end", func(a *account) bool { return !a.links[len(a.links)-1].Up })
	stop()
}

// blocked is a Sink that takes a while over one sample.
type blocked struct {
	*ledger
	at   uint64
	took time.Duration
}

func (b *blocked) Samples(host string, epoch uint64, s []*sample.Sample) {
	b.ledger.Samples(host, epoch, s)
	if s[len(s)-1].GetSeq() == b.at {
		time.Sleep(b.took)
	}
}

// TestAScreenThatStops is a dashboard that is stopped and goes on, such as by
// ctrl-z: what it missed within the 15 minutes comes afterwards.
func TestAScreenThatStops(t *testing.T) {
	for name, tt := range map[string]struct {
		took    time.Duration
		dropped uint64
	}{
		"briefly":     {3 * time.Second, 0},
		"a minute":    {time.Minute, 0},
		"ten minutes": {10 * time.Minute, 0},
		"twenty":      {20 * time.Minute, 0}, // it asks anew, and gets what there is
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent(t, Config{}, 10)
				stopRun := background(t, a.Run)
				sink := &blocked{ledger: newLedger(), at: 20, took: tt.took + time.Second/2}
				v := NewViewer(ViewerOptions{Sink: sink})
				stop := background(t, func(ctx context.Context) error { return v.Local(ctx, "here", a) })
				time.Sleep(tt.took + time.Minute + time.Second/2)
				stop()
				stopRun()
				sink.read("here", func(acc *account) {
					seqs, newest := acc.seqs[a.Machine().GetEpoch()], a.memory.ring.newest
					first := uint64(1)
					if tt.took > KeepSamples {
						first = newest - 60 - 900 // when it asked anew
						seqs = slices.DeleteFunc(slices.Clone(seqs), func(s uint64) bool { return s <= max(20, first) })
						first = slices.Min(seqs)
						if newest-first < 900 {
							t.Errorf("only %d..%d came", first, newest)
						}
					}
					if fault := whole(seqs, first, newest); fault != "" {
						t.Error(fault)
					}
					if acc.dropped != tt.dropped || !acc.links[len(acc.links)-1].Up {
						t.Errorf("%d dropped, links %+v", acc.dropped, acc.links)
					}
				})
			})
		})
	}
}

// TestDroppedIsTold holds that what the agent counts reaches the sink.
func TestDroppedIsTold(t *testing.T) {
	var in intake
	sink := newLedger()
	sink.Join("a", "", "")
	h := NewViewer(ViewerOptions{Sink: sink}).newHost("a")
	s := newStream(&in, time.Now())
	for _, u := range []*rpc.Update{{Machine: said(), Dropped: 3}, {Dropped: 4}, {}} {
		if _, err := h.take(s, u, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	sink.read("a", func(a *account) {
		if a.dropped != 7 {
			t.Errorf("%d are told, want 7", a.dropped)
		}
	})
}

func TestProbe(t *testing.T) {
	t.Parallel()
	a := newAgent(t, Config{}, 3)
	addr, stop := serve(t, a, Plain(), nil)
	if err := Probe(t.Context(), addr, Plain()); err != nil {
		t.Errorf("an agent that answers: %v", err)
	}
	stop()
	if err := Probe(t.Context(), addr, Plain()); err == nil || !strings.Contains(err.Error(), "nothing listens on") {
		t.Errorf("a closed port: %v", err)
	}
	mute := listen(t)
	defer mute.Close()
	if err := Probe(t.Context(), mute.Addr().String(), Plain()); err == nil || !strings.Contains(err.Error(), "says nothing") {
		t.Errorf("a mute port: %v", err)
	}
	if err := Probe(t.Context(), "a b", Plain()); err == nil {
		t.Error("an address with a space was probed")
	}
}

func TestEverythingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	a := newAgent(t, Config{}, 900)
	addr, _ := serve(t, a, Plain(), nil)
	mute := listen(t)
	defer mute.Close()
	sink := newLedger()
	ctx, cancel := context.WithCancel(t.Context())
	v := NewViewer(ViewerOptions{Sink: sink, Resolver: newZone(map[string][]string{"web": {"127.0.0.1"}})})
	done := make(chan error)
	go func() {
		done <- v.Run(ctx, []Target{
			target(t, addr), target(t, mute.Addr().String()), target(t, "127.0.0.9:9"), target(t, "dns:///web:9"),
		})
	}()
	sink.wait(t, addr, "a sample", func(a *account) bool { return len(a.samples) > 0 })
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("got error %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the viewer does not end")
	}
	if err := v.Run(ctx, nil); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("nothing to follow: %v", err)
	}
}

// watchedLook is a Look that tells which process it was asked for.
type watchedLook struct{ long bool }

func (w watchedLook) Read(_ context.Context, s *sample.Sample, users bool, pid int) *sample.Detail {
	d := &sample.Detail{}
	if users {
		d.CoreUsers = []*sample.CoreUser{{Core: 1, Pid: uint32(s.GetSeq())}}
	}
	if pid != 0 {
		d.Process = &sample.ProcessThreads{Pid: uint32(pid), Threads: []*sample.ThreadDetail{{Tid: uint32(pid), Name: "a\x1bb"}}}
	}
	if w.long {
		for range sample.MaxBytes / 64 {
			d.CoreUsers = append(d.CoreUsers, &sample.CoreUser{Name: strings.Repeat("x", 100)})
		}
	}
	return d
}

func TestDetailOfAProcess(t *testing.T) {
	t.Parallel()
	a := newAgent(t, Config{Look: func() Look { return watchedLook{} }}, 3)
	addr, _ := serve(t, a, Plain(), nil)
	sink := newLedger()
	v, _ := watch(t, Plain(), sink, nil, target(t, addr))
	of := func(pid uint32) func(*account) bool {
		return func(a *account) bool {
			n := len(a.details)
			return n > 0 && a.details[n-1].GetDetail() != nil && a.details[n-1].GetDetail().GetProcess().GetPid() == pid
		}
	}
	v.Detail(addr, DetailOf{})
	sink.wait(t, addr, "a detail of cores alone", func(a *account) bool {
		return len(a.details) > 0 && a.details[len(a.details)-1].GetDetail() == nil
	})
	v.Detail(addr, DetailOf{Users: true})
	sink.wait(t, addr, "a detail of no process", of(0))
	v.Detail(addr, DetailOf{Users: true, PID: 4711})
	sink.wait(t, addr, "a detail of a process", of(4711))
	sink.read(addr, func(a *account) {
		last := a.details[len(a.details)-1]
		if d := last.GetDetail(); len(last.GetCoreParts()) == 0 || d.GetProcess().GetThreads()[0].GetName() != "ab" || d.GetCoreUsers()[0].GetPid() != uint32(last.GetSeq()) {
			t.Errorf("the detail is %v", last)
		}
		for _, s := range a.samples {
			if s.GetDetail() != nil {
				t.Errorf("sample %d has detail that nobody asked for there", s.GetSeq())
			}
		}
	})
	v.Detail(addr, DetailOf{PID: 12})
	sink.wait(t, addr, "a detail of another one", of(12))
	v.Detail("", DetailOf{})
}

// TestDetailHasBounds: those who come when enough look already get what costs
// nothing, and what would be too long for a viewer is left out.
func TestDetailHasBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before int
		long   bool
		want   string
	}{"few": {maxLooks - 1, false, ""}, "enough": {maxLooks, false, "look into this machine already"}, "long": {0, true, "nothing"}} {
		t.Run(name, func(t *testing.T) {
			a := newAgent(t, Config{Look: func() Look { return watchedLook{c.long} }}, 3)
			background(t, a.Run)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ask := func(took func(*sample.Sample)) {
				var once sync.Once
				done := make(chan struct{})
				go a.Subscribe(ctx, &rpc.SubscribeRequest{Detail: true, Users: true, Pid: 7}, func(u *rpc.Update) error {
					for _, b := range u.GetSamples() {
						s, err := sample.Receive(b)
						if err != nil {
							t.Errorf("a viewer would refuse it: %v", err)
						}
						once.Do(func() { took(s); close(done) })
					}
					return nil
				})
				<-done
			}
			for range c.before {
				ask(func(*sample.Sample) {})
			}
			ask(func(s *sample.Sample) {
				got := s.GetDetail().GetProcess().GetError()
				if s.GetDetail() == nil {
					got = "nothing"
				}
				if len(s.GetCoreParts()) == 0 || !strings.Contains(got, c.want) || c.want == "" && got != "" {
					t.Errorf("the detail is %v, want %q", s.GetDetail(), c.want)
				}
			})
		})
	}
}
