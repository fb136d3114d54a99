package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/fleet/report"
	"capmon/sample"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scene is three hosts with all that can be told of one, one that is stale, and
// one that refuses; two names try the writers.
func scene() fleet.Snapshot {
	t0 := time.Date(2026, 11, 23, 3, 12, 7, 0, time.UTC)
	f := fleet.New(fleet.Config{Policy: fleet.Policy{Target: 0.8, Spare: 1, PerServer: 10_000, Max: 4, WarmUp: 3 * time.Minute}})
	names := []string{"数据库", `we"ird\`, "web-3"}
	for i, name := range names {
		f.Join(name, "10.0.0.1:7077", t0)
		f.Machine(name, &sample.Machine{
			Epoch: uint64(i%2 + 1), Hostname: "db", IntervalMs: 1000, Simulated: true,
			Labels: []*sample.Label{{Key: "zone", Value: "a<b"}, {Key: "quote", Value: `"`}},
		}, t0)
		for k := range 20 {
			at := t0.Add(time.Duration(k-19) * time.Second)
			if i == 1 {
				at = at.Add(-5 * time.Second)
			}
			f.Samples(name, uint64(i%2+1), []*sample.Sample{one(k+1, at)}, at)
		}
	}
	f.Link("web-3", false, true, "dial 10.0.0.1:7077: connection refused", "run `capmon agent` on web-3", t0)
	f.Dropped("web-3", 5)
	return f.Snapshot(fleet.Ask{}, t0.Add(200*time.Millisecond))
}

func one(seq int, at time.Time) *sample.Sample {
	finding := &sample.Finding{Verdict: sample.Verdict_VERDICT_SINGLE_THREAD, Pid: 7, Tid: 8, Name: "main", Demand: 990, Wait: 5, Idle: 2480, Allowed: 4, Workers: 1}
	return &sample.Sample{
		Seq: uint64(seq), TimeMs: at.UnixMilli(),
		Cpu: &sample.Cpu{
			Busy: []byte{25, sample.Unknown, 250, 100}, Available: new(float32(4)), Used: new(float32(1.52)),
			AvailableFrom: sample.Bound_BOUND_CPUSET, Steal: new(uint32(900)), Throttled: new(uint32(800)),
		},
		Memory: &sample.Memory{Total: new(uint64(8 << 30)), Used: new(uint64(3 << 30))},
		Connections: &sample.Connections{
			Served: new(uint32(9_600)), Source: sample.ConnectionSource_CONNECTION_SOURCE_SOCK_DIAG, Drift: new(int32(-2)),
			TimeWait: new(uint32(210)), PortsUsed: new(uint32(27_000)), PortsLimit: new(uint32(28_232)),
		},
		Services: []*sample.Service{
			{
				Port: 80, Name: "nginx", Connections: new(uint32(9_000)), Rps: new(float32(1234.5)), Responses: new(uint64(1<<40 + 1000*seq)),
				RpsSource: sample.RpsSource_RPS_SOURCE_NGINX, Status: []uint64{3, 40, 5 + uint64(10*seq)}, Pid: 40,
				Accepts: new(float32(12.5)), Queue: new(uint32(3)), Drops: new(uint64(17)),
				Peers:   []*sample.Peer{{Address: "10.0.0.9", Connections: 8_500}, {Address: "2001:db8::9", Connections: 500}},
				Latency: &sample.Latency{MeanUs: 1500, P50Us: 1000, P95Us: 4000, P99Us: 20_000},
				Limits: &sample.ServiceLimits{
					Queue: new(uint32(511)), FilesUsed: new(uint32(9_050)), Files: new(uint64(20_000)),
					Connections: new(uint64(12_000)), ConnectionsFrom: "worker_connections 6000 x 2",
				},
			},
			{Port: 443, RpsNote: "it speaks TLS", Peers: []*sample.Peer{{}}},
			{Port: 3000, Name: "node", Rps: new(float32(1200)), Pid: 7, Behind: 80, Finding: finding},
		},
		Processes: []*sample.Process{{Pid: 7, Name: "node", Run: 1040, Wait: 12, Threads: 11, Finding: finding}, {Pid: 40, Name: "ng\"inx", Run: 290, Threads: 1}},
		Threads:   []*sample.Thread{{Pid: 7, Tid: 8, Name: "main", Run: 990, Wait: 5}},
		Self:      &sample.Self{CpuUs: new(uint32(1100)), Rss: new(uint64(12 << 20))},
	}
}

