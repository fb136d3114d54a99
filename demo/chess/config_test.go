package chess

import (
	"math"
	"strings"
	"testing"
	"time"

	"capmon/demo/stories/storytest"
)

func TestFit(t *testing.T) {
	for name, c := range map[string]struct {
		room       Room
		users, per int
		note       string
	}{
		"room for all":     {Room{Files: 20_000, Memory: 16 << 30}, 90_000, 10_000, ""},
		"nothing is known": {Room{}, 90_000, 10_000, ""},
		"256 files":        {Room{Files: 256}, 1404, 156, "156 connections a server instead of 10000, and 1404 players instead of 90000: a process may open 256 files (ulimit -n)"},
		"no files":         {Room{Files: 3}, 9, 1, "1 connections a server instead of 10000, and 9 players instead of 90000: a process may open 3 files (ulimit -n)"},
		"1 GB":             {Room{Files: 1 << 20, Memory: 1 << 30}, 13_107, 10_000, "13107 players instead of 90000: they take half of the 1024 MB of memory that are free"},
	} {
		config := Config{Users: 90_000, PerServer: 10_000}
		if note := config.Fit(c.room); note != c.note || config.Users != c.users || config.PerServer != c.per {
			t.Errorf("%s: %d players, %d a server, %q", name, config.Users, config.PerServer, note)
		}
	}
	config := Config{Users: 10 * MaxUsers, PerServer: 1}
	if note := config.Fit(Room{}); config.Users != MaxUsers || !strings.Contains(note, "1000000 players instead of 10000000") {
		t.Errorf("%d players, %q", config.Users, note)
	}
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"0 players":              func(c *Config) { c.Users = 0 },
		"0 connections a server": func(c *Config) { c.PerServer = 0 },
		"5 to 4 servers":         func(c *Config) { c.Min = 5 },
		"0 to 4 servers":         func(c *Config) { c.Min = 0 },
		"NaN cores":              func(c *Config) { c.Cores = math.NaN() },
		"plays -1ns":             func(c *Config) { c.Stay = -1 },
		"a story of 0s":          func(c *Config) { c.For = 0 },
		"players come for 6s":    func(c *Config) { c.Ramp = 6 * time.Second },
		"a warm-up of -1ns":      func(c *Config) { c.WarmUp = -1 },
		"1ms between moves":      func(c *Config) { c.Think = time.Millisecond },
		"killed after 6s":        func(c *Config) { c.KillAt = 6 * time.Second },
		"nobody watches":         func(c *Config) { c.Watch = nil },
	} {
		c := small(&storytest.Plan{})
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
