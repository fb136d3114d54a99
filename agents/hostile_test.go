package agents

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"capmon/agents/rpc"
	"capmon/sample"
)

// tcpServer answers every connection with f, which need not close it.
func tcpServer(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	lis := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); f(conn) }()
		}
	}()
	t.Cleanup(func() { lis.Close(); <-done })
	return lis.Addr().String()
}

// liar is a gRPC server that answers Subscribe with f.
type liar struct {
	rpc.UnimplementedAgentServer
	f func(rpc.Agent_SubscribeServer) error
}

func (l liar) Subscribe(_ *rpc.SubscribeRequest, s rpc.Agent_SubscribeServer) error { return l.f(s) }

func grpcServer(t *testing.T, f func(rpc.Agent_SubscribeServer) error) string {
	t.Helper()
	lis := listen(t)
	s := grpc.NewServer()
	if f != nil {
		rpc.RegisterAgentServer(s, liar{f: f})
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(lis) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return lis.Addr().String()
}

func wait(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func said() *sample.Machine {
	return &sample.Machine{Epoch: 7, Hostname: "liar", IntervalMs: 1000}
}

func encoded(t testing.TB, seqs ...uint64) [][]byte {
	t.Helper()
	var list [][]byte
	for _, seq := range seqs {
		b, err := proto.Marshal(&sample.Sample{Seq: seq, TimeMs: 1})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// TestPeersThatAreNoAgents holds what the user is told, within a few seconds,
// about everything else that may listen on a port.
func TestPeersThatAreNoAgents(t *testing.T) {
	t.Parallel()
	hold := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	write := func(text string) func(net.Conn) {
		return func(conn net.Conn) { _, _ = io.WriteString(conn, text); hold(conn) }
	}
	web := func(t *testing.T, h2 bool) string {
		lis := listen(t)
		s := &http.Server{Handler: http.NotFoundHandler(), Protocols: new(http.Protocols)}
		s.Protocols.SetHTTP1(!h2)
		s.Protocols.SetUnencryptedHTTP2(h2)
		go func() { _ = s.Serve(lis) }()
		t.Cleanup(func() { s.Close() })
		return lis.Addr().String()
	}
	one := func(u *rpc.Update) func(rpc.Agent_SubscribeServer) error {
		return func(s rpc.Agent_SubscribeServer) error {
			if err := s.Send(u); err != nil {
				return err
			}
			return wait(s.Context())
		}
	}
	two := func(u *rpc.Update) func(rpc.Agent_SubscribeServer) error {
		return func(s rpc.Agent_SubscribeServer) error {
			if err := s.Send(&rpc.Update{Machine: said(), Samples: encoded(t, 5)}); err != nil {
				return err
			}
			return one(u)(s)
		}
	}
	token := withToken(t, newTokenFile(t, "token"))
	big := strings.Repeat("x", 2<<20)
	for name, tt := range map[string]struct {
		serve   func(*testing.T) string
		sec     Security
		refused bool
		reason  string
	}{
		"web server":           {func(t *testing.T) string { return web(t, false) }, Plain(), true, "is a web server, not a capmon agent"},
		"web server, token":    {func(t *testing.T) string { return web(t, false) }, token, true, "is a web server, not a capmon agent"},
		"HTTP/2 without gRPC":  {func(t *testing.T) string { return web(t, true) }, Plain(), true, "no capmon agent, or one of another version"},
		"another gRPC service": {func(t *testing.T) string { return grpcServer(t, nil) }, Plain(), true, "no capmon agent, or one of another version"},
		"gRPC and a token":     {func(t *testing.T) string { return grpcServer(t, nil) }, token, true, "there is no way down"},
		"ssh":                  {func(t *testing.T) string { return tcpServer(t, write("SSH-2.0-OpenSSH_9.2\r\n")) }, Plain(), true, "is an ssh server"},
		"garbage":              {func(t *testing.T) string { return tcpServer(t, write(strings.Repeat("\x1b[2J\x00\xff", 50))) }, Plain(), true, `answers with "\x1b[2J`},
		"garbage, token":       {func(t *testing.T) string { return tcpServer(t, write(strings.Repeat("\xff\x00", 50))) }, token, true, `answers with "\xff`},
		"TLS garbage": {func(t *testing.T) string {
			return tcpServer(t, write("\x16\x03\x03\x00\x64"+strings.Repeat("\xff", 100)))
		}, token, true, "TLS"},
		"mute":            {func(t *testing.T) string { return tcpServer(t, hold) }, Plain(), false, "takes the connection but says nothing"},
		"mute, token":     {func(t *testing.T) string { return tcpServer(t, hold) }, token, false, "takes the connection but says nothing"},
		"hangs up":        {func(t *testing.T) string { return tcpServer(t, func(net.Conn) {}) }, Plain(), true, "hangs up without a word"},
		"hangs up, token": {func(t *testing.T) string { return tcpServer(t, func(net.Conn) {}) }, token, true, "hung up in the middle of the TLS handshake"},
		"half a greeting": {func(t *testing.T) string { return tcpServer(t, write("\x00\x00")) }, Plain(), true, "answers with"},
		"nothing to say": {func(t *testing.T) string {
			return grpcServer(t, func(s rpc.Agent_SubscribeServer) error { return nil })
		}, Plain(), true, "ends the stream at once"},
		"an error with controls": {func(t *testing.T) string {
			return grpcServer(t, func(s rpc.Agent_SubscribeServer) error {
				return status.Error(codes.Internal, "\x1b[2Jbad\n"+big[:500])
			})
		}, Plain(), false, "[2Jbad xxx"},
		"endless message": {func(t *testing.T) string {
			return grpcServer(t, one(&rpc.Update{Machine: &sample.Machine{Epoch: 7, Hostname: big, IntervalMs: 1000}}))
		}, Plain(), true, "a message of more than 1048576 bytes"},
		"no machine":      {func(t *testing.T) string { return grpcServer(t, one(&rpc.Update{})) }, Plain(), true, "does not say first what it is"},
		"bad machine":     {func(t *testing.T) string { return grpcServer(t, one(&rpc.Update{Machine: &sample.Machine{}})) }, Plain(), true, "epoch is 0"},
		"two machines":    {func(t *testing.T) string { return grpcServer(t, two(&rpc.Update{Machine: said()})) }, Plain(), true, "says twice what it is"},
		"garbage sample":  {func(t *testing.T) string { return grpcServer(t, two(&rpc.Update{Samples: [][]byte{[]byte("hello")}})) }, Plain(), true, "sends what no capmon agent sends"},
		"order":           {func(t *testing.T) string { return grpcServer(t, two(&rpc.Update{Samples: encoded(t, 9, 8)})) }, Plain(), true, "sample 8 after 9"},
		"through too far": {func(t *testing.T) string { return grpcServer(t, two(&rpc.Update{ThroughSeq: 6})) }, Plain(), true, "all up to sample 6"},
		"too many samples": {func(t *testing.T) string {
			return grpcServer(t, two(&rpc.Update{Samples: make([][]byte, maxSamples+1)}))
		}, Plain(), true, "more than 1024 samples"},
		"bad point": {func(t *testing.T) string {
			return grpcServer(t, two(&rpc.Update{Points: []*sample.Point{{Time: 5}}, ThroughPoint: 10}))
		}, Plain(), true, "no multiple of ten"},
		"many services": {func(t *testing.T) string {
			return grpcServer(t, two(&rpc.Update{Points: []*sample.Point{{Time: 10, Samples: 1, Services: make([]*sample.ServicePoint, 50)}}, ThroughPoint: 10}))
		}, Plain(), true, "a point with 50 services"},
		"large point": {func(t *testing.T) string {
			return grpcServer(t, two(&rpc.Update{Points: []*sample.Point{{Time: 10, Samples: 1, Services: make([]*sample.ServicePoint, 100)}}, ThroughPoint: 10}))
		}, Plain(), true, "a point of 20"},
		"gigantic list": {func(t *testing.T) string {
			return grpcServer(t, two(&rpc.Update{Points: make([]*sample.Point, 400_000)}))
		}, Plain(), true, "more than 1024 samples or points"},
		"flood": {func(t *testing.T) string {
			return grpcServer(t, func(s rpc.Agent_SubscribeServer) error {
				u := &rpc.Update{Machine: said()}
				for {
					if err := s.Send(u); err != nil {
						return err
					}
					u = &rpc.Update{Samples: encoded(t, 1, 2, 3)}
				}
			})
		}, Plain(), true, "more than a machine has to say"},
		"never a word": {func(t *testing.T) string {
			return grpcServer(t, func(s rpc.Agent_SubscribeServer) error { return wait(s.Context()) })
		}, Plain(), false, "no sample for 5 intervals"},
		"no more samples": {func(t *testing.T) string {
			return grpcServer(t, one(&rpc.Update{Machine: said(), Samples: encoded(t, 1), ThroughSeq: 1}))
		}, Plain(), false, "no sample for 5 intervals"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := newLedger()
			addr := tt.serve(t)
			_, stop := watch(t, tt.sec, sink, nil, target(t, addr))
			defer stop()
			final := func(l Link) bool { return !l.Up && !strings.HasSuffix(l.Reason, " yet") }
			sink.wait(t, addr, "a reason", func(a *account) bool { return len(a.links) > 0 && final(a.links[len(a.links)-1]) })
			sink.read(addr, func(a *account) {
				l := a.links[len(a.links)-1]
				if l.Refused != tt.refused || !strings.Contains(l.Reason, tt.reason) {
					t.Errorf("link %+v, want one with %q, refused %v", l, tt.reason, tt.refused)
				}
				if l.Reason != sample.Printable(l.Reason) || len(l.Reason) > 2*maxLine {
					t.Errorf("reason of %d bytes: %q", len(l.Reason), l.Reason)
				}
			})
		})
	}
}

func TestPlaintextIsTakenFromLoopbackOnly(t *testing.T) {
	here, there := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9), Port: 1}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 1}
	for name, tt := range map[string]struct {
		sec    Security
		remote net.Addr
		taken  bool
	}{
		"loopback":           {Plain(), here, true},
		"another machine":    {Plain(), there, false},
		"nobody":             {Plain(), nil, false},
		"insecure":           {Insecure(), there, true},
		"a token, elsewhere": {withToken(t, newTokenFile(t, "token")), there, true},
	} {
		a := &attempt{target: Target{Name: "web-1", Addr: "web-1:7077"}, sec: tt.sec, remote: tt.remote}
		err := a.admit()
		if (err == nil) != tt.taken {
			t.Errorf("%s: got error %v", name, err)
		}
		if err == nil {
			continue
		}
		if l := a.explain(err); !l.Refused || !strings.Contains(l.Reason, "without TLS") || !strings.Contains(l.Do, "--insecure") {
			t.Errorf("%s: link %+v", name, l)
		}
		sink := newLedger()
		sink.Join("web-1", "", "")
		h := NewViewer(ViewerOptions{Sink: sink}).newHost("web-1")
		if _, err := h.take(newStream(&h.intake, time.Now()), &rpc.Update{Machine: said()}, a.admit); err == nil || len(sink.hosts["web-1"].machines) > 0 {
			t.Errorf("%s: its update is taken", name)
		}
	}
}

