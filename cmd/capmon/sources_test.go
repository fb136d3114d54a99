package main

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"capmon/agents"
	"capmon/fleet"
	"capmon/sample"
)

// busySource still reads when it is closed, as on a machine that is full.
type busySource struct{}

func (busySource) Sample(context.Context, time.Time) *sample.Sample { return new(sample.Sample) }
func (busySource) Names() []string                                  { return nil }
func (busySource) Close() error                                     { return errors.New("close rps: still reading, left behind") }

// What was read is not lost with a collector that is left behind at the end: a
// snapshot of a full machine is printed, a recording of it is no failure.
func TestWhatIsLeftBehindIsNoError(t *testing.T) {
	a, err := agents.New(agents.Config{Source: busySource{}, Interval: time.Second, Hostname: "web", Version: version()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	in := newFeed(fleet.Config{})
	done := make(chan error, 1)
	go func() {
		done <- runLocal(ctx, agents.NewViewer(agents.ViewerOptions{Sink: in}), maps.All(map[string]*agents.Agent{"web": a}))
	}()
	if s := in.one(ctx, 10*time.Second, false); s.Totals.Up != 1 {
		t.Errorf("%+v", s.Totals)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
