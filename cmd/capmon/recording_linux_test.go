package main

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/fleet"
	"capmon/record"
)

// This machine, recorded: what is shown live at a moment is what the replay
// shows at it.
func TestRecordThisMachine(t *testing.T) {
	local, err := newLocalAgent(samplingFlags{interval: time.Second}, []string{"az=a"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.capmon")
	in := newFeed(fleet.Config{Policy: fleet.Policy{Spare: 1}})
	say, err := about(in.fleet.Config(), "this machine", "")
	if err != nil {
		t.Fatal(err)
	}
	w, err := record.Create(path, say, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	in.tape.begin(w, in.fleet)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	src := &sources{local: local}
	go func() { done <- src.run(ctx, in, slog.New(slog.DiscardHandler), nil) }()
	in.hold(ctx, 5*time.Second, func() bool { return w.Summary().Samples >= 4 })
	time.Sleep(200 * time.Millisecond) // the next is a second after the last
	at := time.Now()
	live := asJSON(t, in.fleet.Snapshot(fleet.Ask{Buckets: 30}, at))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	sum, err := in.tape.end()
	if err != nil || sum.Samples < 4 || sum.Hosts != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	p := night{path: path}.player(t)
	p.to(at, never)
	got := asJSON(t, p.snapshot(fleet.Ask{Buckets: 30}, at))
	// An age is live by the clock that only goes on, replayed by that of the wall.
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 2e-6 })
	if d := cmp.Diff(steady(t, live), steady(t, got), near); d != "" {
		t.Errorf("-live +replayed\n%s", d)
	}
	if !strings.Contains(live, `"az": "a"`) || !strings.Contains(got, `"az": "a"`) {
		t.Error("the label is not there")
	}
}

// A recorder that is killed leaves a file that plays; one that is asked to end
// closes it and says what it holds.
func TestKilledRecorder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.capmon")
	p := start(t, alone(t, "capmon", "record", path))
	grown := func() bool {
		r, err := record.Open(path)
		if err != nil {
			return false
		}
		defer r.Close()
		return r.To.Sub(r.From) > 3*time.Second
	}
	until(t, "four seconds of recording", 20*time.Second, grown)
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.done
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !strings.Contains(r.Torn, "not closed") && !strings.Contains(r.Torn, "within a block") {
		t.Errorf("killed, and it says %q", r.Torn)
	}
	pl := night{path: path}.player(t)
	pl.to(r.To, never)
	if s := pl.snapshot(fleet.Ask{}, r.To); s.Totals.Up != 1 || !s.Totals.CPU.OK {
		t.Errorf("it plays to %+v", s.Totals)
	}

	again := start(t, alone(t, "capmon", "record", path, "--force"))
	until(t, "the beginning anew", 20*time.Second, func() bool { return strings.Contains(again.errs.String(), "recording this machine") && grown() })
	if err := again.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-again.done
	if code := again.cmd.ProcessState.ExitCode(); code != exitOK || !strings.HasPrefix(again.out.String(), "recorded 1 host, ") {
		t.Errorf("exit code %d, %q, %q", code, again.out, again.errs)
	}
	whole, err := record.Open(path)
	if err != nil || whole.Torn != "" {
		t.Errorf("%v, torn %q", err, whole.Torn)
	}
	whole.Close()
}

// The keys of a replay, and of a dashboard that records, in a real terminal.
func TestReplayInATerminal(t *testing.T) {
	t.Parallel()
	n := twoMinutes(t)
	term := openTerminal(t, 120, 40, alone(t, "capmon", "replay", n.path))
	term.shows("REPLAY night.capmon ×1")
	term.press(">")
	term.shows("REPLAY night.capmon ×2")
	term.press(" ")
	term.shows("night.capmon PAUSED")
	for _, to := range [][2]string{{"03:01:10", "03:01:10Z"}, {"02:50", "02:50:00Z"}, {"03:01:58", "03:01:58Z"}} {
		before := len(term.screen.String())
		term.press("b") // in a read of its own, else it is part of a paste
		until(t, "the question where to", 10*time.Second, func() bool { return strings.Contains(plain(term.screen.String()[before:]), "go to") })
		term.press(to[0] + "\r")
		term.shows(to[1])
	}
	term.press(" ")
	term.shows("the recording ends here")
	term.press("q")
	<-term.done
	term.usable()

	dir := t.TempDir()
	cmd := dashboard(t)
	cmd.Dir = dir
	term = openTerminal(t, 120, 40, cmd)
	term.shows("SIMULATED")
	term.press("w")
	term.shows("record to: capmon-")
	term.press("\x15x.capmon\r")
	term.shows("REC")
	until(t, "some seconds", 20*time.Second, func() bool {
		info, err := os.Stat(filepath.Join(dir, "x.capmon"))
		return err == nil && info.Size() > 20_000
	})
	term.press("q")
	<-term.done
	term.usable()
	r, err := record.Open(filepath.Join(dir, "x.capmon"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Torn != "" || !strings.Contains(plain(term.screen.String()), "recorded 3 hosts") {
		t.Errorf("q left it torn: %q; the end of the screen: %.300q", r.Torn, plain(term.screen.String())[max(0, len(plain(term.screen.String()))-300):])
	}
}
