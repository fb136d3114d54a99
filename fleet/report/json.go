package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// Schema names the contract of JSON. Keys are only ever added to it.
const Schema = "capmon.snapshot/1"

// JSON writes s as one object, indented, with a newline at its end. Every key
// is there from the first version on; what is not known is null.
func JSON(w io.Writer, s fleet.Snapshot) error { return JSONSeen(w, s, nil) }

// A View is how somebody looked at a snapshot: key "view" of an export.
type View struct {
	Screen   string   `json:"screen"`
	Filter   string   `json:"filter"` // as typed; "" shows all
	Sort     string   `json:"sort"`
	Reversed bool     `json:"reversed"`
	Hosts    []string `json:"hosts"` // the names of those shown, in order
}

// JSONSeen is JSON with how it was looked at; nil: nobody did.
func JSONSeen(w io.Writer, s fleet.Snapshot, v *View) error {
	var b bytes.Buffer
	d := document(s)
	d.View = v
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return fmt.Errorf("snapshot as JSON: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// quote writes a JSON string without turning < > & into escapes.
func quote(s string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

type doc struct {
	Schema    string   `json:"schema"`
	Time      string   `json:"time"`
	Simulated bool     `json:"simulated"`
	View      *View    `json:"view,omitempty"` // in an export
	Notes     []string `json:"notes"`
	Totals    totals   `json:"totals"`
	Pools     []pool   `json:"pools"`
	Hosts     []host   `json:"hosts"`
}

type totals struct {
	Hosts       int    `json:"hosts"`
	HostsUp     int    `json:"hosts_up"`
	Users       num    `json:"users"`
	UsersFrom   string `json:"users_from"`
	RPS         num    `json:"rps"`
	Connections num    `json:"connections"`
	Cores       num    `json:"cores"`
	CoresUsed   num    `json:"cores_used"`

	UsersNote text `json:"users_note"` // the assumption behind, or the formula
	Edge      text `json:"edge"`       // the pool that users and rps are of
	EdgeFrom  text `json:"edge_from"`
}

type pool struct {
	Name      string   `json:"name"`
	Hosts     int      `json:"hosts"`
	Bound     text     `json:"bound"`
	Headroom  num      `json:"headroom"`
	RoomUsers num      `json:"room_users"`
	RoomRPS   num      `json:"room_rps"`
	Need      num      `json:"need"`
	Raw       num      `json:"raw"`
	Spare     int      `json:"spare"`
	Run       num      `json:"run"`
	Short     num      `json:"short"`
	Trend     string   `json:"trend"`
	FullInS   num      `json:"full_in_s"`
	WarmUpS   num      `json:"warm_up_s"`
	Formula   text     `json:"formula"`
	Steps     []string `json:"steps"`

	FullInLowS    num         `json:"full_in_low_s"`
	FullInHighS   num         `json:"full_in_high_s"`
	LateS         num         `json:"late_s"` // null: a server that starts now comes in time
	LoseOne       num         `json:"lose_one"`
	LoseZone      num         `json:"lose_zone"`
	GrowthPerMin  num         `json:"growth_per_min"`
	Climb         num         `json:"climb"`
	ClimbServers  num         `json:"climb_servers"`
	ClimbPriceDay num         `json:"climb_price_day"`
	Target        num         `json:"target"`
	TargetFrom    text        `json:"target_from"`
	WaitsS        num         `json:"waits_s"`
	Users         num         `json:"users"`
	UsersFrom     text        `json:"users_from"`
	UsersNote     text        `json:"users_note"`
	RPS           num         `json:"rps"`
	RPSCapacity   estimate    `json:"rps_capacity"`
	Servers       []serverRow `json:"servers"`
	Limits        []poolLimit `json:"limits"`  // that need is made from
	Verdict       *verdict    `json:"verdict"` // null: on paper
}

type host struct {
	Name           string            `json:"name"`
	Addr           text              `json:"addr"`
	State          string            `json:"state"`
	Reason         text              `json:"reason"`
	Do             text              `json:"do"`
	AgeS           num               `json:"age_s"`
	ClockSkewS     num               `json:"clock_skew_s"`
	Labels         map[string]string `json:"labels"`
	Cores          []num             `json:"cores"` // null: none known
	CoresAvailable num               `json:"cores_available"`
	CoresUsed      num               `json:"cores_used"`
	CPU            num               `json:"cpu"`
	HottestCore    num               `json:"hottest_core"`
	HottestThread  *thread           `json:"hottest_thread"`
	RPS            num               `json:"rps"`
	RPSSource      text              `json:"rps_source"`
	Connections    num               `json:"connections"`
	Bound          text              `json:"bound"`
	Headroom       num               `json:"headroom"`
	RoomUsers      num               `json:"room_users"`
	RoomRPS        num               `json:"room_rps"`
	Limits         []limit           `json:"limits"`
	Processes      []process         `json:"processes"` // null: not known
	Flags          []string          `json:"flags"`
	Services       []service         `json:"services"`
	Memory         memory            `json:"memory"`
	Self           self              `json:"self"`
	Throttled      num               `json:"throttled"`

	ConnectionsFrom  text `json:"connections_from"`
	ConnectionsDrift num  `json:"connections_drift"`
	TimeWait         num  `json:"time_wait"`
	PortsUsed        num  `json:"ports_used"`
	PortsLimit       num  `json:"ports_limit"`

	Notes []string `json:"notes"` // what could not be read, and why

	Pool    text      `json:"pool"`
	Counted bool      `json:"counted"` // in the totals
	Users   num       `json:"users"`   // a gauge that was named
	Learned []learned `json:"learned"`
	Scaling []scaling `json:"scaling"`
}

type process struct {
	PID       int      `json:"pid"`
	Name      text     `json:"name"`
	CoresUsed num      `json:"cores_used"`
	Waiting   num      `json:"waiting"`
	Threads   num      `json:"threads"`
	Flags     []string `json:"flags"`
	Finding   *finding `json:"finding"`
}

// finding has cores as its unit; idle and allowed are those that the process
// may use.
type finding struct {
	Verdict      string `json:"verdict"`
	PID          num    `json:"pid"`
	TID          num    `json:"tid"`
	Name         text   `json:"name"`
	Demand       num    `json:"demand"`
	Wait         num    `json:"wait"`
	IdleCores    num    `json:"idle_cores"`
	AllowedCores num    `json:"allowed_cores"`
	Workers      num    `json:"workers"`
}

type thread struct {
	PID    int    `json:"pid"`
	TID    int    `json:"tid"`
	Name   string `json:"name"`
	Demand num    `json:"demand"`
}

type limit struct {
	Name     string `json:"name"`
	Used     num    `json:"used"`
	Capacity num    `json:"capacity"`
	Unit     string `json:"unit"`
	From     string `json:"from"`
}

type service struct {
	Port           int      `json:"port"`
	Name           text     `json:"name"`
	RPS            num      `json:"rps"`
	RPSSource      text     `json:"rps_source"`
	ResponsesTotal num      `json:"responses_total"`
	Connections    num      `json:"connections"`
	Status         status   `json:"status"`
	Errors         num      `json:"errors"` // share of 5xx in the last 10 s
	LatencyS       latency  `json:"latency_s"`
	Flags          []string `json:"flags"`
	PID            num      `json:"pid"`
	Behind         num      `json:"behind"` // a port of this host; null: an edge
	Finding        *finding `json:"finding"`

	Accepts         num  `json:"accepts"` // a second
	Queue           num  `json:"queue"`
	QueueLimit      num  `json:"queue_limit"`
	Drops           num  `json:"drops"`
	FilesUsed       num  `json:"files_used"`
	FilesLimit      num  `json:"files_limit"`
	ConnectionLimit num  `json:"connections_limit"`
	LimitFrom       text `json:"connections_limit_from"`
	RPSNote         text `json:"rps_note"` // why there is no rps

	Peers []peer `json:"peers"` // who held most of its connections when last listed, most first; null: not known
}

type peer struct {
	Address     string `json:"address"`
	Connections int    `json:"connections"`
}

type status struct {
	OK       num `json:"2xx"`
	Redirect num `json:"3xx"`
	Client   num `json:"4xx"`
	Server   num `json:"5xx"`
}

type latency struct {
	Mean num `json:"mean"`
	P50  num `json:"p50"`
	P95  num `json:"p95"`
	P99  num `json:"p99"`
}

type memory struct {
	UsedBytes  num `json:"used_bytes"`
	TotalBytes num `json:"total_bytes"`
}

type self struct {
	CPUMsS   num `json:"cpu_ms_s"`
	RSSBytes num `json:"rss_bytes"`
}

func document(s fleet.Snapshot) doc {
	d := doc{
		Schema: Schema, Time: s.At.UTC().Format(time.RFC3339Nano), Simulated: s.Simulated, Notes: orEmpty(s.Notes),
		Totals: totals{
			Hosts: s.Totals.Hosts, HostsUp: s.Totals.Up, Users: num(s.Totals.Users), UsersFrom: s.Totals.UsersFrom,
			RPS: num(s.Totals.RPS), Connections: num(s.Totals.Connections), Cores: num(s.Totals.Cores), CoresUsed: num(s.Totals.CoresUsed),
			UsersNote: text(s.Totals.UsersNote), Edge: text(s.Totals.Edge), EdgeFrom: text(s.Totals.EdgeFrom),
		},
		Pools: make([]pool, 0, len(s.Pools)), Hosts: make([]host, 0, len(s.Hosts)),
	}
	for i := range s.Pools {
		d.Pools = append(d.Pools, poolOf(&s.Pools[i]))
	}
	for i := range s.Hosts {
		d.Hosts = append(d.Hosts, hostOf(&s.Hosts[i]))
	}
	return d
}

func hostOf(h *fleet.Host) host {
	v := host{
		Name: h.Name, Addr: text(h.Addr), State: h.State.String(), Reason: text(h.Reason), Do: text(h.Do),
		AgeS: num(h.Age), ClockSkewS: num(h.Skew), Labels: map[string]string{},
		CoresAvailable: num(h.Available), CoresUsed: num(h.CoresUsed), CPU: num(h.CPU),
		RPS: num(h.RPS), RPSSource: text(h.RPSSource), Connections: num(h.Connections),
		Bound: text(h.Bound), Headroom: num(h.Headroom), RoomUsers: num(h.RoomUsers), RoomRPS: num(h.RoomRPS),
		Limits: []limit{}, Flags: orEmpty(h.Flags),
		Memory: memory{num(h.MemoryUsed), num(h.MemoryTotal)}, Self: self{num(h.SelfCPU), num(h.SelfRSS)},
		Throttled: num(h.Throttled), ConnectionsFrom: text(h.ConnectionsFrom), ConnectionsDrift: num(h.ConnectionsDrift),
		TimeWait: num(h.TimeWait), PortsUsed: num(h.PortsUsed), PortsLimit: num(h.PortsLimit), Notes: orEmpty(h.Unread()),
		Pool: text(h.Pool), Counted: h.Counted, Users: num(h.Users), Learned: []learned{}, Scaling: []scaling{},
	}
	for i := range h.Learned {
		v.Learned = append(v.Learned, learnedOf(&h.Learned[i]))
	}
	for i := range h.Scaling {
		v.Scaling = append(v.Scaling, scalingOf(&h.Scaling[i]))
	}
	for _, l := range h.Machine.GetLabels() {
		v.Labels[l.GetKey()] = l.GetValue()
	}
	for _, busy := range h.Cores {
		v.Cores = append(v.Cores, num{V: busy, OK: !math.IsNaN(busy)})
	}
	if h.HottestCore.Known {
		v.HottestCore = num(capacity.Known(h.HottestCore.Busy))
	}
	if t := h.Thread; t.Known {
		v.HottestThread = &thread{PID: t.PID, TID: t.TID, Name: t.Name, Demand: num(capacity.Known(t.Demand))}
	}
	for _, l := range h.Limits {
		v.Limits = append(v.Limits, limit{l.Name, num(capacity.Known(l.Used)), num(capacity.Known(l.Capacity)), l.Unit, l.From})
	}
	if h.Services != nil {
		v.Services = []service{} // known to be none
	}
	for i := range h.Services {
		v.Services = append(v.Services, serviceOf(&h.Services[i]))
	}
	if h.Processes != nil {
		v.Processes = []process{} // known to be none
	}
	for i := range h.Processes {
		p := &h.Processes[i]
		v.Processes = append(v.Processes, process{
			PID: p.PID, Name: text(p.Name), CoresUsed: num(capacity.Known(p.CoresUsed)), Waiting: num(capacity.Known(p.Waiting)),
			Threads: num(p.Threads), Flags: orEmpty(p.Flags), Finding: findingOf(p.Finding),
		})
	}
	return v
}

func serviceOf(s *fleet.Service) service {
	return service{
		Port: s.Port, Name: text(s.Name), RPS: num(s.RPS), RPSSource: text(s.RPSSource),
		ResponsesTotal: num(s.Responses), Connections: num(s.Connections), Flags: orEmpty(s.Flags),
		Status: status{num(s.Status[0]), num(s.Status[1]), num(s.Status[2]), num(s.Status[3])}, Errors: num(s.Errors),
		LatencyS: latency{num(s.Latency.Mean), num(s.Latency.P50), num(s.Latency.P95), num(s.Latency.P99)},
		PID:      above0(s.PID), Behind: above0(s.Behind), Finding: findingOf(s.Finding),
		Accepts: num(s.Accepts), Queue: num(s.Queue), QueueLimit: num(s.QueueLimit), Drops: num(s.Drops),
		FilesUsed: num(s.FilesUsed), FilesLimit: num(s.Files),
		ConnectionLimit: num(s.ConnectionsLimit), LimitFrom: text(s.ConnectionsFrom), RPSNote: text(s.RPSNote),
		Peers: peersOf(s.Peers),
	}
}

func peersOf(peers []fleet.Peer) []peer {
	if peers == nil {
		return nil
	}
	list := make([]peer, len(peers)) // [] when nobody holds many
	for i, p := range peers {
		list[i] = peer{p.Addr, p.Connections}
	}
	return list
}

func findingOf(f *fleet.Finding) *finding {
	if f == nil {
		return nil
	}
	cores := func(v float64) num { return num(capacity.Known(v)) }
	return &finding{
		Verdict: f.Verdict, PID: above0(f.PID), TID: above0(f.TID), Name: text(or(f.Thread, f.Owner)), Demand: cores(f.Demand), Wait: cores(f.Wait),
		IdleCores: cores(f.Idle), AllowedCores: num{V: f.Allowed, OK: f.Allowed > 0}, Workers: above0(f.Workers),
	}
}

// above0 is a number that is unknown, or none, when it is 0.
func above0(n int) num { return num{V: float64(n), OK: n > 0} }

// orEmpty makes [] of nil: a list that is known to be empty is not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return slices.Clip(list)
}
