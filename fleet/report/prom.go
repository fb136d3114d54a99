package report

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// Prom writes s in the Prometheus text format, version 0.0.4: gauges (and one
// counter) with the unit in their name. What is not known has no line.
func Prom(w io.Writer, s fleet.Snapshot) error {
	m := &metrics{seen: map[string]*family{}}
	m.fleet(s)
	for i := range s.Pools {
		m.pool(&s.Pools[i])
		if s.Totals.Edge == s.Pools[i].Name {
			m.gauge("capmon_pool_edge", "1 for the pool whose users and requests are the fleet's.", number(1), "pool", s.Pools[i].Name)
		}
	}
	for i := range s.Hosts {
		m.host(&s.Hosts[i])
	}
	var b bytes.Buffer
	for _, f := range m.list {
		b.WriteString("# HELP " + f.name + " " + f.help + "\n# TYPE " + f.name + " " + f.kind + "\n")
		b.Write(f.lines.Bytes())
	}
	_, err := w.Write(b.Bytes())
	return err
}

// metrics keeps the families in the order in which they were first named, so
// that all lines of one stand together.
type metrics struct {
	list []*family
	seen map[string]*family
}

type family struct {
	name, help, kind string
	lines            bytes.Buffer
}

func (m *metrics) gauge(name, help string, v capacity.Num, labels ...string) {
	m.line("gauge", name, help, v, labels)
}

