package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"capmon/agents"
	"capmon/demo"
	"capmon/fleet"
	"capmon/fleet/report"
	"capmon/record"
	"capmon/ui"
)

// night is what a viewer had on its screen at some moments of a recording.
type night struct {
	path   string
	config fleet.Config
	from   time.Time
	seen   map[time.Duration]string // since from: the snapshot as JSON
	last   time.Duration
}

// never holds for a jump that nothing interrupts.
func never() bool { return false }

func asJSON(t *testing.T, s fleet.Snapshot) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.JSON(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// theNight is one of two minutes that several tests look at, made by the first.
var theNight struct {
	sync.Mutex
	dir string // goes with the tests
	night
}

func twoMinutes(t *testing.T) night {
	t.Helper()
	theNight.Lock()
	defer theNight.Unlock()
	if theNight.path == "" {
		theNight.night = recorded(t, filepath.Join(theNight.dir, "night.capmon"), 2)
	}
	return theNight.night
}

// recorded plays a night of simulated hosts to a viewer that records: the
// minutes before, a host whose clock is ahead, one that falls silent and comes
// back as another run, one that joins, one that leaves.
func recorded(t *testing.T, path string, minutes int) night {
	t.Helper()
	n := night{path: path, seen: map[time.Duration]string{}, last: time.Duration(minutes) * time.Minute}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)))
		sim, err := demo.NewFleet(demo.FleetConfig{Hosts: 5, Cores: 8, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		n.config = fleet.Config{Policy: sim.Policy(), Pools: []fleet.PoolPolicy{{Name: "web", Edge: true, Policy: sim.Policy()}}}
		in := newFeed(n.config)
		say, err := about(n.config, "5 hosts", "INSECURE")
		if err != nil {
			t.Fatal(err)
		}
		w, err := record.Create(n.path, say, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		in.tape.begin(w, in.fleet)
		n.from = time.Now()
		const ahead = 90 * time.Second // the clock of host 1
		now := func(i int) time.Time {
			if i == 1 {
				return time.Now().Add(ahead)
			}
			return time.Now()
		}
		machine := func(i int, epoch uint64) {
			m := sim.Machine(i)
			m.Epoch = epoch
			in.Machine(m.GetHostname(), m)
		}
		name := func(i int) string { return sim.Machine(i).GetHostname() }
		join := func(i int) {
			pool := "web"
			if i == 4 {
				pool = ""
			}
			in.Join(name(i), fmt.Sprintf("10.0.0.%d:7077", i), pool)
			machine(i, uint64(i+1))
			past := sim.Past(i, now(i), 900)
			in.Samples(name(i), uint64(i+1), past[len(past)-1:])
			in.Link(name(i), agents.Link{Up: true})
			in.Samples(name(i), uint64(i+1), past[:len(past)-1])
			in.Points(name(i), uint64(i+1), sim.Points(i, now(i).Add(-15*time.Minute), 360))
		}
		for i := range 4 {
			join(i)
		}
		in.Join("never", "10.0.0.9:7077", "web")
		in.Link("never", agents.Link{Reason: "connection refused", Refused: true, Do: "run `capmon agent`"})
		for s := 1; s <= minutes*60; s++ {
			time.Sleep(time.Second)
			for i := range 5 {
				silent := i == 2 && s > 40 && s < 110
				if s == 30 && i == 4 {
					join(i)
				}
				if silent || i == 4 && s <= 30 || i == 3 && s > 200 {
					continue
				}
				epoch := uint64(i + 1)
				if i == 2 && s >= 110 {
					if s == 110 {
						machine(i, 77)
						in.Link(name(i), agents.Link{Up: true})
					}
					epoch = 77
				}
				if got := sim.Past(i, now(i), 1); len(got) > 0 {
					in.Samples(name(i), epoch, got)
				}
				if at := now(i); at.Unix()%10 == 0 {
					in.Points(name(i), epoch, sim.Points(i, at, 1))
				}
			}
			if s == 50 {
				in.Link(name(2), agents.Link{Reason: "no sample for 5 intervals"})
			}
			if s == 200 {
				in.Leave(name(3))
			}
			if s%2 == 0 {
				w.Flush(time.Now())
			}
			if s%13 == 0 || s == minutes*60 {
				n.seen[time.Since(n.from)] = asJSON(t, in.fleet.Snapshot(fleet.Ask{Buckets: 60}, time.Now()))
			}
		}
		sum, err := in.tape.end()
		if err != nil || sum.Lost > 0 || sum.Hosts != 6 {
			t.Fatalf("%+v, %v", sum, err)
		}
	})
	return n
}

