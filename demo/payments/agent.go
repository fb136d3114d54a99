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
// returns or something fails.
func serve(name, ip, pool string, cores float64, version string, h http.Handler, t *traffic, then func(context.Context, places) error) error {
	l, err := stories.Listen(ip)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 3)
	agent, err := stories.Agent(ctx, ip, agents.Config{
		Source:   stories.NewProcess(pool, l.Addr().(*net.TCPAddr).Port, cores, t.look),
		Hostname: name, Version: version, Labels: map[string]string{"pool": pool, "role": pool},
	}, ended)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: h, ConnState: t.state, ReadHeaderTimeout: headerTime}
	go func() { ended <- web.Serve(l) }()
	over := make(chan error, 1)
	go func() { over <- then(ctx, places{l.Addr().String(), agent}) }()
	select {
	case err := <-over:
		return err
	case err := <-ended:
		return fmt.Errorf("%s: %w", name, err)
	}
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
