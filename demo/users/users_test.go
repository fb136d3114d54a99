package users

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/capacity"
)

// envParent makes the test binary a program with a lesson that is to be killed;
// it is the port of the servers.
const envParent = "USERS_TEST_PARENT"

func TestMain(m *testing.M) {
	if Main() {
		return
	}
	if port := os.Getenv(envParent); port != "" {
		c := small()
		c.Kinds, c.Each = []Kind{Cluster}, time.Hour
		_, _ = fmt.Sscan(port, &c.Port)
		_, err := Run(context.Background(), c)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// small is a lesson that leaves room for others: 200 requests a second of about
// a third of a millisecond.
func small() Config {
	return Config{Workers: 2, Users: 20, Think: 100 * time.Millisecond, Loops: 2000, Each: 2500 * time.Millisecond, Seed: 7, Version: "test"}
}

// Three kinds of server answer the same users, and what is counted adds up.
func TestThreeKinds(t *testing.T) {
	c := small()
	told := 0
	var doing []string
	c.Say = func(r Result) {
		told++
		if !slices.Contains(doing, r.Doing) {
			doing = append(doing, r.Doing)
		}
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(doing, []string{"one thread", "cluster", "many threads"}) || told < 6 {
		t.Errorf("told %d times of %q", told, doing)
	}
	if r.Doing != "" || r.Rest != 0 || r.Wanted != 200 {
		t.Errorf("at the end it does %q for %v s, %v wanted", r.Doing, r.Rest, r.Wanted)
	}
	var sum Counts
	for i := range r.Servers {
		s := &r.Servers[i]
		sum.add(s.Counts)
		if s.Asked == 0 || s.Served == 0 || s.Asked != s.Served+s.Refused+s.Left {
			t.Errorf("%v does not add up: %+v", s.Kind, s.Counts)
		}
		if processes, threads := s.Kind.shape(2); s.Processes != processes || s.Threads != threads || len(s.ProcessCores) != processes {
			t.Errorf("%v: %d processes of %d threads, cores %v", s.Kind, s.Processes, s.Threads, s.ProcessCores)
		}
		for name, v := range map[string]*float64{
			"asked": s.AskedPerSecond, "served": s.ServedPerSecond, "half": s.P50, "99%": s.P99, "cores": s.CoresUsed, "of users": s.UsersCores,
		} {
			if v == nil || !(*v > 0) {
				t.Errorf("%v: %s is not known", s.Kind, name)
			}
		}
		if s.Forecast == nil || s.Forecast.Servers < 1 || !s.Forecast.AtMost || s.Forecast.Horizontal.Then != nil || !s.Done || len(s.Last) == 0 {
			t.Errorf("%v: forecast %+v, done %v, %d seconds", s.Kind, s.Forecast, s.Done, len(s.Last))
		}
		if watched := runtime.GOOS == "linux"; watched != (s.Verdict != nil) || watched != (s.Unwatched == "") {
			t.Errorf("%v: verdict %+v, unwatched %q", s.Kind, s.Verdict, s.Unwatched)
		} else if watched && (s.Verdict.Word == "" || s.Verdict.Do == "" || s.Verdict.Cores == nil) {
			t.Errorf("%v: verdict %+v", s.Kind, s.Verdict)
		}
	}
	if sum != r.Counts {
		t.Errorf("all together %+v, want %+v", r.Counts, sum)
	}
	if portsAreShared {
		for _, used := range r.Servers[Cluster].ProcessCores {
			if !(used > 0.001) {
				t.Errorf("a worker of the cluster has no users: %v", r.Servers[Cluster].ProcessCores)
			}
		}
	}
}

// Of more users than one thread can serve the others are refused at once, and
// those that it serves wait for a full queue at most.
func TestTooManyUsers(t *testing.T) {
	c := small()
	c.Kinds, c.Users, c.Think, c.Loops, c.Work = []Kind{OneThread}, 60, 60*time.Millisecond, 0, 10*time.Millisecond
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	// However slow a busy machine makes the users: what one thread can do, and the
	// queue at the end.
	s, most := &r.Servers[0], int(1.5*c.Each.Seconds()/r.Work)+int(longest/c.Work)
	if s.Refused == 0 || s.Served == 0 || s.Served > most || s.Asked != s.Served+s.Refused+s.Left {
		t.Errorf("%+v: want some refused, %d served at most, and a sum", s.Counts, most)
	}
}

// A lesson that is broken off says what there was until then, and its numbers
// add up.
func TestBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := small()
	c.Each = time.Hour
	c.Say = func(r Result) {
		if r.Served > 0 {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil || r.Served == 0 || r.Asked != r.Served+r.Refused+r.Left || r.Doing != "" {
		t.Errorf("%+v doing %q, %v", r.Counts, r.Doing, err)
	}
	if r.Servers[Cluster].Asked != 0 || r.Servers[Cluster].ServedPerSecond != nil {
		t.Errorf("what never ran has numbers: %+v", r.Servers[Cluster])
	}
}

// Another number of threads is a step, and not one of the kinds.
func TestSteps(t *testing.T) {
	c := small()
	c.Kinds, c.Counts, c.Step = []Kind{}, []int{1, 3}, 2*time.Second
	r, err := Run(t.Context(), c)
	if err != nil || len(r.Servers) != 0 || len(r.Steps) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, n := range c.Counts {
		if s := &r.Steps[i]; s.Threads != n || s.Processes != 1 || s.Served == 0 || !s.Done || s.Verdict != nil {
			t.Errorf("%+v, want %d threads", s, n)
		}
	}
}

func TestCheck(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for want, change := range map[string]func(*Config){
		"-1 workers":                  func(c *Config) { c.Workers = -1 },
		"300 workers":                 func(c *Config) { c.Workers = 300 },
		"10000000 users":              func(c *Config) { c.Users = 10_000_000 },
		"think for 1ms":               func(c *Config) { c.Think = time.Millisecond },
		"1s of work":                  func(c *Config) { c.Work = time.Second },
		"-5 loops":                    func(c *Config) { c.Loops = -5 },
		"0s for each kind":            func(c *Config) { c.Each = 0 },
		"1s for each number":          func(c *Config) { c.Counts, c.Step = []int{1}, time.Second },
		"0 threads":                   func(c *Config) { c.Counts, c.Step = []int{0}, time.Minute },
		"a target of NaN":             func(c *Config) { c.Target = math.NaN() },
		"port 70000":                  func(c *Config) { c.Port = 70_000 },
		"kind 9 of":                   func(c *Config) { c.Kinds = []Kind{9} },
		fmt.Sprintf("port %d:", port): func(c *Config) { c.Port = port },
	} {
		c := small()
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q in one line", err, want)
		}
	}
	c := small()
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

func TestSettle(t *testing.T) {
	for name, x := range map[string]struct {
		cores, files   int
		given          Config
		workers, users int
		think          time.Duration
		note           string
	}{
		"8 cores":     {8, 0, Config{}, 8, 1760, time.Second, ""},
		"one core":    {1, 0, Config{}, 2, 220, time.Second, ""},
		"256 files":   {2, 256, Config{}, 2, 206, 468 * time.Millisecond, "206 users instead of 440, who think for 468ms instead of 1s: a process may open 256 files (ulimit -n)"},
		"hardly any":  {2, 51, Config{}, 2, 1, 2 * time.Millisecond, "1 users instead of 440"},
		"many users":  {2, 0, Config{Users: MaxUsers, Think: 100 * time.Millisecond}, 2, 2000, 100 * time.Millisecond, "2000 users: more would ask over 20000 requests a second"},
		"many cores":  {2000, 0, Config{}, MaxWorkers, 20_000, time.Second, ""},
		"few workers": {64, 0, Config{Workers: 4}, 4, 880, time.Second, ""},
	} {
		c := x.given
		notes := strings.Join(c.settle(x.cores, x.files), "; ")
		if c.Workers != x.workers || math.Abs(float64(c.Users-x.users)) > 1 || c.Think != x.think {
			t.Errorf("%s: %d workers, %d users who think %v, want %d, %d, %v", name, c.Workers, c.Users, c.Think, x.workers, x.users, x.think)
		}
		if (x.note == "") != (notes == "") || !strings.HasPrefix(notes, x.note) {
			t.Errorf("%s: %q, want %q", name, notes, x.note)
		}
		if c.Loops < 1 || len(c.Kinds) != 3 || c.Counts != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	c := Config{Loops: 1000}
	if c.settle(2, 0); c.Loops != 1000 || c.Work <= 0 || c.Work > 100*time.Millisecond {
		t.Errorf("1000 loops are %v of work", c.Work)
	}
}

func TestCoresHere(t *testing.T) {
	for usable, want := range map[float64]int{0.5: 1, 1: 1, 2.5: 2, 64: 64} {
		cores, note := coresHere(usable)
		if whole := usable == float64(want); cores != want || whole != (note == "") {
			t.Errorf("%v cores: %d, %q", usable, cores, note)
		}
	}
	if _, note := coresHere(0.5); !strings.HasPrefix(note, "0.50 cores may be used here: a quota") {
		t.Errorf("%q", note)
	}
}

func TestNumbers(t *testing.T) {
	for _, x := range []struct {
		workers, cores, most int
		want                 []int
	}{
		{2, 2, 1, []int{4}},
		{2, 1, 3, []int{4}},
		{3, 3, 2, []int{2}},
		{8, 8, 4, []int{2, 3, 4, 6}},
		{8, 8, 2, []int{2, 4}},
		{64, 64, 3, []int{4, 16, 32}},
		{8, 8, 0, nil},
	} {
		if got := numbers(x.workers, x.cores, x.most); !slices.Equal(got, x.want) {
			t.Errorf("%d workers, %d cores, %d at most: %v, want %v", x.workers, x.cores, x.most, got, x.want)
		}
	}
}

func TestLaw(t *testing.T) {
	curve := capacity.Scalability{Alpha: 0.05, Beta: 0.001, Gamma: 200}
	var all []Point
	for _, n := range []int{8, 1, 4, 2, 16} {
		all = append(all, Point{n, curve.At(float64(n))})
	}
	l := law(all, 8)
	if l.Fit == nil || math.Abs(l.Fit.Alpha-0.05) > 1e-3 || l.Lacks != "" || l.Few == "" || l.Fit.Most != 8 {
		t.Errorf("%+v", l)
	}
	if want := "16 threads over 8 cores give ×1."; !strings.HasPrefix(l.Over, want) {
		t.Errorf("%q, want %q", l.Over, want)
	}
	for want, points := range map[string][]Point{
		"no number of threads was seen full on 2 cores: the law":  nil,
		"seen full with 1 thread on 2 cores: the law":             {{1, 200}},
		"seen full with 1 and 2 threads on 2 cores: the law":      {{2, 390}, {1, 200}, {4, 391}},
		"no number of threads was seen full on 2 cores: the laws": {{4, 391}, {3, 391}},
	} {
		l := law(points, 2)
		if l.Fit != nil || !strings.HasPrefix(l.Lacks, strings.TrimSuffix(want, "s")) || l.Formula != "" {
			t.Errorf("%v: %+v, want %q", points, l, want)
		}
	}
	if got := law([]Point{{2, 390}, {1, 200}, {4, 391}}, 2).Over; got != "4 threads over 2 cores give ×1.00 of 2" {
		t.Errorf("over the cores: %q", got)
	}
}

func TestForecast(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	fit := law([]Point{{1, 200}, {2, 390}, {4, 740}, {8, 1350}}, 8)
	for name, x := range map[string]struct {
		s      Server
		l      Law
		wanted float64
		want   Forecast
		trust  string
	}{
		// 1,760/s, of which one thread serves 160/s at 80% of its core.
		"one thread": {
			Server{Kind: OneThread, Processes: 1, Threads: 1, ServedPerSecond: f(200), CoresUsed: f(1)},
			Law{Lacks: "all"},
			1760,
			Forecast{Servers: 11, Cores: 88, IdleCores: 79.2, Vertical: Change{From: 8, To: 16, RPS: 200, Then: f(200)}, Horizontal: Change{From: 1, To: 2, RPS: 200, Then: f(400)}},
			"one thread runs on one core",
		},
		"no law": {
			Server{Kind: Threads, Processes: 1, Threads: 8, ServedPerSecond: f(1600), CoresUsed: f(8)},
			Law{Lacks: "three numbers"},
			1760,
			Forecast{Servers: 2, Cores: 16, IdleCores: 7.2, Vertical: Change{From: 8, To: 16, RPS: 1600, Then: f(3200), AtMost: true}, Horizontal: Change{From: 1, To: 2, RPS: 1600, Then: f(3200)}},
			"three numbers",
		},
		// Half full: at its target it would serve 1.6 times what it serves.
		"not full": {
			Server{Kind: Cluster, Processes: 8, Threads: 1, ServedPerSecond: f(800), CoresUsed: f(4)},
			Law{},
			800,
			Forecast{Servers: 1, AtMost: true, Cores: 8, IdleCores: 4, Vertical: Change{From: 8, To: 16, RPS: 800}, Horizontal: Change{From: 1, To: 2, RPS: 800}},
			"it was not full, so what it can serve is not known: ask more",
		},
		"by the law": {
			Server{Kind: Threads, Processes: 1, Threads: 8, ServedPerSecond: f(1350), CoresUsed: f(8)},
			fit, 1350,
			Forecast{Servers: 2, Cores: 16, IdleCores: 8, Vertical: Change{From: 8, To: 16, RPS: 1350, Then: f(1350 * fit.Fit.At(16) / fit.Fit.At(8))}, Horizontal: Change{From: 1, To: 2, RPS: 1350, Then: f(2700)}},
			"by the law of scaling, beyond the 8 threads measured; ",
		},
	} {
		got := forecast(&x.s, x.wanted, 0.8, 8, 8, &x.l)
		if got == nil {
			t.Errorf("%s: nothing", name)
			continue
		}
		if !strings.HasPrefix(got.Vertical.Trust, x.trust) || got.Horizontal.Trust == "" {
			t.Errorf("%s: trust %q, want %q", name, got.Vertical.Trust, x.trust)
		}
		got.IdleCores = math.Round(got.IdleCores*1e6) / 1e6
		got.Vertical.Trust, got.Horizontal.Trust = "", ""
		if !reflect.DeepEqual(*got, x.want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, *got, x.want)
		}
	}
	half := Server{Kind: OneThread, Processes: 1, Threads: 1, ServedPerSecond: f(100), CoresUsed: f(0.5)}
	if got := forecast(&half, 100, 0.8, 1, 0.5, &Law{}); got == nil || got.Vertical.Then != nil || !strings.HasPrefix(got.Vertical.Trust, "a quota of 0.50 cores") || got.AtMost {
		t.Errorf("under a quota: %+v", got)
	}
	if got := forecast(&Server{ServedPerSecond: f(0), CoresUsed: f(0)}, 100, 0.8, 8, 8, &Law{}); got != nil {
		t.Errorf("of nothing follows %+v", got)
	}
}

// A board has each kind as it was last measured, and what follows from all.
func TestBoard(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	var b Board
	c := b.Same(Config{Workers: 4})
	if c.Workers != 4 || c.Loops != 0 {
		t.Errorf("an empty board has said %+v", c)
	}
	of := func(s Server) Result {
		s.Asked, s.Done = 10, true
		return Result{Cores: 4, Usable: 4, Workers: 4, Users: 30, Think: 1, Loops: 99, Target: 0.8, Wanted: 880, Servers: []Server{s}}
	}
	b.Take(of(Server{Kind: OneThread, Processes: 1, Threads: 1, ServedPerSecond: f(200), CoresUsed: f(1)}))
	b.Take(of(Server{Kind: Threads, Processes: 1, Threads: 4, ServedPerSecond: f(600), CoresUsed: f(4)}))
	b.Take(of(Server{Kind: Threads, Processes: 1, Threads: 4, ServedPerSecond: f(760), CoresUsed: f(4)}))
	step := of(Server{})
	step.Servers, step.Steps = nil, []Server{{Kind: Threads, Processes: 1, Threads: 2, Done: true, Counts: Counts{Asked: 1}, ServedPerSecond: f(390), CoresUsed: f(2)}}
	b.Take(step)
	r := b.Result()
	if len(r.Servers) != 3 || r.Servers[0].Asked != 10 || r.Servers[1].Asked != 0 || *r.Servers[2].ServedPerSecond != 760 || r.Asked != 21 {
		t.Errorf("%+v", r)
	}
	if want := []Point{{1, 200}, {2, 390}, {4, 760}}; !slices.Equal(r.Law.Points, want) || r.Law.Fit == nil || r.Servers[2].Forecast.Vertical.AtMost {
		t.Errorf("law %+v, forecast %+v", r.Law, r.Servers[2].Forecast)
	}
	if c := b.Same(Config{}); c.Loops != 99 || c.Users != 30 || c.Workers != 4 || c.Think != time.Second {
		t.Errorf("the same again is %+v", c)
	}
	if c := b.Same(Config{Workers: 2}); c.Loops != 0 {
		t.Errorf("with other workers it is %+v", c)
	}
	two := of(Server{Kind: OneThread, Processes: 1, Threads: 1})
	two.Workers = 2
	b.Take(two)
	if r := b.Result(); r.Asked != 10 || len(r.Steps) != 0 || r.Servers[2].Threads != 2 {
		t.Errorf("what was measured with other workers stands: %+v", r)
	}
}

// Threads wait for one another where they are more than the cores; what they wait
// beyond that others had.
func TestDisturbed(t *testing.T) {
	for _, x := range []struct {
		threads int
		cores   float64
		waiting float64
		want    string
	}{
		{1, 2, 0.2, ""},
		{1, 2, 0.5, "its threads waited for 0.50 of 1 core "},
		{2, 2, 0.45, ""},
		{2, 1, 1.2, ""},
		{2, 1, 1.4, "its threads waited for 0.40 of 1 core "},
		{1, 0.5, 0.9, ""},
	} {
		s := Server{Processes: 1, Threads: x.threads, Verdict: &Verdict{Word: "ROOM, cpu 50%", Do: "1 host is enough", Waiting: x.waiting}}
		if s.disturbed(x.cores); !strings.HasPrefix(s.Disturbed, x.want) || (x.want == "") != (s.Disturbed == "") {
			t.Errorf("%d threads on %v cores that waited %v: %q, want %q", x.threads, x.cores, x.waiting, s.Disturbed, x.want)
		}
		if room := strings.HasPrefix(s.Verdict.Word, "ROOM"); room != (x.want == "") || room != (s.Verdict.Do != "") {
			t.Errorf("%d threads on %v cores that waited %v: %s. %s", x.threads, x.cores, x.waiting, s.Verdict.Word, s.Verdict.Do)
		}
	}
}