func TestGoldens(t *testing.T) {
	empty := fleet.New(fleet.Config{}).Snapshot(fleet.Ask{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, write := range map[string]func(io.Writer, fleet.Snapshot) error{"json": report.JSON, "txt": report.Text, "prom": report.Prom} {
		for scene, s := range map[string]fleet.Snapshot{"three": scene(), "empty": empty, "tiers": tiers()} {
			t.Run(scene+"."+name, func(t *testing.T) {
				var b bytes.Buffer
				if err := write(&b, s); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", scene+"."+name)
				if *update {
					if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatalf("%v: write it with -update", err)
				}
				if d := cmp.Diff(string(want), b.String()); d != "" {
					t.Errorf("want -, got +\n%s", d)
				}
			})
		}
	}
}

// TestContract holds every key of the contract, for a host that is up and one
// of which nothing is known.
func TestContract(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, scene()); err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if doc["schema"] != "capmon.snapshot/1" || doc["simulated"] != true {
		t.Errorf("schema %v, simulated %v", doc["schema"], doc["simulated"])
	}
	hosts, pools := doc["hosts"].([]any), doc["pools"].([]any)
	keys := func(what string, v any, want string) {
		got := v.(map[string]any)
		for k := range strings.FieldsSeq(want) {
			if _, ok := got[k]; !ok {
				t.Errorf("%s has no key %q", what, k)
			}
		}
	}
	keys("totals", doc["totals"], "hosts hosts_up users users_from rps connections cores cores_used")
	keys("pool", pools[0], "name hosts bound headroom room_users room_rps need raw spare run short trend full_in_s warm_up_s formula steps")
	for _, h := range hosts {
		keys("host", h, `name addr state reason do age_s clock_skew_s labels cores cores_available cores_used cpu hottest_core hottest_thread
			rps rps_source connections bound headroom room_users room_rps limits processes flags services memory self
			throttled connections_from connections_drift time_wait ports_used ports_limit`)
	}
	up, down := hosts[0].(map[string]any), hosts[2].(map[string]any)
	keys("thread", up["hottest_thread"], "pid tid name demand")
	service := up["services"].([]any)[0]
	keys("service", service, "port name rps rps_source responses_total connections status latency_s flags pid behind finding accepts queue queue_limit drops peers")
	keys("peer", service.(map[string]any)["peers"].([]any)[0], "address connections")
	keys("status", service.(map[string]any)["status"], "2xx 3xx 4xx 5xx")
	keys("latency", service.(map[string]any)["latency_s"], "mean p50 p95 p99")
	process := up["processes"].([]any)[0]
	keys("process", process, "pid name cores_used threads flags")
	keys("finding", process.(map[string]any)["finding"], "verdict pid tid name demand wait idle_cores allowed_cores workers")
	keys("limit", up["limits"].([]any)[0], "name used capacity unit from")
	keys("memory", up["memory"], "used_bytes total_bytes")
	keys("self", up["self"], "cpu_ms_s rss_bytes")
	if up["state"] != "up" || len(up["cores"].([]any)) != 4 || up["cores"].([]any)[1] != nil {
		t.Errorf("host that is up: state %v, cores %v", up["state"], up["cores"])
	}
	for k := range strings.FieldsSeq("cores cores_available cores_used cpu hottest_core hottest_thread rps rps_source connections bound headroom room_users room_rps services processes throttled connections_from time_wait") {
		if down[k] != nil {
			t.Errorf("%s of the host that is down is %v, want null", k, down[k])
		}
	}
	if down["state"] != "down" || down["reason"] == nil || down["do"] == nil {
		t.Errorf("host that is down: %v %v %v", down["state"], down["reason"], down["do"])
	}
}

// Numbers that are none never reach a script.
func TestNoNaN(t *testing.T) {
	bad := capacity.Num{V: math.NaN(), OK: true}
	s := fleet.Snapshot{
		Totals: fleet.Totals{Users: bad, RPS: capacity.Num{V: math.Inf(1), OK: true}},
		Hosts:  []fleet.Host{{Name: "a", CPU: bad, Cores: []float64{math.NaN()}}},
	}
	var b bytes.Buffer
	if err := report.JSON(&b, s); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") || !json.Valid(b.Bytes()) {
		t.Errorf("%s", b.String())
	}
	b.Reset()
	if err := report.Prom(&b, s); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Errorf("%s", b.String())
	}
}

