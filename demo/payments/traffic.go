package payments

import (
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"capmon/demo/waits"
	"capmon/sample"
)

// traffic counts what a server, or the proxy, did.
type traffic struct {
	inside atomic.Int64 // requests that have no answer yet
	lines  atomic.Int64 // connections that are open
	ok     atomic.Uint64
	failed atomic.Uint64 // answered with 5xx
	other  atomic.Uint64
	seen   uint64 // of all three at the last look

	mu     sync.Mutex
	newest int64 // second, of the clock
	took   [tookTime]took
}

// tookTime are the seconds that response times are told of.
const tookTime = 10

// took is how long the requests of one second took.
type took struct {
	waits waits.Waits
	all   time.Duration
}

// enter counts a request; what it returns, that it has gone.
func (t *traffic) enter() func() {
	t.inside.Add(1)
	began := time.Now()
	return func() {
		t.inside.Add(-1)
		now := time.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		s := t.at(now)
		s.waits.Add(now.Sub(began))
		s.all += now.Sub(began)
	}
}

// at is the second of now, those between it and the last one empty.
func (t *traffic) at(now time.Time) *took {
	sec := now.Unix()
	for i := max(t.newest+1, sec-tookTime+1); i <= sec; i++ {
		t.took[i%tookTime] = took{}
	}
	t.newest = max(t.newest, sec)
	return &t.took[sec%tookTime]
}

// latency is what requests took in the last ten seconds; nil of none.
func (t *traffic) latency(now time.Time) *sample.Latency {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at(now)
	var all took
	for i := range t.took {
		all.waits.Join(&t.took[i].waits)
		all.all += t.took[i].all
	}
	n := all.waits.Count()
	if n == 0 {
		return nil
	}
	us := func(share float64) uint32 { return uint32(math.Round(*all.waits.Quantile(share) * 1e6)) }
	return &sample.Latency{MeanUs: uint32(all.all.Microseconds() / int64(n)), P50Us: us(0.5), P95Us: us(0.95), P99Us: us(0.99)}
}

func (t *traffic) answered(status int) {
	switch {
	case status < 300:
		t.ok.Add(1)
	case status >= 500:
		t.failed.Add(1)
	default:
		t.other.Add(1)
	}
}

// state counts connections, as http.Server.ConnState.
func (t *traffic) state(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		t.lines.Add(1)
	case http.StateClosed, http.StateHijacked:
		t.lines.Add(-1)
	}
}
