package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test that matters: real servers are pushed over their limit, and what
// capmon said of that limit from a part of it is held against where it was.

// The load is raised to so much of the true maximum; after each step capmon is
// asked. Three points of ten seconds each, at loads that differ, as traffic's do.
var accuracySteps = []struct {
	upto int // percent
	at   []float64
}{
	{10, []float64{0.06, 0.08, 0.10}},
	{20, []float64{0.13, 0.165, 0.20}},
	{30, []float64{0.23, 0.265, 0.30}},
	{40, []float64{0.33, 0.365, 0.40}},
	{50, []float64{0.43, 0.465, 0.50}},
}

const (
	searchSeconds = 6    // a load is held so long to see whether the server keeps up
	keepsUp       = 0.99 // of what was due is answered
	clientRoom    = 0.85 // of a core; beyond, the client may be what is full
)

// TestAccuracy is `make accuracy`. It takes four minutes a server and wants the
// machine for itself.
func TestAccuracy(t *testing.T) {
	if os.Getenv("CAPMON_ACCURACY") == "" {
		t.Skip("loads servers for 45 minutes and wants a quiet machine: `make accuracy`")
	}
	need(t, "taskset")
	needKernel(t)
	rounds, err := strconv.Atoi(os.Getenv("CAPMON_ACCURACY_ROUNDS"))
	if err != nil {
		rounds = 1
	}
	var rows []accuracyRow
	if dir := os.Getenv("CAPMON_ACCURACY_FROM"); dir != "" {
		rows, rounds = keptRows(t, dir), 0
	}
	for range rounds {
		for _, s := range workServers {
			t.Run(s.name+" "+s.work, func(t *testing.T) {
				need(t, s.needs...)
				r, said := measureAccuracy(t, s)
				keepRecord(t, r)
				rows = append(rows, accuracyRow{server: r.Server, work: r.Work, limits: r.Limits, saturated: r.Saturated, said: said})
			})
		}
	}
	fmt.Print(accuracyTable(rows))
}

// client is a running capmon-openload.
type client struct {
	*program
	t    *testing.T
	in   io.Writer
	out  *bufio.Scanner
	most float64 // of its core that it used in one order
}

func newClient(t *testing.T, port int, path string) *client {
	t.Helper()
	cmd := onCore(t, clientCore, "capmon-openload", strconv.Itoa(port), path, "7")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write := io.Pipe()
	cmd.Stdout = write
	c := &client{program: start(t, cmd), t: t, in: in, out: bufio.NewScanner(read)}
	go func() {
		<-c.done
		write.Close()
	}()
	return c
}

// load sends at a rate for so long.
func (c *client) load(rate, seconds float64) loadReport {
	c.t.Helper()
	var r loadReport
	if err := json.NewEncoder(c.in).Encode(loadOrder{rate, seconds}); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatalf("the client said nothing: %s", c.errs)
	}
	if err := json.Unmarshal(c.out.Bytes(), &r); err != nil {
		c.t.Fatal(err)
	}
	c.t.Logf("%7.0f/s due, %7.0f/s done, %d open (%d before), p50 %.2f p99 %.2f ms, late %.0f µs, client at %.0f%%, failed %d",
		float64(r.Due)/r.Seconds, float64(r.Done)/r.Seconds, r.Open, r.Before, 1e3*r.P50, 1e3*r.P99, 1e6*r.Late, 100*r.CPU, r.Failed)
	if r.Failed > 0 {
		c.t.Fatalf("%d requests failed", r.Failed)
	}
	c.most = max(c.most, r.CPU)
	return r
}

// saturated is how many a second come back when a fifth more is asked for.
func (c *client) saturated(rate float64) float64 {
	c.t.Helper()
	r := c.load(1.2*rate, searchSeconds)
	return float64(r.Done) / r.Seconds
}

