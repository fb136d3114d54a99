package agents

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"capmon/agents/rpc"
)

// Of both ends of the stream. Small buffers, for hundreds of idle streams;
// static windows, for with dynamic ones a ping goes with every sample.
const (
	bufferBytes = 4096
	windowBytes = 256 << 10
	headerBytes = 8 << 10
)

// Of the server.
const (
	maxRequest   = 4 << 10
	strangerTime = 5 * time.Second // to shake hands, and to say what is wanted
	maxStreams   = 8               // of one connection; a viewer needs two
	idleTime     = 30 * time.Second
)

// Serve gives the samples of a to whoever connects to lis and is allowed to
// read them, until ctx is done; then it closes lis and every connection and
// returns nil within a second. A peer that is refused is logged.
func Serve(ctx context.Context, lis net.Listener, a *Agent, sec Security, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	refused := newFold(log, "refused a peer", "a refused peer is gone", time.Minute)
	defer refused.close()
	config, err := sec.serverTLS()
	if err != nil {
		lis.Close()
		return err
	}
	creds := &serverCreds{config: config, refused: refusals{refused, sec}}
	s := grpc.NewServer(
		grpc.Creds(creds),
		grpc.ReadBufferSize(bufferBytes),
		grpc.WriteBufferSize(bufferBytes),
		grpc.StaticStreamWindowSize(windowBytes),
		grpc.StaticConnWindowSize(windowBytes),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxHeaderListSize(headerBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(strangerTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: 20 * time.Second, Timeout: 15 * time.Second, MaxConnectionIdle: idleTime,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}),
		grpc.StreamInterceptor(requestInTime),
	)
	rpc.RegisterAgentServer(s, &server{agent: a, serving: ctx})
	ended := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ended:
		case <-ctx.Done():
			stop(s)
		}
	}()
	err = s.Serve(&gate{Listener: lis, refused: creds.refused})
	close(ended)
	<-stopped
	if ctx.Err() != nil {
		return nil
	}
	s.Stop()
	return fmt.Errorf("serve %s: %w", lis.Addr(), err)
}

// stop lets the streams end with a word, and cuts those that don't listen.
func stop(s *grpc.Server) {
	late := time.AfterFunc(500*time.Millisecond, s.Stop)
	defer late.Stop()
	s.GracefulStop()
}

// server is the generated service over an Agent.
type server struct {
	rpc.UnimplementedAgentServer
	agent   *Agent
	serving context.Context // of Serve
}

// Subscribe ends with the stream, the agent, or Serve.
func (s *server) Subscribe(r *rpc.SubscribeRequest, stream rpc.Agent_SubscribeServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.serving, cancel)()
	err := s.agent.Subscribe(ctx, r, stream.Send)
	if s.serving.Err() != nil {
		return errStopping
	}
	return err
}

var errStopping = status.Error(codes.Unavailable, stopping)

// requestInTime refuses a stream that does not say what it wants: without it
// its goroutine would wait as long as the connection lasts.
func requestInTime(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, _ grpc.StreamHandler) error {
	r := new(rpc.SubscribeRequest)
	got := make(chan error, 1)
	go func() { got <- ss.RecvMsg(r) }() // ends with the stream at the latest
	late := time.NewTimer(strangerTime)
	defer late.Stop()
	select {
	case err := <-got:
		if err != nil {
			return err
		}
	case <-late.C:
		return status.Errorf(codes.DeadlineExceeded, "no request within %v", strangerTime)
	}
	return srv.(rpc.AgentServer).Subscribe(r, &grpc.GenericServerStream[rpc.SubscribeRequest, rpc.Update]{ServerStream: ss})
}