func TestLinksThatDoNotComeAbout(t *testing.T) {
	closed := listen(t)
	closed.Close()
	addr := closed.Addr().String()
	a := func(addr string) *attempt { return &attempt{target: Target{Name: addr, Addr: addr}} }
	timeout := &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
	for name, tt := range map[string]struct {
		addr       string
		err        error
		refused    bool
		reason, do string
	}{
		"refused":         {addr, nil, true, "nothing listens on " + addr, "start it there: capmon agent --listen " + addr},
		"refused here":    {"127.0.0.1:7077", refusedErrnos[0], true, "nothing listens on 127.0.0.1:7077", "start it: capmon agent"},
		"refused there":   {"web-1:7077", refusedErrnos[0], true, "nothing listens on web-1:7077", "start it there: capmon agent --listen :7077"},
		"dropped":         {"10.0.0.9:7077", timeout, false, "no answer from 10.0.0.9:7077 within 3s", "firewall"},
		"no route":        {"10.0.0.9:7077", routeErrnos[0], false, "no way to 10.0.0.9:7077", "is the machine up"},
		"no files":        {"10.0.0.9:7077", filesErrnos[0], false, "too many open files", "ulimit -n"},
		"no such host":    {"web-9:7077", &net.DNSError{Err: "no such host", Name: "web-9", IsNotFound: true}, false, "no address is known for web-9", "check the name"},
		"no name server":  {"web-9:7077", &net.DNSError{Err: "i/o timeout", Name: "web-9", IsTimeout: true}, false, "no answer", "check the DNS"},
		"broken resolver": {"web-9:7077", &net.DNSError{Err: "server misbehaving", Name: "web-9"}, false, "server misbehaving", "check the DNS"},
		"something else":  {"web-9:7077", net.UnknownNetworkError("x"), false, "dial web-9:7077: unknown network x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := a(tt.addr)
			if at.dial = tt.err; tt.err == nil {
				_, err := at.dialer(t.Context(), tt.addr)
				if err == nil {
					t.Fatal("somebody listens there")
				}
			}
			l := at.explain(status.Error(codes.Unavailable, "as gRPC has it"))
			if l.Refused != tt.refused || !strings.Contains(l.Reason, tt.reason) || !strings.Contains(l.Do, tt.do) {
				t.Errorf("link %+v, want %v, %q, %q", l, tt.refused, tt.reason, tt.do)
			}
		})
	}
}

