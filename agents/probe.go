package agents

import (
	"context"
	"errors"
	"time"

	"capmon/agents/rpc"
)

// probeTime bounds Probe: it is for this machine, and somebody waits.
const probeTime = 300 * time.Millisecond

var errAnswered = errors.New("an agent answers")

// Probe tells whether a capmon agent that lets us in answers at addr: nil, or an
// error with the reason in words. It takes 300 ms at most.
func Probe(ctx context.Context, addr string, sec Security) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	t, err := parseTarget(addr)
	if err != nil {
		return err
	}
	host, _, _ := splitTarget(t.Addr)
	a := &attempt{target: t, host: host, sec: sec}
	conn, err := a.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	s := newStream(new(intake), time.Now())
	err = subscribe(ctx, conn, &rpc.SubscribeRequest{Epoch: 1}, func(u *rpc.Update) error {
		if err := a.admit(); err != nil {
			return err
		}
		if _, err := s.take(u, time.Now()); err != nil {
			return err
		}
		return errAnswered
	})
	if errors.Is(err, errAnswered) {
		return nil
	}
	return errors.New(a.explain(err).Reason)
}
