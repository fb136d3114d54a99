package collectors

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	// promLine bounds a line that is looked at; longer ones are passed over.
	promLine = 16 << 10
	// promFamily bounds the lines of one family that expfmt gets.
	promFamily = 256 << 10
	// promAnew is after how many polls the connection is made anew: behind a
	// port with several processes another one may answer then.
	promAnew = 10
	// promFirst is how many new connections are tried before the first number
	// is believed.
	promFirst = 4
)

// wellKnown are the counters looked for where none is named, in this order; the
// first on the page is taken. Each counts a request once. (Caddy's
// caddy_http_requests_total counts it once for each handler: name it with
// {handler="..."}.)
var wellKnown = []string{
	"http_requests_total",
	"nginx_http_requests_total",
	"http_server_requests_total",
	"http_server_requests_seconds_count",
	"http_server_request_duration_seconds_count",
	"http_request_duration_seconds_count",
	"haproxy_frontend_http_requests_total",
	"traefik_entrypoint_requests_total",
	"prometheus_http_requests_total",
}

// promCounter reads one counter from a page in Prometheus' text format. The
// first time it finds out with expfmt what the page has; from then on it only
// scans the lines. Requests that capmon makes are not taken out: whether a
// server counts them nobody knows.
type promCounter struct {
	page   *page
	bounds bounds
	source RPSSource
	series string // the metric that is read; empty = not found out yet
	polls  int
	lines  *bufio.Reader
	flips  flips
	last   float64
	start  float64 // when the process that answered last began
	begun  bool
}

func newPromCounter(s RPSSource, p *page, b bounds) *promCounter {
	return &promCounter{source: s, page: p, bounds: b, lines: bufio.NewReaderSize(nil, promLine)}
}

// count implements counter.
func (p *promCounter) count(ctx context.Context) (readout, error) {
	first := p.series == ""
	if first {
		if err := p.discover(ctx); err != nil {
			return readout{}, err
		}
		for range promFirst - 1 {
			p.page.close()
			if _, err := p.scan(ctx); err != nil {
				return readout{}, err
			}
		}
		p.flips.together(time.Now())
	}
	if p.polls++; first || p.polls%promAnew == 0 {
		p.page.close()
	}
	started := p.start
	sum, err := p.scan(ctx)
	if err == nil && p.start != started && !first {
		err = errRestarted
	}
	return readout{tally: sum}, err
}

func (p *promCounter) close() { p.page.close() }

// scan reads the page once and adds up the series.
func (p *promCounter) scan(ctx context.Context) (tally, error) {
	var got promSum
	err := p.page.get(ctx, p.bounds.wait, p.bounds.most, func(r io.Reader) (err error) {
		p.lines.Reset(r)
		got, err = sumSeries(p.lines, p.series, p.source.Labels)
		return err
	})
	if err != nil {
		return tally{}, err
	}
	if got.lines == 0 && !got.declared {
		series := p.series
		p.series = ""
		return tally{}, fmt.Errorf("%s is no longer on the page", series)
	}
	back := p.begun && got.count < p.last
	p.last, p.start, p.begun = got.count, got.start, true
	if p.flips.seen(time.Now(), back, got.start) {
		return tally{}, fmt.Errorf("several processes answer in turn, each with a count of its own: give each a port of its own for %s, or sum them in one", p.series)
	}
	return got.tally, nil
}

// discover finds the series to read.
func (p *promCounter) discover(ctx context.Context) error {
	want := wellKnown
	if p.source.Metric != "" {
		want = []string{p.source.Metric}
	}
	families := make(map[string]*bytes.Buffer)
	err := p.page.get(ctx, p.bounds.wait, p.bounds.most, func(r io.Reader) error {
		p.lines.Reset(r)
		return pickFamilies(p.lines, want, families)
	})
	if err != nil {
		return err
	}
	var refused error
	for _, name := range want {
		text := families[familyOf(name)]
		if text == nil {
			text = families[name]
		}
		if text == nil {
			continue
		}
		if err := checkFamily(text, name, p.source.Labels); err != nil {
			refused = err
			continue
		}
		p.series = name
		return nil
	}
	if refused != nil {
		return refused
	}
	if p.source.Metric != "" {
		return fmt.Errorf("no %s on the page", p.source.Metric)
	}
	return fmt.Errorf("no counter of requests that capmon knows is on the page: name one as prom:%s#METRIC", p.page.url)
}

// familyOf is the family a series belongs to: its own name, or that of the
// histogram or summary whose count it is.
func familyOf(series string) string { return strings.TrimSuffix(series, "_count") }

// pickFamilies copies the lines of the families that want names, so that the
// rest of a large page need not be kept.
func pickFamilies(lines *bufio.Reader, want []string, families map[string]*bytes.Buffer) error {
	series := make(map[string]bool, len(want))
	base := make(map[string]bool, len(want))
	for _, w := range want {
		series[w], base[w], base[familyOf(w)] = true, true, true
	}
	return eachLine(lines, func(line []byte) error {
		var family string
		if name, ok := typeLine(line); ok {
			if !base[string(name)] {
				return nil
			}
			family = string(name)
		} else {
			name := line[:metricLength(line)]
			if !series[string(name)] {
				return nil
			}
			family = string(name)
			if _, ok := families[familyOf(family)]; ok {
				family = familyOf(family)
			}
		}
		b := families[family]
		if b == nil {
			b = new(bytes.Buffer)
			families[family] = b
		}
		if b.Len()+len(line) < promFamily {
			b.Write(line)
			b.WriteByte('\n')
		}
		return nil
	})
}

