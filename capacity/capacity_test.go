package capacity_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
)

// pool is n servers alike that share a load.
func pool(t *testing.T, name string, n int, load, per float64) capacity.PoolLimit {
	t.Helper()
	list := make([]capacity.Limit, n)
	for i := range list {
		list[i] = capacity.Limit{Name: name, Used: load / float64(n), Capacity: per, Unit: "connections"}
	}
	p, err := capacity.Sum(list)
	if err != nil {
		t.Fatal(err)
	}
	p.Used = load // the sum of the parts may miss it by a bit
	return p
}

func TestServers(t *testing.T) {
	for _, c := range []struct {
		name              string
		load, per, target float64
		want              int
	}{
		{"mock-up of the overview", 88_420, 10_000, 0.80, 12},
		{"cpu of the mock-up", 41.4, 8, 0.80, 7},
		{"rps of the mock-up", 40_223, 6_444, 0.80, 8},
		{"ten are ten", 10 * 0.7, 1, 0.7, 10},
		{"three are three, though 2.1 / 0.7 is a bit more in binary", 2.1, 1, 0.7, 3},
		{"a hair more is one more", 7.00001, 1, 0.7, 11},
		{"no load needs none", 0, 10, 0.5, 0},
		{"pm-chess-n-70", 88_420, 9_000, 0.7, 15},
		{"pm-ilu-n-30", 2500 * 0.12 * 1.3, 60, 1, 7},
		{"pm-hpa-misled", 4 * 1.05 / 8, 1, 0.5, 2},
		{"pm-active-rps in servers of 100", 90_000 * 0.1, 100, 1, 90},
		{"hpa-res-up", 3 * 50, 100, 0.30, 5},
		{"hpa-res-up-deleted", 2 * 60, 100, 0.30, 4},
		{"hpa-tot-up", 3 * 20_000, 15_000, 1, 4},
		{"hpa-tot-up-unready", 1 * 50_000, 10_000, 1, 5},
		{"hpa-tot-ext-to-zero", 0, 14_400, 1, 0},
		{"hpa-avg-down", 6000, 2000, 1, 3},
		{"hpa-avg-ext-down", 8600, 2867, 1, 3},
		{"hpa-avg-45-tasks", 45, 4, 1, 12},
		{"hpa-val-up-unready", 3 * 30_000, 15_000, 1, 6},
		{"hpa-val-up-unready2", 50_000 + 15_000 + 30_000, 15_000, 1, 7},
		{"hpa-val-8600-4400", 8600, 4400, 1, 2},
		{"hpa-doc-double", 1 * 200, 100, 1, 2},
		{"hpa-doc-half", 2 * 50, 100, 1, 1},
		{"hpa-doc-50-pods", 50 * 90, 75, 1, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := capacity.Servers(c.load, c.per, c.target)
			if err != nil || got != c.want {
				t.Errorf("Servers(%v, %v, %v) = %d, %v; want %d", c.load, c.per, c.target, got, err, c.want)
			}
		})
	}
}

