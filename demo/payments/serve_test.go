package payments

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A server takes one request a slot, lets as many wait as its queue holds, and
// refuses the rest at once.
func TestServerTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newPayServer(serverConfig{Slot: 10 * time.Millisecond, Loops: 10, Queue: 20})
		go s.run(ctx)
		var ok, refused atomic.Int64
		var all sync.WaitGroup
		// 200 a second for five seconds, of which it takes 100.
		for range 1000 {
			all.Go(func() {
				w := httptest.NewRecorder()
				began := time.Now()
				s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, cataloguePath, nil))
				switch w.Code {
				case http.StatusOK:
					ok.Add(1)
				case http.StatusServiceUnavailable:
					refused.Add(1)
					if took := time.Since(began); took > 0 {
						t.Errorf("refused after %v", took)
					}
				}
			})
			time.Sleep(5 * time.Millisecond)
		}
		all.Wait()
		// What waits at the end is served after it.
		if n := ok.Load(); n < 519 || n > 522 || n+refused.Load() != 1000 {
			t.Errorf("%d served, %d refused", n, refused.Load())
		}
		if s.meter.ok.Load() != uint64(ok.Load()) || s.meter.failed.Load() != uint64(refused.Load()) || s.meter.inside.Load() != 0 {
			t.Errorf("it counted %d and %d, %d inside", s.meter.ok.Load(), s.meter.failed.Load(), s.meter.inside.Load())
		}
	})
}

// Response times are those of the last ten seconds.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m traffic
		if l := m.latency(time.Now()); l != nil {
			t.Errorf("of nothing: %v", l)
		}
		for i := range 30 {
			took := 10 * time.Millisecond
			if i%10 == 9 {
				took = 100 * time.Millisecond
			}
			gone := m.enter()
			time.Sleep(took)
			gone()
			time.Sleep(time.Second - took)
		}
		l := m.latency(time.Now())
		if l.GetMeanUs() < 10_000 || l.GetMeanUs() > 20_000 || l.GetP50Us() < 10_000 || l.GetP50Us() > 10_600 || l.GetP99Us() < 100_000 || l.GetP99Us() > 106_000 {
			t.Errorf("%v", l)
		}
		time.Sleep(9 * time.Second)
		if l := m.latency(time.Now()); l != nil {
			t.Errorf("ten seconds later: %v", l)
		}
	})
}

// Who has left holds no slot.
func TestServerSkipsWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newPayServer(serverConfig{Slot: time.Second, Loops: 1, Queue: 20})
		go s.run(ctx)
		var all sync.WaitGroup
		left, leave := context.WithTimeout(ctx, 100*time.Millisecond)
		defer leave()
		began := time.Now()
		for i := range 10 {
			r := httptest.NewRequest(http.MethodGet, cataloguePath, nil)
			if i > 0 && i < 9 {
				r = r.WithContext(left)
			}
			all.Go(func() { s.ServeHTTP(httptest.NewRecorder(), r) })
			synctest.Wait()
		}
		all.Wait()
		if took := time.Since(began); took != 2*time.Second || s.meter.ok.Load() != 2 {
			t.Errorf("%d served in %v, want 2 in 2s", s.meter.ok.Load(), took)
		}
	})
}

func TestServerRefusesStrangers(t *testing.T) {
	s := newPayServer(serverConfig{Queue: 1})
	for _, r := range []*http.Request{httptest.NewRequest(http.MethodGet, payPath, nil), httptest.NewRequest(http.MethodPost, balancePath, nil), httptest.NewRequest(http.MethodGet, "/", nil)} {
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != http.StatusNotFound {
			t.Errorf("%s %s: %d", r.Method, r.URL, w.Code)
		}
	}
}

