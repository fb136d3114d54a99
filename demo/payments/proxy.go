package payments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"

	"capmon/demo/child"
)

// proxyConfig is what the proxy is told at its beginning.
type proxyConfig struct {
	IP      string  // of its own; one that is not of this machine gives way to 127.0.0.1
	Lines   int     // connections to one server
	Cores   float64 // that it may use
	Cache   bool
	Version string
}

// proxyOrder is what it is told after that, a line each.
type proxyOrder struct {
	Add, Remove string // a server, host:port
	Cache       *bool  // on or off
}

// proxySays is a line of the proxy: where it is, and what it answered itself.
type proxySays struct {
	Addr, Agent string
	Cache       Cache
}

// proxy passes each request on to the server with the fewest in it, and answers
// what was asked before by itself where it may.
type proxy struct {
	pass  *httputil.ReverseProxy
	cache cache
	meter traffic

	mu      sync.Mutex
	servers []*backend
	turn    int
}

// backend is a server as the proxy knows it.
type backend struct {
	addr   string
	inside int
	lost   bool // it did not answer: it gets nothing until it is added anew
}

// passing is what the proxy knows of a request while it passes it on.
type passing struct {
	to   *backend
	seen uint64 // payments of the account before it was passed on
	keep bool   // the answer may be given again
}

// passingKey finds the passing of a request in its context.
type passingKey struct{}

func newProxy(c proxyConfig) *proxy {
	p := &proxy{cache: newCache(c.Cache)}
	dial := &net.Dialer{Timeout: 2 * time.Second}
	if ip := net.ParseIP(c.IP); ip != nil {
		// So that the servers see who it is.
		dial.LocalAddr = &net.TCPAddr{IP: ip}
	}
	p.pass = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: r.In.Context().Value(passingKey{}).(*passing).to.addr})
		},
		Transport:      &http.Transport{DialContext: dial.DialContext, MaxConnsPerHost: c.Lines, MaxIdleConnsPerHost: c.Lines, DisableCompression: true},
		ModifyResponse: p.keep,
		ErrorHandler:   p.lost,
	}
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer p.meter.enter()()
	account := r.URL.Query().Get("account")
	pass := &passing{keep: r.Method == http.MethodGet}
	if pass.keep {
		body, hit, seen := p.cache.get(r.URL.RequestURI(), account, time.Now())
		if hit {
			p.meter.answered(http.StatusOK)
			w.Header().Set("X-Cache", "hit")
			_, _ = w.Write(body)
			return
		}
		pass.seen = seen
	} else {
		// What was known of this account is no longer true, from before the
		// payment is made until after it was.
		p.cache.paid(account)
		defer p.cache.paid(account)
	}
	if pass.to = p.take(); pass.to == nil {
		p.meter.answered(http.StatusServiceUnavailable)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer p.give(pass.to)
	p.pass.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passingKey{}, pass)))
}

// keep looks at an answer on its way back.
func (p *proxy) keep(r *http.Response) error {
	p.meter.answered(r.StatusCode)
	pass := r.Request.Context().Value(passingKey{}).(*passing)
	if !pass.keep || r.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	r.Body.Close()
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	p.cache.put(r.Request.URL.RequestURI(), pass.seen, body, time.Now())
	return nil
}

// maxBody is more than any answer has.
const maxBody = 64 << 10

// lost answers a request whose server did not.
func (p *proxy) lost(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // who asked has left
	}
	var refused *net.OpError
	if pass := r.Context().Value(passingKey{}).(*passing); errors.As(err, &refused) && refused.Op == "dial" {
		p.mu.Lock()
		pass.to.lost = true
		p.mu.Unlock()
	}
	p.meter.answered(http.StatusServiceUnavailable)
	w.WriteHeader(http.StatusServiceUnavailable)
}

// take is the server with the fewest requests in it, of those in turn; nil: there
// is none.
func (p *proxy) take() *backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *backend
	p.turn++
	for i := range p.servers {
		b := p.servers[(p.turn+i)%len(p.servers)]
		if !b.lost && (best == nil || b.inside < best.inside) {
			best = b
		}
	}
	if best != nil {
		best.inside++
	}
	return best
}

func (p *proxy) give(b *backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.inside--
}

func (p *proxy) order(o proxyOrder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.Add != "" {
		p.servers = append(p.servers, &backend{addr: o.Add})
	}
	for i, b := range p.servers {
		if b.addr == o.Remove {
			p.servers = append(p.servers[:i], p.servers[i+1:]...)
			break
		}
	}
	if o.Cache != nil {
		p.cache.turn(*o.Cache)
	}
}

func runProxy(line []byte, in io.Reader, out io.Writer) error {
	var c proxyConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("payment proxy: %w", err)
	}
	p := newProxy(c)
	return serve("proxy", c.IP, PoolEdge, c.Cores, c.Version, p, &p.meter, func(_ context.Context, at places, failed <-chan error) error {
		end := make(chan struct{})
		go func() {
			defer close(end)
			orders(in, p.order)
		}()
		return child.TellChanges(out, sayEvery, end, failed, func() proxySays { return proxySays{at.web, at.agent, p.cache.count()} })
	})
}

// orders reads what a child is told, until its standard input ends, which it
// does with its parent.
func orders[T any](in io.Reader, do func(T)) {
	for d := json.NewDecoder(in); ; {
		var o T
		if d.Decode(&o) != nil {
			return
		}
		do(o)
	}
}
