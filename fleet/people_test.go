package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/fleet"
	"capmon/sample"
)

// Users are what can be said of them, and how is said.
func TestUsers(t *testing.T) {
	for _, c := range []struct {
		name   string
		think  time.Duration
		change func(*sample.Sample)
		users  float64
		from   string
		note   string
	}{
		{"connections that stay", 0, func(s *sample.Sample) { s.Services[0].Accepts = new(float32(2)) }, 1000, "connections", "each connection is one person"},
		{"how long they stay is not known", 0, func(*sample.Sample) {}, 1000, "connections", "each connection is one person"},
		{
			"connections that come with a request", 0, func(s *sample.Sample) { s.Services[0].Accepts = new(float32(500)) },
			7000, "little", "users 7,000 = 700 rps × (10s think + 0s response): think time assumed; a connection lasts 2s; response times are not measured and taken as 0",
		},
		{
			"a think time was chosen", 3 * time.Second, func(s *sample.Sample) { s.Services[0].Latency = &sample.Latency{MeanUs: 1_000_000} },
			2800, "little", "users 2,800 = 700 rps × (3s think + 1s response): think time chosen",
		},
		{"a gauge", 3 * time.Second, func(s *sample.Sample) { s.Users = new(float64(88_420)) }, 88_420, "gauge", "the gauge that --users names on the agents"},
		{"requests unknown", 3 * time.Second, func(s *sample.Sample) { s.Services[0].Rps = nil }, 1000, "connections", "each connection is one person"},
	} {
		s := seen(fleet.Policy{Think: c.think}, 2, func(s *sample.Sample) {
			s.Services = []*sample.Service{{Port: 80, Name: "nginx", Rps: new(float32(700)), Connections: new(uint32(1000))}}
			s.Connections = &sample.Connections{Served: new(uint32(1000))}
			c.change(s)
		})
		if got := s.Totals; got.Users.V != c.users || got.UsersFrom != c.from || strings.ReplaceAll(got.UsersNote, "0ms", "0s") != c.note {
			t.Errorf("%s: %v from %s: %q", c.name, got.Users, got.UsersFrom, got.UsersNote)
		}
	}
}

// tiers are two pools of two hosts each, made of labels or of names.
func tiers(c fleet.Config, labels bool) fleet.Snapshot {
	f := fleet.New(c)
	for i, name := range []string{"web-1", "web-2", "db-1", "db-2"} {
		f.Join(name, "", t0)
		m := machine(uint64(i + 1))
		pool, _, _ := strings.Cut(name, "-")
		if labels {
			m.Labels = []*sample.Label{{Key: "pool", Value: pool}}
		} else if pool == "web" {
			f.Assign(name, pool)
		}
		f.Machine(name, m, t0)
		s := second(1, t0, 8, 2, 1000)
		s.Services = []*sample.Service{{Port: 80, Rps: new(float32(100))}}
		f.Samples(name, uint64(i+1), []*sample.Sample{s}, t0)
	}
	return f.Snapshot(fleet.Ask{Buckets: 10, Span: 10 * time.Second}, t0)
}

// Each pool has its own verdict, and a total never adds tiers up.
func TestPools(t *testing.T) {
	type totals struct {
		pools      []string
		users, rps float64
		edge, how  string
		chart      float64 // the newest bucket of users
	}
	named := func(edge bool) fleet.Config {
		return fleet.Config{Policy: fleet.Policy{PerServer: 5000}, Pools: []fleet.PoolPolicy{
			{Name: "web", Policy: fleet.Policy{PerServer: 2000, Spare: 1, Max: 9}, Edge: edge}, {Name: "idle"},
		}}
	}
	for name, c := range map[string]struct {
		config fleet.Config
		labels bool
		want   totals
	}{
		"by labels":     {fleet.Config{}, true, totals{[]string{"db", "web"}, 0, 0, "", "", 0}},
		"named edge":    {named(true), false, totals{[]string{"web", "idle", "others"}, 2000, 200, "web", "named", 2000}},
		"not the edge":  {named(false), false, totals{[]string{"web", "idle", "others"}, 0, 0, "", "", 0}},
		"name or label": {named(true), true, totals{[]string{"web", "idle", "db"}, 2000, 200, "web", "named", 2000}},
	} {
		s := tiers(c.config, c.labels)
		got := totals{users: s.Totals.Users.V, rps: s.Totals.RPS.V, edge: s.Totals.Edge, how: s.Totals.EdgeFrom}
		for _, p := range s.Pools {
			got.pools = append(got.pools, p.Name)
		}
		if v := s.Chart.Connections[len(s.Chart.Connections)-1]; v > 0 {
			got.chart = v
		}
		if c.want.edge == "" {
			got.how = ""
			if s.Totals.Users.OK || s.Totals.RPS.OK || s.Totals.UsersNote == "" {
				t.Errorf("%s: %v users, %v rps, %q", name, s.Totals.Users, s.Totals.RPS, s.Totals.UsersNote)
			}
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(totals{})); d != "" {
			t.Errorf("%s: want -, got +\n%s", name, d)
		}
		for _, p := range s.Pools {
			if p.Name == "idle" && (p.Hosts != 0 || p.Verdict.Level != fleet.Unknown) {
				t.Errorf("%s: a pool without hosts: %+v", name, p.Verdict)
			}
			if p.Name == "web" && len(c.config.Pools) > 0 && (p.Spare != 1 || p.Limits[0].Capacity != 4000 || p.Users.V != 2000) {
				t.Errorf("%s: web %+v", name, p.Limits)
			}
			widths(t, p.Verdict)
		}
		if h := host(t, s, "db-1"); h.Pool != c.want.pools[len(c.want.pools)-1] && name != "by labels" {
			t.Errorf("%s: db-1 is of %s", name, h.Pool)
		}
	}
}
