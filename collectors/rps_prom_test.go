package collectors

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// promServer answers with what text holds at the time.
func promServer(t testing.TB, text *atomic.Pointer[string]) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, *text.Load())
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// promOf makes a counter of a page with text and the selector of --rps.
func promOf(t testing.TB, text, selector string) (*promCounter, *atomic.Pointer[string]) {
	t.Helper()
	var now atomic.Pointer[string]
	now.Store(&text)
	s, err := ParseRPS("prom:" + promServer(t, &now) + selector)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMeter(s, new(ownConns), pageBounds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.page.close)
	return m.counter.(*promCounter), &now
}

func TestPrometheusCounter(t *testing.T) {
	node, proxy := string(readTestdata(t, "metrics-node")), string(readTestdata(t, "metrics-proxy"))
	for name, c := range map[string]struct {
		text, selector string
		want           float64
		series, err    string
	}{
		"the count of a histogram":      {node, "", 107, "http_request_duration_seconds_count", ""},
		"the first well-known one":      {proxy, "", 40, "http_requests_total", ""},
		"the one that is named":         {proxy, "#nginx_http_requests_total", 4242, "nginx_http_requests_total", ""},
		"a label":                       {proxy, `#http_requests_total{code="200"}`, 35, "http_requests_total", ""},
		"two labels, odd characters":    {proxy, `#http_requests_total{code="200",path="/a \"b\" \\ }"}`, 10, "http_requests_total", ""},
		"a label nobody has now":        {proxy, `#http_requests_total{code="418"}`, 0, "http_requests_total", ""},
		"a label on a histogram":        {node, `#http_request_duration_seconds_count{method="POST"}`, 7, "http_request_duration_seconds_count", ""},
		"declared, nothing counted yet": {"# TYPE http_requests_total counter\n", "", 0, "http_requests_total", ""},
		"no type line":                  {"http_requests_total 5\n", "", 5, "http_requests_total", ""},
		"a gauge is passed over":        {"# TYPE http_requests_total gauge\nhttp_requests_total 5\nnginx_http_requests_total 6\n", "", 6, "nginx_http_requests_total", ""},
		"a gauge that is named":         {node, "#http_requests_in_flight", 0, "", "http_requests_in_flight is a gauge and not a counter: name another"},
		"a histogram that is named":     {node, "#http_request_duration_seconds", 0, "", "its count is http_request_duration_seconds_count, name that"},
		"not there":                     {node, "#nope_total", 0, "", "no nope_total on the page"},
		"no such label":                 {proxy, `#http_requests_total{host="x"}`, 0, "", `no line of http_requests_total has the labels of http_requests_total{host="x"}`},
		"nothing known":                 {"up 1\n", "", 0, "", "no counter of requests that capmon knows is on the page: name one as prom:http://127.0.0.1"},
		"not a number":                  {"http_requests_total NaN\n", "", 0, "", `its value "NaN" is no count`},
		"infinite":                      {"http_requests_total +Inf\n", "", 0, "", `its value "+Inf" is no count`},
		"negative":                      {"http_requests_total -5\n", "", 0, "", `is no count`},
		"broken":                        {"http_requests_total{code=\"2\n", "", 0, "", "not Prometheus text"},
		"a web page":                    {"<html>\n", "", 0, "", "no counter of requests"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := promOf(t, c.text, c.selector)
			for range 2 {
				got, err := p.count(t.Context())
				if c.err != "" {
					if err == nil || !strings.Contains(err.Error(), c.err) {
						t.Errorf("%v, error %v, want %q", got, err, c.err)
					}
					continue
				}
				if got.count != c.want || err != nil || p.series != c.series {
					t.Errorf("%v of %s, %v, want %v of %s", got, p.series, err, c.want, c.series)
				}
			}
		})
	}
}

// TestStatusOfSeries: classes are told when every line that counts tells one.
func TestStatusOfSeries(t *testing.T) {
	for text, want := range map[string]tally{
		"h{code=\"200\"} 5\nh{code=\"304\"} 2\nh{code=\"404\"} 3\nh{code=\"503\"} 4\n": {count: 14, class: [3]float64{2, 3, 4}, classes: true},
		"h{status=\"2xx\"} 5\nh{status=\"5XX\"} 1\n":                                   {count: 6, class: [3]float64{0, 0, 1}, classes: true},
		"h{status_code=\"500\"} 1\nh{path=\"/\"} 1\n":                                  {count: 2, class: [3]float64{0, 0, 1}},
		"h{code=\"ok\"} 1\n":      {count: 1},
		"h{code=\"2000\"} 1\n":    {count: 1},
		"h{xcode=\"500\"} 1\nh 2": {count: 3},
	} {
		got, err := sumSeries(bufio.NewReaderSize(strings.NewReader(text), promLine), "h", nil)
		if err != nil || got.tally != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got.tally, err, want)
		}
	}
}

