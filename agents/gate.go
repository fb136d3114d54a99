package agents

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

// maxStrangers is how many connections may be open that have not shown who they
// are. Without TLS nobody shows it, and this is the bound of all.
const maxStrangers = 256

// gate is the listener of an agent: it closes at once what comes when there
// are too many strangers.
type gate struct {
	net.Listener
	refused   refusals
	strangers atomic.Int64
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g.strangers.Add(1) <= maxStrangers {
			return &visitor{Conn: conn, gate: g}, nil
		}
		g.strangers.Add(-1)
		conn.Close()
		g.refused.fold.report("any", fmt.Sprintf("%d connections are open and have not shown who they are", maxStrangers),
			"peer", conn.RemoteAddr(), "do", "find out who opens them: ss -tn")
	}
}

// visitor is a connection that counts as a stranger until it is known or
// closed.
type visitor struct {
	net.Conn
	gate  *gate
	once  sync.Once
	plain bool // look at the first bytes
	head  []byte
}

func (v *visitor) known() { v.once.Do(func() { v.gate.strangers.Add(-1) }) }

func (v *visitor) Close() error {
	v.known()
	return v.Conn.Close()
}

// preface is how every HTTP/2 client begins (RFC 9113 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Read looks at the first bytes of a connection without TLS, to be able to say
// what was wrong with it. Only one goroutine reads.
func (v *visitor) Read(b []byte) (int, error) {
	n, err := v.Conn.Read(b)
	if !v.plain {
		return n, err
	}
	v.head = append(v.head, b[:min(n, len(preface)-len(v.head))]...)
	switch {
	case len(v.head) > 0 && !bytes.HasPrefix([]byte(preface), v.head):
		v.plain = false
		v.gate.refused.notPlain(v.RemoteAddr(), v.head)
	case len(v.head) == len(preface):
		v.plain = false
	}
	return n, err
}

// refusals writes the one line about a peer that gets nothing.
type refusals struct {
	fold *fold
	sec  Security
}

func (r refusals) report(peer net.Addr, reason, do string) {
	host, _, err := net.SplitHostPort(peer.String())
	if err != nil {
		host = peer.String()
	}
	r.fold.report(host, reason, "do", do)
}

// notPlain is a peer of an agent without TLS that begins with head.
func (r refusals) notPlain(peer net.Addr, head []byte) {
	if looksTLS(head) {
		r.report(peer, "it speaks TLS and this agent does not",
			"where a viewer has a fleet token its agents need it too: copy its token file to this machine and start this agent again")
		return
	}
	r.report(peer, "it is no capmon viewer: it began with "+quoteHead(head), "nothing, if you know who it is")
}

// handshake is a peer that did not get through TLS.
func (r refusals) handshake(peer net.Addr, err error) {
	reason, do := "TLS: "+err.Error(), "nothing, if it is no viewer of yours"
	sameToken := "copy the token of this machine (" + r.sec.from + ") to it"
	if r.sec.way == pkiWay {
		sameToken = "give it a certificate that your authority signed (--tls-cert, --tls-key, --tls-ca)"
	}
	record, notTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case notTLS && bytes.HasPrefix([]byte(preface), record.RecordHeader[:4]):
		reason, do = "it speaks without TLS, as a viewer that found no token does", sameToken
		if r.sec.way == pkiWay {
			reason = "it speaks without TLS, as a viewer without certificates does"
		}
	case notTLS:
		reason = "it is no capmon viewer: it began with " + quoteHead(record.RecordHeader[:])
	case errors.Is(err, errUnknownKey):
		reason, do = "it has another token, or is no capmon viewer", sameToken
	case errors.Is(err, errForeignKey):
		reason, do = "its certificate carries another key than our token's", sameToken
	case strings.Contains(err.Error(), "didn't provide a certificate"):
		reason, do = "it shows no certificate", sameToken
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = fmt.Sprintf("it said too little within %v", strangerTime)
	case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed):
		reason = "it hung up in the middle of the TLS handshake"
	case strings.Contains(err.Error(), "remote error: tls:"):
		reason, do = "it does not accept this agent: "+err.Error(), sameToken
	case r.sec.way == pkiWay:
		do = sameToken
	}
	r.report(peer, reason, do)
}

// looksTLS tells a TLS record, a handshake or an alert, by its first bytes.
func looksTLS(head []byte) bool {
	return len(head) >= 2 && (head[0] == 0x16 || head[0] == 0x15) && head[1] == 3
}

// quoteHead shows the first bytes of a peer.
func quoteHead(b []byte) string { return fmt.Sprintf("%q", b[:min(len(b), 16)]) }

// connInfo is what gRPC knows of a connection.
type connInfo struct {
	credentials.CommonAuthInfo
}

func (connInfo) AuthType() string { return "capmon" }

func infoFor(c *tls.Config) connInfo {
	level := credentials.NoSecurity
	if c != nil {
		level = credentials.PrivacyAndIntegrity
	}
	return connInfo{credentials.CommonAuthInfo{SecurityLevel: level}}
}

// serverCreds shakes hands with visitors and says who was refused.
type serverCreds struct {
	config  *tls.Config // nil: no TLS
	refused refusals
}

var _ credentials.TransportCredentials = (*serverCreds)(nil)

// plainAlert is what a TLS server says to who speaks without TLS: a fatal
// "unexpected_message" (RFC 8446 6.2). It tells a viewer why it is refused, and
// nobody else anything but that TLS is spoken here.
var plainAlert = []byte{0x15, 3, 3, 0, 2, 2, 10}

func (c *serverCreds) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	v, _ := raw.(*visitor)
	if c.config == nil {
		if v != nil {
			v.plain = true
		}
		return raw, infoFor(nil), nil
	}
	conn := tls.Server(raw, c.config)
	if err := conn.Handshake(); err != nil { // gRPC has set a deadline
		if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
			tellPlain(v)
		}
		raw.Close()
		c.refused.handshake(raw.RemoteAddr(), err)
		return nil, nil, err
	}
	if p := conn.ConnectionState().NegotiatedProtocol; p != "h2" {
		raw.Close()
		c.refused.handshake(raw.RemoteAddr(), errNotHTTP2)
		return nil, nil, errNotHTTP2
	}
	if v != nil {
		v.known()
	}
	return conn, infoFor(c.config), nil
}

var errNotHTTP2 = errors.New("the peer does not speak HTTP/2")

// tellPlain answers a peer that speaks without TLS. What it still sends is read
// for a moment: closing before would reset the connection, and the answer with
// it.
func tellPlain(v *visitor) {
	if v == nil {
		return
	}
	_ = v.SetDeadline(time.Now().Add(strangerTime / 20))
	if _, err := v.Conn.Write(plainAlert); err != nil {
		return // the peer is refused anyway
	}
	if t, ok := v.Conn.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(v.Conn, 64<<10))
}

func (c *serverCreds) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("agents: credentials of a server")
}

func (c *serverCreds) Info() credentials.ProtocolInfo {
	if c.config == nil {
		return credentials.ProtocolInfo{SecurityProtocol: "insecure"}
	}
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (c *serverCreds) Clone() credentials.TransportCredentials { return c }

func (c *serverCreds) OverrideServerName(string) error { return nil }
