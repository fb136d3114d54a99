package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"capmon/agents"
	"capmon/fleet"
	"capmon/sample"
)

func init() {
	programs["capmon-watch"] = watchMain
	programs["capmon-burn"] = burnMain
}

// watched is one line of capmon-watch: the fleet as a viewer has it, and what
// it was given.
type watched struct {
	Hosts map[string]watchedHost
}

type watchedHost struct {
	State, Reason, Do string
	Age               float64
	Epochs            int // runs of the agent seen
	Samples           int // different samples delivered
	Twice             int // delivered more than once
	Missing           int // holes between the first and the last seq of the newest run
	TimeMs            int64
	Busy              []float64 // of each core, newest sample
	Seq               uint64
	Services          []watchedService
	Errors            []string // of its collectors
}

// watchedService is one port of the newest sample.
type watchedService struct {
	Port      uint32
	Name      string
	Source    string
	Responses *uint64
	RPS       *float32
	Status    []uint64
	Note      string
	P50       uint32 // microseconds, 0 = not measured
}

// recorder counts what goes into a feed.
type recorder struct {
	*feed
	mu   sync.Mutex
	seen map[string]map[uint64]map[uint64]bool // host, epoch, seq
	run  map[string]uint64                     // newest epoch
	many map[string]int
}

func (r *recorder) Samples(host string, epoch uint64, list []*sample.Sample) {
	r.mu.Lock()
	if r.seen[host] == nil {
		r.seen[host] = map[uint64]map[uint64]bool{}
	}
	if r.seen[host][epoch] == nil {
		r.seen[host][epoch] = map[uint64]bool{}
	}
	for _, s := range list {
		if r.seen[host][epoch][s.GetSeq()] {
			r.many[host]++
		}
		r.seen[host][epoch][s.GetSeq()] = true
	}
	r.run[host] = epoch
	r.mu.Unlock()
	r.feed.Samples(host, epoch, list)
}

func (r *recorder) watched(s fleet.Snapshot) watched {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := watched{Hosts: map[string]watchedHost{}}
	for _, h := range s.Hosts {
		w := watchedHost{
			State: h.State.String(), Reason: h.Reason, Do: h.Do, Age: h.Age.V, Epochs: len(r.seen[h.Name]),
			Twice: r.many[h.Name], TimeMs: h.Newest.GetTimeMs(), Seq: h.Newest.GetSeq(), Busy: []float64{},
		}
		for _, b := range h.Newest.GetCpu().GetBusy() {
			v, ok := sample.DecodeBusy(b)
			if !ok {
				v = -1
			}
			w.Busy = append(w.Busy, v)
		}
		for _, v := range h.Newest.GetServices() {
			w.Services = append(w.Services, watchedService{
				Port: v.GetPort(), Name: v.GetName(), Source: strings.ToLower(strings.TrimPrefix(v.GetRpsSource().String(), "RPS_SOURCE_")),
				Responses: v.Responses, RPS: v.Rps, Status: v.GetStatus(), Note: v.GetRpsNote(), P50: v.GetLatency().GetP50Us(),
			})
		}
		for _, e := range h.Newest.GetErrors() {
			w.Errors = append(w.Errors, e.GetText())
		}
		for _, seqs := range r.seen[h.Name] {
			w.Samples += len(seqs)
		}
		newest := r.seen[h.Name][r.run[h.Name]]
		low, high := uint64(0), uint64(0)
		for seq := range newest {
			if low == 0 || seq < low {
				low = seq
			}
			high = max(high, seq)
		}
		if len(newest) > 0 {
			w.Missing = int(high-low) + 1 - len(newest)
		}
		out.Hosts[h.Name] = w
	}
	return out
}

// watchMain is `capmon-watch LIST`: a viewer without a screen that prints a
// line of JSON four times a second until it is told to end.
func watchMain() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "capmon-watch:", err)
			os.Exit(1)
		}
	}
	var list agents.Lists
	fail(list.Add("", os.Args[1:]))
	sec, err := new(securityFlags).security()
	fail(err)
	r := &recorder{
		feed: newFeed(fleet.Config{Policy: fleet.Policy{Target: 0.8}}), many: map[string]int{}, run: map[string]uint64{},
		seen: map[string]map[uint64]map[uint64]bool{},
	}
	done := make(chan error, 1)
	go func() {
		done <- agents.NewViewer(agents.ViewerOptions{Security: sec, Sink: r, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}).Run(ctx, list.Targets())
	}()
	out := json.NewEncoder(os.Stdout)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
		now := time.Now()
		_ = out.Encode(r.watched(r.fleet.Snapshot(fleet.Ask{}, now)))
	}
	if err := <-done; err != nil && ctx.Err() == nil {
		fail(err)
	}
}

// burnMain is `capmon-burn CORE SECONDS`: one thread that keeps one core busy.
func burnMain() {
	core, err1 := strconv.Atoi(os.Args[1])
	seconds, err2 := strconv.Atoi(os.Args[2])
	if err1 != nil || err2 != nil {
		os.Exit(exitUsage)
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		fmt.Fprintln(os.Stderr, "capmon-burn:", err)
		os.Exit(exitFailed)
	}
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		for i := range 1_000_000 {
			_ = i * i
		}
	}
}
