package report

import (
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// estimate is what something can take: a number with its interval, or why there
// is none.
type estimate struct {
	Value num    `json:"value"`
	Low   num    `json:"low"`
	High  num    `json:"high"`
	Trust string `json:"trust"`
	Why   text   `json:"why"` // it is not learned
}

func estimateOf(e capacity.Estimate) estimate {
	low, high := ends(e.Of)
	return estimate{Value: num(e.Capacity), Low: low, High: high, Trust: e.Trust.String(), Why: text(e.Why())}
}

// ends are those of an interval, unknown where there is none.
func ends(i capacity.Interval) (low, high num) {
	return num{V: i.Low, OK: i.OK}, num{V: i.High, OK: i.OK}
}

// verdict is what to do, in the longest words.
type verdict struct {
	Level string `json:"level"`
	Do    text   `json:"do"`
	Why   text   `json:"why"`
}

// levelWords are the words of the contract.
var levelWords = map[fleet.Level]string{fleet.Unknown: "unknown", fleet.OK: "ok", fleet.Soon: "soon", fleet.Act: "act"}

func verdictOf(v fleet.Verdict) *verdict {
	return &verdict{Level: levelWords[v.Level], Do: text(longest(v.Do)), Why: text(longest(v.Why))}
}

// longest is the first of words from long to short; empty for none.
func longest(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// learned is what traffic taught of one limit of a host. The cost is in unit
// seconds of the limit a request, the background in its units.
type learned struct {
	Limit      string   `json:"limit"`
	Port       num      `json:"port"` // null: the whole host
	Service    text     `json:"service"`
	Unit       string   `json:"unit"` // of the load
	Load       num      `json:"load"`
	Trust      string   `json:"trust"`
	AtTarget   num      `json:"at_target"`
	Low        num      `json:"low"`
	High       num      `json:"high"`
	AtLimit    num      `json:"at_limit"`
	Cost       num      `json:"cost"`
	CostLow    num      `json:"cost_low"`
	CostHigh   num      `json:"cost_high"`
	Background num      `json:"background"`
	KendallTau num      `json:"kendall_tau"`
	Points     int      `json:"points"`
	Seconds    num      `json:"seconds"`
	Since      text     `json:"since"`
	Why        text     `json:"why"` // it is not learned
	Steps      []string `json:"steps"`
	Change     *change  `json:"change"` // null: none seen
}

// change is when a request began to cost so many times as much.
type change struct {
	At     text `json:"at"`
	Factor num  `json:"factor"`
}

func learnedOf(l *fleet.Learned) learned {
	e, b := l.AtTarget, l.Basis
	v := learned{
		Limit: l.Limit, Port: above0(l.Port), Service: text(l.Service), Unit: l.Unit, Load: num(l.Load),
		Trust: e.Trust.String(), AtTarget: num(e.Capacity), AtLimit: num(l.Full.Capacity),
		Points: b.Points, Seconds: num(capacity.Known(b.Seen.Seconds())), Since: moment(b.Since), Why: text(e.Why()), Steps: orEmpty(e.Steps()),
	}
	v.Low, v.High = ends(e.Of)
	if c := e.Cost; c.Points > 0 {
		v.Cost, v.Background, v.KendallTau = num(capacity.Known(c.Request)), num(capacity.Known(c.Background)), num(capacity.Known(c.Tau))
		v.CostLow, v.CostHigh = ends(c.Of)
	}
	if c := b.Change; !c.At.IsZero() {
		v.Change = &change{At: moment(c.At), Factor: num(capacity.Known(c.Factor))}
	}
	return v
}

// scaling is how a service follows the number of its workers.
type scaling struct {
	Port    num           `json:"port"`
	Service text          `json:"service"`
	Seen    []workersSeen `json:"seen"`
	Law     *planCurve    `json:"law"` // null: lacks says what it lacks
	Lacks   text          `json:"lacks"`
	Advice  []string      `json:"advice"`
}

type workersSeen struct {
	Workers int  `json:"workers"`
	RPS     num  `json:"rps"`
	Seconds int  `json:"seconds"`
	At      text `json:"at"`
}

func scalingOf(s *fleet.Scaling) scaling {
	v := scaling{Port: above0(s.Port), Service: text(s.Service), Seen: []workersSeen{}, Lacks: text(s.Lacks), Advice: orEmpty(s.Advice)}
	for _, w := range s.Seen {
		v.Seen = append(v.Seen, workersSeen{Workers: w.Workers, RPS: num(capacity.Known(w.RPS)), Seconds: w.Seconds, At: moment(w.At)})
	}
	if s.Law != nil {
		v.Law = curveOf(*s.Law)
	}
	return v
}

// moment is a time, unknown when it is none.
func moment(t time.Time) text {
	if t.IsZero() {
		return ""
	}
	return text(t.UTC().Format(time.RFC3339))
}

// serverRow is what a number of servers means.
type serverRow struct {
	Servers    int      `json:"servers"`
	Marks      []string `json:"marks"`
	Now        num      `json:"now"`
	OneLost    num      `json:"one_lost"`
	Later      num      `json:"later"`
	FullInS    num      `json:"full_in_s"`
	ResponseS  num      `json:"response_s"`
	CostPerDay num      `json:"cost_per_day"`
}

func serverRows(rows []capacity.Row) []serverRow {
	out := []serverRow{}
	for _, r := range rows {
		out = append(out, serverRow{
			Servers: r.Servers, Marks: orEmpty(r.Marks), Now: num(r.Now), OneLost: num(r.Lost), Later: num(r.Later),
			FullInS: num(r.FullIn), ResponseS: num(r.Response), CostPerDay: num(r.PerDay),
		})
	}
	return out
}

func poolOf(p *fleet.Pool) pool {
	v := pool{
		Name: p.Name, Hosts: p.Hosts, Bound: text(p.Bound), Headroom: num(p.Headroom), RoomUsers: num(p.RoomUsers), RoomRPS: num(p.RoomRPS),
		Need: num(p.Need), Raw: num(p.Raw), Spare: p.Spare, Run: num(p.Run), Short: num(p.Short),
		Trend: p.Trend.Direction.String(), FullInS: num(p.Trend.FullIn), WarmUpS: above0Span(p.WarmUp), Formula: text(p.Formula), Steps: orEmpty(p.Steps),
		LateS: num(p.Late), LoseOne: num(p.LoseOne), LoseZone: num(p.LoseZone), GrowthPerMin: num(p.Growth),
		Climb: num(p.Climb), ClimbServers: num(p.ClimbServers), ClimbPriceDay: num(p.ClimbPrice),
		Target: num{V: p.Target, OK: p.Target > 0}, TargetFrom: text(p.TargetFrom), WaitsS: num{V: p.Waits.Seconds(), OK: p.Need.OK},
		Users: num(p.Users), UsersFrom: text(p.UsersFrom), UsersNote: text(p.UsersNote), RPS: num(p.RPS),
		RPSCapacity: estimateOf(p.RPSCapacity), Servers: serverRows(p.Rows), Limits: []poolLimit{}, Verdict: verdictOf(p.Verdict),
	}
	v.FullInLowS, v.FullInHighS = ends(p.Trend.FullOf)
	for _, l := range p.Sized {
		v.Limits = append(v.Limits, poolLimit{
			Name: l.Name, Used: num(capacity.Known(l.Used)), Capacity: num(capacity.Known(l.Capacity)), Unit: l.Unit, From: l.From, Servers: l.Servers,
			Least: num(capacity.Known(l.Least)), Most: num(capacity.Known(l.Most)), Target: num{V: l.Target, OK: l.Target > 0}, Background: num(capacity.Known(l.Background)),
		})
	}
	return v
}

// poolLimit is one limit of a pool: sums over so many servers, used as NEED
// counts it.
type poolLimit struct {
	Name       string `json:"name"`
	Used       num    `json:"used"`
	Capacity   num    `json:"capacity"`
	Unit       string `json:"unit"`
	From       string `json:"from"`
	Servers    int    `json:"servers"`
	Least      num    `json:"least"` // of one server
	Most       num    `json:"most"`
	Target     num    `json:"target"`
	Background num    `json:"background"` // of one server
}

// above0Span is a time in seconds that is unknown when it is 0.
func above0Span(d time.Duration) num { return num{V: d.Seconds(), OK: d > 0} }
