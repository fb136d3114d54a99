package collectors

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"capmon/collectors/kernel"
)

// fakeCounts are the kernel's counters by hand.
type fakeCounts map[uint16]*kernel.ConnCount

func (f fakeCounts) at(port uint16) *kernel.ConnCount {
	if f[port] == nil {
		f[port] = new(kernel.ConnCount)
	}
	return f[port]
}

func (f fakeCounts) Read(port uint16) kernel.ConnCount { return *f.at(port) }
func (f fakeCounts) Close() error                      { return nil }
func (f fakeCounts) Edges(dst []kernel.Edge) ([]kernel.Edge, bool, error) {
	return dst, true, nil
}

// accept and leave count at a port and in the sum.
func (f fakeCounts) accept(port uint16, n uint32) {
	f.at(port).Near += n
	f.at(allPorts).Near += n
}

func (f fakeCounts) leave(port uint16, n uint32) {
	f.at(port).LeftAccepted += n
	f.at(allPorts).LeftAccepted += n
}

func (f fakeCounts) open(port uint16, n uint32) {
	f.at(port).Opened += n
	f.at(allPorts).Opened += n
}

// socketsAt is a dump of n sockets at each local address.
func socketsAt(n map[string]int) dumper {
	return func(each func(*diagSocket)) error {
		for local, n := range n {
			a := netip.MustParseAddrPort(local)
			s := diagSocket{family: unix.AF_INET, state: stateEstablished, sport: a.Port(), dport: 9}
			copy(s.src[:], a.Addr().AsSlice())
			for range n {
				each(&s)
			}
		}
		return nil
	}
}

func newFake() (*connCounter, fakeCounts, *portTable) {
	f := make(fakeCounts)
	return &connCounter{counts: f}, f, tableOf([2]string{"0.0.0.0:80", "nginx"}, [2]string{"127.0.0.1:5432", "postgres"})
}

func (c *connCounter) mustCheck(t *testing.T, now time.Time, table *portTable, dump dumper) {
	t.Helper()
	if err := c.check(now, table, dump); err != nil {
		t.Fatal(err)
	}
}

