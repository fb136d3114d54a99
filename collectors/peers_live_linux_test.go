package collectors

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"capmon/sample"
)

// TestPeersOnAllRoads: nine connections of a proxy, one of somebody else and one
// of this machine, of which every road tells the same.
func TestPeersOnAllRoads(t *testing.T) { inNamespace(t, "peers") }

func childPeers(t *testing.T) {
	loopbackUp(t)
	// A whole prefix on lo: each of its addresses is this machine's.
	if out, err := exec.Command("ip", "addr", "add", "10.78.0.1/16", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("an address of this namespace: %v: %s", err, out)
	}
	var w wrongs
	defer w.tell()
	serve(t, "tcp", "[::]:7001")
	serve(t, "tcp", "[::]:7002")
	var last []net.Conn
	dial := func(n int, from, to string) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
		for range n {
			c, err := d.Dial("tcp", to)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			// One byte back: the other end is established as well.
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			last = append(last, c)
		}
	}
	dial(9, "10.78.0.9", "10.78.0.1:7001")
	dial(1, "10.78.0.8", "10.78.0.1:7001")
	dial(1, "10.78.0.1", "10.78.0.1:7001")
	dial(1, "127.0.0.1", "127.0.0.1:7002")
	expect := func(what string, roads []*road, after time.Duration, proxy, nobody string) {
		for _, r := range roads {
			var at1, at2 string
			w.until(what, r, after, func(s *sample.Sample) bool {
				at1, at2 = said(at1, s, 7001), said(at2, s, 7002)
				return at1 == proxy && at2 == nobody
			})
		}
	}
	roads := append(bothRoads(true), portableRoad())
	expect("at first", roads, 2*time.Minute, "[10.78.0.9 9 10.78.0.8 1]", "")
	dial(30, "10.78.0.7", "10.78.0.1:7001")
	dial(1, "10.78.0.7", "10.78.0.1:7002")
	expect("another proxy", roads, 2*time.Minute, "[10.78.0.7 30 10.78.0.9 9]", "[10.78.0.7 1]")
	for _, c := range last {
		c.Close()
	}
	// Not said any more, or said as it was.
	for _, r := range roads {
		w.until("idle", r, 2*time.Minute, func(s *sample.Sample) bool { return s.GetConnections().GetServed() == 0 })
		for range 2 * limitsEighth {
			s, err := r.collect(2 * time.Minute)
			if err != nil {
				w.add("%s, idle: %v", r.name, err)
			}
			if got := said("", s, 7002); got != "" && got != "[10.78.0.7 1]" {
				w.add("%s, idle: %s", r.name, got)
			}
		}
		r.Close()
	}
}

// portableRoad is that of other systems.
func portableRoad() *road {
	own := new(ownConns)
	return &road{
		name: "portable", now: time.Now(), own: own,
		connections: newConnections(Config{countOwn: true, Portable: true}.withDefaults(), own, newListeners()),
	}
}

// said is what s says of the peers at a port, else what was said before.
func said(before string, s *sample.Sample, port uint16) string {
	peers := service(s, port).GetPeers()
	if len(peers) == 0 {
		return before
	}
	var all []string
	for _, p := range peers {
		if p.GetAddress() == "" {
			return ""
		}
		all = append(all, fmt.Sprint(p.GetAddress(), " ", p.GetConnections()))
	}
	return fmt.Sprint(all)
}