// limit is the highest rate at which the server keeps up: between one where it
// did and one where it did not, halved until they are within 1%.
func (c *client) limit(about, width float64) float64 {
	c.t.Helper()
	low, high := about*(1-width), about*(1+width)
	keeps := func(rate float64) bool {
		r := c.load(rate, searchSeconds)
		return float64(r.Done) >= keepsUp*float64(r.Due)
	}
	for !keeps(low) {
		low, high = low*(1-width), low
	}
	for keeps(high) {
		low, high = high, high*(1+width)
	}
	for high-low > 0.01*high {
		if mid := (low + high) / 2; keeps(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// accuracyRecord is what a row is made of: with CAPMON_ACCURACY_DIR=DIR it is
// kept, and with CAPMON_ACCURACY_FROM=DIR rows are made of what was kept, so that
// a change of the model is tried without a load.
type accuracyRecord struct {
	Server, Work string
	OneThread    bool
	Limits       []float64
	Saturated    float64
	Points       [][]second // in order of accuracySteps
	Full         []second   // while a fifth more than the limit was asked for
}

// measureAccuracy finds the limit, then asks a viewer after each step what it
// has learned. The agent begins after the limit was found, so that it knows of
// no load but those of the steps.
func measureAccuracy(t *testing.T, s workServer) (accuracyRecord, []prediction) {
	t.Helper()
	p := freePorts(t, 2)
	server := s.start(t, p[0])
	listens(t, p[0])
	c := newClient(t, p[0], s.path)
	r := accuracyRecord{Server: s.name, Work: s.work, OneThread: s.oneThread}

	// Warm, and a first guess: what it answers when far too much is asked for.
	guess := 500.0
	for kept := true; kept; guess *= 2 {
		got := c.load(guess, 2)
		kept = float64(got.Done) >= 0.95*float64(got.Due)
	}
	about := c.saturated(c.saturated(guess / 2))
	c.most = 0
	limit := c.limit(about, 0.04)
	if c.most > clientRoom {
		t.Skipf("left out: the client used %.0f%% of its core, it may be what is full", 100*c.most)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", p[1])
	start(t, onCore(t, serverCore, "capmon", "agent", "--listen", addr)).waitFor("listen=")
	seen := newTap(t, addr, p[0], server.workers())
	// A point comes with the first second after it: what was learned from the
	// last of a step is asked when the next step has begun.
	const pointLate = 3 * time.Second
	var asked sync.WaitGroup
	said := make([]prediction, len(accuracySteps))
	from := nextTen().Add(10 * time.Second)
	for i, step := range accuracySteps {
		for _, share := range step.at {
			time.Sleep(time.Until(from))
			c.load(share*limit, 9.95)
			to := from.Add(10 * time.Second)
			time.Sleep(time.Until(to))
			r.Points = append(r.Points, seen.between(from, to))
			from = to
		}
		asked.Go(func() {
			time.Sleep(time.Until(from.Add(pointLate)))
			e, by := seen.said()
			said[i] = prediction{step.upto, e, by}
			t.Logf("%d%% seen, %s binds, %v %.0f/s:\n  %s", step.upto, by, e.Trust, e.Capacity.V, strings.Join(e.Steps(), "\n  "))
		})
	}
	asked.Wait()
	r.Limits = []float64{limit, c.limit(limit, 0.02)}
	from = time.Now()
	r.Saturated = c.saturated(limit)
	r.Full = seen.between(from.Add(time.Second), time.Now())
	if m, ok := mean(r.Full); ok {
		// Much less than all of it: something else is the limit, or was on its core.
		t.Logf("full: its threads had %.0f%% of the core, all of %.0f%%", 100*m.Threads, 100*m.Used)
	}
	return r, said
}

// predict asks the learner alone after each step of a record that was kept.
func predict(t *testing.T, r accuracyRecord) accuracyRow {
	t.Helper()
	row := accuracyRow{server: r.Server, work: r.Work, limits: r.Limits, saturated: r.Saturated}
	l, points := newLearners(r.OneThread), r.Points
	for _, step := range accuracySteps {
		for range step.at {
			l.add(t, points[0])
			points = points[1:]
		}
		e, limit := l.nearest(t)
		row.said = append(row.said, prediction{step.upto, e, limit})
		t.Logf("%d%% seen, %s binds:\n  %s", step.upto, limit, strings.Join(e.Steps(), "\n  "))
	}
	return row
}

// nextTen is the next moment at which an agent begins a point.
func nextTen() time.Time { return time.Now().Truncate(10 * time.Second).Add(10 * time.Second) }

// keepRecord writes a record to the folder, where one is named.
func keepRecord(t *testing.T, r accuracyRecord) {
	t.Helper()
	dir := os.Getenv("CAPMON_ACCURACY_DIR")
	if dir == "" {
		return
	}
	text, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s %s %d.json", r.Server, r.Work, time.Now().Unix())), text, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// keptRows makes the rows of a folder.
func keptRows(t *testing.T, dir string) []accuracyRow {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no record in %s: %v", dir, err)
	}
	var rows []accuracyRow
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var r accuracyRecord
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		rows = append(rows, predict(t, r))
	}
	return rows
}
