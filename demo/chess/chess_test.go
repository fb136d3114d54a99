package chess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// envParent makes the test binary a parent that is to be killed.
const envParent = "CHESS_TEST_PARENT"

func TestMain(m *testing.M) {
	if Main() {
		return
	}
	if os.Getenv(envParent) != "" {
		_, err := Run(context.Background(), small(&plan{wants: func(time.Duration) int { return 2 }, out: os.Stdout}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// plan is a watcher that wants so many servers, and notes whom it was to follow.
type plan struct {
	wants func(after time.Duration) int
	out   io.Writer // gets the address of each agent, a line

	mu     sync.Mutex
	began  time.Time
	follow []string
	left   []string
}

func (p *plan) Follow(name, agent string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow = append(p.follow, name)
	if p.out != nil {
		fmt.Fprintln(p.out, agent)
	}
}

func (p *plan) Leave(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = append(p.left, name)
}

func (p *plan) Verdict(now time.Time) Verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		p.began = now
	}
	n := p.wants(now.Sub(p.began))
	return Verdict{OK: n > 0, Need: n, Run: n}
}

func small(w Watcher) Config {
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
			if !slices.Equal(r.Need, []Step{{r.Need[0][0], 9}}) {
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
			p := &plan{wants: func(time.Duration) int { return c.wants }}
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
			slices.Sort(p.follow)
			slices.Sort(p.left)
			if !slices.Equal(p.follow, p.left) || len(p.follow) < config.Min {
				t.Errorf("followed %v, left %v", p.follow, p.left)
			}
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
	p := &plan{wants: func(time.Duration) int { return int(want.Load()) }}
	c := small(p)
	c.Users, c.Min, c.Ramp, c.For = 30, 1, 4*time.Second, time.Minute
	orders := make(chan Order, 8)
	c.Orders = orders
	var events []string
	c.Tell = func(e Event) { events = append(events, e.Text) }
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
	c := small(&plan{wants: func(time.Duration) int { return 2 }})
	c.Users, c.Ramp, c.For, c.WarmUp, c.Orders = 40, time.Hour, time.Hour, time.Hour, orders
	ctx, cancel := context.WithCancel(t.Context())
	step := 0
	var events []string
	c.Tell = func(e Event) { events = append(events, e.Text) }
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

func TestTempo(t *testing.T) {
	begin := time.Unix(1000, 0)
	after := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	p := newTempo(begin)
	check := func(at, now, want float64, reached bool) {
		t.Helper()
		wait, ok, _ := p.until(time.Duration(at*float64(time.Second)), after(now))
		if ok != reached || math.Abs(wait.Seconds()-want) > 1e-6 {
			t.Errorf("%v s at %v s: wait %v, %v; want %v s, %v", at, now, wait, ok, want, reached)
		}
	}
	check(10, 4, 6, true)
	check(10, 12, 0, true)
	_, _, changed := p.until(time.Second, begin)
	p.set(after(4), 2)
	select {
	case <-changed:
	default:
		t.Error("nobody is told that it changed")
	}
	check(10, 4, 3, true)
	check(10, 6, 1, true)
	p.set(after(6), 0)
	check(8, 100, 0, true)
	check(8.5, 100, 0, false)
	p.set(after(106), 0.5)
	check(9, 106, 2, true)
	ctx, cancel := context.WithCancel(t.Context())
	if !p.reach(ctx, -time.Hour) {
		t.Error("what has been is not reached")
	}
	p.set(time.Now(), 0)
	cancel()
	if p.reach(ctx, 1<<62) {
		t.Error("reached although nobody waits any more")
	}
}

func TestStays(t *testing.T) {
	if !stays(1, 2, 3, time.Second, 0) {
		t.Error("who stays to the end goes")
	}
	moves, gone := 0, 0
	for player := range 2000 {
		for m := 1; ; m++ {
			moves++
			if !stays(7, player, m, 30*time.Second, 5*time.Minute) {
				gone++
				break
			}
		}
	}
	// A move each half minute: between nine and ten of them to stay five minutes.
	if mean := float64(moves) / float64(gone); mean < 9.5 || mean > 11.5 {
		t.Errorf("they make %v moves", mean)
	}
}

// Servers and players end with their parent, also when it is killed.
func TestNothingOutlivesItsParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envParent+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for range 2 {
		var addr string
		if _, err := fmt.Fscanln(out, &addr); err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, addr)
	}
	for _, addr := range addrs {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("an agent is not there before: %v", err)
		}
		c.Close()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		there := 0
		for _, addr := range addrs {
			if c, err := net.Dial("tcp", addr); err == nil {
				c.Close()
				there++
			}
		}
		if there == 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%d of %v still listen", there, addrs)
		}
	}
}

// A story that is broken off says what there was until then.
func TestBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := small(&plan{wants: func(time.Duration) int { return 2 }})
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