func TestPrometheusPageThatChanges(t *testing.T) {
	p, now := promOf(t, "http_requests_total 5\n", "")
	if _, err := p.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := "nginx_http_requests_total 7\n"
	now.Store(&other)
	if _, err := p.count(t.Context()); err == nil || err.Error() != "http_requests_total is no longer on the page" {
		t.Errorf("error %v", err)
	}
	if got, err := p.count(t.Context()); got.count != 7 || err != nil {
		t.Errorf("found out anew: %v, %v", got, err)
	}
	p.page.conn.Close() // as if the server had closed it
	if got, err := p.count(t.Context()); got.count != 7 || err != nil {
		t.Errorf("after the connection ended: %v, %v", got, err)
	}
}

// TestClusterBehindOnePort has four workers that answer in turn, as a Node
// cluster does: that must be said, and no number shown.
func TestClusterBehindOnePort(t *testing.T) {
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		worker := int(n.Add(1)) % 4
		w.Header().Set("Connection", "close")
		fmt.Fprintf(w, "process_start_time_seconds %d\nhttp_requests_total %d\n", 1000+worker, 100*worker+int(n.Load()))
	}))
	defer s.Close()
	m, err := newMeter(RPSSource{Kind: RPSPrometheus, URL: s.URL}, new(ownConns), pageBounds)
	if err != nil {
		t.Fatal(err)
	}
	m.poll(t.Context())
	if m.err == nil || !strings.Contains(m.err.Error(), "several processes answer in turn") || m.whole.known {
		t.Errorf("result %+v", m.whole)
	}
	m.page.close()
}

// TestRestartIsNoRate: another process answers, and its count is higher already.
func TestRestartIsNoRate(t *testing.T) {
	p, now := promOf(t, "process_start_time_seconds 1000\nhttp_requests_total 5\n", "")
	m := &meter{source: p.source, page: p.page, counter: p, whole: new(account)}
	m.poll(t.Context())
	anew := "process_start_time_seconds 2000\nhttp_requests_total 500\n"
	now.Store(&anew)
	m.poll(t.Context())
	if m.whole.known || m.err != nil || m.whole.note != errRestarted.Error() {
		t.Errorf("right after the restart: %+v", m.whole)
	}
	m.poll(t.Context())
	more := "process_start_time_seconds 2000\nhttp_requests_total 510\n"
	now.Store(&more)
	if m.poll(t.Context()); !m.whole.known || m.whole.responses != 10 {
		t.Errorf("then: %+v", m.whole)
	}
}

func TestLongLinesArePassedOver(t *testing.T) {
	text := "# HELP x " + strings.Repeat("y", 3*promLine) + "\nhttp_requests_total 5\nx{a=\"" + strings.Repeat("y", promLine) + "\"} 1\nhttp_requests_total{b=\"\"} 6"
	got, err := sumSeries(bufio.NewReaderSize(strings.NewReader(text), promLine), "http_requests_total", nil)
	if got.count != 11 || got.lines != 2 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzPrometheus holds the quick scan of lines against expfmt: where that takes
// a page with a counter, both add up to the same.
func FuzzPrometheus(f *testing.F) {
	f.Add(readTestdata(f, "metrics-node"), "http_request_duration_seconds_count")
	f.Add(readTestdata(f, "metrics-proxy"), "http_requests_total")
	f.Add([]byte("# TYPE a counter\na{x=\"\\n\"} 5 7\n"), "a")
	f.Fuzz(func(t *testing.T, page []byte, series string) {
		if n := metricLength([]byte(series)); n == 0 || n != len(series) || strings.Contains(series, ":") {
			return
		}
		families := make(map[string]*bytes.Buffer)
		if err := pickFamilies(bufio.NewReaderSize(bytes.NewReader(page), promLine), []string{series}, families); err != nil {
			t.Fatal(err)
		}
		for _, b := range families {
			_ = checkFamily(b, series, nil)
		}
		got, err := sumSeries(bufio.NewReaderSize(bytes.NewReader(page), promLine), series, nil)
		if err == nil && !(got.count >= 0 && got.count <= maxCount) {
			t.Errorf("sum %v", got.count)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		all, parseErr := parser.TextToMetricFamilies(bytes.NewReader(page))
		if parseErr != nil || err != nil || all[series] == nil || all[series].GetType() != dto.MetricType_COUNTER {
			return
		}
		var want float64
		for _, m := range all[series].GetMetric() {
			want += m.GetCounter().GetValue()
		}
		if want != got.count {
			t.Errorf("the scan adds up to %v, expfmt to %v\n%q", got.count, want, page)
		}
	})
}

func BenchmarkPrometheusScan(b *testing.B) {
	var page bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&page, "some_other_metric_%d{path=\"/a\",code=\"200\"} %d\n", i, i)
	}
	page.Write(readTestdata(b, "metrics-proxy"))
	lines := bufio.NewReaderSize(nil, promLine)
	b.SetBytes(int64(page.Len()))
	b.ReportAllocs()
	for b.Loop() {
		lines.Reset(bytes.NewReader(page.Bytes()))
		if _, err := sumSeries(lines, "http_requests_total", nil); err != nil {
			b.Fatal(err)
		}
	}
}
