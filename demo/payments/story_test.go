package payments

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"capmon/demo/stories"
	"capmon/demo/stories/storytest"
)

// envParent makes the test binary a parent that is to be killed.
const envParent = "PAYMENTS_TEST_PARENT"

func TestMain(m *testing.M) {
	if Main() {
		return
	}
	if os.Getenv(envParent) != "" {
		c := small(&storytest.Plan{Wants: storytest.Always(2), Beside: 1, Out: os.Stdout})
		c.For = time.Minute
		_, err := Run(context.Background(), c)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// small is a story for any machine: 20 requests a second, 160 at the festival,
// which begins after a second and lasts for two.
func small(w stories.Watcher) Config {
	return Config{
		RPS: 20, Spike: 8, SpikeAt: time.Second, SpikeFor: 2 * time.Second, PerServer: 40, Queue: 8, Work: 0.5, Min: 1, Max: 5,
		For: 4 * time.Second, WarmUp: 100 * time.Millisecond, Patience: 5 * time.Second, SLA: 0.99, Seed: 7, Version: "test",
		Speed: Speed{Requests: 1000, Loops: 1e6, Cores: 1}, Watch: w,
	}
}

// A story has real processes and requests; what its three places count (people,
// proxy, servers) agrees.
func TestStory(t *testing.T) {
	always := storytest.Always
	for name, c := range map[string]struct {
		wants  func(time.Duration) int
		change func(*Config)
		check  func(*testing.T, Result, []string)
	}{
		"enough": {always(5), func(*Config) {}, func(t *testing.T, r Result, _ []string) {
			if n := len(r.Servers); r.Servers[0][1] != 1 || r.Servers[n-1][1] != 5 {
				t.Errorf("servers %v", r.Servers)
			}
			if r.Expected.Refused != 0 || r.Served == 0 {
				t.Errorf("%+v, expected %+v", r.Counts, r.Expected)
			}
		}},
		"never more than the maximum": {always(9), func(c *Config) { c.Max = 1 }, func(t *testing.T, r Result, _ []string) {
			// 160 a second for two seconds, of which a server takes 40.
			if len(r.Servers) != 1 || math.Abs(r.Expected.Refused-232) > 1e-6 || float64(r.Refused) < 0.7*232 {
				t.Errorf("%+v, servers %v, expected %+v", r.Counts, r.Servers, r.Expected)
			}
			if !slices.Equal(r.Need, []stories.Step{{r.Need[0][0], 9}}) {
				t.Errorf("need %v", r.Need)
			}
			if b := r.Budget; b.Bad != r.Refused+r.Left || b.Burnt < 10 || b.BurnMost < b.Burnt || len(r.RefusedAt) == 0 {
				t.Errorf("budget %+v, refused at %v", b, r.RefusedAt)
			}
		}},
		"nothing is recommended": {always(0), func(c *Config) { c.SpikeFor = 0 }, func(t *testing.T, r Result, _ []string) {
			if r.Asked == 0 || len(r.Need) != 0 || len(r.Servers) != 1 || r.Expected.Detected != nil {
				t.Errorf("%+v, servers %v, need %v", r.Counts, r.Servers, r.Need)
			}
		}},
		"fewer are recommended": {
			func(after time.Duration) int {
				if after < 2*time.Second {
					return 4
				}
				return 2
			}, func(c *Config) { c.SpikeFor = 0 }, func(t *testing.T, r Result, _ []string) {
				most := slices.MaxFunc(r.Servers, func(a, b stories.Step) int { return int(a[1] - b[1]) })
				if last := r.Servers[len(r.Servers)-1]; most[1] != 4 || last[1] != 2 {
					t.Errorf("%+v, servers %v", r.Counts, r.Servers)
				}
			},
		},
		// What is recommended counts the servers that are open: fewer than those
		// that warm up are no reason to send these away.
		"fewer for a moment": {
			func(after time.Duration) int {
				if after > 500*time.Millisecond && after < time.Second {
					return 3
				}
				return 4
			}, func(c *Config) { c.SpikeFor, c.WarmUp = 0, 1500*time.Millisecond }, func(t *testing.T, r Result, events []string) {
				if last := r.Servers[len(r.Servers)-1]; last[1] != 4 || strings.Contains(strings.Join(events, "\n"), " goes: ") {
					t.Errorf("servers %v, events %q", r.Servers, events)
				}
			},
		},
		"a server is killed": {always(3), func(c *Config) { c.KillAt = 2 * time.Second }, func(t *testing.T, r Result, _ []string) {
			if last := r.Servers[len(r.Servers)-1]; r.Killed == "" || last[1] < 2 || r.Served == 0 {
				t.Errorf("killed %q, servers %v, %+v", r.Killed, r.Servers, r.Counts)
			}
		}},
		"the cache answers": {always(1), func(c *Config) { c.CacheAt = 500 * time.Millisecond }, func(t *testing.T, r Result, _ []string) {
			// Two of five look at the catalogue, which nearly always is fresh, and
			// two at their balance: with it one server holds most of the spike.
			if !r.Cache.On || r.Cache.Hits < r.Asked/4 || r.Cache.Hits+r.Cache.Misses > r.Asked {
				t.Errorf("%+v of %+v", r.Cache, r.Counts)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &storytest.Plan{Wants: c.wants, Beside: 1}
			config := small(p)
			c.change(&config)
			var seen []Progress
			config.Say = func(p Progress) { seen = append(seen, p) }
			var events []string
			config.Tell = func(e stories.Event) { events = append(events, e.Text) }
			r, err := Run(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			if r.Asked != r.Served+r.Refused+r.Left || r.Waiting != 0 || r.Asked == 0 {
				t.Errorf("do not add up: %+v", r.Counts)
			}
			c.check(t, r, events)
			if len(seen) == 0 || seen[len(seen)-1].Counts.Asked == 0 {
				t.Errorf("told %d times", len(seen))
			}
			if list := p.Followed(t, 1+config.Min); !slices.Contains(list, "proxy") {
				t.Errorf("followed %v, and not the proxy", list)
			}
		})
	}
}

// The same seed asks the same: as many requests in two tellings, another number
// with another seed.
func TestAgain(t *testing.T) {
	t.Parallel()
	var asked [3]int
	var all sync.WaitGroup
	for i, seed := range []uint64{3, 3, 4} {
		c := small(&storytest.Plan{Wants: storytest.Always(1), Beside: 1})
		c.For, c.SpikeAt, c.SpikeFor, c.Seed = 2*time.Second, time.Second, time.Second, seed
		all.Go(func() {
			r, err := Run(t.Context(), c)
			if err != nil {
				t.Error(err)
			}
			asked[i] = r.Asked
		})
	}
	all.Wait()
	if asked[0] != asked[1] || asked[0] == asked[2] {
		t.Errorf("asked %v with the seeds 3, 3 and 4", asked)
	}
}

// What is ordered while it is told: a spike now and its end, a cache, another
// warm-up, more people, a server killed.
func TestOrders(t *testing.T) {
	t.Parallel()
	orders := make(chan Order, 1)
	c := small(&storytest.Plan{Wants: storytest.Always(2), Beside: 1})
	c.SpikeAt, c.For, c.SpikeFor, c.WarmUp, c.Orders = 10*time.Second, 12*time.Second, time.Minute, time.Hour, orders
	ctx, cancel := context.WithCancel(t.Context())
	var events []string
	died := false
	c.Tell = func(e stories.Event) {
		events = append(events, e.Text)
		died = died || e.Bad && strings.Contains(e.Text, "has died: ")
	}
	list := []struct {
		order Order
		done  func(Progress) bool
	}{
		{Order{Spike: new(true)}, func(p Progress) bool { return p.Rate == 160 && p.Last.Asked > 80 }},
		{Order{Spike: new(false)}, func(p Progress) bool { return p.Rate == 20 }},
		{Order{RPS: new(40.)}, func(p Progress) bool { return p.Rate == 40 }},
		{Order{Cache: new(true)}, func(p Progress) bool { return p.Cache.On && p.Cache.Hits > 0 }},
		{Order{WarmUp: new(time.Duration(0))}, func(p Progress) bool { return p.Servers == 2 }},
		{Order{Kill: true}, func(Progress) bool { return died }},
	}
	step, given := 0, false
	c.Say = func(p Progress) {
		if step < len(list) && given && list[step].done(p) {
			step, given = step+1, false
		}
		switch {
		case step == len(list):
			cancel()
		case !given:
			orders <- list[step].order
			given = true
		}
	}
	r, err := Run(ctx, c)
	if err != nil || step != len(list) || r.Killed == "" || r.Asked != r.Served+r.Refused+r.Left {
		t.Errorf("stayed at order %d: killed %q, %+v, %v", step, r.Killed, r.Counts, err)
	}
	for _, want := range []string{"people ask 160 times a second", "people ask 20 times a second", "1 server is asked for, beside 1", "pay-2 is warm: 2 servers are open", "the cache is on"} {
		if !strings.Contains(strings.Join(events, "\n"), want) {
			t.Errorf("nothing tells %q in %q", want, events)
		}
	}
}

// Servers, proxy and people end with their parent, also when it is killed.
func TestNothingOutlivesItsParent(t *testing.T) { storytest.NothingOutlives(t, envParent, 3) }

// A story that is broken off says what there was until then.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := small(&storytest.Plan{Wants: storytest.Always(2), Beside: 1})
	c.For = time.Hour
	c.Say = func(p Progress) {
		if p.After > 2*time.Second {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil || r.Asked == 0 || r.Asked != r.Served+r.Refused+r.Left || r.Waiting != 0 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
}

func TestFit(t *testing.T) {
	fast := Speed{Requests: 10_000, Loops: 1e9, Cores: 2}
	for name, c := range map[string]struct {
		speed    Speed
		files    int
		rps, per float64
		queue    int
		note     string
	}{
		"room for all":  {fast, 20_000, 60, 100, 20, ""},
		"no file limit": {fast, 0, 60, 100, 20, ""},
		"slow": {
			Speed{Requests: 2500, Loops: 1e9, Cores: 1},
			0, 30, 50, 10,
			"30 requests a second instead of 60, and 50 a server instead of 100: this machine passed on 2500 a second",
		},
		"256 files": {fast, 256, 60, 100, 5, "5 requests wait for a server instead of 20: a process may open 256 files (ulimit -n)"},
		"no files":  {fast, 3, 60, 100, 1, "1 requests wait for a server instead of 20: a process may open 3 files (ulimit -n)"},
	} {
		config := Config{RPS: 60, Spike: 8, PerServer: 100, Max: 10, Speed: c.speed}
		if note := config.Fit(c.files); note != c.note || config.RPS != c.rps || config.PerServer != c.per || config.Queue != c.queue {
			t.Errorf("%s: %v a second, %v a server, %d wait, %q", name, config.RPS, config.PerServer, config.Queue, note)
		}
	}
	config := Config{RPS: 1e7, Spike: 8, PerServer: 100, Max: 10, Speed: fast}
	if note := config.Fit(0); config.RPS != 250 || config.PerServer != 100 || !strings.Contains(note, "250 requests a second instead of 10000000: this machine passed on 10000 a second") {
		t.Errorf("%v a second, %v a server, %q", config.RPS, config.PerServer, note)
	}
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"0 requests a second":             func(c *Config) { c.RPS = 0 },
		"NaN requests a second a server":  func(c *Config) { c.PerServer = math.NaN() },
		"a spike of 0.5 times":            func(c *Config) { c.Spike = 0.5 },
		"6 to 5 servers":                  func(c *Config) { c.Min = 6 },
		"work with 2":                     func(c *Config) { c.Work = 2 },
		"a story of 0s":                   func(c *Config) { c.For = 0 },
		"a warm-up of -1ns":               func(c *Config) { c.WarmUp = -1 },
		"patience for 1ms":                func(c *Config) { c.Patience = time.Millisecond },
		"-1 requests that wait":           func(c *Config) { c.Queue = -1 },
		"a promise for 1 of the requests": func(c *Config) { c.SLA = 1 },
		"a spike for -1ns":                func(c *Config) { c.SpikeFor = -1 },
		"a spike after 5s":                func(c *Config) { c.SpikeAt = 5 * time.Second },
		"a cache after 5s":                func(c *Config) { c.CacheAt = 5 * time.Second },
		"a server killed after 5s":        func(c *Config) { c.KillAt = 5 * time.Second },
		"nobody watches":                  func(c *Config) { c.Watch = nil },
		"not fitted":                      func(c *Config) { c.Speed = Speed{} },
	} {
		c := small(&storytest.Plan{})
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
