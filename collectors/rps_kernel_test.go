package collectors

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/sample"
)

// fakeKernel counts what the test says.
type fakeKernel struct {
	watched map[uint16]bool
	class   map[uint16][6]uint64
	other   map[uint16]uint64
	full    bool
	closed  bool
	caveat  string
}

var _ httpCounter = (*fakeKernel)(nil)

func newFakeKernel() *fakeKernel {
	return &fakeKernel{watched: make(map[uint16]bool), class: make(map[uint16][6]uint64), other: make(map[uint16]uint64)}
}

func (f *fakeKernel) Watch(p *servicePort) error {
	port := p.port
	if f.full {
		return errors.New("no room for another port")
	}
	f.watched[port], f.class[port], f.other[port] = true, [6]uint64{}, 0
	return nil
}

func (f *fakeKernel) Unwatch(port uint16) { delete(f.watched, port) }

func (f *fakeKernel) Read(port uint16) ([6]uint64, uint64, bool) {
	return f.class[port], f.other[port], f.watched[port]
}

func (f *fakeKernel) Latency(port uint16, _ time.Time) *sample.Latency {
	return &sample.Latency{MeanUs: uint32(port)}
}

func (f *fakeKernel) Caveat() string { return f.caveat }

func (f *fakeKernel) Close() error {
	f.closed = true
	return nil
}

// respond has a port send n responses of a status.
func (f *fakeKernel) respond(port uint16, status int, n uint64) {
	c := f.class[port]
	c[status/100] += n
	f.class[port] = c
}

func (f *fakeKernel) ports() []uint16 { return slices.Sorted(maps.Keys(f.watched)) }

// withKernel is a collector that counts with f, or is refused with err.
func withKernel(t *testing.T, ports []servicePort, f *fakeKernel, err error, sources ...string) *rpsCollector {
	t.Helper()
	r := newTestRPS(t, ports, sources...)
	r.useKernel(newKernelPorts(r.own, func() (httpCounter, error) { return f, err }))
	return r
}

// TestKernelCountsBeforeAnyPage: with the kernel's count no page is asked, a
// port that is silent has sent zero, and one without HTTP/1 has no number.
func TestKernelCountsBeforeAnyPage(t *testing.T) {
	nginx := newFakeNginx(t, "/nginx_status")
	site := listening(nginx.port(), "nginx", 100)
	other, tls := listening(65000, "node", 300), listening(65001, "envoy", 400)
	tls.clients = 3
	f := newFakeKernel()
	r := withKernel(t, []servicePort{site, other, tls}, f, nil)
	got, err := rpsOf(t, r)
	want(t, "first", got, []string{
		fmt.Sprint(site.port, " EBPF 0: waiting for the second reading"), "65000 EBPF 0: waiting for the second reading", "65001 EBPF 0: waiting for the second reading",
	})
	f.respond(site.port, 200, 7)
	f.respond(site.port, 304, 2)
	f.respond(site.port, 100, 9) // not final
	f.respond(site.port, 503, 1)
	f.other[tls.port] = 50
	got, err2 := rpsOf(t, r)
	want(t, "second", got, []string{
		fmt.Sprint(site.port, " EBPF known 10"), "65000 EBPF known 0", "65001 UNSPECIFIED: connections but no plaintext HTTP/1: name an endpoint with --rps",
	})
	if err != nil || err2 != nil || len(nginx.asked) != 0 {
		t.Errorf("errors %v, %v; asked %v", err, err2, nginx.asked)
	}
	s := &sample.Sample{Services: []*sample.Service{{Port: uint32(site.port)}}}
	rpsReading(r.answers)(s)
	if v := s.GetServices()[0]; !slices.Equal(v.GetStatus(), []uint64{2, 0, 1}) || v.GetLatency().GetMeanUs() != uint32(site.port) {
		t.Errorf("status %v, latency %v", v.GetStatus(), v.GetLatency())
	}
	// A new port is watched when it is found, one that is gone no more.
	fresh := listening(65002, "", 0)
	r.found.publish([]servicePort{site, fresh})
	if got := f.ports(); !slices.Equal(got, []uint16{site.port, 65002}) {
		t.Errorf("watched %v", got)
	}
	f.respond(65002, 200, 5)
	got, _ = rpsOf(t, r)
	if len(got) != 2 || !strings.HasPrefix(got[1], "65002 EBPF 5") {
		t.Errorf("a new port: %v", got)
	}
	// It comes back: its total goes on.
	r.found.publish([]servicePort{fresh})
	r.found.publish([]servicePort{site, fresh})
	f.respond(site.port, 200, 4)
	got, _ = rpsOf(t, r)
	want(t, "it came back", got[:1], []string{fmt.Sprint(site.port, " EBPF 14: waiting for the second reading")})
	if err := r.Close(); err != nil || !f.closed {
		t.Errorf("closed %v, %v", f.closed, err)
	}
}

