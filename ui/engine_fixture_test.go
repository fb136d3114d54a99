package ui

import (
	"math"
	"strconv"
	"strings"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// withEngine fills in what the capacity engine says of a fleet of one pool: the
// sums of the mock-ups.
func withEngine(f Frame) Frame {
	n := capacity.Known
	f.Hosts = append([]fleet.Host(nil), f.Hosts...)
	for i := range f.Hosts {
		f.Hosts[i].Learned = learnedOf(i, f.Hosts[i].Name)
	}
	p := f.Pools[0]
	p.Up, p.Target, p.TargetFrom, p.WarmUp, p.Spare = f.Totals.Up, 0.8, "chosen", 3*time.Minute, 1
	p.Need, p.Raw, p.Run, p.Short, p.NeedNow = n(13), n(12), n(10), n(3), n(9)
	p.LoseOne, p.Headroom, p.Waits = n(1.11), n(-0.38), 11*time.Minute
	p.Formula = "NEED 13 = ceil(88,420 / (10,000 × 0.80)) + 1 spare"
	p.Users, p.UsersFrom, p.RPS = f.Totals.Users, "connections", f.Totals.RPS
	p.RPSCapacity = capacity.Estimate{Trust: capacity.Learned, Capacity: n(58_000), Of: capacity.Interval{Low: 55_100, High: 60_800, OK: true}}
	p.Trend = capacity.Trend{
		Direction: capacity.Falling, Now: n(1332), Slope: n(-20), Window: 5 * time.Minute, Anew: true, FullIn: n(66.6),
		Step: "full in 1m07s (58s..1m19s) = 1,332 / 20 a second, over 5m00s since a change of slope",
	}
	p.Growth, p.Late = n(1200), n(113)
	p.Climb, p.ClimbServers, p.ClimbPrice = n(1.24), n(4), n(16.32)
	p.Rows = rowsFor(88_420, 0.17)
	p.Steps = []string{
		"conns load: 88,420, the larger of the mean of the last minute and the p95 of five",
		"conns: ceil(88,420 / (10,000 × 0.80)) = ceil(11.05) = 12 (binds)",
		"cpu: ceil(41.4 / (8 × 0.80)) = ceil(6.47) = 7",
		"down to 9 only when 15m agree: keep 12",
		"need = max(12, 7) + 1 spare = 13",
		"limit max 10 → run 10, SHORT 3",
	}
	f.Pools = []fleet.Pool{p}
	return f
}

// rowsFor are the mock-up's numbers of servers.
func rowsFor(load, price float64) []capacity.Row {
	var rows []capacity.Row
	for k := 9; k <= 14; k++ {
		row := capacity.Row{
			Servers: k, Now: capacity.Known(load / 10_000 / float64(k)), Lost: capacity.Known(load / 10_000 / float64(k-1)),
			FullIn: capacity.Known(max(float64(k)*10_000-load, 0) / 20), PerDay: capacity.Known(price * 24 * float64(k)),
		}
		switch k {
		case 9:
			row.Marks = []string{"have"}
		case 10:
			row.Marks = []string{"max"}
		case 13:
			row.Marks = []string{"NEED"}
		}
		rows = append(rows, row)
	}
	return rows
}

// learnedOf is what the i-th host learned: a number, a bound, nothing, and a
// number that has changed.
func learnedOf(i int, name string) []fleet.Learned {
	n := capacity.Known
	since := time.Date(2026, 11, 22, 9, 10, 0, 0, time.UTC)
	cpu := fleet.Learned{Service: "nginx", Load: n(2498), Learning: &fleet.Learning{
		Target: 0.8, Limit: "cpu", Port: 80, Unit: "requests a second",
		AtTarget: capacity.Estimate{
			Trust: capacity.Learned, Capacity: n(6400), Of: capacity.Interval{Low: 6100, High: 6700, OK: true},
			Cost: capacity.Cost{Request: 0.0081, Background: 0.15, Points: 412},
		},
		Full:  capacity.Estimate{Trust: capacity.Learned, Capacity: n(8010), Of: capacity.Interval{Low: 7600, High: 8400, OK: true}},
		Basis: capacity.Basis{Points: 412, Seen: 412 * 10 * time.Second, Since: since.Add(15 * time.Hour)},
	}}
	switch i % 4 {
	case 1:
		cpu.Limit, cpu.Service, cpu.Port = "thread", "node", 8080
		cpu.AtTarget = capacity.Estimate{Trust: capacity.AtLeast, Capacity: n(145), Says: "too little spread of load to learn from"}
		cpu.Full = capacity.Estimate{Trust: capacity.AtLeast, Capacity: n(181)}
		cpu.Basis.Points, cpu.Basis.Since = 12, since
	case 2:
		cpu.AtTarget, cpu.Full = capacity.Estimate{Says: "everything seen was over the target"}, capacity.Estimate{}
		cpu.Basis = capacity.Basis{}
	case 3:
		cpu.Service = name
		cpu.Basis.Change = capacity.Change{At: night.Add(-72 * time.Minute), Factor: 1.3}
	}
	memory := fleet.Learned{Load: n(8000), Learning: &fleet.Learning{
		Target: 0.8, Limit: "memory", Unit: "connections",
		AtTarget: capacity.Estimate{
			Trust: capacity.Learned, Capacity: n(41_000), Of: capacity.Interval{Low: 39_000, High: 43_500, OK: true},
			Cost: capacity.Cost{Request: 21e3, Background: 1.2e9, Points: 90},
		},
		Full:  capacity.Estimate{Trust: capacity.Learned, Capacity: n(52_000)},
		Basis: capacity.Basis{Points: 90, Since: since.Add(17 * time.Hour)},
	}}
	return []fleet.Learned{cpu, memory}
}

// tiered is a fleet of so many pools, the named one its edge; "" where that is
// not known.
func tiered(hosts, pools int, edge string) Frame {
	n := capacity.Known
	f := withEngine(fixture{hosts: hosts, cores: 8, level: fleet.Soon, limited: true, full: 1}.frame())
	names := []string{"web", "api", "db", "cache", "数据库", "search-eu-central-1", "mail", "batch"}[:pools]
	one := f.Pools[0]
	f.Pools = nil
	for k, name := range names {
		p := one
		p.Name, p.Hosts, p.Counted, p.Up = name, 0, 0, 0
		users, rps, cores := 0.0, 0.0, 0.0
		for i := k; i < hosts; i += pools {
			h := &f.Hosts[i]
			h.Pool = name
			p.Hosts++
			p.Counted++
			p.Up++
			users += h.Connections.V
			rps += h.RPS.V
			cores += h.CoresUsed.V
		}
		p.Users, p.RPS, p.RoomUsers = n(users), n(rps), n(float64(p.Hosts)*10_000-users)
		p.Limits = []capacity.Limit{{Name: "conns", Used: users, Capacity: float64(p.Hosts) * 10_000, Unit: "connections"}, {Name: "cpu", Used: cores, Capacity: float64(p.Hosts) * 8, Unit: "cores"}}
		p.Need, p.Raw, p.Run, p.Short = n(float64(p.Hosts)), n(float64(p.Hosts-1)), n(float64(p.Hosts)), n(0)
		p.RPSCapacity = capacity.Estimate{Trust: capacity.AtLeast, Capacity: n(rps * 1.25)}
		p.Verdict = fleet.Verdict{Level: fleet.OK, Do: []string{"OK  run " + strconv.Itoa(p.Hosts) + " (need " + strconv.Itoa(p.Hosts) + ")", "OK"}, Why: []string{"all is well"}}
		p.Trend, p.Growth, p.Late = capacity.Trend{Direction: capacity.Stable, Window: 45 * time.Minute, Step: "stable over 45m"}, capacity.Num{}, capacity.Num{}
		switch k {
		case 1:
			p.Verdict, p.Trend, p.Growth, p.Late, p.LoseZone = one.Verdict, one.Trend, one.Growth, one.Late, n(0.7)
			p.Need, p.Raw, p.TargetFrom = n(4), n(3), "default for 1 worker behind one queue"
		case 2:
			p.Users, p.UsersNote, p.RoomUsers, p.RoomRPS, p.RPS = capacity.Num{}, "no connections and no requests are known", capacity.Num{}, n(900), capacity.Num{}
			p.Trend, p.Bound, p.Target = capacity.Trend{Step: "trend unknown: 12m of readings, it wants 30 min"}, "cpu", 0.5
			p.Climb, p.Waits, p.RPSCapacity = capacity.Num{}, 0, capacity.Estimate{}
		}
		f.Pools = append(f.Pools, p)
	}
	f.Totals.Edge, f.Totals.EdgeFrom = edge, "by connections"
	for i := range f.Pools {
		if f.Pools[i].Name == edge {
			f.Totals.Users, f.Totals.RPS = f.Pools[i].Users, f.Pools[i].RPS
		}
	}
	return f
}

// byLittle counts users by Little's law and has no limit of connections.
func byLittle() Frame {
	f := withEngine(fixture{hosts: 3, cores: 8, level: fleet.OK}.frame())
	f.Totals.Users, f.Totals.UsersFrom, f.Totals.UsersNote = capacity.Known(74_280), "little", "7,398 rps × (10s think + 40ms response)"
	p := &f.Pools[0]
	p.RoomRPS = capacity.Known(3600)
	p.Users, p.UsersFrom, p.UsersNote = f.Totals.Users, f.Totals.UsersFrom, f.Totals.UsersNote
	p.RPSCapacity = capacity.Estimate{Trust: capacity.AtLeast, Capacity: capacity.Known(12_400), Says: "1 of 3 hosts learned"}
	p.Trend = capacity.Trend{Direction: capacity.Stable, Window: 45 * time.Minute, Step: "stable over 45m"}
	p.Growth, p.Late, p.Waits = capacity.Num{}, capacity.Num{}, 0
	p.Rows = rowsFor(30_000, 0)[:3]
	for i := range p.Rows {
		p.Rows[i].FullIn, p.Rows[i].PerDay, p.Rows[i].Servers = capacity.Num{}, capacity.Num{}, i+1
		p.Rows[i].Marks = nil
	}
	p.Rows[0].Lost = capacity.Num{}
	p.Rows[2].Marks = []string{"have", "NEED"}
	return f
}

// oddEngine has every number of the engine where it should not be.
func oddEngine() Frame {
	f := withEngine(fixture{hosts: 3, cores: 2, level: fleet.OK}.frame())
	long := strings.Repeat("a word\x1b[31m and 数据库 ", 40)
	bad := capacity.Num{V: math.Inf(1), OK: true}
	p := &f.Pools[0]
	p.Steps = []string{long, "", "two\nlines", strings.Repeat("x", 900)}
	p.Formula, p.TargetFrom, p.UsersNote, p.Bound = long, long, long, long
	p.Target, p.Climb, p.ClimbServers, p.ClimbPrice = -3, bad, bad, bad
	p.RPSCapacity = capacity.Estimate{Trust: 9, Capacity: capacity.Num{V: math.NaN(), OK: true}}
	p.Trend = capacity.Trend{Direction: capacity.Falling, FullIn: bad, Step: long}
	p.Rows = append(p.Rows, capacity.Row{Servers: -1 << 40, Now: bad, Lost: capacity.Num{V: -1, OK: true}, FullIn: bad, PerDay: bad, Marks: []string{long, long, long}})
	l := &f.Hosts[0].Learned[0]
	l.Limit, l.Service, l.Port, l.Unit = long, long, -7, long
	l.AtTarget.Cost.Request, l.AtTarget.Of.Low, l.Basis.Points = math.NaN(), math.Inf(-1), -4
	l.Basis.Change = capacity.Change{At: night.Add(time.Hour), Factor: math.Inf(1)}
	return f
}
