package stories

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"capmon/agents"
	"capmon/sample"
)

func TestNote(t *testing.T) {
	var list []Step
	Note(&list, time.Now().Add(time.Hour), 2) // before the beginning
	Note(&list, time.Now().Add(-90*time.Second), 2)
	Note(&list, time.Now().Add(-90*time.Second), 3)
	if len(list) != 2 || list[0] != (Step{0, 2}) || list[1][0] < 90 || list[1][1] != 3 {
		t.Errorf("%v", list)
	}
}

func TestHappened(t *testing.T) {
	Happened(nil, time.Now(), false, "nobody listens")
	var got []Event
	Happened(func(e Event) { got = append(got, e) }, time.Now().Add(time.Hour), true, "%d servers", 3)
	if !slices.Equal(got, []Event{{0, "3 servers", true}}) {
		t.Errorf("%+v", got)
	}
}

// An address that is none of this machine gives way to one that is, and a port
// that is taken to another.
func TestListenForAgent(t *testing.T) {
	for range 2 {
		l, err := ListenForAgent("192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("it listens on %v", ip)
		}
	}
}

// The first sample knows no rates: there is nothing before it.
func TestProcess(t *testing.T) {
	var asked []float64
	p := NewProcess("game", 7000, 1.5, func(web *sample.Service, _ time.Time, took float64) int64 {
		asked = append(asked, took)
		web.Rps = new(float32(took))
		return 12
	})
	defer p.Close()
	begin := time.Unix(1000, 0)
	first, second := p.Sample(t.Context(), begin), p.Sample(t.Context(), begin.Add(2*time.Second))
	if !slices.Equal(asked, []float64{0, 2}) {
		t.Errorf("after %v s", asked)
	}
	if first.GetCpu().Used != nil || second.GetCpu().Used == nil || second.GetCpu().GetAvailable() != 1.5 || second.GetConnections().GetServed() != 12 {
		t.Errorf("%v, then %v", first, second)
	}
	if web := second.GetServices()[0]; web.GetName() != "game" || web.GetPort() != 7000 || web.GetConnections() != 12 || web.GetRps() != 2 {
		t.Errorf("%v", web)
	}
}

// An agent is there once it says where, and goes with its context.
func TestAgent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 2)
	look := func(*sample.Service, time.Time, float64) int64 { return 0 }
	addr, err := Agent(ctx, "127.0.0.1", agents.Config{Source: NewProcess("game", 1, 1, look), Hostname: "here"}, ended)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	cancel()
	for range 2 {
		<-ended
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("it listens still")
	}
}

func TestVerdictText(t *testing.T) {
	const formula = "NEED 2 = ceil(0.03 / (0.67 × 0.80))"
	for want, v := range map[string]Verdict{
		"need ?":            {Bound: "cpu", Formula: formula},
		formula:             {OK: true, Bound: "conns", Formula: formula},
		formula + " by cpu": {OK: true, Bound: "cpu", Formula: formula},
	} {
		if got := v.Text(); got != want {
			t.Errorf("%+v is %q, want %q", v, got, want)
		}
	}
}
