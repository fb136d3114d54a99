package capacity_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
)

func known(v float64) capacity.Num { return capacity.Known(v) }

// chess is the question of the mock-up, SCREENS 8 and 13.8.
func chess() capacity.Question {
	return capacity.Question{
		Users: known(88_420), PerServer: known(10_000), Growth: capacity.Growth{PerSecond: 20}, Have: 9, Price: known(0.17),
		Rule: capacity.Rule{Target: 0.8, Spare: 1, Min: 2, Max: 10}, WarmUp: 3 * time.Minute,
		Cores: known(8), CoresUsed: known(41.4),
	}
}

func plan(t *testing.T, q capacity.Question) capacity.Plan {
	t.Helper()
	p, err := capacity.NewPlan(q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanOfTheMockUp(t *testing.T) {
	p := plan(t, chess())
	s := p.Sizing
	if s.Raw != 12 || s.Need != 13 || s.Run != 10 || s.Short != 3 || s.Limit != "conns" {
		t.Errorf("%+v", s)
	}
	if want := "NEED 13 = ceil(88,420 / (10,000 × 0.80)) + 1 spare"; s.Formula != want {
		t.Errorf("%q\nwant %q", s.Formula, want)
	}
	type row struct {
		Servers          int
		Now, Lost, Later string
		Cost             string
		Marks            []string
	}
	var got []row
	for _, r := range p.Rows {
		got = append(got, row{
			r.Servers, capacity.PercentBeside(r.Now.V, 0.8), capacity.PercentBeside(r.Lost.V, 0.8), capacity.PercentBeside(r.Later.V, 0.8),
			capacity.Decimal(r.PerDay.V, 2), r.Marks,
		})
	}
	// The table of the mock-up, to the digit.
	want := []row{
		{9, "98%", "111%", "112%", "36.72", []string{"have"}},
		{10, "88%", "98%", "100%", "40.80", []string{"max"}},
		{11, "80.4%", "88%", "91%", "44.88", nil},
		{12, "74%", "80.4%", "84%", "48.96", nil},
		{13, "68%", "74%", "77%", "53.04", []string{"NEED"}},
		{14, "63%", "68%", "72%", "57.12", nil},
		{16, "55%", "59%", "63%", "65.28", nil},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if want := []string{
		"add 1: 88% used, buys 8m20s",
		"raise max to 13, add 3: 68% used, buys 33m, holds the loss of one",
	}; !slices.Equal(p.Advice, want) {
		t.Errorf("advice %q\nwant   %q", p.Advice, want)
	}
	if last := p.Steps[len(p.Steps)-1]; last != "9 servers full in 1m19s; a new server takes 3m00s: late by 1m41s" {
		t.Errorf("last step %q", last)
	}
}

// The second line of what the engine must be able to say: a target, a promise
// about time and one about being up, and which of them binds.
// What servers carry is the load at which their nearest limit is full.
func TestCarries(t *testing.T) {
	p := plan(t, chess())
	for n, want := range map[int]float64{1: 10_000, 9: 90_000, 10: 100_000, 13: 130_000} {
		if got := p.Carries(n); !got.OK || math.Abs(got.V-want) > 1e-6 {
			t.Errorf("%d servers carry %v, want %v", n, got, want)
		}
	}
	for _, n := range []int{0, -1, capacity.MaxServers + 1} {
		if got := p.Carries(n); got.OK {
			t.Errorf("%d servers carry %v", n, got)
		}
	}
	q := chess()
	q.Users = known(0)
	if p, err := capacity.NewPlan(q); err == nil && p.Carries(9).OK {
		t.Errorf("no load says nothing of what is carried: %v", p.Carries(9))
	}
	for n := 2; n < 40; n++ { // at that load the servers are full, and more carry more
		q := chess()
		q.Users = p.Carries(n)
		q.CoresUsed = known(41.4 * q.Users.V / 88_420)
		full := plan(t, q)
		if use := full.At(n).Now; math.Abs(use.V-1) > 1e-9 || p.Carries(n).V <= p.Carries(n-1).V {
			t.Errorf("%d servers at %v: %v used", n, q.Users, use)
		}
	}
}

func TestPlanOfPromises(t *testing.T) {
	q := capacity.Question{
		RPS: known(12_000), Cost: known(0.008), Cores: known(8), Workers: 8,
		Rule: capacity.Rule{Target: 0.7, SLA: 0.9995, Availability: 0.995},
		SLO:  &capacity.Promise{Share: 0.99, Within: 0.05},
	}
	for _, c := range []struct {
		own        bool
		each       []int
		need       int
		limit      string
		sla        string
		holdsAbove float64
	}{
		{false, []int{18, 14}, 20, "cpu", "20 servers of 99.5% keep 18 up", 0.87},
		{true, []int{18, 46}, 49, "slo", "49 servers of 99.5% keep 46 up", 0.26},
	} {
		q.OwnQueue = c.own
		p := plan(t, q)
		if d := cmp.Diff(c.each, p.Sizing.Each); d != "" || p.Sizing.Need != c.need || p.Sizing.Limit != c.limit || p.Promised.V < c.holdsAbove {
			t.Errorf("own queue %v: %+v, promise %v", c.own, p.Sizing, p.Promised.V)
		}
		if !slices.ContainsFunc(p.Steps, func(s string) bool { return strings.Contains(s, c.sla) }) {
			t.Errorf("no step says %q: %q", c.sla, p.Steps)
		}
		// With what the promise asks for it is kept, with one fewer it is not.
		for _, r := range []struct {
			n    int
			kept bool
		}{{c.each[1], true}, {c.each[1] - 1, false}} {
			at, err := capacity.NewQueue(map[bool]int{true: 1, false: 8}[c.own], 12_000/float64(r.n)/map[bool]float64{true: 8, false: 1}[c.own], 0.008)
			if err != nil {
				t.Fatal(err)
			}
			if kept := at.ResponseLonger(0.05) <= 0.01; kept != r.kept {
				t.Errorf("own queue %v, %d servers: kept %v", c.own, r.n, kept)
			}
		}
	}
}

func TestPlans(t *testing.T) {
	day := &capacity.Demand{Requests: 10, Per: 24 * time.Hour, Peak: 3}
	curve, err := capacity.FitScalability([]float64{1, 18, 36, 72, 108, 144, 216}, []float64{64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775, 1702.2})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		q      capacity.Question
		need   int
		limit  string
		target float64
	}{
		{"90,000 players", capacity.Question{Users: known(90_000), PerServer: known(10_000)}, 12, "conns", 0.8},
		{"a payment app's peak", capacity.Question{Users: known(20e6), Demand: day, Cost: known(0.008), Cores: known(8)}, 9, "cpu", 0.8},
		{"a payment app, by requests a server", capacity.Question{Users: known(20e6), Demand: day, PerServer: known(1000), Rule: capacity.Rule{Target: 1}}, 7, "rps", 1},
		{"one-thread workers: half used", capacity.Question{RPS: known(1000), Cost: known(0.004), Cores: known(8), Workers: 8, OwnQueue: true}, 1, "cpu", 0.5},
		{"one worker uses one core of 8", capacity.Question{RPS: known(1000), Cost: known(0.004), Cores: known(8), Workers: 1}, 8, "cpu", 0.5},
		{"threads beyond the cores serve no faster", capacity.Question{RPS: known(1000), Cost: known(0.004), Cores: known(2), Workers: 64}, 3, "cpu", 0.7},
		{"zones", capacity.Question{RPS: known(12_500), PerServer: known(125), Rule: capacity.Rule{Target: 0.8, Zones: 2}}, 250, "rps", 0.8},
		{"the larger of spare and zones", capacity.Question{RPS: known(10), PerServer: known(1), Rule: capacity.Rule{Target: 1, Zones: 4, Spare: 9}}, 19, "rps", 1},
		{"a curve of workers", capacity.Question{RPS: known(5000), Workers: 144, Scaling: &curve, Rule: capacity.Rule{Target: 0.8}}, 4, "scaling", 0.8},
		{"no load", capacity.Question{Users: known(0), PerServer: known(10)}, 1, "conns", 0.8},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan(t, c.q)
			if p.Sizing.Need != c.need || p.Sizing.Limit != c.limit || math.Abs(p.Target-c.target) > 1e-12 {
				t.Errorf("need %d by %s at %v, want %d by %s at %v: %q", p.Sizing.Need, p.Sizing.Limit, p.Target, c.need, c.limit, c.target, p.Steps)
			}
		})
	}
}