func TestArrivals(t *testing.T) {
	const users = 2000
	half, last := 0, time.Duration(0)
	for i := range users {
		at := arrival(1, i, users, time.Minute)
		if at != arrival(1, i, users, time.Minute) || at < last || at > time.Minute {
			t.Fatalf("player %d at %v after %v", i, at, last)
		}
		if last = at; at < 15*time.Second {
			half++
		}
	}
	// 3x² - 2x³ at a quarter.
	if share := float64(half) / users; math.Abs(share-0.15625) > 0.002 {
		t.Errorf("%v have come after a quarter", share)
	}
	if arrival(1, 5, users, time.Minute) == arrival(2, 5, users, time.Minute) {
		t.Error("the seed changes nothing")
	}
}

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
		c := small(&plan{})
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestLobby(t *testing.T) {
	l := &lobby{per: 2}
	web := httptest.NewServer(l)
	defer web.Close()
	post := func(path string) (int, string) {
		r, err := http.Post(web.URL+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var s seat
		_ = json.NewDecoder(r.Body).Decode(&s) // empty where there is no seat
		return r.StatusCode, s.Server
	}
	var got []string
	ask := func(paths ...string) {
		for _, path := range paths {
			code, server := post(path)
			got = append(got, strings.TrimSpace(fmt.Sprint(code, " ", server)))
		}
	}
	ask(seatPath)
	l.add(seat{Server: "a"})
	ask(seatPath)
	l.add(seat{Server: "b"})
	ask(seatPath, seatPath, seatPath, seatPath, leavePath+"?server=b", seatPath, leavePath+"?server=nobody", "/other")
	l.remove("a")
	ask(seatPath, leavePath+"?server=a")
	l.add(seat{Server: "c"})
	ask(seatPath)
	if want := []string{"503", "200 a", "200 b", "200 a", "200 b", "503", "204", "200 b", "204", "404", "503", "204", "200 c"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestHandshake(t *testing.T) {
	// RFC 6455, section 1.3.
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("accept %q", got)
	}
	for name, c := range map[string]struct {
		full bool
		want error
	}{"room": {false, nil}, "full": {true, errFull}} {
		g := &gameServer{most: 1}
		if c.full {
			g.most = 0
		}
		there, here := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); g.play(there) }()
		f, err := open(here, "game")
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if err := f.send(opText, []byte("e2e4")); err != nil {
				t.Fatal(err)
			}
			if op, move, err := f.next(); op != opText || string(move) != "e2e4" || err != nil {
				t.Errorf("%d %q %v", op, move, err)
			}
			if n := g.playing.Load(); n != 1 {
				t.Errorf("%d play", n)
			}
			if err := f.send(opClose, nil); err != nil {
				t.Fatal(err)
			}
			if op, _, err := f.next(); op != opClose || err != nil {
				t.Errorf("%d %v", op, err)
			}
		}
		<-done
		if n := g.playing.Load(); n != 0 {
			t.Errorf("%s: %d play afterwards", name, n)
		}
	}
}

// Who does not speak the game's protocol is told so, and holds no seat.
func TestStrangers(t *testing.T) {
	for _, c := range []struct{ sent, want string }{
		{"GET /play HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 "},
		{"POST /play HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n\r\n", "HTTP/1.1 426 "},
		{"\x16\x03\x01\x00\xff\r\n\r\n", ""},
	} {
		g := &gameServer{most: 1}
		there, here := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); g.play(there) }()
		go func() { _, _ = io.WriteString(here, c.sent) }()
		answer, _ := io.ReadAll(here)
		<-done
		if !bytes.HasPrefix(answer, []byte(c.want)) || c.want == "" && len(answer) > 0 || g.playing.Load() != 0 {
			t.Errorf("%q got %q, %d play", c.sent, answer, g.playing.Load())
		}
	}
}

// FuzzFrames holds that whatever comes, in whatever pieces, is a frame of at
// most maxPayload bytes, or ends the connection.
func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(nil, opText, []byte("e2e4"), true), true)
	f.Add(appendFrame(appendFrame(nil, opPing, nil, false), opText, bytes.Repeat([]byte{1}, maxPayload), false), false)
	f.Add([]byte{0x81, 0xfe, 0, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, masked bool) {
		there, here := net.Pipe()
		go func() {
			defer there.Close()
			_, _ = there.Write(b)
		}()
		defer here.Close()
		end := &frames{Conn: here, masked: masked}
		taken := 0
		for {
			_, payload, err := end.next()
			if err != nil {
				break
			}
			if taken += 2 + len(payload); len(payload) > maxPayload || taken > len(b) {
				t.Fatalf("%d bytes of %d", taken, len(b))
			}
		}
		if len(b) <= maxPayload {
			for _, masked := range []bool{false, true} {
				frame := appendFrame(nil, opText, b, masked)
				op, payload, n, err := parseFrame(frame, masked)
				if op != opText || !bytes.Equal(payload, b) || n != len(frame) || err != nil {
					t.Fatalf("%d %q %d %v", op, payload, n, err)
				}
			}
		}
	})
}
