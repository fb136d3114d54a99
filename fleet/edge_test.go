package fleet

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"capmon/capacity"
	"capmon/sample"
)

// fleetOf makes hosts of lines "pool number ...": host n of a pool has the
// address 10.0.0.n, and each further word is a service, as
// "connections<address*connections,...", where a bare number is 10.0.0.number,
// "<" alone says that nobody holds many, and no "<" that its peers are not known.
// "@address" is one more address of the machine.
func fleetOf(t *testing.T, text string) (hosts []Host, pools []string) {
	t.Helper()
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		h := Host{Name: words[0] + "-" + words[1], Pool: words[0], Machine: &sample.Machine{Addresses: []string{"10.0.0." + words[1], "fe80::1", "127.0.0.1"}}}
		if !seen[h.Pool] {
			seen[h.Pool] = true
			pools = append(pools, h.Pool)
		}
		for i, w := range words[2:] {
			if a, ok := strings.CutPrefix(w, "@"); ok {
				h.Machine.Addresses = append(h.Machine.Addresses, a)
				continue
			}
			h.Services = append(h.Services, serviceOf(t, i, w))
		}
		hosts = append(hosts, h)
	}
	return hosts, pools
}

func serviceOf(t *testing.T, i int, word string) Service {
	t.Helper()
	conns, peers, known := strings.Cut(word, "<")
	v := Service{Port: 8000 + i}
	if conns != "?" {
		n := 0
		if _, err := fmt.Sscan(conns, &n); err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		v.Connections = capacity.Known(float64(n))
	}
	if known {
		v.Peers = []Peer{}
	}
	for p := range strings.SplitSeq(peers, ",") {
		a, held, ok := strings.Cut(p, "*")
		if !ok {
			continue
		}
		if !strings.ContainsAny(a, ".:") {
			a = "10.0.0." + a
		}
		n := 0
		fmt.Sscan(held, &n)
		v.Peers = append(v.Peers, Peer{a, n})
	}
	return v
}

