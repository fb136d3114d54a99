package agents

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"capmon/agents/rpc"
)

const (
	dialTime    = 3 * time.Second // to find the address and connect
	connectTime = 5 * time.Second // with the handshakes
	maxUpdate   = 1 << 20
)

// attempt is one connection to an agent, with its own record of what went
// wrong: gRPC's errors are several layers of words around it.
type attempt struct {
	target Target
	host   string // that the certificate of a PKI must be for
	sec    Security
	beats  *beats

	mu       sync.Mutex
	dial     error
	shake    error
	read     error
	head     []byte // the first bytes of a peer without TLS
	remote   net.Addr
	hurry    hurrier // nil: it is read at once anyhow
	answered bool    // with an update
}

// connect makes a connection that gRPC opens with the first stream. One serves
// one attempt and is closed after it, so that nothing is retried out of sight
// and a path that died in silence is not waited for.
func (a *attempt) connect() (*grpc.ClientConn, error) {
	config, err := a.sec.clientTLS(a.host)
	if err != nil {
		return nil, err
	}
	creds := &clientCreds{config: config, attempt: a}
	return grpc.NewClient("passthrough:///"+a.target.Addr,
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(a.dialer),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithDisableHealthCheck(),
		grpc.WithIdleTimeout(0),
		grpc.WithReadBufferSize(bufferBytes),
		grpc.WithWriteBufferSize(bufferBytes),
		grpc.WithStaticStreamWindowSize(windowBytes),
		grpc.WithStaticConnWindowSize(windowBytes),
		grpc.WithMaxHeaderListSize(headerBytes),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			// One attempt a connection; but gRPC takes the longer of the two as
			// the time for it.
			Backoff:           backoff.Config{BaseDelay: connectTime, Multiplier: 1, MaxDelay: connectTime},
			MinConnectTimeout: connectTime,
		}),
	)
}

func (a *attempt) dialer(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTime}
	conn, err := d.DialContext(ctx, "tcp", addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.dial = err
		return nil, err
	}
	a.remote = conn.RemoteAddr()
	conn = a.beats.together(conn)
	a.hurry, _ = conn.(hurrier)
	return conn, nil
}

// subscribe opens one stream on conn and passes its updates to take, until
// there is no more or take fails. The error of take comes back as it is.
func subscribe(ctx context.Context, conn *grpc.ClientConn, r *rpc.SubscribeRequest, take func(*rpc.Update) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	guard := new(guardCodec)
	stream, err := rpc.NewAgentClient(conn).Subscribe(ctx, r, grpc.ForceCodecV2(guard), grpc.MaxCallRecvMsgSize(maxUpdate))
	if err != nil {
		return err
	}
	for {
		u, err := stream.Recv()
		if err != nil {
			if guard.err != nil {
				return guard.err
			}
			return err
		}
		if err := take(u); err != nil {
			return err
		}
	}
}

// trace is what an attempt has seen so far.
type trace struct {
	dial, shake, read error
	head              []byte
	connected         bool
	answered          bool
}

// admit is asked at the first update. Without TLS nothing is taken from another
// machine, unless the user said so: the numbers could be anybody's.
func (a *attempt) admit() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered = true
	if a.sec.way != plain {
		return nil
	}
	if tcp, ok := a.remote.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return nil
	}
	return errStranger
}

func (a *attempt) trace() trace {
	a.mu.Lock()
	defer a.mu.Unlock()
	return trace{
		dial: a.dial, shake: a.shake, read: a.read, head: slices.Clone(a.head),
		connected: a.remote != nil, answered: a.answered,
	}
}

// clientCreds shakes hands for an attempt and records how it went.
type clientCreds struct {
	config  *tls.Config // nil: no TLS
	attempt *attempt
}

var _ credentials.TransportCredentials = (*clientCreds)(nil)

func (c *clientCreds) ClientHandshake(ctx context.Context, _ string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if c.config == nil {
		return newWatched(raw, c.attempt, true), infoFor(nil), nil
	}
	conn := tls.Client(raw, c.config)
	err := conn.HandshakeContext(ctx)
	if err == nil && conn.ConnectionState().NegotiatedProtocol != "h2" {
		err = errNotHTTP2
	}
	if err != nil {
		c.attempt.mu.Lock()
		c.attempt.shake = err
		c.attempt.mu.Unlock()
		raw.Close()
		return nil, nil, err
	}
	return newWatched(conn, c.attempt, false), infoFor(c.config), nil
}

func (c *clientCreds) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("agents: credentials of a client")
}

func (c *clientCreds) Info() credentials.ProtocolInfo {
	if c.config == nil {
		return credentials.ProtocolInfo{SecurityProtocol: "insecure"}
	}
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (c *clientCreds) Clone() credentials.TransportCredentials { return c }

func (c *clientCreds) OverrideServerName(string) error { return nil }

// watched is a connection of a viewer that remembers how it began and ended: in
// TLS 1.3 a server refuses a client's certificate only after the handshake, by
// the first thing it sends.
type watched struct {
	net.Conn
	attempt *attempt
	plain   bool
	once    sync.Once
	over    chan struct{} // closed when reading has failed
}

func newWatched(conn net.Conn, a *attempt, plain bool) *watched {
	return &watched{Conn: conn, attempt: a, plain: plain, over: make(chan struct{})}
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err == nil && !w.plain {
		return n, nil
	}
	w.attempt.mu.Lock()
	defer w.attempt.mu.Unlock()
	if w.plain {
		room := headBytes - len(w.attempt.head)
		w.attempt.head = append(w.attempt.head, b[:min(n, room)]...)
		w.plain = len(w.attempt.head) < headBytes
	}
	if err != nil {
		w.once.Do(func() {
			w.attempt.read = err
			close(w.over)
		})
	}
	return n, err
}

// Write that fails waits a moment for the reading side, which learns why: gRPC
// closes the connection as soon as it hears of either.
func (w *watched) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if err == nil {
		return n, nil
	}
	late := time.NewTimer(lastWords)
	defer late.Stop()
	select {
	case <-w.over:
	case <-late.C:
		w.attempt.mu.Lock()
		defer w.attempt.mu.Unlock()
		if w.attempt.read == nil {
			w.attempt.read = err
		}
	}
	return n, err
}

// lastWords is how long a peer's reason may take that has hung up already.
const lastWords = 200 * time.Millisecond

// headBytes is enough to tell HTTP/2, HTTP/1, TLS and ssh apart.
const headBytes = 16
