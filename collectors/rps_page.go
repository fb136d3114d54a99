package collectors

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"
)

const (
	// maxHead bounds the header of an answer, in bytes.
	maxHead = 32 << 10

	// pageIdle is the longest a connection is kept between two requests: less
	// than the 75 s of nginx and the 5 s of Node are met by connecting again.
	pageIdle = 15 * time.Second
)

// errAnswer is what every answer other than 200 wraps.
var errAnswer = errors.New("no page")

// page reads one URL again and again over a connection it keeps. It is a plain
// HTTP/1.1 client with nothing a poll once a second does not need: no proxy, no
// redirects, no cookies, no goroutines.
type page struct {
	url     string // without a password
	address string
	server  string // name for TLS; empty = plain
	request []byte
	own     *ownConns

	conn  net.Conn
	in    *bufio.Reader
	limit io.LimitedReader // between conn and in
	used  time.Time        // when conn was last used

	// local tells whether the last connection led to this machine; before the
	// first, whether the name says so.
	local bool
	// sent counts the requests that the server may have counted.
	sent uint64
}

// newPage makes a page of a URL that ParseRPS took. accept is the media type
// asked for.
func newPage(address, accept string, own *ownConns) (*page, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	p := &page{url: u.Redacted(), own: own, local: loopbackName(u.Hostname())}
	port := u.Port()
	if u.Scheme == "https" {
		p.server = u.Hostname()
		if port == "" {
			port = "443"
		}
	} else if port == "" {
		port = "80"
	}
	p.address = net.JoinHostPort(u.Hostname(), port)
	head := "GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: capmon\r\nAccept: " + accept + "\r\nAccept-Encoding: identity\r\n"
	if u.User != nil {
		password, _ := u.User.Password()
		head += "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)) + "\r\n"
	}
	p.request = []byte(head + "\r\n")
	return p, nil
}

// get asks for the page once and gives its body, of at most most bytes, to
// read. A kept connection that the server has closed in the meantime is made
// anew.
func (p *page) get(ctx context.Context, timeout time.Duration, most int64, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if p.conn != nil && time.Since(p.used) > pageIdle {
		p.close()
	}
	kept := p.conn != nil
	answered, err := p.once(ctx, most, read)
	if err != nil && kept && !answered && ctx.Err() == nil {
		_, err = p.once(ctx, most, read)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
			return cause
		}
		return fmt.Errorf("no answer within %v", timeout)
	}
	return err
}

// once is one request; answered is true when any answer came.
func (p *page) once(ctx context.Context, most int64, read func(io.Reader) error) (answered bool, err error) {
	if err := p.connect(ctx); err != nil {
		return false, err
	}
	conn := p.conn
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	keep := false
	defer func() {
		if !stop() || !keep || err != nil {
			p.close()
		}
	}()
	p.limit.N = most + maxHead
	p.sent++
	if _, err := conn.Write(p.request); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if p.local {
		p.own.answer(p.port(), answer.StatusCode)
	}
	if answer.StatusCode != http.StatusOK {
		return true, refusal(answer)
	}
	if encoding := answer.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return true, fmt.Errorf("it answers in %.32q although plain text was asked for: turn compression off for this page", encoding)
	}
	body := &io.LimitedReader{R: answer.Body, N: most + 1}
	err = read(body)
	if err == nil {
		_, err = io.Copy(io.Discard, body)
	}
	if body.N <= 0 {
		return true, fmt.Errorf("a page of more than %d bytes", most)
	}
	keep = !answer.Close
	p.used = time.Now()
	return true, err
}

// refusal says what an answer other than 200 means for the user.
func refusal(a *http.Response) error {
	switch a.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: it answers %d: allow this machine to read it", errAnswer, a.StatusCode)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return fmt.Errorf("%w: it answers %d and points to %.100q: name that address", errAnswer, a.StatusCode, a.Header.Get("Location"))
	}
	return fmt.Errorf("%w: it answers %d", errAnswer, a.StatusCode)
}

func (p *page) connect(ctx context.Context) error {
	if p.conn != nil {
		return nil
	}
	var d net.Dialer
	conn, err := p.own.dial(ctx, &d, p.address)
	if err != nil {
		return err
	}
	p.local = sameMachine(conn)
	if p.server != "" {
		secure := tls.Client(conn, &tls.Config{ServerName: p.server, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return err
		}
		conn = secure
	}
	p.conn = conn
	p.limit.R = conn
	if p.in == nil {
		p.in = bufio.NewReaderSize(&p.limit, 4<<10)
	} else {
		p.in.Reset(&p.limit)
	}
	return nil
}

// sameMachine tells whether both ends of a connection are here: then they have
// the same address, or the far one is loopback.
func sameMachine(c net.Conn) bool {
	far, ok := c.RemoteAddr().(*net.TCPAddr)
	near, ok2 := c.LocalAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return false
	}
	f, n := plain(far.AddrPort()).Addr(), plain(near.AddrPort()).Addr()
	return f.IsLoopback() || f == n
}

func (p *page) close() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

func loopbackName(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// port is the port of the page.
func (p *page) port() uint16 {
	_, text, _ := net.SplitHostPort(p.address)
	a, err := netip.ParseAddrPort("0.0.0.0:" + text)
	if err != nil {
		return 0
	}
	return a.Port()
}
