package report_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/fleet/report"
)

// tiers is what the engine can tell: two pools, one of them with everything that
// can be known, a host that has learned and one that has only a bound.
func tiers() fleet.Snapshot {
	at := time.Date(2026, 11, 23, 10, 2, 0, 0, time.UTC)
	known := capacity.Known
	learnt := fleet.Learned{Service: "nginx", Load: known(3100), Learning: &fleet.Learning{
		Limit: "cpu", Port: 80, Unit: "requests a second",
		AtTarget: capacity.Estimate{
			Trust: capacity.Learned, Capacity: known(6400), Of: capacity.Interval{Low: 6100, High: 6700, OK: true},
			Cost: capacity.Cost{Request: 0.0081, Background: 0.4, Of: capacity.Interval{Low: 0.0079, High: 0.0084, OK: true}, Points: 412, Tau: 0.93},
		},
		Full: capacity.Estimate{Trust: capacity.Learned, Capacity: known(8050)},
		Basis: capacity.Basis{
			Points: 412, Seen: 4120 * time.Second, Since: time.Date(2026, 11, 22, 9, 10, 0, 0, time.UTC),
			Change: capacity.Change{At: time.Date(2026, 11, 23, 9, 40, 0, 0, time.UTC), Factor: 1.3},
		},
	}}
	bound := learnt
	bound.Learning = new(*learnt.Learning)
	bound.AtTarget = capacity.Estimate{Trust: capacity.AtLeast, Capacity: known(5200), Says: "too little spread of load to learn from"}
	bound.Full, bound.Basis = capacity.Estimate{}, capacity.Basis{Points: 9, Seen: 90 * time.Second, Since: at.Add(-2 * time.Minute)}
	memory := fleet.Learned{Service: "nginx", Learning: &fleet.Learning{
		Limit: "memory", Port: 443, Unit: "connections",
		AtTarget: capacity.Estimate{Trust: capacity.Learned, Capacity: known(90_000), Cost: capacity.Cost{Request: 12_300, Points: 30}},
		Basis:    capacity.Basis{Points: 30, Since: at.Add(-time.Hour)},
	}}
	nothing := fleet.Learned{Learning: &fleet.Learning{Limit: "thread", Unit: "requests a second", AtTarget: capacity.Estimate{Says: "no traffic seen yet"}}}
	web := fleet.Pool{
		Name: "web", Hosts: 3, Counted: 2, Up: 2, Bound: "cpu", Limits: []capacity.Limit{{Name: "cpu", Used: 12, Capacity: 16, Unit: "cores", From: "cores"}},
		Headroom: known(-0.1), RoomUsers: known(1580), RoomRPS: known(2100), Raw: known(3), Need: known(4), Run: known(4), Short: known(0),
		LoseOne: known(1.5), LoseZone: known(1.2), Formula: "NEED 4 = …", Spare: 1, Waits: 90 * time.Second, Target: 0.8, TargetFrom: "chosen",
		Users: known(31_000), UsersFrom: "little", UsersNote: "10s of thinking", RPS: known(3100),
		RPSCapacity: capacity.Estimate{Trust: capacity.Learned, Capacity: known(16_100), Of: capacity.Interval{Low: 15_000, High: 17_000, OK: true}},
		Trend:       capacity.Trend{Direction: capacity.Falling, FullIn: known(67), FullOf: capacity.Interval{Low: 60, High: 75, OK: true}},
		Growth:      known(1200), WarmUp: 3 * time.Minute, Late: known(113), Climb: known(1.6), ClimbServers: known(3), ClimbPrice: known(12.24),
		Rows:    []capacity.Row{{Servers: 2, Marks: []string{"have"}, Now: known(0.75), Lost: known(1.5)}, {Servers: 4, Marks: []string{"NEED"}, Now: known(0.375), PerDay: known(16.32)}},
		Steps:   []string{"cpu: …"},
		Verdict: fleet.Verdict{Level: fleet.Act, Do: []string{"ADD 2 NOW → 4", "NEED 4/2"}, Why: []string{"why: full in 1m07s; a new server takes 3m", "full in 1m07s"}},
	}
	return fleet.Snapshot{
		Time: at, At: at, Live: true, Interval: time.Second,
		Totals: fleet.Totals{
			Hosts: 4, Up: 3, Stale: 1, Counted: 3, Users: known(9000), UsersFrom: "connections", UsersNote: "connections of lb", RPS: known(3000),
			Edge: "lb", EdgeFrom: "by connections", Cores: known(20), CoresUsed: known(13), CPU: known(0.65),
		},
		Pools: []fleet.Pool{
			{
				Name: "lb", Hosts: 1, Counted: 1, Up: 1, RoomUsers: known(400), Users: known(9000), UsersFrom: "connections", RPS: known(3000), Bound: "conns",
				Trend: capacity.Trend{Direction: capacity.Stable}, Verdict: fleet.Verdict{Level: fleet.OK, Do: []string{"OK  run 1"}, Why: []string{"why: room"}},
			},
			web,
		},
		Hosts: []fleet.Host{
			{Name: "lb-1", State: fleet.Up, Counted: true, Pool: "lb", Available: known(4), CoresUsed: known(1), Learned: []fleet.Learned{nothing}},
			{Name: "web-1", State: fleet.Up, Counted: true, Pool: "web", Available: known(8), CoresUsed: known(6), Users: known(77), Learned: []fleet.Learned{learnt, memory}},
			{Name: "web-2", State: fleet.Up, Counted: true, Pool: "web", Available: known(8), CoresUsed: known(6), Learned: []fleet.Learned{bound}},
			{Name: "web-3", State: fleet.Stale, Pool: "web", Available: known(8), CoresUsed: known(5)},
		},
	}
}