func FuzzUpdate(f *testing.F) {
	add := func(u *rpc.Update) {
		b, err := proto.Marshal(u)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b)
	}
	add(&rpc.Update{Machine: said(), Samples: encoded(f, 1, 2), ThroughSeq: 2})
	add(&rpc.Update{Samples: encoded(f, 3), Points: []*sample.Point{{Time: 10, Samples: 1}}, ThroughSeq: 3, ThroughPoint: 10})
	add(&rpc.Update{ThroughPoint: 20, Points: []*sample.Point{{
		Time: 20, Samples: 10, Steal: proto.Float32(0.1), Throttled: proto.Float32(1),
		Services: []*sample.ServicePoint{{Port: 80, Rps: proto.Float32(9), Run: proto.Float32(1)}, {Port: 443, Rps: proto.Float32(1), Top: proto.Float32(1)}},
	}}})
	f.Add(protowire.AppendTag(nil, 2, protowire.BytesType), []byte{0xff})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var in intake
		now := time.UnixMilli(1_795_000_000_000)
		seen := make(map[uint64]bool)
		for range 2 { // a second stream goes on where the first ended
			s := newStream(&in, now)
			for _, b := range [][]byte{first, second, first} {
				if guard(b) != nil {
					continue
				}
				u := new(rpc.Update)
				if proto.Unmarshal(b, u) != nil {
					return // no update: the codec refuses it before
				}
				epoch := in.epoch
				got, err := s.take(u, now)
				if err != nil {
					break
				}
				if in.epoch != epoch {
					clear(seen)
				}
				for _, one := range got.samples {
					if seen[one.GetSeq()] {
						t.Errorf("sample %d came twice", one.GetSeq())
					}
					seen[one.GetSeq()] = true
				}
				if in.through > in.newest {
					t.Errorf("all up to %d, of %d", in.through, in.newest)
				}
			}
		}
	})
}
