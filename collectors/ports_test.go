package collectors

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/sample"
)

func addrPort(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

// tableOf is a table of sockets "address owner", the owner's process being its
// place in the list.
func tableOf(sockets ...[2]string) *portTable {
	t := new(portTable)
	var all []listenSocket
	names := make(map[uint64]owner)
	for i, s := range sockets {
		id := uint64(i + 1)
		all = append(all, listenSocket{addrPort(s[0]), id})
		names[id] = owner{name: s[1], root: int(id), own: s[1] == "capmon"}
	}
	sortSockets(all)
	var owners []owner
	for _, s := range all {
		owners = append(owners, names[s.id])
	}
	t.listen(all, owners)
	return t
}

// counts shows a table as "port name connections".
func counts(t *portTable) []string {
	var all []string
	for _, p := range t.ports {
		n := "?"
		if p.counted {
			n = fmt.Sprint(p.clients)
		}
		all = append(all, fmt.Sprint(p.port, " ", p.owner.name, " ", n))
	}
	return all
}

// TestRootsOfAPort: every process that listens on it, each once.
func TestRootsOfAPort(t *testing.T) {
	var sockets []listenSocket
	for id := range 4 {
		sockets = append(sockets, listenSocket{local: netip.MustParseAddrPort("127.0.0.1:80"), id: uint64(id)})
	}
	table := new(portTable)
	table.listen(sockets, []owner{{name: "web", root: 7}, {name: "web", root: 5}, {}, {name: "web", root: 7}})
	if diff := cmp.Diff([]int{7, 5}, table.ports[0].roots); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCountingByPort(t *testing.T) {
	table := tableOf(
		[2]string{"0.0.0.0:80", "nginx"}, [2]string{"[::]:80", "nginx"},
		[2]string{"127.0.0.1:5432", "postgres"},
		[2]string{"0.0.0.0:8080", "node"},
		[2]string{"[::]:9000", "java"},
		[2]string{"[fe80::1]:53", "dnsmasq"}, [2]string{"127.0.0.53:53", "resolved"},
		[2]string{"[::]:7077", "capmon"},
	)
	if diff := cmp.Diff([]string{"53 resolved+dnsmasq ?", "80 nginx ?", "5432 postgres ?", "7077 capmon ?", "8080 node ?", "9000 java ?"}, counts(table)); diff != "" {
		t.Errorf("before the first count (-want +got):\n%s", diff)
	}
	own := new(ownConns)
	own.open = []connEnds{{addrPort("127.0.0.1:33333"), addrPort("127.0.0.1:80")}}
	table.beginWalk(own)
	for _, c := range [][2]string{
		{"10.0.0.1:80", "10.0.0.9:5000"},
		{"[2001:db8::1]:80", "[2001:db8::2]:5000"},
		{"127.0.0.1:5432", "127.0.0.1:5000"},
		{"10.0.0.1:5432", "10.0.0.9:5000"},  // not an address it listens on: an outgoing one
		{"[::1]:8080", "[::1]:5000"},        // IPv6 does not come through 0.0.0.0
		{"10.0.0.1:9000", "10.0.0.9:5000"},  // IPv4 does come through [::]
		{"10.0.0.1:40000", "10.0.0.9:80"},   // outgoing
		{"127.0.0.1:7077", "127.0.0.1:100"}, // a viewer
		{"127.0.0.1:80", "127.0.0.1:33333"}, // our own poll, the server's end
		{"127.0.0.1:33333", "127.0.0.1:80"}, // and our end
		{"127.0.0.53:53", "127.0.0.1:9"},
	} {
		table.add(addrPort(c[0]), addrPort(c[1]))
	}
	if diff := cmp.Diff([]string{"53 resolved+dnsmasq 1", "80 nginx 2", "5432 postgres 1", "7077 capmon 0", "8080 node 0", "9000 java 1"}, counts(table)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if table.established != 8 || table.served() != 5 {
		t.Errorf("established %d, served %d, want 8 and 5", table.established, table.served())
	}
	ports, dropped := visible(table.ports)
	if len(ports) != 5 || dropped != 0 {
		t.Errorf("%d services and %d dropped, want 5 and none: capmon's own is not one", len(ports), dropped)
	}
	table.forget()
	if table.known || counts(table)[1] != "80 nginx ?" {
		t.Errorf("after a failed count the table knows %v", counts(table))
	}
}

func TestPortsComeAndGo(t *testing.T) {
	table := tableOf([2]string{"0.0.0.0:80", "nginx"}, [2]string{"0.0.0.0:81", "old"})
	table.beginWalk(new(ownConns))
	table.add(addrPort("1.1.1.1:80"), addrPort("2.2.2.2:2"))
	before := table.ports[0].key
	table.listen([]listenSocket{{addrPort("0.0.0.0:80"), 1}, {addrPort("0.0.0.0:82"), 9}}, []owner{{name: "nginx"}, {}})
	if diff := cmp.Diff([]string{"80 nginx 1", "82  ?"}, counts(table)); diff != "" {
		t.Errorf("the count of a port that stays is kept, a new one has none (-want +got):\n%s", diff)
	}
	if table.ports[0].key != before {
		t.Error("the key of a port that stays has changed")
	}
	table.beginWalk(new(ownConns))
	table.add(addrPort("1.1.1.1:81"), addrPort("2.2.2.2:2"))
	if table.established != 1 || table.served() != 0 {
		t.Errorf("a port that is gone still counts: %d, %d", table.established, table.served())
	}
	table.listen([]listenSocket{{addrPort("0.0.0.0:80"), 2}}, []owner{{name: "nginx"}})
	if table.ports[0].key == before {
		t.Error("a socket made anew has the old key")
	}
}

func TestMoreServicesThanASampleHolds(t *testing.T) {
	var all []servicePort
	for i := range sample.MaxServices + 10 {
		all = append(all, servicePort{port: uint16(i + 1), clients: uint32(i), counted: true})
	}
	ports, dropped := visible(all)
	if len(ports) != sample.MaxServices || dropped != 10 || ports[0].port != 11 || ports[len(ports)-1].port != sample.MaxServices+10 {
		t.Errorf("%d services from :%d, %d dropped", len(ports), ports[0].port, dropped)
	}
}

func TestLoopbackOf(t *testing.T) {
	for _, c := range []struct {
		addrs []string
		want  string
	}{
		{[]string{"0.0.0.0"}, "127.0.0.1"},
		{[]string{"::"}, "::1"},
		{[]string{"10.0.0.1", "127.0.0.5"}, "127.0.0.5"},
		{[]string{"10.0.0.1"}, "invalid IP"},
		{nil, "invalid IP"},
	} {
		var addrs []netip.Addr
		for _, a := range c.addrs {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		if got, ok := loopbackOf(addrs); got.String() != c.want || ok != got.IsValid() {
			t.Errorf("%v: %v, %v, want %v", c.addrs, got, ok, c.want)
		}
	}
}

// TestPace counts how much is spent on counts of 0.3 ms, 9 ms and 90 ms when
// something changes all the time, and when nothing does.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		took    time.Duration
		changed bool
		want    int // counts in 60 s
	}{
		{300 * time.Microsecond, true, 60},
		{300 * time.Microsecond, false, 12},
		{20 * time.Millisecond, true, 60},
		{90 * time.Millisecond, true, 12}, // 18 ms a second: 1.8% of a core
		{90 * time.Millisecond, false, 12},
		{time.Second, true, 2},
	} {
		var p pace
		n := 0
		start := time.Now()
		for s := range 60 {
			now := start.Add(time.Duration(s) * time.Second)
			if p.due(now, c.changed) {
				n++
				p.counted(now, c.took, true)
			}
		}
		if n != c.want {
			t.Errorf("%v a count, changed %v: %d counts a minute, want %d", c.took, c.changed, n, c.want)
		}
		if spent := time.Duration(n) * c.took; spent > 60*time.Second*2/100+c.took {
			t.Errorf("%v a count: %v a minute is more than 2%%", c.took, spent)
		}
	}
	var p pace
	now := time.Now()
	p.counted(now, 0, false)
	if !p.due(now.Add(time.Second), false) {
		t.Error("a count that failed is not tried again")
	}
}

func TestOwnConnectionsAreKnownUntilClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var own ownConns
	c, err := own.dial(context.Background(), new(net.Dialer), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	remote := addrPort(l.Addr().String())
	want := []connEnds{{local: addrPort(c.LocalAddr().String()), remote: remote}}
	if diff := cmp.Diff(want, own.snapshot(nil), cmp.Comparer(func(a, b connEnds) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.Close()
	c.Close()
	if left := own.snapshot(nil); len(left) != 0 {
		t.Errorf("after Close: %v", left)
	}
	if n := own.made(remote.Port()); n != 1 {
		t.Errorf("%d connections made, want 1", n)
	}
}