func TestEdgeOf(t *testing.T) {
	const unknown = "not known: "
	for name, c := range map[string]struct{ fleet, edge, how string }{
		"one pool": {"web 1 100<2*100\nweb 2 100<1*100", "", ""},
		"a proxy before two servers": {
			"proxy 1 500<\nweb 11 100<1*98,192.0.2.7*2\nweb 12 100<1*98",
			"proxy", "its hosts hold 98% of the connections of web",
		},
		"HAProxy and two nginx, as real ones tell it": {
			"proxy 2 40<10.77.0.1*40\nnginx 3 ?<10.77.0.1*1 40<2*40 0\nnginx 4 40<2*40 0",
			"proxy", "its hosts hold 98% of the connections of nginx",
		},
		"two proxies before three pools": {
			"proxy 1 500<\nproxy 2 400<\napi 11 200<1*90,2*90\ndb 12 100<1*50,2*50\nweb 13 50<2*50",
			"proxy", "its hosts hold 100% of the connections of api, db and web",
		},
		"a chain": {
			"edge 1 900<\napp 11 100<1*100\ndb 21 40<11*40",
			"edge", "its hosts hold 100% of the connections of app; db is behind app",
		},
		"a long chain, named the other way round": {
			"queue 31 9<21*9\ndb 21 40<11*40\napp 11 100<1*100\nedge 1 900<",
			"edge", "its hosts hold 100% of the connections of app; queue is behind db; db is behind app",
		},
		"a database of two pools": {
			"edge 1 900<\napp 11 100<1*100\ndb 21 40<11*20,1*20",
			"edge", "its hosts hold 85% of the connections of app and db",
		},
		"users of a public edge are listed too": {
			"edge 1 10<192.0.2.1*4,192.0.2.2*3\nweb 11 4<1*4",
			"edge", "its hosts hold 100% of the connections of web",
		},
		"more proxies than are listed": {
			"lb 1\nlb 2\nlb 3\nlb 4\nlb 5\nlb 6\nlb 7\nlb 8\nweb 11 800<1*101,2*101,3*100,4*100",
			"lb", "its hosts hold 100% of the connections of web",
		},
		"far more, of whom too few are listed": {
			"lb 1\nlb 2\nlb 3\nlb 4\nweb 11 2000<1*101,2*101,3*100,4*100",
			"", unknown + "no pool is seen to hold the connections of another",
		},
		"a health check from behind": {
			"edge 1 100<11*6\nweb 11 50<1*50",
			"edge", "its hosts hold 100% of the connections of web",
		},
		"those behind call back through the edge": {
			"edge 1 1000<11*400\nweb 11 50<1*50",
			"edge", "its hosts hold 100% of the connections of web",
		},
		"replicas talk to each other": {
			"edge 1 100<\ndb 11 60<12*30,1*30\ndb 12 60<11*30,1*30",
			"edge", "its hosts hold 100% of the connections of db",
		},
		"a login from elsewhere": {
			"edge 1 100<\nweb 11 2<192.0.2.9*2 100<1*99",
			"edge", "its hosts hold 98% of the connections of web", // 99 of 101
		},
		"a second address": {
			"edge 1 @2001:db8::1 @10.9.0.1\nweb 11 100<2001:db8::1*50,10.9.0.1*50",
			"edge", "its hosts hold 100% of the connections of web",
		},
		"idle, by the last list": {
			"edge 1 0<\nweb 11 0<1*20",
			"edge", "its hosts hold 100% of the connections of web",
		},
		"connections are not known": {
			"edge 1\nweb 11 ?<1*20",
			"edge", "its hosts hold 100% of the connections of web",
		},
		"the edge tells nothing": {
			"edge 1 900\nweb 11 100<1*100",
			"edge", "its hosts hold 100% of the connections of web",
		},
		"one that is by itself": {
			"edge 1 900<\nweb 11 100<1*100\nbatch 21 3<192.0.2.4*3",
			"edge", "its hosts hold 100% of the connections of web; nobody is seen in front of batch",
		},
		"a mesh": {
			"a 1 100<2*50,3*50\nb 2 100<1*50,3*50\nc 3 100<1*50,2*50",
			"", unknown + "every pool is behind another",
		},
		"two in a circle": {
			"a 1 100<2*100\nb 2 100<1*100",
			"", unknown + "every pool is behind another",
		},
		"a circle apart": {
			"edge 1 900<\nweb 11 100<1*100\na 21 10<22*10\nb 22 10<21*10",
			"", unknown + "no pool is in front of all of web, a and b",
		},
		"two systems": {
			"web 1 100<\napp 2 100<1*100\nshop 3 100<\ndb 4 100<3*100",
			"", unknown + "no pool is in front of all of app and db",
		},
		"two edges before one": {
			"web 1 100<\nshop 2 100<\ndb 4 100<1*50,2*50",
			"", unknown + "web and shop are each in front of db",
		},
		"behind a gateway that no host has": {
			"edge 1 900<\nweb 11 100<203.0.113.1*100",
			"", unknown + "no pool is seen to hold the connections of another",
		},
		"79 of 100": {
			"edge 1 900<\nweb 11 100<1*79,192.0.2.1*21",
			"", unknown + "no pool is seen to hold the connections of another",
		},
		"80 of 100": {
			"edge 1 900<\nweb 11 100<1*80,192.0.2.1*20",
			"edge", "its hosts hold 80% of the connections of web",
		},
		"an address that hosts of two pools have": {
			"edge 1 @172.17.0.1\nweb 11 @172.17.0.1 100<172.17.0.1*100",
			"", unknown + "no pool is seen to hold the connections of another",
		},
		"loopback and link-local are nobody's": {
			"edge 1\nweb 11 100<127.0.0.1*50,fe80::1*50",
			"", unknown + "no pool is seen to hold the connections of another",
		},
		"nothing is known": {
			"edge 1 100\nweb 11 100",
			"", unknown + "no pool is seen to hold the connections of another",
		},
		"nonsense": {
			"edge 1 5<no.address*5,:*1\nweb 11 5<.*5,1*-5",
			"", unknown + "no pool is seen to hold the connections of another",
		},
	} {
		t.Run(name, func(t *testing.T) {
			hosts, pools := fleetOf(t, c.fleet)
			edge, how := edgeOf(hosts, pools)
			if edge != c.edge || how != c.how {
				t.Errorf("%q: %s\nwant %q: %s", edge, how, c.edge, c.how)
			}
		})
	}
}