// TestPageWhereTheKernelSeesNone: an nginx that speaks TLS is asked; the polls
// are no load, and the page yields when plain responses come.
func TestPageWhereTheKernelSeesNone(t *testing.T) {
	nginx := newFakeNginx(t, "/nginx_status")
	status, tls := listening(nginx.port(), "nginx", 100), listening(1, "nginx", 100)
	f := newFakeKernel()
	r := withKernel(t, []servicePort{tls, status}, f, nil)
	rpsOf(t, r)
	f.other[tls.port] = 10
	rpsOf(t, r) // seen
	f.respond(status.port, 200, 1)
	got, err := rpsOf(t, r) // asked
	statusZero := fmt.Sprint(status.port, " EBPF known 0")
	want(t, "asked", got, []string{"1 NGINX 0: waiting for the second reading", statusZero})
	nginx.serve(30)
	f.respond(status.port, 200, 1)
	got, err2 := rpsOf(t, r)
	want(t, "counted by the page", got, []string{"1 NGINX known 30", statusZero})
	if err != nil || err2 != nil || len(nginx.asked) != 2 {
		t.Errorf("errors %v, %v, asked %v", err, err2, nginx.asked)
	}
	// Now there is plain HTTP too, on the port of the page.
	f.respond(status.port, 200, 1+5)
	rpsOf(t, r)
	got, err = rpsOf(t, r)
	want(t, "the kernel has them", got, []string{
		"1 UNSPECIFIED 30: traffic but no plaintext HTTP/1: name an endpoint with --rps", fmt.Sprint(status.port, " EBPF known 5"),
	})
	if err != nil || len(nginx.asked) != 3 {
		t.Errorf("%v, asked %v", err, nginx.asked)
	}
}

// TestNamedSourceBeforeTheKernel: neither its port nor the others of its server
// are counted twice.
func TestNamedSourceBeforeTheKernel(t *testing.T) {
	nginx := newFakeNginx(t, "/s")
	status, site, node := listening(nginx.port(), "nginx", 100), listening(1, "nginx", 100), listening(2, "node", 300)
	f := newFakeKernel()
	r := withKernel(t, []servicePort{site, node, status}, f, nil, "nginx:"+nginx.URL+"/s")
	rpsOf(t, r)
	nginx.serve(10)
	f.respond(site.port, 200, 10)
	f.respond(node.port, 200, 3)
	got, err := rpsOf(t, r)
	want(t, "services", got, []string{"1 NGINX known 10", "2 EBPF known 3", fmt.Sprint(status.port, " UNSPECIFIED: counted with :1")})
	if err != nil {
		t.Error(err)
	}
	// It stops answering: that is said, and nobody else takes its port.
	nginx.CloseClientConnections()
	nginx.Listener.Close()
	got, err = rpsOf(t, r)
	if err == nil || !strings.HasPrefix(got[0], "1 NGINX 10: ") || !strings.Contains(got[0], "refused") {
		t.Errorf("%v, %v", got, err)
	}
}

