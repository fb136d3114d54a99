package collectors

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// The kernel chooses the same sockets as we would.
func TestTheKernelChoosesByPortAndAddress(t *testing.T) {
	port := unusedPorts(t, 1)[0]
	var all []string
	for _, a := range []string{"127.0.0.2", "127.0.0.3", "[::1]"} {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", a, port))
		if err != nil {
			t.Skipf("%s: %v", a, err)
		}
		t.Cleanup(func() { l.Close() })
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		all = append(all, l.Addr().String())
	}
	table := func(list ...string) *portTable {
		var sockets []listenSocket
		for _, a := range list {
			sockets = append(sockets, listenSocket{local: netip.MustParseAddrPort(a)})
		}
		sortSockets(sockets)
		p := new(portTable)
		p.listen(sockets, make([]owner, len(sockets)))
		for i := range p.ports {
			p.ports[i].among(nil)
		}
		return p
	}
	var d diag
	defer d.close()
	for _, c := range []struct {
		ports *portTable
		want  []string
	}{
		{table(all[0]), all[:1]},
		{table(all[1], fmt.Sprintf("127.0.0.9:%d", port+1)), all[1:2]},
		{table(fmt.Sprintf("127.0.0.9:%d", port+1), fmt.Sprintf("0.0.0.0:%d", port)), all},
		{table(all[0], all[2]), all},
	} {
		var got []string
		err := d.dumpOf(1<<stateEstablished, conditionsOf(c.ports.ports), t.Context().Err, func(s *diagSocket) {
			if s.state == stateEstablished {
				got = append(got, s.local().String())
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(c.want))
		if d.v2 {
			t.Skip("this kernel does not choose")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", c.ports.ports, got, want)
		}
	}
	if conditionsOf(nil) != nil || conditionsOf(make([]servicePort, scopeConditions+1)) != nil {
		t.Error("conditions without ports, or with too many")
	}
}

// Between two walks the number follows the open files.
func TestConnectionsFollowTheOpenFiles(t *testing.T) {
	s := startScoped(t, fmt.Sprintf("127.0.0.2:%d", unusedPorts(t, 1)[0]))
	c := Config{Scope: Scope{pid: s.cmd.Process.Pid}}.withDefaults()
	source := newScopeConnections(c, new(ownConns), newListeners(), newScopeMembers(c)).source.(*scopeSockets)
	defer source.close()
	table := new(portTable)
	now := time.Now()
	read := func() uint32 {
		now = now.Add(time.Second)
		if _, err := source.read(t.Context(), now, table); err != nil {
			t.Fatal(err)
		}
		if len(table.ports) != 1 || !table.ports[0].counted {
			t.Fatalf("ports %+v", table.ports)
		}
		return table.ports[0].clients
	}
	read()
	if !source.files.bySize {
		t.Skip("this kernel does not know how many files a process has open")
	}
	base := source.opened
	s.hold(2)
	for read() != 2 || source.opened != base+2 || source.walked != base+2 {
		time.Sleep(10 * time.Millisecond)
	}
	walked := source.pace.last
	source.pace.earliest = now.Add(time.Hour)
	s.hold(3)
	for read() != 5 {
		time.Sleep(10 * time.Millisecond)
	}
	if source.pace.last != walked {
		t.Error("they were walked")
	}

	// A walk that counted what nobody had accepted yet is made again, but only when
	// the files stand still, and only where it may cost that.
	source.counted, source.unsure = source.counted+7, false
	for range stillFor + 1 {
		read()
	}
	if read() != 12 {
		t.Error("a sure walk was made again")
	}
	source.unsure, source.again = true, now.Add(3*time.Second)
	for range 2 {
		if read() != 12 {
			t.Error("walked before its time")
		}
	}
	if n := read(); n != 5 || source.unsure {
		t.Errorf("%d after it was walked again, unsure %v", n, source.unsure)
	}
	source.pace.earliest = now.Add(time.Hour)
	s.hold(1)
	for source.still > 0 {
		read()
		time.Sleep(10 * time.Millisecond)
	}
	source.pace.earliest = time.Time{}
	source.before = -1 // they move
	if read(); !source.unsure || !source.fresh {
		t.Error("a walk while the files move is sure")
	}
	source.pace.earliest, source.again = now.Add(time.Hour), time.Time{}
	for range stillFor + 2 {
		read()
	}
	if source.unsure || read() != 6 {
		t.Errorf("it was not made again: %d", read())
	}
	source.pace.earliest = now.Add(time.Hour)
	if source.fresh, source.before = true, -1; read() != 6 || !source.unsure {
		t.Error("a walk before which they stood still, and moved at once after it, is sure")
	}
}
