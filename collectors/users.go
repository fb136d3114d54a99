package collectors

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"capmon/sample"
)

// usersForms names what --users takes.
const usersForms = `prom:URL#metric{label="value"} or statsd:ADDRESS#gauge`

// UsersSource is where the number of people active on this machine is read.
// The zero value is nowhere.
type UsersSource struct{ of RPSSource }

// String is the form ParseUsers takes, with a password in the URL as xxxxx.
func (s UsersSource) String() string {
	if s.of.Metric == "" {
		return ""
	}
	return s.of.form()
}

// ParseUsers reads the value of --users: a gauge on a page in Prometheus' text
// format, or one that is sent to a UDP port as StatsD does.
//
//	prom:URL#metric{label="value",..} | statsd:ADDRESS#gauge
func ParseUsers(text string) (UsersSource, error) {
	var s UsersSource
	kind, target, _ := strings.Cut(strings.TrimSpace(text), ":")
	var err error
	switch kind {
	case "prom":
		s.of.Kind = RPSPrometheus
		err = s.of.prometheus(target)
	case "statsd":
		s.of.Kind, s.of.Service = RPSStatsD, "users"
		err = s.of.statsd(target)
		s.of.Service = ""
	default:
		err = fmt.Errorf("not a source of users; there are %s", usersForms)
	}
	if err == nil && s.of.Metric == "" {
		err = fmt.Errorf("it names no gauge; write it as %s", usersForms)
	}
	if err != nil {
		return UsersSource{}, fmt.Errorf("--users %q: %w", redact(text), err)
	}
	return s, nil
}

// gauge is a number that goes up and down.
type gauge interface {
	read(ctx context.Context, now time.Time) (float64, error)
	close()
}

// users reads how many people are active on this machine.
type users struct {
	source UsersSource
	gauge  gauge
	broken error // why there is no gauge
}

var _ Collector = (*users)(nil)

func newUsers(s UsersSource, own *ownConns) *users {
	u := &users{source: s}
	if s.of.Kind == RPSStatsD {
		u.gauge = newStatsdGauge(s.of)
		return u
	}
	p, err := newPage(s.of.URL, "text/plain;version=0.0.4", own)
	if err != nil {
		u.broken = err
		return u
	}
	u.gauge = &promGauge{page: p, source: s.of, lines: bufio.NewReaderSize(nil, promLine)}
	return u
}

// Name implements Collector.
func (u *users) Name() string { return "users" }

// Close implements Collector.
func (u *users) Close() error {
	if u.gauge != nil {
		u.gauge.close()
	}
	return nil
}

// Collect implements Collector.
func (u *users) Collect(ctx context.Context, now time.Time) (Reading, error) {
	err := u.broken
	var n float64
	if err == nil {
		n, err = u.gauge.read(ctx, now)
	}
	if err != nil {
		return nil, fmt.Errorf("--users %v: %w", u.source, err)
	}
	return func(s *sample.Sample) { s.Users = new(n) }, nil
}

// checkUsers refuses what is no number of people.
func checkUsers(v float64) error {
	if math.IsNaN(v) || v < 0 || v > sample.MaxUsers {
		return fmt.Errorf("it says %v, which is no number of people", v)
	}
	return nil
}

// promGauge reads one line of a page in Prometheus' text format.
type promGauge struct {
	page   *page
	source RPSSource
	lines  *bufio.Reader
}

func (g *promGauge) close() { g.page.close() }

// promLines is what one scan of a page found of a gauge.
type promLines struct {
	value float64
	lines int
	kind  string // that its TYPE line tells; empty = there is none
	named int    // lines of the metric, with whatever labels
}

func (g *promGauge) read(ctx context.Context, _ time.Time) (float64, error) {
	var got promLines
	err := g.page.get(ctx, pageBounds.wait, pageBounds.most, func(r io.Reader) (err error) {
		g.lines.Reset(r)
		got, err = oneSeries(g.lines, g.source.Metric, g.source.Labels)
		return err
	})
	metric := g.source.Metric
	switch {
	case err != nil:
		return 0, err
	case got.kind == "counter" || got.kind == "histogram" || got.kind == "summary":
		return 0, fmt.Errorf("%s is a %s and not a gauge: name another", metric, got.kind)
	case got.named == 0:
		return 0, fmt.Errorf("no %s on the page", metric)
	case got.lines == 0:
		return 0, fmt.Errorf("no line of %s has these labels", metric)
	case got.lines > 1:
		return 0, fmt.Errorf("%d lines of %s match: name labels that leave one", got.lines, metric)
	}
	return got.value, checkUsers(got.value)
}

// oneSeries looks for the lines of a metric whose labels match.
func oneSeries(lines *bufio.Reader, metric string, labels map[string]string) (p promLines, err error) {
	err = eachLine(lines, func(line []byte) error {
		if name, ok := typeLine(line); ok {
			if string(name) == metric {
				p.kind = declaredKind(line)
			}
			return nil
		}
		if string(line[:metricLength(line)]) != metric {
			return nil
		}
		_, found, rest, err := parseSeries(line)
		word, _ := nextWord(rest)
		if err != nil {
			return fmt.Errorf("%s: %w", metric, err)
		}
		p.named++
		if !hasLabels(found, labels) {
			return nil
		}
		p.lines++
		if p.value, err = strconv.ParseFloat(string(word), 64); err != nil {
			return fmt.Errorf("the value of %s, %.32q, is no number", metric, word)
		}
		return nil
	})
	return p, err
}

// gaugeKept is how long a gauge is believed that is not sent again.
const gaugeKept = time.Minute

// statsdGauge keeps one gauge that is sent to a UDP port:
//
//	players:120|g    players:+3|g
type statsdGauge struct {
	statsdPort
	metric string
	value  float64
	known  bool
	at     time.Time // when it was sent
}

func newStatsdGauge(s RPSSource) *statsdGauge {
	g := &statsdGauge{metric: s.Metric}
	g.statsdPort = statsdPort{address: s.Address, packet: g.packet}
	return g
}

func (g *statsdGauge) read(ctx context.Context, _ time.Time) (float64, error) {
	if err := g.open(ctx); err != nil {
		return 0, fmt.Errorf("%w: is another program, or --rps, listening there?", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.known:
		return 0, errors.New("no gauge of this name has come yet")
	case time.Since(g.at) > gaugeKept:
		return 0, fmt.Errorf("it was last sent %v ago: let it be sent once in %v", time.Since(g.at).Round(time.Second), gaugeKept)
	}
	return g.value, nil
}

// packet takes the gauge out of one packet. mu is held.
func (g *statsdGauge) packet(b []byte) {
	for line := range strings.Lines(string(b)) {
		v, relative, ok := parseGauge(strings.TrimRight(line, "\r\n"), g.metric)
		if relative && g.known {
			v += g.value
		}
		if ok && checkUsers(v) == nil {
			g.value, g.known, g.at = v, true, time.Now()
		}
	}
}

// parseGauge reads one line of StatsD; relative tells that the value had a sign.
func parseGauge(line, metric string) (v float64, relative, ok bool) {
	rest, found := strings.CutPrefix(line, metric+":")
	value, kind, found2 := strings.Cut(rest, "|")
	kind, _, _ = strings.Cut(kind, "|")
	if !found || !found2 || kind != "g" {
		return 0, false, false
	}
	v, err := strconv.ParseFloat(value, 64)
	return v, strings.HasPrefix(value, "+") || strings.HasPrefix(value, "-"), err == nil
}