func TestKernelThatRefuses(t *testing.T) {
	refusal := errors.New("load the program that counts sends: CAP_BPF missing: run as root or give it with setcap")
	node, web := listening(1, "node", 100), listening(2, "web", 200)
	for name, c := range map[string]struct {
		sources []string
		node    string
		err     bool
	}{
		"auto":             {nil, "1 UNSPECIFIED: no source of requests for node: name one with --rps; eBPF: " + refusal.Error(), false},
		"wanted by name":   {[]string{"ebpf"}, "1 UNSPECIFIED: no eBPF: " + refusal.Error(), true},
		"for this service": {[]string{"node=ebpf:send"}, "1 UNSPECIFIED: no eBPF: " + refusal.Error(), true},
		"off":              {[]string{"off"}, "1 UNSPECIFIED: turned off with --rps off", false},
	} {
		r := withKernel(t, []servicePort{node, web}, nil, refusal, c.sources...)
		opened := 0
		r.kernel.open = func() (httpCounter, error) {
			opened++
			return nil, refusal
		}
		for range 2 {
			got, err := rpsOf(t, r)
			want(t, name, got[:1], []string{c.node})
			if (err != nil) != c.err || err != nil && !strings.Contains(err.Error(), "--rps ebpf: load the program") {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if opened != 1 {
			t.Errorf("%s: tried %d times", name, opened)
		}
	}
	full := newFakeKernel()
	full.full = true
	r := withKernel(t, []servicePort{node}, full, nil)
	got, _ := rpsOf(t, r)
	want(t, "a full table", got, []string{"1 UNSPECIFIED: no source of requests for node: name one with --rps; eBPF: no room for another port"})
}

// TestKernelForOneServiceAlone: the others are not looked at.
func TestKernelForOneServiceAlone(t *testing.T) {
	node, web := listening(1, "node", 100), listening(2, "web", 200)
	f := newFakeKernel()
	r := withKernel(t, []servicePort{node, web}, f, nil, "node=ebpf")
	rpsOf(t, r)
	f.respond(1, 200, 3)
	f.respond(2, 200, 3)
	got, _ := rpsOf(t, r)
	want(t, "services", got, []string{"1 EBPF known 3", "2 UNSPECIFIED: no source of requests for web: name one with --rps"})

	var c Config
	for _, text := range []string{"ebpf:send", "node=ebpf:egress"} {
		s, err := ParseRPS(text)
		if err != nil {
			t.Fatal(err)
		}
		c.RPS = append(c.RPS, s)
	}
	if p, err := newRules(c.RPS, false).program(c.RPS); p != "send" || err == nil || !strings.Contains(err.Error(), "name only one") {
		t.Errorf("two programs: %s, %v", p, err)
	}
}

// TestOpaqueStaysOpaque: a server of TLS answers a plain request of capmon in
// plain text, and its status page is sent in pieces; neither changes what the
// port is.
func TestOpaqueStaysOpaque(t *testing.T) {
	f := newFakeKernel()
	own := new(ownConns)
	k := newKernelPorts(own, func() (httpCounter, error) { return f, nil })
	if err := k.start([]servicePort{listening(443, "x", 1), listening(8080, "x", 1)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	read := func(what string, tls, status kernelState) {
		t.Helper()
		at = at.Add(time.Second)
		k.read(at)
		a, _ := k.of(443)
		b, _ := k.of(8080)
		if a.state != tls || b.state != status {
			t.Errorf("%s: states %v and %v, want %v and %v", what, a.state, b.state, tls, status)
		}
	}
	read("nothing yet", kernelSilent, kernelSilent)
	f.other[443] = 10
	read("TLS", kernelOpaque, kernelSilent)
	f.respond(443, 400, 1)
	own.answer(443, 400)
	f.respond(8080, 200, 1)
	f.other[8080] = 3
	own.answer(8080, 200)
	read("asked", kernelOpaque, kernelSilent)
	f.respond(443, 400, 1)
	read("somebody speaks HTTP to it", kernelCounts, kernelSilent)
}

// TestPollsAreNoResponses: what the kernel counts of capmon's own requests is
// taken off, and a poll that is counted late takes nothing back.
func TestPollsAreNoResponses(t *testing.T) {
	f := newFakeKernel()
	own := new(ownConns)
	own.answer(80, 200) // before the port was watched
	k := newKernelPorts(own, func() (httpCounter, error) { return f, nil })
	if err := k.start([]servicePort{listening(80, "x", 1)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	for i, c := range []struct {
		responses, polls int
		want             float64
	}{{5, 0, 5}, {6, 1, 5}, {6, 1, 5}, {10, 1, 7}} {
		f.class[80] = [6]uint64{2: uint64(c.responses)}
		for range c.polls {
			own.answer(80, 200)
		}
		at = at.Add(time.Second)
		k.read(at)
		if w, _ := k.of(80); w.last.count != c.want {
			t.Errorf("step %d: %v, want %v", i, w.last.count, c.want)
		}
	}
}
