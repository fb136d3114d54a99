package agents

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"capmon/agents/rpc"
)

// served waits until a good viewer gets samples from addr.
func served(t *testing.T, addr string, sec Security) {
	t.Helper()
	sink := newLedger()
	_, stop := watch(t, sec, sink, nil, target(t, addr))
	sink.wait(t, addr, "samples beside hostile peers", func(a *account) bool { return len(a.samples) >= 2 })
	stop()
}

// ended waits for the other side to close conn.
func ended(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("%s: the connection stays open", what)
	}
}

func TestPeersThatAreNoViewers(t *testing.T) {
	t.Parallel()
	token := withToken(t, newTokenFile(t, "token"))
	for name, tt := range map[string]struct {
		sec    Security
		send   string
		logged string
	}{
		"web browser":           {Plain(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", `it is no capmon viewer: it began with \"GET / HTTP/1.1`},
		"garbage":               {Plain(), strings.Repeat("\xff\x00\x1b", 100), "it is no capmon viewer"},
		"mute":                  {Plain(), "", ""},
		"half a greeting":       {Plain(), preface[:10], ""},
		"greeting, and garbage": {Plain(), preface + strings.Repeat("\xff", 100), ""},
		"web browser, token":    {token, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", `it is no capmon viewer: it began with \"GET /`},
		"TLS garbage":           {token, "\x16\x03\x01\x02\x00" + strings.Repeat("\x01", 512), "TLS"},
		"mute, token":           {token, "", "it said too little within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logbook
			addr, stop := serve(t, newAgent(t, Config{}, 1), tt.sec, log.log())
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tt.send); err != nil {
				t.Fatal(err)
			}
			ended(t, name, conn)
			served(t, addr, tt.sec)
			stop()
			if tt.logged == "" && log.String() != "" || !strings.Contains(log.String(), tt.logged) {
				t.Errorf("the log does not say %q:\n%s", tt.logged, &log)
			}
		})
	}
}

// h2 is an HTTP/2 client that does what it likes.
func h2(t *testing.T, addr string) (net.Conn, *http2.Framer) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, preface); err != nil {
		t.Fatal(err)
	}
	f := http2.NewFramer(conn, bufio.NewReader(conn))
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return conn, f
}

func TestARequestThatNeverComes(t *testing.T) {
	t.Parallel()
	a := newAgent(t, Config{}, 1)
	addr, _ := serve(t, a, Plain(), nil)
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	open := func() grpc.ClientStream {
		s, err := conn.NewStream(t.Context(), &rpc.Agent_ServiceDesc.Streams[0], rpc.Agent_Subscribe_FullMethodName)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	slow := open()
	if err := slow.RecvMsg(new(rpc.Update)); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a stream without a request ended with %v", err)
	}
	large := open()
	if err := large.SendMsg(&rpc.Update{Samples: [][]byte{make([]byte, 2*maxRequest)}}); err != nil {
		t.Fatal(err)
	}
	if err := large.RecvMsg(new(rpc.Update)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a request of %d bytes ended with %v", 2*maxRequest, err)
	}
}

func TestHeadersHaveABound(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, newAgent(t, Config{}, 1), Plain(), nil)
	conn, f := h2(t, addr)
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, h := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", rpc.Agent_Subscribe_FullMethodName},
		{":authority", "x"},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
		{"x", strings.Repeat("x", headerBytes)},
	} {
		if err := e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("the stream is not refused: %v", err)
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame:
			if frame.ErrCode != http2.ErrCodeFrameSize {
				t.Errorf("the stream is refused for %v", frame.ErrCode)
			}
			return
		case *http2.HeadersFrame:
			t.Fatal("headers of any length are taken")
		}
	}
}

// TestTheKnownAreNoStrangers holds that the bound is for those who have not
// shown who they are.
func TestTheKnownAreNoStrangers(t *testing.T) {
	sec := withToken(t, newTokenFile(t, "token"))
	config, err := sec.serverTLS()
	if err != nil {
		t.Fatal(err)
	}
	f := newFold(slog.New(slog.DiscardHandler), "", "", time.Minute)
	defer f.close()
	g := &gate{Listener: listen(t), refused: refusals{f, sec}}
	defer g.Close()
	shaken := make(chan net.Conn)
	go func() {
		raw, err := g.Accept()
		if err == nil {
			raw, _, err = (&serverCreds{config: config, refused: g.refused}).ServerHandshake(raw)
		}
		if err != nil {
			t.Error(err)
		}
		shaken <- raw
	}()
	defer tlsDial(t, g.Addr().String(), sec).Close()
	conn := <-shaken
	if n := g.strangers.Load(); n != 0 {
		t.Errorf("%d strangers after the handshake", n)
	}
	conn.Close()
	if n := g.strangers.Load(); n != 0 {
		t.Errorf("%d strangers after the end", n)
	}
}

func TestStrangersDoNotKeepOthersOut(t *testing.T) {
	sec := withToken(t, newTokenFile(t, "token"))
	var log logbook
	addr, stop := serve(t, newAgent(t, Config{}, 1), sec, log.log())
	before := runtime.NumGoroutine()
	known := tlsDial(t, addr, sec) // has shown who it is before the others came
	defer known.Close()
	var conns []net.Conn
	for range maxStrangers + 50 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	ended(t, "one too many", conns[len(conns)-1])
	if n := runtime.NumGoroutine() - before; n > 2*maxStrangers {
		t.Errorf("%d goroutines for strangers", n)
	}
	for _, conn := range conns {
		ended(t, "a mute stranger", conn)
		conn.Close()
	}
	served(t, addr, sec)
	stop()
	if !strings.Contains(log.String(), "256 connections are open") {
		t.Errorf("the log does not tell:\n%.2000s", &log)
	}
}

func tlsDial(t *testing.T, addr string, sec Security) net.Conn {
	t.Helper()
	c, err := sec.clientTLS("")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
