package report_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
	"capmon/fleet/report"
)

// planned is the mock-up's question with everything that can be asked.
func planned(t *testing.T) capacity.Plan {
	t.Helper()
	curve, err := capacity.FitScalability([]float64{1, 2, 4, 8, 16, 32}, []float64{100, 196, 377, 698, 1203, 1875})
	if err != nil {
		t.Fatal(err)
	}
	p, err := capacity.NewPlan(capacity.Question{
		Users: capacity.Known(88_420), RPS: capacity.Known(40_223), PerServer: capacity.Known(10_000),
		Cost: capacity.Known(0.001), Cores: capacity.Known(8), Workers: 8, Scaling: &curve,
		Growth: capacity.Growth{PerSecond: 20}, Have: 9, Price: capacity.Known(0.17), WarmUp: 3 * time.Minute,
		Rule: capacity.Rule{Target: 0.8, Spare: 1, Min: 2, Max: 10, Zones: 3, SLA: 0.9995, Availability: 0.995},
		SLO:  &capacity.Promise{Share: 0.99, Within: 0.01},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanGoldens(t *testing.T) {
	p := planned(t)
	for name, write := range map[string]func(io.Writer) error{
		"plan.json": func(w io.Writer) error { return report.PlanJSON(w, p) },
		"plan.txt":  func(w io.Writer) error { return report.PlanText(w, p) },
		"curve.json": func(w io.Writer) error {
			return report.CurveJSON(w, *p.Scaling, p.Scaling.Advise(8, capacity.Known(16)))
		},
		"curve.txt": func(w io.Writer) error {
			return report.CurveText(w, *p.Scaling, p.Scaling.Advise(8, capacity.Known(16)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name)
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

// A plan's pool has the keys of a snapshot's, no more and no fewer.
func TestPlanHasThePoolsOfASnapshot(t *testing.T) {
	keys := func(write func(io.Writer) error) []string {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Pools []map[string]any `json:"pools"`
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil || len(doc.Pools) != 1 {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		return slices.Sorted(maps.Keys(doc.Pools[0]))
	}
	snapshot := keys(func(w io.Writer) error { return report.JSON(w, scene()) })
	plan := keys(func(w io.Writer) error { return report.PlanJSON(w, planned(t)) })
	if d := cmp.Diff(snapshot, plan); d != "" {
		t.Errorf("snapshot -, plan +\n%s", d)
	}
}

// What a snapshot says is what a plan reads.
func TestReadMeasured(t *testing.T) {
	var b bytes.Buffer
	s := scene()
	s.Pools[0].Spare, s.Pools[0].WarmUp = 1, 3*time.Minute
	if err := report.JSON(&b, s); err != nil {
		t.Fatal(err)
	}
	m, err := report.ReadMeasured(&b, "")
	if err != nil {
		t.Fatal(err)
	}
	near := func(n capacity.Num) float64 { return math.Round(n.Or(math.NaN())*1000) / 1000 }
	got := []float64{float64(m.Hosts), near(m.Users), near(m.RPS), near(m.Cores), near(m.CoresUsed), near(m.PerServer), float64(m.Spare), near(m.WarmUp)}
	want := []float64{float64(s.Totals.Up), s.Totals.Users.V, s.Totals.RPS.V, 4, math.Round(s.Totals.CoresUsed.V*1000) / 1000, 10_000, 1, 180}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	for text, why := range map[string]string{
		"":                                  "not a snapshot",
		"[]":                                "not a snapshot",
		`{"schema":"capmon.plan/1"}`:        "capmon snapshot --format json",
		`{"schema":"capmon.snapshot/1"}{}`:  "not a snapshot",
		`{"schema":"capmon.snapshot/1",`:    "not a snapshot",
		strings.Repeat("[", 100_000):        "not a snapshot",
		`{"schema":3}`:                      "not a snapshot",
		`{"schema":"capmon.snapshot/1\n"} `: "capmon snapshot --format json",
	} {
		if _, err := report.ReadMeasured(strings.NewReader(text), ""); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.40q: %v, want %q", text, err, why)
		}
	}
}

func FuzzReadMeasured(f *testing.F) {
	var b bytes.Buffer
	if err := report.JSON(&b, scene()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), "")
	b.Reset()
	if err := report.JSON(&b, tiers()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), "web")
	f.Add([]byte(`{"schema":"capmon.snapshot/1","totals":{"hosts_up":-1,"users":1e999}}`), "")
	f.Add([]byte(`{"schema":"capmon.snapshot/1","hosts":[{"state":"up","cores_available":1e308},{"state":"up","cores_available":1e308}]}`), "")
	f.Fuzz(func(t *testing.T, text []byte, pool string) {
		m, err := report.ReadMeasured(bytes.NewReader(text), pool)
		if err != nil {
			return
		}
		for _, n := range []capacity.Num{m.Users, m.RPS, m.Cores, m.CoresUsed, m.PerServer, m.WarmUp, m.Target, m.Cost, m.Background} {
			if n.OK && !(n.V >= 0 && n.V <= math.MaxFloat64) {
				t.Fatalf("%+v", m)
			}
		}
		if m.Hosts < 0 || m.Spare < 0 {
			t.Fatalf("%+v", m)
		}
	})
}