func (n night) player(t *testing.T) *player {
	t.Helper()
	file, err := record.Open(n.path)
	if err != nil {
		t.Fatal(err)
	}
	config, err := recordedConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(file, config)
	t.Cleanup(func() {
		p.close()
		file.Close()
	})
	return p
}

// steady is a snapshot without the trend and the largest climb, which a viewer
// works out once in ten seconds or a minute: those of two viewers are some
// seconds apart. All else must be equal.
func steady(t *testing.T, text string) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	for _, p := range v["pools"].([]any) {
		pool := p.(map[string]any)
		for key := range pool {
			if strings.HasPrefix(key, "full_in") || strings.HasPrefix(key, "climb") || key == "growth_per_min" {
				delete(pool, key)
			}
		}
		pool["steps"] = slices.DeleteFunc(pool["steps"].([]any), func(s any) bool {
			return strings.HasPrefix(s.(string), "trend ") || strings.Contains(s.(string), "climb")
		})
	}
	return v
}

// What a replay shows at a moment is what the screen showed then, however the
// moment is come to: played, jumped to, back and forth.
func TestReplayIsWhatWasSeen(t *testing.T) {
	t.Parallel()
	n := recorded(t, filepath.Join(t.TempDir(), "5.capmon"), 5)
	p := n.player(t)
	if d := cmp.Diff(n.config.Policy, p.config.Policy); d != "" {
		t.Errorf("the policy: -want +got\n%s", d)
	}
	var order []time.Duration
	for at := range n.seen {
		order = append(order, at)
	}
	if len(order) < 20 {
		t.Fatalf("only %d moments were seen", len(order))
	}
	// A map's order jumps back and forth.
	for _, at := range order {
		p.to(n.from.Add(at), never)
		got := asJSON(t, p.snapshot(fleet.Ask{Buckets: 60}, n.from.Add(at)))
		if d := cmp.Diff(steady(t, n.seen[at]), steady(t, got)); d != "" {
			t.Errorf("%v after its beginning: -seen +replayed\n%s", at, d)
		}
	}
	// A long recording is read only from some minutes before the moment on.
	long := recorded(t, filepath.Join(t.TempDir(), "25.capmon"), 25)
	p = long.player(t)
	p.most = 0
	for at := range long.seen {
		if at < 20*time.Minute {
			continue
		}
		p.to(long.from.Add(at), never)
		got := asJSON(t, p.snapshot(fleet.Ask{Buckets: 60}, long.from.Add(at)))
		if d := cmp.Diff(steady(t, long.seen[at]), steady(t, got)); d != "" {
			t.Errorf("read in part, %v after its beginning: -seen +replayed\n%s", at, d)
		}
	}
	if p.tear() != "" {
		t.Errorf("torn: %s", p.tear())
	}
}