func TestPlanRefusals(t *testing.T) {
	nan := capacity.Num{V: math.NaN(), OK: true}
	for name, q := range map[string]capacity.Question{
		"nothing":               {},
		"no load":               {PerServer: known(10)},
		"no server":             {Users: known(10)},
		"cost without requests": {Users: known(10), Cost: known(1), Cores: known(1)},
		"cost without cores":    {RPS: known(10), Cost: known(1)},
		"promise without cost":  {RPS: known(10), PerServer: known(1), SLO: &capacity.Promise{Within: 1}},
		"impossible promise":    {RPS: known(10), Cost: known(1), Cores: known(1), SLO: &capacity.Promise{Share: 0.99, Within: 1}},
		"NaN users":             {Users: nan, PerServer: known(1)},
		"negative users":        {Users: known(-1), PerServer: known(1)},
		"10^12 users":           {Users: known(1e12), PerServer: known(1)},
		"no room a server":      {Users: known(1), PerServer: known(0)},
		"NaN growth":            {Users: known(1), PerServer: known(1), Growth: capacity.Growth{Share: math.NaN()}},
		"all of it gone":        {Users: known(1), PerServer: known(1), Growth: capacity.Growth{Share: -1}},
		"growth beyond numbers": {Users: known(1), PerServer: known(1), Growth: capacity.Growth{Share: 10}},
		"half a spike":          {Users: known(1), PerServer: known(1), Spike: 0.5},
		"SLA alone":             {Users: known(1), PerServer: known(1), Rule: capacity.Rule{SLA: 0.9}},
		"one zone":              {Users: known(1), PerServer: known(1), Rule: capacity.Rule{Zones: 1}},
		"min over max":          {Users: known(1), PerServer: known(1), Rule: capacity.Rule{Min: 3, Max: 2}},
		"target over 1":         {Users: known(1), PerServer: known(1), Rule: capacity.Rule{Target: 1.1}},
	} {
		if _, err := capacity.NewPlan(q); !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: error %v, want one that wraps ErrInput", name, err)
		}
	}
}

