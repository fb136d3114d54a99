package collectors

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pageOf is a page of a server of the test.
func pageOf(t testing.TB, url string) *page {
	t.Helper()
	p, err := newPage(url, "text/plain", new(ownConns))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func (p *page) text(ctx context.Context) (string, error) {
	var b bytes.Buffer
	err := p.get(ctx, 5*time.Second, 1000, func(r io.Reader) error {
		_, err := b.ReadFrom(r)
		return err
	})
	return b.String(), err
}

func TestPageKeepsItsConnection(t *testing.T) {
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	var conns, requests atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		user, password, _ := r.BasicAuth()
		io.WriteString(w, r.Method+" "+r.RequestURI+" "+user+":"+password)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	p := pageOf(t, strings.Replace(s.URL, "//", "//me:secret@", 1)+"/a?b=c")
	for range 3 {
		if got, err := p.text(t.Context()); got != "GET /a?b=c me:secret" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if conns.Load() != 1 || len(p.own.snapshot(nil)) != 1 || !p.local || p.sent != 3 {
		t.Errorf("%d connections, own %v, local %v, sent %d", conns.Load(), p.own.snapshot(nil), p.local, p.sent)
	}
	// The server ends the connection it kept: a new one is made at once.
	s.CloseClientConnections()
	if _, err := p.text(t.Context()); err != nil || conns.Load() != 2 {
		t.Errorf("after the server closed: %v, %d connections", err, conns.Load())
	}
	if strings.Contains(p.url, "secret") {
		t.Errorf("a password in %s", p.url)
	}
	p.close()
	if left := p.own.snapshot(nil); len(left) != 0 {
		t.Errorf("own connections left: %v", left)
	}
}

func TestPageRefuses(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/gone", http.NotFound)
	mux.HandleFunc("/secret", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere/x", http.StatusFound)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1001)) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("asked for %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Write([]byte("\x1f\x8b"))
	})
	mux.HandleFunc("/nobody", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	mux.HandleFunc("/head", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 2*maxHead)) })
	s := httptest.NewServer(mux)
	defer s.Close()
	for path, want := range map[string]string{
		"/gone":    "it answers 404",
		"/secret":  "allow this machine to read it",
		"/moved":   `points to "https://elsewhere/x": name that address`,
		"/large":   "more than 1000 bytes",
		"/endless": "more than 1000 bytes",
		"/head":    "unexpected EOF",
		"/gzip":    `it answers in "gzip" although plain text was asked for`,
		"/nobody":  "it answers 401: allow this machine to read it",
	} {
		p := pageOf(t, s.URL+path)
		if _, err := p.text(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if p.conn != nil {
			t.Errorf("%s: the connection is kept", path)
		}
	}
}

// TestPageThatDrips: each byte comes in time, the page does not.
func TestPageThatDrips(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	}))
	defer s.Close()
	o := &ownPage{page: pageOf(t, s.URL), parse: parseStubStatus}
	if _, err := o.count(t.Context()); err == nil || err.Error() != "no answer within 200ms" {
		t.Errorf("error %v", err)
	}
}

func TestPageOfAServerThatIsNone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n")
			c.Close()
		}
	}()
	p := pageOf(t, "http://"+l.Addr().String())
	if got, err := p.text(t.Context()); err == nil {
		t.Errorf("an ssh server answered %q", got)
	}
	l.Close()
	<-served
	if _, err := p.text(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestCancelStopsARequest: the server sees the end of the connection, and the
// caller gets the reason.
func TestCancelStopsARequest(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	defer s.Close()
	p := pageOf(t, s.URL)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go func() {
		<-began
		cancel(why)
	}()
	err := p.get(ctx, time.Hour, 1000, func(io.Reader) error { return nil })
	if !errors.Is(err, why) {
		t.Errorf("error %v, want %v", err, why)
	}
	<-ended
}

func TestPageWithoutAnAnswerInTime(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	p := pageOf(t, s.URL)
	err := p.get(t.Context(), 30*time.Millisecond, 1000, func(io.Reader) error { return nil })
	if err == nil || err.Error() != "no answer within 30ms" {
		t.Errorf("error %v", err)
	}
}

func TestPageOverTLSChecksTheName(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	p := pageOf(t, s.URL)
	if _, err := p.text(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate nobody knows: %v", err)
	}
}
