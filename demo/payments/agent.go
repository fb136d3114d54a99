package payments

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"capmon/agents"
	"capmon/demo/stories"
	"capmon/sample"
)

// places are where a child can be reached, host:port.
type places struct{ web, agent string }

// serve is a child that answers requests and has an agent of its own, until then
// returns, which is told what fails.
func serve(name, ip, pool string, cores float64, version string, h http.Handler, t *traffic, then func(ctx context.Context, at places, failed <-chan error) error) error {
	l, err := stories.Listen(ip)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 3)
	agent, err := stories.Agent(ctx, ip, agents.Config{
		Source:   stories.NewProcess(pool, l.Addr().(*net.TCPAddr).Port, cores, t.look),
		Hostname: name, Version: version, Labels: map[string]string{"pool": pool, "role": pool},
	}, failed)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: h, ConnState: t.state, ReadHeaderTimeout: headerTime}
	go func() { failed <- web.Serve(l) }()
	if err := then(ctx, places{l.Addr().String(), agent}, failed); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// look is what that agent sees.
func (t *traffic) look(web *sample.Service, now time.Time, took float64) (connections int64) {
	other, failed := t.other.Load(), t.failed.Load()
	all := t.ok.Load() + other + failed
	web.Responses, web.Status, web.Latency = &all, []uint64{0, other, failed}, t.latency(now)
	if took > 0 {
		web.Rps = new(float32(float64(all-t.seen) / took))
	}
	t.seen = all
	return t.lines.Load()
}