// Every key that tells of the engine, for a pool and a host of which all is
// known and one of which nothing is.
func TestContractOfTheEngine(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, tiers()); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Totals map[string]any
		Pools  []map[string]any
		Hosts  []map[string]any
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	pools := `trend full_in_s full_in_low_s full_in_high_s warm_up_s late_s lose_one lose_zone growth_per_min climb climb_servers climb_price_day
		target target_from waits_s users users_from users_note rps rps_capacity servers verdict`
	unknown := "full_in_s full_in_low_s full_in_high_s warm_up_s late_s lose_one lose_zone growth_per_min climb climb_servers climb_price_day target target_from waits_s users_note"
	for k := range strings.FieldsSeq(pools) {
		if doc.Pools[1][k] == nil {
			t.Errorf("the pool of which all is known has no %s", k)
		}
		if v, ok := doc.Pools[0][k]; !ok || strings.Contains(" "+unknown+" ", " "+k+" ") && v != nil {
			t.Errorf("the pool of which little is known has %s %v, %v", k, v, ok)
		}
	}
	learned := doc.Hosts[1]["learned"].([]any)[0].(map[string]any)
	for k := range strings.FieldsSeq(`limit port service unit load trust at_target low high at_limit cost cost_low cost_high background kendall_tau
		points seconds since steps change`) {
		if learned[k] == nil {
			t.Errorf("what was learned has no %s", k)
		}
	}
	nothing := doc.Hosts[0]["learned"].([]any)[0].(map[string]any)
	want := map[string]any{
		"limit": "thread", "port": nil, "service": nil, "unit": "requests a second", "load": nil, "trust": "unknown", "at_target": nil, "low": nil, "high": nil,
		"at_limit": nil, "cost": nil, "cost_low": nil, "cost_high": nil, "background": nil, "kendall_tau": nil, "points": 0.0, "seconds": 0.0, "since": nil,
		"why": "no traffic seen yet", "steps": []any{"not learned: no traffic seen yet"}, "change": nil,
	}
	if d := cmp.Diff(want, nothing); d != "" {
		t.Errorf("of nothing (-want +got):\n%s", d)
	}
	for k, v := range map[string]any{"users_note": "connections of lb", "edge": "lb", "edge_from": "by connections"} {
		if doc.Totals[k] != v {
			t.Errorf("totals.%s is %v, want %v", k, doc.Totals[k], v)
		}
	}
	if h := doc.Hosts[1]; h["pool"] != "web" || h["users"] != 77.0 || doc.Hosts[0]["users"] != nil || h["counted"] != true {
		t.Errorf("pool %v, users %v, counted %v", h["pool"], h["users"], h["counted"])
	}
}

// The room of the fleet is that of the pool that people reach first; where none
// is known to be it, it is not known.
func TestRoomOfTheFleet(t *testing.T) {
	last := func(s fleet.Snapshot) string {
		var b bytes.Buffer
		if err := report.Text(&b, s); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if strings.HasPrefix(line, "FLEET") {
				return strings.Join(strings.Fields(line), " ")
			}
		}
		return ""
	}
	s := tiers()
	none := tiers()
	none.Totals.Edge, none.Totals.EdgeFrom = "", "not known: no pool is seen to hold the connections of another"
	one := tiers()
	one.Pools, one.Totals.Edge = one.Pools[1:], ""
	for _, c := range []struct{ got, want string }{
		{last(s), " 400 conns"},
		{last(none), " ? ?"},
		{last(one), " 1,580 cpu"},
	} {
		if !strings.HasSuffix(c.got, c.want) {
			t.Errorf("%q, want %q at its end", c.got, c.want)
		}
	}
	var b bytes.Buffer
	if err := report.Text(&b, none); err != nil {
		t.Fatal(err)
	}
	if want := "\nwhich pool people reach first is not known: no pool is seen to hold the connections of another\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}