// line adds a value; labels are name, value, name, value.
func (m *metrics) line(kind, name, help string, v capacity.Num, labels []string) {
	if !v.OK || math.IsNaN(v.V) || math.IsInf(v.V, 0) {
		return
	}
	f := m.seen[name]
	if f == nil {
		f = &family{name: name, help: help, kind: kind}
		m.seen[name] = f
		m.list = append(m.list, f)
	}
	f.lines.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		if i == 0 {
			f.lines.WriteByte('{')
		} else {
			f.lines.WriteByte(',')
		}
		f.lines.WriteString(labels[i] + `="` + escape.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 1 {
		f.lines.WriteByte('}')
	}
	f.lines.WriteByte(' ')
	f.lines.Write(strconv.AppendFloat(nil, tidy(v.V), 'f', -1, 64))
	f.lines.WriteByte('\n')
}

// escape is what a label value needs.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func number(n int) capacity.Num { return capacity.Known(float64(n)) }

func truth(v bool) capacity.Num {
	if v {
		return number(1)
	}
	return number(0)
}

func (m *metrics) fleet(s fleet.Snapshot) {
	t := s.Totals
	m.gauge("capmon_simulated", "Whether the numbers are made up.", truth(s.Simulated))
	const hosts, about = "capmon_hosts", "Hosts by state."
	m.gauge(hosts, about, number(t.Up), "state", "up")
	m.gauge(hosts, about, number(t.Stale), "state", "stale")
	m.gauge(hosts, about, number(t.Down), "state", "down")
	m.gauge(hosts, about, number(t.Unseen), "state", "unseen")
	m.gauge("capmon_hosts_counted", "Hosts that the totals stand on.", number(t.Counted))
	m.gauge("capmon_users", "Active users of the edge pool; of all pools where no edge is known.", t.Users)
	m.gauge("capmon_requests_per_second", "Responses a second of the edge pool, of all pools where no edge is known, mean of 10 s.", t.RPS)
	m.gauge("capmon_connections", "Established connections, server side.", t.Connections)
	m.gauge("capmon_cores", "Cores available.", t.Cores)
	m.gauge("capmon_cores_used", "Cores used.", t.CoresUsed)
}

func (m *metrics) pool(p *fleet.Pool) {
	l := []string{"pool", p.Name}
	m.gauge("capmon_pool_hosts", "Hosts of the pool.", number(p.Hosts), l...)
	m.gauge("capmon_pool_need", "Servers required, spare included.", p.Need, l...)
	m.gauge("capmon_pool_raw", "Servers required for the load at target, without spare.", p.Raw, l...)
	m.gauge("capmon_pool_run", "Servers to run within min and max.", p.Run, l...)
	m.gauge("capmon_pool_short", "Servers needed beyond max.", p.Short, l...)
	m.gauge("capmon_pool_headroom_ratio", "Share of the capacity at target, after spare, that is left; may be negative.", p.Headroom, l...)
	m.gauge("capmon_pool_lose_one_ratio", "Utilisation of the nearest limit after losing one host.", p.LoseOne, l...)
	m.gauge("capmon_pool_room_users", "Users left to the limit.", p.RoomUsers, l...)
	m.gauge("capmon_pool_room_requests_per_second", "Requests a second left to the limit, at least.", p.RoomRPS, l...)
	m.gauge("capmon_pool_lose_zone_ratio", "Utilisation of the nearest limit after losing the largest zone.", p.LoseZone, l...)
	m.gauge("capmon_pool_spare", "Servers of those required that may be lost.", capacity.Num{V: float64(p.Spare), OK: p.Need.OK}, l...)
	m.gauge("capmon_pool_target_ratio", "Utilisation of the nearest limit to run at.", capacity.Num{V: p.Target, OK: p.Target > 0}, l...)
	m.gauge("capmon_pool_full_in_seconds", "Time until there is no room left at the present growth; absent unless room is falling.", p.Trend.FullIn, l...)
	m.gauge("capmon_pool_warm_up_seconds", "Time until a new server takes load.", capacity.Num(above0Span(p.WarmUp)), l...)
	m.gauge("capmon_pool_late_seconds", "Time by which a server that starts now comes too late; absent where it comes in time.", p.Late, l...)
	m.gauge("capmon_pool_users", "Active users.", p.Users, l...)
	m.gauge("capmon_pool_requests_per_second", "Responses a second, mean of 10 s.", p.RPS, l...)
	m.gauge("capmon_pool_requests_per_second_capacity", "Requests a second that its hosts can take at 100% of their nearest limits, by how far that can be trusted.",
		p.RPSCapacity.Capacity, "pool", p.Name, "trust", p.RPSCapacity.Trust.String())
	m.gauge("capmon_pool_climb_ratio", "How many times the load grew at most within the time a new server takes.", p.Climb, l...)
	m.gauge("capmon_pool_climb_servers", "Servers that a reserve for that would take beyond those required.", p.ClimbServers, l...)
	m.gauge("capmon_pool_verdict", "1 for the level of the verdict: ok, soon, act or unknown.", number(1), "pool", p.Name, "level", levelWords[p.Verdict.Level])
	for _, v := range p.Limits {
		m.gauge("capmon_pool_limit_ratio", "Utilisation of a limit of the pool.", capacity.Known(v.Ratio()), "pool", p.Name, "limit", v.Name)
	}
}

func (m *metrics) host(h *fleet.Host) {
	l := []string{"host", h.Name}
	m.gauge("capmon_host_up", "Whether the host is up.", truth(h.State == fleet.Up), l...)
	m.gauge("capmon_host_age_seconds", "Time since the newest sample arrived.", h.Age, l...)
	m.gauge("capmon_host_clock_skew_seconds", "How far the clock of the host is ahead.", h.Skew, l...)
	m.gauge("capmon_host_cpu_ratio", "Cores used of those available.", h.CPU, l...)
	m.gauge("capmon_host_cores", "Cores available.", h.Available, l...)
	m.gauge("capmon_host_cores_used", "Cores used.", h.CoresUsed, l...)
	m.gauge("capmon_host_hottest_core_ratio", "Busy share of the busiest core.", capacity.Num{V: h.HottestCore.Busy, OK: h.HottestCore.Known}, l...)
	m.gauge("capmon_host_hottest_thread_cores", "Run time and run-queue wait of the thread with the highest demand, in cores.", capacity.Num{V: h.Thread.Demand, OK: h.Thread.Known}, l...)
	m.gauge("capmon_host_requests_per_second", "Responses a second, mean of 10 s.", h.RPS, l...)
	m.gauge("capmon_host_connections", "Established connections, server side.", h.Connections, l...)
	m.gauge("capmon_host_memory_used_bytes", "Memory that could not be had at once.", h.MemoryUsed, l...)
	m.gauge("capmon_host_memory_bytes", "Memory, or the container's limit.", h.MemoryTotal, l...)
	m.gauge("capmon_host_headroom_ratio", "Share of the capacity at target that is left; may be negative.", h.Headroom, l...)
	m.gauge("capmon_host_room_users", "Users left to the nearest limit.", h.RoomUsers, l...)
	m.gauge("capmon_host_room_requests_per_second", "Requests a second left to the nearest limit, at least.", h.RoomRPS, l...)
	for _, v := range h.Limits {
		m.gauge("capmon_host_limit_ratio", "Utilisation of a limit.", capacity.Known(v.Ratio()), "host", h.Name, "limit", v.Name)
	}
	for _, flag := range h.Flags {
		m.gauge("capmon_host_flag", "1 for each flag that stands.", number(1), "host", h.Name, "flag", flag)
	}
	m.gauge("capmon_host_self_cpu_ratio", "Cores that the agent itself uses.", capacity.Num{V: h.SelfCPU.V / 1000, OK: h.SelfCPU.OK}, l...)
	m.gauge("capmon_host_self_resident_bytes", "Memory that the agent itself uses.", h.SelfRSS, l...)
	for i, busy := range h.Cores {
		m.gauge("capmon_core_busy_ratio", "Busy share of a core, in the order of the host's online cores.", capacity.Known(busy), "host", h.Name, "core", strconv.Itoa(i))
	}
	m.gauge("capmon_host_throttled_ratio", "Share of the CPU quota's periods in which the container was held back, mean of 10 s.", h.Throttled, l...)
	m.gauge("capmon_host_time_wait_sockets", "Sockets in TIME_WAIT.", h.TimeWait, l...)
	m.gauge("capmon_host_ephemeral_ports_used", "Local ports taken towards the remote address with the most connections.", h.PortsUsed, l...)
	m.gauge("capmon_host_ephemeral_ports", "Local ports there are to take.", h.PortsLimit, l...)
	m.gauge("capmon_host_connections_drift", "What the running counter of connections had too many when last checked.", h.ConnectionsDrift, l...)
	if h.Pool != "" {
		m.gauge("capmon_host_pool", "1 for the pool that the host is in.", number(1), "host", h.Name, "pool", h.Pool)
	}
	m.gauge("capmon_host_users", "Active users by a gauge that was named.", h.Users, l...)
	for i := range h.Learned {
		m.learned(h.Name, &h.Learned[i])
	}
	for i := range h.Services {
		m.service(h.Name, &h.Services[i])
	}
	for i := range h.Processes {
		p := &h.Processes[i]
		l := []string{"host", h.Name, "pid", strconv.Itoa(p.PID), "process", p.Name}
		m.gauge("capmon_process_cores_used", "Run time of a process, in cores; only those that use most.", capacity.Known(p.CoresUsed), l...)
		m.gauge("capmon_process_waiting_cores", "Run-queue wait of a process, in cores.", capacity.Known(p.Waiting), l...)
		m.gauge("capmon_process_threads", "Threads of a process.", p.Threads, l...)
	}
	for i := range h.Findings {
		m.finding(h.Name, &h.Findings[i])
	}
}

// learned is what traffic taught of a limit; the names say the unit of its load.
func (m *metrics) learned(host string, v *fleet.Learned) {
	l := []string{"host", host, "limit", v.Limit, "port", strconv.Itoa(v.Port), "service", v.Service}
	trust := slices.Concat(l, []string{"trust", v.AtTarget.Trust.String()})
	full := slices.Concat(l, []string{"trust", v.Full.Trust.String()})
	cost := capacity.Num{V: v.AtTarget.Cost.Request, OK: v.AtTarget.Cost.Points > 0}
	if v.Unit == perConnection {
		m.gauge("capmon_host_learned_capacity_connections", "Connections that a limit can take at the target, by how far that can be trusted.", v.AtTarget.Capacity, trust...)
		m.gauge("capmon_host_learned_limit_connections", "Connections that a limit can take at 100%, by how far that can be trusted.", v.Full.Capacity, full...)
		m.gauge("capmon_host_learned_connection_bytes", "Memory of a connection.", cost, l...)
	} else {
		m.gauge("capmon_host_learned_capacity_requests_per_second", "Requests a second that a limit can take at the target, by how far that can be trusted; port 0 is the whole host.", v.AtTarget.Capacity, trust...)
		m.gauge("capmon_host_learned_limit_requests_per_second", "Requests a second that a limit can take at 100%, by how far that can be trusted.", v.Full.Capacity, full...)
		m.gauge("capmon_host_learned_request_cpu_seconds", "CPU time of a request.", cost, l...)
	}
	m.gauge("capmon_host_learned_points", "Points of ten seconds that it stands on.", number(v.Basis.Points), l...)
	m.gauge("capmon_host_learned_change_ratio", "How many times as much a request costs since its last change.",
		capacity.Num{V: v.Basis.Change.Factor, OK: !v.Basis.Change.At.IsZero()}, l...)
}

func (m *metrics) service(host string, v *fleet.Service) {
	l := []string{"host", host, "port", strconv.Itoa(v.Port), "service", v.Name}
	m.gauge("capmon_service_requests_per_second", "Responses a second of a listening port, mean of 10 s.", v.RPS, l...)
	m.gauge("capmon_service_connections", "Established connections of a listening port.", v.Connections, l...)
	m.line("counter", "capmon_service_responses_total", "Responses since the agent began.", v.Responses, l)
	for i, class := range [...]string{"2xx", "3xx", "4xx", "5xx"} {
		m.line("counter", "capmon_service_responses_by_status_total", "Responses since the agent began by class of their status.", v.Status[i], slices.Concat(l, []string{"status", class}))
	}
	m.gauge("capmon_service_errors_ratio", "Share of 5xx among the responses of the last 10 s.", v.Errors, l...)
	m.gauge("capmon_service_latency_mean_seconds", "Mean response time of the last 10 s.", v.Latency.Mean, l...)
	for _, q := range []struct {
		quantile string
		v        capacity.Num
	}{{"0.5", v.Latency.P50}, {"0.95", v.Latency.P95}, {"0.99", v.Latency.P99}} {
		m.gauge("capmon_service_latency_seconds", "Response time of the last 10 s by quantile.", q.v, slices.Concat(l, []string{"quantile", q.quantile})...)
	}
	m.gauge("capmon_service_accepts_per_second", "Connections accepted a second.", v.Accepts, l...)
	m.gauge("capmon_service_queue_connections", "Connections that wait to be accepted.", v.Queue, l...)
	m.gauge("capmon_service_queue_limit_connections", "Connections that may wait to be accepted.", v.QueueLimit, l...)
	m.line("counter", "capmon_service_drops_total", "Connections refused by a full queue since the agent began.", v.Drops, l)
	m.gauge("capmon_service_open_files", "Open files of the service's process that has the fewest left.", v.FilesUsed, l...)
	m.gauge("capmon_service_open_files_limit", "Files that process may open.", v.Files, l...)
	m.gauge("capmon_service_connections_limit", "Connections the service is configured for.", v.ConnectionsLimit, l...)
}

func (m *metrics) finding(host string, f *fleet.Finding) {
	l := []string{"host", host, "verdict", f.Verdict, "process", f.Owner, "pid", strconv.Itoa(f.PID), "tid", strconv.Itoa(f.TID)}
	m.gauge("capmon_finding_demand_cores", "Run time and run-queue wait of what is full while its machine is not, mean of 5 s.", capacity.Known(f.Demand), l...)
	m.gauge("capmon_finding_idle_cores", "Cores idle beside it that it could use.", capacity.Known(f.Idle), l...)
}