func TestSize(t *testing.T) {
	mockup := []capacity.PoolLimit{pool(t, "conns", 9, 88_420, 10_000), pool(t, "cpu", 9, 41.4, 8)}
	for _, c := range []struct {
		name   string
		limits []capacity.PoolLimit
		rule   capacity.Rule
		want   capacity.Sizing
	}{
		{
			"the mock-up: need 13, run 10, short 3", mockup,
			capacity.Rule{Target: 0.8, Spare: 1, Min: 2, Max: 10},
			capacity.Sizing{
				Raw: 12, Spare: 1, Need: 13, Run: 10, Short: 3, Each: []int{12, 7}, Asked: 12, Limit: "conns", Formula: "NEED 13 = ceil(88,420 / (10,000 × 0.80)) + 1 spare",
				Steps: []string{
					"conns: ceil(88,420 / (10,000 × 0.80)) = ceil(11.05) = 12 (binds)",
					"cpu: ceil(41.4 / (8 × 0.80)) = ceil(6.47) = 7",
					"need = max(12, 7) + 1 spare = 13",
					"limit max 10 → run 10, SHORT 3",
				},
			},
		},
		{
			"hpa-bound-min",
			[]capacity.PoolLimit{pool(t, "cpu", 3, 0.5, 1)},
			capacity.Rule{Target: 1, Min: 2, Max: 8},
			capacity.Sizing{
				Raw: 1, Need: 1, Run: 2, Each: []int{1}, Asked: 1, Limit: "cpu", Formula: "NEED 1 = ceil(0.50 / (1 × 1.00))",
				Steps: []string{"cpu: ceil(0.50 / (1 × 1.00)) = ceil(0.50) = 1", "need = 1", "limit min 2 → run 2"},
			},
		},
		{
			"hpa-bound-max-150",
			[]capacity.PoolLimit{pool(t, "cpu", 100, 1000, 1)},
			capacity.Rule{Target: 1, Min: 100, Max: 150},
			capacity.Sizing{
				Raw: 1000, Need: 1000, Run: 150, Short: 850, Each: []int{1000}, Asked: 1000, Limit: "cpu", Formula: "NEED 1,000 = ceil(1,000 / (1 × 1.00))",
				Steps: []string{"cpu: ceil(1,000 / (1 × 1.00)) = ceil(1,000.00) = 1,000", "need = 1,000", "limit max 150 → run 150, SHORT 850"},
			},
		},
		{
			"no load still takes one to serve",
			[]capacity.PoolLimit{pool(t, "cpu", 1, 0, 4), pool(t, "conns", 1, 0, 9)},
			capacity.Rule{Target: 0.825},
			capacity.Sizing{
				Raw: 1, Need: 1, Run: 1, Each: []int{0, 0}, Asked: 1, Limit: "cpu", Formula: "NEED 1 = 1 for no load",
				Steps: []string{"cpu: ceil(0 / (4 × 0.825)) = ceil(0.00) = 0 (binds)", "conns: ceil(0 / (9 × 0.825)) = ceil(0.00) = 0", "need = max(0, 0, 1) = 1"},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := capacity.Size(c.limits, c.rule)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func TestUnlikeMachines(t *testing.T) {
	p, err := capacity.Sum([]capacity.Limit{
		{Name: "cpu", Used: 3, Capacity: 4, Unit: "cores"}, {Name: "cpu", Used: 3, Capacity: 4, Unit: "cores"}, {Name: "cpu", Used: 9, Capacity: 16, Unit: "cores"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.Capacity != 24 || p.Typical() != 8 || !p.Unlike() || p.From != "3 servers of 4 to 16" {
		t.Errorf("capacity %v, typical %v, unlike %v, from %q", p.Capacity, p.Typical(), p.Unlike(), p.From)
	}
	s, err := capacity.Size([]capacity.PoolLimit{p}, capacity.Rule{Target: 0.75})
	if err != nil || s.Need != 3 {
		t.Fatalf("need %d, %v; want 15 / (8 × 0.75) = 3", s.Need, err)
	}
	if want := "cpu: ceil(15 / (8 × 0.75)) = ceil(2.50) = 3; 8 is the mean of 3 servers of 4 to 16"; s.Steps[0] != want {
		t.Errorf("step %q\nwant %q", s.Steps[0], want)
	}
	lose, err := capacity.LoseOne(p)
	if err != nil || lose.V != 15.0/8 {
		t.Errorf("losing the largest of unlike servers: %v, %v; want 15/8", lose.V, err)
	}
}

func TestMeasures(t *testing.T) {
	seats := capacity.Limit{Name: "conns", Used: 88_420, Capacity: 90_000}
	nine := pool(t, "conns", 9, 88_420, 10_000)
	type result struct {
		V       float64
		Formula string
	}
	for _, c := range []struct {
		name string
		got  func() (capacity.Result, error)
		want result
	}{
		{"utilisation", func() (capacity.Result, error) { return capacity.Utilisation(seats) }, result{0.982444, "conns 98% = 88,420 / 90,000"}},
		{"pm-headroom-pct, to the limit", func() (capacity.Result, error) {
			return capacity.Headroom(capacity.Limit{Used: 884.2, Capacity: 1000}, 1)
		}, result{0.1158, "headroom 12% = 1 - 884.2 / (1,000 × 1.00)"}},
		{"headroom over the target is negative", func() (capacity.Result, error) { return capacity.Headroom(seats, 0.8) }, result{-0.228056, "headroom -23% = 1 - 88,420 / (90,000 × 0.80)"}},
		{"headroom after one spare", func() (capacity.Result, error) { return capacity.HeadroomAfterSpare(nine, 0.8, 1) }, result{-0.381563, "headroom -38% = 1 - 88,420 / (10,000 × (9 - 1 spare) × 0.80)"}},
		{"pm-chess-headroom-users", func() (capacity.Result, error) { return capacity.Room(seats) }, result{1580, "room 1,580 = 90,000 - 88,420"}},
		{"room beyond the limit is negative", func() (capacity.Result, error) {
			return capacity.Room(capacity.Limit{Used: 12, Capacity: 10})
		}, result{-2, "room -2 = 10 - 12"}},
		{"room by utilisation", func() (capacity.Result, error) { return capacity.RoomOf(300, 0.25) }, result{900, "room at least 900 = 300 / 0.25 - 300"}},
		{"lose one at 9: 111%", func() (capacity.Result, error) { return capacity.LoseOne(nine) }, result{1.10525, "lose one 111% = 88,420 / (90,000 - 10,000)"}},
		{"lose one at 10: 98%", func() (capacity.Result, error) { return capacity.LoseOne(pool(t, "conns", 10, 88_420, 10_000)) }, result{0.982444, "lose one 98% = 88,420 / (100,000 - 10,000)"}},
		{"lose one at 11: 88%", func() (capacity.Result, error) { return capacity.LoseOne(pool(t, "conns", 11, 88_420, 10_000)) }, result{0.8842, "lose one 88% = 88,420 / (110,000 - 10,000)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := c.got()
			if err != nil {
				t.Fatal(err)
			}
			r.V = math.Round(r.V*1e6) / 1e6
			if d := cmp.Diff(c.want, result(r)); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	ok := capacity.Limit{Name: "cpu", Used: 1, Capacity: 2}
	one, err := capacity.Sum([]capacity.Limit{ok})
	if err != nil {
		t.Fatal(err)
	}
	two := pool(t, "cpu", 2, 1, 2)
	servers := func(load, per, target float64) error {
		_, err := capacity.Servers(load, per, target)
		return err
	}
	size := func(r capacity.Rule, limits ...capacity.PoolLimit) error {
		_, err := capacity.Size(limits, r)
		return err
	}
	just := func(_ capacity.Result, err error) error { return err }
	sum := func(list ...capacity.Limit) error {
		_, err := capacity.Sum(list)
		return err
	}
	for name, err := range map[string]error{
		"NaN load":             servers(nan, 1, 1),
		"negative load":        servers(-1, 1, 1),
		"infinite load":        servers(inf, 1, 1),
		"zero server":          servers(1, 0, 1),
		"NaN server":           servers(1, nan, 1),
		"zero target":          servers(1, 1, 0),
		"target over 1":        servers(1, 1, 1.01),
		"NaN target":           servers(1, 1, nan),
		"too many servers":     servers(1e300, 1e-300, 1),
		"vanishing divisor":    servers(1, math.SmallestNonzeroFloat64, 1e-9),
		"no limits":            size(capacity.Rule{Target: 1}),
		"no target":            size(capacity.Rule{}, one),
		"negative spare":       size(capacity.Rule{Target: 1, Spare: -1}, one),
		"max below min":        size(capacity.Rule{Target: 1, Min: 3, Max: 2}, one),
		"absurd spare":         size(capacity.Rule{Target: 1, Spare: math.MaxInt}, one),
		"no capacity":          just(capacity.Utilisation(capacity.Limit{Used: 1})),
		"negative use":         just(capacity.Headroom(capacity.Limit{Used: -1, Capacity: 1}, 1)),
		"headroom, no target":  just(capacity.Headroom(ok, 0)),
		"all servers spare":    just(capacity.HeadroomAfterSpare(two, 1, 2)),
		"negative spare 2":     just(capacity.HeadroomAfterSpare(two, 1, -1)),
		"room of nothing":      just(capacity.Room(capacity.Limit{})),
		"idle limit":           just(capacity.RoomOf(1, 0)),
		"room overflows":       just(capacity.RoomOf(1e300, 1e-300)),
		"losing the only one":  just(capacity.LoseOne(one)),
		"sum of none":          sum(),
		"sum with a NaN":       sum(ok, capacity.Limit{Used: nan, Capacity: 1}),
		"sum of no capacity":   sum(ok, capacity.Limit{Used: 1}),
		"sum that overflows":   sum(capacity.Limit{Capacity: math.MaxFloat64}, capacity.Limit{Capacity: math.MaxFloat64}),
		"pool without servers": just(capacity.LoseOne(capacity.PoolLimit{Limit: ok})),
	} {
		if !errors.Is(err, capacity.ErrInput) {
			t.Errorf("%s: error %v, want one that wraps ErrInput", name, err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{capacity.Count(88_420), "88,420"},
		{capacity.Count(999), "999"},
		{capacity.Count(1e6), "1,000,000"},
		{capacity.Count(-1234.4), "-1,234"},
		{capacity.Count(-0.2), "0"},
		{capacity.Count(math.NaN()), "?"},
		{capacity.Count(math.Inf(-1)), "?"},
		{capacity.Decimal(1234.56, 1), "1,234.6"},
		{capacity.Decimal(-0.04, 1), "0.0"},
		{capacity.Amount(41.4), "41.4"},
		{capacity.Amount(8), "8"},
		{capacity.Amount(0.35), "0.35"},
		{capacity.Amount(12_345.6), "12,346"},
		{capacity.Percent(0.98244), "98%"},
		{capacity.Percent(-0.23), "-23%"},
		{capacity.Percent(math.NaN()), "?"},
		{capacity.PercentBeside(0.804, 0.8), "80.4%"},
		{capacity.PercentBeside(0.8, 0.8), "80%"},
		{capacity.PercentBeside(0.82, 0.8), "82%"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	list := []capacity.Limit{{Name: "broken", Used: 1}, {Name: "cpu", Used: 1, Capacity: 4}, {Name: "conns", Used: 3, Capacity: 4}}
	capacity.Nearest(list)
	if list[0].Name != "conns" || list[1].Name != "cpu" || list[2].Ratio() != 0 {
		t.Errorf("order %v", list)
	}
}

func TestNum(t *testing.T) {
	if n := capacity.Known(math.NaN()); n.OK || n.Or(7) != 7 {
		t.Errorf("NaN is %+v", n)
	}
	if n := capacity.Known(0); !n.OK || n.Or(7) != 0 {
		t.Errorf("0 is %+v: measured nothing is not unknown", n)
	}
}

// FuzzServers holds that more load never needs fewer servers, that the load
// fits the answer, and that nothing gets through that can't be.
func FuzzServers(f *testing.F) {
	f.Add(88_420.0, 10_000.0, 0.8, 1.0)
	f.Add(7.0, 1.0, 0.7, 0.0)
	f.Add(math.Inf(1), 0.0, math.NaN(), -1.0)
	f.Add(1e300, 1e-300, 1.0, 1e300)
	f.Fuzz(func(t *testing.T, load, per, target, more float64) {
		n, err := capacity.Servers(load, per, target)
		if err != nil {
			if !errors.Is(err, capacity.ErrInput) || n != 0 {
				t.Fatalf("%d, %v", n, err)
			}
			return
		}
		if !(load >= 0 && per > 0 && target > 0 && target <= 1) || n < 0 || n > capacity.MaxServers {
			t.Fatalf("Servers(%v, %v, %v) = %d", load, per, target, n)
		}
		if fits := float64(n) * per * target; fits < load*(1-1e-8)-1e-8*per*target {
			t.Fatalf("%d servers hold %v of %v", n, fits, load)
		}
		if !(more >= 0) {
			return
		}
		if m, err := capacity.Servers(load+more, per, target); err == nil && m < n {
			t.Fatalf("%v needs %d, %v needs %d", load, n, load+more, m)
		}
	})
}

// FuzzSize holds the same of a pool with two limits, a background, a spare and
// bounds.
func FuzzSize(f *testing.F) {
	f.Add(88_420.0, 41.4, 10_000.0, 8.0, uint8(9), 1, 2, 10, 500.0, 0.3)
	f.Add(0.0, 0.0, 1.0, 1.0, uint8(1), 0, 0, 0, 0.0, 0.0)
	f.Add(10.0, 60.0, 10_000.0, 8.0, uint8(9), 0, 0, 0, 500.0, 6.5) // the background alone is over the target
	f.Fuzz(func(t *testing.T, conns, cpu, perConn, perCPU float64, servers uint8, spare, low, high int, more, background float64) {
		at := func(load float64) (capacity.Sizing, error) {
			n := float64(max(servers, 1))
			return capacity.Size([]capacity.PoolLimit{
				{Limit: capacity.Limit{Name: "conns", Used: load, Capacity: n * perConn}, Servers: int(n)},
				{Limit: capacity.Limit{Name: "cpu", Used: cpu, Capacity: n * perCPU}, Servers: int(n), Background: background},
			}, capacity.Rule{Target: 0.8, Spare: spare, Min: low, Max: high})
		}
		a, err := at(conns)
		if err != nil {
			if !errors.Is(err, capacity.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		if a.Raw < 1 || a.Need != a.Raw+spare || a.Short != max(a.Need-a.Run, 0) || (high > 0 && a.Run > high) || a.Run < low {
			t.Fatalf("%+v", a)
		}
		if b, err := at(conns + more); err == nil && more >= 0 && (b.Need < a.Need || b.Run < a.Run || b.Short < a.Short) {
			t.Fatalf("%v: %+v, %v: %+v", conns, a, conns+more, b)
		}
		// So many servers hold the load at the target, each with its background,
		// and one less does not, unless the connections ask for them.
		if per := 0.8*perCPU - background; a.Limit == "cpu" && a.Each[1] > 1 && a.Each[1] < 1e6 {
			load := max(cpu-float64(max(servers, 1))*background, 0)
			if r := float64(a.Raw) * per; r < load*(1-1e-6) || r-per > load*(1+1e-6) {
				t.Fatalf("%d servers with room for %v each, a load of %v", a.Raw, per, load)
			}
		}
	})
}