// The minutes that the agents remembered when it began can be looked at too,
// with their services.
func TestReplayBeforeItBegan(t *testing.T) {
	t.Parallel()
	n := twoMinutes(t)
	p := n.player(t)
	p.to(p.ready, never)
	at := n.from.Add(-5 * time.Minute)
	s := p.snapshot(fleet.Ask{}, at)
	if s.Live || !s.At.Equal(at) || s.Totals.Up != 4 || !s.Totals.CPU.OK {
		t.Fatalf("five minutes before: live %v, at %v, %+v", s.Live, s.At, s.Totals)
	}
	for i := range s.Hosts[:3] {
		if h := &s.Hosts[i]; len(h.Services) == 0 || !h.RPS.OK || len(h.Processes) == 0 {
			t.Errorf("%s: services %v, processes %v", h.Name, h.Services, h.Processes)
		}
	}
	if early := p.snapshot(fleet.Ask{}, n.from.Add(-10*time.Hour)); early.Totals.CPU.OK || early.Totals.Counted > 0 {
		t.Errorf("ten hours before anything is known there is %+v", early.Totals)
	}
}

// The clock of a replay is that of the file, however fast it plays; it stops at
// the end, goes on from where it is sent, and keeps to what there is.
func TestReplayRuns(t *testing.T) {
	t.Parallel()
	n := twoMinutes(t)
	p := n.player(t)
	synctest.Test(t, func(t *testing.T) {
		r := &replay{player: p, name: "night.capmon", speed: 4, from: p.ready, asked: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var newest ui.Frame
		made := 0
		done := make(chan error, 1)
		go func() {
			done <- r.run(ctx, func(f ui.Frame) {
				mu.Lock()
				defer mu.Unlock()
				newest, made = f, made+1
			})
		}()
		last := func() (ui.Frame, int) {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return newest, made
		}
		if f, n := last(); n != 1 || !f.Live || !f.At.Equal(p.ready) || f.Replay.Name != "night.capmon" || !f.Replay.To.Equal(p.file.To) || f.Totals.Up != 4 {
			t.Fatalf("it begins with %d frames, %v, %+v", n, f.At, f.Replay)
		}
		time.Sleep(5 * time.Second)
		if f, n := last(); f.At.Sub(p.ready) != 20*time.Second || f.Time != f.At || n < 15 || n > 25 {
			t.Errorf("after 5 s at ×4 it is at %v in frame %d", f.At.Sub(p.ready), n)
		}
		r.Ask(fleet.Ask{At: n.from.Add(90 * time.Second)})
		if f, _ := last(); f.Live || f.At.Sub(n.from) != 90*time.Second {
			t.Errorf("sent to 90 s it is at %v, live %v", f.At.Sub(n.from), f.Live)
		}
		_, count := last()
		time.Sleep(time.Minute)
		if _, n := last(); n != count {
			t.Errorf("standing still it made %d frames", n-count)
		}
		r.Ask(fleet.Ask{At: n.from.Add(10 * time.Second)})
		if f, _ := last(); f.At.Sub(n.from) != 10*time.Second {
			t.Errorf("sent back to 10 s it is at %v", f.At.Sub(n.from))
		}
		r.Ask(fleet.Ask{})
		r.Pace(1)
		time.Sleep(5 * time.Second)
		if f, _ := last(); f.At.Sub(n.from) != 15*time.Second || !f.Live || f.Replay.Speed != 1 {
			t.Errorf("it goes on to %v, live %v, at ×%v", f.At.Sub(n.from), f.Live, f.Replay.Speed)
		}
		r.Pace(1000)
		time.Sleep(time.Second)
		f, count := last()
		if !f.Replay.Ended || !f.At.Equal(p.file.To) {
			t.Errorf("it ends at %v of %v", f.At, p.file.To)
		}
		time.Sleep(time.Minute)
		if _, n := last(); n != count {
			t.Errorf("at its end it made %d frames more", n-count)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.close()
	})
}

// A file that was cut off plays up to there and says so.
func TestReplayOfATornFile(t *testing.T) {
	t.Parallel()
	n := twoMinutes(t)
	b, err := os.ReadFile(n.path)
	if err != nil {
		t.Fatal(err)
	}
	n.path = filepath.Join(t.TempDir(), "night.capmon")
	if err := os.WriteFile(n.path, b[:len(b)*9/10], 0o600); err != nil {
		t.Fatal(err)
	}
	p := n.player(t)
	if p.file.Torn == "" || !p.end.Before(n.from.Add(n.last)) {
		t.Fatalf("torn %q, it ends %v", p.file.Torn, p.end.Sub(n.from))
	}
	p.to(n.from.Add(time.Hour), never)
	if !p.at.Equal(p.end) || p.fleet.Snapshot(fleet.Ask{}, p.at).Totals.Up == 0 {
		t.Errorf("it plays to %v of %v", p.at, p.end)
	}
}

// Times that --at takes are in UTC, and of the recording.
func TestReplayAt(t *testing.T) {
	t.Parallel()
	n := twoMinutes(t)
	p := n.player(t)
	for text, want := range map[string]time.Duration{
		"": arriveTime, "03:01": time.Minute, "03:01:10": 70 * time.Second, "-30s": 90 * time.Second, "+30s": 30 * time.Second,
		"mon 03:01": time.Minute, "2026-11-23 03:01": time.Minute, "2026-11-23T05:01:00+02:00": time.Minute, "02:55": -5 * time.Minute, "+2h": 2 * time.Minute,
	} {
		at, err := p.moment(text)
		if got := at.Sub(n.from).Round(time.Second); err != nil || got != want {
			t.Errorf("--at %q: %v after its beginning, want %v (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"yesterday", "25:00", "2026-11-23 03:10", "2026-11-20", "+x", "--"} {
		if at, err := p.moment(text); err == nil {
			t.Errorf("--at %q is %v", text, at)
		}
	}
}

// What a dashboard records begins with the minutes that it remembers.
func TestRecordFromTheMiddle(t *testing.T) {
	t.Parallel()
	sim, err := demo.NewFleet(demo.FleetConfig{Hosts: 2, Cores: 4, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.capmon")
	var live fleet.Snapshot
	var from time.Time
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)))
		in := newScreenFeed(fleet.Config{Policy: sim.Policy()})
		send := func(i, n int, at time.Time) {
			m := sim.Machine(i)
			past := sim.Past(i, at, n)
			var raw [][]byte
			for _, s := range past {
				b, err := proto.Marshal(s)
				if err != nil {
					t.Fatal(err)
				}
				raw = append(raw, b)
			}
			in.Samples(m.GetHostname(), m.GetEpoch(), past)
			in.Raw(m.GetHostname(), m.GetEpoch(), raw)
		}
		for i := range 2 {
			m := sim.Machine(i)
			in.Join(m.GetHostname(), "", "")
			in.Machine(m.GetHostname(), m)
			in.Link(m.GetHostname(), agents.Link{Up: true})
			send(i, 900, time.Now())
			in.Points(m.GetHostname(), m.GetEpoch(), sim.Points(i, time.Now().Add(-15*time.Minute), 360))
		}
		for range 30 {
			time.Sleep(time.Second)
			send(0, 1, time.Now())
			send(1, 1, time.Now())
		}
		from = time.Now()
		live = in.fleet.Snapshot(fleet.Ask{At: from.Add(-4 * time.Minute), Buckets: 60}, from)
		say, _ := about(in.fleet.Config(), "2", "")
		w, err := record.Create(path, say, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		in.tape.begin(w, in.fleet)
		time.Sleep(5 * time.Second)
		if sum, err := in.tape.end(); err != nil || sum.Hosts != 2 || sum.Samples < 1800 {
			t.Fatalf("%+v, %v", sum, err)
		}
	})
	if h := &live.Hosts[0]; len(h.Services) == 0 || len(h.Processes) == 0 {
		t.Fatal("a screen does not know the services of four minutes ago: this test would see nothing")
	}
	p := night{path: path}.player(t)
	p.to(p.ready, never)
	got := p.snapshot(fleet.Ask{Buckets: 60}, from.Add(-4*time.Minute))
	got.Time = live.Time
	if d := cmp.Diff(steady(t, asJSON(t, live)), steady(t, asJSON(t, got))); d != "" {
		t.Errorf("four minutes before it was begun: -screen +replay\n%s", d)
	}
}
