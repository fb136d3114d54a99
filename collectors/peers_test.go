package collectors

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// peersOf shows peers as "address connections".
func peersOf(peers []peer) []string {
	all := []string{}
	for _, p := range peers {
		all = append(all, fmt.Sprint(p.addr, " ", p.connections))
	}
	return all
}

// TestPeers walks sockets "count local remote" of a proxy's backend at :8080 and
// of a public server at :443.
func TestPeers(t *testing.T) {
	for name, c := range map[string]struct {
		walk []string
		want []string // of :8080; nil = not known
	}{
		"nobody came": {nil, nil},
		"one proxy": {
			[]string{"98 10.0.0.1:8080 10.0.0.9", "2 10.0.0.1:8080 192.0.2.1"},
			[]string{"10.0.0.9 98"},
		},
		"five of a hundred are many": {
			[]string{"95 10.0.0.1:8080 10.0.0.9", "5 10.0.0.1:8080 10.0.0.8"},
			[]string{"10.0.0.9 95", "10.0.0.8 5"},
		},
		"the four largest": {
			[]string{"9 10.0.0.1:8080 10.0.0.5", "8 10.0.0.1:8080 10.0.0.4", "7 10.0.0.1:8080 10.0.0.3", "6 10.0.0.1:8080 10.0.0.2", "10 10.0.0.1:8080 10.0.0.6"},
			[]string{"10.0.0.6 10", "10.0.0.5 9", "10.0.0.4 8", "10.0.0.3 7"},
		},
		"IPv4 in IPv6 is IPv4": {
			[]string{"3 [::ffff:10.0.0.1]:8080 ::ffff:10.0.0.9", "3 10.0.0.1:8080 10.0.0.9", "4 [2001:db8::1]:8080 2001:db8::9"},
			[]string{"10.0.0.9 6", "2001:db8::9 4"},
		},
		"this machine counts and has no name": {
			[]string{"50 127.0.0.1:8080 127.0.0.1", "50 10.0.0.1:8080 10.0.0.1", "6 10.0.0.1:8080 10.0.0.9"},
			[]string{"10.0.0.9 6"},
		},
		"this machine alone": {
			[]string{"50 127.0.0.1:8080 127.0.0.1"},
			[]string{},
		},
		"capmon's own don't count": {
			[]string{"1 127.0.0.1:8080 127.0.0.1:33333"},
			nil,
		},
		"another port, and what was made from here": {
			[]string{"5 10.0.0.1:443 10.0.0.9", "5 10.0.0.1:40000 10.0.0.9"},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := tableOf([2]string{"[::]:8080", "node"}, [2]string{"0.0.0.0:443", "haproxy"})
			own := new(ownConns)
			own.open = []connEnds{{addrPort("127.0.0.1:33333"), addrPort("127.0.0.1:8080")}}
			table.beginWalk(own)
			for _, s := range c.walk {
				var n int
				var local, remote string
				fmt.Sscan(s, &n, &local, &remote)
				to, err := netip.ParseAddrPort(remote)
				if err != nil {
					to = netip.AddrPortFrom(netip.MustParseAddr(remote), 5000)
				}
				for range n {
					table.add(plain(addrPort(local)), plain(to))
				}
			}
			table.endPeers()
			at := table.at(addrPort("10.0.0.1:8080"))
			if (at.peers == nil) != (c.want == nil) {
				t.Fatalf("peers %v, want %v", at.peers, c.want)
			}
			if diff := gocmp.Diff(c.want, peersOf(at.peers)); at.peers != nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPeersStay: who has nothing to do keeps its peers, and so does a port that
// listens again for the same server; another one's are not its.
func TestPeersStay(t *testing.T) {
	table := tableOf([2]string{"0.0.0.0:80", "nginx"}, [2]string{"0.0.0.0:81", "nginx"})
	walk := func(remotes ...string) {
		table.beginWalk(new(ownConns))
		for _, r := range remotes {
			table.add(addrPort("10.0.0.1:80"), addrPort(r))
			table.add(addrPort("10.0.0.1:81"), addrPort(r))
		}
		table.endPeers()
	}
	walk("10.0.0.9:1")
	walk()
	if got := peersOf(table.ports[0].peers); len(got) != 1 || got[0] != "10.0.0.9 1" {
		t.Errorf("idle: %v", got)
	}
	table.listen([]listenSocket{{addrPort("0.0.0.0:80"), 7}, {addrPort("0.0.0.0:81"), 9}}, []owner{{name: "nginx"}, {name: "node"}})
	if a, b := table.ports[0].peers, table.ports[1].peers; len(a) != 1 || b != nil {
		t.Errorf("after they began anew: nginx %v, node %v", a, b)
	}
	walk("10.0.0.8:1", "10.0.0.8:2")
	if got := peersOf(table.ports[0].peers); len(got) != 1 || got[0] != "10.0.0.8 2" {
		t.Errorf("of another proxy: %v", got)
	}
}

// TestPeersAreSaidInTheirRhythm: a digit is the address that holds most, - that
// nobody does, ? that it is not known; said are those that were told.
func TestPeersAreSaidInTheirRhythm(t *testing.T) {
	for name, c := range map[string]struct{ peers, said string }{
		"nothing changes": {"111111111111111111", "11..1.......1....."},
		"another":         {"1112222233", "11.22...3."},
		"nobody any more": {"1111---------", "11..e.......e"},
		"never known":     {"?????????", "........."},
		"nobody ever":     {"---------", "........."},
		"known late":      {"???11111111", "...11......"},
	} {
		t.Run(name, func(t *testing.T) {
			var r peersRhythm
			var said strings.Builder
			for _, sign := range c.peers {
				p := servicePort{port: 80}
				switch sign {
				case '?':
				case '-':
					p.peers = []peer{}
				default:
					p.peers = []peer{{netip.AddrFrom4([4]byte{10, 0, 0, byte(sign - '0')}), 5}}
				}
				if !r.settle([]servicePort{p})[0] {
					said.WriteByte('.')
					continue
				}
				m := peersMessage(p.peers)[0]
				if m.GetAddress() == "" {
					said.WriteByte('e')
				} else {
					said.WriteString(strings.TrimPrefix(m.GetAddress(), "10.0.0."))
				}
			}
			if said.String() != c.said {
				t.Errorf("said %s, want %s", said.String(), c.said)
			}
			r.settle(nil)
			if len(r.said) != 0 {
				t.Errorf("%d services are remembered, none is left", len(r.said))
			}
		})
	}
}

// FuzzHeavyPeers holds the table against an exact count: every address with more
// than n/(k+1) of n connections is found, no count is too large, and none is too
// small by more than that.
func FuzzHeavyPeers(f *testing.F) {
	f.Add([]byte{}, uint8(1))
	f.Add([]byte(strings.Repeat("a", 40)+"bcdefghijklmnopqrstuvwxyz"), uint8(3))
	f.Add([]byte("abcdefghijklmnop"+strings.Repeat("z", 40)), uint8(200))
	f.Add([]byte(strings.Repeat("abcdefghijklmnopq", 30)), uint8(200))
	f.Fuzz(func(t *testing.T, data []byte, many uint8) {
		var h heavyPeers
		exact := make(map[netip.Addr]int)
		for i, b := range data {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], uint32(b))
			if b > many { // the rest are addresses that come once
				binary.BigEndian.PutUint32(a[:], 1<<24+uint32(i))
			}
			addr := netip.AddrFrom4(a)
			exact[addr]++
			h.add(addr)
		}
		n := len(data)
		for addr, count := range exact {
			i := slices.Index(h.addrs[:h.used], addr)
			if i < 0 {
				if count*(peerCounters+1) > n {
					t.Fatalf("%v with %d of %d is not found", addr, count, n)
				}
				continue
			}
			if got := int(h.counts[i]); got > count || (count-got)*(peerCounters+1) > n {
				t.Fatalf("%v has %d of %d, counted %d", addr, count, n, got)
			}
		}
		top := h.largest()
		for _, p := range top {
			if 100*int(p.connections) < leastPeer*n || int(p.connections) > exact[p.addr] {
				t.Fatalf("%v of %d told, it has %d", p, n, exact[p.addr])
			}
		}
		if len(top) > maxPeers || !slices.IsSortedFunc(top, func(a, b peer) int { return cmp.Compare(b.connections, a.connections) }) {
			t.Fatalf("told %v", top)
		}
		if int(h.all) != n {
			t.Fatalf("%d of %d", h.all, n)
		}
	})
}

// BenchmarkHeavyPeers is one connection, where two addresses hold nearly all and
// where no two are alike.
func BenchmarkHeavyPeers(b *testing.B) {
	for name, many := range map[string]int{"proxies": 2, "people": 1 << 14} {
		b.Run(name, func(b *testing.B) {
			addrs := make([]netip.Addr, many)
			for i := range addrs {
				addrs[i] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			}
			var h heavyPeers
			i := 0
			for b.Loop() {
				h.add(addrs[i%many])
				i++
			}
		})
	}
}
