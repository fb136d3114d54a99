package agents

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"capmon/agents/rpc"
)

const (
	// silentIntervals without a sample end a subscription: gRPC alone never
	// notices a peer that died in silence.
	silentIntervals = 5
	backoffFirst    = 500 * time.Millisecond
	backoffGrowth   = 1.6
	backoffMost     = 5 * time.Second
	// violatorPause is for peers that send what no agent does.
	violatorPause = 30 * time.Second
	// pendingTime is after what a first attempt that is still under way says so.
	pendingTime = time.Second
)

// host is one host that a viewer follows.
type host struct {
	viewer       *Viewer
	sink         Sink
	name         string
	detailWanted chan wish // newest; holds one

	mu       sync.Mutex // held over every call of sink
	intake   intake
	interval time.Duration
	link     Link
	told     bool // link has been told
}

// opener opens one subscription and passes its updates to take until it ends.
type opener func(ctx context.Context, r *rpc.SubscribeRequest, take func(*rpc.Update) error) error

// follow tries for ever, until ctx is done.
func (h *host) follow(ctx context.Context, t Target, certHost string) {
	wait := pause{}
	for {
		select {
		case h.viewer.dials <- struct{}{}:
		case <-ctx.Done():
			return
		}
		a := &attempt{target: t, host: certHost, sec: h.viewer.options.Security, beats: &h.viewer.beats}
		began := time.Now()
		err := h.session(ctx, a)
		if ctx.Err() != nil {
			return
		}
		h.failed(a.explain(err))
		_, violated := errors.AsType[*violation](err)
		if !sleep(ctx, wait.next(time.Since(began), violated)) {
			return
		}
	}
}

// pause is how long to wait between attempts.
type pause struct{ last time.Duration }

// next grows from attempt to attempt, with jitter, and begins anew after one
// that lasted.
func (p *pause) next(lasted time.Duration, violated bool) time.Duration {
	switch {
	case lasted > 2*backoffMost || p.last == 0:
		p.last = backoffFirst
	default:
		p.last = min(time.Duration(float64(p.last)*backoffGrowth), backoffMost)
	}
	if violated {
		return violatorPause + rand.N(backoffMost)
	}
	return p.last - rand.N(p.last/4)
}

// sleep is false when ctx ended it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// session is one connection with its streams, from dialling to its end. The
// place among the dials is given back when the agent has answered, or at the
// end.
func (h *host) session(ctx context.Context, a *attempt) error {
	var once sync.Once
	answered := func() { once.Do(func() { <-h.viewer.dials }) }
	defer answered()
	pending := time.AfterFunc(pendingTime, func() { h.pending(a.target.Addr) })
	defer pending.Stop()
	conn, err := a.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	return h.stream(ctx, a.opener(conn), func() error {
		pending.Stop()
		answered()
		if c := a.hurried(); c != nil {
			c.calm()
		}
		return a.admit()
	})
}

// hurried is the connection, where its reading can be hurried; else nil.
func (a *attempt) hurried() hurrier {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hurry
}

func (a *attempt) opener(conn *grpc.ClientConn) opener {
	return func(ctx context.Context, r *rpc.SubscribeRequest, take func(*rpc.Update) error) error {
		if c := a.hurried(); c != nil {
			c.hurry()
		}
		return subscribe(ctx, conn, r, take)
	}
}

// local follows an agent in this process until ctx is done or the agent ends.
// It goes on after a silence, which a process that was stopped for a while sees
// as well.
func (h *host) local(ctx context.Context, a *Agent) error {
	open := func(ctx context.Context, r *rpc.SubscribeRequest, take func(*rpc.Update) error) error {
		return a.Subscribe(ctx, r, func(u *rpc.Update) error { return take(cloneUpdate(u)) })
	}
	for {
		err := h.stream(ctx, open, func() error { return nil })
		_, violated := errors.AsType[*violation](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errSilent):
			h.failed(Link{Reason: fmt.Sprintf("this process: no sample for %d intervals", silentIntervals)})
			continue
		case status.Code(err) == codes.Unavailable:
			h.failed(Link{Reason: "this process: " + firstLine(err)})
			return nil
		case violated:
			h.failed(Link{Refused: true, Reason: "this process: " + err.Error()})
		default:
			h.failed(Link{Refused: true, Reason: "this process: " + firstLine(err)})
		}
		return fmt.Errorf("%s: %w", h.name, err)
	}
}

// stream follows one subscription, and its detail while that is wanted. It ends
// with an error: that of the stream, a violation, errSilent when no sample came
// for some intervals, or that of admit, which is asked when the agent has
// answered.
func (h *host) stream(ctx context.Context, open opener, admit func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := newSilence(silentIntervals*h.interval+connectTime, func() { cancel(errSilent) })
	defer silent.stop()
	var details sync.WaitGroup
	defer details.Wait()
	defer cancel(nil) // before the wait
	s := newStream(&h.intake, time.Now())
	err := open(ctx, h.request(), func(u *rpc.Update) error {
		got, err := h.take(s, u, admit)
		if err != nil {
			return err
		}
		if got.machine != nil {
			details.Go(func() { h.details(ctx, open) })
		}
		if got.machine != nil || len(u.GetSamples()) > 0 {
			silent.heard(silentIntervals * h.interval)
		}
		return nil
	})
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return errSilent
	}
	return err
}