func TestAdviceOnServers(t *testing.T) {
	for _, c := range []struct {
		have, max int
		want      []string
	}{
		{0, 0, nil},
		{12, 0, []string{"add 1: 68% used, holds the loss of one"}},
		{13, 0, nil},
		{15, 0, []string{"15 are 2 more than needed"}},
		{12, 10, []string{"raise max to 13, add 1: 68% used, holds the loss of one"}},
		{9, 10, []string{"add 1: 88% used", "raise max to 13, add 3: 68% used, holds the loss of one"}},
	} {
		q := chess()
		q.Growth, q.Have, q.Rule.Max = capacity.Growth{}, c.have, c.max
		if got := plan(t, q).Advice; !slices.Equal(got, c.want) {
			t.Errorf("have %d, max %d: %q, want %q", c.have, c.max, got, c.want)
		}
	}
}

func TestAdviceOnWorkers(t *testing.T) {
	fit := func(alpha, beta float64) capacity.Scaling {
		var n, x []float64
		for _, v := range []float64{1, 2, 4, 8, 16, 32, 64} {
			n, x = append(n, v), append(x, capacity.Scalability{Alpha: alpha, Beta: beta, Gamma: 100}.At(v))
		}
		s, err := capacity.FitScalability(n, x)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		name           string
		s              capacity.Scaling
		workers, cores float64
		want           string
	}{
		{"idle cores: more workers", fit(0.01, 0), 2, 8, "more workers: 2 to 8 give ×3.78"},
		{"all cores work: a bigger machine", fit(0.01, 0), 8, 8, "a bigger machine: twice the cores and workers give ×1.86"},
		{"it does not scale: more servers", fit(0.3, 0.001), 8, 8, "more servers: each gives its whole throughput"},
	} {
		got := c.s.Advise(c.workers, known(c.cores))
		if last := got[len(got)-1]; last != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := fit(0.02, 0.01).Advise(8, known(32)); !slices.Contains(got, "best is 10 workers: 480.8; beyond, more get less done") || got[len(got)-1] != "more servers: each gives its whole throughput" {
		t.Errorf("%q", got)
	}
	if got := fit(0.02, 0.01).Advise(14, known(32)); !slices.Contains(got, "fewer workers: 14 to 10 give ×1.06") {
		t.Errorf("beyond the peak: %q", got)
	}
	if got := fit(0.02, 0).Advise(0, capacity.Num{}); len(got) != 1 {
		t.Errorf("with nothing known: %q", got)
	}
}

// FuzzPlan holds of any question: an error that wraps ErrInput, or numbers that
// are some. More load never needs fewer, a larger server never more; room and
// raw need agree; and the unit does not matter.
func FuzzPlan(f *testing.F) {
	f.Add(88_420.0, 10_000.0, 0.8, 1, 2, 10, 20.0, 0.0, 0, 500.0)
	f.Add(12_000.0, 1000.0, 0.7, 0, 0, 0, 0.0, 0.9995, 3, 1.5)
	f.Add(1e12, 1e-12, 1.0, 5, 0, 3, -1.0, 0.5, 2, 1e300)
	f.Fuzz(func(t *testing.T, load, per, target float64, spare, low, high int, growth, sla float64, zones int, more float64) {
		ask := func(load, per, growth float64) (capacity.Plan, bool) {
			q := capacity.Question{
				Users: capacity.Num{V: load, OK: true}, PerServer: capacity.Num{V: per, OK: true}, Growth: capacity.Growth{PerSecond: growth},
				Rule: capacity.Rule{Target: target, Spare: spare, Min: low, Max: high, Zones: zones, SLA: sla}, Price: capacity.Known(1),
			}
			if sla != 0 {
				q.Rule.Availability = 0.99
			}
			p, err := capacity.NewPlan(q)
			if err != nil && !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return p, err == nil
		}
		p, ok := ask(load, per, growth)
		if !ok {
			return
		}
		s := p.Sizing
		if s.Raw < 1 || s.Spare < spare || s.Need != s.Raw+s.Spare || s.Short != max(s.Need-s.Run, 0) || len(p.Rows) == 0 {
			t.Fatalf("%+v", s)
		}
		for _, n := range []capacity.Num{p.Room, p.FullIn, p.Headroom, p.Later} {
			if n.OK && (math.IsNaN(n.V) || math.IsInf(n.V, 0)) {
				t.Fatalf("%+v", p)
			}
		}
		for _, r := range p.Rows {
			for _, n := range []capacity.Num{r.Now, r.Lost, r.Later, r.FullIn, r.PerDay} {
				if n.OK && !(n.V >= 0 && n.V <= math.MaxFloat64) {
					t.Fatalf("%+v", r)
				}
			}
		}
		// At raw servers the target holds, at one fewer it does not.
		at := func(n int) float64 { return load / (float64(n) * per) }
		if at(s.Raw) > p.Target*(1+1e-6) {
			t.Fatalf("%d servers are used to %v, target %v", s.Raw, at(s.Raw), p.Target)
		}
		if s.Raw > 1 && at(s.Raw-1) <= p.Target*(1-1e-6) {
			t.Fatalf("%d servers would do: used to %v, target %v", s.Raw-1, at(s.Raw-1), p.Target)
		}
		if more >= 0 {
			if q, ok := ask(load+more, per, growth); ok && (q.Sizing.Need < s.Need || q.Sizing.Run < s.Run) {
				t.Fatalf("%v needs %d, %v needs %d", load, s.Need, load+more, q.Sizing.Need)
			}
			if q, ok := ask(load, per+more, growth); ok && q.Sizing.Need > s.Need {
				t.Fatalf("servers of %v: %d, of %v: %d", per, s.Need, per+more, q.Sizing.Need)
			}
		}
		// In thousands: a power of two, so that nothing is rounded.
		const k = 1024
		if q, ok := ask(load*k, per*k, growth*k); ok && (q.Sizing.Need != s.Need || q.FullIn.OK != p.FullIn.OK || math.Abs(q.FullIn.V-p.FullIn.V) > 1e-6*p.FullIn.V) {
			t.Fatalf("in another unit: %+v, %+v", s, q.Sizing)
		}
	})
}

// FuzzPlanOfRequests holds the same where requests cost CPU time and a time is
// promised.
func FuzzPlanOfRequests(f *testing.F) {
	f.Add(12_000.0, 0.008, 8.0, 8, false, 0.99, 0.05, 0.01, 1.5, 10.0)
	f.Add(1.0, 1e-9, 0.1, 0, true, 0.0, 1.0, -1e-9, 1.0, 1e9)
	f.Fuzz(func(t *testing.T, rps, cost, cores float64, workers int, own bool, share, within, growth, spike, more float64) {
		if workers > 1000 {
			workers %= 1000
		}
		if cores > 1000 {
			return // seconds a case
		}
		ask := func(rps float64) (capacity.Plan, bool) {
			p, err := capacity.NewPlan(capacity.Question{
				RPS: capacity.Num{V: rps, OK: true}, Cost: capacity.Num{V: cost, OK: true}, Cores: capacity.Num{V: cores, OK: true},
				Workers: workers, OwnQueue: own, SLO: &capacity.Promise{Share: share, Within: within}, Growth: capacity.Growth{Share: growth}, Spike: spike,
			})
			if err != nil && !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return p, err == nil
		}
		p, ok := ask(rps)
		if !ok {
			return
		}
		if u := p.Promised.V; !(u >= 0 && u < 1) {
			t.Fatalf("promise at %v", u)
		}
		for _, r := range p.Rows {
			for _, n := range []capacity.Num{r.Now, r.Lost, r.Later, r.FullIn, r.Response} {
				if n.OK && !(n.V >= 0 && n.V <= math.MaxFloat64) {
					t.Fatalf("%+v", r)
				}
			}
			if share > 0 && r.Servers >= p.Sizing.Raw && r.Response.OK && r.Response.V > within*(1+1e-6) {
				t.Fatalf("%d servers answer %v of requests in %v, %v is promised", r.Servers, share, r.Response.V, within)
			}
		}
		if q, ok := ask(rps + more); ok && more >= 0 && q.Sizing.Need < p.Sizing.Need {
			t.Fatalf("%v needs %d, %v needs %d", rps, p.Sizing.Need, rps+more, q.Sizing.Need)
		}
	})
}