func TestCounterAddsToWhatThereWas(t *testing.T) {
	c, f, table := newFake()
	now := time.Now()
	f.accept(80, 2) // between the beginning of counting and the first look
	f.open(40000, 1)
	c.mustCheck(t, now, table, socketsAt(map[string]int{"10.0.0.1:80": 12, "127.0.0.1:5432": 3, "10.0.0.1:5432": 1, "10.0.0.1:40000": 2, "10.0.0.1:9000": 4}))
	c.fill(now, table, new(ownConns))
	if diff := cmp.Diff([]string{"80 nginx 12", "5432 postgres 3"}, counts(table)); diff != "" || table.established != 22 {
		t.Errorf("%d established, want 22; (-want +got):\n%s", table.established, diff)
	}
	f.accept(80, 5)
	f.leave(80, 7)
	f.leave(5432, 1)
	f.open(5432, 2) // from here, with that local port
	now = now.Add(2 * time.Second)
	c.fill(now, table, new(ownConns))
	if diff := cmp.Diff([]string{"80 nginx 10", "5432 postgres 2"}, counts(table)); diff != "" || table.established != 21 {
		t.Errorf("%d established, want 21; (-want +got):\n%s", table.established, diff)
	}
	if a := table.ports[0].accepts; a == nil || *a != 2.5 {
		t.Errorf("%v accepted a second, want 2.5", a)
	}
	// A port that begins to listen where there were connections.
	table.listen([]listenSocket{{addrPort("0.0.0.0:9000"), 7}}, []owner{{name: "java"}})
	c.fill(now.Add(time.Second), table, new(ownConns))
	if diff := cmp.Diff([]string{"9000 java 4"}, counts(table)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a := table.ports[0].accepts; a != nil {
		t.Errorf("%v accepted a second at a port seen once", *a)
	}
}

func TestCounterLeavesOutOurOwn(t *testing.T) {
	c, f, _ := newFake()
	table := tableOf([2]string{"0.0.0.0:80", "nginx"}, [2]string{"127.0.0.1:7077", "capmon"})
	now := time.Now()
	// A visitor and our poll at 80, both ends of the poll here; two viewers at
	// 7077, one of which is ourselves.
	c.mustCheck(t, now, table, socketsAt(map[string]int{"127.0.0.1:80": 2, "127.0.0.1:7077": 2, "127.0.0.1:33333": 1, "127.0.0.1:44444": 1}))
	own := &ownConns{
		open: []connEnds{
			{addrPort("127.0.0.1:33333"), addrPort("127.0.0.1:80")},
			{addrPort("127.0.0.1:44444"), addrPort("127.0.0.1:7077")},
			{addrPort("10.0.0.1:55555"), addrPort("10.0.0.2:80")},
		},
		dialed: map[uint16]uint32{80: 1},
	}
	f.open(55555, 1)
	c.fill(now, table, own)
	if table.ports[0].clients != 1 || table.established != 1 {
		t.Errorf("%d at port 80, %d in all, want 1 and 1", table.ports[0].clients, table.established)
	}
	f.accept(80, 4)
	own.dialed[80]++
	c.fill(now.Add(time.Second), table, own)
	if a := table.ports[0].accepts; a == nil || *a != 3 {
		t.Errorf("%v accepted a second, want 3", a)
	}
}

// TestCounterIsCorrected: what a look contradicts twice is drift; what may have
// come and gone while the table was read is none.
func TestCounterIsCorrected(t *testing.T) {
	c, f, table := newFake()
	now := time.Now()
	c.mustCheck(t, now, table, socketsAt(map[string]int{"10.0.0.1:80": 100}))
	if c.drift != nil {
		t.Errorf("drift %d before anything was compared", *c.drift)
	}
	if want := now.Add(compareEvery); !c.next.Equal(want) {
		t.Errorf("the next look in %v, want %v", c.next.Sub(now), compareEvery)
	}
	moving := func(n int) dumper {
		return func(each func(*diagSocket)) error {
			f.accept(80, 10)
			f.leave(80, 10)
			return socketsAt(map[string]int{"10.0.0.1:80": n})(each)
		}
	}
	for _, n := range []int{91, 100, 109} {
		c.mustCheck(t, now, table, moving(n))
		if *c.drift != 0 {
			t.Errorf("%d seen while 10 came and went: drift %d, want none", n, *c.drift)
		}
	}
	// One wrong look and a right one.
	wrong := 0
	c.mustCheck(t, now, table, func(each func(*diagSocket)) error {
		wrong++
		return socketsAt(map[string]int{"10.0.0.1:80": 100 - 5*(wrong%2)})(each)
	})
	if *c.drift != 0 || wrong != 2 {
		t.Errorf("drift %d after %d looks, of which the second was right", *c.drift, wrong)
	}
	c.mustCheck(t, now, table, socketsAt(map[string]int{"10.0.0.1:80": 93}))
	c.fill(now, table, new(ownConns))
	if *c.drift != 7 || table.ports[0].clients != 93 || table.established != 93 {
		t.Errorf("drift %d, %d clients, %d in all; want 7, 93, 93", *c.drift, table.ports[0].clients, table.established)
	}
	c.mustCheck(t, now, table, socketsAt(map[string]int{"10.0.0.1:80": 93}))
	if *c.drift != 0 {
		t.Errorf("drift %d after it was corrected", *c.drift)
	}
}

// TestCounterNarrowsDown: the first look is at a port that moves, later ones
// tell what was there.
func TestCounterNarrowsDown(t *testing.T) {
	c, f, table := newFake()
	now := time.Now()
	c.mustCheck(t, now, table, func(each func(*diagSocket)) error {
		f.accept(80, 20)
		return socketsAt(map[string]int{"10.0.0.1:80": 50})(each)
	})
	if got := *c.bases[80]; got.least != 30 || got.most != 50 {
		t.Errorf("%+v, want 30 to 50", got)
	}
	if want := now.Add(compareSoon); !c.next.Equal(want) {
		t.Errorf("the next look in %v, want %v", c.next.Sub(now), compareSoon)
	}
	c.mustCheck(t, now, table, socketsAt(map[string]int{"10.0.0.1:80": 55}))
	if got := *c.bases[80]; got.least != 35 || got.most != 35 || *c.drift != 0 {
		t.Errorf("%+v, drift %d; want 35 and none", got, *c.drift)
	}
}

func TestCounterThatCannotLook(t *testing.T) {
	c, f, table := newFake()
	now := time.Now()
	broken := errors.New("broken")
	if err := c.check(now, table, func(func(*diagSocket)) error { return broken }); !errors.Is(err, broken) || c.begun {
		t.Errorf("error %v, begun %v", err, c.begun)
	}
	// An answer that was not whole is asked for once more, from the beginning.
	tries := 0
	c.mustCheck(t, now, table, func(each func(*diagSocket)) error {
		tries++
		if err := socketsAt(map[string]int{"10.0.0.1:80": 4, "10.0.0.1:40000": 2})(each); err != nil || tries > 1 {
			return err
		}
		return errInterrupted
	})
	f.leave(80, 1)
	c.fill(now, table, new(ownConns))
	if table.ports[0].clients != 3 || table.established != 5 || c.before[40000] != 2 {
		t.Errorf("%d clients, %d in all, %d before; want 3, 5, 2", table.ports[0].clients, table.established, c.before[40000])
	}
}

func TestCounterWithoutAQueue(t *testing.T) {
	c, f, table := newFake()
	now := time.Now()
	table.ports[0].queue = new(listenQueue)
	c.mustCheck(t, now, table, socketsAt(nil))
	f.open(80, 3)
	c.fill(now, table, new(ownConns))
	if table.ports[0].clients != 3 {
		t.Errorf("%d clients, want 3", table.ports[0].clients)
	}
}