func TestCache(t *testing.T) {
	now := time.Unix(0, 0)
	c := newCache(true)
	get := func(question, account string, at time.Time) string {
		body, hit, seen := c.get(question, account, at)
		if !hit {
			c.put(question, seen, []byte(question), at)
			return "miss"
		}
		return string(body)
	}
	for i, step := range []struct {
		question, account string
		after             time.Duration
		paid              string
		want              string
	}{
		{"a", "1", 0, "", "miss"},
		{"a", "1", freshTime - 1, "", "a"},
		{"b", "2", freshTime - 1, "", "miss"},
		{"a", "1", freshTime, "", "miss"}, // no longer fresh
		{"a", "1", freshTime, "", "a"},
		{"a", "1", freshTime, "1", "miss"}, // it has paid
		{"a", "1", freshTime, "2", "a"},
		{"b", "2", freshTime, "", "miss"},
	} {
		c.paid(step.paid)
		if got := get(step.question, step.account, now.Add(step.after)); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	if n := c.count(); n != (Cache{On: true, Hits: 3, Misses: 5}) {
		t.Errorf("%+v", n)
	}
	// An answer that was asked for before a payment is not given after it.
	_, _, seen := c.get("c", "3", now)
	c.paid("3")
	c.put("c", seen, []byte("old"), now)
	if _, hit, _ := c.get("c", "3", now); hit {
		t.Error("a balance from before a payment was given after it")
	}
	c.turn(false)
	if got := get("a", "1", now); got != "miss" {
		t.Errorf("off: %s", got)
	}
	if n := c.count(); n.On || n.Misses != 7 {
		t.Errorf("off: %+v", n)
	}
}

// The cache does not grow without end.
func TestCacheIsBounded(t *testing.T) {
	c := newCache(true)
	for i := range 3 * mostAnswers {
		q := strings.Repeat("x", i%7) + time.Duration(i).String()
		c.put(q, 0, nil, time.Unix(0, 0))
	}
	if n := len(c.answers); n > mostAnswers {
		t.Errorf("%d answers", n)
	}
}

// The proxy passes on to who has least to do, answers by itself what it may, and
// gives nothing to a server that is gone.
func TestProxy(t *testing.T) {
	slow, pays := make(chan struct{}), make(chan struct{})
	backend := func(name string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("account") == "slow" {
				<-slow
			}
			if r.URL.Query().Get("payment") == "slow" {
				<-pays
			}
			_, _ = io.WriteString(w, name)
		}))
	}
	a, b := backend("a"), backend("b")
	defer b.Close()
	p := newProxy(proxyConfig{Lines: 4})
	web := httptest.NewServer(p)
	defer web.Close()
	get := func(method, path string) (int, string) {
		r, err := http.NewRequest(method, web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body) + answer.Header.Get("X-Cache")
	}
	if code, _ := get(http.MethodGet, balancePath); code != http.StatusServiceUnavailable {
		t.Errorf("without servers: %d", code)
	}
	add := func(s *httptest.Server) { p.order(proxyOrder{Add: s.Listener.Addr().String()}) }
	add(a)
	var waits sync.WaitGroup
	waits.Go(func() { get(http.MethodGet, balancePath+"?account=slow") })
	for p.meter.inside.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	add(b)
	for range 3 {
		if code, body := get(http.MethodGet, balancePath); code != http.StatusOK || body != "b" {
			t.Errorf("%d from %s, want b, which has nothing to do", code, body)
		}
	}
	close(slow)
	waits.Wait()
	p.order(proxyOrder{Remove: a.Listener.Addr().String(), Cache: new(true)})
	for i, want := range []string{"b", "bhit", "bhit"} {
		if _, body := get(http.MethodGet, balancePath+"?account=1"); body != want {
			t.Errorf("question %d: %s, want %s", i, body, want)
		}
	}
	for range 2 {
		if _, body := get(http.MethodPost, payPath+"?account=1"); body != "b" {
			t.Errorf("a payment: %s", body)
		}
	}
	if _, body := get(http.MethodGet, balancePath+"?account=1"); body != "b" {
		t.Errorf("a balance after a payment: %s", body)
	}
	// Nor is one given that was asked for while the payment was made.
	waits.Go(func() { get(http.MethodPost, payPath+"?account=1&payment=slow") })
	for p.meter.inside.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	get(http.MethodGet, balancePath+"?account=1")
	close(pays)
	waits.Wait()
	if _, body := get(http.MethodGet, balancePath+"?account=1"); body != "b" {
		t.Errorf("a balance from before the payment was made: %s", body)
	}
	// One that is gone gets one request, which is refused, and no more.
	add(a)
	a.Close()
	bad := 0
	for range 6 {
		if code, _ := get(http.MethodPost, payPath); code != http.StatusOK {
			bad++
		}
	}
	if bad > 1 {
		t.Errorf("%d of 6 were refused for a server that is gone", bad)
	}
}

// answers is a way to the proxy that needs none.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// People ask at their times, and each is counted once: served, refused, or gone
// when the patience is over.
func TestPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tell := func(r rates, turn rates) Counts {
			c := newCrowd(peopleConfig{Rates: r, For: 10 * time.Second, Patience: time.Second, Lines: 1, Seed: 5, Begin: time.Now()})
			c.http.Transport = answers(func(r *http.Request) (*http.Response, error) {
				status := http.StatusOK
				switch {
				case r.Method == http.MethodPost:
					status = http.StatusServiceUnavailable
				case r.URL.Path == cataloguePath:
					<-r.Context().Done()
					return nil, errors.New("too late")
				}
				return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
			})
			if turn != nil {
				time.AfterFunc(5*time.Second, func() { c.turn(turn) })
				time.AfterFunc(8*time.Second, func() {
					if n := c.say().Counts.Asked; n < 100 {
						t.Errorf("%d have asked three seconds after others come", n)
					}
				})
			}
			began := time.Now()
			c.come(t.Context())
			if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
				t.Errorf("it took %v", took)
			}
			return c.say().Counts
		}
		n := tell(rates{{0, 50}}, nil)
		if n.Asked != n.Served+n.Refused+n.Left || n.Waiting != 0 || n.Asked < 420 || n.Asked > 580 {
			t.Errorf("%+v", n)
		}
		if n.Refused < n.Asked/10 || n.Left < n.Asked/4 || n.Served < n.Asked/4 {
			t.Errorf("%+v: want a fifth refused, two fifths gone", n)
		}
		if again := tell(rates{{0, 50}}, nil); again != n {
			t.Errorf("%+v, then %+v", n, again)
		}
		// Who would have come in an hour comes with the others, when these begin to.
		if late := tell(rates{{0, 0.0003}}, rates{{0, 0.0003}, {5 * time.Second, 50}}); late.Asked < 190 || late.Asked > 310 {
			t.Errorf("%d asked in five seconds, 50 a second", late.Asked)
		}
		// Five times as many from the middle on.
		if more := tell(rates{{0, 50}}, rates{{0, 50}, {5 * time.Second, 250}}); more.Asked < 5*n.Asked/2 || more.Asked > 7*n.Asked/2 {
			t.Errorf("%d asked, after %d: want three times as many", more.Asked, n.Asked)
		}
	})
}

// What a machine can do is measured in what it passes on.
func TestMeasure(t *testing.T) {
	s, err := Measure(t.Context())
	if err != nil || !(s.Requests > 0) || !(s.Loops > 0) || s.Cores < 1 {
		t.Errorf("%+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Measure(ctx); err == nil {
		t.Error("it was measured without time for it")
	}
}