// silence calls end when nothing was heard for too long. To set a timer at each
// sample of a thousand hosts costs more than to look, when it fires, whether
// something came meanwhile.
type silence struct {
	mu    sync.Mutex
	timer *time.Timer // nil: stopped
	fires time.Time
	until time.Time
}

func newSilence(most time.Duration, end func()) *silence {
	s := new(silence)
	s.until = time.Now().Add(most)
	s.fires = s.until
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(most, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch left := time.Until(s.until); {
		case s.timer == nil:
		case left > 0:
			s.timer.Reset(left)
			s.fires = s.until
		default:
			end()
		}
	})
	return s
}

// heard allows for so much silence from now on.
func (s *silence) heard(most time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(most)
	if s.until.Before(s.fires) && s.timer != nil {
		s.timer.Reset(most)
		s.fires = s.until
	}
}

func (s *silence) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Stop()
	s.timer = nil
}

func (h *host) request() *rpc.SubscribeRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.intake.request()
}

// take passes on one update.
func (h *host) take(s *stream, u *rpc.Update, admit func() error) (arrived, error) {
	if len(u.GetSamples()) >= manySamples {
		h.viewer.past <- struct{}{}
		defer func() { <-h.viewer.past }()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !s.began {
		if err := admit(); err != nil {
			return arrived{}, err
		}
	}
	got, err := s.take(u, time.Now())
	if err != nil {
		return arrived{}, err
	}
	if m := got.machine; m != nil {
		ms := time.Duration(m.GetIntervalMs()) * time.Millisecond
		h.interval = min(max(ms, MinInterval), MaxInterval)
		h.sink.Machine(h.name, m)
	}
	if len(u.GetSamples()) > 0 {
		h.up()
	}
	epoch := h.intake.epoch
	if len(got.samples) > 0 {
		h.sink.Samples(h.name, epoch, got.samples)
		if raw, ok := h.sink.(RawSink); ok {
			raw.Raw(h.name, epoch, u.GetSamples())
		}
	}
	if len(got.points) > 0 {
		h.sink.Points(h.name, epoch, got.points)
	}
	if got.dropped > 0 {
		h.sink.Dropped(h.name, got.dropped)
	}
	return got, nil
}

// up and failed tell how the link is, when it changes. h.mu is held for up.
func (h *host) up() {
	if h.told && h.link.Up {
		return
	}
	h.viewer.faults.end(h.name)
	h.tell(Link{Up: true})
}

func (h *host) failed(l Link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewer.faults.report(h.name, l.Reason, "do", l.Do)
	h.tell(l)
}

func (h *host) tell(l Link) {
	if h.told && h.link == l {
		return
	}
	h.link, h.told = l, true
	h.sink.Link(h.name, l)
}

// pending says that the first attempt is still under way.
func (h *host) pending(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.told {
		h.tell(Link{Pending: true, Reason: "no answer from " + addr + " yet"})
	}
}

// wish is what detail of a host is wanted.
type wish struct {
	on bool
	DetailOf
}

// setDetail replaces the wish for detail; it never blocks. The viewer's lock is
// held.
func (h *host) setDetail(w wish) {
	select {
	case <-h.detailWanted:
	default:
	}
	h.detailWanted <- w
}

// details keeps a detail stream open while it is wanted, until ctx is done.
func (h *host) details(ctx context.Context, open opener) {
	wanted := h.wantsDetail()
	for ctx.Err() == nil {
		if !wanted.on {
			select {
			case wanted = <-h.detailWanted:
			case <-ctx.Done():
			}
			continue
		}
		inner, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		now := wanted
		go func() { ended <- h.detailStream(inner, open, now.DetailOf) }()
		var err error
		open := true
		for open {
			select {
			case wanted = <-h.detailWanted:
				if wanted != now {
					cancel()
				}
			case err = <-ended:
				open = false
			}
		}
		cancel()
		if wanted == now && ctx.Err() == nil {
			h.viewer.faults.report(h.name+" cores", "the stream of cores ended: "+firstLine(err))
			sleep(ctx, backoffMost)
		}
	}
}

// wantsDetail is the wish as it is now; later changes come on the channel.
func (h *host) wantsDetail() wish {
	h.viewer.mu.Lock()
	defer h.viewer.mu.Unlock()
	select {
	case <-h.detailWanted:
	default:
	}
	if h.viewer.detail != h.name {
		return wish{}
	}
	return wish{true, h.viewer.detailOf}
}

func (h *host) detailStream(ctx context.Context, open opener, of DetailOf) error {
	h.mu.Lock()
	s := newStream(&intake{epoch: h.intake.epoch}, time.Now())
	h.mu.Unlock()
	s.detail = true
	return open(ctx, &rpc.SubscribeRequest{Detail: true, Users: of.Users, Pid: uint32(max(of.PID, 0))}, func(u *rpc.Update) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		got, err := s.take(u, time.Now())
		if err != nil || ctx.Err() != nil {
			return err
		}
		if got.machine != nil {
			h.viewer.faults.end(h.name + " cores")
		}
		for _, one := range got.samples {
			h.sink.Detail(h.name, one)
		}
		return nil
	})
}
