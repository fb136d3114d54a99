package chess

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"capmon/demo/stories"
	"capmon/demo/stories/storytest"
)

// envParent makes the test binary a parent that is to be killed.
const envParent = "CHESS_TEST_PARENT"

func TestMain(m *testing.M) {
	if Main() {
		return
	}
	if os.Getenv(envParent) != "" {
		_, err := Run(context.Background(), small(&storytest.Plan{Wants: storytest.Always(2), Out: os.Stdout}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func small(w stories.Watcher) Config {
	return Config{
		Users: 90, PerServer: 30, Min: 2, Max: 4, For: 5 * time.Second, Ramp: 2 * time.Second, WarmUp: 100 * time.Millisecond,
		Think: 300 * time.Millisecond, Seed: 7, Version: "test", Watch: w,
	}
}

// A story has real processes and connections; what is counted at its three
// places (players, servers, lobby) agrees.
func TestStory(t *testing.T) {
	for name, c := range map[string]struct {
		wants  int
		change func(*Config)
		check  func(*testing.T, Result)
	}{
		"enough": {4, func(*Config) {}, func(t *testing.T, r Result) {
			if r.Asked != 90 || r.Served != 90 || r.Refused != 0 || r.Playing != 90 {
				t.Errorf("%+v", r.Counts)
			}
			if n := len(r.Servers); r.Servers[0][1] != 2 || r.Servers[n-1][1] != 4 {
				t.Errorf("servers %v", r.Servers)
			}
		}},
		"never more than the maximum": {9, func(c *Config) { c.Max = 2 }, func(t *testing.T, r Result) {
			if r.Asked != 90 || r.Served != 60 || r.Refused != 30 || r.Playing != 60 || len(r.Servers) != 1 {
				t.Errorf("%+v, servers %v", r.Counts, r.Servers)
			}
			if !slices.Equal(r.Need, []stories.Step{{r.Need[0][0], 9}}) {
				t.Errorf("need %v", r.Need)
			}
		}},
		"players go home": {2, func(c *Config) {
			c.Users, c.Stay, c.For = 40, 500*time.Millisecond, 8*time.Second
		}, func(t *testing.T, r Result) {
			if r.Served != 40 || r.Home < 30 || r.Playing != 40-r.Home {
				t.Errorf("%+v", r.Counts)
			}
		}},
		"nothing is recommended": {0, func(c *Config) { c.Users = 10 }, func(t *testing.T, r Result) {
			if r.Served != 10 || len(r.Need) != 0 || len(r.Servers) != 1 {
				t.Errorf("%+v, servers %v, need %v", r.Counts, r.Servers, r.Need)
			}
		}},
		"a server is killed": {2, func(c *Config) { c.Users, c.KillAt, c.For = 40, 3*time.Second, 8*time.Second }, func(t *testing.T, r Result) {
			// Of 40 half are on each; those of the dead one ask again, and find ten
			// seats at once, the rest when another server has come.
			if r.Killed == "" || r.Lost != 20 || r.Asked != 60 || r.Refused > 10 || len(r.Servers) != 3 {
				t.Errorf("%s with %d: %+v", r.Killed, r.Lost, r.Counts)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &storytest.Plan{Wants: storytest.Always(c.wants)}
			config := small(p)
			c.change(&config)
			var seen []Progress
			config.Say = func(p Progress) { seen = append(seen, p) }
			r, err := Run(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			if r.Asked != r.Served+r.Refused+r.Left || r.Playing != r.Held {
				t.Errorf("do not add up: %+v, servers held %d", r.Counts, r.Held)
			}
			c.check(t, r)
			if len(seen) < 3 {
				t.Errorf("told %d times", len(seen))
			}
			p.Followed(t, config.Min)
		})
	}
}

// A server that is not needed takes no more players, keeps those it has, and ends
// when they have gone; one that is needed again before takes players again.
func TestGroupShrinks(t *testing.T) {
	t.Parallel()
	began := time.Now()
	want := atomic.Int64{}
	want.Store(3)
	p := &storytest.Plan{Wants: func(time.Duration) int { return int(want.Load()) }}
	c := small(p)
	c.Users, c.Min, c.Ramp, c.For = 30, 1, 4*time.Second, time.Minute
	orders := make(chan Order, 8)
	c.Orders = orders
	var events []string
	c.Tell = func(e stories.Event) { events = append(events, e.Text) }
	ctx, cancel := context.WithCancel(t.Context())
	step := 0
	c.Say = func(p Progress) {
		switch {
		case step == 0 && p.Servers == 3 && p.Counts.Playing == 30:
			want.Store(1)
			step++
		case step == 1 && p.Servers == 1 && p.Draining == 2:
			if p.Counts.Playing != 30 || p.Held != 30 {
				t.Errorf("players were sent away: %+v", p)
			}
			want.Store(2)
			step++
		case step == 2 && p.Servers == 2 && p.Draining == 1:
			orders <- Order{Stay: new(200 * time.Millisecond)}
			want.Store(1)
			step++
		case step == 3 && p.Servers == 1 && p.Draining == 0 && p.Counts.Playing == 0:
			step++
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil || step != 4 || r.Home != 30 || r.Asked != 30 || r.Held != 0 {
		t.Errorf("at step %d after %v: %+v, %v; told %q", step, time.Since(began), r, err, events)
	}
	for _, want := range []string{"starts: ", "takes no more players: 2 servers are enough", "takes players again", "was empty, and has ended"} {
		if !strings.Contains(strings.Join(events, "\n"), want) {
			t.Errorf("nothing tells %q in %q", want, events)
		}
	}
}

// What is asked for meanwhile holds from then on: nobody comes any more, all come
// at once, a server is killed, the next take no time to warm up.
func TestOrders(t *testing.T) {
	t.Parallel()
	orders := make(chan Order, 8)
	c := small(&storytest.Plan{Wants: storytest.Always(2)})
	c.Users, c.Ramp, c.For, c.WarmUp, c.Orders = 40, time.Hour, time.Hour, time.Hour, orders
	ctx, cancel := context.WithCancel(t.Context())
	step := 0
	var events []string
	c.Tell = func(e stories.Event) { events = append(events, e.Text) }
	c.Say = func(p Progress) {
		switch {
		case step == 0:
			orders <- Order{Pace: new(3600.)}
			step++
		case step == 1 && p.Counts.Playing == 40:
			orders <- Order{Kill: true, WarmUp: new(time.Duration(0))}
			step++
		case step == 2 && p.Counts.Asked == 60 && p.Servers == 2 && slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, "the others ") }):
			cancel()
			step++
		}
	}
	r, err := Run(ctx, c)
	if err != nil || step != 3 || r.Lost != 20 {
		t.Errorf("at step %d: %+v, %v", step, r, err)
	}
	// Of the 20 who lost theirs ten find a seat, and more where the next server
	// was quicker than they.
	want := "the others hold it: 40 play, before the kill 40; nobody was refused since"
	if r.Refused > 0 {
		want = fmt.Sprintf("the others do not hold it: %d were refused since the kill; %d play, before it 40", r.Refused, 40-r.Refused)
	}
	if !slices.Contains(events, want) {
		t.Errorf("told %q, not %q", events, want)
	}
}

// Servers and players end with their parent, also when it is killed.
func TestNothingOutlivesItsParent(t *testing.T) { storytest.NothingOutlives(t, envParent, 2) }

// A story that is broken off says what there was until then.
func TestBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := small(&storytest.Plan{Wants: storytest.Always(2)})
	c.For, c.Ramp = time.Hour, time.Second
	c.Say = func(p Progress) {
		if p.After > 2*time.Second {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil || r.Asked != 90 || r.Playing != 60 {
		t.Errorf("%+v, %v", r, err)
	}
}