func measure(t *testing.T, s fleet.Snapshot, pool string) fleet.Measured {
	t.Helper()
	var b bytes.Buffer
	if err := report.JSON(&b, s); err != nil {
		t.Fatal(err)
	}
	m, err := report.ReadMeasured(&b, pool)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A plan takes one pool of a snapshot, with its policy and its hosts.
func TestReadMeasuredOfAPool(t *testing.T) {
	s := tiers()
	known := capacity.Known
	want := fleet.Measured{
		Time: "2026-11-23T10:02:00Z", Pool: "web", Hosts: 2, All: 3, Users: known(31_000), RPS: known(3100), Cores: known(8), Least: known(8), Most: known(8),
		CoresUsed: known(12), Bound: "cpu", Spare: 1, WarmUp: known(180), Target: known(0.8),
	}
	if d := cmp.Diff(want, measure(t, s, "web")); d != "" {
		t.Errorf("web (-want +got):\n%s", d)
	}
	// All of its hosts that are up have learned: the mean by cores, also with a
	// service of another limit beside.
	s.Hosts[2].Learned = []fleet.Learned{s.Hosts[1].Learned[0]}
	s.Hosts[2].Learned[0].Learning = new(*s.Hosts[1].Learned[0].Learning)
	s.Hosts[2].Learned[0].AtTarget.Cost.Request, s.Hosts[2].Learned[0].AtTarget.Cost.Background = 0.0041, 0
	s.Hosts[2].Available = known(24)
	m := measure(t, s, "web")
	if math.Abs(m.Cost.V-(0.0081*8+0.0041*24)/32) > 1e-6 || math.Abs(m.Background.V-0.1) > 1e-6 {
		t.Errorf("cost %v, background %v", m.Cost, m.Background)
	}
	if text := m.String(); !strings.Contains(text, `2 of 3 hosts of pool "web"`) || !strings.Contains(text, "learned: 5.1ms CPU a request, and 0.10 cores") {
		t.Errorf("%s", text)
	}
	// Two services with a cost each are none of the host's.
	second := s.Hosts[2].Learned[0]
	second.Learning = new(*second.Learning)
	second.Port = 81
	s.Hosts[2].Learned = append(s.Hosts[2].Learned, second)
	if m := measure(t, s, "web"); m.Cost.OK {
		t.Errorf("two services cost %v", m.Cost)
	}
	whole := second
	whole.Learning = new(*second.Learning)
	whole.Port = 0
	s.Hosts[2].Learned = append(s.Hosts[2].Learned, whole)
	if m := measure(t, s, "web"); !m.Cost.OK {
		t.Error("what the whole host has learned is not taken")
	}
	if m := measure(t, s, "lb"); m.Hosts != 1 || m.Users.V != 9000 || m.Spare != 0 || m.Target.OK || m.WarmUp.OK || m.Cost.OK {
		t.Errorf("lb: %+v", m)
	}
}

// Pools are never added up, and what a file says is never believed to be more
// than it can be.
func TestReadMeasuredRefusesPools(t *testing.T) {
	const head = `{"schema":"capmon.snapshot/1","totals":{"hosts":1,"hosts_up":1,"users":5},`
	for name, c := range map[string]struct{ text, pool, want string }{
		"several":      {head + `"pools":[{"name":"web"},{"name":"d\u001bb"}]}`, "", `name one with --pool: "web", "d\x1bb"`},
		"another":      {head + `"pools":[{"name":"web"}]}`, "db", `no pool "db" in it: it has "web"`},
		"none":         {head + `"pools":[]}`, "db", `no pool "db" in it: it has none`},
		"many":         {head + `"pools":[` + strings.Repeat(`{"name":"a"},`, 99) + `{"name":"b"}]}`, "", "and 90 more"},
		"NaN in words": {head + `"pools":[{"name":"web","users":"NaN"}]}`, "", "not a snapshot"},
		"NaN":          {head + `"pools":[{"name":"web","users":NaN}]}`, "", "not a snapshot"},
		"too large":    {head + `"pools":[{"name":"web","rps":1e999}]}`, "", "not a snapshot"},
		"half a spare": {head + `"pools":[{"name":"web","spare":1.5}]}`, "", "not a snapshot"},
	} {
		if _, err := report.ReadMeasured(strings.NewReader(c.text), c.pool); err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	hostile := head + `"pools":[{"name":"web","spare":-9,"warm_up_s":-1,"target":-0.5,"users":-3,"rps":-1},{"name":"db","target":7,"users":1e308}],
		"hosts":[{"state":"up","pool":"web","counted":true,"cores_available":-8,"cores_used":-1,"limits":[{"name":"conns","capacity":-1}],
		"learned":[{"limit":"cpu","trust":"learned","cost":-1,"background":-5}]},
		{"state":"up","pool":"db","counted":true,"cores_available":1e308,"cores_used":1e308,"learned":[{"limit":"cpu","trust":"learned","cost":1e308,"background":1e308}]},
		{"state":"up","pool":"db","counted":true,"cores_available":1e308,"cores_used":1e308,"learned":[{"limit":"cpu","trust":"learned","cost":1e308}]}]}`
	for pool, want := range map[string]fleet.Measured{
		"web": {Pool: "web", Hosts: 1, All: 1},
		"db":  {Pool: "db", Hosts: 2, All: 2, Users: capacity.Known(1e308), Cores: capacity.Known(1e308), Least: capacity.Known(1e308), Most: capacity.Known(1e308)},
	} {
		got, err := report.ReadMeasured(strings.NewReader(hostile), pool)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", pool, err, d)
		}
	}
}

// TestSnapshotAndFileMeasureAlike: a plan from a live snapshot and from the file
// that is made of it take the same.
func TestSnapshotAndFileMeasureAlike(t *testing.T) {
	s := tiers()
	s.Hosts[2].Learned = []fleet.Learned{s.Hosts[1].Learned[0]}
	s.Hosts[2].Available, s.Hosts[2].Limits = capacity.Known(24), []capacity.Limit{{Name: "conns", Used: 5, Capacity: 800}}
	s.Pools[1].UsersFrom = "connections"
	s.Pools[1].Sized = []capacity.PoolLimit{
		{Limit: capacity.Limit{Name: "cpu", Used: 12, Capacity: 32, Unit: "cores", From: "2 servers of 8 to 24"}, Servers: 2, Least: 8, Most: 24, Target: 0.8, Background: 0.5},
		{Limit: capacity.Limit{Name: "thread", Used: 1.5, Capacity: 2, Unit: "core", From: "2 servers × 1"}, Servers: 2, Least: 1, Most: 1, Target: 0.5},
	}
	for i := range s.Pools {
		want := s.Measured(&s.Pools[i])
		if d := cmp.Diff(want, measure(t, s, s.Pools[i].Name)); d != "" {
			t.Errorf("%s (-snapshot +file):\n%s", s.Pools[i].Name, d)
		}
	}
	if m := s.Measured(&s.Pools[1]); !m.PerServer.OK || !m.Cost.OK || len(m.Sized) != 2 {
		t.Errorf("nothing to compare: %+v", m)
	}
}

// What a file says of a limit is not believed to be more than it can be.
func TestReadMeasuredDropsLimitsThatAreNone(t *testing.T) {
	const head = `{"schema":"capmon.snapshot/1","totals":{"hosts":1,"hosts_up":1,"users":5},"pools":[{"name":"web","limits":[`
	for _, text := range []string{
		`{"name":"thread","used":-1,"capacity":1,"servers":1}`, `{"name":"thread","used":1,"capacity":0,"servers":1}`, `{"name":"thread","used":1,"capacity":1,"servers":0}`,
		`{"name":"thread","used":1,"capacity":1,"servers":-4}`, `{"name":"thread","used":1,"capacity":1,"servers":1,"target":7}`, `{"name":"thread","capacity":1,"servers":1}`,
		`{"name":"thread","used":1,"servers":1}`, `{"name":"thread","used":1,"capacity":1,"servers":2000000}`,
	} {
		m, err := report.ReadMeasured(strings.NewReader(head+text+`]}]}`), "")
		if err != nil || len(m.Sized) != 0 {
			t.Errorf("%s: %v, %v", text, m.Sized, err)
		}
	}
	m, err := report.ReadMeasured(strings.NewReader(head+`{"name":"cpu","used":1,"capacity":2,"servers":2,"target":0.5,"background":9}]}]}`), "")
	if err != nil || len(m.Sized) != 1 || m.Sized[0].Background != 0 || m.Sized[0].Least != 1 {
		t.Errorf("a background above the target: %+v, %v", m.Sized, err)
	}
}