// TestEdgeOfOdds: what hosts are not in any pool, are behind another service, or
// are known by the address they are reached at.
// Who serves nobody is not what people reach first, and stands outside; who is
// down, or does not tell what listens, is not known to serve nobody.
func TestEdgeOfVisitors(t *testing.T) {
	for name, c := range map[string]struct {
		lay  func(load *Host)
		edge string
	}{
		"serves nobody":           {func(h *Host) { h.State, h.Services = Up, []Service{} }, "lb"},
		"does not tell":           {func(h *Host) { h.State = Up }, "load"},
		"is down":                 {func(h *Host) { h.State, h.Services = Down, []Service{} }, "load"},
		"listens, for its admins": {func(h *Host) { h.State, h.Services = Up, []Service{{Port: 22}} }, "load"},
	} {
		hosts, pools := fleetOf(t, "load 1\nlb 2 50<1*50\nweb 11 50<2*50")
		c.lay(&hosts[0])
		if edge, how := edgeOf(hosts, pools); edge != c.edge {
			t.Errorf("one that %s: the edge is %q (%s), want %q", name, edge, how, c.edge)
		}
	}
}

func TestEdgeOfOdds(t *testing.T) {
	hosts, pools := fleetOf(t, "edge 1 900<\nweb 11 100<1*100")
	hosts[0].Machine, hosts[0].Addr = nil, "10.0.0.1:7077"
	if edge, _ := edgeOf(hosts, pools); edge != "edge" {
		t.Errorf("by the address it is reached at: %q", edge)
	}
	hosts[1].Services[0].Behind = 80
	if edge, how := edgeOf(hosts, pools); edge != "" {
		t.Errorf("a service behind another of its machine: %q, %s", edge, how)
	}
	hosts[1].Services[0].Behind = 0
	hosts[0].Pool = "no such pool"
	if edge, how := edgeOf(hosts, pools); edge != "" {
		t.Errorf("a host in no pool: %q, %s", edge, how)
	}
	if edge, how := edgeOf(nil, pools); edge != "" || !strings.HasPrefix(how, "not known") {
		t.Errorf("no host: %q, %s", edge, how)
	}
}

// FuzzEdgeOf: whatever hosts say, the answer is a pool or none with its reason.
func FuzzEdgeOf(f *testing.F) {
	f.Add([]byte("012312301230123"), uint8(3))
	f.Add([]byte{}, uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, many uint8) {
		var pools []string
		for i := range many % 6 {
			pools = append(pools, fmt.Sprint("pool", i))
		}
		var hosts []Host
		for i, b := range data {
			v := Service{Peers: []Peer{
				{fmt.Sprintf("10.0.0.%d", b), int(b) << (b % 24)},
				{fmt.Sprintf("10.0.0.%d", b/2), math.MinInt},
			}}
			if b%3 == 0 {
				v.Connections = capacity.Num{V: float64(b) * 1e9, OK: true}
			}
			hosts = append(hosts, Host{
				Pool: fmt.Sprint("pool", b%7), Machine: &sample.Machine{Addresses: []string{fmt.Sprintf("10.0.0.%d", i%256)}},
				Services: []Service{v},
			})
		}
		edge, how := edgeOf(hosts, pools)
		known := edge != ""
		if len(pools) < 2 && (known || how != "") || len(pools) > 1 && (how == "" || known == strings.HasPrefix(how, "not known")) {
			t.Fatalf("%q: %q", edge, how)
		}
		if strings.Contains(how, "-") {
			t.Fatalf("%q", how)
		}
	})
}

func BenchmarkEdgeOf(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var hosts []Host
			for i := range n {
				h := Host{Pool: []string{"edge", "app"}[min(i%10, 1)], Addr: fmt.Sprintf("10.1.%d.%d:7077", i/256, i%256)}
				h.Machine = &sample.Machine{Addresses: []string{fmt.Sprintf("10.1.%d.%d", i/256, i%256), fmt.Sprintf("2001:db8::%x", i)}}
				v := Service{Connections: capacity.Known(100)}
				for k := range 4 {
					v.Peers = append(v.Peers, Peer{fmt.Sprintf("10.1.0.%d", k%(1+(n-1)/10)*10), 25})
				}
				h.Services = []Service{v, v}
				hosts = append(hosts, h)
			}
			for b.Loop() {
				if edge, how := edgeOf(hosts, []string{"edge", "app"}); edge != "edge" {
					b.Fatal(how)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/host")
		})
	}
}