func TestPromIsValid(t *testing.T) {
	var b bytes.Buffer
	s, engine := scene(), tiers()
	s.Pools, s.Hosts, s.Totals.Edge = append(s.Pools, engine.Pools...), append(s.Hosts, engine.Hosts[:3]...), engine.Totals.Edge
	if err := report.Prom(&b, s); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(&b)
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string, labels ...string) float64 {
		t.Helper()
		f := families[name]
		if f == nil {
			t.Fatalf("no metric %s", name)
		}
		for _, m := range f.GetMetric() {
			var got []string
			for _, l := range m.GetLabel() {
				got = append(got, l.GetName(), l.GetValue())
			}
			if slices.Equal(got, labels) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		t.Fatalf("%s has no %q: %v", name, labels, f)
		return 0
	}
	for _, c := range []struct{ got, want float64 }{
		{value("capmon_pool_need", "pool", "all"), 5},
		{value("capmon_host_cpu_ratio", "host", "数据库"), 0.38},
		{value("capmon_host_connections", "host", `we"ird\`), 9600},
		{value("capmon_service_requests_per_second", "host", "数据库", "port", "80", "service", "nginx"), 1234.5},
		{value("capmon_service_responses_total", "host", "数据库", "port", "80", "service", "nginx"), 1<<40 + 20_000},
		{value("capmon_hosts", "state", "down"), 1},
		{value("capmon_service_responses_by_status_total", "host", "数据库", "port", "80", "service", "nginx", "status", "4xx"), 40},
		{value("capmon_service_errors_ratio", "host", "数据库", "port", "80", "service", "nginx"), 0.01},
		{value("capmon_service_latency_seconds", "host", "数据库", "port", "80", "service", "nginx", "quantile", "0.99"), 0.02},
		{value("capmon_process_cores_used", "host", "数据库", "pid", "40", "process", `ng"inx`), 0.29},
		{value("capmon_finding_demand_cores", "host", "数据库", "verdict", "single-thread-bound", "process", "node", "pid", "7", "tid", "8"), 0.99},
		{value("capmon_host_limit_ratio", "host", "数据库", "limit", "thread"), 0.99},
		{value("capmon_simulated"), 1},
		{value("capmon_host_up", "host", "web-3"), 0},
		{value("capmon_host_pool", "host", "web-2", "pool", "web"), 1},
		{value("capmon_pool_edge", "pool", "lb"), 1},
		{value("capmon_pool_full_in_seconds", "pool", "web"), 67},
		{value("capmon_pool_warm_up_seconds", "pool", "web"), 180},
		{value("capmon_pool_late_seconds", "pool", "web"), 113},
		{value("capmon_pool_users", "pool", "lb"), 9000},
		{value("capmon_pool_requests_per_second", "pool", "web"), 3100},
		{value("capmon_pool_requests_per_second_capacity", "pool", "web", "trust", "learned"), 16_100},
		{value("capmon_pool_verdict", "pool", "web", "level", "act"), 1},
		{value("capmon_host_learned_capacity_requests_per_second", "host", "web-2", "limit", "cpu", "port", "80", "service", "nginx", "trust", "at least"), 5200},
		{value("capmon_host_learned_limit_requests_per_second", "host", "web-1", "limit", "cpu", "port", "80", "service", "nginx", "trust", "learned"), 8050},
		{value("capmon_host_learned_request_cpu_seconds", "host", "web-1", "limit", "cpu", "port", "80", "service", "nginx"), 0.0081},
		{value("capmon_host_learned_connection_bytes", "host", "web-1", "limit", "memory", "port", "443", "service", "nginx"), 12_300},
	} {
		if c.got != c.want {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
	for _, m := range families["capmon_host_cpu_ratio"].GetMetric() {
		if m.GetLabel()[0].GetValue() == "web-3" {
			t.Error("a host that is down has a CPU")
		}
	}
	for name, f := range families {
		if f.GetHelp() == "" {
			t.Errorf("%s has no HELP", name)
		}
	}
}

// The columns of the table begin at the same cell in every line, whatever the
// names are made of.
func TestTextIsAligned(t *testing.T) {
	var b bytes.Buffer
	if err := report.Text(&b, scene()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	head := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "HOST") })
	state := ansi.StringWidth(lines[head][:strings.Index(lines[head], "STATE")])
	for _, line := range lines[head+1 : head+4] {
		if got := ansi.Cut(line, state, state+5); !slices.Contains([]string{"up   ", "stale", "down "}, got) {
			t.Errorf("cell %d of %q is %q, want a state", state, line, got)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("spaces at the end of %q", line)
		}
	}
}

// A writer that fails is told, once.
func TestBrokenWriter(t *testing.T) {
	for name, write := range map[string]func(io.Writer, fleet.Snapshot) error{"json": report.JSON, "text": report.Text, "prom": report.Prom} {
		r, w := io.Pipe()
		r.Close()
		if err := write(w, scene()); err != io.ErrClosedPipe {
			t.Errorf("%s: %v", name, err)
		}
	}
}