// checkFamily parses the lines of one family and refuses what does not count.
func checkFamily(text *bytes.Buffer, series string, labels map[string]string) error {
	kind := declaredKind(text.Bytes())
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return fmt.Errorf("not Prometheus text: %w", err)
	}
	family := all[familyOf(series)]
	if family == nil {
		family = all[series]
	}
	switch kind {
	case "gauge", "gaugehistogram", "info", "stateset":
		return fmt.Errorf("%s is a %s and not a counter: name another", series, kind)
	case "histogram", "summary":
		if familyOf(series) == series {
			return fmt.Errorf("%s is a %s: its count is %s_count, name that", series, kind, series)
		}
	}
	if len(labels) == 0 || len(family.GetMetric()) == 0 {
		return nil
	}
	for _, m := range family.GetMetric() {
		missing := len(labels)
		for _, l := range m.GetLabel() {
			if _, ok := labels[l.GetName()]; ok {
				missing--
			}
		}
		if missing == 0 {
			return nil
		}
	}
	return fmt.Errorf("no line of %s has the labels of %s", series, RPSSource{Metric: series, Labels: labels}.selector())
}

// declaredKind is the kind that the TYPE line of a family tells; empty = there
// is none.
func declaredKind(text []byte) string {
	for line := range bytes.Lines(text) {
		if _, ok := typeLine(line); ok {
			fields := bytes.Fields(line)
			return string(fields[len(fields)-1])
		}
	}
	return ""
}

// promSum is what one scan of a page found.
type promSum struct {
	tally
	lines    int
	declared bool    // a TYPE line names the family
	start    float64 // process_start_time_seconds, 0 = not there
}

// sumSeries adds up the lines of one series whose labels match.
func sumSeries(lines *bufio.Reader, series string, labels map[string]string) (promSum, error) {
	s := promSum{tally: tally{classes: true}}
	err := eachLine(lines, func(line []byte) error {
		if name, ok := typeLine(line); ok {
			s.declared = s.declared || string(name) == series || string(name) == familyOf(series)
			return nil
		}
		switch string(line[:metricLength(line)]) {
		case startTime:
			s.start, _ = strconv.ParseFloat(string(bytes.TrimSpace(line[len(startTime):])), 64)
			return nil
		case series:
		default:
			return nil
		}
		value, found, err := seriesCount(line)
		if err != nil {
			return fmt.Errorf("%s: %w", series, err)
		}
		if hasLabels(found, labels) {
			status := codeOf(found)
			s.add(status, value)
			s.classes = s.classes && status != 0
			s.lines++
		}
		return nil
	})
	if err == nil && !(s.count >= 0 && s.count <= maxCount) {
		err = fmt.Errorf("%s is %v, which is no count", series, s.count)
	}
	return s, err
}

const startTime = "process_start_time_seconds"

// seriesCount reads the labels and the value of a line.
func seriesCount(line []byte) (float64, []seriesLabel, error) {
	_, labels, rest, err := parseSeries(line)
	if err != nil {
		return 0, nil, err
	}
	word, _ := nextWord(rest)
	v, err := strconv.ParseFloat(string(word), 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > maxCount {
		return 0, nil, fmt.Errorf("its value %.32q is no count", word)
	}
	return v, labels, nil
}

// hasLabels tells whether a line has all the labels that are wanted.
func hasLabels(labels []seriesLabel, want map[string]string) bool {
	found := 0
	for _, l := range labels {
		if v, ok := want[string(l.name)]; ok {
			if v != string(l.value) {
				return false
			}
			found++
		}
	}
	return found >= len(want)
}

// codeLabels are the labels in which programs tell the status of a response.
var codeLabels = []string{"code", "status", "status_code", "statuscode", "http_status_code", "http_response_status_code", "status_class"}

// codeOf is the status that the labels of a line tell, 0 = none.
func codeOf(labels []seriesLabel) int {
	for _, l := range labels {
		if slices.Contains(codeLabels, string(l.name)) {
			if status := statusOf(l.value); status != 0 {
				return status
			}
		}
	}
	return 0
}

// statusOf reads a status as 404, or a class as 4xx; 0 = neither.
func statusOf(v []byte) int {
	if len(v) != 3 || v[0] < '1' || v[0] > '5' {
		return 0
	}
	class := 100 * int(v[0]-'0')
	switch tens, ones := v[1], v[2]; {
	case (tens == 'x' || tens == 'X') && (ones == 'x' || ones == 'X'):
		return class
	case tens >= '0' && tens <= '9' && ones >= '0' && ones <= '9':
		return class + 10*int(tens-'0') + int(ones-'0')
	}
	return 0
}

// eachLine calls visit for every line, without its end. A line longer than the
// buffer is passed over.
func eachLine(r *bufio.Reader, visit func([]byte) error) error {
	long := false
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = true
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !long {
			if err := visit(bytes.TrimRight(line, "\r\n")); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
		long = false
	}
}

// typeLine is the family a "# TYPE family type" line names.
func typeLine(line []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(line, []byte("# TYPE "))
	if !ok {
		return nil, false
	}
	word, _ := nextWord(rest)
	return word, len(word) > 0
}

func nextWord(b []byte) (word, rest []byte) {
	b = bytes.TrimLeft(b, " \t")
	i := bytes.IndexAny(b, " \t")
	if i < 0 {
		return b, nil
	}
	return b[:i], b[i:]
}
