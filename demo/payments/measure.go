package payments

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Speed is what this machine did when it was measured: with whatever else runs
// on it, and what a container may have.
type Speed struct {
	Requests float64 // a second through a proxy to a server that does nothing; 0: not measured
	Loops    float64 // of work, a second, all cores together
	Cores    int     // that it was measured on
}

// How long Measure looks at a time, and how often: what counts is the best, since
// others' work comes and goes.
const (
	measureTime  = 60 * time.Millisecond
	measureTimes = 4
)

// Measure finds out what this machine can do, in half a second.
func Measure(ctx context.Context) (Speed, error) {
	s := Speed{Cores: runtime.GOMAXPROCS(0)}
	for range measureTimes {
		s.Loops = max(s.Loops, measureLoops(s.Cores))
		requests, err := measureRequests(ctx, s.Cores)
		if err != nil {
			return s, fmt.Errorf("measure what this machine passes on: %w", err)
		}
		s.Requests = max(s.Requests, requests)
	}
	return s, nil
}

// measureLoops counts those that all cores compute, a second.
func measureLoops(cores int) float64 {
	var all sync.WaitGroup
	var loops, sum atomic.Uint64
	begin := time.Now()
	for i := range cores {
		all.Go(func() {
			const batch = 1 << 14
			for time.Since(begin) < measureTime {
				sum.Add(work(uint64(i), batch)) // what nobody asks for is not computed
				loops.Add(batch)
			}
		})
	}
	all.Wait()
	return float64(loops.Load()) / time.Since(begin).Seconds()
}

// measureRequests counts those that a person, a proxy and a server in this
// process pass on, a second.
func measureRequests(ctx context.Context, cores int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, headerTime)
	defer cancel()
	server, err := serveHere(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "paid") }))
	if err != nil {
		return 0, err
	}
	defer server.Close()
	lines := &http.Transport{MaxIdleConnsPerHost: 4 * cores}
	defer lines.CloseIdleConnections()
	proxy, err := serveHere(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: server.Addr}) },
		Transport: lines,
	})
	if err != nil {
		return 0, err
	}
	defer proxy.Close()
	people := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4 * cores}}
	defer people.CloseIdleConnections()
	var all sync.WaitGroup
	var passed atomic.Uint64
	var failed atomic.Pointer[error]
	begin := time.Now()
	for range 2 * cores {
		all.Go(func() {
			for time.Since(begin) < measureTime {
				if _, err := ask(ctx, people, "http://"+proxy.Addr, question{http.MethodGet, cataloguePath}); err != nil {
					failed.Store(&err)
					return
				}
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(passed.Load()) / time.Since(begin).Seconds(), nil
}

// serveHere is a server on a port of this machine alone, which Addr names.
func serveHere(h http.Handler) (*http.Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	web := &http.Server{Addr: l.Addr().String(), Handler: h, ReadHeaderTimeout: headerTime}
	go func() { _ = web.Serve(l) }() // ends with Close
	return web, nil
}

// headerTime is how long the head of a request may take to come.
const headerTime = 10 * time.Second

// work computes for so many loops; the number is what came of it.
func work(seed, loops uint64) uint64 {
	x := seed | 1
	for range loops {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}
